"""Who calls: the Authorization header says it, and nothing else does (kite-api.md 1.1)."""

import re

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.domain.client_address import client_address
from accounts.exceptions import TokenRefused
from accounts.models import ApiSession, User
from accounts.services.api_sessions import authenticate

_HEADER = re.compile(r"[Tt]oken ([a-z0-9]{16}):([A-Za-z0-9_-]{43})")


def credentials_in(header: str) -> tuple[str, str]:
    """Return (api_key, access_token) of an Authorization header, or raise TokenRefused."""
    found = _HEADER.fullmatch(header)
    if found is None:
        raise TokenRefused(
            "Send the header Authorization: token api_key:access_token."
            if not header
            else "Token is invalid or has expired. Log in again."
        )
    return found[1], found[2]


class TokenAuthentication(BaseAuthentication):
    """`Authorization: token api_key:access_token`. Cookies are not looked at.

    It has no `authenticate_header`: with one, DRF would answer 401, which no client knows.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiSession]:
        """Return the user and the session, or raise TokenRefused: nobody calls anonymously."""
        api_key, access_token = credentials_in(request.META.get("HTTP_AUTHORIZATION", ""))
        session = authenticate(
            api_key,
            access_token,
            client_address=client_address(request.META),
            now=timezone.now(),
        )
        return session.user, session
