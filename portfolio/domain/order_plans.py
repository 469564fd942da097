"""Orders that consist of several: what may be asked for, and what a plan does next. No clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from market.domain.enums import OrderStatus, OrderType, Product, Side
from market.domain.formatting import plain
from market.domain.instruments import InstrumentSpec, to_step
from portfolio.domain.drafts import Defect, find_price_defect, price_text

LEAST_LEGS, MOST_LEGS = 2, 50
# A slice is at most the freeze quantity; so many of them at once, as at Kite.
MOST_SLICES = 10
# A cover order gives up after so many stops: an exit that the market never takes must end.
MOST_STOPS = 20
_ZERO = Decimal(0)
_ONE = Decimal(1)
_FIRST_TYPES = frozenset({OrderType.LIMIT, OrderType.MARKET})


@dataclass(frozen=True, slots=True)
class CoverTerms:
    """A cover order: the trigger of the stop that is placed for what the first order fills."""

    trigger_price: Decimal


@dataclass(frozen=True, slots=True)
class IcebergTerms:
    """An iceberg: its whole quantity in so many legs, each of `leg_quantity`, the last the rest."""

    legs: int
    leg_quantity: Decimal


@dataclass(frozen=True, slots=True)
class AuctionTerms:
    """Which auction an order is for."""

    auction_number: str


Terms = CoverTerms | IcebergTerms | AuctionTerms


# ------------------------------------------------------------------ what may be asked for


def type_defect(order_type: OrderType) -> Defect | None:
    """Refuse a first order that waits for a trigger itself."""
    if order_type in _FIRST_TYPES:
        return None
    return Defect("order_type", "NOT_ALLOWED", "The order type must be LIMIT or MARKET")


def iceberg_defect(
    terms: IcebergTerms, *, quantity: Decimal, disclosed: Decimal, spec: InstrumentSpec
) -> Defect | None:
    """Refuse legs that do not make up the quantity: all but the last are of the same size."""
    legs, size = terms.legs, terms.leg_quantity
    if not quantity.is_finite() or quantity <= 0 or not spec.is_on_lot(quantity):
        message = f"Quantity must be a multiple of {plain(spec.lot_size)}"
        return Defect("quantity", "NOT_LOT", message, minimum=spec.lot_size)
    if not LEAST_LEGS <= legs <= MOST_LEGS:
        message = f"An iceberg has {LEAST_LEGS} to {MOST_LEGS} legs"
        code = "BELOW_MIN" if legs < LEAST_LEGS else "ABOVE_MAX"
        limits = Decimal(LEAST_LEGS), Decimal(MOST_LEGS)
        return Defect("iceberg_legs", code, message, *limits)
    if not size.is_finite() or size <= 0 or not spec.is_on_lot(size):
        message = f"The quantity of a leg must be a multiple of {plain(spec.lot_size)}"
        return Defect("iceberg_quantity", "NOT_LOT", message, minimum=spec.lot_size)
    if disclosed:
        message = "An iceberg discloses its legs and no other quantity"
        return Defect("disclosed_quantity", "NOT_ALLOWED", message)
    return _cover_of_legs(terms, quantity=quantity, spec=spec)


def _cover_of_legs(
    terms: IcebergTerms, *, quantity: Decimal, spec: InstrumentSpec
) -> Defect | None:
    legs, size = terms.legs, terms.leg_quantity
    if (legs - 1) * size < quantity <= legs * size:
        return None
    least, most = spec.ceil_lot(quantity / legs), spec.floor_lot(quantity / (legs - 1))
    if most * (legs - 1) >= quantity:
        most -= spec.lot_size
    code = "BELOW_MIN" if size < least else "ABOVE_MAX"
    if least > most:
        message = f"{plain(quantity)} cannot be cut into {legs} legs"
        return Defect("iceberg_legs", "ABOVE_MAX", message, minimum=Decimal(LEAST_LEGS))
    message = (
        f"{legs} legs of {plain(size)} do not make up {plain(quantity)}:"
        f" a leg must be of {plain(least)} to {plain(most)}"
    )
    return Defect("iceberg_quantity", code, message, minimum=least, maximum=most)


def cover_defect(
    trigger: Decimal,
    *,
    side: Side,
    product: Product,
    prices: Sequence[Decimal],
    spec: InstrumentSpec,
) -> Defect | None:
    """Refuse a stop that does not lie on the losing side of every one of the prices.

    They are what the first order may trade at and what the market is at, as far as known.
    """
    if side is Side.SELL and product is Product.CNC:
        message = "A cover order of product CNC must buy first: CNC cannot be sold short"
        return Defect("side", "NOT_ALLOWED", message)
    if defect := find_price_defect("trigger_price", trigger, spec):
        return defect
    buys = side is Side.BUY
    if not prices or all(trigger < price if buys else trigger > price for price in prices):
        return None
    nearest = min(prices) if buys else max(prices)
    words = "below" if buys else "above"
    message = (
        f"The trigger of a {side.lower()} cover order must be {words} {price_text(nearest, spec)}"
    )
    if buys:
        most = spec.ceil_tick(nearest) - spec.tick_size
        return Defect("trigger_price", "ORDER", message, maximum=most)
    return Defect(
        "trigger_price", "ORDER", message, minimum=spec.floor_tick(nearest) + spec.tick_size
    )


def slice_quantities(quantity: Decimal, *, spec: InstrumentSpec) -> list[Decimal] | Defect:
    """Return equal slices, on lot, each at most the freeze quantity; the first may be a lot more."""
    if spec.max_quantity is None or not quantity.is_finite():
        return [quantity]
    most = spec.floor_lot(spec.max_quantity)
    if quantity <= most or most <= 0 or not spec.is_on_lot(quantity):
        return [quantity]
    count = int(to_step(quantity / most, step=_ONE, rounding=ROUND_CEILING))
    if count > MOST_SLICES:
        largest = most * MOST_SLICES
        message = (
            f"Quantity {plain(quantity)} makes more than {MOST_SLICES} slices of {plain(most)}"
        )
        return Defect("quantity", "ABOVE_MAX", message, maximum=largest)
    lots, extra = divmod(int(quantity / spec.lot_size), count)
    return [(lots + (number < extra)) * spec.lot_size for number in range(count)]


# ------------------------------------------------------------------ what a plan does next


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """An order of a plan, as the plan sees it."""

    id: int
    status: OrderStatus
    order_type: OrderType
    quantity: Decimal
    filled: Decimal
    is_triggered: bool
    is_cancel_asked: bool
    message: str

    @property
    def is_waiting(self) -> bool:
        """Say whether it waits where its terms can be changed."""
        if self.is_triggered or self.is_cancel_asked:
            return False
        return self.status in {OrderStatus.READY, OrderStatus.TRIGGER_PENDING}

    @property
    def counts_for(self) -> Decimal:
        """Return the units that it takes care of: all of them while it lives."""
        return self.quantity if self.status.is_live else self.filled


@dataclass(frozen=True, slots=True)
class Place:
    """Place the next order."""

    quantity: Decimal
    at_market: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Change an order that waits; None leaves its quantity."""

    order_id: int
    quantity: Decimal | None
    to_market: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel an order."""

    order_id: int


@dataclass(frozen=True, slots=True)
class End:
    """Be over; a message says why it ended before it was done."""

    message: str = ""


Step = Place | Change | Cancel | End


def next_iceberg_step(
    legs: Sequence[PlannedOrder], *, total: Decimal, leg_quantity: Decimal
) -> Step | None:
    """Return what follows the newest leg; None while it lives."""
    last = legs[-1]
    if last.status.is_live:
        return None
    left = total - sum((leg.filled for leg in legs), _ZERO)
    if not left:
        return End()
    if last.status is not OrderStatus.FILLED:
        return End(f"Leg {len(legs)} ended as {last.status}. {last.message}".strip())
    if last.is_cancel_asked:
        return End(f"Cancelled while leg {len(legs)} was filled")
    return Place(min(left, leg_quantity))


def next_cover_step(
    entry: PlannedOrder, stops: Sequence[PlannedOrder], *, received: Decimal, is_exiting: bool
) -> Step | None:
    """Return how the stop is brought in line with what the first order got; None: it is.

    Every unit received is in the care of one stop. Once that was met, is gone or the owner wants
    out, the first order must not trade any more.
    """
    is_met = any(stop.is_triggered or not stop.status.is_live for stop in stops)
    if entry.status.is_live and (is_met or is_exiting) and not entry.is_cancel_asked:
        return Cancel(entry.id)
    uncovered = received - sum((stop.counts_for for stop in stops), _ZERO)
    if stops and stops[-1].status.is_live:
        return _change_of(stops[-1], uncovered, is_exiting=is_exiting)
    if uncovered <= 0:
        return None if entry.status.is_live else End()
    if not stops:
        return Place(uncovered, at_market=is_exiting)
    return _after_lost_stop(entry, stops, uncovered, is_exiting=is_exiting)


def _change_of(stop: PlannedOrder, uncovered: Decimal, *, is_exiting: bool) -> Step | None:
    to_market = is_exiting and stop.order_type is not OrderType.MARKET
    if not stop.is_waiting or (uncovered <= 0 and not to_market):
        return None
    quantity = stop.quantity + uncovered if uncovered > 0 else None
    return Change(stop.id, quantity, to_market)


def _after_lost_stop(
    entry: PlannedOrder, stops: Sequence[PlannedOrder], uncovered: Decimal, *, is_exiting: bool
) -> Step | None:
    """Return what becomes of units whose stop has ended.

    One that never reached the venue is placed again. One that was met, and that the market did
    not take completely, goes on at market. One that somebody ended stays ended.
    """
    last = stops[-1]
    never_came = last.status is OrderStatus.NOT_AT_VENUE
    was_met = last.status is OrderStatus.FILLED or (
        last.status is OrderStatus.CANCELLED and not last.is_cancel_asked
    )
    if (never_came or was_met) and len(stops) < MOST_STOPS:
        return Place(uncovered, at_market=is_exiting or was_met)
    if entry.status.is_live:
        return None
    what = "exit" if is_exiting else "stop"
    return End(
        f"The {what} of {plain(uncovered)} units ended as {last.status}. {last.message}".strip()
    )
