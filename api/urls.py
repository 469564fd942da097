"""Addresses of the API, at the host root and without a trailing slash."""

from django.urls import URLPattern, path

from api.paths import BROWSER_PATHS, JSON_PREFIXES
from api.views import api_not_available


def _reserved(prefix: str) -> list[URLPattern]:
    return [path(prefix, api_not_available), path(f"{prefix}/<path:rest>", api_not_available)]


app_name = "api"
urlpatterns = [route for prefix in (*JSON_PREFIXES, *BROWSER_PATHS) for route in _reserved(prefix)]
