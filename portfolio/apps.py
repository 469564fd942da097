"""Application configuration."""

from django.apps import AppConfig


class PortfolioConfig(AppConfig):
    """The portfolio app."""

    name = "portfolio"
