"""What a strategy is: a pure function from (config, state, event) to (state, intents).

The same function runs in the backtester, in the simulation runner and in the live stepper;
only the runner differs. A runner: hands over every event of the bot in order (order events
first, then ticks - bots.md 1.2), carries out the intents in order, stores the new state,
and arms the bands that the strategy names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from bots.domain.enums import BotStatus, StopMode
from bots.domain.parameters import Parameter
from market.domain.enums import FeeMode, OrderType, Side, TimeInForce
from market.domain.instruments import InstrumentSpec

# ---------------------------------------------------------------- events, into the strategy


@dataclass(frozen=True, slots=True)
class Start:
    """Begin: funds are locked in the book and no order of ours rests."""

    time: datetime
    price: Decimal


@dataclass(frozen=True, slots=True)
class MarketTick:
    """One accepted tick, in market time."""

    time: datetime
    price: Decimal
    sequence: int


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The due time asked for by `next_due` has come (market time); no new tick has."""

    time: datetime
    price: Decimal


@dataclass(frozen=True, slots=True)
class OrderAccepted:
    """The venue acknowledged an order."""

    slot_ref: str
    time: datetime


@dataclass(frozen=True, slots=True)
class OrderFilled:
    """A trade of one order. `cumulative` counts all its units so far, this trade included."""

    slot_ref: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    cumulative: Decimal
    is_complete: bool
    time: datetime
    trade_ref: str = ""


class EndKind(StrEnum):
    """How an order ended without being completely filled."""

    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    DENIED = "DENIED"
    NOT_AT_VENUE = "NOT_AT_VENUE"


@dataclass(frozen=True, slots=True)
class OrderEnded:
    """An order ended with `cumulative` units executed."""

    slot_ref: str
    kind: EndKind
    cumulative: Decimal
    code: str
    message: str
    time: datetime


class CommandKind(StrEnum):
    """What a person (or the platform) can ask of a bot."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    RETRY = "retry"
    ADD_INVESTMENT = "add_investment"
    WITHDRAW_PROFIT = "withdraw_profit"


@dataclass(frozen=True, slots=True)
class Command:
    """An act of a person. `amount` in quote asset; `price` is the newest price."""

    kind: CommandKind
    time: datetime
    price: Decimal
    amount: Decimal | None = None
    stop_mode: StopMode | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """After a restart: what the venue says.

    `open_refs` rest there; `history` tells how every order that we believed open and that does
    not rest ended.
    """

    open_refs: frozenset[str]
    history: Mapping[str, "OrderFilled | OrderEnded"]
    time: datetime


Event = (
    Start
    | MarketTick
    | TimePassed
    | OrderAccepted
    | OrderFilled
    | OrderEnded
    | Command
    | Reconciled
)


# ---------------------------------------------------------------- intents, out of the strategy


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Place an order. `slot_ref` is unique per bot: `{bot}-{slot}-{B|S}-{sequence}`.

    A MARKET order has no price; `worst_price` is what it may pay or receive at worst.
    `rank` orders the sending of a ladder, nearest to the market first (decisions 11).
    """

    slot_ref: str
    slot: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None
    time_in_force: TimeInForce
    purpose: str
    worst_price: Decimal | None = None
    rank: int = 0


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Cancel an order of ours; `is_orphan` when it rests without a record."""

    slot_ref: str
    is_orphan: bool = False


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """Move the bot in its life cycle. `code` is for programs, `message` for the card."""

    status: BotStatus
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Say something on the bot's timeline (and in vectors): what was decided and why."""

    kind: str
    message: str
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MoveFunds:
    """Move quote asset between the Manual book and the bot's book; negative moves out."""

    amount: Decimal
    purpose: str


Intent = PlaceOrder | CancelOrder | ChangeStatus | Note | MoveFunds


# ---------------------------------------------------------------- what a runner asks besides


@dataclass(frozen=True, slots=True)
class Band:
    """Prices of one instrument between which the strategy has nothing to do.

    It wants to hear of a tick with price <= wake_below or price >= wake_above; None: never.
    """

    instrument_token: int
    wake_below: Decimal | None
    wake_above: Decimal | None


@dataclass(frozen=True, slots=True)
class StrategyContext:
    """What a config is validated against. Fee rates and fractions, 0.0005 is 0.05 %."""

    instrument: InstrumentSpec
    maker_fee: Decimal
    taker_fee: Decimal
    fee_mode: FeeMode
    market_price: Decimal | None
    free_balance: Decimal | None
    max_orders: int = 200
    # The wall time, for "is in the past"; None: not checked (stored configs, backtests).
    now: datetime | None = None


class Strategy(Protocol):
    """One kind of bot. `Config` is a frozen dataclass, state a frozen dataclass, both per kind."""

    kind: str
    title: str
    parameters: tuple[Parameter, ...]

    def parse(self, values: Mapping[str, Any], *, context: StrategyContext) -> Any:
        """Return the config; raise `InvalidParameter` naming field, code and limits."""
        ...

    def dump_config(self, config: Any) -> dict[str, Any]:
        """Return the config as JSON-able values; decimals as texts."""
        ...

    def load_config(self, values: Mapping[str, Any], *, context: StrategyContext) -> Any:
        """Return a config stored by `dump_config`, unchecked."""
        ...

    def preview(self, config: Any, *, context: StrategyContext) -> Any:
        """Return what a checked config comes to at the market price: a flat dataclass."""
        ...

    def figures(self, config: Any, state: Any, *, price: Decimal, now: datetime | None) -> Any:
        """Return where a bot stands at a price: a flat dataclass; `now` is market time."""
        ...

    def new_state(self, config: Any, *, bot_ref: str) -> Any:
        """Return the state before `Start`. `bot_ref` prefixes every slot_ref (`b7`)."""
        ...

    def dump_state(self, state: Any) -> dict[str, Any]:
        """Return the state as JSON-able values; decimals as texts."""
        ...

    def load_state(self, values: Mapping[str, Any]) -> Any:
        """Return a state stored by `dump_state`."""
        ...

    def step(self, config: Any, state: Any, event: Event) -> tuple[Any, Sequence[Intent]]:
        """Decide: return the new state and what is to be done. Pure."""
        ...

    def bands(self, config: Any, state: Any) -> Sequence[Band]:
        """Return the bands to arm; empty when prices do not matter now."""
        ...

    def releasable(self, config: Any, state: Any) -> Decimal:
        """Return the profit that can be paid out now."""
        ...

    def next_due(self, config: Any, state: Any) -> datetime | None:
        """Return the market time at which the strategy wants to be asked at the latest."""
        ...
