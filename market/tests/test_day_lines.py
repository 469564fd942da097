"""The last day of several prices in one question."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from market.domain.enums import Interval, SourceKind
from market.models import Candle, Instrument
from market.selectors import day_lines
from market.services.candles import ensure_partitions
from market.services.instruments import seed_instruments
from market.tests.factories import BTCUSDT, ONGC, quote_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]


def candle(token, time, close, *, source=SourceKind.SIMULATED):
    price = Decimal(close)
    return Candle(
        instrument=Instrument.objects.get(pk=token),
        source=source,
        interval=Interval.MINUTE,
        time=time,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=1,
    )


def test_each_line_is_of_its_own_source_and_ends_at_its_quote():
    seed_instruments()
    end = timezone.now().replace(second=0, microsecond=0)
    past = end - timedelta(days=30)
    ensure_partitions(past.date() - timedelta(days=2), end.date())
    ongc = quote_of("262.05", token=ONGC, exchange_time=end)
    bitcoin = quote_of(
        "65000", token=BTCUSDT, source=SourceKind.REPLAY, run="may", exchange_time=past
    )
    minute = timedelta(minutes=1)
    Candle.objects.bulk_create(
        [
            candle(ONGC, end - timedelta(hours=25), "1"),
            candle(ONGC, end - timedelta(hours=24), "250"),
            candle(ONGC, end - 31 * minute, "255"),
            candle(ONGC, end - 30 * minute, "256"),
            candle(ONGC, end - minute, "257"),
            candle(ONGC, end - minute, "2", source="REPLAY:may"),
            candle(BTCUSDT, past - 10 * minute, "64000", source="REPLAY:may"),
            candle(BTCUSDT, past + 10 * minute, "3", source="REPLAY:may"),
        ]
    )
    expected = {
        ONGC: [Decimal(each) for each in ("250", "255", "257", "262.05")],
        BTCUSDT: [Decimal(64000), Decimal(65000)],
    }
    with CaptureQueriesContext(connection) as captured:
        assert day_lines([ongc, bitcoin]) == expected
        assert day_lines([bitcoin, ongc]) == expected
    assert len(captured) == 1


def test_no_quotes_ask_nothing():
    with CaptureQueriesContext(connection) as captured:
        assert day_lines([]) == {}
    assert len(captured) == 0
