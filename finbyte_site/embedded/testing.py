"""Services of a test session: started once by the first process, inherited by the others."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg

from finbyte_site.embedded.layout import Layout, prepare_layout
from finbyte_site.embedded.postgres import (
    APP_ROLE,
    DATABASE,
    OWNER_ROLE,
    SUPERUSER,
    create_cluster,
    embedded_postgres,
    ensure_roles,
    start_postgres,
    stop_postgres,
)
from finbyte_site.embedded.redis import start_redis, stop_redis

_PASSWORD = "only-in-this-test-session"  # noqa: S105 - a throw-away server on a private socket
_SESSION = "FINBYTE_TEST_SESSION"
# Nothing outlives the session, so nothing needs to reach the disk. A vacuum of the superuser's
# would stand in the way of the owner who drops a test's database.
_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}


def ensure_services() -> None:
    """Point the environment at PostgreSQL and Redis for tests, starting what is not given.

    FINBYTE_VAR moves to a folder of the session, so that tests never read a running copy's files.
    """
    os.environ.setdefault("SECRET_KEY", "only-for-tests-0123456789abcdefghijklmnopqrstuvwxyz")
    if _SESSION in os.environ:
        return
    var = Path(tempfile.mkdtemp(prefix="fbt-"))
    os.environ[_SESSION] = os.environ["FINBYTE_VAR"] = str(var)
    layout = prepare_layout(var)
    _at_end(lambda: _remove(layout))
    if not os.environ.get("DATABASE_URL"):
        _start_postgres(layout)
    if not os.environ.get("REDIS_URL"):
        _start_redis(layout)


def _start_postgres(layout: Layout) -> None:
    server = embedded_postgres(layout, _NOT_DURABLE)
    create_cluster(server, _PASSWORD)
    start_postgres(server, log=layout.logs / "postgresql.log", with_parent=True)
    _at_end(lambda: stop_postgres(server))
    ensure_roles(server, superuser=_PASSWORD, owner=_PASSWORD, app=_PASSWORD)
    with psycopg.connect(server.url(SUPERUSER, _PASSWORD, DATABASE), autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {OWNER_ROLE} CREATEDB")
    os.environ["DATABASE_URL"] = server.url(OWNER_ROLE, _PASSWORD)
    os.environ["DATABASE_APP_ROLE"] = APP_ROLE


def _start_redis(layout: Layout) -> None:
    server = start_redis(layout, _PASSWORD, durable=False, with_parent=True)
    _at_end(lambda: stop_redis(server))
    os.environ["REDIS_URL"] = server.url


def _at_end(act: Callable[[], None]) -> None:
    """Run `act` when this process ends, not when a forked child of it does."""
    starter = os.getpid()
    atexit.register(lambda: act() if os.getpid() == starter else None)


def _remove(layout: Layout) -> None:
    for folder in {layout.services, layout.run, layout.var}:
        shutil.rmtree(folder, ignore_errors=True)
