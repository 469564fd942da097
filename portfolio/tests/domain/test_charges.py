"""Indian equity charges: exact paise by hand, fills that add up to their order, dated rates."""

import json
from dataclasses import astuple, replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.domain.enums import FeeMode, Liquidity, Product, Side
from market.tests.factories import SHARED_DATA
from portfolio.domain.account_fees import NO_FEES, AccountFees, Deal, FeeKind
from portfolio.domain.charges import (
    Charges,
    ChargeTable,
    DatedRates,
    Rates,
    Segment,
    fill_charges,
    order_charges,
    segment_of,
)
from portfolio.domain.fees import FeeRates, to_ledger
from portfolio.domain.ledger import DUST, hold_for
from portfolio.exceptions import InvalidOrder

D = Decimal
NOON = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
SAMPLES = SHARED_DATA / "exchange-payloads" / "kite"

# What holds since 1 March 2026: NSE 306.99 and 0.01 a crore, BSE 375.
DELIVERY = Rates(
    brokerage=D(0),
    brokerage_cap=D(0),
    tax_buy=D("0.001"),
    tax_sell=D("0.001"),
    exchange_turnover=D("0.000030699"),
    investor_protection=D("0.000000001"),
    sebi=D("0.000001"),
    stamp_buy=D("0.00015"),
    gst=D("0.18"),
)
INTRADAY = replace(
    DELIVERY,
    brokerage=D("0.0003"),
    brokerage_cap=D(20),
    tax_buy=D(0),
    tax_sell=D("0.00025"),
    stamp_buy=D("0.00003"),
)
BSE = {"exchange_turnover": D("0.0000375"), "investor_protection": D(0)}


def test_a_delivery_buy_of_100_at_250_on_nse():
    found = order_charges(Side.BUY, D(25000), DELIVERY)
    assert found == Charges(
        brokerage=D(0),
        transaction_tax=D(25),
        # 0.767475 for the exchange and 0.000025 for the protection fund
        exchange_turnover=D("0.7675"),
        sebi_turnover=D("0.025"),
        stamp_duty=D("3.75"),
        # 18 % of 0.767475 + 0.025
        gst=D("0.1426455"),
    )
    assert found.total == D("29.6851455")
    assert found.turnover == D("0.7925")


def test_the_delivery_sold_again_pays_no_stamp_duty():
    found = order_charges(Side.SELL, D(26000), DELIVERY)
    assert astuple(found) == (
        D(0), D(26), D("0.7982"), D("0.026"), D(0), D("0.14835132"),
    )  # fmt: skip
    assert found.total == D("26.97255132")


def test_an_intraday_round_trip_below_the_cap():
    bought = order_charges(Side.BUY, D(25000), INTRADAY)
    # 18 % of 7.5 + 0.767475 + 0.025
    assert astuple(bought) == (
        D("7.5"), D(0), D("0.7675"), D("0.025"), D("0.75"), D("1.4926455"),
    )  # fmt: skip
    assert bought.total == D("10.5351455")
    sold = order_charges(Side.SELL, D(25500), INTRADAY)
    # 18 % of 7.65 + 0.7828245 + 0.0255
    assert astuple(sold) == (
        D("7.65"), D("6.375"), D("0.78285"), D("0.0255"), D(0), D("1.52249841"),
    )  # fmt: skip
    assert sold.total == D("16.35584841")
    assert (bought + sold).total == D("26.89099391")


def test_brokerage_stops_at_twenty_rupees():
    assert order_charges(Side.BUY, D("66666"), INTRADAY).brokerage == D("19.9998")
    assert order_charges(Side.BUY, D("66667"), INTRADAY).brokerage == 20
    found = order_charges(Side.BUY, D(1000000), INTRADAY)
    # 18 % of 20 + 30.699 + 1
    assert astuple(found) == (D(20), D(0), D("30.7"), D(1), D(30), D("9.30582"))
    assert found.total == D("91.00582")


def test_bse_takes_its_own_charge():
    found = order_charges(Side.BUY, D(25000), replace(DELIVERY, **BSE))
    # 18 % of 0.9375 + 0.025
    assert astuple(found) == (
        D(0), D(25), D("0.9375"), D("0.025"), D("3.75"), D("0.17325"),
    )  # fmt: skip
    assert found.total == D("29.88575")


def wire(number):
    """Return a number of a sample without the noise of binary fractions."""
    return D(repr(number)).quantize(D("0.000000000001"))


# The sample's days: July 2023 (NSE 325 and 10 a crore, options 5000 and 50, MCX 260). Its notes
# round stamp duty to the rupee, which leaves nothing of 0.08 and of 0.0045.
OF_THE_DAY = {
    "SBIN": replace(
        DELIVERY,
        exchange_turnover=D("0.0000325"),
        investor_protection=D("0.000001"),
        stamp_buy=D(0),
    ),
    "GOLDPETAL23JULFUT": replace(
        INTRADAY,
        tax_sell=D("0.0001"),
        exchange_turnover=D("0.000026"),
        investor_protection=D(0),
    ),
    "NIFTY2371317900PE": replace(
        INTRADAY,
        brokerage=D(1),
        exchange_turnover=D("0.0005"),
        investor_protection=D("0.000005"),
        stamp_buy=D(0),
    ),
}


@pytest.mark.skipif(not SAMPLES.exists(), reason="the published samples are not on this machine")
def test_the_sample_contract_note_comes_out_number_for_number():
    notes = json.loads((SAMPLES / "virtual_contract_note.json").read_text())["data"]
    assert [note["tradingsymbol"] for note in notes] == list(OF_THE_DAY)
    for note in notes:
        value = wire(note["price"]) * note["quantity"]
        side = Side(note["transaction_type"])
        found = order_charges(side, value, OF_THE_DAY[note["tradingsymbol"]])
        told = note["charges"]
        assert found == Charges(
            brokerage=wire(told["brokerage"]),
            transaction_tax=wire(told["transaction_tax"]),
            exchange_turnover=wire(told["exchange_turnover_charge"]),
            sebi_turnover=wire(told["sebi_turnover_charge"]),
            stamp_duty=wire(told["stamp_duty"]),
            gst=wire(told["gst"]["total"]),
        )
        assert found.total == wire(told["total"])


@pytest.mark.skipif(not SAMPLES.exists(), reason="the published samples are not on this machine")
def test_the_sample_of_order_margins_comes_out_but_for_its_rounded_stamp_duty():
    (told,) = json.loads((SAMPLES / "order_margins.json").read_text())["data"]
    rates = replace(
        DELIVERY,
        brokerage=D(1),
        brokerage_cap=D("0.01"),
        exchange_turnover=D("0.0000345"),
        investor_protection=D(0),
    )
    found, told = order_charges(Side.BUY, D(1498), rates), told["charges"]
    assert found.transaction_tax == wire(told["transaction_tax"])
    assert found.exchange_turnover == wire(told["exchange_turnover_charge"])
    assert found.sebi_turnover == wire(told["sebi_turnover_charge"])
    assert found.brokerage == wire(told["brokerage"])
    assert found.gst == wire(told["gst"]["total"])
    assert (found.stamp_duty, wire(told["stamp_duty"])) == (D("0.2247"), D("0.22"))


# ------------------------------------------------------------------------------------- fills

fills = st.lists(
    st.tuples(
        st.decimals(min_value="0.001", max_value=5000, places=3),
        st.decimals(min_value="0.05", max_value=5000, places=4),
    ),
    min_size=1,
    max_size=8,
)


@given(st.sampled_from(Side), fills, st.sampled_from([DELIVERY, INTRADAY]))
def test_the_fills_of_an_order_add_up_to_the_order(side, traded, rates):
    before, booked = D(0), Charges()
    for quantity, price in traded:
        value = to_ledger(quantity * price)
        part = fill_charges(side, value, rates, before=before)
        assert min(astuple(part)) >= 0
        before, booked = before + value, booked + part
    assert booked == order_charges(side, before, rates)
    assert booked.brokerage <= rates.brokerage_cap
    assert booked.total == sum(astuple(booked))


@given(fills, st.sampled_from([DELIVERY, INTRADAY]), st.decimals(0, 1, places=3))
def test_the_hold_of_a_buy_covers_every_fill_on_the_way(traded, rates, better):
    worst = max(price for _, price in traded)
    left = sum(quantity for quantity, _ in traded)
    held = hold_for(Side.BUY, left, worst_price=worst, fee_rate=rates.worst(Side.BUY))
    before = D(0)
    for quantity, price in traded:
        value = to_ledger(quantity * max(price * better, D("0.0001")))
        left -= quantity
        after = hold_for(Side.BUY, left, worst_price=worst, fee_rate=rates.worst(Side.BUY))
        spent = value + fill_charges(Side.BUY, value, rates, before=before).total
        assert held - spent >= after - DUST
        before, held = before + value, after


def test_rates_of_holds_are_rounded_up_to_what_an_order_keeps():
    # 0.001 + 0.00015 + 0.000000001 + 1.18 * 0.000031699 = 0.00118740582
    assert DELIVERY.worst(Side.BUY) == D("0.00118741")
    # 0.00003 + 0.000000001 + 1.18 * 0.000331699 = 0.00042140582
    assert INTRADAY.worst(Side.BUY) == D("0.00042141")
    # No stamp duty, but the tax of a sale.
    assert DELIVERY.worst(Side.SELL) == D("0.00103741")
    assert INTRADAY.worst(Side.SELL) == D("0.00064141")


# ------------------------------------------------------------------------------------- dates


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def dated(text, rate, *, exchange="NSE", segment=Segment.DELIVERY):
    return DatedRates(exchange, segment, day(text), replace(DELIVERY, tax_buy=D(rate)))


TABLE = ChargeTable(
    (
        dated("2026-03-01", "0.003"),
        dated("2024-10-01", "0.002"),
        dated("2024-10-01", "0.004", exchange="BSE"),
        dated("2026-03-01", "0.005"),
        dated("2024-10-01", "0.006", segment=Segment.INTRADAY),
    )
)


@pytest.mark.parametrize(
    ("moment", "rate"),
    [
        ("2021-05-14T04:00", "0.002"),
        ("2024-10-01T00:00", "0.002"),
        ("2026-02-28T23:59", "0.002"),
        # Of two rows of one moment the one that was added last counts.
        ("2026-03-01T00:00", "0.005"),
        ("2030-01-01T00:00", "0.005"),
    ],
)
def test_the_row_valid_at_the_moment_counts(moment, rate):
    assert TABLE.at("NSE", Segment.DELIVERY, day(moment)).tax_buy == D(rate)


def test_rates_belong_to_their_exchange_and_segment():
    assert TABLE.at("BSE", Segment.DELIVERY, NOON).tax_buy == D("0.004")
    assert TABLE.at("NSE", Segment.INTRADAY, NOON).tax_buy == D("0.006")
    with pytest.raises(InvalidOrder, match="no charge rates for NFO, delivery") as refused:
        TABLE.at("NFO", Segment.DELIVERY, NOON)
    assert (refused.value.field, refused.value.code) == ("exchange", "NOT_OFFERED")
    assert segment_of(Product.CNC) is Segment.DELIVERY
    assert segment_of(Product.MIS) is Segment.INTRADAY


def test_a_hold_looks_ahead_to_rates_that_are_announced():
    early, late = day("2025-01-01T00:00"), day("2027-01-01T00:00")
    for since in (early, late):
        worst = TABLE.worst(Side.BUY, "NSE", Segment.DELIVERY, since=since)
        assert worst == D("0.00518741")
    worst = TABLE.worst(Side.BUY, "BSE", Segment.DELIVERY, since=early)
    assert worst == D("0.00418741")


# ------------------------------------------------------------------------------------- accounts

FLAT = AccountFees(FeeRates(maker=D("0.0002"), taker=D("0.0006"), mode=FeeMode.QUOTE))
RECEIVED = AccountFees(FeeRates(maker=D("0.001"), taker=D("0.001"), mode=FeeMode.RECEIVED))
INDIAN = AccountFees(
    NO_FEES.flat,
    ChargeTable(
        (
            DatedRates("NSE", Segment.DELIVERY, day("2026-03-01"), DELIVERY),
            DatedRates("NSE", Segment.INTRADAY, day("2026-03-01"), INTRADAY),
        )
    ),
)


def deal(side=Side.BUY, product=Product.CNC):
    return Deal(side, "NSE", product, NOON)


def test_a_flat_account_pays_as_before_whatever_was_filled():
    for before in (D(0), D(99999)):
        fee = FLAT.of_fill(deal(), D(10), D(250), liquidity=Liquidity.MAKER, before=before)
        assert (fee.quote, fee.base) == (D("0.5"), D(0))
        fee = FLAT.of_fill(deal(), D(10), D(250), liquidity=Liquidity.TAKER, before=before)
        assert (fee.quote, fee.base) == (D("1.5"), D(0))
    units = RECEIVED.of_fill(deal(), D(10), D(250), liquidity=Liquidity.TAKER, before=D(0))
    assert (units.quote, units.base) == (D(0), D("0.01"))
    assert FLAT.of_order(deal(), D(10), D(250)) == Charges(brokerage=D("1.5"))
    assert RECEIVED.of_order(deal(), D(10), D(250)) == Charges(brokerage=D("2.5"))
    assert (FLAT.kind, FLAT.hold_rate(deal())) == (FeeKind.FLAT, D("0.0006"))
    assert FLAT.hold_rate(deal(Side.SELL)) == D("0.0006")
    assert RECEIVED.hold_rate(deal()) == 0
    assert FLAT.flat.of(Liquidity.MAKER) == D("0.0002")


def test_an_indian_account_pays_by_product_and_by_what_was_filled():
    assert INDIAN.kind is FeeKind.INDIAN_EQUITY
    assert INDIAN.of_order(deal(), D(100), D(250)).total == D("29.6851455")
    assert INDIAN.of_order(deal(product=Product.MIS), D(100), D(250)).total == D("10.5351455")
    assert INDIAN.hold_rate(deal()) == D("0.00118741")
    assert INDIAN.hold_rate(deal(product=Product.MIS)) == D("0.00042141")
    assert INDIAN.hold_rate(deal(Side.SELL, Product.MIS)) == D("0.00064141")
    intraday = deal(product=Product.MIS)
    parts = [
        INDIAN.of_fill(intraday, D(400), D(250), liquidity=Liquidity.MAKER, before=before).quote
        for before in (D(0), D(100000))
    ]
    # The first fill has the whole brokerage of 20 already.
    assert parts == [D("30.34058200"), D("6.74058200")]
    assert sum(parts) == INDIAN.of_order(intraday, D(800), D(250)).total
    assert NO_FEES.of_order(deal(), D(1), D(1)) == Charges()
