from decimal import Decimal as D

from portfolio.domain.day_positions import ZERO, Flow, day_position


def of(quantity, cost, *, bought=(0, 0), sold=(0, 0), realised=0, fees_base=0):
    flow = Flow(D(bought[0]), D(bought[1]), D(sold[0]), D(sold[1]))
    return day_position(
        D(quantity), D(cost), day=flow, realised=D(realised), fees_base=D(fees_base)
    )


def test_bought_and_partly_sold_today():
    # 10 at 100, 4 sold at 110: 6 left that cost 600, 40 earned.
    found = of(6, 600, bought=(10, 1000), sold=(4, 440), realised=40)
    assert (found.opening_quantity, found.opening_cost, found.opening_price) == (0, 0, 0)
    assert found.total == found.day
    assert found.average_price() == 100
    assert found.of_the_day() == found


def test_carried_over_and_sold():
    # 3 carried at 23,057, one bought at 23,388, all four sold at 23,340: the mocks' GOLDGUINEA.
    found = of(0, 0, bought=(1, 23388), sold=(4, 93360), realised=D(93360) - 92559)
    assert (found.opening_quantity, found.opening_cost) == (3, 69171)
    total = found.total
    assert (total.buy_quantity, total.buy_value, total.buy_price) == (4, 92559, D("23139.75"))
    assert (total.sell_quantity, total.sell_value, total.sell_price) == (4, 93360, 23340)
    assert found.marked(D(23232)).buy_value == 93084
    assert found.average_price() == 0
    todays = found.of_the_day()
    assert (todays.quantity, todays.opening_quantity, todays.average_price()) == (-3, 0, 23340)


def test_a_short_of_today():
    found = of(-10, -2600, sold=(10, 2600))
    assert (found.opening_quantity, found.opening_cost) == (0, 0)
    assert found.average_price() == 260


def test_a_short_carried_over_and_bought_back():
    found = of(0, 0, bought=(10, 2550), realised=50)
    assert (found.opening_quantity, found.opening_cost, found.opening_price) == (-10, -2600, 260)
    assert (found.total.sell_quantity, found.total.sell_value) == (10, 2600)
    assert found.marked(D(255)).sell_value == 2550


def test_fees_paid_in_units():
    # 1 bought with a fee of 0.001 units: 0.999 are there, and they cost all of it.
    found = of("0.999", 60000, bought=(1, 60000), fees_base="0.001")
    assert (found.opening_quantity, found.opening_cost) == (0, 0)


def test_nothing_traded_today():
    found = of(5, 1300)
    assert (found.opening_quantity, found.opening_cost, found.opening_price) == (5, 1300, 260)
    assert found.day == Flow()
    assert found.of_the_day().quantity == ZERO
