from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market import streams
from market.domain.ticks import Depth, DepthLevel
from market.tests.factories import BTCUSDT, ONGC, quote_of

amounts = st.decimals(
    min_value=Decimal("0.000000000001"), max_value=10**9, places=12, allow_nan=False
)


@given(amounts, amounts, st.integers(1, 2**53))
def test_a_quote_survives_the_journey(price, quantity, sequence):
    level = DepthLevel(price, quantity, 3)
    quote = replace(
        quote_of(),
        last_price=price,
        sequence=sequence,
        depth=Depth((level,), (level, level)),
        traded_value=price * 3,
        traded_quantity=quantity,
    )
    assert streams.decode_quote(streams.encode_quote(quote)) == quote


def test_quotes_are_read_by_token_and_unknown_ones_are_left_out(redis_client):
    streams.put_ticks(redis_client, [quote_of("1"), quote_of("2", sequence=2)])
    assert {t: q.sequence for t, q in streams.read_quotes(redis_client, [ONGC, 5]).items()} == {
        ONGC: 2
    }
    assert streams.read_quotes(redis_client, []) == {}


def test_an_interval_has_the_low_and_high_of_every_tick(redis_client):
    streams.put_ticks(redis_client, [quote_of("10"), quote_of("9.95", sequence=2)])
    streams.put_ticks(
        redis_client, [quote_of("10.5", sequence=3), quote_of("7", token=BTCUSDT, sequence=9)]
    )
    found = {each.instrument_token: each for each in streams.read_intervals(redis_client)}
    ongc = found[ONGC]
    shown = (str(ongc.low), str(ongc.high), str(ongc.last), ongc.sequence)
    assert shown == ("9.95", "10.5", "10.5", 3)
    assert found[BTCUSDT].low == 7


def test_a_reader_that_dies_before_releasing_loses_nothing(redis_client):
    streams.put_ticks(redis_client, [quote_of("10")])
    streams.read_intervals(redis_client)
    streams.put_ticks(redis_client, [quote_of("12", sequence=2)])
    (again,) = streams.read_intervals(redis_client)
    assert (str(again.low), str(again.high), again.sequence) == ("10", "12", 2)


def test_ticks_between_reading_and_releasing_are_kept_and_what_was_read_is_forgotten(redis_client):
    streams.put_ticks(redis_client, [quote_of("10")])
    read = streams.read_intervals(redis_client)
    streams.put_ticks(redis_client, [quote_of("12", sequence=2)])
    streams.release_intervals(redis_client, read)
    (later,) = streams.read_intervals(redis_client)
    assert (str(later.low), str(later.high)) == ("12", "12")
    streams.release_intervals(redis_client, [later])
    assert streams.read_intervals(redis_client) == []


def test_a_slow_reader_cannot_release_what_a_second_one_has_read_since(redis_client):
    streams.put_ticks(redis_client, [quote_of("10")])
    slow = streams.read_intervals(redis_client)
    streams.put_ticks(redis_client, [quote_of("12", sequence=2)])
    streams.read_intervals(redis_client)
    streams.release_intervals(redis_client, slow)
    (kept,) = streams.read_intervals(redis_client)
    assert (str(kept.low), str(kept.high)) == ("10", "12")


def test_the_ring_has_the_last_ticks_in_order(redis_client):
    quotes = [quote_of(str(number), sequence=number) for number in range(1, 301)]
    assert streams.put_ticks(redis_client, quotes) == 300
    ticks = streams.recent_ticks(redis_client, ONGC, after_sequence=298)
    assert [(tick.sequence, str(tick.price)) for tick in ticks] == [(299, "299"), (300, "300")]
    assert len(streams.recent_ticks(redis_client, ONGC, after_sequence=0)) == 256


def test_channels_are_named_after_this_worker_s_database(redis_client):
    database = redis_client.get_connection_kwargs().get("db", 0)
    for name in (streams.TICKS_CHANNEL, streams.GATEWAY_CHANNEL, streams.ACCESS_CHANNEL):
        assert name.split(".")[0] == str(database)


def test_every_tick_is_published_in_order(redis_client):
    pubsub = streams.subscribe_ticks(redis_client, streams.GATEWAY_CHANNEL)
    pubsub.get_message(timeout=1)
    pubsub.get_message(timeout=1)
    streams.put_ticks(redis_client, [quote_of("1", sequence=n) for n in range(1, 101)])
    heard = []
    while message := pubsub.get_message(timeout=0.2):
        heard += streams.decode_quotes(message["data"])
    pubsub.close()
    assert [quote.sequence for quote in heard] == list(range(1, 101))


def test_a_writer_whose_source_was_taken_is_not_heard(redis_client):
    streams.set_fences(redis_client, {ONGC: 4})
    assert streams.put_ticks(redis_client, [quote_of("1")], fences={ONGC: 3}) == 0
    assert streams.read_quotes(redis_client, [ONGC]) == {}
    assert streams.read_intervals(redis_client) == []
    assert streams.put_ticks(redis_client, [quote_of("2")], fences={ONGC: 4}) == 1


def test_events_are_numbered_per_user_and_kept_for_late_pages(redis_client):
    for number in range(3):
        streams.push_event(7, "order", {"id": number, "price": Decimal("1.500")})
    streams.push_event(8, "bot", {})
    frames = redis_client.lrange("events:7:ring", 0, -1)
    assert [streams.event_sequence(frame) for frame in frames] == [1, 2, 3]
    assert frames[0] == b'{"t":"event","seq":1,"kind":"order","data":{"id":0,"price":"1.5"}}'
    assert streams.event_sequence(redis_client.lindex("events:8:ring", 0)) == 1


@pytest.mark.parametrize(
    ("after", "count"), [(0, None), (2, None), (60, 200), (259, 1), (260, 0), (900, None)]
)
async def test_missed_events_are_given_or_said_to_be_gone(redis_client, after, count):
    for number in range(260):
        streams.push_event(7, "order", {"id": number})
    async with streams.connect_async() as client:
        newest, frames = await streams.missed_events(client, 7, after=after)
    assert newest == 260
    assert (None if frames is None else len(frames)) == count


def test_an_event_without_redis_is_logged_and_harms_nobody(settings, caplog):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    streams.push_event(7, "order", {})
    assert "events not pushed" in caplog.text


def test_heartbeats_are_read_by_name(redis_client):
    streams.beat(redis_client, "feed")
    assert list(streams.read_beats(redis_client)) == ["feed"]
    assert redis_client.ttl("beat:feed") > 50


@pytest.mark.parametrize(
    ("value", "text"), [("1.500", "1.5"), ("1E+2", "100"), ("0.00", "0"), ("1000", "1000")]
)
def test_numbers_are_written_plainly(value, text):
    assert streams.plain(Decimal(value)) == text
