"""GET /instruments/historical/{token}/{interval}."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisGone

from api.budgets import Rate
from api.tests.desk import make_desk
from api.tests.test_paths import envelope
from api.views.historical import HistoricalCandles
from market.domain.candles import CandleBar
from market.domain.enums import Interval
from market.models import InstrumentSource
from market.services.candles import StoredBar, upsert_bars
from market.streams import put_ticks
from market.tests.factories import BTCUSDT, ONGC, SHARED_DATA, quote_of

pytestmark = pytest.mark.django_db
# 09:15 in India.
OPENING = datetime(2026, 11, 20, 3, 45, tzinfo=UTC)
FORM = "%Y-%m-%d %H:%M:%S"
NINE_FIFTEEN = "2026-11-20 09:15:00"


@pytest.fixture
def desk(alice, redis_client):
    return make_desk(alice, now=timezone.now())


def bar(minute, opening="262", high="262.5", low="261.95", close="262.05", volume="100"):
    numbers = map(Decimal, (opening, high, low, close, volume))
    return CandleBar(OPENING + timedelta(minutes=minute), *numbers)


def store(*bars, token=ONGC, source="SIMULATED", interval=Interval.MINUTE):
    upsert_bars([StoredBar(token, source, interval, each) for each in bars], is_merging=False)


def hold_open(redis_client, minute, *, source="SIMULATED", token=ONGC):
    put_ticks(redis_client, [quote_of(token=token)], open_bars={token: (source, minute)})


def ask(
    desk, interval="minute", *, token=ONGC, first=NINE_FIFTEEN, last="2026-11-20 15:29:00", **more
):
    query = {"from": first, "to": last, **more}
    return desk.get(f"/instruments/historical/{token}/{interval}", **query)


def rows(desk, *args, **named):
    answer = ask(desk, *args, **named)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/json"
    return answer.json()["data"]["candles"]


def times(*args, **named):
    return [row[0][11:16] for row in rows(*args, **named)]


class TestMinutes:
    def test_rows_exactly(self, desk):
        store(
            bar(0), bar(1, close="261.95", volume="7"), bar(3, "262.1", "263", "262", "262.4", "0")
        )
        assert ask(desk).content == (
            b'{"status":"success","data":{"candles":['
            b'["2026-11-20T09:15:00+0530",262,262.5,261.95,262.05,100],'
            b'["2026-11-20T09:16:00+0530",262,262.5,261.95,261.95,7],'
            b'["2026-11-20T09:18:00+0530",262.1,263,262,262.4,0]]}}'
        )

    def test_the_open_minute_is_written_like_the_others(self, desk, redis_client):
        store(bar(0))
        hold_open(redis_client, bar(1, "262.05", "262.1", "262", "262", "12.9"))
        assert rows(desk) == [
            ["2026-11-20T09:15:00+0530", 262, 262.5, 261.95, 262.05, 100],
            ["2026-11-20T09:16:00+0530", 262.05, 262.1, 262, 262, 12],
        ]
        assert rows(desk, oi=1) == [
            ["2026-11-20T09:15:00+0530", 262, 262.5, 261.95, 262.05, 100, 0],
            ["2026-11-20T09:16:00+0530", 262.05, 262.1, 262, 262, 12, 0],
        ]

    def test_nothing_there(self, desk):
        assert rows(desk) == []
        assert rows(desk, "day") == []

    def test_both_ends_are_in(self, desk):
        store(*(bar(number) for number in range(8)))
        asked = {"first": "2026-11-20 09:16:00", "last": "2026-11-20 09:20:00"}
        assert times(desk, **asked) == ["09:16", "09:17", "09:18", "09:19", "09:20"]
        asked = {"first": "2026-11-20 09:16:01", "last": "2026-11-20 09:19:59"}
        assert times(desk, **asked) == ["09:17", "09:18", "09:19"]
        assert times(desk, first=NINE_FIFTEEN, last=NINE_FIFTEEN) == ["09:15"]

    def test_a_bare_date_is_its_whole_day(self, desk):
        night = [bar(-555 - 1), bar(-555), bar(-555 + 1439), bar(-555 + 1440)]
        store(*night)
        found = [row[0] for row in rows(desk, first="2026-11-20", last="2026-11-20")]
        assert found == ["2026-11-20T00:00:00+0530", "2026-11-20T23:59:00+0530"]

    @pytest.mark.parametrize(
        "first",
        [
            "2026-11-20 09:16:00",
            "2026-11-20 09:16",
            "2026-11-20T09:16:00",
            "2026-11-20T09:16:00+05:30",
            "2026-11-20 09:16:00 05:30",
            "2026-11-20T09:16:00+0530",
            "2026-11-20T03:46:00Z",
            "2026-11-20T03:46:00.000Z",
            "2026-11-19 22:46:00-05:00",
        ],
    )
    def test_times_are_indian_unless_they_say_otherwise(self, desk, first):
        store(*(bar(number) for number in range(3)))
        assert times(desk, first=first) == ["09:16", "09:17"]

    def test_fractions_of_units_are_cut_off_and_prices_are_exact(self, desk):
        store(bar(0, "67400.01", "67400.1", "67399.99", "67400", "5.98765"), token=BTCUSDT)
        assert rows(desk, token=BTCUSDT) == [
            ["2026-11-20T09:15:00+0530", 67400.01, 67400.1, 67399.99, 67400, 5]
        ]

    def test_only_the_instruments_own(self, desk):
        store(bar(0), token=BTCUSDT)
        assert rows(desk) == []

    def test_what_kites_clients_send_along_is_taken(self, desk):
        store(bar(0))
        usual = rows(desk)
        assert len(usual) == 1
        span = {"from": NINE_FIFTEEN, "to": NINE_FIFTEEN}
        more = {"instrument_token": 1, "interval": "day", "continuous": 1, "oi": 0, "x": ""}
        answer = desk.get(f"/instruments/historical/{ONGC}/minute", **span, **more)
        assert answer.json()["data"]["candles"] == usual
        assert rows(desk, continuous="", oi="") == usual

    def test_the_shape_is_that_of_kites_own_samples(self, desk):
        store(bar(0))
        shapes = []
        for name, more in (("historical_minute.json", {}), ("historical_oi.json", {"oi": 1})):
            sample = SHARED_DATA / "exchange-payloads" / "kite" / name
            if not sample.is_file():
                pytest.skip(f"Kite's sample {name} is not here (looked in ../shared/data)")
            theirs = json.loads(sample.read_text())["data"]["candles"][0]
            (ours,) = rows(desk, **more)
            assert re.sub(r"\d", "0", ours[0]) == re.sub(r"\d", "0", theirs[0])
            shapes.append((len(ours), len(theirs)))
            assert all(type(price) in {int, float} for price in ours[1:5])
            assert all(type(whole) is int for whole in ours[5:])
        assert shapes == [(6, 6), (7, 7)]


class TestCoarserBars:
    def test_they_are_whole_whatever_the_ends_of_the_span(self, desk):
        store(*(bar(number, volume=str(number)) for number in range(20)))
        found = rows(desk, "5minute", first="2026-11-20 09:16:00", last="2026-11-20 09:26:00")
        # The bar of 09:15 begins before the span; that of 09:25 begins in it and ends after it.
        assert [(row[0][11:16], row[5]) for row in found] == [("09:20", 35), ("09:25", 60)]

    def test_open_and_close_are_those_of_the_first_and_last_minute(self, desk):
        store(
            bar(2, "262", "263", "261", "262.5", "3"),
            bar(4, "264", "265", "263.5", "264.05", "4"),
            bar(3, "261", "262", "260", "261.5", "5"),
        )
        assert rows(desk, "5minute") == [["2026-11-20T09:15:00+0530", 262, 265, 260, 264.05, 12]]

    def test_the_open_minute_is_in_the_last_bar_once(self, desk, redis_client):
        # A feed that ended at 09:21 has written a part of that minute, its follower holds it all.
        store(*(bar(number) for number in range(6)), bar(6, volume="30"))
        hold_open(redis_client, bar(6, high="270", close="269", volume="50"))
        assert rows(desk, "5minute") == [
            ["2026-11-20T09:15:00+0530", 262, 262.5, 261.95, 262.05, 500],
            ["2026-11-20T09:20:00+0530", 262, 270, 261.95, 269, 150],
        ]
        assert rows(desk, "minute")[-1] == ["2026-11-20T09:21:00+0530", 262, 270, 261.95, 269, 50]
        assert rows(desk, "day", first="2026-11-20")[0][5] == 650

    @pytest.mark.parametrize("name", ["60minute", "hour"])
    def test_hours_of_the_exchange_begin_with_its_session(self, desk, name):
        store(bar(-1), bar(0), bar(59), bar(60))
        found = times(desk, name, first="2026-11-20", last="2026-11-20")
        assert found == ["08:15", "09:15", "10:15"]

    def test_kept_hours_go_before_those_gathered_from_minutes(self, desk):
        store(bar(0, volume="7"), bar(60, volume="8"))
        store(bar(0, volume="1000"), interval=Interval.HOUR)
        assert [row[5] for row in rows(desk, "60minute")] == [1000, 8]

    def test_days_begin_at_midnight_in_india_and_of_crypto_at_midnight_of_utc(self, desk):
        # 23:10 and 00:20 in India; 23:59 and 00:00 of UTC.
        minutes = [bar(-605), bar(-535), bar(1214), bar(1215)]
        store(*minutes)
        store(*minutes, token=BTCUSDT)
        span = {"first": "2026-11-19", "last": "2026-11-21"}
        indian = [(row[0], row[5]) for row in rows(desk, "day", **span)]
        assert indian == [
            ("2026-11-19T00:00:00+0530", 100),
            ("2026-11-20T00:00:00+0530", 100),
            ("2026-11-21T00:00:00+0530", 200),
        ]
        crypto = [(row[0], row[5]) for row in rows(desk, "day", token=BTCUSDT, **span)]
        assert crypto == [
            ("2026-11-19T05:30:00+0530", 200),
            ("2026-11-20T05:30:00+0530", 100),
            ("2026-11-21T05:30:00+0530", 100),
        ]


class TestSources:
    """Candles of the source that gives the prices now, and of no other (decisions 21)."""

    def test_a_replay_has_its_own(self, desk, redis_client):
        store(bar(0, volume="1"))
        store(bar(0, volume="2"), bar(1), source="REPLAY:june")
        store(bar(0, volume="3"), source="REPLAY:july")
        InstrumentSource.objects.filter(pk=ONGC).update(source="REPLAY", run="june")
        hold_open(redis_client, bar(2, volume="9"), source="REPLAY:june")
        assert [row[5] for row in rows(desk)] == [2, 100, 9]

    def test_the_open_minute_of_another_source_is_not_shown(self, desk, redis_client):
        store(bar(0))
        hold_open(redis_client, bar(1), source="REPLAY:june")
        assert times(desk) == ["09:15"]

    def test_without_redis_the_rest_is_shown(self, desk, monkeypatch, caplog):
        def gone(*_args):
            raise RedisGone("gone")

        store(bar(0))
        monkeypatch.setattr("market.selectors.read_open_bar", gone)
        assert times(desk) == ["09:15"]
        assert "candles without the open minute" in caplog.text


class TestRefusals:
    @pytest.mark.parametrize(
        ("interval", "days"),
        [
            *[("minute", 62), ("3minute", 100), ("5minute", 100), ("10minute", 100)],
            *[
                ("15minute", 200),
                ("30minute", 200),
                ("60minute", 400),
                ("hour", 400),
                ("day", 2000),
            ],
        ],
    )
    def test_a_span_over_the_limit_names_it(self, desk, interval, days):
        first = datetime(2020, 1, 1)  # noqa: DTZ001 - a time as clients write it
        last = first + timedelta(days=days)
        assert (
            ask(desk, interval, first=f"{first:{FORM}}", last=f"{last:{FORM}}").status_code == 200
        )
        last += timedelta(seconds=1)
        refused = ask(desk, interval, first=f"{first:{FORM}}", last=f"{last:{FORM}}")
        answer = envelope(refused, 400, "InputException")
        kept = "60minute" if interval == "hour" else interval
        assert answer["message"] == (
            f"One request gives at most {days} days of {kept} candles; this is {days + 1}."
        )

    def test_two_calendar_months_of_minutes_fit(self, desk):
        assert ask(desk, first="2026-07-01", last="2026-08-31").status_code == 200

    def test_the_limit_is_a_setting(self, desk, settings):
        settings.CANDLE_DAYS = {**settings.CANDLE_DAYS, "minute": 1}
        envelope(ask(desk, first="2026-07-01", last="2026-07-02"), 400, "InputException")

    def test_a_span_turned_round(self, desk):
        refused = ask(desk, first="2026-11-20 09:16:00", last="2026-11-20 09:15:59")
        assert envelope(refused, 400, "InputException")["message"] == "`from` is after `to`."

    @pytest.mark.parametrize("name", ["from", "to"])
    @pytest.mark.parametrize(
        "text",
        [
            *[
                "yesterday",
                "20-11-2026",
                "2026-11-20 05",
                "2026-11-20+05:30",
                "2026-13-01",
                "2026-02-30",
                "20261120",
            ],
            *[
                "2026-11-20 24:61:00",
                "2026-W47-5",
                "0001-01-01",
                "9999-12-31",
                "1763612100",
                "²026-11-20",
            ],
            "2026-11-20 09:15:00+99:99",
        ],
    )
    def test_a_time_that_cannot_be_read(self, desk, name, text):
        refused = ask(desk, **{"first" if name == "from" else "last": text})
        answer = envelope(refused, 400, "InputException")
        assert answer["data"] == {"field": name, "code": "unreadable"}
        assert "yyyy-mm-dd" in answer["message"]

    @pytest.mark.parametrize("name", ["from", "to"])
    def test_a_time_that_is_missing(self, desk, name):
        refused = ask(desk, **{"first" if name == "from" else "last": ""})
        answer = envelope(refused, 400, "InputException")
        assert answer["message"] == f"Missing or empty field `{name}`."

    def test_an_unknown_interval_names_the_known_ones(self, desk):
        answer = envelope(ask(desk, "2minute"), 400, "InputException")
        assert answer["message"] == (
            "There is no interval '2minute'. Known: minute, 3minute, 5minute, 10minute, 15minute,"
            " 30minute, 60minute, day."
        )

    @pytest.mark.parametrize("token", [1, 2**62, 10**30])
    def test_an_unknown_instrument(self, desk, token):
        answer = envelope(ask(desk, token=token), 400, "InputException")
        assert answer["message"] == f"There is no instrument with token {token}."

    def test_a_flag_that_is_none(self, desk):
        assert envelope(ask(desk, oi=2), 400, "InputException")["data"]["field"] == "oi"

    def test_only_with_a_token(self, client):
        envelope(client.get(f"/instruments/historical/{ONGC}/day"), 403, "TokenException")

    def test_it_draws_on_the_budget_of_candles(self):
        assert HistoricalCandles.rates == {"GET": Rate.HISTORICAL}
