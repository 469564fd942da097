from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.domain.candles import (
    INTERVAL_LENGTHS,
    aggregate_bars,
    bar_start,
    fold_tick,
    is_consistent,
)
from market.domain.enums import Calendar, Interval
from market.domain.ticks import Tick

START = datetime(2026, 11, 2, 3, 45, tzinfo=UTC)


def tick(seconds, price, quantity=1):
    return Tick(
        1, Decimal(price), START + timedelta(seconds=seconds), Decimal(0), Decimal(quantity)
    )


def folded(ticks):
    bars, held = [], None
    for each in ticks:
        held, closed = fold_tick(held, each)
        if closed:
            bars.append(closed)
    return [*bars, held] if held else bars


ticks_in_order = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 10_000), st.integers(0, 50)), max_size=80
).map(
    lambda steps: [
        tick(sum(step for step, _, _ in steps[: n + 1]), price, quantity)
        for n, (_, price, quantity) in enumerate(steps)
    ]
)


def test_a_minute_keeps_its_first_highest_lowest_and_last_price():
    first, second = folded([tick(0, 10), tick(20, 14), tick(40, 8), tick(59, 9), tick(60, 11)])
    assert (first.open, first.high, first.low, first.close, first.volume) == (10, 14, 8, 9, 4)
    assert (second.time, second.open) == (START + timedelta(minutes=1), 11)


@given(ticks_in_order)
def test_folding_loses_no_volume_and_bars_enclose_their_prices(ticks):
    bars = folded(ticks)
    assert sum(bar.volume for bar in bars) == sum(each.last_quantity for each in ticks)
    assert all(is_consistent(bar) for bar in bars)
    assert [bar.time for bar in bars] == sorted({bar.time for bar in bars})
    if ticks:
        assert (bars[0].open, bars[-1].close) == (ticks[0].price, ticks[-1].price)


@given(ticks_in_order, st.sampled_from(list(Interval)), st.sampled_from(list(Calendar)))
def test_gathering_in_two_steps_is_gathering_at_once(ticks, interval, calendar):
    minutes = folded(ticks)
    direct = aggregate_bars(minutes, interval=interval, calendar=calendar)
    fives = aggregate_bars(minutes, interval=Interval.MINUTE_5, calendar=calendar)
    if INTERVAL_LENGTHS[interval] % timedelta(minutes=5) == timedelta(0):
        assert aggregate_bars(fives, interval=interval, calendar=calendar) == direct
    assert sum(bar.volume for bar in direct) == sum(bar.volume for bar in minutes)


@pytest.mark.parametrize(
    ("calendar", "interval", "start"),
    [
        (Calendar.NSE, Interval.HOUR, "2026-11-02T03:45:00+00:00"),
        (Calendar.NSE, Interval.DAY, "2026-11-01T18:30:00+00:00"),
        (Calendar.ALWAYS, Interval.HOUR, "2026-11-02T04:00:00+00:00"),
        (Calendar.ALWAYS, Interval.DAY, "2026-11-02T00:00:00+00:00"),
    ],
)
def test_bars_begin_with_the_session_and_days_with_the_local_date(calendar, interval, start):
    moment = datetime(2026, 11, 2, 4, 30, tzinfo=UTC)
    assert bar_start(moment, interval=interval, calendar=calendar).isoformat() == start
