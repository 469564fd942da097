"""Which process gives an instrument its prices: one at a time, by lease and fence (decisions 21).

Leases are measured by the database's clock, so that clocks of several machines need not agree.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from market.domain.enums import SourceKind
from market.exceptions import SourceBusy
from market.models import Instrument, InstrumentSource

LEASE = timedelta(seconds=4)
DEFAULT_RUN = "default"

_HOLD = """
    UPDATE market_instrumentsource AS held
       SET fence = CASE WHEN owner = %(owner)s THEN fence ELSE fence + 1 END,
           source = %(source)s, run = %(run)s, owner = %(owner)s,
           lease_until = clock_timestamp() + %(lease)s
     WHERE instrument_id = ANY(%(tokens)s)
       AND (owner = %(owner)s OR lease_until IS NULL OR lease_until < clock_timestamp())
 RETURNING instrument_id, fence
"""
_RENEW = """
    UPDATE market_instrumentsource SET lease_until = clock_timestamp() + make_interval(secs => %s)
     WHERE instrument_id = %s AND owner = %s AND fence = %s
"""
_TAKE_OVER = """
    UPDATE market_instrumentsource
       SET source = %(source)s, run = %(run)s, owner = %(owner)s, fence = fence + 1,
           lease_until = clock_timestamp() + %(lease)s
     WHERE instrument_id = %(token)s
       AND (source = %(default)s OR lease_until IS NULL OR lease_until < clock_timestamp())
 RETURNING fence
"""


def hold_simulated(tokens: Iterable[int], *, owner: str) -> dict[int, int]:
    """Take or keep the free ones of these instruments for a feed; return their fences.

    An instrument held by a living replay is left out; one whose holder is gone is taken back.
    """
    values: dict[str, Any] = {
        "tokens": list(tokens),
        "owner": owner,
        "source": SourceKind.SIMULATED,
        "run": DEFAULT_RUN,
        "lease": LEASE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, values)
        return dict(cursor.fetchall())


def take_over(instrument: Instrument, *, run: str, owner: str) -> int:
    """Give an instrument to a replay, whoever feeds it now; return the fence."""
    InstrumentSource.objects.get_or_create(instrument=instrument)
    values: dict[str, Any] = {
        "token": instrument.pk,
        "owner": owner,
        "source": SourceKind.REPLAY,
        "run": run,
        "lease": LEASE,
        "default": SourceKind.SIMULATED,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE_OVER, values)
        row = cursor.fetchone()
    if row is None:
        raise SourceBusy(f"{instrument.symbol} is already being replayed: wait or stop that one.")
    return int(row[0])


def renew(token: int, *, owner: str, fence: int) -> None:
    """Prolong a lease; one that was taken away raises SourceBusy."""
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, [LEASE.total_seconds(), token, owner, fence])
        if not cursor.rowcount:
            raise SourceBusy(f"Another source has taken instrument {token}.")


def hand_back(token: int, *, owner: str) -> None:
    """Return an instrument to the feed."""
    InstrumentSource.objects.filter(pk=token, owner=owner).update(
        source=SourceKind.SIMULATED, run=DEFAULT_RUN, owner="", lease_until=None
    )


def release_all(*, owner: str) -> None:
    """Give up every lease of a feed that ends, so that the next need not wait."""
    InstrumentSource.objects.filter(owner=owner).update(owner="", lease_until=None)
