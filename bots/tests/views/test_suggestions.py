"""The suggestions of the form: back-tests of what is recorded, refused where too little is."""

import html
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from bots.domain.spot_grid_config import rules_of
from bots.domain.suggestions import History, bars_of_candles, suggest
from bots.models import Bot
from bots.services.bots import creation_context
from bots.views.suggest import expected_minutes
from finbyte_site.tests.console import Stage, client_of, put_price
from market.domain.candles import minute_start
from market.domain.enums import Calendar, Interval, SourceKind
from market.domain.formatting import format_money
from market.models import Candle
from market.selectors import candles
from market.services.backfill import backfill_simulated
from portfolio.tests.factories import make_instrument

pytestmark = pytest.mark.django_db

ADDRESS = "/console/bots/new/spot_grid/suggestions/?instrument=NSE:ONGC"
FORM = "/console/bots/new/spot_grid/"
PRICE = 255


@pytest.fixture
def stage(alice: User, redis_client: redis.Redis) -> Stage:
    stage = Stage(alice, redis_client, funds=1_000_000)
    stage.quote = put_price(redis_client, stage.instrument, PRICE)
    return stage


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.unescape(page)).split())


def fills(page: str) -> list[dict[str, str]]:
    return [json.loads(html.unescape(each)) for each in re.findall(r'data-fill="(.*?)"', page)]


def test_the_form_offers_what_the_back_test_found(stage: Stage) -> None:
    backfill_simulated([stage.instrument], now=stage.now)
    end, tick = minute_start(stage.quote.exchange_time), stage.instrument.tick_size
    context = creation_context(stage.account, stage.instrument, quote=stage.quote, now=stage.now)

    def bars(interval: Interval, days: int):
        start = end - timedelta(days=days)
        found = candles(stage.instrument.pk, interval, start=start, end=end)
        # The bar that the span begins within is read too, and is older than the span.
        return bars_of_candles([bar for bar in found if bar.time >= start], tick_size=tick)

    history = History(bars(Interval.MINUTE, 7), bars(Interval.HOUR, 30), bars(Interval.HOUR, 90))
    expected = suggest(
        history,
        rules=rules_of(context),
        market_price=Decimal(PRICE),
        investment=Decimal(100_000),
    )
    page = stage.client.get(ADDRESS).content.decode()
    assert [each.profile for each in expected] == ["short", "medium", "long"]
    assert [
        (each["lower"], each["upper"], each["grids"], each["spacing"]) for each in fills(page)
    ] == [
        (
            f"{each.lower.normalize():f}",
            f"{each.upper.normalize():f}",
            str(each.grids),
            "arithmetic",
        )
        for each in expected
    ]
    words = text_of(page)
    first = expected[0]
    assert (
        f"7-day back-test: Total yield {first.total_yield_pct:+.2f} % "
        f"Grid yield {first.grid_yield_pct:+.2f} % "
        f"Max drawdown {first.max_drawdown_pct:.2f} % "
        f"Hold yield {first.hold_yield_pct:+.2f} %"
    ) in words
    minimum = format_money(first.minimum_investment, asset="INR")
    assert f"{first.grids} grids equal steps, from {minimum}" in words
    assert "a year: x 365/7, not a forecast" in words


def test_it_is_computed_once_an_hour_and_then_fills_the_form_at_once(stage: Stage) -> None:
    backfill_simulated([stage.instrument], now=stage.now)
    form = stage.client.get(f"{FORM}?instrument=NSE:ONGC").content.decode()
    assert "suggestions/?instrument=NSE%3AONGC" in form
    assert not fills(form)
    offered = fills(stage.client.get(ADDRESS).content.decode())
    Candle.objects.all().delete()
    with CaptureQueriesContext(connection) as captured:
        assert fills(stage.client.get(ADDRESS).content.decode()) == offered
    assert not [each for each in captured if "market_candle" in each["sql"]]
    form = stage.client.get(f"{FORM}?instrument=NSE:ONGC").content.decode()
    assert fills(form) == offered
    assert f'value="{offered[0]["lower"]}"' in form
    assert "ready to start" in form


def test_a_price_outside_of_a_kept_range_asks_again(
    stage: Stage, redis_client: redis.Redis
) -> None:
    backfill_simulated([stage.instrument], now=stage.now)
    stage.client.get(ADDRESS)
    put_price(redis_client, stage.instrument, 300)
    for each in fills(stage.client.get(ADDRESS).content.decode()):
        assert Decimal(each["lower"]) <= 300 <= Decimal(each["upper"])


def test_too_few_minutes_are_refused_in_words(stage: Stage) -> None:
    page = stage.client.get(ADDRESS).content.decode()
    assert "0 of 10,080 minutes of the last 7 days are recorded; 90 % are needed" in page
    assert not fills(page)


def test_a_missing_price_and_a_missing_account_are_told(
    stage: Stage, redis_client: redis.Redis
) -> None:
    crypto = "/console/bots/new/spot_grid/suggestions/?instrument=BINANCE:BTCUSDT"
    make_instrument("BINANCE:BTCUSDT")
    assert "You have no account in USDT" in stage.client.get(crypto).content.decode()
    redis_client.flushdb()
    client = client_of(stage.user)
    assert "There is no price to start from yet" in client.get(ADDRESS).content.decode()


def test_a_bot_keeps_the_suggestion_that_it_follows(stage: Stage) -> None:
    backfill_simulated([stage.instrument], now=stage.now)
    offered = fills(stage.client.get(ADDRESS).content.decode())
    typed = {
        "symbol": "NSE:ONGC",
        "name": "As suggested",
        "investment": "100000",
        "reserve_pct": "0.01",
        "slippage_cap": "0.005",
        **offered[1],
    }
    stage.client.post(FORM, typed)
    bot = Bot.objects.get()
    kept = bot.derived["suggestion"]
    assert (kept["profile"], kept["lower"]) == ("medium", offered[1]["lower"])
    assert kept["total_yield_pct"]
    page = text_of(stage.client.get(f"/console/bots/{bot.pk}/").content.decode())
    assert f"medium; 7-day back-test {kept['total_yield_pct']:+.2f} %" in page
    stage.client.post(FORM, {**typed, "grids": "7"})
    other = Bot.objects.exclude(pk=bot.pk).get()
    assert "suggestion" not in other.derived


def test_minutes_in_which_there_can_be_prices() -> None:
    monday = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
    assert expected_minutes(Calendar.ALWAYS, SourceKind.LIVE, end=monday) == 10_080
    assert expected_minutes(Calendar.NSE, SourceKind.SIMULATED, end=monday) == 10_080
    assert expected_minutes(Calendar.NSE, SourceKind.LIVE, end=monday) == 5 * 375
