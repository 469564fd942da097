"""`manage.py backtest`: run a bot over a recording and print the result as JSON."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from bots.domain.backtest import InvalidPath, PricePath, path_of_prices
from bots.domain.backtest_inputs import PATH_START, BacktestInputs, read_inputs
from bots.domain.backtest_report import backtest, report_of
from bots.domain.spot_grid import SpotGrid
from bots.exceptions import InvalidParameter, UnknownBotKind
from bots.registry import strategy_of
from market.exceptions import UnreadableFile
from market.providers.files import Recording

EXIT_BAD_INPUT = 2


class BadInput(Exception):
    """Correct the file or field that is named."""


class Command(BaseCommand):
    """Run a backtest; bad input gives one plain line and exit status 2."""

    help = "Run a bot over a price path and print fills, rows and figures as JSON."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--kind", default=SpotGrid.kind, help="kind of bot")
        parser.add_argument("--config", required=True, help="JSON with a vector's `inputs`")
        parser.add_argument("--data", required=True, help="path JSON, tick CSV or candle CSV")
        parser.add_argument(
            "--rows", choices=("all", "none"), default="all", help="figures after every tick"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, or say in one line what is wrong."""
        try:
            report = run_files(
                Path(options["config"]),
                Path(options["data"]),
                kind=options["kind"],
                has_rows=options["rows"] == "all",
            )
        except (BadInput, UnknownBotKind, UnreadableFile) as error:
            self.stderr.write(str(error).replace("\n", "; "))
            sys.exit(EXIT_BAD_INPUT)
        self.stdout.write(json.dumps(report, indent=1, default=str))


def run_files(config: Path, data: Path, *, kind: str, has_rows: bool) -> dict[str, Any]:
    """Return the report of one kind of bot run with the files' config over their prices."""
    strategy_of(kind)
    values = read_json(config)
    if not isinstance(values, Mapping):
        raise BadInput(f"{config.name}: a JSON object with a vector's inputs is needed")
    values = values.get("inputs", values)
    try:
        inputs = read_inputs(values)
        path, told = read_path(data, inputs)
        parameters = SpotGrid().parse(
            inputs.parameters, context=inputs.context(price=path.price(0))
        )
    except InvalidParameter as error:
        raise BadInput(f"{config.name}: {error.field}: {error}{_limits(error)}") from None
    except InvalidPath as error:
        raise BadInput(f"{data.name}: {error}") from None
    report = report_of(backtest(parameters, path, has_rows=has_rows))
    head = {"name": config.stem, "inputs": dict(values), "data": told, "fill_model": "LAST_TRADE"}
    return head | report


def _limits(error: InvalidParameter) -> str:
    parts = []
    if error.minimum is not None:
        parts.append(f"min {error.minimum}")
    if error.maximum is not None:
        parts.append(f"max {error.maximum}")
    return f" ({', '.join(parts)})" if parts else ""


def read_json(file: Path) -> Any:
    """Return a JSON file's content; decimals stay texts or become exact numbers."""
    try:
        return json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{file.name}: is not a text file") from None
    except json.JSONDecodeError as error:
        raise BadInput(f"{file.name}, line {error.lineno}: {error.msg}") from None


def read_path(file: Path, inputs: BacktestInputs) -> tuple[PricePath, list[str]]:
    """Return the price path of a file, and what was read of it."""
    if file.suffix == ".json":
        prices = _prices(file)
        step = timedelta(seconds=inputs.tick_seconds)
        times = [PATH_START + step * number for number in range(len(prices))]
        told = [f"{file.name}: {len(prices)} prices"]
        return path_of_prices(prices, times, tick_size=inputs.spec.tick_size), told
    if not file.is_file():
        raise BadInput(f"{file}: there is no such file")
    recording = Recording(file, inputs.spec)
    ticks = list(recording.ticks())
    if not ticks:
        raise BadInput("; ".join([f"{file.name}: no usable row", *recording.summary()[1:]]))
    path = path_of_prices(
        [tick.price for tick in ticks],
        [tick.exchange_time for tick in ticks],
        tick_size=inputs.spec.tick_size,
    )
    return path, recording.summary()


def _prices(file: Path) -> list[Decimal]:
    content = read_json(file)
    rows = content.get("path") if isinstance(content, Mapping) else content
    if not isinstance(rows, list) or not rows:
        raise BadInput(f"{file.name}: a list of prices, or an object with `path`, is needed")
    prices = []
    for number, row in enumerate(rows, start=1):
        try:
            price = Decimal(str(row))
        except InvalidOperation:
            price = Decimal("NaN")
        if not price.is_finite() or price <= 0:
            raise BadInput(f"{file.name}: price {number} ({row}) is not a price above zero")
        prices.append(price)
    return prices
