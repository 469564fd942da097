"""Fees, holds, entries and positions: exact, and zero per asset whatever happens."""

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.domain.enums import FeeMode, Side
from portfolio.domain.event_chain import event_hash
from portfolio.domain.fees import FillFee, fee_of, fill_fee, to_ledger
from portfolio.domain.ledger import (
    AccountKind,
    FillTerms,
    Posting,
    PostingKind,
    Pot,
    check_balanced,
    hold_for,
    plan_fill,
)
from portfolio.domain.pnl import DayTrades, day_profit, profit_of
from portfolio.domain.positions import Holding, apply_trade, move_in, move_out
from portfolio.exceptions import LedgerImbalance

D = Decimal
NOTHING = FillFee(D(0), D(0))
NOON = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)


def test_fee_is_kept_to_the_twelfth_decimal_half_up():
    assert fee_of(D(24), D(260), D("0.0005")) == D("3.12")
    assert to_ledger(D("0.0000000000005")) == D("0.000000000001")
    assert to_ledger(D("0.0000000000004")) == D(0)


def test_a_buy_in_received_mode_pays_units_and_a_sell_pays_quote():
    rate = D("0.001")
    buy = fill_fee(Side.BUY, D("1.635"), D(121), rate=rate, mode=FeeMode.RECEIVED)
    assert (buy.base, buy.quote) == (D("0.001635"), D(0))
    sell = fill_fee(Side.SELL, D("1.633"), D(121), rate=rate, mode=FeeMode.RECEIVED)
    assert (sell.base, sell.quote) == (D(0), D("0.197593"))


def test_hold_of_a_buy_is_money_and_of_a_sell_units():
    assert hold_for(Side.BUY, D(24), worst_price=D(260), fee_rate=D("0.0005")) == D("6243.12")
    assert hold_for(Side.SELL, D(24), worst_price=None, fee_rate=D(0)) == 24
    assert hold_for(Side.BUY, D(0), worst_price=None, fee_rate=D(0)) == 0
    with pytest.raises(ValueError, match="worst price"):
        hold_for(Side.BUY, D(1), worst_price=None, fee_rate=D(0))


def terms(side, quantity, price, *, held, hold_after, fee=NOTHING):
    return FillTerms(
        book_id=7, side=side, base_asset="X", quote_asset="INR", quantity=D(quantity),
        value=to_ledger(D(quantity) * D(price)), fee=fee, held=D(held), hold_after=D(hold_after),
    )  # fmt: skip


def test_a_fill_below_its_limit_gives_the_rest_of_the_hold_back():
    fee = FillFee(quote=D("1.25"), base=D(0))
    plan = plan_fill(terms(Side.BUY, 10, 250, held=2602, hold_after=0, fee=fee), available=D(0))
    moved = dict(plan.entries)
    assert moved[Pot(7, AccountKind.HELD, "INR")] == -2602
    assert moved[Pot(7, AccountKind.AVAILABLE, "INR")] == D("100.75")
    assert moved[Pot(None, AccountKind.CLEARING, "INR")] == 2500
    assert moved[Pot(None, AccountKind.FEES, "INR")] == D("1.25")
    assert moved[Pot(7, AccountKind.AVAILABLE, "X")] == 10


def test_rounding_dust_beyond_hold_and_money_comes_off_the_fee():
    fee = FillFee(quote=D("1.000000000001"), base=D(0))
    plan = plan_fill(terms(Side.BUY, 1, 100, held=101, hold_after=0, fee=fee), available=D(0))
    assert plan.fee.quote == 1
    assert dict(plan.entries)[Pot(7, AccountKind.HELD, "INR")] == -101


amounts = st.decimals(min_value="0.001", max_value="100000", places=3)
rates = st.decimals(min_value=0, max_value="0.01", places=8)


@given(st.sampled_from(Side), amounts, amounts, rates, st.sampled_from(FeeMode))
def test_every_fill_sums_to_zero_per_asset(side, quantity, price, rate, mode):
    fee = fill_fee(side, quantity, price, rate=rate, mode=mode)
    held = hold_for(side, quantity * 2, worst_price=price, fee_rate=rate)
    after = hold_for(side, quantity, worst_price=price, fee_rate=rate)
    given_terms = terms(side, quantity, price, held=held, hold_after=after, fee=fee)
    plan = plan_fill(given_terms, available=D(0))
    check_balanced(Posting("ref", PostingKind.TRADE, NOON, plan.entries))
    sums: dict[Pot, Decimal] = defaultdict(Decimal)
    for pot, amount in plan.entries:
        sums[pot] += amount
    # The book's own pots never need more than the hold had.
    quote_left = held + sums[Pot(7, AccountKind.HELD, "INR")]
    assert quote_left >= 0 or side is Side.SELL


def test_an_unbalanced_posting_is_refused():
    pots = (Pot(1, AccountKind.AVAILABLE, "INR"), Pot(None, AccountKind.EXTERNAL, "INR"))
    entries = ((pots[0], D(10)), (pots[1], D("-9.99")))
    with pytest.raises(LedgerImbalance, match=r"0\.01"):
        check_balanced(Posting("r", PostingKind.DEPOSIT, NOON, entries))


# ------------------------------------------------------------------ positions


def traded(*trades):
    holding, earned = Holding(), []
    for side, quantity, price in trades:
        holding, realised = apply_trade(holding, side, D(quantity), price=D(price), fee=NOTHING)
        earned.append(realised)
    return holding, earned


def test_a_sale_takes_its_share_of_the_cost():
    holding, earned = traded((Side.BUY, 10, 100), (Side.BUY, 10, 110), (Side.SELL, 5, 120))
    assert (holding.quantity, holding.cost) == (15, 1575)
    assert earned[-1] == 75
    assert holding.realised == 75


def test_selling_everything_leaves_no_cost_behind():
    holding, _ = traded((Side.BUY, 3, 10), (Side.SELL, 1, 11), (Side.SELL, 2, 9))
    assert (holding.quantity, holding.cost, holding.realised) == (0, 0, -1)


def test_a_flip_is_a_close_and_an_open():
    holding, earned = traded((Side.BUY, 10, 100), (Side.SELL, 15, 110))
    assert (holding.quantity, holding.cost) == (-5, -550)
    assert earned[-1] == 100
    after, earned_back = apply_trade(holding, Side.BUY, D(5), price=D(100), fee=NOTHING)
    assert (after.quantity, after.cost, earned_back) == (0, 0, 50)


def test_fee_in_units_makes_the_position_smaller_and_not_cheaper():
    fee = FillFee(quote=D(0), base=D("0.01"))
    holding, _ = apply_trade(Holding(), Side.BUY, D(10), price=D(100), fee=fee)
    assert (holding.quantity, holding.cost, holding.fees_base) == (D("9.99"), 1000, D("0.01"))


steps = st.lists(st.tuples(st.sampled_from(Side), amounts, amounts), min_size=1, max_size=30)


@given(steps)
def test_cost_is_what_was_paid_less_what_came_back_plus_what_was_earned(trades):
    holding, earned = traded(*trades)
    assert holding.cost == holding.buy_value - holding.sell_value + holding.realised
    assert holding.quantity == holding.buy_quantity - holding.sell_quantity
    assert holding.realised == sum(earned)


@given(steps, amounts)
def test_profit_is_the_change_of_equity(trades, price):
    holding, _ = traded(*trades)
    cash = holding.sell_value - holding.buy_value
    assert profit_of(holding, price=price).total == cash + holding.quantity * price


def test_units_take_their_cost_along_and_bring_it_back():
    holding, _ = traded((Side.BUY, 3, 10))
    left, cost = move_out(holding, D(1))
    assert (left.quantity, cost) == (2, 10)
    assert move_in(left, D(1), cost=cost) == holding
    with pytest.raises(ValueError, match="cannot move"):
        move_out(holding, D(4))


def test_day_profit_counts_yesterdays_units_from_yesterdays_close():
    day = DayTrades(buy_quantity=D(5), buy_value=D(500), fees_quote=D(1))
    assert day_profit(D(15), day, price=D(110), previous_close=D(100)) == 149


def test_the_hash_of_an_event_changes_with_everything_it_says():
    base: dict[str, Any] = {
        "order_id": 1, "sequence": 1, "kind": "TRADE", "to_status": "OPEN",
        "detail": {"quantity": "1"}, "at": NOON,
    }  # fmt: skip
    first = event_hash("", **base)
    assert first == event_hash("", **base)
    changed = [{"order_id": 2}, {"kind": "X"}, {"to_status": "Y"}, {"detail": {"quantity": "2"}}]
    others = {event_hash("", **{**base, **change}) for change in changed}
    assert first not in others | {event_hash("x", **base)}
