"""Market pages: the list with its search, and the bars of a chart."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from market.domain.candles import CandleBar
from market.domain.enums import Interval
from market.domain.formatting import plain
from market.domain.ticks import DepthLevel
from market.exceptions import InstrumentNotFound
from market.models import Instrument
from market.selectors import candles, instrument_by_symbol, search_instruments, watched_instruments
from market.streams import connect, read_quotes

MAX_QUERY = 40
# How far back a chart goes at each bar length: about as many bars as fit on a wide screen.
CHART_SPANS = {
    Interval.MINUTE: timedelta(hours=8),
    Interval.MINUTE_5: timedelta(days=2),
    Interval.MINUTE_15: timedelta(days=6),
    Interval.HOUR: timedelta(days=30),
    Interval.DAY: timedelta(days=365),
}


def found_instrument(exchange: str, tradingsymbol: str) -> Instrument:
    """Return the instrument of an address or answer 404."""
    try:
        return instrument_by_symbol(f"{exchange}:{tradingsymbol}")
    except InstrumentNotFound as error:
        raise Http404(str(error)) from error


@login_required
@require_GET
def instrument_list(request: HttpRequest) -> HttpResponse:
    """Show the instruments with prices, or what a search finds, with live quotes."""
    query = request.GET.get("q", "")[:MAX_QUERY].strip()
    found = search_instruments(query) if query else list(watched_instruments())
    quotes = read_quotes(connect(), [each.pk for each in found])
    page = {"query": query, "rows": [(each, quotes.get(each.pk)) for each in found]}
    is_part = request.headers.get("HX-Request") == "true"
    name = "market/_instrument_rows.html" if is_part else "market/instruments.html"
    return render(request, name, page)


@login_required
@require_GET
def instrument_candles(request: HttpRequest, exchange: str, tradingsymbol: str) -> JsonResponse:
    """Give the bars of a chart; the newest one may still be open."""
    instrument = found_instrument(exchange, tradingsymbol)
    interval = chart_interval(request.GET.get("interval", ""))
    quote = read_quotes(connect(), [instrument.pk]).get(instrument.pk)
    # A replay lives in its own time: the chart ends where the prices are (decisions 19).
    end = (quote.exchange_time if quote else timezone.now()) + timedelta(minutes=1)
    bars = candles(instrument.pk, interval, start=end - CHART_SPANS[interval], end=end)
    return JsonResponse({"interval": interval, "bars": [_bar(bar) for bar in bars]})


def chart_interval(text: str) -> Interval:
    """Return a bar length that charts offer; anything else is five minutes."""
    return Interval(text) if text in set(CHART_SPANS) else Interval.MINUTE_5


def _bar(bar: CandleBar) -> dict[str, Any]:
    return {
        "time": int(bar.time.timestamp()),
        "open": plain(bar.open),
        "high": plain(bar.high),
        "low": plain(bar.low),
        "close": plain(bar.close),
        "volume": plain(bar.volume),
    }


@login_required
@require_GET
def instrument_depth(request: HttpRequest, exchange: str, tradingsymbol: str) -> JsonResponse:
    """Give the ten best levels a side of an instrument, as far as its source has them."""
    instrument = found_instrument(exchange, tradingsymbol)
    quote = read_quotes(connect(), [instrument.pk]).get(instrument.pk)
    depth = quote.depth if quote else None
    return JsonResponse(
        {
            "bids": _levels(depth.bids) if depth else [],
            "asks": _levels(depth.asks) if depth else [],
        }
    )


def _levels(levels: Iterable[DepthLevel]) -> list[list[str]]:
    return [[plain(level.price), plain(level.quantity)] for level in levels]
