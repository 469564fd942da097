"""Rounds of postbacks (kite-api.md 1.9): what is due is written, signed and sent."""

import asyncio
import hmac
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from time import monotonic

import orjson
from django.utils import timezone

from accounts.domain.sealing import NotOpened
from accounts.services.api_sessions import SECRET
from accounts.services.sealed import unseal
from api.postback_client import PostbackClient
from api.serializers.orders import order_at, postback_of
from portfolio.domain.postbacks import UPDATE
from portfolio.services.postbacks import (
    Answer,
    DuePostback,
    drop_postbacks,
    due_postbacks,
    keep_rows,
    lives_of,
    record_answers,
    sole_sender,
)

logger = logging.getLogger(__name__)

# A round goes on while something is due, and then leaves the worker to others.
_ROUND_SECONDS = 10.0
_NO_SECRET = Answer(is_taken=False, is_away=True, words="the app's secret cannot be read")
_NO_ROW = Answer(is_taken=False, is_away=False, words="the order cannot be written")

Answered = tuple[DuePostback, Answer]


def send_due(client: PostbackClient) -> int:
    """Send what is due, unless somebody else is at it; return how many were taken."""
    taken, until = 0, monotonic() + _ROUND_SECONDS
    with sole_sender() as is_ours:
        while is_ours and monotonic() < until:
            due = due_postbacks(now=timezone.now())
            if not due:
                break
            answers = _send(client, due)
            taken += sum(answer.is_taken for _, answer in answers)
    return taken


def _send(client: PostbackClient, due: Sequence[DuePostback]) -> list[Answered]:
    """Send notices at once, and note what came of each."""
    now = timezone.now()
    drop_postbacks([each for each in due if not each.url], now=now)
    rows = _rows_of([each for each in due if each.url])
    ready = [replace(each, row=rows[each.id]) for each in due if rows.get(each.id)]
    answers = [(each, _NO_ROW) for each in due if each.url and not rows.get(each.id)]
    answers += asyncio.run(_post_all(client, ready, now=now))
    record_answers(answers, now=timezone.now())
    return answers


async def _post_all(
    client: PostbackClient, ready: Sequence[DuePostback], *, now: datetime
) -> list[Answered]:
    answers = await asyncio.gather(*(_post(client, each, now=now) for each in ready))
    return list(zip(ready, answers, strict=True))


async def _post(client: PostbackClient, postback: DuePostback, *, now: datetime) -> Answer:
    try:
        secret = unseal(postback.sealed_secret, what=SECRET, user_id=postback.owner_id)
    except NotOpened:
        logger.warning("api secret does not open app=%s", postback.app_id)
        return _NO_SECRET
    body = body_of(postback, api_secret=secret)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "FinByte-postback/1",
        "X-FinByte-Delivery": str(postback.id),
        **signature_of(body, api_secret=secret, now=now),
    }
    return await client.post(postback.url, body, headers=headers)


def body_of(postback: DuePostback, *, api_secret: str) -> bytes:
    """Return what is sent: the order as it was, signed as Kite's clients check it."""
    status = UPDATE if postback.name == UPDATE else None
    row = orjson.loads(postback.row)
    told = postback_of(row, app_id=postback.app_id, api_secret=api_secret, status=status)
    return orjson.dumps(told)


def signature_of(body: bytes, *, api_secret: str, now: datetime) -> dict[str, str]:
    """Return the headers that sign the whole body with its time: Kite's checksum does not."""
    stamp = str(int(now.timestamp()))
    signed = hmac.new(api_secret.encode(), f"{stamp}.".encode() + body, "sha256")
    return {"X-FinByte-Timestamp": stamp, "X-FinByte-Signature": f"sha256={signed.hexdigest()}"}


def _rows_of(due: Sequence[DuePostback]) -> dict[int, str]:
    """Return what each notice says, keeping what is said for the first time."""
    rows = {each.id: each.row for each in due}
    unwritten = [each for each in due if not each.row]
    if unwritten:
        written = dict(_written(unwritten))
        keep_rows(written)
        rows |= written
    return rows


def _written(due: Sequence[DuePostback]) -> Iterator[tuple[int, str]]:
    lives = lives_of(due)
    for each in due:
        order, events = lives[each.order_id]
        try:
            row = order_at(order, events, each.sequence)
        except Exception:
            # One order that cannot be told must not keep all others from being told.
            logger.exception("postback not written order=%s event=%s", order.pk, each.sequence)
            continue
        yield each.id, orjson.dumps(row).decode()
