"""One-time tokens that open `/stream` from a browser, which can send no header (decisions 37)."""

from datetime import datetime
from typing import cast

from accounts.domain.tokens import new_token, token_digest
from accounts.exceptions import TokenRefused
from accounts.models import ApiSession
from accounts.services.api_sessions import live_session
from market.streams import connect

SECONDS = 60


def new_stream_token(session: ApiSession) -> str:
    """Return a token that opens one socket within a minute; Redis keeps only its digest."""
    token = new_token()
    connect().set(_key(token), session.pk, ex=SECONDS)
    return token


def use_stream_token(token: str, *, now: datetime) -> ApiSession:
    """Return the session that asked for the token, which is used up. Raises `TokenRefused`."""
    kept = cast("bytes | None", connect().getdel(_key(token)))
    if kept is None:
        raise TokenRefused("This token is used or expired. Ask for a new one.")
    return live_session(int(kept), now=now)


def _key(token: str) -> str:
    return f"stream:token:{token_digest(token)}"
