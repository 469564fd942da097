"""Logging in: the password, and then the second factor where one is asked for (T1, T5)."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth import authenticate
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from accounts.domain.client_address import client_address
from accounts.domain.session_rules import SessionStamp
from accounts.exceptions import Refused, TooManyGuesses
from accounts.models import TrustedDevice, User
from accounts.selectors import has_second_factor
from accounts.services import access
from accounts.services.devices import recognise
from accounts.services.guesses import Try, take_back
from accounts.services.notices import Enqueue
from accounts.services.places import note_place
from accounts.services.sessions import open_session

_KEPT_AS = "pending_log_in"
PENDING_FOR = timedelta(minutes=10)


class LogInOutcome(StrEnum):
    """What became of a password."""

    OPENED = "OPENED"
    SECOND_FACTOR = "SECOND_FACTOR"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class PendingLogIn:
    """A right password that waits for the second factor, kept in an anonymous session.

    `auth_hash` binds it to the password: a changed one ends it.
    """

    user_id: int
    password_at: str
    auth_hash: str
    next_page: str


@sensitive_variables("password")
def begin(
    request: HttpRequest,
    email: str,
    password: str,
    *,
    next_page: str = "",
    now: datetime,
    enqueue: Enqueue,
) -> LogInOutcome:
    """Judge a password: open a session, or ask for the second factor, or refuse.

    Raises TooManyGuesses before anything is judged. `enqueue` mails about a new place.
    There must be no transaction around it: what was counted has to stay.
    """
    user = user_with_password(request, email, password, now=now)
    if user is None:
        access.record_log_in_refused(email, client_address=client_address(request.META), now=now)
        return LogInOutcome.REFUSED
    with transaction.atomic():
        device = None
        if has_second_factor(user):
            device = recognise(request, user, now=now, enqueue=enqueue)
            if device is None:
                _keep_pending(request, user, next_page=next_page, now=now)
                return LogInOutcome.SECOND_FACTOR
        _open(request, user, factor_at=None, device=device, now=now, enqueue=enqueue)
    return LogInOutcome.OPENED


@sensitive_variables("password")
def user_with_password(
    request: HttpRequest, email: str, password: str, *, now: datetime
) -> User | None:
    """Return the user who may log in with this password; None whatever is wrong.

    Raises TooManyGuesses, by `accounts.log_in_guard`, without looking at the password.
    """
    AxesProxyHandler.update_request(request)
    request.axes_attempt_time = now  # type: ignore[attr-defined]
    user = authenticate(request, username=email, password=password)
    claimed = request.password_try  # type: ignore[attr-defined]
    if isinstance(claimed, TooManyGuesses):
        raise claimed
    if not isinstance(user, User):
        return None
    assert isinstance(claimed, Try)  # noqa: S101 - the guard has let it in
    take_back(claimed, now=now)
    return user


@sensitive_variables("password")
def has_password(request: HttpRequest, user: User, password: str, *, now: datetime) -> bool:
    """Say whether a logged-in user's password was typed; raises TooManyGuesses as a log-in does."""
    return user_with_password(request, user.email, password, now=now) == user


def pending_user(request: HttpRequest, *, now: datetime) -> User | None:
    """Return who has shown a password within ten minutes, and is to show a second factor."""
    pending = _pending(request)
    if pending is None:
        return None
    user = User.objects.filter(pk=pending.user_id, is_active=True).first()
    age = now - datetime.fromisoformat(pending.password_at)
    if (
        user is None
        or not timedelta() <= age <= PENDING_FOR
        or not constant_time_compare(user.get_session_auth_hash(), pending.auth_hash)
    ):
        del request.session[_KEPT_AS]
        return None
    return user


def pending_next(request: HttpRequest) -> str:
    """Return the page that a pending log-in is to lead to; it is one of this site, or empty."""
    pending = _pending(request)
    return "" if pending is None else pending.next_page


def finish(request: HttpRequest, user: User, *, now: datetime, enqueue: Enqueue) -> SessionStamp:
    """Open the session of a pending log-in whose second factor was right just now."""
    if pending_user(request, now=now) != user:
        raise Refused("Your log-in took too long. Log in again.")
    with transaction.atomic():
        del request.session[_KEPT_AS]
        return _open(request, user, factor_at=now, device=None, now=now, enqueue=enqueue)


def _open(
    request: HttpRequest,
    user: User,
    *,
    factor_at: datetime | None,
    device: TrustedDevice | None,
    now: datetime,
    enqueue: Enqueue,
) -> SessionStamp:
    stamp = open_session(request, user, factor_at=factor_at, device=device, now=now)
    note_place(user, request, now=now, enqueue=enqueue)
    access.record_log_in(
        user,
        second_factor=factor_at is not None,
        device=device,
        client_address=stamp.address,
        now=now,
    )
    return stamp


def _keep_pending(request: HttpRequest, user: User, *, next_page: str, now: datetime) -> None:
    """Keep who it is, under a new key: one that was known before the password is worth nothing."""
    pending = PendingLogIn(user.pk, now.isoformat(), user.get_session_auth_hash(), next_page)
    request.session[_KEPT_AS] = asdict(pending)
    request.session.cycle_key()


def _pending(request: HttpRequest) -> PendingLogIn | None:
    kept: Any = request.session.get(_KEPT_AS)
    return None if kept is None else PendingLogIn(**kept)
