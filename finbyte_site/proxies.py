"""The client's address behind trusted proxies, set once for requests and sockets alike."""

from collections.abc import Awaitable, Callable
from typing import Any

from accounts.domain.client_address import forwarded_address

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_FORWARDED = b"x-forwarded-for"
# What claims an address goes no further: nothing behind this line can believe it by mistake.
_CLAIMS = frozenset(
    {
        _FORWARDED,
        b"forwarded",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"fastly-client-ip",
    }
)


class TrustedProxies:
    """Put the address that our own proxies saw into the place of the connection's.

    It wraps the whole application, before any header becomes a key of `META`: there
    `X_Forwarded_For` and `X-Forwarded-For` would be one.
    """

    def __init__(self, application: Application, *, trusted_proxies: int) -> None:
        self._application = application
        self._trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the connection on with the client's address, or with none."""
        if scope["type"] in {"http", "websocket"}:
            scope = self._with_client(scope)
        await self._application(scope, receive, send)

    def _with_client(self, scope: Scope) -> Scope:
        headers = [(name.lower(), value) for name, value in scope.get("headers", ())]
        peer = scope.get("client")
        address = forwarded_address(
            None if peer is None else peer[0],
            [value.decode("latin-1") for name, value in headers if name == _FORWARDED],
            trusted_proxies=self._trusted_proxies,
        )
        return {
            **scope,
            "client": None if address is None else [address, 0 if peer is None else peer[1]],
            "headers": [(name, value) for name, value in headers if name not in _CLAIMS],
        }
