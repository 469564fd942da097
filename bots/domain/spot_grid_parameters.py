"""The parameters of a Spot Grid (bots.md 2.2), described for programs."""

from bots.domain.enums import PauseMode, StopMode
from bots.domain.parameters import Parameter, ParameterType
from bots.domain.spot_grid_checks import (
    DEFAULT_RESERVE,
    DEFAULT_SLIPPAGE,
    MAX_GRIDS,
    MAX_RESERVE,
    MAX_SLIPPAGE,
)
from bots.domain.spot_grid_config import Spacing, plain
from market.domain.enums import FeeMode

T = ParameterType

PARAMETERS = (
    Parameter("symbol", T.TEXT, "What it trades, for example NSE:ONGC or BINANCE:BTCUSDT"),
    Parameter("name", T.TEXT, "1 to 40 characters; the symbol's name by default", optional=True),
    Parameter("investment", T.DECIMAL, "Money it starts with, in quote asset"),
    Parameter("lower", T.PRICE, "Lowest level, on the tick"),
    Parameter("upper", T.PRICE, "Highest level, on the tick, above the lowest"),
    Parameter("grids", T.WHOLE, "Number of intervals", minimum="2", maximum=str(MAX_GRIDS)),
    Parameter(
        "spacing",
        T.CHOICE,
        "Equal steps in price, or equal ratios",
        default=Spacing.ARITHMETIC.value,
        choices=tuple(each.value for each in Spacing),
    ),
    Parameter(
        "reserve_pct",
        T.FRACTION,
        "Share of the investment kept for fees and slippage; 0.01 is 1 %",
        default=DEFAULT_RESERVE,
        minimum="0",
        maximum=plain(MAX_RESERVE),
    ),
    Parameter(
        "slippage_cap",
        T.FRACTION,
        "How much dearer than the market the first units may be; 0.005 is 0.5 %",
        default=DEFAULT_SLIPPAGE,
        minimum="0",
        maximum=plain(MAX_SLIPPAGE),
    ),
    Parameter("trigger_price", T.PRICE, "Nothing is bought until the price is here", optional=True),
    Parameter("stop_loss", T.PRICE, "Sell all and stop at this price or lower", optional=True),
    Parameter("take_profit", T.PRICE, "Sell all and stop at this price or higher", optional=True),
    Parameter("reinvest", T.FLAG, "Let profit make the orders larger", default="false"),
    Parameter(
        "pause_mode",
        T.CHOICE,
        "What a pause does with resting orders",
        default=PauseMode.KEEP_ORDERS.value,
        choices=tuple(each.value for each in PauseMode),
    ),
    Parameter(
        "stop_mode",
        T.CHOICE,
        "What a stop does with what it holds",
        default=StopMode.SELL_ALL.value,
        choices=tuple(each.value for each in StopMode),
    ),
    Parameter("max_loss", T.DECIMAL, "Stop when so much is lost; 0: never", default="0"),
    Parameter("run_until", T.TIME, "Stop at this time, ISO 8601", optional=True),
    Parameter(
        "fee_mode",
        T.CHOICE,
        "Only the account's own is taken",
        optional=True,
        choices=tuple(each.value for each in FeeMode),
    ),
    Parameter("approval", T.CHOICE, "Manual approval", default="off", choices=("off",)),
)
