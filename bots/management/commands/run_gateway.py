"""Send orders to venues and take their reports in; one process per shard of the accounts."""

import gc
import os
import signal
import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from bots.runtime.hints import hint_book
from market.venues.registry import VENUE_NAMES, venue_client
from portfolio.gateway import Gateway, GatewayProcess


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT; a second gateway of the same shard waits for the lease."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the shard and the venue."""
        parser.add_argument("--shard", default="1/1", help="which share of how many, e.g. 1/4")
        parser.add_argument("--venue", default="PAPER", choices=VENUE_NAMES)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the gateway."""
        process = GatewayProcess(
            Gateway(
                venue_client(options["venue"]),
                shard=_shard_number(options["shard"]),
                owner=f"{socket.gethostname()}:{os.getpid()}:{timezone.now():%H%M%S%f}",
                on_book_event=hint_book,
            ),
            clock=timezone.now,
        )
        # What is loaded stays: the collector need not go through it while orders wait.
        gc.freeze()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        process.run()


def _shard_number(text: str) -> int:
    """Return the row number of a shard given as `i/n`, counted from 1."""
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise CommandError(f"--shard is i/n with 1 <= i <= n, not {text!r}")
    return int(number) - 1
