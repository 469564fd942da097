"""Addresses of the API apps' pages."""

from django.urls import path

from accounts.views import api_apps

urlpatterns = [
    path("api-apps", api_apps.app_list, name="api-app-list"),
    path("api-apps/new", api_apps.app_create, name="api-app-create"),
    path("api-apps/<int:pk>", api_apps.app_detail, name="api-app-detail"),
    path("api-apps/<int:pk>/edit", api_apps.app_edit, name="api-app-edit"),
    path("api-apps/<int:pk>/secret", api_apps.secret_rotate, name="api-app-secret"),
    path("api-apps/<int:pk>/addresses", api_apps.addresses_set, name="api-app-addresses"),
    path("api-apps/<int:pk>/revoke", api_apps.app_revoke, name="api-app-revoke"),
    path("api-sessions/<int:pk>/end", api_apps.session_end, name="api-session-end"),
]
