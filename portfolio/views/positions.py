"""Positions, holdings and trades."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from market.domain.formatting import decimals_of, plain
from market.domain.ticks import Quote
from market.streams import connect, read_quotes
from portfolio.models import Position, Trade
from portfolio.selectors.pages import PAGE_SIZE, positions_of, trades_of
from portfolio.views.access import positive_int, user_of
from portfolio.views.csv_files import MAX_ROWS, csv_response
from portfolio.views.scope import selected_account

ZERO = Decimal(0)
AVERAGE_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One position at the newest price; without a price nothing is valued."""

    position: Position
    last_price: Decimal | None

    @property
    def average(self) -> Decimal | None:
        """Return what a unit held cost, fees apart."""
        held = self.position.quantity
        return self.position.cost / held if held else None

    @property
    def value(self) -> Decimal | None:
        """Return what the units are worth."""
        return None if self.last_price is None else self.position.quantity * self.last_price

    @property
    def unrealised(self) -> Decimal | None:
        """Return the gain against the cost, fees apart."""
        return None if self.value is None else self.value - self.position.cost

    @property
    def unrealised_fraction(self) -> Decimal | None:
        """Return the gain as a fraction of the cost, of a short sale as one of its proceeds."""
        cost = abs(self.position.cost)
        return self.unrealised / cost if self.unrealised is not None and cost else None


@dataclass(frozen=True, slots=True)
class AssetTotal:
    """All positions of one quote asset together."""

    asset: str
    value: Decimal
    unrealised: Decimal
    realised: Decimal
    fees: Decimal


def position_rows(positions: list[Position], quotes: dict[int, Quote]) -> list[PositionRow]:
    """Return every position with its worth at the newest price."""
    return [
        PositionRow(each, quote.last_price if quote else None)
        for each in positions
        for quote in (quotes.get(each.instrument_id),)
    ]


def asset_totals(rows: list[PositionRow]) -> list[AssetTotal]:
    """Return the sums per quote asset, in the order of the rows."""
    sums: dict[str, list[Decimal]] = {}
    for row in rows:
        total = sums.setdefault(row.position.instrument.quote_asset, [ZERO] * 4)
        total[0] += row.value or ZERO
        total[1] += row.unrealised or ZERO
        total[2] += row.position.realised
        total[3] += row.position.fees_quote
    return [AssetTotal(asset, *values) for asset, values in sums.items()]


def _rows(request: HttpRequest) -> list[PositionRow]:
    positions = list(positions_of(user_of(request), account=selected_account(request)))
    quotes = read_quotes(connect(), {each.instrument_id for each in positions})
    return position_rows(positions, quotes)


@login_required
@require_GET
def position_list(request: HttpRequest) -> HttpResponse:
    """Show what is held, and what was traded and closed."""
    rows = _rows(request)
    page = {
        "tab": "positions",
        "held": [row for row in rows if row.position.quantity],
        "closed": [row for row in rows if not row.position.quantity],
        "totals": asset_totals(rows),
    }
    is_part = request.headers.get("HX-Request") == "true"
    name = "portfolio/_position_panels.html" if is_part else "portfolio/positions.html"
    return render(request, name, page)


@login_required
@require_GET
def position_csv(request: HttpRequest) -> HttpResponse:
    """Give the positions as a file."""
    header = (
        "exchange", "tradingsymbol", "book", "quantity", "average_price", "last_price", "value",
        "unrealised", "realised", "fees_quote", "fees_base",
    )  # fmt: skip
    return csv_response(
        "finbyte-positions", header=header, rows=[_csv_row(row) for row in _rows(request)]
    )


def _csv_row(row: PositionRow) -> list[object]:
    position, average = row.position, row.average
    if average is not None:
        # A quotient has no end: two decimals more than a price has.
        decimals = decimals_of(position.instrument.tick_size) + AVERAGE_DECIMALS
        average = average.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    return [
        position.instrument.exchange,
        position.instrument.tradingsymbol,
        position.book.name,
        plain(position.quantity),
        _plain(average),
        _plain(row.last_price),
        _plain(row.value),
        _plain(row.unrealised),
        plain(position.realised),
        plain(position.fees_quote),
        plain(position.fees_base),
    ]


def _plain(value: Decimal | None) -> str:
    return "" if value is None else plain(value)


@login_required
@require_GET
def trade_list(request: HttpRequest) -> HttpResponse:
    """Show trades, newest first; further pages come as rows."""
    rows = trades_of(user_of(request), account=selected_account(request))
    before = positive_int(request.GET.get("before"))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    trades = list(rows[: PAGE_SIZE + 1])
    page = {
        "tab": "trades",
        "trades": trades[:PAGE_SIZE],
        "more_before": trades[PAGE_SIZE - 1].pk if len(trades) > PAGE_SIZE else None,
    }
    return render(
        request, "portfolio/_trade_rows.html" if before else "portfolio/trades.html", page
    )


@login_required
@require_GET
def trade_csv(request: HttpRequest) -> HttpResponse:
    """Give the trades as a file."""
    header = (
        "trade_id", "exchange_time", "exchange", "tradingsymbol", "book", "order_id", "side",
        "quantity", "price", "fee", "fee_asset", "liquidity",
    )  # fmt: skip
    trades = trades_of(user_of(request), account=selected_account(request))[:MAX_ROWS]
    rows = (_trade_row(trade) for trade in trades.iterator(1000))
    return csv_response("finbyte-trades", header=header, rows=rows)


def _trade_row(trade: Trade) -> list[object]:
    return [
        trade.venue_trade_id,
        trade.exchange_time.isoformat(),
        trade.instrument.exchange,
        trade.instrument.tradingsymbol,
        trade.book.name,
        trade.order_id,
        trade.side,
        plain(trade.quantity),
        plain(trade.price),
        plain(trade.fee),
        trade.fee_asset,
        trade.liquidity,
    ]
