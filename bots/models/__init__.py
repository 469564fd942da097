"""Models of the bots app."""

from bots.models.bots import LISTENING_STATUSES, Bot, BotBand, BotCommand, BotEvent

__all__ = ["LISTENING_STATUSES", "Bot", "BotBand", "BotCommand", "BotEvent"]
