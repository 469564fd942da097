"""Cancelling and changing: at once before sending, by asking after; nobody else's orders."""

# Decimals are compared with plain numbers on purpose.
# mypy: disable-error-code="comparison-overlap"

import pytest

from market.domain.enums import OrderStatus, Side
from portfolio.exceptions import (
    InsufficientFunds,
    InvalidOrder,
    OrderNotChangeable,
    OrderNotFound,
)
from portfolio.models import KillSwitch, Order
from portfolio.services.invariants import check_invariants
from portfolio.services.orders import cancel_all, cancel_order, cancel_slots, modify_order
from portfolio.tests.factories import (
    balances,
    fill,
    give,
    make_account,
    make_book,
    make_instrument,
    make_quote,
    make_request,
    no_hint,
    number,
    place,
    send,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ongc(db):
    return make_instrument("NSE:ONGC")


@pytest.fixture
def book(alice, now):
    return make_book(make_account(alice, now=now), now=now, funds=10_000)


@pytest.fixture
def ready(book, ongc, now):
    return place(book, make_request(ongc, quantity=10), last=260, now=now)[0].order_id


@pytest.fixture
def opened(ready, now):
    send(ready, now=now)
    return ready


@pytest.fixture(autouse=True)
def _invariants_hold(db, now):
    yield
    assert check_invariants(now=now) == []


def test_what_was_not_sent_is_cancelled_at_once(ready, alice, book, now):
    hints = []
    answer = cancel_order(alice, ready, now=now, enqueue=lambda: hints.append(1))
    assert answer.status is OrderStatus.CANCELLED
    assert balances(book) == {("AVAILABLE", "INR"): number(10_000)}
    assert hints == []


def test_what_was_sent_is_asked_for_once(
    opened, alice, book, now, django_capture_on_commit_callbacks
):
    hints = []
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            answer = cancel_order(alice, opened, now=now, enqueue=lambda: hints.append(1))
            assert answer.status is OrderStatus.CANCEL_PENDING
    order = Order.objects.get()
    assert order.cancel_requested_at == now
    assert order.events.filter(kind="CANCEL_ASKED").count() == 1
    assert balances(book)["HELD", "INR"] == number("2601.3")
    assert hints[0] == 1


def test_a_cancel_works_while_killed(opened, alice, now):
    KillSwitch.objects.update(is_active=True)
    assert cancel_order(alice, opened, now=now, enqueue=no_hint).status == "CANCEL_PENDING"


def test_an_ended_order_cannot_be_cancelled(opened, alice, now):
    fill(opened, 10, 260, now=now)
    with pytest.raises(OrderNotChangeable, match="FILLED"):
        cancel_order(alice, opened, now=now, enqueue=no_hint)


def test_nobody_elses_order_can_be_touched(opened, bob, book, now):
    foreign = make_book(make_account(bob, now=now), now=now)
    for owner in (bob, foreign, foreign.pk):
        with pytest.raises(OrderNotFound):
            cancel_order(owner, opened, now=now, enqueue=no_hint)
        with pytest.raises(OrderNotFound):
            modify_order(owner, opened, price=number(259), now=now, enqueue=no_hint)
        assert cancel_all(owner, now=now, enqueue=no_hint) == 0
    assert cancel_slots(foreign.pk, ["b1-1-B-1"], now=now, enqueue=no_hint) == 0
    assert Order.objects.get().status == "OPEN"


def test_cancel_all_takes_constant_queries_and_counts_the_live(
    book, alice, ongc, now, django_assert_num_queries
):
    counts = []
    for size in (1, 30):
        requests = [make_request(ongc, quantity=1, price=200) for _ in range(size)]
        placed = place(book, *requests, last=260, now=now)
        send(*[each.order_id for each in placed[::2]], now=now)
        with django_assert_num_queries(8):
            counts.append(cancel_all(alice, now=now, enqueue=no_hint))
    assert counts == [1, 31]
    assert set(Order.objects.values_list("status", flat=True)) == {"CANCELLED", "CANCEL_PENDING"}


def test_cancel_all_of_one_instrument_or_book(book, alice, ongc, now):
    place(book, make_request(ongc, quantity=1), last=260, now=now)
    other = make_instrument("NSE:TATASTEEL").pk
    assert cancel_all(alice, now=now, enqueue=no_hint, instrument_token=other) == 0
    assert cancel_all(book, now=now, enqueue=no_hint, instrument_token=ongc.pk) == 1


def test_slots_are_cancelled_by_reference(book, ongc, now):
    slots = [make_request(ongc, quantity=1, slot_ref=f"b1-{slot}-B-{slot}") for slot in range(3)]
    place(book, *slots, last=260, now=now)
    gone = cancel_slots(book.pk, ["b1-0-B-0", "b1-2-B-2", "b9-9-B-9"], now=now, enqueue=no_hint)
    assert gone == 2
    live = Order.objects.filter(status="READY")
    assert [order.slot_ref for order in live] == ["b1-1-B-1"]


def test_what_was_not_sent_changes_at_once_and_its_hold_with_it(ready, alice, book, now):
    answer = modify_order(
        alice, ready, quantity=number(20), price=number(250), now=now, enqueue=no_hint
    )
    assert answer.status is OrderStatus.READY
    order = Order.objects.get()
    assert (order.quantity, order.price) == (20, 250)
    assert balances(book)["HELD", "INR"] == number("5002.5")
    modify_order(alice, ready, quantity=number(1), now=now, enqueue=no_hint)
    assert balances(book)["HELD", "INR"] == number("250.125")


def test_a_change_that_cannot_be_paid_changes_nothing(opened, alice, book, now):
    with pytest.raises(InsufficientFunds):
        modify_order(alice, opened, quantity=number(100), now=now, enqueue=no_hint)
    order = Order.objects.get()
    assert (order.status, order.pending_change, order.revision) == ("OPEN", None, 0)
    assert balances(book)["HELD", "INR"] == number("2601.3")


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"price": "260.03"}, "price", "NOT_TICK"),
        ({"quantity": "10.5"}, "quantity", "NOT_LOT"),
        ({"quantity": "4"}, "quantity", "BELOW_MIN"),
        ({"trigger_price": "250"}, "trigger_price", "NOT_ALLOWED"),
    ],
)
def test_a_wrong_change_names_the_field(opened, alice, now, values, field, code):
    fill(opened, 4, 260, now=now)
    wanted = {name: number(value) for name, value in values.items()}
    with pytest.raises(InvalidOrder) as caught:
        modify_order(alice, opened, now=now, enqueue=no_hint, **wanted)
    assert (caught.value.field, caught.value.code) == (field, code)


def test_an_order_that_is_being_cancelled_or_sent_cannot_change(opened, alice, now):
    cancel_order(alice, opened, now=now, enqueue=no_hint)
    with pytest.raises(OrderNotChangeable):
        modify_order(alice, opened, price=number(259), now=now, enqueue=no_hint)


def test_a_sell_can_be_changed_too(book, alice, ongc, now):
    give(book, "NSE:ONGC", 10, now=now)
    placed = place(book, make_request(ongc, Side.SELL, quantity=4), last=260, now=now)[0]
    modify_order(alice, placed.order_id, quantity=number(9), now=now, enqueue=no_hint)
    assert balances(book)["HELD", "NSE:ONGC"] == 9


def test_a_stop_cannot_be_moved_to_where_it_would_be_lost(book, alice, ongc, now):
    request = make_request(ongc, price=None, trigger=270, quantity=10)
    stop = place(book, request, last=260, now=now)[0].order_id
    quote = make_quote(ongc, 260, now=now)
    change = {"quote": quote, "now": now, "enqueue": no_hint}
    with pytest.raises(InvalidOrder) as caught:
        modify_order(alice, stop, trigger_price=number(260), **change)
    assert (caught.value.field, caught.value.code) == ("trigger_price", "ORDER")
    modify_order(alice, stop, trigger_price=number("260.05"), **change)
    # What does not move the trigger is free of where the market went.
    late = {**change, "quote": make_quote(ongc, 275, now=now)}
    modify_order(alice, stop, quantity=number(9), **late)


def test_the_worst_price_of_a_stop_moves_with_its_trigger(book, alice, ongc, now):
    request = make_request(ongc, price=None, trigger=270, quantity=10)
    stop = place(book, request, last=260, now=now)[0].order_id
    assert Order.objects.get().protection_price == number("283.5")
    modify_order(alice, stop, trigger_price=number(280), now=now, enqueue=no_hint)
    assert Order.objects.get().protection_price == 294
    # 10 x 294 and fees of 0.05 %.
    assert balances(book)["HELD", "INR"] == number("2941.47")


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_complete_fill_overtakes_a_change_to_more(book, ongc, now, side):
    give(book, ongc.base_asset, 30, now=now)
    request = make_request(ongc, side, quantity=10, price=260)
    order_id = place(book, request, last=260, now=now)[0].order_id
    send(order_id, now=now)
    modify_order(book, order_id, quantity=number(30), now=now, enqueue=no_hint)
    fill(order_id, 10, 260, now=now)
    order = Order.objects.get(pk=order_id)
    assert (order.status, order.filled_quantity, order.hold_remaining) == ("FILLED", 10, 0)
    assert order.pending_change is None
    assert [kind for kind, _ in balances(book) if kind == "HELD"] == []
