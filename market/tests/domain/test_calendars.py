from datetime import datetime

import pytest

from market.domain.calendars import (
    IST,
    day_expiry,
    day_roll,
    is_exchange_open,
    is_open,
    next_opening,
    session_bounds,
    trading_day,
)
from market.domain.enums import Calendar, SourceKind


def at(text):
    return datetime.fromisoformat(f"{text}+05:30")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-02T09:14:59", False),
        ("2026-11-02T09:15:00", True),
        ("2026-11-02T15:29:59", True),
        ("2026-11-02T15:30:00", False),
        ("2026-11-01T10:00:00", False),
    ],
)
def test_live_nse_prices_have_the_hours_of_the_exchange(moment, expected):
    assert is_open(Calendar.NSE, SourceKind.LIVE, at(moment)) is expected
    assert is_exchange_open(Calendar.NSE, at(moment)) is expected


@pytest.mark.parametrize("source", [SourceKind.SIMULATED, SourceKind.REPLAY])
def test_simulated_and_replayed_prices_are_always_open(source):
    assert is_open(Calendar.NSE, source, at("2026-11-01T03:00:00"))


@pytest.mark.parametrize(
    ("moment", "day", "roll", "expiry"),
    [
        ("2026-11-02T05:54:00", "2026-11-01", "2026-11-02T06:00:00", "2026-11-02T05:55:00"),
        ("2026-11-02T05:57:00", "2026-11-01", "2026-11-02T06:00:00", "2026-11-03T05:55:00"),
        ("2026-11-02T06:00:00", "2026-11-02", "2026-11-03T06:00:00", "2026-11-03T05:55:00"),
        ("2026-11-02T23:00:00", "2026-11-02", "2026-11-03T06:00:00", "2026-11-03T05:55:00"),
    ],
)
def test_the_simulated_day_rolls_at_six_and_orders_expire_five_minutes_before(
    moment, day, roll, expiry
):
    where = (Calendar.ALWAYS, SourceKind.SIMULATED, at(moment))
    assert trading_day(*where).isoformat() == day
    assert day_roll(*where) == at(roll)
    assert day_expiry(*where) == at(expiry)
    session = session_bounds(*where)
    assert session is not None
    assert at(moment) in session


def test_a_live_day_order_expires_with_the_next_close_of_the_exchange():
    friday_evening = at("2026-11-06T16:00:00")
    where = (Calendar.NSE, SourceKind.LIVE, friday_evening)
    assert day_expiry(*where) == at("2026-11-09T15:30:00")
    assert day_roll(*where) == datetime(2026, 11, 7, tzinfo=IST)


@pytest.mark.parametrize(
    ("source", "moment", "opening"),
    [
        (SourceKind.LIVE, "2026-11-02T09:14:59", "2026-11-02T09:15:00"),
        (SourceKind.LIVE, "2026-11-02T09:15:00", "2026-11-03T09:15:00"),
        (SourceKind.LIVE, "2026-11-06T16:00:00", "2026-11-09T09:15:00"),
        (SourceKind.SIMULATED, "2026-11-02T05:59:59", "2026-11-02T06:00:00"),
        (SourceKind.SIMULATED, "2026-11-02T06:00:00", "2026-11-03T06:00:00"),
    ],
)
def test_the_next_session_opens_after_the_moment(source, moment, opening):
    assert next_opening(Calendar.NSE, source, at(moment)) == at(opening)
