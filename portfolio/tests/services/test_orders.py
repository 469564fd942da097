"""Placing: what is held, what is stored, what is refused with nothing written."""

# Decimals are compared with plain numbers on purpose.
# mypy: disable-error-code="comparison-overlap"

from datetime import timedelta

import pytest

from market.domain.enums import FeeMode, OrderStatus, OrderType, Side, TimeInForce
from portfolio.exceptions import (
    IdempotencyConflict,
    InsufficientFunds,
    InsufficientUnits,
    InvalidOrder,
)
from portfolio.models import (
    Book,
    IdempotencyKey,
    KillSwitch,
    LedgerEntry,
    LedgerTransaction,
    Order,
    OrderEvent,
    RiskLimit,
)
from portfolio.services.orders import client_order_id, place_order, place_orders
from portfolio.tests.factories import (
    balances,
    give,
    make_account,
    make_book,
    make_instrument,
    make_quote,
    make_request,
    no_hint,
    number,
    place,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ongc(db):
    return make_instrument("NSE:ONGC")


@pytest.fixture
def book(alice, now):
    return make_book(make_account(alice, now=now), now=now, funds=100_000)


def counts():
    return tuple(m.objects.count() for m in (Order, OrderEvent, LedgerTransaction, LedgerEntry))


def test_a_buy_holds_price_times_quantity_and_the_fee(book, ongc, now):
    placed = place(book, make_request(ongc, quantity=24, price=260), last=262, now=now)[0]
    assert placed.status is OrderStatus.READY
    assert balances(book) == {
        ("AVAILABLE", "INR"): number("93756.88"),
        ("HELD", "INR"): number("6243.12"),
    }
    order = Order.objects.get()
    assert (order.pk, order.client_order_id) == (placed.order_id, placed.client_order_id)
    assert (order.hold_remaining, order.hold_asset) == (number("6243.12"), "INR")
    assert order.market_time == now
    event = order.events.get()
    assert (event.kind, event.to_status, event.sequence, event.book_seq) == (
        "CREATED", "READY", 1, None,
    )  # fmt: skip
    assert order.last_event_hash == event.hash
    assert (order.event_count, Book.objects.get(pk=book.pk).event_seq) == (1, 0)


def test_a_sell_holds_units(book, ongc, now):
    give(book, "NSE:ONGC", 30, now=now)
    place(book, make_request(ongc, Side.SELL, quantity=24), last=262, now=now)
    assert balances(book)["HELD", "NSE:ONGC"] == 24
    assert balances(book)["AVAILABLE", "NSE:ONGC"] == 6
    with pytest.raises(InsufficientUnits) as caught:
        place(book, make_request(ongc, Side.SELL, quantity=7), last=262, now=now)
    assert (caught.value.needed, caught.value.available) == (7, 6)
    assert str(caught.value) == "7 NSE:ONGC needed, 6 NSE:ONGC available"


def test_a_buy_in_received_mode_holds_no_fee(alice, ongc, now):
    account = make_account(alice, now=now, fee_mode=FeeMode.RECEIVED)
    book = make_book(account, now=now, funds=2600)
    place(book, make_request(ongc, quantity=10, price=260), last=262, now=now)
    assert balances(book) == {("HELD", "INR"): number(2600)}


def test_a_market_buy_holds_its_protection(book, ongc, now):
    place(book, make_request(ongc, price=None, quantity=10), last=260, now=now)
    order = Order.objects.get()
    assert (order.order_type, order.price, order.protection_price) == ("MARKET", None, 273)
    assert order.hold_remaining == number("2731.365")


def test_a_day_order_knows_when_it_ends(book, ongc, now):
    day = make_request(ongc, time_in_force=TimeInForce.DAY)
    place(book, day, make_request(ongc, price=259), last=260, now=now)
    first, second = Order.objects.order_by("pk")
    # 05:55 in India of the next morning.
    assert first.expires_at is not None
    assert first.expires_at.isoformat() == "2026-03-03T00:25:00+00:00"
    assert second.expires_at is None


def test_money_for_exactly_one_more_order_is_enough(alice, ongc, now):
    book = make_book(make_account(alice, now=now), now=now, funds="2601.3")
    place(book, make_request(ongc, quantity=10, price=260), last=260, now=now)
    before = counts()
    with pytest.raises(InsufficientFunds) as caught:
        place(book, make_request(ongc, quantity=1, price=200), last=200, now=now)
    assert caught.value.asset == "INR"
    assert counts() == before


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"price": "260.03"}, "price", "NOT_TICK"),
        ({"quantity": "1.5"}, "quantity", "NOT_LOT"),
        ({"quantity": 0}, "quantity", "BELOW_MIN"),
        ({"price": 260, "trigger": 270}, "price", "ORDER"),
    ],
)
def test_a_wrong_request_writes_nothing(book, ongc, now, values, field, code):
    before = counts()
    with pytest.raises(InvalidOrder) as caught:
        place(book, make_request(ongc), make_request(ongc, **values), last=260, now=now)
    assert (caught.value.field, caught.value.code) == (field, code)
    assert counts() == before


def test_an_instrument_of_another_currency_is_refused(book, now):
    bitcoin = make_instrument("BINANCE:BTCUSDT")
    with pytest.raises(InvalidOrder, match="USDT"):
        place(book, make_request(bitcoin, quantity="0.001", price=50_000), last=50_000, now=now)


def test_a_closed_book_takes_no_orders(book, ongc, now):
    Book.objects.filter(pk=book.pk).update(closed_at=now)
    with pytest.raises(InvalidOrder, match="no orders"):
        place(book, make_request(ongc), last=260, now=now)


def test_policy_denies_with_a_row_and_holds_nothing(book, ongc, now):
    placed = place(book, make_request(ongc, price=290), last=260, now=now)[0]
    assert (placed.status, placed.code) == (OrderStatus.DENIED, "R4_PRICE_BAND")
    order = Order.objects.get()
    assert (order.status, order.status_code, order.hold_remaining) == ("DENIED", placed.code, 0)
    assert placed.message == order.status_message != ""
    assert balances(book) == {("AVAILABLE", "INR"): number(100_000)}
    # The book's owner hears of it.
    assert order.events.get().book_seq == 1
    assert Book.objects.get(pk=book.pk).event_seq == 1


def test_a_stale_or_missing_price_denies(book, ongc, now, django_capture_on_commit_callbacks):
    hints = []
    old = make_quote(ongc, 260, now=now - timedelta(seconds=11))
    for quote in (old, None):
        with django_capture_on_commit_callbacks(execute=True):
            placed = place_order(
                book.pk, make_request(ongc), quote=quote, now=now, enqueue=lambda: hints.append(1)
            )
        assert placed.code == "R12_STALE_QUOTE"
    assert hints == []


def test_the_gateway_gets_one_hint_per_batch_after_the_commit(
    book, ongc, now, django_capture_on_commit_callbacks
):
    hints = []
    quote = make_quote(ongc, 260, now=now)
    with django_capture_on_commit_callbacks(execute=True):
        place_order(
            book.pk, make_request(ongc), quote=quote, now=now, enqueue=lambda: hints.append(1)
        )
        assert hints == []
    assert hints == [1]


@pytest.mark.parametrize("scope", ["PLATFORM", "USER", "VENUE_ACCOUNT", "BOOK"])
def test_an_active_switch_denies(book, ongc, now, scope):
    keys = {"USER": book.user_id, "VENUE_ACCOUNT": book.venue_account_id, "BOOK": book.pk}
    switch = KillSwitch.objects.filter(scope=scope, key=keys.get(scope, 0))
    assert switch.update(is_active=True, reason="drill") == 1
    placed = place(book, make_request(ongc), last=260, now=now)[0]
    assert (placed.code, placed.message) == ("KILL_SWITCH", "Trading is stopped: drill")


def test_a_switch_of_somebody_else_does_not_deny(book, bob, ongc, now):
    make_account(bob, now=now)
    KillSwitch.objects.filter(scope="USER", key=bob.pk).update(is_active=True)
    assert place(book, make_request(ongc), last=260, now=now)[0].status is OrderStatus.READY


def test_limits_count_the_orders_of_the_same_batch(book, alice, ongc, now):
    RiskLimit.objects.create(user=alice, max_open_value=5200)
    requests = [make_request(ongc, price=260, quantity=10) for _ in range(3)]
    codes = [placed.code for placed in place(book, *requests, last=260, now=now)]
    assert codes == ["", "", "R7_OPEN_VALUE"]
    assert place(book, make_request(ongc, quantity=1), last=260, now=now)[0].code == codes[-1]


def test_a_position_limit_counts_what_is_on_order(book, alice, ongc, now):
    RiskLimit.objects.create(user=alice, book=book, max_position_value=5200)
    requests = [make_request(ongc, price=260, quantity=10) for _ in range(3)]
    codes = [placed.code for placed in place(book, *requests, last=260, now=now)]
    assert codes == ["", "", "R8_POSITION"]


def test_the_same_slot_gives_the_same_order(book, ongc, now):
    request = make_request(ongc, slot_ref="b7-4-B-5")
    first = place(book, request, last=260, now=now)[0]
    after = counts()
    assert place(book, request, last=999, now=now + timedelta(days=9))[0] == first
    assert counts() == after
    with pytest.raises(IdempotencyConflict):
        place(book, make_request(ongc, slot_ref="b7-4-B-5", quantity=11), last=260, now=now)


def test_a_batch_places_only_what_is_new(book, ongc, now):
    first = place(book, make_request(ongc, slot_ref="b7-1-B-1"), last=260, now=now)[0]
    both = place(
        book,
        make_request(ongc, slot_ref="b7-1-B-1"),
        make_request(ongc, slot_ref="b7-2-B-2"),
        last=260,
        now=now,
    )
    assert both[0] == first
    assert [placed.slot_ref for placed in both] == ["b7-1-B-1", "b7-2-B-2"]
    assert Order.objects.count() == 2


def test_the_same_key_gives_the_same_order_and_other_parameters_conflict(book, ongc, now):
    request = make_request(ongc, key="k1")
    first = place(book, request, last=260, now=now)[0]
    again = place(book, request, last=260, now=now)[0]
    assert again == first
    with pytest.raises(IdempotencyConflict):
        place(book, make_request(ongc, key="k1", quantity=11), last=260, now=now)
    assert (Order.objects.count(), IdempotencyKey.objects.count()) == (1, 1)


def test_keys_of_two_users_do_not_meet(book, bob, ongc, now):
    other = make_book(make_account(bob, now=now), now=now, funds=100_000)
    mine = place(book, make_request(ongc, key="k1"), last=260, now=now)[0]
    theirs = place(other, make_request(ongc, key="k1"), last=260, now=now)[0]
    assert mine.order_id != theirs.order_id


def test_client_ids_are_hashes_of_the_slot_or_random():
    assert client_order_id("b7-4-B-5", 1) == client_order_id("b7-4-B-5", 1)
    assert client_order_id("b7-4-B-5", 1) != client_order_id("b7-4-B-5", 2)
    assert client_order_id(None, 1) != client_order_id(None, 1)
    for each in (client_order_id("b7-4-B-5", 1), client_order_id(None, 1)):
        assert len(each) == 28
        assert each.startswith("fb")
        assert each.isalnum()


def test_placing_takes_the_same_number_of_queries_for_one_and_two_hundred(
    book, ongc, now, django_assert_num_queries
):
    quotes = make_quote(ongc, 260, now=now)
    place(book, make_request(ongc), last=260, now=now)
    for size, first in ((1, 0), (200, 1)):
        slots = range(first, first + size)
        requests = [make_request(ongc, quantity=1, slot_ref=f"b7-{slot}-B-1") for slot in slots]
        # Lock, pots and policy go in one round trip, the writes in another.
        with django_assert_num_queries(5):
            place_orders(book.pk, requests, quotes={ongc.pk: quotes}, now=now, enqueue=no_hint)
    assert Order.objects.count() == 202


def test_stops_need_a_trigger_and_hold_their_worst_price(book, ongc, now):
    request = make_request(ongc, price=None, trigger=270, quantity=10)
    assert request.order_type is OrderType.SL_M
    place(book, request, last=260, now=now)
    assert Order.objects.get().protection_price == number("283.5")


def test_a_stop_that_is_reached_already_is_refused_with_nothing_written(book, ongc, now):
    with pytest.raises(InvalidOrder, match=r"above the market price 260\.00") as caught:
        place(book, make_request(ongc, price=None, trigger=255, quantity=10), last=260, now=now)
    assert (caught.value.field, caught.value.code) == ("trigger_price", "ORDER")
    assert caught.value.minimum == number("260.05")
    assert not Order.objects.exists()
