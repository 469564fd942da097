"""Import instruments."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from market.exceptions import MarketError
from market.services.instruments import import_kite_instruments

SHOWN = 20


class Command(BaseCommand):
    help = "Read a Kite instruments CSV (plain or gzip); rows are keyed by exchange and symbol."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Import, say what was done, name the rows refused."""
        try:
            count = import_kite_instruments(options["file"])
        except MarketError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{count.created:,} created, {count.updated:,} updated, "
            f"{count.unchanged:,} unchanged, {len(count.refused):,} refused"
        )
        for line in count.refused[:SHOWN]:
            self.stdout.write(f"  {line}")
        if len(count.refused) > SHOWN:
            self.stdout.write(f"  and {len(count.refused) - SHOWN:,} more")
