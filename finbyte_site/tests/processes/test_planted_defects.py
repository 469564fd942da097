"""The evidence of the kill runs is worth something: without a guard it turns red."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from django.db import connection

from finbyte_site.tests.processes import evidence
from market.domain.enums import Side
from market.domain.messages import ExecutionReport, ReportKind
from market.venues.paper import PaperVenue
from portfolio.exceptions import StaleFence
from portfolio.services import executions, gateway, inbox, outcomes
from portfolio.tests.gateway_kit import Driver, set_stage


class StutteringVenue(PaperVenue):
    """Says every trade twice, under one trade id, as venues do after a reconnect."""

    def take_reports(self) -> list[ExecutionReport]:
        """Return the reports, each trade followed by itself."""
        said: list[ExecutionReport] = []
        for report in super().take_reports():
            said.append(report)
            if report.kind is ReportKind.TRADE:
                said.append(dataclasses.replace(report, dedupe_key=f"{report.dedupe_key}-again"))
        return said


def _no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (executions, gateway, inbox, outcomes):
        monkeypatch.setattr(module, "share_fence", lambda *_: None, raising=False)


def _no_unique_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(_order_ids: Sequence[int]) -> "_Nothing":
        return _Nothing()

    monkeypatch.setattr(executions, "_known_trades", forgetful)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE portfolio_trade DROP CONSTRAINT trade_once")


class _Nothing(set[Any]):
    """Remembers nothing, so that a trade is never known."""

    def add(self, _element: object) -> None:
        return


def _run(alice: Any, now: Any) -> None:
    """Fill some orders, freeze the gateway, let another take over, and wake the frozen one."""
    stage = set_stage(alice, now)
    frozen = Driver(stage, venue=StutteringVenue(), owner="frozen")
    assert frozen.start()
    stage.place("261", "260", "259", "258")
    frozen.settle()
    stage.pass_time(1)
    frozen.tick("260.50")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE portfolio_gatewayshard SET lease_until = now() - interval '1 s'")
    successor = Driver(stage, venue=StutteringVenue(), owner="successor")
    assert successor.start()
    stage.pass_time(1)
    successor.tick("259.50")
    frozen.gateway.on_quotes([stage.quote], stage.now)
    try:
        frozen.settle()
    except StaleFence:
        frozen.gateway.forget()
    stage.place("270", side=Side.SELL)
    successor.tick("258.50")


@pytest.mark.parametrize("defect", [None, _no_fence, _no_unique_trade])
def test_a_missing_guard_turns_the_run_red(
    real_db: Any, alice: Any, now: Any, monkeypatch: pytest.MonkeyPatch, defect: Any
) -> None:
    if defect is not None:
        defect(monkeypatch)
    _run(alice, now)
    with psycopg.connect(real_db.url, autocommit=True) as database:
        assert evidence.trades(database) >= 3
        found = evidence.findings(database)
    assert (found == {}) is (defect is None), found
