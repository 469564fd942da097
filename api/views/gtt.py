"""GTT: triggers that place an order when a price is reached (kite-api.md 1.5 GTT)."""

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from api import examples
from api.envelope import success
from api.placing import newest_quote
from api.schema import documented
from api.serializers.gtt import GttForm, TriggerData, TriggerIdData, trigger_row
from api.triggers import require_entitled, terms_of
from api.views.base import ApiView
from api.writes import session_of, write_once
from portfolio.selectors.gtt import trigger_of, triggers_of
from portfolio.services.gtt import change_trigger, create_trigger, delete_trigger

_TAG = "GTT"


class Triggers(ApiView):
    """GET and POST /gtt/triggers."""

    @documented(
        "Triggers that are active or ended in the last seven days",
        data=TriggerData(many=True),
        tag=_TAG,
    )
    def get(self, request: Request) -> HttpResponse:
        """Return the user's triggers, newest first, whichever program set them."""
        found = triggers_of(session_of(request).user, now=timezone.now())
        return success([trigger_row(each) for each in found])

    @documented(
        "Set a trigger",
        data=TriggerIdData,
        form=GttForm,
        examples=examples.TRIGGERS,
        errors=(400,),
        tag=_TAG,
        description="No money and no units are held before it fires. It fires at equality too, "
        "lives a year, and listens to prices of the source that it was set on.",
    )
    def post(self, request: Request) -> HttpResponse:
        """Set a trigger."""
        terms = terms_of(request)
        session = require_entitled(request, terms.product)
        quote = newest_quote(terms.instrument.pk)

        def create() -> dict[str, int]:
            made = create_trigger(
                session.user, terms, quote=quote, api_app_id=session.app_id, now=timezone.now()
            )
            return {"trigger_id": made.pk}

        return write_once(request, create)


class OneTrigger(ApiView):
    """GET, PUT and DELETE /gtt/triggers/{id}."""

    @documented("One trigger", data=TriggerData, errors=(404,), tag=_TAG)
    def get(self, request: Request, trigger_id: int) -> HttpResponse:
        """Return one trigger of the user."""
        return success(trigger_row(trigger_of(session_of(request).user, trigger_id)))

    @documented(
        "Change an active trigger",
        data=TriggerIdData,
        form=GttForm,
        examples=examples.TRIGGERS,
        errors=(400, 404),
        tag=_TAG,
    )
    def put(self, request: Request, trigger_id: int) -> HttpResponse:
        """Give a trigger other terms; it keeps its id, its instrument and its end."""
        trigger_of(session_of(request).user, trigger_id)
        terms = terms_of(request)
        session = require_entitled(request, terms.product)
        quote = newest_quote(terms.instrument.pk)

        def change() -> dict[str, int]:
            change_trigger(session.user, trigger_id, terms, quote=quote, now=timezone.now())
            return {"trigger_id": trigger_id}

        return write_once(request, change)

    @documented("Delete an active trigger", data=TriggerIdData, errors=(400, 404), tag=_TAG)
    def delete(self, request: Request, trigger_id: int) -> HttpResponse:
        """Delete a trigger; one that has fired or ended stays as it is."""
        user = session_of(request).user

        def delete() -> dict[str, int]:
            return {"trigger_id": delete_trigger(user, trigger_id, now=timezone.now()).pk}

        return write_once(request, delete)
