"""Orders claimed, sent and recorded, and fills applied, in a second by one gateway.

Everything is written as in use: claims, outcomes, the inbox, trades, ledger and events, committed.
The reference is one committed row per transaction on the same connection in the same run.
"""

import os
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from time import perf_counter, process_time

import django

USERS = 10
ORDERS_EACH = 100
REFERENCE_COMMITS = 500
REQUIRED_SENDS = 250
REQUIRED_FILLS = 300
_COUNT = USERS * ORDERS_EACH


def timed(work: Callable[[], object], count: int) -> tuple[float, float]:
    """Return how many a second: by the wall clock, and by our own processor time."""
    wall, own = perf_counter(), process_time()
    work()
    return count / (perf_counter() - wall), count / (process_time() - own)


def commit_rows() -> None:
    """Write the reference: nothing but small commits."""
    from django.db import connection  # noqa: PLC0415 - after set-up

    write = "UPDATE portfolio_gatewayshard SET lease_until = lease_until WHERE number = 0"
    with connection.cursor() as cursor:
        for _ in range(REFERENCE_COMMITS):
            cursor.execute(write)


def open_books(now: datetime) -> Iterable[int]:
    """Yield the Manual book of each of ten new users."""
    from accounts.models import User  # noqa: PLC0415 - after set-up
    from portfolio.services.accounts import manual_book, open_paper_accounts  # noqa: PLC0415

    for number in range(USERS):
        user = User.objects.create_user(f"bench{number}@example.com", None)
        yield manual_book(open_paper_accounts(user, now=now)[0]).pk


def main() -> int:
    """Print the rates; fail below the budget."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
    django.setup()
    from portfolio.benches._gateway_run import GatewayRun  # noqa: PLC0415 - after set-up

    reference, _ = timed(commit_rows, REFERENCE_COMMITS)
    run = GatewayRun(list(open_books(GatewayRun.now())))
    placed, _ = timed(lambda: run.place(ORDERS_EACH), _COUNT)
    sent, sent_cpu = timed(run.settle, _COUNT)
    filled, filled_cpu = timed(lambda: run.tick(Decimal(250)), _COUNT)
    quiet, _ = timed(lambda: run.pump_quietly(200), 200)
    sys.stdout.write(
        f"reference: {reference:,.0f} bare commits/s\n"
        f"placed in bulk: {placed:,.0f} orders/s\n"
        f"claim, send, record: {sent:,.0f} orders/s, {sent_cpu:,.0f} per own core-second"
        f" (required {REQUIRED_SENDS})\n"
        f"fills applied: {filled:,.0f}/s, {filled_cpu:,.0f} per own core-second"
        f" (required {REQUIRED_FILLS})\n"
        f"a quiet pump: {1000 / quiet:.2f} ms\n"
    )
    run.check(_COUNT)
    return 0 if sent >= REQUIRED_SENDS and filled >= REQUIRED_FILLS else 1


if __name__ == "__main__":
    sys.exit(main())
