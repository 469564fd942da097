"""The outbox of notices to apps: written with the events, read by whoever sends them.

A notice is sent at least once: what was sent and not yet noted when a process died is sent again,
word for word. Notices of one order are sent one after the other; the address, the app and its
secret are those of the moment of sending.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from accounts.services.postback_receivers import note_delivery, note_failure
from portfolio.domain.postbacks import GIVEN_UP_AFTER, pause_after
from portfolio.models import Order, OrderEvent, Postback
from portfolio.services.sql import as_json

KEPT = timedelta(days=7)
MOST_AT_ONCE = 100
MOST_PER_APP = 4
_SENDER_LOCK = 0x504F5354

# By the wall clock: the events of a replay are dated long ago.
INSERT_POSTBACKS = (
    "postbacks",
    """INSERT INTO portfolio_postback (app_id, order_id, sequence, name, "row", state, attempts,
              answer, created_at, next_at)
       SELECT x.app_id, x.order_id, x.sequence, x.name, '', 'PENDING', 0, '', now(), now()
         FROM json_populate_recordset(null::portfolio_postback, %s) x
         JOIN accounts_apiapp a ON a.id = x.app_id
        WHERE a.postback_url <> '' AND a.revoked_at IS NULL""",
)
# The apps that something waits for are found one by one, so that a long queue of one costs nothing.
_DUE = """
    WITH RECURSIVE waiting (app_id) AS (
        (SELECT app_id FROM portfolio_postback WHERE state = 'PENDING' ORDER BY app_id LIMIT 1)
         UNION ALL
        SELECT (SELECT p.app_id FROM portfolio_postback p
                 WHERE p.state = 'PENDING' AND p.app_id > w.app_id ORDER BY p.app_id LIMIT 1)
          FROM waiting w WHERE w.app_id IS NOT NULL
    )
    SELECT p.id, p.order_id, p.sequence, p.name, p."row", p.attempts, p.created_at, a.id,
           CASE WHEN a.revoked_at IS NULL AND u.is_active THEN a.postback_url ELSE '' END,
           a.sealed_secret, a.user_id
      FROM waiting w
      JOIN accounts_apiapp a ON a.id = w.app_id
      JOIN accounts_user u ON u.id = a.user_id
      LEFT JOIN accounts_postbackreceiver r ON r.app_id = a.id AND r.url = a.postback_url
     CROSS JOIN LATERAL (
           SELECT * FROM portfolio_postback d
            WHERE d.app_id = a.id AND d.state = 'PENDING' AND d.next_at <= %(now)s
              AND NOT EXISTS (SELECT 1 FROM portfolio_postback e
                               WHERE e.order_id = d.order_id AND e.state = 'PENDING'
                                 AND e.sequence < d.sequence)
            ORDER BY d.next_at, d.id
            LIMIT CASE WHEN coalesce(r.failures, 0) = 0 THEN %(per_app)s ELSE 1 END) p
     WHERE r.paused_until IS NULL OR r.paused_until <= %(now)s
     ORDER BY p.next_at, p.id LIMIT %(at_once)s
"""
_KEEP_ROWS = """
    UPDATE portfolio_postback p SET "row" = x."row"
      FROM json_populate_recordset(null::portfolio_postback, %s) x WHERE p.id = x.id
"""


@dataclass(frozen=True, slots=True)
class DuePostback:
    """A notice to send now; `url` is empty where there is nobody to send it to any more."""

    id: int
    order_id: int
    sequence: int
    name: str
    row: str
    attempts: int
    created_at: datetime
    app_id: int
    url: str
    sealed_secret: str
    owner_id: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of sending: whether it was taken, whether anybody was there, and what was said."""

    is_taken: bool
    is_away: bool
    words: str


def outbox_row(app_id: int, event: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Return what an app is to be told of an event, for `INSERT_POSTBACKS`."""
    return {
        "app_id": app_id,
        "order_id": event["order_id"],
        "sequence": event["sequence"],
        "name": name,
    }


@contextmanager
def sole_sender() -> Iterator[bool]:
    """Say whether we are the one that sends now; a process that dies makes room for the next."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_SENDER_LOCK])
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_SENDER_LOCK])


def due_postbacks(*, now: datetime) -> list[DuePostback]:
    """Return what is to be sent now, oldest first, a few of each app."""
    values: dict[str, Any] = {"now": now, "per_app": MOST_PER_APP, "at_once": MOST_AT_ONCE}
    with connection.cursor() as cursor:
        cursor.execute(_DUE, values)
        return [DuePostback(*row) for row in cursor.fetchall()]


def lives_of(postbacks: Sequence[DuePostback]) -> dict[int, tuple[Order, list[OrderEvent]]]:
    """Return the orders that notices are about, each with its events, first to last."""
    ids = {each.order_id for each in postbacks}
    orders = Order.objects.filter(pk__in=ids).select_related("user", "instrument")
    lives: dict[int, tuple[Order, list[OrderEvent]]] = {each.pk: (each, []) for each in orders}
    for event in OrderEvent.objects.filter(order_id__in=ids).order_by("order_id", "sequence"):
        lives[event.order_id][1].append(event)
    return lives


def keep_rows(rows: Mapping[int, str]) -> None:
    """Keep what notices say, for every try."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_ROWS, [as_json([{"id": i, "row": row} for i, row in rows.items()])])


def record_answers(answers: Sequence[tuple[DuePostback, Answer]], *, now: datetime) -> None:
    """Write what came of sending, and how the receivers have behaved."""
    fields = ["state", "attempts", "answer", "next_at", "ended_at"]
    with transaction.atomic():
        rows = [_row_after(postback, answer, now=now) for postback, answer in answers]
        Postback.objects.bulk_update(rows, fields)
        for url, told in _by_receiver(answers).items():
            _note_receiver(url, told, now=now)


def drop_postbacks(postbacks: Sequence[DuePostback], *, now: datetime) -> None:
    """End notices that have nobody to go to: the app is revoked or has no address any more."""
    ids = [each.id for each in postbacks]
    Postback.objects.filter(pk__in=ids).update(state=Postback.State.DROPPED, ended_at=now)


def forget_postbacks(*, now: datetime) -> int:
    """Delete notices that ended a week ago; say how many."""
    return Postback.objects.filter(ended_at__lt=now - KEPT).delete()[0]


def _row_after(postback: DuePostback, answer: Answer, *, now: datetime) -> Postback:
    attempts = postback.attempts + 1
    row = Postback(
        pk=postback.id,
        state=Postback.State.PENDING,
        attempts=attempts,
        answer=answer.words,
        next_at=now + pause_after(attempts),
    )
    if answer.is_taken:
        row.state, row.next_at, row.ended_at = Postback.State.DELIVERED, now, now
    elif now - postback.created_at >= GIVEN_UP_AFTER:
        row.state, row.ended_at = Postback.State.FAILED, now
    return row


def _by_receiver(
    answers: Sequence[tuple[DuePostback, Answer]],
) -> dict[tuple[int, str], list[Answer]]:
    told: dict[tuple[int, str], list[Answer]] = {}
    for postback, answer in answers:
        told.setdefault((postback.app_id, postback.url), []).append(answer)
    return told


def _note_receiver(receiver: tuple[int, str], answers: Sequence[Answer], *, now: datetime) -> None:
    """Note one round of a receiver: any notice that it has taken shows that it is there."""
    app_id, url = receiver
    taken = [answer for answer in answers if answer.is_taken]
    if taken:
        note_delivery(app_id, url, answer=taken[-1].words, now=now)
        return
    note_failure(
        app_id,
        url,
        answer=answers[-1].words,
        is_away=any(answer.is_away for answer in answers),
        pause=pause_after,
        now=now,
    )
