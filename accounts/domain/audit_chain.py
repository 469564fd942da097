"""The hash that ties one audit event to the one before it (decisions 17)."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

FIRST_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class AuditContent:
    """What an audit event says, apart from its place in the chain."""

    actor: int | None
    on_behalf_of: int | None
    kind: str
    target: str
    detail: dict[str, Any]
    client_address: str | None
    at: datetime


def event_hash(previous_hash: str, content: AuditContent) -> str:
    """Return the hash of an event that follows the one with `previous_hash`."""
    if content.at.tzinfo is None:
        raise ValueError(f"an audit time needs a zone: {content.at}")
    _refuse_inexact(content.detail)
    text = json.dumps(
        {
            "previous": previous_hash,
            "actor": content.actor,
            "on_behalf_of": content.on_behalf_of,
            "kind": content.kind,
            "target": content.target,
            "detail": content.detail,
            "client_address": content.client_address,
            "at": content.at.astimezone(UTC).isoformat(timespec="microseconds"),
        },
        sort_keys=True,
        separators=(",", ":"),
    )
    return sha256(text.encode()).hexdigest()


def _refuse_inexact(value: object) -> None:
    # jsonb keeps texts, whole numbers and truth values as they are; a float may come back as
    # another text (1e16), and the chain would look broken without anybody having touched it.
    match value:
        case None | bool() | int() | str():
            return
        case dict():
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise TypeError(f"an audit detail needs text keys, not {key!r}")
                _refuse_inexact(inner)
        case list():
            for inner in value:
                _refuse_inexact(inner)
        case _:
            raise TypeError(f"write {value!r} as text in an audit detail")
