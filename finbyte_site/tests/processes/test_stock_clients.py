"""The stock Kite clients, unmodified, against a running copy: a whole trading day each.

Each client lives in an environment of its own, made here from the package registries: theirs pin
libraries that cannot stand beside ours.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from finbyte_site.embedded.assets import find_node
from finbyte_site.embedded.supervisor import BASE_DIR
from finbyte_site.tests.processes.running_copy import RunningCopy, wait_for

pytestmark = [pytest.mark.xdist_group("a running copy"), pytest.mark.usefixtures("open_day")]

PYTHON_CLIENT, JAVASCRIPT_CLIENT = "kiteconnect==5.2.2", "kiteconnect@5.3.0"
KEPT = BASE_DIR / ".venv" / "stock-clients"
SCRIPTS = Path(__file__).parent / "stock"
# A step that hangs fails by itself after at most a minute; this is for all of them.
WHOLE_DAY_SECONDS = 240


def made(command: list[str], folder: Path) -> None:
    """Run a step of an installation and show what it said when it fails."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def python_client() -> Path:
    """Return the Python of an environment with the stock client and what it pins."""
    folder = KEPT / PYTHON_CLIENT.replace("==", "-")
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        made([sys.executable, "-m", "venv", str(folder)], folder)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        made([*pip, PYTHON_CLIENT], folder)
        (folder / "ready").touch()
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def javascript_client() -> tuple[Path, Path]:
    """Return node, and a folder in which scripts find the stock client."""
    folder = KEPT / JAVASCRIPT_CLIENT.replace("@", "-js-")
    node, npm = find_node()
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"private": true}')
        quiet = ["--no-audit", "--no-fund", "--no-package-lock"]
        made([str(node), *npm, "install", *quiet, JAVASCRIPT_CLIENT], folder)
        (folder / "ready").touch()
    return node, folder


class Script:
    """A script of a trader: it says lines and is answered."""

    def __init__(self, command: list[str], *, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._lines: Queue[str] = Queue()
        self._errors: list[str] = []
        self._threads: list[Thread] = []
        for stream, take in (
            (self._process.stdout, self._lines.put),
            (self._process.stderr, self._errors.append),
        ):
            thread = Thread(target=self._read, args=(stream, take), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _read(self, stream: Any, take: Any) -> None:
        for line in stream:
            take(line.rstrip("\n"))

    def heard(self) -> Iterator[str]:
        """Give what it says, until it ends."""
        end = time.monotonic() + WHOLE_DAY_SECONDS
        while time.monotonic() < end:
            try:
                yield self._lines.get(timeout=0.2)
            except Empty:
                if self._process.poll() is not None and self._lines.empty():
                    return
        raise AssertionError(f"still running: {self.said()}")

    def tell(self, words: str) -> None:
        """Answer it."""
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()

    def said(self) -> str:
        """Return what it has said on the side."""
        return "\n".join(self._errors[-60:])

    def end(self) -> int:
        """Return how it ended."""
        try:
            return self._process.wait(timeout=10)
        finally:
            self.close()

    def close(self) -> None:
        """Leave nothing of it behind."""
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


def trade_a_day(copy: RunningCopy, script: Script, owner: str) -> dict[str, Any]:
    """Play the day with the script and return its last words."""
    program = copy.scenario("open_program", owner=owner)
    root = {"root": copy.url, "ws_root": copy.url.replace("http", "ws")}
    script.tell(json.dumps({**program, **root}))
    try:
        last = _played(copy, script, program)
    finally:
        code = script.end()
    assert code == 0, f"{last}\n{script.said()}"
    report: dict[str, Any] = json.loads(last)
    return report


def _played(copy: RunningCopy, script: Script, program: dict[str, str]) -> str:
    """Answer what the script asks for; return its last words."""
    last = ""
    for line in script.heard():
        last = line
        if line.startswith("LOGIN "):
            address = urlsplit(line.removeprefix("LOGIN "))
            assert f"{address.scheme}://{address.netloc}" == copy.url
            assert address.path == "/connect/login"
            asked = parse_qs(address.query)
            assert asked["api_key"] == [program["api_key"]]
            script.tell(copy.scenario("log_in_program", api_key=program["api_key"]))
        elif line == "RESTART":
            restart_web(copy)
            script.tell("restarted")
    return last


def restart_web(copy: RunningCopy) -> None:
    """Kill the web process and wait until another one answers."""
    before = copy.kill("web")
    assert wait_for(lambda: copy.pid("web") not in {None, before}, seconds=30), copy.said()
    assert wait_for(copy.is_green, seconds=60), copy.said()


def own_environment(**values: str) -> dict[str, str]:
    """Return an environment in which the client's times are those of India, as users are told."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "TZ": "Asia/Kolkata", **values}


def test_the_python_client(copy, python_client):
    script = Script(
        [str(python_client), str(SCRIPTS / "trading_day.py")],
        folder=SCRIPTS,
        environment=own_environment(),
    )
    report = trade_a_day(copy, script, "pykite")
    assert report["done"] == [
        "log in",
        "profile and margins",
        "instruments",
        "quotes",
        "candles",
        "market order",
        "limit order, changed and cancelled",
        "limit order changed to market",
        "stops",
        "validities",
        "after-market order",
        "iceberg",
        "cover order",
        "autoslice",
        "refusals",
        "positions and the intraday product",
        "margins and charges",
        "gtt",
        "limits",
        "ticker modes",
        "order updates",
        "ticker after a restart",
        "log out",
    ]
    assert report["update_seconds"] < 1
    check_books(copy)


def test_the_javascript_client(copy, javascript_client):
    node, folder = javascript_client
    shutil.copy(SCRIPTS / "trading_day.mjs", folder)
    script = Script(
        [str(node), str(folder / "trading_day.mjs")], folder=folder, environment=own_environment()
    )
    report = trade_a_day(copy, script, "jskite")
    assert report["done"] == [
        "log in",
        "instruments",
        "quotes and candles",
        "orders",
        "positions, margins and charges",
        "gtt",
        "ticker modes",
        "order updates",
        "heartbeat",
        "ticker after a restart",
        "log out",
    ]
    assert report["update_seconds"] < 1
    check_books(copy)


def check_books(copy: RunningCopy) -> None:
    """Nothing that a client did may have left the books wrong."""
    done = copy.manage("check_invariants")
    assert done.returncode == 0, done.stdout + done.stderr
