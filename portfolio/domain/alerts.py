"""Alerts: when a condition becomes true, and how it waits for the next time.

An alert fires when its condition becomes true, never while it stays true: one that is true when
it is made waits until it was untrue once. A simple alert that has fired rests for `REST`, then it
needs an untrue price before it can fire again. One that places orders fires once and is disabled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

# A price that hovers around its level would otherwise send a mail each second.
REST = timedelta(minutes=5)
# Orders in a basket, as many as Kite takes.
MOST_ITEMS = 20


class AlertKind(StrEnum):
    """What happens: the user is told, or orders are placed too (alert triggers order)."""

    SIMPLE = "simple"
    ATO = "ato"


class AlertStatus(StrEnum):
    """Kite's words."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    DELETED = "deleted"


class Operator(StrEnum):
    """How the last price is compared with the other side."""

    LE = "<="
    GE = ">="
    LT = "<"
    GT = ">"
    EQ = "=="

    def holds(self, left: Decimal, right: Decimal) -> bool:
        """Say whether the comparison is true."""
        match self:
            case Operator.LE:
                return left <= right
            case Operator.GE:
                return left >= right
            case Operator.LT:
                return left < right
            case Operator.GT:
                return left > right
            case Operator.EQ:
                return left == right


@dataclass(frozen=True, slots=True)
class Wake:
    """The prices at which an alert on a constant may change: look when one is reached.

    `touch` is reached by a range that contains it.
    """

    below: Decimal | None = None
    above: Decimal | None = None
    touch: Decimal | None = None


def wake_of(operator: Operator, constant: Decimal, *, is_true: bool) -> Wake:
    """Return where the next change can come from. Reaching it is needed, not enough."""
    if operator is Operator.EQ:
        return Wake(below=constant, above=constant) if is_true else Wake(touch=constant)
    rises = operator in {Operator.GE, Operator.GT}
    return Wake(above=constant) if rises is not is_true else Wake(below=constant)


@dataclass(frozen=True, slots=True)
class Turn:
    """What prices made of an alert: whether it is true now, and the price at which it fired."""

    is_true: bool
    fired_at: Decimal | None = None


def turn_of(
    operator: Operator, constant: Decimal, prices: Sequence[Decimal], *, is_true: bool
) -> Turn:
    """Return what an alert is after the market went through these prices, oldest first.

    The first time that it becomes true counts; more often it does not fire in one look.
    """
    fired_at: Decimal | None = None
    for price in prices:
        holds = operator.holds(price, constant)
        if holds and not is_true and fired_at is None:
            fired_at = price
        is_true = holds
    return Turn(is_true, fired_at)


def turn_between(
    operator: Operator,
    constant: Decimal,
    reached: tuple[Decimal, Decimal, Decimal],
    *,
    is_true: bool,
) -> Turn:
    """Return the same when only (low, high, last) are known; an equality needs one of these."""
    low, high, last = reached
    inner = [low, high] if is_true is operator.holds(low, constant) else [high, low]
    return turn_of(operator, constant, [*inner, last], is_true=is_true)


def may_fire(rest_until: datetime | None, *, now: datetime) -> bool:
    """Say whether an alert has rested long enough."""
    return rest_until is None or rest_until <= now
