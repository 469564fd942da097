"""Indian charges in the ledger: fills, holds, seeds, and how an account comes to them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market.domain.enums import FeeMode, Product, Side
from portfolio.domain.account_fees import Deal, FeeKind
from portfolio.domain.charges import Segment, order_charges
from portfolio.exceptions import AccountRefused, InsufficientFunds, InvalidOrder
from portfolio.models import ChargeRates, FeeSchedule, Order, Position, Trade
from portfolio.selectors.charges import charge_table, fees_of
from portfolio.services.charges import set_fee_kind
from portfolio.services.intraday import intraday_book
from portfolio.services.invariants import check_invariants
from portfolio.services.orders import cancel_order
from portfolio.tests.factories import (
    balances,
    fill,
    make_account,
    make_book,
    make_instrument,
    make_request,
    no_hint,
    number,
    place,
    send,
    trade_now,
)

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def account(alice, now):
    made = make_account(alice, now=now - timedelta(days=1))
    assert set_fee_kind(made, FeeKind.INDIAN_EQUITY, now=now)
    return made


@pytest.fixture
def book(account, now):
    return make_book(account, now=now, funds=1_000_000)


def money(book):
    found = balances(book)
    return found.get(("AVAILABLE", "INR"), D(0)), found.get(("HELD", "INR"), D(0))


def assert_sound(now):
    names = ("I1", "I2", "I3", "I6", "I7")
    assert check_invariants(now=now, names=names) == []


def test_the_published_rates_are_there():
    table = charge_table()
    found = {
        (exchange, text): table.at(exchange, Segment.DELIVERY, datetime.fromisoformat(text))
        for exchange, text in (
            ("BSE", "2026-11-20T10:00+05:30"),
            ("NSE", "2023-07-10T10:00+05:30"),
            ("NSE", "2024-09-30T23:59+05:30"),
            ("NSE", "2024-10-01T00:00+05:30"),
            ("NSE", "2026-02-28T23:59+05:30"),
            ("NSE", "2026-03-01T00:00+05:30"),
        )
    }
    told = [
        (each.exchange_turnover.normalize(), each.investor_protection.normalize())
        for each in found.values()
    ]
    assert told == [
        (D("0.0000375"), 0),
        (D("0.0000325"), D("0.000001")),
        (D("0.0000325"), D("0.000001")),
        (D("0.0000297"), D("0.000001")),
        (D("0.0000297"), D("0.000001")),
        (D("0.000030699"), D("0.000000001")),
    ]


def test_a_delivery_round_trip_to_the_last_digit(book, now):
    ongc = make_instrument()
    order_id = place(book, make_request(ongc, quantity=100, price=250), last=250, now=now)[
        0
    ].order_id
    # 25,000 and 0.118741 % of it, the worst that may come.
    assert money(book) == (D("974970.31475"), D("25029.68525"))
    send(order_id, now=now)
    fill(order_id, 100, 250, now=now)
    assert money(book) == (D("974970.3148545"), 0)
    trade_now(book, ongc, Side.SELL, quantity=100, price=260, now=now)
    assert money(book)[0] == D("974970.3148545") + 26000 - D("26.97255132")
    assert [trade.fee for trade in Trade.objects.order_by("pk")] == [
        D("29.6851455"),
        D("26.97255132"),
    ]
    position = Position.objects.get()
    assert (position.realised, position.fees_quote) == (1000, D("56.65769682"))
    assert_sound(now)


def test_the_cap_counts_once_for_an_order_in_parts(book, account, now):
    ongc = make_instrument()
    intraday = intraday_book(account, now=now)
    request = replace(make_request(ongc, quantity=800, price=250), product=Product.MIS)
    order_id = place(intraday, request, last=250, now=now)[0].order_id
    send(order_id, now=now)
    fill(order_id, 400, 250, now=now)
    fill(order_id, 400, 250, now=now)
    # 20 of brokerage and its GST are in the first one.
    assert [trade.fee for trade in Trade.objects.order_by("pk")] == [
        D("30.340582"),
        D("6.740582"),
    ]
    deal = Deal(Side.BUY, "NSE", Product.MIS, now)
    told = fees_of(account, at=now).of_order(deal, D(800), D(250))
    assert told.total == D("37.081164")
    assert money(book)[0] + money(intraday)[0] == 1_000_000 - 200_000 - told.total
    assert_sound(now)


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.integers(1, 300), st.integers(4800, 5000)), min_size=2, max_size=4))
def test_fees_of_any_fills_are_the_charges_of_the_order(account, now, traded):
    with transaction.atomic():
        intraday = intraday_book(account, now=now)
        make_book(account, now=now, funds=1_000_000)
        total = sum(quantity for quantity, _ in traded)
        request = replace(make_request(make_instrument(), quantity=total), product=Product.MIS)
        order_id = place(intraday, request, last=250, now=now)[0].order_id
        send(order_id, now=now)
        value = D(0)
        for quantity, ticks in traded:
            price = ticks * D("0.05")
            fill(order_id, quantity, price, now=now)
            value += quantity * price
        rates = charge_table().at("NSE", Segment.INTRADAY, now)
        booked = sum(trade.fee for trade in Trade.objects.filter(order=order_id))
        assert booked == order_charges(Side.BUY, value, rates).total
        assert Order.objects.get(pk=order_id).hold_remaining == 0
        transaction.set_rollback(True)


def test_a_short_round_trip_pays_the_tax_of_the_sale(book, account, now):
    ongc = make_instrument()
    intraday = intraday_book(account, now=now)
    for side in (Side.SELL, Side.BUY):
        request = replace(make_request(ongc, side, quantity=100, price=250), product=Product.MIS)
        order_id = place(intraday, request, last=250, now=now)[0].order_id
        send(order_id, now=now)
        fill(order_id, 100, 250, now=now)
    # 25,000 sold: brokerage 7.5, tax 6.25, 0.7675, 0.025 and GST; then bought back.
    assert [trade.fee for trade in Trade.objects.order_by("pk")] == [
        D("16.0351455"),
        D("10.5351455"),
    ]
    assert money(book)[0] + money(intraday)[0] == 1_000_000 - D("26.570291")
    assert_sound(now)


def test_the_hold_is_what_the_charges_may_come_to(account, now):
    """25,029.68525 covers 100 at 250; a paisa less does not."""
    ongc, exact = make_instrument(), "25029.68525"
    book = make_book(account, now=now, funds=number(exact) - D("0.01"))
    request = make_request(ongc, quantity=100, price=250)
    with pytest.raises(InsufficientFunds):
        place(book, request, last=250, now=now)
    assert not Order.objects.exists()
    make_book(account, now=now, funds="0.01")
    order_id = place(book, request, last=250, now=now)[0].order_id
    send(order_id, now=now)
    fill(order_id, 100, 250, now=now)
    assert money(book) == (D("0.0001045"), 0)


def test_a_hold_knows_of_dearer_rates_that_are_announced(book, now):
    """An order that rests until they begin is still covered."""
    latest = ChargeRates.objects.filter(exchange="NSE", segment="DELIVERY").last()
    latest.pk, latest.tax_buy = None, D("0.002")
    latest.valid_from = now + timedelta(days=3)
    latest.save(force_insert=True)
    request = make_request(make_instrument(), quantity=100, price=250)
    order_id = place(book, request, last=250, now=now)[0].order_id
    assert money(book)[1] == D("25054.68525")
    send(order_id, now=now)
    fill(order_id, 40, 250, now=now)
    fill(order_id, 60, 250, now=now + timedelta(days=4))
    rates = charge_table().at("NSE", Segment.DELIVERY, now)
    # By the rates of each fill's own day.
    assert [trade.fee for trade in Trade.objects.order_by("pk")] == [
        order_charges(Side.BUY, D(10000), rates).total,
        order_charges(Side.BUY, D(15000), rates).total + 15,
    ]
    assert_sound(now)


def test_an_exchange_without_rates_takes_no_order_of_such_an_account(book, now):
    ongc = make_instrument()
    request = make_request(ongc)
    elsewhere = replace(request, instrument=replace(request.instrument, exchange="NFO"))
    with pytest.raises(InvalidOrder, match="no charge rates for NFO"):
        place(book, elsewhere, last=250, now=now)
    assert not Order.objects.exists()


# ------------------------------------------------------------------------------ the account


def test_paper_accounts_are_flat_until_somebody_chooses(alice, now):
    account = make_account(alice, now=now)
    assert fees_of(account, at=now).kind is FeeKind.FLAT
    assert not set_fee_kind(account, FeeKind.FLAT, now=now)
    assert account.fee_schedules.count() == 1


def test_the_schedule_of_the_moment_counts(account, now):
    assert fees_of(account, at=now).kind is FeeKind.INDIAN_EQUITY
    assert fees_of(account, at=now - timedelta(seconds=1)).kind is FeeKind.FLAT
    assert fees_of(account, at=datetime(2020, 1, 1, tzinfo=UTC)).kind is FeeKind.FLAT


def refused(account, words, *, now):
    before = list(FeeSchedule.objects.values_list())
    with pytest.raises(AccountRefused, match=words) as error:
        set_fee_kind(account, FeeKind.INDIAN_EQUITY, now=now)
    assert error.value.field == "kind"
    assert list(FeeSchedule.objects.values_list()) == before


def test_what_keeps_an_account_from_it(alice, now):
    refused(make_account(alice, now=now, asset="USDT"), "settles in USDT", now=now)
    in_units = make_account(alice, now=now, fee_mode=FeeMode.RECEIVED)
    refused(in_units, "pays its fees in units", now=now)
    account = make_account(alice, now=now)
    make_book(account, now=now, kind="BOT")
    refused(account, "Bots run on", now=now)


def test_open_orders_are_ended_first(alice, now):
    account = make_account(alice, now=now)
    book = make_book(account, now=now, funds=10_000)
    order_id = place(book, make_request(make_instrument()), last=262, now=now)[0].order_id
    later = now + timedelta(seconds=1)
    refused(account, "has open orders", now=later)
    cancel_order(alice, order_id, now=later, enqueue=no_hint)
    assert set_fee_kind(account, FeeKind.INDIAN_EQUITY, now=later)


def test_a_schedule_of_charges_has_no_flat_rate(account, now):
    with pytest.raises(IntegrityError, match="fee_kind_has_its_rates"), transaction.atomic():
        FeeSchedule.objects.create(
            venue_account=account,
            kind=FeeKind.INDIAN_EQUITY,
            maker_rate="0.1",
            taker_rate=0,
            valid_from=now + timedelta(days=1),
        )
