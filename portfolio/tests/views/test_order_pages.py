"""Placing, changing and cancelling orders from the console."""

import csv
import io
import json
import re
from decimal import Decimal
from typing import Any

import pytest
import redis
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from finbyte_site.tests.console import Stage
from portfolio.domain.account_fees import FeeKind
from portfolio.domain.order_plans import CoverTerms, IcebergTerms, Terms
from portfolio.models import LedgerTransaction, Order, OrderPlan
from portfolio.services.charges import set_fee_kind
from portfolio.services.order_plans import place_varied
from portfolio.services.plan_steps import advance_plans
from portfolio.tests.factories import (
    fill,
    give,
    make_account,
    make_book,
    make_request,
    send,
    trade_now,
)
from portfolio.views.csv_files import csv_response

pytestmark = pytest.mark.django_db

TICKET = {
    "side": "BUY",
    "order_type": "LIMIT",
    "time_in_force": "GTC",
    "quantity": "10",
    "price": "260",
    "trigger_price": "",
    "idempotency_key": "0" * 32,
}


@pytest.fixture
def stage(alice: User, redis_client: redis.Redis) -> Stage:
    return Stage(alice, redis_client, funds=100_000)


def place(stage: Stage, **values: str) -> tuple[int, str]:
    address = f"/console/ticket/{stage.instrument.pk}/place/"
    response = stage.client.post(address, {**TICKET, **values})
    return response.status_code, response.content.decode()


def test_an_order_is_accepted_and_its_money_held(stage: Stage) -> None:
    address = f"/console/ticket/{stage.instrument.pk}/place/"
    response = stage.client.post(address, TICKET)
    assert response.status_code == 200
    toast = json.loads(response.headers["HX-Trigger"])["fb:toast"]["message"]
    assert toast == "Accepted, not filled yet: buy ONGC."
    order = Order.objects.get()
    assert order.status == "READY"
    assert order.quantity == 10
    assert order.price == 260
    assert order.hold_remaining == Decimal("2601.3")
    assert order.source == "CONSOLE"


def test_numbers_may_be_grouped_as_they_are_shown(stage: Stage) -> None:
    status, _ = place(stage, quantity=" 1,000 ", price="99.95")
    assert status == 200
    assert Order.objects.get().quantity == 1000


def test_a_double_click_is_one_order(stage: Stage) -> None:
    place(stage)
    status, _ = place(stage)
    assert status == 200
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"price": "260.03"}, "0.05"),
        ({"quantity": "1.5"}, "multiple of 1"),
        ({"quantity": "0"}, "ticket-quantity-error"),
        ({"quantity": ""}, "Enter a quantity."),
        ({"quantity": "many"}, "Quantity must be a number like 1234.50."),
        ({"quantity": "1,5"}, "Quantity must be a number like 1234.50."),
        ({"quantity": "1e1"}, "Quantity must be a number like 1234.50."),
        ({"price": "26,0"}, "Price must be a number like 1234.50."),
        ({"price": ""}, "Price is needed for a LIMIT order."),
        ({"order_type": "SL", "trigger_price": ""}, "Trigger price is needed for a SL order."),
        ({"quantity": "1000"}, "Rs. 2,60,130.00 needed, Rs. 1,00,000.00 available"),
        ({"side": "SELL"}, "ticket-quantity-error"),
        ({"side": "HOLD"}, "ticket"),
    ],
)
def test_bad_input_is_named_and_nothing_written(
    stage: Stage, values: dict[str, str], words: str
) -> None:
    before = LedgerTransaction.objects.count()
    status, page = place(stage, **values)
    assert status == 422
    assert words in page
    assert not Order.objects.exists()
    assert LedgerTransaction.objects.count() == before


def test_the_ticket_says_what_an_order_costs(stage: Stage) -> None:
    address = f"/console/ticket/{stage.instrument.pk}/preview/"
    page = stage.client.post(address, TICKET).content.decode()
    assert "Rs. 2,600.00" in page
    assert "Rs. 1.30" in page
    assert "Rs. 97,398.70" in page
    page = stage.client.post(address, {**TICKET, "quantity": "1000"}).content.decode()
    assert "Not covered" in page
    assert not Order.objects.exists()


def test_the_ticket_lists_itemised_charges(stage: Stage) -> None:
    set_fee_kind(stage.account, FeeKind.INDIAN_EQUITY, now=timezone.now())
    address = f"/console/ticket/{stage.instrument.pk}/preview/"
    page = stage.client.post(address, TICKET).content.decode()
    # 2,600: tax 2.60, exchange and SEBI 0.08242, stamp duty 0.39, GST 0.0148...
    for words in ("Brokerage", "Transaction tax (STT)", "Stamp duty", "GST", "Charges together"):
        assert words in page
    for amount in ("Rs. 2.60", "Rs. 0.08", "Rs. 0.39", "Rs. 0.01", "Rs. 3.09", "Rs. 97,396.91"):
        assert amount in page, amount


def test_an_order_is_changed_in_its_row(stage: Stage) -> None:
    order = stage.order(price=250)
    address = f"/console/orders/{order.pk}/modify/"
    response = stage.client.post(address, {"price": "251.03", "quantity": "10"})
    assert response.status_code == 422
    assert "0.05" in response.content.decode()
    response = stage.client.post(address, {"price": "251.05", "quantity": "12"})
    assert response.status_code == 200
    order.refresh_from_db()
    assert order.price == Decimal("251.05")
    assert order.quantity == 12


def test_an_order_not_sent_yet_is_cancelled_at_once(stage: Stage) -> None:
    order = stage.order()
    response = stage.client.post(f"/console/orders/{order.pk}/cancel/")
    assert "Cancelled" in response.content.decode()
    order.refresh_from_db()
    assert order.status == "CANCELLED"
    assert order.hold_remaining == 0
    again = stage.client.post(f"/console/orders/{order.pk}/cancel/")
    assert again.status_code == 200
    assert "CANCELLED already" in again.headers["HX-Trigger"]


def test_cancel_all_says_how_many_and_leaves_bots_alone(stage: Stage) -> None:
    stage.orders(3)
    bot_book = make_book(stage.account, now=stage.now, kind="BOT", funds=10_000)
    manual, stage.book = stage.book, bot_book
    other = stage.order()
    stage.book = manual
    sheet = stage.client.get("/console/orders/cancel-all/ask/").content.decode()
    assert "Cancel 3 orders" in sheet
    assert "of your bots" in sheet
    response = stage.client.post("/console/orders/cancel-all/")
    assert response.headers["HX-Refresh"] == "true"
    live = Order.objects.exclude(status="CANCELLED")
    assert [order.pk for order in live] == [other.pk]


def test_the_life_of_an_order_names_every_state(stage: Stage) -> None:
    placed = trade_now(stage.book, stage.instrument, quantity=10, price=262, now=stage.now)
    page = stage.client.get(f"/console/orders/{placed.order_id}/").content.decode()
    for words in ("Accepted, not sent yet", "Being sent", "Open", "Filled", "10 at 262.00"):
        assert words in page


def test_open_orders_leave_the_list_when_they_end(stage: Stage) -> None:
    order = stage.order()
    send(order.pk, now=stage.now)
    assert f'id="order-{order.pk}"' in stage.client.get("/console/orders/").content.decode()
    trade_now(stage.book, stage.instrument, quantity=1, price=262, now=stage.now)
    page = stage.client.get("/console/orders/").content.decode()
    assert page.count("data-order=") == 1
    assert (
        stage.client.get("/console/orders/?tab=history").content.decode().count("data-order=") == 2
    )


def test_live_rows_offer_what_can_be_done(stage: Stage) -> None:
    order = stage.order()
    row = stage.client.get(f"/console/orders/{order.pk}/row/").content.decode()
    assert f"/console/orders/{order.pk}/cancel/" in row
    assert f"/console/orders/{order.pk}/modify/" in row
    stage.client.post(f"/console/orders/{order.pk}/cancel/")
    row = stage.client.get(f"/console/orders/{order.pk}/row/").content.decode()
    assert "/cancel/" not in row


def test_history_comes_in_pages(stage: Stage) -> None:
    stage.orders(51)
    first = stage.client.get("/console/orders/?tab=history").content.decode()
    assert first.count("data-order=") == 50
    oldest = Order.objects.order_by("-pk")[49].pk
    more = stage.client.get(f"/console/orders/?tab=history&before={oldest}").content.decode()
    assert more.count("data-order=") == 1
    assert "<html" not in more


def test_the_file_of_orders(stage: Stage) -> None:
    stage.order(price="250.05")
    response = stage.client.get("/console/orders/download/?tab=open")
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert (
        response.headers["Content-Disposition"] == 'attachment; filename="finbyte-orders-open.csv"'
    )
    assert [(row["tradingsymbol"], row["price"], row["status"]) for row in rows] == [
        ("ONGC", "250.05", "READY")
    ]


def test_a_cell_is_never_a_formula() -> None:
    response = csv_response("x", header=["a"], rows=[["=1+1"], ["@cmd"], ["-12.5"], ["-x"], [None]])
    lines = response.content.decode().splitlines()
    assert lines == ["a", "'=1+1", "'@cmd", "-12.5", "'-x", '""']


def test_positions_trades_and_statement_tell_the_same_story(stage: Stage) -> None:
    trade_now(stage.book, stage.instrument, quantity=10, price=260, now=stage.now)
    positions = stage.client.get("/console/positions/").content.decode()
    assert "Rs. 2,620.00" in positions
    assert "+Rs. 20.00" in positions
    trades = stage.client.get("/console/positions/trades/").content.decode()
    assert "260.00" in trades
    assert "Rs. 1.30" in trades
    funds = stage.client.get("/console/funds/").content.decode()
    assert "-Rs. 2,601.30" in funds
    assert "Rs. 97,398.70" in funds
    assert "+Rs. 1,00,000.00" in funds
    rows = list(
        csv.DictReader(io.StringIO(stage.client.get("/console/funds/download/").content.decode()))
    )
    assert [(row["amount"], row["balance"]) for row in rows] == [
        ("-2601.3", "97398.7"),
        ("100000", "100000"),
    ]


def test_an_account_chosen_above_narrows_every_page(stage: Stage) -> None:
    other = make_account(stage.user, now=stage.now)
    order = stage.order()
    stage.client.post("/console/account-switch/", {"account": str(other.pk)})
    assert f"order-{order.pk}" not in stage.client.get("/console/orders/").content.decode()
    assert (
        stage.account.name
        not in stage.client.get("/console/funds/").content.decode().split("</header>")[1]
    )


def test_the_ticket_tells_free_units_from_those_on_offer(stage: Stage) -> None:
    give(stage.book, "NSE:ONGC", 30, now=stage.now)
    address = f"/console/ticket/{stage.instrument.pk}/preview/"
    page = " ".join(stage.client.post(address, TICKET).content.decode().split())
    assert re.search(r"You hold</dt> <dd[^>]*> 30 ", page)
    assert place(stage, side="SELL", quantity="12", price="270")[0] == 200
    page = " ".join(stage.client.post(address, TICKET).content.decode().split())
    assert re.search(r"You hold</dt> <dd[^>]*> 18 free of 30 ", page)


def test_an_average_in_a_file_has_two_decimals_more_than_a_price(stage: Stage) -> None:
    for quantity, price in ((2, 250), (1, 255)):
        trade_now(stage.book, stage.instrument, quantity=quantity, price=price, now=stage.now)
    text = stage.client.get("/console/positions/download/").content.decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["average_price"] == "251.6667"


class TestVarieties:
    """Orders that consist of several, placed by programs, as a person sees and ends them."""

    def placed(self, stage: Stage, terms: Terms, **wanted: Any) -> Order:
        with transaction.atomic():
            made = place_varied(
                stage.book.pk,
                make_request(stage.instrument, **{"quantity": 10, "price": 260, **wanted}),
                terms=terms,
                quote=stage.quote,
                now=stage.now,
                enqueue=lambda: None,
            )
        return Order.objects.get(pk=made.order_id)

    def filled_cover(self, stage: Stage) -> tuple[Order, Order]:
        entry = self.placed(stage, CoverTerms(Decimal(255)))
        send(entry.pk, now=stage.now)
        fill(entry.pk, 10, 260, now=stage.now)
        advance_plans(
            0, quotes={stage.instrument.pk: stage.quote}, now=stage.now, enqueue=lambda: None
        )
        return entry, Order.objects.get(parent=entry)

    def test_cancelling_the_stop_closes_what_the_order_got(self, stage: Stage) -> None:
        entry, stop = self.filled_cover(stage)
        assert (stop.order_type, stop.quantity, stop.side) == ("SL-M", 10, "SELL")
        row = stage.client.get(f"/console/orders/{stop.pk}/row/").text
        assert "Stop of a cover order" in row
        assert "is closed at market" in row
        assert stage.client.post(f"/console/orders/{stop.pk}/cancel/").status_code == 200
        stop.refresh_from_db()
        assert (stop.order_type, stop.status, stop.trigger_price) == ("MARKET", "READY", None)
        assert OrderPlan.objects.get().is_exiting
        assert f"first order {entry.pk}" in stage.client.get(f"/console/orders/{stop.pk}/").text

    def test_getting_out_needs_no_prices(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, stop = self.filled_cover(stage)

        def away(*_: object) -> None:
            raise redis.ConnectionError("no route")

        monkeypatch.setattr("portfolio.views.ticket.read_quotes", away)
        assert stage.client.post(f"/console/orders/{stop.pk}/cancel/").status_code == 200
        plan = OrderPlan.objects.get()
        assert plan.is_exiting
        assert plan.due_at is not None

    def test_changing_the_stop_moves_it_for_all_that_still_fills(self, stage: Stage) -> None:
        entry, stop = self.filled_cover(stage)
        address = f"/console/orders/{stop.pk}/modify/"
        assert stage.client.post(address, {"trigger_price": "256.50"}).status_code == 200
        stop.refresh_from_db()
        entry.refresh_from_db()
        assert stop.trigger_price == OrderPlan.objects.get().trigger_price == Decimal("256.5")
        assert entry.meta == {"cover": {"trigger_price": 256.5}}
        life = stage.client.get(f"/console/orders/{entry.pk}/").text
        assert "256.50" in life

    def test_an_iceberg_tells_its_legs_and_ends_as_a_whole(self, stage: Stage) -> None:
        leg = self.placed(stage, IcebergTerms(4, Decimal(300)), quantity=1200)
        row = stage.client.get(f"/console/orders/{leg.pk}/row/").text
        assert "Iceberg 1 of 4" in row
        assert "no further one follows" in row
        life = " ".join(stage.client.get(f"/console/orders/{leg.pk}/").text.split())
        assert "1,200 in all, 900 after this leg" in life
        stage.client.post(f"/console/orders/{leg.pk}/cancel/")
        leg.refresh_from_db()
        assert leg.status == "CANCELLED"
        assert Order.objects.count() == 1

    def test_an_order_for_minutes_and_one_of_the_intraday_book(self, stage: Stage) -> None:
        order = stage.order()
        Order.objects.filter(pk=order.pk).update(time_in_force="TTL", validity_ttl=30)
        stage.book.kind = "INTRADAY"
        stage.book.save(update_fields=["kind"])
        row = stage.client.get(f"/console/orders/{order.pk}/row/").text
        assert "LIMIT 30 min" in row
        assert f"/console/orders/{order.pk}/modify/" in row
