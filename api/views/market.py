"""Instruments and their prices of the moment."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from accounts.exceptions import InvalidInput
from api.envelope import success
from api.instrument_files import exchange_file, rules_file, whole_file
from api.packing import csv_response
from api.schema import documented, documented_csv
from api.serializers.market import (
    LtpData,
    OhlcQuoteData,
    QuoteData,
    RangeData,
    ltp_of,
    ohlc_of,
    quote_of,
    range_of,
)
from api.serializers.user import EXCHANGES
from api.views.base import ApiView
from market.domain.enums import Side
from market.selectors import instruments_named
from market.streams import connect, read_quotes

MOST_QUOTES = 500
MOST_PRICES = 1000
_NAME_HELP = (
    "Like `NSE:ONGC`, or an instrument token; repeat it for more. Unknown ones are left out."
)


class _NamesQuery(serializers.Serializer[Any]):
    i = serializers.ListField(
        child=serializers.CharField(), min_length=1, max_length=MOST_QUOTES, help_text=_NAME_HELP
    )


class _ManyNamesQuery(serializers.Serializer[Any]):
    i = serializers.ListField(
        child=serializers.CharField(), min_length=1, max_length=MOST_PRICES, help_text=_NAME_HELP
    )


class Instruments(ApiView):
    """GET /instruments."""

    @documented_csv("Every instrument, as CSV in Kite's columns", tag="Market")
    def get(self, request: Request) -> HttpResponse:
        """Return the file of all exchanges."""
        return csv_response(request, whole_file(now=timezone.now()))


class ExchangeInstruments(ApiView):
    """GET /instruments/{exchange}."""

    @documented_csv(
        "The instruments of an exchange, as CSV",
        errors=(400,),
        tag="Market",
        parameters=[OpenApiParameter("exchange", str, OpenApiParameter.PATH, enum=EXCHANGES)],
    )
    def get(self, request: Request, exchange: str) -> HttpResponse:
        """Return the file of one exchange."""
        return csv_response(request, exchange_file(exchange, now=timezone.now()))


class InstrumentRules(ApiView):
    """GET /instruments/rules."""

    @documented_csv("Steps, freeze quantities and limits of every instrument, as CSV", tag="Market")
    def get(self, request: Request) -> HttpResponse:
        """Return the file of trading rules."""
        return csv_response(request, rules_file(now=timezone.now()))


class _Prices(ApiView):
    """What is known now of the instruments that are asked for, by the names they are asked by.

    A price is served however old it is, with its time, as Kite does; orders look at its age
    themselves.
    """

    most: ClassVar[int] = MOST_PRICES

    def _answer(self, request: Request, row_of: Callable[..., dict[str, Any]]) -> HttpResponse:
        names = _names(request, most=self.most)
        rows = instruments_named(names)
        quotes = read_quotes(connect(), {row.pk for row in rows.values()})
        return success(
            {
                name: row_of(rows[name], quotes[rows[name].pk])
                for name in names
                if name in rows and rows[name].pk in quotes
            }
        )


def _names(request: Request, *, most: int) -> list[str]:
    """Return the names as they were sent. Raises `InvalidInput` for none or too many."""
    names = [name for name in request.query_params.getlist("i") if name]
    if not names:
        raise InvalidInput("Missing or empty field `i`.", field="i", code="required")
    if len(names) > most:
        message = f"At most {most} instruments at once; these are {len(names)}."
        raise InvalidInput(message, field="i", code="too_many")
    return names


class Quotes(_Prices):
    """GET /quote."""

    most = MOST_QUOTES

    @documented(
        "Quotes with depth",
        data=serializers.DictField(child=QuoteData()),
        query=_NamesQuery,
        errors=(400,),
        tag="Market",
    )
    def get(self, request: Request) -> HttpResponse:
        """Return quotes by the names they were asked by."""
        return self._answer(request, quote_of)


class Ohlc(_Prices):
    """GET /quote/ohlc."""

    @documented(
        "Last prices and those of the day",
        data=serializers.DictField(child=OhlcQuoteData()),
        query=_ManyNamesQuery,
        errors=(400,),
        tag="Market",
    )
    def get(self, request: Request) -> HttpResponse:
        """Return last prices and those of the day."""
        return self._answer(request, ohlc_of)


class LastPrices(_Prices):
    """GET /quote/ltp."""

    @documented(
        "Last prices",
        data=serializers.DictField(child=LtpData()),
        query=_ManyNamesQuery,
        errors=(400,),
        tag="Market",
    )
    def get(self, request: Request) -> HttpResponse:
        """Return last prices."""
        return self._answer(request, ltp_of)


class TriggerRange(_Prices):
    """GET /instruments/trigger_range/{buy|sell}."""

    most = MOST_QUOTES

    @documented(
        "Where the trigger of a cover order may stand",
        data=serializers.DictField(child=RangeData()),
        query=_NamesQuery,
        errors=(400,),
        tag="Market",
        parameters=[
            OpenApiParameter("transaction_type", str, OpenApiParameter.PATH, enum=["buy", "sell"])
        ],
    )
    def get(self, request: Request, transaction_type: str) -> HttpResponse:
        """Return the range of triggers for the stop of a cover order on this side."""
        try:
            side = Side(transaction_type.upper())
        except ValueError as error:
            message = "The transaction type is `buy` or `sell`."
            raise InvalidInput(message, field="transaction_type", code="unknown") from error
        return self._answer(request, lambda row, quote: range_of(row, quote, side))
