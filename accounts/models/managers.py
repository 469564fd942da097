"""How users are made and found, and how what belongs to one user is found."""

from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.contrib.auth.base_user import BaseUserManager
from django.db import connection, models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.domain.roles import Role

if TYPE_CHECKING:
    from accounts.models.users import User

Owned = TypeVar("Owned", bound=models.Model)


class OwnedQuerySet(models.QuerySet[Owned]):
    """Rows that belong to somebody. Everything a user is shown starts at `for_user`.

    The owner is the field `user`, or what the model names in `owner_path`.
    """

    def for_user(self, user: "User") -> Self:
        """Return the rows of this user only."""
        return self.filter(**{getattr(self.model, "owner_path", "user"): user})


class UserManager(BaseUserManager["User"]):
    """Creates users with the next public id; finds them by e-mail in any case."""

    def with_email(self, email: str) -> "models.QuerySet[User]":
        """Return the users, one at most, with this e-mail, whatever its case."""
        # Not iexact: that compares UPPER(email), and the unique index is on LOWER(email).
        return self.alias(email_key=Lower("email")).filter(email_key=email.lower())

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with this e-mail, whatever its case."""
        return self.with_email(username or "").get()

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user. The caller has validated the e-mail and the password."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval('accounts_public_id')")
            number = cursor.fetchone()[0]
        role = Role(fields.pop("role", Role.USER))
        user = self.model(
            email=email.strip().lower(),
            public_id=f"FB{number:04d}",
            joined_at=fields.pop("joined_at", None) or timezone.now(),
            role=role,
            is_staff=role is not Role.USER,
            is_superuser=role is Role.ADMINISTRATOR,
            **fields,
        )
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an administrator."""
        return self.create_user(email, password, role=Role.ADMINISTRATOR, **fields)
