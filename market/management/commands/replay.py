"""Play a recording into an instrument."""

import os
import secrets
import signal
import socket
import threading
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from market.exceptions import MarketError
from market.feed import Replay
from market.selectors import instrument_by_symbol


class Command(BaseCommand):
    help = (
        "Replay recorded prices through the running system; hands the instrument back at the end."
    )
    # It serves no pages: the checks of the web process would only delay a restart.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, help="tick, trade or candle file")
        parser.add_argument("--instrument", required=True, help="for example NSE:ONGC")
        parser.add_argument("--speed", type=float, default=1.0, help="times as fast as it was")
        parser.add_argument("--minutes", type=float, help="market minutes to play, default all")
        parser.add_argument("--run", help="name kept with the candles; made up when not given")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Play until the end, or until SIGTERM or SIGINT."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        mark = secrets.token_hex(3)
        minutes = options["minutes"]
        try:
            replay = Replay(
                options["data"],
                instrument_by_symbol(options["instrument"]),
                speed=options["speed"],
                owner=f"replay {socket.gethostname()[:40]}:{os.getpid()}:{mark}",
                run=(options["run"] or f"{options['data'].name.split('.')[0][:40]}-{mark}")[:64],
            )
            count = replay.play(
                length=None if minutes is None else timedelta(minutes=minutes), wait=stop.wait
            )
        except (MarketError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            "\n".join([*count.summary, f"{count.ticks:,} ticks played as {replay.run_name}"])
        )
