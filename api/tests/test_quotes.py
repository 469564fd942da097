"""GET /quote, /quote/ohlc, /quote/ltp and /instruments/trigger_range."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisGone

from api.tests.desk import make_desk
from api.tests.test_paths import envelope
from market import streams
from market.domain.ticks import Depth, DepthLevel
from market.models import Instrument
from market.tests.factories import BTCUSDT, ONGC, SHARED_DATA, quote_of

pytestmark = pytest.mark.django_db
MOCKS = SHARED_DATA / "exchange-payloads" / "kite"
TRADED_AT = datetime(2026, 11, 20, 3, 45, 1, 999_999, tzinfo=UTC)


@pytest.fixture
def desk(alice, redis_client):
    return make_desk(alice, now=timezone.now())


def level(price, quantity, orders=2):
    return DepthLevel(Decimal(price), Decimal(quantity), orders)


def ongc_quote():
    depth = Depth(
        bids=tuple(level(f"{262 - step}", 10 + step) for step in range(6)),
        asks=(level("262.1", 7),),
    )
    return replace(
        quote_of("262.05", exchange_time=TRADED_AT, depth=depth),
        open=Decimal(261),
        high=Decimal("262.5"),
        low=Decimal("260.95"),
        traded_value=Decimal(26_150),
        traded_quantity=Decimal(100),
    )


def btc_quote():
    depth = Depth(bids=(level("67400.01", "0.5"), level("67400", "1.75")), asks=())
    return replace(
        quote_of("67400.01", token=BTCUSDT, exchange_time=TRADED_AT, depth=depth),
        last_quantity=Decimal("0.00012"),
        volume=Decimal("1234.98765"),
        previous_close=Decimal("67400.02"),
    )


def publish(redis_client, *quotes):
    streams.put_ticks(redis_client, quotes)


NO_LEVEL = {"price": 0, "quantity": 0, "orders": 0}
ONGC_ROW = {
    "instrument_token": ONGC,
    "timestamp": "2026-11-20 09:15:01",
    "last_trade_time": "2026-11-20 09:15:01",
    "last_price": 262.05,
    "last_quantity": 10,
    "buy_quantity": 75,
    "sell_quantity": 7,
    "volume": 1000,
    "average_price": 261.5,
    "oi": 0,
    "oi_day_high": 0,
    "oi_day_low": 0,
    "net_change": 2.05,
    "lower_circuit_limit": 0,
    "upper_circuit_limit": 0,
    "ohlc": {"open": 261, "high": 262.5, "low": 260.95, "close": 260},
    "depth": {
        "buy": [{"price": 262 - step, "quantity": 10 + step, "orders": 2} for step in range(5)],
        "sell": [{"price": 262.1, "quantity": 7, "orders": 2}, *[NO_LEVEL] * 4],
    },
}


def test_a_quote_field_by_field(desk, redis_client):
    publish(redis_client, ongc_quote())
    answer = desk.get("/quote", i="NSE:ONGC")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == {"status": "success", "data": {"NSE:ONGC": ONGC_ROW}}


INTEGERS = {"instrument_token", "last_quantity", "buy_quantity", "sell_quantity", "volume"}
INTEGERS |= {"oi", "oi_day_high", "oi_day_low", "quantity", "orders"}
TEXTS = {"timestamp", "last_trade_time"}


def assert_typed(row):
    for name, value in row.items():
        if isinstance(value, dict):
            assert_typed(value)
        elif isinstance(value, list):
            for each in value:
                assert_typed(each)
        elif name in TEXTS:
            assert type(value) is str
            assert len(value) == 19
        elif name in INTEGERS:
            assert type(value) is int, name
        else:
            assert type(value) in {int, float}, name


def names_in(value):
    if isinstance(value, dict):
        return {name: names_in(each) for name, each in value.items()}
    return [names_in(each) for each in value] if isinstance(value, list) else None


@pytest.mark.parametrize(
    ("path", "mock"),
    [("/quote", "quote.json"), ("/quote/ohlc", "ohlc.json"), ("/quote/ltp", "ltp.json")],
)
def test_the_fields_are_those_of_kites_own_sample(desk, redis_client, path, mock):
    publish(redis_client, btc_quote())
    (row,) = desk.get(path, i="BINANCE:BTCUSDT").json()["data"].values()
    assert_typed(row)
    sample: Path = MOCKS / mock
    if not sample.is_file():
        pytest.skip(f"Kite's sample {mock} is not here (looked in ../shared/data)")
    (theirs,) = json.loads(sample.read_text())["data"].values()
    assert names_in(row) == names_in(theirs)


def test_fractions_are_cut_off_where_kite_has_whole_numbers(desk, redis_client):
    publish(redis_client, btc_quote())
    row = desk.get("/quote", i="BINANCE:BTCUSDT").json()["data"]["BINANCE:BTCUSDT"]
    assert (row["last_quantity"], row["volume"], row["buy_quantity"]) == (0, 1234, 2)
    assert row["depth"]["buy"][:2] == [
        {"price": 67400.01, "quantity": 0, "orders": 2},
        {"price": 67400, "quantity": 1, "orders": 2},
    ]
    assert row["depth"]["sell"] == [NO_LEVEL] * 5
    assert row["net_change"] == -0.01
    # Nothing was traded yet that is known of: the last price stands in.
    assert row["average_price"] == 67400.01


def test_circuit_limits_where_there_are_any(desk, redis_client):
    Instrument.objects.filter(pk=ONGC).update(lower_circuit="235.85", upper_circuit="288.25")
    publish(redis_client, ongc_quote())
    row = desk.get("/quote", i="NSE:ONGC").json()["data"]["NSE:ONGC"]
    assert (row["lower_circuit_limit"], row["upper_circuit_limit"]) == (235.85, 288.25)


def test_keys_are_the_texts_that_were_sent_and_unknown_ones_are_missing(desk, redis_client):
    publish(redis_client, ongc_quote(), btc_quote())
    asked = [
        *("NSE:ONGC", str(ONGC), "NSE:ONGC", "BINANCE:BTCUSDT", str(BTCUSDT)),
        *(
            "NSE:NOTHING",
            "BSE:ONGC",
            "nse:ongc",
            "ONGC",
            "0633601",
            "9" * 40,
            "NSE:SBIN",
            ":",
            "-1",
        ),
    ]
    answer = desk.get("/quote/ltp", i=asked).json()["data"]
    assert answer == {
        "NSE:ONGC": {"instrument_token": ONGC, "last_price": 262.05},
        str(ONGC): {"instrument_token": ONGC, "last_price": 262.05},
        "BINANCE:BTCUSDT": {"instrument_token": BTCUSDT, "last_price": 67400.01},
        str(BTCUSDT): {"instrument_token": BTCUSDT, "last_price": 67400.01},
    }


def test_ohlc(desk, redis_client):
    publish(redis_client, ongc_quote())
    assert desk.get("/quote/ohlc", i="NSE:ONGC").json()["data"] == {
        "NSE:ONGC": {
            "instrument_token": ONGC,
            "last_price": 262.05,
            "ohlc": {"open": 261, "high": 262.5, "low": 260.95, "close": 260},
        }
    }


def test_an_ampersand_in_a_symbol(desk, redis_client):
    Instrument.objects.filter(pk=ONGC).update(tradingsymbol="M&M")
    publish(redis_client, ongc_quote())
    assert list(desk.get("/quote/ltp", i="NSE:M&M").json()["data"]) == ["NSE:M&M"]


@pytest.mark.parametrize("path", ["/quote", "/quote/ohlc", "/instruments/trigger_range/buy"])
@pytest.mark.parametrize("query", [{}, {"i": ""}, {"i": ["", ""]}])
def test_none_asked_for(desk, path, query):
    answer = envelope(desk.get(path, **query), 400, "InputException")
    assert answer["message"] == "Missing or empty field `i`."
    assert answer["data"] == {"field": "i", "code": "required"}


@pytest.mark.parametrize(
    ("path", "most"), [("/quote", 500), ("/quote/ohlc", 1000), ("/quote/ltp", 1000)]
)
def test_the_limit_is_named(desk, path, most):
    names = [f"NSE:S{number}" for number in range(most)]
    assert desk.get(path, i=names).json() == {"status": "success", "data": {}}
    answer = envelope(desk.get(path, i=[*names, "NSE:ONGC"]), 400, "InputException")
    assert answer["message"] == f"At most {most} instruments at once; these are {most + 1}."


def test_the_number_of_queries_does_not_depend_on_the_number_of_names(desk, redis_client):
    publish(redis_client, ongc_quote(), btc_quote())
    # The first request of a minute also notes when the session was seen.
    desk.get("/quote", i="NSE:ONGC")
    for names in (["NSE:X"], ["NSE:ONGC"], ["NSE:ONGC", "BINANCE:BTCUSDT", str(ONGC)]):
        with CaptureQueriesContext(connection) as queries:
            desk.get("/quote", i=names)
        # Who calls, and the instruments.
        assert len(queries) == 2


@pytest.mark.parametrize("path", ["/quote", "/quote/ltp", "/instruments/trigger_range/sell"])
def test_without_redis_there_are_no_prices(desk, monkeypatch, path):
    def gone(*_args):
        raise RedisGone("gone")

    monkeypatch.setattr("api.views.market.read_quotes", gone)
    answer = desk.get(path, i="NSE:ONGC")
    envelope(answer, 503, "NetworkException")
    assert answer["Retry-After"]


@pytest.mark.parametrize("path", ["/quote", "/quote/ohlc", "/quote/ltp"])
def test_only_with_a_token(client, path):
    envelope(client.get(f"{path}?i=NSE:ONGC"), 403, "TokenException")


class TestTriggerRange:
    def test_five_percent_below_for_a_buy_and_above_for_a_sell(self, desk, redis_client):
        publish(redis_client, ongc_quote())
        row = {"instrument_token": ONGC}
        assert desk.get("/instruments/trigger_range/buy", i="NSE:ONGC").json()["data"] == {
            "NSE:ONGC": {**row, "lower": 248.95, "upper": 262.05}
        }
        assert desk.get("/instruments/trigger_range/SELL", i=["NSE:ONGC", "X:Y"]).json()[
            "data"
        ] == {"NSE:ONGC": {**row, "lower": 262.05, "upper": 275.15}}

    def test_within_the_circuit_limits(self, desk, redis_client):
        Instrument.objects.filter(pk=ONGC).update(lower_circuit=255, upper_circuit="270.03")
        publish(redis_client, ongc_quote())
        lowest = desk.get("/instruments/trigger_range/buy", i="NSE:ONGC").json()["data"]
        highest = desk.get("/instruments/trigger_range/sell", i="NSE:ONGC").json()["data"]
        assert lowest["NSE:ONGC"]["lower"] == 255
        assert highest["NSE:ONGC"]["upper"] == 270

    def test_another_side(self, desk):
        answer = envelope(
            desk.get("/instruments/trigger_range/hold", i="NSE:ONGC"), 400, "InputException"
        )
        assert answer["data"]["field"] == "transaction_type"

    def test_the_fields_are_those_of_kites_own_sample(self, desk, redis_client):
        sample = MOCKS / "trigger_range.json"
        if not sample.is_file():
            pytest.skip("Kite's sample trigger_range.json is not here")
        publish(redis_client, ongc_quote())
        (row,) = desk.get("/instruments/trigger_range/buy", i="NSE:ONGC").json()["data"].values()
        assert set(row) == set(json.loads(sample.read_text())["data"]["NSE:INFY"])


def test_writing_is_not_reading():
    assert Client().post("/quote").status_code == 403
