"""WebSocket addresses: programs by their tokens, pages behind session and a check of their origin."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from django.conf import settings
from django.urls import path, re_path

from accounts.services.viewing import seen_in
from api.consumers import StreamConsumer, TickerConsumer
from market.consumers import ConsoleConsumer

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Close a socket that is not ours to open."""
    await send({"type": "websocket.close", "code": 4403})


class SameOrigin:
    """Let only pages of this very host and port open a socket: cookies alone prove nothing."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the connection on, or close it before it is accepted."""
        application = self._application if is_same_origin(scope) else refuse
        await application(scope, receive, send)


class StandingSession:
    """Tells a socket whose events its page shows, and later whether that still holds."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the connection on with `subject` and `is_allowed`."""
        session, user = scope["session"], scope["user"]
        seen = database_sync_to_async(seen_in)
        subject = await seen(session, user) if user.is_authenticated else None

        async def is_allowed() -> bool:
            return subject is not None and await seen(session, user) == subject

        scope = {**scope, "subject": subject or user, "is_allowed": is_allowed}
        await self._application(scope, receive, send)


def is_same_origin(scope: Scope) -> bool:
    """Say whether the page that opens the socket was served by this site."""
    headers = dict(scope.get("headers", ()))
    origin = headers.get(b"origin", b"").decode("latin-1")
    if not origin:
        return False
    host: str = headers.get(b"host", b"").decode("latin-1")
    public: str = settings.PUBLIC_URL
    return origin in {public.rstrip("/"), f"https://{host}"} or (
        # On https a page over plain http may be anybody's who stands in between.
        not settings.SESSION_COOKIE_SECURE and origin == f"http://{host}"
    )


# Django's types know views only; channels routes ASGI applications with the same functions.
_pages: list[Any] = [
    path("ws/console", ConsoleConsumer.as_asgi()),
    re_path("", cast("Any", refuse)),
]
_page_application = SameOrigin(AuthMiddlewareStack(StandingSession(URLRouter(_pages))))
# Programs send no Origin, and nobody reads their cookies (kite-api.md rule 11).
_routes: list[Any] = [
    path("", TickerConsumer.as_asgi()),
    path("ws", TickerConsumer.as_asgi()),
    path("stream", StreamConsumer.as_asgi()),
    re_path("", cast("Any", _page_application)),
]
websocket_application = URLRouter(_routes)
