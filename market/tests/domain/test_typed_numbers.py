"""What counts as a number when somebody types money."""

from decimal import Decimal

import pytest

from market.domain.typed_numbers import plain_number, typed_number, ungrouped

D = Decimal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", D(5)),
        (" 5 ", D(5)),
        ("0.5", D("0.5")),
        (".5", D("0.5")),
        ("-1", D(-1)),
        ("0", D(0)),
        ("1,000", D(1000)),
        ("100,000", D(100_000)),
        ("1,00,000", D(100_000)),
        ("12,34,567.25", D("1234567.25")),
        ("1,234,567.25", D("1234567.25")),
        ("0,5", None),
        ("1,5", None),
        ("0,500", None),
        ("1,50", None),
        ("10,00", None),
        ("1,0000", None),
        ("1,00,00,00", None),
        ("100,00,000", None),
        ("1,234,56", None),
        ("1,,000", None),
        (",000", None),
        ("1,000,", None),
        ("1.000,50", None),
        ("1 000", None),
        ("1_000", None),
        ("1e5", None),
        ("1.5.0", None),
        ("5.", None),
        ("+5", None),
        ("--1", None),
        ("NaN", None),
        ("Infinity", None),
        ("0x10", None),
        ("٣", None),
        ("५", None),
        ("", None),
        (" ", None),
        ("lots", None),
    ],
)
def test_only_plain_decimals_and_exact_grouping_are_numbers(text, number):
    assert typed_number(text) == number


def test_programs_write_plain_decimals():
    assert plain_number("100000.5") == D("100000.5")
    assert plain_number("100,000.5") is None
    assert ungrouped("1,00,000") == "100000"
    assert ungrouped("1,5") == "1,5"
