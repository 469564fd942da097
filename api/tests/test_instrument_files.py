"""GET /instruments, /instruments/{exchange}, /instruments/rules: CSV files, packed and tagged."""

import csv
import gzip
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.test import Client
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisGone

from api import instrument_files
from api.instrument_files import exchange_file, whole_file
from api.tests.desk import make_desk
from api.tests.test_paths import envelope
from market import streams
from market.models import Instrument
from market.services.instruments import seed_instruments
from market.tests.factories import BTCUSDT, ONGC, SHARED_DATA, quote_of

pytestmark = pytest.mark.django_db
HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,"
    "lot_size,instrument_type,segment,exchange"
)
RULES_HEADER = (
    "exchange,tradingsymbol,instrument_token,tick_size,lot_size,min_quantity,min_notional,"
    "freeze_quantity,quote_asset,lower_circuit_limit,upper_circuit_limit,freshness_seconds"
)
NUMBERS = {
    **dict.fromkeys(("instrument_token", "exchange_token", "lot_size"), int),
    **dict.fromkeys(("last_price", "strike", "tick_size"), float),
}


@pytest.fixture(autouse=True)
def _nothing_held(monkeypatch):
    monkeypatch.setattr(instrument_files, "_held", {})


@pytest.fixture
def desk(alice, redis_client):
    return make_desk(alice, now=timezone.now())


def rows_of(answer):
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv"
    return list(csv.DictReader(StringIO(answer.content.decode())))


def test_the_file_is_kites(desk, redis_client):
    streams.put_ticks(redis_client, [quote_of("262.05")])
    answer = desk.get("/instruments")
    assert answer.content.decode() == "\n".join(
        [
            HEADER,
            "2048000518,8000002,BTCBUSD,Bitcoin,0.0,,0.0,0.01,1,EQ,BINANCE,BINANCE",
            "2048000006,8000000,BTCUSDT,Bitcoin,0.0,,0.0,0.01,1,EQ,BINANCE,BINANCE",
            "2048000262,8000001,ETHUSDT,Ethereum,0.0,,0.0,0.01,1,EQ,BINANCE,BINANCE",
            "2048000774,8000003,SOLUSDT,Solana,0.0,,0.0,0.01,1,EQ,BINANCE,BINANCE",
            "2714625,10604,BHARTIARTL,BHARTI AIRTEL,0.0,,0.0,0.05,1,EQ,NSE,NSE",
            "408065,1594,INFY,INFOSYS,0.0,,0.0,0.05,1,EQ,NSE,NSE",
            "256265,1001,NIFTY 50,NIFTY 50 index,0.0,,0.0,0.05,1,EQ,INDICES,NSE",
            "633601,2475,ONGC,OIL AND NATURAL GAS CORP.,262.05,,0.0,0.05,1,EQ,NSE,NSE",
            "738561,2885,RELIANCE,RELIANCE INDUSTRIES,0.0,,0.0,0.05,1,EQ,NSE,NSE",
            "779521,3045,SBIN,STATE BANK OF INDIA,0.0,,0.0,0.05,1,EQ,NSE,NSE",
            "895745,3499,TATASTEEL,TATA STEEL,0.0,,0.0,0.05,1,EQ,NSE,NSE",
        ]
    )


def test_the_columns_are_those_of_kites_own_file():
    sample = SHARED_DATA / "exchange-payloads" / "kite" / "instruments_all.csv"
    if not sample.is_file():
        pytest.skip("Kite's sample instruments_all.csv is not here (looked in ../shared/data)")
    assert sample.read_text().splitlines()[0] == HEADER


def test_every_number_can_be_read_and_every_name_survives(desk):
    Instrument.objects.filter(pk=ONGC).update(
        name='Oil, "Gas" & Söhne',
        kind="CE",
        segment="NFO-OPT",
        exchange="NFO",
        expiry="2026-12-31",
        strike="1250.5",
        lot_size=25,
    )
    Instrument.objects.filter(pk=BTCUSDT).update(kind="PERP", tick_size="0.00000001")
    rows = {int(row["instrument_token"]): row for row in rows_of(desk.get("/instruments"))}
    for row in rows.values():
        assert all(read(row[name]) >= 0 for name, read in NUMBERS.items())
        assert row["instrument_type"] in {"EQ", "FUT", "CE", "PE"}
    option = rows[ONGC]
    assert option["name"] == 'Oil, "Gas" & Söhne'
    assert (option["expiry"], option["strike"]) == ("2026-12-31", "1250.5")
    assert (option["lot_size"], option["instrument_type"]) == ("25", "CE")
    assert (rows[BTCUSDT]["tick_size"], rows[BTCUSDT]["instrument_type"]) == ("0.00000001", "FUT")
    # An exchange that an import brought is known by that.
    assert [row["tradingsymbol"] for row in rows_of(desk.get("/instruments/NFO"))] == ["ONGC"]


def test_one_exchange(desk):
    assert {row["exchange"] for row in rows_of(desk.get("/instruments/NSE"))} == {"NSE"}
    assert len(rows_of(desk.get("/instruments/NSE"))) == 7
    # Known, and nothing listed: the header alone.
    assert desk.get("/instruments/BSE").content.decode() == HEADER


@pytest.mark.parametrize("exchange", ["NYSE", "nse", "historical", "%00x"])
def test_an_unknown_exchange_names_the_known_ones(desk, exchange):
    answer = envelope(desk.get(f"/instruments/{exchange}"), 400, "InputException")
    if "%" not in exchange:
        assert answer["message"] == (
            f"There is no exchange '{exchange}'. Known: BINANCE, BINANCEFUT, BSE, NSE."
        )


def test_the_rules_that_kites_columns_have_no_room_for(desk):
    Instrument.objects.filter(pk=ONGC).update(
        max_quantity=123_000, lower_circuit="235.85", upper_circuit="288.25"
    )
    Instrument.objects.exclude(pk__in=[ONGC, BTCUSDT]).delete()
    assert desk.get("/instruments/rules").content.decode() == "\n".join(
        [
            RULES_HEADER,
            "BINANCE,BTCUSDT,2048000006,0.01,0.00001,0.00001,5,9000,USDT,,,10",
            "NSE,ONGC,633601,0.05,1,1,0,123000,INR,235.85,288.25,10",
        ]
    )


def test_only_with_a_token(client):
    for path in ("/instruments", "/instruments/NSE", "/instruments/rules"):
        envelope(client.get(path), 403, "TokenException")


class TestKept:
    """A file is made once, and again when the instruments or the day have changed."""

    NOW = datetime(2026, 11, 20, 10, 0, tzinfo=timezone.get_fixed_timezone(330))

    @pytest.fixture(autouse=True)
    def _seeded(self, redis_client):
        seed_instruments()

    @pytest.fixture
    def made(self, monkeypatch):
        times = []
        original = instrument_files._kite_file
        monkeypatch.setattr(
            instrument_files, "_kite_file", lambda rows: times.append(1) or original(rows)
        )
        return times

    def test_it_is_made_once_and_the_price_in_it_stays(self, made, redis_client):
        first = whole_file(now=self.NOW)
        streams.put_ticks(redis_client, [quote_of("999")])
        assert whole_file(now=self.NOW + timedelta(hours=1)) is first
        assert len(made) == 1

    def test_another_process_serves_the_same_bytes_under_the_same_tag(
        self, made, monkeypatch, redis_client
    ):
        first = whole_file(now=self.NOW)
        streams.put_ticks(redis_client, [quote_of("999")])
        monkeypatch.setattr(instrument_files, "_held", {})
        assert whole_file(now=self.NOW) == first
        assert len(made) == 1

    @pytest.mark.parametrize(
        "change",
        [
            lambda: Instrument.objects.filter(pk=ONGC).update(lot_size=2),
            lambda: Instrument.objects.filter(pk=ONGC).delete(),
            lambda: Instrument.objects.create(
                **{
                    **Instrument.objects.filter(pk=ONGC).values()[0],
                    "instrument_token": 1,
                    "tradingsymbol": "NEW",
                }
            ),
        ],
    )
    def test_a_changed_instrument_makes_another(self, made, change):
        first = whole_file(now=self.NOW)
        change()
        assert whole_file(now=self.NOW).tag != first.tag
        assert len(made) == 2

    def test_a_new_day_makes_another(self, made, redis_client):
        late = self.NOW.replace(hour=5, minute=59) + timedelta(days=1)
        first = whole_file(now=self.NOW)
        streams.put_ticks(redis_client, [quote_of("999")])
        assert whole_file(now=late) is first
        assert b",999.0," in whole_file(now=late + timedelta(minutes=1)).content
        assert len(made) == 2

    def test_without_redis_it_is_made_all_the_same(self, made, monkeypatch):
        def gone(*_args, **_named):
            raise RedisGone("gone")

        monkeypatch.setattr("django.core.cache.backends.redis.RedisCacheClient.get", gone)
        monkeypatch.setattr("market.selectors_prices.read_quotes", gone)
        file = exchange_file("NSE", now=self.NOW)
        assert file.content.count(b"\n") == 7
        assert exchange_file("NSE", now=self.NOW) is file
        assert len(made) == 1


class TestTags:
    def ask(self, desk, **headers):
        return Client().get("/instruments", headers={**desk.headers, **headers})

    def test_the_plain_file(self, desk):
        answer = self.ask(desk)
        assert answer["ETag"].startswith('"')
        assert answer["Vary"] == "Accept-Encoding"
        assert answer["Cache-Control"] == "private, no-cache"
        assert "Content-Encoding" not in answer
        again = self.ask(desk, if_none_match=answer["ETag"])
        assert (again.status_code, again.content) == (304, b"")
        assert again["ETag"] == answer["ETag"]
        assert "Content-Type" not in again

    def test_the_packed_file_is_another_representation(self, desk):
        plain, packed = self.ask(desk), self.ask(desk, accept_encoding="gzip, deflate, br")
        assert packed["Content-Encoding"] == "gzip"
        assert packed["Content-Type"] == "text/csv"
        assert packed["Content-Length"] == str(len(packed.content))
        assert gzip.decompress(packed.content) == plain.content
        assert len({plain["ETag"], packed["ETag"]}) == 2
        known = f'W/"x", {packed["ETag"]}'
        assert self.ask(desk, if_none_match=known, accept_encoding="gzip").status_code == 304
        assert self.ask(desk, if_none_match=known).status_code == 200
        assert self.ask(desk, if_none_match="*").status_code == 304

    def test_another_tag_gets_the_file(self, desk):
        assert rows_of(self.ask(desk, if_none_match='"old"'))

    def test_the_tag_changes_with_the_instruments(self, desk):
        before = self.ask(desk)
        Instrument.objects.filter(pk=ONGC).update(tick_size=Decimal("0.1"))
        after = self.ask(desk, if_none_match=before["ETag"])
        assert after.status_code == 200
        assert after["ETag"] != before["ETag"]
