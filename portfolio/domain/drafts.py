"""An order as it is asked for, and what is wrong with it in itself (R1-R3 of trust.md 4.3).

A `Defect` names the field: nothing is stored. What policy denies at this moment is in `risk`.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from market.domain.enums import InstrumentKind, OrderType, Product, Side
from market.domain.formatting import format_money, format_price, plain
from market.domain.instruments import InstrumentSpec, to_step
from market.domain.ticks import Quote
from portfolio.exceptions import InvalidOrder

# Larger numbers than any market has; they keep products inside numeric(28, 12).
LARGEST = Decimal(10) ** 12
LARGEST_VALUE = Decimal(10) ** 15
# How much worse than the market a MARKET order without a worst price of its own may fill.
DEFAULT_PROTECTION = Decimal("0.05")
# Market protection as it is asked for, in percent; -1 and 0 leave it to us.
AUTOMATIC = Decimal(-1)
MOST_PROTECTION = Decimal(100)
# What is disclosed is at least this share of the quantity, as at Kite.
LEAST_DISCLOSED = Decimal("0.10")
_INTRADAY_EXCHANGES = frozenset({"NSE", "BSE"})
_PROTECTION_STEP = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Defect:
    """A request that is wrong in itself: the field, a code of bots.md 1.8 and the limits."""

    field: str
    code: str
    message: str
    minimum: Decimal | None = None
    maximum: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """An order as the gate sees it. Prices in quote asset, quantity in units."""

    instrument: InstrumentSpec
    side: Side
    order_type: OrderType
    product: Product
    quantity: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    protection_price: Decimal | None
    disclosed_quantity: Decimal = Decimal(0)
    # Percent, as it was asked for; see `protection_of`.
    market_protection: Decimal = Decimal(0)
    # It is sent in the next session: that this one is over is no reason against it.
    waits: bool = False
    # It ends a position that must not stay as it is: only switches stop it.
    is_exit: bool = False
    # Of the quantity: what has traded already, where an order is to be changed.
    filled: Decimal = Decimal(0)

    @property
    def open_quantity(self) -> Decimal:
        """Return what is still to trade."""
        return self.quantity - self.filled

    @property
    def worst_price(self) -> Decimal | None:
        """Return the worst price it may fill at: the limit, or what MARKET may pay."""
        return self.price if self.price is not None else self.protection_price


def find_defect(draft: Draft) -> Defect | None:
    """Return what is wrong with the request in itself (R1-R3), or None."""
    return (
        _instrument_defect(draft)
        or _shape_defect(draft)
        or _quantity_defect(draft)
        or _disclosed_defect(draft)
        or _protection_defect(draft.market_protection)
        or _price_defects(draft)
        or _notional_defect(draft)
    )


def find_size_defect(draft: Draft) -> Defect | None:
    """Return why so much of the instrument can never be ordered, whatever the price, or None."""
    return _instrument_defect(draft) or _quantity_defect(draft)


def _instrument_defect(draft: Draft) -> Defect | None:
    if not draft.instrument.is_tradable:
        message = f"{draft.instrument.symbol} is not tradable"
        return Defect("instrument", "NOT_TRADABLE", message)
    if draft.product is Product.NRML:
        message = "Product NRML is for futures, which come later; use CNC or MIS"
        return Defect("product", "NOT_OFFERED", message)
    if draft.product is Product.MIS and not is_intraday(draft.instrument):
        message = f"Product MIS is not offered on {draft.instrument.symbol}; use CNC"
        return Defect("product", "NOT_OFFERED", message)
    return None


def is_intraday(spec: InstrumentSpec) -> bool:
    """Say whether an instrument can be traded intraday (MIS): equities of NSE and BSE."""
    return spec.kind is InstrumentKind.EQ and spec.exchange in _INTRADAY_EXCHANGES


def _shape_defect(draft: Draft) -> Defect | None:
    needs_price = draft.order_type in {OrderType.LIMIT, OrderType.SL}
    needs_trigger = draft.order_type in {OrderType.SL, OrderType.SL_M}
    checks = (
        ("price", draft.price, needs_price),
        ("trigger_price", draft.trigger_price, needs_trigger),
    )
    for field, value, is_needed in checks:
        name = field.replace("_", " ")
        if is_needed and value is None:
            return Defect(field, "REQUIRED", f"A {draft.order_type} order needs a {name}")
        if not is_needed and value is not None:
            return Defect(field, "NOT_ALLOWED", f"A {draft.order_type} order has no {name}")
    return _stop_defect(draft)


def _stop_defect(draft: Draft) -> Defect | None:
    """Refuse a stop whose worst price lies on the wrong side of its trigger: it cannot trade."""
    trigger, worst = draft.trigger_price, draft.worst_price
    if not trigger or not worst:
        return None
    buys = draft.side is Side.BUY
    if worst >= trigger if buys else worst <= trigger:
        return None
    side = "below" if buys else "above"
    if draft.price is not None:
        words = f"The limit of a stop {draft.side.lower()} must not be {side} its trigger"
        field, value, is_least = "price", trigger, buys
    else:
        words = f"The worst price of this stop {draft.side.lower()} is {side} its trigger:"
        field, value, is_least = "trigger_price", worst, not buys
    limits = {"minimum": value} if is_least else {"maximum": value}
    return Defect(field, "ORDER", f"{words} {plain(value)}", **limits)


def reached_trigger(draft: Draft, quote: Quote | None, *, now: datetime) -> Defect | None:
    """Refuse a stop that the market has reached already: it would trade at once, or be lost.

    An old price is no reason of its own: policy denies on it.
    """
    trigger, spec = draft.trigger_price, draft.instrument
    if trigger is None or quote is None:
        return None
    if not quote.is_fresh(now=now, limit=spec.freshness_limit):
        return None
    buys, market = draft.side is Side.BUY, quote.last_price
    if trigger > market if buys else trigger < market:
        return None
    side = "above" if buys else "below"
    message = f"Trigger price must be {side} the market price {price_text(market, spec)} for a {draft.side.lower()}"
    rounding = ROUND_FLOOR if buys else ROUND_CEILING
    nearest = to_step(market, step=spec.tick_size, rounding=rounding)
    limits = (
        {"minimum": nearest + spec.tick_size} if buys else {"maximum": nearest - spec.tick_size}
    )
    return Defect("trigger_price", "ORDER", f"{message} stop", **limits)


def _quantity_defect(draft: Draft) -> Defect | None:
    quantity, spec = draft.quantity, draft.instrument
    if not quantity.is_finite() or quantity < spec.min_quantity:
        message = f"Quantity must be at least {plain(spec.min_quantity)}"
        return Defect("quantity", "BELOW_MIN", message, minimum=spec.min_quantity)
    if quantity > LARGEST:
        return Defect("quantity", "ABOVE_MAX", "Quantity is too large", maximum=LARGEST)
    if not spec.is_on_lot(quantity):
        message = f"Quantity must be a multiple of {plain(spec.lot_size)}"
        return Defect("quantity", "NOT_LOT", message, minimum=spec.lot_size)
    return None


def _disclosed_defect(draft: Draft) -> Defect | None:
    """Refuse to disclose nothing like a share of the quantity; 0 discloses all of it."""
    disclosed, spec = draft.disclosed_quantity, draft.instrument
    if not disclosed:
        return None
    field, most = "disclosed_quantity", draft.quantity
    least = spec.ceil_lot(draft.quantity * LEAST_DISCLOSED)
    message = f"Disclosed quantity must be 0, or from {plain(least)} to {plain(most)}"
    if not disclosed.is_finite() or disclosed < least:
        return Defect(field, "BELOW_MIN", message, minimum=least, maximum=most)
    if disclosed > most:
        return Defect(field, "ABOVE_MAX", message, minimum=least, maximum=most)
    if not spec.is_on_lot(disclosed):
        words = f"Disclosed quantity must be a multiple of {plain(spec.lot_size)}"
        return Defect(field, "NOT_LOT", words, minimum=spec.lot_size)
    return None


def _protection_defect(percent: Decimal) -> Defect | None:
    """Refuse what is neither -1 (automatic) nor 0 to 100 percent with two decimals."""
    limits = {"minimum": AUTOMATIC, "maximum": MOST_PROTECTION}
    field = "market_protection"
    if not percent.is_finite() or (percent < 0 and percent != AUTOMATIC):
        message = "Market protection must be -1, or from 0 to 100 percent"
        return Defect(field, "BELOW_MIN", message, **limits)
    if percent > MOST_PROTECTION:
        message = "Market protection must be -1, or from 0 to 100 percent"
        return Defect(field, "ABOVE_MAX", message, **limits)
    if percent % _PROTECTION_STEP:
        message = "Market protection has at most two decimals"
        return Defect(field, "NOT_TICK", message, **limits)
    return None


def _price_defects(draft: Draft) -> Defect | None:
    for field in ("price", "trigger_price", "protection_price"):
        value: Decimal | None = getattr(draft, field)
        if value is not None and (found := find_price_defect(field, value, draft.instrument)):
            return found
    return None


def find_price_defect(field: str, value: Decimal, spec: InstrumentSpec) -> Defect | None:
    """Refuse what is no price of the instrument."""
    name = field.replace("_", " ").capitalize()
    if not value.is_finite() or value <= 0:
        return Defect(field, "BELOW_MIN", f"{name} must be above 0", minimum=spec.tick_size)
    if value > LARGEST:
        return Defect(field, "ABOVE_MAX", f"{name} is too large", maximum=LARGEST)
    if not spec.is_on_tick(value):
        nearest = max(spec.nearest_tick(value), spec.tick_size)
        words = f"{name} {plain(value)} is not a multiple of {plain(spec.tick_size)}"
        message = f"{words}. Nearest: {price_text(nearest, spec)}."
        return Defect(field, "NOT_TICK", message, minimum=spec.tick_size)
    return None


def _notional_defect(draft: Draft) -> Defect | None:
    price = draft.worst_price
    if price is None:
        return None
    value = draft.quantity * price
    if value > LARGEST_VALUE:
        return Defect("quantity", "ABOVE_MAX", "The order value is too large")
    if value < draft.instrument.min_notional:
        least = draft.instrument.min_notional
        asset = draft.instrument.quote_asset
        told, limit = format_money(value, asset=asset), format_money(least, asset=asset)
        message = f"The order value {told} is below the minimum of {limit}"
        return Defect("quantity", "BELOW_MIN", message, minimum=least)
    return None


def protection_of(draft: Draft, quote: Quote | None) -> Decimal | None:
    """Return the worst price of an order without a limit: so far beyond the market or its trigger.

    How far is the market protection it asks for in percent. -1 (automatic) and 0 (none at Kite)
    are our 5 %: the money held must cover the worst price, so no order goes without one.
    """
    if draft.worst_price is not None:
        return draft.protection_price
    start = draft.trigger_price
    if start is None and quote is not None:
        start = quote.best_ask if draft.side is Side.BUY else quote.best_bid
    if start is None:
        return None
    buys = draft.side is Side.BUY
    share = _protection_share(draft.market_protection)
    factor = 1 + share if buys else 1 - share
    rounding = ROUND_CEILING if buys else ROUND_FLOOR
    worst = to_step(start * factor, step=draft.instrument.tick_size, rounding=rounding)
    return max(worst, draft.instrument.tick_size)


def _protection_share(percent: Decimal) -> Decimal:
    return percent / 100 if percent > 0 else DEFAULT_PROTECTION


def refusal_of(defect: Defect) -> InvalidOrder:
    """Return what a caller gets for a request that is wrong in itself."""
    return InvalidOrder(
        defect.message,
        field=defect.field,
        code=defect.code,
        minimum=defect.minimum,
        maximum=defect.maximum,
    )


def price_text(price: Decimal, spec: InstrumentSpec) -> str:
    """Return a price as people read it."""
    return format_price(price, tick=spec.tick_size, asset=spec.quote_asset)
