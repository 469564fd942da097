"""Who may send for a share of the venue accounts, and the claim (T2) of what is to be sent.

A lease says who sends; the fence, one higher with every owner, makes the old one harmless: the
claim, every outcome and every inbox write hold the shard's row FOR SHARE and demand their fence.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from json import dumps
from typing import Any, Self

from django.db import transaction

from accounts.models.statements import prepared_cursor
from market.domain.enums import OrderStatus
from market.domain.messages import OrderTicket
from portfolio.domain.event_chain import event_hash
from portfolio.domain.order_state import EventKind
from portfolio.exceptions import StaleFence
from portfolio.models import KillSwitch
from portfolio.services.changes import Changes
from portfolio.services.locking import lock_books, lock_orders, share_fence
from portfolio.services.tickets import TICKET_COLUMNS, ticket_of

LEASE = timedelta(seconds=5)
# A claim that was not sent within this time is not sent at all (trust.md 4.3, T2).
SEND_WITHIN = timedelta(seconds=2)
BATCH = 50
KILLED = "KILLED"
_KILLED_MESSAGE = "Cancelled before it was sent: the kill switch is on"

_ACQUIRE = """
    INSERT INTO portfolio_gatewayshard AS s (number, owner, fence, lease_until)
    VALUES (%(number)s, %(owner)s, 1, clock_timestamp() + make_interval(secs => %(ttl)s))
    ON CONFLICT (number) DO UPDATE
       SET owner = excluded.owner, fence = s.fence + 1, lease_until = excluded.lease_until
     WHERE s.lease_until IS NULL OR s.lease_until < clock_timestamp() OR s.owner = excluded.owner
    RETURNING fence
"""
_RENEW = """
    UPDATE portfolio_gatewayshard SET lease_until = clock_timestamp() + make_interval(secs => %s)
     WHERE number = %s AND fence = %s
"""
_RELEASE = """
    UPDATE portfolio_gatewayshard SET lease_until = NULL, owner = ''
     WHERE number = %s AND fence = %s
"""
_CANDIDATES = f"""
    SELECT o.id, o.user_id, o.book_id, o.send_attempts, o.last_event_hash, o.event_count,
           {TICKET_COLUMNS}
      FROM portfolio_order o
      JOIN portfolio_venueaccount v ON v.id = o.venue_account_id
     WHERE o.status = 'READY' AND v.shard_id = %s AND v.status = 'READY'
       AND (o.send_after IS NULL OR o.send_after <= %s)
     ORDER BY o.id LIMIT %s
       FOR NO KEY UPDATE OF o SKIP LOCKED
"""  # noqa: S608 - own column names
_WORK = """
    SELECT EXISTS (SELECT 1 FROM portfolio_order o
                     JOIN portfolio_venueaccount v ON v.id = o.venue_account_id
                    WHERE o.status = 'READY' AND v.shard_id = %(shard)s AND v.status = 'READY'
                      AND (o.send_after IS NULL OR o.send_after <= %(now)s)),
           EXISTS (SELECT 1 FROM portfolio_order o
                     JOIN portfolio_venueaccount v ON v.id = o.venue_account_id
                    WHERE o.status = 'CANCEL_PENDING' AND v.shard_id = %(shard)s),
           EXISTS (SELECT 1 FROM portfolio_order o
                     JOIN portfolio_venueaccount v ON v.id = o.venue_account_id
                    WHERE o.status = 'MODIFY_PENDING' AND v.shard_id = %(shard)s),
           EXISTS (SELECT 1 FROM portfolio_orderplan p
                     JOIN portfolio_book b ON b.id = p.book_id
                     JOIN portfolio_venueaccount v ON v.id = b.venue_account_id
                    WHERE p.due_at <= %(now)s AND v.shard_id = %(shard)s)
"""
_GATES = """
    SELECT scope, key, is_active FROM portfolio_killswitch
     WHERE (scope, key) IN (SELECT * FROM unnest(%s::text[], %s::bigint[]))
     ORDER BY id FOR SHARE
"""
_MAKE_GATES = """
    INSERT INTO portfolio_killswitch (scope, key, is_active, reason, version)
    SELECT scope, key, false, '', 0 FROM unnest(%s::text[], %s::bigint[]) AS gate (scope, key)
    ON CONFLICT (scope, key) DO NOTHING
"""
_COUNT_SENDS = """
    INSERT INTO portfolio_ratesecond AS r (venue_account_id, second, count)
    SELECT account, floor(extract(epoch FROM clock_timestamp()))::bigint, count
      FROM unnest(%s::bigint[], %s::int[]) AS sent (account, count)
    ON CONFLICT (venue_account_id, second) DO UPDATE SET count = r.count + excluded.count
"""
_CLAIM = """
    WITH claimed AS (
        SELECT * FROM unnest(%(ids)s::bigint[], %(books)s::bigint[], %(sequences)s::int[],
                             %(details)s::jsonb[], %(previous)s::text[], %(hashes)s::text[])
               AS c (id, book_id, sequence, detail, previous_hash, hash)
    ), written AS (
        INSERT INTO portfolio_orderevent (order_id, book_id, sequence, kind, from_status,
                                          to_status, detail, at, previous_hash, hash)
        SELECT id, book_id, sequence, %(kind)s, %(ready)s, %(sending)s, detail, %(now)s,
               previous_hash, hash
          FROM claimed
    )
    UPDATE portfolio_order o
       SET status = %(sending)s, sent_at = clock_timestamp(),
           send_deadline = clock_timestamp() + make_interval(secs => %(within)s), sent_fence = %(fence)s,
           send_after = NULL,
           last_event_hash = c.hash, event_count = c.sequence, updated_at = %(now)s
      FROM claimed c WHERE o.id = c.id
    RETURNING o.id, o.send_deadline
"""


def acquire_shard(number: int, *, owner: str, ttl: timedelta = LEASE) -> int | None:
    """Take the shard when it is free, its lease ran out, or it is ours; return the new fence."""
    with prepared_cursor() as cursor:
        cursor.execute(
            _ACQUIRE, {"number": number, "owner": owner[:80], "ttl": ttl.total_seconds()}
        )
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def renew_shard(number: int, *, fence: int, ttl: timedelta = LEASE) -> None:
    """Keep the shard for another `ttl`; raise `StaleFence` when it has a new owner."""
    with prepared_cursor() as cursor:
        cursor.execute(_RENEW, [ttl.total_seconds(), number, fence])
        if cursor.rowcount != 1:
            raise StaleFence(f"shard {number} is no longer owned with fence {fence}")


def release_shard(number: int, *, fence: int) -> None:
    """Give the shard back, so that the next owner need not wait for the lease to run out."""
    with prepared_cursor() as cursor:
        cursor.execute(_RELEASE, [number, fence])


@dataclass(frozen=True, slots=True)
class Candidate:
    """A READY order under lock."""

    id: int
    user_id: int
    book_id: int
    send_attempts: int
    last_event_hash: str
    event_count: int
    columns: tuple[Any, ...]

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Self:
        """Read a row of `_CANDIDATES`."""
        order_id, user_id, book_id, send_attempts, last_hash, event_count, *columns = row
        return cls(
            id=order_id,
            user_id=user_id,
            book_id=book_id,
            send_attempts=send_attempts,
            last_event_hash=last_hash,
            event_count=event_count,
            columns=tuple(columns),
        )

    @property
    def venue_account_id(self) -> int:
        """Return the account it is sent for."""
        return int(self.columns[0])

    @property
    def gates(self) -> tuple[tuple[str, int], ...]:
        """Return the kill switches that stop this order."""
        scope = KillSwitch.Scope
        return (
            (scope.PLATFORM.value, 0),
            (scope.USER.value, self.user_id),
            (scope.VENUE_ACCOUNT.value, self.venue_account_id),
            (scope.BOOK.value, self.book_id),
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """What one claim took: tickets to send now, and orders that a kill switch stopped.

    `stopped` are still READY and hold their money: the gateway ends them as CANCELLED (KILLED)
    in a transaction of their own, because T2 does nothing beside claim and rate (decisions 6).
    """

    tickets: list[OrderTicket]
    stopped: list[Candidate]


def claim_ready(shard: int, *, fence: int, now: datetime, limit: int = BATCH) -> Claim:
    """Claim up to `limit` READY orders for sending (T2); nothing else happens in it."""
    with transaction.atomic(durable=True):
        candidates = _candidates(shard, now, limit)
        if not candidates:
            return Claim([], [])
        share_fence(shard, fence)
        killed = _killed_gates({gate for each in candidates for gate in each.gates})
        stopped = [each for each in candidates if killed.intersection(each.gates)]
        free = [each for each in candidates if not killed.intersection(each.gates)]
        deadlines = _claim(free, fence, now) if free else {}
        if free:
            _count_sends([each.venue_account_id for each in free])
    return Claim(
        tickets=[ticket_of(each.columns, send_deadline=deadlines[each.id]) for each in free],
        stopped=stopped,
    )


def end_stopped(
    stopped: Sequence[Candidate], *, shard: int, fence: int, now: datetime
) -> list[int]:
    """Cancel orders that a kill switch stopped before they were sent; return their books.

    They must not wait for the switch to be released: their prices would be old by then.
    """
    with transaction.atomic(durable=True):
        share_fence(shard, fence)
        books = lock_books({each.book_id for each in stopped}, now=now)
        orders = lock_orders(each.id for each in stopped)
        changes = Changes(books, assets={order.hold_asset for order in orders})
        for order in orders:
            if order.status is OrderStatus.READY:
                order.status_code, order.status_message = KILLED, _KILLED_MESSAGE
                detail = {"cumulative": "0", "code": KILLED, "message": _KILLED_MESSAGE}
                changes.record(
                    order, EventKind.CANCELLED, OrderStatus.CANCELLED, at=now, detail=detail
                )
                changes.set_hold(order, Decimal(0), at=now)
        changes.save(now=now)
    return sorted(books)


@dataclass(frozen=True, slots=True)
class Work:
    """Whether anything waits to be sent, cancelled or changed, or a plan for its next step."""

    orders: bool
    cancels: bool
    changes: bool
    plans: bool


def find_work(shard: int, *, now: datetime) -> Work:
    """Ask in one small query, outside any transaction, whether there is anything to do."""
    with prepared_cursor() as cursor:
        cursor.execute(_WORK, {"shard": shard, "now": now})
        return Work(*cursor.fetchone())


def forget_rate_seconds(*, older_than: timedelta) -> int:
    """Remove send counters that no limit looks at any more; return how many."""
    with prepared_cursor() as cursor:
        cursor.execute(
            "DELETE FROM portfolio_ratesecond"
            " WHERE second < floor(extract(epoch FROM clock_timestamp()) - %s)",
            [older_than.total_seconds()],
        )
        return int(cursor.rowcount)


def _candidates(shard: int, now: datetime, limit: int) -> list[Candidate]:
    with prepared_cursor() as cursor:
        cursor.execute(_CANDIDATES, [shard, now, limit])
        return [Candidate.of(row) for row in cursor.fetchall()]


def _killed_gates(gates: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Hold the kill switches until commit; return those that are on.

    A switch that is only read would let claims through that commit after the kill (trust.md 0,
    conclusion 10). An absent row cannot be held, so it is made.
    """
    wanted = sorted(gates)
    values: list[Any] = [[gate[0] for gate in wanted], [gate[1] for gate in wanted]]
    with prepared_cursor() as cursor:
        cursor.execute(_GATES, values)
        rows = cursor.fetchall()
        if len(rows) < len(wanted):
            cursor.execute(_MAKE_GATES, values)
            cursor.execute(_GATES, values)
            rows = cursor.fetchall()
    return {(scope, key) for scope, key, is_active in rows if is_active}


def _count_sends(accounts: Sequence[int]) -> None:
    counts: dict[int, int] = {}
    for account in accounts:
        counts[account] = counts.get(account, 0) + 1
    ordered = sorted(counts)
    with prepared_cursor() as cursor:
        cursor.execute(_COUNT_SENDS, [ordered, [counts[account] for account in ordered]])


def _claim(orders: Sequence[Candidate], fence: int, now: datetime) -> dict[int, datetime]:
    details: list[dict[str, Any]] = [
        {"attempt": order.send_attempts + 1, "fence": fence} for order in orders
    ]
    hashes = [
        event_hash(
            order.last_event_hash,
            order_id=order.id,
            sequence=order.event_count + 1,
            kind=EventKind.SENDING,
            to_status=OrderStatus.SENDING,
            detail=detail,
            at=now,
        )
        for order, detail in zip(orders, details, strict=True)
    ]
    with prepared_cursor() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "ids": [order.id for order in orders],
                "books": [order.book_id for order in orders],
                "sequences": [order.event_count + 1 for order in orders],
                "details": [dumps(detail) for detail in details],
                "previous": [order.last_event_hash for order in orders],
                "hashes": hashes,
                "kind": EventKind.SENDING.value,
                "ready": OrderStatus.READY.value,
                "sending": OrderStatus.SENDING.value,
                "now": now,
                "within": SEND_WITHIN.total_seconds(),
                "fence": fence,
            },
        )
        return dict(cursor.fetchall())
