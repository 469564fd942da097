"""Work of the market app that comes round by the clock; every task is safe to run twice."""

from celery import shared_task
from django.utils import timezone

from market.services.candles import ensure_coming_partitions


@shared_task(name="market.ensure_partitions", ignore_result=True)
def ensure_partitions() -> None:
    """Make the candle tables of this and the next two months; daily."""
    ensure_coming_partitions(timezone.now())
