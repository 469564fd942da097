"""ASGI entry: programs to the API's handler, pages to Django, WebSockets by finbyte_site.routing."""

import os
from typing import Any

from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
pages = get_asgi_application()

# The consumers' models need the apps, which the line above has loaded.
from api.handler import ApiHandler  # noqa: E402
from api.paths import is_api_path  # noqa: E402
from finbyte_site.proxies import TrustedProxies  # noqa: E402
from finbyte_site.routing import websocket_application  # noqa: E402

programs = ApiHandler()


async def http_application(scope: Any, receive: Any, send: Any) -> None:
    """Pass a request on by its address."""
    application = programs if is_api_path(scope["path"]) else pages
    await application(scope, receive, send)


application = TrustedProxies(
    ProtocolTypeRouter({"http": http_application, "websocket": websocket_application}),
    trusted_proxies=settings.TRUSTED_PROXIES,
)
