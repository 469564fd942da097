"""The gateway with the paper venue: an order's whole way, restarts, kills, expiry, changes."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from market.domain.enums import OrderType, Side, TimeInForce
from portfolio.exceptions import StaleFence, VenueCallInTransaction
from portfolio.models import KillSwitch, Order, OrderEvent, Trade, VenueAccount, VenueEvent
from portfolio.services.kill_switches import set_kill
from portfolio.services.orders import cancel_all, cancel_order, modify_order
from portfolio.tests.gateway_kit import Driver, nothing, set_stage

pytestmark = pytest.mark.usefixtures("real_db")


def kinds_of(order_id):
    events = OrderEvent.objects.filter(order=order_id).order_by("sequence")
    return list(events.values_list("kind", flat=True))


def test_an_order_goes_ready_sending_open_inbox_trade(stage, driver):
    (placed,) = stage.place(261)
    assert driver.settle() == 1
    assert stage.statuses() == ["OPEN"]
    driver.tick(261)
    assert stage.statuses() == ["FILLED"]
    assert kinds_of(placed.order_id) == ["CREATED", "SENDING", "ACCEPTED", "TRADE"]
    order = Order.objects.get(pk=placed.order_id)
    assert (order.filled_quantity, order.filled_value, order.hold_remaining) == (10, 2610, 0)
    assert order.sent_fence == driver.gateway.fence
    event = VenueEvent.objects.get()
    assert (event.fence, event.applied_at) == (driver.gateway.fence, stage.now)
    assert Trade.objects.get().price == 261
    assert driver.told == [stage.book.pk]


def test_a_market_order_trades_at_the_price_of_the_moment(stage, driver):
    stage.place(None)
    driver.settle()
    trade = Trade.objects.get()
    assert (trade.price, trade.quantity, trade.liquidity) == (262, 10, "TAKER")


def test_a_quiet_pump_asks_one_small_question(stage, driver, django_assert_num_queries):
    stage.place(250)
    driver.settle()
    driver.gateway.pump(stage.now)
    with django_assert_num_queries(1):
        assert driver.gateway.pump(stage.now) == 0


def test_the_number_of_queries_does_not_grow_with_the_orders(stage, driver):
    counts = []
    for count in (1, 40):
        stage.place(*[Decimal(250) - n for n in range(count)])
        with CaptureQueriesContext(connection) as queries:
            driver.settle()
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_cancel_is_sent_and_reported(stage, driver, alice):
    (placed,) = stage.place(250)
    driver.settle()
    cancel_order(alice, placed.order_id, now=stage.now, enqueue=nothing)
    assert stage.statuses() == ["CANCEL_PENDING"]
    driver.settle()
    assert stage.statuses() == ["CANCELLED"]
    assert driver.venue.open_orders(stage.account.pk) == []


def test_a_change_is_sent_and_reported(stage, driver, alice):
    (placed,) = stage.place(250)
    driver.settle()
    modify_order(
        alice,
        placed.order_id,
        price=Decimal(261),
        quantity=Decimal(4),
        now=stage.now,
        enqueue=nothing,
    )
    driver.settle()
    order = Order.objects.get()
    assert (order.status, order.price, order.quantity) == ("OPEN", 261, 4)
    driver.tick(261)
    assert Trade.objects.get().quantity == 4


def test_a_change_asked_before_a_restart_is_carried_out_after_it(stage, driver, alice):
    (placed,) = stage.place(250)
    driver.settle()
    modify_order(alice, placed.order_id, price=Decimal(255), now=stage.now, enqueue=nothing)
    other = Driver(stage)
    other.start()
    other.settle()
    assert Order.objects.get().price == 255
    modify_order(alice, placed.order_id, price=Decimal(256), now=stage.now, enqueue=nothing)
    other.settle()
    order = Order.objects.get()
    assert (order.status, order.price) == ("OPEN", 256)


def test_a_stop_is_triggered_and_survives_a_restart(stage, driver):
    driver.settle()
    stage.place(None)
    driver.settle()
    (stop,) = stage.place(
        None,
        side=Side.SELL,
        order_type=OrderType.SL_M,
        trigger_price=Decimal(255),
        protection_price=Decimal(240),
    )
    driver.settle()
    assert Order.objects.get(pk=stop.order_id).status == "TRIGGER_PENDING"
    other = Driver(stage)
    other.start()
    other.tick(255)
    assert kinds_of(stop.order_id)[-2:] == ["TRIGGERED", "TRADE"]
    assert Order.objects.get(pk=stop.order_id).status == "FILLED"


def test_a_day_order_expires_at_the_roll_of_market_time(stage, driver):
    stage.place(250, time_in_force=TimeInForce.DAY)
    driver.settle()
    roll = Order.objects.get().expires_at
    assert roll.isoformat() == "2026-03-03T00:25:00+00:00"
    stage.now = roll - timedelta(seconds=1)
    driver.tick(251)
    assert stage.statuses() == ["OPEN"]
    stage.now = roll
    driver.tick(249)
    assert stage.statuses() == ["EXPIRED"]
    assert not Trade.objects.exists()


def test_the_book_is_rebuilt_as_it_was(stage, driver):
    stage.place(258, 260, 255, 259, 250)
    driver.settle()
    driver.tick(259)
    before = driver.venue.open_orders(stage.account.pk)
    other = Driver(stage, owner="second")
    assert not other.start()
    driver.gateway.stop()
    assert other.start()
    after = other.venue.open_orders(stage.account.pk)
    strip = [(o.client_order_id, o.price, o.quantity, o.filled_quantity) for o in before]
    assert strip == [(o.client_order_id, o.price, o.quantity, o.filled_quantity) for o in after]
    assert len(after) == 3
    other.tick(240)
    assert set(stage.statuses()) == {"FILLED"}
    assert Trade.objects.count() == 5


def test_a_gateway_without_its_shard_sends_nothing(stage, driver):
    other = Driver(stage, owner="test")
    assert other.start()
    stage.place(250)
    with pytest.raises(StaleFence):
        driver.settle()
    assert stage.statuses() == ["READY"]
    other.settle()
    assert stage.statuses() == ["OPEN"]
    driver.gateway.forget()
    with pytest.raises(StaleFence):
        driver.gateway.pump(stage.now)


def test_reports_of_an_old_owner_are_not_taken(stage, driver):
    stage.place(261)
    driver.settle()
    other = Driver(stage)
    other.start()
    driver.gateway.on_quotes([stage.quote], stage.now)
    stage.price = Decimal(261)
    driver.gateway.on_quotes([stage.quote], stage.now)
    with pytest.raises(StaleFence):
        driver.gateway.pump(stage.now)
    assert not VenueEvent.objects.exists()
    other.tick(261)
    assert Trade.objects.count() == 1


def test_a_venue_is_never_called_inside_a_transaction(stage, driver):
    stage.place(250)
    with transaction.atomic(), pytest.raises(VenueCallInTransaction):
        driver.gateway.pump(stage.now)
    with transaction.atomic(), pytest.raises(VenueCallInTransaction):
        driver.gateway.start(stage.now)
    assert stage.statuses() == ["READY"]


@pytest.mark.parametrize("scope", ["PLATFORM", "USER", "VENUE_ACCOUNT", "BOOK"])
def test_a_kill_ends_what_was_not_sent_and_lets_cancels_through(stage, driver, alice, scope):
    stage.place(250)
    driver.settle()
    (waiting,) = stage.place(251)
    keys = {
        "PLATFORM": 0,
        "USER": alice.pk,
        "VENUE_ACCOUNT": stage.account.pk,
        "BOOK": stage.book.pk,
    }
    kill = KillSwitch.Scope(scope)
    set_kill(kill, keys[scope], active=True, reason="test", now=stage.now)
    driver.settle()
    order = Order.objects.get(pk=waiting.order_id)
    assert (order.status, order.status_code, order.hold_remaining) == ("CANCELLED", "KILLED", 0)
    assert kinds_of(waiting.order_id) == ["CREATED", "CANCELLED"]
    assert stage.book.pk in driver.told
    cancel_all(alice, now=stage.now, enqueue=nothing)
    driver.settle()
    assert stage.statuses() == ["CANCELLED", "CANCELLED"]


def test_a_kill_of_somebody_else_changes_nothing(stage, driver, bob):
    set_stage(bob, stage.now)
    set_kill(KillSwitch.Scope.USER, bob.pk, active=True, reason="", now=stage.now)
    stage.place(250)
    driver.settle()
    assert stage.statuses() == ["OPEN"]


def test_an_account_that_does_not_add_up_is_not_ready_and_sends_nothing(stage, driver):
    stage.place(250)
    driver.settle()
    Order.objects.update(filled_quantity=3)
    other = Driver(stage)
    other.start()
    account = VenueAccount.objects.get(pk=stage.account.pk)
    assert account.status == "NOT_READY"
    assert "do not add up" in account.status_reason
    stage.place(251)
    other.settle()
    assert stage.statuses() == ["OPEN", "READY"]
    Order.objects.filter(status="OPEN").update(filled_quantity=0)
    again = Driver(stage)
    again.start()
    account.refresh_from_db()
    assert (account.status, account.status_reason) == ("READY", "")
    again.settle()
    assert stage.statuses() == ["OPEN", "OPEN"]


def test_an_order_that_waits_for_its_next_try_is_left_alone(stage, driver):
    stage.place(250)
    Order.objects.update(send_after=stage.now + timedelta(seconds=2))
    assert driver.settle() == 0
    stage.pass_time(2)
    driver.settle()
    assert stage.statuses() == ["OPEN"]


def test_a_claim_that_grew_old_is_not_sent(stage, driver, monkeypatch):
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr("portfolio.gateway.core.time.monotonic", lambda: next(clock))
    stage.place(250)
    driver.gateway.pump(stage.now)
    order = Order.objects.get()
    assert (order.status, order.send_after) == ("READY", stage.now + timedelta(seconds=1))
    assert driver.venue.open_orders(stage.account.pk) == []


def test_users_do_not_see_each_others_fills(stage, driver, bob):
    other = set_stage(bob, stage.now)
    stage.place(261)
    other.place(260)
    driver.settle()
    driver.tick(261)
    assert list(Trade.objects.values_list("book_id", flat=True)) == [stage.book.pk]
