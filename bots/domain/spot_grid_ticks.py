"""What prices and time do to a Spot Grid: triggers first, then waiting work (bots.md 1.6)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from bots.domain.enums import BotStatus, StopMode
from bots.domain.spot_grid_commands import begin, begin_stop, is_triggered
from bots.domain.spot_grid_config import ZERO, GridConfig, TriggerSide, plain
from bots.domain.spot_grid_deals import RETRY_AFTER, retry_deal
from bots.domain.spot_grid_profit import reinvestable_of
from bots.domain.spot_grid_state import GridState, Hold, Resume, Task
from bots.domain.spot_grid_turn import Turn
from bots.domain.stop_watch import due_of, watch_stop
from bots.domain.strategy import Band, MarketTick, TimePassed

REINVEST_EVERY = timedelta(hours=24)
# A parked order, or a cancel, that is not answered within these times is asked for.
PARKED_ASK = timedelta(seconds=2)
STOPPING_ASK = timedelta(seconds=10)
# A band that every price leaves: the next tick is wanted, whatever it is.
ANY_PRICE = Decimal(10) ** 15
GUARDED_STATUSES = frozenset({BotStatus.RUNNING, BotStatus.PAUSED, BotStatus.ERROR})


def look(turn: Turn, event: MarketTick | TimePassed) -> None:
    """Do what one tick, or the time that has passed, asks for."""
    is_tick = isinstance(event, MarketTick)
    if _is_over(turn):
        begin_stop(
            turn,
            mode=turn.config.stop_mode,
            reason="RUN_UNTIL",
            price=event.price,
            words="The end time was reached",
        )
    if turn.state.status is BotStatus.WAITING_TRIGGER and is_triggered(turn, event.price):
        begin(turn, price=event.price)
    if _is_guarded(turn.state):
        _guard(turn, price=event.price, is_tick=is_tick)
    retry_deal(turn, price=event.price)
    if is_tick:
        _open_session(turn)
        _say_range(turn, price=event.price)
    _reinvest(turn, price=event.price)
    _ask_for_answers(turn)


# ------------------------------------------------------------------------------------- triggers


def _is_guarded(state: GridState) -> bool:
    # A stop that could not be finished waits for a person, not for the same stop again.
    return state.status in GUARDED_STATUSES and state.resume is not Resume.STOP


def _is_over(turn: Turn) -> bool:
    end = turn.config.run_until
    return end is not None and turn.time >= end and turn.state.resume is not Resume.STOP


def _guard(turn: Turn, *, price: Decimal, is_tick: bool) -> None:
    """Stop on stop loss, maximum loss or take profit."""
    state, config = turn.state, turn.config
    beyond = config.stop_loss is not None and price <= config.stop_loss
    stop = watch_stop(state.stop_since, is_beyond=beyond, time=turn.time, is_tick=is_tick)
    floor = loss_price(config, state)
    beyond = floor is not None and price <= floor
    loss = watch_stop(state.loss_since, is_beyond=beyond, time=turn.time, is_tick=is_tick)
    state.stop_since, state.loss_since = stop.since, loss.since
    if stop.fires:
        words = f"Stop loss {_text(config.stop_loss)} reached"
        _sell_all(turn, "STOP_LOSS", price=price, words=words)
    elif loss.fires:
        words = f"Maximum loss of {plain(config.max_loss)} reached"
        _sell_all(turn, "MAX_LOSS", price=price, words=words)
    elif config.take_profit is not None and price >= config.take_profit:
        words = f"Take profit {_text(config.take_profit)} reached"
        _sell_all(turn, "TAKE_PROFIT", price=price, words=words)


def _text(price: Decimal | None) -> str:
    return "" if price is None else plain(price)


def _sell_all(turn: Turn, reason: str, *, price: Decimal, words: str) -> None:
    begin_stop(
        turn,
        mode=StopMode.SELL_ALL,
        reason=reason,
        price=price,
        words=f"{words} at {plain(price)}",
    )


def loss_price(config: GridConfig, state: GridState) -> Decimal | None:
    """Return the highest tick at which the total loss reaches `max_loss`; None: nowhere."""
    if not config.max_loss:
        return None
    short = state.investment - state.withdrawn - config.max_loss - state.cash
    if state.base > 0:
        return max(config.rules.instrument.floor_tick(short / state.base), ZERO)
    return ANY_PRICE if short >= 0 else None


# ---------------------------------------------------------------------------------- waiting work


def _open_session(turn: Turn) -> None:
    """Let rungs whose day orders expired be placed again: a tick shows an open session."""
    for level, rung in turn.state.rungs.items():
        if rung.hold is Hold.SESSION:
            turn.state.rungs[level] = replace(rung, hold=Hold.NONE)


def _say_range(turn: Turn, *, price: Decimal) -> None:
    state, config = turn.state, turn.config
    if state.status is not BotStatus.RUNNING:
        return
    side = "above" if price > config.upper else "below" if price < config.lower else ""
    if side == state.range_side:
        return
    state.range_side = side
    if side:
        turn.change_status(
            BotStatus.RUNNING,
            code=f"OUT_OF_RANGE_{side.upper()}",
            message=f"Out of range ({side})",
        )
    else:
        turn.change_status(BotStatus.RUNNING)


def _reinvest(turn: Turn, *, price: Decimal) -> None:
    """Once a day let the quantity of the orders to come grow by releasable profit."""
    state = turn.state
    due = _reinvest_due(turn.config, state)
    if due is None or turn.time < due:
        return
    state.reinvested_at = turn.time
    growth = reinvestable_of(turn.config, state, price=price)
    if growth <= 0:
        return
    state.quantity += growth
    state.sell_quantity = turn.rules.received_lots(state.quantity)
    turn.note(
        "reinvested",
        f"Quantity per grid grew by {plain(growth)} to {plain(state.quantity)}",
        {"growth": plain(growth), "quantity": plain(state.quantity)},
    )


def _reinvest_due(config: GridConfig, state: GridState) -> datetime | None:
    is_steady = state.status is BotStatus.RUNNING and state.task is Task.NONE
    if not config.reinvest or not is_steady or state.reinvested_at is None:
        return None
    return state.reinvested_at + REINVEST_EVERY


def _ask_for_answers(turn: Turn) -> None:
    """Say on the timeline what the venue has not answered in time."""
    state = turn.state
    for level, parked in state.parked.items():
        if not parked.is_asked and turn.time >= parked.since + PARKED_ASK:
            state.parked[level] = replace(parked, is_asked=True)
            rung = state.rungs.get(level)
            if rung is not None and rung.order is not None:
                _ask(turn, rung.order.ref)
    since = state.stopping_since
    if state.status is not BotStatus.STOPPING or state.is_stop_asked or since is None:
        return
    if turn.time >= since + STOPPING_ASK:
        state.is_stop_asked = True
        for order in turn.live_orders():
            _ask(turn, order.ref)


def _ask(turn: Turn, ref: str) -> None:
    turn.note("order_query", f"{ref} has not been answered for", {"slot_ref": ref})


# ------------------------------------------------------------------------------- bands and times


def bands_of(config: GridConfig, state: GridState) -> list[Band]:
    """Return the prices between which the grid has nothing to do besides its resting orders."""
    token = config.rules.instrument.instrument_token
    if state.status.is_final or state.status is BotStatus.VALIDATED:
        return []
    if _wants_next_tick(state):
        return [Band(instrument_token=token, wake_below=ANY_PRICE, wake_above=None)]
    below, above = _bounds(config, state)
    if not below and not above:
        return []
    return [
        Band(
            instrument_token=token,
            wake_below=max(below) if below else None,
            wake_above=min(above) if above else None,
        )
    ]


def _wants_next_tick(state: GridState) -> bool:
    if state.stop_since is not None or state.loss_since is not None:
        return True
    if state.deal is not None and state.deal.waits_since is not None:
        return True
    return any(rung.hold is Hold.SESSION for rung in state.rungs.values())


def _bounds(config: GridConfig, state: GridState) -> tuple[list[Decimal], list[Decimal]]:
    below: list[Decimal] = []
    above: list[Decimal] = []
    if state.status is BotStatus.WAITING_TRIGGER and config.trigger_price is not None:
        is_rising = config.trigger_side is TriggerSide.RISING
        (above if is_rising else below).append(config.trigger_price)
    if _is_guarded(state):
        floors = (config.stop_loss, loss_price(config, state))
        below += [price for price in floors if price is not None]
        above += [] if config.take_profit is None else [config.take_profit]
    if state.status is BotStatus.RUNNING:
        low, high = _range_bounds(config, state.range_side)
        below.append(low)
        above.append(high)
    return below, above


def _range_bounds(config: GridConfig, range_side: str) -> tuple[Decimal, Decimal]:
    """Return the prices at which the words on the card change."""
    tick = config.rules.instrument.tick_size
    match range_side:
        case "above":
            return config.upper, ANY_PRICE
        case "below":
            return ZERO, config.lower
        case _:
            return config.lower - tick, config.upper + tick


def due_at(config: GridConfig, state: GridState) -> datetime | None:
    """Return the market time at which the grid wants to be asked at the latest."""
    if state.status.is_final or state.status is BotStatus.VALIDATED:
        return None
    return min(_dues(config, state), default=None)


def _dues(config: GridConfig, state: GridState) -> Iterator[datetime]:
    wanted = [due_of(state.stop_since), due_of(state.loss_since), _reinvest_due(config, state)]
    if state.status is not BotStatus.STOPPING:
        wanted.append(None if state.resume is Resume.STOP else config.run_until)
    elif not state.is_stop_asked and state.stopping_since is not None:
        wanted.append(state.stopping_since + STOPPING_ASK)
    if state.deal is not None and state.deal.waits_since is not None:
        wanted.append(state.deal.waits_since + RETRY_AFTER)
    wanted += [row.since + PARKED_ASK for row in state.parked.values() if not row.is_asked]
    yield from (time for time in wanted if time is not None)
