"""Addresses of the account pages, sign-up among them."""

from django.urls import URLPattern, path

from accounts import urls
from accounts.views.access import log_out
from accounts.views.passwords import ChangePasswordView
from finbyte_site.account_views import admin_log_in, sign_up_page, without_slash

app_name = urls.app_name
_pages = [path("sign-up", sign_up_page, name="sign-up"), *urls.urlpatterns]
# The rest of the console ends in a slash, so people type one here too.
urlpatterns = [*_pages, *(path(f"{page.pattern}/", without_slash) for page in _pages)]

# Before the admin's own: its log-in has no rate limit and its pages leave no audit event.
admin_patterns: list[URLPattern] = [
    path("login/", admin_log_in),
    path("logout/", log_out),
    path("password_change/", ChangePasswordView.as_view()),
]
