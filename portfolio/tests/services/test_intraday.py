"""The intraday book by hand: a long day, a short day, partial fills, flips and conversions."""

from dataclasses import replace

import pytest
from django.db import transaction

from accounts.models import AuditEvent
from market.domain.enums import FeeMode, OrderStatus, OrderType, Product, Side
from market.domain.messages import ReportKind
from portfolio.exceptions import InsufficientFunds, InsufficientUnits, InvalidOrder
from portfolio.models import Book, KillSwitch, LedgerAccount, Order, Position, RiskLimit
from portfolio.services.executions import apply_report
from portfolio.services.intraday import Conversion, book_for, convert_position
from portfolio.services.invariants import check_invariants
from portfolio.services.orders import cancel_order, modify_order
from portfolio.services.square_off import tidy_purses
from portfolio.tests.factories import (
    fill,
    make_account,
    make_instrument,
    make_quote,
    make_report,
    make_request,
    no_hint,
    number,
    place,
    send,
)

pytestmark = pytest.mark.django_db
BUY, SELL = Side.BUY, Side.SELL


def mis(instrument, side=BUY, quantity=10, price=260, **values):
    """Return an intraday request."""
    request = make_request(instrument, side, quantity=quantity, price=price, **values)
    return replace(request, product=Product.MIS)


def trade(book, request, *, price, now, quantity=None, last=None):
    """Place and send an order, and fill it or a part of it."""
    placed = place(book, request, last=last or price, now=now)[0]
    assert placed.status is OrderStatus.READY, placed.message
    send(placed.order_id, now=now)
    fill(placed.order_id, quantity or request.quantity, price, now=now)
    return placed.order_id


def pots(book):
    """Return what is in a book's pots that are not empty: money by kind, units by letter."""
    rows = LedgerAccount.objects.filter(book=book).exclude(balance=0)
    return {row.kind if row.asset == "INR" else f"{row.kind} units": row.balance for row in rows}


def amounts(**texts):
    return {name.replace("_", " "): number(text) for name, text in texts.items()}


def position(book):
    row = Position.objects.get(book=book)
    return row.quantity, row.cost, row.realised


def test_a_book_is_made_once_with_its_switch(alice, manual, now):
    first = book_for(alice, product=Product.MIS, quote_asset="INR", now=now)
    assert book_for(alice, product=Product.MIS, quote_asset="INR", now=now) == first
    assert book_for(alice, product=Product.CNC, quote_asset="INR", now=now) == manual
    assert (first.kind, first.quote_asset, first.pk > manual.pk) == ("INTRADAY", "INR", True)
    assert KillSwitch.objects.filter(scope=KillSwitch.Scope.BOOK, key=first.pk).exists()
    with pytest.raises(InvalidOrder, match="which come later"):
        book_for(alice, product=Product.NRML, quote_asset="INR", now=now)
    with pytest.raises(InvalidOrder):
        book_for(alice, product=Product.MIS, quote_asset="USDT", now=now)


def test_fees_in_units_do_not_go_with_short_positions(bob, ongc, now):
    make_account(bob, now=now, fee_mode=FeeMode.RECEIVED)
    with pytest.raises(InvalidOrder, match="fees are paid in money"):
        book_for(bob, product=Product.MIS, quote_asset="INR", now=now)
    assert not Book.objects.filter(kind="INTRADAY").exists()


def test_a_long_day_by_hand(manual, intraday, ongc, now):
    bought = place(intraday, mis(ongc), last=260, now=now)[0]
    assert pots(manual) == amounts(AVAILABLE="97398.70")
    assert pots(intraday) == amounts(HELD="2601.30")
    send(bought.order_id, now=now)
    fill(bought.order_id, 10, 260, now=now)
    assert pots(intraday) == amounts(AVAILABLE_units=10)
    trade(intraday, mis(ongc, SELL, price=265), price=265, now=now)
    assert pots(intraday) == amounts(AVAILABLE="2648.675")
    assert position(intraday) == (0, 0, 50)
    assert tidy_purses(now=now) == 1
    assert pots(intraday) == {}
    assert pots(manual) == amounts(AVAILABLE="100047.375")
    assert tidy_purses(now=now) == 0
    assert check_invariants(now=now) == []


def test_a_short_day_by_hand(manual, intraday, ongc, now):
    sold = place(intraday, mis(ongc, SELL), last=260, now=now)[0]
    assert pots(manual) == amounts(AVAILABLE="97398.70")
    assert pots(intraday) == amounts(MARGIN="2601.30", HELD_units=10, BORROWED_units=-10)
    send(sold.order_id, now=now)
    fill(sold.order_id, 10, 260, now=now)
    assert position(intraday) == (-10, -2600, 0)
    assert pots(intraday) == amounts(MARGIN=5200, BORROWED_units=-10)
    assert check_invariants(now=now) == []

    back = place(intraday, mis(ongc, BUY, price=255), last=255, now=now)[0]
    assert pots(intraday) == amounts(MARGIN="2648.725", HELD="2551.275", BORROWED_units=-10)
    send(back.order_id, now=now)
    fill(back.order_id, 10, 255, now=now)
    assert position(intraday) == (0, 0, 50)
    assert pots(intraday) == amounts(AVAILABLE="2648.725")
    tidy_purses(now=now)
    # 50 earned, 1.30 and 1.275 paid.
    assert pots(manual) == amounts(AVAILABLE="100047.425")
    assert check_invariants(now=now) == []


def test_a_short_sale_fills_in_parts_and_is_cancelled(manual, intraday, ongc, now):
    order = trade(intraday, mis(ongc, SELL), quantity=4, price=260, now=now)
    # 4 x 260 twice, and 6 x 260 x 1.0005 for what is still to be sold.
    assert pots(intraday) == amounts(MARGIN="3640.78", HELD_units=6, BORROWED_units=-10)
    cancel_order(intraday.pk, order, now=now, enqueue=no_hint)
    apply_report(make_report(order, ReportKind.CANCELLED, now=now), now=now)
    assert pots(intraday) == amounts(MARGIN=2080, AVAILABLE="1560.78", BORROWED_units=-4)
    assert position(intraday) == (-4, -1040, 0)
    tidy_purses(now=now)
    assert pots(manual) == amounts(AVAILABLE="98959.48")
    back = trade(intraday, mis(ongc, BUY, quantity=4), quantity=1, price=260, now=now)
    assert position(intraday) == (-3, -780, 0)
    assert pots(intraday) == amounts(MARGIN="779.61", HELD="780.39", BORROWED_units=-3) | amounts(
        AVAILABLE="259.87"
    )
    cancel_order(intraday.pk, back, now=now, enqueue=no_hint)
    apply_report(make_report(back, ReportKind.EXPIRED, now=now), now=now)
    assert pots(intraday) == amounts(MARGIN=1560, AVAILABLE="259.87", BORROWED_units=-3)
    assert check_invariants(now=now) == []


def test_a_sale_through_zero_is_one_part_long_and_one_short(manual, intraday, ongc, now):
    trade(intraday, mis(ongc, BUY, quantity=10), price=260, now=now)
    order = place(intraday, mis(ongc, SELL, quantity=15, price=265), last=265, now=now)[0]
    assert pots(intraday) == amounts(MARGIN="1325.6625", HELD_units=15, BORROWED_units=-5)
    send(order.order_id, now=now)
    fill(order.order_id, 4, 265, now=now)
    assert pots(intraday) == amounts(
        MARGIN="1325.6625", HELD_units=11, BORROWED_units=-5, AVAILABLE="1059.47"
    )
    fill(order.order_id, 11, 265, now=now)
    assert position(intraday) == (-5, -1325, 50)
    # 15 x 265 less fees, less what is kept: 2 x 1,325; and what was held was 1,325.6625.
    assert pots(intraday) == amounts(MARGIN=2650, AVAILABLE="2648.675", BORROWED_units=-5)
    trade(intraday, mis(ongc, BUY, quantity=8, price=250), price=250, now=now)
    assert position(intraday) == (3, 750, 125)
    assert pots(intraday)["AVAILABLE units"] == 3
    assert "MARGIN" not in pots(intraday)
    assert "BORROWED units" not in pots(intraday)
    assert check_invariants(now=now) == []


def test_units_cover_sales_first_and_a_cancelled_sale_frees_them(manual, intraday, ongc, now):
    trade(intraday, mis(ongc, BUY, quantity=10), price=260, now=now)
    first, second = place(
        intraday, mis(ongc, SELL, price=262), mis(ongc, SELL, price=270), last=260, now=now
    )
    # Either may turn out to be the short one: the dearer one is secured.
    assert pots(intraday) == amounts(MARGIN="2701.35", HELD_units=20, BORROWED_units=-10)
    cancel_order(intraday.pk, first.order_id, now=now, enqueue=no_hint)
    assert pots(intraday) == amounts(AVAILABLE="2701.35", HELD_units=10)
    cancel_order(intraday.pk, second.order_id, now=now, enqueue=no_hint)
    assert pots(intraday) == amounts(AVAILABLE="2701.35", AVAILABLE_units=10)
    assert check_invariants(now=now) == []


def test_a_short_sale_is_changed(manual, intraday, ongc, now):
    order = place(intraday, mis(ongc, SELL), last=255, now=now)[0].order_id
    quote = make_quote(ongc, 255, now=now)

    def change(**wanted):
        modify_order(intraday.pk, order, quote=quote, now=now, enqueue=no_hint, **wanted)

    change(price=number(270))
    assert pots(intraday)["MARGIN"] == number("2701.35")
    send(order, now=now)
    change(quantity=number(12), price=number(262))
    assert pots(intraday) == amounts(MARGIN="3241.62", HELD_units=12, BORROWED_units=-12)
    confirmed = make_report(order, ReportKind.MODIFIED, now=now, quantity=12, price=262)
    apply_report(confirmed, now=now)
    assert pots(intraday) == amounts(
        MARGIN="3145.572", HELD_units=12, BORROWED_units=-12, AVAILABLE="96.048"
    )
    with pytest.raises(InsufficientFunds):
        change(quantity=number(1000))
    assert Order.objects.get(pk=order).quantity == 12
    assert check_invariants(now=now) == []


def test_what_sells_at_the_market_is_secured_above_it(manual, intraday, ongc, now):
    request = replace(mis(ongc, SELL, price=None), order_type=OrderType.MARKET)
    order = place(intraday, request, last=260, now=now)[0].order_id
    assert pots(intraday)["MARGIN"] == number("2731.365")  # 10 x 273 x 1.0005
    send(order, now=now)
    fill(order, 10, 262, now=now)
    assert pots(intraday) == amounts(MARGIN=5240, AVAILABLE="110.055", BORROWED_units=-10)
    assert check_invariants(now=now) == []


def test_a_better_price_than_any_planned_takes_what_there_is(manual, intraday, ongc, now):
    order = trade(intraday, mis(ongc, SELL), price=300, last=260, now=now)
    # 6,000 ought to be kept; 2,601.30 and 2,998.50 are there.
    assert pots(intraday) == amounts(MARGIN="5599.80", BORROWED_units=-10)
    assert check_invariants(now=now) == []
    tidy_purses(now=now)
    assert pots(intraday) == amounts(MARGIN=6000, BORROWED_units=-10)
    assert pots(manual) == amounts(AVAILABLE="96998.50")
    assert Order.objects.get(pk=order).status == OrderStatus.FILLED


def test_money_is_short_and_nothing_changes(manual, intraday, ongc, now):
    for request in (mis(ongc, BUY, quantity=400), mis(ongc, SELL, quantity=400)):
        with pytest.raises(InsufficientFunds) as refusal, transaction.atomic():
            place(intraday, request, last=260, now=now)
        assert (refusal.value.needed, refusal.value.available) == (104_052, 100_000)
    assert pots(manual) == amounts(AVAILABLE=100_000)
    assert pots(intraday) == {}
    assert not Order.objects.exists()


def test_both_books_spend_from_one_purse(manual, intraday, ongc, now):
    trade(intraday, mis(ongc, BUY, quantity=300), price=260, now=now)
    trade(intraday, mis(ongc, SELL, quantity=300), price=260, now=now)
    # 100,000 less 78,039 for buying; 77,961 came back, to Intraday.
    assert pots(manual) == amounts(AVAILABLE=21_961)
    order = place(manual, make_request(ongc, quantity=300), last=260, now=now)[0]
    assert pots(manual) == amounts(HELD=78_039)
    assert pots(intraday) == amounts(AVAILABLE=21_883)
    with pytest.raises(InsufficientFunds) as refusal, transaction.atomic():
        place(manual, make_request(ongc, quantity=100), last=260, now=now)
    assert refusal.value.available == 21_883
    cancel_order(manual.pk, order.order_id, now=now, enqueue=no_hint)
    place(intraday, mis(ongc, BUY, quantity=300), last=260, now=now)
    assert pots(manual) == amounts(AVAILABLE=21_883)
    assert check_invariants(now=now) == []


def test_collateral_is_not_spent_on_something_else(manual, intraday, ongc, now):
    trade(intraday, mis(ongc, SELL, quantity=300), price=260, now=now)
    sbin = make_instrument("NSE:INFY")
    with pytest.raises(InsufficientFunds), transaction.atomic():
        place(intraday, mis(sbin, BUY, quantity=100, price=1500), last=1500, now=now)
    assert pots(intraday) == amounts(MARGIN=156_000, BORROWED_units=-300)
    assert check_invariants(now=now) == []


@pytest.mark.parametrize(
    ("symbol", "product"),
    [("NSE:ONGC", Product.CNC), ("NSE:ONGC", Product.NRML), ("NSE:NIFTY 50", Product.MIS)],
)
def test_the_intraday_book_takes_only_its_product(intraday, now, symbol, product):
    request = replace(make_request(make_instrument(symbol)), product=product)
    with pytest.raises(InvalidOrder):
        place(intraday, request, last=260, now=now)
    assert not Order.objects.exists()


def test_other_books_take_no_mis_orders(manual, ongc, now):
    with pytest.raises(InvalidOrder, match="takes no MIS orders"):
        place(manual, mis(ongc), last=260, now=now)
    assert pots(manual) == amounts(AVAILABLE=100_000)


def test_a_reducing_book_closes_both_ways(manual, intraday, ongc, now):
    trade(intraday, mis(ongc, SELL), price=260, now=now)
    Book.objects.filter(pk=intraday.pk).update(trading_state="REDUCING")

    def code(side, quantity):
        return place(intraday, mis(ongc, side, quantity=quantity), last=260, now=now)[0].code

    assert [code(SELL, 1), code(BUY, 11), code(BUY, 6), code(BUY, 5)] == [
        "BOOK_REDUCING", "BOOK_REDUCING", "", "BOOK_REDUCING",
    ]  # fmt: skip
    assert code(BUY, 4) == ""


def test_a_limit_of_position_counts_short_units(alice, manual, intraday, ongc, now):
    limits = {"venue_account": None, "book": None, "max_position_value": number(2600)}
    RiskLimit.objects.create(user=alice, **limits)
    trade(intraday, mis(ongc, SELL, quantity=6), price=260, now=now)

    def code(book, request):
        return place(book, request, last=260, now=now)[0].code

    assert code(intraday, mis(ongc, SELL, quantity=5)) == "R8_POSITION"
    assert code(manual, make_request(ongc, quantity=5)) == "R8_POSITION"
    assert code(intraday, mis(ongc, BUY, quantity=12)) == ""
    assert code(intraday, mis(ongc, BUY, quantity=5)) == "R8_POSITION"
    assert code(intraday, mis(ongc, SELL, quantity=4)) == ""


# --------------------------------------------------------------------------- conversions


def convert(user, instrument, quantity, old, new, *, now, side=BUY):
    wanted = Conversion(instrument.spec, side, number(quantity), old, new)
    convert_position(user, wanted, quote=make_quote(instrument, 260, now=now), now=now)


def test_units_become_mis_and_cnc_again_with_their_cost(alice, manual, intraday, ongc, now):
    trade(manual, make_request(ongc, quantity=10, price=260), price=260, now=now)
    trade(manual, make_request(ongc, quantity=10, price=270), price=270, now=now)
    money = pots(manual)["AVAILABLE"]
    convert(alice, ongc, 8, Product.CNC, Product.MIS, now=now)
    assert position(manual) == (12, 3180, 0)
    assert position(intraday) == (8, 2120, 0)
    assert pots(intraday) == amounts(AVAILABLE_units=8)
    convert(alice, ongc, 3, Product.MIS, Product.CNC, now=now)
    assert (position(manual), position(intraday)) == ((15, 3975, 0), (5, 1325, 0))
    assert pots(manual) == amounts(AVAILABLE_units=15) | {"AVAILABLE": money}
    assert check_invariants(now=now) == []
    told = AuditEvent.objects.filter(kind="position_converted").order_by("pk")
    assert [event.detail["quantity"] for event in told] == ["8", "3"]


def test_converted_units_cover_what_was_to_be_sold_short(alice, manual, intraday, ongc, now):
    trade(manual, make_request(ongc, quantity=10), price=260, now=now)
    place(intraday, mis(ongc, SELL, quantity=10), last=260, now=now)
    assert pots(intraday)["BORROWED units"] == -10
    convert(alice, ongc, 10, Product.CNC, Product.MIS, now=now)
    assert pots(intraday) == amounts(AVAILABLE="2601.30", HELD_units=10)
    with pytest.raises(InsufficientUnits), transaction.atomic():
        convert(alice, ongc, 1, Product.MIS, Product.CNC, now=now)
    assert position(intraday) == (10, 2600, 0)
    assert check_invariants(now=now) == []


def test_conversions_that_are_refused_change_nothing(alice, manual, intraday, ongc, now):
    trade(manual, make_request(ongc, quantity=10), price=260, now=now)
    trade(intraday, mis(ongc, SELL, quantity=5), price=260, now=now)
    before = pots(manual), pots(intraday)
    cnc, mis_, nrml = Product.CNC, Product.MIS, Product.NRML
    refused = [
        (InvalidOrder, 5, mis_, cnc, SELL),
        (InsufficientUnits, 5, cnc, mis_, SELL),
        (InvalidOrder, 5, cnc, mis_, BUY),  # the MIS position is short
        (InsufficientUnits, 5, mis_, cnc, BUY),
        (InvalidOrder, 5, cnc, cnc, BUY),
        (InvalidOrder, 5, cnc, nrml, BUY),
        (InvalidOrder, "0.5", cnc, mis_, BUY),
        (InvalidOrder, 0, cnc, mis_, BUY),
        (InvalidOrder, "NaN", cnc, mis_, BUY),
    ]
    for kind, quantity, old, new, side in refused:
        with pytest.raises(InvalidOrder if kind is InvalidOrder else kind), transaction.atomic():
            convert(alice, ongc, quantity, old, new, now=now, side=side)
    assert (pots(manual), pots(intraday)) == before
    assert not AuditEvent.objects.filter(kind="position_converted").exists()


def test_more_than_there_is_cannot_be_converted(alice, bob, manual, intraday, ongc, now):
    trade(manual, make_request(ongc, quantity=10), price=260, now=now)
    with pytest.raises(InsufficientUnits), transaction.atomic():
        convert(alice, ongc, 11, Product.CNC, Product.MIS, now=now)
    place(manual, make_request(ongc, SELL, quantity=4), last=260, now=now)
    with pytest.raises(InsufficientUnits), transaction.atomic():
        convert(alice, ongc, 7, Product.CNC, Product.MIS, now=now)
    make_account(bob, now=now)
    with pytest.raises(InsufficientUnits), transaction.atomic():
        convert(bob, ongc, 1, Product.CNC, Product.MIS, now=now)
    assert position(manual) == (10, 2600, 0)
    assert not Position.objects.filter(book=intraday).exists()
