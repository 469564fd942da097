from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.domain.roles import SecondFactorRule
from accounts.domain.session_rules import SessionStamp, next_day_roll

NEW_DEVICE, EVERY_SESSION = SecondFactorRule.NEW_DEVICE, SecondFactorRule.EVERY_SESSION
# 06:00 in India is 00:30 in UTC.
NOON = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
ROLL = datetime(2026, 3, 3, 0, 30, tzinfo=UTC)


def stamp(rule=NEW_DEVICE, *, started=NOON, seen=None, **values):
    return SessionStamp(
        public_id="6d1c1f9a-7d3c-4a53-9d6c-0d5f7f2f9a10",
        started_at=started,
        seen_at=seen or started,
        rule=rule,
        address="203.0.113.7",
        browser="Firefox on Linux",
        **values,
    )


@pytest.mark.parametrize(
    ("now", "roll"),
    [
        (NOON, ROLL),
        (ROLL - timedelta(seconds=1), ROLL),
        (ROLL, ROLL + timedelta(days=1)),
        (ROLL + timedelta(seconds=1), ROLL + timedelta(days=1)),
    ],
)
def test_the_day_rolls_at_six_in_india(now, roll):
    assert next_day_roll(now) == roll


def test_paper_and_testnet_last_twelve_hours_without_input():
    assert stamp().ends_at() == NOON + timedelta(hours=12)


def test_live_lasts_thirty_minutes_without_input():
    assert stamp(EVERY_SESSION).ends_at() == NOON + timedelta(minutes=30)


def test_live_ends_at_six_in_india_whatever_its_user_does():
    busy = stamp(EVERY_SESSION, seen=ROLL - timedelta(minutes=1))
    assert busy.ends_at() == ROLL


def test_paper_ends_after_seven_days_whatever_its_user_does():
    busy = stamp(seen=NOON + timedelta(days=7, minutes=-1))
    assert busy.ends_at() == NOON + timedelta(days=7)


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (stamp(), "12 hours without input"),
        (stamp(EVERY_SESSION), "30 minutes without input"),
        (stamp(EVERY_SESSION, seen=ROLL - timedelta(minutes=5)), "06:00 IST"),
        (stamp(seen=NOON + timedelta(days=6, hours=20)), "seven days"),
    ],
)
def test_a_user_is_told_why(ended, words):
    assert words in ended.why_it_ends()


def test_input_is_noted_once_a_minute():
    kept = stamp()
    assert not kept.is_due(NOON + timedelta(seconds=59))
    assert kept.is_due(NOON + timedelta(seconds=60))
    assert kept.touched(NOON + timedelta(hours=1)).ends_at() == NOON + timedelta(hours=13)


def test_a_stricter_rule_holds_for_the_open_session_and_ends_the_trust_of_its_device():
    strict = stamp(device_id=7).follows(EVERY_SESSION)
    assert (strict.device_id, strict.ends_at()) == (None, NOON + timedelta(minutes=30))
    assert stamp(EVERY_SESSION).follows(NEW_DEVICE).ends_at() == NOON + timedelta(hours=12)


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@settings(derandomize=True, max_examples=100)
@given(MOMENTS, st.integers(0, 10**6), st.sampled_from(SecondFactorRule), st.booleans())
def test_a_stamp_comes_back_as_it_was_kept(started, seconds, rule, has_factor):
    seen = started + timedelta(seconds=seconds)
    kept = replace(stamp(rule, started=started, seen=seen), factor_at=seen if has_factor else None)
    assert SessionStamp.from_json(kept.to_json()) == kept


@settings(derandomize=True, max_examples=100)
@given(MOMENTS, st.integers(0, 10**6))
def test_a_live_session_never_sees_two_days(started, seconds):
    seen = started + timedelta(seconds=seconds)
    ends = stamp(EVERY_SESSION, started=started, seen=seen).ends_at()
    assert ends <= next_day_roll(started)
    assert ends <= seen + timedelta(minutes=30)
