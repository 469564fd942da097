"""New passwords: set with the old one, or through a link by mail where it is forgotten."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from accounts.services import access
from accounts.services.api_sessions import end_all
from accounts.services.devices import revoke_all_devices
from accounts.services.factor_changes import Act, tell
from accounts.services.sessions import end_sessions
from accounts.services.users import lock_user

_WHY = "a new password"


@sensitive_variables("password")
def set_password(user: User, password: str, *, by_mail: bool, act: Act) -> None:
    """Set a new password and end what the old one has opened: sessions, devices, programs.

    Only `act.session` goes on. The second factor stays as it is. The user is told by mail.
    """
    with transaction.atomic():
        lock_user(user.pk)
        user.set_password(password)
        user.save(update_fields=["password"])
        revoke_all_devices(user, why=_WHY, keep=act.session, now=act.now)
        end_sessions(user, keep=act.session)
        end_all(user, reason=_WHY, now=act.now)
        tell(user, "password_reset" if by_mail else "password_changed", act=act)
        access.record_password_change(
            user, by_mail=by_mail, client_address=act.client_address, now=act.now
        )


def mail_reset_link(email: str) -> bool:
    """Mail a link that sets a new password, if a user who may log in has this address."""
    user = User.objects.with_email(email).filter(is_active=True).first()
    if user is None or not user.has_usable_password():
        return False
    path = reverse(
        "accounts:password-reset-confirm",
        args=[
            urlsafe_base64_encode(force_bytes(user.pk)),
            default_token_generator.make_token(user),
        ],
    )
    # The address of the link is ours, never the Host header of whoever asked.
    context = {"user": user, "link": settings.PUBLIC_URL + path}
    send_mail(
        "Set a new FinByte password",
        render_to_string("emails/password_reset.txt", context),
        None,
        [user.email],
    )
    return True
