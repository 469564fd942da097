"""The create form's figures, by hand."""

from bots.domain.spot_grid_preview import preview
from bots.tests.domain.grids import ONGC, SOL, D, config_of, context_of


def test_preview_of_the_vector():
    context = context_of()
    seen = preview(config_of(stop_loss="230"), context)
    assert (seen.quantity, seen.sell_quantity, seen.empty_level) == (D(24), D(24), 5)
    assert seen.minimum_investment == D("2056.57")
    assert [round(x, 6) for x in (seen.profit_per_grid_pct_min, seen.profit_per_grid_pct_max)] == [
        D("1.717273"),
        D("1.982292"),
    ]
    # 275 -> 280: 24 x 5 - 24 x 555 x 0.0005; 240 -> 245: 24 x 5 - 24 x 485 x 0.0005.
    assert (seen.profit_per_grid_min, seen.profit_per_grid_max) == (D("113.34"), D("114.18"))
    assert (seen.initial_quantity, seen.initial_value) == (D(72), D(18864))
    assert (seen.initial_fee, seen.worst_initial_price) == (D("9.432"), D("263.30"))
    assert [(o.level, o.side.value) for o in seen.orders] == [
        *((level, "BUY") for level in range(5)),
        *((level, "SELL") for level in (6, 7, 8)),
    ]
    assert seen.buys_value == 24 * 1250
    assert seen.total_with_fees == (18864 + 30000) * D("1.0005")
    assert seen.left_over == 50000 - seen.total_with_fees
    units = 72 + 5 * 24
    assert seen.loss_at_lower == seen.total_with_fees - units * 240
    assert seen.loss_at_stop == seen.total_with_fees - units * 230 * D("0.9995")
    assert seen.warnings == ()
    assert seen.words == (
        "50000 INR moves from the Manual book into the bot",
        "72 ONGC are bought at about 262, at most at 263.3",
        "5 buy orders and 3 sell orders rest, 24 each",
        "At 230 or lower everything is sold and the bot stops",
    )


def test_received_fees_are_taken_from_the_units():
    seen = preview(config_of(SOL, price="125"), context_of(SOL, price="125"))
    assert (seen.quantity, seen.sell_quantity) == (D("1.635"), D("1.633"))
    assert seen.initial_fee == 0
    units = 5 * D("1.635") * D("0.999")
    assert seen.loss_at_lower == seen.total_with_fees - units * 100


def test_far_market_and_missing_stop_are_warned_of():
    above = preview(config_of(price="600"), context_of(price="600"))
    assert above.warnings == (
        "Market is outside the range; only buy orders will rest",
        "No stop loss: below the range the units bought are kept, whatever happens",
    )
    assert "Nothing is bought at the start: the price is above the range" in above.words
    below = preview(config_of(price="100"), context_of(price="100"))
    assert below.warnings[0] == "Market is outside the range; only sell orders will rest"
    assert above.loss_at_stop is None


def test_trigger_price_is_what_is_planned_at():
    seen = preview(config_of(trigger_price="250", take_profit="300"), context_of())
    assert (seen.start_price, seen.empty_level) == (D(250), 2)
    assert "Nothing is bought until the price reaches 250" in seen.words
    assert "At 300 or higher everything is sold and it stops" in seen.words


def test_pair_that_loses_by_rounding_to_lots_is_warned_of():
    inputs = ONGC | {"fee_mode": "received", "investment": "6000", "stop_loss": "200"}
    (warning,) = preview(config_of(inputs), context_of(inputs)).warnings
    assert warning.startswith("A pair would lose money")
