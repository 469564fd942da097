"""Addresses of the API, at the host root and without a trailing slash."""

import re

from django.urls import re_path

from api.paths import BROWSER_PATHS, JSON_PREFIXES
from api.views import api_not_available

app_name = "api"
urlpatterns = [
    re_path(rf"^{re.escape(prefix)}(?:/.*)?$", api_not_available)
    for prefix in (*JSON_PREFIXES, *BROWSER_PATHS)
]
