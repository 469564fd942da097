"""Import candles."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from market.domain.enums import Interval
from market.exceptions import MarketError
from market.selectors import instrument_by_symbol
from market.services.candles import IMPORT_SOURCE, import_candles


class Command(BaseCommand):
    help = "Read a candle CSV (plain or gzip) of one instrument; good rows are written."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--instrument", required=True, help="for example NSE:ONGC")
        parser.add_argument("--interval", choices=list(Interval), help="default: as the rows say")
        parser.add_argument("--source", default=IMPORT_SOURCE, help="name kept with the candles")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Import and say what was done."""
        try:
            instrument = instrument_by_symbol(options["instrument"])
            done = import_candles(
                options["file"],
                instrument,
                source=options["source"][:80],
                interval=options["interval"] and Interval(options["interval"]),
            )
        except MarketError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            "\n".join([*done.summary, f"{done.written:,} {done.interval} bars written"])
        )
