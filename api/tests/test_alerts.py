"""Alerts over HTTP: answers as Kite has them, refusals that name the field, nothing of others."""

import json
from uuid import uuid4

import pytest
from django.utils import timezone

from api.tests.desk import make_desk
from market.tests.factories import SHARED_DATA
from portfolio import tasks
from portfolio.models import Alert, Order
from portfolio.tests.factories import make_instrument
from portfolio.tests.services.gtt_kit import Market

pytestmark = pytest.mark.django_db

MOCKS = SHARED_DATA / "exchange-payloads" / "kite"


@pytest.fixture
def desk(alice, redis_client):
    return make_desk(alice, now=timezone.now())


@pytest.fixture
def market(desk, redis_client):
    market = Market(redis_client, timezone.now())
    market.tick(make_instrument("NSE:ONGC"), 260)
    market.tick(make_instrument("NSE:NIFTY 50"), 26000)
    return market


def fields(**changes):
    return {
        "name": "NIFTY 50",
        "type": "simple",
        "lhs_exchange": "INDICES",
        "lhs_tradingsymbol": "NIFTY 50",
        "lhs_attribute": "LastTradedPrice",
        "operator": ">=",
        "rhs_type": "constant",
        "rhs_constant": "27000",
        **changes,
    }


def item(**changes):
    params = {
        "transaction_type": "BUY", "product": "CNC", "order_type": "LIMIT", "validity": "DAY",
        "validity_ttl": 0, "quantity": 2, "price": 265.5, "trigger_price": 0,
        "disclosed_quantity": 0, "last_price": 0, "variety": "regular", "tags": [],
        "squareoff": 0, "stoploss": 0, "trailing_stoploss": 0, "iceberg_legs": 0,
        "market_protection": 0, "gtt": {"target": 0, "stoploss": 0},
    }  # fmt: skip
    return {
        "type": "insert",
        "tradingsymbol": "ONGC",
        "exchange": "NSE",
        "weight": 10000,
        "params": {**params, **changes},
    }


def basket(*items):
    return json.dumps({"name": "alerts-basket", "type": "alert", "tags": [], "items": list(items)})


def ato(**changes):
    return fields(type="ato", basket=basket(item(**changes)))


def made(desk, **values):
    answer = desk.post("/alerts", **values)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def refused(answer, status, error_type, **detail):
    body = answer.json()
    assert (answer.status_code, body["error_type"]) == (status, error_type), body
    told = body["data"] or {}
    assert {name: told.get(name) for name in detail} == detail
    return body["message"]


def test_setting_reading_changing_deleting(desk, market):
    row = made(desk, **fields())
    uuid = row["uuid"]
    assert {len(row[name]) for name in ("created_at", "updated_at")} == {19}
    assert {**row, "uuid": "", "created_at": "", "updated_at": ""} == {
        "type": "simple",
        "user_id": desk.user.public_id,
        "uuid": "",
        "name": "NIFTY 50",
        "status": "enabled",
        "disabled_reason": "",
        "lhs_attribute": "LastTradedPrice",
        "lhs_exchange": "INDICES",
        "lhs_tradingsymbol": "NIFTY 50",
        "operator": ">=",
        "rhs_type": "constant",
        "rhs_attribute": "",
        "rhs_exchange": "",
        "rhs_tradingsymbol": "",
        "rhs_constant": 27000,
        "alert_count": 0,
        "created_at": "",
        "updated_at": "",
    }
    assert isinstance(row["rhs_constant"], int)
    assert desk.get(f"/alerts/{uuid}").json()["data"] == row
    assert desk.get("/alerts").json()["data"] == [row]

    changed = desk.put(f"/alerts/{uuid}", **fields(rhs_constant="27500.5")).json()["data"]
    assert (changed["uuid"], changed["rhs_constant"]) == (uuid, 27500.5)
    off = desk.put(f"/alerts/{uuid}", **fields(status="disabled")).json()["data"]
    assert off["status"] == "disabled"

    gone = desk.delete("/alerts", uuid=uuid)
    assert (gone.status_code, gone.json()) == (200, {"status": "success", "data": None})
    assert desk.get("/alerts").json()["data"] == []
    refused(desk.get(f"/alerts/{uuid}"), 404, "GeneralException")
    refused(desk.delete("/alerts", uuid=uuid), 404, "GeneralException")


def test_two_instruments(desk, market):
    wanted = fields(
        rhs_type="instrument", rhs_exchange="NSE", rhs_tradingsymbol="ONGC",
        rhs_attribute="LastTradedPrice",
    )  # fmt: skip
    row = made(desk, **{name: value for name, value in wanted.items() if name != "rhs_constant"})
    assert [row[f"rhs_{name}"] for name in ("exchange", "tradingsymbol", "attribute")] == [
        "NSE",
        "ONGC",
        "LastTradedPrice",
    ]
    assert (row["rhs_type"], row["rhs_constant"]) == ("instrument", 0)


def test_what_fired_as_kite_shows_it(desk, market):
    row = made(desk, **ato())
    market.tick(make_instrument("NSE:NIFTY 50"), 27000.5, 26000)
    assert market.look() == 1
    tasks.follow_fired()

    (event,) = desk.get(f"/alerts/{row['uuid']}/history").json()["data"]
    order = Order.objects.get()
    assert event["condition"] == 'LastTradedPrice("INDICES:NIFTY 50") >= 27000'
    assert event["order_meta"] == [
        {
            "exchange": "NSE",
            "tradingsymbol": "ONGC",
            "transaction_type": "BUY",
            "quantity": 2,
            "status": "success",
            "order_id": str(order.pk),
            "rejection_reason": "",
        }
    ]
    price = event["meta"][0]
    assert (price["last_price"], price["exchange"]) == (27000.5, "INDICES")
    assert (order.price, order.quantity, order.api_app) == (265.5, 2, desk.made.app)
    after = desk.get(f"/alerts/{row['uuid']}").json()["data"]
    assert (after["status"], after["alert_count"]) == ("disabled", 1)
    again = desk.put(f"/alerts/{row['uuid']}", **ato()).json()["data"]
    assert (again["status"], again["alert_count"]) == ("enabled", 1)


def test_the_shapes_are_those_of_the_mocks(desk, market):
    if not MOCKS.is_dir():
        pytest.skip("the mock payloads are not on this machine")

    def mock(name):
        return json.loads((MOCKS / name).read_text())["data"]

    simple, triggers = mock("alerts_get.json")
    row = made(desk, **fields())
    assert row.keys() == simple.keys()
    orders = made(desk, **ato())
    assert orders.keys() == triggers.keys()
    ours, kites = orders["basket"]["items"][0], triggers["basket"]["items"][0]
    assert ours.keys() == kites.keys()
    assert ours["params"].keys() == kites["params"].keys() | {"market_protection"}
    market.tick(make_instrument("NSE:NIFTY 50"), 27001)
    market.look()
    (event,) = desk.get(f"/alerts/{row['uuid']}/history").json()["data"]
    (kite,) = mock("alerts_history.json")
    assert event.keys() == kite.keys()
    assert event["order_meta"] is kite["order_meta"] is None
    assert event["meta"][0].keys() == kite["meta"][0].keys()
    whole = [name for name, value in kite["meta"][0].items() if type(value) is int]
    assert {type(event["meta"][0][name]) for name in whole} == {int}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": ""}, "name", "Missing"),
        ({"name": "a\nb"}, "name", "required pattern"),
        ({"name": "x" * 101}, "name", "required pattern"),
        ({"type": "x"}, "type", "not a valid choice"),
        ({"operator": "!="}, "operator", "not a valid choice"),
        ({"lhs_attribute": "Volume"}, "lhs_attribute", "not a valid choice"),
        ({"lhs_tradingsymbol": "NO"}, "lhs_tradingsymbol", "no instrument"),
        ({"rhs_constant": ""}, "rhs_constant", "Missing"),
        ({"rhs_constant": "-1"}, "rhs_constant", "greater than or equal"),
        ({"rhs_constant": "NaN"}, "rhs_constant", "valid number"),
        ({"rhs_type": "instrument"}, "rhs_exchange", "Missing"),
        ({"type": "ato"}, "basket", "Missing"),
        ({"type": "ato", "basket": "x"}, "basket", "not JSON"),
        ({"type": "ato", "basket": "[]"}, "basket.items", "1 to 20"),
        ({"type": "ato", "basket": basket()}, "basket.items", "1 to 20"),
        ({"type": "ato", "basket": basket(*[item()] * 21)}, "basket.items", "1 to 20"),
        ({"type": "ato", "basket": basket(7)}, "basket.items[0]", "an object"),
        (ato(product="MIS"), "basket.items[0].params.product", "not a valid choice"),
        (ato(quantity=0), "basket.items[0].params.quantity", "at least 1"),
        (ato(price=0), "basket.items[0].params.price", "above 0"),
        (ato(variety="amo"), "basket.items[0].params.variety", "not a valid choice"),
        (ato(gtt={"target": 5}), "basket.items[0].params.gtt.target", "not offered"),
        (ato(stoploss=5), "basket.items[0].params.stoploss", "not offered"),
        (ato(tags=["a", "b"]), "basket.items[0].params.tags", "no more than 1"),
    ],
)
def test_refusals_name_the_field(desk, market, changes, field, words):
    answer = desk.post("/alerts", **{**fields(), **changes})
    assert words in refused(answer, 400, "InputException", field=field)
    assert not Alert.objects.exists()


def test_deleting_names_each_and_takes_all_or_none(desk, market, bob):
    uuids = [made(desk, **fields())["uuid"] for _ in range(3)]
    other = make_desk(bob, now=timezone.now())
    foreign = made(other, **fields())["uuid"]
    refused(desk.delete("/alerts"), 400, "InputException", field="uuid")
    refused(desk.delete("/alerts", uuid=""), 400, "InputException", field="uuid")
    refused(desk.delete("/alerts", uuid="x"), 400, "InputException", field="uuid")
    refused(desk.delete("/alerts", uuid=[*uuids, foreign]), 404, "GeneralException")
    refused(desk.delete("/alerts", uuid=[*uuids, str(uuid4())]), 404, "GeneralException")
    assert Alert.objects.filter(status="enabled").count() == 4
    assert desk.delete("/alerts", uuid=uuids[:2]).status_code == 200
    assert [row["uuid"] for row in desk.get("/alerts").json()["data"]] == uuids[2:]
    assert Alert.objects.filter(status="deleted").count() == 2


def test_somebody_elses_is_not_there(desk, market, bob):
    uuid = made(desk, **fields())["uuid"]
    other = make_desk(bob, now=timezone.now())
    for answer in (
        other.get(f"/alerts/{uuid}"),
        other.get(f"/alerts/{uuid}/history"),
        other.put(f"/alerts/{uuid}", **fields(rhs_constant="1")),
        other.delete("/alerts", uuid=uuid),
        other.get("/alerts/nothing"),
    ):
        refused(answer, 404, "GeneralException")
    assert other.get("/alerts").json()["data"] == []
    row = Alert.objects.get()
    assert (row.status, row.constant, row.revision) == ("enabled", 27000, 0)


def test_limits_keys_and_prices(desk, market, settings):
    settings.ALERTS_MOST_ENABLED = 1
    first = desk.post("/alerts", key="k", **fields()).json()["data"]
    assert desk.post("/alerts", key="k", **fields()).json()["data"] == first
    refused(desk.post("/alerts", **fields()), 400, "InputException", code="TOO_MANY", maximum="1")
    without = fields(lhs_exchange="NSE", lhs_tradingsymbol="INFY")
    refused(desk.post("/alerts", **without), 503, "NetworkException")
    assert Alert.objects.count() == 1


def test_an_app_without_cnc_sets_none_that_orders(bob, redis_client, market):
    other = make_desk(bob, now=timezone.now(), products=["MIS"])
    refused(other.post("/alerts", **ato()), 403, "PermissionException")
    assert made(other, **fields())["status"] == "enabled"
