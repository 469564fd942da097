"""Sealing with the keys of the settings (FIELD_KEYS, newest first)."""

from django.conf import settings

from accounts.domain import sealing


def seal(text: str, *, what: str, user_id: int) -> str:
    """Return the text sealed for this purpose and this user."""
    return sealing.seal(text, keys=settings.FIELD_KEYS, context=_context(what, user_id))


def unseal(sealed: str, *, what: str, user_id: int) -> str:
    """Return the text; raises `sealing.NotOpened` for another purpose, user or key."""
    return sealing.unseal(sealed, keys=settings.FIELD_KEYS, context=_context(what, user_id))


def is_newest(sealed: str) -> bool:
    """Say whether the newest key has sealed the text."""
    return sealing.is_sealed_by(sealed, settings.FIELD_KEYS[0])


def _context(what: str, user_id: int) -> str:
    return f"{what}:{user_id}"
