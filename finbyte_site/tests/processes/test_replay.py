"""Recorded prices through the five real processes: what the venue said is what the ledger has."""

import pytest

from finbyte_site.embedded.supervisor import BASE_DIR
from finbyte_site.tests.processes import evidence
from finbyte_site.tests.processes.running_copy import RunningCopy, wait_for

TICKS = BASE_DIR.parent / "shared" / "data" / "equities" / "ticks" / "ONGC_2021-05-14_ticks.csv.gz"
pytestmark = [
    pytest.mark.xdist_group("a running copy"),
    pytest.mark.skipif(
        not TICKS.exists(), reason="the recorded ONGC ticks are not on this machine"
    ),
]


@pytest.mark.parametrize(
    ("speed", "minutes", "least"),
    [
        pytest.param(60, 20, 20, id="first-20-minutes"),
        pytest.param(60, 400, 200, id="whole-day", marks=pytest.mark.soak),
    ],
)
def test_a_recorded_day_through_the_processes(
    copy: RunningCopy, speed: int, minutes: int, least: int
) -> None:
    replay = copy.begin(
        "replay", "--data", str(TICKS), "--instrument", "NSE:ONGC",
        "--speed", str(speed), "--minutes", str(minutes), "--run", f"day-{minutes}",
    )  # fmt: skip
    try:
        with copy.connect() as database:
            assert wait_for(lambda: _is_replaying(database), seconds=20)
            plans = [
                {"symbol": "NSE:ONGC", "step": "0.05", "grids": 40, "investment": "500000"},
                {"symbol": "NSE:ONGC", "step": "0.10", "grids": 60, "investment": "500000"},
            ]
            ids = copy.scenario("start_grids", owner=f"day{minutes}", plans=plans)
            said, _ = replay.communicate(timeout=minutes * 60 / speed + 60)
            assert replay.returncode == 0, said
            assert wait_for(lambda: _is_quiet(database, ids), seconds=20)
            fills = evidence.count(
                database,
                "SELECT count(*) FROM portfolio_trade t JOIN bots_bot b ON b.book_id = t.book_id"
                " WHERE b.id = ANY(%s)",
                ids,
            )
            assert fills >= least
            assert evidence.findings(database) == {}
            assert _profit_gaps(database, ids) == []
    finally:
        replay.kill()
    checked = copy.manage("check_invariants")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _is_replaying(database: evidence.Connection) -> bool:
    return bool(
        database.execute(
            "SELECT 1 FROM market_instrumentsource s JOIN market_instrument i"
            " ON i.instrument_token = s.instrument_id"
            " WHERE i.tradingsymbol = 'ONGC' AND s.source = 'REPLAY'"
        ).fetchone()
    )


def _is_quiet(database: evidence.Connection, ids: list[int]) -> bool:
    """Say whether everything that happened has been taken in by the bots."""
    waiting = evidence.count(
        database,
        "SELECT (SELECT count(*) FROM portfolio_venueevent WHERE applied_at IS NULL)"
        " + (SELECT count(*) FROM bots_bot b JOIN portfolio_book k ON k.id = b.book_id"
        "     WHERE b.id = ANY(%s) AND k.event_seq > k.consumed_seq)"
        " + (SELECT count(*) FROM portfolio_order o JOIN bots_bot b ON b.book_id = o.book_id"
        "     WHERE b.id = ANY(%s) AND o.status IN ('READY', 'SENDING', 'UNKNOWN'))",
        ids,
        ids,
    )
    return waiting == 0


def _profit_gaps(database: evidence.Connection, ids: list[int]) -> evidence.Rows:
    """Return bots whose own cash and units, and so their profit, are not those of their book."""
    return database.execute(
        """
        WITH pots AS (
          SELECT b.id, a.asset, sum(a.balance) AS balance
            FROM bots_bot b JOIN portfolio_ledgeraccount a ON a.book_id = b.book_id GROUP BY 1, 2)
        SELECT b.id, b.state->>'cash', cash.balance, b.state->>'base', coalesce(base.balance, 0)
          FROM bots_bot b
          JOIN market_instrument i ON i.instrument_token = b.instrument_id
          JOIN pots cash ON cash.id = b.id AND cash.asset = i.quote_asset
          LEFT JOIN pots base ON base.id = b.id AND base.asset = i.base_asset
         WHERE b.id = ANY(%s) AND (abs((b.state->>'cash')::numeric - cash.balance) > 1e-9
            OR (b.state->>'base')::numeric <> coalesce(base.balance, 0))
        """,
        [ids],
    ).fetchall()
