"""Mail that says what happened to an account: always what and when, and from where."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string

from accounts.models import User

# What a door passes: puts (user id, kind, values) into the mailing task's queue.
Enqueue = Callable[[int, str, dict[str, str]], object]


_LOOK = (
    "If it was you, there is nothing to do. If not, set a new password at once and look at your "
    "sessions and devices."
)


@dataclass(frozen=True, slots=True)
class Notice:
    """Subject and words of a mail; both take named values. `advice` says what to do."""

    subject: str
    words: str
    advice: str = _LOOK
    template: str = "emails/security_notice.txt"


NOTICES: Mapping[str, Notice] = {
    "authenticator_added": Notice(
        "An authenticator app now protects your FinByte account",
        "an authenticator app was added as second factor of your account. Other browsers and "
        "your programs have been logged out, and no device is trusted any more.",
    ),
    "authenticator_removed": Notice(
        "The authenticator app was removed from your FinByte account",
        "the authenticator app was removed from your account. {rest} Other browsers and your "
        "programs have been logged out, and no device is trusted any more.",
    ),
    "passkey_added": Notice(
        "A passkey was added to your FinByte account",
        "the passkey '{name}' was added to your account. Other browsers have been logged out.",
    ),
    "passkey_removed": Notice(
        "A passkey was removed from your FinByte account",
        "the passkey '{name}' was removed from your account. {rest} Other browsers and your "
        "programs have been logged out, and no device is trusted any more.",
    ),
    "recovery_codes_made": Notice(
        "New recovery codes for your FinByte account",
        "ten new recovery codes were made for your account. Older ones do not work any more. "
        "Other browsers have been logged out.",
    ),
    "recovery_code_used": Notice(
        "A recovery code of your FinByte account was used",
        "recovery code {slot} of your account was used in place of your second factor. "
        "Codes left: {left}.",
    ),
    "password_changed": Notice(
        "Your FinByte password was changed",
        "the password of your account was changed. Other browsers and your programs have been "
        "logged out, and no device is trusted any more.",
    ),
    "password_reset": Notice(
        "Your FinByte password was set anew",
        "a new password was set for your account through a link that was mailed to you. All "
        "browsers and programs have been logged out, and no device is trusted any more. Your "
        "second factor has stayed as it was.",
    ),
    "factor_guesses": Notice(
        "Wrong second factors at your FinByte account",
        "somebody has entered {failures} wrong codes in a row where your second factor is asked "
        "for. Whoever gets that far knows your password or holds an open session. If it was not "
        "you, set a new password now.",
    ),
    "factors_reset": Notice(
        "Your second factor was taken off by our staff",
        "all second factors, recovery codes and trusted devices of your account were taken off "
        "by our staff, and you were logged out everywhere. No live order can be placed for 24 "
        "hours. Log in with your password and set up a second factor again.",
    ),
    "new_place": Notice(
        "New log-in to your FinByte account",
        "your account was logged in to from a browser or an address that we had not seen before.",
        "If it was you, there is nothing to do. If it was not you: log out all other sessions, "
        "remove the devices that you do not know, then set a new password.",
    ),
    "devices_revoked": Notice(
        "Your trusted devices on FinByte were removed",
        "somebody logged in with the right password and with an old cookie of one of your trusted "
        "devices. A cookie is replaced each time it is used, so an old one means that it may have "
        "been copied. To be safe, we trust none of your devices any more: every log-in asks for "
        "your second factor until you trust a device again.",
        "It can also be you, for example when you log in twice at the same moment, or after "
        "restoring a browser from a backup. If it was not you: somebody knows your password. Set "
        "a new one, and log out all other sessions.",
    ),
    # What somebody asked to be told: whoever watches for it gives the words.
    "told": Notice("{subject}", "{words}", "{advice}", template="emails/told.txt"),
}


def queue_notice(
    user: User,
    kind: str,
    *,
    values: Mapping[str, str] | None = None,
    client_address: str | None,
    now: datetime,
    enqueue: Enqueue,
) -> None:
    """Mail a notice to the user once the transaction is committed.

    A queue that is away costs the mail, never the act that is committed by then.
    """
    told = {"at": now.isoformat(), "address": client_address or "", **(values or {})}
    # No partial: Django names what has failed, and a partial has no name.
    transaction.on_commit(lambda: enqueue(user.pk, kind, told), robust=True)


def mail_notice(user_id: int, kind: str, values: Mapping[str, str]) -> None:
    """Mail a notice to the user, whatever he has chosen to be told."""
    user = User.objects.get(pk=user_id)
    notice = NOTICES[kind]
    at = datetime.fromisoformat(values["at"]).astimezone(ZoneInfo(user.time_zone))
    context = {
        "user": user,
        "words": notice.words.format_map(values),
        "advice": notice.advice.format_map(values),
        "at": f"{at:%d %b %Y, %H:%M} ({user.time_zone})",
        "browser": values.get("browser"),
        "address": values.get("address") or "unknown",
        "site": settings.PUBLIC_URL,
    }
    text = render_to_string(notice.template, context)
    send_mail(notice.subject.format_map(values), text, None, [user.email])
