"""The CSV files of instruments (kite-api.md 1.7): made once, kept until something changes.

Every process keeps what it has served; Redis has it for the others, so that all give the same
bytes under the same tag.
"""

import csv
import functools
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from io import StringIO

import redis
from django.core.cache import cache
from django.db.models import QuerySet

from accounts.exceptions import InvalidInput
from api.packing import PackedFile
from api.serializers.instruments import RULE_COLUMNS, kite_row, rule_row
from api.serializers.user import EXCHANGES
from market.domain.calendars import trading_day
from market.domain.enums import Calendar, SourceKind
from market.models import Instrument
from market.selectors import all_instruments, instruments_version
from market.selectors_prices import marks_of
from market.services.instruments import KITE_COLUMNS

logger = logging.getLogger(__name__)

ALL = "all"
RULES = "rules"
_KEPT_SECONDS = 26 * 3600
_held: dict[str, tuple[str, PackedFile]] = {}


def exchange_file(exchange: str, *, now: datetime) -> PackedFile:
    """Return the file of one exchange. Raises `InvalidInput` naming the known ones."""
    known = sorted({*EXCHANGES, *_exchanges()})
    if exchange not in known:
        message = f"There is no exchange {exchange!r}. Known: {', '.join(known)}."
        raise InvalidInput(message, field="exchange", code="unknown")
    rows = all_instruments().filter(exchange=exchange)
    return _current(f"exchange.{exchange}", lambda: _kite_file(rows), now=now)


def whole_file(*, now: datetime) -> PackedFile:
    """Return the file of all exchanges."""
    return _current(ALL, lambda: _kite_file(all_instruments()), now=now)


def rules_file(*, now: datetime) -> PackedFile:
    """Return the file of trading rules, which Kite's columns have no room for."""
    return _current(
        RULES, lambda: csv_text(RULE_COLUMNS, map(rule_row, all_instruments())), now=now
    )


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return header and rows without a line end after the last: clients would see a row there."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().removesuffix("\n")


def _exchanges() -> Iterable[str]:
    return Instrument.objects.values_list("exchange", flat=True).distinct()


def _kite_file(instruments: QuerySet[Instrument]) -> str:
    rows = list(instruments)
    marks = marks_of(row.pk for row in rows)
    zero = Decimal(0)
    return csv_text(
        KITE_COLUMNS,
        (kite_row(row, last_price=marks[row.pk].last if row.pk in marks else zero) for row in rows),
    )


def _current(name: str, make: Callable[[], str], *, now: datetime) -> PackedFile:
    """Return the file of this day and of the instruments as they are."""
    day = trading_day(Calendar.ALWAYS, SourceKind.SIMULATED, now)
    version = f"{day}:{instruments_version()}"
    held = _held.get(name)
    if held is None or held[0] != version:
        held = version, _shared(f"instruments:{name}:{version}", lambda: PackedFile.of(make()))
        _held[name] = held
    return held[1]


def _shared(key: str, make: Callable[[], PackedFile]) -> PackedFile:
    """Return what another process has made already, or make it."""
    once = functools.cache(make)
    try:
        file: PackedFile | None = cache.get_or_set(key, once, _KEPT_SECONDS)
    except redis.RedisError:
        logger.warning("instrument file not shared key=%s", key, exc_info=True)
        file = None
    return file or once()
