"""What must hold at every moment (trust.md section 3, I1-I8), each as a question with no answer.

Every row that a check returns is a violation and names the row of the database it is about.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from market.domain.enums import TERMINAL_STATUSES
from market.domain.messages import VenueOrder
from portfolio.domain.event_chain import event_hash
from portfolio.domain.order_state import SENT
from portfolio.models import Order, OrderEvent
from portfolio.services import invariant_queries as queries
from portfolio.services.order_digests import broken_digests
from portfolio.services.orders import client_order_id

# An order may be on its way, or looked for, this long before somebody must hear of it.
SENDING_LIMIT = timedelta(seconds=60)
UNKNOWN_LIMIT = timedelta(seconds=240)
_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant: which, the row it was found at, and what is wrong there."""

    invariant: str
    row: str
    message: str


def _ask(invariant: str, query: str, values: dict[str, Any] | None = None) -> list[Violation]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [Violation(invariant, row, message) for row, message in cursor.fetchall()]


def entries_sum_to_zero(_now: datetime) -> list[Violation]:
    """I1: the entries of a ledger transaction sum to zero per asset."""
    return _ask("I1", queries.SUMS) + _ask("I1", queries.EMPTY_TRANSACTIONS)


def balances_match_entries(_now: datetime) -> list[Violation]:
    """I2: a stored balance is the sum of its entries."""
    return _ask("I2", queries.BALANCES)


def holds_match_orders(_now: datetime) -> list[Violation]:
    """I3: what is held is what the open orders need, order by order and pot by pot.

    So is what an intraday book has borrowed, and what it keeps aside for having sold it short.
    """
    terminal = {"terminal": sorted(TERMINAL_STATUSES)}
    found = _ask("I3", queries.HOLDS, terminal) + _ask("I3", queries.HELD_POTS)
    found += _ask("I3", queries.BORROWED_POTS) + _ask("I3", queries.MARGIN_POTS, terminal)
    return found + _ask("I3", queries.ONLY_INTRADAY)


def sends_and_reports_match(_now: datetime) -> list[Violation]:
    """I4: what the venue has was sent by us once, and each of its fills is one trade."""
    values = {"sent": sorted(SENT), "terminal": sorted(TERMINAL_STATUSES)}
    found = _ask("I4", queries.SENT_WITHOUT_EVENT, values)
    found += _ask("I4", queries.TRADES_WITHOUT_REPORT)
    found += _ask("I4", queries.REPORTS_WITHOUT_TRADE)
    return found + _ask("I4", queries.SLOTS, values)


def client_ids_are_unique(_now: datetime) -> list[Violation]:
    """I5: a client order id is used once, and is the hash of its slot."""
    found = _ask("I5", queries.CLIENT_IDS)
    rows = Order.objects.filter(slot_ref__isnull=False).values_list(
        "pk", "slot_ref", "venue_account_id", "client_order_id"
    )
    for order_id, slot_ref, account_id, stored in rows.iterator(chunk_size=_CHUNK):
        if stored != client_order_id(slot_ref, account_id):
            message = f"client id {stored} is not the one of slot {slot_ref}"
            found.append(Violation("I5", f"order {order_id}", message))
    return found


def positions_match_trades(_now: datetime) -> list[Violation]:
    """I6: a position is the signed sum of its trades, its units are in the ledger, so its cost."""
    found = _ask("I6", queries.POSITION_TRADES) + _ask("I6", queries.POSITION_QUANTITY)
    return found + _ask("I6", queries.POSITION_UNITS) + _ask("I6", queries.POSITION_COST)


def orders_live_by_the_table(_now: datetime) -> list[Violation]:
    """I7: no more filled than ordered, no fill of what was not sent, ends stay ends."""
    values = {"terminal": sorted(TERMINAL_STATUSES)}
    found = _ask("I7", queries.FILLED) + _ask("I7", queries.UNSENT_TRADES)
    found += _ask("I7", queries.HISTORY, values) + _broken_chains() + _ask("I7", queries.PRODUCTS)
    digests = broken_digests()
    return found + [Violation("I7", f"audit_event {e.audit_event_id}", e.message) for e in digests]


def _broken_chains() -> list[Violation]:
    """Return the events whose hash does not follow from what they say."""
    found: list[Violation] = []
    events = OrderEvent.objects.order_by("order_id", "sequence")
    previous: OrderEvent | None = None
    for event in events.iterator(chunk_size=_CHUNK):
        is_next = previous is not None and previous.order_id == event.order_id
        before = previous.hash if is_next and previous is not None else ""
        expected = event_hash(
            before,
            order_id=event.order_id,
            sequence=event.sequence,
            kind=event.kind,
            to_status=event.to_status,
            detail=event.detail,
            at=event.at,
        )
        if event.hash != expected or event.previous_hash != before:
            row = f"order_event {event.pk}"
            found.append(Violation("I7", row, f"the hash chain of {event.order_id} is broken"))
        previous = event
    return found


def nothing_is_left_in_doubt(now: datetime) -> list[Violation]:
    """I8: no order is on its way or unknown longer than its quarantine."""
    values = {"sending": now - SENDING_LIMIT, "unknown": now - UNKNOWN_LIMIT}
    return _ask("I8", queries.IN_DOUBT, values)


CHECKS: dict[str, Callable[[datetime], list[Violation]]] = {
    "I1": entries_sum_to_zero,
    "I2": balances_match_entries,
    "I3": holds_match_orders,
    "I4": sends_and_reports_match,
    "I5": client_ids_are_unique,
    "I6": positions_match_trades,
    "I7": orders_live_by_the_table,
    "I8": nothing_is_left_in_doubt,
}


def check_invariants(*, now: datetime, names: Sequence[str] = tuple(CHECKS)) -> list[Violation]:
    """Run the checks on one snapshot of the database, so that trading may go on meanwhile."""
    with _snapshot():
        return [violation for name in names for violation in CHECKS[name](now)]


@contextmanager
def _snapshot() -> Iterator[None]:
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def check_venue_orders(venue_account_id: int, at_venue: Sequence[VenueOrder]) -> list[Violation]:
    """I4 against the venue's own list: what rests there with our prefix is ours and was sent."""
    ours = {
        order.client_order_id: order
        for order in Order.objects.filter(
            venue_account=venue_account_id,
            client_order_id__in=[each.client_order_id for each in at_venue],
        )
    }
    found: list[Violation] = []
    for each in at_venue:
        if not each.client_order_id.startswith("fb"):
            continue
        order = ours.get(each.client_order_id)
        row = f"venue order {each.venue_order_id} {each.client_order_id}"
        if order is None:
            found.append(Violation("I4", row, "rests at the venue and is not ours"))
        elif order.status not in SENT:
            found.append(Violation("I4", row, f"rests at the venue, here it is {order.status}"))
    return found
