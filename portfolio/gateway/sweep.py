"""The sweep of a venue that is not ours: no unknown order lives there (trust.md P3)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from market.domain.enums import OrderStatus
from market.domain.messages import Outcome, OutcomeKind, VenueOrder
from market.exceptions import VenueUnavailable
from market.venues.base import VenueClient
from portfolio.services import reconciliation
from portfolio.services.executions import record_outcomes

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=10)


@dataclass(slots=True)
class Swept:
    """What a sweep found: orders that should not rest, and accounts that do not add up."""

    strays: int = 0
    mismatches: dict[int, str] = field(default_factory=dict)


class Sweeper:
    """Compares the orders that rest at a venue with ours, account by account."""

    def __init__(self, venue: VenueClient, *, shard: int) -> None:
        self._venue = venue
        self._shard = shard
        self._next_at: datetime | None = None
        # Orders missing at the venue in the last sweep: twice is no accident of timing.
        self._missing: dict[int, set[str]] = {}

    def is_due(self, now: datetime) -> bool:
        """Say whether it is time for a sweep."""
        return self._next_at is None or now >= self._next_at

    def clear(self) -> None:
        """Forget what was seen; the next sweep is due at once."""
        self._next_at = None
        self._missing.clear()

    def sweep(self, now: datetime, *, fence: int) -> Swept:
        """Cancel orders of ours that should not rest; judge every account."""
        self._next_at = now + EVERY
        swept = Swept()
        for account in reconciliation.accounts_of(self._shard):
            try:
                listed = self._venue.open_orders(account)
            except VenueUnavailable:
                # A failed list says nothing: neither that orders rest nor that they do not.
                continue
            swept.strays += self._end_strays(account, listed, now=now, fence=fence)
            reason = self._reason_of_mismatch(account, listed)
            if reason:
                swept.mismatches[account] = reason
        return swept

    def _end_strays(
        self, account: int, listed: Sequence[VenueOrder], *, now: datetime, fence: int
    ) -> int:
        """Cancel what carries our prefix and has no live order of ours; foreign orders stay."""
        ours = [o for o in listed if o.client_order_id.startswith(reconciliation.PREFIX)]
        known = reconciliation.statuses_of(account, [order.client_order_id for order in ours])
        strays = [
            order
            for order in ours
            if (status := known.get(order.client_order_id)) is None or status.is_terminal
        ]
        if not strays:
            return 0
        late = [
            Outcome(order.client_order_id, OutcomeKind.ACCEPTED, order.venue_order_id)
            for order in strays
            if known.get(order.client_order_id) is OrderStatus.NOT_AT_VENUE
        ]
        record_outcomes(late, shard=self._shard, fence=fence, now=now)
        for order in strays:
            logger.error(
                "stray order at the venue, cancelling account=%s order=%s we_say=%s",
                account,
                order.client_order_id,
                known.get(order.client_order_id, "nothing"),
            )
        self._venue.cancel(account, [order.client_order_id for order in strays], now=now)
        return len(strays)

    def _reason_of_mismatch(self, account: int, listed: Sequence[VenueOrder]) -> str:
        """Return why an account does not add up: an order we believe open is gone, twice seen."""
        at_venue = {order.client_order_id for order in listed}
        missing = reconciliation.believed_open(account) - at_venue
        twice = missing & self._missing.get(account, set())
        self._missing[account] = missing
        if not twice:
            return ""
        return f"order {min(twice)} is open here and not at the venue"
