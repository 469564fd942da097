"""Validity, disclosure, protection, after-market orders, auctions, slices, and old keys."""

# Decimals are compared with plain numbers on purpose.
# mypy: disable-error-code="comparison-overlap"

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

import pytest
from django.db import transaction

from market.domain.enums import OrderType, Side, SourceKind, TimeInForce, Variety
from market.models import Instrument
from portfolio.domain.order_plans import AuctionTerms, IcebergTerms
from portfolio.domain.order_state import kite_status_of
from portfolio.exceptions import (
    IdempotencyConflict,
    InsufficientFunds,
    InvalidOrder,
    NoAuction,
    OrderNotChangeable,
)
from portfolio.models import GatewayShard, IdempotencyKey, Order, OrderPlan
from portfolio.services.gateway import claim_ready, find_work
from portfolio.services.invariants import check_invariants
from portfolio.services.order_plans import place_slices, place_varied
from portfolio.services.orders import cancel_order, modify_order, place_order
from portfolio.tests.factories import (
    balances,
    give,
    make_account,
    make_book,
    make_instrument,
    make_quote,
    make_request,
    no_hint,
    place,
    send,
)

pytestmark = pytest.mark.django_db
D = Decimal
# Monday evening in India, after the exchange has closed.
EVENING = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


@pytest.fixture
def ongc(db):
    return make_instrument("NSE:ONGC")


@pytest.fixture
def book(alice, now):
    return make_book(make_account(alice, now=now), now=now, funds=100_000)


@pytest.fixture(autouse=True)
def _invariants_hold(db, now):
    yield
    assert check_invariants(now=now) == []


def ask(ongc, side=Side.BUY, *, price=260, **fields):
    built = {name: fields.pop(name) for name in ("quantity", "trigger", "key") if name in fields}
    return replace(make_request(ongc, side, price=price, **built), **fields)


def place_with(book, request, quote, now):
    with transaction.atomic():
        return place_order(book.pk, request, quote=quote, now=now, enqueue=no_hint)


# ------------------------------------------------------------------ validity


def test_minutes_end_an_order_in_market_time(book, ongc, now):
    request = ask(ongc, time_in_force=TimeInForce.TTL, validity_ttl=5)
    quote = replace(make_quote(ongc, 262, now=now), exchange_time=now - timedelta(seconds=3))
    place_with(book, request, quote, now)
    order = Order.objects.get()
    assert (order.time_in_force, order.validity_ttl) == ("TTL", 5)
    assert order.expires_at == now + timedelta(minutes=5, seconds=-3)
    created = order.events.get()
    assert created.detail == {
        "quantity": "10",
        "price": "260",
        "source": "CONSOLE",
        "order_type": "LIMIT",
        "time_in_force": "TTL",
        "validity_ttl": 5,
    }


@pytest.mark.parametrize(
    ("minutes", "code"), [(0, "BELOW_MIN"), (-1, "BELOW_MIN"), (1196, "ABOVE_MAX")]
)
def test_minutes_are_one_to_the_rest_of_the_day(book, ongc, now, minutes, code):
    # 10:00 in India; the day of a simulated market ends at 05:55.
    request = ask(ongc, time_in_force=TimeInForce.TTL, validity_ttl=minutes)
    with pytest.raises(InvalidOrder) as caught:
        place(book, request, last=262, now=now)
    assert (caught.value.field, caught.value.code) == ("validity_ttl", code)
    assert (caught.value.minimum, caught.value.maximum) == (1, 1195)
    assert not Order.objects.exists()
    place(book, replace(request, validity_ttl=1195), last=262, now=now)
    assert Order.objects.get().expires_at == now + timedelta(minutes=1195)


def test_minutes_count_with_their_validity_only(book, ongc, now):
    place(book, ask(ongc, time_in_force=TimeInForce.GTC, validity_ttl=7), last=262, now=now)
    order = Order.objects.get()
    assert (order.time_in_force, order.validity_ttl, order.expires_at) == ("GTC", 0, None)


# ------------------------------------------------------------------ disclosure and protection


@pytest.mark.parametrize(
    ("disclosed", "code", "limits"),
    [
        ("9", "BELOW_MIN", (10, 100)),
        ("101", "ABOVE_MAX", (10, 100)),
        ("-10", "BELOW_MIN", (10, 100)),
        ("10.5", "NOT_LOT", (1, None)),
        ("NaN", "BELOW_MIN", (10, 100)),
    ],
)
def test_disclosed_is_a_share_of_the_quantity(book, ongc, now, disclosed, code, limits):
    with pytest.raises(InvalidOrder) as caught:
        place(book, ask(ongc, quantity=100, disclosed_quantity=D(disclosed)), last=262, now=now)
    assert (caught.value.field, caught.value.code) == ("disclosed_quantity", code)
    assert (caught.value.minimum, caught.value.maximum) == limits
    assert not Order.objects.exists()


def test_disclosed_is_kept(book, ongc, now):
    place(book, ask(ongc, quantity=100, disclosed_quantity=D(10)), last=262, now=now)
    assert Order.objects.get().disclosed_quantity == 10


@pytest.mark.parametrize(
    ("percent", "worst"), [("-1", "275.10"), ("0", "275.10"), ("2.5", "268.55"), ("10", "288.20")]
)
def test_protection_is_reckoned_from_the_market(book, ongc, now, percent, worst):
    request = ask(ongc, price=None, market_protection=D(percent))
    place(book, request, last=262, now=now)
    order = Order.objects.get()
    assert (order.market_protection, order.protection_price) == (D(percent), D(worst))
    # The money held covers the worst price, fees of 0.05 % included.
    assert balances(book)["HELD", "INR"] == D(worst) * 10 * D("1.0005")


def test_protection_of_a_stop_is_reckoned_from_its_trigger(book, ongc, now):
    give(book, "NSE:ONGC", 10, now=now)
    request = ask(ongc, Side.SELL, price=None, trigger=250, market_protection=D(1))
    place(book, request, last=262, now=now)
    assert Order.objects.get().protection_price == D("247.5")


@pytest.mark.parametrize(
    ("percent", "code"),
    [("-2", "BELOW_MIN"), ("-0.5", "BELOW_MIN"), ("100.01", "ABOVE_MAX"), ("1.005", "NOT_TICK")],
)
def test_protection_outside_its_limits_is_refused(book, ongc, now, percent, code):
    with pytest.raises(InvalidOrder) as caught:
        place(book, ask(ongc, price=None, market_protection=D(percent)), last=262, now=now)
    assert (caught.value.field, caught.value.code) == ("market_protection", code)
    assert (caught.value.minimum, caught.value.maximum) == (-1, 100)
    assert not Order.objects.exists()


# ------------------------------------------------------------------ after-market orders


def live_quote(ongc, price, *, at, received=None):
    quote = make_quote(ongc, price, now=at, source=SourceKind.LIVE)
    return quote if received is None else replace(quote, received_at=received)


def test_an_after_market_order_waits_for_the_next_session(book, ongc, now):
    closed_at = EVENING - timedelta(hours=4, minutes=30)
    quote = live_quote(ongc, 262, at=closed_at)
    regular = ask(ongc, time_in_force=TimeInForce.DAY)
    assert place_with(book, regular, quote, EVENING).code == "R12_STALE_QUOTE"
    fresh = live_quote(ongc, 262, at=closed_at, received=EVENING)
    assert place_with(book, regular, fresh, EVENING).code == "R1_SESSION_CLOSED"
    placed = place_with(book, replace(regular, variety=Variety.AMO), quote, EVENING)
    order = Order.objects.get(pk=placed.order_id)
    opens_at = datetime(2026, 3, 3, 3, 45, tzinfo=UTC)
    assert (order.status, order.variety, order.send_after) == ("READY", "amo", opens_at)
    assert order.expires_at == datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
    assert balances(book)["HELD", "INR"] == D("2601.3")
    shard = GatewayShard.objects.get(number=0)
    early = opens_at - timedelta(seconds=1)
    assert not find_work(0, now=early).orders
    assert find_work(0, now=opens_at).orders
    assert Order.objects.filter(status="READY").count() == 1
    assert shard.fence >= 0


def test_the_gateway_claims_it_when_its_session_opens(book, ongc, now):
    quote = live_quote(ongc, 262, at=EVENING - timedelta(hours=5))
    amo = ask(ongc, time_in_force=TimeInForce.DAY, variety=Variety.AMO)
    place_with(book, amo, quote, EVENING)
    fence = GatewayShard.objects.get(number=0).fence
    opens_at = Order.objects.get().send_after
    claimed = claim_ready(0, fence=fence, now=opens_at - timedelta(seconds=1))
    assert (claimed.tickets, claimed.stopped) == ([], [])
    (ticket,) = claim_ready(0, fence=fence, now=opens_at).tickets
    assert ticket.expires_at == datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
    assert Order.objects.get().status == "SENDING"


def test_a_market_that_never_closes_opens_with_its_day(book, ongc, now):
    place(book, ask(ongc, variety=Variety.AMO, time_in_force=TimeInForce.DAY), last=262, now=now)
    order = Order.objects.get()
    assert order.send_after == datetime(2026, 3, 3, 0, 30, tzinfo=UTC)
    assert order.expires_at == datetime(2026, 3, 4, 0, 25, tzinfo=UTC)
    # It never closes, so an old price is no reason to wait.
    old = replace(make_quote(ongc, 262, now=now), received_at=now - timedelta(seconds=11))
    assert place_with(book, ask(ongc, variety=Variety.AMO), old, now).code == "R12_STALE_QUOTE"


def test_a_waiting_order_changes_and_ends_at_once(book, ongc, alice, now):
    placed = place(book, ask(ongc, variety=Variety.AMO), last=262, now=now)[0]
    modify_order(
        alice,
        placed.order_id,
        price=D(255),
        time_in_force=TimeInForce.DAY,
        quote=make_quote(ongc, 262, now=now),
        now=now,
        enqueue=no_hint,
    )
    order = Order.objects.get()
    assert (order.status, order.price, order.time_in_force) == ("READY", 255, "DAY")
    assert order.expires_at == datetime(2026, 3, 4, 0, 25, tzinfo=UTC)
    assert balances(book)["HELD", "INR"] == D("2551.275")
    assert cancel_order(alice, order.pk, now=now, enqueue=no_hint).status == "CANCELLED"
    assert balances(book) == {("AVAILABLE", "INR"): D(100_000)}


def test_a_waiting_order_has_its_own_name_on_the_wire(book, ongc, now):
    placed = place(book, ask(ongc, variety=Variety.AMO), last=262, now=now)[0]
    assert placed.status == "READY"
    names = [
        kite_status_of(placed.status, variety=variety, was_sent=was_sent)
        for variety in (Variety.AMO, Variety.REGULAR)
        for was_sent in (False, True)
    ]
    other = "PUT ORDER REQ RECEIVED"
    assert names == ["AMO REQ RECEIVED", other, other, other]


# ------------------------------------------------------------------ auctions and icebergs


@pytest.mark.parametrize(
    ("auction", "error", "words"),
    [("22", NoAuction, "no auction session 22"), ("", InvalidOrder, "needs an auction number")],
)
def test_there_are_no_auctions(book, ongc, now, auction, error, words):
    with pytest.raises(error, match=words):
        place_varied(
            book.pk,
            ask(ongc),
            terms=AuctionTerms(auction),
            quote=make_quote(ongc, 262, now=now),
            now=now,
            enqueue=no_hint,
        )
    with pytest.raises(NoAuction):
        place(book, ask(ongc, variety=Variety.AUCTION), last=262, now=now)
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("legs", "size", "fields", "expected"),
    [
        (1, 10, {}, ("iceberg_legs", "BELOW_MIN", 2, 50)),
        (51, 1, {}, ("iceberg_legs", "ABOVE_MAX", 2, 50)),
        (3, 3, {}, ("iceberg_quantity", "BELOW_MIN", 4, 4)),
        (3, 5, {}, ("iceberg_quantity", "ABOVE_MAX", 4, 4)),
        (2, 10, {}, ("iceberg_quantity", "ABOVE_MAX", 5, 9)),
        (2, "5.5", {}, ("iceberg_quantity", "NOT_LOT", 1, None)),
        (9, 2, {}, ("iceberg_legs", "ABOVE_MAX", 2, None)),
        (3, 4, {"disclosed_quantity": D(2)}, ("disclosed_quantity", "NOT_ALLOWED", None, None)),
        (3, 4, {"quantity": "NaN"}, ("quantity", "NOT_LOT", 1, None)),
        (3, 4, {"price": None, "trigger": 270}, ("order_type", "NOT_ALLOWED", None, None)),
    ],
)
def test_the_legs_must_make_up_the_quantity(book, ongc, now, legs, size, fields, expected):
    with pytest.raises(InvalidOrder) as caught:
        place_varied(
            book.pk,
            ask(ongc, **{"quantity": 10, **fields}),
            terms=IcebergTerms(legs, D(size)),
            quote=make_quote(ongc, 262, now=now),
            now=now,
            enqueue=no_hint,
        )
    error = caught.value
    assert (error.field, error.code, error.minimum, error.maximum) == expected
    assert not Order.objects.exists()
    assert not OrderPlan.objects.exists()


# ------------------------------------------------------------------ slices


@pytest.fixture
def frozen(ongc):
    """Make the largest order of ONGC 100 units."""
    Instrument.objects.filter(pk=ongc.pk).update(max_quantity=100)
    return Instrument.objects.get(pk=ongc.pk)


def cut(book, request, now, *, last=262):
    quote = make_quote(
        Instrument.objects.get(pk=request.instrument.instrument_token), last, now=now
    )
    return place_slices(book.pk, request, quote=quote, now=now, enqueue=no_hint)


def test_a_large_order_becomes_equal_slices(book, frozen, now):
    request = ask(frozen, quantity=305, tag="big", meta={"client_order_id": "c1"})
    results = cut(book, request, now)
    orders = list(Order.objects.order_by("pk"))
    assert [each.order_id for each in results] == [order.pk for order in orders]
    assert [order.quantity for order in orders] == [77, 76, 76, 76]
    parent = orders[0].pk
    assert [order.parent_id for order in orders] == [None, parent, parent, parent]
    assert orders[0].meta == {"client_order_id": "c1"}
    assert {(order.tag, tuple(order.meta.get("tags", ()))) for order in orders[1:]} == {
        ("big", ("autoslice", f"autoslice:{parent}"))
    }


def test_what_is_not_too_large_is_one_order(book, frozen, now):
    (placed,) = cut(book, ask(frozen, quantity=100), now)
    assert Order.objects.get().pk == placed.order_id
    assert Order.objects.get().meta == {}


def test_there_are_ten_slices_at_most(book, frozen, now):
    with pytest.raises(InvalidOrder) as caught:
        cut(book, ask(frozen, quantity=1001), now)
    assert (caught.value.field, caught.value.maximum) == ("quantity", 1000)
    assert not Order.objects.exists()


def test_a_slice_fails_by_itself_and_the_same_key_gives_the_same_list(book, frozen, alice, now):
    # 100,000 pay for three slices of 100 at 260 and fees, not for the fourth.
    request = ask(frozen, quantity=400, key="k1")
    first = cut(book, request, now)
    assert [type(each).__name__ for each in first] == ["PlacedOrder"] * 3 + ["InsufficientFunds"]
    error = first[3]
    assert isinstance(error, InsufficientFunds)
    assert (error.asset, error.needed, error.available) == ("INR", 26013, D(100_000 - 78_039))
    # With more money the answer is still the first one's.
    give(book, "INR", 100_000, now=now)
    again = cut(book, request, now)
    assert again[:3] == first[:3]
    assert str(again[3]) == str(error)
    assert (again[3].needed, again[3].available) == (error.needed, error.available)
    assert Order.objects.count() == 3
    key = IdempotencyKey.objects.get()
    assert (key.user, key.order_id) == (alice, first[0].order_id)
    with pytest.raises(IdempotencyConflict):
        cut(book, replace(request, quantity=D(399)), now)
    with pytest.raises(IdempotencyConflict):
        place(book, replace(request, quantity=D(100)), last=262, now=now)
    assert Order.objects.count() == 3


def test_what_the_first_slice_raises_is_raised(book, frozen, now):
    for _ in range(3):
        cut(book, ask(frozen, quantity=100), now)
    with pytest.raises(InsufficientFunds):
        cut(book, ask(frozen, quantity=200, key="k"), now)
    assert Order.objects.count() == 3
    assert not IdempotencyKey.objects.exists()


# ------------------------------------------------------------------ keys


def test_keys_of_before_there_were_varieties_still_match(book, ongc, alice, now):
    request = ask(ongc, key="old", time_in_force=TimeInForce.DAY)
    placed = place(book, request, last=262, now=now)[0]
    # As it was reckoned before orders had varieties, minutes, disclosure, protection and tags.
    words = [
        *(str(book.pk), str(ongc.pk), "BUY", "LIMIT", "CNC", "10", "DAY", "260", "None", "None")
    ]
    assert IdempotencyKey.objects.get().request_hash == sha256("|".join(words).encode()).hexdigest()
    assert place(book, request, last=262, now=now)[0].order_id == placed.order_id


@pytest.mark.parametrize(
    "other",
    [
        {"variety": Variety.AMO},
        {"time_in_force": TimeInForce.TTL, "validity_ttl": 5},
        {"disclosed_quantity": D(5)},
        {"market_protection": D(3)},
        {"tag": "other"},
    ],
)
def test_a_key_is_of_one_order_with_all_its_words(book, ongc, now, other):
    request = ask(ongc, key="k")
    place(book, request, last=262, now=now)
    with pytest.raises(IdempotencyConflict):
        place(book, replace(request, **other), last=262, now=now)
    same = replace(request, parent_id=None, **other)
    again = [place(book, replace(same, idempotency_key="k2"), last=262, now=now)[0] for _ in "12"]
    assert again[0] == again[1]
    assert Order.objects.count() == 2


# ------------------------------------------------------------------ changes


@pytest.fixture
def opened(book, ongc, now):
    order_id = place(book, ask(ongc), last=262, now=now)[0].order_id
    send(order_id, now=now)
    return order_id


def change(alice, order_id, ongc, now, *, last=262, age=0, **wanted):
    quote = replace(make_quote(ongc, last, now=now), received_at=now - timedelta(seconds=age))
    return modify_order(alice, order_id, quote=quote, now=now, enqueue=no_hint, **wanted)


def test_a_limit_becomes_a_market_order_and_the_dearer_one_is_held(opened, book, ongc, alice, now):
    change(alice, opened, ongc, now, order_type=OrderType.MARKET)
    order = Order.objects.get()
    assert (order.status, order.order_type, order.price) == ("MODIFY_PENDING", "LIMIT", 260)
    assert order.pending_change == {
        "quantity": "10",
        "price": None,
        "trigger_price": None,
        "order_type": "MARKET",
        "protection_price": "275.1",
    }
    assert balances(book)["HELD", "INR"] == D("2752.3755")


def test_without_a_fresh_price_nothing_becomes_a_market_order(opened, ongc, alice, now):
    wanted = {"order_type": OrderType.MARKET}
    with pytest.raises(OrderNotChangeable, match="no price of NSE:ONGC younger than 11 s"):
        change(alice, opened, ongc, now, age=11, **wanted)
    with pytest.raises(OrderNotChangeable, match="no price of NSE:ONGC to trade at"):
        modify_order(alice, opened, now=now, enqueue=no_hint, **wanted)
    assert Order.objects.get().status == "OPEN"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"order_type": OrderType.SL}, ("trigger_price", "REQUIRED")),
        ({"order_type": OrderType.SL_M, "trigger_price": D(262)}, ("trigger_price", "ORDER")),
        ({"order_type": OrderType.MARKET, "price": D(261)}, ("price", "NOT_ALLOWED")),
        ({"time_in_force": TimeInForce.TTL}, ("time_in_force", "NOT_ALLOWED")),
        ({"disclosed_quantity": D(11)}, ("disclosed_quantity", "ABOVE_MAX")),
        ({"market_protection": D(101)}, ("market_protection", "ABOVE_MAX")),
    ],
)
def test_a_change_to_what_cannot_be_is_refused(opened, ongc, alice, now, wanted, expected):
    with pytest.raises(InvalidOrder) as caught:
        change(alice, opened, ongc, now, **wanted)
    assert (caught.value.field, caught.value.code) == expected
    order = Order.objects.get()
    assert (order.status, order.revision, order.pending_change) == ("OPEN", 0, None)


def test_what_was_not_sent_changes_its_type_at_once(book, ongc, alice, now):
    placed = place(book, ask(ongc), last=262, now=now)[0]
    stop = {"order_type": OrderType.SL_M, "trigger_price": D(270), "market_protection": D(1)}
    change(alice, placed.order_id, ongc, now, **stop)
    order = Order.objects.get()
    assert (order.status, order.order_type, order.price) == ("READY", "SL-M", None)
    assert (order.trigger_price, order.protection_price) == (270, D("272.7"))
    assert balances(book)["HELD", "INR"] == D("2728.3635")
    change(alice, placed.order_id, ongc, now, order_type=OrderType.LIMIT, price=D(250))
    order = Order.objects.get()
    assert (order.order_type, order.price, order.trigger_price) == ("LIMIT", 250, None)
    assert (order.protection_price, order.revision) == (None, 2)
    assert balances(book)["HELD", "INR"] == D("2501.25")


def test_an_order_is_changed_25_times_at_most(book, ongc, alice, now):
    placed = place(book, ask(ongc), last=262, now=now)[0]
    for step in range(25):
        change(alice, placed.order_id, ongc, now, price=D(230 + step))
    with pytest.raises(OrderNotChangeable, match="changed 25 times"):
        change(alice, placed.order_id, ongc, now, price=D(231))
    order = Order.objects.get()
    assert (order.price, order.revision) == (254, 25)
