"""GTT triggers: what fires them, what they place, and that nothing happens twice."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import override_settings

from accounts.services.notices import mail_notice
from market.domain.enums import OrderStatus, Side, SourceKind
from market.exceptions import QuoteUnavailable
from portfolio.domain.gtt import GttStatus
from portfolio.exceptions import InvalidOrder, TriggerNotChangeable, TriggerNotFound
from portfolio.models import GttLeg, GttTrigger, KillSwitch, Order
from portfolio.selectors.gtt import due_triggers, trigger_of, triggers_of
from portfolio.services.gtt import change_trigger, delete_trigger
from portfolio.services.gtt_placing import expire_triggers
from portfolio.services.invariants import check_invariants
from portfolio.tests.factories import balances, make_instrument
from portfolio.tests.services.gtt_kit import fired_leg, make_gtt_desk, terms_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(alice, redis_client, now):
    return make_gtt_desk(alice, redis_client, now=now)


@pytest.fixture
def market(desk):
    return desk.market


def reread(trigger):
    return GttTrigger.objects.get(pk=trigger.pk)


# -------------------------------------------------------------------------------- what fires


@pytest.mark.parametrize(
    ("values", "prices", "fired"),
    [
        # A stop-loss at 250: a crossing inside the interval and back, equality, a gap.
        ([250], [249.95, 260], (0, "249.95")),
        ([250], [250, 261], (0, "250")),
        ([250], [180], (0, "180")),
        ([250], [250.05, 300], None),
        # A target at 270.
        ([270], [270, 260], (0, "270")),
        ([270], [269.95], None),
        ([270], [310], (0, "310")),
        # Both: the first one reached.
        ([250, 270], [271, 249], (1, "271")),
        ([250, 270], [249, 271], (0, "249")),
    ],
)
def test_prices_fire_triggers(desk, market, values, prices, fired):
    trigger = desk.set(*values)
    assert market.look() == 0
    market.tick(desk.ongc, *prices)

    assert market.look() == (0 if fired is None else 1)

    expected = None if fired is None else (fired[0], Decimal(fired[1]))
    assert fired_leg(trigger) == expected
    row = reread(trigger)
    assert (row.status, row.is_due) == (
        (GttStatus.TRIGGERED, True) if fired else (GttStatus.ACTIVE, False)
    )
    assert market.look() == 0
    assert not Order.objects.exists()


def test_a_buy_is_triggered_alike(desk, market):
    below, above = desk.set(250, side=Side.BUY), desk.set(270, side=Side.BUY)
    market.look()
    market.tick(desk.ongc, 250)
    assert market.look() == 1
    assert (fired_leg(below), fired_leg(above)) == ((0, Decimal(250)), None)


def test_ticks_before_it_was_set_do_not_count(desk, market):
    market.tick(desk.ongc, 240, 260)
    trigger = desk.set(250)
    market.tick(desk.ongc, 259)
    assert market.look() == 0
    # The same interval again, kept for the sake of another row.
    market.tick(desk.ongc, 240, 260)
    changed = desk.set(245)
    market.client.rename("market:intervals.2", "market:intervals.2.read")
    assert market.look() == 1
    assert fired_leg(trigger) == (0, Decimal(240))
    assert reread(changed).status == GttStatus.ACTIVE


def test_a_tick_between_its_quote_and_its_commit_counts(desk, market):
    """A pass that runs meanwhile does not see the trigger yet, and forgets the interval."""
    quote = market.quotes[desk.ongc.pk]
    market.tick(desk.ongc, 240, 260)
    market.look()
    trigger = desk.set(250, quote=quote)
    assert market.look() == 1
    assert fired_leg(trigger) == (0, Decimal(240))


def test_a_crossing_is_found_when_the_single_ticks_are_gone(desk, market):
    trigger = desk.set(250, 270)
    market.look()
    market.tick(desk.ongc, 240, 280)
    market.client.delete(f"market:ring:{desk.ongc.pk}")
    assert market.look() == 1
    assert fired_leg(trigger) == (0, Decimal(240))


def test_prices_of_another_source_fire_nothing(desk, market):
    trigger = desk.set(250)
    market.look()
    market.tick(desk.ongc, 110, 105, source=SourceKind.REPLAY)
    assert market.look() == 0
    # The replay's last prices and the first of its own come in one interval.
    market.tick(desk.ongc, 104, source=SourceKind.REPLAY)
    market.tick(desk.ongc, 259, 258)
    assert market.look() == 0
    assert reread(trigger).status == GttStatus.ACTIVE
    market.tick(desk.ongc, 249)
    assert market.look() == 1
    assert fired_leg(trigger) == (0, Decimal(249))


def test_a_trigger_fires_once_even_against_the_database(desk, market):
    trigger = desk.set(250, 270)
    market.tick(desk.ongc, 249)
    market.look()
    with pytest.raises(IntegrityError, match="gtt_one_leg_fires"), transaction.atomic():
        GttLeg.objects.filter(trigger=trigger, number=1).update(met_price=271)
    with pytest.raises(IntegrityError, match="gtt_market_between_levels"), transaction.atomic():
        GttTrigger.objects.filter(pk=trigger.pk).update(last_price=240)
    with pytest.raises(IntegrityError, match="gtt_levels_of_its_kind"), transaction.atomic():
        GttTrigger.objects.filter(pk=trigger.pk).update(fire_above=None)
    with pytest.raises(IntegrityError, match="gtt_triggered_has_its_time"), transaction.atomic():
        GttTrigger.objects.filter(pk=trigger.pk).update(status="active")


# ------------------------------------------------------------------------------- what is placed


def test_what_has_fired_is_placed_once(desk, market, alice):
    trigger = desk.set(250, 270, prices=(249, 271))
    before = balances(desk.book)
    assert before == {("AVAILABLE", "INR"): 100_000, ("AVAILABLE", "NSE:ONGC"): 100}
    market.tick(desk.ongc, 271)
    market.look()
    assert due_triggers(limit=10) == {trigger.pk: desk.ongc.pk}
    market.sleep(1)

    assert market.place(trigger)
    assert not market.place(trigger)

    order = Order.objects.get()
    assert (order.side, order.quantity, order.price) == ("SELL", 10, 271)
    assert (order.order_type, order.time_in_force, order.product) == ("LIMIT", "DAY", "CNC")
    assert (order.slot_ref, order.meta) == (f"gtt:{trigger.pk}:1", {"gtt": trigger.pk})
    assert (order.status, order.source, order.book) == (OrderStatus.READY, "API", desk.book)
    assert balances(desk.book)["HELD", "NSE:ONGC"] == 10
    row = trigger_of(alice, trigger.pk)
    assert (row.status, row.is_due, row.updated_at) == ("triggered", False, market.now)
    lower, upper = row.legs.all()
    assert (lower.met_price, lower.result, lower.order_id) == (None, "", None)
    assert (upper.met_price, upper.result, upper.order_id) == (271, "success", order.pk)
    assert (upper.placed_at, upper.rejection_reason) == (market.now, "")
    assert due_triggers(limit=10) == {}
    assert check_invariants(now=market.now) == []


def test_without_money_it_is_triggered_and_failed(desk, market):
    trigger = desk.set(250, side=Side.BUY, quantity=1000)
    market.tick(desk.ongc, 250)
    market.look()

    assert market.place(trigger)

    leg = GttLeg.objects.get(trigger=trigger)
    assert (leg.result, leg.order_id) == ("failed", None)
    assert leg.rejection_reason == "Rs. 2,50,125.00 needed, Rs. 1,00,000.00 available"
    assert reread(trigger).status == GttStatus.TRIGGERED
    assert not Order.objects.exists()
    assert balances(desk.book) == {("AVAILABLE", "INR"): 100_000, ("AVAILABLE", "NSE:ONGC"): 100}


def test_units_sold_meanwhile_fail_it(desk, market):
    trigger = desk.set(250, quantity=101)
    market.tick(desk.ongc, 249)
    market.look()
    market.place(trigger)
    leg = GttLeg.objects.get(trigger=trigger)
    assert (leg.result, leg.order_id) == ("failed", None)


def test_a_stopped_user_places_nothing(desk, market):
    trigger = desk.set(250)
    KillSwitch.objects.filter(scope="USER", key=desk.user.pk).update(
        is_active=True, reason="suspended"
    )
    market.tick(desk.ongc, 250)
    market.look()
    market.place(trigger)

    leg = GttLeg.objects.get(trigger=trigger)
    order = Order.objects.get()
    assert (leg.result, leg.rejection_reason) == ("failed", "Trading is stopped: suspended")
    assert (leg.order_id, order.status, order.status_code) == (order.pk, "DENIED", "KILL_SWITCH")
    assert ("HELD", "NSE:ONGC") not in balances(desk.book)
    with transaction.atomic(), pytest.raises(TriggerNotChangeable):
        delete_trigger(desk.user, trigger.pk, now=market.now)


@pytest.mark.parametrize(
    ("age", "source", "reason"),
    [
        (11, SourceKind.SIMULATED, "The price of NSE:ONGC is 11 s old"),
        (0, SourceKind.REPLAY, "There is no price of NSE:ONGC"),
    ],
)
def test_no_price_of_its_own_no_order(desk, market, age, source, reason):
    trigger = desk.set(250)
    market.tick(desk.ongc, 250)
    market.look()
    if source is not SourceKind.SIMULATED:
        market.tick(desk.ongc, 250, source=source)
    market.sleep(age)
    market.place(trigger)
    leg = GttLeg.objects.get(trigger=trigger)
    assert (leg.result, leg.rejection_reason) == ("failed", reason)


def test_an_order_is_not_placed_hours_later(desk, market):
    trigger = desk.set(250)
    market.tick(desk.ongc, 250)
    market.look()
    market.sleep(3601)
    market.tick(desk.ongc, 250)
    market.place(trigger)
    leg = GttLeg.objects.get(trigger=trigger)
    assert (leg.result, leg.order_id) == ("failed", None)
    assert leg.rejection_reason == "The order could not be placed within an hour."
    assert not Order.objects.exists()


def test_its_owner_is_told(desk, market, django_capture_on_commit_callbacks):
    won, lost = desk.set(270), desk.set(250, side=Side.BUY, quantity=1000)
    market.tick(desk.ongc, 270, 250)
    market.look()
    with django_capture_on_commit_callbacks(execute=True):
        market.place(won)
        market.place(lost)
    (first, second) = [values for _, _, values in market.mails]
    order = Order.objects.get()
    assert first["subject"] == "Your GTT on NSE:ONGC has fired"
    assert first["words"] == (
        f"the price of NSE:ONGC reached 270. Your GTT {won.pk} has placed its order {order.pk}: "
        "SELL 10 at 270.00."
    )
    assert f"Your GTT {lost.pk} has not placed its order, BUY 1,000 at 250.00:" in second["words"]
    assert market.hints == ["gateway"]

    mail_notice(*market.mails[0])
    sent = mail.outbox[0]
    assert (sent.subject, sent.to) == (first["subject"], [desk.user.email])
    assert first["words"] in sent.body
    assert "A GTT fires once." in sent.body
    assert "Password" not in sent.body


# --------------------------------------------------------------------- setting and changing


def refused(desk, *values, field, code, **terms):
    with pytest.raises(InvalidOrder) as caught:
        desk.set(*values, **terms)
    assert (caught.value.field, caught.value.code) == (field, code)
    assert not GttTrigger.objects.exists()


def test_what_is_refused(desk):
    refused(desk, 260, field="condition.trigger_values[0]", code="ORDER")
    refused(desk, 250.03, prices=(250,), field="condition.trigger_values[0]", code="NOT_TICK")
    refused(desk, 250, 255, field="condition.trigger_values[1]", code="ORDER")
    # He saw 240 and waits for a rise to 250; the market is at 260.
    refused(desk, 250, seen=240, field="condition.trigger_values[0]", code="ORDER")
    refused(desk, 250, prices=(250.01,), field="orders[0].price", code="NOT_TICK")
    refused(desk, 250, 270, prices=(250, 0), field="orders[1].price", code="BELOW_MIN")
    refused(desk, 250, quantity="1.5", field="orders[0].quantity", code="NOT_LOT")
    index = make_instrument("NSE:NIFTY 50")
    refused(desk, 250, instrument=index, field="condition.tradingsymbol", code="NOT_TRADABLE")
    with pytest.raises(QuoteUnavailable):
        desk.set(250, instrument=make_instrument("NSE:INFY"))
    bitcoin = make_instrument("BINANCE:BTCUSDT")
    desk.market.tick(bitcoin, 60_000)
    wanted = {"instrument": bitcoin, "seen": 60_000, "quantity": 1}
    refused(desk, 50_000, **wanted, field="exchange", code="NOT_OFFERED")
    assert not GttTrigger.objects.exists()


def test_so_many_at_once(desk, market):
    with override_settings(GTT_MOST_ACTIVE=2):
        first = desk.set(250)
        desk.set(240)
        with pytest.raises(InvalidOrder, match="2 are allowed") as caught:
            desk.set(230)
        assert (caught.value.code, caught.value.maximum) == ("TOO_MANY", 2)
        delete_trigger(desk.user, first.pk, now=market.now)
        desk.set(230)
    assert GttTrigger.objects.filter(status="active").count() == 2


def test_changing_keeps_the_id_and_counts_from_then(desk, market, bob):
    trigger = desk.set(250)
    market.look()
    terms = terms_of(desk.ongc, 255, 275, prices=(254, 276), quantity=5)
    quote = market.tick(desk.ongc, 254, 260)
    market.sleep(5)
    change_trigger(desk.user, trigger.pk, terms, quote=quote, now=market.now)

    row = trigger_of(desk.user, trigger.pk)
    assert (row.kind, row.fire_below, row.fire_above, row.revision) == ("two-leg", 255, 275, 1)
    assert [(leg.quantity, leg.price) for leg in row.legs.all()] == [(5, 254), (5, 276)]
    assert (row.created_at, row.updated_at) == (trigger.created_at, market.now)
    # 254 came before.
    assert market.look() == 0
    market.tick(desk.ongc, 276)
    assert market.look() == 1
    for act in (
        lambda: change_trigger(desk.user, trigger.pk, terms, quote=quote, now=market.now),
        lambda: delete_trigger(desk.user, trigger.pk, now=market.now),
    ):
        with pytest.raises(TriggerNotChangeable, match="is triggered"):
            act()
    with pytest.raises(TriggerNotFound):
        delete_trigger(bob, trigger.pk, now=market.now)
    other = terms_of(make_instrument("NSE:INFY"), 250)
    fresh = desk.set(250)
    with pytest.raises(InvalidOrder, match="keeps its instrument"):
        change_trigger(desk.user, fresh.pk, other, quote=quote, now=market.now)
    assert reread(fresh).revision == 0


def test_a_deleted_one_fires_no_more(desk, market):
    trigger = desk.set(250)
    delete_trigger(desk.user, trigger.pk, now=market.now)
    market.tick(desk.ongc, 249)
    assert market.look() == 0
    assert reread(trigger).status == GttStatus.DELETED


def test_a_year_later_it_is_over(desk, market, django_capture_on_commit_callbacks):
    trigger = desk.set(250)
    assert trigger.expires_at == market.now + timedelta(days=365)
    market.sleep(365 * 86_400)
    # Also before the round that says so.
    market.tick(desk.ongc, 249)
    assert market.look() == 0
    with pytest.raises(TriggerNotChangeable, match="is expired"):
        delete_trigger(desk.user, trigger.pk, now=market.now)
    with django_capture_on_commit_callbacks(execute=True):
        assert expire_triggers(now=market.now, notify=market.notify) == 1
    assert expire_triggers(now=market.now, notify=market.notify) == 0
    assert reread(trigger).status == GttStatus.EXPIRED
    assert [values["subject"] for _, _, values in market.mails] == [
        "Your GTT on NSE:ONGC has expired"
    ]


def test_the_list_has_what_is_active_and_the_last_week(desk, market, bob):
    old, recent, active = desk.set(250), desk.set(240), desk.set(230)
    delete_trigger(desk.user, old.pk, now=market.now)
    market.sleep(6 * 86_400)
    delete_trigger(desk.user, recent.pk, now=market.now)
    market.sleep(86_401)
    listed = triggers_of(desk.user, now=market.now)
    assert [each.pk for each in listed] == [active.pk, recent.pk]
    assert not triggers_of(bob, now=market.now)
    with pytest.raises(TriggerNotFound):
        trigger_of(bob, active.pk)
