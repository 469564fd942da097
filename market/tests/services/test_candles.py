from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import ProgrammingError, connection, transaction

from market.domain.candles import CandleBar
from market.domain.enums import Interval
from market.domain.simulated import DEFAULT_SEED, middle_price, simulated_path
from market.exceptions import UnreadableFile
from market.models import Candle
from market.selectors import candles, instrument_by_symbol
from market.services.backfill import backfill_simulated
from market.services.candles import (
    StoredBar,
    copy_new_bars,
    ensure_coming_partitions,
    ensure_partitions,
    import_candles,
    upsert_bars,
)
from market.services.instruments import seed_instruments
from market.streams import put_ticks
from market.tests.factories import ONGC, quote_of, recording, write_lines

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _seeded(redis_client):
    seed_instruments()


def bar(minute, opening=10, high=12, low=9, close=11, volume=5):
    numbers = map(Decimal, (opening, high, low, close, volume))
    return CandleBar(NOON + timedelta(minutes=minute), *numbers)


def stored(*bars, interval=Interval.MINUTE):
    return [StoredBar(ONGC, "SIMULATED", interval, each) for each in bars]


def test_a_month_is_made_once_and_rows_that_waited_for_it_move_in():
    upsert_bars(stored(bar(0)), is_merging=True)
    assert partition_of_rows() == {"market_candle_default"}
    assert ensure_partitions(NOON.date(), NOON.date()) == 1
    assert ensure_partitions(NOON.date(), NOON.date()) == 0
    assert partition_of_rows() == {"market_candle_202611"}
    assert Candle.objects.get().open == 10


def partition_of_rows():
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tableoid::regclass::text FROM market_candle")
        return {name for (name,) in cursor.fetchall()}


def test_the_daily_task_makes_this_month_and_the_next_two():
    assert ensure_coming_partitions(NOON) == 3
    assert ensure_partitions(date(2026, 11, 1), date(2027, 1, 31)) == 0


def test_a_span_without_end_is_refused():
    with pytest.raises(Exception, match="at most 100 years"):
        ensure_partitions(date(1900, 1, 1), date(2026, 1, 1))


def test_a_minute_written_in_two_halves_is_merged_and_writing_again_changes_nothing():
    upsert_bars(stored(bar(0)), is_merging=True)
    upsert_bars(stored(bar(0, opening=11, high=15, low=10, close=14, volume=9)), is_merging=True)
    upsert_bars(stored(bar(0, opening=11, high=15, low=10, close=14, volume=9)), is_merging=True)
    row = Candle.objects.get()
    numbers = (row.open, row.high, row.low, row.close, row.volume)
    assert [int(number) for number in numbers] == [10, 15, 9, 14, 9]


def test_a_bar_that_does_not_enclose_its_prices_is_refused_by_the_database():
    with pytest.raises(Exception, match="candle_encloses"):
        upsert_bars(stored(bar(0, high=8)), is_merging=True)


def shown(interval, minutes=60):
    return candles(ONGC, interval, start=NOON, end=NOON + timedelta(minutes=minutes))


def test_coarser_bars_are_gathered_from_minutes_and_the_open_minute_is_in_them(redis_client):
    upsert_bars(stored(*(bar(number) for number in range(6))), is_merging=True)
    held = bar(6, opening=11, high=20, low=11, close=19, volume=7)
    put_ticks(redis_client, [quote_of()], open_bars={ONGC: ("SIMULATED", held)})
    assert len(shown(Interval.MINUTE)) == 7
    first, second = shown(Interval.MINUTE_5)
    assert (first.open, first.high, first.volume) == (10, 12, 25)
    assert (second.open, second.high, second.close, second.volume) == (10, 20, 19, 12)
    assert shown(Interval.DAY)[0].volume == 37


def test_the_open_minute_of_another_source_is_not_shown(redis_client):
    put_ticks(redis_client, [quote_of()], open_bars={ONGC: ("REPLAY:x", bar(0))})
    assert shown(Interval.MINUTE) == []


def test_a_bar_kept_as_such_goes_before_gathered_ones():
    upsert_bars(stored(bar(15), bar(16)), is_merging=True)
    upsert_bars(stored(bar(15, volume=1000), interval=Interval.HOUR), is_merging=True)
    assert [each.volume for each in shown(Interval.HOUR)] == [1000]


def test_the_backfill_fills_what_is_missing_on_the_path_of_the_feed_itself():
    ongc = instrument_by_symbol("NSE:ONGC")
    assert backfill_simulated([ongc], now=NOON) == 8 * 1440 + 90 * 24
    assert backfill_simulated([ongc], now=NOON) == 0
    Candle.objects.filter(time=NOON - timedelta(hours=3), interval="minute").delete()
    assert backfill_simulated([ongc], now=NOON) == 1
    assert backfill_simulated([ongc], now=NOON + timedelta(minutes=2)) == 2
    when = NOON - timedelta(hours=30)
    row = Candle.objects.get(interval="minute", time=when)
    spec = ongc.spec
    exact = middle_price(simulated_path(spec), spec, seed=DEFAULT_SEED, moment=when)
    assert row.open == exact
    following = Candle.objects.get(interval="minute", time=when + timedelta(minutes=1))
    assert row.close == following.open
    assert Candle.objects.filter(interval="60minute").count() == 90 * 24


def test_minutes_are_imported_and_a_second_import_changes_nothing():
    path = recording("equities/minute/ONGC_1min_2021-05-11_2021-05-31.csv.gz")
    ongc = instrument_by_symbol("NSE:ONGC")
    done = import_candles(path, ongc)
    assert (done.interval, done.written) == (Interval.MINUTE, 2225)
    assert import_candles(path, ongc).written == 2225
    assert Candle.objects.filter(source="IMPORT").count() == 2225


@pytest.mark.parametrize(
    ("name", "symbol", "interval"),
    [
        ("crypto/candles/BTCUSDT_1h_2025-03-06_2025-04-02.csv.gz", "BINANCE:BTCUSDT", "60minute"),
        ("crypto/candles/BTCUSDT_1d_2023-09-04_2024-12-31.csv.gz", "BINANCE:BTCUSDT", "day"),
    ],
)
def test_the_interval_is_known_from_the_file(name, symbol, interval):
    done = import_candles(recording(name), instrument_by_symbol(symbol))
    assert done.interval == interval


def test_bars_of_a_length_nobody_keeps_are_refused():
    path = recording("crypto/candles/BTCUSDT_4h_2024-09-02_2024-12-14.csv.gz")
    with pytest.raises(UnreadableFile, match="bars of 4:00:00"):
        import_candles(path, instrument_by_symbol("BINANCE:BTCUSDT"))


def test_bad_rows_of_a_candle_file_are_named_and_the_rest_is_imported(tmp_path):
    path = write_lines(
        tmp_path / "c.csv",
        "time,open,high,low,close,volume",
        "2026-11-02 09:15:00,10,11,9,10,5",
        "2026-11-02 09:16:00,10,9,9,10,5",
        "2026-11-02 09:17:00,10,11,9,10,-5",
        "2026-11-02 09:18:00,10,11,9,10.01,5",
        "2026-11-02 09:19:00,10,11,9,10,5",
    )
    done = import_candles(path, instrument_by_symbol("NSE:ONGC"), interval=Interval.MINUTE)
    assert done.written == 2
    assert [each.line for each in done.cleaner.named] == [3, 4, 5]


def test_the_role_of_the_running_application_can_add_months_and_bars_but_no_other_table():
    with connection.cursor() as cursor:
        role = connection.ops.quote_name(settings.DATABASE_APP_ROLE)
        cursor.execute(f"SET ROLE {role}")
        try:
            assert ensure_partitions(NOON.date(), NOON.date()) == 1
            upsert_bars(stored(bar(0)), is_merging=True)
            assert copy_new_bars([f"{ONGC}\tSIMULATED\tminute\t{NOON}\t1\t1\t1\t1\t1\n"]) == 0
            with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
                cursor.execute("CREATE TABLE public.mine (id integer)")
        finally:
            cursor.execute("RESET ROLE")
    assert partition_of_rows() == {"market_candle_202611"}
