"""Application configuration."""

from django.apps import AppConfig


class FinbyteSiteConfig(AppConfig):
    """The composition app: home page, health, commands that belong to no other app."""

    name = "finbyte_site"
