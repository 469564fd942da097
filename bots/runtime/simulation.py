"""The whole system in one process under a virtual clock: nothing is faked but time and prices.

Every tick goes the way of bots.md 1.2: the venue matches what rests, the gateway takes the
reports in, the wake-up question finds the bots, they are stepped, the gateway sends what they
placed, until nothing happens any more. The clock stands still in between, so a run is exact.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from bots.runtime.market_view import MarketView, wanted_prices
from bots.runtime.stepper import StepOutcome, StepReport, settle_marks, step_bot
from bots.runtime.wakeups import due_bot_ids
from market.domain.enums import FillModel, SourceKind
from market.domain.ticks import PriceInterval, Quote, Tick
from market.venues.base import VenueClient
from market.venues.paper import PaperVenue
from portfolio.gateway import Gateway

# Rounds at one tick. A ladder of 200 is sent in batches of 50, so a start takes some.
MAX_ROUNDS = 500
# Ticks kept per instrument, as many as the rings in Redis keep.
RING_SIZE = 256


class NotQuiet(RuntimeError):
    """The system still moves after very many rounds at one tick: something chases itself."""


class StepFailed(RuntimeError):
    """A step raised: a simulation stops where a worker would go on."""


@dataclass(slots=True)
class SimulationRunner:
    """Drives the real services with prices of one source; `run` names it on the bots."""

    source: SourceKind = SourceKind.REPLAY
    run: str = "simulation"
    fill_model: FillModel = FillModel.LAST_TRADE
    shard: int = 0
    venue: VenueClient = field(default_factory=PaperVenue)
    quotes: dict[int, Quote] = field(default_factory=dict)
    steps: int = 0
    passes: int = 0
    _gateway: Gateway | None = None
    _ticks: dict[int, deque[Tick]] = field(default_factory=dict)
    _intervals: dict[int, PriceInterval] = field(default_factory=dict)

    @property
    def gateway(self) -> Gateway:
        """Return the gateway that is running."""
        if self._gateway is None:
            raise RuntimeError("the simulation has not been started")
        return self._gateway

    def start_gateway(self, now: datetime, *, owner: str = "simulation") -> None:
        """Start a gateway: lease, reconciliation, the book rebuilt from open orders."""
        self._gateway = Gateway(
            self.venue, shard=self.shard, owner=owner, on_book_event=lambda _book_id: None
        )
        self._gateway.start(now)

    def price(self, token: int, price: Decimal, *, at: datetime) -> Quote:
        """Make the next tick known without letting anything happen: what a feed does."""
        before = self.quotes.get(token)
        sequence = 1 if before is None else before.sequence + 1
        tick = Tick(token, price, at, Decimal(sequence), Decimal(1), sequence)
        self._ticks.setdefault(token, deque(maxlen=RING_SIZE)).append(tick)
        quote = self._quote(tick, before)
        self.quotes[token] = quote
        kept = self._intervals.get(token)
        self._intervals[token] = PriceInterval(
            instrument_token=token,
            low=price if kept is None else min(kept.low, price),
            high=price if kept is None else max(kept.high, price),
            last=price,
            sequence=sequence,
            first_sequence=sequence if kept is None else kept.first_sequence,
            price_run=quote.price_run,
        )
        return quote

    def _quote(self, tick: Tick, before: Quote | None) -> Quote:
        price = tick.price
        return Quote(
            instrument_token=tick.instrument_token,
            source=self.source,
            run=self.run,
            fill_model=self.fill_model,
            sequence=tick.sequence,
            last_price=price,
            last_quantity=tick.last_quantity,
            volume=tick.volume,
            open=price if before is None else before.open,
            high=price if before is None else max(before.high, price),
            low=price if before is None else min(before.low, price),
            previous_close=price if before is None else before.previous_close,
            exchange_time=tick.exchange_time,
            received_at=tick.exchange_time,
            depth=None,
        )

    def tick(self, token: int, price: Decimal, *, at: datetime) -> list[StepReport]:
        """Let one tick happen and everything that follows from it."""
        quote = self.price(token, price, at=at)
        self.gateway.on_quotes([quote], at)
        return self.settle(at)

    def settle(self, now: datetime) -> list[StepReport]:
        """Pump gateway and bots until nothing happens any more at this time."""
        reports: list[StepReport] = []
        self.gateway.keep_lease()
        for _ in range(MAX_ROUNDS):
            pumped = self.gateway.pump(now)
            stepped = self.step_due(now)
            reports += stepped
            if not pumped and not stepped:
                return reports
        raise NotQuiet(f"still moving after {MAX_ROUNDS} rounds at {now}")

    def step_due(self, now: datetime) -> list[StepReport]:
        """Ask the wake-up question once and step what it finds; return the steps that did something."""
        self.passes += 1
        intervals = list(self._intervals.values())
        found = due_bot_ids(intervals, now=now)
        for interval in intervals:
            if interval.instrument_token not in found.kept_tokens:
                del self._intervals[interval.instrument_token]
        return self.step(found.bot_ids, now)

    def step(self, bot_ids: Sequence[int], now: datetime) -> list[StepReport]:
        """Step these bots; return the reports of those that did something."""
        if not bot_ids:
            return []
        wanted = wanted_prices(bot_ids)
        ticks = {token: list(self._ticks.get(token, ())) for token in wanted.listened}
        view = MarketView(self.quotes, ticks, wanted.marks)
        reports = [step_bot(each, view=view, now=now, enqueue=_nothing) for each in bot_ids]
        settle_marks(reports, view=view, quotes=self.quotes)
        for report in reports:
            if report.outcome in {StepOutcome.FAILED, StepOutcome.DISTURBED}:
                raise StepFailed(f"bot {report.bot_id} at {now}: see the log")
        done = [report for report in reports if report.outcome is StepOutcome.STEPPED]
        self.steps += len(done)
        return done


def _nothing() -> None:
    """Stand for the hint to the gateway: the runner pumps it anyway."""
