"""Every parameter: its exact words, field, code and limits (bots.md 1.8 and 2.2)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bots.domain.enums import PauseMode, StopMode
from bots.domain.spot_grid_config import Spacing, TriggerSide
from bots.exceptions import InvalidParameter
from bots.tests.domain.grids import GRID, ONGC, SOL, T0, D, config_of, context_of
from market.domain.enums import TimeInForce

REQUIRED = {"lower": "240", "upper": "280", "grids": 8, "investment": "50000"}

# field, given values, words, code, min, max
CASES = [
    ("name", {"name": " "}, "Name must have 1 to 40 characters", "REQUIRED", "1", "40"),
    ("name", {"name": "x" * 41}, "Name must have 1 to 40 characters", "ABOVE_MAX", "1", "40"),
    ("lower", {"lower": ""}, "Lower price is required", "REQUIRED", None, None),
    ("lower", {"lower": "abc"}, "Lower price must be a number", "NOT_A_NUMBER", None, None),
    ("lower", {"lower": "2,40"}, "Lower price must be a number", "NOT_A_NUMBER", None, None),
    ("lower", {"lower": "24e1"}, "Lower price must be a number", "NOT_A_NUMBER", None, None),
    ("upper", {"upper": "1" * 40}, "Upper price is too large", "ABOVE_MAX", None, "1000000000000"),
    ("lower", {"lower": "NaN"}, "Lower price must be a number", "NOT_A_NUMBER", None, None),
    (
        "lower",
        {"lower": 240.5},
        "Lower price must be a number, written as text",
        "NOT_A_NUMBER",
        None,
        None,
    ),
    (
        "lower",
        {"lower": "240.03"},
        "Lower price must be a multiple of 0.05",
        "NOT_TICK",
        "0.05",
        None,
    ),
    ("lower", {"lower": "0"}, "Lower price must be above 0", "BELOW_MIN", "0.05", None),
    ("lower", {"lower": "-5"}, "Lower price must be above 0", "BELOW_MIN", "0.05", None),
    ("upper", {"upper": "240"}, "Upper price must be above lower price", "ORDER", "240.05", None),
    ("upper", {"upper": "200"}, "Upper price must be above lower price", "ORDER", "240.05", None),
    (
        "upper",
        {"upper": "280.01"},
        "Upper price must be a multiple of 0.05",
        "NOT_TICK",
        "0.05",
        None,
    ),
    ("grids", {"grids": "1"}, "Grids must be between 2 and 200", "BELOW_MIN", "2", "200"),
    ("grids", {"grids": "201"}, "Grids must be between 2 and 200", "ABOVE_MAX", "2", "200"),
    ("grids", {"grids": "2.5"}, "Grids must be a whole number", "NOT_A_NUMBER", None, None),
    (
        "grids",
        {"lower": "262", "upper": "262.5", "grids": 11},
        "Too many grids: two levels have the same price",
        "ABOVE_MAX",
        "2",
        "10",
    ),
    (
        "grids",
        {"lower": "262", "upper": "263", "grids": 10},
        "Profit per grid is -0.062 %, below the fee",
        "ABOVE_MAX",
        None,
        None,
    ),
    ("spacing", {"spacing": "random"}, "Unknown spacing", "UNKNOWN", None, None),
    (
        "investment",
        {"investment": "2056.56"},
        "Minimum investment is 2056.57 INR",
        "BELOW_MIN",
        "2056.57",
        "100000",
    ),
    (
        "investment",
        {"investment": "100000.01"},
        "Free balance is Rs. 1,00,000.00",
        "INSUFFICIENT_FUNDS",
        "2056.57",
        "100000",
    ),
    (
        "reserve_pct",
        {"reserve_pct": "0.0054"},
        "Reserve must cover fees and slippage",
        "BELOW_MIN",
        "0.0055",
        "0.2",
    ),
    (
        "reserve_pct",
        {"reserve_pct": "0.21"},
        "Reserve must cover fees and slippage",
        "ABOVE_MAX",
        "0.0055",
        "0.2",
    ),
    (
        "reserve_pct",
        {"reserve_pct": "5"},
        "Reserve must cover fees and slippage. Give a fraction: 0.05 is 5 %",
        "ABOVE_MAX",
        "0.0055",
        "0.2",
    ),
    (
        "slippage_cap",
        {"slippage_cap": "0.06"},
        "Slippage cap must be 0 to 5 %",
        "ABOVE_MAX",
        "0",
        "0.05",
    ),
    (
        "slippage_cap",
        {"slippage_cap": "-0.01"},
        "Slippage cap must be 0 to 5 %",
        "BELOW_MIN",
        "0",
        "0.05",
    ),
    (
        "trigger_price",
        {"trigger_price": "262"},
        "Trigger price must differ from the market price",
        "ORDER",
        "0.05",
        None,
    ),
    (
        "trigger_price",
        {"trigger_price": "0"},
        "Trigger price must be above 0",
        "BELOW_MIN",
        "0.05",
        None,
    ),
    (
        "trigger_price",
        {"trigger_price": "250.01"},
        "Trigger price must be a multiple of 0.05",
        "NOT_TICK",
        "0.05",
        None,
    ),
    (
        "stop_loss",
        {"stop_loss": "240"},
        "Stop loss must be below the lower price",
        "ORDER",
        "0.05",
        "239.95",
    ),
    (
        "stop_loss",
        {"stop_loss": "230", "trigger_price": "220"},
        "Stop loss must be below the lower price",
        "ORDER",
        "0.05",
        "219.95",
    ),
    (
        "stop_loss",
        {"stop_loss": "0"},
        "Stop loss must be above 0",
        "BELOW_MIN",
        "0.05",
        "239.95",
    ),
    (
        "stop_loss",
        {"stop_loss": "230.01"},
        "Stop loss must be a multiple of 0.05",
        "NOT_TICK",
        "0.05",
        None,
    ),
    (
        "take_profit",
        {"take_profit": "280"},
        "Take profit must be above the upper price",
        "ORDER",
        "280.05",
        None,
    ),
    (
        "take_profit",
        {"take_profit": "290", "trigger_price": "300"},
        "Take profit must be above the upper price",
        "ORDER",
        "300.05",
        None,
    ),
    (
        "take_profit",
        {"take_profit": "290.02"},
        "Take profit must be a multiple of 0.05",
        "NOT_TICK",
        "280.05",
        None,
    ),
    ("reinvest", {"reinvest": "maybe"}, "Reinvest is on or off", "UNKNOWN", None, None),
    ("pause_mode", {"pause_mode": "nap"}, "Unknown pause mode", "UNKNOWN", None, None),
    ("stop_mode", {"stop_mode": "burn"}, "Unknown stop mode", "UNKNOWN", None, None),
    (
        "max_loss",
        {"max_loss": "50001"},
        "Maximum loss cannot exceed the investment",
        "ABOVE_MAX",
        "0",
        "50000",
    ),
    (
        "max_loss",
        {"max_loss": "-1"},
        "Maximum loss must be 0 or more",
        "BELOW_MIN",
        "0",
        "50000",
    ),
    (
        "run_until",
        {"run_until": "2025-12-31T00:00:00Z"},
        "End time is in the past",
        "BELOW_MIN",
        "2026-01-01T00:00:00+00:00",
        None,
    ),
    (
        "run_until",
        {"run_until": "soon"},
        "End time must be a date and time",
        "NOT_A_TIME",
        None,
        None,
    ),
    ("fee_mode", {"fee_mode": "free"}, "Unknown fee mode", "UNKNOWN", None, None),
    (
        "fee_mode",
        {"fee_mode": "received"},
        "Fee mode of this account is quote",
        "UNKNOWN",
        None,
        None,
    ),
    (
        "approval",
        {"approval": "per_order"},
        "Manual approval is not offered on paper accounts",
        "APPROVAL_UNSUPPORTED",
        None,
        None,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{list(case[1].values())[-1]}")
def test_wrong_parameter_is_named_with_its_limits(case):
    field, given, words, code, minimum, maximum = case
    context = context_of(free_balance=D(100000), now=T0)
    with pytest.raises(InvalidParameter) as raised:
        GRID.parse(REQUIRED | given, context=context)
    error = raised.value
    assert (error.field, str(error), error.code) == (field, words, code)
    assert (error.minimum, error.maximum) == (minimum, maximum)


@pytest.mark.parametrize("missing", ["lower", "upper", "grids", "investment"])
def test_required_parameters(missing):
    values = {name: value for name, value in REQUIRED.items() if name != missing}
    with pytest.raises(InvalidParameter, match="is required") as raised:
        GRID.parse(values, context=context_of())
    assert (raised.value.field, raised.value.code) == (missing, "REQUIRED")


def test_instrument_must_be_tradable_and_have_a_price():
    halted = replace(context_of().instrument, is_tradable=False)
    for context, words in (
        (context_of(instrument=halted), "Instrument is not tradable"),
        (context_of(market_price=None), "Instrument has no price yet"),
    ):
        with pytest.raises(InvalidParameter, match=words) as raised:
            GRID.parse(REQUIRED, context=context)
        assert raised.value.field == "symbol"


def test_venue_limits_bound_grids_and_quantity():
    with pytest.raises(InvalidParameter, match="Grids must be between 2 and 50"):
        GRID.parse(REQUIRED | {"grids": 51}, context=context_of(max_orders=50))
    small = replace(context_of().instrument, max_quantity=D(20))
    with pytest.raises(InvalidParameter, match="above the largest order of 20") as raised:
        GRID.parse(REQUIRED, context=context_of(instrument=small))
    assert raised.value.maximum == "41131.31"  # 20 x 2036 / 0.99


def test_defaults_are_those_of_the_table():
    config = GRID.parse(REQUIRED, context=context_of())
    assert config.name == "NSE:ONGC Spot Grid"
    assert (config.reserve_pct, config.slippage_cap) == (D("0.01"), D("0.005"))
    assert (config.spacing, config.reinvest) == (Spacing.ARITHMETIC, False)
    assert (config.pause_mode, config.stop_mode) == (PauseMode.KEEP_ORDERS, StopMode.SELL_ALL)
    assert (config.stop_loss, config.take_profit, config.trigger_price) == (None, None, None)
    assert (config.max_loss, config.run_until) == (D(0), None)
    assert config.rules.time_in_force is TimeInForce.DAY
    assert config_of(SOL, price="125").rules.time_in_force is TimeInForce.GTC


def test_trigger_side_is_fixed_at_creation():
    assert config_of(trigger_price="250").trigger_side is TriggerSide.FALLING
    assert config_of(trigger_price="270").trigger_side is TriggerSide.RISING


def test_smallest_investment_is_accepted_and_sells_are_large_enough():
    assert config_of(investment="2056.57").investment == D("2056.57")
    # In received mode one lot of one bought leaves nothing that could be sold: two are needed.
    context = context_of(ONGC | {"fee_mode": "received"})
    with pytest.raises(InvalidParameter, match=r"Minimum investment is 4113\.14 INR"):
        GRID.parse(REQUIRED | {"investment": "3000"}, context=context)


def test_config_survives_its_json_form():
    config = config_of(
        trigger_price="250",
        stop_loss="230",
        take_profit="290",
        run_until=(T0 + timedelta(days=3)).isoformat(),
        max_loss="1000",
        reinvest="on",
    )
    stored = GRID.dump_config(config)
    assert stored["lower"] == "240"
    assert GRID.load_config(stored, context=context_of()) == config
    assert GRID.parse(stored, context=context_of()) == config
