"""Give somebody a role from the server: how the first administrator is made."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.exceptions import AccountsError
from accounts.models import User
from accounts.services.roles import set_role


class Command(BaseCommand):
    """Change the role of one user; it goes into the audit log."""

    help = "Give a user a role (USER, SUPPORT, RISK_OFFICER or ADMINISTRATOR), with a reason."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the user's e-mail, the role and the reason."""
        parser.add_argument("email")
        parser.add_argument("role", choices=[str(role) for role in Role])
        parser.add_argument("--reason", required=True, help="why, for the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        """Change the role, or say why not."""
        user = User.objects.with_email(options["email"]).first()
        if user is None:
            raise CommandError(f"nobody has the e-mail address {options['email']}")
        try:
            changed = set_role(
                user,
                Role(options["role"]),
                actor=None,
                reason=options["reason"],
                now=timezone.now(),
            )
        except AccountsError as error:
            raise CommandError(str(error)) from error
        said = "is now" if changed else "was already"
        self.stdout.write(f"{user} {said} {options['role']}")
