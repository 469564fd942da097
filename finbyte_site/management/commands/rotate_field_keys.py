"""Seal every stored secret under the newest key of FIELD_KEYS."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from finbyte_site.sealed_columns import SEALED_COLUMNS, older_texts, rotate_column


class Command(BaseCommand):
    """Run it after a new key was put first and all processes were started again."""

    help = "Seal every stored secret under the newest key of FIELD_KEYS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take --check."""
        parser.add_argument(
            "--check",
            action="store_true",
            help="only count what older keys have sealed; fails when there is any",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Seal anew, or count."""
        if not settings.FIELD_KEYS:
            raise CommandError("FIELD_KEYS is not set.")
        if options["check"]:
            self._check()
        else:
            self._rotate()

    def _check(self) -> None:
        left = 0
        for column in SEALED_COLUMNS:
            count = older_texts(column).count()
            self.stdout.write(f"{column}: {count} under an older key")
            left += count
        if left:
            raise CommandError(f"{left} texts need their old key. Run rotate_field_keys.")

    def _rotate(self) -> None:
        closed = 0
        for column in SEALED_COLUMNS:
            done = rotate_column(column)
            words = f"{column}: {done.resealed} sealed anew"
            if done.closed:
                words += f", {done.closed} do not open (the first has id {done.first_closed})"
            self.stdout.write(words)
            closed += done.closed
        if closed:
            raise CommandError(f"{closed} texts do not open with the keys of FIELD_KEYS.")
