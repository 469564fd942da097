"""The transition table: ends stay ends, every state has its Kite text."""

import pytest

from market.domain.enums import TERMINAL_STATUSES, OrderStatus, OrderType
from portfolio.domain.order_state import (
    BOOK_VISIBLE,
    KITE_STATUS,
    TRANSITIONS,
    EventKind,
    can_happen,
    check_transition,
    resting_status,
)
from portfolio.exceptions import TransitionRefused


def test_every_event_and_every_state_is_in_the_tables():
    assert set(TRANSITIONS) == set(EventKind)
    assert set(KITE_STATUS) == set(OrderStatus)


def test_only_a_late_accept_leaves_a_terminal_state():
    ways_out = {
        (kind, start)
        for kind, steps in TRANSITIONS.items()
        for start, ends in steps.items()
        if start in TERMINAL_STATUSES and ends != {start}
    }
    assert ways_out == {(EventKind.ADOPTED, OrderStatus.NOT_AT_VENUE)}


def test_every_live_state_can_end():
    for status in set(OrderStatus) - TERMINAL_STATUSES:
        ends = {
            end
            for steps in TRANSITIONS.values()
            for end in steps.get(status, frozenset())
            if end in TERMINAL_STATUSES
        }
        assert ends, status


def test_nothing_but_sending_leads_to_sending():
    ways = {
        (kind, start)
        for kind, steps in TRANSITIONS.items()
        for start, ends in steps.items()
        if OrderStatus.SENDING in ends and start is not OrderStatus.SENDING
    }
    assert ways == {(EventKind.SENDING, OrderStatus.READY)}


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        (EventKind.TRADE, OrderStatus.READY, OrderStatus.FILLED),
        (EventKind.TRADE, OrderStatus.CANCELLED, OrderStatus.FILLED),
        (EventKind.ACCEPTED, OrderStatus.CANCELLED, OrderStatus.OPEN),
        (EventKind.NOT_SENT, OrderStatus.UNKNOWN, OrderStatus.READY),
        (EventKind.SENDING, OrderStatus.UNKNOWN, OrderStatus.SENDING),
        (EventKind.SENDING, OrderStatus.CANCELLED, OrderStatus.SENDING),
    ],
)
def test_steps_that_the_table_does_not_have_are_refused(kind, start, end):
    with pytest.raises(TransitionRefused):
        check_transition(kind, start, end)


def test_kite_texts_of_decision_10():
    assert KITE_STATUS[OrderStatus.READY] == "PUT ORDER REQ RECEIVED"
    assert KITE_STATUS[OrderStatus.SENDING] == "VALIDATION PENDING"
    assert KITE_STATUS[OrderStatus.UNKNOWN] == "OPEN PENDING"
    assert KITE_STATUS[OrderStatus.FILLED] == "COMPLETE"
    assert KITE_STATUS[OrderStatus.EXPIRED] == "CANCELLED"
    assert KITE_STATUS[OrderStatus.NOT_AT_VENUE] == "REJECTED"


def test_a_stop_rests_as_trigger_pending_until_it_meets_its_trigger():
    assert resting_status(OrderType.SL, is_triggered=False) is OrderStatus.TRIGGER_PENDING
    assert resting_status(OrderType.SL_M, is_triggered=True) is OrderStatus.OPEN
    assert resting_status(OrderType.LIMIT, is_triggered=False) is OrderStatus.OPEN


def test_book_hears_of_ends_trades_and_accepts_only():
    assert EventKind.CREATED not in BOOK_VISIBLE
    assert EventKind.SENDING not in BOOK_VISIBLE
    assert EventKind.CANCEL_ASKED not in BOOK_VISIBLE
    assert {EventKind.TRADE, EventKind.CANCELLED, EventKind.NOT_AT_VENUE} <= BOOK_VISIBLE
    assert can_happen(EventKind.TRADE, OrderStatus.CANCEL_PENDING)
