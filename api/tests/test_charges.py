"""POST /margins/orders, /margins/basket and /charges/orders: exact figures, errors, wire types."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from api.inputs import MOST_ROWS
from api.tests.desk import make_desk
from api.tests.orders import data, fingerprint, quote, refused
from market.domain.enums import Product, Side
from market.models import Instrument
from market.tests.factories import SHARED_DATA
from portfolio.domain.account_fees import FeeKind
from portfolio.models import VenueAccount
from portfolio.services.charges import set_fee_kind
from portfolio.services.intraday import intraday_book
from portfolio.tests.factories import (
    balances,
    fill,
    make_instrument,
    make_request,
    number,
    place,
    send,
    trade_now,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_day")]

SAMPLES = SHARED_DATA / "exchange-payloads" / "kite"
needs_samples = pytest.mark.skipif(
    not SAMPLES.exists(), reason="the published samples are not on this machine"
)
ADDRESSES = ("/margins/orders", "/margins/basket", "/charges/orders")


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def desk(alice, now, redis_client):
    made = make_desk(alice, now=now)
    quote(redis_client, 262, now=now)
    return made


@pytest.fixture
def indian(desk):
    """A desk whose rupee account is charged as Indian equities are."""
    assert set_fee_kind(desk.book.venue_account, FeeKind.INDIAN_EQUITY, now=timezone.now())
    return desk


ROW = {
    "exchange": "NSE",
    "tradingsymbol": "ONGC",
    "transaction_type": "BUY",
    "variety": "regular",
    "product": "CNC",
    "order_type": "LIMIT",
    "quantity": 100,
}


def margin_row(**changes):
    return {**ROW, "price": 250, "trigger_price": 0, **changes}


def charges_row(**changes):
    return {**ROW, "order_id": "111", "average_price": 250, **changes}


def row_for(address, **changes):
    return (charges_row if address == "/charges/orders" else margin_row)(**changes)


def post(desk, address, body, *, content_type="application/json") -> Any:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return Client().post(address, text, content_type=content_type, headers=desk.headers)


def charges_of(desk, *rows):
    return [row["charges"] for row in data(post(desk, "/charges/orders", list(rows)))]


def items(charges):
    """Return the items of charges in their order, without the words."""
    assert charges["gst"]["igst"] == charges["gst"]["total"]
    assert (charges["gst"]["cgst"], charges["gst"]["sgst"]) == (0, 0)
    return (
        charges["transaction_tax"],
        charges["exchange_turnover_charge"],
        charges["sebi_turnover_charge"],
        charges["brokerage"],
        charges["stamp_duty"],
        charges["gst"]["total"],
        charges["total"],
    )


NO_CHARGES = {
    "transaction_tax": 0,
    "transaction_tax_type": "",
    "exchange_turnover_charge": 0,
    "sebi_turnover_charge": 0,
    "brokerage": 0,
    "stamp_duty": 0,
    "gst": {"igst": 0, "cgst": 0, "sgst": 0, "total": 0},
    "total": 0,
}


class TestCharges:
    def test_a_delivery_buy_whole(self, indian):
        assert data(post(indian, "/charges/orders", [charges_row()])) == [
            {
                "transaction_type": "BUY",
                "tradingsymbol": "ONGC",
                "exchange": "NSE",
                "variety": "regular",
                "product": "CNC",
                "order_type": "LIMIT",
                "quantity": 100,
                "price": 250,
                "charges": {
                    "transaction_tax": 25,
                    "transaction_tax_type": "stt",
                    "exchange_turnover_charge": 0.7675,
                    "sebi_turnover_charge": 0.025,
                    "brokerage": 0,
                    "stamp_duty": 3.75,
                    "gst": {"igst": 0.1426455, "cgst": 0, "sgst": 0, "total": 0.1426455},
                    "total": 29.6851455,
                },
            }
        ]

    def test_every_kind_of_order(self, indian):
        ongc = make_instrument()
        values = {name: getattr(ongc, name) for name in ("kind", "segment", "calendar")}
        Instrument.objects.create(
            instrument_token=500312 << 8 | 4, exchange_token=500312, exchange="BSE",
            tradingsymbol="ONGC", display_name="ONGC", base_asset="BSE:ONGC", quote_asset="INR",
            tick_size=number("0.05"), lot_size=1, min_quantity=1, **values,
        )  # fmt: skip
        sell = {"transaction_type": "SELL", "average_price": 260}
        mis = {"product": "MIS"}
        found = charges_of(
            indian,
            charges_row(**sell),
            charges_row(**mis),
            charges_row(**mis, transaction_type="SELL", average_price=255),
            charges_row(**mis, quantity=4000),
            charges_row(exchange="BSE"),
        )
        assert [items(each) for each in found] == [
            (26, 0.7982, 0.026, 0, 0, 0.14835132, 26.97255132),
            (0, 0.7675, 0.025, 7.5, 0.75, 1.4926455, 10.5351455),
            (6.375, 0.78285, 0.0255, 7.65, 0, 1.52249841, 16.35584841),
            (0, 30.7, 1, 20, 30, 9.30582, 91.00582),
            (25, 0.9375, 0.025, 0, 3.75, 0.17325, 29.88575),
        ]

    def test_a_flat_account_has_its_fee_as_brokerage(self, desk):
        bitcoin = {"exchange": "BINANCE", "tradingsymbol": "BTCUSDT", "quantity": 0.5}
        rupees, dollars = charges_of(
            desk, charges_row(), charges_row(**bitcoin, average_price=50000.25)
        )
        assert rupees == NO_CHARGES | {
            "brokerage": 12.5, "transaction_tax_type": "stt", "total": 12.5,
        }  # fmt: skip
        assert dollars == NO_CHARGES | {"brokerage": 12.5000625, "total": 12.5000625}

    def test_the_note_says_what_the_ledger_books(self, indian, now):
        ongc = make_instrument()
        before = balances(indian.book)["AVAILABLE", "INR"]
        placed = trade_now(indian.book, ongc, quantity=100, price=250, now=timezone.now())
        spent = before - balances(indian.book)["AVAILABLE", "INR"]
        (told,) = charges_of(indian, charges_row(order_id=str(placed.order_id)))
        assert spent == 25000 + number(told["total"]) == number("25029.6851455")

    def test_an_order_that_did_not_trade_costs_nothing(self, indian):
        (found,) = charges_of(indian, charges_row(average_price=0))
        assert found == NO_CHARGES | {"transaction_tax_type": "stt"}

    def test_numbers_as_programs_compute_them(self, indian):
        """Seventeen digits and decimal texts are taken; the ledger's scale is what counts."""
        first, second = charges_of(
            indian,
            charges_row(average_price=250.00000000000003),
            charges_row(average_price="250.00", quantity="100"),
        )
        assert first == second
        assert first["total"] == 29.6851455

    @needs_samples
    def test_the_shape_is_that_of_the_sample(self, indian):
        sample = json.loads((SAMPLES / "virtual_contract_note.json").read_text())["data"][0]
        (found,) = data(post(indian, "/charges/orders", [charges_row()]))
        assert shape(found) == shape(sample)


def shape(value):
    """Return the names in their order, and text or number for each value."""
    if isinstance(value, dict):
        return [(name, shape(each)) for name, each in value.items()]
    return "text" if isinstance(value, str) else "number"


def margins(desk, *rows, query=""):
    return data(post(desk, f"/margins/orders{query}", list(rows)))


def totals(desk, *rows):
    return [row["total"] for row in margins(desk, *rows)]


class TestOrderMargins:
    def test_a_limit_buy_whole(self, indian):
        (found,) = margins(indian, margin_row())
        charges = found.pop("charges")
        assert charges["total"] == 29.6851455
        assert found == {
            "type": "equity",
            "tradingsymbol": "ONGC",
            "exchange": "NSE",
            "span": 0,
            "exposure": 0,
            "option_premium": 0,
            "additional": 0,
            "bo": 0,
            "cash": 0,
            "var": 25000,
            "pnl": {"realised": 0, "unrealised": 0},
            "leverage": 1,
            "total": 25000,
        }

    def test_compact_has_totals_and_charges_only(self, desk):
        (found,) = margins(desk, margin_row(), query="?mode=compact")
        assert set(found) == {"type", "tradingsymbol", "exchange", "charges", "total"}
        assert (found["total"], found["charges"]["total"]) == (25000, 12.5)
        assert len(margins(desk, margin_row(), query="?mode=null")[0]) == 14
        assert len(margins(desk, margin_row(), query="?mode=")[0]) == 14

    def test_what_every_order_type_needs(self, desk):
        """The last price is 262; orders without a limit may go 5 % beyond it or their trigger."""
        stop = {"trigger_price": 270}
        assert totals(
            desk,
            margin_row(order_type="MARKET", price=0),
            margin_row(order_type="MARKET", price=999),
            margin_row(order_type="SL", price=271, **stop),
            margin_row(order_type="SL-M", price=0, **stop),
            margin_row(product="MIS"),
        ) == [27510, 27510, 27100, 28350, 25000]

    def test_sales_need_what_is_not_held(self, desk, now):
        ongc = make_instrument()
        trade_now(desk.book, ongc, quantity=60, price=260, now=now)
        place(desk.book, sale(ongc, 20), last=262, now=now)
        sell = {"transaction_type": "SELL", "price": 265}
        assert totals(
            desk,
            # 40 of 60 are free: an open order sells the others.
            margin_row(**sell, quantity=40),
            margin_row(**sell, quantity=100),
            margin_row(**sell, quantity=100, product="MIS"),
            # At 250 it fills at 262 or better, and what it brings is what it takes to secure.
            margin_row(transaction_type="SELL", product="MIS"),
            margin_row(transaction_type="SELL", product="MIS", order_type="MARKET", price=0),
        ) == [0, 60 * 265, 26500, 26200, 27510]

    def test_a_short_position_is_bought_back_with_its_collateral(self, desk, now):
        book = intraday_book(desk.book.venue_account, now=now)
        order = replace(sale(make_instrument(), 30, price=262), product=Product.MIS)
        placed = place(book, order, last=262, now=now)[0]
        send(placed.order_id, now=now)
        fill(placed.order_id, 30, 262, now=now)
        assert totals(
            desk,
            margin_row(product="MIS", quantity=30),
            margin_row(product="MIS", quantity=50),
            margin_row(quantity=30),
        ) == [0, 5000, 7500]

    def test_crypto_is_paid_in_its_own_account(self, desk):
        (found,) = margins(
            desk,
            margin_row(exchange="BINANCE", tradingsymbol="BTCUSDT", quantity="0.25", price=50000.2),
        )
        assert (found["type"], found["total"], found["charges"]["total"]) == (
            "equity", 12500.05, 6.250025,
        )  # fmt: skip

    def test_no_price_is_no_guess(self, desk):
        gail = {"tradingsymbol": "BHARTIARTL"}
        answer = post(desk, "/margins/orders", [margin_row(**gail, order_type="MARKET", price=0)])
        refused(answer, 503, "NetworkException")
        assert answer["Retry-After"]
        assert totals(desk, margin_row(**gail)) == [25000]

    @needs_samples
    def test_the_shape_is_that_of_the_sample(self, indian):
        (sample,) = json.loads((SAMPLES / "order_margins.json").read_text())["data"]
        assert shape(margins(indian, margin_row())[0]) == shape(sample)


def sale(instrument, quantity, price=265):
    return make_request(instrument, Side.SELL, quantity=quantity, price=price)


def basket(desk, *rows, query=""):
    return data(post(desk, f"/margins/basket{query}", list(rows)))


def needs(found):
    return found["initial"]["total"], found["final"]["total"]


SELL = margin_row(transaction_type="SELL", price=265)


class TestBasketMargins:
    def test_the_sums(self, indian):
        found = basket(indian, margin_row(), margin_row(product="MIS", quantity=200))
        assert [row["total"] for row in found["orders"]] == [25000, 50000]
        assert needs(found) == (75000, 75000)
        assert found["initial"]["var"] == 75000
        assert found["initial"]["charges"] == found["final"]["charges"] == NO_CHARGES
        one, two = (row["charges"] for row in found["orders"])
        assert items(found["charges"]) == tuple(
            float(number(a) + number(b)) for a, b in zip(items(one), items(two), strict=True)
        )
        assert found["charges"]["transaction_tax_type"] == "stt"

    def test_offsets_are_in_the_final_margin_only(self, desk):
        found = basket(desk, margin_row(), SELL)
        assert [row["total"] for row in found["orders"]] == [25000, 26500]
        assert needs(found) == (51500, 25000)
        # A sale before the buy has nothing to sell yet; the buy then closes it.
        assert needs(basket(desk, SELL, margin_row())) == (51500, 26500)
        # Products are different positions.
        assert needs(basket(desk, margin_row(), {**SELL, "product": "MIS"})) == (51500, 51500)

    def test_what_is_held_is_sold_once(self, desk, now):
        trade_now(desk.book, make_instrument(), quantity=100, price=260, now=now)
        half = {**SELL, "quantity": 50}
        for query, expected in [
            ("", 13250),
            ("?consider_positions=true", 13250),
            ("?consider_positions=True&mode=null", 13250),
            ("?consider_positions=", 13250),
            ("?consider_positions=false", 39750),
            ("?consider_positions=False", 39750),
        ]:
            assert needs(basket(desk, half, half, half, query=query)) == (expected, expected)

    def test_compact(self, desk):
        found = basket(desk, margin_row(), query="?consider_positions=true&mode=compact")
        kept = {"type", "tradingsymbol", "exchange", "charges", "total"}
        assert set(found["initial"]) == set(found["final"]) == set(found["orders"][0]) == kept
        assert needs(found) == (25000, 25000)

    @needs_samples
    def test_the_shape_is_that_of_the_sample(self, indian):
        sample = json.loads((SAMPLES / "basket_margins.json").read_text())["data"]
        found = basket(indian, margin_row(), margin_row())
        assert {name: shape(each) for name, each in found.items() if name != "orders"} == {
            name: shape(each) for name, each in sample.items() if name != "orders"
        }
        assert shape(found["orders"][0]) == shape(sample["orders"][0])


# ----------------------------------------------------------------------------------- refusals


NO_ROWS = [
    ("", "not_json"),
    ("[{", "not_json"),
    ("[NaN]", "not_json"),
    (b"[\xff]", "not_json"),
    ("quantity=1", "not_json"),
    ("{}", "not_a_list"),
    ("null", "not_a_list"),
    ("[]", "rows"),
    ("[1]", "not_an_object"),
    ("[[]]", "not_an_object"),
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_bodies_that_are_no_list_of_rows(desk, address):
    for body, code in NO_ROWS:
        told = refused(post(desk, address, body), 400, "InputException")
        assert told["data"]["code"] == code, body
    refused(post(desk, address, "[" * 100_000), 400, "InputException")


@pytest.mark.parametrize("address", ADDRESSES)
def test_at_most_500_rows(desk, address):
    rows = [row_for(address)] * MOST_ROWS
    assert post(desk, address, rows).status_code == 200
    told = refused(post(desk, address, [*rows, rows[0]]), 400, "InputException")
    assert told["message"] == "`body` must have 1 to 500 rows; it has 501."


WRONG_ROWS = [
    ({"tradingsymbol": "NOSUCH"}, "tradingsymbol", "unknown"),
    ({"exchange": "BSE"}, "tradingsymbol", "unknown"),
    ({"tradingsymbol": "NIFTY 50"}, "instrument", "NOT_TRADABLE"),
    ({"tradingsymbol": None}, "tradingsymbol", "required"),
    ({"tradingsymbol": ["ONGC"]}, "tradingsymbol", "invalid"),
    ({"exchange": ""}, "exchange", "required"),
    ({"transaction_type": "HOLD"}, "transaction_type", "invalid_choice"),
    ({"product": "NRML"}, "product", "NOT_OFFERED"),
    ({"product": {}}, "product", "invalid_choice"),
    (
        {"product": "MIS", "exchange": "BINANCE", "tradingsymbol": "BTCUSDT"},
        "product",
        "NOT_OFFERED",
    ),
    ({"order_type": "STOP"}, "order_type", "invalid_choice"),
    ({"variety": "fast"}, "variety", "invalid_choice"),
    ({"quantity": None}, "quantity", "required"),
    ({"quantity": 0}, "quantity", "BELOW_MIN"),
    ({"quantity": -1}, "quantity", "min_value"),
    ({"quantity": 0.5}, "quantity", "BELOW_MIN"),
    ({"quantity": 1.5}, "quantity", "NOT_LOT"),
    ({"quantity": "many"}, "quantity", "invalid"),
    ({"quantity": True}, "quantity", "invalid"),
    ({"quantity": "NaN"}, "quantity", "invalid"),
    ({"quantity": 10**13}, "quantity", "max_value"),
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_rows_that_are_wrong_are_named(desk, address):
    before = fingerprint()
    for changes, field, code in WRONG_ROWS:
        body = [row_for(address), row_for(address, **changes)]
        told = refused(post(desk, address, body), 400, "InputException")
        assert told["data"] == {"field": f"body[1].{field}", "code": code}, changes
        assert f"body[1].{field}" in told["message"]
    assert fingerprint() == before


WRONG_PRICES = [
    ("/margins/orders", {"price": -1}, "price", "min_value"),
    ("/margins/orders", {"price": 0}, "price", "required"),
    ("/margins/orders", {"price": None}, "price", "required"),
    ("/margins/orders", {"trigger_price": -1}, "trigger_price", "min_value"),
    ("/margins/orders", {"order_type": "SL"}, "trigger_price", "required"),
    ("/margins/basket", {"order_type": "SL-M"}, "trigger_price", "required"),
    ("/charges/orders", {"average_price": -0.05}, "average_price", "min_value"),
    ("/charges/orders", {"average_price": None}, "average_price", "required"),
]


def test_prices_that_are_wrong_are_named(desk):
    for address, changes, field, code in WRONG_PRICES:
        told = refused(post(desk, address, [row_for(address, **changes)]), 400, "InputException")
        assert told["data"] == {"field": f"body[0].{field}", "code": code}, (address, changes)


@pytest.mark.parametrize("address", ADDRESSES)
def test_halves_of_letters_and_nul_are_refused(desk, address):
    for field in ("exchange", "tradingsymbol", "variety", "product"):
        for text in ("\ud800", "\0", "a\0b"):
            body = [row_for(address, **{field: text})]
            told = refused(post(desk, address, body), 400, "InputException")
            assert told["data"]["field"].startswith("body[0]."), (field, text)
    told = refused(post(desk, address, [row_for(address, variety="\ud800")]), 400, "InputException")
    assert told["message"] == '`body[0].variety`: "?" is not a valid choice.'


@pytest.mark.parametrize("address", ADDRESSES)
def test_more_than_any_market_has_is_refused(desk, address):
    name = "average_price" if address.startswith("/charges") else "price"
    for quantity, price in ((10**12, 10**12), (10**12, 1001)):
        body = [row_for(address, **{"quantity": quantity, name: price})]
        told = refused(post(desk, address, body), 400, "InputException")
        assert told["data"] == {"field": "quantity", "code": "ABOVE_MAX"}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/margins/orders?mode=full", "mode"),
        ("/margins/basket?consider_positions=maybe", "consider_positions"),
    ],
)
def test_queries_that_are_wrong_are_named(desk, address, name):
    told = refused(post(desk, address, [margin_row()]), 400, "InputException")
    assert told["data"] == {"field": name, "code": "invalid_choice"}


@pytest.mark.parametrize("address", ADDRESSES)
def test_only_with_a_token_and_only_by_post(desk, address):
    answer = Client().post(address, "[]", content_type="application/json")
    refused(answer, 403, "TokenException")
    refused(desk.get(address), 405, "GeneralException")


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_asset_without_an_account_is_refused(desk, address):
    VenueAccount.objects.filter(pk=desk.crypto_book.venue_account_id).update(settlement_asset="EUR")
    row = row_for(address, exchange="BINANCE", tradingsymbol="BTCUSDT", quantity=1)
    told = refused(post(desk, address, [row]), 400, "InputException")
    assert told["message"] == "You have no account that trades in USDT"


def test_what_others_hold_covers_nothing(desk, bob, now):
    other = make_desk(bob, now=now)
    trade_now(other.book, make_instrument(), quantity=100, price=260, now=now)
    assert totals(desk, SELL) == [26500]
    assert totals(other, SELL) == [0]


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_is_written_and_queries_do_not_grow(indian, address):
    before = fingerprint()
    post(indian, address, [row_for(address)])
    counts = []
    for rows in (1, 200):
        with CaptureQueriesContext(connection) as queries:
            assert post(indian, address, [row_for(address)] * rows).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert fingerprint() == before


@pytest.mark.parametrize("address", ADDRESSES)
def test_numbers_are_numbers(indian, address):
    rows = [row_for(address, quantity=3, product=product) for product in ("CNC", "MIS")]
    texts = {
        "type", "tradingsymbol", "exchange", "transaction_type", "variety", "product",
        "order_type", "transaction_tax_type",
    }  # fmt: skip
    for name, value in leaves(data(post(indian, address, rows))):
        assert type(value) in ({str} if name in texts else {int, float}), (name, value)


def leaves(value, name=""):
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, name)
    else:
        yield name, value
