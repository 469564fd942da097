"""What every venue adapter offers the gateway, whichever venue it is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from market.domain.messages import (
    ExecutionReport,
    OrderTerms,
    OrderTicket,
    Outcome,
    VenueOrder,
)


class VenueClient(Protocol):
    """Orders out, reports in. No call may be made while a database transaction is open."""

    def send(self, tickets: Sequence[OrderTicket], *, now: datetime) -> list[Outcome]:
        """Send orders; one outcome per ticket, in the same order. Never raises for one order."""
        ...

    def cancel(
        self, venue_account_id: int, client_order_ids: Sequence[str], *, now: datetime
    ) -> list[Outcome]:
        """Ask for cancels. ACCEPTED means asked; the CANCELLED report says it happened."""
        ...

    def modify(
        self,
        ticket: OrderTicket,
        *,
        terms: OrderTerms,
        now: datetime,
    ) -> Outcome:
        """Ask for a change of one open order; a MODIFIED report says it happened."""
        ...

    def query(self, venue_account_id: int, client_order_id: str) -> VenueOrder | None:
        """Ask for one order by our id; None when the venue does not know it."""
        ...

    def open_orders(self, venue_account_id: int) -> list[VenueOrder]:
        """List the orders that rest at the venue for an account."""
        ...

    def take_reports(self) -> list[ExecutionReport]:
        """Return the reports that arrived since the last call, oldest first."""
        ...
