from decimal import Decimal

import pytest

from market.domain.cleaning import RejectReason
from market.domain.ticks import Tick
from market.exceptions import UnreadableFile
from market.providers.files import Layout, Recording, inspect_recording, iter_tick_file
from market.tests.factories import recording, spec_of, write_lines


def test_the_ongc_day_gives_the_counts_that_the_decisions_name():
    path = recording("equities/ticks/ONGC_2021-05-14_ticks.csv.gz")
    read = Recording(path, spec_of())
    ticks = list(read.ticks())
    assert read.cleaner.counts == {
        RejectReason.DUPLICATE: 140,
        RejectReason.OUT_OF_SESSION: 143,
        RejectReason.TIME_BACKWARDS: 28,
        RejectReason.VOLUME_BACKWARDS: 20,
    }
    assert len(ticks) == read.cleaner.accepted == 10_239
    assert ticks[0].exchange_time.isoformat() == "2021-05-14T03:45:25+00:00"
    assert sum(tick.last_quantity for tick in ticks) == ticks[-1].volume


@pytest.mark.parametrize(
    ("name", "symbol", "count"),
    [
        ("equities/minute/ONGC_1min_2021-05-11_2021-05-31.csv.gz", "NSE:ONGC", 8900),
        (
            "equities/minute/NIFTY50_1min_2019-01-01_2019-01-02_lean.csv.gz",
            "NSE:NIFTY 50",
            3000,
        ),
        ("crypto/candles/binance-spot_BTCBUSD_1m_2022-12-13.csv.gz", "BINANCE:BTCBUSD", 5760),
        ("crypto/candles/BTCUSDT_5m_2025-08-03_2025-08-05.csv.gz", "BINANCE:BTCUSDT", 2816),
        ("crypto/trades/binance-spot_BTCUSDT_2021-01-08_trades.csv.gz", "BINANCE:BTCUSDT", 2001),
    ],
)
def test_every_layout_of_the_recordings_is_read(name, symbol, count):
    ticks = list(iter_tick_file(recording(name), spec_of(symbol)))
    assert len(ticks) == count
    times = [tick.exchange_time for tick in ticks]
    assert times == sorted(times)


def test_a_broken_file_gives_its_good_rows_and_names_the_bad_ones(tmp_path):
    path = write_lines(
        tmp_path / "ticks.csv",
        "timestamp,ltp,volume",
        "2021-05-14 09:15:00,114.75,100",
        "2021-05-14 09:15:01,what,110",
        "2021-05-14 09:15:02,114.80",
        "yesterday,114.80,120",
        "2021-05-14 09:15:03,114.80,-5",
        "2021-05-14 09:15:04,nan,125",
        "",
        "2021-05-14 09:15:05,114.85,130",
    )
    read = inspect_recording(path, spec_of())
    assert read.cleaner.accepted == 2
    assert read.cleaner.counts == {RejectReason.UNREADABLE: 4, RejectReason.BAD_PRICE: 1}
    assert [each.line for each in read.cleaner.named] == [3, 4, 5, 6, 7]
    assert "line 3: row cannot be read" in "\n".join(read.summary())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,b,c", "1,2,3"], "x.csv, line 1: no layout known with columns 'a, b, c'"),
        ([""], "x.csv, line 1: the file is empty"),
        (["timestamp,ltp,volume", "x,y,z"], "x.csv: no usable row"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name_and_line(tmp_path, lines, message):
    path = write_lines(tmp_path / "x.csv", *lines)
    with pytest.raises(UnreadableFile, match=message.replace("'", ".")):
        inspect_recording(path, spec_of())


def test_a_file_that_is_not_text_breaks_off_or_is_missing_is_refused(tmp_path):
    whole = write_lines(
        tmp_path / "cut.csv.gz",
        "timestamp,ltp,volume",
        *(
            f"2021-05-14 09:{m:02}:{s:02},114.75,{m * 60 + s}"
            for m in range(15, 59)
            for s in range(60)
        ),
        is_packed=True,
    )
    whole.write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(UnreadableFile, match=r"cut.csv.gz, line \d+"):
        inspect_recording(whole, spec_of())
    noise = tmp_path / "noise.csv"
    noise.write_bytes(b"timestamp,ltp,volume\n\xff\xfe\x00\n")
    with pytest.raises(UnreadableFile, match=r"noise.csv, line \d"):
        inspect_recording(noise, spec_of())
    with pytest.raises(UnreadableFile, match=r"nowhere.csv: No such file"):
        inspect_recording(tmp_path / "nowhere.csv", spec_of())


def test_rows_of_other_instruments_are_passed_over(tmp_path):
    path = write_lines(
        tmp_path / "c.csv",
        "symbol,time,open,high,low,close,volume",
        "INFY,2021-05-14 09:15:00,10,11,9,10,5",
        "ONGC,2021-05-14 09:15:00,10,11,9,10,5",
    )
    read = Recording(path, spec_of())
    assert len(list(read.ticks())) == 4
    assert read.cleaner.counts == {RejectReason.OTHER_INSTRUMENT: 1}
    assert read.layout is Layout.CANDLES


def test_noise_of_binary_floats_behind_the_twelfth_decimal_is_dropped(tmp_path):
    path = write_lines(
        tmp_path / "t.csv", "timestamp,price,quantity", "1610064000278,39432.480000000000001,0.5"
    )
    (tick,) = iter_tick_file(path, spec_of("BINANCE:BTCUSDT"))
    assert isinstance(tick, Tick)
    assert tick.price == Decimal("39432.48")
    assert tick.exchange_time.isoformat() == "2021-01-08T00:00:00.278000+00:00"
