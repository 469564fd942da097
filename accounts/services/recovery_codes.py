"""Recovery codes: ten at a time, kept as slow hashes, each good for once."""

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction

from accounts.domain.recovery import WrittenCode, new_codes
from accounts.exceptions import Refused
from accounts.models import RecoveryCode, User
from accounts.selectors import has_second_factor, recovery_codes_left
from accounts.services import audit
from accounts.services.factor_changes import Act, note_change, tell
from accounts.services.users import lock_user


def make_recovery_codes(user: User, *, act: Act) -> list[WrittenCode]:
    """Return ten new codes, to be shown once; older ones are void."""
    codes = new_codes()
    # Before the lock: ten slow hashes take a second.
    hashes = [make_password(code.letters) for code in codes]
    with transaction.atomic(durable=True):
        locked = lock_user(user.pk)
        if not has_second_factor(locked):
            raise Refused("Recovery codes stand in for a second factor. Add one first.")
        RecoveryCode.objects.for_user(locked).delete()
        RecoveryCode.objects.bulk_create(
            RecoveryCode(user=locked, slot=code.slot, code_hash=code_hash, made_at=act.now)
            for code, code_hash in zip(codes, hashes, strict=True)
        )
        note_change(locked, "recovery_codes_made", act=act)
    return codes


def use_recovery_code(user: User, code: WrittenCode, *, act: Act) -> bool:
    """Take the code if it is right and unused; the user is told. In a transaction."""
    row = (
        RecoveryCode.objects.for_user(user)
        .select_for_update(no_key=True)
        .filter(slot=code.slot, used_at=None)
        .first()
    )
    if row is None or not check_password(code.letters, row.code_hash):
        return False
    row.used_at = act.now
    row.save(update_fields=["used_at"])
    values = {"slot": f"{code.slot:02d}", "left": str(recovery_codes_left(user))}
    tell(user, "recovery_code_used", values=values, act=act)
    audit.record(
        actor=user,
        kind="recovery_code_used",
        target=user.public_id,
        detail=values,
        client_address=act.client_address,
        now=act.now,
    )
    return True
