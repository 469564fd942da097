"""Addresses of alerts."""

from django.urls import path

from api.views.alerts import AlertHistory, Alerts, OneAlert

urlpatterns = [
    path("alerts", Alerts.as_view(), name="alerts"),
    path("alerts/<uuid:uuid>", OneAlert.as_view(), name="alert"),
    path("alerts/<uuid:uuid>/history", AlertHistory.as_view(), name="alert-history"),
]
