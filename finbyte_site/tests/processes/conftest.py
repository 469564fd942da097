"""One running copy for all tests of real processes: starting it costs more than most of them."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from finbyte_site.tests.processes.running_copy import RunningCopy


@pytest.fixture(scope="session")
def copy() -> Iterator[RunningCopy]:
    """Give a green copy; it is stopped and removed at the end."""
    var = Path(tempfile.mkdtemp(prefix="fbcopy-")) / "var"
    running = RunningCopy(var)
    try:
        running.start()
        yield running
        assert running.leaked() == []
    finally:
        running.stop()
        shutil.rmtree(var.parent, ignore_errors=True)
