"""Addresses of the account pages, sign-up among them."""

from django.urls import path

from accounts import urls
from finbyte_site.account_views import sign_up_page

app_name = urls.app_name
urlpatterns = [path("sign-up", sign_up_page, name="sign-up"), *urls.urlpatterns]
