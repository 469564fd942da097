"""The hash chain of an order's events (decisions 17): changing one breaks all that follow."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any


def event_hash(
    previous_hash: str,
    *,
    order_id: int,
    sequence: int,
    kind: str,
    to_status: str,
    detail: Mapping[str, Any],
    at: datetime,
) -> str:
    """Return the hash of one event, bound to its place in the chain."""
    told = json.dumps(detail, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    parts = (previous_hash, str(order_id), str(sequence), kind, to_status, moment, told)
    return sha256("|".join(parts).encode()).hexdigest()
