"""What a person can ask of a Spot Grid, and what a restart finds."""

from dataclasses import replace
from decimal import Decimal

from bots.domain.enums import BotStatus, PauseMode, StopMode
from bots.domain.spot_grid_config import ZERO, TriggerSide, plain
from bots.domain.spot_grid_deals import start_ladder
from bots.domain.spot_grid_orders import cancel_all, place_ladder
from bots.domain.spot_grid_profit import releasable_of
from bots.domain.spot_grid_reports import accept_order, end_order, fill_order
from bots.domain.spot_grid_state import Hold, LiveOrder, Resume, Task
from bots.domain.spot_grid_turn import Turn
from bots.domain.strategy import (
    Command,
    CommandKind,
    MoveFunds,
    OrderAccepted,
    OrderEnded,
    OrderFilled,
    Reconciled,
    Start,
)

# ---------------------------------------------------------------------------------------- start


def start(turn: Turn, event: Start) -> None:
    """Take the investment in; wait for the trigger price or build the ladder."""
    state, config = turn.state, turn.config
    if state.status is not BotStatus.VALIDATED:
        return
    state.investment = state.cash = config.investment
    if is_triggered(turn, event.price):
        begin(turn, price=event.price)
        return
    trigger = config.trigger_price or ZERO
    turn.change_status(
        BotStatus.WAITING_TRIGGER, code="TRIGGER", message=f"Waiting for {plain(trigger)}"
    )


def begin(turn: Turn, *, price: Decimal) -> None:
    """Build the ladder at a price."""
    turn.change_status(BotStatus.STARTING)
    start_ladder(turn, price=price)


def is_triggered(turn: Turn, price: Decimal) -> bool:
    """Say whether a price lets the grid begin."""
    config = turn.config
    if config.trigger_price is None:
        return True
    if config.trigger_side is TriggerSide.RISING:
        return price >= config.trigger_price
    return price <= config.trigger_price


# ------------------------------------------------------------------------------------- commands


def obey(turn: Turn, event: Command) -> None:
    """Carry out one command, or say on the timeline why not."""
    match event.kind:
        case CommandKind.PAUSE:
            _pause(turn, event)
        case CommandKind.RESUME:
            _resume(turn, event)
        case CommandKind.STOP:
            mode = event.stop_mode or turn.config.stop_mode
            begin_stop(turn, mode=mode, reason=event.reason or "STOPPED", price=event.price)
        case CommandKind.RETRY:
            _retry(turn, event)
        case CommandKind.ADD_INVESTMENT:
            _add_investment(turn, event)
        case CommandKind.WITHDRAW_PROFIT:
            _withdraw(turn, event)


def _refuse(turn: Turn, event: Command, words: str) -> None:
    turn.note("refused", words, {"command": event.kind.value})


def _is_steady(turn: Turn) -> bool:
    return turn.state.status is BotStatus.RUNNING and turn.state.task is Task.NONE


def _pause(turn: Turn, event: Command) -> None:
    if not _is_steady(turn):
        _refuse(turn, event, "Only a running grid can be paused")
        return
    turn.change_status(BotStatus.PAUSED, code=event.reason, message="Paused")
    if turn.config.pause_mode is PauseMode.KEEP_ORDERS:
        turn.note("keep_orders", "Orders stay; new ones wait for the resume")
    else:
        cancel_all(turn)


def _resume(turn: Turn, event: Command) -> None:
    if turn.state.status is not BotStatus.PAUSED:
        _refuse(turn, event, "Only a paused grid can be resumed")
        return
    _run(turn)


def _run(turn: Turn) -> None:
    # The next tick says again where the price is; the card's words start empty.
    turn.state.range_side = ""
    turn.change_status(BotStatus.RUNNING)
    place_missing(turn)


def place_missing(turn: Turn) -> None:
    """Place every rung without an order, whatever kept it back, from the lowest."""
    state = turn.state
    for level, rung in state.rungs.items():
        if rung.order is None and rung.hold is not Hold.NONE:
            state.rungs[level] = replace(rung, hold=Hold.NONE)
    place_ladder(turn)


def begin_stop(turn: Turn, *, mode: StopMode, reason: str, price: Decimal, words: str = "") -> None:
    """Cancel everything; `advance` goes on when nothing is live any more."""
    state = turn.state
    if state.status in {BotStatus.STOPPING, BotStatus.VALIDATED} or state.status.is_final:
        return
    state.stop_mode, state.stop_reason = mode, reason
    state.reference_price, state.stopping_since = price, turn.time
    state.is_stop_asked = False
    state.resume = Resume.NONE
    state.stop_since = state.loss_since = None
    turn.change_status(BotStatus.STOPPING, code=reason, message=words)
    cancel_all(turn)
    if state.deal is not None and state.deal.order is None:
        state.deal = None


def _retry(turn: Turn, event: Command) -> None:
    state = turn.state
    if state.status is not BotStatus.ERROR:
        _refuse(turn, event, "Only a grid in error can be retried")
        return
    resume, state.resume = state.resume, Resume.NONE
    state.reference_price = event.price
    if resume is Resume.STOP:
        turn.change_status(BotStatus.STOPPING, code=state.stop_reason)
        state.stopping_since = turn.time
    elif resume is Resume.START:
        turn.change_status(BotStatus.STARTING)
        state.task, state.deal = Task.REPLAN, None
    else:
        _run(turn)


def _add_investment(turn: Turn, event: Command) -> None:
    amount = event.amount
    if amount is None or amount <= 0:
        _refuse(turn, event, "The amount must be above zero")
    elif not _is_steady(turn):
        _refuse(turn, event, "Only a running grid takes money")
    else:
        state = turn.state
        turn.intents.append(MoveFunds(amount=amount, purpose="add_investment"))
        state.cash += amount
        state.investment += amount
        state.reference_price, state.task = event.price, Task.REPLAN
        turn.note(
            "add_investment",
            f"{plain(amount)} added; the ladder is computed anew at {plain(event.price)}",
            {"amount": plain(amount), "price": plain(event.price)},
        )
        cancel_all(turn)


def _withdraw(turn: Turn, event: Command) -> None:
    state = turn.state
    if state.status not in {BotStatus.RUNNING, BotStatus.PAUSED} or state.task is not Task.NONE:
        _refuse(turn, event, "Only a running or paused grid pays out")
        return
    releasable = releasable_of(turn.config, state)
    amount = releasable if event.amount is None else min(event.amount, releasable)
    if amount <= 0:
        _refuse(turn, event, "No grid profit can be released now")
        return
    state.cash -= amount
    state.withdrawn += amount
    turn.intents.append(MoveFunds(amount=-amount, purpose="withdraw_profit"))
    turn.note("withdraw_profit", f"{plain(amount)} paid out", {"amount": plain(amount)})


# -------------------------------------------------------------------------------- reconciliation


def reconcile(turn: Turn, event: Reconciled) -> None:
    """Bring our orders in line with what the venue says after a restart (bots.md 1.6)."""
    believed = {order.ref: order for order in turn.live_orders()}
    told = sorted(event.history.items(), key=lambda item: item[1].time)
    for ref, report in told:
        if ref in believed and ref not in event.open_refs:
            _apply_history(turn, believed[ref], report)
    for ref in sorted(event.open_refs):
        order = believed.get(ref)
        if order is None:
            turn.cancel_orphan(ref)
            continue
        accept_order(turn, OrderAccepted(slot_ref=ref, time=event.time))
        if order.is_cancelling:
            turn.cancel(ref)


def _apply_history(turn: Turn, order: LiveOrder, report: OrderFilled | OrderEnded) -> None:
    if isinstance(report, OrderEnded):
        end_order(turn, report)
        return
    missed = report.cumulative - order.executed
    if missed <= 0:
        return
    # History tells the order's total; only what we have not counted is booked.
    fee = report.fee * missed / report.quantity if report.quantity else report.fee
    fill_order(turn, replace(report, quantity=missed, fee=fee))
