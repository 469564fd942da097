"""Sleeping bots cost nothing: the wake-up question never reads all of their bands."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bots.models import Bot, BotBand
from bots.runtime.wakeups import due_bot_ids
from finbyte_site.tests.console import Stage
from market.domain.ticks import PriceInterval
from portfolio.tests.factories import make_instrument

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 4, 30, tzinfo=UTC)


def interval(token, low, high):
    return PriceInterval(token, Decimal(low), Decimal(high), Decimal(high), 9, 9, "SIMULATED")


def test_of_ten_thousand_on_one_instrument_only_those_reached_are_read(alice, redis_client):
    first = Stage(alice, redis_client).running_bot()
    token = make_instrument().pk
    with connection.cursor() as cursor:
        columns = [field.column for field in Bot._meta.concrete_fields if field.column != "id"]
        # A book belongs to one bot; these need none.
        values = ["NULL" if name == "book_id" else name for name in columns]
        cursor.execute(
            f"INSERT INTO bots_bot ({', '.join(columns)}) SELECT {', '.join(values)}"  # noqa: S608
            " FROM bots_bot, generate_series(1, 9999) WHERE id = %s",
            [first.pk],
        )
        cursor.execute(
            "INSERT INTO bots_botband (bot_id, instrument_id, wake_below, wake_above, is_armed)"
            " SELECT id, %s, 250 - (id %% 5000) * 0.01, 270 + (id %% 5000) * 0.01, true"
            " FROM bots_bot",
            [token],
        )
        cursor.execute("ANALYZE bots_botband")
        cursor.execute("ANALYZE bots_bot")
    passes = [interval(token, 251, 269), *(interval(other, 1, 2) for other in range(1, 100))]
    with CaptureQueriesContext(connection) as queries:
        assert due_bot_ids(passes, now=NOW).bot_ids == []
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan on bots_botband" not in plan
    lowest = BotBand.objects.filter(wake_below__gte="249.98").values_list("bot_id", flat=True)
    found = due_bot_ids([interval(token, "249.98", 269)], now=NOW)
    assert set(found.bot_ids) == set(lowest)
    assert len(lowest) == 6
