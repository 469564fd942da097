"""The one rule of protective stops (decisions 18)."""

from datetime import timedelta

from bots.domain.stop_watch import Watch, due_of, watch_stop
from bots.tests.domain.grids import T0

SHORT = timedelta(milliseconds=200)
LONG = timedelta(seconds=1)


def test_first_crossing_tick_only_starts():
    assert watch_stop(None, is_beyond=True, time=T0) == Watch(since=T0, fires=False)
    assert due_of(T0) == T0 + LONG
    assert due_of(None) is None


def test_next_tick_beyond_fires_even_in_the_same_instant():
    assert watch_stop(T0, is_beyond=True, time=T0).fires
    assert watch_stop(T0, is_beyond=True, time=T0 + SHORT).fires


def test_tick_back_inside_the_second_resets():
    assert watch_stop(T0, is_beyond=False, time=T0 + SHORT) == Watch(since=None, fires=False)


def test_a_second_without_a_tick_fires():
    assert not watch_stop(T0, is_beyond=True, time=T0 + SHORT, is_tick=False).fires
    assert watch_stop(T0, is_beyond=True, time=T0 + LONG, is_tick=False).fires
    # The price stood beyond for a whole second; that it comes back now is too late.
    assert watch_stop(T0, is_beyond=False, time=T0 + LONG).fires


def test_nothing_happens_within_the_prices():
    assert watch_stop(None, is_beyond=False, time=T0) == Watch(since=None, fires=False)
    assert watch_stop(None, is_beyond=True, time=T0, is_tick=False).since is None
