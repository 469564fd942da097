import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import OperationalError

from market import feed as feed_module
from market.domain.enums import FillModel, SourceKind
from market.domain.ticks import Tick
from market.exceptions import SourceBusy, UnreadableFile
from market.feed import Feed, Replay, run_feed, scheduled
from market.models import Candle, InstrumentSource
from market.selectors import instrument_by_symbol
from market.services import ticks as ticks_module
from market.services.instruments import seed_instruments
from market.services.sources import hold_simulated, take_over
from market.streams import read_beats, read_open_bar, read_quotes, recent_ticks, set_fences
from market.tests.factories import BTCUSDT, ONGC, recording, write_lines

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _seeded(redis_client):
    seed_instruments()


def ran(feed, seconds, *, start=NOON, first=0.0):
    """Run a feed's passes as its loop would, on a clock of our own."""
    heard = 0
    for number in range(int(seconds * 4)):
        moment = start + timedelta(seconds=number / 4)
        heard += feed.run_pass(now=moment, elapsed=first + number / 4)
    return heard


def test_two_ticks_a_second_reach_redis_and_closed_minutes_the_database(redis_client):
    assert ran(Feed(owner="a"), 125) == 11 * 250
    quote = read_quotes(redis_client, [ONGC])[ONGC]
    assert (quote.source, quote.run) == (SourceKind.SIMULATED, "default")
    assert quote.fill_model is FillModel.QUOTE_DEPTH
    assert quote.exchange_time == NOON + timedelta(seconds=124.5)
    assert quote.low <= quote.last_price <= quote.high
    assert quote.depth is not None
    assert len(quote.depth.bids) == 10
    minutes = Candle.objects.filter(instrument_id=ONGC).order_by("time")
    assert [row.time for row in minutes] == [NOON, NOON + timedelta(minutes=1)]
    kept = read_open_bar(redis_client, ONGC)
    assert kept is not None
    source, held = kept
    assert (source, held.time) == ("SIMULATED", NOON + timedelta(minutes=2))
    assert held.close == quote.last_price


def test_numbers_ascend_by_one(redis_client):
    ran(Feed(owner="a"), 10)
    numbers = [tick.sequence for tick in recent_ticks(redis_client, ONGC, after_sequence=0)]
    assert numbers == list(range(numbers[0], numbers[0] + 20))


def test_a_killed_feed_goes_on_with_number_volume_day_and_minute(redis_client):
    """The second feed knows only what Redis and the clock say; the first was never closed."""
    ran(Feed(owner="a"), 30)
    before = read_quotes(redis_client, [ONGC])[ONGC]
    InstrumentSource.objects.update(lease_until=NOON - timedelta(days=9000))
    whole = Feed(owner="b")
    ran(whole, 35, start=NOON + timedelta(seconds=31))
    after = read_quotes(redis_client, [ONGC])[ONGC]
    (first, *rest) = recent_ticks(redis_client, ONGC, after_sequence=before.sequence)
    assert first.sequence == before.sequence + 1
    assert first.volume > before.volume
    assert abs(first.price / before.last_price - 1) < Decimal("0.005")
    assert (after.open, after.previous_close) == (before.open, before.previous_close)
    assert after.high >= before.high
    minute = Candle.objects.get(instrument_id=ONGC, time=NOON)
    prices = recent_ticks(redis_client, ONGC, after_sequence=0)
    assert after.traded_quantity == sum(tick.last_quantity for tick in prices)
    assert after.traded_value == sum(tick.price * tick.last_quantity for tick in prices)
    in_minute = [tick.price for tick in prices if tick.exchange_time < NOON + timedelta(minutes=1)]
    assert (minute.open, minute.close) == (in_minute[0], in_minute[-1])
    assert (minute.high, minute.low) == (max(in_minute), min(in_minute))
    assert rest


def test_numbers_go_on_upwards_when_redis_has_forgotten_everything(redis_client):
    ran(Feed(owner="a"), 2)
    before = read_quotes(redis_client, [ONGC])[ONGC]
    redis_client.flushdb()
    InstrumentSource.objects.update(lease_until=None)
    ran(Feed(owner="b"), 2, start=NOON + timedelta(seconds=5))
    assert read_quotes(redis_client, [ONGC])[ONGC].sequence > before.sequence


def test_shares_of_two_workers_do_not_overlap(redis_client):
    assert ran(Feed(owner="a", worker=1, workers=2), 1) == 2 * 6
    assert ran(Feed(owner="b", worker=2, workers=2), 1) == 2 * 5
    assert (
        len(read_quotes(redis_client, InstrumentSource.objects.values_list("pk", flat=True))) == 11
    )


def test_minutes_wait_for_a_database_that_is_away(redis_client, monkeypatch):
    def away(*_, **__):
        raise OperationalError("gone")

    feed = Feed(owner="a")
    ran(feed, 59)
    with monkeypatch.context() as patch:
        patch.setattr(ticks_module, "upsert_bars", away)
        with pytest.raises(OperationalError):
            feed.run_pass(now=NOON + timedelta(seconds=61), elapsed=59.0)
    assert not Candle.objects.exists()
    feed.run_pass(now=NOON + timedelta(seconds=62), elapsed=59.2)
    assert Candle.objects.filter(time=NOON).count() == 11


def test_after_a_failed_write_numbers_go_on_from_those_that_were_seen(redis_client, monkeypatch):
    def away(*_, **__):
        raise redis.ConnectionError("gone")

    feed = Feed(owner="a")
    ran(feed, 1)
    before = read_quotes(redis_client, [ONGC])[ONGC].sequence
    with monkeypatch.context() as patch:
        patch.setattr(ticks_module, "put_ticks", away)
        with pytest.raises(redis.ConnectionError):
            feed.run_pass(now=NOON + timedelta(seconds=1), elapsed=1.0)
    feed.run_pass(now=NOON + timedelta(seconds=2), elapsed=1.2)
    assert read_quotes(redis_client, [ONGC])[ONGC].sequence == before + 1


def test_the_loop_survives_trouble_and_says_it_is_alive(redis_client, monkeypatch, caplog):
    stop = threading.Event()
    passes = []

    class Troubled(Feed):
        def run_pass(self, *, now, elapsed):
            passes.append(now)
            if len(passes) == 1:
                raise OperationalError("gone")
            stop.set()
            return 0

    monkeypatch.setattr(feed_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(feed_module, "close_old_connections", lambda: None)
    run_feed(Troubled(owner="a"), stop, client=redis_client)
    assert len(passes) == 2
    assert "feed pass failed" in caplog.text
    assert "feed" in read_beats(redis_client)


class FakeTime:
    """A monotonic clock that waiting moves; the lease is looked at on the way."""

    def __init__(self):
        self.seconds = 0.0

    def clock(self):
        return self.seconds

    def wait(self, seconds):
        self.seconds += seconds
        return False


def replayed(path, *, length=None, speed=60.0, run="day"):
    time = FakeTime()
    replay = Replay(path, instrument_by_symbol("NSE:ONGC"), speed=speed, owner="replay", run=run)
    count = replay.play(length=length, wait=time.wait, clock=time.clock)
    return count, time.seconds


def test_a_replay_takes_over_marks_its_candles_and_hands_back(redis_client):
    path = recording("equities/ticks/ONGC_2021-05-14_ticks.csv.gz")
    feed = Feed(owner="feed")
    ran(feed, 5)
    before = read_quotes(redis_client, [ONGC])[ONGC]
    count, seconds = replayed(path, length=timedelta(minutes=20))
    after = read_quotes(redis_client, [ONGC])[ONGC]
    assert count.ticks == 864
    assert 19 <= seconds <= 20
    assert after.sequence == before.sequence + count.ticks
    assert (after.source, after.run, after.fill_model) == (
        SourceKind.REPLAY,
        "day",
        FillModel.LAST_TRADE,
    )
    assert after.exchange_time.date().isoformat() == "2021-05-14"
    replay_minutes = Candle.objects.filter(source="REPLAY:day")
    assert replay_minutes.count() == 21
    assert Candle.objects.filter(source="SIMULATED", instrument_id=ONGC, time=NOON).count() == 1
    assert InstrumentSource.objects.get(pk=ONGC).source == "SIMULATED"
    ran(feed, 3, start=NOON + timedelta(seconds=10), first=10.0)
    back = read_quotes(redis_client, [ONGC])[ONGC]
    assert back.source is SourceKind.SIMULATED
    assert back.sequence > after.sequence


def test_while_a_replay_plays_the_feed_leaves_its_instrument_alone(redis_client):
    feed = Feed(owner="feed")
    ran(feed, 2)
    fence = take_over(instrument_by_symbol("NSE:ONGC"), run="x", owner="replay")
    set_fences(redis_client, {ONGC: fence})
    held = read_quotes(redis_client, [ONGC, BTCUSDT])
    # At once: the feed has not yet looked at its leases, and is not heard all the same.
    feed.run_pass(now=NOON + timedelta(seconds=2), elapsed=1.9)
    ran(feed, 3, start=NOON + timedelta(seconds=3), first=3.0)
    now = read_quotes(redis_client, [ONGC, BTCUSDT])
    assert now[ONGC] == held[ONGC]
    assert now[BTCUSDT].sequence > held[BTCUSDT].sequence


def test_a_replay_that_lost_its_instrument_stops_and_says_so(tmp_path):
    path = write_lines(
        tmp_path / "t.csv",
        "timestamp,ltp,volume",
        *(f"2021-05-14 09:15:{second:02},114.75,{second}" for second in range(10, 50)),
    )
    time = FakeTime()

    def wait(seconds):
        InstrumentSource.objects.filter(pk=ONGC).update(lease_until=NOON - timedelta(days=9000))
        hold_simulated([ONGC], owner="feed")
        return time.wait(seconds)

    replay = Replay(path, instrument_by_symbol("NSE:ONGC"), speed=1, owner="replay", run="x")
    with pytest.raises(SourceBusy):
        replay.play(wait=wait, clock=time.clock)
    assert InstrumentSource.objects.get(pk=ONGC).owner == "feed"


def test_an_unreadable_file_changes_nothing(tmp_path):
    path = write_lines(tmp_path / "t.csv", "what,is,this")
    with pytest.raises(UnreadableFile, match=r"t.csv, line 1"):
        replayed(path)
    row = InstrumentSource.objects.get(pk=ONGC)
    assert (row.source, row.fence) == ("SIMULATED", 0)
    with pytest.raises(CommandError, match=r"t.csv, line 1"):
        call_command("replay", data=path, instrument="NSE:ONGC")
    with pytest.raises(CommandError, match="speed must be above 0"):
        call_command("replay", data=path, instrument="NSE:ONGC", speed=0.0)


def test_long_silences_are_played_short():
    def tick(seconds):
        moment = NOON + timedelta(seconds=seconds)
        return Tick(ONGC, Decimal(1), moment, Decimal(0), Decimal(0))

    played = scheduled(iter([tick(0), tick(60), tick(60_000)]), speed=2.0, length=None)
    assert [seconds for seconds, _ in played] == [0.0, 30.0, 32.5]
