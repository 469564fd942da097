"""Placing and cancelling the rungs of a Spot Grid.

Nothing places a rung directly: rules say what every level should hold, and `settle` places what
has no order yet. Parked, queued, expired, cancelled and uncovered rungs all go this one way.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from bots.domain import grid_core
from bots.domain.enums import BotStatus
from bots.domain.spot_grid_config import ONE, ZERO, plain
from bots.domain.spot_grid_state import Hold, LiveOrder, Rung, Task
from bots.domain.spot_grid_turn import Turn, letter
from bots.domain.strategy import PlaceOrder
from market.domain.enums import OrderType, Side

PLACING_STATUSES = frozenset({BotStatus.STARTING, BotStatus.RUNNING})


def may_place(turn: Turn) -> bool:
    """Say whether rungs may be placed now."""
    return turn.state.status in PLACING_STATUSES and turn.state.task is Task.NONE


def settle(turn: Turn) -> None:
    """Place every rung that should have an order and has none.

    Farthest from the empty level first: that is the order in which a jump passes levels, so
    reports arriving in another order lead to the same references.
    """
    if not may_place(turn):
        return
    state = turn.state
    missing = [rung for rung in state.rungs.values() if rung.order is None and is_free(rung)]
    if not missing:
        return
    missing.sort(key=lambda rung: (-abs(rung.level - state.empty_level), rung.level))
    place_rungs(turn, missing)


def is_free(rung: Rung) -> bool:
    """Say whether nothing but its size and cover keeps a rung from being placed."""
    return rung.hold is Hold.NONE or rung.hold is Hold.COVER


def place_ladder(turn: Turn) -> None:
    """Place every rung without an order, numbered from the lowest, sent nearest first."""
    state, levels = turn.state, turn.levels
    tick = turn.rules.instrument.tick_size
    price = state.start_price if state.start_price is not None else levels[state.empty_level]
    ranks = grid_core.sending_ranks(
        [int(level / tick) for level in levels],
        empty=state.empty_level,
        price=int(price / tick),
    )
    missing = [state.rungs[level] for level in sorted(state.rungs)]
    place_rungs(turn, [rung for rung in missing if rung.order is None], ranks=ranks)


def place_rungs(turn: Turn, rungs: Iterable[Rung], *, ranks: dict[int, int] | None = None) -> None:
    """Place rungs in this order, each as far as its size and what is free allow."""
    for rung in rungs:
        quantity = _placeable(turn, rung)
        price = turn.levels[rung.level]
        if not turn.rules.is_too_small(quantity, price=price):
            _place(turn, rung, quantity=quantity, rank=(ranks or {}).get(rung.level, 0))
        elif rung.hold is not Hold.COVER:
            _wait_for_cover(turn, rung)


def _placeable(turn: Turn, rung: Rung) -> Decimal:
    """Return the remaining quantity, lowered to what free money or units cover."""
    state, rules = turn.state, turn.rules
    if rung.side is Side.SELL:
        return min(rung.remaining, rules.instrument.floor_lot(state.base - state.held_base))
    unit_cost = turn.levels[rung.level] * (ONE + rules.buy_hold_rate)
    free = state.cash - state.held_cash
    if rung.remaining * unit_cost <= free:
        return rung.remaining
    return max(rules.instrument.floor_lot(free / unit_cost), ZERO)


def _place(turn: Turn, rung: Rung, *, quantity: Decimal, rank: int) -> None:
    state, price = turn.state, turn.levels[rung.level]
    state.sequence += 1
    ref = f"{state.bot_ref}-{rung.level}-{letter(rung.side)}-{state.sequence}"
    order = LiveOrder(ref=ref, quantity=quantity)
    state.rungs[rung.level] = replace(
        rung, wanted=rung.executed + quantity, hold=Hold.NONE, order=order
    )
    hold(turn, side=rung.side, price=price, quantity=quantity)
    turn.intents.append(
        PlaceOrder(
            slot_ref=ref,
            slot=str(rung.level),
            side=rung.side,
            order_type=OrderType.LIMIT,
            quantity=quantity,
            price=price,
            time_in_force=turn.rules.time_in_force,
            purpose="ladder" if rung.is_initial else "grid",
            rank=rank,
        )
    )


def _wait_for_cover(turn: Turn, rung: Rung) -> None:
    turn.state.rungs[rung.level] = replace(rung, hold=Hold.COVER)
    turn.note(
        "waiting_for_cover",
        f"{rung.side} at {plain(turn.levels[rung.level])} waits until it is covered",
        {
            "level": str(rung.level),
            "side": rung.side.value,
            "price": plain(turn.levels[rung.level]),
            "remaining": plain(rung.remaining),
        },
    )


def hold(turn: Turn, *, side: Side, price: Decimal, quantity: Decimal) -> None:
    """Count what a resting order binds; a negative quantity gives it back."""
    if side is Side.SELL:
        turn.state.held_base += quantity
    else:
        turn.state.held_cash += price * quantity * (ONE + turn.rules.buy_hold_rate)


def cancel_all(turn: Turn) -> None:
    """Ask for the end of every live order that is not ending already."""
    state = turn.state
    for level, rung in list(state.rungs.items()):
        if rung.order is not None and not rung.order.is_cancelling:
            state.rungs[level] = replace(rung, order=replace(rung.order, is_cancelling=True))
            turn.cancel(rung.order.ref)
    deal = state.deal
    if deal is not None and deal.order is not None and not deal.order.is_cancelling:
        state.deal = replace(deal, order=replace(deal.order, is_cancelling=True))
        turn.cancel(deal.order.ref)
