"""Candles of the past, and the one that is open."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from accounts.exceptions import InvalidInput
from api.budgets import Rate
from api.envelope import success
from api.inputs import read_query
from api.schema import documented
from api.serializers.historical import CandlesData, HistoricalQuery, candles_of
from api.views.base import ApiView
from market.domain.enums import Interval
from market.selectors import history

# Kite's own tests say it so.
_OTHER_NAMES = {"hour": Interval.HOUR}
_NAMES = [*(each.value for each in Interval), *_OTHER_NAMES]


class HistoricalCandles(ApiView):
    """GET /instruments/historical/{instrument_token}/{interval}."""

    rates: ClassVar[dict[str, Rate]] = {"GET": Rate.HISTORICAL}

    @documented(
        "Candles of an instrument",
        data=CandlesData,
        query=HistoricalQuery,
        errors=(400,),
        tag="Market",
        parameters=[OpenApiParameter("interval", str, OpenApiParameter.PATH, enum=_NAMES)],
    )
    def get(self, request: Request, instrument_token: int, interval: str) -> HttpResponse:
        """Return the candles of a span, from the source that gives the prices now."""
        wanted = _interval(interval)
        query = read_query(request, HistoricalQuery)
        _check_span(wanted, first=query["from"], last=query["to"])
        found = history(
            instrument_token,
            wanted,
            first=query["from"],
            last=query["to"],
            has_oi=query["oi"],
        )
        return success(candles_of(found, has_oi=query["oi"]))


def _interval(name: str) -> Interval:
    found = _OTHER_NAMES.get(name)
    if found is None and name in set(Interval):
        found = Interval(name)
    if found is None:
        message = f"There is no interval {name!r}. Known: {', '.join(Interval)}."
        raise InvalidInput(message, field="interval", code="unknown")
    return found


def _check_span(interval: Interval, *, first: datetime, last: datetime) -> None:
    """Refuse a span that is turned round or longer than one request may ask for."""
    if first > last:
        raise InvalidInput("`from` is after `to`.", field="from", code="after_to")
    most = settings.CANDLE_DAYS[interval]
    if last - first > timedelta(days=most):
        days = -(-(last - first) // timedelta(days=1))
        message = f"One request gives at most {most} days of {interval} candles; this is {days}."
        raise InvalidInput(message, field="to", code="span")
