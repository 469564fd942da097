"""The people who use the platform."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from accounts.domain.roles import Role, SecondFactorRule
from accounts.models.managers import UserManager


# django-otp has no types: its devices point here without a manager that mypy could see.
class User(AbstractBaseUser, PermissionsMixin):  # type: ignore[django-manager-missing]
    """One person. Logs in by e-mail; is known to others by `public_id`, like `FB0001`."""

    public_id = models.CharField(max_length=12, unique=True, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    full_name = models.CharField(max_length=80, blank=True)
    is_active = models.BooleanField(default=True)
    # Follow from the role (constraints below); Django and its admin ask for them.
    is_staff = models.BooleanField(default=False)
    is_superuser = models.BooleanField(default=False)
    role = models.CharField(max_length=16, choices=[(r, r) for r in Role], default=Role.USER)
    second_factor_rule = models.CharField(
        max_length=16,
        choices=[(r, r) for r in SecondFactorRule],
        default=SecondFactorRule.NEW_DEVICE,
    )
    # After a lost second factor was taken off by staff, no live order until then (trust.md 7, 4).
    live_hold_until = models.DateTimeField(null=True)
    time_zone = models.CharField(max_length=40, default="Asia/Kolkata")
    joined_at = models.DateTimeField()

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_any_case"),
            models.CheckConstraint(
                condition=models.Q(role=Role.USER, is_staff=False)
                | (~models.Q(role=Role.USER) & models.Q(is_staff=True)),
                name="user_staff_by_role",
            ),
            models.CheckConstraint(
                condition=models.Q(role=Role.ADMINISTRATOR, is_superuser=True)
                | (~models.Q(role=Role.ADMINISTRATOR) & models.Q(is_superuser=False)),
                name="user_superuser_by_role",
            ),
            models.CheckConstraint(
                condition=models.Q(public_id__regex=r"^FB\d{4,}$"), name="user_public_id_shape"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} {self.email}"
