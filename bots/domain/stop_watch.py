"""One rule for every protective stop (decisions 18): a single print does not fire it.

A stop starts at the first tick beyond its price and fires at the first later tick that is still
beyond, or as soon as one second of market time has passed without a tick that took it back.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

CONFIRMATION = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Watch:
    """The answer for one look at the market: since when it is beyond, and whether to fire."""

    since: datetime | None
    fires: bool


def watch_stop(
    since: datetime | None, *, is_beyond: bool, time: datetime, is_tick: bool = True
) -> Watch:
    """Return the state of a stop after one tick, or after time alone has passed."""
    if since is not None and time - since >= CONFIRMATION:
        return Watch(since=since, fires=True)
    if not is_tick:
        return Watch(since=since, fires=False)
    if not is_beyond:
        return Watch(since=None, fires=False)
    if since is not None:
        return Watch(since=since, fires=True)
    return Watch(since=time, fires=False)


def due_of(since: datetime | None) -> datetime | None:
    """Return when a started stop fires without a further tick."""
    return None if since is None else since + CONFIRMATION
