"""The risk gate R1-R8 and R12 of trust.md 4.3: each refusal is a typed code.

A `Denial` is what policy denies at this moment: it is stored with the order. What is wrong with
a request in itself is in `drafts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from market.domain.calendars import is_open, square_off_at
from market.domain.enums import OrderType, Product, Side
from market.domain.formatting import format_money, plain
from market.domain.instruments import InstrumentSpec
from market.domain.ticks import Quote
from portfolio.domain.drafts import Draft, price_text

DEFAULT_MAX_DEVIATION = Decimal("0.10")


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
    # Only what the system places for an order that was accepted: what a caller gets as an error.
    NOT_PLACED = "NOT_PLACED"


@dataclass(frozen=True, slots=True)
class Denial:
    """A refusal by policy."""

    code: DenialCode
    message: str


@dataclass(frozen=True, slots=True)
class Limits:
    """One row of limits; None is no limit. `open_value` and `units` count within its scope."""

    max_order_value: Decimal | None = None
    max_open_value: Decimal | None = None
    max_position_value: Decimal | None = None
    max_price_deviation: Decimal | None = None
    # Value of the open orders, and units that the positions of the instrument can reach.
    open_value: Decimal = Decimal(0)
    units: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class OwnUnits:
    """Units of an instrument in a book that may be short: held (below 0 short), and on order."""

    held: Decimal = Decimal(0)
    buys: Decimal = Decimal(0)
    sells: Decimal = Decimal(0)
    # Since when the position is not flat.
    opened_at: datetime | None = None

    @property
    def reach(self) -> Decimal:
        """Return how large the position can become, either way."""
        return max(abs(self.held), self.held + self.buys, self.sells - self.held)

    def with_order(self, side: Side, quantity: Decimal) -> "OwnUnits":
        """Return the units with one more open order."""
        if side is Side.BUY:
            return replace(self, buys=self.buys + quantity)
        return replace(self, sells=self.sells + quantity)

    def reducible(self, side: Side) -> Decimal:
        """Return what an order of a side may trade and certainly only reduce the position."""
        if side is Side.BUY:
            return -self.held - self.buys
        return self.held - self.sells


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What policy looks at besides the order: prices, switches and limits.

    `own` is given for books that may be short; in all others a sale reduces and a buy does not.
    """

    quote: Quote | None
    now: datetime
    trading_state: str = "ACTIVE"
    kill_reason: str | None = None
    limits: Sequence[Limits] = ()
    own: OwnUnits | None = None


def find_denial(draft: Draft, around: Surroundings) -> Denial | None:
    """Return why policy denies the order now, or None."""
    if draft.is_exit:
        return _switch_denial(draft, around)
    return (
        _switch_denial(draft, around)
        or _quote_denial(draft, around)
        or _price_denial(draft, around)
        or _size_denial(draft, around)
    )


def find_change_denial(draft: Draft, around: Surroundings) -> Denial | None:
    """Return why policy denies that an order becomes this one, or None; it is not counted yet.

    A closed session or an old price is no reason: the order stands in the market as it is.
    """
    if draft.is_exit:
        return _switch_denial(draft, around)
    return (
        _switch_denial(draft, around) or _price_denial(draft, around) or _size_denial(draft, around)
    )


def _switch_denial(draft: Draft, around: Surroundings) -> Denial | None:
    if around.kill_reason is not None:
        return Denial(DenialCode.KILL_SWITCH, f"Trading is stopped: {around.kill_reason}")
    if around.trading_state == "HALTED":
        return Denial(DenialCode.BOOK_HALTED, "Trading in this book is halted")
    return _growing_denial(draft, around) or _ended_denial(draft, around)


def _growing_denial(draft: Draft, around: Surroundings) -> Denial | None:
    """Return why policy denies an order that does more than reduce a position."""
    if around.trading_state == "REDUCING" and not _reduces(draft, around):
        return Denial(DenialCode.BOOK_REDUCING, "This book may only reduce its position")
    return None


def _ended_denial(draft: Draft, around: Surroundings) -> Denial | None:
    """Return why policy denies an intraday order after its day: it may only close, and at once.

    Squaring off waits while any other order of the instrument is open, so none may rest.
    """
    if not _has_ended(draft, around):
        return None
    is_at_once = draft.is_exit or draft.order_type is OrderType.MARKET
    if is_at_once and _reduces(draft, around):
        return None
    words = f"MIS trading of {draft.instrument.symbol} has ended for the day"
    return Denial(
        DenialCode.R1_SESSION_CLOSED,
        f"{words}: only a MARKET order that closes a position is taken",
    )


def _reduces(draft: Draft, around: Surroundings) -> bool:
    if around.own is None:
        return draft.side is Side.SELL
    return draft.open_quantity <= around.own.reducible(draft.side)


def _has_ended(draft: Draft, around: Surroundings) -> bool:
    """Say whether intraday positions are being squared off, or one of an earlier day is left."""
    if draft.product is not Product.MIS or around.quote is None:
        return False
    opened_at = around.own.opened_at if around.own is not None else None
    ends = (
        square_off_at(draft.instrument.calendar, around.quote.source, moment)
        for moment in (around.now, opened_at)
        if moment is not None
    )
    return any(around.now >= end for end in ends)


def _quote_denial(draft: Draft, around: Surroundings) -> Denial | None:
    quote, spec = around.quote, draft.instrument
    if quote is None:
        return Denial(DenialCode.R12_STALE_QUOTE, f"There is no price of {spec.symbol}")
    is_shut = not is_open(spec.calendar, quote.source, around.now)
    waits = is_shut and draft.waits
    if not waits and not quote.is_fresh(now=around.now, limit=spec.freshness_limit):
        seconds = int(quote.age(around.now).total_seconds())
        message = f"The price of {spec.symbol} is {seconds} s old"
        return Denial(DenialCode.R12_STALE_QUOTE, message)
    if not quote.last_price.is_finite() or quote.last_price <= 0:
        return Denial(DenialCode.R12_STALE_QUOTE, f"The price of {spec.symbol} is not usable")
    if is_shut and not waits:
        return Denial(DenialCode.R1_SESSION_CLOSED, f"The session of {spec.symbol} is closed")
    return None


def _price_denial(draft: Draft, around: Surroundings) -> Denial | None:
    spec, price = draft.instrument, draft.worst_price
    for value in (draft.price, draft.trigger_price):
        if value is not None and _beyond_circuit(value, spec):
            words = f"Price {price_text(value, spec)} is outside the circuit {_circuit(spec)}"
            return Denial(DenialCode.R4_CIRCUIT, words)
    reference = _reference(draft, around)
    if price is None or reference is None:
        return None
    most = _tightest([limits.max_price_deviation for limits in around.limits])
    most = DEFAULT_MAX_DEVIATION if most is None else most
    if _deviation(draft.side, price, reference) > most:
        message = (
            f"Price {price_text(price, spec)} is more than {most.normalize():%} worse than the market"
            f" ({price_text(reference, spec)})"
        )
        return Denial(DenialCode.R4_PRICE_BAND, message)
    return None


def _circuit(spec: InstrumentSpec) -> str:
    ends = (spec.lower_circuit, spec.upper_circuit)
    low, high = ("open" if end is None else price_text(end, spec) for end in ends)
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
    growth = growth_of(draft, around.own)
    for limits in around.limits:
        if found := _value_denial(draft, limits, price=price, growth=growth):
            return found
    return None


def growth_of(draft: Draft, own: OwnUnits | None) -> Decimal:
    """Return the units by which the order can make the position larger, long or short."""
    if own is not None:
        return own.with_order(draft.side, draft.open_quantity).reach - own.reach
    return draft.open_quantity if draft.side is Side.BUY else Decimal(0)


def _value_denial(
    draft: Draft, limits: Limits, *, price: Decimal, growth: Decimal
) -> Denial | None:
    value, asset = draft.quantity * price, draft.instrument.quote_asset
    if limits.max_order_value is not None and value > limits.max_order_value:
        most = format_money(limits.max_order_value, asset=asset)
        message = f"Order value {format_money(value, asset=asset)} is above the limit of {most}"
        return Denial(DenialCode.R6_MAX_VALUE, message)
    opened = limits.open_value + draft.open_quantity * price
    if limits.max_open_value is not None and opened > limits.max_open_value:
        told, most = (format_money(each, asset=asset) for each in (opened, limits.max_open_value))
        message = f"Open orders would be {told}, above the limit of {most}"
        return Denial(DenialCode.R7_OPEN_VALUE, message)
    if limits.max_position_value is None or not growth:
        return None
    position = (limits.units + growth) * price
    if position > limits.max_position_value:
        most = format_money(limits.max_position_value, asset=asset)
        told = format_money(position, asset=asset)
        message = f"The position could reach {told}, above the limit of {most}"
        return Denial(DenialCode.R8_POSITION, message)
    return None
