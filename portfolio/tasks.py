"""Rounds of the portfolio app; every task is safe to run twice."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from portfolio.services.gateway import forget_rate_seconds
from portfolio.services.idempotency import forget_answers
from portfolio.services.order_digests import digest_orders as write_digest
from portfolio.services.postbacks import forget_postbacks

KEPT_RATES = timedelta(hours=1)


@shared_task(name="portfolio.forget_rates", ignore_result=True)
def forget_rates() -> None:
    """Forget how many orders were sent in seconds long gone."""
    forget_rate_seconds(older_than=KEPT_RATES)


@shared_task(name="portfolio.digest_orders", ignore_result=True)
def digest_orders() -> None:
    """Write what the order chains end in into the audit chain; hourly."""
    write_digest(now=timezone.now())


@shared_task(name="portfolio.forget_kept", ignore_result=True)
def forget_kept() -> None:
    """Forget answers kept with a client's key, and postbacks, that are old enough; daily."""
    now = timezone.now()
    forget_answers(now=now)
    forget_postbacks(now=now)
