"""How an order stands: now, or after any of its events, read from what the events say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from market.domain.enums import OrderStatus
from portfolio.domain.fees import to_ledger
from portfolio.domain.order_state import EventKind
from portfolio.models import Order, OrderEvent

_ZERO = Decimal(0)
# What the user asks for. What happens before an order is sent is no word of a venue either.
_ASKING = frozenset(
    {EventKind.CREATED, EventKind.DENIED, EventKind.MODIFY_ASKED, EventKind.CANCEL_ASKED}
)
# What only our side knows of.
_OURS = frozenset(
    {EventKind.SENDING, EventKind.NOT_SENT, EventKind.UNKNOWN, EventKind.NOT_AT_VENUE}
)
# What enters an order into the venue's book as it is from then on.
_REGISTERING = frozenset({EventKind.ACCEPTED, EventKind.ADOPTED, EventKind.MODIFIED})
_ACCEPTING = frozenset({EventKind.ACCEPTED, EventKind.ADOPTED})
_WITH_CODE = frozenset({EventKind.DENIED, EventKind.REJECTED, EventKind.NOT_AT_VENUE})
# What of an order a change can change, as the events write it.
_NUMBERS = ("quantity", "price", "trigger_price", "disclosed_quantity", "market_protection")
_WORDS = ("order_type", "time_in_force", "validity_ttl")


class Happened(Protocol):
    """What every event has."""

    @property
    def kind(self) -> str: ...
    @property
    def from_status(self) -> str: ...
    @property
    def at(self) -> datetime: ...


@dataclass(slots=True)
class Standing:
    """What of an order changes during its life."""

    status: str
    code: str
    message: str
    venue_order_id: str
    filled_quantity: Decimal
    filled_value: Decimal
    # The terms: quantity, prices, type, validity.
    terms: dict[str, Any]
    # When the user asked last (wall time), when the venue entered it and last spoke of it.
    asked_at: datetime
    registered_at: datetime | None = None
    heard_at: datetime | None = None
    is_modified: bool = False
    was_sent: bool = False

    def note(self, event: Happened) -> None:
        """Note when something happened, whatever it said."""
        kind, was_ready = event.kind, event.from_status == OrderStatus.READY
        if kind == EventKind.SENDING:
            self.was_sent = True
        if kind in _ASKING or (was_ready and kind not in _OURS):
            self.asked_at = event.at
        elif kind not in _OURS and (self.registered_at or kind in _REGISTERING):
            self.heard_at = event.at
            if kind in _REGISTERING:
                self.registered_at = event.at
        if kind == EventKind.MODIFIED:
            self.is_modified = True


def standing_now(order: Order, steps: Iterable[Happened]) -> Standing:
    """Return how an order stands by its row; the steps of its life say when."""
    standing = Standing(
        status=order.status,
        code=order.status_code,
        message=order.status_message,
        venue_order_id=order.venue_order_id,
        filled_quantity=order.filled_quantity,
        filled_value=order.filled_value,
        terms={name: getattr(order, name) for name in (*_NUMBERS, *_WORDS)},
        asked_at=order.created_at,
    )
    for step in steps:
        standing.note(step)
    return standing


def standing_after(order: Order, events: Sequence[OrderEvent], n: int) -> Standing:
    """Return how an order stood after the first `n` of its events.

    After the newest that the row knows of the row itself counts.
    """
    if n == order.event_count:
        return standing_now(order, events[:n])
    replay = _Replay(order, events)
    for event in events[:n]:
        replay.take(event)
    return replay.standing


class _Replay:
    """The life of an order, event by event."""

    def __init__(self, order: Order, events: Sequence[OrderEvent]) -> None:
        self._asked: dict[str, Any] = {}
        self.standing = Standing(
            status="",
            code="",
            message="",
            venue_order_id="",
            filled_quantity=_ZERO,
            filled_value=_ZERO,
            terms=_first_terms(order, events),
            asked_at=order.created_at,
        )

    def take(self, event: OrderEvent) -> None:
        """Go on by one event."""
        standing, said = self.standing, event.detail
        standing.note(event)
        standing.status = event.to_status
        self._take_words(event)
        match EventKind(event.kind):
            case EventKind.ACCEPTED | EventKind.ADOPTED:
                standing.venue_order_id = said.get("venue_order_id", "")
            case EventKind.MODIFY_ASKED:
                self._asked = said
            case EventKind.MODIFY_REJECTED:
                self._asked = {}
            case EventKind.MODIFIED:
                standing.terms |= _terms_in(self._asked) | _terms_in(said)
                self._asked = {}
            case EventKind.TRADE:
                quantity = Decimal(said["quantity"])
                standing.filled_quantity += quantity
                standing.filled_value += to_ledger(quantity * Decimal(said["price"]))
            case _:
                pass

    def _take_words(self, event: OrderEvent) -> None:
        standing, said = self.standing, event.detail
        if event.kind in _ACCEPTING:
            standing.code, standing.message = "", ""
        elif event.kind != EventKind.NOT_SENT and "message" in said:
            standing.message = said["message"]
        if event.kind in _WITH_CODE:
            standing.code = said.get("code", "")


def _first_terms(order: Order, events: Sequence[OrderEvent]) -> dict[str, Any]:
    """Return the terms an order was placed with; its first event names all that it had."""
    kept = {name: getattr(order, name) for name in _WORDS}
    return dict.fromkeys(_NUMBERS) | kept | _terms_in(events[0].detail if events else {})


def _terms_in(said: dict[str, Any]) -> dict[str, Any]:
    """Return the terms that an event names; a price may have gone."""
    numbers = {
        name: None if said[name] is None else Decimal(said[name])
        for name in _NUMBERS
        if name in said
    }
    return numbers | {name: said[name] for name in _WORDS if said.get(name) is not None}
