"""What the user holds, has traded today and can spend (kite-api.md 1.5 Portfolio, User)."""

from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from accounts.exceptions import InvalidInput
from api import examples
from api.envelope import success
from api.fields import PlainNumber
from api.inputs import read_form
from api.schema import documented
from api.serializers import portfolio as wire
from api.triggers import require_entitled
from api.views.base import ApiView
from api.wire import wire_time
from api.writes import session_of, write_once
from market.domain.calendars import day_start
from market.domain.enums import Product, Side
from market.selectors import instrument_by_symbol
from market.selectors_prices import Mark, marks_of
from market.streams import connect, read_quotes
from portfolio.selectors.api_portfolio import ProductPosition, day_positions, purses
from portfolio.services.intraday import Conversion, convert_position

_TAG = "Portfolio"


class ConversionForm(serializers.Serializer[Any]):
    """What is to become of a position."""

    exchange = serializers.CharField(max_length=12)
    tradingsymbol = serializers.CharField(max_length=60)
    transaction_type = serializers.ChoiceField(
        [each.value for each in Side], help_text="BUY for a long position, SELL for a short one"
    )
    position_type = serializers.ChoiceField(
        ["day", "overnight"], help_text="Taken; units of today go first whatever it says"
    )
    quantity = PlainNumber(min_value=Decimal(0), help_text="Units to convert")
    old_product = serializers.ChoiceField([each.value for each in Product])
    new_product = serializers.ChoiceField([each.value for each in Product])


def _read(request: Request) -> tuple[list[ProductPosition], dict[int, Mark]]:
    """Return the day's positions and what their instruments are worth."""
    rows = day_positions(session_of(request).user, since=day_start(timezone.now()))
    return rows, marks_of(row.instrument.pk for row in rows)


class Positions(ApiView):
    """GET /portfolio/positions."""

    @documented("Positions of the day and carried over", data=wire.PositionsData, tag=_TAG)
    def get(self, request: Request) -> HttpResponse:
        """Return net and day positions of all the user's accounts."""
        return success(wire.positions_of(*_read(request)))

    @documented(
        "Convert a position to another product",
        data=serializers.BooleanField(),
        form=ConversionForm,
        examples=examples.CONVERTED,
        errors=(400,),
        tag=_TAG,
    )
    def put(self, request: Request) -> HttpResponse:
        """Make units of CNC those of MIS, or the other way round."""
        fields = read_form(request, ConversionForm)
        instrument = instrument_by_symbol(f"{fields['exchange']}:{fields['tradingsymbol']}")
        wanted = Conversion(
            instrument=instrument.spec,
            side=Side(fields["transaction_type"]),
            quantity=fields["quantity"],
            old_product=Product(fields["old_product"]),
            new_product=Product(fields["new_product"]),
        )
        quote = read_quotes(connect(), [instrument.pk]).get(instrument.pk)
        user = require_entitled(request, wanted.new_product).user

        def convert() -> bool:
            convert_position(user, wanted, quote=quote, now=timezone.now())
            return True

        return write_once(request, convert)


class Holdings(ApiView):
    """GET /portfolio/holdings."""

    @documented("Holdings", data=wire.HoldingData(many=True), tag=_TAG)
    def get(self, request: Request) -> HttpResponse:
        """Return what was carried into the day for delivery."""
        rows, marks = _read(request)
        day = wire_time(day_start(timezone.now())) or ""
        return success([wire.holding_of(row, marks, day=day) for row in wire.holding_rows(rows)])


class HoldingsSummary(ApiView):
    """GET /portfolio/holdings/summary."""

    @documented("Cost and worth of the holdings in rupees", data=wire.SummaryData, tag=_TAG)
    def get(self, request: Request) -> HttpResponse:
        """Return the sums."""
        rows, marks = _read(request)
        return success(wire.summary_of(wire.holding_rows(rows), marks))


class CompactHoldings(ApiView):
    """GET /portfolio/holdings/compact."""

    @documented("Holdings without prices", data=wire.CompactHoldingData(many=True), tag=_TAG)
    def get(self, request: Request) -> HttpResponse:
        """Return symbols and quantities."""
        rows, _ = _read(request)
        return success([wire.compact_holding_of(row) for row in wire.holding_rows(rows)])


class Auctions(ApiView):
    """GET /portfolio/holdings/auctions."""

    @documented(
        "Holdings that can be offered in an auction: none on paper",
        data=serializers.ListField(child=serializers.DictField()),
        tag=_TAG,
    )
    def get(self, request: Request) -> HttpResponse:
        """Return nothing: the paper venue delivers everything, so nothing is ever auctioned."""
        return success([])


class Authorise(ApiView):
    """POST /portfolio/holdings/authorise."""

    @documented(
        "Authorise sales at a depository: refused on paper",
        data=serializers.DictField(),
        errors=(400,),
        tag=_TAG,
    )
    def post(self, request: Request) -> HttpResponse:
        """Say that nothing has to be authorised: paper holdings lie at no depository."""
        message = "Paper holdings lie at no depository; they can be sold without authorisation."
        raise InvalidInput(message, field="type", code="not_needed")


class Margins(ApiView):
    """GET /user/margins and /user/margins/{segment}."""

    @documented("Money by segment", data=wire.MarginsData, tag="User")
    def get(self, request: Request) -> HttpResponse:
        """Return every segment."""
        return success(_margins(request))


class SegmentMargins(ApiView):
    """GET /user/margins/{segment}."""

    @documented(
        "Money of one segment",
        data=wire.MarginData,
        errors=(400,),
        tag="User",
        parameters=[
            OpenApiParameter("segment", str, OpenApiParameter.PATH, enum=[*wire.SEGMENT_ASSETS])
        ],
    )
    def get(self, request: Request, segment: str) -> HttpResponse:
        """Return one segment."""
        found = _margins(request).get(segment)
        if found is None:
            known = ", ".join(wire.SEGMENT_ASSETS)
            message = f"There is no segment `{segment}`. Known: {known}."
            raise InvalidInput(message, field="segment", code="unknown")
        return success(found)


def _margins(request: Request) -> dict[str, Any]:
    rows, marks = _read(request)
    money = purses(session_of(request).user, since=day_start(timezone.now()))
    gains = wire.gains_by_asset(rows, marks)
    return {
        segment: wire.margin_of(money.get(asset), gains=gains.get(asset, wire.ZERO))
        for segment, asset in wire.SEGMENT_ASSETS.items()
    }
