"""GTT over HTTP: answers as Kite has them, refusals that name the field, nothing of others."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from api.tests.desk import make_desk
from market.streams import put_ticks
from market.tests.factories import SHARED_DATA
from portfolio import tasks
from portfolio.models import GttTrigger, Order
from portfolio.tests.factories import give, make_instrument, make_quote
from portfolio.tests.services.gtt_kit import Market

pytestmark = pytest.mark.django_db

MOCKS = SHARED_DATA / "exchange-payloads" / "kite"


@pytest.fixture
def desk(alice, redis_client):
    return make_desk(alice, now=timezone.now())


@pytest.fixture
def ongc(desk):
    return make_instrument("NSE:ONGC")


@pytest.fixture
def market(desk, ongc, redis_client):
    market = Market(redis_client, timezone.now())
    market.tick(ongc, 260)
    return market


def condition(*values, **changes):
    return json.dumps(
        {
            "exchange": "NSE",
            "tradingsymbol": "ONGC",
            "trigger_values": list(values),
            "last_price": 260,
            **changes,
        }
    )


def order(price=250, **changes):
    return {
        "exchange": "NSE",
        "tradingsymbol": "ONGC",
        "transaction_type": "SELL",
        "quantity": 10,
        "order_type": "LIMIT",
        "product": "CNC",
        "price": price,
        **changes,
    }


def fields(*values, orders=None, kind=None, **changes):
    wanted = orders or [order(price) for price in values]
    return {
        "type": kind or ("two-leg" if len(values) == 2 else "single"),
        "condition": condition(*values, **changes),
        "orders": json.dumps(wanted),
    }


def placed(desk, *values, **changes):
    answer = desk.post("/gtt/triggers", **fields(*values, **changes))
    assert answer.status_code == 200, answer.content
    data = answer.json()["data"]
    assert list(data) == ["trigger_id"]
    return data["trigger_id"]


def refused(answer, status, error_type, **detail):
    body = answer.json()
    assert (answer.status_code, body["error_type"]) == (status, error_type), body
    told = body["data"] or {}
    assert {name: told.get(name) for name in detail} == detail
    return body["message"]


def test_placing_reading_changing_deleting(desk, market, ongc):
    trigger_id = placed(desk, 249.5, 270)
    row = desk.get(f"/gtt/triggers/{trigger_id}").json()["data"]
    times = [row.pop(name) for name in ("created_at", "updated_at", "expires_at")]
    assert {len(time) for time in times} == {19}
    assert times[0] == times[1]
    leg = {
        "exchange": "NSE",
        "tradingsymbol": "ONGC",
        "product": "CNC",
        "order_type": "LIMIT",
        "transaction_type": "SELL",
        "quantity": 10,
        "price": 249.5,
        "result": None,
    }
    assert row == {
        "id": trigger_id,
        "user_id": desk.user.public_id,
        "parent_trigger": None,
        "type": "two-leg",
        "status": "active",
        "condition": {
            "exchange": "NSE",
            "last_price": 260,
            "tradingsymbol": "ONGC",
            "trigger_values": [249.5, 270],
            "instrument_token": 633601,
        },
        "orders": [leg, {**leg, "price": 270}],
        "meta": {},
    }
    assert isinstance(trigger_id, int)
    assert isinstance(row["condition"]["last_price"], int)

    changed = desk.put(f"/gtt/triggers/{trigger_id}", **fields(240))
    assert changed.json()["data"] == {"trigger_id": trigger_id}
    row = desk.get(f"/gtt/triggers/{trigger_id}").json()["data"]
    assert (row["type"], row["condition"]["trigger_values"]) == ("single", [240])
    assert len(row["orders"]) == 1

    assert desk.delete(f"/gtt/triggers/{trigger_id}").json()["data"] == {"trigger_id": trigger_id}
    (listed,) = desk.get("/gtt/triggers").json()["data"]
    assert (listed["id"], listed["status"]) == (trigger_id, "deleted")
    again = desk.delete(f"/gtt/triggers/{trigger_id}")
    assert refused(again, 400, "OrderException").endswith("is deleted and cannot be changed")
    later = desk.put(f"/gtt/triggers/{trigger_id}", **fields(240))
    refused(later, 400, "OrderException")
    assert not Order.objects.exists()


def test_what_fired_as_kite_shows_it(desk, market, ongc):
    give(desk.book, "NSE:ONGC", 10, now=timezone.now())
    won, lost = placed(desk, 250), placed(desk, 255, orders=[order(255, quantity=11)])
    market.tick(ongc, 249.95)
    assert market.look() == 2
    waiting = desk.get(f"/gtt/triggers/{won}").json()["data"]
    assert (waiting["status"], waiting["orders"][0]["result"]) == ("triggered", None)
    put_ticks(market.client, [make_quote(ongc, 249.95, now=timezone.now())])
    tasks.follow_fired()

    row = desk.get(f"/gtt/triggers/{won}").json()["data"]
    result = row["orders"][0]["result"]
    sold = Order.objects.get()
    assert len(result.pop("timestamp")) == 19
    assert json.loads(result.pop("meta")) == {"app_id": sold.api_app_id, "gtt": won}
    assert result == {
        "account_id": desk.user.public_id,
        "exchange": "NSE",
        "tradingsymbol": "ONGC",
        "validity": "DAY",
        "product": "CNC",
        "order_type": "LIMIT",
        "transaction_type": "SELL",
        "quantity": 10,
        "price": 250,
        "triggered_at": 249.95,
        "order_result": {"status": "success", "order_id": str(sold.pk), "rejection_reason": ""},
    }
    assert sold.api_app == desk.made.app
    failed = desk.get(f"/gtt/triggers/{lost}").json()["data"]
    reason = failed["orders"][0]["result"]["order_result"]
    assert (reason["status"], reason["order_id"]) == ("failed", "")
    assert failed["meta"] == {"rejection_reason": reason["rejection_reason"]}
    # 10 of its 11 are held by the first one's order.
    assert reason["rejection_reason"] == "11 NSE:ONGC needed, 0 NSE:ONGC available"


def test_the_shapes_are_those_of_the_mocks(desk, market, ongc):
    if not MOCKS.is_dir():
        pytest.skip("the mock payloads are not on this machine")
    mock = json.loads((MOCKS / "gtt_get_order.json").read_text())["data"]
    give(desk.book, "NSE:ONGC", 10, now=timezone.now())
    trigger_id = placed(desk, 250, 270)
    market.tick(ongc, 270)
    market.look()
    tasks.follow_fired()
    row = desk.get(f"/gtt/triggers/{trigger_id}").json()["data"]
    assert row.keys() == mock.keys()
    assert row["condition"].keys() == mock["condition"].keys()
    fired, kite = row["orders"][1], mock["orders"][1]
    assert fired.keys() == kite.keys()
    assert fired["result"].keys() == kite["result"].keys()
    assert fired["result"]["order_result"].keys() == kite["result"]["order_result"].keys()
    assert type(fired["result"]["meta"]) is type(kite["result"]["meta"]) is str


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"type": "three-leg"}, "type", "not a valid choice"),
        ({"type": ""}, "type", "Missing or empty"),
        ({"condition": ""}, "condition", "Missing or empty"),
        ({"condition": "{"}, "condition", "is not JSON"),
        ({"condition": "[" * 50_000}, "condition", "no more than"),
        ({"condition": "[" * 19_000}, "condition", "is not JSON"),
        ({"condition": "NaN"}, "condition", "is not JSON"),
        ({"condition": "[]"}, "condition", "must be an object"),
        ({"condition": condition("x")}, "condition.trigger_values[0]", "valid number"),
        ({"condition": condition(True)}, "condition.trigger_values[0]", "valid number"),
        ({"condition": condition()}, "condition.trigger_values", "least 1"),
        ({"condition": condition(1, 2, 3)}, "condition.trigger_values", "no more than 2"),
        ({"condition": condition(250, 270)}, "condition.trigger_values", "must have 1"),
        ({"condition": condition(250, last_price=None)}, "condition.last_price", "Missing"),
        ({"condition": condition(250, tradingsymbol="NO")}, "orders[0].tradingsymbol", "must be"),
        ({"orders": "{}"}, "orders", "JSON list"),
        ({"orders": "[]"}, "orders", "must have 1"),
        ({"orders": json.dumps([1])}, "orders[0]", "must be an object"),
        ({"orders": json.dumps([order(product="MIS")])}, "orders[0].product", "delivery"),
        ({"orders": json.dumps([order(order_type="SL")])}, "orders[0].order_type", "LIMIT"),
        ({"orders": json.dumps([order(quantity=0)])}, "orders[0].quantity", "at least 1"),
        ({"orders": json.dumps([order(price=250.01)])}, "orders[0].price", "not a multiple"),
        ({"orders": json.dumps([order(exchange="BSE")])}, "orders[0].exchange", "must be"),
    ],
)
def test_refusals_name_the_field(desk, market, changes, field, words):
    answer = desk.post("/gtt/triggers", **{**fields(250), **changes})
    assert words in refused(answer, 400, "InputException", field=field)
    assert not GttTrigger.objects.exists()


def test_levels_too_near_say_how_far(desk, market):
    answer = desk.post("/gtt/triggers", **fields(260.6))
    refused(
        answer,
        400,
        "InputException",
        field="condition.trigger_values[0]",
        code="ORDER",
        minimum="260.65",
    )
    two = fields(250, 270, orders=[order(250), order(270, transaction_type="BUY")])
    refused(
        desk.post("/gtt/triggers", **two),
        400,
        "InputException",
        field="orders[1].transaction_type",
    )
    unknown = fields(250, tradingsymbol="NO", orders=[order(tradingsymbol="NO")])
    refused(
        desk.post("/gtt/triggers", **unknown),
        400,
        "InputException",
        field="condition.tradingsymbol",
    )
    assert not GttTrigger.objects.exists()


def test_without_a_price_come_again(desk, redis_client, ongc):
    answer = desk.post("/gtt/triggers", **fields(250))
    refused(answer, 503, "NetworkException")
    assert answer["Retry-After"]


def test_what_gos_client_sends(desk, market):
    """Its orders are whole order rows: some 40 keys beside ours, all of them zero."""
    zeros = {
        "account_id": "", "placed_by": "", "order_id": "", "parent_order_id": "", "meta": None,
        "status": "", "order_timestamp": None, "variety": "", "modified": False, "tags": None,
        "instrument_token": 0, "validity": "", "disclosed_quantity": 0, "trigger_price": 0,
        "average_price": 0, "filled_quantity": 0, "market_protection": 0, "guid": "",
    }  # fmt: skip
    assert placed(desk, 250, orders=[{**order(), **zeros, "tags": [], "meta": {}}])


def test_somebody_elses_is_not_there(desk, market, bob):
    trigger_id = placed(desk, 250)
    other = make_desk(bob, now=timezone.now())
    for answer in (
        other.get(f"/gtt/triggers/{trigger_id}"),
        other.put(f"/gtt/triggers/{trigger_id}", **fields(240)),
        other.delete(f"/gtt/triggers/{trigger_id}"),
        other.get("/gtt/triggers/99999999999999999999"),
    ):
        refused(answer, 404, "GeneralException")
    assert other.get("/gtt/triggers").json()["data"] == []
    row = GttTrigger.objects.get()
    assert (row.status, row.fire_below, row.revision) == ("active", 250, 0)


def test_the_same_key_sets_one_trigger(desk, market):
    first = desk.post("/gtt/triggers", key="k1", **fields(250)).json()["data"]
    again = desk.post("/gtt/triggers", key="k1", **fields(250)).json()["data"]
    assert first == again
    refused(desk.post("/gtt/triggers", key="k1", **fields(240)), 400, "InputException")
    assert GttTrigger.objects.count() == 1


def test_so_many_and_no_more(desk, market, settings):
    settings.GTT_MOST_ACTIVE = 1
    placed(desk, 250)
    answer = desk.post("/gtt/triggers", **fields(240))
    refused(answer, 400, "InputException", code="TOO_MANY", maximum="1")
    assert GttTrigger.objects.count() == 1


def test_an_app_without_cnc_sets_none(bob, redis_client, ongc, market):
    other = make_desk(bob, now=timezone.now(), products=["MIS"])
    refused(other.post("/gtt/triggers", **fields(250)), 403, "PermissionException")
    assert not GttTrigger.objects.exists()


def test_ended_ones_leave_the_list_after_a_week(desk, market):
    trigger_id = placed(desk, 250)
    desk.delete(f"/gtt/triggers/{trigger_id}")
    old = timezone.now() - timedelta(days=7, seconds=5)
    GttTrigger.objects.update(updated_at=old)
    assert desk.get("/gtt/triggers").json()["data"] == []
    assert desk.get(f"/gtt/triggers/{trigger_id}").status_code == 200
