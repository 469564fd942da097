"""GTT (good till triggered): which prices fire a trigger, and which triggers are refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

from market.domain.enums import Side
from market.domain.formatting import plain
from market.domain.instruments import InstrumentSpec, to_step
from portfolio.domain.drafts import LARGEST, Defect

LIFE = timedelta(days=365)
# How far from the market a trigger must lie, as Kite has it: exactly this far is far enough.
LEAST_DISTANCE = Decimal("0.0025")
_FIELD = "condition.trigger_values"


class GttKind(StrEnum):
    """One level, or a stop-loss and a target of which one cancels the other."""

    SINGLE = "single"
    TWO_LEG = "two-leg"


class GttStatus(StrEnum):
    """Kite's words. `disabled`, `cancelled` and `rejected` are never ours; clients know them."""

    ACTIVE = "active"
    TRIGGERED = "triggered"
    DISABLED = "disabled"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Levels:
    """The prices that fire: at or below the one, at or above the other; equality fires."""

    fire_below: Decimal | None
    fire_above: Decimal | None

    @property
    def values(self) -> list[Decimal]:
        """Return the levels in ascending order, as on the wire; the legs have this order."""
        return [each for each in (self.fire_below, self.fire_above) if each is not None]


@dataclass(frozen=True, slots=True)
class Met:
    """The leg that fires, and the price that did it."""

    number: int
    price: Decimal


def levels_of(values: Sequence[Decimal], *, seen_price: Decimal) -> Levels:
    """Return the levels; a single one fires in the direction that the caller saw it in.

    `seen_price` is the last price that the caller knew: at or above it a trigger waits for a rise.
    """
    if len(values) == 2:
        return Levels(values[0], values[1])
    value = values[0]
    return Levels(None, value) if value >= seen_price else Levels(value, None)


def level_defect(levels: Levels, *, last_price: Decimal, spec: InstrumentSpec) -> Defect | None:
    """Return why a trigger at these levels is refused while the market is at `last_price`.

    A level that the market has reached, or all but reached, would fire at once: whoever set it
    saw another price than ours.
    """
    for number, value in enumerate(levels.values):
        if defect := _value_defect(f"{_FIELD}[{number}]", value, spec):
            return defect
    return _below_defect(levels, last_price, spec) or _above_defect(levels, last_price, spec)


def _value_defect(field: str, value: Decimal, spec: InstrumentSpec) -> Defect | None:
    if not 0 < value <= LARGEST:
        words = f"Trigger price must be above 0 and at most {plain(LARGEST)}"
        return Defect(field, "BELOW_MIN" if value <= 0 else "ABOVE_MAX", words)
    if not spec.is_on_tick(value):
        words = f"Trigger price {plain(value)} is not a multiple of {plain(spec.tick_size)}"
        return Defect(field, "NOT_TICK", words, minimum=spec.tick_size)
    return None


def _below_defect(levels: Levels, last_price: Decimal, spec: InstrumentSpec) -> Defect | None:
    limit = last_price * (1 - LEAST_DISTANCE)
    if levels.fire_below is None or levels.fire_below <= limit:
        return None
    most = to_step(limit, step=spec.tick_size, rounding=ROUND_FLOOR)
    words = _too_near(levels.fire_below, last_price, side="below", limit=most)
    return Defect(f"{_FIELD}[0]", "ORDER", words, maximum=most)


def _above_defect(levels: Levels, last_price: Decimal, spec: InstrumentSpec) -> Defect | None:
    limit = last_price * (1 + LEAST_DISTANCE)
    if levels.fire_above is None or levels.fire_above >= limit:
        return None
    least = to_step(limit, step=spec.tick_size, rounding=ROUND_CEILING)
    number = len(levels.values) - 1
    words = _too_near(levels.fire_above, last_price, side="above", limit=least)
    return Defect(f"{_FIELD}[{number}]", "ORDER", words, minimum=least)


def _too_near(value: Decimal, last_price: Decimal, *, side: str, limit: Decimal) -> str:
    bound = "at most" if side == "below" else "at least"
    return (
        f"Trigger price {plain(value)} must be 0.25 % or more {side} the market price"
        f" {plain(last_price)}: {bound} {plain(limit)}"
    )


def first_met(levels: Levels, prices: Iterable[Decimal]) -> Met | None:
    """Return what fires when the market goes through these prices, oldest first."""
    below, above = levels.fire_below, levels.fire_above
    for price in prices:
        if below is not None and price <= below:
            return Met(0, price)
        if above is not None and price >= above:
            return Met(0 if below is None else 1, price)
    return None


def met_between(levels: Levels, *, low: Decimal, high: Decimal, side: Side) -> Met | None:
    """Return what fires when only the range of the prices is known, not their order.

    Where both levels were reached the stop-loss counts: it is the one that protects.
    """
    return first_met(levels, (low, high) if side is Side.SELL else (high, low))
