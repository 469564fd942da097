"""Console sessions: opened at a log-in, stamped at the second factor, listed and ended."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth import HASH_SESSION_KEY, login
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.domain.browsers import browser_family
from accounts.domain.client_address import client_address
from accounts.domain.roles import SecondFactorRule
from accounts.domain.session_rules import SessionStamp
from accounts.exceptions import NotFound
from accounts.models import ConsoleSession, TrustedDevice, User
from accounts.session_store import SessionStore, announce_ends, forget_sessions, key_digest

_BACKEND = "django.contrib.auth.backends.ModelBackend"


def stamp_of(request: HttpRequest) -> SessionStamp | None:
    """Return what the session of a request knows of itself; None before a log-in."""
    store = request.session
    return store.stamp if isinstance(store, SessionStore) else None


def open_session(
    request: HttpRequest,
    user: User,
    *,
    factor_at: datetime | None,
    device: TrustedDevice | None = None,
    now: datetime,
) -> SessionStamp:
    """Log the user in with a new key, and note how and from where.

    `factor_at` is when the second factor was shown in this log-in; None where it was not asked
    for, `device` then says which trusted device spared it.
    """
    login(request, user, backend=_BACKEND)
    request.session.cycle_key()
    stamp = SessionStamp(
        public_id=str(uuid4()),
        started_at=now,
        seen_at=now,
        rule=SecondFactorRule(user.second_factor_rule),
        address=client_address(request.META),
        browser=browser_family(request.META.get("HTTP_USER_AGENT", "")),
        factor_at=factor_at,
        password_at=now,
        device_id=None if device is None else device.pk,
    )
    write_stamp(request, stamp)
    return stamp


def write_stamp(request: HttpRequest, stamp: SessionStamp) -> None:
    """Keep the stamp; the session then lasts as long as it says."""
    store = request.session
    assert isinstance(store, SessionStore)  # noqa: S101 - the engine of the settings
    store.stamp = stamp


def stamp_factor(request: HttpRequest, *, now: datetime) -> None:
    """Note that the second factor was shown now; the session gets a new key."""
    stamp = stamp_of(request)
    if stamp is None:
        return
    request.session.cycle_key()
    write_stamp(request, replace(stamp, factor_at=now, seen_at=now))


def stamp_password(request: HttpRequest, *, now: datetime) -> None:
    """Note that the password was typed again now (where no second factor is enrolled)."""
    stamp = stamp_of(request)
    if stamp is None:
        return
    request.session.cycle_key()
    write_stamp(request, replace(stamp, password_at=now, seen_at=now))


def end_session(user: User, public_id: UUID) -> None:
    """End one of the user's sessions; raises NotFound where there is no such one."""
    with transaction.atomic():
        _lock_sessions(user)
        rows = ConsoleSession.objects.for_user(user).filter(public_id=public_id)
        if not forget_sessions(rows.values_list("pk", flat=True)):
            raise NotFound("There is no such session.")


def end_sessions(user: User, *, keep: UUID | None = None) -> int:
    """End all sessions of the user but one; say how many ended."""
    with transaction.atomic():
        _lock_sessions(user)
        rows = ConsoleSession.objects.for_user(user)
        if keep is not None:
            rows = rows.exclude(public_id=keep)
        return forget_sessions(rows.values_list("pk", flat=True))


def live_sessions(user: User, *, now: datetime) -> QuerySet[ConsoleSession]:
    """Return the user's sessions that have not ended, the last used first."""
    return (
        ConsoleSession.objects.for_user(user)
        .filter(expire_date__gt=now, public_id__isnull=False)
        .select_related("device")
        .order_by("-seen_at", "pk")
    )


def live_data(session: SessionStore, user_id: int) -> dict[str, Any] | None:
    """Return what the session that a socket was opened with keeps now; None where it has ended.

    The key may have been cycled since then: `public_id` tells which session it is.
    """
    rows = ConsoleSession.objects.select_related("user").filter(
        user=user_id, user__is_active=True, expire_date__gt=timezone.now()
    )
    if session.stamp is not None:
        row = rows.filter(public_id=session.stamp.public_id).first()
    else:
        row = rows.filter(pk=key_digest(session.session_key or "")).first()
    if row is None or row.user is None:
        return None
    data: dict[str, Any] = session.decode(row.session_data)
    kept = str(data.get(HASH_SESSION_KEY, ""))
    valid = [row.user.get_session_auth_hash(), *row.user.get_session_auth_fallback_hash()]
    return data if any(constant_time_compare(kept, each) for each in valid) else None


def _lock_sessions(user: User) -> None:
    """Wait for a key that is being cycled: the session must not slip away under its new one."""
    User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()


def announce_ended(*, now: datetime, since: datetime) -> int:
    """Let sockets of sessions that ended by the clock be closed; say how many users had one."""
    ended = ConsoleSession.objects.filter(expire_date__gt=since, expire_date__lte=now)
    users = set(ended.exclude(user=None).values_list("user_id", flat=True))
    announce_ends(users)
    return len(users)
