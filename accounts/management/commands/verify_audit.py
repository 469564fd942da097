"""Check that the audit log is as it was written."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.exceptions import AuditChainBroken
from accounts.models import AuditEvent
from accounts.services.audit import verify_chain


class Command(BaseCommand):
    """Walk the chain of audit events; exit 1 and name the row where it is broken."""

    help = "Check the hash chain of the audit log; exit 1 and name the first changed row."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a hash noted earlier: the chain alone cannot tell that its end was cut off."""
        parser.add_argument("--includes", metavar="HASH", help="a newest hash noted earlier")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the number of events and the newest hash."""
        try:
            count, newest = verify_chain()
        except AuditChainBroken as error:
            raise CommandError(str(error), returncode=1) from error
        noted = options["includes"]
        if noted and not AuditEvent.objects.filter(hash=noted).exists():
            raise CommandError(
                f"no audit event has the hash {noted}: the end of the log was cut off",
                returncode=1,
            )
        self.stdout.write(f"{count} audit events, newest hash {newest}")
