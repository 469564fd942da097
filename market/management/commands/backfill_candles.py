"""Give the simulated market its past."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from market.domain.simulated import DEFAULT_SEED
from market.services.backfill import backfill_simulated


class Command(BaseCommand):
    help = "Write the missing simulated bars: 90 days of hours, 8 days of minutes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=DEFAULT_SEED)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write and count."""
        written = backfill_simulated(now=timezone.now(), seed=options["seed"])
        self.stdout.write(f"{written:,} bars written")
