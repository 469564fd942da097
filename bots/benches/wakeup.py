"""Sleeping bots: what the wake-up question costs, and the whole system beside it.

10,000 and 100,000 bots on 100 instruments that tick at 2 Hz. In every pass 0.1 % of the bots wake
and are stepped, spread over the instruments. Processor time is that of the whole machine, from
/proc/stat, less what it used in as many seconds before with nothing of ours going on. Passes and
steps run in this process: the message queue between them is not part of the figure.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median

import psycopg
from django.db import connection
from django.utils import timezone

from bots.benches.steps import new_account, start_grids
from bots.models import Bot
from bots.runtime.hints import BATCH
from bots.runtime.market_view import view_market
from bots.runtime.simulation import SimulationRunner
from bots.runtime.stepper import StepOutcome, settle_marks, step_bot
from bots.runtime.wakeups import due_bot_ids, wake_pass
from market.domain.enums import SourceKind
from market.domain.ticks import PriceInterval, Quote
from market.models import Instrument
from market.streams import connect, put_ticks, read_quotes
from portfolio.services.orders import wake_gateway

SIZES = (10_000, 100_000)
INSTRUMENTS = 100
FIRST_TOKEN = 9_000_000
PASS_SECONDS = 0.5
WAKING_SHARE = 0.001
SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
IDLE_SECONDS = min(SECONDS, 10.0)
QUESTIONS = 50
# Budgets of architecture.md section 9: milliseconds at 100,000 bots, share of one core at 10,000.
QUESTION_MS = 2.0
CORE_SHARE = 0.10
TICK = Decimal("0.05")
FIRST_UPPER = Decimal(280)
_COPIES = """
    WITH booked AS (
        INSERT INTO portfolio_book (user_id, venue_account_id, kind, name, quote_asset,
                                    trading_state, event_seq, consumed_seq, created_at)
        SELECT user_id, venue_account_id, kind, 'copy ' || n, quote_asset, trading_state, 0, 0,
               created_at
          FROM portfolio_book, generate_series(0, %(count)s - 1) n WHERE id = %(book)s
        RETURNING id, substring(name FROM 6)::int AS n
    ), copied AS (
        INSERT INTO bots_bot (user_id, venue_account_id, book_id, instrument_id, kind, name,
               config, derived, state, status, status_code, status_message, waiting_for, stop_mode,
               step_no, tick_seq, price_run, fail_count, failed_from, investment, withdrawn,
               grid_profit, pair_count, created_at, started_at, updated_at)
        SELECT bot.user_id, bot.venue_account_id, booked.id,
               %(token)s + booked.n %% %(instruments)s, bot.kind, 'copy ' || booked.n,
               jsonb_set(bot.config, '{upper}', to_jsonb(
                   (%(upper)s + %(tick)s * (booked.n / %(instruments)s))::text)),
               bot.derived, bot.state, bot.status, '', '', '', bot.stop_mode, bot.step_no, 0,
               bot.price_run, 0, '', bot.investment, 0, 0, 0, bot.created_at, bot.started_at,
               bot.updated_at
          FROM booked CROSS JOIN bots_bot bot WHERE bot.id = %(bot)s
        RETURNING id, instrument_id, config
    )
    INSERT INTO bots_botband (bot_id, instrument_id, wake_below, wake_above, is_armed)
    SELECT id, instrument_id, (config->>'lower')::numeric - %(tick)s,
           (config->>'upper')::numeric + %(tick)s, true
      FROM copied
"""


def main() -> int:
    """Print the figures; fail when the question or the system misses its budget."""
    now = timezone.now()
    template, quote = _template(now)
    is_good = True
    for size in SIZES:
        _copy(template, count=size)
        figures = _measure(size, quote)
        for name, value in figures.items():
            sys.stdout.write(f"{size:>7,} bots: {name:44} {value:,.3f}\n")
        sys.stdout.flush()
        if size == SIZES[-1]:
            is_good &= figures["wake-up question, median ms"] <= QUESTION_MS
        if size == SIZES[0]:
            is_good &= figures["processor, share of one core"] <= CORE_SHARE
    return 0 if is_good else 1


def _template(now: datetime) -> tuple[Bot, Quote]:
    """Return a real grid, to be copied, and its quote; make the instruments."""
    instrument, account = new_account(now)
    runner = SimulationRunner(source=SourceKind.SIMULATED, run="default")
    runner.start_gateway(now)
    runner.tick(instrument.pk, Decimal(262), at=now)
    bot = start_grids(runner, instrument, account, count=1, now=now)[0]
    for number in range(INSTRUMENTS):
        instrument.pk = instrument.instrument_token = FIRST_TOKEN + number
        instrument.tradingsymbol = f"BENCH{number}"
        instrument.save()
    return Bot.objects.get(pk=bot.pk), runner.quotes[_traded(bot)]


def _traded(bot: Bot) -> int:
    return Instrument.objects.get(bots=bot).pk


def _copy(template: Bot, *, count: int) -> None:
    """Copy the grid: sleeping bots with books and states, and bands that are left one by one."""
    values = {
        "count": count,
        "book": template.book_id,
        "bot": template.pk,
        "token": FIRST_TOKEN,
        "instruments": INSTRUMENTS,
        "upper": FIRST_UPPER,
        "tick": TICK,
    }
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM bots_botband WHERE bot_id <> %s", [template.pk])
        cursor.execute("DELETE FROM bots_botevent WHERE bot_id <> %s", [template.pk])
        cursor.execute("DELETE FROM bots_bot WHERE id <> %s", [template.pk])
        cursor.execute(_COPIES, values)
    # Only the owner may count rows for the planner; autovacuum would, a minute later.
    with psycopg.connect(_owner_url(), autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE bots_bot, bots_botband, portfolio_book")


def _owner_url() -> str:
    return os.environ.get("DATABASE_OWNER_URL") or os.environ["DATABASE_URL"]


# ------------------------------------------------------------------------------------- measuring


class Market:
    """Prices of all instruments; `wake` lifts some of them over the next bot's band."""

    def __init__(self, quote: Quote) -> None:
        self.client = connect()
        self.raised = [0] * INSTRUMENTS
        self.next = 0
        self.sequence = 0
        self.quote = quote

    def tick(self, waking: int) -> None:
        """Let every instrument tick, and wake so many bots."""
        for _ in range(waking):
            self.raised[self.next] += 1
            self.next = (self.next + 1) % INSTRUMENTS
        self.sequence += 1
        put_ticks(self.client, [self._quote(number) for number in range(INSTRUMENTS)])

    def _quote(self, number: int) -> Quote:
        price, now = FIRST_UPPER + TICK * self.raised[number], timezone.now()
        return replace(
            self.quote,
            instrument_token=FIRST_TOKEN + number,
            sequence=self.sequence,
            last_price=price,
            high=price,
            exchange_time=now,
            received_at=now,
        )


def _measure(size: int, quote: Quote) -> dict[str, float]:
    market = Market(quote)
    figures = _questions()
    idle = _busy_seconds(lambda: time.sleep(IDLE_SECONDS)) / IDLE_SECONDS
    own = time.process_time()
    passes: list[float] = []
    stepped = 0

    def work() -> None:
        nonlocal stepped
        began = time.monotonic()
        for number in range(int(SECONDS / PASS_SECONDS)):
            time.sleep(max(0.0, began + number * PASS_SECONDS - time.monotonic()))
            market.tick(round(size * WAKING_SHARE))
            started = time.perf_counter()
            stepped += _pass(market)
            passes.append(time.perf_counter() - started)

    started = time.monotonic()
    busy = _busy_seconds(work)
    elapsed = time.monotonic() - started
    return figures | {
        "woken and stepped/s": stepped / elapsed,
        "pass with its steps, median ms": median(passes) * 1000,
        "own process, share of one core": (time.process_time() - own) / elapsed,
        "machine before, share of one core": idle,
        "machine meanwhile, share of one core": busy / elapsed,
        "processor, share of one core": max(busy / elapsed - idle, 0.0),
    }


def _pass(market: Market) -> int:
    """Ask and step as the tasks do; return how many bots were stepped."""
    now = timezone.now()
    due: list[int] = []
    wake_pass(market.client, now=now, hint=due.extend)
    stepped = 0
    for start in range(0, len(due), BATCH):
        batch = due[start : start + BATCH]
        view = view_market(market.client, batch)
        reports = [step_bot(each, view=view, now=now, enqueue=wake_gateway) for each in batch]
        settle_marks(reports, view=view, quotes=read_quotes(market.client, view.quotes))
        stepped += sum(report.outcome is StepOutcome.STEPPED for report in reports)
    return stepped


def _questions() -> dict[str, float]:
    """Time the question when no bot has anything to do, and the same as a plain join."""
    intervals = [
        PriceInterval(FIRST_TOKEN + number, FIRST_UPPER - 1, FIRST_UPPER, FIRST_UPPER, 1)
        for number in range(INSTRUMENTS)
    ]
    now = timezone.now() - timedelta(days=1)
    asked = [_timed(lambda: due_bot_ids(intervals, now=now)) for _ in range(QUESTIONS)]
    joined = [_timed(lambda: _plain_join(intervals)) for _ in range(QUESTIONS // 5)]
    return {
        "wake-up question, median ms": median(asked),
        "the same as a plain join, median ms": median(joined),
    }


def _plain_join(intervals: Sequence[PriceInterval]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT band.bot_id FROM bots_botband band"
            " JOIN unnest(%s::bigint[], %s::numeric[], %s::numeric[]) AS price(token, low, high)"
            "   ON band.instrument_id = price.token AND band.is_armed"
            "  AND (band.wake_below >= price.low OR band.wake_above <= price.high)",
            [
                [each.instrument_token for each in intervals],
                [each.low for each in intervals],
                [each.high for each in intervals],
            ],
        )
        cursor.fetchall()


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def _busy_seconds(work: Callable[[], object]) -> float:
    """Return the processor seconds that the whole machine used meanwhile."""
    before = _busy_ticks()
    work()
    return (_busy_ticks() - before) / os.sysconf("SC_CLK_TCK")


def _busy_ticks() -> int:
    line = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
    user, nice, system, _idle, _iowait, *rest = (int(each) for each in line.split()[1:])
    return user + nice + system + sum(rest[:3])


if __name__ == "__main__":
    sys.exit(main())
