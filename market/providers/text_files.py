"""Open recorded data: plain or gzip, UTF-8; trouble is named by file and line."""

from collections.abc import Iterator
from contextlib import contextmanager
from gzip import GzipFile
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from market.exceptions import UnreadableFile

_GZIP_MARK = b"\x1f\x8b"


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file for reading, unpacking gzip by its first bytes."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UnreadableFile(f"{path.name}: {error.strerror or error}") from error
    with raw:
        is_packed = raw.read(2) == _GZIP_MARK
        raw.seek(0)
        plain_bytes = GzipFile(fileobj=raw) if is_packed else raw
        with TextIOWrapper(plain_bytes, encoding="utf-8", newline="") as file:
            yield file


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of a file; a broken archive is refused by name and line."""
    number = 0
    with open_text(path) as file:
        try:
            for number, line in enumerate(file, start=1):
                yield number, line.rstrip("\r\n")
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise UnreadableFile(f"{path.name}, line {number + 1}: {error}") from error
