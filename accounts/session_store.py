"""Where sessions are kept: rows whose key is a digest of the cookie.

Whoever reads the database learns no cookie. No cache stands before the rows: an ended session must
not come back with what a request in flight has put there. `SESSION_ENGINE` names this module.
"""

from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as Rows
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts.domain.session_rules import SessionStamp
from accounts.models import ConsoleSession, User

STAMP = "stamp"
_DIGITS = 40
_COOKIE_OUTLIVES = 7 * 24 * 3600


def key_digest(session_key: str) -> str:
    """Return what stands in the table for a session's cookie (160 bits of SHA-256, hex)."""
    return sha256(session_key.encode()).hexdigest()[:_DIGITS]


def forget_sessions(digests: Iterable[str]) -> int:
    """End the sessions with these digests; say how many there were.

    Open sockets of their users are looked at again as soon as this is committed.
    """
    rows = ConsoleSession.objects.filter(pk__in=list(digests))
    users = set(rows.exclude(user=None).values_list("user_id", flat=True))
    count, _ = rows.delete()
    announce_ends(users)
    return count


def announce_ends(user_ids: Iterable[int]) -> None:
    """Tell whoever holds sockets of these users that one of their sessions has ended.

    The settings name who is told: sockets live in another app.
    """
    users = sorted(user_ids)
    if users:
        transaction.on_commit(partial(import_string(settings.ON_SESSIONS_ENDED), users))


class SessionStore(Rows):
    """Django's sessions in rows under digested keys, with columns that people can read."""

    # Why the session of a request has ended by itself; said on the next page.
    ended_because: str = ""

    @classmethod
    def get_model_class(cls) -> Any:
        """Return the table."""
        return ConsoleSession

    @property
    def stamp(self) -> SessionStamp | None:
        """What the session knows of itself; None before a log-in."""
        kept = self.get(STAMP)
        return None if kept is None else SessionStamp.from_json(kept)

    @stamp.setter
    def stamp(self, stamp: SessionStamp) -> None:
        self[STAMP] = stamp.to_json()
        self.set_expiry(stamp.ends_at())

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Return how long the browser is to keep the cookie: longer than the session lasts.

        The server ends sessions. A browser that had dropped the cookie could not be told why.
        """
        age = int(super().get_expiry_age(**kwargs))
        return age if self.stamp is None else age + _COOKIE_OUTLIVES

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

    def cycle_key(self) -> None:
        """Go on under a new key; a session that somebody has ended meanwhile does not."""
        user_id = self.get(SESSION_KEY)
        if self.session_key is None or user_id is None:
            super().cycle_key()
            return
        with transaction.atomic():
            # Whoever ends sessions of this user waits here too, and then finds the new key.
            User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
            if not self.exists(self.session_key):
                raise SessionInterrupted("The session was ended while its key was cycled.")
            super().cycle_key()

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
        key, now = self.session_key, timezone.now()
        row = None if key is None else ConsoleSession.objects.filter(pk=key_digest(key)).first()
        if row is not None and row.expire_date > now:
            return row
        if row is not None:
            self.ended_because = self._end_of(row)
        self._session_key = None
        return None

    def _end_of(self, row: ConsoleSession) -> str:
        stamp = self.decode(row.session_data).get(STAMP)
        return "" if stamp is None else SessionStamp.from_json(stamp).why_it_ends()

    async def _aget_session_from_db(self) -> ConsoleSession | None:
        return await sync_to_async(self._get_session_from_db)()
