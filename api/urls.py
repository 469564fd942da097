"""Addresses of the API, at the host root and without a trailing slash."""

import re

from django.urls import path, re_path

from api import (
    urls_alerts,
    urls_bots,
    urls_charges,
    urls_gtt,
    urls_limits,
    urls_market,
    urls_orders,
    urls_portfolio,
    urls_stream,
)
from api.paths import BROWSER_PATHS, JSON_PREFIXES
from api.views.docs import Schema, browse
from api.views.fallback import NothingHere
from api.views.session import RefreshToken, SessionToken
from api.views.user import Profile

app_name = "api"
urlpatterns = [
    path("session/token", SessionToken.as_view(), name="session-token"),
    path("session/refresh_token", RefreshToken.as_view(), name="session-refresh-token"),
    path("user/profile", Profile.as_view(), name="user-profile"),
    *urls_alerts.urlpatterns,
    *urls_bots.urlpatterns,
    *urls_charges.urlpatterns,
    *urls_gtt.urlpatterns,
    *urls_limits.urlpatterns,
    *urls_market.urlpatterns,
    *urls_orders.urlpatterns,
    *urls_portfolio.urlpatterns,
    *urls_stream.urlpatterns,
    path("api/schema", Schema.as_view(), name="schema"),
    path("api/docs/", browse, name="docs"),
    *(
        re_path(rf"^{re.escape(prefix)}(?:/.*)?$", NothingHere.as_view())
        for prefix in (*JSON_PREFIXES, *BROWSER_PATHS)
    ),
]
