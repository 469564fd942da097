"""`make run` and `make stop`: one copy per FINBYTE_VAR, found again by a lock on its folder."""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from finbyte_site import env
from finbyte_site.embedded.assets import collect_assets
from finbyte_site.embedded.layout import Layout, prepare_layout
from finbyte_site.embedded.runtime import (
    address_file,
    complete_runtime,
    read_runtime,
    remember_address,
    write_runtime,
)
from finbyte_site.embedded.services import Services, left_services, start_services, stop_services
from finbyte_site.embedded.supervisor import (
    BASE_DIR,
    copy_processes,
    end_leftovers,
    process_plans,
    supervise,
)
from finbyte_site.embedded.system import StartError, wait_until

LEAST_FREE_BYTES = 200 * 1024 * 1024
GREEN_SECONDS = 60.0
STOP_SECONDS = 90.0


def run() -> None:
    """Start the copy and keep it running until Ctrl-C, a closed terminal or `make stop`."""
    began = time.monotonic()
    env.load_dot_env()
    var = env.var_dir()
    host = env.text("FINBYTE_HOST", default="127.0.0.1")
    port = env.integer("PORT", default=8000, low=1, high=65535)
    layout = prepare_layout(var)
    with _lock(var) as locked:
        if not locked:
            print(f"FinByte is already running at {_known_address(var)}")
            return
        end_leftovers(var)
        _refuse_taken_port(host, port)
        _refuse_full_disk(var)
        signal.signal(signal.SIGTERM, _interrupt)
        _serve(layout, host, port, began=began)


def _serve(layout: Layout, host: str, port: int, *, began: float) -> None:
    services = Services(None, None, {})
    try:
        values = read_runtime(layout)
        services = start_services(layout, values)
        kept = {name: value for name, value in values.items() if name not in _ADDRESSES}
        values = complete_runtime(kept | services.addresses | _given_addresses())
        write_runtime(layout, values)
        environment = _environment(layout, port)
        address = environment.get("PUBLIC_URL") or f"http://{host}:{port}"
        remember_address(layout, address)
        # The checks load every page; `make check` has made them.
        manage(environment, "migrate", "--noinput", "--skip-checks", "-v", "0")
        said = manage(environment, "seed")
        collect_assets(
            layout.var,
            lambda: manage(environment, "collectstatic", "--noinput", "--clear", "-v", "0"),
        )
        greeter = Greeter(layout.logs, port, address, said, began)
        supervise(
            layout,
            process_plans(host, port),
            environment=environment,
            on_started=threading.Thread(target=greeter.greet, daemon=True).start,
        )
    except KeyboardInterrupt:
        end_leftovers(layout.var)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stop_services(services)
        address_file(layout.var).unlink(missing_ok=True)
        shutil.rmtree(layout.run, ignore_errors=True)
    print("Stopped.")


_ADDRESSES = ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_APP_ROLE", "REDIS_URL")


def _given_addresses() -> dict[str, str]:
    """Return addresses from the environment, so that later commands find the same services."""
    return {name: os.environ[name] for name in _ADDRESSES if os.environ.get(name)}


def _environment(layout: Layout, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "FINBYTE_VAR": str(layout.var),
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def manage(environment: dict[str, str], *arguments: str) -> str:
    """Run a command of manage.py; its last words become the one line on failure."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "manage.py", *arguments], cwd=BASE_DIR, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise StartError(lines[-1].strip() if lines else f"manage.py {arguments[0]} failed")
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class Greeter:
    """Watches a starting copy and tells people when and where it is ready."""

    logs: Path
    port: int
    address: str
    said: str
    began: float

    def greet(self) -> None:
        """Say where the copy is once every part is alive; say which is not otherwise."""
        end = time.monotonic() + GREEN_SECONDS
        while (missing := self._missing()) and time.monotonic() < end:
            time.sleep(0.2)
        if missing:
            print(f"Not ready after {GREEN_SECONDS:.0f} s: {missing}; see {self.logs}", flush=True)
            return
        seconds = time.monotonic() - self.began
        print(f"FinByte is running at {self.address} (ready in {seconds:.1f} s)", flush=True)
        print(self.said, "Ctrl-C or `make stop` ends it.", sep="\n", flush=True)

    def _missing(self) -> str:
        """Return what /healthz misses; nothing when it is green."""
        client = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            host = urlsplit(self.address).hostname or "127.0.0.1"
            client.request("GET", "/healthz", headers={"Host": host})
            response = client.getresponse()
            body = response.read()
        except (OSError, HTTPException):
            return "web"
        finally:
            client.close()
        return "" if response.status == HTTPStatus.OK else _failing_parts(body, response.status)


def _failing_parts(body: bytes, status: int) -> str:
    try:
        report = json.loads(body)
    except ValueError:
        return f"web (/healthz answers {status})"
    parts = {"database": report["database"], "redis": report["redis"], **report["processes"]}
    return ", ".join(name for name, part in parts.items() if not part["ok"])


def stop() -> None:
    """Stop the copy: its processes, then Redis, then PostgreSQL; nothing stays behind."""
    env.load_dot_env()
    var = env.var_dir()
    if not var.is_dir():
        print("FinByte is not running.")
        return
    with _lock(var) as locked:
        if locked:
            _clean_up(var)
            return
    os.kill(_supervisor(var), signal.SIGTERM)
    if not wait_until(lambda: _is_free(var), seconds=STOP_SECONDS, pause=0.1):
        raise StartError(f"The copy in {var} did not stop in {STOP_SECONDS:.0f} s.")
    print("Stopped.")


def _clean_up(var: Path) -> None:
    """End what a killed supervisor left behind."""
    layout = prepare_layout(var)
    services = left_services(layout)
    running = bool(copy_processes(var)) or any(
        server is not None and server.pid for server in (services.redis, services.postgres)
    )
    end_leftovers(var)
    stop_services(services)
    shutil.rmtree(layout.run, ignore_errors=True)
    print("Stopped." if running else "FinByte is not running.")


@contextlib.contextmanager
def _lock(var: Path) -> Iterator[bool]:
    """Hold the copy's lock; give False when another process holds it. It ends with its holder."""
    with (var / "supervisor.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield True


def _is_free(var: Path) -> bool:
    with _lock(var) as locked:
        return locked


def _supervisor(var: Path) -> int:
    return int((var / "supervisor.lock").read_text())


def _known_address(var: Path) -> str:
    try:
        return address_file(var).read_text().strip()
    except OSError:
        return "an address it has not told yet"


def _refuse_taken_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartError(f"Port {port} is in use; set PORT to a free one.") from error
            raise StartError(f"Port {port} on {host} cannot be used: {error.strerror}.") from error


def _refuse_full_disk(var: Path) -> None:
    free = shutil.disk_usage(var).free
    if free < LEAST_FREE_BYTES:
        raise StartError(
            f"The disk of {var} is full: {free // 2**20} MB free, {LEAST_FREE_BYTES // 2**20} needed."
        )
