"""Forgotten passwords: a link by mail."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts.models import User


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
    context = {"user": user, "link": settings.PUBLIC_URL.rstrip("/") + path}
    send_mail(
        "Set a new FinByte password",
        render_to_string("emails/password_reset.txt", context),
        None,
        [user.email],
    )
    return True
