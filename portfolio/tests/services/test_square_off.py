"""Intraday positions end with the day: once, late, in parts, and visibly where they cannot."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from market.domain.calendars import IST, square_off_at
from market.domain.enums import Calendar, OrderStatus, Product, Side, SourceKind
from market.domain.messages import ReportKind
from portfolio.exceptions import InvalidOrder
from portfolio.models import Book, KillSwitch, Order, Position, RiskLimit
from portfolio.services.executions import apply_report
from portfolio.services.intraday import Conversion, convert_position
from portfolio.services.invariants import check_invariants
from portfolio.services.kill_switches import set_kill
from portfolio.services.square_off import open_intraday, square_off, tidy_purses
from portfolio.tests.factories import (
    balances,
    fill,
    make_quote,
    make_report,
    make_request,
    no_hint,
    number,
    place,
    send,
    trade_now,
)

pytestmark = pytest.mark.django_db
LIVE, SIMULATED = SourceKind.LIVE, SourceKind.SIMULATED


def ist(text):
    """Return a moment of March 2026 in India, for example "3 05:55:00"."""
    return datetime.strptime(f"2026-03-{text}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=IST)


def request_of(ongc, side, quantity, price=260, **values):
    request = make_request(ongc, side, quantity=quantity, price=price, **values)
    return replace(request, product=Product.MIS)


def open_position(book, ongc, side, quantity, *, at):
    order = place(book, request_of(ongc, side, quantity), last=260, now=at)[0]
    assert order.status is OrderStatus.READY, order.message
    send(order.order_id, now=at)
    fill(order.order_id, quantity, 260, now=at)


def run(ongc, at, *, last=260, source=SIMULATED, age=timedelta(0)):
    """Do what the task does, at a moment."""
    quote = make_quote(ongc, last, now=at - age, source=source)
    placed = square_off(open_intraday(), {ongc.pk: quote}, now=at, enqueue=no_hint)
    tidy_purses(now=at)
    return placed


def closing_orders():
    return list(Order.objects.filter(source="SYSTEM").order_by("pk"))


@pytest.mark.parametrize(
    ("source", "opened", "ends"),
    [
        (SIMULATED, "2 10:00:00", "3 05:55:00"),
        (SIMULATED, "3 05:54:59", "3 05:55:00"),
        (SourceKind.REPLAY, "3 06:00:00", "4 05:55:00"),
        (LIVE, "2 10:00:00", "2 15:25:00"),
        (LIVE, "2 15:27:00", "2 15:25:00"),
        (LIVE, "2 20:00:00", "3 15:25:00"),
        (LIVE, "6 20:00:00", "9 15:25:00"),  # over the weekend
    ],
)
def test_when_a_position_is_squared_off(source, opened, ends):
    assert square_off_at(Calendar.NSE, source, ist(opened)) == ist(ends)


@pytest.mark.parametrize(("side", "back"), [(Side.BUY, Side.SELL), (Side.SELL, Side.BUY)])
def test_a_position_is_closed_at_the_end_of_its_day(manual, intraday, ongc, side, back):
    open_position(intraday, ongc, side, 10, at=ist("2 10:00:00"))
    assert run(ongc, ist("3 05:54:59")) == 0
    assert run(ongc, ist("3 05:55:00")) == 1
    order = closing_orders()[0]
    assert (order.side, order.quantity, order.order_type) == (back, 10, "MARKET")
    assert (order.product, order.slot_ref) == ("MIS", f"square-off:2026-03-02:{ongc.pk}-1")
    assert run(ongc, ist("3 05:55:30")) == 0
    send(order.pk, now=ist("3 05:55:31"))
    fill(order.pk, 10, 260, now=ist("3 05:55:31"))
    assert run(ongc, ist("3 05:56:00")) == 0
    assert open_intraday() == []
    assert balances(intraday) == {}
    assert balances(manual) == {("AVAILABLE", "INR"): number("99997.4")}
    assert check_invariants(now=ist("3 05:56:00")) == []


def test_open_orders_are_cancelled_before_anything_is_closed(intraday, ongc, manual):
    start, end = ist("2 10:00:00"), ist("3 05:55:00")
    open_position(intraday, ongc, Side.SELL, 10, at=start)
    resting = place(intraday, request_of(ongc, Side.BUY, 4, 250), last=260, now=start)[0].order_id
    send(resting, now=start)
    ready = place(intraday, request_of(ongc, Side.SELL, 3, 262), last=260, now=start)[0].order_id
    assert run(ongc, end) == 0
    assert Order.objects.get(pk=ready).status == OrderStatus.CANCELLED
    assert Order.objects.get(pk=resting).status == OrderStatus.CANCEL_PENDING
    # It trades a last time before the venue hears of the cancel.
    fill(resting, 1, 250, now=end)
    assert run(ongc, end + timedelta(seconds=30)) == 0
    apply_report(make_report(resting, ReportKind.CANCELLED, now=end), now=end)
    assert run(ongc, end + timedelta(seconds=60)) == 1
    assert [(order.side, order.quantity) for order in closing_orders()] == [("BUY", 9)]
    assert check_invariants(now=end) == []


def test_what_did_not_fill_is_tried_again_with_growing_pauses(intraday, ongc, manual):
    open_position(intraday, ongc, Side.BUY, 10, at=ist("2 10:00:00"))
    at = ist("3 05:55:00")
    placed = []
    for _ in range(14):
        if run(ongc, at):
            order = closing_orders()[-1]
            placed.append((at.minute, order.quantity))
            send(order.pk, now=at)
            fill(order.pk, 1, 260, now=at)
            apply_report(make_report(order.pk, ReportKind.CANCELLED, now=at), now=at)
        at += timedelta(seconds=30)
    assert placed == [(55, 10), (56, 9), (58, 8), (1, 7)]
    assert Position.objects.get(book=intraday).quantity == 6
    # The day has rolled; what is left is still of the old day, and closed under its name.
    assert closing_orders()[-1].slot_ref == f"square-off:2026-03-02:{ongc.pk}-4"


def test_a_run_that_was_missed_is_made_up_for(intraday, ongc, manual):
    open_position(intraday, ongc, Side.SELL, 10, at=ist("2 10:00:00"))
    assert run(ongc, ist("4 11:00:00")) == 1
    assert closing_orders()[0].slot_ref == f"square-off:2026-03-02:{ongc.pk}-1"


def test_live_prices_end_with_the_exchange(intraday, ongc, manual):
    open_position(intraday, ongc, Side.BUY, 10, at=ist("2 10:00:00"))
    assert run(ongc, ist("2 15:24:59"), source=LIVE) == 0
    assert run(ongc, ist("2 15:25:00"), source=LIVE) == 1


@pytest.mark.parametrize("obstacle", ["no price", "old price", "closed", "killed"])
def test_what_cannot_be_closed_stays_and_is_told_of(intraday, ongc, manual, caplog, obstacle):
    open_position(intraday, ongc, Side.BUY, 10, at=ist("2 10:00:00"))
    at, source = ist("3 05:55:00"), SIMULATED
    with caplog.at_level(logging.WARNING):
        match obstacle:
            case "no price":
                assert square_off(open_intraday(), {}, now=at, enqueue=no_hint) == 0
            case "old price":
                assert run(ongc, at, age=timedelta(seconds=30)) == 0
            case "closed":
                at, source = ist("2 15:31:00"), LIVE
                assert run(ongc, at, source=source) == 0
            case _:
                scope = KillSwitch.Scope.BOOK
                set_kill(scope, intraday.pk, active=True, reason="test", now=at)
                assert run(ongc, at) == 0
                set_kill(scope, intraday.pk, active=False, reason="", now=at)
                assert Order.objects.get(source="SYSTEM").status == OrderStatus.DENIED
    assert "square" in caplog.text
    assert Position.objects.get(book=intraday).quantity == 10
    at = ist("3 10:00:00") if source is SIMULATED else ist("3 09:15:00")
    assert run(ongc, at, source=source) == 1


def test_own_limits_of_size_do_not_stand_in_the_way(alice, intraday, ongc, manual):
    open_position(intraday, ongc, Side.SELL, 10, at=ist("2 10:00:00"))
    RiskLimit.objects.create(user=alice, max_order_value=1, max_open_value=1, max_position_value=1)
    Book.objects.filter(pk=intraday.pk).update(trading_state="REDUCING")
    assert run(ongc, ist("3 05:55:00")) == 1


def test_nothing_is_opened_while_the_day_ends(alice, intraday, ongc, manual):
    end = ist("3 05:55:00")
    trade_now(manual, ongc, quantity=5, price=260, now=end)
    order = place(intraday, request_of(ongc, Side.BUY, 1), last=260, now=end)[0]
    assert (order.status, order.code) == (OrderStatus.DENIED, "R1_SESSION_CLOSED")
    wanted = Conversion(ongc.spec, Side.BUY, number(5), Product.CNC, Product.MIS)
    with pytest.raises(InvalidOrder, match="has ended for the day"):
        convert_position(alice, wanted, quote=make_quote(ongc, 260, now=end), now=end)
    later = ist("3 06:00:00")
    convert_position(alice, wanted, quote=make_quote(ongc, 260, now=later), now=later)
    assert run(ongc, later) == 0
    assert Position.objects.get(book=intraday).quantity == 5


def test_a_position_left_of_yesterday_can_be_closed_by_hand_not_made_larger(intraday, ongc, manual):
    open_position(intraday, ongc, Side.SELL, 10, at=ist("2 10:00:00"))
    today = ist("3 10:00:00")
    codes = [
        place(intraday, request_of(ongc, side, 10, price), last=260, now=today)[0].code
        for side, price in ((Side.SELL, None), (Side.BUY, 260), (Side.BUY, None))
    ]
    assert codes == ["R1_SESSION_CLOSED", "R1_SESSION_CLOSED", ""]


def test_nobody_keeps_a_position_open_with_orders_that_never_trade(intraday, ongc, manual):
    open_position(intraday, ongc, Side.BUY, 10, at=ist("2 10:00:00"))
    at = ist("3 05:55:00")
    for price, trigger in ((280, None), (None, 240)):
        request = request_of(ongc, Side.SELL, 10, price, trigger=trigger)
        order = place(intraday, request, last=260, now=at)[0]
        assert (order.status, order.code) == (OrderStatus.DENIED, "R1_SESSION_CLOSED")
    assert run(ongc, at) == 1
