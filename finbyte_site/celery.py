"""The Celery application: messages are hints, PostgreSQL is the truth."""

import gc
import os

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging, worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")

app = Celery("finbyte")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect  # type: ignore[untyped-decorator]
def keep_own_logging(**_options: object) -> None:
    """Leave LOGGING as it is: Celery's handlers would write tasks' logs past our formatter."""


@worker_process_init.connect  # type: ignore[untyped-decorator]
def keep_what_is_loaded(**_options: object) -> None:
    """Spare the collector what stays for good: going through it would hold up a bot's step."""
    gc.freeze()


# A message that waited longer than its round is void: the next one asks the same question.
app.conf.beat_schedule = {
    "wake bots": {
        "task": "bots.wake_bots",
        "schedule": 0.5,
        "options": {"queue": "bots", "expires": 2},
    },
    # Finds what a lost hint has left: triggers that have fired are placed by hints otherwise.
    "follow fired triggers": {
        "task": "portfolio.follow_fired",
        "schedule": 5.0,
        "options": {"queue": "bots", "expires": 5},
    },
    "expire triggers": {
        "task": "portfolio.expire_triggers",
        "schedule": crontab(minute="17"),
        "options": {"queue": "default", "expires": 3000},
    },
    # What cannot be closed at once is tried again by the next rounds.
    "square off intraday positions": {
        "task": "portfolio.square_off",
        "schedule": 30.0,
        "options": {"queue": "default", "expires": 30},
    },
    "watch price sources": {
        "task": "bots.watch_sources",
        "schedule": 5.0,
        "options": {"queue": "default", "expires": 5},
    },
    "make candle partitions": {
        "task": "market.ensure_partitions",
        "schedule": 6 * 3600.0,
        "options": {"queue": "slow", "expires": 3600},
    },
    # By the clock, not by the time since a start: a copy that often restarts is digested too.
    "digest order events": {
        "task": "portfolio.digest_orders",
        "schedule": crontab(minute="7"),
        "options": {"queue": "slow", "expires": 3000},
    },
    # 06:00 in India (the schedule is in UTC). Sessions end by their own clock; this closes sockets.
    "end sessions": {
        "task": "accounts.end_sessions",
        "schedule": crontab(hour="0", minute="30"),
        "options": {"queue": "default", "expires": 600},
    },
    "clear expired sessions and tokens": {
        "task": "accounts.clear_expired",
        "schedule": crontab(hour="1", minute="10"),
        "options": {"queue": "slow", "expires": 3600},
    },
    "send postbacks": {
        "task": "api.send_postbacks",
        "schedule": 1.0,
        "options": {"queue": "slow", "expires": 2},
    },
    "forget answers and postbacks": {
        "task": "portfolio.forget_kept",
        "schedule": crontab(hour="1", minute="20"),
        "options": {"queue": "slow", "expires": 3600},
    },
    "forget send rates": {
        "task": "portfolio.forget_rates",
        "schedule": 600.0,
        "options": {"queue": "slow", "expires": 600},
    },
}
