"""Writes of the API: one transaction each, and the same answer for the same key."""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any, cast

from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from accounts.exceptions import InvalidInput
from accounts.models import ApiSession
from api.envelope import success
from portfolio.services.idempotency import answer_for, keep_answer

LONGEST_KEY = 64
_KEY = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_KEY}}}")


def session_of(request: Request) -> ApiSession:
    """Return the session that the request acts in."""
    return cast("ApiSession", request.auth)


def idempotency_key(request: Request) -> str | None:
    """Return the client's key, told apart by app; None without one.

    Raises `InvalidInput` for a key that is not 1 to 64 visible ASCII characters.
    """
    sent = request.headers.get("Idempotency-Key")
    if sent is None:
        return None
    if not _KEY.fullmatch(sent):
        message = "The header Idempotency-Key must be 1 to 64 visible ASCII characters."
        raise InvalidInput(message, field="Idempotency-Key", code="malformed")
    return f"{session_of(request).app_id}:{sent}"


def write_once(request: Request, act: Callable[[], Any]) -> HttpResponse:
    """Run a write in the one transaction of the request and answer with what it returns.

    With an `Idempotency-Key` the answer is kept with it: the same request again gets the same
    answer and nothing happens a second time. Raises `IdempotencyConflict` for a key that was used
    for something else. Placing orders keeps its keys with the orders instead, for ever.
    """
    key = idempotency_key(request)
    with transaction.atomic(durable=True):
        if key is None:
            return success(act())
        user, now = session_of(request).user, timezone.now()
        kept = answer_for(user, key, digest=_digest(request), now=now)
        if kept is not None:
            return success(kept.data)
        data = act()
        keep_answer(user, key, data=data)
    return success(data)


def _digest(request: Request) -> str:
    """Return what tells this request from another: method, address and everything it sends."""
    sent = request._request  # noqa: SLF001 - DRF's own name of Django's request
    body = sorted(request.data.lists()) if hasattr(request.data, "lists") else request.data
    return sha256(f"{sent.method} {sent.get_full_path()} {body!r}".encode()).hexdigest()
