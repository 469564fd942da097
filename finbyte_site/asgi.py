"""ASGI entry: HTTP for Django, WebSockets by finbyte_site.routing."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
application = ProtocolTypeRouter({"http": get_asgi_application()})
