"""Which venue clients there are, by the name a venue account carries."""

from collections.abc import Callable, Mapping

from market.venues.base import VenueClient
from market.venues.paper import PaperVenue

_VENUES: Mapping[str, Callable[[], VenueClient]] = {"PAPER": PaperVenue}

VENUE_NAMES = tuple(_VENUES)


def venue_client(name: str) -> VenueClient:
    """Return a new client of a venue."""
    if name not in _VENUES:
        raise ValueError(f"There is no venue {name!r}. Known: {', '.join(_VENUES)}.")
    return _VENUES[name]()
