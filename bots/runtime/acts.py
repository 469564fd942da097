"""Carrying out what a strategy wants, inside the step's transaction and in its order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from bots.domain.enums import BotStatus
from bots.domain.strategy import (
    CancelOrder,
    ChangeStatus,
    EndKind,
    MoveFunds,
    OrderEnded,
    PlaceOrder,
)
from bots.exceptions import BotsError
from bots.runtime.bot_rows import BotRow
from bots.runtime.turns import Planned, Turn
from bots.services.closing import return_everything
from market.domain.calendars import follows_exchange
from market.domain.enums import TimeInForce
from market.domain.ticks import Quote
from portfolio.exceptions import InsufficientFunds, InvalidOrder
from portfolio.models import Order
from portfolio.services.ledger import transfer
from portfolio.services.locking import lock_books
from portfolio.services.orders import OrderRequest, cancel_slots, place_orders

# Refused orders are told to the strategy, which may want others instead; it must come to rest.
MAX_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What acts need besides the turn."""

    quotes: Mapping[int, Quote]
    now: datetime
    enqueue: Callable[[], None]


def carry_out(turn: Turn, around: Surroundings) -> None:
    """Carry out everything planned; what the answers to it make the strategy want, too."""
    for _ in range(MAX_ROUNDS):
        planned = turn.take_planned()
        if not planned:
            return
        if any(_moves_money(each) for each in planned):
            # Both at once, in the one order of decisions 4.
            lock_books([turn.row.book_id, turn.row.manual_book_id], now=around.now)
        for kind, group in groupby(planned, key=lambda each: type(each.intent)):
            if kind is PlaceOrder:
                _place(turn, list(group), around)
            elif kind is CancelOrder:
                _cancel(turn.row, list(group), around)
            else:
                for each in group:
                    _move(turn, each, around)
    raise BotsError(f"bot {turn.row.id} still wants orders after {MAX_ROUNDS} refusals")


def _moves_money(planned: Planned) -> bool:
    intent = planned.intent
    return isinstance(intent, MoveFunds) or (
        isinstance(intent, ChangeStatus) and intent.status is BotStatus.STOPPED
    )


# ---------------------------------------------------------------------------------------- orders


def _place(turn: Turn, group: Sequence[Planned], around: Surroundings) -> None:
    """Place orders, nearest to the market first; all at once, or one by one if one is refused."""
    ranked = sorted(group, key=lambda each: _intent(each).rank)
    if _try(turn.row, ranked, around) is None:
        return
    for each in ranked:
        refusal = _try(turn.row, [each], around)
        if refusal is not None:
            code = getattr(refusal, "code", "INSUFFICIENT_FUNDS")
            turn.feed(
                OrderEnded(
                    slot_ref=_intent(each).slot_ref,
                    kind=EndKind.DENIED,
                    cumulative=Decimal(0),
                    code=code,
                    message=str(refusal),
                    time=turn.time,
                )
            )


def _intent(planned: Planned) -> PlaceOrder:
    if not isinstance(planned.intent, PlaceOrder):
        raise TypeError(f"{planned.intent} places nothing")
    return planned.intent


def _try(
    row: BotRow, group: Sequence[Planned], around: Surroundings
) -> InvalidOrder | InsufficientFunds | None:
    """Place orders all or none; return why not: then nothing was written, so none is undone."""
    try:
        place_orders(
            row.book_id,
            [_request(row, each, around) for each in group],
            quotes=around.quotes,
            now=around.now,
            enqueue=around.enqueue,
        )
    except (InvalidOrder, InsufficientFunds) as refusal:
        return refusal
    return None


def _request(row: BotRow, planned: Planned, around: Surroundings) -> OrderRequest:
    intent = _intent(planned)
    quote = around.quotes.get(row.instrument.instrument_token)
    return OrderRequest(
        instrument=row.instrument,
        side=intent.side,
        order_type=intent.order_type,
        quantity=intent.quantity,
        time_in_force=_validity(row, intent, quote),
        price=intent.price,
        protection_price=intent.worst_price,
        source=Order.Source.BOT,
        slot_ref=intent.slot_ref,
        origin_step=planned.step_no,
        origin_slot=intent.slot,
    )


def _validity(row: BotRow, intent: PlaceOrder, quote: Quote | None) -> TimeInForce:
    """Let an order rest overnight where the source of prices has no session (decisions 20, 27)."""
    if intent.time_in_force is not TimeInForce.DAY or quote is None:
        return intent.time_in_force
    has_session = follows_exchange(row.instrument.calendar, quote.source)
    return TimeInForce.DAY if has_session else TimeInForce.GTC


def _cancel(row: BotRow, group: Sequence[Planned], around: Surroundings) -> None:
    refs = [each.intent.slot_ref for each in group if isinstance(each.intent, CancelOrder)]
    cancel_slots(row.book_id, refs, now=around.now, enqueue=around.enqueue)


# ----------------------------------------------------------------------------------------- money


def _move(turn: Turn, planned: Planned, around: Surroundings) -> None:
    intent, row = planned.intent, turn.row
    if isinstance(intent, MoveFunds):
        inwards = intent.amount > 0
        books = (row.manual_book_id, row.book_id)
        transfer(
            *(books if inwards else books[::-1]),
            asset=row.instrument.quote_asset,
            amount=abs(intent.amount),
            ref=f"bot:{row.id}:{planned.step_no}:{intent.purpose}",
            now=around.now,
        )
    elif isinstance(intent, ChangeStatus) and intent.status is BotStatus.STOPPED:
        return_everything(row.id, row.book_id, row.manual_book_id, now=around.now)
