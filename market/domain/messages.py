"""What travels between the order path and a venue, whichever venue it is."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from market.domain.enums import FillModel, Liquidity, OrderType, Side, TimeInForce


@dataclass(frozen=True, slots=True)
class OrderTicket:
    """An order as handed to a venue. `client_order_id` is ours and deterministic."""

    venue_account_id: int
    client_order_id: str
    instrument_token: int
    side: Side
    order_type: OrderType
    quantity: Decimal
    time_in_force: TimeInForce
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    # Worst price a MARKET, SL-M or triggered order may fill at: the money held covers no more.
    protection_price: Decimal | None = None
    send_deadline: datetime | None = None
    # For venues that we host: how it fills, and when its day ends in market time.
    fill_model: FillModel | None = None
    # The source of prices it was decided on; empty: any. See `Quote.price_run`.
    price_run: str = ""
    expires_at: datetime | None = None

    @property
    def terms(self) -> "OrderTerms":
        """Return what of it a change can change."""
        return OrderTerms(
            quantity=self.quantity,
            price=self.price,
            trigger_price=self.trigger_price,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            protection_price=self.protection_price,
            expires_at=self.expires_at,
        )


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What of an order a change can change; `quantity` counts what has traded.

    An order without a price, or without a trigger, has None there.
    """

    quantity: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    order_type: OrderType
    time_in_force: TimeInForce
    protection_price: Decimal | None = None
    expires_at: datetime | None = None
    disclosed_quantity: Decimal = Decimal(0)
    market_protection: Decimal = Decimal(0)
    # The price that the collateral of a short sale is for; no venue hears of it.
    margin_price: Decimal | None = None


class OutcomeKind(StrEnum):
    """What is known after a request to a venue (trust.md 4.4)."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    NOT_SENT = "NOT_SENT"
    RATE_LIMITED = "RATE_LIMITED"
    DUPLICATE = "DUPLICATE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one request; `code` and `message` are the venue's own words."""

    client_order_id: str
    kind: OutcomeKind
    venue_order_id: str = ""
    code: str = ""
    message: str = ""
    retry_after: float = 0.0


class ReportKind(StrEnum):
    """Kinds of execution report."""

    TRADE = "TRADE"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    TRIGGERED = "TRIGGERED"
    MODIFIED = "MODIFIED"
    CANCEL_REJECTED = "CANCEL_REJECTED"
    MODIFY_REJECTED = "MODIFY_REJECTED"


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """One thing a venue says about one order. Quantities in units, price in quote asset.

    `dedupe_key` is unique per venue account: the venue's trade id for trades, a stable text for
    the rest. Applying a report twice must change nothing.
    """

    kind: ReportKind
    dedupe_key: str
    venue_account_id: int
    client_order_id: str
    venue_order_id: str
    exchange_time: datetime
    venue_trade_id: str = ""
    quantity: Decimal = Decimal(0)
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    cumulative_quantity: Decimal = Decimal(0)
    liquidity: Liquidity = Liquidity.MAKER
    tick_sequence: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue describes it when asked."""

    venue_account_id: int
    client_order_id: str
    venue_order_id: str
    instrument_token: int
    side: Side
    quantity: Decimal
    filled_quantity: Decimal
    price: Decimal | None
    status: str
