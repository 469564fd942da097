"""Lease, fence and claim: one sender, and none that a kill switch did not let through."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from market.domain.enums import OrderType, Side, TimeInForce
from market.domain.messages import OrderTicket, Outcome, OutcomeKind
from portfolio.domain.event_chain import event_hash
from portfolio.exceptions import StaleFence
from portfolio.models import GatewayShard, KillSwitch, Order, OrderEvent, RateSecond
from portfolio.services import gateway as shards
from portfolio.services.executions import apply_inbox, record_outcomes, store_reports
from portfolio.services.kill_switches import set_kill
from portfolio.services.orders import place_orders
from portfolio.tests.gateway_kit import Driver, ScriptedVenue, nothing, set_stage

pytestmark = pytest.mark.usefixtures("real_db")
PLATFORM = KillSwitch.Scope.PLATFORM


@pytest.fixture
def stage(real_db, alice, now):
    return set_stage(alice, now)


def in_threads(pool, work, count=1):
    """Start work in threads that leave no connection behind; return their futures."""

    def run():
        try:
            return work()
        finally:
            connection.close()

    return [pool.submit(run) for _ in range(count)]


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as made:
        yield made


# ------------------------------------------------------------------ lease and fence


def test_a_shard_is_taken_once_and_again_when_its_lease_ran_out(stage):
    first = shards.acquire_shard(0, owner="a")
    assert shards.acquire_shard(0, owner="b") is None
    assert shards.acquire_shard(0, owner="a") == first + 1
    GatewayShard.objects.update(lease_until=datetime(2026, 1, 1, tzinfo=UTC))
    assert shards.acquire_shard(0, owner="b") == first + 2
    with pytest.raises(StaleFence):
        shards.renew_shard(0, fence=first + 1)
    shards.renew_shard(0, fence=first + 2)


def test_a_new_shard_makes_its_row(stage):
    assert shards.acquire_shard(7, owner="a") == 1


def test_a_released_shard_is_free_at_once_but_not_by_an_old_owner(stage):
    old = shards.acquire_shard(0, owner="a")
    new = shards.acquire_shard(0, owner="a")
    shards.release_shard(0, fence=old)
    assert shards.acquire_shard(0, owner="b") is None
    shards.release_shard(0, fence=new)
    assert shards.acquire_shard(0, owner="b") == new + 1


def test_the_lease_lasts_five_seconds_of_the_database_clock(stage):
    shards.acquire_shard(0, owner="a")
    with connection.cursor() as cursor:
        cursor.execute("SELECT lease_until - clock_timestamp() FROM portfolio_gatewayshard")
        left = cursor.fetchone()[0]
    assert timedelta(seconds=4) < left <= timedelta(seconds=5)


def stale_writes(shard, fence, orders, now):
    """Try everything an old owner may try; return what got through."""
    outcomes = [Outcome(each.client_order_id, OutcomeKind.REJECTED) for each in orders]
    attempts = {
        "claim": lambda: shards.claim_ready(shard, fence=fence, now=now),
        "outcome": lambda: record_outcomes(outcomes, shard=shard, fence=fence, now=now),
        "renew": lambda: shards.renew_shard(shard, fence=fence),
        "inbox": lambda: store_reports(
            [_report(orders[0], now)], fence=fence, shard=shard, now=now
        ),
    }
    through = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except StaleFence:
            continue
        through.append(name)
    return through


def _report(order, now):
    venue = ScriptedVenue()
    (ticket,) = shards_tickets([order])
    venue.taken[order.venue_account_id, order.client_order_id] = ticket
    venue.fill(order.client_order_id, at=now)
    return venue.reports[0]


def shards_tickets(orders):
    return [
        OrderTicket(
            each.venue_account_id,
            each.client_order_id,
            each.instrument_id,
            Side(each.side),
            OrderType.LIMIT,
            each.quantity,
            TimeInForce.GTC,
            price=each.price,
        )
        for each in orders
    ]


def test_in_twelve_takeovers_no_stale_write_gets_through(stage):
    """The old owner is frozen between the venue's answer and its record, twelve times."""
    venue = ScriptedVenue()
    drivers = [Driver(stage, venue=venue, owner="same") for _ in range(2)]
    through, resumed = [], 0
    for number in range(12):
        old, new = drivers[number % 2], drivers[1 - number % 2]
        assert old.gateway.start(stage.now)
        stage.place(250 - number)
        fence = old.gateway.fence
        venue.before_answer = lambda new=new: new.gateway.start(stage.now)
        try:
            old.gateway.pump(stage.now)
        except StaleFence:
            resumed += 1
        venue.before_answer = nothing
        stage.place(200 - number)
        through += stale_writes(0, fence, list(Order.objects.order_by("-id")[:2]), stage.now)
        new.settle()
    assert (through, resumed) == ([], 12)
    assert set(stage.statuses()) == {"OPEN"}
    assert len(venue.sends) == len(set(venue.sends)) == 24


def test_an_old_owner_cannot_apply_the_inbox(stage):
    driver = Driver(stage, venue=ScriptedVenue())
    driver.gateway.start(stage.now)
    stage.place(250)
    driver.settle()
    order = Order.objects.get()
    fence = driver.gateway.fence
    store_reports([_report(order, stage.now)], fence=fence, shard=0, now=stage.now)
    shards.acquire_shard(0, owner="test")
    with pytest.raises(StaleFence):
        apply_inbox(10, shard=0, fence=fence, now=stage.now)
    assert stage.statuses() == ["OPEN"]


# ------------------------------------------------------------------ the claim


def test_a_claim_stamps_counts_and_chains(stage):
    fence = shards.acquire_shard(0, owner="a")
    placed = stage.place(250, 251, 252)
    claim = shards.claim_ready(0, fence=fence, now=stage.now, limit=2)
    assert [t.client_order_id for t in claim.tickets] == [p.client_order_id for p in placed[:2]]
    assert [t.price for t in claim.tickets] == [250, 251]
    assert stage.statuses() == ["SENDING", "SENDING", "READY"]
    order = Order.objects.get(pk=placed[0].order_id)
    assert (order.sent_fence, order.event_count) == (fence, 2)
    assert order.send_deadline == claim.tickets[0].send_deadline
    assert abs(order.send_deadline - order.sent_at - shards.SEND_WITHIN) < timedelta(seconds=0.1)
    assert sum(RateSecond.objects.values_list("count", flat=True)) == 2
    first, second = OrderEvent.objects.filter(order=order).order_by("sequence")
    assert second.previous_hash == first.hash
    assert (
        second.hash
        == order.last_event_hash
        == event_hash(
            first.hash,
            order_id=order.pk,
            sequence=2,
            kind="SENDING",
            to_status="SENDING",
            detail=second.detail,
            at=second.at,
        )
    )
    assert second.detail == {"attempt": 1, "fence": fence}


def test_a_claim_takes_nothing_of_another_shard_or_of_an_account_that_is_not_ready(stage):
    other = shards.acquire_shard(3, owner="a")
    fence = shards.acquire_shard(0, owner="a")
    stage.place(250)
    assert shards.claim_ready(3, fence=other, now=stage.now).tickets == []
    type(stage.account).objects.update(status="NOT_READY")
    assert shards.claim_ready(0, fence=fence, now=stage.now).tickets == []
    assert stage.statuses() == ["READY"]


def test_two_claims_at_once_never_take_the_same_order(stage, pool):
    fence = shards.acquire_shard(0, owner="a")
    stage.place(*[Decimal(250) - n for n in range(60)])
    taken, barrier = [], threading.Barrier(4)

    def claim():
        barrier.wait()
        for _ in range(4):
            got = shards.claim_ready(0, fence=fence, now=stage.now, limit=5)
            taken.extend(t.client_order_id for t in got.tickets)

    for future in in_threads(pool, claim, 4):
        future.result()
    rest = shards.claim_ready(0, fence=fence, now=stage.now, limit=100)
    taken.extend(t.client_order_id for t in rest.tickets)
    assert len(taken) == len(set(taken)) == 60


def test_a_gate_that_is_missing_is_made_and_held(stage):
    fence = shards.acquire_shard(0, owner="a")
    stage.place(250)
    KillSwitch.objects.all().delete()
    assert len(shards.claim_ready(0, fence=fence, now=stage.now).tickets) == 1
    assert KillSwitch.objects.count() == 4


def test_old_send_counters_are_forgotten(stage):
    RateSecond.objects.create(venue_account=stage.account, second=1, count=3)
    now_second = int(database_time().timestamp())
    RateSecond.objects.create(venue_account=stage.account, second=now_second, count=3)
    assert shards.forget_rate_seconds(older_than=timedelta(hours=1)) == 1
    assert RateSecond.objects.get().second == now_second


# ------------------------------------------------------------------ the kill switch


def database_time():
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def test_no_claim_is_stamped_after_a_kill_has_committed(stage, pool):
    """100 kills at random phases against two claimers that never rest."""
    fence = shards.acquire_shard(0, owner="a")
    stage.place(*[Decimal(250) - n for n in range(20)])
    stamps, stop = [], threading.Event()

    def claim():
        while not stop.is_set():
            taken = shards.claim_ready(0, fence=fence, now=stage.now, limit=3).tickets
            stamps.extend(each.send_deadline - shards.SEND_WITHIN for each in taken)

    futures = in_threads(pool, claim, 2)
    chance = random.Random(11)  # noqa: S311 - reproducible phases
    spans, latencies = [], []
    for _ in range(100):
        Order.objects.filter(status="SENDING").update(status="READY")
        time.sleep(chance.random() * 0.008)
        started = time.monotonic()
        set_kill(PLATFORM, 0, active=True, reason="", now=stage.now)
        latencies.append(time.monotonic() - started)
        begin = database_time()
        time.sleep(chance.random() * 0.004)
        end = database_time()
        set_kill(PLATFORM, 0, active=False, reason="", now=stage.now)
        spans.append((begin, end))
    stop.set()
    for future in futures:
        future.result()
    late = [stamp for stamp in stamps for begin, end in spans if begin <= stamp <= end]
    assert late == []
    assert len(stamps) > 100
    assert sorted(latencies)[98] < 0.25


def test_a_kill_does_not_wait_for_a_worker_frozen_in_mid_step(stage, pool):
    driver = Driver(stage)
    driver.start()
    is_placed, may_commit = threading.Event(), threading.Event()

    def step():
        with transaction.atomic(durable=True):
            place_orders(
                stage.book.pk,
                [stage.request(250)],
                quotes={stage.instrument.pk: stage.quote},
                now=stage.now,
                enqueue=nothing,
            )
            is_placed.set()
            may_commit.wait(10)

    (future,) = in_threads(pool, step)
    assert is_placed.wait(10)
    started = time.monotonic()
    set_kill(PLATFORM, 0, active=True, reason="", now=stage.now)
    took = time.monotonic() - started
    may_commit.set()
    future.result()
    assert took < 0.25
    driver.settle()
    order = Order.objects.get()
    assert (order.status, order.status_code) == ("CANCELLED", "KILLED")
    assert driver.venue.open_orders(stage.account.pk) == []
