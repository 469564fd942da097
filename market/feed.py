"""The processes that bring prices in: the feed, which runs always, and a replay, which ends."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import redis
from django.db import close_old_connections
from django.utils import timezone

from market.domain.enums import FillModel, SourceKind
from market.domain.sharding import share_of
from market.domain.simulated import DEFAULT_SEED
from market.domain.ticks import Tick
from market.exceptions import SourceBusy
from market.models import Instrument
from market.providers.base import PriceProvider
from market.providers.files import Layout, Recording, inspect_recording
from market.providers.simulated import SimulatedProvider
from market.selectors import watched_instruments
from market.services.backfill import backfill_simulated
from market.services.candles import ensure_coming_partitions
from market.services.sources import (
    DEFAULT_RUN,
    hand_back,
    hold_simulated,
    release_all,
    renew,
    take_over,
)
from market.services.ticks import TickWriter
from market.streams import beat, connect, read_quotes, set_fences

logger = logging.getLogger(__name__)

PASS_SECONDS = 0.25
RENEW_SECONDS = 1.0
BEAT_SECONDS = 1.0
RETRY_SECONDS = 1.0
REFRESH_SECONDS = 30.0
# The past is computed when everything has started, unless there is none at all.
BACKFILL_DELAY = 20.0
DAY_SECONDS = 86_400.0
# A silence of the market longer than this is played as a short one: nobody waits for a night.
LONG_SILENCE = timedelta(minutes=5)
SHORT_SILENCE = timedelta(seconds=5)


class Feed:
    """One feed process: its share of the instruments that no replay has taken."""

    def __init__(
        self,
        *,
        owner: str,
        worker: int = 1,
        workers: int = 1,
        seed: int = DEFAULT_SEED,
        client: redis.Redis | None = None,
    ) -> None:
        self._client = client or connect()
        self._owner = owner
        self._worker, self._workers = worker, workers
        self._seed = seed
        self._fences: dict[int, int] = {}
        self._instruments: list[Instrument] = []
        self._renewed_at = self._refreshed_at = float("-inf")
        self._provider: PriceProvider = SimulatedProvider([], seed=seed)
        self._writer = self._new_writer()

    def run_pass(self, *, now: datetime, elapsed: float) -> int:
        """Do what is due; return how many ticks were heard. `elapsed` is monotonic seconds."""
        if elapsed - self._refreshed_at >= REFRESH_SECONDS:
            self._refresh()
            self._refreshed_at = elapsed
        if elapsed - self._renewed_at >= RENEW_SECONDS:
            self._hold()
            self._renewed_at = elapsed
        ticks = self._provider.poll(list(self._fences), moment=now)
        heard = self._writer.write(ticks, now=now, fences=self._fences)
        self._writer.flush()
        return heard

    def close(self) -> None:
        """Give everything back in good order; open minutes stay readable in Redis."""
        self._writer.flush()
        release_all(owner=self._owner)

    def _refresh(self) -> None:
        """Look for instruments that were added since; keep everything known of the others."""
        watched = {instrument.pk: instrument for instrument in watched_instruments()}
        share = set(share_of(watched, worker=self._worker, workers=self._workers))
        instruments = [instrument for token, instrument in watched.items() if token in share]
        if [each.spec for each in instruments] == [each.spec for each in self._instruments]:
            return
        self._instruments = instruments
        self._provider = SimulatedProvider([each.spec for each in instruments], seed=self._seed)
        self._writer.flush()
        self._writer = self._new_writer()
        self._fences = {}

    def _new_writer(self) -> TickWriter:
        return TickWriter(
            self._client,
            source=self._provider.source,
            run=DEFAULT_RUN,
            fill_model=self._provider.fill_model,
            specs={each.pk: each.spec for each in self._instruments},
            opening=lambda token, moment: self._provider.opening(token, moment=moment),
        )

    def _hold(self) -> None:
        tokens = [instrument.pk for instrument in self._instruments]
        fences = hold_simulated(tokens, owner=self._owner)
        # A new fence means that somebody else had it in between, however shortly.
        for token, fence in self._fences.items():
            if fences.get(token) != fence:
                logger.info("source lost instrument=%s owner=%s", token, self._owner)
                self._writer.forget(token)
        gained = {token: each for token, each in fences.items() if self._fences.get(token) != each}
        if gained:
            set_fences(self._client, gained)
            self._resume(gained)
        self._fences = fences

    def _resume(self, gained: dict[int, int]) -> None:
        logger.info("source taken instruments=%s owner=%s", len(gained), self._owner)
        for quote in read_quotes(self._client, gained).values():
            if quote.source is self._provider.source:
                self._provider.resume(quote)


class Maintenance(threading.Thread):
    """Beside the feed: fills the simulated past and makes coming month tables, once a day."""

    def __init__(self, stop: threading.Event, *, seed: int, delay: float = BACKFILL_DELAY) -> None:
        super().__init__(name="feed-maintenance", daemon=True)
        self._stop_event = stop
        self._seed = seed
        self._delay = delay

    def run(self) -> None:
        """Work once after the start and then daily; trouble is logged and tried again."""
        wait = self._delay
        while not self._stop_event.wait(wait):
            try:
                close_old_connections()
                ensure_coming_partitions(timezone.now())
                backfill_simulated(now=timezone.now(), seed=self._seed, pause=self._pause)
                wait = DAY_SECONDS
            except Exception:
                logger.exception("feed maintenance failed")
                wait = 60.0
            finally:
                close_old_connections()

    def _pause(self) -> None:
        self._stop_event.wait(0.02)


def run_feed(feed: Feed, stop: threading.Event, *, client: redis.Redis) -> None:
    """Run a feed until it is told to stop; trouble is logged, waited out and tried again."""
    last_beat = float("-inf")
    while not stop.is_set():
        started = time.monotonic()
        try:
            feed.run_pass(now=timezone.now(), elapsed=started)
            if started - last_beat >= BEAT_SECONDS:
                beat(client, "feed")
                last_beat = started
        except Exception:
            logger.exception("feed pass failed")
            close_old_connections()
            stop.wait(RETRY_SECONDS)
        stop.wait(max(PASS_SECONDS - (time.monotonic() - started), 0.0))
    feed.close()


@dataclass(slots=True)
class ReplayCount:
    """What a replay did."""

    ticks: int = 0
    summary: list[str] = field(default_factory=list)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


class Replay:
    """Plays one recording into one instrument, at a multiple of the time it took."""

    def __init__(
        self, path: Path, instrument: Instrument, *, speed: float, owner: str, run: str
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        # Read before anything is taken over: an unreadable file changes nothing.
        inspected = inspect_recording(path, instrument.spec)
        self.count = ReplayCount(summary=inspected.summary())
        self.run_name = run
        self._recording = Recording(path, instrument.spec)
        self._instrument = instrument
        self._speed = speed
        self._owner = owner
        self._client = connect()
        has_book = inspected.layout is Layout.BINANCE_LOG
        self._writer = TickWriter(
            self._client,
            source=SourceKind.REPLAY,
            run=run,
            fill_model=FillModel.QUOTE_DEPTH if has_book else FillModel.LAST_TRADE,
            specs={instrument.pk: instrument.spec},
        )

    def play(
        self,
        *,
        length: timedelta | None = None,
        wait: Callable[[float], bool] = _sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> ReplayCount:
        """Take the instrument over, play, and hand it back whatever happens.

        `wait` sleeps and says whether to stop; `length` is market time from the first tick.
        """
        token = self._instrument.pk
        fence = take_over(self._instrument, run=self.run_name, owner=self._owner)
        set_fences(self._client, {token: fence})
        try:
            self._play(fence, length=length, wait=wait, clock=clock)
        finally:
            self._writer.close()
            hand_back(token, owner=self._owner)
        return self.count

    def _play(
        self,
        fence: int,
        *,
        length: timedelta | None,
        wait: Callable[[float], bool],
        clock: Callable[[], float],
    ) -> None:
        token = self._instrument.pk
        started = renewed = clock()
        due: list[Tick] = []
        for seconds, tick in scheduled(self._recording.ticks(), speed=self._speed, length=length):
            if seconds > clock() - started:
                self._write(due, fence)
                due = []
            while (remaining := seconds - (clock() - started)) > 0:
                if wait(min(remaining, RENEW_SECONDS)):
                    return
                renew(token, owner=self._owner, fence=fence)
            if clock() - renewed >= RENEW_SECONDS:
                renew(token, owner=self._owner, fence=fence)
                renewed = clock()
            due.append(tick)
        self._write(due, fence)

    def _write(self, ticks: list[Tick], fence: int) -> None:
        token = self._instrument.pk
        heard = self._writer.write(ticks, now=timezone.now(), fences={token: fence})
        self._writer.flush()
        self.count.ticks += heard
        if heard < len(ticks):
            raise SourceBusy(f"Another source has taken {self._instrument.symbol}.")


def scheduled(
    ticks: Iterator[Tick], *, speed: float, length: timedelta | None
) -> Iterator[tuple[float, Tick]]:
    """Yield (seconds after the start, tick); long silences are played short."""
    played = timedelta(0)
    before: Tick | None = None
    first: datetime | None = None
    for tick in ticks:
        first = first or tick.exchange_time
        if length is not None and tick.exchange_time - first > length:
            return
        if before is not None:
            gap = tick.exchange_time - before.exchange_time
            played += SHORT_SILENCE if gap > LONG_SILENCE else gap
        before = tick
        yield played.total_seconds() / speed, tick
