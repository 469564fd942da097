"""Alerts: once when the condition becomes true, orders once, word to the owner."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone

from market.domain.enums import OrderType, Product, Side, SourceKind, TimeInForce
from market.exceptions import QuoteUnavailable
from portfolio import tasks
from portfolio.domain.alerts import AlertKind, AlertStatus, Operator
from portfolio.exceptions import AlertNotFound, InvalidOrder
from portfolio.models import Alert, AlertEvent, KillSwitch, Order
from portfolio.selectors.alerts import alert_of, alerts_of
from portfolio.services.alerts import (
    AlertTerms,
    BasketItem,
    change_alert,
    create_alert,
    delete_alerts,
)
from portfolio.services.alerts_following import follow_event
from portfolio.services.invariants import check_invariants
from portfolio.tests.factories import make_instrument
from portfolio.tests.services.gtt_kit import make_gtt_desk

THREADS = 4


@pytest.fixture
def desk(alice, db, redis_client, now):
    return make_gtt_desk(alice, redis_client, now=now)


@pytest.fixture
def market(desk):
    return desk.market


def buy(instrument, quantity=1, price=265, **terms):
    return BasketItem(
        instrument=instrument,
        side=Side.BUY,
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        product=Product.CNC,
        quantity=Decimal(str(quantity)),
        time_in_force=TimeInForce.DAY,
        price=None if price is None else Decimal(str(price)),
        **terms,
    )


def terms_of(desk, operator=">=", value=270, other=None, basket=()):
    return AlertTerms(
        kind=AlertKind.ATO if basket else AlertKind.SIMPLE,
        name="Up",
        instrument=desk.ongc,
        operator=Operator(operator),
        constant=None if other is not None else Decimal(str(value)),
        other=other,
        basket=basket,
    )


def set_alert(desk, *args, **terms):
    with transaction.atomic():
        return create_alert(
            desk.user,
            terms_of(desk, *args, **terms),
            quotes=desk.market.quotes,
            api_app_id=None,
            now=desk.market.now,
        )


def reread(alert):
    return Alert.objects.get(pk=alert.pk)


def follow(desk, event):
    """Do what follows, all of it."""
    values = {
        "quotes": desk.market.quotes,
        "now": desk.market.now,
        "enqueue": desk.market.enqueue,
        "notify": desk.market.notify,
    }
    more = True
    while more:
        with transaction.atomic():
            more = follow_event(event.pk, **values)


# --------------------------------------------------------------------------- when it fires


@pytest.mark.parametrize(
    ("operator", "value", "prices", "fired"),
    [
        (">=", 270, [269.95], None),
        (">=", 270, [270, 260], "270"),
        (">=", 270, [300], "300"),
        (">", 270, [270], None),
        (">", 270, [270.05, 260], "270.05"),
        ("<=", 250, [250, 260], "250"),
        ("<", 250, [250], None),
        ("==", 270, [269, 271], None),
        ("==", 270, [269, 270, 271], "270"),
        # True when it was set: it waits until it was untrue.
        (">=", 255, [258, 261], None),
        (">=", 255, [254, 256], "256"),
    ],
)
def test_it_fires_when_it_becomes_true(desk, market, operator, value, prices, fired):
    alert = set_alert(desk, operator, value)
    assert market.look() == 0
    market.tick(desk.ongc, *prices)

    assert market.look() == (0 if fired is None else 1)

    assert reread(alert).alert_count == (0 if fired is None else 1)
    if fired is not None:
        event = AlertEvent.objects.get()
        assert event.condition == f'LastTradedPrice("NSE:ONGC") {operator} {value}'
        assert (event.prices[0]["last_price"], event.is_due) == (fired, True)
    assert market.look() == 0


def test_it_fires_once_while_it_stays_true_and_again_after_a_rest(desk, market):
    alert = set_alert(desk)
    for price in (270, 275, 272):
        market.tick(desk.ongc, price)
        market.look()
    assert reread(alert).alert_count == 1
    # Down and up within its rest: nothing.
    market.tick(desk.ongc, 260, 271)
    assert market.look() == 0
    market.sleep(301)
    market.tick(desk.ongc, 272)
    assert market.look() == 0
    market.tick(desk.ongc, 269)
    assert market.look() == 0
    market.tick(desk.ongc, 270)
    assert market.look() == 1
    assert (reread(alert).alert_count, AlertEvent.objects.count()) == (2, 2)


def test_prices_before_it_was_set_and_of_other_sources_do_not_count(desk, market):
    market.tick(desk.ongc, 280, 260)
    alert = set_alert(desk)
    assert market.look() == 0
    market.tick(desk.ongc, 300, source=SourceKind.REPLAY)
    assert market.look() == 0
    market.tick(desk.ongc, 301, source=SourceKind.REPLAY)
    market.tick(desk.ongc, 262)
    assert market.look() == 0
    assert reread(alert).alert_count == 0
    market.tick(desk.ongc, 270)
    assert market.look() == 1


def test_a_tick_between_its_quote_and_its_commit_counts(desk, market):
    quotes = dict(market.quotes)
    market.tick(desk.ongc, 280, 260)
    market.look()
    with transaction.atomic():
        create_alert(desk.user, terms_of(desk), quotes=quotes, api_app_id=None, now=market.now)
    assert market.look() == 1


def test_two_instruments(desk, market):
    infy = make_instrument("NSE:INFY")
    market.tick(infy, 270)
    alert = set_alert(desk, ">", other=infy)
    assert market.look() == 0
    market.tick(desk.ongc, 270)
    assert market.look() == 0
    # The other side alone moves.
    market.tick(infy, 269)
    assert market.look() == 1
    assert market.look() == 0
    event = AlertEvent.objects.get()
    assert event.condition == 'LastTradedPrice("NSE:ONGC") > LastTradedPrice("NSE:INFY")'
    assert [price["last_price"] for price in event.prices] == ["270", "269"]
    market.sleep(301)
    market.tick(infy, 280)
    assert (market.look(), reread(alert).is_true) == (0, False)
    market.tick(infy, 260, source=SourceKind.REPLAY)
    assert market.look() == 0
    market.tick(infy, 260)
    assert market.look() == 1
    assert reread(alert).alert_count == 2


def test_disabled_and_deleted_ones_are_silent(desk, market):
    disabled, deleted = set_alert(desk), set_alert(desk)
    change_alert(
        desk.user,
        disabled.uuid,
        terms_of(desk),
        status=AlertStatus.DISABLED,
        quotes=market.quotes,
        now=market.now,
    )
    assert delete_alerts(desk.user, [deleted.uuid, deleted.uuid], now=market.now) == 1
    market.tick(desk.ongc, 270)
    assert market.look() == 0
    assert [each.pk for each in alerts_of(desk.user)] == [disabled.pk]
    with pytest.raises(AlertNotFound):
        alert_of(desk.user, deleted.uuid)


# ------------------------------------------------------------------------------ what follows


def test_its_owner_is_told_once(desk, market, django_capture_on_commit_callbacks):
    set_alert(desk)
    market.tick(desk.ongc, 270.5)
    market.look()
    event = AlertEvent.objects.get()
    with django_capture_on_commit_callbacks(execute=True):
        follow(desk, event)
        follow(desk, event)
    ((user_id, kind, values),) = market.mails
    assert (user_id, kind) == (desk.user.pk, "told")
    assert values["subject"] == 'Alert: LastTradedPrice("NSE:ONGC") >= 270'
    assert values["words"] == (
        "your alert 'Up' has been met: LastTradedPrice(\"NSE:ONGC\") >= 270, at 270.5."
    )
    pushed = market.client.lrange(f"events:{desk.user.pk}:ring", 0, -1)
    assert [b'"kind":"alert"' in frame for frame in pushed] == [True]
    event.refresh_from_db()
    assert (event.is_due, event.results) == (False, [])


def test_orders_are_placed_once_and_it_is_disabled(desk, market):
    infy = make_instrument("NSE:INFY")
    market.tick(infy, 1500)
    basket = [buy(desk.ongc, 2, tag="dip"), buy(infy, 1000, 1500), buy(infy, 1, None)]
    alert = set_alert(desk, "<=", 255, basket=basket)
    market.tick(desk.ongc, 255, 256, 255)
    assert market.look() == 1
    event = AlertEvent.objects.get()
    follow(desk, event)
    follow(desk, event)

    first, second = Order.objects.order_by("pk")
    assert (first.instrument, first.quantity, first.price) == (desk.ongc, 2, 265)
    assert (first.tag, first.product, first.source) == ("dip", "CNC", "API")
    assert first.slot_ref == f"alert:{event.pk}:0"
    assert first.meta == {"alert": str(alert.uuid)}
    assert (second.order_type, second.slot_ref) == ("MARKET", f"alert:{event.pk}:2")
    event.refresh_from_db()
    assert [row["status"] for row in event.results] == ["success", "failed", "success"]
    assert event.results[1]["order_id"] == ""
    assert "needed" in event.results[1]["rejection_reason"]
    row = reread(alert)
    assert (row.status, row.alert_count, row.disabled_reason) == ("disabled", 1, "")
    market.sleep(400)
    market.tick(desk.ongc, 260, 250)
    assert market.look() == 0
    assert check_invariants(now=market.now) == []


def test_a_stopped_user_orders_nothing(desk, market):
    set_alert(desk, "<=", 255, basket=[buy(desk.ongc)])
    KillSwitch.objects.filter(scope="USER", key=desk.user.pk).update(is_active=True)
    market.tick(desk.ongc, 255)
    market.look()
    event = AlertEvent.objects.get()
    follow(desk, event)
    event.refresh_from_db()
    assert event.results[0]["rejection_reason"] == "Trading is stopped: user"
    assert [order.status for order in Order.objects.all()] == ["DENIED"]


def test_setting_it_anew_enables_it(desk, market, bob):
    alert = set_alert(desk, "<=", 255, basket=[buy(desk.ongc)])
    market.tick(desk.ongc, 255, 260)
    market.look()
    assert reread(alert).status == AlertStatus.DISABLED
    change_alert(
        desk.user, alert.uuid, terms_of(desk, "<=", 250), quotes=market.quotes, now=market.now
    )
    row = reread(alert)
    assert (row.status, row.kind, row.basket, row.alert_count) == ("enabled", "simple", None, 1)
    market.tick(desk.ongc, 250)
    assert market.look() == 1
    with pytest.raises(AlertNotFound):
        change_alert(bob, alert.uuid, terms_of(desk), quotes=market.quotes, now=market.now)
    with pytest.raises(AlertNotFound):
        delete_alerts(bob, [alert.uuid], now=market.now)
    assert reread(alert).status == "enabled"


def test_what_is_refused(desk, market):
    with pytest.raises(QuoteUnavailable):
        set_alert(desk, other=make_instrument("NSE:INFY"))
    with pytest.raises(InvalidOrder) as caught:
        set_alert(desk, basket=[buy(desk.ongc), buy(desk.ongc, price="260.01")])
    assert (caught.value.field, caught.value.code) == ("basket.items[1].params.price", "NOT_TICK")
    with override_settings(ALERTS_MOST_ENABLED=1):
        alert = set_alert(desk)
        with pytest.raises(InvalidOrder, match="1 are allowed"):
            set_alert(desk)
        delete_alerts(desk.user, [alert.uuid], now=market.now)
        set_alert(desk)
    assert Alert.objects.filter(status="enabled").count() == 1


# ----------------------------------------------------------------------------------- races


def test_passes_and_followers_at_once(alice, real_db, redis_client, monkeypatch):
    mails = []
    monkeypatch.setattr(tasks.send_notice, "delay", lambda *values: mails.append(values))
    desk = make_gtt_desk(alice, redis_client, now=timezone.now())
    alerts = [set_alert(desk, "<=", 255, basket=[buy(desk.ongc)]) for _ in range(5)]
    desk.market.look()
    desk.market.tick(desk.ongc, 254, 262, 253)

    def in_threads(work):
        barrier = Barrier(THREADS)

        def thread(_):
            barrier.wait()
            try:
                return work()
            finally:
                connection.close()

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(thread, range(THREADS)))

    assert sum(in_threads(desk.market.look)) == 5
    assert [reread(alert).alert_count for alert in alerts] == [1] * 5
    assert AlertEvent.objects.count() == 5
    in_threads(tasks.follow_fired)
    tasks.follow_fired()
    assert (Order.objects.count(), len(mails)) == (5, 5)
    assert AlertEvent.objects.filter(is_due=True).count() == 0
    assert check_invariants(now=timezone.now()) == []
