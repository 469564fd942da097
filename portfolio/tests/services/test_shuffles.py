"""P4 of trust.md: whatever order reports come in, and how often, each fill counts once."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market.domain.enums import FeeMode, Side
from market.domain.messages import ExecutionReport, ReportKind
from portfolio.models import Order, Position, Trade, VenueEvent
from portfolio.services.executions import apply_inbox, store_reports
from portfolio.services.invariants import check_invariants
from portfolio.tests.factories import (
    SHARD,
    give,
    make_account,
    make_book,
    make_instrument,
    make_report,
    make_request,
    number,
    place,
    send,
)

# 50 examples of 40 orders each are 2,000 shuffled lives.
ORDERS = 40


def life_of(order_id, chance, *, now):
    """Return what a venue says of one order: trades, perhaps too many, perhaps an end."""
    first, left = make_report(order_id, now=now, quantity=1, price=260), 10
    reports: list[ExecutionReport] = []

    def said(**values):
        key = f"{first.dedupe_key}.{len(reports)}"
        reports.append(replace(first, dedupe_key=key, venue_trade_id=key, **values))

    while left and chance.random() < 0.8:
        quantity = chance.randint(1, left)
        left -= quantity
        price = number(260) - chance.randint(0, 40) * number("0.05")
        said(quantity=number(quantity), price=price, cumulative_quantity=number(10 - left))
    if left and chance.random() < 0.5:
        kind = chance.choice([ReportKind.CANCELLED, ReportKind.EXPIRED])
        said(kind=kind, cumulative_quantity=number(10 - left))
    if not left and chance.random() < 0.3:
        said(quantity=number(1))
    return reports


def shuffled(reports, chance):
    """Return the reports in any order, 30 % of them again: word for word or under a new key."""
    again = [report for report in reports if chance.random() < 0.3]
    renamed = [
        replace(report, dedupe_key=f"again {report.dedupe_key}")
        for report in again
        if chance.random() < 0.5
    ]
    result = [*reports, *again, *renamed]
    chance.shuffle(result)
    return result


@pytest.fixture
def books(db, alice, now):
    make_instrument()
    made = []
    for mode in FeeMode:
        account = make_account(alice, now=now, fee="0.00071", fee_mode=mode)
        book = make_book(account, now=now, funds=1_000_000)
        give(book, "NSE:ONGC", 1000, now=now)
        made.append(book)
    return made


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_position_is_the_sum_of_the_trades_in_any_order(books, now, seed):
    chance = Random(seed)  # noqa: S311 - a test's choice
    with transaction.atomic():
        _run(books, chance, now=now)
        transaction.set_rollback(True)


def _run(books, chance, *, now):
    ongc = make_instrument("NSE:ONGC")
    ids, said = [], []
    for book in books:
        sides = [chance.choice(list(Side)) for _ in range(ORDERS // len(books))]
        requests = [make_request(ongc, side, quantity=10, price=260) for side in sides]
        ids += [placed.order_id for placed in place(book, *requests, last=260, now=now)]
    send(*ids, now=now)
    for order_id in ids:
        said += life_of(order_id, chance, now=now)
    reports = shuffled(said, chance)
    middle = chance.randint(0, len(reports))
    for part in (reports[:middle], reports[middle:]):
        store_reports(part, fence=0, shard=SHARD, now=now)
        while apply_inbox(chance.randint(1, 50), shard=SHARD, fence=0, now=now):
            pass
    while apply_inbox(50, shard=SHARD, fence=0, now=now + timedelta(minutes=2)):
        pass
    assert not VenueEvent.objects.filter(applied_at=None).exists()
    _check(said, ids, now=now)


def _check(said, ids, *, now):
    dead = {
        event.payload["venue_trade_id"]
        for event in VenueEvent.objects.exclude(error="")
        if event.payload["kind"] == "TRADE"
    }
    expected = {report.venue_trade_id for report in said if report.kind is ReportKind.TRADE} - dead
    trades = Trade.objects.filter(order__in=ids)
    assert sorted(trade.venue_trade_id for trade in trades) == sorted(expected)
    for order in Order.objects.filter(pk__in=ids).prefetch_related("trades"):
        assert order.filled_quantity == sum(t.quantity for t in order.trades.all()) <= 10
    for position in Position.objects.all():
        of_book = [trade for trade in trades if trade.book_id == position.book_id]
        signed = sum(t.quantity if t.side == Side.BUY else -t.quantity for t in of_book)
        assert position.quantity == 1000 + signed - position.fees_base
    broken = {violation.invariant for violation in check_invariants(now=now)}
    # Fills beyond the order are kept aside and named, and nothing else is wrong.
    assert broken == ({"I4"} if dead else set())
