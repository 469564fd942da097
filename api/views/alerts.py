"""Alerts on prices (kite-api.md 1.5 Alerts)."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from api import examples
from api.alerting import terms_of, uuids_of
from api.envelope import success
from api.inputs import read_form
from api.schema import documented
from api.serializers.alerts import (
    AlertChangeForm,
    AlertData,
    AlertEventData,
    AlertForm,
    alert_row,
    event_row,
)
from api.triggers import require_entitled
from api.views.base import ApiView
from api.writes import session_of, write_once
from market.domain.enums import Product
from market.streams import connect, read_quotes
from portfolio.domain.alerts import AlertKind, AlertStatus
from portfolio.selectors.alerts import alert_of, alerts_of, history_of
from portfolio.services.alerts import AlertTerms, change_alert, create_alert, delete_alerts

_TAG = "Alerts"


@extend_schema_field({"type": "null"})
class _Nothing(serializers.JSONField):
    """The `data` of a deletion."""


_ABOUT = (
    "An alert fires when its condition becomes true at a tick, not while it stays true. A simple "
    "one rests for five minutes after it has fired, and needs an untrue price before the next "
    "time; one of type ato places its orders once and is disabled."
)


class Alerts(ApiView):
    """GET, POST and DELETE /alerts."""

    @documented("Alerts that are not deleted", data=AlertData(many=True), tag=_TAG)
    def get(self, request: Request) -> HttpResponse:
        """Return the user's alerts, newest first."""
        return success([alert_row(each) for each in alerts_of(session_of(request).user)])

    @documented(
        "Set an alert",
        data=AlertData,
        form=AlertForm,
        examples=examples.ALERTS,
        errors=(400,),
        tag=_TAG,
        description=_ABOUT,
    )
    def post(self, request: Request) -> HttpResponse:
        """Set an alert."""
        terms = terms_of(read_form(request, AlertForm))
        _require_entitled(request, terms)
        session = session_of(request)
        quotes = read_quotes(connect(), terms.tokens)

        def create() -> dict[str, Any]:
            made = create_alert(
                session.user, terms, quotes=quotes, api_app_id=session.app_id, now=timezone.now()
            )
            return alert_row(made)

        return write_once(request, create)

    @documented(
        "Delete alerts",
        data=_Nothing(),
        errors=(400, 404),
        tag=_TAG,
        parameters=[
            OpenApiParameter("uuid", UUID, many=True, required=True, description="One or several")
        ],
    )
    def delete(self, request: Request) -> HttpResponse:
        """Delete the alerts that are named, all or none; no name is an error, never all of them."""
        user, uuids = session_of(request).user, uuids_of(request)

        def delete() -> None:
            delete_alerts(user, uuids, now=timezone.now())

        return write_once(request, delete)


class OneAlert(ApiView):
    """GET and PUT /alerts/{uuid}."""

    @documented("One alert", data=AlertData, errors=(404,), tag=_TAG)
    def get(self, request: Request, uuid: UUID) -> HttpResponse:
        """Return one alert of the user."""
        return success(alert_row(alert_of(session_of(request).user, uuid)))

    @documented(
        "Change an alert",
        data=AlertData,
        form=AlertChangeForm,
        examples=examples.ALERTS,
        errors=(400, 404),
        tag=_TAG,
    )
    def put(self, request: Request, uuid: UUID) -> HttpResponse:
        """Give an alert other terms; it begins anew, enabled unless the status says otherwise."""
        user = session_of(request).user
        alert_of(user, uuid)
        fields = read_form(request, AlertChangeForm)
        terms, status = terms_of(fields), AlertStatus(fields.get("status", AlertStatus.ENABLED))
        _require_entitled(request, terms)
        quotes = read_quotes(connect(), terms.tokens)

        def change() -> dict[str, Any]:
            changed = change_alert(
                user, uuid, terms, status=status, quotes=quotes, now=timezone.now()
            )
            return alert_row(changed)

        return write_once(request, change)


class AlertHistory(ApiView):
    """GET /alerts/{uuid}/history."""

    @documented(
        "The last 100 times that an alert fired",
        data=AlertEventData(many=True),
        errors=(404,),
        tag=_TAG,
    )
    def get(self, request: Request, uuid: UUID) -> HttpResponse:
        """Return what was known each time, newest first."""
        alert = alert_of(session_of(request).user, uuid)
        return success([event_row(alert, event) for event in history_of(alert)])


def _require_entitled(request: Request, terms: AlertTerms) -> None:
    """Have an app that may not trade set no alert that does."""
    if terms.kind is AlertKind.ATO:
        require_entitled(request, Product.CNC)
