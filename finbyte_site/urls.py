"""Addresses: the API owns the host root, the console lives under /console/."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
