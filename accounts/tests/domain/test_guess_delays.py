from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.guess_delays import RULES, SECOND, Bucket, Kind

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def evaluated(kind, moments, *, bucket=None):
    """Return which of the moments of tries are let in."""
    bucket = bucket or Bucket(START, START)
    let_in = []
    for moment in moments:
        if not bucket.seconds_to_wait(now=moment):
            bucket = bucket.filled(RULES[kind], now=moment)
            let_in.append(moment)
    return let_in


@pytest.mark.parametrize(
    ("kind", "most"), [(Kind.PLACE, 94), (Kind.ACCOUNT, 94), (Kind.ADDRESS, 98)]
)
def test_of_10_000_guesses_spread_over_a_day_under_100_are_evaluated(kind, most):
    spread = [START + DAY * number / 10_000 for number in range(10_000)]
    assert len(evaluated(kind, spread)) <= 100
    # The cleverest guesser tries in the very second that he may.
    seconds = [START + SECOND * number for number in range(86_400)]
    assert len(evaluated(kind, seconds)) == most


@given(
    st.sampled_from([Kind.PLACE, Kind.ACCOUNT, Kind.ADDRESS]),
    st.lists(st.integers(min_value=0, max_value=4000), min_size=1, max_size=300),
)
def test_no_rhythm_of_guesses_gets_more_than_100_in_any_24_hours(kind, pauses):
    moment, moments = START, []
    for pause in pauses:
        moment += SECOND * pause
        moments.append(moment)
    let_in = evaluated(kind, moments)
    for first in let_in:
        assert sum(first <= each < first + DAY for each in let_in) <= 100


def test_the_delay_doubles_from_a_second_to_17_minutes_and_no_further():
    rule, bucket, now, waits = RULES[Kind.PLACE], Bucket(START, START), START, []
    for _ in range(14):
        bucket = bucket.filled(rule, now=now)
        waits.append(bucket.seconds_to_wait(now=now))
        now = bucket.blocked_until
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024, 1024]


def test_an_address_has_four_tries_free_and_the_platform_500():
    for kind, free, longest in ((Kind.ADDRESS, 4, 1024), (Kind.PLATFORM, 500, 8)):
        rule = RULES[kind]
        delays = [rule.delay(level).total_seconds() for level in range(free + 20)]
        assert delays[: free + 1] == [0] * (free + 1)
        assert delays[free + 1 : free + 5] == [1, 2, 4, 8]
        assert max(delays) == longest


def test_nothing_is_for_ever():
    bucket, rule = Bucket(START, START), RULES[Kind.PLACE]
    for _ in range(10_000):
        bucket = bucket.filled(rule, now=START)
    assert bucket.seconds_to_wait(now=START) == 1024
    for number in range(11):
        assert bucket.level(rule, now=bucket.empty_at - number * rule.longest) == number
    assert bucket.level(rule, now=bucket.empty_at + DAY) == 0


def test_what_was_no_guess_is_taken_back():
    rule, now = RULES[Kind.ACCOUNT], START + 8 * SECOND
    strangers = Bucket(START, START)
    for _ in range(3):
        strangers = strangers.filled(rule, now=START)
    both = strangers.filled(rule, now=now).filled(rule, now=now)
    assert both.seconds_to_wait(now=now) == 16
    without = both.drained(rule, tries=2, until=both.blocked_until, now=now)
    assert without == Bucket(strangers.empty_at, now)
    # Somebody else's wrong try has closed it meanwhile: that stays.
    later = both.filled(rule, now=now)
    kept = later.drained(rule, tries=2, until=both.blocked_until, now=now)
    assert kept.blocked_until == later.blocked_until
