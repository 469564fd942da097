"""Random secrets, their digests, and the checksum of the login flow (kite-api.md 1.2)."""

import hmac
import secrets
import string
from hashlib import sha256

_LOWER_AND_DIGITS = string.ascii_lowercase + string.digits
TOKEN_BYTES = 32
API_KEY_LENGTH = 16


def new_token() -> str:
    """Return 256 random bits that may stand in an address unescaped."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def new_api_key() -> str:
    """Return a name for an app: 16 characters, public, never the only proof of anything."""
    return "".join(secrets.choice(_LOWER_AND_DIGITS) for _ in range(API_KEY_LENGTH))


def token_digest(token: str) -> str:
    """Return the hash that is stored in place of a token (SHA-256, 64 hex digits).

    No salt and no slow hash: 256 random bits cannot be guessed from it.
    """
    return sha256(token.encode()).hexdigest()


def checksum(api_key: str, token: str, api_secret: str) -> str:
    """Return what proves that a caller knows the app's secret: lowercase hex SHA-256."""
    return sha256(f"{api_key}{token}{api_secret}".encode()).hexdigest()


def is_same(first: str, second: str) -> bool:
    """Compare two texts in a time that does not tell where they differ."""
    return hmac.compare_digest(first.encode(), second.encode())
