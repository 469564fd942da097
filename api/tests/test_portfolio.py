import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import ApiApp
from accounts.services.api_apps import set_addresses
from api.tests.desk import make_desk
from market.domain.enums import Product, Side
from market.streams import put_ticks
from portfolio.models import PositionConversion
from portfolio.services.intraday import book_for
from portfolio.tests.factories import (
    fill,
    make_instrument,
    make_quote,
    make_request,
    place,
    send,
    trade_now,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_day")]
MOCKS = Path(__file__).parents[3] / "shared/data/exchange-payloads/kite"


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def desk(alice, now, redis_client):
    return make_desk(alice, now=now)


def data(response):
    assert response.status_code == 200, response.content
    answer = response.json()
    assert answer["status"] == "success"
    return answer["data"]


def quote(redis_client, price, close, *, now, symbol="NSE:ONGC"):
    made = make_quote(make_instrument(symbol), price, now=now)
    put_ticks(redis_client, [replace(made, previous_close=type(made.last_price)(str(close)))])


DAY = timedelta(days=1)


def test_nothing_yet(desk):
    assert data(desk.get("/portfolio/positions")) == {"net": [], "day": []}
    for path in ("holdings", "holdings/compact", "holdings/auctions"):
        assert data(desk.get(f"/portfolio/{path}")) == []
    assert data(desk.get("/portfolio/holdings/summary")) == dict.fromkeys(
        [
            "total_pnl",
            "total_pnl_percent",
            "today_pnl",
            "today_pnl_percent",
            "invested_amount",
            "current_value",
        ],
        0,
    )


def test_a_position_of_today(desk, redis_client, now):
    ongc = make_instrument()
    trade_now(desk.book, ongc, quantity=10, price="260", now=now)
    trade_now(desk.book, ongc, Side.SELL, quantity=4, price="262.5", now=now)
    quote(redis_client, "261", "255", now=now)
    found = data(desk.get("/portfolio/positions"))
    expected = {
        "tradingsymbol": "ONGC",
        "exchange": "NSE",
        "instrument_token": 633601,
        "product": "CNC",
        "quantity": 6,
        "overnight_quantity": 0,
        "multiplier": 1,
        "average_price": 260,
        "close_price": 255,
        "last_price": 261,
        "value": -1550,
        "pnl": 16,
        "m2m": 16,
        "unrealised": 16,
        "realised": 0,
        "buy_quantity": 10,
        "buy_price": 260,
        "buy_value": 2600,
        "buy_m2m": 2600,
        "sell_quantity": 4,
        "sell_price": 262.5,
        "sell_value": 1050,
        "sell_m2m": 1050,
        "day_buy_quantity": 10,
        "day_buy_price": 260,
        "day_buy_value": 2600,
        "day_sell_quantity": 4,
        "day_sell_price": 262.5,
        "day_sell_value": 1050,
    }
    assert found == {"net": [expected], "day": [expected]}
    assert data(desk.get("/portfolio/holdings")) == []


def test_bought_yesterday_it_is_a_holding(desk, redis_client, now):
    ongc = make_instrument()
    trade_now(desk.book, ongc, quantity=10, price="250", now=now - DAY)
    quote(redis_client, "261", "255", now=now)
    assert data(desk.get("/portfolio/positions")) == {"net": [], "day": []}
    held = data(desk.get("/portfolio/holdings"))[0]
    assert (held["quantity"], held["opening_quantity"], held["used_quantity"]) == (10, 10, 0)
    assert (held["average_price"], held["pnl"], held["day_change"]) == (250, 110, 6)
    assert held["day_change_percentage"] == pytest.approx(2.352941176)
    assert len(held["authorised_date"]) == 19
    # Four are sold again, two more are bought: eight of the old ones are left.
    trade_now(desk.book, ongc, Side.SELL, quantity=4, price="261", now=now)
    trade_now(desk.book, ongc, quantity=2, price="259", now=now)
    held = data(desk.get("/portfolio/holdings"))[0]
    assert (held["quantity"], held["opening_quantity"], held["used_quantity"]) == (8, 10, 2)
    assert (held["average_price"], held["pnl"]) == (250, 88)
    net = data(desk.get("/portfolio/positions"))["net"][0]
    assert (net["quantity"], net["overnight_quantity"], net["buy_quantity"]) == (-2, 0, 2)
    assert (net["average_price"], net["pnl"]) == (261, 4 * 261 - 2 * 259 - 2 * 261)
    assert data(desk.get("/portfolio/holdings/compact")) == [
        {
            "exchange": "NSE",
            "tradingsymbol": "ONGC",
            "instrument_token": 633601,
            "t1_quantity": 0,
            "quantity": 8,
        }
    ]
    summary = data(desk.get("/portfolio/holdings/summary"))
    assert summary["invested_amount"] == 2000
    assert summary["current_value"] == 2088
    assert (summary["total_pnl"], summary["total_pnl_percent"]) == (88, 4.4)
    assert (summary["today_pnl"], summary["today_pnl_percent"]) == (48, pytest.approx(2.3529412))


def test_all_sold_it_is_no_holding(desk, redis_client, now):
    trade_now(desk.book, make_instrument(), quantity=10, price="250", now=now - DAY)
    trade_now(desk.book, make_instrument(), Side.SELL, quantity=10, price="260", now=now)
    assert data(desk.get("/portfolio/holdings")) == []


def test_fractions_and_currencies(desk, redis_client, now):
    btc = make_instrument("BINANCE:BTCUSDT")
    trade_now(desk.crypto_book, btc, quantity="0.01", price="60000", now=now - DAY)
    quote(redis_client, "61000", "60500", now=now, symbol="BINANCE:BTCUSDT")
    held = data(desk.get("/portfolio/holdings"))[0]
    assert (held["quantity"], held["pnl"], held["exchange"]) == (0.01, 10, "BINANCE")
    # Dollars are not added to rupees.
    assert data(desk.get("/portfolio/holdings/summary"))["invested_amount"] == 0


def test_money(desk, redis_client, now):
    ongc = make_instrument()
    trade_now(desk.book, ongc, quantity=10, price="260", now=now)
    place(desk.book, make_request(ongc, quantity=5, price=250), last=260, now=now)
    equity = data(desk.get("/user/margins/equity"))
    # 2,600 and a fee of 1.30 are spent; 1,250 and its fee of 0.625 are held.
    cash, held = 1_000_000 - 2601.3, 1250.625
    assert equity["enabled"] is True
    assert equity["net"] == cash - held
    assert equity["available"]["cash"] == cash
    assert equity["available"]["live_balance"] == cash - held
    assert equity["available"]["opening_balance"] == 1_000_000
    assert equity["utilised"]["debits"] == held
    assert equity["utilised"]["exposure"] == held
    every = data(desk.get("/user/margins"))
    assert every["equity"] == equity
    assert every["crypto"]["net"] == 10_000
    assert every["commodity"]["enabled"] is False
    assert every["commodity"]["net"] == 0
    refused = desk.get("/user/margins/bonds")
    assert (refused.status_code, refused.json()["error_type"]) == (400, "InputException")
    assert refused.json()["data"] == {"field": "segment", "code": "unknown"}


def test_no_authorisation_is_needed(desk):
    refused = desk.post("/portfolio/holdings/authorise", type="mf")
    assert (refused.status_code, refused.json()["error_type"]) == (400, "InputException")


CONVERSION = {
    "exchange": "NSE",
    "tradingsymbol": "ONGC",
    "transaction_type": "BUY",
    "position_type": "day",
    "quantity": 4,
    "old_product": "CNC",
    "new_product": "MIS",
}


def test_a_position_becomes_another_product(desk, redis_client, now):
    trade_now(desk.book, make_instrument(), quantity=10, price="260", now=now)
    quote(redis_client, "261", "255", now=now)
    assert data(desk.put("/portfolio/positions", key="c1", **CONVERSION)) is True
    # The same key once more converts nothing.
    assert data(desk.put("/portfolio/positions", key="c1", **CONVERSION)) is True
    rows = {row["product"]: row for row in data(desk.get("/portfolio/positions"))["net"]}
    for product, quantity in (("CNC", 6), ("MIS", 4)):
        row = rows[product]
        assert (row["quantity"], row["overnight_quantity"]) == (quantity, 0)
        assert (row["buy_quantity"], row["buy_value"]) == (quantity, quantity * 260)
        assert (row["average_price"], row["pnl"]) == (260, quantity)
    back = {**CONVERSION, "old_product": "MIS", "new_product": "CNC"}
    assert data(desk.put("/portfolio/positions", **back)) is True
    net = data(desk.get("/portfolio/positions"))["net"]
    assert [(row["product"], row["quantity"]) for row in net if row["quantity"]] == [("CNC", 10)]


@pytest.mark.parametrize(
    ("wrong", "status", "error_type"),
    [
        ({"quantity": 11}, 400, "HoldingException"),
        ({"quantity": 0}, 400, "InputException"),
        ({"quantity": "x"}, 400, "InputException"),
        ({"new_product": "NRML"}, 400, "InputException"),
        ({"tradingsymbol": "NOTHING"}, 400, "InputException"),
        ({"transaction_type": "SELL"}, 400, "HoldingException"),
        ({"old_product": ""}, 400, "InputException"),
    ],
)
def test_conversions_that_cannot_be(desk, redis_client, now, wrong, status, error_type):
    trade_now(desk.book, make_instrument(), quantity=10, price="260", now=now)
    quote(redis_client, "261", "255", now=now)
    before = data(desk.get("/portfolio/positions"))
    answer = desk.put("/portfolio/positions", **{**CONVERSION, **wrong})
    assert (answer.status_code, answer.json()["error_type"]) == (status, error_type)
    assert data(desk.get("/portfolio/positions")) == before


def test_nobody_elses(desk, bob, now, redis_client):
    trade_now(desk.book, make_instrument(), quantity=10, price="260", now=now)
    other = make_desk(bob, now=now)
    assert data(other.get("/portfolio/positions")) == {"net": [], "day": []}
    assert data(other.get("/user/margins/equity"))["net"] == 1_000_000


def test_without_live_prices_the_last_ones_stand(desk, now, monkeypatch):
    import redis  # noqa: PLC0415

    from market import selectors_prices  # noqa: PLC0415

    def away(*_args):
        raise redis.ConnectionError

    trade_now(desk.book, make_instrument(), quantity=10, price="260", now=now)
    monkeypatch.setattr(selectors_prices, "read_quotes", away)
    net = data(desk.get("/portfolio/positions"))["net"][0]
    assert (net["quantity"], net["last_price"]) == (10, 0)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_as_many_queries_whatever_there_is(desk, now, count, django_assert_num_queries):
    for symbol in ("NSE:ONGC", "NSE:TATASTEEL", "NSE:BHARTIARTL")[:count]:
        trade_now(desk.book, make_instrument(symbol), quantity=1, price="100", now=now)
    desk.get("/user/profile")
    with django_assert_num_queries(1 + 3 + (2 if count else 0)):
        desk.get("/portfolio/positions")


def mock(name):
    path = MOCKS / name
    if not path.exists():
        pytest.skip(f"the recorded payload {name} is not on this machine")
    return json.loads(path.read_text())["data"]


def kinds(value):
    return "number" if type(value) in {int, float} else type(value).__name__


def test_the_wire_is_kites(desk, redis_client, now):
    trade_now(desk.book, make_instrument(), quantity=10, price="260", now=now)
    quote(redis_client, "261", "255", now=now)
    pairs = [
        (data(desk.get("/portfolio/positions"))["net"][0], mock("positions.json")["net"][0]),
        (data(desk.get("/user/margins"))["equity"], mock("margins.json")["equity"]),
        (data(desk.get("/portfolio/holdings/summary")), mock("holdings_summary.json")),
    ]
    trade_now(desk.book, make_instrument("NSE:TATASTEEL"), quantity=1, price="100", now=now - DAY)
    pairs += [
        (data(desk.get("/portfolio/holdings"))[0], mock("holdings.json")[0]),
        (data(desk.get("/portfolio/holdings/compact"))[0], mock("holdings_compact.json")[0]),
    ]
    for ours, theirs in pairs:
        assert set(ours) == set(theirs)
        for name, value in theirs.items():
            assert kinds(ours[name]) == kinds(value), name
            if isinstance(value, dict):
                assert set(ours[name]) == set(value)


def test_an_app_converts_into_what_it_may_trade_and_from_where_it_may(desk, redis_client, now):
    trade_now(desk.book, make_instrument(), quantity=10, price="260", now=now)
    quote(redis_client, "261", "255", now=now)
    app = desk.made.app
    ApiApp.objects.filter(pk=app.pk).update(products=["CNC"])
    refused = desk.put("/portfolio/positions", **CONVERSION)
    assert (refused.status_code, refused.json()["error_type"]) == (403, "PermissionException")
    ApiApp.objects.filter(pk=app.pk).update(products=["CNC", "MIS"])
    set_addresses(app, ["198.51.100.9"], client_address=None, now=now)
    refused = desk.put("/portfolio/positions", **CONVERSION)
    assert "registered addresses" in refused.json()["message"]
    assert not PositionConversion.objects.exists()


def test_a_converted_position_that_was_squared_off(desk, redis_client, now):
    ongc = make_instrument()
    trade_now(desk.book, ongc, quantity=10, price="260", now=now)
    quote(redis_client, "261", "255", now=now)
    assert data(desk.put("/portfolio/positions", **CONVERSION)) is True
    intraday = book_for(desk.user, product=Product.MIS, quote_asset="INR", now=now)
    sale = replace(make_request(ongc, Side.SELL, quantity=4, price=265), product=Product.MIS)
    order = place(intraday, sale, last=265, now=now)[0].order_id
    send(order, now=now)
    fill(order, 4, 265, now=now)
    rows = {row["product"]: row for row in data(desk.get("/portfolio/positions"))["net"]}
    mis, cnc = rows["MIS"], rows["CNC"]
    assert (mis["quantity"], mis["overnight_quantity"], mis["pnl"]) == (0, 0, 20)
    assert (mis["buy_quantity"], mis["buy_value"]) == (4, 1040)
    assert (mis["sell_quantity"], mis["sell_value"]) == (4, 1060)
    assert (cnc["quantity"], cnc["overnight_quantity"], cnc["buy_value"]) == (6, 0, 1560)
    assert data(desk.get("/portfolio/holdings")) == []
