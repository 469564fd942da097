"""Pages ask the database the same number of questions for 0, 1 and 200 rows."""

from collections.abc import Callable

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from finbyte_site.tests.console import Stage

pytestmark = pytest.mark.django_db

MANY = 200


@pytest.fixture
def stage(alice: User, redis_client: redis.Redis) -> Stage:
    return Stage(alice, redis_client, funds=100_000_000)


def queries(stage: Stage, address: str) -> int:
    # The second look is what a user does all day. One query is the session: its row is the truth.
    stage.client.get(address)
    with CaptureQueriesContext(connection) as captured:
        response = stage.client.get(address)
    assert response.status_code == 200
    return len(captured)


def counts(stage: Stage, address: str, fill: Callable[[int], None]) -> list[int]:
    found = [queries(stage, address)]
    for number in (1, MANY - 1):
        fill(number)
        found.append(queries(stage, address))
    return found


def test_orders(stage: Stage) -> None:
    assert counts(stage, "/console/orders/", stage.orders) == [4, 4, 4]


def test_bot_list(stage: Stage) -> None:
    assert counts(stage, "/console/bots/", stage.bots) == [6, 6, 6]


def test_home(stage: Stage) -> None:
    def fill(number: int) -> None:
        stage.orders(number)
        stage.bots(number)

    assert counts(stage, "/console/", fill) == [16, 16, 16]


def test_bot_detail(stage: Stage) -> None:
    bot = stage.running_bot()

    def fill(number: int) -> None:
        assert bot.book is not None
        stage.fills(bot.book, number)

    assert counts(stage, f"/console/bots/{bot.pk}/", fill) == [11, 11, 11]
