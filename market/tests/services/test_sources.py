import pytest
from django.db import connection

from market.exceptions import SourceBusy
from market.models import InstrumentSource
from market.selectors import active_source, instrument_by_symbol
from market.services.instruments import seed_instruments
from market.services.sources import hand_back, hold_simulated, release_all, renew, take_over
from market.tests.factories import BTCUSDT, ONGC

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _seeded():
    seed_instruments()


def let_leases_expire():
    with connection.cursor() as cursor:
        cursor.execute("UPDATE market_instrumentsource SET lease_until = now() - interval '1 s'")


def test_a_feed_keeps_its_fence_and_a_second_feed_gets_nothing_while_it_lives():
    first = hold_simulated([ONGC, BTCUSDT], owner="a")
    assert hold_simulated([ONGC, BTCUSDT], owner="a") == first
    assert hold_simulated([ONGC, BTCUSDT], owner="b") == {}


def test_the_lease_of_a_dead_feed_passes_on_with_a_higher_fence():
    first = hold_simulated([ONGC], owner="a")
    let_leases_expire()
    second = hold_simulated([ONGC], owner="b")
    assert second[ONGC] > first[ONGC]
    assert hold_simulated([ONGC], owner="a") == {}


def test_a_feed_that_ends_in_order_leaves_no_waiting():
    hold_simulated([ONGC], owner="a")
    release_all(owner="a")
    assert hold_simulated([ONGC], owner="b")


def test_a_replay_takes_over_at_once_and_hands_back():
    ongc = instrument_by_symbol("NSE:ONGC")
    held = hold_simulated([ONGC, BTCUSDT], owner="feed")
    fence = take_over(ongc, run="day", owner="replay")
    assert fence > held[ONGC]
    assert active_source(ONGC) == "REPLAY:day"
    assert hold_simulated([ONGC, BTCUSDT], owner="feed").keys() == {BTCUSDT}
    renew(ONGC, owner="replay", fence=fence)
    hand_back(ONGC, owner="replay")
    assert active_source(ONGC) == "SIMULATED"
    assert hold_simulated([ONGC], owner="feed")[ONGC] > fence


def test_a_second_replay_of_an_instrument_is_refused():
    ongc = instrument_by_symbol("NSE:ONGC")
    take_over(ongc, run="one", owner="a")
    with pytest.raises(SourceBusy, match="NSE:ONGC is already being replayed"):
        take_over(ongc, run="two", owner="b")
    assert active_source(ONGC) == "REPLAY:one"


def test_the_feed_takes_back_what_a_dead_replay_held_and_the_replay_hears_of_it():
    fence = take_over(instrument_by_symbol("NSE:ONGC"), run="one", owner="a")
    let_leases_expire()
    assert hold_simulated([ONGC], owner="feed")
    assert InstrumentSource.objects.get(pk=ONGC).source == "SIMULATED"
    with pytest.raises(SourceBusy):
        renew(ONGC, owner="a", fence=fence)
    hand_back(ONGC, owner="a")
    assert InstrumentSource.objects.get(pk=ONGC).owner == "feed"
