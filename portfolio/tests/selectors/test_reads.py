"""Reads: exact values, constant queries, and nothing of anybody else's."""

# Decimals are compared with plain numbers on purpose.
# mypy: disable-error-code="comparison-overlap"

from typing import Any

import pytest

from market.domain.enums import Side
from portfolio.exceptions import OrderNotFound
from portfolio.models import (
    Book,
    FeeSchedule,
    IdempotencyKey,
    LedgerAccount,
    LedgerEntry,
    Order,
    OrderEvent,
    Position,
    RiskLimit,
    Trade,
    VenueAccount,
    VenueEvent,
)
from portfolio.selectors.funds import account_funds, book_funds
from portfolio.selectors.orders import (
    book_events_after,
    book_of,
    books_of,
    open_orders_of_book,
    orders_by_slot,
)
from portfolio.selectors.profit import book_holdings, profit_by_asset
from portfolio.tests.factories import (
    make_account,
    make_book,
    make_instrument,
    make_request,
    number,
    place,
    trade_now,
)

pytestmark = pytest.mark.django_db

OWNED: list[Any] = [
    Book, FeeSchedule, IdempotencyKey, LedgerAccount, LedgerEntry, Order, OrderEvent, Position,
    RiskLimit, Trade, VenueAccount, VenueEvent,
]  # fmt: skip


@pytest.fixture
def ongc(db):
    return make_instrument("NSE:ONGC")


@pytest.fixture
def book(alice, ongc, now):
    book = make_book(make_account(alice, now=now), now=now, funds=100_000)
    trade_now(book, ongc, quantity=10, price=250, now=now)
    trade_now(book, ongc, Side.SELL, quantity=4, price=260, now=now)
    place(book, make_request(ongc, quantity=2, key="k", slot_ref="b1-1-B-1"), last=260, now=now)
    RiskLimit.objects.create(user=alice, max_order_value=10**6)
    return book


def test_every_model_of_a_users_data_shows_it_to_the_user_only(book, alice, bob, now):
    make_book(make_account(bob, now=now), now=now, funds=5)
    for model in OWNED:
        assert model.objects.for_user(alice).exists(), model
        mine = set(model.objects.for_user(alice).values_list("pk", flat=True))
        theirs = set(model.objects.for_user(bob).values_list("pk", flat=True))
        assert not mine & theirs, model


def test_books_of_somebody_else_do_not_exist(book, alice, bob):
    assert book_of(alice, book.pk) == book
    with pytest.raises(OrderNotFound):
        book_of(bob, book.pk)
    assert list(books_of(bob)) == []
    assert account_funds(bob, book.venue_account_id) == {}
    assert profit_by_asset(bob, {}) == {}


def test_funds_of_a_book_and_of_its_account(book, alice, now):
    other = make_book(book.venue_account, now=now, funds=7, kind="BOT")
    assert book_funds(book.pk)["INR"].held == number("520.26")
    assert book_funds(book.pk)["NSE:ONGC"].total == 6
    assert book_funds(other.pk)["INR"].available == 7
    # 100,000 + 7 - 2,500 + 1,040, fees of 0.05 % of 3,540.
    assert account_funds(alice, book.venue_account_id)["INR"].total == number("98545.23")


def test_profit_is_realised_and_unrealised_less_fees(book, alice, ongc):
    profit = profit_by_asset(alice, {ongc.pk: number(255)})["INR"]
    assert (profit.realised, profit.unrealised, profit.fees) == (40, 30, number("1.77"))
    assert profit.total == number("68.23")
    assert profit_by_asset(alice, {})["INR"].unrealised == 0
    assert book_holdings(book.pk)[ongc.pk].quantity == 6


def test_open_orders_and_slots(book):
    assert [order.slot_ref for order in open_orders_of_book(book.pk)] == ["b1-1-B-1"]
    assert set(orders_by_slot(book.pk, ["b1-1-B-1", "b1-2-B-2"])) == {"b1-1-B-1"}


def test_a_books_events_are_one_query(book, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert len(book_events_after(book.pk, 0)) == 4
    assert [event.book_seq for event in book_events_after(book.pk, 0, limit=2)] == [1, 2]
