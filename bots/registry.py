"""The kinds of bot there are."""

from bots.domain.spot_grid import SpotGrid
from bots.domain.strategy import Strategy
from bots.exceptions import UnknownBotKind

KINDS: dict[str, Strategy] = {SpotGrid.kind: SpotGrid()}


def strategy_of(kind: str) -> Strategy:
    """Return the strategy of a kind; raise `UnknownBotKind`."""
    try:
        return KINDS[kind]
    except KeyError:
        raise UnknownBotKind(
            f"Unknown kind of bot: {kind}. There is: {', '.join(sorted(KINDS))}"
        ) from None
