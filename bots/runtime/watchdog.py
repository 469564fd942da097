"""A dead beat costs little: a worker asks for the pass itself when the last one is too old."""

import logging
from datetime import timedelta
from typing import Any

import redis
from celery import bootsteps
from django.utils import timezone

from bots.runtime.hints import ask_pass, is_pass_late
from market.streams import connect

logger = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
LATE = timedelta(seconds=2)


class WakeWatchdog(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
    """Looks once a second, in the worker's own timer; a pass too many does no harm."""

    requires = ("celery.worker.components:Timer",)

    def start(self, parent: Any) -> None:
        """Begin to look."""
        self.timer = parent.timer.call_repeatedly(EVERY_SECONDS, look, priority=10)

    def stop(self, parent: Any) -> None:
        """End looking."""
        self.timer.cancel()


def look() -> bool:
    """Ask for a pass if nobody has for a while; say whether it did."""
    try:
        is_late = is_pass_late(connect(), now=timezone.now(), limit=LATE)
    except redis.RedisError as error:
        logger.warning("wake-up passes not watched: %s", error)
        return False
    if is_late:
        ask_pass()
    return is_late
