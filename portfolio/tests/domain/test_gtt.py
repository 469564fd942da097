"""Which prices fire a trigger, and which triggers are refused."""

from decimal import Decimal

import pytest

from market.domain.enums import Side
from market.services.instruments import seed_set
from portfolio.domain.gtt import Levels, Met, first_met, level_defect, levels_of, met_between

ONGC = seed_set()[0].spec


def d(*values):
    return [Decimal(str(value)) for value in values]


def levels(below, above):
    return Levels(*(None if each is None else Decimal(str(each)) for each in (below, above)))


@pytest.mark.parametrize(
    ("values", "seen", "expected"),
    [
        ([270], 260, (None, 270)),
        ([250], 260, (250, None)),
        # At the price itself it waits for a rise; the market's own price refuses it anyway.
        ([260], 260, (None, 260)),
        ([250, 270], 260, (250, 270)),
    ],
)
def test_a_trigger_fires_in_the_direction_that_it_was_seen_in(values, seen, expected):
    assert levels_of(d(*values), seen_price=Decimal(seen)) == levels(*expected)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([250.05, 269.95], None),
        ([250], Met(0, Decimal(250))),
        ([249.95, 271], Met(0, Decimal("249.95"))),
        ([270], Met(1, Decimal(270))),
        ([260, 300, 100], Met(1, Decimal(300))),
        ([], None),
    ],
)
def test_the_first_price_that_reaches_a_level_fires_its_leg(prices, expected):
    assert first_met(levels(250, 270), d(*prices)) == expected


def test_a_single_trigger_has_one_leg_whatever_its_direction():
    assert first_met(levels(None, 270), d(100, 270)) == Met(0, Decimal(270))
    assert first_met(levels(250, None), d(300, 250)) == Met(0, Decimal(250))


@pytest.mark.parametrize(("side", "number"), [(Side.SELL, 0), (Side.BUY, 1)])
def test_of_a_range_beyond_both_levels_the_stop_loss_counts(side, number):
    met = met_between(levels(250, 270), low=Decimal(240), high=Decimal(280), side=side)
    assert met == Met(number, Decimal(240 if number == 0 else 280))


@pytest.mark.parametrize(
    ("below", "above", "last", "expected"),
    [
        # 0.25 % of 260 is 0.65: exactly so far is far enough.
        (None, "260.65", 260, None),
        ("259.35", None, 260, None),
        (None, "260.6", 260, ("condition.trigger_values[0]", "ORDER", "260.65", None)),
        ("259.4", None, 260, ("condition.trigger_values[0]", "ORDER", None, "259.35")),
        (None, "260", 260, ("condition.trigger_values[0]", "ORDER", "260.65", None)),
        # Set against a price of 240 while the market is at 270 already.
        (None, "250", 270, ("condition.trigger_values[0]", "ORDER", "270.7", None)),
        ("250", "270", 260, None),
        ("250", "260.5", 260, ("condition.trigger_values[1]", "ORDER", "260.65", None)),
        ("270", "280", 260, ("condition.trigger_values[0]", "ORDER", None, "259.35")),
        ("270", "250", 260, ("condition.trigger_values[0]", "ORDER", None, "259.35")),
        ("250.03", None, 260, ("condition.trigger_values[0]", "NOT_TICK", "0.05", None)),
        ("0", None, 260, ("condition.trigger_values[0]", "BELOW_MIN", None, None)),
        ("250", "1000000000001", 260, ("condition.trigger_values[1]", "ABOVE_MAX", None, None)),
    ],
)
def test_levels_that_are_refused(below, above, last, expected):
    defect = level_defect(levels(below, above), last_price=Decimal(last), spec=ONGC)
    if expected is None:
        assert defect is None
        return
    field, code, minimum, maximum = expected
    assert (defect.field, defect.code) == (field, code)
    assert (defect.minimum, defect.maximum) == (
        None if minimum is None else Decimal(minimum),
        None if maximum is None else Decimal(maximum),
    )
