"""Orders and trades (kite-api.md 1.5 Orders)."""

from typing import ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from api import examples
from api.budgets import Rate
from api.changing import cancel, change
from api.envelope import success
from api.forms_orders import OrderChangeForm, OrderForm
from api.inputs import read_form
from api.placing import place, variety_of
from api.schema import documented
from api.serializers import orders as wire
from api.serializers.order_standing import standing_now
from api.views.base import ApiView
from api.writes import session_of
from bots.selectors import owners_of_books
from market.domain.enums import Variety
from portfolio.selectors.api_orders import (
    life_of,
    order_of_program,
    orders_of_day,
    steps_of,
    trades_of_day,
    trades_of_order,
)

_TAG = "Orders"


def _in_path(name: str, **options: object) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.PATH, **options)  # type: ignore[arg-type]


_VARIETIES = [each.value for each in Variety]


class Orders(ApiView):
    """GET /orders."""

    @documented("Orders of the day", data=wire.OrderData(many=True), tag=_TAG)
    def get(self, request: Request) -> HttpResponse:
        """Return each order of all the user's accounts as it stands, oldest first."""
        user = session_of(request).user
        orders = orders_of_day(user, now=timezone.now())
        steps = steps_of(order.pk for order in orders)
        owners = owners_of_books(user)
        return success(
            [
                wire.order_row(
                    order,
                    standing_now(order, steps[order.pk]),
                    bot_id=wire.bot_id_of(order, owners),
                )
                for order in orders
            ]
        )


class OrderOrVariety(ApiView):
    """GET /orders/{order_id} and POST /orders/{variety}: one address, as Kite has it."""

    rates: ClassVar[dict[str, Rate]] = {"POST": Rate.ORDERS}

    @documented(
        "The life of an order",
        data=wire.OrderData(many=True),
        errors=(404,),
        tag=_TAG,
        parameters=[_in_path("name", description="The order's id")],
    )
    def get(self, request: Request, name: str) -> HttpResponse:
        """Return the order as it stood after each of its steps, oldest first."""
        user = session_of(request).user
        order = order_of_program(user, name)
        events, bot_id = life_of(order), wire.bot_id_of(order, owners_of_books(user))
        return success(
            [wire.order_at(order, events, n + 1, bot_id=bot_id) for n in range(len(events))]
        )

    @documented(
        "Place an order",
        data=wire.PlacedData,
        form=OrderForm,
        examples=examples.PLACED,
        errors=(400,),
        tag=_TAG,
        parameters=[_in_path("name", enum=_VARIETIES, description="The order's variety")],
    )
    def post(self, request: Request, name: str) -> HttpResponse:
        """Place an order and answer with its id at once; whether it trades is told later."""
        variety = variety_of(name)
        return success(place(request, variety, read_form(request, OrderForm)))


class OneOrder(ApiView):
    """PUT and DELETE /orders/{variety}/{order_id}."""

    rates: ClassVar[dict[str, Rate]] = {"PUT": Rate.ORDERS, "DELETE": Rate.CANCELS}

    @documented(
        "Change an order",
        data=wire.OrderIdData,
        form=OrderChangeForm,
        examples=examples.CHANGED,
        errors=(400, 404),
        tag=_TAG,
        parameters=[_in_path("variety", enum=_VARIETIES), _in_path("order_id")],
    )
    def put(self, request: Request, variety: str, order_id: str) -> HttpResponse:
        """Ask for a change: at once before it is sent, else by asking the venue."""
        variety_of(variety)
        return change(request, order_id, read_form(request, OrderChangeForm))

    @documented(
        "Cancel an order",
        data=wire.OrderIdData,
        errors=(400, 404),
        tag=_TAG,
        parameters=[_in_path("variety", enum=_VARIETIES), _in_path("order_id")],
    )
    def delete(self, request: Request, variety: str, order_id: str) -> HttpResponse:
        """Cancel an order: at once before it is sent, else by asking the venue."""
        variety_of(variety)
        return cancel(request, order_id)


class OrderTrades(ApiView):
    """GET /orders/{order_id}/trades."""

    @documented(
        "Trades of an order",
        data=wire.TradeData(many=True),
        errors=(404,),
        tag=_TAG,
        parameters=[_in_path("order_id")],
    )
    def get(self, request: Request, order_id: str) -> HttpResponse:
        """Return the trades, oldest first; none is an empty list."""
        order = order_of_program(session_of(request).user, order_id)
        return success([wire.trade_row(trade) for trade in trades_of_order(order)])


class Trades(ApiView):
    """GET /trades."""

    @documented("Trades of the day", data=wire.TradeData(many=True), tag=_TAG)
    def get(self, request: Request) -> HttpResponse:
        """Return the trades of all the user's accounts, oldest first."""
        trades = trades_of_day(session_of(request).user, now=timezone.now())
        return success([wire.trade_row(trade) for trade in trades])
