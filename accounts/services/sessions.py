"""Console sessions: opened at a log-in, stamped at the second factor, listed and ended."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from django.contrib.auth import login
from django.http import HttpRequest

from accounts.domain.browsers import browser_family
from accounts.domain.client_address import client_address
from accounts.domain.roles import SecondFactorRule
from accounts.domain.session_rules import SessionStamp
from accounts.exceptions import NotFound
from accounts.models import ConsoleSession, TrustedDevice, User
from accounts.session_store import SessionStore, forget_sessions

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
    rows = list(
        ConsoleSession.objects.for_user(user)
        .filter(public_id=public_id)
        .values_list("pk", flat=True)
    )
    if not rows:
        raise NotFound("There is no such session.")
    forget_sessions(rows)


def end_sessions(user: User, *, keep: UUID | None = None) -> int:
    """End all sessions of the user but one; say how many ended."""
    rows = ConsoleSession.objects.for_user(user)
    if keep is not None:
        rows = rows.exclude(public_id=keep)
    return forget_sessions(rows.values_list("pk", flat=True))
