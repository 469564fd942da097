"""Instruments, quotes and recordings for tests of every app."""

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from market.domain.enums import FillModel, SourceKind
from market.domain.instruments import InstrumentSpec
from market.domain.ticks import Depth, Quote
from market.services.instruments import seed_set

ONGC = 633601
BTCUSDT = 2048000006
SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def spec_of(symbol: str = "NSE:ONGC") -> InstrumentSpec:
    """Return the trading rules of an instrument of the seed set; needs no database."""
    return next(row.spec for row in seed_set() if row.symbol == symbol)


def recording(name: str) -> Path:
    """Return a recorded file; skip the test where the recordings are not beside the code."""
    path = SHARED_DATA / name
    if not path.is_file():
        pytest.skip(f"the recording {name} is not here (looked in ../shared/data)")
    return path


def write_lines(path: Path, *lines: str, is_packed: bool = False) -> Path:
    """Write a small recording."""
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if is_packed else text.encode())
    return path


def quote_of(
    price: str = "262.05",
    *,
    token: int = ONGC,
    sequence: int = 1,
    source: SourceKind = SourceKind.SIMULATED,
    run: str = "default",
    fill_model: FillModel = FillModel.QUOTE_DEPTH,
    previous_close: str = "260",
    exchange_time: datetime = datetime(2026, 11, 2, 5, 0, tzinfo=UTC),
    received_at: datetime = datetime(2026, 11, 2, 5, 0, tzinfo=UTC),
    depth: Depth | None = None,
) -> Quote:
    """Return a quote; only what a test is about needs to be said."""
    last = Decimal(price)
    return Quote(
        instrument_token=token,
        source=source,
        run=run,
        fill_model=fill_model,
        sequence=sequence,
        last_price=last,
        last_quantity=Decimal(10),
        volume=Decimal(1000),
        open=last,
        high=last,
        low=last,
        previous_close=Decimal(previous_close),
        exchange_time=exchange_time,
        received_at=received_at,
        depth=depth,
    )
