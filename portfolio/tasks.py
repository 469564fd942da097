"""Rounds of the portfolio app; every task is safe to run twice."""

from datetime import timedelta

from celery import shared_task

from portfolio.services.gateway import forget_rate_seconds

KEPT_RATES = timedelta(hours=1)


@shared_task(name="portfolio.forget_rates", ignore_result=True)
def forget_rates() -> None:
    """Forget how many orders were sent in seconds long gone."""
    forget_rate_seconds(older_than=KEPT_RATES)
