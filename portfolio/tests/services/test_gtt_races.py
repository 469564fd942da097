"""Two passes at once, two placers at once, crashes in between: one leg fires, one order is placed."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from market.domain.ticks import PriceInterval
from portfolio import tasks
from portfolio.models import GttLeg, GttTrigger, Order
from portfolio.services import gtt_placing
from portfolio.services.gtt_pass import mark_triggers
from portfolio.services.invariants import check_invariants
from portfolio.services.price_watch import PassPrices, ask_reached
from portfolio.tests.services.gtt_kit import fired_leg, make_gtt_desk

THREADS = 4


@pytest.fixture
def desk(alice, real_db, redis_client):
    """A desk at the wall clock: tasks look at it."""
    return make_gtt_desk(alice, redis_client, now=timezone.now())


@pytest.fixture
def sent(monkeypatch):
    """Catch the mails that tasks would send."""
    mails = []
    monkeypatch.setattr(tasks.send_notice, "delay", lambda *values: mails.append(values))
    return mails


def in_threads(work):
    barrier = Barrier(THREADS)

    def thread(_):
        barrier.wait()
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(thread, range(THREADS)))


def test_passes_at_once_fire_one_leg_and_placers_at_once_place_one_order(desk, sent):
    triggers = [desk.set(250, 270, quantity=1) for _ in range(10)]
    desk.market.look()
    desk.market.tick(desk.ongc, 249, 271)

    # Each thread has the same interval; they pass at the same time.
    fired = in_threads(desk.market.look)

    assert sum(fired) == 10
    assert {fired_leg(trigger) for trigger in triggers} == {(0, 249)}
    assert GttLeg.objects.filter(met_price__isnull=False).count() == 10
    in_threads(tasks.follow_fired)
    assert Order.objects.count() == 10
    assert {order.slot_ref for order in Order.objects.all()} == {
        f"gtt:{trigger.pk}:0" for trigger in triggers
    }
    assert len(sent) == 10
    tasks.follow_fired()
    assert (Order.objects.count(), len(sent)) == (10, 10)
    assert check_invariants(now=timezone.now()) == []


def test_opposite_prices_at_once_fire_one_leg(desk):
    """Passes with different prices, as after a lost release: whoever is first decides."""
    trigger = desk.set(250, 270)
    desk.market.look()
    prices = iter([249, 271, 249, 271])

    def mark():
        price = next(prices)
        interval = PriceInterval(desk.ongc.pk, price, price, price, 9, 9, "SIMULATED")
        found = ask_reached([interval], now=desk.market.now)
        seen = PassPrices.of(desk.market.client, [interval])
        return mark_triggers(found.trigger_ids, seen, now=desk.market.now).count

    assert sum(in_threads(mark)) == 1
    assert fired_leg(trigger) in {(0, 249), (1, 271)}
    assert GttLeg.objects.filter(met_price__isnull=False).count() == 1


def test_a_trigger_that_is_being_changed_is_asked_about_again(desk):
    trigger = desk.set(250)
    desk.market.look()
    desk.market.tick(desk.ongc, 249)

    def look():
        try:
            return desk.market.look()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            GttTrigger.objects.select_for_update().get(pk=trigger.pk)
            assert pool.submit(look).result() == 0
        assert GttTrigger.objects.get(pk=trigger.pk).status == "active"
        assert pool.submit(look).result() == 1
    assert fired_leg(trigger) == (0, 249)


def test_a_crash_while_placing_leaves_it_due(desk, sent, monkeypatch):
    trigger = desk.set(250)
    desk.market.tick(desk.ongc, 249)
    assert desk.market.look() == 1

    def crash(*_args, **_values):
        raise RuntimeError("power cut")

    # The order is written by then, and gone with the transaction.
    monkeypatch.setattr(gtt_placing, "_keep", crash)
    tasks.follow_fired()
    assert (Order.objects.count(), len(sent)) == (0, 0)
    assert GttTrigger.objects.get(pk=trigger.pk).is_due

    monkeypatch.undo()
    monkeypatch.setattr(tasks.send_notice, "delay", lambda *values: sent.append(values))
    tasks.follow_fired()
    tasks.follow_fired()

    order = Order.objects.get()
    leg = GttLeg.objects.get(trigger=trigger)
    assert (leg.result, leg.order_id, order.slot_ref) == (
        "success",
        order.pk,
        f"gtt:{trigger.pk}:0",
    )
    assert not GttTrigger.objects.get(pk=trigger.pk).is_due
    assert len(sent) == 1


def test_a_crash_before_the_release_fires_once(desk, monkeypatch):
    trigger = desk.set(250)
    desk.market.tick(desk.ongc, 249)
    monkeypatch.setattr("bots.runtime.wakeups.release_intervals", _power_cut)
    with pytest.raises(RuntimeError):
        desk.market.look()
    monkeypatch.undo()
    assert fired_leg(trigger) == (0, 249)
    assert desk.market.look() == 0


def test_a_crash_before_the_mark_keeps_the_interval(desk, monkeypatch):
    trigger = desk.set(250)
    desk.market.look()
    desk.market.tick(desk.ongc, 249, 260)
    monkeypatch.setattr("bots.runtime.wakeups.watch_prices", _power_cut)
    with pytest.raises(RuntimeError):
        desk.market.look()
    monkeypatch.undo()
    desk.market.tick(desk.ongc, 261)
    assert desk.market.look() == 1
    assert fired_leg(trigger) == (0, 249)


def _power_cut(*_args, **_values):
    raise RuntimeError("power cut")


def test_ten_thousand_sleeping_triggers(desk, capsys):
    """What the question costs; the figure is printed, not asserted."""
    trigger = desk.set(250, 270)
    desk.market.look()
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO portfolio_gtttrigger (user_id, book_id, instrument_id, kind, side,
                      product, fire_below, fire_above, last_price, price_run, seen_sequence,
                      is_fresh, status, revision, is_due, created_at, updated_at, expires_at)
               SELECT user_id, book_id, instrument_id, kind, side, product, 250 - n * 0.02,
                      270 + n * 0.02, last_price, price_run, seen_sequence, false, 'active', 0,
                      false, created_at, updated_at, expires_at
                 FROM portfolio_gtttrigger, generate_series(1, 9999) n WHERE id = %s""",
            [trigger.pk],
        )
        cursor.execute("ANALYZE portfolio_gtttrigger")
    tokens = [desk.ongc.pk, *range(1, 100)]
    intervals = [PriceInterval(token, 251, 269, 260, 9, 9, "SIMULATED") for token in tokens]
    times = []
    for _ in range(50):
        began = time.perf_counter()
        found = ask_reached(intervals, now=desk.market.now)
        times.append(time.perf_counter() - began)
    assert found.trigger_ids == []
    with CaptureQueriesContext(connection) as queries:
        ask_reached(intervals, now=desk.market.now)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan" not in plan
    with capsys.disabled():
        median = sorted(times)[25] * 1000
        print(f"\n10,000 sleeping GTT triggers: question for 100 prices {median:.2f} ms")  # noqa: T201
    desk.market.tick(desk.ongc, 249.98)
    assert desk.market.look() == 2
