"""Where sessions are kept: rows whose key is a digest of the cookie, and a cache before them.

Whoever reads the database or the cache learns no cookie. `SESSION_ENGINE` names this module.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.cached_db import SessionStore as CachedRows
from django.core.cache import cache
from django.utils import timezone

from accounts.domain.session_rules import SessionStamp
from accounts.models import ConsoleSession

STAMP = "stamp"
_PREFIX = "accounts.session."
_DIGITS = 40


def key_digest(session_key: str) -> str:
    """Return what stands in the table for a session's cookie (160 bits of SHA-256, hex)."""
    return sha256(session_key.encode()).hexdigest()[:_DIGITS]


def forget_sessions(digests: Iterable[str]) -> int:
    """End the sessions with these digests; say how many there were."""
    wanted = list(digests)
    _, rows = ConsoleSession.objects.filter(pk__in=wanted).delete()
    cache.delete_many([_PREFIX + each for each in wanted])
    return rows.get("accounts.ConsoleSession", 0)


class SessionStore(CachedRows):
    """Django's cached sessions under digested keys, with columns that people can read."""

    cache_key_prefix = _PREFIX

    @classmethod
    def get_model_class(cls) -> Any:
        """Return the table."""
        return ConsoleSession

    @property
    def cache_key(self) -> str:
        """Return the cache's key of this session."""
        return _PREFIX + key_digest(self._own_key())

    async def acache_key(self) -> str:
        """Return the cache's key of this session."""
        return _PREFIX + key_digest(self._own_key())

    @property
    def stamp(self) -> SessionStamp | None:
        """What the session knows of itself; None before a log-in."""
        kept = self.get(STAMP)
        return None if kept is None else SessionStamp.from_json(kept)

    @stamp.setter
    def stamp(self, stamp: SessionStamp) -> None:
        self[STAMP] = stamp.to_json()
        self.set_expiry(stamp.ends_at())

    def _own_key(self) -> str:
        if self.session_key is None:
            # Django's own attribute; its type stubs do not know the method that sets it.
            self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]
        return str(self.session_key)

    def create_model_instance(self, data: dict[str, Any]) -> ConsoleSession:
        """Return the row: Django's columns, and what people look at."""
        row = ConsoleSession(
            session_key=key_digest(self._own_key()),
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
            user_id=data.get("_auth_user_id"),
        )
        if data.get(STAMP) is not None:
            stamp = SessionStamp.from_json(data[STAMP])
            row.public_id = UUID(stamp.public_id)
            row.browser, row.address = stamp.browser, stamp.address
            row.started_at, row.seen_at = stamp.started_at, stamp.seen_at
            row.factor_at, row.device_id = stamp.factor_at, stamp.device_id
        return row

    async def acreate_model_instance(self, data: dict[str, Any]) -> ConsoleSession:
        """Return the row."""
        return await sync_to_async(self.create_model_instance)(data)

    def exists(self, session_key: str) -> bool:
        """Say whether a session has this key."""
        return ConsoleSession.objects.filter(pk=key_digest(session_key)).exists()

    async def aexists(self, session_key: str) -> bool:
        """Say whether a session has this key."""
        return await sync_to_async(self.exists)(session_key)

    def delete(self, session_key: str | None = None) -> None:
        """End the session with this key, or this one."""
        key = session_key or self.session_key
        if key is not None:
            forget_sessions([key_digest(key)])

    async def adelete(self, session_key: str | None = None) -> None:
        """End the session with this key, or this one."""
        await sync_to_async(self.delete)(session_key)

    def _get_session_from_db(self) -> ConsoleSession | None:
        key = self.session_key
        row = (
            None
            if key is None
            else ConsoleSession.objects.filter(
                pk=key_digest(key), expire_date__gt=timezone.now()
            ).first()
        )
        if row is None:
            self._session_key = None
        return row

    async def _aget_session_from_db(self) -> ConsoleSession | None:
        return await sync_to_async(self._get_session_from_db)()
