"""Runs gateways that die: one process that forks a child per line of its standard input.

A line is `<crash point or -> <price> <price> ...`: the child starts a gateway, moves the price
along the path, pumps until quiet after each, and exits. The parent prints the child's end.
"""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime


def trade(point: str, prices: Sequence[str]) -> None:
    """Run one gateway until the path ends or the crash point kills it."""
    # Django's parts are imported after set-up; nothing may be connected before the fork.
    from market.models import Instrument  # noqa: PLC0415
    from market.venues.paper import PaperVenue  # noqa: PLC0415
    from portfolio.gateway import Gateway, crash  # noqa: PLC0415
    from portfolio.tests.gateway_kit import quote_of  # noqa: PLC0415

    now = datetime(2026, 3, 2, 4, 31, tzinfo=UTC)
    token = Instrument.objects.get(exchange="NSE", tradingsymbol="ONGC").pk
    # One owner: the lease of a gateway that died need not run out first.
    gateway = Gateway(PaperVenue(), shard=0, owner="children", on_book_event=lambda _: None)
    gateway.start(now)
    crash._POINT = point
    for price in prices:
        gateway.on_quotes([quote_of(token, price, now=now)], now)
        while gateway.pump(now):
            pass


def main() -> None:
    """Fork a child per line."""
    import django  # noqa: PLC0415

    django.setup()
    import portfolio.gateway  # noqa: F401, PLC0415 - imported once for all children

    for line in sys.stdin:
        point, *prices = line.split()
        child = os.fork()
        if child == 0:
            trade(point, prices)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
