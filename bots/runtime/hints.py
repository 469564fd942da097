"""Hints to the workers: "look at this bot now". A hint may be lost; the clock finds the bot.

Tasks are sent by name, because doors (views, commands) may not import each other's tasks.
"""

import logging
from collections.abc import Sequence

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from bots.models import Bot

logger = logging.getLogger(__name__)

STEP_TASK = "bots.step_bots"
WAKE_TASK = "bots.wake_bots"
QUEUE = "bots"
# A hint older than this is worth nothing: the wake-up question has found the bot meanwhile.
HINT_SECONDS = 10
# Bots in one message: few enough to spread over workers, enough to share its cost.
BATCH = 8


def hint_bots(bot_ids: Sequence[int]) -> None:
    """Ask the workers to step these bots, in messages of a few."""
    for start in range(0, len(bot_ids), BATCH):
        if not _sent(STEP_TASK, list(bot_ids[start : start + BATCH])):
            return


def hint_bot(bot_id: int) -> None:
    """Ask the workers to step one bot; doors pass it to services as `hint`."""
    hint_bots([bot_id])


def hint_book(book_id: int) -> None:
    """Ask the workers to step the bot that owns a book, if one does; for the gateway."""
    bot_id = Bot.objects.filter(book_id=book_id).values_list("pk", flat=True).first()
    if bot_id is not None:
        hint_bot(bot_id)


def _sent(name: str, bot_ids: list[int]) -> bool:
    try:
        current_app.send_task(
            name, args=[bot_ids], queue=QUEUE, expires=HINT_SECONDS, retry=False, ignore_result=True
        )
    except (OperationalError, RedisError) as error:
        logger.warning("hint not sent bots=%s: %s", bot_ids, error)
        return False
    return True
