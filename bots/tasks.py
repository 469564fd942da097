"""The runtime's tasks: the clock's question, the steps, and the rounds beside them.

Every task is safe to run twice and safe to lose: what is due stands in PostgreSQL.
"""

import logging
from functools import partial

from celery import current_app, shared_task
from django.utils import timezone

from bots.runtime.hints import STEP_TASK, WAKE_TASK, hint_bots, hint_due, note_pass, take_hints
from bots.runtime.market_view import view_market
from bots.runtime.stepper import settle_marks, step_bot
from bots.runtime.wakeups import wake_pass
from bots.runtime.watchdog import WakeWatchdog
from bots.services.sources import pause_strayed
from market.streams import connect, read_quotes
from portfolio.services.orders import wake_gateway
from portfolio.tasks import hint_fired

logger = logging.getLogger(__name__)

# Tasks are imported before a worker builds its steps, and nowhere else are steps needed.
current_app.steps["worker"].add(WakeWatchdog)


@shared_task(name=WAKE_TASK, ignore_result=True)
def wake_bots() -> None:
    """Ask which bots, triggers and alerts have something to do and hint them; twice a second."""
    client, now = connect(), timezone.now()
    note_pass(client, now=now)
    if wake_pass(client, now=now, hint=partial(hint_due, client, now=now)):
        hint_fired()


@shared_task(name=STEP_TASK, ignore_result=True)
def step_bots(bot_ids: list[int]) -> None:
    """Step these bots, each in a transaction of its own."""
    client = connect()
    take_hints(client, bot_ids)
    now = timezone.now()
    view = view_market(client, bot_ids)
    reports = [step_bot(each, view=view, now=now, enqueue=wake_gateway) for each in bot_ids]
    if any(report.mark for report in reports):
        settle_marks(reports, view=view, quotes=read_quotes(client, view.quotes))


@shared_task(name="bots.watch_sources", ignore_result=True)
def watch_sources() -> None:
    """Have bots paused whose prices come from elsewhere now; every few seconds."""
    strayed = pause_strayed(now=timezone.now())
    if strayed:
        logger.info("bots paused for other prices count=%s", len(strayed))
        hint_bots(strayed)
