"""What we believe against what is: after a restart, and for orders whose answer never came.

Reconciliation belongs to the venue account (decisions 15). An account that does not add up is
NOT_READY: nothing is sent for it, and nothing is blamed on one bot by guess.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from json import loads

from django.db import connection

from market.domain.enums import OrderStatus
from market.domain.messages import OrderTerms, OrderTicket, VenueOrder
from market.exceptions import VenueUnavailable
from market.venues.base import VenueClient
from market.venues.paper_orders import RestingOrder
from portfolio.domain.changed_terms import asks_for_less, terms_after
from portfolio.services.kill_switches import STOPPED_BY
from portfolio.services.tickets import TICKET_COLUMNS, ticket_of

# An order is looked up so many seconds after it was sent, and then every 30 s (trust.md 4.4).
QUERY_AFTER = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
QUERY_EVERY = timedelta(seconds=30)
QUERIES_AT_ONCE = 5
PREFIX = "fb"

# Venue account and client order id: what names an order at a venue.
OrderKey = tuple[int, str]

_IN_FLIGHT = """
    SELECT o.venue_account_id, o.client_order_id, o.status, coalesce(o.unknown_since, %s)
      FROM portfolio_order o JOIN portfolio_venueaccount v ON v.id = o.venue_account_id
     WHERE v.shard_id = %s AND o.status IN ('SENDING', 'UNKNOWN') ORDER BY o.id
"""
_RESTING = f"""
    SELECT o.venue_order_id, o.filled_quantity, o.triggered_at IS NOT NULL, o.revision,
           {TICKET_COLUMNS}
      FROM portfolio_order o JOIN portfolio_venueaccount v ON v.id = o.venue_account_id
     WHERE v.shard_id = %s
       AND o.status IN ('OPEN', 'TRIGGER_PENDING', 'CANCEL_PENDING', 'MODIFY_PENDING')
     ORDER BY o.id
"""  # noqa: S608 - own column names
# What a kill switch stops stands last: it keeps nobody else waiting.
_CHANGES = f"""
    SELECT EXISTS (SELECT 1 FROM portfolio_killswitch k
                    WHERE {STOPPED_BY.format(x="o", book="o.book_id")}) AS is_stopped,
           o.pending_change::text, {TICKET_COLUMNS}
      FROM portfolio_order o JOIN portfolio_venueaccount v ON v.id = o.venue_account_id
     WHERE v.shard_id = %s AND o.status = 'MODIFY_PENDING' ORDER BY is_stopped, o.id LIMIT %s
"""  # noqa: S608 - own column names
_CANCELS = """
    SELECT o.venue_account_id, o.client_order_id
      FROM portfolio_order o JOIN portfolio_venueaccount v ON v.id = o.venue_account_id
     WHERE v.shard_id = %s AND o.status = 'CANCEL_PENDING'
       AND o.cancel_requested_at IS NOT NULL ORDER BY o.id LIMIT %s
"""
# Orders whose trades do not add up to what they say is filled; the last word on each account.
_MISMATCHES = """
    SELECT o.venue_account_id, min(o.client_order_id)
      FROM portfolio_order o JOIN portfolio_venueaccount v ON v.id = o.venue_account_id
      LEFT JOIN LATERAL (SELECT sum(t.quantity) AS traded FROM portfolio_trade t
                          WHERE t.order_id = o.id) t ON true
     WHERE v.shard_id = %s AND o.filled_quantity <> coalesce(t.traded, 0)
       AND o.status IN ('OPEN', 'TRIGGER_PENDING', 'CANCEL_PENDING', 'MODIFY_PENDING')
     GROUP BY o.venue_account_id
"""
# Only the paper gateway's own: what is connected elsewhere has no gateway that could judge it.
_MARK = """
    UPDATE portfolio_venueaccount v
       SET status = CASE WHEN m.account IS NULL THEN 'READY' ELSE 'NOT_READY' END,
           status_reason = coalesce(m.reason, '')
      FROM portfolio_venueaccount a
      LEFT JOIN unnest(%s::bigint[], %s::text[]) AS m (account, reason) ON m.account = a.id
     WHERE a.id = v.id AND v.shard_id = %s AND v.mode = 'PAPER'
       AND (v.status = 'NOT_READY' OR m.account IS NOT NULL)
    RETURNING v.id, v.status
"""
_ACCOUNTS = "SELECT id FROM portfolio_venueaccount WHERE shard_id = %s ORDER BY id"
_AT_VENUE = """
    SELECT client_order_id FROM portfolio_order
     WHERE venue_account_id = %s
       AND status IN ('OPEN', 'TRIGGER_PENDING', 'CANCEL_PENDING', 'MODIFY_PENDING')
"""
_STATUSES = """
    SELECT client_order_id, status FROM portfolio_order
     WHERE venue_account_id = %s AND client_order_id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class InFlight:
    """An order that may be at the venue, as far as we know."""

    key: OrderKey
    status: OrderStatus
    since: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an open order that somebody asked for."""

    ticket: OrderTicket
    terms: OrderTerms


def orders_in_flight(shard: int, *, now: datetime) -> list[InFlight]:
    """Return the orders that were sent and whose answer is not recorded."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_FLIGHT, [now, shard])
        return [
            InFlight((account, client_order_id), OrderStatus(status), since)
            for account, client_order_id, status, since in cursor.fetchall()
        ]


def resting_orders(shard: int) -> list[RestingOrder]:
    """Return the orders that rest at a venue of ours, in their order of time (by id)."""
    with connection.cursor() as cursor:
        cursor.execute(_RESTING, [shard])
        rows = cursor.fetchall()
    return [
        RestingOrder(
            ticket=ticket_of(row[4:]),
            venue_order_id=row[0],
            filled_quantity=row[1],
            is_triggered=row[2],
            revision=row[3],
        )
        for row in rows
    ]


def asked_changes(shard: int, *, limit: int) -> list[Change]:
    """Return changes that the venue has not answered and that no kill switch stops.

    One that is stopped stays asked for: the venue may have it already, and what it says then counts.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES, [shard, limit])
        rows = cursor.fetchall()
    changes = []
    for is_stopped, texts, *columns in rows:
        ticket = ticket_of(columns)
        terms = terms_after(ticket.terms, loads(texts))
        if not is_stopped or asks_for_less(ticket.terms, terms):
            changes.append(Change(ticket, terms))
    return changes


def asked_cancels(shard: int, *, limit: int) -> list[OrderKey]:
    """Return orders at the venue whose cancel the venue has not answered."""
    with connection.cursor() as cursor:
        cursor.execute(_CANCELS, [shard, limit])
        return [(account, client_order_id) for account, client_order_id in cursor.fetchall()]


def mark_accounts(shard: int, *, mismatches: dict[int, str]) -> dict[int, str]:
    """Make accounts that do not add up NOT_READY and the others READY; return what changed."""
    accounts = sorted(mismatches)
    reasons = [mismatches[account][:200] for account in accounts]
    with connection.cursor() as cursor:
        cursor.execute(_MARK, [accounts, reasons, shard])
        return dict(cursor.fetchall())


def own_mismatches(shard: int) -> dict[int, str]:
    """Return the accounts in which an order's trades do not add up, with the reason."""
    with connection.cursor() as cursor:
        cursor.execute(_MISMATCHES, [shard])
        return {
            account: f"the trades of order {client_order_id} do not add up to what it has filled"
            for account, client_order_id in cursor.fetchall()
        }


def accounts_of(shard: int) -> list[int]:
    """Return the venue accounts of a shard."""
    with connection.cursor() as cursor:
        cursor.execute(_ACCOUNTS, [shard])
        return [row[0] for row in cursor.fetchall()]


def believed_open(account: int) -> set[str]:
    """Return the client ids of the orders that we believe to rest at the venue."""
    with connection.cursor() as cursor:
        cursor.execute(_AT_VENUE, [account])
        return {row[0] for row in cursor.fetchall()}


def statuses_of(account: int, client_order_ids: Iterable[str]) -> dict[str, OrderStatus]:
    """Return the state of each order that we know."""
    with connection.cursor() as cursor:
        cursor.execute(_STATUSES, [account, list(client_order_ids)])
        return {client_id: OrderStatus(status) for client_id, status in cursor.fetchall()}


@dataclass(slots=True)
class _Lookup:
    """When an unknown order is looked up next."""

    since: datetime
    next_at: datetime

    def wait(self, now: datetime) -> None:
        """Move on to the next moment of the plan that is still to come."""
        moments = (self.since + timedelta(seconds=seconds) for seconds in QUERY_AFTER)
        self.next_at = next((each for each in moments if each > now), now + QUERY_EVERY)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What two different queries said of an unknown order; None: the venue does not have it."""

    key: OrderKey
    found: VenueOrder | None


class UnknownOrders:
    """Orders whose answer never came: looked up, quarantined, never sent again (trust.md 4.4)."""

    def __init__(self, venue: VenueClient, *, quarantine: timedelta) -> None:
        self._venue = venue
        self._quarantine = quarantine
        self._lookups: dict[OrderKey, _Lookup] = {}

    def __len__(self) -> int:
        return len(self._lookups)

    def __contains__(self, key: OrderKey) -> bool:
        return key in self._lookups

    def add(self, key: OrderKey, *, since: datetime) -> None:
        """Begin to look an order up."""
        first = since + timedelta(seconds=QUERY_AFTER[0])
        self._lookups.setdefault(key, _Lookup(since, first))

    def clear(self) -> None:
        """Forget all of them."""
        self._lookups.clear()

    def resolve(self, now: datetime, *, at_once: bool = False) -> list[Resolution]:
        """Look up those whose time has come; return those about which the venue is clear."""
        due = [key for key, each in self._lookups.items() if at_once or each.next_at <= now]
        if not at_once:
            due = due[:QUERIES_AT_ONCE]
        resolved = [self._look_up(key, now) for key in due]
        settled = [each for each in resolved if each is not None]
        for each in settled:
            del self._lookups[each.key]
        return settled

    def _look_up(self, key: OrderKey, now: datetime) -> Resolution | None:
        lookup = self._lookups[key]
        lookup.wait(now)
        try:
            found = self._venue.query(*key)
            if found is None:
                # One query that finds nothing proves nothing: the list is asked as well.
                listed = self._venue.open_orders(key[0])
                found = next((each for each in listed if each.client_order_id == key[1]), None)
        except VenueUnavailable:
            return None
        if found is None and now - lookup.since < self._quarantine:
            return None
        return Resolution(key, found)
