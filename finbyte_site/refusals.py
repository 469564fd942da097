"""Answers of the web process itself, where no view is asked: too large, too slow, broken."""

from dataclasses import dataclass
from http import HTTPStatus

from api.errors import status_response
from api.paths import is_api_path
from finbyte_site.headers import (
    BARE_POLICY,
    COMMON,
    HSTS,
    KEPT_NOWHERE,
    POLICY,
    strict_transport,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A whole answer."""

    status: HTTPStatus
    headers: list[tuple[str, str]]
    body: bytes

    def as_bytes(self) -> bytes:
        """Return the answer as it goes over the connection, which ends with it."""
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {len(self.body)}", "Connection: close", "", ""]
        return "\r\n".join(lines).encode() + self.body


def refusal(path: bytes, status: HTTPStatus) -> Refusal:
    """Return the refusal: an envelope under the API's addresses, one plain line elsewhere."""
    if is_api_path(path.decode("latin-1").partition("?")[0]):
        envelope = status_response(status)
        status, body = HTTPStatus(envelope.status_code), envelope.content
        kind = "application/json"
    else:
        body, kind = f"{status.phrase}\n".encode(), "text/plain; charset=utf-8"
    headers = {**COMMON, POLICY: BARE_POLICY, "Cache-Control": KEPT_NOWHERE, "Content-Type": kind}
    transport = strict_transport()
    if transport:
        headers[HSTS] = transport
    return Refusal(status, list(headers.items()), body)
