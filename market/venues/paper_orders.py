"""Orders as the paper venue keeps them, and the reports it writes about them."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from market.domain.enums import FillModel, Liquidity, Side
from market.domain.messages import ExecutionReport, OrderTicket, ReportKind, VenueOrder

# The matching core counts in integers of the ledger's scale (decisions 2): 12 decimals.
_DECIMALS = 12
_ONE = 10**_DECIMALS


def to_units(value: Decimal) -> int:
    """Return a price or quantity as an integer of 10^-12; refuse what does not fit."""
    scaled = value.scaleb(_DECIMALS)
    units = int(scaled)
    if units != scaled:
        raise ValueError(f"{value} has more than {_DECIMALS} decimals")
    return units


def from_units(units: int) -> Decimal:
    """Return the number that `units` stand for, without trailing zeros."""
    whole, rest = divmod(units, _ONE)
    return Decimal(units).scaleb(-_DECIMALS).normalize() if rest else Decimal(whole)


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """An order as the gateway knows it, to put back into the venue's book after a restart."""

    ticket: OrderTicket
    venue_order_id: str
    filled_quantity: Decimal
    is_triggered: bool
    revision: int


@dataclass(slots=True, eq=False)
class PaperOrder:
    """An order at the paper venue; `number` is its place in time, `quantity` all its units."""

    ticket: OrderTicket
    venue_order_id: str
    number: int
    quantity: int
    price: Decimal | None
    trigger_price: Decimal | None
    # Its ticket's fill model, else that of the prices it came to.
    model: FillModel | None
    filled: int = 0
    revision: int = 0
    is_triggered: bool = False
    status: str = "OPEN"

    @property
    def side(self) -> Side:
        """Return the direction."""
        return self.ticket.side

    @property
    def left(self) -> int:
        """Return what is not filled."""
        return self.quantity - self.filled

    @property
    def worst_price(self) -> Decimal | None:
        """Return the worst price it may fill at; None is any price."""
        return self.ticket.protection_price if self.price is None else self.price

    def accepts(self, price: Decimal) -> bool:
        """Say whether the order may fill at a price."""
        worst = self.worst_price
        if worst is None:
            return True
        return price <= worst if self.side is Side.BUY else price >= worst

    def is_stray(self, price_run: str) -> bool:
        """Say whether the order was decided on prices of another source than these."""
        return self.ticket.price_run not in {"", price_run}

    def is_over(self, market_time: datetime) -> bool:
        """Say whether its life ended before this moment of market time, or at it."""
        expires_at = self.ticket.expires_at
        return expires_at is not None and expires_at <= market_time

    def described(self) -> VenueOrder:
        """Return the order as the venue tells it when asked."""
        return VenueOrder(
            venue_account_id=self.ticket.venue_account_id,
            client_order_id=self.ticket.client_order_id,
            venue_order_id=self.venue_order_id,
            instrument_token=self.ticket.instrument_token,
            side=self.side,
            quantity=from_units(self.quantity),
            filled_quantity=from_units(self.filled),
            price=self.price,
            status=self.status,
        )


@dataclass(slots=True)
class ReportLog:
    """Writes the venue's reports in order. Its fence keeps trade ids apart across restarts."""

    fence: int
    reports: list[ExecutionReport] = field(default_factory=list)
    trades: int = 0

    def take(self) -> list[ExecutionReport]:
        """Return what was written since the last call."""
        taken, self.reports = self.reports, []
        return taken

    def trade(
        self,
        order: PaperOrder,
        units: int,
        price: Decimal,
        *,
        liquidity: Liquidity,
        at: datetime,
        sequence: int,
    ) -> None:
        """Fill some units of an order and say so."""
        order.filled += units
        if not order.left:
            order.status = "FILLED"
        self.trades += 1
        trade_id = f"P{self.fence}-{self.trades}"
        self.reports.append(
            ExecutionReport(
                kind=ReportKind.TRADE,
                dedupe_key=trade_id,
                venue_account_id=order.ticket.venue_account_id,
                client_order_id=order.ticket.client_order_id,
                venue_order_id=order.venue_order_id,
                exchange_time=at,
                venue_trade_id=trade_id,
                quantity=from_units(units),
                price=price,
                cumulative_quantity=from_units(order.filled),
                liquidity=liquidity,
                tick_sequence=sequence,
            )
        )

    def ended(
        self, order: PaperOrder, kind: ReportKind, *, message: str, at: datetime, sequence: int
    ) -> None:
        """End an order without filling it completely and say so."""
        order.status = kind.value
        self._say(order, kind, key=kind.value, message=message, at=at, sequence=sequence)

    def triggered(self, order: PaperOrder, *, at: datetime, sequence: int) -> None:
        """Arm a stop order and say so."""
        order.is_triggered = True
        order.status = "OPEN"
        self._say(
            order, ReportKind.TRIGGERED, key="TRIGGERED", message="", at=at, sequence=sequence
        )

    def modified(self, order: PaperOrder, *, at: datetime, sequence: int) -> None:
        """Say that a change was carried out."""
        order.revision += 1
        # The fence keeps a change that is asked again after a restart apart from the first.
        key = f"M{self.fence}.{order.revision}"
        self._say(order, ReportKind.MODIFIED, key=key, message="", at=at, sequence=sequence)

    def _say(
        self,
        order: PaperOrder,
        kind: ReportKind,
        *,
        key: str,
        message: str,
        at: datetime,
        sequence: int,
    ) -> None:
        self.reports.append(
            ExecutionReport(
                kind=kind,
                dedupe_key=f"{order.ticket.client_order_id}:{key}",
                venue_account_id=order.ticket.venue_account_id,
                client_order_id=order.ticket.client_order_id,
                venue_order_id=order.venue_order_id,
                exchange_time=at,
                quantity=from_units(order.quantity),
                price=order.price,
                trigger_price=order.trigger_price,
                cumulative_quantity=from_units(order.filled),
                tick_sequence=sequence,
                message=message,
            )
        )
