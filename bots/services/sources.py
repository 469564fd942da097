"""What a change of price source does to bots (decisions 21)."""

from datetime import datetime

from django.db import connection, transaction

from bots.domain.strategy import CommandKind
from bots.models import Bot, BotCommand, BotEvent

REASON = "OTHER_PRICES"
# Two range scans on each side of the one price run that is right, on a partial index.
_STRAYED = """
    SELECT bot.id, source.name
      FROM (SELECT instrument_id,
                   CASE source WHEN 'REPLAY' THEN source || ':' || run ELSE source END AS name
              FROM market_instrumentsource) source
     CROSS JOIN LATERAL (
           SELECT id, status, price_run FROM bots_bot
            WHERE status IN ('RUNNING', 'WAITING_TRIGGER')
              AND instrument_id = source.instrument_id AND price_run > source.name
           UNION ALL
           SELECT id, status, price_run FROM bots_bot
            WHERE status IN ('RUNNING', 'WAITING_TRIGGER')
              AND instrument_id = source.instrument_id AND price_run < source.name) bot
     WHERE bot.status = 'RUNNING' AND bot.price_run <> ''
       AND NOT EXISTS (SELECT 1 FROM bots_botcommand
                        WHERE bot_id = bot.id AND kind = 'pause' AND handled_at IS NULL)
"""


def pause_strayed(*, now: datetime) -> list[int]:
    """Have every running bot paused whose prices come from elsewhere than where it started."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_STRAYED)
            strayed = dict(cursor.fetchall())
        commands = [
            BotCommand(bot_id=each, kind=CommandKind.PAUSE, reason=REASON, created_at=now)
            for each in strayed
        ]
        # Its owner may have asked for a pause just now: that one will do.
        BotCommand.objects.bulk_create(commands, ignore_conflicts=True)
        steps = dict(Bot.objects.filter(pk__in=strayed).values_list("pk", "step_no"))
        BotEvent.objects.bulk_create(
            BotEvent(
                bot_id=each,
                step_no=steps[each],
                kind="asked",
                message=f"Pausing: prices come from {name} now",
                data={"command": CommandKind.PAUSE.value, "source": name},
                at=now,
            )
            for each, name in strayed.items()
        )
    return sorted(strayed)
