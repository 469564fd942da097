"""Deposits, transfers, paper accounts and the closing of books."""

# Decimals are compared with plain numbers on purpose.
# mypy: disable-error-code="comparison-overlap"

import pytest

from market.domain.enums import Side
from portfolio.exceptions import InsufficientFunds, InsufficientUnits, InvalidOrder
from portfolio.models import Book, KillSwitch, LedgerTransaction, Position, VenueAccount
from portfolio.services.accounts import manual_book, open_paper_accounts
from portfolio.services.books import ack_book_events, close_book, set_trading_state
from portfolio.services.invariants import check_invariants
from portfolio.services.ledger import deposit, transfer, withdraw
from portfolio.tests.factories import (
    balances,
    give,
    make_account,
    make_book,
    make_instrument,
    make_request,
    number,
    place,
    send,
    trade_now,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(alice, now):
    make_instrument()
    return make_account(alice, now=now)


@pytest.fixture
def manual(account, now):
    return make_book(account, now=now, funds=50_000)


@pytest.fixture
def bot_book(account, now):
    return make_book(account, now=now, kind="BOT")


@pytest.fixture(autouse=True)
def _invariants_hold(db, now):
    yield
    assert check_invariants(now=now) == []


def test_paper_accounts_have_their_money_fees_and_switches_and_come_once(alice, now):
    accounts = open_paper_accounts(alice, now=now)
    assert open_paper_accounts(alice, now=now) == accounts
    assert [account.settlement_asset for account in accounts] == ["INR", "USDT"]
    assert balances(manual_book(accounts[0])) == {("AVAILABLE", "INR"): number(1_000_000)}
    assert balances(manual_book(accounts[1])) == {("AVAILABLE", "USDT"): number(10_000)}
    for account in accounts:
        schedule = account.fee_schedules.get()
        assert (schedule.maker_rate, schedule.taker_rate) == (number("0.0005"),) * 2
        assert KillSwitch.objects.filter(scope="VENUE_ACCOUNT", key=account.pk).exists()
    assert VenueAccount.objects.for_user(alice).count() == 2


def test_a_deposit_with_the_same_ref_comes_once(manual, now):
    for expected in (True, False):
        given = {"asset": "INR", "amount": number(5), "ref": "once", "now": now}
        assert deposit(manual.pk, **given) is expected
    assert balances(manual)["AVAILABLE", "INR"] == 50_005


def test_a_transfer_moves_exactly_and_comes_once(manual, bot_book, now):
    for expected in (True, False):
        moved = transfer(
            manual.pk, bot_book.pk, asset="INR", amount=number("12345.67"), ref="b1", now=now
        )
        assert moved is expected
    assert balances(manual)["AVAILABLE", "INR"] == number("37654.33")
    assert balances(bot_book)["AVAILABLE", "INR"] == number("12345.67")


def test_more_than_there_is_cannot_move_and_held_money_cannot_either(manual, bot_book, now):
    place(manual, make_request(make_instrument(), quantity=100), last=260, now=now)
    before = LedgerTransaction.objects.count()
    with pytest.raises(InsufficientFunds) as caught:
        transfer(manual.pk, bot_book.pk, asset="INR", amount=number(24_000), ref="b1", now=now)
    assert caught.value.available == number("23987")
    assert LedgerTransaction.objects.count() == before


@pytest.mark.parametrize("amount", ["0", "-5", "NaN", "Infinity"])
def test_only_amounts_above_zero_move(manual, bot_book, now, amount):
    with pytest.raises(InvalidOrder, match="above 0"):
        transfer(manual.pk, bot_book.pk, asset="INR", amount=number(amount), ref="x", now=now)


def test_money_stays_within_its_account(manual, bob, now):
    foreign = make_book(make_account(bob, now=now), now=now)
    for other in (foreign.pk, manual.pk, 10**9):
        with pytest.raises(InvalidOrder):
            transfer(manual.pk, other, asset="INR", amount=number(1), ref="x", now=now)
    assert balances(foreign) == {}


def test_units_take_their_share_of_the_cost_along(manual, bot_book, now):
    trade_now(manual, make_instrument(), quantity=10, price=250, now=now)
    trade_now(manual, make_instrument(), quantity=20, price=265, now=now)
    transfer(manual.pk, bot_book.pk, asset="NSE:ONGC", amount=number(12), ref="u", now=now)
    left, moved = Position.objects.order_by("pk")
    assert (left.quantity, left.cost, moved.quantity, moved.cost) == (18, 4680, 12, 3120)
    trade_now(bot_book, make_instrument(), Side.SELL, quantity=12, price=270, now=now)
    assert Position.objects.get(book=bot_book).realised == 120


def test_units_that_are_not_there_do_not_move(manual, bot_book, now):
    give(manual, "NSE:ONGC", 5, now=now)
    with pytest.raises(InsufficientUnits):
        transfer(manual.pk, bot_book.pk, asset="NSE:ONGC", amount=number(6), ref="u", now=now)
    assert balances(manual)["AVAILABLE", "NSE:ONGC"] == 5


def test_money_and_units_can_leave(manual, now):
    give(manual, "NSE:ONGC", 5, now=now)
    assert withdraw(manual.pk, asset="NSE:ONGC", amount=number(5), ref="w1", now=now)
    assert withdraw(manual.pk, asset="INR", amount=number(50_000), ref="w2", now=now)
    assert balances(manual) == {}


def test_a_book_closes_empty_and_for_good(manual, bot_book, now):
    give(bot_book, "INR", 5000, now=now)
    with pytest.raises(InvalidOrder, match="still holds"):
        close_book(bot_book.pk, now=now)
    placed = place(bot_book, make_request(make_instrument()), last=260, now=now)[0]
    with pytest.raises(InvalidOrder, match="open orders"):
        close_book(bot_book.pk, now=now)
    send(placed.order_id, now=now)
    close_book(make_book(bot_book.venue_account, now=now, kind="BOT").pk, now=now)
    assert Book.objects.filter(closed_at=now).count() == 1


def test_acknowledging_goes_forward_only_and_not_beyond_the_news(bot_book, now):
    give(bot_book, "INR", 5000, now=now)
    placed = place(bot_book, make_request(make_instrument()), last=260, now=now)[0]
    send(placed.order_id, now=now)
    seen = []
    for seq in (1, 0, 99):
        ack_book_events(bot_book.pk, seq)
        seen.append(Book.objects.get(pk=bot_book.pk).consumed_seq)
    assert seen == [1, 1, 1]


def test_a_halted_book_denies(manual, now):
    set_trading_state(manual.pk, "HALTED")
    placed = place(manual, make_request(make_instrument()), last=260, now=now)[0]
    assert placed.code == "BOOK_HALTED"
