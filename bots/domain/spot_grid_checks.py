"""Reading and checking what a user (form, API, file) gives for a Spot Grid."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeVar

from bots.domain.enums import PauseMode, StopMode
from bots.domain.spot_grid_config import (
    ONE,
    ZERO,
    GridConfig,
    Spacing,
    TriggerSide,
    plain,
    rules_of,
)
from bots.domain.spot_grid_plan import levels_of, plan_grid, profit_fractions
from bots.domain.strategy import StrategyContext
from bots.exceptions import InvalidParameter
from market.domain.enums import FeeMode
from market.domain.formatting import format_money
from market.domain.typed_numbers import plain_number

MAX_GRIDS = 200
# Larger than any market has; it keeps products inside numeric(28, 12).
LARGEST = Decimal(10) ** 12
MAX_RESERVE = Decimal("0.20")
MAX_SLIPPAGE = Decimal("0.05")
DEFAULT_RESERVE = "0.01"
DEFAULT_SLIPPAGE = "0.005"
FRACTION_WORDS = "Give a fraction: 0.05 is 5 %"

Choice = TypeVar("Choice", bound=StrEnum)


def parse_config(values: Mapping[str, Any], *, context: StrategyContext) -> GridConfig:
    """Return the checked config; raise `InvalidParameter` for the first thing that is wrong."""
    _check_instrument(values, context=context)
    config = _read(values, context=context)
    _check_range(config, context=context)
    _check_fractions(config)
    _check_prices(config, context=context)
    _check_ladder(config)
    _check_money(config, context=context)
    _check_ending(config, context=context)
    return config


# -------------------------------------------------------------------------------- reading texts


def _read(values: Mapping[str, Any], *, context: StrategyContext) -> GridConfig:
    symbol = context.instrument.symbol
    trigger = _optional_decimal(values, "trigger_price", "Trigger price")
    return GridConfig(
        rules=rules_of(context),
        name=_name(values.get("name"), default=f"{symbol} Spot Grid"[:40]),
        symbol=symbol,
        lower=_decimal(values, "lower", "Lower price"),
        upper=_decimal(values, "upper", "Upper price"),
        grids=_whole(values, "grids", "Grids"),
        spacing=_choice(values, "spacing", default=Spacing.ARITHMETIC, words="Unknown spacing"),
        investment=_decimal(values, "investment", "Investment"),
        reserve_pct=_decimal(values, "reserve_pct", "Reserve", default=DEFAULT_RESERVE),
        slippage_cap=_decimal(values, "slippage_cap", "Slippage cap", default=DEFAULT_SLIPPAGE),
        trigger_price=trigger,
        trigger_side=_trigger_side(trigger, context=context),
        stop_loss=_optional_decimal(values, "stop_loss", "Stop loss"),
        take_profit=_optional_decimal(values, "take_profit", "Take profit"),
        reinvest=_flag(values, "reinvest"),
        pause_mode=_choice(
            values, "pause_mode", default=PauseMode.KEEP_ORDERS, words="Unknown pause mode"
        ),
        stop_mode=_choice(
            values, "stop_mode", default=StopMode.SELL_ALL, words="Unknown stop mode"
        ),
        max_loss=_decimal(values, "max_loss", "Maximum loss", default="0"),
        run_until=_time(values.get("run_until")),
        approval=_approval(values.get("approval")),
    )


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _decimal(
    values: Mapping[str, Any], field: str, label: str, *, default: str | None = None
) -> Decimal:
    value = values.get(field)
    if _is_empty(value):
        if default is None:
            raise InvalidParameter(f"{label} is required", field=field, code="REQUIRED")
        value = default
    return _number(value, field=field, label=label)


def _optional_decimal(values: Mapping[str, Any], field: str, label: str) -> Decimal | None:
    value = values.get(field)
    return None if _is_empty(value) else _number(value, field=field, label=label)


def _number(value: object, *, field: str, label: str) -> Decimal:
    # A float would bring its binary dust along; JSON carries decimals as texts (bots.md 1.1).
    if isinstance(value, float | bool) or not isinstance(value, str | int | Decimal):
        raise InvalidParameter(
            f"{label} must be a number, written as text", field=field, code="NOT_A_NUMBER"
        )
    number = plain_number(value) if isinstance(value, str) else Decimal(value)
    if number is None or not number.is_finite():
        raise InvalidParameter(f"{label} must be a number", field=field, code="NOT_A_NUMBER")
    if abs(number) >= LARGEST:
        raise InvalidParameter(
            f"{label} is too large", field=field, code="ABOVE_MAX", maximum=plain(LARGEST)
        )
    return number


def _whole(values: Mapping[str, Any], field: str, label: str) -> int:
    number = _decimal(values, field, label)
    if number != number.to_integral_value():
        raise InvalidParameter(f"{label} must be a whole number", field=field, code="NOT_A_NUMBER")
    return int(number)


def _choice(values: Mapping[str, Any], field: str, *, default: Choice, words: str) -> Choice:
    value = values.get(field)
    if _is_empty(value):
        return default
    try:
        return type(default)(str(value))
    except ValueError:
        raise InvalidParameter(words, field=field, code="UNKNOWN") from None


def _flag(values: Mapping[str, Any], field: str) -> bool:
    value = values.get(field, False)
    if isinstance(value, str):
        words = {"": False, "false": False, "off": False, "0": False}
        words |= {"true": True, "on": True, "1": True}
        value = words.get(value.strip().lower())
    if value is None or not isinstance(value, bool):
        raise InvalidParameter("Reinvest is on or off", field=field, code="UNKNOWN")
    return value


def _name(value: object, *, default: str) -> str:
    if value is None:
        return default
    name = str(value).strip()
    if not 1 <= len(name) <= 40:
        raise InvalidParameter(
            "Name must have 1 to 40 characters",
            field="name",
            code="REQUIRED" if not name else "ABOVE_MAX",
            minimum="1",
            maximum="40",
        )
    return name


def _time(value: object) -> datetime | None:
    if _is_empty(value):
        return None
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidParameter(
            "End time must be a date and time", field="run_until", code="NOT_A_TIME"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _approval(value: object) -> str:
    if _is_empty(value) or value == "off":
        return "off"
    raise InvalidParameter(
        "Manual approval is not offered on paper accounts",
        field="approval",
        code="APPROVAL_UNSUPPORTED",
    )


def _trigger_side(trigger: Decimal | None, *, context: StrategyContext) -> TriggerSide | None:
    if trigger is None or context.market_price is None:
        return None
    return TriggerSide.FALLING if context.market_price > trigger else TriggerSide.RISING


# -------------------------------------------------------------------------------------- checking


def _check_instrument(values: Mapping[str, Any], *, context: StrategyContext) -> None:
    if not context.instrument.is_tradable:
        raise InvalidParameter("Instrument is not tradable", field="symbol", code="NOT_TRADABLE")
    if context.market_price is None:
        raise InvalidParameter("Instrument has no price yet", field="symbol", code="NO_PRICE")
    asked = values.get("fee_mode")
    if _is_empty(asked):
        return
    if asked not in set(FeeMode):
        raise InvalidParameter("Unknown fee mode", field="fee_mode", code="UNKNOWN")
    if asked != context.fee_mode:
        raise InvalidParameter(
            f"Fee mode of this account is {context.fee_mode}", field="fee_mode", code="UNKNOWN"
        )


def _check_range(config: GridConfig, *, context: StrategyContext) -> None:
    tick = config.rules.instrument.tick_size
    _check_tick(config.lower, field="lower", label="Lower price", tick=tick, smallest=tick)
    if config.upper <= config.lower:
        raise InvalidParameter(
            "Upper price must be above lower price",
            field="upper",
            code="ORDER",
            minimum=plain(config.lower + tick),
        )
    _check_tick(config.upper, field="upper", label="Upper price", tick=tick, smallest=tick)
    most = min(MAX_GRIDS, context.max_orders)
    if not 2 <= config.grids <= most:
        raise InvalidParameter(
            f"Grids must be between 2 and {most}",
            field="grids",
            code="BELOW_MIN" if config.grids < 2 else "ABOVE_MAX",
            minimum="2",
            maximum=str(most),
        )


def _check_tick(
    price: Decimal, *, field: str, label: str, tick: Decimal, smallest: Decimal
) -> None:
    if price <= 0 or price % tick:
        words = "above 0" if price <= 0 else f"a multiple of {plain(tick)}"
        raise InvalidParameter(
            f"{label} must be {words}",
            field=field,
            code="NOT_TICK" if price > 0 else "BELOW_MIN",
            minimum=plain(smallest),
        )


def _check_fractions(config: GridConfig) -> None:
    _check_fraction(
        config.slippage_cap,
        field="slippage_cap",
        words="Slippage cap must be 0 to 5 %",
        limits=(ZERO, MAX_SLIPPAGE),
    )
    _check_fraction(
        config.reserve_pct,
        field="reserve_pct",
        words="Reserve must cover fees and slippage",
        limits=(config.rules.taker_fee + config.slippage_cap, MAX_RESERVE),
    )


def _check_fraction(
    value: Decimal, *, field: str, words: str, limits: tuple[Decimal, Decimal]
) -> None:
    least, most = limits
    if least <= value <= most:
        return
    raise InvalidParameter(
        f"{words}. {FRACTION_WORDS}" if value > ONE else words,
        field=field,
        code="BELOW_MIN" if value < least else "ABOVE_MAX",
        minimum=plain(least),
        maximum=plain(most),
    )


def _check_prices(config: GridConfig, *, context: StrategyContext) -> None:
    market = context.market_price
    tick = config.rules.instrument.tick_size
    trigger = config.trigger_price
    if trigger is not None:
        _check_tick(trigger, field="trigger_price", label="Trigger price", tick=tick, smallest=tick)
        if trigger == market:
            raise InvalidParameter(
                "Trigger price must differ from the market price",
                field="trigger_price",
                code="ORDER",
                minimum=plain(tick),
            )
    start = trigger if trigger is not None else market
    if start is not None:
        _check_stop_loss(config, start=start)
        _check_take_profit(config, start=start)


def _check_stop_loss(config: GridConfig, *, start: Decimal) -> None:
    stop, tick = config.stop_loss, config.rules.instrument.tick_size
    if stop is None:
        return
    if not ZERO < stop < min(config.lower, start):
        words = "below the lower price" if stop > 0 else "above 0"
        raise InvalidParameter(
            f"Stop loss must be {words}",
            field="stop_loss",
            code="ORDER" if stop > 0 else "BELOW_MIN",
            minimum=plain(tick),
            maximum=plain(min(config.lower, start) - tick),
        )
    _check_tick(stop, field="stop_loss", label="Stop loss", tick=tick, smallest=tick)


def _check_take_profit(config: GridConfig, *, start: Decimal) -> None:
    target, tick = config.take_profit, config.rules.instrument.tick_size
    if target is None:
        return
    least = max(config.upper, start) + tick
    if target < least:
        raise InvalidParameter(
            "Take profit must be above the upper price",
            field="take_profit",
            code="ORDER",
            minimum=plain(least),
        )
    _check_tick(target, field="take_profit", label="Take profit", tick=tick, smallest=least)


def _check_ladder(config: GridConfig) -> None:
    levels = levels_of(config)
    if any(low >= high for low, high in pairwise(levels)):
        tick = config.rules.instrument.tick_size
        raise InvalidParameter(
            "Too many grids: two levels have the same price",
            field="grids",
            code="ABOVE_MAX",
            minimum="2",
            maximum=str(int((config.upper - config.lower) / tick)),
        )
    least, _ = profit_fractions(levels, maker_fee=config.rules.maker_fee)
    if least <= 0:
        percent = plain((least * 100).quantize(Decimal("0.0001")))
        raise InvalidParameter(
            f"Profit per grid is {percent} %, below the fee", field="grids", code="ABOVE_MAX"
        )


def _check_money(config: GridConfig, *, context: StrategyContext) -> None:
    start = config.trigger_price or context.market_price
    if start is None:
        return
    plan = plan_grid(config, price=start)
    quote = config.rules.instrument.quote_asset
    free = context.free_balance
    limits = {
        "minimum": plain(plan.minimum_investment),
        "maximum": None if free is None else plain(free),
    }
    if config.investment < plan.minimum_investment:
        raise InvalidParameter(
            f"Minimum investment is {plain(plan.minimum_investment)} {quote}",
            field="investment",
            code="BELOW_MIN",
            **limits,
        )
    if free is not None and config.investment > free:
        raise InvalidParameter(
            f"Free balance is {format_money(free, asset=quote)}",
            field="investment",
            code="INSUFFICIENT_FUNDS",
            **limits,
        )
    largest = config.rules.instrument.max_quantity
    if largest is not None and plan.quantity > largest:
        most = largest * plan.denominator / (ONE - config.reserve_pct)
        raise InvalidParameter(
            f"Quantity per grid is above the largest order of {plain(largest)}",
            field="investment",
            code="ABOVE_MAX",
            minimum=limits["minimum"],
            maximum=plain(most.quantize(Decimal("0.01"))),
        )


def _check_ending(config: GridConfig, *, context: StrategyContext) -> None:
    if not ZERO <= config.max_loss <= config.investment:
        is_low = config.max_loss < 0
        words = "must be 0 or more" if is_low else "cannot exceed the investment"
        raise InvalidParameter(
            f"Maximum loss {words}",
            field="max_loss",
            code="BELOW_MIN" if is_low else "ABOVE_MAX",
            minimum="0",
            maximum=plain(config.investment),
        )
    if config.run_until and context.now and config.run_until <= context.now:
        raise InvalidParameter(
            "End time is in the past",
            field="run_until",
            code="BELOW_MIN",
            minimum=context.now.isoformat(),
        )
