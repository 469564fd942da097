"""What order reports do to a Spot Grid: money first, then the ladder.

Every trade is booked at once, whatever state the bot is in, and exactly once: a trade is known by
the venue's trade reference, or by the cumulative quantity where there is none. The ladder moves
only when a cycle is complete. The empty level is counted, never assigned, so that reports in any
order lead to the same place.
"""

from dataclasses import replace
from decimal import Decimal

from bots.domain import grid_core
from bots.domain.enums import BotStatus
from bots.domain.spot_grid_config import ZERO, plain
from bots.domain.spot_grid_deals import deal_ended, deal_filled, fail_start
from bots.domain.spot_grid_orders import hold
from bots.domain.spot_grid_state import (
    Hold,
    LateOrder,
    LiveOrder,
    Lot,
    Parked,
    Resume,
    Rung,
    Task,
)
from bots.domain.spot_grid_turn import Turn, letter
from bots.domain.strategy import EndKind, OrderAccepted, OrderEnded, OrderFilled
from market.domain.enums import Side
from portfolio.domain.fees import to_ledger

REFUSALS = frozenset({EndKind.REJECTED, EndKind.DENIED})


def trade_mark(event: OrderFilled) -> str:
    """Return what identifies a trade within its order."""
    return event.trade_ref or f"c{plain(event.cumulative)}"


# ------------------------------------------------------------------------------------ acceptance


def accept_order(turn: Turn, event: OrderAccepted) -> None:
    """Note that the venue has an order; one that was given up as never sent is cancelled."""
    rung = turn.rung_of(event.slot_ref)
    deal = turn.state.deal
    if rung is not None and rung.order is not None:
        order = replace(rung.order, is_acknowledged=True)
        turn.state.rungs[rung.level] = replace(rung, order=order)
    elif deal is not None and deal.order is not None and deal.order.ref == event.slot_ref:
        turn.state.deal = replace(deal, order=replace(deal.order, is_acknowledged=True))
    else:
        late = _late_of(turn, event.slot_ref)
        if late is not None and late.kind == EndKind.NOT_AT_VENUE:
            turn.cancel(event.slot_ref)


# ----------------------------------------------------------------------------------------- fills


def fill_order(turn: Turn, event: OrderFilled) -> None:
    """Book one trade and, when its cycle is complete, turn the rung over."""
    rung = turn.rung_of(event.slot_ref)
    deal = turn.state.deal
    if rung is not None and rung.order is not None:
        if _is_counted(turn, rung.order, event):
            return
        _fill_rung(turn, rung, event)
    elif deal is not None and deal.order is not None and deal.order.ref == event.slot_ref:
        if _is_counted(turn, deal.order, event):
            return
        book_trade(turn, side=deal.side, event=event)
        deal_filled(turn, deal, event, order=_counted(deal.order, event))
    else:
        _fill_late(turn, event)


def _is_counted(turn: Turn, order: LiveOrder, event: OrderFilled) -> bool:
    if trade_mark(event) in order.marks:
        _ignore(turn, event.slot_ref)
        return True
    return False


def _ignore(turn: Turn, ref: str) -> None:
    turn.note("ignored_duplicate", f"Report of {ref} was already counted", {"slot_ref": ref})


def _counted(order: LiveOrder, event: OrderFilled) -> LiveOrder:
    return replace(
        order,
        executed=order.executed + event.quantity,
        is_acknowledged=True,
        marks=(*order.marks, trade_mark(event)),
    )


def book_trade(turn: Turn, *, side: Side, event: OrderFilled) -> None:
    """Move cash and units by one trade, at the price it was executed at."""
    state = turn.state
    value = to_ledger(event.quantity * event.price)
    fee_base = event.fee if event.fee_asset == turn.rules.instrument.base_asset else ZERO
    fee_quote = event.fee - fee_base
    sign = 1 if side is Side.BUY else -1
    state.cash -= sign * value + fee_quote
    state.base += sign * event.quantity - fee_base
    state.fees_quote += fee_quote
    state.fees_base += fee_base
    state.fill_count += 1


def _fill_rung(turn: Turn, rung: Rung, event: OrderFilled) -> None:
    if rung.order is None:
        return
    book_trade(turn, side=rung.side, event=event)
    hold(turn, side=rung.side, price=turn.levels[rung.level], quantity=-event.quantity)
    order = _counted(rung.order, event)
    in_base = event.fee_asset == turn.rules.instrument.base_asset
    rung = replace(
        rung,
        executed=rung.executed + event.quantity,
        value=rung.value + to_ledger(event.quantity * event.price),
        fee_quote=rung.fee_quote + (ZERO if in_base else event.fee),
        order=order,
    )
    if order.executed >= order.quantity:
        _queue_note(turn, rung, order=order)
        complete_cycle(turn, replace(rung, order=None), ref=order.ref)
        return
    turn.state.rungs[rung.level] = rung
    remaining = order.quantity - order.executed
    turn.note(
        "partial_noted",
        f"{order.ref}: {plain(event.quantity)} executed, {plain(remaining)} remaining",
        {
            "slot_ref": order.ref,
            "side": rung.side.value,
            "price": plain(turn.levels[rung.level]),
            "filled": plain(order.executed),
            "quantity": plain(order.quantity),
            "remaining": plain(remaining),
        },
    )
    if order.final is not None and order.executed >= order.final:
        _close_ended(turn, rung, order=order)


def _queue_note(turn: Turn, rung: Rung, *, order: LiveOrder) -> None:
    if turn.state.status is BotStatus.PAUSED:
        turn.note(
            "queued_while_paused",
            f"{order.ref} is complete; its counter-order waits for the resume",
            {
                "slot_ref": order.ref,
                "side": rung.side.value,
                "price": plain(turn.levels[rung.level]),
            },
        )


def _is_remainder_small(turn: Turn, rung: Rung) -> bool:
    price = turn.levels[rung.level]
    return rung.executed > 0 and turn.rules.is_too_small(rung.remaining, price=price)


# --------------------------------------------------------------------------------------- cycles


def complete_cycle(turn: Turn, rung: Rung, *, ref: str) -> None:
    """Move the empty level to a completed rung and ask for its counter-order.

    `ref` is the order that completed it.
    """
    state = turn.state
    del state.rungs[rung.level]
    if rung.remaining > 0:
        key = _carry_key(rung.level, rung.side)
        state.carries[key] = state.carries.get(key, ZERO) + rung.remaining
    wanted = _bought(turn, rung, ref=ref) if rung.side is Side.BUY else _sold(turn, rung, ref=ref)
    waiting = state.parked.pop(rung.level, None)
    if waiting is not None:
        state.rungs[rung.level] = Rung(rung.level, waiting.side, waiting.wanted)
    counter = grid_core.counter_level(rung.level, is_buy=rung.side is Side.BUY)
    _ask_for(turn, level=counter, side=rung.side.opposite, wanted=wanted)


def _bought(turn: Turn, rung: Rung, *, ref: str) -> Decimal:
    state = turn.state
    state.empty_level -= 1
    state.lots[rung.level] = Lot(
        quantity=rung.executed,
        cost=rung.value,
        fee_quote=rung.fee_quote,
        is_grid=True,
        ref=ref,
    )
    return turn.rules.received_lots(rung.executed)


def _sold(turn: Turn, rung: Rung, *, ref: str) -> Decimal:
    state = turn.state
    state.empty_level += 1
    lot = state.lots.pop(rung.level - 1, None)
    if lot is not None and lot.is_grid:
        profit = rung.value - rung.fee_quote - lot.cost - lot.fee_quote
        state.grid_profit += profit
        state.pairs += 1
        low, high = turn.levels[rung.level - 1], turn.levels[rung.level]
        turn.note(
            "pair",
            f"Pair {plain(low)} to {plain(high)} made {plain(profit)}",
            {
                "profit": plain(profit),
                "slot_ref": ref,
                "pair_with": lot.ref,
                "level": str(rung.level),
                "low": plain(low),
                "high": plain(high),
            },
        )
    return state.quantity


def _ask_for(turn: Turn, *, level: int, side: Side, wanted: Decimal) -> None:
    """Give a level its next order; parked while another still occupies the slot."""
    state = turn.state
    wanted += state.carries.pop(_carry_key(level, side), ZERO)
    if level in state.rungs:
        state.parked[level] = Parked(level=level, side=side, wanted=wanted, since=turn.time)
        turn.note(
            "parked",
            f"{side} at {plain(turn.levels[level])} waits for the order in its slot",
            {"level": str(level), "side": side.value, "price": plain(turn.levels[level])},
        )
        return
    state.rungs[level] = Rung(level, side, wanted)


def _carry_key(level: int, side: Side) -> str:
    return f"{level}-{letter(side)}"


# ------------------------------------------------------------------------------------------ ends


def end_order(turn: Turn, event: OrderEnded) -> None:
    """Take note that an order ended; its trades may still be on their way."""
    rung = turn.rung_of(event.slot_ref)
    deal = turn.state.deal
    if rung is not None and rung.order is not None:
        order = _ended(rung.order, event)
        if order.executed < event.cumulative:
            turn.state.rungs[rung.level] = replace(rung, order=order)
            return
        _close_ended(turn, rung, order=order)
    elif deal is not None and deal.order is not None and deal.order.ref == event.slot_ref:
        order = _ended(deal.order, event)
        if order.executed < event.cumulative:
            turn.state.deal = replace(deal, order=order)
            return
        deal_ended(turn, replace(deal, order=None), order=order)
    else:
        _ignore(turn, event.slot_ref)


def _ended(order: LiveOrder, event: OrderEnded) -> LiveOrder:
    return replace(
        order,
        final=event.cumulative,
        end_kind=event.kind.value,
        end_code=event.code,
        end_message=event.message,
    )


def _close_ended(turn: Turn, rung: Rung, *, order: LiveOrder) -> None:
    """Drop an ended order and leave its rung to be placed again as its end allows."""
    kind = EndKind(order.end_kind)
    turn.remember(order, side=rung.side, kind=order.end_kind)
    unfilled = order.quantity - order.executed
    hold(turn, side=rung.side, price=turn.levels[rung.level], quantity=-unfilled)
    turn.state.rungs[rung.level] = rung = replace(rung, order=None, hold=_hold_after(kind))
    if kind in REFUSALS:
        _refused(turn, order)
    elif _is_remainder_small(turn, rung):
        complete_cycle(turn, rung, ref=order.ref)


def _hold_after(kind: EndKind) -> Hold:
    if kind is EndKind.EXPIRED:
        return Hold.SESSION
    return Hold.REFUSED if kind in REFUSALS else Hold.NONE


def _refused(turn: Turn, order: LiveOrder) -> None:
    """Show the venue's words; other orders stay, except that a start is undone as a whole."""
    state = turn.state
    words = order.end_message or "The order was refused"
    if state.status is BotStatus.STARTING:
        fail_start(turn, words)
    elif state.status in {BotStatus.RUNNING, BotStatus.PAUSED} and state.task is Task.NONE:
        state.resume = Resume.RUN
        turn.change_status(BotStatus.ERROR, code=order.end_code or order.end_kind, message=words)


# ------------------------------------------------------------------------------------ late trades


def _late_of(turn: Turn, ref: str) -> LateOrder | None:
    return next((late for late in turn.state.late if late.ref == ref), None)


def _fill_late(turn: Turn, event: OrderFilled) -> None:
    """Book a trade of an order that had ended incomplete; its units stay beside the ladder."""
    late = _late_of(turn, event.slot_ref)
    if late is None or trade_mark(event) in late.marks:
        _ignore(turn, event.slot_ref)
        return
    book_trade(turn, side=late.side, event=event)
    marked = replace(late, marks=(*late.marks, trade_mark(event)))
    turn.state.late = tuple(marked if row is late else row for row in turn.state.late)
    turn.note(
        "late_fill",
        f"{event.slot_ref}: {plain(event.quantity)} executed after it had ended",
        {
            "slot_ref": event.slot_ref,
            "side": late.side.value,
            "quantity": plain(event.quantity),
            "price": plain(event.price),
        },
    )
