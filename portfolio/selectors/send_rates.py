"""How much is being sent for a user's venue accounts, bots and people included (decisions 36)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from portfolio.models import VenueAccount

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SendRate:
    """One account and how many orders, changes and cancels went to its venue in a minute."""

    account_id: int
    name: str
    venue: str
    asset: str
    sent_last_minute: int


def send_rates(user: User, *, now: datetime) -> list[SendRate]:
    """Return the user's accounts, oldest first, with what was sent for each."""
    since = int((now - MINUTE).timestamp())
    counted = Sum("ratesecond__count", filter=Q(ratesecond__second__gt=since))
    rows = VenueAccount.objects.for_user(user).annotate(sent=Coalesce(counted, 0)).order_by("pk")
    found = rows.values_list("pk", "name", "venue", "settlement_asset", "sent")
    return [SendRate(*row) for row in found]
