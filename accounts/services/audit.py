"""The audit log: who did what, in one hash chain that can be checked (decisions 17)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from accounts.domain.audit_chain import FIRST_HASH, AuditContent, event_hash
from accounts.exceptions import AuditChainBroken
from accounts.models import AuditEvent, User

# Held from reading the newest hash to the commit, so that the chain never forks.
_CHAIN_LOCK = 0x4155444954


def record(
    *,
    actor: User | None,
    kind: str,
    target: str = "",
    detail: Mapping[str, Any] | None = None,
    on_behalf_of: User | None = None,
    client_address: str | None = None,
    now: datetime,
) -> AuditEvent:
    """Add an event to the chain; without `on_behalf_of` the actor acts for himself.

    Call it last in a transaction: the chain stays locked until the commit.
    """
    subject = on_behalf_of or actor
    with transaction.atomic():
        previous_hash = _lock_newest_hash()
        content = AuditContent(
            actor=None if actor is None else actor.pk,
            on_behalf_of=None if subject is None else subject.pk,
            kind=kind,
            target=target,
            detail=dict(detail or {}),
            client_address=client_address,
            at=now,
        )
        return AuditEvent.objects.create(
            actor=actor,
            on_behalf_of=subject,
            kind=kind,
            target=target,
            detail=content.detail,
            client_address=client_address,
            at=now,
            previous_hash=previous_hash,
            hash=event_hash(previous_hash, content),
        )


def verify_chain() -> tuple[int, str]:
    """Return the number of events and the newest hash, or raise at the first changed row."""
    count, previous_hash = 0, FIRST_HASH
    for event in _events_in_order():
        if event.previous_hash != previous_hash:
            raise AuditChainBroken(
                f"audit event {event.pk} ({event.kind}) does not follow the event before it: "
                "an event was removed, added or moved here"
            )
        if event.hash != event_hash(previous_hash, _content_of(event)):
            raise AuditChainBroken(
                f"audit event {event.pk} ({event.kind}) was changed after it was written"
            )
        count, previous_hash = count + 1, event.hash
    return count, previous_hash


def _lock_newest_hash() -> str:
    with connection.cursor() as cursor:
        # Two statements: the second one's snapshot must be younger than the lock.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHAIN_LOCK])
        cursor.execute("SELECT hash FROM accounts_auditevent ORDER BY id DESC LIMIT 1")
        row = cursor.fetchone()
    return FIRST_HASH if row is None else str(row[0])


def _events_in_order() -> Iterator[AuditEvent]:
    return AuditEvent.objects.order_by("pk").iterator(chunk_size=2000)


def _content_of(event: AuditEvent) -> AuditContent:
    return AuditContent(
        actor=event.actor_id,
        on_behalf_of=event.on_behalf_of_id,
        kind=event.kind,
        target=event.target,
        detail=event.detail,
        client_address=event.client_address,
        at=event.at,
    )
