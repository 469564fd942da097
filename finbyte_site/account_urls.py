"""Addresses of the account pages, sign-up among them."""

from django.urls import URLPattern, path
from django.views.generic import RedirectView

from accounts import urls
from accounts.tasks import send_notice
from accounts.views.access import log_out
from finbyte_site.account_views import admin_log_in, sign_up_page, without_slash

app_name = urls.app_name
_pages = [
    path("sign-up", sign_up_page, {"enqueue": send_notice.delay}, name="sign-up"),
    *urls.urlpatterns,
]
# The rest of the console ends in a slash, so people type one here too.
urlpatterns = [*_pages, *(path(f"{page.pattern}/", without_slash) for page in _pages)]

# Before the admin's own: its log-in has no rate limit and its pages leave no audit event.
admin_patterns: list[URLPattern] = [
    path("login/", admin_log_in),
    path("logout/", log_out),
    path("password_change/", RedirectView.as_view(pattern_name="accounts:password-change")),
]
