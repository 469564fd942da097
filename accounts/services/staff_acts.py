"""What staff do to an account: always with a reason, always under the account's name."""

from datetime import datetime

from accounts.exceptions import Refused
from accounts.models import User
from accounts.services import api_sessions, audit
from accounts.services.devices import revoke_all_devices
from accounts.services.factor_changes import Act
from accounts.services.notices import Enqueue
from accounts.services.second_factor import remove_lost_factors
from accounts.services.sessions import end_sessions


def log_out_user(
    user: User, *, actor: User, reason: str, client_address: str | None, now: datetime
) -> bool:
    """End every session of the user, in browsers and of apps; say whether there was one."""
    browsers = end_sessions(user)
    apps = api_sessions.end_all(user, reason="logged out by staff", now=now)
    audit.record(
        actor=actor,
        kind="log_out_everywhere",
        target=user.public_id,
        detail={"reason": reason, "browsers": browsers, "apps": apps},
        on_behalf_of=user,
        client_address=client_address,
        now=now,
    )
    return bool(browsers or apps)


def distrust_devices(
    user: User, *, actor: User, reason: str, client_address: str | None, now: datetime
) -> bool:
    """Trust no device of the user any more; say whether there was one."""
    count = revoke_all_devices(user, why="by staff", now=now)
    if count:
        audit.record(
            actor=actor,
            kind="devices_revoke",
            target=user.public_id,
            detail={"reason": reason, "devices": count},
            on_behalf_of=user,
            client_address=client_address,
            now=now,
        )
    return bool(count)


def take_off_factors(
    user: User,
    *,
    actor: User,
    reason: str,
    client_address: str | None,
    enqueue: Enqueue,
    now: datetime,
) -> bool:
    """Take lost second factors off; apps are logged out too, and live trading waits for a day."""
    if actor.pk == user.pk:
        raise Refused("Nobody takes his own second factor off: ask another administrator.")
    act = Act(client_address=client_address, session=None, enqueue=enqueue, now=now)
    remove_lost_factors(user, actor=actor, reason=reason, act=act)
    api_sessions.end_all(user, reason="second factor taken off by staff", now=now)
    return True
