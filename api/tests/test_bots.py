from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.services.api_apps import set_addresses
from accounts.tests.api_apps import make_app, open_session
from api.tests.desk import make_desk
from bots.domain.spot_grid_config import GridConfig
from bots.domain.spot_grid_parameters import PARAMETERS
from bots.models import Bot, BotCommand
from market.streams import put_ticks
from portfolio.models import Book, LedgerEntry
from portfolio.tests.factories import make_instrument, make_quote

pytestmark = pytest.mark.django_db
GRID = {
    "kind": "spot_grid",
    "symbol": "NSE:ONGC",
    "lower": "250",
    "upper": "270",
    "grids": "10",
    "investment": "100000",
}
ACTS = ("start", "pause", "resume", "retry", "stop", "add_investment", "withdraw_profit")
READS = ("", "/orders", "/trades", "/profit")


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def desk(alice, now, redis_client):
    desk = make_desk(alice, now=now)
    put_ticks(redis_client, [make_quote(make_instrument(), "260", now=now)])
    return desk


def data(response):
    assert response.status_code == 200, response.content
    return response.json()["data"]


def refused(response, status, error_type, **wanted):
    assert response.status_code == status, response.content
    answer = response.json()
    assert (answer["status"], answer["error_type"]) == ("error", error_type)
    for name, value in wanted.items():
        assert answer["data"][name] == value
    return answer


def test_the_kinds(desk):
    kinds = data(desk.get("/bots/kinds"))
    assert [each["kind"] for each in kinds] == ["spot_grid"]
    schema = kinds[0]["parameters"]
    assert schema["required"] == ["symbol", "investment", "lower", "upper", "grids"]
    assert schema["properties"]["grids"] == {
        "type": "integer",
        "description": "Number of intervals",
        "minimum": 2,
        "maximum": 200,
    }
    assert schema["properties"]["reserve_pct"]["x-maximum"] == "0.2"
    assert schema["properties"]["reinvest"]["default"] is False
    assert data(desk.get("/bots/kinds/spot_grid")) == kinds[0]
    refused(desk.get("/bots/kinds/martingale"), 400, "InputException")


def test_every_parameter_is_described():
    known = {each.name for each in PARAMETERS}
    assert known == set(GridConfig.__dataclass_fields__) - {"rules", "trigger_side"} | {"fee_mode"}


def test_the_defaults_are_those_that_are_used(desk):
    made = data(desk.post("/bots", **GRID))["parameters"]
    for each in PARAMETERS:
        if each.default is not None:
            typed = each.json_schema()["default"]
            assert made[each.name] == typed, each.name


def test_from_the_preview_to_the_stop(desk):
    preview = data(desk.post("/bots/preview", **GRID))
    assert preview["preview"]["start_price"] == "260"
    assert preview["preview"]["levels"][:2] == ["250", "252"]
    assert not Bot.objects.exists()

    made = data(desk.post("/bots", **GRID))
    assert (made["status"], made["symbol"], made["mode"]) == ("VALIDATED", "NSE:ONGC", "PAPER")
    assert made["parameters"]["lower"] == "250"
    bot_id = made["bot_id"]
    assert isinstance(bot_id, str)
    assert data(desk.get("/bots")) == [made]
    assert data(desk.get("/bots", status="RUNNING")) == []
    assert data(desk.get(f"/bots/{bot_id}/profit"))["figures"] is None
    assert data(desk.get(f"/bots/{bot_id}/orders")) == []
    assert data(desk.get(f"/bots/{bot_id}/trades")) == []

    started = data(desk.post(f"/bots/{bot_id}/start"))
    assert started["status"] == "STARTING"
    assert started["investment"] == "100000"
    assert data(desk.get("/user/margins/equity"))["net"] == 900_000
    # Asked twice is asked once.
    assert data(desk.post(f"/bots/{bot_id}/start"))["status"] == "STARTING"
    assert Book.objects.filter(kind=Book.Kind.BOT).count() == 1

    stopping = data(desk.post(f"/bots/{bot_id}/stop", stop_mode="keep_assets"))
    assert stopping["pending"] == ["stop"]
    assert BotCommand.objects.get().stop_mode == "keep_assets"
    refused(desk.post(f"/bots/{bot_id}/pause"), 400, "OrderException")
    refused(desk.delete(f"/bots/{bot_id}"), 400, "OrderException")


def test_one_that_was_never_started_is_deleted(desk):
    bot_id = data(desk.post("/bots", **GRID))["bot_id"]
    assert data(desk.delete(f"/bots/{bot_id}")) is True
    refused(desk.get(f"/bots/{bot_id}"), 404, "GeneralException")


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"lower": "270"}, "upper", "ORDER"),
        ({"grids": "1"}, "grids", "BELOW_MIN"),
        ({"grids": "x"}, "grids", "NOT_A_NUMBER"),
        ({"investment": ""}, "investment", "REQUIRED"),
        ({"investment": "99999999"}, "investment", "INSUFFICIENT_FUNDS"),
        ({"lower": "250.01"}, "lower", "NOT_TICK"),
        ({"leverage": "2"}, "leverage", "unknown"),
        ({"kind": "martingale"}, "kind", "invalid_choice"),
        ({"kind": ""}, "kind", "required"),
        ({"venue_account_id": "x"}, "venue_account_id", "invalid"),
    ],
)
@pytest.mark.parametrize("path", ["/bots", "/bots/preview"])
def test_what_is_wrong_is_named(desk, wrong, field, code, path):
    refused(desk.post(path, **{**GRID, **wrong}), 400, "InputException", field=field, code=code)
    assert not Bot.objects.exists()


def test_an_unknown_symbol_and_a_wrong_account(desk, bob, now):
    refused(desk.post("/bots", **{**GRID, "symbol": "NSE:NOTHING"}), 400, "InputException")
    theirs = make_desk(bob, now=now).book.venue_account_id
    for account in (theirs, 10**17):
        answer = desk.post("/bots", **GRID, venue_account_id=account)
        refused(answer, 404, "GeneralException")
    dollars = desk.crypto_book.venue_account_id
    refused(desk.post("/bots", **GRID, venue_account_id=dollars), 400, "InputException")
    assert not Bot.objects.exists()


def test_a_key_makes_one_bot(desk):
    first = data(desk.post("/bots", key="grid-1", **GRID))
    assert data(desk.post("/bots", key="grid-1", **GRID)) == first
    refused(desk.post("/bots", key="grid-1", **{**GRID, "grids": "8"}), 400, "InputException")
    assert Bot.objects.count() == 1


def test_money_acts(desk):
    bot_id = data(desk.post("/bots", **GRID))["bot_id"]
    refused(desk.post(f"/bots/{bot_id}/add_investment"), 400, "InputException", field="amount")
    Bot.objects.update(status="RUNNING")
    answer = desk.post(f"/bots/{bot_id}/add_investment", amount="1000")
    assert data(answer)["pending"] == ["add_investment"]
    assert BotCommand.objects.get().amount == Decimal(1000)
    refused(
        desk.post(f"/bots/{bot_id}/add_investment", amount="-1"),
        *(400, "InputException"),
        field="amount",
    )
    refused(desk.post(f"/bots/{bot_id}/withdraw_profit"), 400, "InputException", field="amount")
    refused(desk.post(f"/bots/{bot_id}/stop", mode="x"), 400, "InputException", field="mode")


def test_somebody_elses_bot_is_no_bot(desk, bob, now):
    bot_id = data(desk.post("/bots", **GRID))["bot_id"]
    other = make_desk(bob, now=now)
    before = list(Bot.objects.values()), list(LedgerEntry.objects.values())
    for path in READS:
        refused(other.get(f"/bots/{bot_id}{path}"), 404, "GeneralException")
    for act in ACTS:
        amount = {"amount": "1"} if act == "add_investment" else {}
        refused(other.post(f"/bots/{bot_id}/{act}", **amount), 404, "GeneralException")
    refused(other.delete(f"/bots/{bot_id}"), 404, "GeneralException")
    assert data(other.get("/bots")) == []
    assert (list(Bot.objects.values()), list(LedgerEntry.objects.values())) == before
    assert not BotCommand.objects.exists()


@pytest.mark.parametrize("number", ["0", "999999999999999999", "9" * 40])
def test_numbers_of_no_bot(desk, number):
    refused(desk.get(f"/bots/{number}"), 404, "GeneralException")


@pytest.mark.parametrize("count", [0, 1, 5])
def test_as_many_queries_however_many_bots(desk, count, django_assert_num_queries):
    for _ in range(count):
        data(desk.post("/bots", **GRID))
    desk.get("/user/profile")
    with django_assert_num_queries(3):
        desk.get("/bots")


def test_another_app_of_the_same_user_sees_them_too(desk, alice, now):
    bot_id = data(desk.post("/bots", **GRID))["bot_id"]
    made = make_app(alice, now=now, name="Second")
    opened = open_session(made, alice, now=now)
    header = f"token {made.app.api_key}:{opened.access_token}"
    from django.test import Client  # noqa: PLC0415

    answer = Client().get(f"/bots/{bot_id}", headers={"authorization": header})
    assert data(answer)["bot_id"] == bot_id


def test_an_app_has_bots_trade_where_it_may_trade_itself(desk, now):
    bot = data(desk.post("/bots", **GRID))["bot_id"]
    set_addresses(desk.made.app, ["198.51.100.9"], client_address=None, now=now)
    for path, fields in (("/bots", GRID), *((f"/bots/{bot}/{act}", {}) for act in ACTS)):
        answer = refused(desk.post(path, **fields), 403, "PermissionException")
        assert "registered addresses" in answer["message"]
    assert (Bot.objects.count(), BotCommand.objects.count()) == (1, 0)
    assert data(desk.get(f"/bots/{bot}"))["status"] == "VALIDATED"


def test_an_app_without_delivery_has_no_bots_trade(bob, now, redis_client):
    desk = make_desk(bob, now=now, products=["MIS"])
    put_ticks(redis_client, [make_quote(make_instrument(), "260", now=now)])
    refused(desk.post("/bots", **GRID), 403, "PermissionException")
    assert not Bot.objects.exists()
