"""A step that fails must not fail for ever: three strikes, then a person."""

import logging
from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from bots.domain.enums import BotStatus
from bots.models import Bot, BotEvent
from market.streams import push_event
from portfolio.services.orders import cancel_all

logger = logging.getLogger(__name__)

STRIKES = 3
CODE = "STEP_FAILED"
MESSAGE = "An internal error stopped this bot and its orders were cancelled; retry or stop it"


def count_failure(
    bot_id: int, error: Exception, *, now: datetime, enqueue: Callable[[], None]
) -> None:
    """Note in a transaction of its own that a step failed; the third time the bot is in ERROR.

    Its orders are cancelled: nobody would answer their fills. What it has not heard stays unread
    until somebody retries or stops it.
    """
    with transaction.atomic(durable=True):
        bot = Bot.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=bot_id).first()
        if bot is None or bot.failed_from:
            return
        bot.fail_count += 1
        bot.updated_at = now
        if bot.fail_count >= STRIKES:
            _give_up(bot, error, now=now, enqueue=enqueue)
        bot.save(
            update_fields=[
                "fail_count", "failed_from", "status", "status_code", "status_message",
                "updated_at",
            ]
        )  # fmt: skip


def _give_up(bot: Bot, error: Exception, *, now: datetime, enqueue: Callable[[], None]) -> None:
    bot.failed_from, bot.status = bot.status, BotStatus.ERROR
    bot.status_code, bot.status_message = CODE, MESSAGE
    BotEvent.objects.create(
        bot=bot,
        step_no=bot.step_no,
        kind="error",
        message=MESSAGE,
        data={"error": type(error).__name__},
        at=now,
    )
    if bot.book_id is not None:
        cancel_all(bot.book_id, now=now, enqueue=enqueue)
    logger.critical("PAGE bot given up bot=%s error=%s", bot.pk, error)
    news = {"id": bot.pk, "status": BotStatus.ERROR.value, "code": CODE, "message": MESSAGE}
    user_id = bot.user_id
    transaction.on_commit(lambda: push_event(user_id, "bot", news))
