"""The matching core against an oracle that sorts a plain list."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.domain.enums import Side
from market.domain.matching import MatchingBook

SIDES = st.sampled_from([Side.BUY, Side.SELL])
PRICES = st.integers(1, 12)
QUANTITIES = st.integers(1, 9)


@dataclass
class Oracle:
    """Price-time priority as one would write it on paper."""

    rows: list[list[Any]] = field(default_factory=list)  # [number, price, quantity, side]

    def add(self, number, price, quantity, side):
        self.rows.append([number, price, quantity, side])

    def cancel(self, number):
        for row in self.rows:
            if row[0] == number:
                self.rows.remove(row)
                return row[2]
        return 0

    def ordered(self, side):
        rows = [row for row in self.rows if row[3] is side]
        return sorted(rows, key=lambda r: (r[1] if side is Side.SELL else -r[1], r[0]))

    def match(self, side, limit, quantity):
        matches = []
        for row in self.ordered(side.opposite):
            within = row[1] <= limit if side is Side.BUY else row[1] >= limit
            if not within or quantity == 0:
                break
            traded = row[2] if quantity is None else min(row[2], quantity)
            matches.append((row[0], row[1], traded))
            row[2] -= traded
            quantity = None if quantity is None else quantity - traded
        self.rows = [row for row in self.rows if row[2]]
        return matches


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), PRICES, QUANTITIES, SIDES),
        st.tuples(st.just("cancel"), st.integers(1, 60)),
        st.tuples(st.just("reduce"), st.integers(1, 60), QUANTITIES),
        st.tuples(st.just("match"), PRICES, st.none() | QUANTITIES, SIDES),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(OPERATIONS)
def test_every_operation_does_what_the_oracle_does(operations):
    book, oracle = MatchingBook(), Oracle()
    for number, (kind, *values) in enumerate(operations, start=1):
        if kind == "add":
            price, quantity, side = values
            book.add(number, price, quantity, side=side)
            oracle.add(number, price, quantity, side)
        elif kind == "cancel":
            assert book.cancel(values[0]) == oracle.cancel(values[0])
        elif kind == "reduce":
            rows = [row for row in oracle.rows if row[0] == values[0] and row[2] >= values[1]]
            if rows:
                book.reduce(*values)
                rows[0][2] = values[1]
        else:
            limit, quantity, side = values
            assert book.match(side, limit, quantity) == oracle.match(side, limit, quantity)
        for side in Side:
            assert book.resting(side) == [tuple(row[:3]) for row in oracle.ordered(side)]
        assert len(book) == len(oracle.rows)


def test_cancelled_orders_do_not_pile_up():
    book = MatchingBook()
    for number in range(1, 10_001):
        book.add(number, 100 - number % 50, 1, side=Side.BUY)
        if number > 10:
            assert book.cancel(number) == 1
    assert len(book) == 10
    assert len(book._buys) < 200
    assert [row[0] for row in book.resting(Side.BUY)] == list(range(1, 11))


def test_time_decides_at_one_price():
    book = MatchingBook()
    book.add(1, 100, 5, side=Side.SELL)
    book.add(2, 100, 5, side=Side.SELL)
    book.add(3, 99, 5, side=Side.SELL)
    assert book.match(Side.BUY, 100, 12) == [(3, 99, 5), (1, 100, 5), (2, 100, 2)]
    assert book.quantity_of(2) == 3
    assert 1 not in book
    assert 2 in book


@pytest.mark.parametrize("quantity", [0, -1, 6])
def test_reduce_refuses_what_is_not_smaller(quantity):
    book = MatchingBook()
    book.add(1, 100, 5, side=Side.BUY)
    with pytest.raises(ValueError, match="has 5 left"):
        book.reduce(1, quantity)
    assert book.quantity_of(1) == 5
