"""What happened to a bot's orders, in the words of its strategy."""

from collections.abc import Iterable, Iterator

from bots.domain.strategy import EndKind, Event, OrderAccepted, OrderEnded, OrderFilled
from portfolio.selectors.orders import BookEvent

_ENDS = frozenset(kind.value for kind in EndKind)
# A late accept of an order that was given up is an acceptance: the strategy cancels it.
_ACCEPTS = frozenset({"ACCEPTED", "ADOPTED"})


def strategy_events(news: Iterable[BookEvent]) -> Iterator[Event]:
    """Return the strategy's events for a book's events; the rest is of no concern to it."""
    for row in news:
        event = _event(row)
        if event is not None:
            yield event


def _event(row: BookEvent) -> Event | None:
    if row.slot_ref is None:
        return None
    if row.kind == "TRADE":
        return OrderFilled(
            slot_ref=row.slot_ref,
            quantity=row.quantity,
            price=row.price,
            fee=row.fee,
            fee_asset=row.fee_asset,
            cumulative=row.cumulative,
            is_complete=row.is_complete,
            time=row.at,
            trade_ref=row.trade_id,
        )
    if row.kind in _ACCEPTS:
        return OrderAccepted(slot_ref=row.slot_ref, time=row.at)
    if row.kind in _ENDS:
        return OrderEnded(
            slot_ref=row.slot_ref,
            kind=EndKind(row.kind),
            cumulative=row.cumulative,
            code=row.code,
            message=row.message,
            time=row.at,
        )
    return None
