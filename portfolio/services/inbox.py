"""The inbox: what venues say, stored raw before anything is made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from hashlib import blake2s
from typing import Any

import orjson
from django.db import connection, transaction

from market.domain.enums import Liquidity
from market.domain.messages import ExecutionReport, ReportKind
from portfolio.services.ledger import plain
from portfolio.services.locking import share_fence
from portfolio.services.sql import as_json

_KEY_LENGTH = 80
_STORE = """
    INSERT INTO portfolio_venueevent
           (venue_account_id, dedupe_key, payload, fence, received_at, error)
    SELECT venue_account_id, dedupe_key, payload, fence, received_at, ''
      FROM json_to_recordset(%s) AS r(venue_account_id bigint, dedupe_key text, payload jsonb,
                                      fence bigint, received_at timestamptz)
        ON CONFLICT DO NOTHING
"""


def store_reports(
    reports: Sequence[ExecutionReport], *, fence: int, shard: int, now: datetime
) -> int:
    """Store reports raw, each once; return how many were new. Raises `StaleFence`."""
    if not reports:
        return 0
    rows = [
        _row(
            report.venue_account_id, report.dedupe_key, encode_report(report), fence=fence, now=now
        )
        for report in reports
    ]
    with transaction.atomic():
        share_fence(shard, fence)
        return _store(rows)


def store_payload(
    venue_account_id: int, payload: object, *, fence: int, shard: int, now: datetime
) -> int:
    """Store something that a venue said and no adapter understood; it becomes a dead letter."""
    text = _storable(payload if isinstance(payload, str) else repr(payload))
    digest = blake2s(text.encode(), digest_size=16).hexdigest()
    with transaction.atomic():
        share_fence(shard, fence)
        return _store(
            [_row(venue_account_id, f"raw:{digest}", {"raw": text}, fence=fence, now=now)]
        )


def keep_report(report: ExecutionReport, *, now: datetime) -> int | None:
    """Store one report; return its inbox id while it waits to be applied, else None."""
    row = _row(report.venue_account_id, report.dedupe_key, encode_report(report), fence=0, now=now)
    _store([row])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM portfolio_venueevent"
            " WHERE venue_account_id = %s AND dedupe_key = %s AND applied_at IS NULL",
            [report.venue_account_id, row["dedupe_key"]],
        )
        found = cursor.fetchone()
    return None if found is None else found[0]


def _row(
    venue_account_id: int,
    dedupe_key: str,
    payload: Mapping[str, Any],
    *,
    fence: int,
    now: datetime,
) -> dict[str, Any]:
    if len(dedupe_key) > _KEY_LENGTH:
        dedupe_key = blake2s(dedupe_key.encode(), digest_size=32).hexdigest()
    return {
        "venue_account_id": venue_account_id,
        "dedupe_key": dedupe_key,
        "payload": payload,
        "fence": fence,
        "received_at": now,
    }


def _store(rows: Sequence[Mapping[str, Any]]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [as_json(rows)])
        return int(cursor.rowcount)


def encode_report(report: ExecutionReport) -> dict[str, Any]:
    """Return a report as plain JSON values; decimals and times as texts."""
    return {field.name: _encoded(getattr(report, field.name)) for field in fields(report)}


def _encoded(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value) if value.is_finite() else str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return _storable(value) if isinstance(value, str) else value


def _storable(text: str) -> str:
    """Return the text without what JSON in PostgreSQL cannot hold."""
    return text.encode(errors="replace").decode().replace("\0", "")


class UnreadableReport(ValueError):
    """Put it aside: this is not a report."""


def decode_report(payload: object) -> ExecutionReport:
    """Return the report of an inbox payload; raise `UnreadableReport` for anything else."""
    try:
        values = orjson.loads(payload) if isinstance(payload, str) else payload
        if not isinstance(values, dict):
            raise UnreadableReport(f"not a report: {str(values)[:100]}")
        return _decoded(values)
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise UnreadableReport(f"not a report: {error!r}") from error


def _decoded(values: Mapping[str, Any]) -> ExecutionReport:
    moment = datetime.fromisoformat(values["exchange_time"])
    if moment.tzinfo is None:
        raise UnreadableReport("exchange_time has no zone")
    return ExecutionReport(
        kind=ReportKind(values["kind"]),
        dedupe_key=str(values["dedupe_key"]),
        venue_account_id=int(values["venue_account_id"]),
        client_order_id=str(values["client_order_id"]),
        venue_order_id=str(values["venue_order_id"])[:40],
        exchange_time=moment,
        venue_trade_id=str(values.get("venue_trade_id", "")),
        quantity=_number(values.get("quantity", "0")),
        price=_optional(values.get("price")),
        trigger_price=_optional(values.get("trigger_price")),
        cumulative_quantity=_number(values.get("cumulative_quantity", "0")),
        liquidity=Liquidity(values.get("liquidity", Liquidity.MAKER)),
        tick_sequence=int(values.get("tick_sequence", 0)),
        message=str(values.get("message", ""))[:300],
    )


def _optional(value: object) -> Decimal | None:
    return None if value is None else _number(value)


def _number(value: object) -> Decimal:
    number = Decimal(str(value))
    if not number.is_finite() or abs(number) >= Decimal(10) ** 15:
        raise UnreadableReport(f"{value} is not an amount")
    return number
