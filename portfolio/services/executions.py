"""F of trust.md 4.3: execution reports, each applied exactly once, in any order they come.

A report that cannot be applied becomes a dead letter (the inbox row says why); the stream goes on.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, OperationalError, transaction

from accounts.models.statements import prepared_cursor
from market.domain.messages import ExecutionReport, ReportKind
from portfolio.exceptions import InsufficientFunds, TransitionRefused
from portfolio.services.changes import Changes
from portfolio.services.inbox import (
    UnreadableReport,
    decode_report,
    keep_report,
    store_payload,
    store_reports,
)
from portfolio.services.locking import LockedOrder, lock_books, lock_orders, share_fence
from portfolio.services.outcomes import mark_not_at_venue, record_outcomes
from portfolio.services.positions import Holdings
from portfolio.services.reports import ReportRefused, apply_to_order, trade_key

__all__ = [
    "AppliedReport",
    "apply_inbox",
    "apply_report",
    "mark_not_at_venue",
    "record_outcomes",
    "store_payload",
    "store_reports",
]

logger = logging.getLogger(__name__)

# How long the end of an order waits for trades that its own count says are still to come.
_TRADES_MAY_BE_LATE = timedelta(seconds=60)

_PENDING = """
    SELECT e.id, e.payload::text, e.received_at, e.venue_account_id
      FROM portfolio_venueevent e JOIN portfolio_venueaccount v ON v.id = e.venue_account_id
     WHERE e.applied_at IS NULL AND v.shard_id = %s ORDER BY e.id LIMIT %s
"""
_FIND = """
    SELECT o.venue_account_id, o.client_order_id, o.id, o.book_id FROM portfolio_order o
     WHERE (o.client_order_id, o.venue_account_id)
        IN (SELECT * FROM unnest(%s::text[], %s::bigint[]))
"""
_STILL = """
    SELECT id FROM portfolio_venueevent
     WHERE id = ANY(%s) AND applied_at IS NULL ORDER BY id FOR UPDATE
"""
_TRADES = """
    SELECT order_id, trade_date, venue_trade_id FROM portfolio_trade WHERE order_id = ANY(%s)
"""
_CLOSE = """
    UPDATE portfolio_venueevent e SET applied_at = %s, error = c.error
      FROM unnest(%s::bigint[], %s::text[]) AS c(id, error) WHERE e.id = c.id
"""


@dataclass(frozen=True, slots=True)
class AppliedReport:
    """A report that was applied, and whose business it is."""

    book_id: int
    user_id: int
    order_id: int
    kind: ReportKind
    slot_ref: str | None


@dataclass(frozen=True, slots=True)
class _Letter:
    """An inbox row with its report, its order and the order's book."""

    id: int
    report: ExecutionReport
    received_at: datetime
    order_id: int
    book_id: int


def apply_inbox(limit: int, *, shard: int, fence: int, now: datetime) -> list[AppliedReport]:
    """Apply waiting reports, oldest first; return those that were applied. Raises `StaleFence`.

    Books that are free are done together; the others one by one, so nothing can deadlock.
    """
    with prepared_cursor() as cursor:
        cursor.execute(_PENDING, [shard, limit])
        rows = cursor.fetchall()
    if not rows:
        return []
    owned = (shard, fence)
    letters = _addressed(_opened(rows, owned, now=now), owned, now=now)
    return _apply_all(letters, owned, now=now)


def apply_report(report: ExecutionReport, *, now: datetime) -> AppliedReport | None:
    """Keep and apply one report; None when it was applied before, must wait, or cannot be."""
    with transaction.atomic():
        waiting = keep_report(report, now=now)
    if waiting is None:
        return None
    letters = _addressed([(waiting, report, now)], None, now=now)
    applied = _apply_all(letters, None, now=now)
    return applied[0] if applied else None


_Owned = tuple[int, int] | None
_Read = tuple[int, ExecutionReport, datetime]


def _opened(rows: Sequence[Sequence[Any]], owned: _Owned, *, now: datetime) -> list[_Read]:
    """Read the payloads; what is no report becomes a dead letter."""
    read: list[_Read] = []
    dead: dict[int, str] = {}
    for identity, payload, received_at, venue_account_id in rows:
        try:
            report = decode_report(payload)
        except UnreadableReport as error:
            dead[identity] = str(error)
            continue
        if report.venue_account_id == venue_account_id:
            read.append((identity, report, received_at))
        else:
            dead[identity] = "the report names another venue account"
    _bury(dead, owned, now=now)
    return read


def _addressed(read: Sequence[_Read], owned: _Owned, *, now: datetime) -> list[_Letter]:
    """Find the orders of reports; a report of an order that is not ours is a dead letter."""
    keys = [(report.client_order_id, report.venue_account_id) for _, report, _ in read]
    with prepared_cursor() as cursor:
        cursor.execute(_FIND, [[key[0] for key in keys], [key[1] for key in keys]])
        found = {(row[0], row[1]): (row[2], row[3]) for row in cursor.fetchall()}
    letters: list[_Letter] = []
    dead: dict[int, str] = {}
    for identity, report, received_at in read:
        order = found.get((report.venue_account_id, report.client_order_id))
        if order is None:
            dead[identity] = f"no order {report.client_order_id}"
        else:
            letters.append(_Letter(identity, report, received_at, *order))
    _bury(dead, owned, now=now)
    return letters


def _bury(dead: dict[int, str], owned: _Owned, *, now: datetime) -> None:
    if not dead:
        return
    for identity, error in dead.items():
        logger.error("dead letter in the inbox row=%s error=%s", identity, error)
    with transaction.atomic():
        if owned is not None:
            share_fence(*owned)
        _close(dead, now=now)


def _close(closed: dict[int, str], *, now: datetime) -> None:
    """Mark inbox rows as dealt with; a text says why one could not be applied."""
    errors = [error[:300].replace("\0", "") for error in closed.values()]
    with prepared_cursor() as cursor:
        cursor.execute(_CLOSE, [now, list(closed), errors])


def _apply_all(letters: Sequence[_Letter], owned: _Owned, *, now: datetime) -> list[AppliedReport]:
    if not letters:
        return []
    applied, done = _try(letters, owned, now=now, skip_locked=True)
    left: dict[int, list[_Letter]] = {}
    for letter in letters:
        if letter.book_id not in done:
            left.setdefault(letter.book_id, []).append(letter)
    for book_letters in left.values():
        more, done = _try(book_letters, owned, now=now, skip_locked=False)
        applied += more
        if not done:
            applied += _one_by_one(book_letters, owned, now=now)
    return applied


def _try(
    letters: Sequence[_Letter], owned: _Owned, *, now: datetime, skip_locked: bool
) -> tuple[list[AppliedReport], set[int]]:
    """Apply letters in one transaction; nothing at all when the database refuses one of them."""
    try:
        return _apply_together(letters, owned, now=now, skip_locked=skip_locked)
    except OperationalError:
        raise
    except DatabaseError:
        logger.exception("reports refused by the database; trying them one by one")
        return [], set()


def _one_by_one(letters: Sequence[_Letter], owned: _Owned, *, now: datetime) -> list[AppliedReport]:
    applied: list[AppliedReport] = []
    for letter in letters:
        try:
            applied += _apply_together([letter], owned, now=now, skip_locked=False)[0]
        except OperationalError:
            raise
        except DatabaseError as error:
            _bury({letter.id: f"refused by the database: {error}"}, owned, now=now)
    return applied


def _apply_together(
    letters: Sequence[_Letter], owned: _Owned, *, now: datetime, skip_locked: bool
) -> tuple[list[AppliedReport], set[int]]:
    """Apply letters in one transaction; return what was applied and the books done."""
    with transaction.atomic():
        if owned is not None:
            share_fence(*owned)
        books = lock_books({letter.book_id for letter in letters}, now=now, skip_locked=skip_locked)
        chosen = _still_waiting([letter for letter in letters if letter.book_id in books])
        if not chosen:
            return [], set(books)
        orders = {order.id: order for order in lock_orders(each.order_id for each in chosen)}
        assets = {
            asset for order in orders.values() for asset in (order.base_asset, order.quote_asset)
        }
        changes = Changes(books, assets=assets)
        changes.holdings = Holdings((each.book_id, each.instrument_id) for each in orders.values())
        known = _known_trades(orders)
        closed: dict[int, str] = {}
        applied: list[AppliedReport] = []
        for letter in chosen:
            order = orders[letter.order_id]
            error = _apply_one(changes, order, letter, known=known, now=now)
            if error is None:
                continue
            closed[letter.id] = error
            if not error:
                applied.append(_applied(order, letter.report))
        changes.save(now=now)
        if closed:
            _close(closed, now=now)
    return applied, set(books)


def _still_waiting(letters: Sequence[_Letter]) -> list[_Letter]:
    """Lock the inbox rows and leave out those that somebody applied meanwhile."""
    with prepared_cursor() as cursor:
        cursor.execute(_STILL, [[letter.id for letter in letters]])
        waiting = {row[0] for row in cursor.fetchall()}
    return [letter for letter in letters if letter.id in waiting]


def _known_trades(order_ids: Iterable[int]) -> set[tuple[Any, ...]]:
    with prepared_cursor() as cursor:
        cursor.execute(_TRADES, [list(order_ids)])
        return set(cursor.fetchall())


def _apply_one(
    changes: Changes,
    order: LockedOrder,
    letter: _Letter,
    *,
    known: set[tuple[Any, ...]],
    now: datetime,
) -> str | None:
    """Apply one report in memory: None when it must wait, "" when done, else why it cannot be."""
    report = letter.report
    is_late = now - letter.received_at >= _TRADES_MAY_BE_LATE
    if _awaits_trades(order, report) and not is_late:
        return None
    try:
        apply_to_order(changes, order, report, known=known, now=now)
    except (ReportRefused, InsufficientFunds, TransitionRefused) as error:
        logger.error(  # noqa: TRY400 - the text says everything; the stream goes on
            "report refused row=%s order=%s error=%s", letter.id, order.id, error
        )
        return f"{error}"
    if report.kind is ReportKind.TRADE:
        known.add(trade_key(order, report))
    return ""


def _awaits_trades(order: LockedOrder, report: ExecutionReport) -> bool:
    """Say whether the venue counts more units traded than have been reported to us."""
    if report.kind is ReportKind.TRADE or order.status.is_terminal:
        return False
    return report.cumulative_quantity > order.filled_quantity


def _applied(order: LockedOrder, report: ExecutionReport) -> AppliedReport:
    return AppliedReport(
        book_id=order.book_id,
        user_id=order.user_id,
        order_id=order.id,
        kind=report.kind,
        slot_ref=order.slot_ref,
    )
