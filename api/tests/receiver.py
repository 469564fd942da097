"""A receiver of postbacks that speaks real TLS on loopback, and a listener that nobody may reach."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.postback_client import PostbackClient, PublicAddresses

HOST = "hooks.example.com"


@dataclass
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came, and what is answered: the statuses in turn, then the last of them for ever."""

    port: int
    trust: ssl.SSLContext
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=lambda: [200])
    # A part of the bodies that are answered 500.
    refused: bytes = b""
    delay: float = 0
    location: str = ""
    body: bytes = b"ok"
    at_once: int = 0
    most_at_once: int = 0

    def take_status(self, body: bytes) -> int:
        if self.refused and self.refused in body:
            return 500
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    def client(self, **values) -> PostbackClient:
        """Return a client to which this receiver is the public internet."""
        return PostbackClient(addresses=Here(self.port), verify=self.trust, **values)


class Here(PublicAddresses):
    """Every name leads to the receiver of the test."""

    def __init__(self, port: int) -> None:
        super().__init__(lookup=self._look_up, port=port)
        self.looked_up: list[str] = []

    async def _look_up(self, host: str) -> list[str]:
        self.looked_up.append(host)
        return ["127.0.0.1"]

    def is_allowed(self, address: str) -> bool:
        return address == "127.0.0.1"


def make_certificate(folder: Path, *, host: str = HOST) -> Path:
    """Return a file with a key and a certificate of its own authority for the host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)  # noqa: TID251 - a certificate is judged by the machine's clock
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextmanager
def receiving(folder: Path, *, host: str = HOST) -> Iterator[Receiver]:
    """Run a receiver whose certificate is for `host`."""
    pem = make_certificate(folder, host=host)
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(pem)
    server = _Server(("127.0.0.1", 0), _Handler)
    # The handshake belongs to the connection's thread, not to the one that accepts.
    server.socket = inside.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    receiver = Receiver(server.server_port, ssl.create_default_context(cafile=str(pem)))
    server.receiver = receiver
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    receiver: Receiver


class _Handler(BaseHTTPRequestHandler):
    lock = threading.Lock()
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            receiver.received.append(Received(self.path, dict(self.headers), body))
            receiver.at_once += 1
            receiver.most_at_once = max(receiver.most_at_once, receiver.at_once)
            status = receiver.take_status(body)
        time.sleep(receiver.delay)
        with self.lock:
            receiver.at_once -= 1
        try:
            self.send_response(status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", str(len(receiver.body)))
            self.end_headers()
            self.wfile.write(receiver.body)
        except OSError:
            return

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def log_message(self, *_words) -> None:
        """Say nothing."""


class Canary:
    """A listener on loopback that counts who connects."""

    def __init__(self) -> None:
        self._sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port = self._sockets[0].getsockname()[1]
        with suppress(OSError):
            self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for each in self._sockets:
            each.setblocking(False)

    @property
    def visits(self) -> int:
        """Return how many have connected since the last question."""
        return sum(self._accepted(each) for each in self._sockets)

    def _accepted(self, listener: socket.socket) -> int:
        count = 0
        while True:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    def close(self) -> None:
        for each in self._sockets:
            each.close()
