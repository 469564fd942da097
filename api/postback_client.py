"""Sending to addresses that users have named, and reaching nothing but the public internet.

The name is resolved once; every address it has must be public, and the connection goes to one of
them while TLS still verifies the name. No redirects, no proxies, no credentials, port 443 only.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from urllib.parse import urlsplit

import certifi
import h11

from accounts.domain.public_addresses import is_public
from accounts.domain.redirect_urls import UrlRefused, normal_postback
from portfolio.services.postbacks import Answer

PATIENCE = 3.0
PORT = 443
# Looking up is done in threads: a name server that never answers holds up one of these, no more.
_LOOKERS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="postback-lookup")
_NOT_TAKEN = (OSError, UnicodeError, h11.ProtocolError)
# The status is all that counts: so much is read at a time, and headers may be no longer than that.
_CHUNK, _LONGEST_HEADERS = 1024, 8192

Lookup = Callable[[str], Awaitable[list[str]]]


class NotPublic(Exception):
    """The name has no address, or one that is not public."""


async def look_up(host: str) -> list[str]:
    """Return the addresses of a name, as this machine's resolver knows them."""
    found = await asyncio.get_running_loop().run_in_executor(
        _LOOKERS, lambda: socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
    )
    return [str(each[4][0]) for each in found]


class PublicAddresses:
    """Finds where a registered address leads; refuses what is not public."""

    def __init__(self, *, lookup: Lookup = look_up, port: int = PORT) -> None:
        """Take the resolver and, in tests, another port."""
        self._lookup, self._port = lookup, port

    async def find(self, host: str) -> tuple[str, int]:
        """Return the address and port to connect to. Raises `NotPublic`."""
        addresses = await self._lookup(host)
        if not addresses:
            raise NotPublic("the name has no address")
        if not all(self.is_allowed(each) for each in addresses):
            raise NotPublic("the address is not public")
        return min(addresses, key=lambda each: ":" in each), self._port

    def is_allowed(self, address: str) -> bool:
        """Say whether a connection may go there."""
        return is_public(address)


class PostbackClient:
    """Posts notices and says what came of them."""

    def __init__(
        self,
        *,
        addresses: PublicAddresses | None = None,
        verify: ssl.SSLContext | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Post to public addresses; tests hand over where theirs are and whom to trust there."""
        self._addresses = addresses or PublicAddresses()
        self._verify = verify or _usual_trust()
        self._patience = patience

    async def post(self, url: str, body: bytes, *, headers: Mapping[str, str]) -> Answer:
        """Post a body; whoever answers 2xx within the time has taken it. Nothing else is read."""
        try:
            async with asyncio.timeout(self._patience):
                status = await self._status_of(normal_postback(url), body, headers=headers)
        except TimeoutError:
            return Answer(
                is_taken=False, is_away=True, words=f"no answer within {self._patience:g} s"
            )
        except (UrlRefused, NotPublic):
            return Answer(is_taken=False, is_away=True, words="not a public https address")
        except _NOT_TAKEN as error:
            return Answer(is_taken=False, is_away=True, words=_words_of(error))
        return Answer(is_taken=200 <= status < 300, is_away=False, words=f"answered {status}")

    async def _status_of(self, url: str, body: bytes, *, headers: Mapping[str, str]) -> int:
        """Connect to the address that was judged, and to no other; TLS goes by the name."""
        parts = urlsplit(url)
        host = str(parts.hostname)
        address, port = await self._addresses.find(host)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        reader, writer = await asyncio.open_connection(
            address, port, ssl=self._verify, server_hostname=host, limit=_CHUNK
        )
        try:
            return await _ask(reader, writer, _request(host, target, headers, body=body))
        finally:
            writer.transport.abort()


def _request(
    host: str, target: str, headers: Mapping[str, str], *, body: bytes
) -> tuple[h11.Request, h11.Data, h11.EndOfMessage]:
    ours = {"Host": host, "Connection": "close", "Content-Length": str(len(body))}
    sent = [(name, value) for name, value in {**ours, **headers}.items()]
    return (
        h11.Request(method="POST", target=target, headers=sent),
        h11.Data(data=body),
        h11.EndOfMessage(),
    )


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: tuple[h11.Event, ...]
) -> int:
    """Write a request and return the status of the answer, of which nothing more is read."""
    wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEADERS)
    writer.write(b"".join(wire.send(event) or b"" for event in request))
    await writer.drain()
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            return int(event.status_code)
        elif not isinstance(event, h11.InformationalResponse):
            raise ConnectionError("closed without an answer")


@cache
def _usual_trust() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


def _words_of(error: Exception) -> str:
    """Say what went wrong in words that tell nothing of our own network."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its certificate is not valid for this name"
        if isinstance(cause, socket.gaierror):
            return "the name has no address"
        cause = cause.__cause__ or cause.__context__
    return "no connection"
