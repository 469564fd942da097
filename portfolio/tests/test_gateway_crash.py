"""The gateway dies at every crash point and starts again: nothing is lost, nothing is twice."""

import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal

import pytest
from django.db import transaction

from market.domain.enums import TimeInForce
from portfolio.gateway.crash import POINTS
from portfolio.models import Order, OrderEvent, OrderPlan, Trade, VenueEvent
from portfolio.services.invariants import check_invariants
from portfolio.services.order_plans import IcebergTerms, place_varied
from portfolio.services.orders import cancel_order
from portfolio.tests.gateway_kit import nothing, set_stage

PATH = ["262", "259.5", "262"]


@pytest.fixture
def children(real_db):
    """Return a function that runs one gateway process and returns its exit code."""
    environment = {
        **os.environ,
        "DATABASE_URL": real_db.url,
        "DJANGO_SETTINGS_MODULE": "finbyte_site.settings_test",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "portfolio.tests.gateway_children"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def run(point, prices=PATH):
            process.stdin.write(f"{point} {' '.join(prices)}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield run
        process.stdin.close()


def place_all_kinds(stage, user):
    """Place what the path fills, rests, cancels and ends: return the expected states."""
    bought, deep = stage.place(None, 250)
    filled = stage.place(261, 260, quantity=Decimal(3))
    resting = stage.place(255)
    ioc = stage.place(255, time_in_force=TimeInForce.IOC)
    cancelled = stage.place(254)
    cancel_order(user, cancelled[0].order_id, now=stage.now, enqueue=nothing)
    return {
        bought.order_id: "FILLED",
        deep.order_id: "OPEN",
        filled[0].order_id: "FILLED",
        filled[1].order_id: "FILLED",
        resting[0].order_id: "OPEN",
        ioc[0].order_id: "CANCELLED",
        cancelled[0].order_id: "CANCELLED",
    }


def test_each_crash_point_and_a_restart(real_db, children, alice, now):
    stage = set_stage(alice, now)
    died = Counter()
    for point in POINTS:
        expected = place_all_kinds(stage, alice)
        # An order that rests is asked to be cancelled, so that the point after a cancel is met.
        for order in Order.objects.filter(status="OPEN").order_by("id")[:1]:
            cancel_order(alice, order.pk, now=stage.now, enqueue=nothing)
            expected[order.pk] = "CANCELLED"
        if point.startswith("P:"):
            expected |= place_iceberg(stage)
        died[point] = children(point)
        # Each leg fills at the tick after the one that brought it.
        assert children("-", [*PATH, *PATH]) == 0
        assert_nothing_lost(stage, expected, point)
    assert died == dict.fromkeys(POINTS, 9)


def place_iceberg(stage):
    """Place an iceberg whose first leg the path fills; its others follow."""
    with transaction.atomic(durable=True):
        placed = place_varied(
            stage.book.pk,
            stage.request(260, quantity=Decimal(5)),
            terms=IcebergTerms(2, Decimal(3)),
            quote=stage.quote,
            now=stage.now,
            enqueue=nothing,
        )
    return {placed.order_id: "FILLED"}


def test_a_killed_gateway_places_each_leg_once(real_db, children, alice, now):
    """Between a fill and the next leg, and between the next leg's commit and its sending."""
    stage = set_stage(alice, now)
    for point in ("R:after", "F:after", "P:before", "P:after", "T2:before"):
        first = place_iceberg(stage)
        assert children(point) == 9
        assert children("-", [*PATH, *PATH]) == 0
        legs = Order.objects.filter(pk__gte=min(first)).order_by("pk")
        assert list(legs.values_list("quantity", "filled_quantity", "status")) == [
            (3, 3, "FILLED"),
            (2, 2, "FILLED"),
        ], point
    assert set(OrderPlan.objects.values_list("status", "placed")) == {("DONE", 2)}
    sends = Counter(OrderEvent.objects.filter(kind="SENDING").values_list("order_id", flat=True))
    assert set(sends.values()) == {1}
    assert Trade.objects.count() == 10
    assert check_invariants(now=stage.now) == []


def assert_nothing_lost(stage, expected, point):
    """An order that was being sent may not have arrived: its owner hears of it and decides."""
    states = dict(Order.objects.filter(pk__in=expected).values_list("pk", "status"))
    gone = [pk for pk, status in states.items() if status == "NOT_AT_VENUE"]
    if point not in {"T2:after", "S:after"}:
        assert gone == [], point
    wrong = {pk: (states[pk], end) for pk, end in expected.items() if states[pk] != end}
    assert set(wrong) <= set(gone), (point, wrong)
    for order in Order.objects.filter(pk__in=expected):
        traded = sum(order.trades.values_list("quantity", flat=True))
        assert (
            traded == order.filled_quantity == (order.quantity if order.status == "FILLED" else 0)
        ), (point, order)
    sends = Counter(OrderEvent.objects.filter(kind="SENDING").values_list("order_id", flat=True))
    assert max(sends.values()) == 1, point
    assert VenueEvent.objects.filter(applied_at=None).count() == 0
    reports = VenueEvent.objects.filter(payload__kind="TRADE").count()
    assert reports == Trade.objects.count()
    assert check_invariants(now=stage.now) == []


def test_kill_9_at_random_moments_leaves_the_same_book(real_db, children, alice, now):
    """Every life of the gateway ends by a crash; the price path goes on where it was."""
    stage = set_stage(alice, now)
    stage.place(*[Decimal(260) - n for n in range(8)])
    for number, point in enumerate(["T3:after", "R:after", "R:before", "F:after", "-"]):
        children(point, ["262", str(260 - 2 * number)])
    assert stage.statuses() == ["FILLED"] * 8
    prices = Trade.objects.order_by("id").values_list("price", flat=True)
    assert sorted(prices) == [Decimal(253) + n for n in range(8)]
    assert check_invariants(now=stage.now) == []
