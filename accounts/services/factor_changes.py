"""What every change of a second factor has in common: one lock, one end of sessions, one notice."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.domain.roles import Role, SecondFactorRule
from accounts.exceptions import Refused
from accounts.models import User
from accounts.selectors import has_second_factor
from accounts.services import api_sessions, audit
from accounts.services.devices import revoke_all_devices
from accounts.services.notices import Enqueue, queue_notice
from accounts.services.sessions import end_sessions

_WHY = "second factor changed"
_ENDS_TRUST = frozenset({"authenticator_added", "authenticator_removed", "passkey_removed"})


@dataclass(frozen=True, slots=True)
class Act:
    """From where and when something is done, which session goes on after it, who mails."""

    client_address: str | None
    session: UUID | None
    enqueue: Enqueue
    now: datetime


def refuse_to_stand_bare(user: User) -> None:
    """Raise Refused where the user has no second factor left and may not be without one.

    Called after the removal, in its transaction: the refusal takes it back.
    """
    if has_second_factor(user):
        return
    if user.role != Role.USER:
        raise Refused("Staff must keep a second factor. Add another one first.")
    if user.second_factor_rule == SecondFactorRule.EVERY_SESSION:
        raise Refused(
            "A connected account asks for a second factor in every session. "
            "Add another one first, or disconnect that account."
        )


def note_change(
    user: User, kind: str, *, values: Mapping[str, str] | None = None, act: Act
) -> None:
    """End the user's other sessions, mail him and record it; last in the transaction.

    Where a factor goes, or another takes its place, no device is trusted any more and the
    programs that it has let in are logged out.
    """
    if kind in _ENDS_TRUST:
        revoke_all_devices(user, why=_WHY, keep=act.session, now=act.now)
        api_sessions.end_all(user, reason=_WHY, now=act.now)
    end_sessions(user, keep=act.session)
    tell(user, kind, values=values, act=act)
    audit.record(
        actor=user,
        kind=kind,
        target=user.public_id,
        detail=values,
        client_address=act.client_address,
        now=act.now,
    )


def tell(user: User, kind: str, *, values: Mapping[str, str] | None = None, act: Act) -> None:
    """Mail the user after the commit."""
    queue_notice(
        user,
        kind,
        values=values,
        client_address=act.client_address,
        now=act.now,
        enqueue=act.enqueue,
    )
