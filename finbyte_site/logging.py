"""How the processes log: one line per event on standard error; the supervisor rotates the files."""

import logging
import re
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from finbyte_site.redaction import redacted

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
APPS = ("accounts", "api", "bots", "finbyte_site", "market", "portfolio")
LINE = "%(asctime)s %(levelname)s %(name)s [%(process)d] %(message)s"
# What could end a line or move about on a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTINUED = "    | "


class SafeLines(logging.Formatter):
    """Writes events without secrets, in lines that nobody can forge, with times in UTC.

    An event is one line; a traceback follows in lines that begin with a bar.
    """

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, *, known: Sequence[str] = ()) -> None:
        super().__init__(LINE)
        self._known = [each for each in known if each]

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of an event."""
        # Another handler may have kept its own wording of the exception there.
        kept, record.exc_text = record.exc_text, None
        try:
            return redacted(super().format(record), known=self._known)
        finally:
            record.exc_text = kept

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the first line."""
        return _escaped(super().formatMessage(record))

    def formatException(  # noqa: N802 - logging's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        """Return the traceback in lines of its own kind."""
        return _continued(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        """Return the stack in lines of the same kind."""
        return _continued(stack_info)


class SkipHealthProbes(logging.Filter):
    """Leaves out that /healthz answered 503: whoever asks is told, often, and which part."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every other record pass."""
        return not record.getMessage().endswith(": /healthz")


def logging_settings(*, level: str, known: Sequence[str] = ()) -> dict[str, Any]:
    """Return Django's LOGGING: our apps at `level`, everybody else from WARNING on.

    `known`: secrets of the settings, taken out wherever they turn up.
    """
    passed_on = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"skip_probes": {"()": SkipHealthProbes}},
        "formatters": {"line": {"()": SafeLines, "known": list(known)}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["skip_probes"],
            }
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {name: {"level": level} for name in APPS}
        | {
            "django": {**passed_on, "level": "INFO"},
            # Django gives it a handler of its own.
            "django.server": passed_on,
        },
    }


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def _continued(text: str) -> str:
    return "\n".join(_CONTINUED + _escaped(line) for line in text.split("\n"))
