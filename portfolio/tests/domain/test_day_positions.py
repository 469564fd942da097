from decimal import Decimal

from portfolio.domain.day_positions import ZERO, DayChanges, Flow, Moved, day_position

D = Decimal


def of(quantity, cost, *, bought=(0, 0), sold=(0, 0), realised=0, **more):
    flow = Flow(D(bought[0]), D(bought[1]), D(sold[0]), D(sold[1]))
    fees = D(more.get("fees_base", 0))
    moved = {
        name: Moved(D(more[name][0]), D(more[name][1])) for name in ("came", "went") if name in more
    }
    return day_position(D(quantity), D(cost), DayChanges(flow, D(realised), fees, **moved))


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


def test_units_of_today_become_another_product():
    # Of 32 bought today at 260, five go.
    left = of(27, 7020, bought=(32, 8320), went=(5, 1300))
    assert (left.opening_quantity, left.opening_cost) == (0, 0)
    assert (left.day.buy_quantity, left.day.buy_value, left.average_price()) == (27, 7020, 260)
    # ... and are there as if they were bought today; three of them are sold at 262.
    other = of(2, 520, sold=(3, 786), realised=6, came=(5, 1300))
    assert (other.opening_quantity, other.opening_cost) == (0, 0)
    assert (other.day.buy_quantity, other.day.buy_value, other.day.sell_value) == (5, 1300, 786)


def test_units_carried_over_become_another_product():
    # Ten carried over at 250, two bought today at 262; five go: today's two first.
    left = of(7, 1764, bought=(2, 524), went=(5, 1260))
    assert (left.day.buy_quantity, left.day.buy_value) == (0, 0)
    assert left.quantity == left.opening_quantity == 7
    assert (left.opening_cost, left.opening_price) == (1764, 252)


def test_nothing_traded_today():
    found = of(5, 1300)
    assert (found.opening_quantity, found.opening_cost, found.opening_price) == (5, 1300, 260)
    assert found.day == Flow()
    assert found.of_the_day().quantity == ZERO
