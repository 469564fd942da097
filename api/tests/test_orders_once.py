"""The same order again, by key: one order, one answer, for ever."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from api.tests.desk import make_desk
from api.tests.orders import bought, buy, data, fingerprint, quote, refused
from portfolio.models import IdempotencyKey, LedgerEntry, Order
from portfolio.tests.factories import fill, send


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def desk(alice, now, redis_client):
    made = make_desk(alice, now=now)
    quote(redis_client, 262, now=now)
    return made


@pytest.mark.parametrize("how", ["header", "field"])
def test_50_at_once_are_one(real_db, desk, how):
    fields = {"key": "first-of-the-day"} if how == "header" else {"client_order_id": "a:1"}

    def ask(_number):
        try:
            return buy(desk, **fields)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(50)))
    order = Order.objects.get()
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.content for answer in answers} == {
        b'{"status":"success","data":{"order_id":"%d"}}' % order.pk
    }
    assert order.event_count == 1
    assert LedgerEntry.objects.filter(transaction__ref__startswith="order:").count() == 2
    assert IdempotencyKey.objects.get().order == order


@pytest.mark.django_db
class TestKeys:
    def test_after_the_order_has_ended(self, desk, now):
        order_id = bought(desk, key="k")
        send(order_id, now=now)
        fill(order_id, 10, 260, now=now)
        before = fingerprint()
        assert data(buy(desk, key="k")) == {"order_id": str(order_id)}
        assert fingerprint() == before

    def test_other_parameters_are_a_conflict(self, desk):
        bought(desk, key="k", tag="a", disclosed_quantity="5", market_protection="1")
        same = {"tag": "a", "disclosed_quantity": "5", "market_protection": "1"}
        before = fingerprint()
        for changed in [
            {"quantity": "11"},
            {"price": "261"},
            {"transaction_type": "SELL"},
            {"order_type": "MARKET"},
            {"validity": "IOC"},
            {"tag": "b"},
            {"disclosed_quantity": "6"},
            {"market_protection": "2"},
        ]:
            answer = refused(buy(desk, key="k", **{**same, **changed}), 400, "InputException")
            assert "other parameters" in answer["message"], changed
        assert fingerprint() == before

    def test_a_market_order_again_at_another_price(self, desk, redis_client, now):
        order_id = bought(desk, key="k", order_type="MARKET")
        redis_client.flushdb()
        quote(redis_client, 270, now=now)
        assert data(buy(desk, key="k", order_type="MARKET")) == {"order_id": str(order_id)}

    def test_header_and_field_are_told_apart(self, desk):
        ids = {
            bought(desk, key="k"),
            bought(desk, client_order_id="k"),
            bought(desk, key="c:k"),
            bought(desk, client_order_id="c:k"),
        }
        assert len(ids) == 4
        assert bought(desk, client_order_id="k") in ids
        before = fingerprint()
        answer = refused(buy(desk, key="k", client_order_id="k"), 400, "InputException")
        assert answer["data"] == {"field": "client_order_id", "code": "both"}
        assert fingerprint() == before

    def test_of_two_users(self, desk, bob, now, redis_client):
        other = make_desk(bob, now=now)
        assert bought(desk, key="k") != bought(other, key="k")

    def test_a_malformed_key(self, desk):
        for key in ("", "a b", "x" * 65):
            answer = refused(buy(desk, key=key), 400, "InputException")
            assert answer["data"] == {"field": "Idempotency-Key", "code": "malformed"}
        assert not Order.objects.exists()
