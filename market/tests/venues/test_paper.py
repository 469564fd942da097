"""The paper venue: exact fills of both fill models, priority, protection, restarts."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.domain.enums import FillModel, OrderType, Side, SourceKind, TimeInForce
from market.domain.messages import OutcomeKind, ReportKind
from market.domain.ticks import Depth, DepthLevel, Quote
from market.tests.venues.contract import (
    ACCOUNT,
    NOW,
    OTHER_ACCOUNT,
    TOKEN,
    VenueContract,
    market_ticket,
    ticket,
)
from market.venues.paper import PaperVenue
from market.venues.paper_orders import RestingOrder, from_units, to_units
from market.venues.registry import VENUE_NAMES, venue_client


def quote_at(price, *, model=FillModel.LAST_TRADE, sequence=1, seconds=0, depth=None, last="100"):
    """Return a quote of the test instrument."""
    price = Decimal(price)
    return Quote(
        instrument_token=TOKEN,
        source=SourceKind.SIMULATED,
        run="test",
        fill_model=model,
        sequence=sequence,
        last_price=price,
        last_quantity=Decimal(last),
        volume=Decimal(1000),
        open=price,
        high=price,
        low=price,
        previous_close=price,
        exchange_time=NOW + timedelta(seconds=seconds),
        received_at=NOW,
        depth=depth,
    )


def depth_of(bids, asks):
    """Return a depth from (price, quantity) pairs."""

    def side(rows):
        return tuple(DepthLevel(Decimal(price), Decimal(size)) for price, size in rows)

    return Depth(bids=side(bids), asks=side(asks))


def book_quote(bids, asks, *, last_price="100", last="0", **fields):
    """Return a QUOTE_DEPTH quote with a displayed book."""
    return quote_at(
        last_price, model=FillModel.QUOTE_DEPTH, depth=depth_of(bids, asks), last=last, **fields
    )


def fills(venue):
    """Return (client id, quantity, price, liquidity letter) of the trades since the last call."""
    return [
        (r.client_order_id, str(r.quantity), str(r.price), r.liquidity[0])
        for r in venue.take_reports()
        if r.kind is ReportKind.TRADE
    ]


@pytest.fixture
def venue():
    """Return a venue whose last trade was at 100."""
    made = PaperVenue()
    made.begin(7)
    made.accept_quote(quote_at("100"))
    return made


@pytest.fixture
def deep():
    """Return a venue with a book of 100/101 and two levels a side."""
    made = PaperVenue()
    made.begin(7)
    made.accept_quote(book_quote([("100", "5"), ("99", "20")], [("101", "6"), ("102", "20")]))
    return made


class TestLastTradeContract(VenueContract):
    @pytest.fixture
    def venue(self):
        made = PaperVenue()
        made.begin(1)
        self.set_price(made, "100")
        return made

    def set_price(self, venue, price):
        venue.accept_quote(quote_at(price))


class TestQuoteDepthContract(TestLastTradeContract):
    def set_price(self, venue, price):
        bid, ask = Decimal(price) - Decimal("0.5"), Decimal(price) + Decimal("0.5")
        levels = [(bid, 500)], [(ask, 500)]
        venue.accept_quote(book_quote(*levels, last_price=price, last="500"))


# ------------------------------------------------------------------ LAST_TRADE (bots.md 1.2)


def test_a_resting_buy_fills_completely_at_its_limit_when_reached(venue):
    venue.send([ticket("b", price="98", quantity="24")], now=NOW)
    venue.accept_quote(quote_at("98.05"))
    assert fills(venue) == []
    venue.accept_quote(quote_at("98"))
    assert fills(venue) == [("b", "24", "98", "M")]


def test_a_jump_fills_the_nearest_to_the_previous_price_first(venue):
    prices = ["92", "98", "95", "94"]
    venue.send([ticket(f"b{p}", price=p) for p in prices], now=NOW)
    venue.send([ticket(f"s{p}", Side.SELL, p) for p in ["108", "103"]], now=NOW)
    venue.accept_quote(quote_at("93"))
    assert [row[0] for row in fills(venue)] == ["b98", "b95", "b94"]
    venue.accept_quote(quote_at("110"))
    assert [row[0] for row in fills(venue)] == ["s103", "s108"]


def test_a_new_limit_order_matches_from_the_next_tick_on(venue):
    venue.send([ticket("b", price="105")], now=NOW)
    assert fills(venue) == []
    venue.accept_quote(quote_at("100"))
    assert fills(venue) == [("b", "10", "105", "M")]


def test_market_and_satisfied_ioc_orders_fill_at_the_tick_price(venue):
    venue.send([market_ticket("m", Side.SELL)], now=NOW)
    venue.send([ticket("i", price="101", time_in_force=TimeInForce.IOC)], now=NOW)
    assert fills(venue) == [("m", "10", "100", "T"), ("i", "10", "100", "T")]


def test_market_order_at_exactly_its_protection_fills_and_beyond_is_cancelled(venue):
    venue.send(
        [market_ticket("at", protection="100"), market_ticket("past", protection="99.99")], now=NOW
    )
    kinds = [(r.client_order_id, r.kind) for r in venue.take_reports()]
    assert kinds == [("at", ReportKind.TRADE), ("past", ReportKind.CANCELLED)]


def test_orders_that_need_a_price_are_refused_without_one():
    venue = PaperVenue()
    outcomes = venue.send(
        [market_ticket("m"), ticket("i", time_in_force=TimeInForce.IOC), ticket("l")], now=NOW
    )
    assert [o.kind for o in outcomes] == [
        OutcomeKind.REJECTED,
        OutcomeKind.REJECTED,
        OutcomeKind.ACCEPTED,
    ]
    assert outcomes[0].code == "NO_PRICE"


def test_a_triggered_stop_limit_fills_at_the_tick_or_rests(venue):
    stop = {"order_type": OrderType.SL, "trigger_price": Decimal(103)}
    venue.send([ticket("near", price="103", **stop), ticket("far", price="105", **stop)], now=NOW)
    venue.accept_quote(quote_at("104"))
    assert fills(venue) == [("far", "10", "104", "T")]
    assert venue.query(ACCOUNT, "near").status == "OPEN"
    venue.accept_quote(quote_at("103"))
    assert fills(venue) == [("near", "10", "103", "M")]


def test_a_stop_already_beyond_its_trigger_acts_at_once(venue):
    stop = market_ticket("s", Side.SELL, order_type=OrderType.SL_M, trigger_price=Decimal(101))
    venue.send([stop], now=NOW)
    kinds = [r.kind for r in venue.take_reports()]
    assert kinds == [ReportKind.TRIGGERED, ReportKind.TRADE]


def test_reports_carry_market_time_and_tick(venue):
    venue.send([ticket("b", price="98")], now=NOW + timedelta(hours=3))
    venue.accept_quote(quote_at("97", sequence=42, seconds=9))
    (report,) = venue.take_reports()
    assert (report.exchange_time, report.tick_sequence) == (NOW + timedelta(seconds=9), 42)


# ------------------------------------------------------------------ QUOTE_DEPTH


def test_a_marketable_order_takes_the_levels_and_rests_with_what_is_left(deep):
    deep.send([ticket("b", price="101.5", quantity="10")], now=NOW)
    assert fills(deep) == [("b", "6", "101", "T")]
    assert deep.query(ACCOUNT, "b").filled_quantity == 6
    deep.accept_quote(book_quote([("100", "5")], [("101.5", "3"), ("102", "9")]))
    assert fills(deep) == [("b", "3", "101.5", "M")]
    deep.accept_quote(book_quote([("100", "5")], [("101.4", "3")]))
    assert fills(deep) == [("b", "1", "101.5", "M")]


def test_what_is_shown_is_given_out_once(deep):
    deep.send([market_ticket("first", quantity="6", protection="101")], now=NOW)
    deep.send([market_ticket("second", quantity="6", protection="101")], now=NOW)
    kinds = [(r.client_order_id, r.kind) for r in deep.take_reports()]
    assert kinds == [("first", ReportKind.TRADE), ("second", ReportKind.CANCELLED)]


def test_a_market_order_walks_the_book_and_the_rest_is_cancelled(deep):
    deep.send([market_ticket("m", quantity="30")], now=NOW)
    reports = deep.take_reports()
    assert [(str(r.quantity), str(r.price)) for r in reports[:2]] == [("6", "101"), ("20", "102")]
    assert reports[2].kind is ReportKind.CANCELLED
    assert reports[2].cumulative_quantity == 26


def test_resting_orders_share_the_displayed_size_by_price_then_time_across_accounts(deep):
    deep.send(
        [
            ticket("low", price="98", quantity="4"),
            ticket("first", price="99", quantity="4"),
            ticket("second", price="99", quantity="4", venue_account_id=OTHER_ACCOUNT),
        ],
        now=NOW,
    )
    deep.accept_quote(book_quote([("97", "9")], [("98", "6"), ("98.5", "9")]))
    # The 6 at 98 go to the two at 99; what these lack comes from 98.5; none is left for 98.
    assert fills(deep) == [
        ("first", "4", "99", "M"),
        ("second", "2", "99", "M"),
        ("second", "2", "99", "M"),
    ]


def test_users_do_not_trade_with_each_other(deep):
    deep.accept_quote(book_quote([("90", "9")], [("110", "9")], last_price="100"))
    deep.send([ticket("b", price="101"), ticket("s", Side.SELL, "99")], now=NOW)
    deep.accept_quote(book_quote([("90", "9")], [("110", "9")], last_price="100"))
    assert fills(deep) == []


def test_a_trade_through_fills_up_to_its_size_and_a_trade_at_the_price_does_not(deep):
    deep.send([ticket("b", price="99.5", quantity="10")], now=NOW)
    wide = [("99", "9")], [("102", "9")]
    deep.accept_quote(book_quote(*wide, last_price="99.5", last="50"))
    assert fills(deep) == []
    deep.accept_quote(book_quote(*wide, last_price="99.4", last="4"))
    assert fills(deep) == [("b", "4", "99.5", "M")]


def test_without_a_book_the_last_trade_is_what_is_shown():
    venue = PaperVenue()
    venue.accept_quote(quote_at("100", model=FillModel.QUOTE_DEPTH, last="4"))
    venue.send([market_ticket("m", quantity="6")], now=NOW)
    assert fills(venue) == [("m", "4", "100", "T")]
    venue.send([ticket("b", price="99", quantity="6")], now=NOW)
    venue.accept_quote(quote_at("99", model=FillModel.QUOTE_DEPTH, last="4"))
    assert fills(venue) == [("b", "4", "99", "M")]


def test_an_order_keeps_the_fill_model_it_was_placed_with(venue):
    venue.send([ticket("d", price="98", fill_model=FillModel.QUOTE_DEPTH)], now=NOW)
    venue.accept_quote(quote_at("97", last="3"))
    assert fills(venue) == [("d", "3", "98", "M")]


# ------------------------------------------------------------------ life


def test_a_day_order_expires_before_the_first_tick_of_the_next_day_fills_it(venue):
    roll = NOW + timedelta(hours=20)
    venue.send([ticket("day", time_in_force=TimeInForce.DAY, expires_at=roll)], now=NOW)
    venue.accept_quote(quote_at("99.5", seconds=20 * 3600 - 1))
    assert venue.take_reports() == []
    venue.accept_quote(quote_at("90", seconds=20 * 3600))
    (report,) = venue.take_reports()
    assert (report.kind, report.dedupe_key) == (ReportKind.EXPIRED, "day:EXPIRED")
    assert venue.open_orders(ACCOUNT) == []


def other_prices(price, **fields):
    """Return a quote from a recording instead of the simulated market."""
    return replace(quote_at(price, **fields), source=SourceKind.REPLAY, run="a day")


def test_an_order_never_fills_at_prices_of_another_source(venue):
    own = ticket("own", price="98", price_run="SIMULATED")
    free = ticket("free", price="98")
    venue.send([own, free], now=NOW)
    venue.accept_quote(other_prices("90", seconds=1))
    reports = venue.take_reports()
    assert [(each.client_order_id, each.kind) for each in reports] == [
        ("own", ReportKind.EXPIRED),
        ("free", ReportKind.TRADE),
    ]
    assert venue.open_orders(ACCOUNT) == []


def test_an_order_that_arrives_after_its_prices_are_gone_ends_at_once(venue):
    venue.accept_quote(other_prices("90", seconds=1))
    venue.send([market_ticket("late", price_run="SIMULATED")], now=NOW)
    (report,) = venue.take_reports()
    assert (report.kind, report.cumulative_quantity) == (ReportKind.EXPIRED, 0)


def test_an_order_put_back_after_a_restart_still_knows_its_prices(venue):
    resting = RestingOrder(
        ticket("own", price="98", price_run="SIMULATED"), "V1", Decimal(0), False, 0
    )
    venue.begin(2)
    venue.restore([resting])
    venue.accept_quote(other_prices("90"))
    assert [each.kind for each in venue.take_reports()] == [ReportKind.EXPIRED]


def test_only_a_smaller_quantity_keeps_the_place_in_time(deep):
    first, second = ticket("first", quantity="6"), ticket("second", quantity="6")
    deep.send([first, second], now=NOW)
    deep.modify(first, terms=replace(first.terms, quantity=Decimal(5)), now=NOW)
    touch = [("97", "9")], [("99", "3")]
    deep.accept_quote(book_quote(*touch))
    assert fills(deep) == [("first", "3", "99", "M")]
    deep.modify(first, terms=replace(first.terms, quantity=Decimal(9)), now=NOW)
    deep.accept_quote(book_quote(*touch))
    assert fills(deep) == [("second", "3", "99", "M")]


@pytest.mark.parametrize(
    ("quantity", "price", "code"),
    [("3", "99", "QUANTITY_FILLED"), ("2", "99", "QUANTITY_FILLED"), ("9", None, "ORDER_TYPE")],
)
def test_a_change_that_makes_no_sense_is_refused(deep, quantity, price, code):
    first = ticket("b", quantity="6")
    deep.send([first], now=NOW)
    deep.accept_quote(book_quote([("97", "9")], [("99", "3")]))
    deep.take_reports()
    price = None if price is None else Decimal(price)
    terms = replace(first.terms, quantity=Decimal(quantity), price=price)
    outcome = deep.modify(first, terms=terms, now=NOW)
    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, code)
    assert deep.query(ACCOUNT, "b").quantity == 6
    assert deep.take_reports() == []


def test_a_change_to_a_marketable_price_trades_at_once(deep):
    first = ticket("b", quantity="6")
    deep.send([first], now=NOW)
    deep.modify(first, terms=replace(first.terms, price=Decimal(101)), now=NOW)
    kinds = [r.kind for r in deep.take_reports()]
    assert kinds == [ReportKind.MODIFIED, ReportKind.TRADE]
    assert deep.query(ACCOUNT, "b").status == "FILLED"
    assert deep.open_orders(ACCOUNT) == []


@pytest.mark.parametrize(
    ("validity", "message"),
    [
        (TimeInForce.TTL, "the minutes of its validity are over"),
        (TimeInForce.DAY, "the day ended"),
    ],
)
def test_what_arrives_after_its_end_does_not_trade(venue, validity, message):
    late = ticket("late", price="101", time_in_force=validity, expires_at=NOW)
    venue.send([late], now=NOW)
    (report,) = venue.take_reports()
    assert (report.kind, report.message) == (ReportKind.EXPIRED, message)
    assert venue.open_orders(ACCOUNT) == []


def test_a_limit_can_become_a_market_order_with_a_worst_price(venue):
    first = ticket("b", price="90")
    venue.send([first], now=NOW)
    terms = replace(
        first.terms, order_type=OrderType.MARKET, price=None, protection_price=Decimal(99)
    )
    venue.modify(first, terms=terms, now=NOW)
    kinds = [r.kind for r in venue.take_reports()]
    assert kinds == [ReportKind.MODIFIED, ReportKind.CANCELLED]
    venue.send([second := ticket("c", price="90")], now=NOW)
    venue.modify(second, terms=replace(terms, protection_price=Decimal(100)), now=NOW)
    assert fills(venue) == [("c", "10", "100", "T")]


def test_a_restored_book_trades_as_the_old_one_would(deep):
    model = {"fill_model": FillModel.QUOTE_DEPTH}
    stop = {"order_type": OrderType.SL_M, "trigger_price": Decimal(95), **model}
    tickets = [
        ticket("a", quantity="6", price="99.5", **model),
        ticket("b", quantity="6", price="99.5", **model),
        ticket("s", Side.SELL, None, **stop),
    ]
    deep.send(tickets, now=NOW)
    deep.accept_quote(book_quote([("97", "9")], [("99.5", "4")]))
    deep.take_reports()
    other = PaperVenue()
    other.begin(8)
    other.restore(
        [
            RestingOrder(each, f"V7-{n}", Decimal(filled), is_triggered=False, revision=0)
            for n, (each, filled) in enumerate(zip(tickets, (4, 0, 0), strict=True), start=1)
        ]
    )
    strip = [replace(order, status="") for order in deep.open_orders(ACCOUNT)]
    assert [replace(order, status="") for order in other.open_orders(ACCOUNT)] == strip
    for each in (deep, other):
        each.accept_quote(book_quote([("94", "50")], [("99", "5")], last_price="95"))
    first, second = fills(deep), fills(other)
    assert first == second
    assert first == [
        ("a", "2", "99.5", "M"),
        ("b", "3", "99.5", "M"),
        ("s", "10", "94", "T"),
    ]


def test_a_restored_market_order_is_carried_out_at_the_first_quote():
    venue = PaperVenue()
    venue.begin(3)
    venue.restore([RestingOrder(market_ticket("m"), "V2-1", Decimal(4), False, 0)])
    assert venue.take_reports() == []
    venue.accept_quote(quote_at("101"))
    assert fills(venue) == [("m", "6", "101", "T")]


def test_trade_ids_do_not_repeat_under_a_new_fence(venue):
    venue.send([market_ticket("m")], now=NOW)
    (old,) = venue.take_reports()
    venue.begin(8)
    venue.accept_quote(quote_at("100"))
    venue.send([market_ticket("m")], now=NOW)
    (new,) = venue.take_reports()
    assert (old.venue_trade_id, new.venue_trade_id) == ("P7-1", "P8-1")


@given(
    st.lists(
        st.tuples(st.sampled_from([Side.BUY, Side.SELL]), st.integers(90, 110), st.integers(1, 9)),
        max_size=25,
    ),
    st.lists(
        st.tuples(st.integers(90, 110), st.integers(0, 9), st.integers(0, 9)),
        min_size=1,
        max_size=25,
    ),
    st.sampled_from(list(FillModel)),
)
@settings(max_examples=150, deadline=None)
def test_no_fill_is_worse_than_its_limit_or_more_than_its_quantity(orders, prices, model):
    venue = PaperVenue()
    tickets = {
        f"o{n}": ticket(f"o{n}", side, str(price), str(quantity), fill_model=model)
        for n, (side, price, quantity) in enumerate(orders)
    }
    venue.send(list(tickets.values()), now=NOW)
    done = dict.fromkeys(tickets, Decimal(0))
    for n, (price, size, last) in enumerate(prices):
        quote = book_quote(
            [(price - 1, size)], [(price + 1, size)], last_price=price, last=last, sequence=n
        )
        venue.accept_quote(quote)
        reports = venue.take_reports()
        if model is FillModel.QUOTE_DEPTH:
            assert sum(r.quantity for r in reports) <= 2 * size + last
        for report in reports:
            ours = tickets[report.client_order_id]
            done[report.client_order_id] += report.quantity
            assert report.price == ours.price
            assert report.cumulative_quantity == done[report.client_order_id] <= ours.quantity
    open_now = {order.client_order_id: order for order in venue.open_orders(ACCOUNT)}
    for name, quantity in done.items():
        assert (name in open_now) == (quantity < tickets[name].quantity)


def test_units_are_exact_to_twelve_decimals():
    for text in ("0.000000000001", "123456789.123456789012", "24", "0.001"):
        assert from_units(to_units(Decimal(text))) == Decimal(text)
    with pytest.raises(ValueError, match="more than 12 decimals"):
        to_units(Decimal("0.0000000000001"))


def test_the_registry_knows_the_venues_by_name():
    assert VENUE_NAMES == ("PAPER",)
    assert isinstance(venue_client("PAPER"), PaperVenue)
    with pytest.raises(ValueError, match="NOWHERE"):
        venue_client("NOWHERE")
