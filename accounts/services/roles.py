"""Who runs the platform: roles are changed by administrators, with a reason, at once."""

from datetime import datetime

from django.db import transaction

from accounts.domain.roles import Role
from accounts.exceptions import InvalidInput, Refused
from accounts.models import User
from accounts.services import audit
from accounts.services.sessions import end_sessions
from accounts.services.users import give_role


def set_role(
    user: User,
    role: Role,
    *,
    actor: User | None,
    reason: str,
    client_address: str | None = None,
    now: datetime,
) -> bool:
    """Change a user's role and end his sessions; say whether it was new.

    Without an `actor` it was whoever may run commands on the server.
    """
    if not reason.strip():
        raise InvalidInput("Write a reason first.", field="reason")
    if actor is not None and actor.pk == user.pk:
        raise Refused("Nobody changes the role of himself: ask another administrator.")
    with transaction.atomic():
        rows = _lock_administrators_and(user)
        _refuse_without_right(rows, actor)
        target = rows[user.pk]
        old = Role(target.role)
        if old is Role.ADMINISTRATOR and not _others_remain(rows, target):
            raise Refused(f"{target} is the last administrator: make somebody else one first.")
        if not give_role(target, role):
            return False
        audit.record(
            actor=actor,
            kind="role_change",
            target=target.public_id,
            detail={"old": old, "new": role, "reason": reason},
            on_behalf_of=target,
            client_address=client_address,
            now=now,
        )
    # The role counts from here on; the sessions end so that nothing of the old one stays open.
    end_sessions(target)
    return True


def _lock_administrators_and(user: User) -> dict[int, User]:
    """Return the administrators and the user, locked: two who demote each other wait in line."""
    rows = User.objects.select_for_update(no_key=True).order_by("pk")
    return {row.pk: row for row in rows.filter(role=Role.ADMINISTRATOR) | rows.filter(pk=user.pk)}


def _refuse_without_right(rows: dict[int, User], actor: User | None) -> None:
    if actor is None:
        return
    found = rows.get(actor.pk)
    if found is None or not found.is_active or found.role != Role.ADMINISTRATOR:
        raise Refused("Only an administrator changes roles.")


def _others_remain(rows: dict[int, User], target: User) -> bool:
    return any(
        row.is_active and row.role == Role.ADMINISTRATOR
        for row in rows.values()
        if row.pk != target.pk
    )
