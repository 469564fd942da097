"""Is everything alive: the database, Redis and the five processes, each named with its age."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from psycopg_pool import PoolTimeout
from redis.backoff import NoBackoff
from redis.retry import Retry

from market import streams

logger = logging.getLogger(__name__)
LIMIT = timedelta(seconds=10)
REDIS_SECONDS = 2


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 only when all parts are alive, 503 otherwise; the same fields either way."""
    report = health_report(timezone.now)
    return JsonResponse(report, status=200 if report["status"] == "ok" else 503)


def health_report(clock: Callable[[], datetime]) -> dict[str, Any]:
    """Look at every part. An answer at all is the web process's sign of life."""
    database = _timed(_ask_database)
    beats: dict[str, datetime] = {}

    def ask_redis() -> None:
        client = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            streams.beat(client, "web")
            beats.update(streams.read_beats(client))
        finally:
            client.close()

    redis_part = _timed(ask_redis)
    processes = {name: process_health(beats, name, clock()) for name in streams.PROCESSES}
    parts = [database, redis_part, *processes.values()]
    return {
        "status": "ok" if all(part["ok"] for part in parts) else "failing",
        "database": database,
        "redis": redis_part,
        "processes": processes,
    }


def process_health(beats: Mapping[str, datetime], name: str, now: datetime) -> dict[str, Any]:
    """Tell the age in seconds of a process's newest sign of life; none when it gave none."""
    if name not in beats:
        return {"ok": False, "age": None}
    age = max(timedelta(), now - beats[name])
    return {"ok": age <= LIMIT, "age": round(age.total_seconds(), 1)}


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _timed(ask: Callable[[], None]) -> dict[str, Any]:
    began = time.monotonic()
    try:
        ask()
    except (DatabaseError, PoolTimeout, redis.RedisError) as error:
        # The message may hold an address; the log may have it, the answer may not.
        logger.warning("health: %s: %s", type(error).__name__, error)
        return {"ok": False, "error": type(error).__name__}
    return {"ok": True, "ms": round((time.monotonic() - began) * 1000, 1)}
