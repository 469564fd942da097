"""Orders and trades on the wire: keys, types, values, and every step of a life."""

import json
import re
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from api.serializers.orders import postback_of
from api.tests.desk import make_desk
from api.tests.orders import bought, buy, data, fingerprint, quote, refused
from bots.models import Bot
from market.domain.calendars import day_start
from market.domain.enums import Liquidity, TimeInForce
from market.domain.messages import OutcomeKind, ReportKind
from portfolio.models import Order, Trade
from portfolio.services.executions import apply_report, mark_not_at_venue
from portfolio.tests.factories import (
    fill,
    make_book,
    make_report,
    make_request,
    mark_sending,
    place,
    send,
)

pytestmark = pytest.mark.django_db
MOCKS = Path(__file__).parents[3] / "shared/data/exchange-payloads/kite"

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
CLOCK = re.compile(r"\d\d:\d\d:\d\d")
DIGITS = re.compile(r"\d+")
TEXT, NUMBER, WHOLE, NULL = str, (int, float), int, type(None)
ORDER_TYPES = {
    "account_id": TEXT,
    "placed_by": TEXT,
    "order_id": DIGITS,
    "exchange_order_id": (TEXT, NULL),
    "parent_order_id": (TEXT, NULL),
    "status": TEXT,
    "status_message": (TEXT, NULL),
    "status_message_raw": (TEXT, NULL),
    "order_timestamp": TIME,
    "exchange_update_timestamp": (TIME, NULL),
    "exchange_timestamp": (TIME, NULL),
    "variety": TEXT,
    "modified": bool,
    "exchange": TEXT,
    "tradingsymbol": TEXT,
    "instrument_token": WHOLE,
    "order_type": TEXT,
    "transaction_type": TEXT,
    "validity": TEXT,
    "validity_ttl": WHOLE,
    "product": TEXT,
    "quantity": NUMBER,
    "disclosed_quantity": NUMBER,
    "price": NUMBER,
    "trigger_price": NUMBER,
    "average_price": NUMBER,
    "filled_quantity": NUMBER,
    "pending_quantity": NUMBER,
    "cancelled_quantity": NUMBER,
    "market_protection": NUMBER,
    "meta": dict,
    "tag": (TEXT, NULL),
    "tags": list,
    "guid": TEXT,
}
TRADE_TYPES = {
    "trade_id": TEXT,
    "order_id": DIGITS,
    "exchange": TEXT,
    "tradingsymbol": TEXT,
    "instrument_token": WHOLE,
    "product": TEXT,
    "average_price": NUMBER,
    "quantity": NUMBER,
    "exchange_order_id": TEXT,
    "transaction_type": TEXT,
    "fill_timestamp": TIME,
    "order_timestamp": CLOCK,
    "exchange_timestamp": TIME,
}
# One order of Kite's mock data has the first; the second stands on orders of auctions only.
RARE = {"terminal_id", "auction_number"}


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def desk(alice, now, redis_client):
    made = make_desk(alice, now=now)
    quote(redis_client, 262, now=now)
    return made


def fits(value, kind):
    if isinstance(kind, tuple):
        return any(fits(value, each) for each in kind)
    if isinstance(kind, re.Pattern):
        return isinstance(value, str) and kind.fullmatch(value) is not None
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def check(row, types):
    assert set(row) == set(types)
    for name, kind in types.items():
        assert fits(row[name], kind), (name, row[name])


def report(order_id, kind=ReportKind.TRADE, *, now, **values):
    apply_report(make_report(order_id, kind, now=now, **values), now=now)


def rows_of(desk):
    return {int(row["order_id"]): row for row in data(desk.get("/orders"))}


class TestOneRow:
    def test_a_new_order(self, desk):
        order_id = bought(desk, tag="mine", disclosed_quantity="5")
        (row,) = data(desk.get("/orders"))
        check(row, ORDER_TYPES)
        order = Order.objects.get()
        stamp = row.pop("order_timestamp")
        assert abs((timezone.now() - order.created_at).total_seconds()) < 60
        assert len(stamp) == 19
        assert row == {
            "account_id": desk.user.public_id,
            "placed_by": desk.user.public_id,
            "order_id": str(order_id),
            "exchange_order_id": None,
            "parent_order_id": None,
            "status": "PUT ORDER REQ RECEIVED",
            "status_message": None,
            "status_message_raw": None,
            "exchange_update_timestamp": None,
            "exchange_timestamp": None,
            "variety": "regular",
            "modified": False,
            "exchange": "NSE",
            "tradingsymbol": "ONGC",
            "instrument_token": 633601,
            "order_type": "LIMIT",
            "transaction_type": "BUY",
            "validity": "DAY",
            "validity_ttl": 0,
            "product": "CNC",
            "quantity": 10,
            "disclosed_quantity": 5,
            "price": 260,
            "trigger_price": 0,
            "average_price": 0,
            "filled_quantity": 0,
            "pending_quantity": 10,
            "cancelled_quantity": 0,
            "market_protection": 0,
            "meta": {},
            "tag": "mine",
            "tags": ["mine"],
            "guid": order.client_order_id,
        }
        assert '"quantity":10,' in desk.get("/orders").content.decode()

    def test_a_part_filled_and_cancelled_one(self, desk, now):
        order_id = bought(desk)
        send(order_id, now=now)
        fill(order_id, 3, "259.95", now=now)
        fill(order_id, 1, "259.5", now=now)
        report(order_id, ReportKind.CANCELLED, now=now, cumulative_quantity=4)
        row = rows_of(desk)[order_id]
        assert (row["status"], row["exchange_order_id"]) == ("CANCELLED", f"V{order_id}")
        assert (row["filled_quantity"], row["pending_quantity"]) == (4, 6)
        assert row["cancelled_quantity"] == 6
        assert row["average_price"] == 259.8375

    def test_a_complete_one(self, desk, now):
        order_id = bought(desk, order_type="MARKET", market_protection="2")
        send(order_id, now=now)
        fill(order_id, 10, "262.05", now=now)
        row = rows_of(desk)[order_id]
        assert (row["status"], row["filled_quantity"]) == ("COMPLETE", 10)
        assert (row["pending_quantity"], row["cancelled_quantity"]) == (0, 0)
        assert (row["price"], row["average_price"], row["market_protection"]) == (0, 262.05, 2)

    def test_a_gtc_one_shows_as_day(self, desk):
        bought(desk, validity="GTC", client_order_id="a-1")
        (row,) = data(desk.get("/orders"))
        assert row["validity"] == "DAY"
        assert row["meta"] == {"validity": "GTC", "client_order_id": "a-1"}

    def test_an_expired_one_shows_as_cancelled(self, desk, now):
        order_id = bought(desk)
        send(order_id, now=now)
        report(order_id, ReportKind.EXPIRED, now=now)
        row = rows_of(desk)[order_id]
        assert (row["status"], row["cancelled_quantity"]) == ("CANCELLED", 10)
        assert "end of its life" in row["status_message"]

    def test_one_that_the_venue_has_not_answered_for(self, desk, now):
        order_id = bought(desk)
        send(order_id, now=now, kind=OutcomeKind.UNKNOWN)
        row = rows_of(desk)[order_id]
        assert (row["status"], row["pending_quantity"]) == ("OPEN PENDING", 10)
        assert "may be live" in row["status_message"]
        assert row["exchange_timestamp"] is None

    def test_one_that_the_venue_never_had(self, desk, now):
        order_id = bought(desk)
        send(order_id, now=now, kind=OutcomeKind.UNKNOWN)
        mark_not_at_venue([Order.objects.get().client_order_id], shard=0, fence=0, now=now)
        row = rows_of(desk)[order_id]
        assert (row["status"], row["status_message_raw"]) == ("REJECTED", "NOT_AT_VENUE")
        assert (row["pending_quantity"], row["cancelled_quantity"]) == (0, 0)

    def test_one_of_a_bot(self, desk, now, redis_client):
        instrument = quote(redis_client, 262, now=now)
        account = desk.book.venue_account
        book = make_book(account, now=now, kind="BOT", funds=10_000)
        bot = Bot.objects.create(
            user=desk.user,
            venue_account=account,
            book=book,
            instrument=instrument,
            kind="spot_grid",
            name="Grid",
            config={},
            status="RUNNING",
            created_at=now,
            updated_at=now,
        )
        placed = place(book, make_request(instrument, slot_ref="7-1-B-1"), last=262, now=now)[0]
        row = rows_of(desk)[placed.order_id]
        check(row, ORDER_TYPES)
        assert (row["tag"], row["tags"]) == (f"bot:{bot.pk}", [f"bot:{bot.pk}"])
        assert data(desk.get(f"/orders/{placed.order_id}"))[-1] == row

    def test_fractions_are_numbers(self, desk, now, redis_client):
        quote(redis_client, 60000, now=now, symbol="BINANCE:BTCUSDT")
        coin = {"exchange": "BINANCE", "tradingsymbol": "BTCUSDT", "validity": "GTC"}
        order_id = bought(desk, **coin, quantity="0.01", price="59000.5")
        send(order_id, now=now)
        fill(order_id, "0.004", "59000.25", now=now)
        row = rows_of(desk)[order_id]
        check(row, ORDER_TYPES)
        assert (row["quantity"], row["filled_quantity"]) == (0.01, 0.004)
        assert (row["pending_quantity"], row["price"], row["product"]) == (0.006, 59000.5, "CNC")
        (trade,) = data(desk.get(f"/orders/{order_id}/trades"))
        check(trade, TRADE_TYPES)
        assert (trade["quantity"], trade["average_price"]) == (0.004, 59000.25)


class TestTrades:
    def test_a_row(self, desk, now):
        order_id = bought(desk)
        send(order_id, now=now)
        assert data(desk.get(f"/orders/{order_id}/trades")) == []
        fill(order_id, 4, "259.95", now=now)
        fill(order_id, 6, 260, now=now)
        first, second = data(desk.get("/trades"))
        check(first, TRADE_TYPES)
        assert (first["quantity"], first["average_price"]) == (4, 259.95)
        assert (second["quantity"], second["average_price"]) == (6, 260)
        assert (first["order_id"], first["exchange_order_id"]) == (str(order_id), f"V{order_id}")
        assert first["trade_id"] == Trade.objects.earliest("pk").venue_trade_id
        assert data(desk.get(f"/orders/{order_id}/trades")) == [first, second]

    def test_those_of_yesterday_are_gone(self, desk, now):
        order_id = bought(desk)
        send(order_id, now=now)
        fill(order_id, 10, 260, now=now)
        began = day_start(timezone.now())
        for name, at in (("T1", began - timedelta(seconds=1)), ("T2", began)):
            values = {**vars_of(Trade.objects.earliest("pk")), "venue_trade_id": name}
            Trade.objects.create(**{**values, "recorded_at": at})
        listed = [row["trade_id"] for row in data(desk.get(f"/orders/{order_id}/trades"))]
        assert listed[1:] == ["T1", "T2"]
        assert [row["trade_id"] for row in data(desk.get("/trades"))] == [listed[0], "T2"]


class TestTheDay:
    def test_made_changed_or_live_since_the_roll(self, desk, now):
        began = day_start(timezone.now())
        before = began - timedelta(seconds=1)
        ended, changed, live, new = [bought(desk, price=str(250 + n)) for n in range(4)]
        for order_id in (ended, changed):
            desk.delete(f"/orders/regular/{order_id}")
        Order.objects.filter(pk__in=[ended, live]).update(created_at=before, updated_at=before)
        Order.objects.filter(pk=changed).update(created_at=before, updated_at=began)
        assert [int(row["order_id"]) for row in data(desk.get("/orders"))] == [changed, live, new]
        assert len(data(desk.get(f"/orders/{ended}"))) == 2

    def test_of_all_accounts_and_nobody_else_s(self, desk, bob, now, redis_client):
        quote(redis_client, 60000, now=now, symbol="BINANCE:BTCUSDT")
        coin = {"exchange": "BINANCE", "tradingsymbol": "BTCUSDT", "validity": "GTC"}
        ids = [bought(desk), bought(desk, **coin, quantity="0.01", price="59000")]
        other = make_desk(bob, now=now)
        theirs = bought(other)
        assert [int(row["order_id"]) for row in data(desk.get("/orders"))] == ids
        assert [int(row["order_id"]) for row in data(other.get("/orders"))] == [theirs]
        before = fingerprint()
        for answer in (
            desk.get(f"/orders/{theirs}"),
            desk.get(f"/orders/{theirs}/trades"),
            desk.put(f"/orders/regular/{theirs}", price="255"),
            desk.delete(f"/orders/regular/{theirs}"),
        ):
            told = refused(answer, 404, "GeneralException")
            assert told["message"] == f"There is no order {theirs}."
        assert fingerprint() == before
        for name in ("0", "-1", "regular", "9" * 30, "1.0", "%20", "\u0661"):
            refused(desk.get(f"/orders/{name}"), 404, "GeneralException")
            refused(desk.delete(f"/orders/regular/{name}"), 404, "GeneralException")


class TestLife:
    """Each row of a history is the order as /orders showed it after that step."""

    def run(self, desk, steps, **fields):
        order_id = bought(desk, **fields)
        seen = {1: rows_of(desk)[order_id]}
        for step in steps:
            step(order_id)
            seen[Order.objects.get(pk=order_id).event_count] = rows_of(desk)[order_id]
        history = data(desk.get(f"/orders/{order_id}"))
        assert len(history) == Order.objects.get(pk=order_id).event_count
        for row in history:
            check(row, ORDER_TYPES)
        for number, row in seen.items():
            assert history[number - 1] == row, number
        return history

    def test_changed_filled_and_cancelled(self, desk, now):
        at = [now + timedelta(seconds=n) for n in range(10)]
        history = self.run(
            desk,
            [
                lambda pk: data(desk.put(f"/orders/regular/{pk}", price="259.5")),
                lambda pk: mark_sending(pk, now=at[1]),
                lambda pk: report(pk, ReportKind.TRADE, now=at[2], quantity=2, price="259.4"),
                lambda pk: data(desk.put(f"/orders/regular/{pk}", quantity="8", price="259")),
                lambda pk: report(pk, ReportKind.MODIFY_REJECTED, now=at[3], message="too late"),
                lambda pk: data(desk.put(f"/orders/regular/{pk}", quantity="7")),
                lambda pk: report(pk, ReportKind.MODIFIED, now=at[4], quantity=7, price="259.5"),
                lambda pk: report(pk, ReportKind.TRADE, now=at[5], quantity=1, price="259.5"),
                lambda pk: data(desk.delete(f"/orders/regular/{pk}")),
                lambda pk: report(pk, ReportKind.CANCEL_REJECTED, now=at[6], message="no"),
                lambda pk: data(desk.delete(f"/orders/regular/{pk}")),
                lambda pk: report(pk, ReportKind.CANCELLED, now=at[7], cumulative_quantity=3),
            ],
        )
        assert [row["status"] for row in history] == [
            "PUT ORDER REQ RECEIVED",
            "PUT ORDER REQ RECEIVED",
            "VALIDATION PENDING",
            "OPEN",
            "OPEN",
            "MODIFY PENDING",
            "OPEN",
            "MODIFY PENDING",
            "OPEN",
            "OPEN",
            "CANCEL PENDING",
            "OPEN",
            "CANCEL PENDING",
            "CANCELLED",
        ]
        assert [row["quantity"] for row in history] == [10] * 8 + [7] * 6
        assert [row["price"] for row in history] == [260] + [259.5] * 13
        assert [row["filled_quantity"] for row in history] == [0] * 4 + [2] * 5 + [3] * 5
        assert [row["modified"] for row in history] == [False] + [True] * 13
        assert history[-1]["cancelled_quantity"] == 4
        assert history[6]["status_message"] == "too late"

    def test_a_stop_that_triggers(self, desk, now):
        history = self.run(
            desk,
            [
                lambda pk: send(pk, now=now),
                lambda pk: data(desk.put(f"/orders/regular/{pk}", trigger_price="271")),
                lambda pk: report(
                    pk, ReportKind.MODIFIED, now=now, quantity=10, price=275, trigger_price=271
                ),
                lambda pk: report(pk, ReportKind.TRIGGERED, now=now),
                lambda pk: report(
                    pk, now=now, quantity=10, price="271.5", liquidity=Liquidity.TAKER
                ),
            ],
            order_type="SL",
            price="275",
            trigger_price="270",
        )
        assert [row["status"] for row in history] == [
            "PUT ORDER REQ RECEIVED",
            "VALIDATION PENDING",
            "TRIGGER PENDING",
            "MODIFY PENDING",
            "TRIGGER PENDING",
            "OPEN",
            "COMPLETE",
        ]
        assert [row["trigger_price"] for row in history] == [270] * 4 + [271] * 3
        assert history[-1]["average_price"] == 271.5

    def test_not_sent_and_unknown(self, desk, now):
        self.run(
            desk,
            [
                lambda pk: send(pk, now=now, kind=OutcomeKind.NOT_SENT),
                lambda pk: send(pk, now=now, kind=OutcomeKind.UNKNOWN),
                lambda pk: report(pk, ReportKind.REJECTED, now=now, message="no such scrip"),
            ],
        )

    def test_one_that_was_denied(self, desk):
        refused(buy(desk, price="400"), 400, "OrderException")
        order = Order.objects.get()
        assert data(desk.get(f"/orders/{order.pk}")) == data(desk.get("/orders"))


class TestMocks:
    """Kite's own mock data: nothing of it may be missing, nothing of another type."""

    def mock(self, name):
        path = MOCKS / f"{name}.json"
        if not path.exists():
            pytest.skip("Kite's mock data are not on this machine")
        answer = json.loads(path.read_text())
        found = answer.get("data", answer)
        return found if isinstance(found, list) else [found]

    @pytest.fixture
    def rows(self, desk, now):
        order_id = bought(desk, tag="x", validity="TTL", validity_ttl="1")
        send(order_id, now=now)
        fill(order_id, 10, 260, now=now)
        bought(desk)
        return data(desk.get("/orders"))

    @pytest.mark.parametrize("name", ["orders", "order_info"])
    def test_orders(self, rows, name):
        mocks = self.mock(name)
        for row in rows:
            assert set().union(*mocks) - RARE <= set(row)
            self.same_types(row, mocks)

    @pytest.mark.parametrize("name", ["trades", "order_trades"])
    def test_trades(self, desk, rows, name):
        (row,) = data(desk.get("/trades"))
        for mock in self.mock(name):
            assert set(mock) == set(row)
            self.same_types(row, [mock])

    def test_postback(self, rows):
        told = postback_of(rows[0], app_id=7, api_secret="s3cret")
        (mock,) = self.mock("postback")
        assert set(mock) <= set(told)
        self.same_types(told, [mock])

    @pytest.mark.parametrize("name", ["order_response", "order_modify", "order_cancel"])
    def test_ids(self, desk, name):
        (mock,) = self.mock(name)
        order_id = bought(desk)
        answer = data(desk.put(f"/orders/regular/{order_id}", price="259"))
        assert set(answer) == set(mock)
        assert {type(value) for value in (*answer.values(), *mock.values())} == {str}

    def same_types(self, row, mocks):
        for name, value in row.items():
            kinds = {_kind(mock[name]) for mock in mocks if name in mock} - {"null"}
            if kinds and value is not None:
                assert _kind(value) in kinds, (name, value)


def _kind(value):
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return {str: "text", dict: "object", list: "list", type(None): "null"}[type(value)]


def test_a_postback_is_signed(desk):
    bought(desk)
    (row,) = data(desk.get("/orders"))
    told = postback_of(row, app_id=7, api_secret="s3cret", status="UPDATE")
    text = f"{row['order_id']}{row['order_timestamp']}s3cret"
    assert told == {
        **row,
        "status": "UPDATE",
        "user_id": desk.user.public_id,
        "unfilled_quantity": 10,
        "app_id": 7,
        "checksum": sha256(text.encode()).hexdigest(),
    }
    assert postback_of(row, app_id=7, api_secret=None)["checksum"] == ""


class TestQueries:
    def counted(self, desk, path):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            rows = data(desk.get(path))
        return len(queries), len(rows)

    def test_as_many_for_200_as_for_none(self, desk, now, redis_client):
        instrument = quote(redis_client, 262, now=now)
        desk.get("/orders")
        assert self.counted(desk, "/orders") == (4, 0)
        assert self.counted(desk, "/trades") == (2, 0)
        order_id = bought(desk)
        send(order_id, now=now)
        fill(order_id, 1, 260, now=now)
        assert self.counted(desk, "/orders") == (4, 1)
        assert self.counted(desk, "/trades") == (2, 1)
        life = self.counted(desk, f"/orders/{order_id}")
        assert life == (4, 4)
        requests = [
            make_request(instrument, quantity=1, price=Decimal(255), time_in_force=TimeInForce.DAY)
            for _ in range(199)
        ]
        place(desk.book, *requests, last=262, now=now)
        trade = Trade.objects.get()
        trades = [Trade(**{**vars_of(trade), "venue_trade_id": f"T{n}"}) for n in range(199)]
        Trade.objects.bulk_create(trades)
        assert self.counted(desk, "/orders") == (4, 200)
        assert self.counted(desk, "/trades") == (2, 200)
        assert self.counted(desk, f"/orders/{order_id}") == life
        assert self.counted(desk, f"/orders/{order_id}/trades") == (3, 200)


def vars_of(row):
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.fields
        if not field.primary_key
    }
