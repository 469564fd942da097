from decimal import Decimal

import pytest
from rest_framework.serializers import ValidationError

from api.fields import PlainNumber, WholeNumber


@pytest.mark.parametrize(("sent", "meant"), [("10", 10), (" 7 ", 7), (5, 5), ("5.0", 5), ("-0", 0)])
def test_whole_numbers(sent, meant):
    assert WholeNumber().run_validation(sent) == meant


@pytest.mark.parametrize(
    "sent",
    ["1_0", "٣", "\uff11", "1e1", "1.5", "NaN", "0x1", "", "9" * 21, True, Decimal("1E+400"), []],
)
def test_what_is_no_whole_number(sent):
    with pytest.raises(ValidationError):
        WholeNumber().run_validation(sent)


@pytest.mark.parametrize(
    "sent", ["1_0", "٣", "1e5", "1E400", "NaN", "Infinity", "1,000", "", "9" * 17, [], {}, True]
)
def test_what_is_no_plain_number(sent):
    with pytest.raises(ValidationError):
        PlainNumber().run_validation(sent)


@pytest.mark.parametrize(("sent", "meant"), [("0.5", "0.5"), (".5", "0.5"), (" 5 ", "5"), (5, "5")])
def test_plain_numbers(sent, meant):
    assert PlainNumber().run_validation(sent) == Decimal(meant)
