"""Rounds of the portfolio app; every task is safe to run twice."""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError as QueueError
from redis import RedisError

from accounts.tasks import send_notice
from market.streams import connect, read_quotes
from portfolio.selectors.alerts import due_events
from portfolio.selectors.gtt import due_triggers
from portfolio.services.alerts_following import follow_event, tokens_of
from portfolio.services.gateway import forget_rate_seconds
from portfolio.services.gtt_placing import expire_triggers, place_trigger
from portfolio.services.idempotency import forget_answers
from portfolio.services.order_digests import digest_orders as write_digest
from portfolio.services.orders import wake_gateway
from portfolio.services.postbacks import forget_postbacks
from portfolio.services.square_off import open_intraday, square_off, tidy_purses

logger = logging.getLogger(__name__)

KEPT_RATES = timedelta(hours=1)
# What one task takes on; the round beside it takes the rest.
MOST_DUE = 500


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


@shared_task(name="portfolio.square_off", ignore_result=True)
def square_off_intraday() -> None:
    """Close intraday positions whose day ends, and return idle cash to Manual; twice a minute."""
    opened = open_intraday()
    quotes = read_quotes(connect(), {each.instrument_token for each in opened})
    square_off(opened, quotes, now=timezone.now(), enqueue=wake_gateway)
    tidy_purses(now=timezone.now())


# ------------------------------------------------------------------------- triggers and alerts


def hint_fired() -> None:
    """Have what has fired dealt with now; a lost hint only costs the round's few seconds."""
    try:
        follow_fired.apply_async(queue="bots", expires=10, retry=False, ignore_result=True)
    except (QueueError, RedisError) as error:
        logger.warning("fired triggers not hinted: %s", error)


@shared_task(name="portfolio.follow_fired", ignore_result=True)
def follow_fired() -> None:
    """Place the orders of triggers and alerts that have fired, each in its own transaction."""
    for trigger_id, token in due_triggers(limit=MOST_DUE).items():
        _apart(partial(_place, trigger_id, token))
    for event in due_events(limit=MOST_DUE):
        while _apart(partial(_follow, event.pk, tokens_of(event))):
            pass


@shared_task(name="portfolio.expire_triggers", ignore_result=True)
def expire_gtt() -> None:
    """End triggers that are a year old; hourly."""
    expire_triggers(now=timezone.now(), notify=send_notice.delay)


def _apart(act: Callable[[], bool]) -> bool:
    """Run one act; what is wrong with it must not keep the others waiting. It stays due."""
    try:
        return act()
    except Exception:
        logger.exception("what has fired was not followed")
        return False


def _place(trigger_id: int, token: int) -> bool:
    quote = read_quotes(connect(), [token]).get(token)
    with transaction.atomic(durable=True):
        return place_trigger(
            trigger_id,
            quote=quote,
            now=timezone.now(),
            enqueue=wake_gateway,
            notify=send_notice.delay,
        )


def _follow(event_id: int, tokens: list[int]) -> bool:
    quotes = read_quotes(connect(), tokens)
    with transaction.atomic(durable=True):
        return follow_event(
            event_id,
            quotes=quotes,
            now=timezone.now(),
            enqueue=wake_gateway,
            notify=send_notice.delay,
        )
