"""Equity and today's profit on the home page, to the paisa."""

from datetime import timedelta
from decimal import Decimal

import pytest
import redis

from accounts.models import User
from finbyte_site.overview import overview
from finbyte_site.tests.console import Stage, put_price
from market.domain.enums import Side
from portfolio.tests.factories import trade_now

pytestmark = pytest.mark.django_db


def test_money_and_holdings_are_equity_and_today_counts_from_the_close(
    alice: User, redis_client: redis.Redis
) -> None:
    stage = Stage(alice, redis_client, funds=100_000)
    yesterday = stage.now - timedelta(days=1)
    trade_now(stage.book, stage.instrument, quantity=10, price=250, now=yesterday)
    trade_now(stage.book, stage.instrument, Side.SELL, quantity=4, price=264, now=stage.now)
    put_price(redis_client, stage.instrument, 262)
    day_start = stage.now - timedelta(hours=1)
    [line] = overview(alice, account=None, day_start=day_start)
    # The factory's quotes close at their own price: 4 units sold 2 above it, less the fee.
    assert line.today == 4 * 2 - Decimal("0.528")
    assert line.fees_today == Decimal("0.528")
    assert line.holdings == 6 * 262
    assert line.money == 100_000 - Decimal("2501.25") + Decimal("1055.472")
    assert line.equity == line.money + line.holdings


def test_nothing_held_is_nothing_earned(alice: User, redis_client: redis.Redis) -> None:
    stage = Stage(alice, redis_client, funds=5)
    [line] = overview(alice, account=None, day_start=stage.now)
    assert [line.equity, line.today, line.today_fraction] == [5, 0, 0]


def test_a_holding_without_a_price_is_told(alice: User, redis_client: redis.Redis) -> None:
    stage = Stage(alice, redis_client)
    trade_now(stage.book, stage.instrument, quantity=10, price=262, now=stage.now)
    redis_client.flushdb()
    [line] = overview(alice, account=None, day_start=stage.now)
    assert [line.unpriced, line.holdings] == [1, 0]
