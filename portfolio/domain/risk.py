"""The risk gate R1-R8 and R12 of trust.md 4.3: each refusal is a typed code.

Two kinds of refusal: a request that is wrong in itself (`Defect`: nothing is stored), and one
that policy denies at this moment (`Denial`: stored with the order).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

from market.domain.calendars import is_open
from market.domain.enums import OrderType, Product, Side
from market.domain.formatting import format_money, format_price, plain
from market.domain.instruments import InstrumentSpec, to_step
from market.domain.ticks import Quote

# Larger numbers than any market has; they keep products inside numeric(28, 12).
LARGEST = Decimal(10) ** 12
LARGEST_VALUE = Decimal(10) ** 15
DEFAULT_MAX_DEVIATION = Decimal("0.10")
# How much worse than the market a MARKET order without a worst price of its own may fill.
DEFAULT_PROTECTION = Decimal("0.05")


class DenialCode(StrEnum):
    """Why policy denied an order."""

    KILL_SWITCH = "KILL_SWITCH"
    BOOK_HALTED = "BOOK_HALTED"
    BOOK_REDUCING = "BOOK_REDUCING"
    R1_SESSION_CLOSED = "R1_SESSION_CLOSED"
    R4_PRICE_BAND = "R4_PRICE_BAND"
    R4_CIRCUIT = "R4_CIRCUIT"
    R5_MAX_QUANTITY = "R5_MAX_QUANTITY"
    R6_MAX_VALUE = "R6_MAX_VALUE"
    R7_OPEN_VALUE = "R7_OPEN_VALUE"
    R8_POSITION = "R8_POSITION"
    R12_STALE_QUOTE = "R12_STALE_QUOTE"


@dataclass(frozen=True, slots=True)
class Denial:
    """A refusal by policy."""

    code: DenialCode
    message: str


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

    @property
    def worst_price(self) -> Decimal | None:
        """Return the worst price it may fill at: the limit, or what MARKET may pay."""
        return self.price if self.price is not None else self.protection_price


@dataclass(frozen=True, slots=True)
class Limits:
    """One row of limits; None is no limit. `open_value` and `units` count within its scope."""

    max_order_value: Decimal | None = None
    max_open_value: Decimal | None = None
    max_position_value: Decimal | None = None
    max_price_deviation: Decimal | None = None
    # Value of the open orders, and units held and on order to buy of the instrument.
    open_value: Decimal = Decimal(0)
    units: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What policy looks at besides the order: prices, switches and limits."""

    quote: Quote | None
    now: datetime
    trading_state: str = "ACTIVE"
    kill_reason: str | None = None
    limits: Sequence[Limits] = ()


# ------------------------------------------------------------------ the request itself


def find_defect(draft: Draft) -> Defect | None:
    """Return what is wrong with the request in itself (R1-R3), or None."""
    return (
        _instrument_defect(draft)
        or _shape_defect(draft)
        or _quantity_defect(draft)
        or _price_defects(draft)
        or _notional_defect(draft)
    )


def _instrument_defect(draft: Draft) -> Defect | None:
    if not draft.instrument.is_tradable:
        message = f"{draft.instrument.symbol} is not tradable"
        return Defect("instrument", "NOT_TRADABLE", message)
    if draft.product is not Product.CNC:
        message = f"Product {draft.product} is not offered on {draft.instrument.symbol}; use CNC"
        return Defect("product", "NOT_OFFERED", message)
    return None


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
    message = f"Trigger price must be {side} the market price {_price(market, spec)} for a {draft.side.lower()}"
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


def _price_defects(draft: Draft) -> Defect | None:
    for field in ("price", "trigger_price", "protection_price"):
        value: Decimal | None = getattr(draft, field)
        if value is not None and (found := _price_defect(field, value, draft.instrument)):
            return found
    return None


def _price_defect(field: str, value: Decimal, spec: InstrumentSpec) -> Defect | None:
    name = field.replace("_", " ").capitalize()
    if not value.is_finite() or value <= 0:
        return Defect(field, "BELOW_MIN", f"{name} must be above 0", minimum=spec.tick_size)
    if value > LARGEST:
        return Defect(field, "ABOVE_MAX", f"{name} is too large", maximum=LARGEST)
    if not spec.is_on_tick(value):
        nearest = max(spec.nearest_tick(value), spec.tick_size)
        words = f"{name} {plain(value)} is not a multiple of {plain(spec.tick_size)}"
        message = f"{words}. Nearest: {_price(nearest, spec)}."
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
    """Return the worst price of an order that has none: 5 % beyond the market or its trigger."""
    if draft.worst_price is not None:
        return draft.protection_price
    start = draft.trigger_price
    if start is None and quote is not None:
        start = quote.best_ask if draft.side is Side.BUY else quote.best_bid
    if start is None:
        return None
    buys = draft.side is Side.BUY
    factor = 1 + DEFAULT_PROTECTION if buys else 1 - DEFAULT_PROTECTION
    rounding = ROUND_CEILING if buys else ROUND_FLOOR
    worst = to_step(start * factor, step=draft.instrument.tick_size, rounding=rounding)
    return max(worst, draft.instrument.tick_size)


# ------------------------------------------------------------------ policy at this moment


def find_denial(draft: Draft, around: Surroundings) -> Denial | None:
    """Return why policy denies the order now, or None."""
    return (
        _switch_denial(draft, around)
        or _quote_denial(draft, around)
        or _price_denial(draft, around)
        or _size_denial(draft, around)
    )


def _switch_denial(draft: Draft, around: Surroundings) -> Denial | None:
    if around.kill_reason is not None:
        return Denial(DenialCode.KILL_SWITCH, f"Trading is stopped: {around.kill_reason}")
    if around.trading_state == "HALTED":
        return Denial(DenialCode.BOOK_HALTED, "Trading in this book is halted")
    if around.trading_state == "REDUCING" and draft.side is Side.BUY:
        return Denial(DenialCode.BOOK_REDUCING, "This book may only reduce its position")
    return None


def _quote_denial(draft: Draft, around: Surroundings) -> Denial | None:
    quote, spec = around.quote, draft.instrument
    if quote is None:
        return Denial(DenialCode.R12_STALE_QUOTE, f"There is no price of {spec.symbol}")
    if not quote.is_fresh(now=around.now, limit=spec.freshness_limit):
        seconds = int(quote.age(around.now).total_seconds())
        message = f"The price of {spec.symbol} is {seconds} s old"
        return Denial(DenialCode.R12_STALE_QUOTE, message)
    if not quote.last_price.is_finite() or quote.last_price <= 0:
        return Denial(DenialCode.R12_STALE_QUOTE, f"The price of {spec.symbol} is not usable")
    if not is_open(spec.calendar, quote.source, around.now):
        return Denial(DenialCode.R1_SESSION_CLOSED, f"The session of {spec.symbol} is closed")
    return None


def _price_denial(draft: Draft, around: Surroundings) -> Denial | None:
    spec, price = draft.instrument, draft.worst_price
    for value in (draft.price, draft.trigger_price):
        if value is not None and _beyond_circuit(value, spec):
            words = f"Price {_price(value, spec)} is outside the circuit {_circuit(spec)}"
            return Denial(DenialCode.R4_CIRCUIT, words)
    reference = _reference(draft, around)
    if price is None or reference is None:
        return None
    most = _tightest([limits.max_price_deviation for limits in around.limits])
    most = DEFAULT_MAX_DEVIATION if most is None else most
    if _deviation(draft.side, price, reference) > most:
        message = (
            f"Price {_price(price, spec)} is more than {most.normalize():%} worse than the market"
            f" ({_price(reference, spec)})"
        )
        return Denial(DenialCode.R4_PRICE_BAND, message)
    return None


def _price(price: Decimal, spec: InstrumentSpec) -> str:
    return format_price(price, tick=spec.tick_size, asset=spec.quote_asset)


def _circuit(spec: InstrumentSpec) -> str:
    ends = (spec.lower_circuit, spec.upper_circuit)
    low, high = ("open" if end is None else _price(end, spec) for end in ends)
    return f"{low} to {high}"


def _beyond_circuit(price: Decimal, spec: InstrumentSpec) -> bool:
    if spec.lower_circuit is not None and price < spec.lower_circuit:
        return True
    return spec.upper_circuit is not None and price > spec.upper_circuit


def _reference(draft: Draft, around: Surroundings) -> Decimal | None:
    """Return what a price is worse than: a stop will meet the market at its trigger."""
    if draft.trigger_price is not None:
        return draft.trigger_price
    return None if around.quote is None else around.quote.last_price


def _deviation(side: Side, price: Decimal, reference: Decimal) -> Decimal:
    worse = price - reference if side is Side.BUY else reference - price
    return worse / reference


def _tightest(values: Sequence[Decimal | None]) -> Decimal | None:
    return min((value for value in values if value is not None), default=None)


def _size_denial(draft: Draft, around: Surroundings) -> Denial | None:
    most = draft.instrument.max_quantity
    if most is not None and draft.quantity > most:
        message = f"Quantity {plain(draft.quantity)} is above the maximum of {plain(most)}"
        return Denial(DenialCode.R5_MAX_QUANTITY, message)
    price = draft.worst_price
    if price is None:
        return None
    for limits in around.limits:
        if found := _value_denial(draft, limits, price=price):
            return found
    return None


def _value_denial(draft: Draft, limits: Limits, *, price: Decimal) -> Denial | None:
    value, asset = draft.quantity * price, draft.instrument.quote_asset
    if limits.max_order_value is not None and value > limits.max_order_value:
        most = format_money(limits.max_order_value, asset=asset)
        message = f"Order value {format_money(value, asset=asset)} is above the limit of {most}"
        return Denial(DenialCode.R6_MAX_VALUE, message)
    opened = limits.open_value + value
    if limits.max_open_value is not None and opened > limits.max_open_value:
        told, most = (format_money(each, asset=asset) for each in (opened, limits.max_open_value))
        message = f"Open orders would be {told}, above the limit of {most}"
        return Denial(DenialCode.R7_OPEN_VALUE, message)
    if limits.max_position_value is None or draft.side is Side.SELL:
        return None
    position = (limits.units + draft.quantity) * price
    if position > limits.max_position_value:
        most = format_money(limits.max_position_value, asset=asset)
        told = format_money(position, asset=asset)
        message = f"The position could reach {told}, above the limit of {most}"
        return Denial(DenialCode.R8_POSITION, message)
    return None
