"""One step is one transaction or nothing, whatever happens around it."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError, connection, transaction

from bots.domain.spot_grid import SpotGrid
from bots.domain.strategy import OrderFilled, TimePassed
from bots.models import Bot, BotCommand, BotEvent
from bots.runtime import stepper
from bots.runtime.market_view import MarketView, newest_run, wanted_prices
from bots.runtime.simulation import StepFailed
from bots.runtime.stepper import StepOutcome, step_bot
from bots.runtime.wakeups import due_bot_ids
from bots.services import bots as services
from bots.services.sources import pause_strayed
from bots.tests.factories import make_world, no_hint
from market.domain.ticks import PriceInterval, Tick
from market.models import InstrumentSource
from portfolio.models import Book, Order
from portfolio.selectors.orders import open_orders_of_book


@pytest.fixture
def world(alice, now, real_db):
    return make_world(alice, now=now)


def view_of(world, bot):
    return MarketView(world.runner.quotes, {}, wanted_prices([bot.pk]).marks)


def step(world, bot, **changes):
    view = replace(view_of(world, bot), **changes)
    return step_bot(bot.pk, view=view, now=world.now, enqueue=lambda: None)


def filled_world(world):
    """Return a running grid with one fill that it has not heard of."""
    bot = world.start()
    world.now += timedelta(seconds=60)
    quote = world.runner.price(world.instrument.pk, Decimal(259), at=world.now)
    world.runner.gateway.on_quotes([quote], world.now)
    world.runner.gateway.pump(world.now)
    return world.reread(bot)


def everything(bot):
    """Return all that a step of a bot can change."""
    book = Book.objects.filter(pk=bot.book_id).values().get()
    return (
        Bot.objects.filter(pk=bot.pk).values().get(),
        book,
        list(Order.objects.filter(book=bot.book_id).order_by("pk").values()),
        list(BotEvent.objects.filter(bot=bot).order_by("pk").values()),
    )


def test_the_same_news_is_heard_once(world):
    bot = filled_world(world)
    first = step(world, bot)
    assert first.outcome is StepOutcome.STEPPED
    assert [type(event) for event in first.events] == [OrderFilled]
    after = everything(bot)

    second = step(world, bot)

    assert second.outcome is StepOutcome.RESTED
    assert everything(bot) == after


def test_two_at_once_step_once(world):
    bot = filled_world(world)
    before = open_orders_of_book(bot.book_id).count()
    outcomes, gate = [], threading.Barrier(2)

    def run():
        view = view_of(world, bot)
        gate.wait()
        report = step_bot(bot.pk, view=view, now=world.now, enqueue=lambda: None)
        outcomes.append(report.outcome)
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes).count(StepOutcome.STEPPED) == 1
    assert set(outcomes) <= {StepOutcome.STEPPED, StepOutcome.SKIPPED, StepOutcome.RESTED}
    assert open_orders_of_book(bot.book_id).count() == before + 1


def test_a_bot_being_stepped_is_not_waited_for(world):
    bot = filled_world(world)
    locked, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            Bot.objects.select_for_update(no_key=True).get(pk=bot.pk)
            locked.set()
            done.wait()
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait()
    report = step(world, bot)
    # Nor does the wake-up question wait: it keeps the interval and asks again.
    found = due_bot_ids([everywhere(world)], now=world.now)
    done.set()
    thread.join()

    assert report.outcome is StepOutcome.SKIPPED
    assert found.kept_tokens == {world.instrument.pk}


def everywhere(world):
    return PriceInterval(world.instrument.pk, Decimal(1), Decimal(1000), Decimal(262), 99)


@pytest.mark.parametrize("name", ["ack_book_events", "_write", "carry_out", "push_nothing"])
def test_a_worker_that_dies_in_mid_step_leaves_nothing(world, name, monkeypatch):
    bot = filled_world(world)
    before = everything(bot)

    class Killed(BaseException):
        """Ends the process: nothing catches it."""

    def die(*_args, **_kwargs):
        raise Killed

    if name == "push_nothing":
        real = stepper._write

        def die_after_writing(*args):
            real(*args)
            raise Killed

        monkeypatch.setattr(stepper, "_write", die_after_writing)
    else:
        monkeypatch.setattr(stepper, name, die)
    with pytest.raises(Killed):
        step(world, bot)
    monkeypatch.undo()

    assert everything(bot) == before
    assert step(world, bot).outcome is StepOutcome.STEPPED
    assert open_orders_of_book(bot.book_id).count() == 8


def test_three_failures_put_the_bot_in_error_and_a_retry_goes_on(world, monkeypatch, caplog):
    bot = filled_world(world)

    def fail(*_args):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(SpotGrid, "step", fail)
    for count in (1, 2):
        assert step(world, bot).outcome is StepOutcome.FAILED
        assert (world.reread(bot).fail_count, world.reread(bot).status) == (count, "RUNNING")
    assert step(world, bot).outcome is StepOutcome.FAILED
    monkeypatch.undo()

    failed = world.reread(bot)
    assert (failed.status, failed.status_code) == ("ERROR", "STEP_FAILED")
    assert failed.failed_from == "RUNNING"
    assert any(record.levelname == "CRITICAL" for record in caplog.records)
    # Its orders are cancelled, and nothing wakes it: no loop.
    world.runner.gateway.pump(world.now)
    assert open_orders_of_book(bot.book_id).count() == 0
    assert due_bot_ids([], now=world.now).bot_ids == []
    assert step(world, bot).outcome is StepOutcome.RESTED

    retried = world.ask(bot, "retry_bot")

    assert (retried.status, retried.failed_from, retried.fail_count) == ("RUNNING", "", 0)
    assert open_orders_of_book(bot.book_id).count() == 8
    assert world.state(bot).empty_level == 4


def test_a_failed_bot_can_be_stopped(world, monkeypatch):
    bot = filled_world(world)
    monkeypatch.setattr(SpotGrid, "step", lambda *_: 1 / 0)
    for _ in range(3):
        step(world, bot)
    monkeypatch.undo()

    stopped = world.ask(bot, "stop_bot", stop_mode="sell_all")

    assert stopped.status == "STOPPED"
    assert world.total(bot.book, "INR") == 0


def test_a_database_in_trouble_is_no_strike(world, monkeypatch):
    bot = filled_world(world)

    def deadlock(*_args, **_kwargs):
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(stepper, "carry_out", deadlock)
    assert step(world, bot).outcome is StepOutcome.DISTURBED
    monkeypatch.undo()

    assert world.reread(bot).fail_count == 0
    assert step(world, bot).outcome is StepOutcome.STEPPED


def test_a_refused_order_is_told_to_the_strategy_and_nothing_is_lost(world):
    bot = filled_world(world)
    # Units that a counter-order needs are gone: a defect elsewhere, seen as a refusal here.
    world.instrument.__class__.objects.filter(pk=world.instrument.pk).update(is_tradable=False)

    report = step(world, bot)

    failed = world.reread(bot)
    assert report.outcome is StepOutcome.STEPPED
    assert (failed.status, failed.fail_count) == ("ERROR", 0)
    assert "not tradable" in failed.status_message
    assert failed.book.consumed_seq == failed.book.event_seq
    assert open_orders_of_book(bot.book_id).count() == 7
    assert due_bot_ids([], now=world.now).bot_ids == []


def test_a_stale_price_blocks_new_orders_and_loses_no_news(world):
    bot = filled_world(world)
    world.now += world.instrument.freshness_limit * 2

    report = step(world, bot)

    waiting = world.reread(bot)
    assert report.outcome is StepOutcome.WAITING
    assert waiting.waiting_for == "Waits for a fresh price"
    assert waiting.book.consumed_seq < waiting.book.event_seq
    assert open_orders_of_book(bot.book_id).count() == 7
    world.tick(259.05)
    assert open_orders_of_book(bot.book_id).count() == 8
    assert world.reread(bot).waiting_for == ""


def test_cancels_never_wait_for_a_price(world):
    bot = world.start()
    world.now += world.instrument.freshness_limit * 2
    services.stop_bot(world.user, bot.pk, stop_mode="keep_assets", now=world.now, hint=no_hint)
    world.settle()

    assert world.reread(bot).status == "STOPPED"
    assert world.total(world.manual, "NSE:ONGC") == 72


# ------------------------------------------------------------------------------------ waking


def test_a_sleeping_bot_is_not_stepped(world):
    bot = world.start(stop_loss="235")
    before = world.reread(bot)
    steps = world.runner.steps

    world.tick(261, 263, 262.5, 261.5)

    assert world.runner.steps == steps
    after = world.reread(bot)
    assert (after.step_no, after.updated_at) == (before.step_no, before.updated_at)


def test_a_price_outside_the_band_wakes_and_is_heard(world):
    bot = world.start(stop_loss="235")
    world.runner.price(world.instrument.pk, Decimal(234), at=world.now)

    found = due_bot_ids(list(world.runner._intervals.values()), now=world.now)

    assert found.bot_ids == [bot.pk]
    assert world.reread(bot).wake_mark == world.now


def test_a_crash_between_mark_and_release_is_found_again(world):
    bot = world.start(stop_loss="235")
    world.runner.price(world.instrument.pk, Decimal(234), at=world.now)
    intervals = list(world.runner._intervals.values())

    # The pass dies after it marked: the mark stands, whether or not the interval comes again.
    due_bot_ids(intervals, now=world.now)
    assert due_bot_ids([], now=world.now).bot_ids == [bot.pk]
    assert due_bot_ids(intervals, now=world.now).bot_ids == [bot.pk]
    world.settle()

    assert world.reread(bot).wake_mark is None
    assert world.state(bot).stop_since == world.now


def test_a_mark_set_while_a_step_runs_outlives_it(world):
    bot = world.start(stop_loss="235")
    world.runner.price(world.instrument.pk, Decimal(234), at=world.now)
    intervals = list(world.runner._intervals.values())
    due_bot_ids(intervals, now=world.now)
    view = view_of(world, bot)

    # Between reading prices and locking the bot a second pass sees another price.
    due_bot_ids(intervals, now=world.now)
    step_bot(bot.pk, view=view, now=world.now, enqueue=lambda: None)

    assert world.reread(bot).wake_mark is not None
    step(world, bot)
    assert world.reread(bot).wake_mark is None


def test_a_due_time_wakes_without_any_price(world):
    bot = world.start(stop_loss="235")
    world.tick(234)
    due = world.reread(bot).next_due_at
    assert due == world.now + timedelta(seconds=1)
    assert due_bot_ids([], now=world.now).bot_ids == []

    world.now = due
    assert due_bot_ids([], now=world.now).bot_ids == [bot.pk]
    report = step(world, bot)
    assert [type(event) for event in report.events] == [TimePassed]
    assert report.status == "STOPPING"


def test_news_of_the_book_wakes(world):
    bot = filled_world(world)
    assert due_bot_ids([], now=world.now).bot_ids == [bot.pk]


def test_a_command_wakes(world):
    bot = world.start()
    services.pause_bot(world.user, bot.pk, now=world.now, hint=no_hint)
    assert due_bot_ids([], now=world.now).bot_ids == [bot.pk]
    assert step(world, bot).status == "PAUSED"
    assert BotCommand.objects.get(bot=bot).handled_at == world.now


# ------------------------------------------------------------------------- other price sources


def test_prices_from_elsewhere_pause_a_bot_and_place_nothing(world):
    bot = filled_world(world)
    InstrumentSource.objects.filter(pk=world.instrument.pk).update(run="other")
    quote = replace(world.quote, run="other", sequence=1)
    world.runner.quotes[world.instrument.pk] = quote

    assert step(world, bot).outcome is StepOutcome.WAITING
    assert world.reread(bot).waiting_for == "Waits: prices come from REPLAY:other now"

    assert pause_strayed(now=world.now) == [bot.pk]
    assert pause_strayed(now=world.now) == []
    command = BotCommand.objects.get(bot=bot)
    assert (command.kind, command.reason) == ("pause", "OTHER_PRICES")


def test_a_new_source_begins_its_numbers_again():
    def tick(sequence, at):
        return Tick(1, Decimal(1), at, Decimal(0), Decimal(0), sequence)

    at = datetime(2026, 1, 1, tzinfo=UTC)
    ring = [tick(number, at) for number in (41, 42, 43, 1, 2)]
    assert [each.sequence for each in newest_run(ring)] == [1, 2]
    assert newest_run([]) == []


def test_a_simulation_does_not_hide_a_failing_step(world, monkeypatch):
    filled_world(world)
    monkeypatch.setattr(SpotGrid, "step", lambda *_: 1 / 0)
    with pytest.raises(StepFailed):
        world.settle()
