"""Signs of life of the worker and of beat: the newest work done, not "the process exists"."""

import logging
import time
from typing import Any

import redis
from celery import bootsteps
from celery.beat import Scheduler

from market import streams

logger = logging.getLogger(__name__)
EVERY_SECONDS = 1.0


class BeatingScheduler(Scheduler):  # type: ignore[misc]  # celery has no types
    """Celery's own scheduler, in memory, that says it is alive after a round of its work.

    Nothing is kept on disk: after a restart every entry is due at once, and every task of ours
    is safe to run twice.
    """

    _said_at = float("-inf")

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due, then say so."""
        wait: float = super().tick(*args, **kwargs)
        if time.monotonic() - self._said_at >= EVERY_SECONDS:
            self._said_at = time.monotonic()
            say_alive("beat")
        return min(wait, EVERY_SECONDS)


class WorkerPulse(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
    """Gives the worker a small task of its own every second; doing it is the sign of life.

    The timer runs in the worker itself, so a stopped beat does not make a worker look dead.
    """

    requires = ("celery.worker.components:Timer",)

    def start(self, parent: Any) -> None:
        """Begin to ask."""
        self.timer = parent.timer.call_repeatedly(EVERY_SECONDS, _ask, (parent.app,), priority=10)

    def stop(self, parent: Any) -> None:
        """End asking."""
        self.timer.cancel()


def _ask(app: Any) -> None:
    try:
        app.send_task("finbyte_site.pulse", queue="default", expires=10, retry=False)
    except Exception:  # noqa: BLE001 - the timer goes on whatever the broker says
        logger.warning("pulse not sent")


def say_alive(name: str) -> None:
    """Write the sign of life; a Redis that is away is told by /healthz, not by dying here."""
    try:
        streams.beat(streams.connect(), name)
    except redis.RedisError as error:
        logger.warning("heartbeat of %s not written: %s", name, error)
