"""Checks of `manage.py check --deploy` that Django does not make."""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

LEAST_SECRET = 50
LEAST_FIELD_KEY = 32
# A key of one letter repeated is long and no secret.
LEAST_SIGNS = 10
LEAST_HSTS = 31_536_000
_MAIL_TO_NOBODY = ("console", "dummy", "filebased", "locmem")


@register(Tags.security, deploy=True)
def production_is_complete(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Refuse a production that a default slipped into."""
    found = [*_mode(), *_keys(), *_transport(), *_services()]
    return [Error(words, id=f"finbyte.E{number:03d}") for number, words in found]


def _mode() -> Iterator[tuple[int, str]]:
    if not settings.PRODUCTION:
        yield 1, "FINBYTE_PRODUCTION is not set."
    if "*" in settings.ALLOWED_HOSTS:
        yield 2, "ALLOWED_HOSTS must name the hosts, not '*'."
    if settings.DEMO:
        yield 3, "The demo users are on; set FINBYTE_DEMO=0."
    if settings.DEBUG:
        yield 6, "Pages would show our code and values; set FINBYTE_DEBUG=0."


def _keys() -> Iterator[tuple[int, str]]:
    if len(settings.SECRET_KEY) < LEAST_SECRET:
        yield 4, f"SECRET_KEY has fewer than {LEAST_SECRET} characters."
    if not settings.FIELD_KEYS:
        yield 5, "FIELD_KEYS is not set."
    weak = [key for key in settings.FIELD_KEYS if not _is_strong(key)]
    if weak:
        yield (
            7,
            f"{len(weak)} of FIELD_KEYS: fewer than {LEAST_FIELD_KEY} characters, or too uniform.",
        )
    if len(set(settings.FIELD_KEYS)) < len(settings.FIELD_KEYS):
        yield 8, "A key stands twice in FIELD_KEYS."
    if settings.SECRET_KEY in settings.FIELD_KEYS:
        yield 9, "SECRET_KEY is also a field key; use one secret for one purpose."


def _transport() -> Iterator[tuple[int, str]]:
    cookies = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
    secure = settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE
    if not secure or not all(name.startswith("__Host-") for name in cookies):
        yield 10, "Cookies are not bound to the host over https; PUBLIC_URL must be https://."
    if settings.SECURE_HSTS_SECONDS < LEAST_HSTS or not settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        yield 11, "Strict-Transport-Security lasts less than a year or leaves out subdomains."
    # Zero is a fair answer, but not one to give by forgetting: every client would share the
    # proxy's address.
    if "FINBYTE_TRUSTED_PROXIES" not in os.environ:
        yield 12, "FINBYTE_TRUSTED_PROXIES is not set: say how many proxies stand before us."


def _services() -> Iterator[tuple[int, str]]:
    if any(f".{word}." in settings.EMAIL_BACKEND for word in _MAIL_TO_NOBODY):
        yield 13, "EMAIL_BACKEND sends to nobody: resets and warnings would not arrive."
    if not urlsplit(settings.REDIS_URL).password:
        yield 14, "REDIS_URL has no password."


def _is_strong(key: str) -> bool:
    return len(key) >= LEAST_FIELD_KEY and len(set(key)) >= LEAST_SIGNS
