"""What a bot's card draws."""

import re

import pytest
import redis

from accounts.models import User
from finbyte_site.tests.console import Stage
from market.services.backfill import backfill_simulated

pytestmark = pytest.mark.django_db


def test_a_card_has_the_line_of_the_last_day(alice: User, redis_client: redis.Redis) -> None:
    stage = Stage(alice, redis_client)
    stage.running_bot()
    backfill_simulated([stage.instrument], now=stage.now)
    for address in ("/console/", "/console/bots/"):
        page = stage.client.get(address).content.decode()
        found = re.search(r'<polyline points="([^"]*)"', page)
        assert found is not None
        points = [tuple(map(float, each.split(","))) for each in found[1].split()]
        assert len(points) == 49
        assert (points[0][0], points[-1][0]) == (0, 120)
        assert min(y for _, y in points) == 2
        assert max(y for _, y in points) == 30
