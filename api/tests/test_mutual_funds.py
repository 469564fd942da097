"""Mutual funds: nothing there, and scripts written for Kite run all the same."""

import pytest
from django.utils import timezone

from api.tests.desk import make_desk
from api.tests.test_paths import envelope
from market.tests.factories import SHARED_DATA

pytestmark = pytest.mark.django_db
HEADER = (
    "tradingsymbol,amc,name,purchase_allowed,redemption_allowed,minimum_purchase_amount,"
    "purchase_amount_multiplier,minimum_additional_purchase_amount,minimum_redemption_quantity,"
    "redemption_quantity_multiplier,dividend_type,scheme_type,plan,settlement_type,last_price,"
    "last_price_date"
)


@pytest.fixture
def desk(alice, redis_client):
    return make_desk(alice, now=timezone.now())


@pytest.mark.parametrize("path", ["orders", "sips", "holdings", "allotments"])
def test_lists_are_empty(desk, client, path):
    answer = desk.get(f"/mf/{path}")
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "data": []})
    envelope(client.get(f"/mf/{path}"), 403, "TokenException")


@pytest.mark.parametrize("path", ["orders/271989e0", "sips/846479755969168", "holdings/INF209K"])
def test_nothing_has_an_id(desk, path):
    answer = envelope(desk.get(f"/mf/{path}"), 404, "GeneralException")
    assert answer["message"] == "There are no mutual funds here."


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "orders"),
        ("delete", "orders/1"),
        ("post", "sips"),
        ("put", "sips/1"),
        ("delete", "sips/1"),
    ],
)
def test_orders_and_sips_are_refused(desk, method, path):
    answer = envelope(getattr(desk, method)(f"/mf/{path}"), 400, "OrderException")
    assert answer["message"] == "Mutual funds are not traded here."


def test_what_cannot_be_written_at_all(desk):
    for path in ("holdings", "allotments", "holdings/INF209K", "instruments"):
        envelope(desk.post(f"/mf/{path}"), 405, "GeneralException")


def test_the_file_is_a_header(desk):
    answer = desk.get("/mf/instruments")
    assert answer["Content-Type"] == "text/csv"
    assert answer.content.decode() == HEADER
    sample = SHARED_DATA / "exchange-payloads" / "kite" / "mf_instruments.csv"
    if sample.is_file():
        assert sample.read_text().splitlines()[0] == HEADER
