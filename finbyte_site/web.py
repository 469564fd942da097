"""The web process: Daphne with limits on what a client may send, and how slowly.

Daphne keeps a whole body before the application sees any of it, so the limits stand here, on the
connection. `python -m finbyte_site.web <host> <port>`
"""

# ruff: noqa: N802 - the methods have the names that Twisted and Daphne call
# Daphne installs its event loop: before anything else of Twisted.
from daphne.server import Server  # isort: skip

import asyncio
import gc
import os
import sys
from http import HTTPStatus
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted import logger
from twisted.internet import endpoints
from twisted.internet import reactor as the_reactor
from twisted.web.http import HTTPChannel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
# Sets Django up, which the refusals need.
from finbyte_site.asgi import application
from finbyte_site.refusals import refusal

# Only partly typed.
reactor: Any = the_reactor
server_from_string: Any = endpoints.serverFromString
begin_logging: Any = logger.globalLogBeginner.beginLoggingTo
Channel: Any = HTTPChannel

MOST_BODY = 256 * 1024
MOST_HEADERS = 100
# A question for a thousand prices names all of them in its address.
MOST_HEAD = 48 * 1024
MOST_FRAME = 64 * 1024
REFUSALS = {
    4000 + status: status
    for status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
}
# A request has arrived whole this long after its first byte, and is answered as quickly.
REQUEST_SECONDS = 15.0
IDLE_SECONDS = 60
# A refused client may read the answer so long, and send so much more that is thrown away: a
# connection closed under its hands would take the answer with it.
LINGER_SECONDS = 1.0
MOST_THROWN_AWAY = 1024 * 1024


class LimitedChannel(Channel):  # type: ignore[misc]
    """One connection; ends when a request is too large or arrives too slowly."""

    maxHeaders = MOST_HEADERS  # noqa: N815 - Twisted's name
    MAX_LENGTH = totalHeadersSize = MOST_HEAD  # noqa: N815
    _refused = False
    _thrown_away = 0
    _deadline: Any = None

    def dataReceived(self, data: bytes) -> None:
        """Take what has arrived, from the first byte of a request on within its time."""
        if self._refused:
            self._throw_away(data)
            return
        if self._deadline is None and not self._handlingRequest:
            self._deadline = self.callLater(
                REQUEST_SECONDS, self.refuse, HTTPStatus.REQUEST_TIMEOUT
            )
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """Read a header."""
        if not self._refused:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a header that does not end."""
        self.refuse(HTTPStatus.BAD_REQUEST)

    def rawDataReceived(self, data: bytes) -> None:
        """Read a part of the body."""
        if not self._refused:
            super().rawDataReceived(data)

    def allHeadersReceived(self) -> None:
        """Refuse a body that says it is too large before any of it is read."""
        if self.length is not None and self.length > MOST_BODY:
            self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            super().allHeadersReceived()

    def allContentReceived(self) -> None:
        """Hand the request on."""
        if not self._refused:
            self._end_deadline()
            super().allContentReceived()

    def connectionLost(self, reason: Any) -> None:
        """Forget the connection."""
        self._end_deadline()
        super().connectionLost(reason)

    def refuse(self, status: HTTPStatus) -> None:
        """Answer with the status, read nothing more and end the connection."""
        if self._refused:
            return
        self._refused = True
        self._end_deadline()
        self.setTimeout(None)
        self._networkProducer.unregisterProducer()
        path = getattr(self, "_path", b"")
        self.transport.write(refusal(path, status).as_bytes())
        self.transport.loseWriteConnection()
        self.callLater(LINGER_SECONDS, self.transport.abortConnection)

    def _throw_away(self, data: bytes) -> None:
        self._thrown_away += len(data)
        if self._thrown_away > MOST_THROWN_AWAY:
            self.transport.abortConnection()

    def _end_deadline(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(HTTPStatus.BAD_REQUEST)


class LimitedRequest(WebRequest):  # type: ignore[misc]
    """One request; a body without a length is cut off where it becomes too large."""

    _received = 0
    # The application reads its forms itself; Twisted would have read each one before.
    _parsePOSTFormSubmission = False  # noqa: N815 - Twisted's name

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a part of the body, or refuse the whole."""
        self._received += len(data)
        if self._received > MOST_BODY:
            self.channel.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            super().handleContentChunk(data)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Answer for an application that did not, in our words."""
        if self._response_started:
            self.loseConnection()
            return
        answer = refusal(self.path, HTTPStatus(status))
        self.handle_reply(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(name.encode(), value.encode()) for name, value in answer.headers],
            }
        )
        self.handle_reply({"type": "http.response.body", "body": answer.body})


class LimitedFactory(HTTPFactory):  # type: ignore[misc]
    """Makes the channels of connections."""

    protocol = LimitedChannel

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.timeOut = IDLE_SECONDS

    def buildProtocol(self, addr: Any) -> Any:
        """Return the channel of a new connection."""
        channel = super().buildProtocol(addr)
        channel.requestFactory = LimitedRequest
        return channel


class Socket(WebSocketProtocol):  # type: ignore[misc]
    """One socket; a refused handshake carries the headers of every other refusal.

    ASGI knows no status of a refusal: an application that closes before it accepts may name one
    by the close code, 4000 and the status.
    """

    _refused = HTTPStatus.FORBIDDEN

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Do what the application says."""
        if self.state == self.STATE_CONNECTING and message.get("code") in REFUSALS:
            self._refused = REFUSALS[message["code"]]
        super().handle_reply(message)

    def sendHttpErrorResponse(self, code: int, _reason: str, _headers: Any = None) -> None:
        """Answer a handshake with a plain refusal."""
        status = self._refused if code == HTTPStatus.FORBIDDEN else HTTPStatus(code)
        self.sendData(refusal(b"", status).as_bytes())


class SocketFactory(WebSocketFactory):  # type: ignore[misc]
    """Makes the sockets."""

    protocol = Socket


class WebServer(Server):  # type: ignore[misc]
    """Daphne's server with our channels and sockets, and silent about itself."""

    def run(self) -> None:
        """Serve until a signal comes."""
        self.connections: dict[Any, dict[str, Any]] = {}
        self.http_factory = LimitedFactory(self)
        self.ws_factory = SocketFactory(self, server=None)
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            allowNullOrigin=True,
            openHandshakeTimeout=self.websocket_handshake_timeout,
            maxMessagePayloadSize=self.websocket_max_message_size,
            maxFramePayloadSize=self.websocket_max_frame_size,
        )
        begin_logging([lambda _event: None], redirectStandardIO=False, discardBuffer=True)
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        for endpoint in self.endpoints:
            listener = server_from_string(reactor, endpoint).listen(self.http_factory)
            listener.addCallbacks(self.listen_success, self.listen_error)
        asyncio.set_event_loop(reactor._asyncioEventloop)  # noqa: SLF001 - as Daphne does
        reactor.addSystemEventTrigger("before", "shutdown", self.kill_all_applications)
        reactor.run()

    def kill_all_applications(self) -> Any:
        """End what still runs, and wait for it; Daphne stumbles over what has ended already."""
        self.connections = {
            protocol: details
            for protocol, details in self.connections.items()
            if "application_instance" in details
        }
        return super().kill_all_applications()


def main() -> None:
    """Serve the address that the command line names."""
    # What is loaded stays: the collector need not go through it again in the middle of a request.
    gc.freeze()
    host, port = sys.argv[1], int(sys.argv[2])
    WebServer(
        application=application,
        endpoints=build_endpoint_description_strings(host=host, port=port),
        http_timeout=REQUEST_SECONDS,
        websocket_timeout=12 * 3600,
        websocket_connect_timeout=10,
        websocket_max_message_size=MOST_FRAME,
        websocket_max_frame_size=MOST_FRAME,
        ping_interval=20,
        ping_timeout=30,
        server_name="",
    ).run()


if __name__ == "__main__":
    main()
