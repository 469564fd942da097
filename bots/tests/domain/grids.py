"""Grids for tests: contexts, configs and a hand-driven venue."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from bots.domain.backtest_inputs import read_inputs
from bots.domain.backtest_report import terms_of
from bots.domain.backtest_venue import LastTradeVenue
from bots.domain.spot_grid import SpotGrid
from bots.domain.spot_grid_config import GridConfig
from bots.domain.spot_grid_state import GridState
from bots.domain.strategy import (
    CancelOrder,
    Command,
    CommandKind,
    EndKind,
    Intent,
    MarketTick,
    MoveFunds,
    Note,
    OrderAccepted,
    OrderEnded,
    OrderFilled,
    PlaceOrder,
    Start,
)

VECTORS = Path(__file__).parent.parent / "vectors"
T0 = datetime(2026, 1, 1, tzinfo=UTC)
GRID = SpotGrid()
D = Decimal


def vector(name):
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


ONGC = vector("spot_grid_arithmetic")["inputs"]
SOL = vector("spot_grid_geometric")["inputs"]


def context_of(inputs=ONGC, *, price="262", **changes):
    context = read_inputs(inputs).context(price=D(price))
    return replace(context, **changes)


def config_of(inputs=ONGC, *, price="262", **parameters):
    values = read_inputs(inputs | parameters)
    return GRID.parse(values.parameters, context=values.context(price=D(price)))


@dataclass
class Hand:
    """A grid whose every report is given by hand, or by the in-memory venue with `tick`."""

    config: GridConfig
    state: GridState = field(init=False)
    now: datetime = T0
    seen: list[Intent] = field(default_factory=list)
    open: dict[str, Any] = field(default_factory=dict)
    last: Decimal = Decimal(0)
    ticks: int = 0
    on_step: Callable[["Hand"], None] | None = None

    def __post_init__(self):
        self.state = GRID.new_state(self.config, bot_ref="b7")
        self.venue = LastTradeVenue(terms_of(self.config.rules))

    def feed(self, event):
        """Step once; keep what is open in step with placements, cancels and ends."""
        self.state, intents = GRID.step(self.config, self.state, event)
        intents = list(intents)
        if self.on_step:
            self.on_step(self)
        self.seen += intents
        for intent in intents:
            if isinstance(intent, PlaceOrder):
                self.open[intent.slot_ref] = intent
        return intents

    def start(self, price="262"):
        self.last = D(price)
        return self.run(Start(time=self.now, price=D(price)))

    def run(self, event):
        """Step and let the in-memory venue answer until nothing happens."""
        queue, seen = [event], []
        while queue or self.venue.has_immediate:
            if not queue:
                queue += self.venue.match_immediate(self.last, time=self.now)
            event = queue.pop(0)
            for intent in self.feed(event):
                seen.append(intent)
                if isinstance(intent, PlaceOrder):
                    self.venue.place(intent)
                    queue.append(OrderAccepted(slot_ref=intent.slot_ref, time=self.now))
                elif isinstance(intent, CancelOrder):
                    ended = self.venue.cancel(intent.slot_ref, time=self.now)
                    queue += [ended] if ended else []
        self.open = {order.slot_ref: order for order in self.venue.orders()}
        return seen

    def tick(self, price, *, seconds=60):
        """One tick through the venue, in the order of bots.md 1.2."""
        self.now += timedelta(seconds=seconds)
        self.ticks += 1
        price, tick = D(price), self.config.rules.instrument.tick_size
        before, self.last = self.last, price
        seen = []
        for fill in self.venue.match(int(price / tick), previous=int(before / tick), time=self.now):
            seen += self.run(fill)
        return seen + self.run(MarketTick(time=self.now, price=price, sequence=self.ticks))

    def command(self, kind, *, price=None, **values):
        price = D(price) if price is not None else self.last
        return self.run(Command(kind=CommandKind(kind), time=self.now, price=price, **values))

    def fill(self, ref, quantity, *, price, cumulative=None, trade_ref="", fee="0", base=False):
        spec = self.config.rules.instrument
        total = cumulative if cumulative is not None else quantity
        return self.feed(
            OrderFilled(
                slot_ref=ref,
                quantity=D(quantity),
                price=D(price),
                fee=D(fee),
                fee_asset=spec.base_asset if base else spec.quote_asset,
                cumulative=D(total),
                is_complete=False,
                time=self.now,
                trade_ref=trade_ref,
            )
        )

    def accept(self, *refs):
        return [
            intent
            for ref in refs
            for intent in self.feed(OrderAccepted(slot_ref=ref, time=self.now))
        ]

    def end(self, ref, kind=EndKind.CANCELLED, *, cumulative="0", code="", message=""):
        return self.feed(
            OrderEnded(
                slot_ref=ref,
                kind=kind,
                cumulative=D(cumulative),
                code=code,
                message=message,
                time=self.now,
            )
        )


def placed(intents):
    return [each for each in intents if isinstance(each, PlaceOrder)]


def cancelled(intents):
    return [each.slot_ref for each in intents if isinstance(each, CancelOrder)]


def notes(intents, kind=None):
    return [each for each in intents if isinstance(each, Note) and kind in {None, each.kind}]


def moved(intents):
    return [each.amount for each in intents if isinstance(each, MoveFunds)]


def ladder(hand):
    """Return the resting orders as (level, side, quantity)."""
    rows = [
        (rung.level, rung.side.value, rung.order.quantity)
        for rung in hand.state.rungs.values()
        if rung.order
    ]
    return sorted(rows)


def dumped(state):
    return GRID.dump_state(state)


def reloaded(state):
    """Return the state after a round trip through JSON text."""
    return GRID.load_state(json.loads(json.dumps(GRID.dump_state(state))))
