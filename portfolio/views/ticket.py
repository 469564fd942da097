"""The order ticket: its form, its money, and what an order would cost."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.http import HttpRequest
from django.utils import timezone
from redis.exceptions import RedisError

from market.domain.enums import OrderType, Product, Side, TimeInForce
from market.domain.ticks import Quote
from market.models import Instrument
from market.streams import connect, read_quotes
from portfolio.domain.account_fees import Deal
from portfolio.domain.charges import Charges
from portfolio.forms import OrderForm
from portfolio.models import Book
from portfolio.selectors.pages import BookMoney, manual_book_of, money_of
from portfolio.views.access import user_of
from portfolio.views.scope import selected_account

ORDER_TYPES = {
    OrderType.LIMIT: "Limit",
    OrderType.MARKET: "Market",
    OrderType.SL: "Stop, limit",
    OrderType.SL_M: "Stop, market",
}
VALIDITIES = {
    TimeInForce.DAY: "Day",
    TimeInForce.GTC: "Until cancelled",
    TimeInForce.IOC: "At once or not at all",
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an order would move, at its limit or at the present touch."""

    price: Decimal
    value: Decimal
    charges: Charges
    total: Decimal
    free_after: Decimal
    units_after: Decimal
    is_covered: bool


def ticket_book(request: HttpRequest, instrument: Instrument) -> Book | None:
    """Return the book that a ticket for this instrument trades from."""
    return manual_book_of(
        user_of(request),
        account=selected_account(request),
        quote_asset=instrument.quote_asset,
    )


def ticket_context(
    request: HttpRequest,
    instrument: Instrument,
    *,
    form: OrderForm | None = None,
    quote: Quote | None = None,
) -> dict[str, Any]:
    """Return what the ticket template shows; the form starts as a limit buy at the last price."""
    book = ticket_book(request, instrument)
    side = request.GET.get("side", Side.BUY).upper()
    form = form or OrderForm(
        initial={
            "side": side if side in set(Side) else Side.BUY,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GTC
            if instrument.calendar == "ALWAYS"
            else TimeInForce.DAY,
            "price": quote and quote.last_price,
        }
    )
    return {
        "instrument": instrument,
        "form": form,
        "book": book,
        "balances": None if book is None else money_of(book, instrument, now=timezone.now()),
        "order_types": ORDER_TYPES,
        "validities": VALIDITIES,
        "new_key": uuid4().hex,
    }


def newest_quote(instrument: Instrument) -> Quote | None:
    """Return the newest quote of an instrument, if there is one."""
    return read_quotes(connect(), [instrument.pk]).get(instrument.pk)


def quote_if_any(instrument: Instrument) -> Quote | None:
    """Return the newest quote for what must also work without prices: getting out."""
    try:
        return newest_quote(instrument)
    except RedisError:
        return None


def estimate(
    values: dict[str, Any],
    instrument: Instrument,
    *,
    balances: BookMoney,
    quote: Quote | None,
    at: datetime,
) -> Estimate | None:
    """Return what the typed order would cost; None while price or quantity is missing."""
    quantity, is_buy = values.get("quantity"), values.get("side") == Side.BUY
    price = values.get("price") or values.get("trigger_price")
    if price is None and quote is not None:
        price = quote.best_ask if is_buy else quote.best_bid
    if not quantity or not price or quantity <= 0 or price <= 0:
        return None
    value = quantity * price
    side = Side.BUY if is_buy else Side.SELL
    deal = Deal(side, instrument.exchange, Product.CNC, at)
    charges = balances.fees.of_order(deal, quantity, price)
    total = value + charges.total if is_buy else value - charges.total
    free_after = balances.free_quote - total if is_buy else balances.free_quote + total
    units_after = balances.free_units + quantity if is_buy else balances.free_units - quantity
    is_covered = free_after >= 0 if is_buy else units_after >= 0
    return Estimate(price, value, charges, total, free_after, units_after, is_covered)
