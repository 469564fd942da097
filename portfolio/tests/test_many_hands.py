"""Several programs, the gateway and its paper venue, and the ends of days, all on one purse at once.

Nobody gets money or units from nothing, nothing stays held, and every pot adds up.
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from random import Random
from threading import Event

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Sum

from market.domain.enums import TERMINAL_STATUSES, OrderType, Product, Side, TimeInForce
from portfolio.exceptions import PortfolioError
from portfolio.models import LedgerAccount, LedgerEntry, Order, OrderPlan, Position
from portfolio.services.gateway import claim_ready
from portfolio.services.intraday import Conversion, book_for, convert_position
from portfolio.services.invariants import check_invariants
from portfolio.services.ledger import deposit
from portfolio.services.locking import lock_books
from portfolio.services.order_plans import (
    CoverTerms,
    IcebergTerms,
    cancel_varied,
    modify_varied,
    place_slices,
    place_varied,
)
from portfolio.services.orders import OrderRequest, cancel_all, place_order
from portfolio.services.square_off import open_intraday, square_off, tidy_purses
from portfolio.tests.factories import SHARD
from portfolio.tests.gateway_kit import Driver, nothing, set_stage

D = Decimal
HANDS, ACTS = 4, 40
TICK = D("0.05")
# More where somebody wants to look harder: FINBYTE_SEEDS=100.
SEEDS = range(1, 1 + int(os.environ.get("FINBYTE_SEEDS", "1")))


class Hand:
    """A program that does one thing after another at random."""

    def __init__(self, stage, number, books):
        self.stage, self.books = stage, books
        self.user = stage.account.user
        self.chance = Random(number)  # noqa: S311 - a test's choice
        self.seen = Counter()
        self.faults = []

    def run(self):
        try:
            for _ in range(ACTS):
                self.act()
        finally:
            connection.close()
        return self

    def act(self):
        names = ["regular"] * 5 + ["cover", "iceberg", "slices", "change", "change", "cancel"]
        name = self.chance.choice([*names, "convert", "convert", "end_all"])
        try:
            with transaction.atomic(durable=True):
                getattr(self, name)()
        except PortfolioError as error:
            name = type(error).__name__
        except OperationalError as error:
            self.faults.append(str(error))
        self.seen[name] += 1

    def price(self):
        return self.stage.price + self.chance.randint(-60, 60) * TICK

    def request(self, **fields):
        chance = self.chance
        order_type = chance.choice([OrderType.LIMIT] * 3 + [OrderType.MARKET, OrderType.SL_M])
        values = {
            "instrument": self.stage.instrument.spec,
            "side": chance.choice([Side.BUY, Side.SELL]),
            "order_type": order_type,
            "product": chance.choice([Product.CNC, Product.MIS]),
            "quantity": D(chance.randint(1, 30)),
            "time_in_force": chance.choice([TimeInForce.DAY, TimeInForce.DAY, TimeInForce.IOC]),
            "source": Order.Source.API,
            "idempotency_key": f"{chance.getrandbits(60)}",
            **fields,
        }
        if values["order_type"] is OrderType.LIMIT:
            values["price"] = self.price()
        if values["order_type"] is OrderType.SL_M:
            values["trigger_price"] = self.price()
        return OrderRequest(**values)

    def context(self):
        return {"quote": self.stage.quote, "now": self.stage.now, "enqueue": nothing}

    def regular(self):
        request = self.request()
        place_order(self.books[request.product], request, **self.context())

    def cover(self):
        request = self.request(order_type=self.chance.choice([OrderType.LIMIT, OrderType.MARKET]))
        away = -20 if request.side is Side.BUY else 20
        trigger = (request.price or self.stage.price) + away * TICK
        terms = CoverTerms(trigger)
        place_varied(self.books[request.product], request, terms=terms, **self.context())

    def iceberg(self):
        request = self.request(order_type=OrderType.LIMIT, quantity=D(12))
        place_varied(
            self.books[request.product], request, terms=IcebergTerms(3, D(4)), **self.context()
        )

    def slices(self):
        request = self.request(quantity=D(self.chance.randint(60, 120)))
        place_slices(self.books[request.product], request, **self.context())

    def any_order(self):
        live = Order.objects.filter(user=self.user).exclude(status__in=TERMINAL_STATUSES)
        ids = list(live.values_list("pk", flat=True))
        return Order.objects.get(pk=self.chance.choice(ids)) if ids else None

    def change(self):
        order = self.any_order()
        if order is None:
            return
        wanted = self.chance.choice(
            [
                {"price": self.price()},
                {"quantity": D(self.chance.randint(1, 40))},
                {"trigger_price": self.price()},
                {"order_type": OrderType.MARKET},
                {"order_type": OrderType.LIMIT, "price": self.price()},
            ]
        )
        modify_varied(self.user, order.pk, **wanted, **self.context())

    def cancel(self):
        order = self.any_order()
        if order is not None:
            cancel_varied(self.user, order.pk, **self.context())

    def end_all(self):
        if self.chance.random() < 0.2:
            cancel_all(self.user, now=self.stage.now, enqueue=nothing)

    def convert(self):
        products = [Product.CNC, Product.MIS]
        self.chance.shuffle(products)
        quantity = D(self.chance.randint(1, 20))
        wanted = Conversion(self.stage.instrument.spec, Side.BUY, quantity, *products)
        convert_position(self.user, wanted, quote=self.stage.quote, now=self.stage.now)


def trade(driver, over, seed):
    """Let the market move and the gateway work until everybody is through."""
    chance = Random(seed)  # noqa: S311 - a test's choice
    stage = driver.stage
    try:
        while not over.is_set():
            stage.pass_time(0.2)
            driver.tick(max(stage.price + chance.randint(-40, 40) * TICK, D(200)))
            if chance.random() < 0.2:
                tidy_purses(now=stage.now)
    finally:
        connection.close()


def money_of(user):
    """Return the user's money, with what his positions have cost and earned taken out of it."""
    pots = LedgerAccount.objects.filter(book__user=user, asset="INR")
    money = pots.aggregate(total=Sum("balance"))["total"]
    for each in Position.objects.filter(user=user):
        money += each.cost - each.realised + each.fees_quote
    return money


def check_pots():
    sums = LedgerEntry.objects.values("account__asset").annotate(total=Sum("amount"))
    assert {row["total"] for row in sums} == {0}
    for pot in LedgerAccount.objects.exclude(book=None):
        assert (pot.balance <= 0) if pot.kind == "BORROWED" else (pot.balance >= 0), pot


def end_the_day(driver):
    """Cancel everything and square off; intraday nothing is left."""
    stage = driver.stage
    cancel_all(stage.account.user, now=stage.now, enqueue=nothing)
    driver.settle()
    stage.pass_time(timedelta(days=1).total_seconds())
    for _ in range(40):
        driver.tick(stage.price)
        quotes = {stage.instrument.pk: stage.quote}
        square_off(open_intraday(), quotes, now=stage.now, enqueue=nothing)
        driver.settle()
        stage.pass_time(61)
        tidy_purses(now=stage.now)


def check_all(stage, money):
    check_pots()
    assert check_invariants(now=stage.now) == []
    assert money_of(stage.account.user) == money


def run_hands(driver, seed, books):
    """Run all hands and the market at once; return what the hands saw of faults."""
    over = Event()
    with ThreadPoolExecutor(HANDS + 1) as pool:
        market = pool.submit(trade, driver, over, seed)
        numbers = range(seed * HANDS, (seed + 1) * HANDS)
        hands = [pool.submit(Hand(driver.stage, number, books).run) for number in numbers]
        try:
            done = [hand.result() for hand in hands]
        finally:
            over.set()
        market.result()
    return [fault for hand in done for fault in hand.faults]


@pytest.mark.parametrize("seed", SEEDS)
def test_many_hands_on_one_purse(real_db, alice, now, seed):
    stage = set_stage(alice, now)
    stage.instrument.max_quantity = D(40)
    stage.instrument.save(update_fields=["max_quantity"])
    deposit(stage.book.pk, asset="INR", amount=D(50_000), ref="more", now=now)
    books = {
        product: book_for(alice, product=product, quote_asset="INR", now=now).pk
        for product in (Product.CNC, Product.MIS)
    }
    driver, money = Driver(stage), money_of(alice)
    assert driver.start()
    assert run_hands(driver, seed, books) == []
    driver.settle()
    check_all(stage, money)
    end_the_day(driver)
    check_all(stage, money)
    assert not Order.objects.exclude(status__in=TERMINAL_STATUSES).exists()
    assert not OrderPlan.objects.filter(status="ACTIVE").exists()
    assert not Position.objects.filter(book=books[Product.MIS]).exclude(quantity=0).exists()
    kept = LedgerAccount.objects.filter(book__user=alice).exclude(kind="AVAILABLE")
    assert not kept.exclude(balance=0).exists()


def test_a_claim_waits_for_no_book(real_db, alice, now):
    """Whoever has the book waits for its orders next: a claim, which has them, must not wait."""
    stage = set_stage(alice, now)
    stage.place(260)
    driver = Driver(stage)
    assert driver.start()

    def claim():
        try:
            return claim_ready(SHARD, fence=driver.gateway.fence, now=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        lock_books([stage.book.pk], now=now)
        assert len(pool.submit(claim).result(timeout=10).tickets) == 1
