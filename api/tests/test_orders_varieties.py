"""Cover orders, icebergs and slices over HTTP."""

import pytest
from django.utils import timezone

from api.tests.desk import make_desk
from api.tests.orders import bought, buy, data, fingerprint, quote, refused
from market.models import Instrument
from portfolio.models import Book, Order, OrderPlan
from portfolio.tests.factories import fill, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def desk(alice, now, redis_client):
    made = make_desk(alice, now=now)
    quote(redis_client, 262, now=now)
    return made


def freeze_at(quantity):
    Instrument.objects.filter(tradingsymbol="ONGC").update(max_quantity=quantity)


def row_of(desk, order_id):
    rows = data(desk.get("/orders"))
    return next(row for row in rows if row["order_id"] == str(order_id))


class TestIceberg:
    LEGS = {"quantity": "100", "iceberg_legs": "4", "iceberg_quantity": "25"}

    def test_the_first_leg(self, desk):
        order_id = bought(desk, "iceberg", tag="ice", **self.LEGS)
        row = row_of(desk, order_id)
        assert (row["variety"], row["quantity"], row["tags"]) == ("iceberg", 25, ["ice"])
        assert row["meta"] == {
            "iceberg": {
                "leg": 1,
                "legs": 4,
                "leg_quantity": 25,
                "total_quantity": 100,
                "remaining_quantity": 75,
            }
        }
        assert data(desk.get(f"/orders/{order_id}")) == [row]
        data(desk.put(f"/orders/iceberg/{order_id}", price="259"))
        assert data(desk.delete(f"/orders/iceberg/{order_id}")) == {"order_id": str(order_id)}
        assert row_of(desk, order_id)["status"] == "CANCELLED"

    def test_what_it_needs(self, desk):
        before = fingerprint()
        for name in ("iceberg_legs", "iceberg_quantity"):
            answer = refused(
                buy(desk, "iceberg", **{**self.LEGS, name: None}), 400, "InputException"
            )
            assert answer["data"] == {"field": name, "code": "required"}
        wrong = {**self.LEGS, "iceberg_quantity": "20"}
        answer = refused(buy(desk, "iceberg", **wrong), 400, "InputException")
        assert answer["data"]["field"] == "iceberg_quantity"
        assert fingerprint() == before

    def test_the_same_key(self, desk):
        first = buy(desk, "iceberg", key="k", **self.LEGS)
        assert buy(desk, "iceberg", key="k", **self.LEGS).content == first.content
        other = {**self.LEGS, "iceberg_legs": "5", "iceberg_quantity": "20"}
        refused(buy(desk, "iceberg", key="k", **other), 400, "InputException")
        assert OrderPlan.objects.count() == Order.objects.count() == 1


class TestCover:
    def test_its_stop_may_be_moved_until_it_is_cancelled(self, desk):
        order_id = bought(desk, "co", trigger_price="255")
        row = row_of(desk, order_id)
        assert (row["variety"], row["order_type"], row["price"]) == ("co", "LIMIT", 260)
        assert row["meta"] == {"cover": {"trigger_price": 255}}
        data(desk.put(f"/orders/co/{order_id}", trigger_price="256.5"))
        assert str(OrderPlan.objects.get().trigger_price.normalize()) == "256.5"
        assert row_of(desk, order_id)["meta"] == {"cover": {"trigger_price": 256.5}}
        data(desk.delete(f"/orders/co/{order_id}"))
        assert row_of(desk, order_id)["status"] == "CANCELLED"

    def filled(self, desk, now):
        order_id = bought(desk, "co", trigger_price="255")
        send(order_id, now=now)
        fill(order_id, 10, 260, now=now)
        return order_id

    def test_getting_out_of_what_has_filled(self, desk, now):
        order_id = self.filled(desk, now)
        assert data(desk.delete(f"/orders/co/{order_id}")) == {"order_id": str(order_id)}
        entry, stop = data(desk.get("/orders"))
        assert (entry["status"], stop["transaction_type"]) == ("COMPLETE", "SELL")
        assert stop["parent_order_id"] == str(order_id)
        assert (entry["meta"], stop["meta"]) == ({"cover": {"trigger_price": 255}}, {})
        assert (stop["order_type"], stop["quantity"]) == ("MARKET", 10)

    def test_getting_out_without_redis_waits_for_a_price(self, desk, now, monkeypatch):
        from redis.exceptions import ConnectionError as Away  # noqa: PLC0415

        order_id = self.filled(desk, now)

        def away(*_args):
            raise Away("no route")

        monkeypatch.setattr("api.placing.read_quotes", away)
        assert data(desk.delete(f"/orders/co/{order_id}")) == {"order_id": str(order_id)}
        plan = OrderPlan.objects.get()
        assert plan.is_exiting
        assert plan.due_at is not None

    def test_what_it_needs(self, desk):
        before = fingerprint()
        answer = refused(buy(desk, "co"), 400, "InputException")
        assert answer["data"] == {"field": "trigger_price", "code": "required"}
        answer = refused(buy(desk, "co", trigger_price="270"), 400, "InputException")
        assert answer["data"]["field"] == "trigger_price"
        assert fingerprint() == before


class TestSlices:
    def test_each_at_most_the_freeze_quantity(self, desk):
        freeze_at(10)
        answer = data(buy(desk, quantity="25", autoslice="true", tag="mine"))
        orders = list(Order.objects.order_by("pk"))
        assert [order.quantity for order in orders] == [9, 8, 8]
        first, *others = [str(order.pk) for order in orders]
        assert answer == {"order_id": first, "children": [{"order_id": each} for each in others]}
        rows = data(desk.get("/orders"))
        assert [row["tags"] for row in rows] == [
            ["mine"],
            ["mine", "autoslice", f"autoslice:{first}"],
            ["mine", "autoslice", f"autoslice:{first}"],
        ]
        assert [row["tag"] for row in rows] == ["mine"] * 3
        assert [row["meta"] for row in rows] == [{}] * 3

    def test_without_a_tag(self, desk):
        freeze_at(10)
        data(buy(desk, quantity="20", autoslice="true"))
        first, second = data(desk.get("/orders"))
        assert (first["tag"], first["tags"]) == (None, [])
        assert (second["tag"], second["tags"]) == (
            None,
            ["autoslice", f"autoslice:{first['order_id']}"],
        )

    def test_one_that_there_is_no_money_for(self, desk):
        freeze_at(2000)
        answer = buy(desk, key="k", quantity="4000", autoslice="true")
        order = Order.objects.get()
        told = data(answer)
        assert told["order_id"] == str(order.pk)
        (child,) = told["children"]
        error = child["error"]
        assert (error["code"], error["error_type"]) == (400, "MarginException")
        assert error["data"] == {"asset": "INR", "needed": "520260", "available": "479740"}
        assert buy(desk, key="k", quantity="4000", autoslice="true").content == answer.content
        assert Order.objects.count() == 1
        refused(buy(desk, key="k", quantity="4000"), 400, "InputException")

    def test_denied_ones(self, desk):
        freeze_at(10)
        Book.objects.filter(pk=desk.book.pk).update(trading_state="HALTED")
        answer = refused(buy(desk, quantity="20", autoslice="true"), 400, "OrderException")
        orders = list(Order.objects.order_by("pk"))
        assert {order.status for order in orders} == {"DENIED"}
        assert answer["data"] == {"code": "BOOK_HALTED", "order_id": str(orders[0].pk)}

    def test_where_nothing_has_to_be_cut(self, desk):
        answer = data(buy(desk, autoslice="true"))
        assert answer == {"order_id": str(Order.objects.get().pk), "children": []}

    def test_above_it_without_slices(self, desk):
        freeze_at(9)
        answer = refused(buy(desk, autoslice="false"), 400, "OrderException")
        assert answer["data"]["code"] == "R5_MAX_QUANTITY"

    def test_only_of_regular_and_after_market_orders(self, desk):
        fields = {"iceberg_legs": "2", "iceberg_quantity": "5", "autoslice": "true"}
        answer = refused(buy(desk, "iceberg", **fields), 400, "InputException")
        assert answer["data"] == {"field": "autoslice", "code": "not_offered"}
        assert not Order.objects.exists()
