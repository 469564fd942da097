"""`manage.py backtest`: files in, JSON out; bad input is one plain line and exit status 2."""

import gzip
import json

import pytest
from django.core.management import call_command

from bots.tests.domain.grids import ONGC, VECTORS, vector

TICKS = """timestamp,ltp,volume
2021-05-14 09:15:01,110.05,100
2021-05-14 09:15:02,110.50,200
2021-05-14 09:15:02,110.50,200
2021-05-14 09:15:03,109.00,300
2021-05-14 09:15:04,111.00,400
"""
CANDLES = """timestamp,open,high,low,close,volume
2021-05-14 09:15:00,110.00,111.00,109.00,110.50,1000
2021-05-14 09:16:00,110.50,112.00,110.00,110.00,900
"""
TIGHT = ONGC | {"lower": "108", "upper": "112", "grids": 8, "investment": "20000"}


def backtest(capsys, **options):
    call_command("backtest", **options)
    return json.loads(capsys.readouterr().out)


def refused(capsys, **options):
    with pytest.raises(SystemExit) as stopped:
        call_command("backtest", **options)
    assert stopped.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.strip().splitlines()
    return line


@pytest.fixture
def files(tmp_path):
    def write(name, content):
        path = tmp_path / name
        if not isinstance(content, str):
            content = json.dumps(content)
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(content.encode()))
        else:
            path.write_text(content, encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("name", ["spot_grid_arithmetic", "spot_grid_geometric"])
def test_vector_file_is_config_and_data(capsys, name):
    file = str(VECTORS / f"{name}.json")
    report, expected = backtest(capsys, config=file, data=file, kind="spot_grid"), vector(name)
    for key in ("derived", "fills", "after_tick", "open_orders_at_end"):
        assert report[key] == expected[key]
    assert report["final"]["total_pnl"] == expected["final"]["total_pnl"]
    assert report["fill_model"] == "LAST_TRADE"


@pytest.mark.parametrize("name", ["ticks.csv", "ticks.csv.gz"])
def test_tick_file_is_cleaned_and_run(capsys, files, name):
    report = backtest(capsys, config=files("c.json", TIGHT), data=files(name, TICKS))
    assert report["data"][0] == f"{name}: 4 rows accepted"
    assert [row["price"] for row in report["after_tick"]] == ["110.05", "110.5", "109", "111"]
    assert report["fills"][0]["role"] == "initial"
    assert len(report["fills"]) > 4


def test_candle_file_becomes_four_ticks_a_bar(capsys, files):
    report = backtest(
        capsys, config=files("c.json", {"inputs": TIGHT}), data=files("c.csv", CANDLES)
    )
    prices = [row["price"] for row in report["after_tick"]]
    assert prices == ["110", "109", "111", "110.5", "110.5", "112", "110", "110"]


def test_rows_can_be_left_out(capsys, files):
    report = backtest(
        capsys, config=files("c.json", TIGHT), data=files("t.csv", TICKS), rows="none"
    )
    assert report["after_tick"] == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"upper": "100"}, "c.json: upper: Upper price must be above lower price (min 108.05)"),
        (
            {"reserve_pct": "2"},
            (
                "c.json: reserve_pct: Reserve must cover fees and slippage. "
                "Give a fraction: 0.05 is 5 % (min 0.0055, max 0.2)"
            ),
        ),
        (
            {"lower": 107.53},
            "c.json: lower: Lower price must be a multiple of 0.05 (min 0.05)",
        ),
        ({"tick": "0"}, "c.json: tick: tick must be above zero"),
        ({"lot": "x"}, "c.json: lot: lot must be a number, zero or more"),
        ({"symbol": ""}, "c.json: symbol: symbol is required"),
        ({"maker_fee": "5"}, "c.json: maker_fee: maker_fee is a fraction: 0.0005 is 0.05 %"),
        ({"fee_mode": "none"}, "c.json: fee_mode: Unknown fee mode"),
        ({"tick_seconds": "0"}, "c.json: tick_seconds: tick_seconds must be whole seconds"),
    ],
)
def test_wrong_field_is_named(capsys, files, changes, words):
    line = refused(capsys, config=files("c.json", TIGHT | changes), data=files("t.csv", TICKS))
    assert line == words


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.json", '{"path": ["110", "x"]}', "p.json: price 2 (x) is not a price above zero"),
        ("p.json", '["110", "110.03"]', "p.json: price 2 (110.03) is not a multiple of 0.05"),
        ("p.json", '["110",\n "111"', "p.json, line 2: Expecting ',' delimiter"),
        ("p.json", "{}", "p.json: a list of prices, or an object with `path`, is needed"),
        ("t.csv", "", "t.csv, line 1: the file is empty"),
    ],
)
def test_wrong_data_are_named_by_file_and_line(capsys, files, name, content, words):
    line = refused(capsys, config=files("c.json", TIGHT), data=files(name, content))
    assert line == words


def test_missing_files_and_kinds_are_named(capsys, files):
    config = files("c.json", TIGHT)
    assert refused(capsys, config="/nowhere/c.json", data=config) == (
        "/nowhere/c.json: No such file or directory"
    )
    assert refused(capsys, config=config, data="/nowhere/t.csv") == (
        "/nowhere/t.csv: there is no such file"
    )
    assert refused(capsys, config=config, data=config, kind="magic") == (
        "Unknown kind of bot: magic. There is: spot_grid"
    )
    assert refused(capsys, config=files("l.json", "[]"), data=config) == (
        "l.json: a JSON object with a vector's inputs is needed"
    )
