"""Hints to the workers: "look at this bot now". A hint may be lost; the clock finds the bot.

Tasks are sent by name, because doors (views, commands) may not import each other's tasks.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

import redis
from celery import current_app
from kombu.exceptions import OperationalError

from bots.models import Bot

logger = logging.getLogger(__name__)

STEP_TASK = "bots.step_bots"
WAKE_TASK = "bots.wake_bots"
QUEUE = "bots"
# A hint older than this is worth nothing: the wake-up question has found the bot meanwhile.
HINT_SECONDS = 10
# Bots in one message: few enough to spread over workers, enough to share its cost.
BATCH = 8
# How long a hint of the clock counts as under way; a lost one delays its bot by this much.
UNDER_WAY_SECONDS = 3
_UNDER_WAY = "bots:hinted"
_ASKED_AT = "bots:asked_at"


def hint_bots(bot_ids: Sequence[int]) -> None:
    """Ask the workers to step these bots, in messages of a few."""
    for start in range(0, len(bot_ids), BATCH):
        if not _sent(STEP_TASK, [list(bot_ids[start : start + BATCH])]):
            return


def hint_due(client: redis.Redis, bot_ids: Sequence[int], *, now: datetime) -> None:
    """Ask for the bots that a pass found, except those that it asked for a moment ago.

    While the workers are behind, every pass finds the same bots again.
    """
    if not bot_ids:
        return
    seconds = now.timestamp()
    pipe = client.pipeline(transaction=False)
    pipe.zremrangebyscore(_UNDER_WAY, "-inf", seconds - UNDER_WAY_SECONDS)
    for bot_id in bot_ids:
        pipe.zadd(_UNDER_WAY, {str(bot_id): seconds}, nx=True)
    answers = pipe.execute()[1:]
    hint_bots([bot_id for bot_id, is_new in zip(bot_ids, answers, strict=True) if is_new])


def take_hints(client: redis.Redis, bot_ids: Sequence[int]) -> None:
    """Note that hints have arrived: what comes up from now on needs a new one."""
    client.zrem(_UNDER_WAY, *[str(bot_id) for bot_id in bot_ids])


def note_pass(client: redis.Redis, *, now: datetime) -> None:
    """Note when the wake-up question was asked last."""
    client.set(_ASKED_AT, now.timestamp())


def is_pass_late(client: redis.Redis, *, now: datetime, limit: timedelta) -> bool:
    """Say whether nobody has asked the wake-up question for so long."""
    last = cast("bytes | None", client.get(_ASKED_AT))
    return last is None or now.timestamp() - float(last) > limit.total_seconds()


def ask_pass() -> None:
    """Ask a worker for a pass: beat is late."""
    _sent(WAKE_TASK, [])


def hint_bot(bot_id: int) -> None:
    """Ask the workers to step one bot; doors pass it to services as `hint`."""
    hint_bots([bot_id])


def hint_book(book_id: int) -> None:
    """Ask the workers to step the bot that owns a book, if one does; for the gateway."""
    bot_id = Bot.objects.filter(book_id=book_id).values_list("pk", flat=True).first()
    if bot_id is not None:
        hint_bot(bot_id)


def _sent(name: str, arguments: list[list[int]]) -> bool:
    try:
        current_app.send_task(
            name, arguments, queue=QUEUE, expires=HINT_SECONDS, retry=False, ignore_result=True
        )
    except (OperationalError, redis.RedisError) as error:
        logger.warning("hint not sent task=%s args=%s: %s", name, arguments, error)
        return False
    return True
