"""When a condition becomes true, and where its next change can come from."""

from decimal import Decimal

import pytest

from portfolio.domain.alerts import Operator, Turn, Wake, turn_between, turn_of, wake_of

C = Decimal(100)
GE, GT, LE, LT, EQ = (Operator(each) for each in (">=", ">", "<=", "<", "=="))


def d(*values):
    return [Decimal(str(value)) for value in values]


@pytest.mark.parametrize(
    ("operator", "prices", "was", "is_true", "fired"),
    [
        (GE, [99, 100], False, True, 100),
        (GE, [99.95, 99.99], False, False, None),
        (GT, [100], False, False, None),
        (GT, [100, 100.05], False, True, "100.05"),
        (LE, [100.05, 100], False, True, 100),
        (LT, [100], False, False, None),
        (LT, [99.95], False, True, "99.95"),
        (EQ, [99.95, 100.05], False, False, None),
        (EQ, [99, 100, 101], False, False, 100),
        # It stays true: nothing. It was true, then not, then again: it fires.
        (GE, [101, 102], True, True, None),
        (GE, [99], True, False, None),
        (GE, [99, 101], True, True, 101),
        # Up and down again within one look.
        (GE, [99, 105, 98], False, False, 105),
        (GE, [], True, True, None),
    ],
)
def test_an_alert_fires_when_it_becomes_true(operator, prices, was, is_true, fired):
    turn = turn_of(operator, C, d(*prices), is_true=was)
    assert turn == Turn(is_true, None if fired is None else Decimal(str(fired)))


@pytest.mark.parametrize(
    ("operator", "reached", "was", "is_true", "fired"),
    [
        (GE, (95, 105, 98), False, False, 105),
        (GE, (95, 105, 101), True, True, 101),
        (GE, (95, 99, 96), False, False, None),
        (LE, (95, 105, 101), False, False, 95),
        (LE, (95, 105, 96), True, True, 96),
        (LE, (101, 105, 102), True, False, None),
        # Whether it was exactly there is not known.
        (EQ, (95, 105, 101), False, False, None),
        (EQ, (95, 100, 96), False, False, 100),
    ],
)
def test_the_same_when_only_the_range_is_known(operator, reached, was, is_true, fired):
    low, high, last = d(*reached)
    turn = turn_between(operator, C, (low, high, last), is_true=was)
    assert turn == Turn(is_true, None if fired is None else Decimal(fired))


@pytest.mark.parametrize(
    ("operator", "is_true", "expected"),
    [
        (GE, False, Wake(above=C)),
        (GT, False, Wake(above=C)),
        (GE, True, Wake(below=C)),
        (LE, False, Wake(below=C)),
        (LT, True, Wake(above=C)),
        (EQ, False, Wake(touch=C)),
        (EQ, True, Wake(below=C, above=C)),
    ],
)
def test_where_the_next_change_comes_from(operator, is_true, expected):
    assert wake_of(operator, C, is_true=is_true) == expected
