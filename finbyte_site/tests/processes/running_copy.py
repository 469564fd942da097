"""A whole copy of FinByte, started as a user starts it, in a folder and on a port of its own."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg

from finbyte_site.embedded.supervisor import BASE_DIR, copy_processes
from finbyte_site.env import read_pairs

# How a process of the copy is told by its command line.
WORDS = {
    "web": "finbyte_site.web",
    "worker": "celery -A finbyte_site worker",
    "beat": "celery -A finbyte_site beat",
    "feed": "run_feed",
    "gateway": "run_gateway",
}
_NOT_INHERITED = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "DATABASE_APP_ROLE",
    "REDIS_URL",
    "SECRET_KEY",
    "FINBYTE_TEST_SESSION",
    "DJANGO_SETTINGS_MODULE",
    "PYTEST_CURRENT_TEST",
    "PYTEST_XDIST_WORKER",
)


class RunningCopy:
    """Starts, asks, hurts and stops one copy; everything it needs is embedded."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            name: value for name, value in os.environ.items() if name not in _NOT_INHERITED
        } | {"FINBYTE_VAR": str(var), "PORT": str(self.port), "PUBLIC_URL": self.url}
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self, *, seconds: float = 120.0) -> None:
        """Start it as `make run` does and wait until /healthz is green."""
        self.var.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.var / "supervisor.out").open("ab") as output:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "finbyte_site.embedded", "run"],
                cwd=BASE_DIR,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if not wait_for(self.is_green, seconds=seconds):
            raise AssertionError(f"not green after {seconds} s: {self.health()}\n{self.said()}")

    def stop(self) -> None:
        """Stop it as `make stop` does; nothing may stay behind."""
        if self._supervisor is None:
            return
        subprocess.run(
            [sys.executable, "-m", "finbyte_site.embedded", "stop"],
            cwd=BASE_DIR,
            env=self.environment,
            check=True,
            capture_output=True,
            timeout=120,
        )
        self._supervisor.wait(timeout=30)
        self._supervisor = None

    def said(self) -> str:
        """Return what the copy has printed and its supervisor logged, for a failure's message."""
        files = [self.var / "supervisor.out", self.var / "log" / "supervisor.log"]
        return "\n".join(each.read_text()[-3000:] for each in files if each.is_file())

    def health(self) -> dict[str, Any]:
        """Return what /healthz says; an empty dict when nothing answers."""
        client = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            client.request("GET", "/healthz")
            response = client.getresponse()
            report: dict[str, Any] = json.loads(response.read())
        except (OSError, HTTPException, ValueError):
            return {}
        finally:
            client.close()
        return report | {"code": response.status}

    def is_green(self) -> bool:
        """Say whether every part is alive."""
        if self._supervisor is not None and self._supervisor.poll() is not None:
            raise AssertionError(f"the copy ended: {self.said()}")
        return self.health().get("code") == HTTPStatus.OK

    def pid(self, name: str) -> int | None:
        """Return the process id of one of the five; for the worker that of its main process."""
        found = []
        for process in copy_processes(self.var):
            try:
                line = " ".join(process.cmdline())
                if WORDS[name] in line and process.status() != psutil.STATUS_ZOMBIE:
                    found.append((process.create_time(), process.pid, process.ppid()))
            except psutil.Error:
                continue
        pids = {pid for _, pid, _ in found}
        mains = [(born, pid) for born, pid, parent in found if parent not in pids]
        return max(mains)[1] if mains else None

    def kill(self, name: str) -> int:
        """Kill a process without a warning; return the id it had."""
        pid = self.pid(name)
        assert pid is not None, f"no {name} runs"
        os.kill(pid, signal.SIGKILL)
        return pid

    def runtime(self) -> dict[str, str]:
        """Return the settings the copy made for itself."""
        return dict(read_pairs(self.var / "runtime.env"))

    def leaked(self) -> list[str]:
        """Return what of its own secrets the copy has written into its logs: setting and file."""
        secrets: list[tuple[str, str]] = []
        for name, value in self.runtime().items():
            password = urlsplit(value).password if "://" in value else value
            if name not in {"DATABASE_APP_ROLE", "PUBLIC_URL"} and password:
                secrets += [(name, each) for each in password.split(",") if len(each) > 11]
        return [
            f"{name} in {log.name}"
            for log in sorted((self.var / "log").glob("*.log*"))
            for name, secret in secrets
            if secret in log.read_text(errors="replace")
        ]

    def connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """Connect to its database as the owner."""
        return psycopg.connect(self.runtime()["DATABASE_OWNER_URL"], autocommit=True)

    def scenario(self, name: str, **arguments: Any) -> Any:
        """Run a scenario inside the copy's settings and return what it answers."""
        done = subprocess.run(
            [sys.executable, "-m", "finbyte_site.tests.processes.scenarios", name],
            input=json.dumps(arguments),
            cwd=BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{name}: {done.stdout}\n{done.stderr}"
        return json.loads(done.stdout.splitlines()[-1])

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of manage.py inside the copy."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=3600,
        )

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command of manage.py inside the copy without waiting for it."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def _free_port() -> int:
    # Below the range from which connections take theirs, so that none of them takes it meanwhile.
    dice = random.SystemRandom()
    while True:
        port = dice.randrange(20_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def wait_for(is_so: Callable[[], bool], *, seconds: float, pause: float = 0.1) -> bool:
    """Wait until something is so; say whether it came to be."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
