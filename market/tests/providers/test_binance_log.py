import csv
import gzip
from decimal import Decimal
from itertools import islice

import orjson
import pytest

from market.domain.cleaning import RejectReason, is_crossed
from market.providers.binance_log import RebuiltBook, is_binance_line
from market.providers.files import Layout, Recording, iter_tick_file
from market.tests.factories import recording, spec_of, write_lines

SPOT = "crypto/depth/binance-spot_BTCUSDT_2024-08-08_raw-ws.log.gz"
FUTURES = "crypto/depth/binance-usdm_BTCUSDT_2024-08-08_raw-ws.log.gz"


def stream(payload):
    return f"1723161254087896568 {orjson.dumps({'stream': 's', 'data': payload}).decode()}"


def trade(number, price="100.00", symbol="BTCUSDT"):
    return stream(
        {"e": "trade", "E": 1, "s": symbol, "t": number, "p": price, "q": "0.5", "T": 1723161255342}
    )


SNAPSHOT = (
    '1723161254206652067 {"lastUpdateId":10,"bids":[["99.99","1"],["99.98","2"]],'
    '"asks":[["100.01","3"],["100.02","4"]]}'
)


def diff(first, last, *, bids=(), asks=(), previous=None):
    message = {"e": "depthUpdate", "s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": asks}
    return stream(message if previous is None else {**message, "pu": previous})


def ticks_of(tmp_path, *lines):
    path = write_lines(tmp_path / "raw.log", *lines)
    read = Recording(path, spec_of("BINANCE:BTCUSDT"))
    return list(read.ticks()), read


@pytest.mark.parametrize("name", [SPOT, FUTURES])
def test_a_recorded_minute_gives_trades_with_ten_levels_and_no_gap(name):
    read = Recording(recording(name), spec_of("BINANCE:BTCUSDT"))
    ticks = list(islice(read.ticks(), 2500))
    with_book = [tick.depth for tick in ticks if tick.depth]
    assert read.layout is Layout.BINANCE_LOG
    assert len(with_book) > 2000
    assert not read.cleaner.counts
    for depth in with_book:
        assert (len(depth.bids), len(depth.asks)) == (10, 10)
        assert not is_crossed(depth)


def test_the_rebuilt_book_is_the_one_that_was_rebuilt_elsewhere():
    """At every diff of the futures log up to a row of the published one-second books."""
    expected = recording("crypto/depth/binance-usdm_BTCUSDT_2024-08-08_top10_1s.csv.gz")
    with gzip.open(expected, "rt") as file:
        row = list(islice(csv.DictReader(file), 5))[-1]
    book = RebuiltBook()
    with gzip.open(recording(FUTURES), "rt") as log:
        for line in log:
            stamp, _, text = line.partition(" ")
            if int(stamp) // 1_000_000 > int(row["local_ms"]):
                break
            message = orjson.loads(text)
            if "lastUpdateId" in message:
                book.apply_snapshot(message)
            elif message["data"].get("e") == "depthUpdate":
                book.apply_diff(message["data"])
    depth = book.depth()
    assert depth is not None
    for number in range(10):
        for side, levels in (("bid", depth.bids), ("ask", depth.asks)):
            assert levels[number].price == Decimal(row[f"{side}{number + 1}_px"])
            assert levels[number].quantity == Decimal(row[f"{side}{number + 1}_qty"])
    assert book.gaps == 0


def test_a_diff_that_was_waiting_for_the_snapshot_is_applied(tmp_path):
    waiting = diff(9, 12, bids=[["99.99", "0"]])
    (tick,), _ = ticks_of(tmp_path, waiting, SNAPSHOT, trade(1))
    assert [str(level.price) for level in tick.depth.bids] == ["99.98"]


def test_a_gap_leaves_no_book_until_the_next_snapshot(tmp_path):
    ticks, _ = ticks_of(tmp_path, SNAPSHOT, trade(1), diff(15, 16), trade(2), SNAPSHOT, trade(3))
    assert [tick.depth is not None for tick in ticks] == [True, False, True]


def test_a_futures_diff_must_name_the_one_before(tmp_path):
    ticks, _ = ticks_of(
        tmp_path,
        SNAPSHOT,
        diff(8, 12, previous=7),
        diff(20, 22, previous=12, asks=[["100.01", "9"]]),
        trade(1),
        diff(30, 31, previous=29),
        trade(2),
    )
    assert ticks[0].depth.asks[0].quantity == 9
    assert ticks[1].depth is None


def test_a_newer_best_price_stands_before_the_diff_that_contains_it(tmp_path):
    best = stream({"u": 11, "s": "BTCUSDT", "b": "99.98", "B": "7", "a": "100.00", "A": "8"})
    (tick,), _ = ticks_of(tmp_path, SNAPSHOT, best, trade(1))
    assert [(str(level.price), str(level.quantity)) for level in tick.depth.bids] == [
        ("99.98", "7")
    ]
    assert [str(level.price) for level in tick.depth.asks] == ["100.00", "100.01", "100.02"]


def test_broken_and_foreign_messages_are_counted_and_named(tmp_path):
    ticks, read = ticks_of(
        tmp_path,
        SNAPSHOT,
        trade(1),
        "17231 {broken",
        trade(2, symbol="ETHUSDT"),
        trade(1),
        trade(3),
    )
    assert len(ticks) == 2
    assert read.cleaner.counts == {
        RejectReason.UNREADABLE: 1,
        RejectReason.OTHER_INSTRUMENT: 1,
        RejectReason.DUPLICATE: 1,
    }
    assert [each.line for each in read.cleaner.named] == [3, 4, 5]


def test_a_log_is_known_by_its_first_line():
    assert is_binance_line(SNAPSHOT)
    assert not is_binance_line("timestamp,ltp,volume")


def test_single_trades_add_up_to_the_days_volume(tmp_path):
    path = write_lines(tmp_path / "raw.log", trade(1), trade(2), trade(3))
    ticks = list(iter_tick_file(path, spec_of("BINANCE:BTCUSDT")))
    assert [tick.volume for tick in ticks] == [Decimal("0.5"), Decimal("1.0"), Decimal("1.5")]
