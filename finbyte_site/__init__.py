"""Composition of the apps: settings, addresses, processes, home page."""

from finbyte_site.celery import app as celery_app

__all__ = ["celery_app"]
