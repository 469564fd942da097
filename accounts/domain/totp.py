"""Seeds of authenticator apps and the codes they show (RFC 6238: SHA-1, 6 digits, 30 s)."""

import re
import secrets
from base64 import b32encode
from datetime import datetime
from unicodedata import normalize
from urllib.parse import quote, urlencode

ISSUER = "FinByte"
SEED_BYTES = 20
STEP_SECONDS = 30
_DIGITS = re.compile(r"[0-9]{6}")
_GAPS = re.compile(r"[\s-]+")

# Which time steps are accepted, seen from now: the one on the screen, and the one before for a
# code typed as it changed. An app whose clock runs ahead is taken at the enrolment, and its lead
# of one step kept; the codes of its future are accepted at no other time.
USE_STEPS = (0, -1)
ENROL_STEPS = (0, -1, 1)


def new_seed() -> str:
    """Return 160 random bits in base32, without padding."""
    return b32encode(secrets.token_bytes(SEED_BYTES)).decode()


def step_at(now: datetime) -> int:
    """Return the number of the half minute."""
    return int(now.timestamp()) // STEP_SECONDS


def in_fours(seed: str) -> str:
    """Return the seed in groups of four, as people type it."""
    return " ".join(seed[start : start + 4] for start in range(0, len(seed), 4))


def setup_address(seed: str, *, email: str) -> str:
    """Return what the QR code says."""
    label = f"{quote(ISSUER)}:{quote(email)}"
    values = {"secret": seed, "issuer": ISSUER, "algorithm": "SHA1", "digits": 6, "period": 30}
    return f"otpauth://totp/{label}?{urlencode(values)}"


def digits_of(text: str) -> str | None:
    """Return the six digits that somebody typed, with or without gaps; None for anything else."""
    plain = _GAPS.sub("", normalize("NFKC", text))
    return plain if _DIGITS.fullmatch(plain) else None
