"""The words of trading, once: every other module, the database and the wire build on these."""

from enum import StrEnum


class Side(StrEnum):
    """Direction of an order, as on the wire (`transaction_type`)."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """How an order is priced."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    SL = "SL"
    SL_M = "SL-M"

    @property
    def has_price(self) -> bool:
        """Say whether it carries a limit."""
        return self in {OrderType.LIMIT, OrderType.SL}

    @property
    def is_stop(self) -> bool:
        """Say whether it waits for a trigger."""
        return self in {OrderType.SL, OrderType.SL_M}


class TimeInForce(StrEnum):
    """How long an order lives."""

    DAY = "DAY"
    IOC = "IOC"
    GTC = "GTC"
    TTL = "TTL"


class Product(StrEnum):
    """Margin product."""

    CNC = "CNC"
    MIS = "MIS"
    NRML = "NRML"


class Variety(StrEnum):
    """Order variety."""

    REGULAR = "regular"
    AMO = "amo"
    CO = "co"
    ICEBERG = "iceberg"
    AUCTION = "auction"


class OrderStatus(StrEnum):
    """Every state an order can be in (decisions 10)."""

    DENIED = "DENIED"
    READY = "READY"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    OPEN = "OPEN"
    TRIGGER_PENDING = "TRIGGER_PENDING"
    MODIFY_PENDING = "MODIFY_PENDING"
    CANCEL_PENDING = "CANCEL_PENDING"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    NOT_AT_VENUE = "NOT_AT_VENUE"

    @property
    def is_terminal(self) -> bool:
        """Say whether nothing but a late accept can change the order."""
        return self in TERMINAL_STATUSES

    @property
    def is_live(self) -> bool:
        """Say whether the order still holds money or units."""
        return self not in TERMINAL_STATUSES


TERMINAL_STATUSES = frozenset(
    {
        OrderStatus.DENIED,
        OrderStatus.FILLED,
        OrderStatus.CANCELLED,
        OrderStatus.REJECTED,
        OrderStatus.EXPIRED,
        OrderStatus.NOT_AT_VENUE,
    }
)


class Liquidity(StrEnum):
    """Whether a fill added or took liquidity."""

    MAKER = "MAKER"
    TAKER = "TAKER"


class FeeMode(StrEnum):
    """Which asset a buy pays its fee in (bots.md 1.1)."""

    QUOTE = "quote"
    RECEIVED = "received"


class FillModel(StrEnum):
    """How the paper venue fills (decisions 7); every order, backtest and page names it."""

    LAST_TRADE = "LAST_TRADE"
    QUOTE_DEPTH = "QUOTE_DEPTH"


class SourceKind(StrEnum):
    """Where an instrument's prices come from at the moment (decisions 20, 21)."""

    SIMULATED = "SIMULATED"
    REPLAY = "REPLAY"
    LIVE = "LIVE"


class AccountMode(StrEnum):
    """What is at stake on a venue account; shown as a badge everywhere."""

    PAPER = "PAPER"
    TESTNET = "TESTNET"
    LIVE = "LIVE"


class InstrumentKind(StrEnum):
    """Kind of instrument, Kite's words where Kite has one."""

    EQ = "EQ"
    INDEX = "INDEX"
    SPOT = "SPOT"
    FUT = "FUT"
    CE = "CE"
    PE = "PE"
    PERP = "PERP"


class Calendar(StrEnum):
    """Trading session calendar of an instrument on its real exchange."""

    NSE = "NSE"
    ALWAYS = "ALWAYS"


class Interval(StrEnum):
    """Candle intervals, Kite's words."""

    MINUTE = "minute"
    MINUTE_3 = "3minute"
    MINUTE_5 = "5minute"
    MINUTE_10 = "10minute"
    MINUTE_15 = "15minute"
    MINUTE_30 = "30minute"
    HOUR = "60minute"
    DAY = "day"
