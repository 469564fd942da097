from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.exceptions import Refused
from accounts.services.api_apps import set_addresses
from api.placing import require_registered_address
from api.tests.desk import make_desk
from api.tests.orders import LIMIT_BUY, bought, buy, data, fingerprint, quote, refused
from market.models import Instrument
from portfolio.models import Book, KillSwitch, Order
from portfolio.tests.factories import balances, give, make_book, send, trade_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_day")]
NEEDED = ("exchange", "tradingsymbol", "transaction_type", "quantity", "product", "order_type")
WRONG = [
    ("transaction_type", "HOLD"),
    ("order_type", "limit"),
    ("product", "MTF"),
    ("validity", "GTD"),
    ("quantity", "ten"),
    ("quantity", "1e1"),
    ("quantity", "NaN"),
    ("quantity", "Infinity"),
    ("quantity", "-10"),
    ("quantity", "0"),
    ("quantity", "10.5"),
    ("quantity", "1,000"),
    ("quantity", "\u0661\u0660"),
    ("quantity", "9" * 40),
    ("price", "0"),
    ("price", "-260"),
    ("price", "260.013"),
    ("price", "1e3"),
    ("price", "nan"),
    ("price", None),
    ("disclosed_quantity", "-1"),
    ("market_protection", "101"),
    ("market_protection", "-2"),
    ("validity_ttl", "-1"),
    ("validity_ttl", "1441"),
    ("tag", "x" * 21),
    ("tag", "bot:7"),
    ("client_order_id", "two words"),
    ("client_order_id", "x" * 65),
    ("iceberg_legs", "1"),
    ("iceberg_legs", "51"),
    ("autoslice", "perhaps"),
]


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def desk(alice, now, redis_client):
    made = make_desk(alice, now=now)
    quote(redis_client, 262, now=now)
    return made


class TestAccepted:
    def test_a_limit_order(self, desk):
        answer = buy(desk, tag="first one")
        order = Order.objects.get()
        assert data(answer) == {"order_id": str(order.pk)}
        assert (order.book, order.user, order.source) == (desk.book, desk.user, "API")
        assert (order.api_app_id, order.tag, order.variety) == (
            desk.made.app.pk,
            "first one",
            "regular",
        )
        assert (order.side, order.order_type, order.product) == ("BUY", "LIMIT", "CNC")
        assert (order.quantity, order.price, order.trigger_price) == (10, 260, None)
        assert (order.time_in_force, order.validity_ttl) == ("DAY", 0)
        assert order.status == "READY"
        assert order.expires_at is not None
        # 2,600 and its fee of 0.05 %.
        assert balances(desk.book)["HELD", "INR"] == Decimal("2601.3")

    def test_order_types(self, desk):
        for fields, price, trigger in [
            ({"order_type": "MARKET", "price": "0", "trigger_price": "0"}, None, None),
            ({"order_type": "MARKET", "price": None}, None, None),
            ({"order_type": "LIMIT", "trigger_price": "0"}, 260, None),
            ({"order_type": "SL", "price": "271", "trigger_price": "270"}, 271, 270),
            ({"order_type": "SL-M", "price": "", "trigger_price": "270"}, None, 270),
            ({"order_type": "SL-M", "price": "1", "trigger_price": "270"}, None, 270),
        ]:
            order = Order.objects.get(pk=bought(desk, **fields))
            assert order.order_type == fields["order_type"]
            assert (order.price, order.trigger_price) == (price, trigger), fields

    def test_validities(self, desk):
        for fields, validity, ttl in [
            ({}, "DAY", 0),
            ({"validity": ""}, "DAY", 0),
            ({"validity": "IOC"}, "IOC", 0),
            ({"validity": "GTC"}, "GTC", 0),
            ({"validity": "TTL", "validity_ttl": "1"}, "TTL", 1),
            ({"validity": "DAY", "validity_ttl": "5"}, "DAY", 0),
        ]:
            order = Order.objects.get(pk=bought(desk, **fields))
            assert (order.time_in_force, order.validity_ttl) == (validity, ttl), fields

    def test_what_is_only_kept(self, desk):
        fields = {"disclosed_quantity": "5", "market_protection": "2.5", "algo_id": "X1"}
        order = Order.objects.get(pk=bought(desk, order_type="MARKET", **fields))
        assert (order.disclosed_quantity, order.market_protection) == (5, Decimal("2.5"))
        assert order.meta == {"algo_id": "X1"}

    def test_unknown_and_repeated_fields_do_not_matter(self, desk):
        bought(desk, variety="regular", name="x", squareoff="3", xyz="1", parent_order_id="")

    def test_fractions_where_the_lot_is_below_1(self, desk, redis_client, now):
        quote(redis_client, 60000, now=now, symbol="BINANCE:BTCUSDT")
        order_id = bought(
            desk,
            exchange="BINANCE",
            tradingsymbol="BTCUSDT",
            quantity="0.01",
            price="59000",
            validity="GTC",
        )
        order = Order.objects.get(pk=order_id)
        assert (order.quantity, order.book) == (Decimal("0.01"), desk.crypto_book)

    def test_intraday_orders_go_to_a_book_of_their_own(self, desk):
        order = Order.objects.get(pk=bought(desk, product="MIS"))
        assert (order.book.kind, order.product) == ("INTRADAY", "MIS")
        (row,) = data(desk.get("/orders"))
        assert (row["product"], row["order_id"]) == ("MIS", str(order.pk))

    def test_one_sells_what_one_has(self, desk, now):
        trade_now(
            desk.book, Instrument.objects.get(tradingsymbol="ONGC"), quantity=10, price=262, now=now
        )
        order = Order.objects.get(pk=bought(desk, transaction_type="SELL", price="263"))
        assert order.side == "SELL"
        assert balances(desk.book)["HELD", "NSE:ONGC"] == 10


def test_one_order_takes_8_statements(desk):
    """Session; instrument with book; the transaction: lock, pots and switches together, writes."""
    bought(desk)
    with CaptureQueriesContext(connection) as queries:
        bought(desk)
    assert len(queries) == 8, [each["sql"] for each in queries]
    with CaptureQueriesContext(connection) as queries:
        bought(desk, key="k")
    # The key is looked up and kept.
    assert len(queries) == 10


class TestVarieties:
    def test_after_market(self, desk):
        order = Order.objects.get(pk=bought(desk, "amo"))
        assert (order.variety, order.status) == ("amo", "READY")
        assert order.send_after > timezone.now()
        (row,) = data(desk.get("/orders"))
        assert (row["variety"], row["status"]) == ("amo", "AMO REQ RECEIVED")
        data(desk.put(f"/orders/amo/{order.pk}", price="259"))
        data(desk.delete(f"/orders/amo/{order.pk}"))
        assert [row["status"] for row in data(desk.get(f"/orders/{order.pk}"))] == [
            "AMO REQ RECEIVED",
            "AMO REQ RECEIVED",
            "CANCELLED",
        ]

    def test_no_auction_is_held(self, desk):
        before = fingerprint()
        answer = refused(buy(desk, "auction", auction_number="22"), 400, "OrderException")
        assert "no auction" in answer["message"]
        assert fingerprint() == before


class TestRefused:
    def test_a_field_is_missing(self, desk):
        before = fingerprint()
        for name in NEEDED:
            for value in (None, ""):
                answer = refused(buy(desk, **{name: value}), 400, "InputException")
                assert answer["message"] == f"Missing or empty field `{name}`."
                assert answer["data"] == {"field": name, "code": "required"}
        assert fingerprint() == before

    def test_a_field_is_wrong(self, desk):
        before = fingerprint()
        for name, value in WRONG:
            answer = refused(buy(desk, **{name: value}), 400, "InputException")
            assert answer["data"]["field"] == name, (value, answer)
        assert fingerprint() == before

    def test_ttl_needs_its_minutes(self, desk):
        answer = refused(buy(desk, validity="TTL"), 400, "InputException")
        assert answer["data"] == {"field": "validity_ttl", "code": "required"}

    def test_no_such_instrument(self, desk):
        for fields in ({"tradingsymbol": "NOPE"}, {"exchange": "NFO"}):
            answer = refused(buy(desk, **fields), 400, "InputException")
            wanted = {**LIMIT_BUY, **fields}
            assert f"{wanted['exchange']}:{wanted['tradingsymbol']}" in answer["message"]
            assert answer["data"] == {"field": "tradingsymbol", "code": "unknown"}

    def test_varieties_that_there_are_not(self, desk):
        for variety in ["bo", "test", "REGULAR", "12"]:
            answer = refused(buy(desk, variety), 400, "InputException")
            assert answer["data"] == {"field": "variety", "code": "not_offered"}
            assert "regular, amo, co, iceberg, auction" in answer["message"]
        for answer in (desk.put("/orders/bo/1"), desk.delete("/orders/bo/1")):
            assert refused(answer, 400, "InputException")["data"]["field"] == "variety"

    def test_only_forms(self, desk):
        from django.test import Client  # noqa: PLC0415

        answer = Client().post(
            "/orders/regular", "{}", content_type="application/json", headers=desk.headers
        )
        refused(answer, 400, "InputException")
        assert not Order.objects.exists()

    def test_without_a_token(self, client, desk):
        for method, path in [
            ("get", "/orders"),
            ("get", "/orders/1"),
            ("post", "/orders/regular"),
            ("put", "/orders/regular/1"),
            ("delete", "/orders/regular/1"),
            ("get", "/orders/1/trades"),
            ("get", "/trades"),
        ]:
            refused(getattr(client, method)(path), 403, "TokenException")

    def test_methods_that_there_are_not(self, desk):
        refused(desk.post("/orders"), 405, "GeneralException")
        refused(desk.delete("/orders/regular"), 405, "GeneralException")
        refused(desk.get("/orders/regular/1"), 405, "GeneralException")

    def test_the_app_may_not_trade_the_product(self, alice, now, redis_client):
        desk = make_desk(alice, now=now, products=["MIS"])
        quote(redis_client, 262, now=now)
        before = fingerprint()
        answer = refused(buy(desk), 403, "PermissionException")
        assert answer["message"] == "The app Scalper may not trade CNC."
        assert fingerprint() == before

    def test_no_account_in_the_currency(self, bob, now, redis_client):
        from accounts.tests.api_apps import make_app, open_session  # noqa: PLC0415
        from api.tests.desk import Desk  # noqa: PLC0415

        quote(redis_client, 262, now=now)
        made = make_app(bob, now=now)
        desk = Desk(bob, made, open_session(made, bob, now=now), None, None)
        answer = refused(buy(desk), 400, "InputException")
        assert "no account that trades in INR" in answer["message"]

    def test_addresses(self, desk, now):
        order_id = bought(desk)
        set_addresses(desk.made.app, ["198.51.100.9"], client_address=None, now=now)
        before = fingerprint()
        for answer in (
            buy(desk),
            desk.put(f"/orders/regular/{order_id}", price="261"),
            desk.delete(f"/orders/regular/{order_id}"),
        ):
            message = refused(answer, 403, "PermissionException")["message"]
            assert message == "Orders of the app Scalper come from its registered addresses only."
        assert fingerprint() == before
        assert [row["order_id"] for row in data(desk.get("/orders"))] == [str(order_id)]

    def test_live_accounts_of_india_demand_a_registered_address(self, desk, now):
        app = desk.made.app
        for profile in ("PAPER", "CRYPTO_TESTNET"):
            require_registered_address(app, profile)
        profiles = ("IN_MANUAL", "IN_OWN_ALGO", "IN_REGISTERED_ALGO")
        for profile in profiles:
            with pytest.raises(Refused, match="register one for the app Scalper first"):
                require_registered_address(app, profile)
        app = set_addresses(app, ["198.51.100.9"], client_address=None, now=now)
        for profile in profiles:
            require_registered_address(app, profile)


class TestDenied:
    """What policy denies is kept as REJECTED, and the answer is an error that names it."""

    def denied(self, desk, code, **fields):
        answer = refused(buy(desk, **fields), 400, "OrderException")
        order = Order.objects.latest("pk")
        assert (order.status, order.status_code) == ("DENIED", code)
        assert answer["data"] == {"code": code, "order_id": str(order.pk)}
        assert answer["message"] == order.status_message
        row = data(desk.get("/orders"))[-1]
        assert (row["order_id"], row["status"]) == (str(order.pk), "REJECTED")
        assert (row["status_message"], row["status_message_raw"]) == (order.status_message, code)
        assert (row["pending_quantity"], row["cancelled_quantity"]) == (0, 0)
        assert row["exchange_order_id"] is row["exchange_timestamp"] is None
        assert ("HELD", "INR") not in balances(desk.book)
        return answer["message"]

    def test_killed(self, desk):
        KillSwitch.objects.filter(scope="USER", key=desk.user.pk).update(
            is_active=True, reason="a drill"
        )
        assert self.denied(desk, "KILL_SWITCH") == "Trading is stopped: a drill"

    def test_a_halted_book(self, desk):
        Book.objects.filter(pk=desk.book.pk).update(trading_state="HALTED")
        assert self.denied(desk, "BOOK_HALTED") == "Trading in this book is halted"

    def test_a_price_far_from_the_market(self, desk):
        message = self.denied(desk, "R4_PRICE_BAND", price="300")
        assert "more than 10% worse than the market" in message.replace(".000000", "")

    def test_no_price(self, desk, redis_client):
        redis_client.flushdb()
        assert self.denied(desk, "R12_STALE_QUOTE") == "There is no price of NSE:ONGC"
        self.denied(desk, "R12_STALE_QUOTE", order_type="MARKET")

    def test_an_old_price(self, desk, redis_client, now):
        from datetime import timedelta  # noqa: PLC0415

        redis_client.flushdb()
        quote(redis_client, 262, now=now - timedelta(minutes=1))
        assert "s old" in self.denied(desk, "R12_STALE_QUOTE")

    def test_a_closed_session(self, desk, redis_client, monkeypatch):
        monkeypatch.setattr("portfolio.domain.risk.is_open", lambda *_: False)
        assert self.denied(desk, "R1_SESSION_CLOSED") == "The session of NSE:ONGC is closed"

    def test_the_key_of_a_denied_order_is_answered_alike(self, desk):
        Book.objects.filter(pk=desk.book.pk).update(trading_state="HALTED")
        first = refused(buy(desk, key="k1"), 400, "OrderException")
        Book.objects.filter(pk=desk.book.pk).update(trading_state="ACTIVE")
        assert refused(buy(desk, key="k1"), 400, "OrderException") == first
        assert Order.objects.count() == 1


class TestLacking:
    def test_money(self, desk):
        before = fingerprint()
        answer = refused(buy(desk, quantity="4000"), 400, "MarginException")
        assert answer["data"] == {"asset": "INR", "needed": "1040520", "available": "1000000"}
        assert fingerprint() == before

    def test_units(self, desk):
        before = fingerprint()
        answer = refused(buy(desk, transaction_type="SELL"), 400, "HoldingException")
        assert answer["data"] == {"asset": "NSE:ONGC", "needed": "10", "available": "0"}
        assert fingerprint() == before

    def test_units_that_a_bot_owns(self, desk, now):
        from bots.models import Bot  # noqa: PLC0415

        ongc = Instrument.objects.get(tradingsymbol="ONGC")
        books = []
        for name, count in (("Grid one", 7), ("Grid two", 5)):
            book = make_book(desk.book.venue_account, now=now, kind="BOT", funds=10_000)
            trade_now(book, ongc, quantity=count, price=262, now=now)
            bot = Bot.objects.create(
                user=desk.user,
                venue_account=desk.book.venue_account,
                book=book,
                instrument=ongc,
                kind="spot_grid",
                name=name,
                config={},
                status="RUNNING",
                created_at=now,
                updated_at=now,
            )
            books.append(bot.pk)
        give(desk.book, "INR", 1000, now=now)
        trade_now(desk.book, ongc, quantity=3, price=262, now=now)
        before = fingerprint()
        answer = refused(buy(desk, transaction_type="SELL", price="263"), 400, "HoldingException")
        one, two = books
        assert answer["message"] == (
            "10 NSE:ONGC needed, 3 NSE:ONGC available; "
            f"Grid one (bot:{one}) owns 7; Grid two (bot:{two}) owns 5"
        )
        assert answer["data"] == {
            "asset": "NSE:ONGC",
            "needed": "10",
            "available": "3",
            "owners": f"bot:{one}, bot:{two}",
        }
        assert fingerprint() == before


class TestServicesAway:
    def test_without_redis_nothing_is_placed(self, desk, now, monkeypatch):
        from redis.exceptions import ConnectionError as Away  # noqa: PLC0415

        order_id = bought(desk)
        send(order_id, now=now)
        before = fingerprint()

        def away(*_args):
            raise Away("no route")

        monkeypatch.setattr("api.placing.read_quotes", away)
        for answer in (buy(desk), desk.put(f"/orders/regular/{order_id}", price="261")):
            refused(answer, 503, "NetworkException")
            assert answer["Retry-After"] == "2"
        assert fingerprint() == before
        assert data(desk.delete(f"/orders/regular/{order_id}")) == {"order_id": str(order_id)}
        assert [row["status"] for row in data(desk.get("/orders"))] == ["CANCEL PENDING"]
