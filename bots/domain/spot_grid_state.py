"""The state of one Spot Grid and its JSON form."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bots.domain.enums import BotStatus, StopMode
from bots.domain.spot_grid_config import ZERO, plain
from market.domain.enums import Side


class Task(StrEnum):
    """What the ladder is waiting for."""

    NONE = ""
    # Every order is being cancelled; when all have ended, the ladder is planned anew.
    REPLAN = "REPLAN"
    # The initial order (or, on a re-plan, the difference) is being bought or sold.
    DEAL = "DEAL"


class Hold(StrEnum):
    """Why a rung without an order is not placed now."""

    NONE = ""
    # The session ended: the next tick shows that it is open again.
    SESSION = "SESSION"
    # The venue refused it for good: a person must retry.
    REFUSED = "REFUSED"
    # The order would be too small, or is not covered by what is free.
    COVER = "COVER"


class Resume(StrEnum):
    """Where a retry goes on after an error."""

    NONE = ""
    START = "START"
    RUN = "RUN"
    STOP = "STOP"


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """One order at the venue, as far as its reports tell.

    `marks` are the trades counted so far. `final` is set when the order has ended but not all of
    its trades have arrived yet.
    """

    ref: str
    quantity: Decimal
    executed: Decimal = ZERO
    is_acknowledged: bool = False
    is_cancelling: bool = False
    marks: tuple[str, ...] = ()
    final: Decimal | None = None
    end_kind: str = ""
    end_code: str = ""
    end_message: str = ""


@dataclass(frozen=True, slots=True)
class Rung:
    """One cycle of one level: what is to be traded there, over as many orders as it takes."""

    level: int
    side: Side
    wanted: Decimal
    executed: Decimal = ZERO
    value: Decimal = ZERO
    fee_quote: Decimal = ZERO
    is_initial: bool = False
    hold: Hold = Hold.NONE
    order: LiveOrder | None = None

    @property
    def remaining(self) -> Decimal:
        """Return what is still to be traded."""
        return self.wanted - self.executed


@dataclass(frozen=True, slots=True)
class Parked:
    """A counter-order waiting for the order that still occupies its slot (bots.md 1.5)."""

    level: int
    side: Side
    wanted: Decimal
    since: datetime
    is_asked: bool = False


@dataclass(frozen=True, slots=True)
class Lot:
    """Units held above a level, waiting to be sold one level up.

    The stack of bots.md 2.3: its newest element is the lot of the empty level. Kept by level, so
    that reports arriving out of order find the same partner.
    """

    quantity: Decimal
    cost: Decimal
    fee_quote: Decimal
    is_grid: bool
    # The buy order that completed the lot; empty for the initial units.
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Deal:
    """An immediate trade: the initial purchase, a re-plan's difference, or the closing sale."""

    purpose: str
    side: Side
    wanted: Decimal
    limit: Decimal | None
    executed: Decimal = ZERO
    value: Decimal = ZERO
    tries: int = 0
    waits_since: datetime | None = None
    order: LiveOrder | None = None

    @property
    def remaining(self) -> Decimal:
        """Return what is still to be traded."""
        return self.wanted - self.executed


@dataclass(frozen=True, slots=True)
class LateOrder:
    """An order that ended incomplete; a trade or acceptance of it may still turn up."""

    ref: str
    side: Side
    marks: tuple[str, ...]
    kind: str


@dataclass(slots=True)
class GridState:
    """Where a Spot Grid stands. `step` works on a copy and never changes the one it is given."""

    bot_ref: str
    status: BotStatus = BotStatus.VALIDATED
    task: Task = Task.NONE
    sequence: int = 0
    deal_sequence: int = 0
    start_price: Decimal | None = None
    quantity: Decimal = ZERO
    sell_quantity: Decimal = ZERO
    empty_level: int = 0
    rungs: dict[int, Rung] = field(default_factory=dict)
    parked: dict[int, Parked] = field(default_factory=dict)
    lots: dict[int, Lot] = field(default_factory=dict)
    carries: dict[str, Decimal] = field(default_factory=dict)
    deal: Deal | None = None
    late: tuple[LateOrder, ...] = ()
    cash: Decimal = ZERO
    base: Decimal = ZERO
    held_cash: Decimal = ZERO
    held_base: Decimal = ZERO
    investment: Decimal = ZERO
    withdrawn: Decimal = ZERO
    grid_profit: Decimal = ZERO
    pairs: int = 0
    fees_quote: Decimal = ZERO
    fees_base: Decimal = ZERO
    fill_count: int = 0
    started_at: datetime | None = None
    reinvested_at: datetime | None = None
    stop_since: datetime | None = None
    loss_since: datetime | None = None
    range_side: str = ""
    resume: Resume = Resume.NONE
    stop_mode: StopMode | None = None
    stop_reason: str = ""
    stopping_since: datetime | None = None
    is_stop_asked: bool = False
    reference_price: Decimal | None = None

    def clone(self) -> "GridState":
        """Return a copy that can be worked on; its elements are frozen and shared."""
        copy = object.__new__(GridState)
        for name in _FIELD_NAMES:
            setattr(copy, name, getattr(self, name))
        copy.rungs = self.rungs.copy()
        copy.parked = self.parked.copy()
        copy.lots = self.lots.copy()
        copy.carries = self.carries.copy()
        return copy


_FIELD_NAMES = tuple(column.name for column in fields(GridState))


# ------------------------------------------------------------------------------------ JSON form


def dump_state(state: GridState) -> dict[str, Any]:
    """Return the state as JSON-able values; decimals as texts."""
    return _dump_fields(state)


def _dump_fields(row: Any) -> dict[str, Any]:
    return {column.name: _dump(getattr(row, column.name)) for column in fields(row)}


def _dump(value: Any) -> Any:
    match value:
        case Decimal():
            value = plain(value)
        case datetime():
            value = value.isoformat()
        case StrEnum():
            value = value.value
        case tuple():
            value = [_dump(item) for item in value]
        case dict():
            value = {str(key): _dump(item) for key, item in value.items()}
        case LiveOrder() | Rung() | Parked() | Lot() | Deal() | LateOrder():
            value = _dump_fields(value)
        case _:
            pass
    return value


def load_state(values: Mapping[str, Any]) -> GridState:
    """Return a state stored by `dump_state`."""
    return GridState(
        bot_ref=values["bot_ref"],
        status=BotStatus(values["status"]),
        task=Task(values["task"]),
        sequence=values["sequence"],
        deal_sequence=values["deal_sequence"],
        start_price=_decimal(values["start_price"]),
        quantity=Decimal(values["quantity"]),
        sell_quantity=Decimal(values["sell_quantity"]),
        empty_level=values["empty_level"],
        rungs={int(level): _rung(row) for level, row in values["rungs"].items()},
        parked={int(level): _parked(row) for level, row in values["parked"].items()},
        lots={int(level): _lot(row) for level, row in values["lots"].items()},
        carries={key: Decimal(carry) for key, carry in values["carries"].items()},
        deal=_deal(values["deal"]) if values["deal"] else None,
        late=tuple(_late(row) for row in values["late"]),
        cash=Decimal(values["cash"]),
        base=Decimal(values["base"]),
        held_cash=Decimal(values["held_cash"]),
        held_base=Decimal(values["held_base"]),
        investment=Decimal(values["investment"]),
        withdrawn=Decimal(values["withdrawn"]),
        grid_profit=Decimal(values["grid_profit"]),
        fees_quote=Decimal(values["fees_quote"]),
        fees_base=Decimal(values["fees_base"]),
        pairs=values["pairs"],
        fill_count=values["fill_count"],
        started_at=_datetime(values["started_at"]),
        reinvested_at=_datetime(values["reinvested_at"]),
        stop_since=_datetime(values["stop_since"]),
        loss_since=_datetime(values["loss_since"]),
        stopping_since=_datetime(values["stopping_since"]),
        range_side=values["range_side"],
        resume=Resume(values["resume"]),
        stop_mode=StopMode(values["stop_mode"]) if values["stop_mode"] else None,
        stop_reason=values["stop_reason"],
        is_stop_asked=values["is_stop_asked"],
        reference_price=_decimal(values["reference_price"]),
    )


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _datetime(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _order(row: Mapping[str, Any] | None) -> LiveOrder | None:
    if row is None:
        return None
    return LiveOrder(
        ref=row["ref"],
        quantity=Decimal(row["quantity"]),
        executed=Decimal(row["executed"]),
        is_acknowledged=row["is_acknowledged"],
        is_cancelling=row["is_cancelling"],
        marks=tuple(row["marks"]),
        final=_decimal(row["final"]),
        end_kind=row["end_kind"],
        end_code=row["end_code"],
        end_message=row["end_message"],
    )


def _rung(row: Mapping[str, Any]) -> Rung:
    return Rung(
        level=row["level"],
        side=Side(row["side"]),
        wanted=Decimal(row["wanted"]),
        executed=Decimal(row["executed"]),
        value=Decimal(row["value"]),
        fee_quote=Decimal(row["fee_quote"]),
        is_initial=row["is_initial"],
        hold=Hold(row["hold"]),
        order=_order(row["order"]),
    )


def _parked(row: Mapping[str, Any]) -> Parked:
    return Parked(
        level=row["level"],
        side=Side(row["side"]),
        wanted=Decimal(row["wanted"]),
        since=datetime.fromisoformat(row["since"]),
        is_asked=row["is_asked"],
    )


def _lot(row: Mapping[str, Any]) -> Lot:
    return Lot(
        quantity=Decimal(row["quantity"]),
        cost=Decimal(row["cost"]),
        fee_quote=Decimal(row["fee_quote"]),
        is_grid=row["is_grid"],
        ref=row["ref"],
    )


def _deal(row: Mapping[str, Any]) -> Deal:
    return Deal(
        purpose=row["purpose"],
        side=Side(row["side"]),
        wanted=Decimal(row["wanted"]),
        limit=_decimal(row["limit"]),
        executed=Decimal(row["executed"]),
        value=Decimal(row["value"]),
        tries=row["tries"],
        waits_since=_datetime(row["waits_since"]),
        order=_order(row["order"]),
    )


def _late(row: Mapping[str, Any]) -> LateOrder:
    return LateOrder(
        ref=row["ref"], side=Side(row["side"]), marks=tuple(row["marks"]), kind=row["kind"]
    )
