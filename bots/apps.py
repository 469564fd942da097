"""Application configuration."""

from django.apps import AppConfig


class BotsConfig(AppConfig):
    """The bots app."""

    name = "bots"
