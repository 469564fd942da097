"""Every secret that a test makes carries a marker; no log and no answer may hold it (P17).

Answers are looked at where they leave the test client, logs after they were made into lines.
"""

import logging
import secrets
from base64 import b32decode
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends import base as sessions
from django.test import AsyncClient, Client
from django.utils.crypto import get_random_string

from accounts.domain import recovery, tokens, totp
from finbyte_site.headers import COMMON, HSTS, POLICY
from finbyte_site.logging import APPS, SafeLines

# Every letter of it is in the alphabets of tokens, seeds and recovery codes.
MARKER = "FBCANARY"
# A seed and a recovery code are shown in groups of four.
_SHAPES = tuple(shape.encode() for shape in ("fbcanary", "fbca-nary", "fbca nary"))
# Where a secret is shown, once, to the one it was made for.
SHOWN_ONCE = {
    "accounts:authenticator-add",
    "accounts:recovery-codes",
    "accounts:api-app-create",
    "accounts:api-app-secret",
    "api:session-token",
    "api:session-refresh-token",
    "api:session-stream-token",
    "connect-login",
}
_FORBIDDEN = ("Server", "X-Powered-By")


def marked(text: str) -> str:
    """Return the text with the marker over its beginning."""
    return MARKER + text[len(MARKER) :]


class _Letters:
    """Chooses letters one by one as recovery codes are made: first the marker's."""

    def __init__(self) -> None:
        self._made = 0

    def choice(self, alphabet: str) -> str:
        position = self._made % 16
        self._made += 1
        return MARKER[position] if position < len(MARKER) else secrets.choice(alphabet)


def mark_secrets(patch: pytest.MonkeyPatch) -> None:
    """Let everything that makes secrets put the marker into them."""
    token = SimpleNamespace(
        token_urlsafe=lambda size: marked(secrets.token_urlsafe(size)), choice=secrets.choice
    )
    seed = SimpleNamespace(
        token_bytes=lambda size: b32decode(MARKER) + secrets.token_bytes(size - 5)
    )
    patch.setattr(tokens, "secrets", token)
    patch.setattr(totp, "secrets", seed)
    patch.setattr(recovery, "secrets", _Letters())
    patch.setattr(
        sessions,
        "get_random_string",
        lambda length, letters: MARKER.lower() + get_random_string(length - len(MARKER), letters),
    )


def holds_marker(text: bytes) -> bool:
    """Say whether a secret of this session is in the text."""
    lower = text.lower()
    return any(shape in lower for shape in _SHAPES)


class LogWatch(logging.Handler):
    """Makes lines of all events as a running copy does, and keeps those that hold a marker."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(SafeLines(known=[settings.SECRET_KEY, *settings.FIELD_KEYS]))
        self.lines = 0
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Look at an event."""
        line = self.format(record)
        self.lines += 1
        if holds_marker(line.encode()):
            self.leaks.append(line)

    def taken(self) -> list[str]:
        """Return the leaks since the last call."""
        leaks, self.leaks = self.leaks, []
        return leaks


def watch_logs() -> LogWatch:
    """Listen to every logger, to our own at their finest."""
    watch = LogWatch()
    logging.getLogger().addHandler(watch)
    for name in APPS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    return watch


def watch_answers(patch: pytest.MonkeyPatch) -> None:
    """Look at every answer that a test client is given."""
    plain, later = Client.request, AsyncClient.request

    def request(self: Client, **values: Any) -> Any:
        return looked_at(plain(self, **values))

    async def request_later(self: AsyncClient, **values: Any) -> Any:
        return looked_at(await later(self, **values))

    patch.setattr(Client, "request", request)
    patch.setattr(AsyncClient, "request", request_later)


def looked_at(answer: Any) -> Any:
    """Return the answer, or fail for what it says that it must not, or does not say."""
    found = faults_of(answer)
    if found:
        asked = answer.request
        where = f"{asked.get('REQUEST_METHOD', asked.get('method'))} "
        where += str(asked.get("PATH_INFO", asked.get("path")))
        raise AssertionError(f"{where} answered {answer.status_code}: {'; '.join(found)}")
    return answer


def faults_of(answer: Any) -> list[str]:
    """Say what is wrong with an answer's headers and whether it gives a secret away."""
    headers = answer.headers
    found = [
        f"{name} is {headers.get(name)}" for name in COMMON if headers.get(name) != COMMON[name]
    ]
    if POLICY not in headers:
        found.append(f"no {POLICY}")
    if settings.SECURE_HSTS_SECONDS and HSTS not in headers and answer.wsgi_request.is_secure():
        found.append(f"no {HSTS}")
    for name, value in headers.items():
        if name.startswith("Access-Control-") or name in _FORBIDDEN:
            found.append(f"{name} must not be there")
        if holds_marker(value.encode()) and not _may_show(answer):
            found.append(f"a secret in {name}")
    if not answer.streaming and holds_marker(answer.content) and not _may_show(answer):
        found.append("a secret in the body")
    return found


def _may_show(answer: Any) -> bool:
    match = answer.resolver_match
    return bool(match) and match.view_name in SHOWN_ONCE
