"""Kill worker, gateway and feed again and again under load: trading goes on, nothing is lost."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from finbyte_site.tests.processes import evidence
from finbyte_site.tests.processes.running_copy import RunningCopy, wait_for

pytestmark = pytest.mark.xdist_group("a running copy")
VICTIMS = ("worker", "gateway", "feed")
# New fills must come within this time after a kill (decisions 51).
BACK_WITHIN = 10.0
# A machine that also runs the other half of the tests is slow; the measured times are printed.
ALLOWANCE = 20.0
LEAST_FILLS_PER_SECOND = 5.0
# Small enough that what the simulated market shows is enough for the first purchase.
PLANS = [
    {"symbol": symbol, "step": step, "grids": 100, "investment": investment}
    for symbol, step, investment in (
        ("BINANCE:BTCUSDT", "4", "150000"),
        ("BINANCE:BTCUSDT", "3", "150000"),
        ("BINANCE:BTCUSDT", "2.5", "150000"),
        ("BINANCE:BTCUSDT", "2", "150000"),
        ("BINANCE:ETHUSDT", "0.2", "100000"),
        ("BINANCE:ETHUSDT", "0.15", "100000"),
        ("BINANCE:ETHUSDT", "0.12", "100000"),
        ("BINANCE:SOLUSDT", "0.02", "80000"),
        ("BINANCE:SOLUSDT", "0.01", "80000"),
        ("NSE:RELIANCE", "0.15", "1000000"),
        ("NSE:INFY", "0.10", "1000000"),
        ("NSE:BHARTIARTL", "0.10", "1000000"),
    )
]


@dataclass(slots=True)
class Fleet:
    """Bots that trade all the time."""

    ids: list[int]
    fills_per_second: float


@pytest.fixture(scope="module")
def fleet(copy: RunningCopy) -> Iterator[Fleet]:
    ids = copy.scenario("start_grids", owner="fleet", plans=PLANS)
    with copy.connect() as database:
        assert wait_for(lambda: _running(database, ids) == len(ids), seconds=60)
        before, began = evidence.trades(database), time.monotonic()
        time.sleep(10)
        rate = (evidence.trades(database) - before) / (time.monotonic() - began)
        yield Fleet(ids, rate)
    copy.scenario("stop_grids", ids=ids)


def _running(database: evidence.Connection, ids: list[int]) -> int:
    return evidence.count(
        database, "SELECT count(*) FROM bots_bot WHERE id = ANY(%s) AND status = 'RUNNING'", ids
    )


@pytest.mark.parametrize(
    "rounds", [pytest.param(5, id="5-each"), pytest.param(20, id="20-each", marks=pytest.mark.soak)]
)
def test_kills_lose_and_double_nothing(copy: RunningCopy, fleet: Fleet, rounds: int) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    dice = random.Random(seed)  # noqa: S311 - moments of kills, repeatable by the seed
    order = [name for name in VICTIMS for _ in range(rounds)]
    dice.shuffle(order)
    assert fleet.fills_per_second >= LEAST_FILLS_PER_SECOND
    took: list[tuple[str, float]] = []
    with copy.connect() as database:
        for name in order:
            time.sleep(dice.uniform(0.0, 1.5))
            killed = copy.kill(name)
            took.append((name, _seconds_until_fills(copy, database, name, killed)))
        worst = max(took, key=lambda pair: pair[1])
        print(  # noqa: T201 - the figures of the run
            f"\nkills={len(order)} seed={seed} fills/s={fleet.fills_per_second:.1f}"
            f" worst={worst[0]} {worst[1]:.1f}s over-{BACK_WITHIN:.0f}s="
            f"{sum(seconds > BACK_WITHIN for _, seconds in took)}"
        )
        assert _running(database, fleet.ids) == len(fleet.ids)
        assert evidence.findings(database) == {}
    checked = copy.manage("check_invariants")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _seconds_until_fills(
    copy: RunningCopy, database: evidence.Connection, name: str, killed: int
) -> float:
    """Wait until the process is another one and a bot's new order and a new fill have followed."""
    began = time.monotonic()
    last_trade = evidence.count(database, "SELECT coalesce(max(id), 0) FROM portfolio_trade")
    last_order = evidence.count(database, "SELECT coalesce(max(id), 0) FROM portfolio_order")

    def is_back() -> bool:
        return copy.pid(name) not in {None, killed}

    def is_trading() -> bool:
        return (
            evidence.count(
                database,
                "SELECT (SELECT count(*) FROM portfolio_trade WHERE id > %s)"
                " * (SELECT count(*) FROM portfolio_order WHERE id > %s AND status = 'OPEN')",
                last_trade,
                last_order,
            )
            > 0
        )

    assert wait_for(is_back, seconds=ALLOWANCE), f"{name} did not come back\n{copy.said()}"
    # What happened until now may have been under way when the process died; count from here.
    last_trade = evidence.count(database, "SELECT coalesce(max(id), 0) FROM portfolio_trade")
    last_order = evidence.count(database, "SELECT coalesce(max(id), 0) FROM portfolio_order")
    assert wait_for(is_trading, seconds=ALLOWANCE), f"no new fills after {name} was killed"
    return time.monotonic() - began
