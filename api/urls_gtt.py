"""Addresses of GTT triggers."""

from django.urls import path

from api.views.gtt import OneTrigger, Triggers

urlpatterns = [
    path("gtt/triggers", Triggers.as_view(), name="gtt-triggers"),
    path("gtt/triggers/<int:trigger_id>", OneTrigger.as_view(), name="gtt-trigger"),
]
