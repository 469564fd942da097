"""Addresses: the API owns the host root, the console lives under /console/."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from accounts.views import connect
from finbyte_site import account_urls, views
from finbyte_site.health import healthz
from portfolio.selectors.pages import accounts_of
from portfolio.views import scope

console_patterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("panels/", views.home_panels, name="home-panels"),
    path("search/", views.search, name="search"),
    path("theme/", views.set_theme, name="theme-set"),
    path("account-switch/", scope.switch, name="account-switch"),
    path("account/", include(account_urls)),
    path("markets/", include("market.urls")),
    path("markets/<str:exchange>/<str:tradingsymbol>/", views.instrument, name="instrument-detail"),
    path(
        "markets/<str:exchange>/<str:tradingsymbol>/fills/",
        views.instrument_fills,
        name="instrument-fills",
    ),
    path("bots/", include("bots.urls")),
    path("", include("portfolio.urls")),
]
urlpatterns = [
    path("", views.root, name="root"),
    path("healthz", healthz, name="healthz"),
    path("admin/", include(account_urls.admin_patterns)),
    path("admin/", admin.site.urls),
    path("console/", include(console_patterns)),
    path("connect/login", connect.log_in, {"accounts_of": accounts_of}, name="connect-login"),
    path("", include("api.urls")),
]
handler400 = "finbyte_site.errors.bad_request"
handler404 = "finbyte_site.errors.not_found"
handler500 = "finbyte_site.errors.server_error"
