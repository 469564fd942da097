"""Instruments: the seed set and the import of Kite's CSV."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from django.db import transaction

from market.domain.enums import Calendar, InstrumentKind
from market.exceptions import InstrumentConflict, UnreadableFile
from market.models import Instrument, InstrumentSource
from market.providers.text_files import open_text

KITE_COLUMNS = (
    "instrument_token",
    "exchange_token",
    "tradingsymbol",
    "name",
    "last_price",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
)
# The first exchange token of our own (decisions 32).
FIRST_OWN_TOKEN = 8_000_000


def _equity(exchange_token: int, symbol: str, name: str) -> Instrument:
    return Instrument(
        instrument_token=exchange_token << 8 | 1,
        exchange_token=exchange_token,
        exchange="NSE",
        tradingsymbol=symbol,
        display_name=symbol,
        name=name,
        kind=InstrumentKind.EQ,
        segment="NSE",
        base_asset=f"NSE:{symbol}",
        quote_asset="INR",
        tick_size=Decimal("0.05"),
        lot_size=Decimal(1),
        min_quantity=Decimal(1),
        min_notional=Decimal(0),
        calendar=Calendar.NSE,
    )


def _index() -> Instrument:
    nifty = _equity(1001, "NIFTY 50", "NIFTY 50 index")
    nifty.instrument_token = 1001 << 8 | 9
    nifty.kind = InstrumentKind.INDEX
    nifty.segment = "INDICES"
    nifty.is_tradable = False
    return nifty


def _spot(number: int, pair: str, name: str, *, lot: str, least_value: str = "5") -> Instrument:
    """Return a Binance spot pair with the steps Binance has for it."""
    base, quote = pair.split("/")
    exchange_token = FIRST_OWN_TOKEN + number
    return Instrument(
        instrument_token=exchange_token << 8 | 6,
        exchange_token=exchange_token,
        exchange="BINANCE",
        tradingsymbol=base + quote,
        display_name=pair,
        name=name,
        kind=InstrumentKind.SPOT,
        segment="BINANCE",
        base_asset=base,
        quote_asset=quote,
        tick_size=Decimal("0.01"),
        lot_size=Decimal(lot),
        min_quantity=Decimal(lot),
        min_notional=Decimal(least_value),
        max_quantity=Decimal(9000),
        calendar=Calendar.ALWAYS,
        is_tradable=quote == "USDT",
    )


def seed_set() -> list[Instrument]:
    """Return the instruments every copy starts with, Kite's real tokens for NSE."""
    return [
        _equity(2475, "ONGC", "OIL AND NATURAL GAS CORP."),
        _equity(10604, "BHARTIARTL", "BHARTI AIRTEL"),
        _equity(3499, "TATASTEEL", "TATA STEEL"),
        _equity(1594, "INFY", "INFOSYS"),
        _equity(2885, "RELIANCE", "RELIANCE INDUSTRIES"),
        _equity(3045, "SBIN", "STATE BANK OF INDIA"),
        _index(),
        _spot(0, "BTC/USDT", "Bitcoin", lot="0.00001"),
        _spot(1, "ETH/USDT", "Ethereum", lot="0.0001"),
        _spot(2, "BTC/BUSD", "Bitcoin", lot="0.00001", least_value="10"),
        _spot(3, "SOL/USDT", "Solana", lot="0.001"),
    ]


def _symbol_owners(rows: Iterable[Instrument]) -> tuple[dict[int, str], dict[str, int]]:
    by_token = {row.instrument_token: row.symbol for row in rows}
    return by_token, {symbol: token for token, symbol in by_token.items()}


@transaction.atomic
def seed_instruments() -> list[Instrument]:
    """Add the missing instruments of the seed set, each with a simulated source."""
    wanted = seed_set()
    tokens, symbols = _symbol_owners(Instrument.objects.all())
    for row in wanted:
        _refuse_conflict(row, tokens=tokens, symbols=symbols)
    Instrument.objects.bulk_create(wanted, ignore_conflicts=True)
    InstrumentSource.objects.bulk_create(
        [InstrumentSource(instrument_id=row.pk) for row in wanted], ignore_conflicts=True
    )
    found = Instrument.objects.in_bulk([row.pk for row in wanted])
    return [found[row.pk] for row in wanted]


def _refuse_conflict(row: Instrument, *, tokens: dict[int, str], symbols: dict[str, int]) -> None:
    owner = tokens.get(row.instrument_token, row.symbol)
    if owner != row.symbol:
        raise InstrumentConflict(
            f"Token {row.instrument_token} of {row.symbol} belongs to {owner}: row refused."
        )
    token = symbols.get(row.symbol, row.instrument_token)
    if token != row.instrument_token:
        raise InstrumentConflict(
            f"{row.symbol} has token {token}, the file says {row.instrument_token}: row refused."
        )


@dataclass(slots=True)
class ImportCount:
    """What an import of instruments did; `refused` names line and reason."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[str] = field(default_factory=list)


def kite_date(text: str) -> date | None:
    """Read a date as Kite writes it (2024-04-25) or as its dumps have it (25-04-2024)."""
    if not text:
        return None
    form = "%Y-%m-%d" if text[4:5] == "-" else "%d-%m-%Y"
    return datetime.strptime(text, form).date()  # noqa: DTZ007 - a calendar day has no zone


def _kite_kind(row: dict[str, str]) -> InstrumentKind:
    return (
        InstrumentKind.INDEX
        if row["segment"] == "INDICES"
        else InstrumentKind(row["instrument_type"])
    )


def _kite_instrument(row: dict[str, str]) -> Instrument:
    kind = _kite_kind(row)
    exchange, symbol = row["exchange"], row["tradingsymbol"]
    if not exchange or not symbol:
        raise ValueError("exchange or tradingsymbol is empty")
    lot = Decimal(row["lot_size"])
    strike = Decimal(row["strike"] or 0)
    return Instrument(
        instrument_token=int(row["instrument_token"]),
        exchange_token=int(row["exchange_token"]),
        exchange=exchange,
        tradingsymbol=symbol,
        display_name=symbol,
        name=row["name"],
        kind=kind,
        segment=row["segment"],
        base_asset=f"{exchange}:{symbol}",
        quote_asset="INR",
        tick_size=Decimal(row["tick_size"]),
        lot_size=lot,
        min_quantity=lot,
        min_notional=Decimal(0),
        expiry=kite_date(row["expiry"]),
        strike=strike or None,
        calendar=Calendar.NSE,
        # The paper venue of this release knows no margin: derivatives can be watched only.
        is_tradable=kind is InstrumentKind.EQ,
    )


def _checked(row: dict[str, str]) -> Instrument:
    try:
        instrument = _kite_instrument(row)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise ValueError(f"cannot be read ({error})") from error
    if min(instrument.tick_size, instrument.lot_size) <= 0 or instrument.instrument_token <= 0:
        raise ValueError("token, tick_size and lot_size must be above zero")
    return instrument


def _kite_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with open_text(path) as lines:
        reader = csv.DictReader(lines)
        missing = [name for name in KITE_COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise UnreadableFile(f"{path.name}, line 1: no column {', '.join(missing)}")
        try:
            for row in reader:
                yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError, EOFError, OSError) as error:
            raise UnreadableFile(f"{path.name}, line {reader.line_num + 1}: {error}") from error


UPDATED_FIELDS = ["name", "tick_size", "lot_size", "min_quantity", "expiry", "strike", "segment"]


def _is_same(row: Instrument, stored: Instrument) -> bool:
    return all(getattr(row, name) == getattr(stored, name) for name in UPDATED_FIELDS)


@transaction.atomic
def import_kite_instruments(path: Path) -> ImportCount:
    """Read a Kite instruments CSV; rows are keyed by (exchange, tradingsymbol)."""
    count = ImportCount()
    stored = {row.symbol: row for row in Instrument.objects.all()}
    tokens, symbols = _symbol_owners(stored.values())
    created: dict[str, Instrument] = {}
    updated: dict[str, Instrument] = {}
    for line, values in _kite_rows(path):
        try:
            row = _checked(values)
            _refuse_conflict(row, tokens=tokens, symbols=symbols)
        except (ValueError, InstrumentConflict) as error:
            count.refused.append(f"line {line}: {error}")
            continue
        tokens[row.instrument_token], symbols[row.symbol] = row.symbol, row.instrument_token
        if row.symbol not in stored:
            created[row.symbol] = row
        elif _is_same(row, stored[row.symbol]):
            count.unchanged += 1
        else:
            updated[row.symbol] = row
    Instrument.objects.bulk_create(created.values(), batch_size=500)
    Instrument.objects.bulk_update(updated.values(), UPDATED_FIELDS, batch_size=500)
    count.created, count.updated = len(created), len(updated)
    return count
