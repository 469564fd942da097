"""T3 of trust.md 4.3: what a request to a venue led to, by the table of 4.4."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from accounts.models.statements import prepared_cursor
from market.domain.enums import OrderStatus
from market.domain.messages import Outcome, OutcomeKind
from portfolio.domain.fees import ZERO
from portfolio.domain.ledger import AccountKind
from portfolio.domain.order_state import IN_FLIGHT, EventKind
from portfolio.services.changes import Changes
from portfolio.services.ledger import plain
from portfolio.services.locking import LockedOrder, lock_books, lock_orders, share_fence

# Seconds until the next try; one failure more and the order is rejected (decisions 1).
_PAUSES = (1, 2, 4, 8)
VENUE_UNREACHABLE = "VENUE_UNREACHABLE"

_FIND = """
    SELECT o.client_order_id, o.id, o.book_id
      FROM portfolio_order o JOIN portfolio_venueaccount v ON v.id = o.venue_account_id
     WHERE o.client_order_id = ANY(%s) AND v.shard_id = %s
"""


def record_outcomes(
    outcomes: Sequence[Outcome], *, shard: int, fence: int, now: datetime
) -> list[int]:
    """Record what requests led to; return the ids of the books that heard something.

    Late and repeated outcomes change nothing. Raises `StaleFence`.
    """
    latest = {outcome.client_order_id: outcome for outcome in outcomes}
    return _for_orders(latest, shard=shard, fence=fence, now=now)


def mark_not_at_venue(
    client_order_ids: Iterable[str], *, shard: int, fence: int, now: datetime
) -> list[int]:
    """Give up unknown orders that two different queries did not find; release their money."""
    absent = dict.fromkeys(client_order_ids)
    return _for_orders(absent, shard=shard, fence=fence, now=now)


def _for_orders(
    outcomes: dict[str, Outcome] | dict[str, None], *, shard: int, fence: int, now: datetime
) -> list[int]:
    """Apply outcomes: together for the books that are free, then book by book.

    A batch never waits for a book while it holds another, so it cannot deadlock.
    """
    if not outcomes:
        return []
    with prepared_cursor() as cursor:
        cursor.execute(_FIND, [list(outcomes), shard])
        found = cursor.fetchall()
    books: dict[int, dict[int, Outcome | None]] = {}
    for client_order_id, order_id, book_id in found:
        books.setdefault(book_id, {})[order_id] = outcomes[client_order_id]
    heard, done = _apply(books, (shard, fence), now=now, skip_locked=True)
    for book_id in books.keys() - done:
        heard |= _apply({book_id: books[book_id]}, (shard, fence), now=now, skip_locked=False)[0]
    return sorted(heard)


def _apply(
    books: dict[int, dict[int, Outcome | None]],
    owned: tuple[int, int],
    *,
    now: datetime,
    skip_locked: bool,
) -> tuple[set[int], set[int]]:
    """Return (books that heard something, books that were dealt with)."""
    with transaction.atomic():
        share_fence(*owned)
        locked = lock_books(books, now=now, skip_locked=skip_locked)
        wanted = {key: value for book_id in locked for key, value in books[book_id].items()}
        orders = lock_orders(wanted)
        before = {key: book.event_seq for key, book in locked.items()}
        changes = Changes(locked, assets={order.hold_asset for order in orders})
        for order in orders:
            outcome = wanted[order.id]
            if outcome is None:
                _give_up(changes, order, now=now)
            else:
                _record(changes, order, outcome, now=now)
        changes.save(now=now)
    return {key for key, book in locked.items() if book.event_seq != before[key]}, set(locked)


def _record(changes: Changes, order: LockedOrder, outcome: Outcome, *, now: datetime) -> None:
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            accept(changes, order, venue_order_id=outcome.venue_order_id, at=now)
        case OutcomeKind.REJECTED:
            if order.status in IN_FLIGHT:
                reject(changes, order, code=outcome.code, message=outcome.message, at=now)
        case OutcomeKind.NOT_SENT | OutcomeKind.RATE_LIMITED:
            if order.status is OrderStatus.SENDING:
                _send_again(changes, order, outcome, now=now)
        # A duplicate id is ours resting there already: the look-up for unknown orders finds it.
        case OutcomeKind.UNKNOWN | OutcomeKind.DUPLICATE:
            if order.status is OrderStatus.SENDING:
                order.unknown_since = now
                order.status_message = outcome.message[:300]
                detail = {"code": outcome.code, "message": order.status_message}
                changes.record(order, EventKind.UNKNOWN, OrderStatus.UNKNOWN, at=now, detail=detail)


def accept(changes: Changes, order: LockedOrder, *, venue_order_id: str, at: datetime) -> None:
    """Note that the venue has an order: sent, unknown or given up; later news change nothing."""
    if venue_order_id and order.venue_order_id != venue_order_id:
        order.venue_order_id = venue_order_id[:40]
        changes.touch(order)
    is_adopted = order.status is OrderStatus.NOT_AT_VENUE
    if not is_adopted and order.status not in IN_FLIGHT:
        return
    to = OrderStatus.CANCEL_PENDING if order.cancel_requested_at else order.rests_as
    order.unknown_since, order.status_code, order.status_message = None, "", ""
    kind = EventKind.ADOPTED if is_adopted else EventKind.ACCEPTED
    changes.record(order, kind, to, at=at, detail={"venue_order_id": order.venue_order_id})
    if is_adopted:
        _hold_again(changes, order, at=at)


def _hold_again(changes: Changes, order: LockedOrder, *, at: datetime) -> None:
    """Hold for an adopted order what is left of the money that was released for it."""
    free = changes.postings.balance(order.book_id, AccountKind.AVAILABLE, order.hold_asset)
    changes.set_hold(order, min(order.full_hold, free), at=at)


def reject(changes: Changes, order: LockedOrder, *, code: str, message: str, at: datetime) -> None:
    """End an order that the venue refused, and release its hold."""
    order.status_code, order.status_message = code[:40] or "VENUE_REJECTED", message[:300]
    detail = {
        "cumulative": plain(order.filled_quantity),
        "code": order.status_code,
        "message": order.status_message,
    }
    changes.record(order, EventKind.REJECTED, OrderStatus.REJECTED, at=at, detail=detail)
    changes.set_hold(order, ZERO, at=at)


def _send_again(changes: Changes, order: LockedOrder, outcome: Outcome, *, now: datetime) -> None:
    """Put an order that certainly was not accepted back in the queue, same id (decisions 1)."""
    order.send_attempts += 1
    detail = {
        "attempt": order.send_attempts,
        "code": outcome.code,
        "message": outcome.message[:300],
    }
    if order.send_attempts > len(_PAUSES):
        message = outcome.message or "The venue could not be reached"
        reject(changes, order, code=VENUE_UNREACHABLE, message=message, at=now)
        return
    pause = max(float(_PAUSES[order.send_attempts - 1]), outcome.retry_after)
    order.send_after = now + timedelta(seconds=pause)
    changes.record(order, EventKind.NOT_SENT, OrderStatus.READY, at=now, detail=detail)
    if order.cancel_requested_at is not None:
        end = {"cumulative": "0", "code": "", "message": "Cancelled before it was accepted"}
        changes.record(order, EventKind.CANCELLED, OrderStatus.CANCELLED, at=now, detail=end)
        changes.set_hold(order, ZERO, at=now)


def _give_up(changes: Changes, order: LockedOrder, *, now: datetime) -> None:
    if order.status is not OrderStatus.UNKNOWN:
        return
    order.status_code = "NOT_AT_VENUE"
    order.status_message = "The venue does not have the order; nothing was traded"
    detail = {
        "cumulative": plain(order.filled_quantity),
        "code": order.status_code,
        "message": order.status_message,
    }
    changes.record(order, EventKind.NOT_AT_VENUE, OrderStatus.NOT_AT_VENUE, at=now, detail=detail)
    changes.set_hold(order, ZERO, at=now)
