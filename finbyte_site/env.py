"""Typed settings from the environment; a wrong or missing one fails loudly by name.

`make run` writes `var/runtime.env` (decisions 46); it is read first and the environment wins.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_LENGTH = 32
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
BASE_DIR = Path(__file__).resolve().parent.parent


class SettingError(SystemExit):
    """Stop the process with one plain line that names the variable."""


def read_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """Read NAME=value lines; a line that is none stops the process by number."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{path} is not a text file (byte {error.start})") from error
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, separator, value = stripped.partition("=")
        if not separator or not _NAME.fullmatch(name):
            raise SettingError(f"{path}: line {number} is not NAME=value: {stripped[:20]!r}")
        yield name, value.strip().strip('"')


def _load(path: Path) -> None:
    if path.is_file():
        for name, value in read_pairs(path):
            os.environ.setdefault(name, value)


def load_dot_env() -> None:
    """Read `.env` beside manage.py, if present; the environment wins."""
    _load(BASE_DIR / ".env")


def load_environment() -> None:
    """Read `.env` and then the running copy's `runtime.env`, if present."""
    load_dot_env()
    _load(var_dir() / "runtime.env")


def var_dir() -> Path:
    """Return the folder for everything a running copy writes (FINBYTE_VAR)."""
    return Path(os.environ.get("FINBYTE_VAR") or BASE_DIR / "var").absolute()


def text(name: str, *, default: str | None = None) -> str:
    """Return a text setting; without a default it must be set."""
    value = os.environ.get(name, "")
    if value:
        return value
    if default is None:
        raise SettingError(f"{name} is not set. `make run` sets it; see .env.example.")
    return default


def flag(name: str, *, default: bool) -> bool:
    """Return a yes/no setting: 1, true, yes, on or 0, false, no, off."""
    value = os.environ.get(name, "").lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise SettingError(f"{name} must be 1 or 0, not {value!r}")


def integer(name: str, *, default: int, low: int, high: int) -> int:
    """Return a whole number within [low, high]."""
    value = os.environ.get(name, "")
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise SettingError(f"{name} must be a whole number, not {value!r}") from None
    if not low <= number <= high:
        raise SettingError(f"{name} must be {low} to {high}, not {number}")
    return number


def database(name: str, *, default: str | None = None) -> dict[str, str]:
    """Return Django's connection settings of a `postgresql://` address.

    The socket folder of an embedded server is given as `?host=/folder`.
    """
    address = text(name, default=default)
    shape = f"{name} must look like postgresql://user:password@host:port/database"
    parts = _split(address, shape)
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise SettingError(shape)
    host = parts.hostname or ""
    for pair in parts.query.split("&"):
        key, _, value = pair.partition("=")
        if key == "host":
            host = unquote(value)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
    }


def choice(name: str, *, default: str, choices: Sequence[str]) -> str:
    """Return one of the words allowed."""
    value = os.environ.get(name, "") or default
    if value not in choices:
        raise SettingError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def redis_address(name: str) -> str:
    """Return the address of a Redis: `redis://` or, encrypted, `rediss://`."""
    shape = f"{name} must look like redis://:password@host:port/number"
    parts = _split(text(name), shape)
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise SettingError(shape)
    if parts.path.strip("/") and not parts.path.strip("/").isdigit():
        raise SettingError(shape)
    return parts.geturl()


def public_address(name: str, *, default: str, lan: bool) -> SplitResult:
    """Return the address that browsers use; plain http only on loopback or when `lan` allows it."""
    shape = f"{name} must look like https://trade.example.com"
    parts = _split(text(name, default=default), shape)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise SettingError(shape)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not lan:
        raise SettingError(
            f"{name} is plain http on {parts.hostname}: passwords would travel in the open. "
            "Use https, or set FINBYTE_INSECURE_LAN=1 on a network you trust."
        )
    return parts


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name means this machine only."""
    return host in _LOOPBACK


def names(name: str, *, default: Sequence[str]) -> list[str]:
    """Return a list of names separated by commas."""
    found = [part.strip() for part in os.environ.get(name, "").split(",")]
    return [part for part in found if part] or list(default)


def refuse_generated(*secrets: str) -> None:
    """Stop when a secret of production is the one that `make run` made for itself."""
    path = var_dir() / "runtime.env"
    generated = dict(read_pairs(path)) if path.is_file() else {}
    for name in secrets:
        value = text(name)
        if value == generated.get(name):
            raise SettingError(f"{name} is the generated one; production needs its own.")
        if len(value) < _SECRET_LENGTH:
            raise SettingError(f"{name} is shorter than {_SECRET_LENGTH} characters.")


def _split(address: str, shape: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise SettingError(shape) from None
    return parts
