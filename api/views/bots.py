"""Bots for programs: our own addresses in the same envelope; unknown fields are refused."""

from decimal import Decimal
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from api import bot_acts, examples
from api.envelope import success
from api.fields import PlainNumber, WholeNumber
from api.inputs import StrictForm, read_form, read_query
from api.schema import documented
from api.serializers import bots as wire
from api.serializers.order_standing import standing_now
from api.serializers.orders import OrderData, TradeData, order_row, trade_row
from api.triggers import require_entitled
from api.views.base import ApiView
from api.writes import session_of, write_once
from bots.domain.enums import BotStatus, StopMode
from bots.registry import KINDS, strategy_of
from bots.selectors import bot_of, bots_for, fills_of, pending_commands_of
from bots.services.bots import discard_bot
from market.domain.enums import Product
from portfolio.selectors.api_orders import orders_of_book, steps_of

_TAG = "Bots"
MOST_ROWS = 200


class BotForm(serializers.Serializer[Any]):
    """A bot to be made: its kind, and the parameters of the kind by their names."""

    kind = serializers.ChoiceField(sorted(KINDS))
    venue_account_id = WholeNumber(
        required=False,
        min_value=1,
        max_value=10**18,
        help_text="The account to trade on; the oldest one in the right currency by default",
    )

    def to_internal_value(self, data: Any) -> Any:
        """Keep the parameters as they were sent: the kind reads them itself."""
        return {**data, **super().to_internal_value(data)}


class ListForm(StrictForm):
    """Which bots to list."""

    status = serializers.ChoiceField([each.value for each in BotStatus], required=False)


class PageForm(StrictForm):
    """Which rows to list, newest first."""

    limit = WholeNumber(default=50, min_value=1, max_value=MOST_ROWS)
    before = WholeNumber(
        required=False, min_value=1, max_value=10**18, help_text="Only rows older than this id"
    )


class NoForm(StrictForm):
    """No fields."""


class StopForm(StrictForm):
    """How to stop."""

    stop_mode = serializers.ChoiceField(
        [each.value for each in StopMode],
        default=None,
        help_text="What to do with what it holds; its own setting by default",
    )


class AmountForm(StrictForm):
    """Money in quote asset."""

    amount = PlainNumber(min_value=Decimal(0))


class PayOutForm(StrictForm):
    """Money in quote asset; without an amount all that can be released."""

    amount = PlainNumber(min_value=Decimal(0), default=None)


class Kinds(ApiView):
    """GET /bots/kinds."""

    @documented("Kinds of bot and their parameters", data=wire.KindData(many=True), tag=_TAG)
    def get(self, request: Request) -> HttpResponse:
        """Return every kind with the JSON Schema of its parameters."""
        return success([wire.kind_row(KINDS[kind]) for kind in sorted(KINDS)])


class Kind(ApiView):
    """GET /bots/kinds/{kind}."""

    @documented(
        "One kind of bot",
        data=wire.KindData,
        errors=(400,),
        tag=_TAG,
        parameters=[OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=sorted(KINDS))],
    )
    def get(self, request: Request, kind: str) -> HttpResponse:
        """Return one kind."""
        return success(wire.kind_row(strategy_of(kind)))


class Bots(ApiView):
    """GET and POST /bots."""

    @documented(
        "The user's bots", data=wire.BotData(many=True), query=ListForm, errors=(400,), tag=_TAG
    )
    def get(self, request: Request) -> HttpResponse:
        """Return all bots, newest first."""
        user, query = session_of(request).user, read_query(request, ListForm)
        pending = pending_commands_of(user)
        rows = bots_for(user).filter(**query)
        return success([wire.bot_row(bot, pending=pending.get(bot.pk, ())) for bot in rows])

    @documented(
        "Make a bot",
        data=wire.BotData,
        form=BotForm,
        errors=(400, 404),
        tag=_TAG,
        examples=examples.BOTS,
    )
    def post(self, request: Request) -> HttpResponse:
        """Check the parameters against the market and keep the bot; it is not started."""
        # Bots trade: whoever may not place orders may not have them placed.
        user = require_entitled(request, Product.CNC).user
        values = read_form(request, BotForm)
        return write_once(request, bot_acts.creation(user, values))


class Preview(ApiView):
    """POST /bots/preview."""

    @documented(
        "What a bot would come to",
        data=wire.PreviewData,
        form=BotForm,
        errors=(400, 404),
        tag=_TAG,
        examples=examples.BOTS,
    )
    def post(self, request: Request) -> HttpResponse:
        """Return levels, orders, costs and warnings at the market price; nothing is kept."""
        return success(bot_acts.preview(session_of(request).user, read_form(request, BotForm)))


class OneBot(ApiView):
    """GET and DELETE /bots/{bot_id}."""

    @documented("One bot", data=wire.BotData, errors=(404,), tag=_TAG)
    def get(self, request: Request, bot_id: int) -> HttpResponse:
        """Return the bot as it stands."""
        return success(bot_acts.row_of(session_of(request).user, bot_id))

    @documented(
        "Delete a bot that was never started",
        data=serializers.BooleanField(),
        errors=(400, 404),
        tag=_TAG,
    )
    def delete(self, request: Request, bot_id: int) -> HttpResponse:
        """Delete it; one that was started is stopped instead."""
        user = session_of(request).user

        def discard() -> bool:
            discard_bot(user, bot_id)
            return True

        return write_once(request, discard)


class _Act(ApiView):
    """POST /bots/{bot_id}/{act}: asks; the bot's next step carries it out."""

    name: ClassVar[str]
    form: ClassVar[type[StrictForm]] = NoForm

    def act(self, request: Request, bot_id: int) -> HttpResponse:
        """Ask and return the bot's row; what is on its way is in `pending`."""
        user = require_entitled(request, Product.CNC).user
        terms = read_form(request, self.form)
        return write_once(request, bot_acts.act_on(user, bot_id, name=self.name, terms=terms))


def _act(name: str, summary: str, form: type[StrictForm] = NoForm) -> type[_Act]:
    """Return the view of one act."""

    @documented(summary, data=wire.BotData, form=form, errors=(400, 404), tag=_TAG)
    def post(self: _Act, request: Request, bot_id: int) -> HttpResponse:
        return self.act(request, bot_id)

    title = "".join(word.title() for word in name.split("_"))
    return type(f"{title}Bot", (_Act,), {"name": name, "form": form, "post": post})


ACTS = {
    "start": _act("start", "Start a bot: its investment moves into a book of its own"),
    "pause": _act("pause", "Pause a bot: it sends no new orders"),
    "resume": _act("resume", "Let a paused bot go on"),
    "retry": _act("retry", "Let a bot in error try again"),
    "stop": _act("stop", "Stop a bot for good", StopForm),
    "add_investment": _act("add_investment", "Give a running bot more money", AmountForm),
    "withdraw_profit": _act("withdraw_profit", "Pay profit out to Manual", PayOutForm),
}


class BotOrders(ApiView):
    """GET /bots/{bot_id}/orders."""

    @documented(
        "Orders of a bot",
        data=OrderData(many=True),
        query=PageForm,
        errors=(400, 404),
        tag=_TAG,
    )
    def get(self, request: Request, bot_id: int) -> HttpResponse:
        """Return the bot's orders as they stand, newest first."""
        user, page = session_of(request).user, read_query(request, PageForm)
        bot = bot_of(user, bot_id)
        orders = orders_of_book(user, bot.book_id, **page)
        steps = steps_of(order.pk for order in orders)
        rows = [
            order_row(order, standing_now(order, steps[order.pk]), bot_id=bot.pk)
            for order in orders
        ]
        return success(rows)


class BotTrades(ApiView):
    """GET /bots/{bot_id}/trades."""

    @documented(
        "Trades of a bot",
        data=TradeData(many=True),
        query=PageForm,
        errors=(400, 404),
        tag=_TAG,
    )
    def get(self, request: Request, bot_id: int) -> HttpResponse:
        """Return the bot's trades, newest first."""
        page = read_query(request, PageForm)
        bot = bot_of(session_of(request).user, bot_id)
        return success([trade_row(trade) for trade in fills_of(bot, **page)])


class BotProfit(ApiView):
    """GET /bots/{bot_id}/profit."""

    @documented("Where a bot stands", data=wire.ProfitData, errors=(404,), tag=_TAG)
    def get(self, request: Request, bot_id: int) -> HttpResponse:
        """Return profit, fees, units and rates at the newest price."""
        return success(bot_acts.profit_of(session_of(request).user, bot_id))
