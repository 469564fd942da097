from datetime import date
from decimal import Decimal

import pytest

from market.domain.enums import InstrumentKind
from market.exceptions import InstrumentConflict, InstrumentNotFound, UnreadableFile
from market.models import Instrument, InstrumentSource
from market.selectors import instrument_by_symbol, search_instruments
from market.services.instruments import (
    KITE_COLUMNS,
    import_kite_instruments,
    kite_date,
    seed_instruments,
)
from market.tests.factories import recording, write_lines

pytestmark = pytest.mark.django_db
HEADER = ",".join(KITE_COLUMNS)


def kite_row(token=633601, symbol="ONGC", tick="0.05", expiry="", kind="EQ", segment="NSE"):
    return f"{token},2475,{symbol},NAME,0,{expiry},0,{tick},1,{kind},{segment},NSE"


def imported(tmp_path, *rows):
    return import_kite_instruments(write_lines(tmp_path / "i.csv", HEADER, *rows))


def test_the_seed_has_kites_tokens_and_ours_and_every_one_a_simulated_source():
    tokens = {row.symbol: row.pk for row in seed_instruments()}
    assert tokens["NSE:ONGC"] == 633601
    assert tokens["NSE:NIFTY 50"] == 256265
    assert tokens["NSE:INFY"] == 408065
    assert tokens["BINANCE:BTCUSDT"] == 8_000_000 << 8 | 6
    assert all(token < 2**31 for token in tokens.values())
    assert InstrumentSource.objects.filter(source="SIMULATED").count() == 11
    assert not instrument_by_symbol("BINANCE:BTCBUSD").is_tradable
    assert not instrument_by_symbol("NSE:NIFTY 50").is_tradable


def test_seeding_again_changes_nothing_that_staff_have_set():
    seed_instruments()
    Instrument.objects.filter(tradingsymbol="ONGC").update(lot_size=10)
    seed_instruments()
    assert instrument_by_symbol("NSE:ONGC").lot_size == 10
    assert Instrument.objects.count() == 11


def test_seeding_refuses_a_token_that_somebody_else_has():
    ongc = next(row for row in seed_instruments() if row.tradingsymbol == "ONGC")
    Instrument.objects.filter(pk=ongc.pk).update(tradingsymbol="OTHER")
    with pytest.raises(InstrumentConflict, match=r"633601 of NSE:ONGC belongs to NSE:OTHER"):
        seed_instruments()


def test_the_kite_dump_is_read_and_reading_it_again_changes_nothing():
    path = recording("equities/instruments/kite_instruments_2024-04-05_trimmed.csv.gz")
    seed_instruments()
    first, second = import_kite_instruments(path), import_kite_instruments(path)
    assert (first.created, first.updated, first.unchanged, first.refused) == (1459, 0, 6, [])
    assert (second.created, second.updated, second.unchanged) == (0, 0, 1465)
    futures = Instrument.objects.filter(kind=InstrumentKind.FUT)
    assert futures.filter(expiry__year=2024, is_tradable=False).count() == futures.count() == 558


@pytest.mark.parametrize("text", ["2024-04-25", "25-04-2024"])
def test_both_forms_of_a_date_are_read(text):
    assert kite_date(text) == date(2024, 4, 25)
    assert kite_date("") is None


def test_a_changed_row_is_updated_and_a_bad_one_named(tmp_path):
    seed_instruments()
    count = imported(
        tmp_path,
        kite_row(tick="0.01"),
        kite_row(token=1, symbol="A", tick="x"),
        kite_row(token=2, symbol="B", tick="0"),
        kite_row(token=3, symbol="C", expiry="next week"),
        kite_row(token=4, symbol="D", kind="WARRANT"),
        kite_row(token=5, symbol="M&M"),
    )
    assert (count.created, count.updated) == (1, 1)
    assert [text.split(":")[0] for text in count.refused] == [
        "line 3",
        "line 4",
        "line 5",
        "line 6",
    ]
    assert instrument_by_symbol("NSE:ONGC").tick_size == Decimal("0.01")


def test_a_token_of_another_symbol_and_a_second_token_of_one_are_refused(tmp_path):
    seed_instruments()
    count = imported(tmp_path, kite_row(symbol="THIEF"), kite_row(token=99))
    assert "belongs to NSE:ONGC" in count.refused[0]
    assert "has token 633601" in count.refused[1]
    assert Instrument.objects.count() == 11


def test_a_file_without_the_columns_is_refused(tmp_path):
    with pytest.raises(UnreadableFile, match=r"i.csv, line 1: no column .*segment"):
        import_kite_instruments(write_lines(tmp_path / "i.csv", "instrument_token,name"))


def test_search_finds_the_exact_symbol_first():
    seed_instruments()
    assert str(search_instruments("btc")[0]) == "BINANCE:BTCUSDT"
    assert [str(row) for row in search_instruments("NSE:INFY")] == ["NSE:INFY"]
    assert str(search_instruments("bitcoin")[0]) == "BINANCE:BTCUSDT"
    assert search_instruments("  ") == []


def test_an_unknown_symbol_says_what_keys_look_like():
    with pytest.raises(InstrumentNotFound, match="NSE:ONGC"):
        instrument_by_symbol("ONGC")
