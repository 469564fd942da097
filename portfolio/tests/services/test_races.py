"""Threads against one book: exactly what can be paid is accepted, and nothing deadlocks."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from random import Random
from threading import Barrier

import pytest
from django.db import OperationalError, connection

from market.domain.enums import OrderStatus, Side
from market.domain.messages import ReportKind
from portfolio.exceptions import InsufficientFunds, OrderNotChangeable
from portfolio.models import Order
from portfolio.services.executions import apply_report
from portfolio.services.invariants import check_invariants
from portfolio.services.ledger import transfer
from portfolio.services.orders import cancel_order
from portfolio.tests.factories import (
    balances,
    give,
    make_account,
    make_book,
    make_instrument,
    make_report,
    make_request,
    no_hint,
    number,
    place,
    send,
)

# A third over what the pool of connections holds would only measure the pool.
THREADS = 6


@pytest.fixture
def ongc(real_db):
    return make_instrument("NSE:ONGC")


@pytest.fixture
def account(real_db, alice, now):
    return make_account(alice, now=now)


def in_threads(work, *, each):
    """Run `work(number)` in threads that start together; each thread closes its connection."""
    barrier = Barrier(THREADS)

    def thread(first):
        barrier.wait()
        try:
            return [work(first + step * THREADS) for step in range(each)]
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return [result for results in pool.map(thread, range(THREADS)) for result in results]


@pytest.mark.parametrize("side", list(Side))
def test_a_race_for_funds_accepts_exactly_what_can_be_paid(account, ongc, now, side):
    book = make_book(account, now=now, funds="2601.3")
    give(book, "NSE:ONGC", 10, now=now)

    def try_one(_):
        try:
            return place(book, make_request(ongc, side, quantity=1), last=260, now=now)[0].status
        except InsufficientFunds:
            return "refused"

    results = Counter(in_threads(try_one, each=20))
    assert results == {OrderStatus.READY: 10, "refused": 6 * 20 - 10}
    held = {Side.BUY: ("HELD", "INR"), Side.SELL: ("HELD", "NSE:ONGC")}[side]
    assert balances(book)[held] == (number("2601.3") if side is Side.BUY else 10)
    assert check_invariants(now=now) == []


def test_fifty_parallel_posts_of_five_keys_make_five_orders(account, ongc, now):
    book = make_book(account, now=now, funds=100_000)

    def post(turn):
        request = make_request(ongc, quantity=1, key=f"key {turn % 5}")
        return turn % 5, place(book, request, last=260, now=now)[0].order_id

    answers = set(in_threads(post, each=9))
    assert len(answers) == 5
    assert Order.objects.count() == 5


def test_placing_cancelling_filling_and_moving_money_never_deadlocks(account, ongc, now):
    books = [make_book(account, now=now, funds=50_000)]
    books += [make_book(account, now=now, funds=50_000, kind="BOT") for _ in range(3)]
    refs, seen = count(), Counter[str]()

    def act(turn):
        chance = Random(turn)  # noqa: S311 - a test's choice
        book, other = chance.sample(books, 2)
        with suppress(InsufficientFunds, OrderNotChangeable):
            placed = place(book, make_request(ongc, quantity=2), last=260, now=now)[0]
            send(placed.order_id, now=now)
            kind = chance.choice(["fill", "cancel", "both", "move"])
            if kind in {"fill", "both"}:
                report = make_report(placed.order_id, now=now, quantity=1, price=259)
                apply_report(report, now=now)
            if kind in {"cancel", "both"}:
                cancel_order(book.pk, placed.order_id, now=now, enqueue=no_hint)
                end = make_report(placed.order_id, ReportKind.CANCELLED, now=now)
                apply_report(end, now=now)
            if kind == "move":
                transfer(
                    book.pk, other.pk, asset="INR", amount=number(7), ref=f"m{next(refs)}", now=now
                )
            seen[kind] += 1

    def watched(turn):
        try:
            act(turn)
        except OperationalError as error:
            return str(error)
        return ""

    results = in_threads(watched, each=30)
    assert [result for result in results if result] == []
    assert sum(seen.values()) == THREADS * 30
    assert check_invariants(now=now) == []
    pots = [pot for book in books for pot in balances(book).items()]
    assert sum(amount for (_, asset), amount in pots if asset == "INR") == 200_000 - (
        seen["fill"] + seen["both"]
    ) * number("259.1295")
