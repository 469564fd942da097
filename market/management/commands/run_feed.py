"""Run the feed process."""

import os
import secrets
import signal
import socket
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from market.domain.simulated import DEFAULT_SEED
from market.feed import BACKFILL_DELAY, Feed, Maintenance, run_feed
from market.models import Candle
from market.streams import connect


class Command(BaseCommand):
    help = "Bring prices in: quotes to Redis, candles to PostgreSQL, ticks to everybody."
    # It serves no pages: the checks of the web process would only delay a restart.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--worker", default="1/1", help="i/n: the i-th of n feeds")
        parser.add_argument("--seed", type=int, default=DEFAULT_SEED)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        worker, workers = _share(options["worker"])
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        owner = (
            f"feed {worker}/{workers} {socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        )
        client = connect()
        feed = Feed(owner=owner[-80:], worker=worker, workers=workers, seed=options["seed"])
        if worker == 1:
            delay = BACKFILL_DELAY if Candle.objects.exists() else 0.0
            Maintenance(stop, seed=options["seed"], delay=delay).start()
        run_feed(feed, stop, client=client)


def _share(text: str) -> tuple[int, int]:
    worker, _, workers = text.partition("/")
    if not (worker.isdigit() and workers.isdigit() and 1 <= int(worker) <= int(workers)):
        raise CommandError(f"--worker is i/n with i from 1 to n, not {text!r}")
    return int(worker), int(workers)
