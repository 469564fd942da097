"""Suspending a user stops his log-in and his trading together (decisions 38)."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from accounts.services import audit
from accounts.services.api_sessions import end_all
from accounts.services.sessions import end_sessions
from accounts.services.users import activate_user, deactivate_user
from portfolio.models import KillSwitch
from portfolio.services.kill_switches import set_kill

# Tells the stop of a suspension from one that was set for another reason and must outlive it.
_REASON = "suspended: "


def suspend_user(
    user: User, *, actor: User, reason: str, client_address: str | None, now: datetime
) -> bool:
    """Stop log-in and trading of a user; say whether it was new. His positions stay."""
    with transaction.atomic():
        if not deactivate_user(user):
            return False
        end_all(user, reason="suspended", now=now)
        stopped = set_kill(
            KillSwitch.Scope.USER, user.pk, active=True, reason=_REASON + reason, now=now
        )
        audit.record(
            actor=actor,
            kind="user_suspend",
            target=user.public_id,
            detail={"reason": reason, "trading_stopped": stopped},
            on_behalf_of=user,
            client_address=client_address,
            now=now,
        )
    # Nobody gets in from here on; what is open ends, so that an activation revives none of it.
    end_sessions(user)
    return True


def reinstate_user(
    user: User, *, actor: User, reason: str, client_address: str | None, now: datetime
) -> bool:
    """Let a user log in again; his trading too, if only the suspension had stopped it."""
    with transaction.atomic():
        if not activate_user(user):
            return False
        own_stop = KillSwitch.objects.filter(
            scope=KillSwitch.Scope.USER, key=user.pk, is_active=True, reason__startswith=_REASON
        ).exists()
        if own_stop:
            set_kill(KillSwitch.Scope.USER, user.pk, active=False, reason=reason, now=now)
        audit.record(
            actor=actor,
            kind="user_activate",
            target=user.public_id,
            detail={"reason": reason, "trading_allowed": own_stop},
            on_behalf_of=user,
            client_address=client_address,
            now=now,
        )
    return True
