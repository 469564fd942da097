"""Immediate trades of a Spot Grid: the initial purchase, a re-plan's difference, the closing sale.

A ladder is always built the same way, at the start, after an error and when money is added: no
order of ours is live, the plan is made at one price, the difference between the units held and
the units the sells need is traded, then every rung is placed.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from bots.domain.enums import BotStatus, StopMode
from bots.domain.spot_grid_config import ONE, ZERO, plain
from bots.domain.spot_grid_orders import cancel_all, place_ladder
from bots.domain.spot_grid_plan import GridPlan, plan_grid
from bots.domain.spot_grid_state import Deal, LiveOrder, Lot, Resume, Rung, Task
from bots.domain.spot_grid_turn import Turn, letter
from bots.domain.strategy import EndKind, OrderFilled, PlaceOrder
from market.domain.enums import OrderType, Side, TimeInForce
from portfolio.domain.fees import to_ledger

MAX_TRIES = 3
# Without a new tick an incomplete immediate order is tried again after this market time.
RETRY_AFTER = timedelta(seconds=1)
# A closing sale must get through: it accepts the widest slippage a grid may be configured for.
CLOSE_SLIPPAGE = Decimal("0.05")
INIT = "init"
CLOSE = "close"


# ---------------------------------------------------------------------------------------- plans


def start_ladder(turn: Turn, *, price: Decimal) -> None:
    """Plan the ladder at a price and trade what the plan needs; no order of ours is live."""
    state, config = turn.state, turn.config
    worth = state.cash + state.base * price
    plan = plan_grid(config, price=price, funds=min(state.investment, worth))
    if plan.quantity < plan.minimum_quantity:
        fail_start(
            turn,
            f"Minimum investment is {plain(plan.minimum_investment)} "
            f"{turn.rules.instrument.quote_asset}",
            code="BELOW_MIN",
        )
        return
    state.start_price = price
    state.quantity, state.sell_quantity = plan.quantity, plan.sell_quantity
    state.empty_level = plan.empty_level
    state.rungs, state.parked, state.lots, state.carries = {}, {}, {}, {}
    state.held_cash = state.held_base = ZERO
    state.deal = _difference(turn, plan)
    state.task = Task.DEAL
    if state.deal is None:
        build_ladder(turn)
    else:
        place_deal(turn)


def _difference(turn: Turn, plan: GridPlan) -> Deal | None:
    """Return the trade between the units held and the units the plan's sells need."""
    state, spec = turn.state, turn.rules.instrument
    sells = (plan.grids - plan.empty_level) * plan.sell_quantity
    if state.base >= sells:
        side, quantity = Side.SELL, spec.floor_lot(state.base - sells)
        limit = spec.ceil_tick(plan.start_price * (ONE - turn.config.slippage_cap))
    else:
        side, quantity = Side.BUY, plan.initial_quantity - spec.floor_lot(state.base)
        limit = spec.floor_tick(plan.start_price * (ONE + turn.config.slippage_cap))
    if turn.rules.is_too_small(quantity, price=plan.start_price):
        return None
    return Deal(purpose=INIT, side=side, wanted=quantity, limit=limit)


def build_ladder(turn: Turn) -> None:
    """Place every rung of the plan; units held count as initial, never as half of a pair."""
    state = turn.state
    state.deal, state.task = None, Task.NONE
    price = state.start_price or ZERO
    for level in range(len(turn.levels)):
        if level < state.empty_level:
            state.rungs[level] = Rung(level, Side.BUY, state.quantity, is_initial=True)
        elif level > state.empty_level:
            state.rungs[level] = Rung(level, Side.SELL, state.sell_quantity, is_initial=True)
            state.lots[level - 1] = Lot(
                quantity=state.sell_quantity,
                cost=state.sell_quantity * price,
                fee_quote=ZERO,
                is_grid=False,
            )
    place_ladder(turn)


def fail_start(turn: Turn, words: str, *, code: str = "START_INCOMPLETE") -> None:
    """Undo a start: cancel what was placed, say what was bought; a person decides."""
    state = turn.state
    cancel_all(turn)
    state.task, state.resume = Task.NONE, Resume.START
    spec = turn.rules.instrument
    held = f"; holding {plain(state.base)} {spec.base_asset}" if state.base else ""
    turn.change_status(BotStatus.ERROR, code=code, message=f"{words}{held}")


# ---------------------------------------------------------------------------------------- deals


def place_deal(turn: Turn) -> None:
    """Send the order of the present deal, as large as the venue takes."""
    state = turn.state
    deal = state.deal
    if deal is None:
        return
    largest = turn.rules.instrument.max_quantity
    quantity = deal.remaining if largest is None else min(deal.remaining, largest)
    state.deal_sequence += 1
    ref = f"{state.bot_ref}-{deal.purpose}-{letter(deal.side)}-{state.deal_sequence}"
    order = LiveOrder(ref=ref, quantity=quantity)
    state.deal = replace(deal, order=order, waits_since=None)
    is_close = deal.purpose == CLOSE
    turn.intents.append(
        PlaceOrder(
            slot_ref=ref,
            slot=deal.purpose,
            side=deal.side,
            order_type=OrderType.MARKET if is_close else OrderType.LIMIT,
            quantity=quantity,
            price=None if is_close else deal.limit,
            time_in_force=TimeInForce.IOC,
            purpose=deal.purpose,
            worst_price=_worst_price(turn) if is_close else None,
        )
    )


def _worst_price(turn: Turn) -> Decimal | None:
    price = turn.state.reference_price
    if price is None:
        return None
    return turn.rules.instrument.floor_tick(price * (ONE - CLOSE_SLIPPAGE))


def deal_filled(turn: Turn, deal: Deal, event: OrderFilled, *, order: LiveOrder) -> None:
    """Count a booked trade towards a deal; go on when its order is complete."""
    deal = replace(
        deal,
        executed=deal.executed + event.quantity,
        value=deal.value + to_ledger(event.quantity * event.price),
        # Progress: only tries that bring nothing count against a closing sale.
        tries=0 if deal.purpose == CLOSE else deal.tries,
        order=order,
    )
    turn.state.deal = deal
    if order.executed >= order.quantity:
        _order_complete(turn, replace(deal, order=None))
    elif order.final is not None and order.executed >= order.final:
        deal_ended(turn, replace(deal, order=None), order=order)


def _order_complete(turn: Turn, deal: Deal) -> None:
    turn.state.deal = deal
    if turn.state.status not in _DEALING_STATUSES:
        return
    is_given_up = deal.purpose == INIT and turn.state.status is BotStatus.STOPPING
    if deal.remaining > 0 and not is_given_up:
        place_deal(turn)
    else:
        _deal_complete(turn)


def _deal_complete(turn: Turn) -> None:
    state = turn.state
    if state.status is BotStatus.STOPPING:
        state.deal = None
    else:
        build_ladder(turn)


def deal_ended(turn: Turn, deal: Deal, *, order: LiveOrder) -> None:
    """Take an immediate order that ended incomplete: done, try again, or give up."""
    state = turn.state
    turn.remember(order, side=deal.side, kind=order.end_kind)
    state.deal = deal
    if state.status not in _DEALING_STATUSES:
        return
    if deal.purpose == INIT and state.status is BotStatus.STOPPING:
        state.deal = None
        return
    price = state.start_price if deal.purpose == INIT else state.reference_price
    if turn.rules.is_too_small(deal.remaining, price=price or ZERO):
        _deal_complete(turn)
        return
    deal = replace(deal, tries=deal.tries + 1, waits_since=turn.time)
    state.deal = deal
    refused = order.end_kind in {EndKind.REJECTED, EndKind.DENIED}
    if refused or deal.tries >= MAX_TRIES:
        _give_up(turn, deal, words=order.end_message if refused else "", code=order.end_code)


_PLANNING_STATUSES = frozenset({BotStatus.STARTING, BotStatus.RUNNING})
_DEALING_STATUSES = frozenset({BotStatus.STARTING, BotStatus.RUNNING, BotStatus.STOPPING})


def _give_up(turn: Turn, deal: Deal, *, words: str, code: str) -> None:
    state = turn.state
    verb = "Bought" if deal.side is Side.BUY else "Sold"
    told = f"{verb} {plain(deal.executed)} of {plain(deal.wanted)}"
    message = f"{words} ({told})" if words else f"{told} after {MAX_TRIES} tries"
    state.deal = None
    if deal.purpose == INIT:
        fail_start(turn, message)
        return
    state.resume = Resume.STOP
    turn.change_status(BotStatus.ERROR, code=code or "CLOSE_INCOMPLETE", message=message)


def retry_deal(turn: Turn, *, price: Decimal) -> None:
    """Send a waiting immediate order again, now that there is a new price or time has passed."""
    deal = turn.state.deal
    if deal is None or deal.waits_since is None:
        return
    if deal.purpose == CLOSE:
        turn.state.reference_price = price
    place_deal(turn)


# -------------------------------------------------------------------------------------- stopping


def advance(turn: Turn) -> None:
    """Take the next step of a re-plan or a stop once no order of ours is live."""
    state = turn.state
    is_stopping = state.status is BotStatus.STOPPING and state.deal is None
    is_planning = state.task is Task.REPLAN and state.status in _PLANNING_STATUSES
    if not (is_stopping or is_planning) or turn.live_orders():
        return
    if is_stopping:
        _close_or_stop(turn)
    elif state.reference_price is not None:
        start_ladder(turn, price=state.reference_price)


def _close_or_stop(turn: Turn) -> None:
    state, rules = turn.state, turn.rules
    quantity = rules.instrument.floor_lot(state.base)
    price = state.reference_price or ZERO
    if state.stop_mode is StopMode.SELL_ALL and not rules.is_too_small(quantity, price=price):
        state.deal = Deal(purpose=CLOSE, side=Side.SELL, wanted=quantity, limit=None)
        place_deal(turn)
        return
    state.task = Task.NONE
    state.rungs, state.parked = {}, {}
    turn.change_status(BotStatus.STOPPED, code=state.stop_reason)
