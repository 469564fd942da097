"""Models of the bots app."""

from bots.models.bots import Bot, BotBand, BotEvent

__all__ = ["Bot", "BotBand", "BotEvent"]
