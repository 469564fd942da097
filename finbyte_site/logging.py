"""How the processes log: one line per event on standard error; the supervisor rotates the files."""

import logging
import re
from typing import Any

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
APPS = ("accounts", "api", "bots", "finbyte_site", "market", "portfolio")
_SECRET_PARAMETER = re.compile(
    r"(?i)\b((?:access_|request_|enc)?token|api_secret|password)=[^&\s\"']+"
)


class RedactSecrets(logging.Filter):
    """Takes tokens and passwords out of addresses before they are written (decisions 37)."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the message when it carries one; let every record pass."""
        text = record.getMessage()
        clean = _SECRET_PARAMETER.sub(r"\1=…", text)
        if clean != text:
            record.msg, record.args = clean, None
        return True


class SkipHealthProbes(logging.Filter):
    """Leaves out that /healthz answered 503: whoever asks is told, often, and which part."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every other record pass."""
        return not record.getMessage().endswith(": /healthz")


def logging_settings(*, level: str) -> dict[str, Any]:
    """Return Django's LOGGING: our apps at `level`, everybody else from WARNING on."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "redact": {"()": RedactSecrets},
            "skip_probes": {"()": SkipHealthProbes},
        },
        "formatters": {
            "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(process)d] %(message)s"}
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["skip_probes", "redact"],
            }
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {name: {"level": level} for name in APPS}
        | {"django": {"handlers": [], "level": "INFO", "propagate": True}},
    }
