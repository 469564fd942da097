"""Typed settings from the environment; a wrong or missing one fails loudly by name.

`make run` writes `var/runtime.env` (decisions 46); it is read first and the environment wins.
"""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent


class SettingError(SystemExit):
    """Stop the process with one plain line that names the variable."""


def _read_env_file(path: Path) -> None:
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, separator, value = text.partition("=")
        if not separator or not name.replace("_", "").isalnum():
            raise SettingError(f"{path}: line {number} is not NAME=value: {text[:60]!r}")
        os.environ.setdefault(name.strip(), value.strip().strip('"'))


def load_environment() -> None:
    """Read `.env` beside manage.py and then the running copy's `runtime.env`, if present."""
    for path in (BASE_DIR / ".env", var_dir() / "runtime.env"):
        if path.is_file():
            try:
                _read_env_file(path)
            except OSError as error:
                raise SettingError(f"{path} cannot be read: {error.strerror}") from error


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
    parts = urlsplit(address)
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise SettingError(f"{name} must look like postgresql://user:password@host:port/database")
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
