"""Changes of an order's type and validity, at the paper venue and through a restart."""

from decimal import Decimal

import pytest

from market.domain.enums import OrderType, Side, TimeInForce
from portfolio.models import KillSwitch, Order, OrderEvent, Trade
from portfolio.services.kill_switches import set_kill
from portfolio.services.orders import cancel_all, modify_order
from portfolio.tests.gateway_kit import Driver, nothing, set_stage

pytestmark = pytest.mark.usefixtures("real_db")
D = Decimal


def change(stage, alice, order_id, **wanted):
    return modify_order(
        alice, order_id, quote=stage.quote, now=stage.now, enqueue=nothing, **wanted
    )


@pytest.mark.parametrize("restart", [False, True])
def test_a_limit_is_turned_into_a_market_order_to_get_out(stage, driver, alice, restart):
    (placed,) = stage.place(250)
    driver.settle()
    change(stage, alice, placed.order_id, order_type=OrderType.MARKET)
    if restart:
        driver = Driver(stage)
        assert driver.start()
    driver.settle()
    order = Order.objects.get()
    assert (order.status, order.order_type, order.price) == ("FILLED", "MARKET", None)
    assert (order.hold_remaining, order.revision) == (0, 1)
    assert (Trade.objects.get().price, Trade.objects.get().liquidity) == (262, "TAKER")
    kinds = list(OrderEvent.objects.order_by("sequence").values_list("kind", flat=True))
    assert kinds[3:] == ["MODIFY_ASKED", "MODIFIED", "TRADE"]


def test_a_change_to_market_without_any_price_yet_waits_for_one(stage, driver, alice):
    (placed,) = stage.place(250)
    driver.settle()
    change(stage, alice, placed.order_id, order_type=OrderType.MARKET)
    other = Driver(stage)
    assert other.gateway.start(stage.now)
    other.settle()
    assert Order.objects.get().status == "OPEN"
    again = Driver(stage)
    assert again.gateway.start(stage.now)
    again.settle()
    again.tick(261)
    assert (Order.objects.get().status, Trade.objects.get().price) == ("FILLED", 261)


@pytest.mark.parametrize("restart", [False, True])
def test_a_limit_becomes_a_stop_and_the_stop_a_limit(stage, driver, alice, restart):
    stage.place(None)
    driver.settle()
    (placed,) = stage.place(270, side=Side.SELL)
    driver.settle()
    change(stage, alice, placed.order_id, order_type=OrderType.SL_M, trigger_price=D(255))
    driver.settle()
    order = Order.objects.get(pk=placed.order_id)
    assert (order.status, order.order_type, order.trigger_price) == ("TRIGGER_PENDING", "SL-M", 255)
    assert (order.price, order.protection_price) == (None, D("242.25"))
    if restart:
        driver = Driver(stage)
        assert driver.start()
    driver.tick(270)
    assert Order.objects.get(pk=placed.order_id).status == "TRIGGER_PENDING"
    change(stage, alice, placed.order_id, order_type=OrderType.LIMIT, price=D(271))
    driver.settle()
    order.refresh_from_db()
    assert (order.status, order.price, order.trigger_price) == ("OPEN", 271, None)
    assert order.protection_price is None
    driver.tick(255)
    assert Order.objects.get(pk=placed.order_id).status == "OPEN"
    driver.tick(271)
    assert Order.objects.get(pk=placed.order_id).status == "FILLED"


def test_a_met_stop_can_become_a_market_order_but_no_other_stop(stage, driver, alice):
    stage.place(None)
    driver.settle()
    stop = {"side": Side.SELL, "order_type": OrderType.SL, "trigger_price": D(255)}
    (placed,) = stage.place(255, **stop)
    driver.settle()
    change(stage, alice, placed.order_id, order_type=OrderType.SL_M)
    # It is met before the venue hears of the change.
    stage.price = D(254)
    driver.gateway.on_quotes([stage.quote], stage.now)
    driver.settle()
    order = Order.objects.get(pk=placed.order_id)
    assert (order.status, order.order_type, order.price) == ("OPEN", "SL", 255)
    assert order.status_message == "the trigger was met: SL can only become LIMIT or MARKET"
    assert order.hold_remaining == 10
    change(stage, alice, placed.order_id, order_type=OrderType.MARKET)
    driver.settle()
    order.refresh_from_db()
    assert (order.status, order.order_type) == ("FILLED", "MARKET")
    assert Trade.objects.last().price == 254


@pytest.mark.parametrize(("price", "statuses"), [(250, ["CANCELLED"]), (262, ["FILLED"])])
def test_a_resting_order_becomes_immediate(stage, driver, alice, price, statuses):
    (placed,) = stage.place(250, time_in_force=TimeInForce.DAY)
    driver.settle()
    change(stage, alice, placed.order_id, time_in_force=TimeInForce.IOC, price=D(price))
    driver.settle()
    order = Order.objects.get()
    assert ([order.status], order.time_in_force, order.expires_at) == (statuses, "IOC", None)


def test_a_minute_order_becomes_one_of_the_day(stage, driver, alice):
    (placed,) = stage.place(250, time_in_force=TimeInForce.TTL, validity_ttl=1)
    driver.settle()
    change(stage, alice, placed.order_id, time_in_force=TimeInForce.DAY)
    driver.settle()
    order = Order.objects.get()
    assert (order.time_in_force, order.validity_ttl) == ("DAY", 0)
    assert order.expires_at.isoformat() == "2026-03-03T00:25:00+00:00"
    stage.pass_time(61)
    driver.tick(251)
    assert stage.statuses() == ["OPEN"]


def test_a_minute_order_ends_after_its_minutes(stage, driver):
    stage.place(250, time_in_force=TimeInForce.TTL, validity_ttl=2)
    driver.settle()
    stage.pass_time(119)
    driver.tick(251)
    assert stage.statuses() == ["OPEN"]
    stage.pass_time(1)
    driver.tick(249)
    order = Order.objects.get()
    assert (order.status, order.hold_remaining) == ("EXPIRED", 0)
    assert order.status_message == "the minutes of its validity are over"
    assert not Trade.objects.exists()


def test_a_minute_order_that_is_sent_too_late_does_not_trade(stage, driver):
    stage.place(262, time_in_force=TimeInForce.TTL, validity_ttl=1)
    stage.pass_time(60)
    driver.gateway.on_quotes([stage.quote], stage.now)
    driver.settle()
    assert (stage.statuses(), Trade.objects.count()) == (["EXPIRED"], 0)


def test_disclosure_and_protection_are_changed_and_kept(stage, driver, alice):
    (placed,) = stage.place(250)
    driver.settle()
    change(stage, alice, placed.order_id, disclosed_quantity=D(5), market_protection=D(2))
    driver.settle()
    order = Order.objects.get()
    assert (order.status, order.disclosed_quantity, order.market_protection) == ("OPEN", 5, 2)
    change(stage, alice, placed.order_id, order_type=OrderType.MARKET)
    order.refresh_from_db()
    assert order.pending_change["protection_price"] == "267.25"
    driver.settle()
    order.refresh_from_db()
    assert (order.status, order.protection_price) == ("FILLED", D("267.25"))


@pytest.mark.parametrize("scope", ["PLATFORM", "USER", "VENUE_ACCOUNT", "BOOK"])
def test_a_kill_stops_a_change_that_was_asked_for_before_it(stage, driver, alice, scope):
    (placed,) = stage.place(250)
    driver.settle()
    change(stage, alice, placed.order_id, price=D(255), quantity=D(20))
    keys = {"USER": alice.pk, "VENUE_ACCOUNT": stage.account.pk, "BOOK": stage.book.pk}
    scope, key = KillSwitch.Scope(scope), keys.get(scope, 0)
    set_kill(scope, key, active=True, reason="test", now=stage.now)
    driver.settle()
    order = Order.objects.get()
    assert (order.status, order.price, order.quantity) == ("MODIFY_PENDING", 250, 10)
    # At the venue it rests as it was.
    driver.tick(254)
    assert Order.objects.get().filled_quantity == 0
    set_kill(scope, key, active=False, reason="", now=stage.now)
    driver.settle()
    order.refresh_from_db()
    assert (order.status, order.price, order.quantity) == ("OPEN", 255, 20)


def test_a_kill_lets_changes_through_that_ask_for_less(stage, driver, alice):
    (placed,) = stage.place(250)
    driver.settle()
    set_kill(KillSwitch.Scope.PLATFORM, 0, active=True, reason="test", now=stage.now)
    change(stage, alice, placed.order_id, quantity=D(4))
    driver.settle()
    order = Order.objects.get()
    assert (order.status, order.price, order.quantity) == ("OPEN", 250, 4)


def test_a_kill_lets_a_stopped_change_be_cancelled(stage, driver, alice):
    (placed,) = stage.place(250)
    driver.settle()
    change(stage, alice, placed.order_id, price=D(255))
    set_kill(KillSwitch.Scope.USER, alice.pk, active=True, reason="test", now=stage.now)
    driver.settle()
    cancel_all(alice, now=stage.now, enqueue=nothing)
    driver.settle()
    order = Order.objects.get()
    assert (order.status, order.price, order.hold_remaining) == ("CANCELLED", 250, 0)


def test_stopped_changes_keep_nobody_waiting(stage, driver, alice, bob, monkeypatch):
    monkeypatch.setattr("portfolio.gateway.core.CANCELS_AT_ONCE", 1)
    his = set_stage(bob, stage.now)
    (stopped,), (free,) = stage.place(250), his.place(250)
    driver.settle()
    change(stage, alice, stopped.order_id, price=D(251))
    change(his, bob, free.order_id, price=D(251))
    set_kill(KillSwitch.Scope.USER, alice.pk, active=True, reason="test", now=stage.now)
    driver.settle()
    assert Order.objects.get(pk=stopped.order_id).price == 250
    assert Order.objects.get(pk=free.order_id).price == 251
