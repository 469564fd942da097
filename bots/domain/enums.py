"""The words of a bot's life (bots.md 1.4)."""

from enum import StrEnum


class BotStatus(StrEnum):
    """Where a bot stands in its life cycle."""

    DRAFT = "DRAFT"
    VALIDATED = "VALIDATED"
    PENDING_APPROVAL = "PENDING_APPROVAL"
    STARTING = "STARTING"
    WAITING_TRIGGER = "WAITING_TRIGGER"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    LIQUIDATED = "LIQUIDATED"
    ERROR = "ERROR"

    @property
    def is_final(self) -> bool:
        """Say whether the bot has ended."""
        return self in {BotStatus.STOPPED, BotStatus.LIQUIDATED}


# The states in which a bot is stepped: it may have orders or wait for a price.
AWAKE_STATUSES = frozenset(
    {
        BotStatus.STARTING,
        BotStatus.WAITING_TRIGGER,
        BotStatus.RUNNING,
        BotStatus.PAUSED,
        BotStatus.STOPPING,
        BotStatus.ERROR,
    }
)


class StopMode(StrEnum):
    """What a stop does with what the bot holds."""

    KEEP_ASSETS = "keep_assets"
    SELL_ALL = "sell_all"


class PauseMode(StrEnum):
    """What a pause does with resting orders."""

    KEEP_ORDERS = "keep_orders"
    CANCEL_ORDERS = "cancel_orders"
