from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.domain.candles import CandleBar
from market.domain.cleaning import (
    BarRow,
    Rejection,
    RejectReason,
    TickCleaner,
    TickRow,
    ticks_of_bar,
)
from market.domain.ticks import Depth, DepthLevel, Tick
from market.tests.factories import spec_of

OPEN = datetime(2021, 5, 14, 3, 45, tzinfo=UTC)


def row(seconds=0, price="114.75", volume="100", line=2, depth=None):
    time = OPEN + timedelta(seconds=seconds)
    size = Decimal(volume)
    return TickRow(line, time, Decimal(price), size, None, (time, price, volume), depth)


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (row(0), RejectReason.DUPLICATE),
        (row(-1, volume="200"), RejectReason.OUT_OF_SESSION),
        (row(6 * 3600 + 900, volume="200"), RejectReason.OUT_OF_SESSION),
        (row(1, volume="99"), RejectReason.VOLUME_BACKWARDS),
        (row(1, price="0"), RejectReason.BAD_PRICE),
        (row(1, price="-5"), RejectReason.BAD_PRICE),
        (row(1, price="NaN"), RejectReason.BAD_PRICE),
        (row(1, price="Infinity"), RejectReason.BAD_PRICE),
        (row(1, price="114.77"), RejectReason.BAD_PRICE),
    ],
)
def test_a_doubtful_row_is_rejected_with_its_reason_and_changes_nothing(later, reason):
    cleaner = TickCleaner(spec_of())
    assert isinstance(cleaner.accept(row()), Tick)
    rejection = cleaner.accept(later)
    assert isinstance(rejection, Rejection)
    assert rejection.reason is reason
    assert (cleaner.accepted, cleaner.rejected) == (1, 1)
    assert isinstance(cleaner.accept(row(2, volume="100", price="114.80")), Tick)


def refused(result):
    assert isinstance(result, Rejection)
    return result.reason


def test_time_before_the_last_accepted_is_rejected_but_the_same_second_is_not():
    cleaner = TickCleaner(spec_of())
    assert isinstance(cleaner.accept(row(5)), Tick)
    assert refused(cleaner.accept(row(4, volume="101"))) is RejectReason.TIME_BACKWARDS
    assert isinstance(cleaner.accept(row(5, volume="102")), Tick)


def test_the_first_fitting_reason_counts():
    """A duplicate out of session is a duplicate; a backward row with a bad price is backward."""
    cleaner = TickCleaner(spec_of())
    cleaner.accept(row(-60))
    cleaner.accept(row(-60))
    cleaner.accept(row(9))
    cleaner.accept(row(3, price="0"))
    assert cleaner.counts == {
        RejectReason.OUT_OF_SESSION: 1,
        RejectReason.DUPLICATE: 1,
        RejectReason.TIME_BACKWARDS: 1,
    }


def test_quantity_is_the_growth_of_the_days_volume_and_starts_again_next_day():
    cleaner = TickCleaner(spec_of())
    ticks = [
        cleaner.accept(each)
        for each in (row(0, volume="500"), row(1, volume="650"), row(3 * 86400, volume="40"))
    ]
    kept = [tick.last_quantity for tick in ticks if isinstance(tick, Tick)]
    assert kept == [500, 150, 40]


def test_a_crossed_book_is_rejected():
    level = DepthLevel(Decimal("114.75"), Decimal(1))
    cleaner = TickCleaner(spec_of())
    assert (
        refused(cleaner.accept(row(depth=Depth((level,), (level,))))) is RejectReason.CROSSED_BOOK
    )


def test_rejected_rows_are_named_by_line():
    cleaner = TickCleaner(spec_of())
    cleaner.accept(row(line=17, price="114.77"))
    assert cleaner.named == [Rejection(17, RejectReason.BAD_PRICE, "114.77")]


def test_bars_must_enclose_their_prices_and_follow_each_other():
    def bar(minute, high="115"):
        time = OPEN + timedelta(minutes=minute)
        numbers = ("114.75", high, "114.5", "114.8", "10")
        return BarRow(2, CandleBar(time, *map(Decimal, numbers)), (minute, high))

    cleaner = TickCleaner(spec_of())
    assert isinstance(cleaner.accept_bar(bar(1)), CandleBar)
    assert refused(cleaner.accept_bar(bar(1, high="115.05"))) is RejectReason.TIME_BACKWARDS
    assert refused(cleaner.accept_bar(bar(2, high="114.6"))) is RejectReason.BAD_PRICE


prices = st.integers(-3, 4000).map(lambda ticks: str(Decimal(ticks) * Decimal("0.05")))
rows = st.lists(
    st.builds(
        row,
        seconds=st.integers(-50, 200),
        price=prices | st.sampled_from(["NaN", "114.77"]),
        volume=st.integers(0, 300).map(str),
    ),
    max_size=60,
)


@given(rows)
def test_accepted_ticks_are_always_in_order_on_tick_and_counted(recorded):
    cleaner = TickCleaner(spec_of())
    results = [cleaner.accept(each) for each in recorded]
    ticks = [each for each in results if isinstance(each, Tick)]
    assert len(ticks) == cleaner.accepted
    assert cleaner.accepted + cleaner.rejected == len(recorded)
    for earlier, later in pairwise(ticks):
        assert earlier.exchange_time <= later.exchange_time
        assert earlier.volume <= later.volume
        assert later.last_quantity == later.volume - earlier.volume
    assert all(tick.price > 0 and spec_of().is_on_tick(tick.price) for tick in ticks)


@given(rows)
def test_cleaning_what_is_clean_rejects_nothing(recorded):
    first = TickCleaner(spec_of())
    kept = [each for each in recorded if isinstance(first.accept(each), Tick)]
    second = TickCleaner(spec_of())
    assert all(isinstance(second.accept(each), Tick) for each in kept)


@pytest.mark.parametrize(
    ("opening", "close", "path"),
    [("10", "12", ["10", "9", "13", "12"]), ("12", "10", ["12", "13", "9", "10"])],
)
def test_a_candle_is_four_ticks_in_the_order_of_its_direction(opening, close, path):
    bar = CandleBar(OPEN, Decimal(opening), Decimal(13), Decimal(9), Decimal(close), Decimal(10))
    ticks = ticks_of_bar(bar, spec=spec_of(), length=timedelta(minutes=1), day_volume=Decimal(100))
    assert [tick.price for tick in ticks] == [Decimal(price) for price in path]
    assert [tick.last_quantity for tick in ticks] == [2, 2, 2, 4]
    assert ticks[-1].volume == 110
    assert [(tick.exchange_time - OPEN).seconds for tick in ticks] == [0, 15, 30, 45]
