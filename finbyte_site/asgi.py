"""ASGI entry: HTTP for Django, WebSockets by finbyte_site.routing."""

import os

from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
http_application = get_asgi_application()

# The consumers' models need the apps, which the line above has loaded.
from finbyte_site.proxies import TrustedProxies  # noqa: E402
from finbyte_site.routing import websocket_application  # noqa: E402

application = TrustedProxies(
    ProtocolTypeRouter({"http": http_application, "websocket": websocket_application}),
    trusted_proxies=settings.TRUSTED_PROXIES,
)
