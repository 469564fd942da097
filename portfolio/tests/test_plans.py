"""Cover orders and icebergs, from the first order to the end, with the gateway and the paper venue."""

from dataclasses import replace
from decimal import Decimal
from threading import Thread

import pytest
from django.db import connection, transaction

from market.domain.enums import FillModel, OrderType, Product, Side, TimeInForce
from market.domain.ticks import Depth, DepthLevel
from portfolio.exceptions import InvalidOrder, OrderNotChangeable
from portfolio.models import KillSwitch, LedgerAccount, Order, OrderEvent, OrderPlan, Trade
from portfolio.services.gateway import claim_ready
from portfolio.services.intraday import intraday_book
from portfolio.services.order_plans import (
    CoverTerms,
    IcebergTerms,
    cancel_varied,
    modify_varied,
    place_varied,
)
from portfolio.services.orders import cancel_all, cancel_order
from portfolio.services.plan_steps import advance_plans
from portfolio.tests.gateway_kit import Driver, nothing

pytestmark = pytest.mark.usefixtures("real_db")
D = Decimal


def place(stage, price, terms, quantity=10, book=None, **fields):
    request = stage.request(price, quantity=D(quantity), **fields)
    with transaction.atomic(durable=True):
        return place_varied(
            (book or stage.book).pk,
            request,
            terms=terms,
            quote=stage.quote,
            now=stage.now,
            enqueue=nothing,
        )


def cover(stage, price=261, trigger=255, **fields):
    return place(stage, price, CoverTerms(D(trigger)), **fields)


def iceberg(stage, price=261, legs=3, size=4, **fields):
    return place(stage, price, IcebergTerms(legs, D(size)), **fields)


def act(service, stage, alice, order_id, **wanted):
    return service(alice, order_id, quote=stage.quote, now=stage.now, enqueue=nothing, **wanted)


def rows(*names):
    return [tuple(row) for row in Order.objects.order_by("pk").values_list(*names)]


def plan():
    return OrderPlan.objects.get()


def at_depth(stage, price, *asks):
    """Return a quote whose book offers these sizes at the price, and as much at the bid."""
    levels = tuple(DepthLevel(D(price), D(size)) for size in asks)
    return replace(
        stage.quote,
        fill_model=FillModel.QUOTE_DEPTH,
        last_price=D(price),
        last_quantity=D(0),
        depth=Depth(bids=levels, asks=levels),
    )


# ------------------------------------------------------------------ cover orders


def test_a_cover_order_gets_its_stop_when_it_fills(stage, driver):
    placed = cover(stage, tag="mine", market_protection=D(2))
    driver.settle()
    assert rows("status", "variety") == [("OPEN", "co")]
    driver.tick(261)
    entry, stop = Order.objects.order_by("pk")
    assert (entry.pk, entry.status, entry.filled_quantity) == (placed.order_id, "FILLED", 10)
    assert (stop.side, stop.order_type, stop.quantity) == ("SELL", "SL-M", 10)
    assert (stop.status, stop.trigger_price, stop.protection_price) == (
        "TRIGGER_PENDING",
        255,
        D("249.9"),
    )
    assert (stop.parent_id, stop.variety, stop.slot_ref) == (
        entry.pk,
        "co",
        f"plan:{plan().pk}:2",
    )
    assert (stop.tag, stop.source, stop.hold_remaining) == ("mine", entry.source, 10)
    driver.tick(255)
    assert rows("status") == [("FILLED",), ("FILLED",)]
    assert (plan().status, plan().message, plan().due_at) == ("DONE", "", None)
    assert list(Trade.objects.order_by("pk").values_list("side", "price")) == [
        ("BUY", 261),
        ("SELL", 255),
    ]


def test_the_stop_grows_with_what_fills(stage, driver):
    stage.account.fill_model = FillModel.QUOTE_DEPTH
    stage.account.save()
    cover(stage, quantity=10)
    driver.gateway.on_quotes([at_depth(stage, 261, 4)], stage.now)
    driver.settle()
    assert rows("status", "filled_quantity", "quantity") == [
        ("OPEN", 4, 10),
        ("TRIGGER_PENDING", 0, 4),
    ]
    driver.gateway.on_quotes([at_depth(stage, 261, 3)], stage.now)
    driver.settle()
    assert rows("filled_quantity", "quantity")[1:] == [(0, 7)]
    driver.gateway.on_quotes([at_depth(stage, 261, 5)], stage.now)
    driver.settle()
    assert rows("status", "quantity") == [("FILLED", 10), ("TRIGGER_PENDING", 10)]
    assert OrderPlan.objects.get().placed == 2


def test_a_stop_that_is_met_ends_the_rest_of_the_first_order(stage, driver):
    stage.account.fill_model = FillModel.QUOTE_DEPTH
    stage.account.save()
    cover(stage, quantity=10)
    driver.gateway.on_quotes([at_depth(stage, 261, 4)], stage.now)
    driver.settle()
    driver.gateway.on_quotes([at_depth(stage, "254.5", 100)], stage.now)
    driver.settle()
    states = rows("status", "filled_quantity")
    # The limit at 261 takes what is left at the lower price: those units go at once, too.
    bought = states[0][1]
    sold = sum(filled for _, filled in states[1:])
    assert (bought, sold, plan().status) == (10, 10, "DONE")
    assert not Order.objects.filter(status__in=["OPEN", "TRIGGER_PENDING"]).exists()


def test_a_trigger_the_market_has_passed_before_the_stop_is_placed_sells_at_once(stage, driver):
    cover(stage)
    driver.gateway.on_quotes([stage.quote], stage.now)
    crash_point(stage, driver, 261)
    stage.price = D(254)
    driver.gateway.on_quotes([stage.quote], stage.now)
    driver.settle()
    stop = Order.objects.last()
    assert (stop.order_type, stop.status, stop.quantity) == ("MARKET", "FILLED", 10)
    assert plan().status == "DONE"


def crash_point(stage, driver, price):
    """Let the price fill the first order and stop before the plan is carried on."""
    driver.settle()
    stage.price = D(price)
    driver.gateway.on_quotes([stage.quote], stage.now)
    driver.gateway._take_in(stage.now)


def test_a_cover_order_that_has_not_filled_is_just_cancelled(stage, driver, alice):
    placed = cover(stage)
    driver.settle()
    act(cancel_varied, stage, alice, placed.order_id)
    driver.settle()
    assert rows("status") == [("CANCELLED",)]
    assert (plan().status, plan().message) == ("DONE", "")


@pytest.mark.parametrize("named", [0, 1])
def test_getting_out_turns_the_stop_into_a_market_order(stage, driver, alice, named):
    cover(stage)
    driver.settle()
    driver.tick(261)
    order_id = Order.objects.order_by("pk")[named].pk
    assert act(cancel_varied, stage, alice, order_id).order_id == order_id
    assert plan().is_exiting
    driver.settle()
    stop = Order.objects.last()
    assert (stop.status, stop.order_type, stop.trigger_price) == ("FILLED", "MARKET", None)
    assert (Order.objects.count(), plan().status) == (2, "DONE")
    assert Trade.objects.last().price == 261
    with pytest.raises(OrderNotChangeable):
        act(cancel_varied, stage, alice, order_id)


def test_getting_out_before_the_stop_is_placed_sells_at_market(stage, driver, alice):
    placed = cover(stage)
    crash_point(stage, driver, 261)
    act(cancel_varied, stage, alice, placed.order_id)
    assert rows("order_type", "status") == [("LIMIT", "FILLED"), ("MARKET", "READY")]
    driver.settle()
    assert (Order.objects.count(), Order.objects.last().status) == (2, "FILLED")
    assert plan().status == "DONE"


def test_the_trigger_can_be_moved_by_either_order(stage, driver, alice):
    placed = cover(stage)
    act(modify_varied, stage, alice, placed.order_id, trigger_price=D(256))
    driver.settle()
    driver.tick(261)
    stop = Order.objects.last()
    assert (stop.trigger_price, plan().trigger_price) == (256, 256)
    act(modify_varied, stage, alice, stop.pk, trigger_price=D(258))
    act_again = Order.objects.get(pk=stop.pk)
    assert (act_again.status, plan().trigger_price) == ("MODIFY_PENDING", 258)
    driver.settle()
    stop.refresh_from_db()
    assert (stop.status, stop.trigger_price) == ("TRIGGER_PENDING", 258)
    with pytest.raises(InvalidOrder) as caught:
        act(modify_varied, stage, alice, placed.order_id, trigger_price=D(262))
    assert (caught.value.field, caught.value.maximum) == ("trigger_price", D("260.95"))
    assert plan().trigger_price == 258


def test_only_price_and_trigger_of_a_cover_order_can_be_changed(stage, driver, alice):
    placed = cover(stage)
    with pytest.raises(InvalidOrder) as caught:
        act(modify_varied, stage, alice, placed.order_id, quantity=D(20))
    assert (caught.value.field, caught.value.code) == ("quantity", "NOT_ALLOWED")
    act(modify_varied, stage, alice, placed.order_id, quantity=D(10), price=D(260))
    assert rows("quantity", "price") == [(10, 260)]


def test_an_ended_stop_is_not_placed_again_and_is_told(stage, driver, alice):
    cover(stage)
    driver.settle()
    driver.tick(261)
    stop = Order.objects.last()
    cancel_order(alice, stop.pk, now=stage.now, enqueue=nothing)
    driver.settle()
    assert rows("status") == [("FILLED",), ("CANCELLED",)]
    assert (plan().status, plan().message) == (
        "ENDED",
        "The stop of 10 units ended as CANCELLED. cancelled",
    )


def test_a_stop_that_a_kill_stops_is_shown_as_refused(stage, driver, alice):
    cover(stage)
    crash_point(stage, driver, 261)
    kill = KillSwitch.objects.get_or_create(scope="USER", key=alice.pk)[0]
    KillSwitch.objects.filter(pk=kill.pk).update(is_active=True, reason="test")
    driver.settle()
    denied = Order.objects.last()
    assert (denied.status, denied.status_code, denied.quantity) == ("DENIED", "KILL_SWITCH", 10)
    assert plan().status == "ENDED"
    assert plan().message.startswith("The stop of 10 units ended as DENIED. Trading is stopped")


@pytest.mark.parametrize(
    ("fields", "field", "limit"),
    [
        ({"trigger": "261"}, "trigger_price", ("maximum", D("260.95"))),
        ({"price": None, "trigger": "262"}, "trigger_price", ("maximum", D("261.95"))),
        ({"trigger": "255.03"}, "trigger_price", ("minimum", D("0.05"))),
        ({"side": Side.SELL, "trigger": "270"}, "side", ("minimum", None)),
        ({"order_type": OrderType.SL, "trigger_price": D(262)}, "order_type", ("minimum", None)),
    ],
)
def test_a_cover_order_needs_a_stop_on_the_losing_side(stage, fields, field, limit):
    with pytest.raises(InvalidOrder) as caught:
        cover(stage, **fields)
    assert caught.value.field == field
    assert getattr(caught.value, limit[0]) == limit[1]
    assert not Order.objects.exists()
    assert not OrderPlan.objects.exists()


def test_an_intraday_cover_order_may_sell_first(stage, driver, now):
    book = intraday_book(stage.account, now=now)
    place(
        stage,
        263,
        CoverTerms(D(268)),
        book=book,
        side=Side.SELL,
        product=Product.MIS,
        time_in_force=TimeInForce.DAY,
    )
    driver.settle()
    driver.tick(263)
    stop = Order.objects.last()
    assert (stop.side, stop.product, stop.book_id) == ("BUY", "MIS", book.pk)
    assert (stop.status, stop.trigger_price) == ("TRIGGER_PENDING", 268)
    assert (stop.time_in_force, stop.expires_at) == ("DAY", Order.objects.first().expires_at)
    driver.tick(268)
    assert (stop.__class__.objects.last().status, plan().status) == ("FILLED", "DONE")


# ------------------------------------------------------------------ icebergs


def test_the_legs_of_an_iceberg_follow_each_other(stage, driver, alice):
    placed = iceberg(stage, tag="berg", time_in_force=TimeInForce.DAY)
    driver.settle()
    assert rows("status", "quantity") == [("OPEN", 4)]
    # Only the leg that is shown is paid for.
    assert Order.objects.get().hold_remaining == D("1044.522")
    stage.price = D(262)
    seen = []
    for _ in range(3):
        driver.tick(261)
        driver.tick(262)
        seen.append(rows("status"))
    assert rows("status", "quantity", "filled_quantity") == [
        ("FILLED", 4, 4),
        ("FILLED", 4, 4),
        ("FILLED", 2, 2),
    ]
    legs = list(Order.objects.order_by("pk"))
    assert [leg.parent_id for leg in legs] == [None, placed.order_id, placed.order_id]
    assert {(leg.variety, leg.tag, leg.price, leg.expires_at) for leg in legs} == {
        ("iceberg", "berg", 261, legs[0].expires_at)
    }
    assert [leg.meta["iceberg"] for leg in legs] == [
        {
            "leg": leg,
            "legs": 3,
            "leg_quantity": 4,
            "total_quantity": 10,
            "remaining_quantity": left,
        }
        for leg, left in ((1, 6), (2, 2), (3, 0))
    ]
    assert (plan().status, plan().placed, plan().due_at) == ("DONE", 3, None)


def test_a_leg_comes_only_when_the_former_is_full(stage, driver):
    stage.account.fill_model = FillModel.QUOTE_DEPTH
    stage.account.save()
    iceberg(stage)
    driver.gateway.on_quotes([at_depth(stage, 261, 3)], stage.now)
    driver.settle()
    assert rows("status", "filled_quantity") == [("OPEN", 3)]
    driver.gateway.on_quotes([at_depth(stage, 261, 1)], stage.now)
    driver.settle()
    assert rows("status", "filled_quantity") == [("FILLED", 4), ("OPEN", 0)]


@pytest.mark.parametrize("service", [cancel_varied, "all"])
def test_cancelling_a_leg_ends_the_rest(stage, driver, alice, service):
    placed = iceberg(stage)
    driver.settle()
    driver.tick(261)
    if service == "all":
        assert cancel_all(alice, now=stage.now, enqueue=nothing) == 1
    else:
        second = act(service, stage, alice, placed.order_id)
        assert second.order_id != placed.order_id
    driver.settle()
    driver.tick(261)
    assert rows("status") == [("FILLED",), ("CANCELLED",)]
    assert plan().status == "ENDED"


@pytest.mark.parametrize("service", [cancel_varied, "all"])
def test_cancelling_between_two_legs_ends_the_rest(stage, driver, alice, service):
    placed = iceberg(stage)
    crash_point(stage, driver, 261)
    assert plan().due_at == stage.now
    if service == "all":
        assert cancel_all(alice, now=stage.now, enqueue=nothing) == 0
    else:
        act(service, stage, alice, placed.order_id)
    driver.settle()
    assert rows("status") == [("FILLED",)]
    assert (plan().status, plan().due_at) == ("ENDED", None)


def test_the_price_of_a_leg_is_that_of_those_that_follow(stage, driver, alice):
    placed = iceberg(stage)
    driver.settle()
    with pytest.raises(InvalidOrder) as caught:
        act(modify_varied, stage, alice, placed.order_id, quantity=D(8))
    assert caught.value.field == "quantity"
    act(modify_varied, stage, alice, placed.order_id, price=D(260))
    driver.settle()
    driver.tick(260)
    assert rows("status", "price") == [("FILLED", 260), ("OPEN", 260)]


def test_a_leg_that_cannot_be_paid_ends_the_iceberg_and_is_shown(stage, driver):
    stage.price = D(262)
    iceberg(stage, quantity=1000, legs=2, size=500)
    pot = LedgerAccount.objects.get(book=stage.book, kind="AVAILABLE", asset="INR")
    # The rest of the money goes into something else.
    stage.place(200, quantity=D(int(pot.balance / D("200.2"))))
    driver.settle()
    driver.tick(261)
    denied = Order.objects.last()
    assert (denied.status, denied.status_code, denied.quantity) == ("DENIED", "NOT_PLACED", 500)
    assert denied.status_message.startswith("Not enough") or "needed" in denied.status_message
    assert denied.meta["iceberg"]["leg"] == 2
    assert (plan().status, plan().placed) == ("ENDED", 2)
    assert plan().message == f"Leg 2 ended as DENIED. {denied.status_message}"


def test_no_leg_follows_after_the_end_of_the_first_ones_life(stage, driver):
    placed = iceberg(stage, time_in_force=TimeInForce.TTL, validity_ttl=5)
    crash_point(stage, driver, 261)
    ends_at = Order.objects.get(pk=placed.order_id).expires_at
    stage.now = ends_at
    driver.gateway.on_quotes([stage.quote], stage.now)
    driver.settle()
    assert rows("status") == [("FILLED",)]
    assert plan().message == "The validity of the iceberg ended before its next leg"


def test_a_leg_waits_for_a_price(stage, driver):
    iceberg(stage)
    crash_point(stage, driver, 261)
    later = stage.pass_time(30)
    assert driver.settle() == 0
    assert (rows("status"), plan().status) == ([("FILLED",)], "ACTIVE")
    stage.pass_time(1)
    driver.gateway.on_quotes([stage.quote], stage.now)
    assert later < stage.now
    driver.settle()
    assert rows("status") == [("FILLED",), ("OPEN",)]


# ------------------------------------------------------------------ nothing lost, nothing twice


def test_the_same_key_gives_the_same_plan(stage, driver):
    first = iceberg(stage, idempotency_key="k1")
    driver.settle()
    driver.tick(261)
    again = iceberg(stage, idempotency_key="k1")
    assert (again.order_id, OrderPlan.objects.count()) == (first.order_id, 1)
    covered = cover(stage, price=260, idempotency_key="k2")
    stage.price = D(250)
    assert cover(stage, price=260, idempotency_key="k2").order_id == covered.order_id


@pytest.mark.parametrize("kind", [cover, iceberg])
def test_two_sweeps_at_once_place_one_order(stage, driver, kind):
    kind(stage)
    crash_point(stage, driver, 261)
    quotes = {stage.instrument.pk: stage.quote}
    taken = []

    def sweep():
        try:
            taken.append(advance_plans(0, quotes=quotes, now=stage.now, enqueue=nothing))
        finally:
            connection.close()

    threads = [Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [0, 1]
    assert rows("status") == [("FILLED",), ("READY",)]
    assert plan().placed == 2


@pytest.mark.parametrize("kind", [cover, iceberg])
def test_a_gateway_that_dies_between_fill_and_next_order_loses_nothing(stage, driver, kind):
    kind(stage)
    crash_point(stage, driver, 261)
    # The fill is committed, the next order is not placed: the process is gone.
    other = Driver(stage)
    assert other.start()
    for _ in range(3):
        other.tick(261)
    sent = OrderEvent.objects.filter(kind="SENDING").count()
    expected = {"co": 2, "iceberg": 3}[plan().kind]
    assert (Order.objects.count(), sent) == (expected, expected)
    bought = Trade.objects.filter(side="BUY").values_list("quantity", flat=True)
    assert sum(bought) == 10


def test_a_stop_that_never_reached_the_venue_is_placed_again(stage, driver):
    cover(stage)
    crash_point(stage, driver, 261)
    quotes = {stage.instrument.pk: stage.quote}
    advance_plans(0, quotes=quotes, now=stage.now, enqueue=nothing)
    # Claimed, and the process died before it was sent.
    claim_ready(0, fence=driver.gateway.fence, now=stage.now)
    other = Driver(stage)
    assert other.start()
    other.settle()
    stage.pass_time(2)
    other.gateway.on_quotes([stage.quote], stage.now)
    other.settle()
    assert rows("status") == [("FILLED",), ("NOT_AT_VENUE",), ("TRIGGER_PENDING",)]
    assert rows("slot_ref")[1:] == [(f"plan:{plan().pk}:2",), (f"plan:{plan().pk}:3",)]
