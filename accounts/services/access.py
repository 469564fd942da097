"""Notes of who came in, who was refused and who changed a password."""

from datetime import datetime

from accounts.models import AuditEvent, TrustedDevice, User
from accounts.services import audit
from accounts.services.guesses import digest_of


def record_sign_up(user: User, *, client_address: str | None, now: datetime) -> AuditEvent:
    """Note that a user has joined."""
    return audit.record(
        actor=user,
        kind="sign_up",
        target=user.public_id,
        client_address=client_address,
        now=now,
    )


def record_log_in(
    user: User,
    *,
    second_factor: bool = False,
    device: TrustedDevice | None = None,
    client_address: str | None,
    now: datetime,
) -> AuditEvent:
    """Note that a user has logged in, and what stood beside the password."""
    beside: dict[str, object] = {"second_factor": second_factor}
    return audit.record(
        actor=user,
        kind="log_in",
        target=user.public_id,
        detail=beside if device is None else {**beside, "device": device.pk},
        client_address=client_address,
        now=now,
    )


def record_log_in_refused(email: str, *, client_address: str | None, now: datetime) -> AuditEvent:
    """Note a refused log-in; an address that nobody has is kept only as a digest."""
    user = User.objects.with_email(email).first()
    unknown = {} if user else {"address_digest": digest_of(email)}
    return audit.record(
        actor=None,
        kind="log_in_refused",
        target=user.public_id if user else "",
        detail=unknown,
        on_behalf_of=user,
        client_address=client_address,
        now=now,
    )


def record_log_out(user: User, *, client_address: str | None, now: datetime) -> AuditEvent:
    """Note that a user has logged out."""
    return audit.record(
        actor=user, kind="log_out", target=user.public_id, client_address=client_address, now=now
    )


def record_password_change(
    user: User, *, by_mail: bool, client_address: str | None, now: datetime
) -> AuditEvent:
    """Note a new password, set with the old one or through a mailed link."""
    return audit.record(
        actor=user,
        kind="password_reset" if by_mail else "password_change",
        target=user.public_id,
        client_address=client_address,
        now=now,
    )


def record_profile_change(
    user: User, *, fields: list[str], client_address: str | None, now: datetime
) -> AuditEvent:
    """Note which parts of a profile its owner has changed."""
    return audit.record(
        actor=user,
        kind="profile_change",
        target=user.public_id,
        detail={"fields": fields},
        client_address=client_address,
        now=now,
    )
