"""Checks of `manage.py check --deploy` that Django does not make."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

LEAST_SECRET = 50


@register(Tags.security, deploy=True)
def production_is_complete(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Refuse a production that a default slipped into."""
    found: list[CheckMessage] = []
    if not settings.PRODUCTION:
        found.append(Error("FINBYTE_PRODUCTION is not set.", id="finbyte.E001"))
    if "*" in settings.ALLOWED_HOSTS:
        found.append(Error("ALLOWED_HOSTS must name the hosts, not '*'.", id="finbyte.E002"))
    if settings.DEMO:
        found.append(Error("The demo users are on; set FINBYTE_DEMO=0.", id="finbyte.E003"))
    if len(settings.SECRET_KEY) < LEAST_SECRET:
        found.append(
            Error(f"SECRET_KEY has fewer than {LEAST_SECRET} characters.", id="finbyte.E004")
        )
    if not settings.FIELD_KEYS:
        found.append(Error("FIELD_KEYS is not set.", id="finbyte.E005"))
    return found
