"""The life of an order as a table: what may happen in which state, and what it leads to."""

from enum import StrEnum

from market.domain.enums import OrderStatus, OrderType, Variety
from portfolio.exceptions import TransitionRefused


class EventKind(StrEnum):
    """What can happen to an order."""

    CREATED = "CREATED"
    DENIED = "DENIED"
    SENDING = "SENDING"
    NOT_SENT = "NOT_SENT"
    UNKNOWN = "UNKNOWN"
    ACCEPTED = "ACCEPTED"
    NOT_AT_VENUE = "NOT_AT_VENUE"
    ADOPTED = "ADOPTED"
    TRADE = "TRADE"
    TRIGGERED = "TRIGGERED"
    CANCEL_ASKED = "CANCEL_ASKED"
    CANCEL_REJECTED = "CANCEL_REJECTED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    MODIFY_ASKED = "MODIFY_ASKED"
    MODIFIED = "MODIFIED"
    MODIFY_REJECTED = "MODIFY_REJECTED"


# Events that the owner of the book must hear of: they get a number without gaps per book.
BOOK_VISIBLE = frozenset(
    {
        EventKind.DENIED,
        EventKind.ACCEPTED,
        EventKind.TRADE,
        EventKind.TRIGGERED,
        EventKind.CANCELLED,
        EventKind.EXPIRED,
        EventKind.REJECTED,
        EventKind.MODIFIED,
        EventKind.NOT_AT_VENUE,
        EventKind.ADOPTED,
    }
)

S = OrderStatus
# States in which the venue is known to have the order.
AT_VENUE = frozenset({S.OPEN, S.TRIGGER_PENDING, S.MODIFY_PENDING, S.CANCEL_PENDING})
# States in which a request may have reached the venue and no answer is known.
IN_FLIGHT = frozenset({S.SENDING, S.UNKNOWN})
# States that only orders which were sent can be in.
SENT = IN_FLIGHT | AT_VENUE | {S.FILLED, S.EXPIRED, S.NOT_AT_VENUE}
_RESTING = frozenset({S.OPEN, S.TRIGGER_PENDING})
_ACCEPTED = frozenset({S.OPEN, S.TRIGGER_PENDING, S.CANCEL_PENDING})


def _each(
    froms: frozenset[OrderStatus], to: frozenset[OrderStatus]
) -> dict[OrderStatus | None, frozenset[OrderStatus]]:
    return dict.fromkeys(froms, to)


def _only(status: OrderStatus) -> frozenset[OrderStatus]:
    return frozenset({status})


def _stay(*statuses: OrderStatus) -> dict[OrderStatus | None, frozenset[OrderStatus]]:
    return {status: _only(status) for status in statuses}


TRANSITIONS: dict[EventKind, dict[OrderStatus | None, frozenset[OrderStatus]]] = {
    EventKind.CREATED: {None: _only(S.READY)},
    EventKind.DENIED: {None: _only(S.DENIED)},
    EventKind.SENDING: {S.READY: _only(S.SENDING)},
    EventKind.NOT_SENT: {S.SENDING: _only(S.READY)},
    EventKind.UNKNOWN: {S.SENDING: _only(S.UNKNOWN)},
    EventKind.ACCEPTED: _each(IN_FLIGHT, _ACCEPTED),
    EventKind.NOT_AT_VENUE: {S.UNKNOWN: _only(S.NOT_AT_VENUE)},
    EventKind.ADOPTED: {S.NOT_AT_VENUE: _ACCEPTED},
    # A trade reported after the end is booked (the money moved); the end stays the end.
    EventKind.TRADE: {
        S.OPEN: frozenset({S.OPEN, S.FILLED}),
        S.MODIFY_PENDING: frozenset({S.MODIFY_PENDING, S.FILLED}),
        S.CANCEL_PENDING: frozenset({S.CANCEL_PENDING, S.FILLED}),
        **_stay(S.CANCELLED, S.EXPIRED, S.REJECTED),
    },
    EventKind.TRIGGERED: {
        S.TRIGGER_PENDING: _only(S.OPEN),
        **_stay(S.MODIFY_PENDING, S.CANCEL_PENDING),
    },
    EventKind.CANCEL_ASKED: {
        **_each(AT_VENUE, _only(S.CANCEL_PENDING)),
        **_stay(S.SENDING, S.UNKNOWN),
    },
    EventKind.CANCEL_REJECTED: {S.CANCEL_PENDING: _RESTING},
    EventKind.CANCELLED: _each(AT_VENUE | {S.READY}, _only(S.CANCELLED)),
    EventKind.EXPIRED: _each(AT_VENUE | {S.READY}, _only(S.EXPIRED)),
    EventKind.REJECTED: _each(AT_VENUE | IN_FLIGHT | {S.READY}, _only(S.REJECTED)),
    EventKind.MODIFY_ASKED: _each(_RESTING, _only(S.MODIFY_PENDING)),
    EventKind.MODIFIED: {
        S.MODIFY_PENDING: _RESTING | {S.FILLED},
        **_stay(S.READY, S.OPEN, S.TRIGGER_PENDING, S.CANCEL_PENDING),
    },
    EventKind.MODIFY_REJECTED: {
        S.MODIFY_PENDING: _RESTING,
        **_stay(S.OPEN, S.TRIGGER_PENDING, S.CANCEL_PENDING),
    },
}

KITE_STATUS: dict[OrderStatus, str] = {
    S.DENIED: "REJECTED",
    S.READY: "PUT ORDER REQ RECEIVED",
    S.SENDING: "VALIDATION PENDING",
    S.UNKNOWN: "OPEN PENDING",
    S.OPEN: "OPEN",
    S.TRIGGER_PENDING: "TRIGGER PENDING",
    S.MODIFY_PENDING: "MODIFY PENDING",
    S.CANCEL_PENDING: "CANCEL PENDING",
    S.FILLED: "COMPLETE",
    S.CANCELLED: "CANCELLED",
    S.REJECTED: "REJECTED",
    S.EXPIRED: "CANCELLED",
    S.NOT_AT_VENUE: "REJECTED",
}

AMO_RECEIVED = "AMO REQ RECEIVED"
# Every text that a state has on the wire.
KITE_TEXTS = frozenset(KITE_STATUS.values()) | {AMO_RECEIVED}

_STATUS_MESSAGES: dict[OrderStatus, str] = {
    S.UNKNOWN: "The venue has not answered; the order may be live. It is being looked up.",
    S.EXPIRED: "The order reached the end of its life without being completely filled.",
    S.NOT_AT_VENUE: "The venue does not have the order; nothing was traded.",
}


def check_transition(
    kind: EventKind, from_status: OrderStatus | None, to_status: OrderStatus
) -> None:
    """Raise `TransitionRefused` unless the table has this step."""
    if to_status not in TRANSITIONS[kind].get(from_status, frozenset()):
        raise TransitionRefused(f"{kind} cannot lead from {from_status} to {to_status}")


def can_happen(kind: EventKind, status: OrderStatus) -> bool:
    """Say whether the event has a place in this state."""
    return status in TRANSITIONS[kind]


def resting_status(order_type: OrderType, *, is_triggered: bool) -> OrderStatus:
    """Return the state of an order that the venue has and nothing is asked of."""
    is_stop = order_type in {OrderType.SL, OrderType.SL_M}
    return S.TRIGGER_PENDING if is_stop and not is_triggered else S.OPEN


def kite_status(status: OrderStatus) -> str:
    """Return the wire text of a state (decisions 10)."""
    return KITE_STATUS[status]


def kite_status_of(status: OrderStatus, *, variety: Variety, was_sent: bool) -> str:
    """Return the wire text of an order's state; an after-market order waits under its own name.

    `was_sent` says whether it was ever handed to the venue (`sent_at`, or a SENDING event).
    """
    if status is S.READY and variety is Variety.AMO and not was_sent:
        return AMO_RECEIVED
    return kite_status(status)


def default_message(status: OrderStatus) -> str:
    """Return what to tell people of a state that its name does not explain."""
    return _STATUS_MESSAGES.get(status, "")
