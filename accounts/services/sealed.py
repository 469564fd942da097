"""Sealing with the keys of the settings (FIELD_KEYS, newest first)."""

from django.conf import settings

from accounts.domain import sealing


def seal(text: str, *, what: str, user_id: int) -> str:
    """Return the text sealed for this purpose and this user."""
    return sealing.seal(text, keys=settings.FIELD_KEYS, context=_context(what, user_id))


def unseal(sealed: str, *, what: str, user_id: int) -> str:
    """Return the text; raises `sealing.NotOpened` for another purpose, user or key."""
    return sealing.unseal(sealed, keys=settings.FIELD_KEYS, context=_context(what, user_id))


def newest_prefix() -> str:
    """Return how every text begins that the newest key has sealed."""
    return sealing.prefix_of(settings.FIELD_KEYS[0])


def _context(what: str, user_id: int) -> str:
    return f"{what}:{user_id}"
