"""What policy denies an order it denies a change as well: nobody changes his way past it."""

# Decimals are compared with plain numbers on purpose.
# mypy: disable-error-code="comparison-overlap"

from dataclasses import replace

import pytest
from django.db import transaction

from market.domain.enums import OrderType, Product, Side, Variety
from portfolio.domain.order_plans import CoverTerms
from portfolio.exceptions import ChangeDenied, OrderNotChangeable
from portfolio.models import Book, KillSwitch, Order, OrderEvent, RiskLimit
from portfolio.services.intraday import book_for
from portfolio.services.kill_switches import set_kill
from portfolio.services.order_plans import place_varied
from portfolio.services.orders import modify_order
from portfolio.services.plan_steps import advance_plans
from portfolio.services.square_off import open_intraday, square_off
from portfolio.tests.factories import (
    SHARD,
    fill,
    make_account,
    make_book,
    make_instrument,
    make_quote,
    make_request,
    no_hint,
    number,
    place,
    send,
)

pytestmark = pytest.mark.django_db
BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def ongc(db):
    return make_instrument("NSE:ONGC")


@pytest.fixture
def book(alice, now):
    return make_book(make_account(alice, now=now), now=now, funds=100_000)


def change(order_id, book, ongc, *, now, last=260, **wanted):
    quote = make_quote(ongc, last, now=now)
    values = {
        name: value if isinstance(value, OrderType) else number(value)
        for name, value in wanted.items()
    }
    return modify_order(book, order_id, quote=quote, now=now, enqueue=no_hint, **values)


def refused(order_id, book, ongc, *, now, **wanted):
    """Return the code a change is denied with; the order and its money stay as they are."""
    before = Order.objects.values().get(pk=order_id), OrderEvent.objects.count()
    with pytest.raises(ChangeDenied) as caught:
        change(order_id, book, ongc, now=now, **wanted)
    assert (Order.objects.values().get(pk=order_id), OrderEvent.objects.count()) == before
    return caught.value.code


@pytest.mark.parametrize("is_sent", [False, True])
def test_limits_count_for_changes(book, ongc, now, is_sent):
    RiskLimit.objects.create(
        user=book.user, max_order_value=5_200, max_open_value=7_800, max_position_value=6_500
    )
    one, two = (place(book, make_request(ongc), last=260, now=now)[0].order_id for _ in range(2))
    if is_sent:
        send(one, two, now=now)
    # 21 x 260 is above 5,200; 20 of one and 10 of the other are 7,800, but 30 x 260 is too much.
    assert refused(one, book, ongc, now=now, quantity=21) == "R6_MAX_VALUE"
    assert refused(one, book, ongc, now=now, quantity=20) == "R8_POSITION"
    # The order itself does not count against what it becomes: 15 + 10 at 260 are 6,500.
    assert change(one, book, ongc, now=now, quantity=15).order_id == one
    RiskLimit.objects.update(max_position_value=None)
    three = place(book, make_request(ongc, quantity=5), last=260, now=now)[0].order_id
    assert refused(three, book, ongc, now=now, quantity=6) == "R7_OPEN_VALUE"


def test_what_has_traded_counts_once(book, ongc, now):
    RiskLimit.objects.create(user=book.user, max_position_value=2_600)
    order = place(book, make_request(ongc), last=260, now=now)[0].order_id
    send(order, now=now)
    fill(order, 4, 260, now=now)
    assert refused(order, book, ongc, now=now, quantity=11) == "R8_POSITION"
    assert change(order, book, ongc, now=now, price="259.95").order_id == order


def test_freeze_quantity_circuit_and_band(book, ongc, now):
    ongc.max_quantity, ongc.upper_circuit = number(20), number(280)
    ongc.save(update_fields=["max_quantity", "upper_circuit"])
    order = place(book, make_request(ongc), last=260, now=now)[0].order_id
    assert refused(order, book, ongc, now=now, quantity=21) == "R5_MAX_QUANTITY"
    assert refused(order, book, ongc, now=now, price="280.05") == "R4_CIRCUIT"
    assert refused(order, book, ongc, now=now, price=270, last=240) == "R4_PRICE_BAND"
    change(order, book, ongc, now=now, quantity=20, price=280)
    row = Order.objects.get(pk=order)
    assert (row.quantity, row.price) == (20, 280)


def test_switches_stop_changes_but_not_smaller_orders(book, ongc, now):
    order = place(book, make_request(ongc), last=260, now=now)[0].order_id
    set_kill(KillSwitch.Scope.BOOK, book.pk, active=True, reason="test", now=now)
    assert refused(order, book, ongc, now=now, quantity=11) == "KILL_SWITCH"
    assert refused(order, book, ongc, now=now, price=261) == "KILL_SWITCH"
    change(order, book, ongc, now=now, quantity=9)
    set_kill(KillSwitch.Scope.BOOK, book.pk, active=False, reason="", now=now)
    Book.objects.filter(pk=book.pk).update(trading_state=Book.TradingState.REDUCING)
    assert refused(order, book, ongc, now=now, price=261) == "BOOK_REDUCING"


def test_an_intraday_order_grows_no_more_once_its_day_has_ended(alice, book, ongc, now):
    intraday = book_for(alice, product=Product.MIS, quote_asset="INR", now=now)
    request = replace(make_request(ongc, SELL), product=Product.MIS)
    order = place(intraday, request, last=260, now=now)[0].order_id
    end = now.replace(day=now.day + 1, hour=0, minute=25)
    assert refused(order, intraday, ongc, now=end, quantity=500) == "R1_SESSION_CLOSED"


def test_the_stop_of_a_cover_order_moves_whatever_the_limits_are(book, ongc, now):
    request = replace(make_request(ongc), variety=Variety.CO)
    quote = make_quote(ongc, 260, now=now)
    with transaction.atomic():
        terms = CoverTerms(number(250))
        entry = place_varied(
            book.pk, request, terms=terms, quote=quote, now=now, enqueue=no_hint
        ).order_id
    send(entry, now=now)
    fill(entry, 10, 260, now=now)
    RiskLimit.objects.create(user=book.user, max_order_value=100)
    advance_plans(SHARD, quotes={ongc.pk: quote}, now=now, enqueue=no_hint)
    stop = Order.objects.get(parent=entry)
    change(stop.pk, book, ongc, now=now, trigger_price=255)
    stop.refresh_from_db()
    assert stop.trigger_price == 255


def test_nobody_changes_the_order_that_squares_off(alice, book, ongc, now):
    intraday = book_for(alice, product=Product.MIS, quote_asset="INR", now=now)
    request = replace(make_request(ongc), product=Product.MIS)
    order = place(intraday, request, last=260, now=now)[0].order_id
    send(order, now=now)
    fill(order, 10, 260, now=now)
    end = now.replace(day=now.day + 1, hour=0, minute=25)
    quotes = {ongc.pk: make_quote(ongc, 260, now=end)}
    assert square_off(open_intraday(), quotes, now=end, enqueue=no_hint) == 1
    closing = Order.objects.get(source="SYSTEM")
    with pytest.raises(OrderNotChangeable, match="squares a position off"):
        change(closing.pk, alice, ongc, now=end, order_type=OrderType.LIMIT, price=280)
    closing.refresh_from_db()
    assert (closing.order_type, closing.price, closing.revision) == ("MARKET", None, 0)
