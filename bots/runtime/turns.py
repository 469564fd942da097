"""One turn of one bot: which events it hears, in which order, and what its strategy then wants.

Nothing here writes: a turn can be given up at any moment, for example because the price is too
old for the orders it wants.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from bots.domain.enums import BotStatus, StopMode
from bots.domain.strategy import (
    Band,
    ChangeStatus,
    Command,
    CommandKind,
    Event,
    Intent,
    MarketTick,
    MoveFunds,
    Note,
    PlaceOrder,
    Start,
    Strategy,
    TimePassed,
)
from bots.registry import strategy_of
from bots.runtime.bot_rows import BotRow, Line, context_of, load_config
from bots.runtime.market_view import MarketView, market_time
from market.domain.formatting import format_lack
from market.domain.ticks import Quote, Tick

# Times in a row that a strategy may ask for a time that has passed already.
MAX_DUE = 5
NO_PRICE_WAIT = timedelta(seconds=1)
OTHER_PRICES_WAIT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Planned:
    """An intent and the decision that it came from."""

    step_no: int
    intent: Intent


@dataclass(slots=True)
class Turn:
    """A bot's config and state as values, and everything decided in this turn so far."""

    row: BotRow
    strategy: Strategy
    config: Any
    state: Any
    now: datetime
    quote: Quote | None
    step_no: int
    tick_seq: int
    status: BotStatus
    status_code: str
    status_message: str
    events: list[Event] = field(default_factory=list)
    planned: list[Planned] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    handled: dict[int, str] = field(default_factory=dict)

    @property
    def time(self) -> datetime:
        """Return the market's time now; without any price the wall clock's."""
        return self.now if self.quote is None else market_time(self.quote, now=self.now)

    @property
    def has_own_prices(self) -> bool:
        """Say whether the prices come from where the bot was started."""
        return self.quote is not None and self.row.price_run in {"", self.quote.price_run}

    @property
    def is_fresh(self) -> bool:
        """Say whether new orders may be placed on the price (bots.md 1.6)."""
        if self.quote is None or not self.has_own_prices:
            return False
        return self.quote.is_fresh(now=self.now, limit=self.row.instrument.freshness_limit)

    def feed(self, event: Event) -> None:
        """Let the strategy decide on one event and note what it wants."""
        self.step_no += 1
        self.state, intents = self.strategy.step(self.config, self.state, event)
        self.events.append(event)
        for intent in intents:
            self.planned.append(Planned(self.step_no, intent))
            self.intents.append(intent)
            self._tell(intent, event)

    def _tell(self, intent: Intent, event: Event) -> None:
        if isinstance(intent, Note):
            self.line(intent.kind, intent.message, dict(intent.data), time=event.time)
        elif isinstance(intent, ChangeStatus):
            is_news = (intent.status, intent.code) != (self.status, self.status_code)
            self.status = intent.status
            self.status_code, self.status_message = intent.code[:40], intent.message[:300]
            if is_news:
                message = status_message(intent.status, intent.message)
                data = {"status": intent.status.value, "code": intent.code}
                self.line("status", message, data, time=event.time)

    def line(self, kind: str, message: str, data: dict[str, str], *, time: datetime) -> None:
        """Add a line to the timeline."""
        self.lines.append(Line(self.step_no, kind[:32], message, data, time))

    @property
    def bands(self) -> list[Band]:
        """Return the bands that the strategy wants armed now."""
        return [] if self.status.is_final else list(self.strategy.bands(self.config, self.state))

    @property
    def wants_orders(self) -> bool:
        """Say whether something is to be placed."""
        return any(isinstance(each.intent, PlaceOrder) for each in self.planned)

    def take_planned(self) -> list[Planned]:
        """Return what is to be carried out and forget it."""
        planned, self.planned = self.planned, []
        return planned


def status_message(status: BotStatus, reason: str) -> str:
    """Return a state with its reason; a reason that begins with the state's word stands alone."""
    words = status.replace("_", " ").capitalize()
    if not reason or reason.lower() == words.lower():
        return words
    if ": " not in reason and reason.split(maxsplit=1)[0] == words.split()[0]:
        return reason
    return f"{words}: {reason}"


def open_turn(row: BotRow, *, view: MarketView, now: datetime) -> Turn:
    """Read a bot's texts into values; a bot that never began gets its first state."""
    strategy = strategy_of(row.kind)
    config = load_config(row.kind, row.config, context_of(row))
    if row.is_unstarted:
        state = strategy.new_state(config, bot_ref=f"b{row.id}")
    else:
        state = strategy.load_state(orjson.loads(row.state))
    # What failed three times goes on from where it stood: only a command brings it here.
    status = BotStatus(row.failed_from or row.status)
    return Turn(
        row=row,
        strategy=strategy,
        config=config,
        state=state,
        now=now,
        quote=view.quotes.get(row.instrument.instrument_token),
        step_no=row.step_no,
        tick_seq=row.tick_seq,
        status=status,
        status_code="" if row.failed_from else row.status_code,
        status_message="" if row.failed_from else row.status_message,
    )


def hear_all(
    turn: Turn, news: Iterable[Event], *, view: MarketView, free_money: Callable[[], Decimal]
) -> None:
    """Feed everything that is new: order events, ticks, commands, due times (bots.md 1.6).

    `free_money` tells what Manual could add; it is only asked when somebody adds investment.
    """
    if turn.row.is_unstarted:
        if turn.is_fresh and not turn.row.commands:
            _hear_start(turn)
        return
    for event in news:
        turn.feed(event)
    _hear_ticks(turn, view.ticks.get(turn.row.instrument.instrument_token, ()))
    for asked in turn.row.commands:
        _hear_command(turn, asked, free_money=free_money)
    _hear_due(turn)


def _hear_start(turn: Turn) -> None:
    quote = turn.quote
    if quote is not None:
        turn.feed(Start(time=turn.time, price=quote.last_price))
        turn.tick_seq = quote.sequence


def _hear_ticks(turn: Turn, ticks: Sequence[Tick]) -> None:
    """Feed the ticks that leave a band; by its own word the rest is nothing to the strategy."""
    quote = turn.quote
    if quote is None or not turn.has_own_prices:
        return
    bands = turn.bands
    if not bands or quote.sequence < turn.tick_seq:
        turn.tick_seq = quote.sequence
        return
    for tick in ticks:
        if turn.tick_seq < tick.sequence <= quote.sequence:
            turn.tick_seq = tick.sequence
            if _leaves(bands, tick):
                turn.feed(MarketTick(tick.exchange_time, tick.price, tick.sequence))
                bands = turn.bands


def _leaves(bands: Sequence[Band], tick: Tick) -> bool:
    return any(
        band.instrument_token == tick.instrument_token
        and (
            (band.wake_below is not None and tick.price <= band.wake_below)
            or (band.wake_above is not None and tick.price >= band.wake_above)
        )
        for band in bands
    )


def _hear_command(
    turn: Turn, asked: Mapping[str, Any], *, free_money: Callable[[], Decimal]
) -> None:
    """Feed one command, or refuse it where Manual lacks the money that it would take."""
    kind = CommandKind(asked["kind"])
    if kind is CommandKind.RETRY and turn.row.failed_from:
        turn.handled[asked["id"]] = ""
        turn.line("retry", "Tried again after an internal error", {}, time=turn.time)
        return
    if turn.quote is None:
        return
    command = Command(
        kind=kind,
        time=turn.time,
        price=turn.quote.last_price,
        amount=None if asked["amount"] is None else Decimal(asked["amount"]).normalize(),
        stop_mode=StopMode(asked["stop_mode"]) if asked["stop_mode"] else None,
        reason=asked["reason"],
    )
    refusal = _lack_of_money(turn, command, free_money=free_money)
    if refusal:
        turn.line("refused", refusal, {"command": kind.value}, time=turn.time)
    else:
        heard = len(turn.intents)
        turn.feed(command)
        refusal = _refusal_in(turn.intents[heard:])
    turn.handled[asked["id"]] = refusal


def _lack_of_money(turn: Turn, command: Command, *, free_money: Callable[[], Decimal]) -> str:
    """Ask the strategy what the command would move, without deciding anything yet."""
    if command.kind is not CommandKind.ADD_INVESTMENT:
        return ""
    _, intents = turn.strategy.step(turn.config, turn.state, command)
    needed = sum((each.amount for each in intents if isinstance(each, MoveFunds)), Decimal(0))
    free = free_money()
    if needed <= free:
        return ""
    asset = turn.row.instrument.quote_asset
    return format_lack(needed, free, asset=asset)


def _refusal_in(intents: Iterable[Intent]) -> str:
    """Return the words of a strategy that did not carry a command out."""
    for intent in intents:
        if isinstance(intent, Note) and intent.kind == "refused":
            return intent.message[:300]
    return ""


def _hear_due(turn: Turn) -> None:
    """Feed the times that have come; with prices from elsewhere the market's time stands still."""
    quote = turn.quote
    if quote is None or not turn.has_own_prices:
        return
    for _ in range(MAX_DUE):
        due = None if turn.status.is_final else turn.strategy.next_due(turn.config, turn.state)
        if due is None or due > turn.time:
            return
        turn.feed(TimePassed(time=turn.time, price=quote.last_price))


def next_look(turn: Turn) -> datetime | None:
    """Return the wall time at which the bot must be looked at again, whatever prices do."""
    if turn.status.is_final:
        return None
    if turn.row.is_unstarted and not turn.events:
        return turn.now + NO_PRICE_WAIT
    due = turn.strategy.next_due(turn.config, turn.state)
    if due is None:
        return None
    if turn.quote is None or not turn.has_own_prices:
        return turn.now + OTHER_PRICES_WAIT
    return turn.now + max(due - turn.time, timedelta(0))
