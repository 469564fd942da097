"""Spot Grid: a ladder of limit orders that buys low and sells one level higher (bots.md 2)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from bots.domain.enums import BotStatus
from bots.domain.parameters import Parameter
from bots.domain.spot_grid_checks import parse_config
from bots.domain.spot_grid_commands import obey, reconcile, start
from bots.domain.spot_grid_config import GridConfig, dump_config, load_config
from bots.domain.spot_grid_deals import advance
from bots.domain.spot_grid_figures import GridFigures, figures_of
from bots.domain.spot_grid_orders import settle
from bots.domain.spot_grid_parameters import PARAMETERS
from bots.domain.spot_grid_preview import Preview, preview
from bots.domain.spot_grid_profit import releasable_of
from bots.domain.spot_grid_reports import accept_order, end_order, fill_order
from bots.domain.spot_grid_state import GridState, Task, dump_state, load_state
from bots.domain.spot_grid_ticks import bands_of, due_at, look
from bots.domain.spot_grid_turn import Turn
from bots.domain.strategy import (
    Band,
    Command,
    Event,
    Intent,
    MarketTick,
    OrderAccepted,
    OrderEnded,
    OrderFilled,
    Reconciled,
    Start,
    StrategyContext,
    TimePassed,
)


class SpotGrid:
    """The Spot Grid as the runners see it; see `Strategy` for the meaning of each method."""

    kind = "spot_grid"
    title = "Spot Grid"
    parameters: tuple[Parameter, ...] = PARAMETERS

    def parse(self, values: Mapping[str, Any], *, context: StrategyContext) -> GridConfig:
        """Return the checked config."""
        return parse_config(values, context=context)

    def dump_config(self, config: GridConfig) -> dict[str, Any]:
        """Return the config as JSON-able values."""
        return dump_config(config)

    def load_config(self, values: Mapping[str, Any], *, context: StrategyContext) -> GridConfig:
        """Return a stored config."""
        return load_config(values, context=context)

    def preview(self, config: GridConfig, *, context: StrategyContext) -> Preview:
        """Return what the config comes to if it were started now."""
        return preview(config, context)

    def figures(
        self, config: GridConfig, state: GridState, *, price: Decimal, now: datetime | None
    ) -> GridFigures:
        """Return the figures of bots.md 1.3 at a price."""
        return figures_of(config, state, price=price, now=now)

    def new_state(self, config: GridConfig, *, bot_ref: str) -> GridState:
        """Return the state before `Start`; its investment is the one to be moved in."""
        return GridState(bot_ref=bot_ref, investment=config.investment)

    def dump_state(self, state: GridState) -> dict[str, Any]:
        """Return the state as JSON-able values."""
        return dump_state(state)

    def load_state(self, values: Mapping[str, Any]) -> GridState:
        """Return a stored state."""
        return load_state(values)

    def step(
        self, config: GridConfig, state: GridState, event: Event
    ) -> tuple[GridState, Sequence[Intent]]:
        """Decide on one event; the given state is not changed."""
        if state.status.is_final and not isinstance(event, OrderFilled):
            return state, ()
        turn = Turn(config=config, state=state.clone(), time=event.time)
        _apply(turn, event)
        settle(turn)
        advance(turn)
        _run_when_acknowledged(turn)
        return turn.state, turn.intents

    def bands(self, config: GridConfig, state: GridState) -> Sequence[Band]:
        """Return the bands to arm."""
        return bands_of(config, state)

    def releasable(self, config: GridConfig, state: GridState) -> Decimal:
        """Return the grid profit that no order needs."""
        return releasable_of(config, state)

    def next_due(self, config: GridConfig, state: GridState) -> datetime | None:
        """Return the market time of the next look."""
        return due_at(config, state)


def _apply(turn: Turn, event: Event) -> None:
    match event:
        case OrderFilled():
            fill_order(turn, event)
        case OrderAccepted():
            accept_order(turn, event)
        case MarketTick() | TimePassed():
            look(turn, event)
        case OrderEnded():
            end_order(turn, event)
        case Start():
            start(turn, event)
        case Command():
            obey(turn, event)
        case Reconciled():
            reconcile(turn, event)


def _run_when_acknowledged(turn: Turn) -> None:
    """Turn STARTING into RUNNING when every initial order has been acknowledged."""
    state = turn.state
    if state.status is not BotStatus.STARTING or state.task is not Task.NONE:
        return
    for rung in state.rungs.values():
        if rung.is_initial and rung.order is not None and not rung.order.is_acknowledged:
            return
    if state.started_at is None:
        state.started_at = turn.time
    state.reinvested_at = turn.time
    turn.change_status(BotStatus.RUNNING)
