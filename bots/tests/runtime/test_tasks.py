"""The clock's tasks with Redis in between: prices in, steps out, hints once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from bots import tasks
from bots.runtime import hints, watchdog
from bots.tests.factories import make_world
from market.domain.enums import SourceKind
from market.streams import put_ticks, read_intervals
from portfolio.selectors.orders import open_orders_of_book


@pytest.fixture
def sent(monkeypatch):
    """Catch what would be sent to the workers."""
    messages = []
    monkeypatch.setattr(hints, "_sent", lambda name, args: messages.append((name, args)) or True)
    return messages


@pytest.fixture
def world(alice, real_db, redis_client):
    """A world at the wall clock: tasks look at it."""
    return make_world(alice, now=timezone.now())


def tick(world, redis_client, price):
    """Let a price come in as the feed brings it."""
    now = timezone.now()
    quote = world.runner.price(world.instrument.pk, Decimal(price), at=now)
    put_ticks(redis_client, [quote])
    return quote


def test_a_pass_hints_the_bots_whose_bands_were_left(world, sent, redis_client):
    bot = world.start(stop_loss="235")
    tick(world, redis_client, "261")
    tasks.wake_bots()
    assert sent == []

    tick(world, redis_client, "234")
    tick(world, redis_client, "236")
    tasks.wake_bots()

    # The spike is found although the newest price is inside the band again.
    assert sent == [(hints.STEP_TASK, [[bot.pk]])]
    assert read_intervals(redis_client) == []
    assert world.reread(bot).wake_mark is not None


def test_the_same_bot_is_not_hinted_again_while_its_hint_is_under_way(world, sent, redis_client):
    bot = world.start(stop_loss="235")
    tick(world, redis_client, "234")
    for _ in range(3):
        tasks.wake_bots()
    assert len(sent) == 1

    tasks.step_bots([bot.pk])
    sent.clear()
    tick(world, redis_client, "234.5")
    tasks.wake_bots()

    assert sent == [(hints.STEP_TASK, [[bot.pk]])]


def test_a_lost_hint_is_sent_again(world, sent, redis_client):
    bot = world.start(stop_loss="235")
    now = timezone.now()
    hints.hint_due(redis_client, [bot.pk], now=now)
    hints.hint_due(redis_client, [bot.pk], now=now + timedelta(seconds=1))
    assert len(sent) == 1

    late = now + timedelta(seconds=hints.UNDER_WAY_SECONDS + 1)
    hints.hint_due(redis_client, [bot.pk], now=late)

    assert len(sent) == 2


def test_step_bots_hears_every_tick_of_the_ring(world, sent, redis_client):
    bot = world.start(stop_loss="235")
    for price in ("261", "234", "234.05", "240"):
        tick(world, redis_client, price)

    tasks.step_bots([bot.pk])

    stopped = world.reread(bot)
    assert (stopped.status, stopped.status_code) == ("STOPPING", "STOP_LOSS")
    assert "234.05" in stopped.status_message


def test_a_fill_is_answered_by_the_hint_alone(world, sent, redis_client):
    bot = world.start()
    quote = tick(world, redis_client, "259")
    world.runner.gateway.on_quotes([quote], quote.received_at)
    world.runner.gateway.pump(quote.received_at)

    hints.hint_book(bot.book_id)
    hints.hint_book(world.manual.pk)
    assert sent == [(hints.STEP_TASK, [[bot.pk]])]
    tasks.step_bots([bot.pk])

    assert open_orders_of_book(bot.book_id).count() == 8
    assert world.state(bot).empty_level == 4


def test_bots_are_hinted_in_batches(sent):
    hints.hint_bots(list(range(2 * hints.BATCH + 1)))
    assert [len(args[0]) for _, args in sent] == [hints.BATCH, hints.BATCH, 1]


def test_a_late_pass_is_asked_for_by_the_worker(sent, redis_client):
    assert watchdog.look()
    hints.note_pass(redis_client, now=timezone.now())
    assert not watchdog.look()
    hints.note_pass(redis_client, now=timezone.now() - 2 * watchdog.LATE)
    assert watchdog.look()
    assert sent == [(hints.WAKE_TASK, [])] * 2


def test_strayed_bots_are_paused_by_the_round(world, sent, redis_client):
    bot = world.start()
    quote = replace(tick(world, redis_client, "262"), source=SourceKind.SIMULATED, run="default")
    put_ticks(redis_client, [quote])
    source = world.instrument.instrumentsource
    source.source, source.run = quote.source, quote.run
    source.save()

    tasks.watch_sources()
    assert sent == [(hints.STEP_TASK, [[bot.pk]])]
    tasks.step_bots([bot.pk])

    paused = world.reread(bot)
    assert (paused.status, paused.status_code) == ("PAUSED", "OTHER_PRICES")
    tasks.watch_sources()
    assert len(sent) == 1
