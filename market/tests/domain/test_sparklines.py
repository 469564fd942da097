"""The points of a small line."""

from decimal import Decimal

import pytest

from market.domain.sparklines import line_points


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ""),
        (["262"], ""),
        (["262", "262"], "0,16 120,16"),
        (["260", "264", "262"], "0,30 60,2 120,16"),
        (["1", "2", "3", "1.5"], "0,30 40,16 80,2 120,23"),
    ],
)
def test_points(values, expected):
    assert line_points([Decimal(each) for each in values]) == expected
