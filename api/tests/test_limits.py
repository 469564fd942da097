import pytest
from django.conf import settings as site
from django.utils import timezone

from api.budgets import Rate, windows_of
from api.tests.desk import make_desk
from api.tests.test_throttles import DEAD_REDIS, NORMAL
from api.throttles import rate_log
from portfolio.models import RateSecond

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(alice, settings):
    settings.API_RATES = NORMAL
    return make_desk(alice, now=timezone.now())


def limits(desk):
    answer = desk.get("/user/limits")
    assert answer.status_code == 200
    return answer.json()["data"]


def test_the_published_limits(desk, redis_client):
    data = limits(desk)
    assert data["rates"] == [
        {"budget": "orders", "window": "second", "limit": 10, "remaining": 10},
        {"budget": "orders", "window": "minute", "limit": 400, "remaining": 400},
        {"budget": "orders", "window": "day", "limit": 5000, "remaining": 5000},
        {"budget": "cancels", "window": "second", "limit": 10, "remaining": 10},
        {"budget": "historical", "window": "second", "limit": 3, "remaining": 3},
        {"budget": "other", "window": "second", "limit": 10, "remaining": 9},
    ]
    assert data["ticker"] == {"connections": 3, "instruments_per_connection": 3000}
    assert data["orders"]["modifications_per_order"] == 25
    assert data["calls"] == {
        "quote_instruments": 500,
        "ohlc_instruments": 1000,
        "ltp_instruments": 1000,
        "rows": 500,
        "body_bytes": 262_144,
        "url_bytes": 16_000,
    }
    assert data["candle_days"] == site.CANDLE_DAYS
    assert data["idempotency"] == {"key_length": 64, "kept_hours": 48}


def test_what_is_left_for_orders(desk, redis_client):
    key = desk.made.app.api_key
    for _ in range(4):
        rate_log().count(key, Rate.ORDERS, windows_of(Rate.ORDERS))
    for _ in range(5):
        data = limits(desk)
    assert [row["remaining"] for row in data["rates"][1:3]] == [396, 4996]


def test_it_draws_on_the_budget_of_all_others_alone(desk, redis_client):
    for _ in range(3):
        limits(desk)
    key = desk.made.app.api_key
    assert redis_client.keys("api:rate:*") == [f"api:rate:{key}:other".encode()]
    assert redis_client.llen(f"api:rate:{key}:other") == 3


def test_the_accounts_of_the_user_alone(desk, bob, redis_client):
    now = timezone.now()
    theirs = make_desk(bob, now=now)
    second = int(now.timestamp())
    for book, count in ((desk.book, 7), (theirs.book, 100)):
        account = book.venue_account
        RateSecond.objects.create(venue_account=account, second=second, count=count)
        RateSecond.objects.create(venue_account=account, second=second - 61, count=1000)
    rows = limits(desk)["accounts"]
    assert [(row["account_id"], row["asset"], row["sent_last_minute"]) for row in rows] == [
        (desk.book.venue_account_id, "INR", 7),
        (desk.crypto_book.venue_account_id, "USDT", 0),
    ]
    assert {row["sends_per_second"] for row in rows} == {None}


def test_without_redis_the_limits_are_known_and_the_rest_is_not(desk, settings):
    settings.REDIS_URL = DEAD_REDIS
    rows = limits(desk)["rates"]
    assert [row["limit"] for row in rows] == [10, 400, 5000, 10, 3, 10]
    assert {row["remaining"] for row in rows} == {None}


def test_unknown_fields_are_refused(desk, redis_client):
    answer = desk.get("/user/limits", verbose=1)
    assert answer.status_code == 400
    assert answer.json()["error_type"] == "InputException"
    assert answer.json()["data"] == {"field": "verbose", "code": "unknown"}


def test_only_with_a_token(client):
    answer = client.get("/user/limits")
    assert (answer.status_code, answer.json()["error_type"]) == (403, "TokenException")
    assert client.post("/user/limits").status_code == 403
