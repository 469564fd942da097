"""Short positions in numbers: flips are the sum of their parts, collateral is always enough."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from market.domain.enums import Side
from portfolio.domain.fees import FillFee
from portfolio.domain.margin import OpenSale, Stand, collateral_of
from portfolio.domain.pnl import profit_of
from portfolio.domain.positions import Holding, apply_trade
from portfolio.domain.risk import OwnUnits

D = Decimal
NO_FEE = FillFee(D(0), D(0))
prices = st.integers(1, 100_000).map(lambda ticks: ticks * D("0.05"))
units = st.integers(1, 500).map(D)
trades = st.lists(st.tuples(st.sampled_from(list(Side)), units, prices), min_size=1, max_size=30)


def run(deals):
    holding = Holding()
    for side, quantity, price in deals:
        holding, _ = apply_trade(holding, side, quantity, price=price, fee=NO_FEE)
    return holding


def test_a_short_position_counts_what_it_was_sold_for():
    short = run([(Side.SELL, D(10), D(260))])
    assert (short.quantity, short.cost, short.realised) == (-10, -2600, 0)
    assert profit_of(short, price=D(255)).unrealised == 50
    part = run([(Side.SELL, D(10), D(260)), (Side.BUY, D(4), D(255))])
    assert (part.quantity, part.cost, part.realised) == (-6, -1560, 20)
    flipped = run([(Side.SELL, D(10), D(260)), (Side.BUY, D(15), D(255))])
    assert (flipped.quantity, flipped.cost, flipped.realised) == (5, 1275, 50)


@given(deals=trades, last=prices)
def test_a_trade_through_zero_is_the_sum_of_its_parts(deals, last):
    whole, parts = Holding(), Holding()
    for side, quantity, price in deals:
        whole, _ = apply_trade(whole, side, quantity, price=price, fee=NO_FEE)
        to_flat = min(quantity, abs(parts.quantity))
        for part in (to_flat, quantity - to_flat):
            if part:
                parts, _ = apply_trade(parts, side, part, price=price, fee=NO_FEE)
    assert replace(whole, cost=D(0), realised=D(0)) == replace(parts, cost=D(0), realised=D(0))
    assert abs(whole.cost - parts.cost) < D("1E-9")
    money = sum(
        quantity * price * (1 if side is Side.SELL else -1) for side, quantity, price in deals
    )
    assert abs(profit_of(whole, price=last).total - (money + whole.quantity * last)) < D("1E-9")
    assert whole.cost == whole.buy_value - whole.sell_value + whole.realised
    assert (whole.cost >= 0) if whole.quantity > 0 else (whole.cost <= 0)


def sale(quantity, each):
    return OpenSale(D(quantity), D(each))


def test_collateral_by_hand():
    assert collateral_of(Stand(quantity=D(10), cost=D(2600))) == 0
    assert collateral_of(Stand(quantity=D(-10), cost=D(-2600))) == 5200
    assert collateral_of(Stand(D(-10), D(-2600), held_for_buys=D(2000))) == 3200
    assert collateral_of(Stand(D(-10), D(-2600), held_for_buys=D(6000))) == 0
    # Money for buys secures nothing that is not yet sold.
    assert collateral_of(Stand(held_for_buys=D(6000), sales=(sale(10, 260),))) == 2600
    # Four units are owned: the dearest six of ten are what may be short.
    two = Stand(D(4), D(1000), sales=(sale(5, 270), sale(5, 260)))
    assert collateral_of(two) == 260 + 5 * 270


@given(
    owned=st.integers(-50, 50),
    sales=st.lists(st.tuples(st.integers(1, 20), prices), min_size=1, max_size=5),
    chosen=st.integers(0, 4),
    part=st.integers(1, 20),
)
def test_no_fill_of_a_sale_needs_more_than_was_kept_and_received(owned, sales, chosen, part):
    """The proof that a planned sale is always secured once it has traded, whichever comes first."""
    start = (Side.BUY if owned > 0 else Side.SELL, D(abs(owned)), D(100))
    holding = run([start]) if owned else Holding()
    quantity, price = sales[chosen % len(sales)]
    filled = D(min(part, quantity))
    after, _ = apply_trade(holding, Side.SELL, filled, price=price, fee=NO_FEE)
    left = [list(each) for each in sales]
    left[chosen % len(sales)][0] -= int(filled)

    def kept(position, orders):
        open_sales = tuple(sale(count, each) for count, each in orders)
        return collateral_of(Stand(position.quantity, position.cost, sales=open_sales))

    assert kept(after, left) <= kept(holding, sales) + filled * price


def test_how_far_a_position_can_reach():
    own = OwnUnits(held=D(-10), buys=D(4), sells=D(3))
    assert own.reach == 13
    assert own.reducible(Side.BUY) == 6
    assert own.reducible(Side.SELL) == -13
    assert own.with_order(Side.BUY, D(30)).reach == 24
    assert OwnUnits(held=D(10), sells=D(10)).reach == 10
