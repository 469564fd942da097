"""The people who use the platform."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from accounts.models.managers import UserManager


class User(AbstractBaseUser, PermissionsMixin):
    """One person. Logs in by e-mail; is known to others by `public_id`, like `FB0001`."""

    public_id = models.CharField(max_length=12, unique=True, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    full_name = models.CharField(max_length=80, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    time_zone = models.CharField(max_length=40, default="Asia/Kolkata")
    joined_at = models.DateTimeField()

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_any_case"),
            models.CheckConstraint(
                condition=models.Q(public_id__regex=r"^FB\d{4,}$"), name="user_public_id_shape"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} {self.email}"
