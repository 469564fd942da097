"""Spot Grid parameters: their words, limits and errors (bots.md 1.8 and 2.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bots.domain.enums import PauseMode, StopMode
from bots.domain.strategy import StrategyContext
from market.domain.enums import Calendar, FeeMode, TimeInForce
from market.domain.instruments import InstrumentSpec

ZERO = Decimal(0)
ONE = Decimal(1)


class Spacing(StrEnum):
    """How levels are spread over the range."""

    ARITHMETIC = "arithmetic"
    GEOMETRIC = "geometric"


class TriggerSide(StrEnum):
    """From which side the market reaches the trigger price; fixed at creation."""

    FALLING = "at_or_below"
    RISING = "at_or_above"


@dataclass(frozen=True, slots=True)
class GridRules:
    """What the instrument and the account prescribe; not a choice of the user."""

    instrument: InstrumentSpec
    maker_fee: Decimal
    taker_fee: Decimal
    fee_mode: FeeMode

    @property
    def time_in_force(self) -> TimeInForce:
        """Return how long rungs rest: day orders only where the exchange has days."""
        return TimeInForce.GTC if self.instrument.calendar is Calendar.ALWAYS else TimeInForce.DAY

    @property
    def buy_hold_rate(self) -> Decimal:
        """Return the fee rate that a resting buy holds money for."""
        if self.fee_mode is FeeMode.RECEIVED:
            return ZERO
        return max(self.maker_fee, self.taker_fee)

    def received_lots(self, quantity: Decimal) -> Decimal:
        """Return what can be sold of a quantity bought, whole lots."""
        if self.fee_mode is FeeMode.QUOTE:
            return quantity
        return self.instrument.floor_lot(quantity * (ONE - self.maker_fee))

    def is_too_small(self, quantity: Decimal, *, price: Decimal) -> bool:
        """Say whether the venue would refuse an order for its size."""
        spec = self.instrument
        return quantity <= 0 or quantity < spec.min_quantity or quantity * price < spec.min_notional


@dataclass(frozen=True, slots=True)
class GridConfig:
    """One checked Spot Grid. Names are those of bots.md; fractions, 0.05 is 5 %."""

    rules: GridRules
    name: str
    symbol: str
    investment: Decimal
    lower: Decimal
    upper: Decimal
    grids: int
    spacing: Spacing
    reserve_pct: Decimal
    slippage_cap: Decimal
    trigger_price: Decimal | None
    trigger_side: TriggerSide | None
    stop_loss: Decimal | None
    take_profit: Decimal | None
    reinvest: bool
    pause_mode: PauseMode
    stop_mode: StopMode
    max_loss: Decimal
    run_until: datetime | None
    approval: str


def rules_of(context: StrategyContext) -> GridRules:
    """Return the rules that a context prescribes."""
    return GridRules(
        instrument=context.instrument,
        maker_fee=context.maker_fee,
        taker_fee=context.taker_fee,
        fee_mode=context.fee_mode,
    )


def plain(value: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros."""
    return format(value.normalize(), "f") if value else "0"


def dump_config(config: GridConfig) -> dict[str, Any]:
    """Return the parameters as JSON-able values; the rules come back from the context."""
    values: dict[str, Any] = {}
    for column in fields(config):
        if column.name != "rules":
            values[column.name] = _dumped(getattr(config, column.name))
    values["fee_mode"] = config.rules.fee_mode.value
    return values


def load_config(values: Mapping[str, Any], *, context: StrategyContext) -> GridConfig:
    """Return a config stored by `dump_config`, unchecked."""
    return GridConfig(
        rules=rules_of(context),
        name=values["name"],
        symbol=values["symbol"],
        investment=Decimal(values["investment"]),
        lower=Decimal(values["lower"]),
        upper=Decimal(values["upper"]),
        grids=int(values["grids"]),
        spacing=Spacing(values["spacing"]),
        reserve_pct=Decimal(values["reserve_pct"]),
        slippage_cap=Decimal(values["slippage_cap"]),
        trigger_price=_decimal_or_none(values["trigger_price"]),
        trigger_side=TriggerSide(values["trigger_side"]) if values["trigger_side"] else None,
        stop_loss=_decimal_or_none(values["stop_loss"]),
        take_profit=_decimal_or_none(values["take_profit"]),
        reinvest=values["reinvest"],
        pause_mode=PauseMode(values["pause_mode"]),
        stop_mode=StopMode(values["stop_mode"]),
        max_loss=Decimal(values["max_loss"]),
        run_until=datetime.fromisoformat(values["run_until"]) if values["run_until"] else None,
        approval=values["approval"],
    )


def _dumped(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, StrEnum):
        return value.value
    return value


def _decimal_or_none(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
