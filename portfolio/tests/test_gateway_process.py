"""The process loop: ticks from Redis, wake-ups, faults of its services, take-over, signals."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from market import streams
from market.venues.paper import PaperVenue
from portfolio.gateway import Gateway, GatewayProcess
from portfolio.gateway.process import TickListener
from portfolio.models import GatewayShard, Order, Trade
from portfolio.services.orders import wake_gateway
from portfolio.tests.gateway_kit import quote_of, set_stage

pytestmark = pytest.mark.usefixtures("real_db", "redis_client")


@pytest.fixture
def stage(real_db, alice):
    return set_stage(alice, timezone.now())


def statuses():
    """Return the states of all orders, oldest first."""
    return list(Order.objects.order_by("id").values_list("status", flat=True))


def wait_for(question, seconds=8.0):
    """Wait until a question is answered with yes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if question():
            return
        time.sleep(0.02)
    raise AssertionError(f"it did not happen in time; orders are {statuses()}")


class Running:
    """A gateway process in a thread."""

    def __init__(self):
        self.gateway = Gateway(PaperVenue(), shard=0, owner="loop", on_book_event=lambda _: None)
        self.process = GatewayProcess(self.gateway, clock=timezone.now)
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        self.process.run()
        connection.close()

    def __enter__(self):
        self.thread.start()
        wait_for(lambda: "gateway" in streams.read_beats(streams.connect()))
        return self

    def __exit__(self, *_):
        self.process.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()


class Feed:
    """Publishes numbered ticks."""

    def __init__(self, stage):
        self.stage, self.sequence = stage, 0

    def tick(self, *prices):
        quotes = []
        for price in prices:
            self.sequence += 1
            quotes.append(
                quote_of(
                    self.stage.instrument.pk, price, now=timezone.now(), sequence=self.sequence
                )
            )
        streams.put_ticks(streams.connect(), quotes)


def test_a_wake_up_sends_and_a_tick_fills(stage):
    feed = Feed(stage)
    feed.tick(262)
    with Running():
        stage.place(261)
        started = time.monotonic()
        wake_gateway()
        wait_for(lambda: statuses() == ["OPEN"])
        assert time.monotonic() - started < 2
        feed.tick(262, 261)
        wait_for(lambda: statuses() == ["FILLED"])
        stage.place(None)
        wait_for(lambda: statuses() == ["FILLED", "FILLED"])
    assert list(Trade.objects.order_by("id").values_list("price", flat=True)) == [261, 261]
    assert GatewayShard.objects.get(number=0).owner == ""


def test_every_tick_of_a_burst_is_matched(stage):
    feed = Feed(stage)
    feed.tick(262)
    with Running():
        stage.place(255, 250)
        wait_for(lambda: statuses() == ["OPEN", "OPEN"])
        feed.tick(*[262] * 70, 250, *[262] * 70)
        wait_for(lambda: statuses() == ["FILLED", "FILLED"])


def test_the_gateway_survives_a_lost_database_connection(stage):
    feed = Feed(stage)
    feed.tick(262)
    with Running() as running:
        stage.place(261)
        wait_for(lambda: statuses() == ["OPEN"])
        fence = running.gateway.fence
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        wait_for(lambda: GatewayShard.objects.get(number=0).fence > fence)
        feed.tick(262, 261, 262)
        wait_for(lambda: statuses() == ["FILLED"])


def test_the_gateway_survives_a_lost_subscription_and_takes_the_ticks_it_missed(stage):
    feed = Feed(stage)
    feed.tick(262)
    with Running():
        stage.place(261)
        wait_for(lambda: statuses() == ["OPEN"])
        streams.connect().client_kill_filter(_type="pubsub")
        feed.tick(261)
        feed.tick(262)
        wait_for(lambda: feed.tick(262) or statuses() == ["FILLED"])


def test_missed_ticks_are_read_from_the_ring_within_one_source(stage):
    feed = Feed(stage)
    client = streams.connect()
    listener = TickListener(clock=timezone.now)
    feed.tick(262)
    assert listener.wait(0.1)[0].sequence == 1
    listener.close()
    feed.tick(261, 259)
    assert [(q.sequence, q.last_price, q.depth) for q in listener.wait(0.1)] == [
        (2, 261, None),
        (3, 259, None),
    ]
    listener.close()
    other = replace(
        quote_of(stage.instrument.pk, 100, now=timezone.now(), sequence=90), run="other"
    )
    streams.put_ticks(client, [other])
    assert [q.sequence for q in listener.wait(0.1)] == [90]
    listener.close()


def test_a_stale_quote_is_no_price_to_start_from(stage):
    old = replace(
        quote_of(stage.instrument.pk, 250, now=timezone.now()),
        received_at=timezone.now() - 2 * stage.instrument.freshness_limit,
    )
    streams.put_ticks(streams.connect(), [old])
    listener = TickListener(clock=timezone.now)
    assert listener.wait(0.1) == []
    listener.close()


@pytest.mark.parametrize("shard", ["0/1", "2/1", "x", "1", "-1/2"])
def test_a_shard_that_makes_no_sense_is_refused(shard):
    with pytest.raises(CommandError, match="i/n"):
        call_command("run_gateway", f"--shard={shard}")


@pytest.fixture
def command(real_db):
    """Return a function that starts `manage.py run_gateway`; what still runs is killed."""
    started = []

    def start():
        environment = {**os.environ, "DATABASE_URL": real_db.url}
        started.append(
            subprocess.Popen([sys.executable, "manage.py", "run_gateway"], env=environment)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(5)


def fence_now():
    return GatewayShard.objects.get(number=0).fence


def test_a_second_gateway_waits_and_takes_over_at_once_when_the_first_ends(stage, command):
    feed = Feed(stage)
    feed.tick(262)
    first = command()
    wait_for(lambda: fence_now() == 1, 20)
    second = command()
    stage.place(Decimal(250))
    wait_for(lambda: statuses() == ["OPEN"])
    time.sleep(1.5)
    assert fence_now() == 1
    first.send_signal(signal.SIGTERM)
    assert first.wait(5) == 0
    wait_for(lambda: fence_now() == 2, 10)
    wait_for(lambda: feed.tick(250) or statuses() == ["FILLED"])
    second.send_signal(signal.SIGTERM)
    assert second.wait(5) == 0


def test_after_kill_9_another_gateway_trades_on_when_the_lease_ran_out(stage, command):
    feed = Feed(stage)
    feed.tick(262)
    first = command()
    wait_for(lambda: fence_now() == 1, 20)
    stage.place(Decimal(250))
    wait_for(lambda: statuses() == ["OPEN"])
    first.kill()
    started = time.monotonic()
    with Running():
        wait_for(lambda: feed.tick(250) or statuses() == ["FILLED"])
    assert time.monotonic() - started < 10
