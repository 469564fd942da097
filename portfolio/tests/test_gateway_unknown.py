"""Answers that never come: queried, quarantined, adopted or given up, never sent again."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.db import OperationalError

from market.domain.enums import OrderType, Side, TimeInForce
from market.domain.messages import OrderTicket
from portfolio.models import Order, Trade, VenueAccount
from portfolio.services.orders import cancel_order, modify_order
from portfolio.tests.gateway_kit import Driver, ScriptedVenue, nothing

pytestmark = pytest.mark.usefixtures("real_db")


def driven(stage, *script, **fields):
    """Return a started driver of a scripted venue."""
    driver = Driver(stage, venue=ScriptedVenue(script=list(script)), **fields)
    assert driver.start()
    return driver


def test_a_lost_answer_is_looked_up_and_adopted(stage):
    driver = driven(stage, "lost")
    stage.place(250)
    driver.settle()
    assert stage.statuses() == ["UNKNOWN"]
    assert Order.objects.get().hold_remaining > 0
    assert driver.venue.queries == []
    stage.pass_time(0.5)
    driver.settle()
    order = Order.objects.get()
    assert (order.status, order.venue_order_id, order.unknown_since) == ("OPEN", "X", None)
    assert len(driver.venue.sends) == 1


def test_an_order_nobody_has_is_given_up_after_the_quarantine_and_never_sent_again(stage):
    driver = driven(stage, "dropped")
    stage.place(250)
    driver.settle()
    asked_at = []
    for _ in range(400):
        before = len(driver.venue.queries)
        stage.pass_time(0.5)
        driver.settle()
        if len(driver.venue.queries) > before:
            asked_at.append(round((stage.now - Order.objects.get().created_at).total_seconds(), 1))
        if stage.statuses() != ["UNKNOWN"]:
            break
    assert asked_at == [0.5, 1, 2, 4, 8, 15, 30, 60, 90, 120, 150, 180]
    order = Order.objects.get()
    assert (order.status, order.hold_remaining) == ("NOT_AT_VENUE", 0)
    assert driver.told == [stage.book.pk]
    assert len(driver.venue.sends) == 1


def test_a_failed_query_never_means_absent(stage):
    driver = driven(stage, "dropped", quarantine=timedelta(0))
    stage.place(250)
    driver.settle()
    driver.venue.is_down = True
    stage.pass_time(600)
    driver.settle()
    assert stage.statuses() == ["UNKNOWN"]
    driver.venue.is_down = False
    stage.pass_time(30)
    driver.settle()
    assert stage.statuses() == ["NOT_AT_VENUE"]


def test_a_late_accept_is_adopted_and_cancelled(stage):
    driver = driven(stage, "late", quarantine=timedelta(0))
    stage.place(250)
    driver.settle()
    stage.pass_time(1)
    driver.settle()
    assert stage.statuses() == ["NOT_AT_VENUE"]
    driver.venue.arrive_late()
    stage.pass_time(10)
    driver.settle()
    order = Order.objects.get()
    kinds = list(order.events.order_by("sequence").values_list("kind", flat=True))
    assert kinds[-2:] == ["ADOPTED", "CANCELLED"]
    assert (order.status, order.hold_remaining) == ("CANCELLED", 0)
    assert driver.venue.taken == {}


def test_a_fill_of_an_unknown_order_is_taken(stage):
    driver = driven(stage, "lost")
    (placed,) = stage.place(250)
    driver.settle()
    driver.venue.fill(placed.client_order_id, at=stage.now)
    driver.settle()
    assert stage.statuses() == ["FILLED"]
    assert Trade.objects.count() == 1


def test_a_fill_survives_a_database_that_fails_while_it_is_stored(stage, monkeypatch):
    driver = driven(stage)
    (placed,) = stage.place(250)
    driver.settle()
    driver.venue.fill(placed.client_order_id, at=stage.now)

    def fail(*_, **__):
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr("portfolio.gateway.core.store_reports", fail)
        with pytest.raises(OperationalError):
            driver.settle()
    driver.gateway.forget()
    assert driver.start()
    driver.settle()
    assert stage.statuses() == ["FILLED"]


def test_what_was_not_sent_is_tried_five_times_under_one_id(stage):
    driver = driven(stage, *["not sent"] * 9)
    stage.place(250)
    pauses = []
    for _ in range(400):
        driver.settle()
        order = Order.objects.get()
        if order.status != "READY":
            break
        if not pauses or pauses[-1] != order.send_after:
            pauses.append(order.send_after)
        stage.pass_time(0.25)
    assert [b - a for a, b in pairwise(pauses)] == [timedelta(seconds=s) for s in (2, 4, 8)]
    assert (order.status, order.status_code) == ("REJECTED", "VENUE_UNREACHABLE")
    assert order.hold_remaining == 0
    assert driver.venue.sends == [order.client_order_id] * 5
    assert stage.book.pk in driver.told


def test_a_busy_venue_is_tried_after_what_it_asked_for(stage):
    driver = driven(stage, "busy")
    stage.place(250)
    driver.settle()
    assert Order.objects.get().send_after == stage.now + timedelta(seconds=3)
    stage.pass_time(3)
    driver.settle()
    assert stage.statuses() == ["OPEN"]


def test_a_refusal_ends_the_order_and_releases_its_hold(stage):
    driver = driven(stage, "refused")
    stage.place(250)
    driver.settle()
    order = Order.objects.get()
    assert (order.status, order.status_code, order.hold_remaining) == ("REJECTED", "NO_MARGIN", 0)


def test_a_duplicate_is_ours_and_adopted(stage):
    driver = driven(stage)
    (placed,) = stage.place(250)
    key = stage.account.pk, placed.client_order_id
    driver.venue.taken[key] = _ticket_of(Order.objects.get())
    driver.settle()
    assert stage.statuses() == ["OPEN"]
    assert driver.venue.queries == [placed.client_order_id]


def _ticket_of(order) -> OrderTicket:
    return OrderTicket(
        order.venue_account_id,
        order.client_order_id,
        order.instrument_id,
        Side(order.side),
        OrderType.LIMIT,
        order.quantity,
        TimeInForce.GTC,
        price=order.price,
    )


@pytest.mark.parametrize(("act", "expected"), [("ok", "OPEN"), ("dropped", "NOT_AT_VENUE")])
def test_what_was_being_sent_at_a_restart_is_looked_up(stage, act, expected):
    class Died(Exception):
        """The process ends between the venue's answer and its record."""

    def die():
        raise Died

    venue = ScriptedVenue(script=[act], before_answer=die)
    driver = Driver(stage, venue=venue)
    driver.start()
    stage.place(250)
    with pytest.raises(Died):
        driver.settle()
    assert stage.statuses() == ["SENDING"]
    venue.before_answer = nothing
    other = Driver(stage, venue=venue, quarantine=timedelta(0))
    other.start()
    assert stage.statuses() == [expected]
    other.settle()
    assert len(venue.sends) == 1


def test_an_orphan_with_our_prefix_is_cancelled_and_a_foreign_order_is_not(stage):
    driver = driven(stage)
    (placed,) = stage.place(250)
    driver.settle()
    order = Order.objects.get()
    for name in ("fborphan", "someone-else"):
        key = stage.account.pk, name
        driver.venue.taken[key] = driver.venue.taken[stage.account.pk, placed.client_order_id]
        driver.venue.taken[key] = _renamed(driver.venue.taken[key], name)
    stage.pass_time(10)
    driver.settle()
    assert driver.venue.cancels == ["fborphan"]
    left = {key[1] for key in driver.venue.taken}
    assert left == {order.client_order_id, "someone-else"}


def _renamed(ticket, name):
    return replace(ticket, client_order_id=name)


def test_an_order_missing_at_the_venue_twice_makes_the_account_not_ready(stage):
    driver = driven(stage)
    stage.place(250)
    driver.settle()
    ticket = driver.venue.taken.copy()
    driver.venue.taken.clear()
    for expected in ("READY", "NOT_READY"):
        stage.pass_time(10)
        driver.settle()
        assert VenueAccount.objects.get(pk=stage.account.pk).status == expected
    stage.place(251)
    driver.settle()
    assert stage.statuses() == ["OPEN", "READY"]
    driver.venue.taken.update(ticket)
    stage.pass_time(10)
    driver.settle()
    assert stage.statuses() == ["OPEN", "OPEN"]


def test_a_refused_cancel_leaves_the_order_open(stage, alice):
    driver = driven(stage)
    (placed,) = stage.place(250)
    driver.settle()
    ticket = driver.venue.taken.pop((stage.account.pk, placed.client_order_id))
    cancel_order(alice, placed.order_id, now=stage.now, enqueue=nothing)
    driver.settle()
    order = Order.objects.get()
    assert (order.status, order.cancel_requested_at) == ("OPEN", None)
    assert order.status_message == "not open here"
    driver.venue.taken[stage.account.pk, placed.client_order_id] = ticket


def test_a_refused_change_leaves_the_order_as_it_was(stage, alice):
    driver = driven(stage)
    (placed,) = stage.place(250)
    driver.settle()
    held = Order.objects.get().hold_remaining
    modify_order(alice, placed.order_id, price=Decimal(255), now=stage.now, enqueue=nothing)
    assert Order.objects.get().hold_remaining > held
    driver.settle()
    order = Order.objects.get()
    assert (order.status, order.price, order.hold_remaining) == ("OPEN", 250, held)


def test_a_cancel_asked_while_the_answer_was_lost_goes_out_after_the_adoption(stage, alice):
    driver = driven(stage, "lost")
    (placed,) = stage.place(250)
    driver.settle()
    cancel_order(alice, placed.order_id, now=stage.now, enqueue=nothing)
    driver.settle()
    assert stage.statuses() == ["UNKNOWN"]
    assert driver.venue.cancels == []
    stage.pass_time(0.5)
    driver.settle()
    assert stage.statuses() == ["CANCELLED"]
