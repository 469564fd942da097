"""The simulated market: every price is a pure function of (seed, path, time) (decisions 24).

The logarithm of a price is a sum of smooth noises on many time scales, from a second to weeks.
The quick ones are scaled by a slowly changing volatility, so calm and busy hours alternate; the
slow ones grow less than a random walk, so prices stay around where they began. Nothing is
remembered: a restarted feed goes on exactly where the clock is.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import lru_cache
from math import exp, log, sqrt

from market.domain.instruments import InstrumentSpec, to_step
from market.domain.ticks import Depth, DepthLevel, Tick

DEFAULT_SEED = 20210514
TICK_SECONDS = 0.5
DEPTH_LEVELS = 10
# Scales of the price noise in seconds: each twice the one before, up to 48 days.
SCALES = tuple(2.0**power for power in range(1, 23))
# Scales of the volatility noise, each with its strength.
VOLATILITY_SCALES = ((9_000.0, 0.35), (1_300.0, 0.25), (210.0, 0.2))
# Up to here noise grows as a random walk does, beyond it more slowly.
WALK_SECONDS = 600.0
SLOW_GROWTH = 0.2
# Standard deviation of the two-second scale, for an instrument of volatility 1.
STRENGTH = 0.000126
VOLATILITY_CHANNEL = 101
_SIZE_CHANNEL = 203
_SIDE_CHANNEL = 307
_SPREAD_CHANNEL = 401
_VOLUME_CHANNEL = 503
_MASK = (1 << 64) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SimulatedPath:
    """How one instrument moves: around `base`, with `volatility` as a multiple of a calm stock's.

    `path` names the noise, so that two markets in one asset can move together.
    """

    path: int
    base: Decimal
    volatility: float
    daily_volume: Decimal
    spread_ticks: int
    level_value: Decimal


# Level of prices, volatility, units a day, least spread in ticks, value of a typical depth level.
_KNOWN: dict[str, tuple[str, float, int, int, int]] = {
    "NSE:ONGC": ("262", 1.0, 14_000_000, 1, 400_000),
    "NSE:BHARTIARTL": ("1222", 0.9, 5_000_000, 1, 500_000),
    "NSE:TATASTEEL": ("163", 1.2, 35_000_000, 1, 500_000),
    "NSE:INFY": ("1482", 0.9, 6_000_000, 1, 600_000),
    "NSE:RELIANCE": ("2921", 0.85, 6_000_000, 1, 900_000),
    "NSE:SBIN": ("765", 1.0, 15_000_000, 1, 600_000),
    "NSE:NIFTY 50": ("22475", 0.6, 0, 1, 0),
    "BINANCE:BTCUSDT": ("67400", 1.1, 25_000, 1, 40_000),
    "BINANCE:ETHUSDT": ("3320", 1.25, 350_000, 1, 30_000),
    "BINANCE:BTCBUSD": ("67400", 1.1, 2_500, 40, 15_000),
    "BINANCE:SOLUSDT": ("172", 1.5, 3_000_000, 1, 25_000),
}
# BTC/BUSD is the same asset as BTC/USDT and must not drift away from it.
_SHARED_PATHS = {"BINANCE:BTCBUSD": "BINANCE:BTCUSDT"}


def _text_number(text: str) -> int:
    number = 0
    for byte in text.encode():
        number = _mix(number ^ byte)
    return number


def simulated_path(spec: InstrumentSpec) -> SimulatedPath:
    """Return how an instrument moves; one nobody has described gets a level from its symbol."""
    path = _text_number(_SHARED_PATHS.get(spec.symbol, spec.symbol))
    known = _KNOWN.get(spec.symbol)
    if known is None:
        level = spec.nearest_tick(Decimal(100 + path % 1900)) or spec.tick_size
        return SimulatedPath(path, level, 1.0, spec.lot_size * 1_000_000, 1, level * 1000)
    base, volatility, daily_volume, spread_ticks, level_value = known
    return SimulatedPath(
        path, Decimal(base), volatility, Decimal(daily_volume), spread_ticks, Decimal(level_value)
    )


def _mix(number: int) -> int:
    """Scramble 64 bits (splitmix64)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


@lru_cache(maxsize=8192)
def channel_key(seed: int, path: int, channel: int) -> int:
    """Return the key of one noise of one path."""
    return _mix(_mix(seed ^ path) ^ channel)


def _uniform(key: int, index: int) -> float:
    """Return a number in [-1, 1) for a place in a noise."""
    return (_mix(key ^ (index & _MASK)) >> 11) / (1 << 52) - 1.0


def _noise(key: int, place: float) -> float:
    """Return smooth noise of mean zero at a place; it runs through a random value at each step."""
    index = int(place // 1)
    part = place - index
    before, after = _uniform(key, index), _uniform(key, index + 1)
    return before + (after - before) * part * part * (3.0 - 2.0 * part)


def scale_strength(scale: float) -> float:
    """Return how strongly the noise of a scale moves the price, before volatility."""
    walk = sqrt(min(scale, WALK_SECONDS) / SCALES[0])
    slow = exp(SLOW_GROWTH * log(max(scale / WALK_SECONDS, 1.0)))
    return STRENGTH * walk * slow * sqrt(3.0)


STRENGTHS = tuple((scale, scale_strength(scale)) for scale in SCALES)


def volatility_at(seed: int, path: int, seconds: float) -> float:
    """Return the momentary volatility: 1 on average, about half when calm and twice when busy."""
    total = 0.0
    for number, (scale, strength) in enumerate(VOLATILITY_SCALES):
        key = channel_key(seed, path, VOLATILITY_CHANNEL + number)
        total += strength * sqrt(3.0) * _noise(key, seconds / scale)
    return exp(total - 0.2)


def relative_price(seed: int, path: SimulatedPath, seconds: float) -> float:
    """Return price over base price at a number of seconds since 1970."""
    quick = slow = 0.0
    for number, (scale, strength) in enumerate(STRENGTHS):
        moved = strength * _noise(channel_key(seed, path.path, number), seconds / scale)
        if scale <= WALK_SECONDS:
            quick += moved
        else:
            slow += moved
    return exp(path.volatility * (quick * volatility_at(seed, path.path, seconds) + slow))


def _seconds(moment: datetime) -> float:
    return (moment - _EPOCH).total_seconds()


def middle_price(
    path: SimulatedPath, spec: InstrumentSpec, *, seed: int, moment: datetime
) -> Decimal:
    """Return the middle of the market at a moment, on tick."""
    return _on_tick(path, spec, relative_price(seed, path, _seconds(moment)))


def _on_tick(path: SimulatedPath, spec: InstrumentSpec, relative: float) -> Decimal:
    # Counting ticks as a whole number keeps binary fractions out of the price.
    ticks = round(relative * int(path.base / spec.tick_size))
    return max(ticks, 2 * (path.spread_ticks + DEPTH_LEVELS)) * spec.tick_size


def tick_number(moment: datetime) -> int:
    """Return the number of the half second that a moment belongs to."""
    return int(_seconds(moment) // TICK_SECONDS)


def simulated_tick(
    path: SimulatedPath, spec: InstrumentSpec, *, seed: int, moment: datetime, volume: Decimal
) -> Tick:
    """Return the last trade and the book at a moment; `volume` is the day's before this trade."""
    middle = middle_price(path, spec, seed=seed, moment=moment)
    number = tick_number(moment)
    if not path.daily_volume:
        return Tick(spec.instrument_token, middle, moment, Decimal(0), Decimal(0))
    mood = volatility_at(seed, path.path, _seconds(moment))
    depth = _depth(path, spec, seed=seed, number=number, middle=middle)
    is_bought = _uniform(channel_key(seed, path.path, _SIDE_CHANNEL), number) > 0
    quantity = _traded(path, spec, seed=seed, number=number, mood=mood)
    return Tick(
        instrument_token=spec.instrument_token,
        price=depth.asks[0].price if is_bought else depth.bids[0].price,
        exchange_time=moment,
        volume=volume + quantity,
        last_quantity=quantity,
        depth=depth,
    )


def _traded(
    path: SimulatedPath, spec: InstrumentSpec, *, seed: int, number: int, mood: float
) -> Decimal:
    chance = _uniform(channel_key(seed, path.path, _VOLUME_CHANNEL), number) + 1.0
    per_mille = int(1000 * chance * mood)
    units = path.daily_volume * per_mille / (172_800 * 1000)
    return max(to_step(units, step=spec.lot_size, rounding=ROUND_FLOOR), spec.lot_size)


def _depth(
    path: SimulatedPath, spec: InstrumentSpec, *, seed: int, number: int, middle: Decimal
) -> Depth:
    """Return ten levels a side; sizes change every few seconds, the touch most often."""
    wobble = _uniform(channel_key(seed, path.path, _SPREAD_CHANNEL), number // 6)
    spread = path.spread_ticks + (wobble > 0.6) + (wobble > 0.9)
    best_bid = middle - (spread // 2) * spec.tick_size
    sizes = channel_key(seed, path.path, _SIZE_CHANNEL)
    bids: list[DepthLevel] = []
    asks: list[DepthLevel] = []
    for level in range(DEPTH_LEVELS):
        step = level * spec.tick_size * path.spread_ticks
        for side, (levels, price) in enumerate(
            ((bids, best_bid - step), (asks, best_bid + spread * spec.tick_size + step))
        ):
            place = (number // (2 + level) << 8) | (level << 1 | side)
            levels.append(_level(path, spec, price=price, chance=_uniform(sizes, place)))
    return Depth(bids=tuple(bids), asks=tuple(asks))


def _level(
    path: SimulatedPath, spec: InstrumentSpec, *, price: Decimal, chance: float
) -> DepthLevel:
    per_mille = int(150 + 1000 * (chance + 1.0))
    units = to_step(
        path.level_value * per_mille / (1000 * price), step=spec.lot_size, rounding=ROUND_HALF_UP
    )
    return DepthLevel(price, max(units, spec.min_quantity), orders=1 + per_mille // 150)


def volume_until(path: SimulatedPath, spec: InstrumentSpec, *, elapsed: float) -> Decimal:
    """Return the units usually traded in the first `elapsed` seconds of a day."""
    units = path.daily_volume * int(elapsed) / 86_400
    return to_step(units, step=spec.lot_size, rounding=ROUND_FLOOR)
