"""The risk gate: each rule at its boundary, with its code."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from market.domain.enums import (
    Calendar,
    FillModel,
    InstrumentKind,
    OrderType,
    Product,
    Side,
    SourceKind,
)
from market.domain.instruments import InstrumentSpec
from market.domain.ticks import Quote
from portfolio.domain.drafts import Draft, find_defect, protection_of, reached_trigger
from portfolio.domain.risk import DenialCode, Limits, Surroundings, find_denial

D = Decimal
NOW = datetime(2026, 3, 2, 4, 30, tzinfo=UTC)
ONGC = InstrumentSpec(
    instrument_token=633601, exchange="NSE", tradingsymbol="ONGC", kind=InstrumentKind.EQ,
    base_asset="NSE:ONGC", quote_asset="INR", tick_size=D("0.05"), lot_size=D(1),
    min_quantity=D(1), min_notional=D(0), max_quantity=D(1000), lower_circuit=D(200),
    upper_circuit=D(300), calendar=Calendar.NSE, freshness_limit=timedelta(seconds=10),
    is_tradable=True,
)  # fmt: skip
QUOTE = Quote(
    instrument_token=633601, source=SourceKind.SIMULATED, run="", fill_model=FillModel.LAST_TRADE,
    sequence=1, last_price=D(260), last_quantity=D(1), volume=D(1), open=D(260), high=D(260),
    low=D(260), previous_close=D(260), exchange_time=NOW, received_at=NOW, depth=None,
)  # fmt: skip
AROUND = Surroundings(quote=QUOTE, now=NOW)


def draft(side=Side.BUY, **values):
    given = {
        "instrument": ONGC, "side": side, "order_type": OrderType.LIMIT, "product": Product.CNC,
        "quantity": D(10), "price": D(260), "trigger_price": None, "protection_price": None,
    }  # fmt: skip
    return Draft(**{**given, **values})


def defect_of(**values):
    found = find_defect(draft(**values))
    return None if found is None else (found.field, found.code)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"price": D("260.05")}, None),
        ({"price": D("260.03")}, ("price", "NOT_TICK")),
        ({"price": None}, ("price", "REQUIRED")),
        ({"price": D(0)}, ("price", "BELOW_MIN")),
        ({"price": D(-1)}, ("price", "BELOW_MIN")),
        ({"price": D("NaN")}, ("price", "BELOW_MIN")),
        ({"price": D("1E+20")}, ("price", "ABOVE_MAX")),
        ({"quantity": D("1.5")}, ("quantity", "NOT_LOT")),
        ({"quantity": D(0)}, ("quantity", "BELOW_MIN")),
        ({"quantity": D("Infinity")}, ("quantity", "BELOW_MIN")),
        ({"quantity": D("1E+13")}, ("quantity", "ABOVE_MAX")),
        ({"product": Product.MIS}, None),
        ({"product": Product.NRML}, ("product", "NOT_OFFERED")),
        ({"order_type": OrderType.MARKET}, ("price", "NOT_ALLOWED")),
        ({"order_type": OrderType.SL}, ("trigger_price", "REQUIRED")),
        ({"trigger_price": D(250)}, ("trigger_price", "NOT_ALLOWED")),
        ({"order_type": OrderType.SL, "trigger_price": D(270)}, ("price", "ORDER")),
        ({"instrument": replace(ONGC, is_tradable=False)}, ("instrument", "NOT_TRADABLE")),
        ({"instrument": replace(ONGC, min_notional=D(2600))}, None),
        ({"instrument": replace(ONGC, min_notional=D(2601))}, ("quantity", "BELOW_MIN")),
    ],
)
def test_a_wrong_request_names_field_and_code(values, expected):
    assert defect_of(**values) == expected


def denial_of(around=AROUND, **values):
    found = find_denial(draft(**values), around)
    return None if found is None else found.code


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"price": D(286)}, None),
        ({"price": D("286.05")}, DenialCode.R4_PRICE_BAND),
        ({"price": D(201)}, None),
        ({"side": Side.SELL, "price": D(234)}, None),
        ({"side": Side.SELL, "price": D("233.95")}, DenialCode.R4_PRICE_BAND),
        ({"side": Side.SELL, "price": D(300)}, None),
        ({"side": Side.SELL, "price": D("300.05")}, DenialCode.R4_CIRCUIT),
        ({"price": D("199.95")}, DenialCode.R4_CIRCUIT),
        ({"quantity": D(1000)}, None),
        ({"quantity": D(1001)}, DenialCode.R5_MAX_QUANTITY),
    ],
)
def test_prices_and_sizes_at_their_boundary(values, expected):
    assert denial_of(**values) is expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(max_order_value=D(2600)), None),
        (Limits(max_order_value=D("2599.99")), DenialCode.R6_MAX_VALUE),
        (Limits(max_open_value=D(5000), open_value=D(2400)), None),
        (Limits(max_open_value=D(5000), open_value=D("2400.01")), DenialCode.R7_OPEN_VALUE),
        (Limits(max_position_value=D(5200), units=D(10)), None),
        (Limits(max_position_value=D(5200), units=D(11)), DenialCode.R8_POSITION),
        (Limits(max_price_deviation=D(0)), None),
    ],
)
def test_limits_at_their_boundary(limits, expected):
    assert denial_of(replace(AROUND, limits=[limits])) is expected


def test_a_tighter_deviation_counts():
    around = replace(AROUND, limits=[Limits(max_price_deviation=D("0.01")), Limits()])
    assert denial_of(around, price=D("262.6")) is None
    assert denial_of(around, price=D("262.65")) is DenialCode.R4_PRICE_BAND


def test_an_old_price_denies_and_one_at_the_limit_does_not():
    old = replace(QUOTE, received_at=NOW - timedelta(seconds=10))
    assert denial_of(replace(AROUND, quote=old)) is None
    older = replace(QUOTE, received_at=NOW - timedelta(seconds=10, microseconds=1))
    assert denial_of(replace(AROUND, quote=older)) is DenialCode.R12_STALE_QUOTE
    assert denial_of(replace(AROUND, quote=None)) is DenialCode.R12_STALE_QUOTE


@pytest.mark.parametrize("price", [D("NaN"), D(0), D(-5)])
def test_an_absurd_price_denies(price):
    around = replace(AROUND, quote=replace(QUOTE, last_price=price))
    assert denial_of(around) is DenialCode.R12_STALE_QUOTE


def test_the_exchange_calendar_counts_for_live_prices_only():
    night = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
    quote = replace(QUOTE, received_at=night)
    assert denial_of(Surroundings(quote=quote, now=night)) is None
    live = replace(quote, source=SourceKind.LIVE)
    assert denial_of(Surroundings(quote=live, now=night)) is DenialCode.R1_SESSION_CLOSED


def test_switches_deny_and_a_reducing_book_may_still_sell():
    assert denial_of(replace(AROUND, kill_reason="drill")) is DenialCode.KILL_SWITCH
    assert denial_of(replace(AROUND, trading_state="HALTED")) is DenialCode.BOOK_HALTED
    reducing = replace(AROUND, trading_state="REDUCING")
    assert denial_of(reducing) is DenialCode.BOOK_REDUCING
    assert denial_of(reducing, side=Side.SELL) is None


def test_a_stop_is_compared_with_its_trigger():
    stop = {"order_type": OrderType.SL, "trigger_price": D(290)}
    assert denial_of(price=D(299), **stop) is None


def test_market_orders_are_protected_by_five_percent_on_the_tick():
    market = draft(order_type=OrderType.MARKET, price=None)
    assert protection_of(market, QUOTE) == 273
    assert protection_of(replace(market, side=Side.SELL), QUOTE) == 247
    assert protection_of(market, None) is None
    assert protection_of(replace(market, protection_price=D(265)), QUOTE) == 265
    odd = replace(QUOTE, last_price=D("260.05"))
    assert protection_of(market, odd) == D("273.1")


STOP = {"order_type": OrderType.SL_M, "price": None}


@pytest.mark.parametrize(
    ("side", "trigger", "words", "limits"),
    [
        (Side.BUY, D("260.05"), None, None),
        (Side.BUY, D(260), "above the market price 260.00 for a buy stop", (D("260.05"), None)),
        (Side.BUY, D(250), "above the market price 260.00 for a buy stop", (D("260.05"), None)),
        (Side.SELL, D("259.95"), None, None),
        (Side.SELL, D(260), "below the market price 260.00 for a sell stop", (None, D("259.95"))),
    ],
)
def test_a_stop_that_the_market_has_reached_is_refused(side, trigger, words, limits):
    found = reached_trigger(draft(side, trigger_price=trigger, **STOP), QUOTE, now=NOW)
    if words is None:
        assert found is None
        return
    assert (found.field, found.code) == ("trigger_price", "ORDER")
    assert found.message == f"Trigger price must be {words}"
    assert (found.minimum, found.maximum) == limits


def test_a_stop_is_not_held_against_an_old_price():
    stop = draft(trigger_price=D(250), **STOP)
    old = replace(QUOTE, received_at=NOW - timedelta(seconds=11))
    assert reached_trigger(stop, old, now=NOW) is None
    assert reached_trigger(stop, None, now=NOW) is None


def test_a_stop_may_always_trade_at_its_trigger():
    # Its worst price starts from the trigger, wherever the market is when it is placed.
    buy = draft(trigger_price=D(280), **STOP)
    assert protection_of(buy, QUOTE) == 294
    assert protection_of(replace(buy, side=Side.SELL, trigger_price=D(240)), QUOTE) == 228
    beyond = find_defect(replace(buy, trigger_price=D("294.05"), protection_price=D(294)))
    assert (beyond.field, beyond.code, beyond.maximum) == ("trigger_price", "ORDER", D(294))
    assert find_defect(replace(buy, protection_price=D(294))) is None


def test_refusals_write_numbers_as_people_read_them():
    limited = replace(AROUND, limits=[Limits(max_order_value=D(100_000))])
    assert find_denial(draft(quantity=D(1000)), limited).message == (
        "Order value Rs. 2,60,000.00 is above the limit of Rs. 1,00,000.00"
    )
    assert find_denial(draft(price=D("290.000000")), AROUND).message == (
        "Price 290.00 is more than 10% worse than the market (260.00)"
    )
    assert find_denial(draft(side=Side.SELL, price=D("300.05")), AROUND).message == (
        "Price 300.05 is outside the circuit 200.00 to 300.00"
    )


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ("262.03", "Price 262.03 is not a multiple of 0.05. Nearest: 262.05."),
        ("262.02", "Price 262.02 is not a multiple of 0.05. Nearest: 262.00."),
        ("0.01", "Price 0.01 is not a multiple of 0.05. Nearest: 0.05."),
    ],
)
def test_a_price_off_the_tick_names_the_nearest_valid_one(price, words):
    assert find_defect(draft(price=D(price))).message == words


def test_an_exit_is_stopped_by_switches_only():
    old = replace(QUOTE, received_at=NOW - timedelta(seconds=60), source=SourceKind.LIVE)
    tight = Limits(max_order_value=D(1))
    around = Surroundings(quote=old, now=NOW + timedelta(hours=12), limits=[tight])
    wanted = draft(Side.SELL, is_exit=True)
    assert find_denial(wanted, around) is None
    assert find_denial(draft(Side.SELL), around).code is DenialCode.R12_STALE_QUOTE
    killed = replace(around, kill_reason="test")
    assert find_denial(wanted, killed).code is DenialCode.KILL_SWITCH


def test_what_waits_for_its_session_needs_no_fresh_price_while_it_is_closed():
    evening = NOW + timedelta(hours=10)
    around = Surroundings(quote=replace(QUOTE, source=SourceKind.LIVE), now=evening)
    assert find_denial(draft(waits=True), around) is None
    # The other rules hold: the price is too far from the last one.
    far = find_denial(draft(waits=True, price=D("286.05")), around)
    assert far.code is DenialCode.R4_PRICE_BAND
    # A market that is open has to have a price.
    simulated = Surroundings(quote=QUOTE, now=evening)
    assert find_denial(draft(waits=True), simulated).code is DenialCode.R12_STALE_QUOTE
    assert find_denial(draft(waits=True), replace(around, quote=None)).code == "R12_STALE_QUOTE"
