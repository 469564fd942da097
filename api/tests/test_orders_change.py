from decimal import Decimal

import pytest
from django.utils import timezone

from api.tests.desk import make_desk
from api.tests.orders import bought, data, fingerprint, quote, refused
from market.domain.enums import OrderStatus
from market.domain.messages import OutcomeKind, ReportKind
from portfolio.models import KillSwitch, Order
from portfolio.services.executions import apply_report
from portfolio.tests.factories import balances, fill, make_report, mark_sending, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def desk(alice, now, redis_client):
    made = make_desk(alice, now=now)
    quote(redis_client, 262, now=now)
    return made


def put(desk, order_id, *, key=None, **fields):
    return desk.put(f"/orders/regular/{order_id}", key=key, **fields)


def delete(desk, order_id, **query):
    return desk.delete(f"/orders/regular/{order_id}", **query)


def statuses(desk):
    return [row["status"] for row in data(desk.get("/orders"))]


class TestChange:
    def test_before_it_is_sent(self, desk):
        order_id = bought(desk)
        assert data(put(desk, order_id, price="250", quantity="20")) == {"order_id": str(order_id)}
        order = Order.objects.get()
        assert (order.status, order.price, order.quantity) == ("READY", 250, 20)
        assert balances(desk.book)["HELD", "INR"] == Decimal("5002.5")

    def test_at_the_venue(self, desk, now):
        order_id = bought(desk)
        send(order_id, now=now)
        data(put(desk, order_id, price="261"))
        order = Order.objects.get()
        assert (order.status, order.price) == ("MODIFY_PENDING", 260)
        assert order.pending_change["price"] == "261"
        assert statuses(desk) == ["MODIFY PENDING"]

    def test_what_stock_clients_send(self, desk):
        """They repeat the path, send the type again, and zeros for what a type does not have."""
        order_id = bought(desk)
        fields = {
            "variety": "regular",
            "order_id": str(order_id),
            "parent_order_id": "",
            "order_type": "LIMIT",
            "price": "255",
            "trigger_price": "0",
            "validity": "DAY",
            "disclosed_quantity": "0",
        }
        data(desk.put(f"/orders/regular/{order_id}", **fields))
        assert Order.objects.get().price == 255

    def test_type_validity_and_what_is_only_kept(self, desk):
        order_id = bought(desk, validity="GTC")
        data(put(desk, order_id, order_type="MARKET", market_protection="3", validity="IOC"))
        order = Order.objects.get()
        assert (order.order_type, order.price, order.time_in_force) == ("MARKET", None, "IOC")
        assert order.market_protection == 3
        data(put(desk, order_id, order_type="LIMIT", price="258", disclosed_quantity="5"))
        order.refresh_from_db()
        assert (order.order_type, order.price, order.disclosed_quantity) == ("LIMIT", 258, 5)
        rows = data(desk.get(f"/orders/{order_id}"))
        assert [row["order_type"] for row in rows] == ["LIMIT", "MARKET", "LIMIT"]
        assert [row["price"] for row in rows] == [260, 0, 258]
        assert [row["validity"] for row in rows] == ["DAY", "IOC", "IOC"]
        assert [row["meta"] for row in rows] == [{"validity": "GTC"}, {}, {}]
        assert [row["market_protection"] for row in rows] == [0, 3, 3]
        assert [row["disclosed_quantity"] for row in rows] == [0, 0, 5]

    def test_day_sent_back_leaves_gtc(self, desk):
        """GTC shows as DAY: a program that sends back what it read must not shorten its order."""
        order_id = bought(desk, validity="GTC")
        data(put(desk, order_id, price="259", validity="DAY"))
        order = Order.objects.get()
        assert (order.time_in_force, order.price, order.expires_at) == ("GTC", 259, None)

    def test_refusals_name_fields_as_the_wire_does(self, desk):
        order_id = bought(desk)
        answer = refused(put(desk, order_id, validity="TTL"), 400, "InputException")
        assert answer["data"]["field"] == "validity"

    def test_wrong_fields(self, desk):
        order_id = bought(desk)
        before = fingerprint()
        for name, value in [
            ("quantity", "0"),
            ("quantity", "1.5"),
            ("quantity", "abc"),
            ("price", "0"),
            ("price", "250.001"),
            ("order_type", "STOP"),
            ("validity", "GTD"),
            ("market_protection", "200"),
        ]:
            answer = refused(put(desk, order_id, **{name: value}), 400, "InputException")
            assert answer["data"]["field"] == name, (value, answer)
        assert fingerprint() == before

    def test_more_than_there_is_money_for(self, desk):
        order_id = bought(desk)
        before = fingerprint()
        answer = refused(put(desk, order_id, quantity="4000"), 400, "MarginException")
        assert answer["data"]["asset"] == "INR"
        assert fingerprint() == before

    def test_less_than_has_traded(self, desk, now):
        order_id = bought(desk)
        send(order_id, now=now)
        fill(order_id, 4, 260, now=now)
        answer = refused(put(desk, order_id, quantity="4"), 400, "InputException")
        assert answer["data"] == {"field": "quantity", "code": "BELOW_MIN", "minimum": "4"}

    def test_states_in_which_nothing_can_be_changed(self, desk, now):
        sending, unknown, ended = bought(desk), bought(desk), bought(desk)
        mark_sending(sending, now=now)
        send(unknown, now=now, kind=OutcomeKind.UNKNOWN)
        data(delete(desk, ended))
        before = fingerprint()
        for order_id, status in [
            (sending, OrderStatus.SENDING),
            (unknown, OrderStatus.UNKNOWN),
            (ended, OrderStatus.CANCELLED),
        ]:
            answer = refused(put(desk, order_id, price="250"), 400, "OrderException")
            assert answer["message"] == f"Order {order_id} is {status} and cannot be changed now"
        assert fingerprint() == before

    def test_the_same_key_changes_once(self, desk, now):
        order_id = bought(desk)
        send(order_id, now=now)
        first = put(desk, order_id, key="c1", price="261")
        again = put(desk, order_id, key="c1", price="261")
        assert first.content == again.content
        assert Order.objects.get().revision == 1
        before = fingerprint()
        refused(put(desk, order_id, key="c1", price="259"), 400, "InputException")
        assert fingerprint() == before


class TestCancel:
    def test_before_it_is_sent(self, desk):
        order_id = bought(desk)
        assert data(delete(desk, order_id)) == {"order_id": str(order_id)}
        assert statuses(desk) == ["CANCELLED"]
        assert ("HELD", "INR") not in balances(desk.book)

    def test_at_the_venue(self, desk, now):
        order_id = bought(desk)
        send(order_id, now=now)
        path = f"/orders/regular/{order_id}"
        data(desk.delete(path, variety="regular", order_id=order_id))
        assert statuses(desk) == ["CANCEL PENDING"]
        # Asking again changes nothing.
        before = fingerprint()
        data(delete(desk, order_id, parent_order_id=""))
        assert fingerprint() == before
        apply_report(make_report(order_id, ReportKind.CANCELLED, now=now), now=now)
        assert statuses(desk) == ["CANCELLED"]

    def test_one_that_the_venue_has_not_answered_for(self, desk, now):
        order_id = bought(desk)
        send(order_id, now=now, kind=OutcomeKind.UNKNOWN)
        data(delete(desk, order_id))
        order = Order.objects.get()
        assert (order.status, order.cancel_requested_at is not None) == ("UNKNOWN", True)
        assert statuses(desk) == ["OPEN PENDING"]

    def test_while_killed(self, desk):
        order_id = bought(desk)
        KillSwitch.objects.filter(scope="USER", key=desk.user.pk).update(is_active=True)
        data(delete(desk, order_id))
        assert statuses(desk) == ["CANCELLED"]

    def test_ended_ones(self, desk, now):
        filled, cancelled = bought(desk), bought(desk)
        send(filled, now=now)
        fill(filled, 10, 260, now=now)
        data(delete(desk, cancelled))
        before = fingerprint()
        for order_id, status in [(filled, "FILLED"), (cancelled, "CANCELLED")]:
            answer = refused(delete(desk, order_id), 400, "OrderException")
            assert answer["message"] == f"Order {order_id} is {status} already"
        assert fingerprint() == before
