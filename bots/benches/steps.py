"""Steps a second of one worker: state, one fill heard and one order placed, beside bare commits."""

import sys
import time
from datetime import datetime, timedelta
from decimal import Decimal
from secrets import token_hex
from statistics import median

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from bots.models import Bot
from bots.runtime.hints import BATCH
from bots.runtime.market_view import MarketView, wanted_prices
from bots.runtime.simulation import SimulationRunner
from bots.runtime.stepper import StepOutcome, step_bot
from bots.services.bots import create_bot, start_bot
from market.domain.enums import Calendar, SourceKind
from market.models import Instrument, InstrumentSource
from market.selectors import instrument_by_symbol
from market.services.instruments import seed_instruments
from portfolio.models import VenueAccount
from portfolio.services.accounts import manual_book, open_venue_account
from portfolio.services.ledger import deposit
from portfolio.services.orders import wake_gateway

BOTS = 40
ROUNDS = 6
COMMITS = 400
# Steps of one worker by the clock; said beside the figure: machines differ, nothing fails on it.
WANTED_PER_SECOND = 200.0
FUNDS = Decimal(1_000_000_000)


def main() -> int:
    """Print the figures, each beside its reference of the same run."""
    for name, value in measure(now=timezone.now()).items():
        sys.stdout.write(f"{name:52} {value:,.2f}\n")
    sys.stdout.write(f"{'wanted steps/s (state and one order each)':52} {WANTED_PER_SECOND:,.2f}\n")
    return 0


def measure(*, now: datetime, bots: int = BOTS, rounds: int = ROUNDS) -> dict[str, float]:
    """Let a price swing over one rung of many grids and time only their steps."""
    instrument, account = new_account(now)
    runner = SimulationRunner(source=SourceKind.SIMULATED, run="default")
    runner.start_gateway(now)
    runner.tick(instrument.pk, Decimal(262), at=now)
    grids = start_grids(runner, instrument, account, count=bots, now=now)
    seconds: list[float] = []
    used = 0.0
    idle: list[float] = []
    for number in range(rounds):
        now += timedelta(seconds=1)
        price = Decimal(259) if number % 2 == 0 else Decimal(266)
        quote = runner.price(instrument.pk, price, at=now)
        runner.gateway.on_quotes([quote], now)
        runner.gateway.pump(now)
        before = time.process_time()
        seconds += _timed_steps(runner, grids, now, wanted=StepOutcome.STEPPED)
        used += time.process_time() - before
        idle += _timed_steps(runner, grids, now, wanted=StepOutcome.RESTED)
        runner.settle(now)
    commits = commits_per_second()
    return {
        "bare commits/s": commits,
        "steps/s (state and one order each)": 1 / (sum(seconds) / len(seconds)),
        "step, median ms": median(seconds) * 1000,
        "step, ms of the worker's own processor time": used / len(seconds) * 1000,
        "steps/s, did the worker's processor time alone count": len(seconds) / used,
        "step with nothing new, median ms": median(idle) * 1000,
        "commits as long as one step": sum(seconds) / len(seconds) * commits,
    }


def _timed_steps(
    runner: SimulationRunner, grids: list[Bot], now: datetime, *, wanted: StepOutcome
) -> list[float]:
    """Step the grids in batches as the task does; return the seconds of each step."""
    seconds = []
    for start in range(0, len(grids), BATCH):
        batch = [bot.pk for bot in grids[start : start + BATCH]]
        started = time.perf_counter()
        view = MarketView(runner.quotes, {}, wanted_prices(batch).marks)
        reports = [step_bot(each, view=view, now=now, enqueue=wake_gateway) for each in batch]
        seconds += [(time.perf_counter() - started) / len(batch)] * len(batch)
        if any(report.outcome is not wanted for report in reports):
            raise RuntimeError(f"not all of {batch} have {wanted}")
    return seconds


def new_account(now: datetime) -> tuple[Instrument, VenueAccount]:
    """Return an instrument that always trades and a rich account."""
    seed_instruments()
    instrument = instrument_by_symbol("NSE:ONGC")
    instrument.calendar = Calendar.ALWAYS
    instrument.save(update_fields=["calendar"])
    InstrumentSource.objects.update_or_create(instrument=instrument)
    user = User.objects.create_user(f"bench-{token_hex(4)}@example.com", token_hex(16))
    account = open_venue_account(user, name="Bench", settlement_asset="INR", now=now)
    book = manual_book(account)
    deposit(book.pk, asset="INR", amount=FUNDS, ref=f"bench:{account.pk}", now=now)
    return instrument, account


def start_grids(
    runner: SimulationRunner,
    instrument: Instrument,
    account: VenueAccount,
    *,
    count: int,
    now: datetime,
) -> list[Bot]:
    """Start grids of eight and let them place their ladders."""
    quote = runner.quotes[instrument.pk]
    made = []
    for number in range(count):
        bot = create_bot(
            account.user,
            account,
            kind="spot_grid",
            name=f"Bench {number}",
            values={
                "symbol": instrument.symbol,
                "lower": "240",
                "upper": "280",
                "grids": "8",
                "investment": "50000",
            },
            quote=quote,
            now=now,
        )
        start_bot(account.user, bot.pk, quote=quote, now=now, hint=lambda _: None)
        made.append(bot)
    runner.settle(now)
    return made


def commits_per_second(count: int = COMMITS) -> float:
    """Return how many transactions of one small write this database commits, one by one."""
    write = "UPDATE portfolio_gatewayshard SET lease_until = lease_until WHERE number = 0"
    started = time.perf_counter()
    for _ in range(count):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(write)
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main())
