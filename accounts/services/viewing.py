"""Looking at somebody else's console: delegates as long as they may, staff for half an hour."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils import timezone

from accounts.domain.client_address import client_address
from accounts.exceptions import NotFound, Refused
from accounts.models import Delegation, User
from accounts.services import audit
from accounts.services.sessions import live_data
from accounts.session_store import SessionStore

STAFF_LOOK = timedelta(minutes=30)
_KEY = "viewing"


@dataclass(frozen=True, slots=True)
class Viewing:
    """Whose pages a session shows, and until when."""

    subject: User
    until: datetime | None
    by_staff: bool


def is_kept(session: SessionBase) -> bool:
    """Say whether the session was looking at somebody, whether it still may or not."""
    return _KEY in session


def view_of(session: SessionBase, user: User, *, now: datetime) -> Viewing | None:
    """Return what the user may look at in this session; asked anew for every request."""
    return _judged(session.get(_KEY), user, now=now)


def seen_in(session: SessionStore, user: User) -> User | None:
    """Return whose pages the session shows now; None where it has ended."""
    data = live_data(session, user.pk)
    if data is None:
        return None
    current = User.objects.get(pk=user.pk)
    view = _judged(data.get(_KEY), current, now=timezone.now())
    return current if view is None else view.subject


def look_as_viewer(request: HttpRequest, user: User, delegation_id: int, *, now: datetime) -> None:
    """Show the pages of the owner who let the user look; raises NotFound where he does not."""
    view = _delegated(delegation_id, user, now=now)
    if view is None:
        raise NotFound("Nobody lets you look at this account.")
    request.session[_KEY] = {"viewer": user.pk, "delegation": delegation_id}
    _note(request, user, "viewing_start", subject=view.subject, now=now)


def look_as_staff(
    request: HttpRequest, actor: User, subject: User, *, reason: str, now: datetime
) -> None:
    """Show a user's pages to a member of staff, with a reason, for half an hour."""
    if not actor.is_staff:
        raise Refused("Only staff may look at any account.")
    if actor.pk == subject.pk:
        raise Refused("These are your own pages already.")
    until = now + STAFF_LOOK
    request.session[_KEY] = {"viewer": actor.pk, "subject": subject.pk, "until": until.isoformat()}
    _note(request, actor, "staff_viewing_start", subject=subject, now=now, reason=reason)


def stop_looking(request: HttpRequest, user: User, *, now: datetime) -> None:
    """Show the user his own pages again; sockets of other windows follow within a minute."""
    view = view_of(request.session, user, now=now)
    forget(request.session)
    if view is not None:
        _note(request, user, "viewing_stop", subject=view.subject, now=now)


def forget(session: SessionBase) -> None:
    """Look at nobody any more."""
    session.pop(_KEY, None)


def _judged(kept: Mapping[str, Any] | None, user: User, *, now: datetime) -> Viewing | None:
    if kept is None or not user.is_active or kept["viewer"] != user.pk:
        return None
    if "delegation" in kept:
        return _delegated(kept["delegation"], user, now=now)
    until = datetime.fromisoformat(kept["until"])
    if not user.is_staff or now > until:
        return None
    subject = User.objects.filter(pk=kept["subject"]).first()
    return None if subject is None else Viewing(subject, until, by_staff=True)


def _delegated(delegation_id: int, user: User, *, now: datetime) -> Viewing | None:
    found = (
        Delegation.objects.live(now)
        .filter(pk=delegation_id, viewer=user)
        .select_related("user")
        .first()
    )
    return None if found is None else Viewing(found.user, found.ends_at, by_staff=False)


def _note(
    request: HttpRequest, actor: User, kind: str, *, subject: User, now: datetime, **detail: str
) -> None:
    audit.record(
        actor=actor,
        kind=kind,
        target=subject.public_id,
        detail=detail,
        on_behalf_of=subject,
        client_address=client_address(request.META),
        now=now,
    )
