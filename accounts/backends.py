"""Rights follow from the role alone; rows of groups and permissions are never asked."""

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.domain.roles import Role, is_allowed
from accounts.models import User


class RoleBackend:
    """Answers every question for a right, and lets nobody in.

    It stands first in the settings: its refusal keeps Django from asking the other backends.
    It must have no `get_user`, or sessions would be opened through it.
    """

    def authenticate(self, request: HttpRequest | None) -> None:
        """Take no credentials."""

    def has_perm(self, user: User | AnonymousUser, permission: str, obj: object = None) -> bool:
        """Say yes, or refuse for good."""
        if isinstance(user, User) and user.is_active and is_allowed(Role(user.role), permission):
            return True
        raise PermissionDenied

    def has_module_perms(self, user: User | AnonymousUser, app_label: str) -> bool:
        """Say yes to those who run the platform, or refuse for good."""
        if isinstance(user, User) and user.is_active and user.is_staff:
            return True
        raise PermissionDenied
