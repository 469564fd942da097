"""Addresses of the account pages; sign-up joins them in finbyte_site (decisions 38)."""

from django.urls import path

from accounts import urls_api_apps, urls_devices, urls_security, urls_viewers
from accounts.tasks import send_notice, send_reset_link
from accounts.views.access import log_in, log_out
from accounts.views.passwords import (
    ResetConfirmView,
    change_password,
    password_reset,
    password_reset_sent,
)
from accounts.views.profile import profile

app_name = "accounts"
urlpatterns = [
    path("log-in", log_in, {"enqueue": send_notice.delay}, name="log-in"),
    path("log-out", log_out, name="log-out"),
    path(
        "password-reset",
        password_reset,
        {"enqueue": send_reset_link.delay},
        name="password-reset",
    ),
    path("password-reset/sent", password_reset_sent, name="password-reset-sent"),
    path(
        "password-reset/<str:uidb64>/<str:token>",
        ResetConfirmView.as_view(),
        {"enqueue": send_notice.delay},
        name="password-reset-confirm",
    ),
    path(
        "password-change",
        change_password,
        {"enqueue": send_notice.delay},
        name="password-change",
    ),
    path("profile", profile, name="profile"),
    *urls_devices.urlpatterns,
    *urls_security.urlpatterns,
    *urls_viewers.urlpatterns,
    *urls_api_apps.urlpatterns,
]
