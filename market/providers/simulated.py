"""The simulated market as a source of prices: two ticks a second for every instrument."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from market.domain.calendars import session_bounds, trading_day
from market.domain.day_figures import DayFigures
from market.domain.enums import FillModel, SourceKind
from market.domain.instruments import InstrumentSpec
from market.domain.simulated import (
    DEFAULT_SEED,
    TICK_SECONDS,
    middle_price,
    simulated_path,
    simulated_tick,
    tick_number,
    volume_until,
)
from market.domain.ticks import Quote, Tick

# Moments at which the day so far is looked at for its high and low when a feed starts.
_LOOKS_PER_DAY = 288
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SimulatedProvider:
    """Gives the price of the moment; only the day's volume is remembered."""

    source = SourceKind.SIMULATED
    fill_model = FillModel.QUOTE_DEPTH

    def __init__(self, specs: Iterable[InstrumentSpec], *, seed: int = DEFAULT_SEED) -> None:
        self._specs = {spec.instrument_token: spec for spec in specs}
        self._paths = {token: simulated_path(spec) for token, spec in self._specs.items()}
        self._seed = seed
        self._volumes: dict[int, tuple[date, Decimal]] = {}
        self._last_number = 0

    def resume(self, quote: Quote) -> None:
        """Go on counting the day's volume where the last feed stopped."""
        day = self._day(quote.instrument_token, quote.exchange_time)
        self._volumes[quote.instrument_token] = (day, quote.volume)

    def opening(self, token: int, *, moment: datetime) -> DayFigures | None:
        """Return the figures of the day so far, looked up on the path itself."""
        spec, path = self._specs[token], self._paths[token]
        start = self._day_start(token, moment)
        looks = max(int((moment - start) / timedelta(days=1) * _LOOKS_PER_DAY), 1)
        step = (moment - start) / looks
        prices = [
            middle_price(path, spec, seed=self._seed, moment=start + step * number)
            for number in range(looks + 1)
        ]
        return DayFigures(
            day=self._day(token, moment),
            open=prices[0],
            high=max(prices),
            low=min(prices),
            last=prices[-1],
            previous_close=prices[0],
        )

    def poll(self, tokens: Iterable[int], *, moment: datetime) -> list[Tick]:
        """Return one tick per instrument for each half second, none when it was asked before."""
        number = tick_number(moment)
        if number <= self._last_number:
            return []
        self._last_number = number
        at = _EPOCH + timedelta(seconds=number * TICK_SECONDS)
        return [self._tick(token, at) for token in tokens]

    def _tick(self, token: int, at: datetime) -> Tick:
        spec, path = self._specs[token], self._paths[token]
        day = self._day(token, at)
        counted, volume = self._volumes.get(token, (None, Decimal(0)))
        if counted is None:
            elapsed = (at - self._day_start(token, at)).total_seconds()
            volume = volume_until(path, spec, elapsed=elapsed)
        elif counted != day:
            volume = Decimal(0)
        tick = simulated_tick(path, spec, seed=self._seed, moment=at, volume=volume)
        self._volumes[token] = (day, tick.volume)
        return tick

    def _day(self, token: int, moment: datetime) -> date:
        return trading_day(self._specs[token].calendar, self.source, moment)

    def _day_start(self, token: int, moment: datetime) -> datetime:
        session = session_bounds(self._specs[token].calendar, self.source, moment)
        return moment if session is None else session.opens_at.astimezone(UTC)
