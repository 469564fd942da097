"""Users come, and are stopped and let in again."""

from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from accounts.domain.roles import Role
from accounts.exceptions import SignUpRefused
from accounts.models import User

_TAKEN = "There is already an account with this address. Log in, or reset its password."


def register_user(*, email: str, password: str, full_name: str = "", now: datetime) -> User:
    """Create a user who can log in, or say which field is wrong; nothing is written then."""
    try:
        validate_email(email)
    except ValidationError as error:
        raise SignUpRefused("Enter a valid e-mail address.", field="email") from error
    try:
        validate_password(password, User(email=email, full_name=full_name))
    except ValidationError as error:
        raise SignUpRefused(" ".join(error.messages), field="password") from error
    try:
        with transaction.atomic():
            return User.objects.create_user(email, password, full_name=full_name, joined_at=now)
    except IntegrityError as error:
        if User.objects.with_email(email).exists():
            raise SignUpRefused(_TAKEN, field="email") from error
        raise


def lock_user(user_id: int) -> User:
    """Lock the user: what lets somebody into his account changes one after the other."""
    return User.objects.select_for_update(no_key=True).get(pk=user_id)


def deactivate_user(user: User) -> bool:
    """Stop the user from logging in and from using open sessions; say whether it was new."""
    return bool(User.objects.filter(pk=user.pk, is_active=True).update(is_active=False))


def activate_user(user: User) -> bool:
    """Let the user log in again; say whether it was new."""
    return bool(User.objects.filter(pk=user.pk, is_active=False).update(is_active=True))


def give_role(user: User, role: Role) -> bool:
    """Give the user a role, with the flags that Django asks for; say whether it was new."""
    if user.role == role:
        return False
    user.role = role
    user.is_staff = role is not Role.USER
    user.is_superuser = role is Role.ADMINISTRATOR
    user.save(update_fields=["role", "is_staff", "is_superuser"])
    return True
