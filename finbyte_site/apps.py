"""Application configuration."""

from django.apps import AppConfig


class FinbyteSiteConfig(AppConfig):
    """The composition app: home page, health, commands that belong to no other app."""

    name = "finbyte_site"

    def ready(self) -> None:
        """Register the deploy checks."""
        from finbyte_site import checks  # noqa: F401, PLC0415 - Django's place for it
