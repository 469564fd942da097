"""The cast and the stage of every test: users, a fixed time, databases, no way to the internet."""

import ipaddress
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from asgiref.sync import SyncToAsync
from django.conf import settings
from django.db import connection, connections
from django.test.utils import setup_databases, teardown_databases
from django.utils import timezone
from psycopg import sql

from market.domain.calendars import EXPIRY_LEAD, day_roll
from market.domain.enums import Calendar, SourceKind

if TYPE_CHECKING:
    from django.db.backends.postgresql.base import DatabaseWrapper

    from accounts.models import User
    from finbyte_site.tests.canaries import LogWatch

PASSWORD = "correct horse battery fbcanary"  # noqa: S105 - the cast's, in throw-away databases
LONGEST_TEST = timedelta(minutes=4)


def _take_redis() -> None:
    """Give every xdist worker a Redis database of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        parts = urlsplit(os.environ["REDIS_URL"])
        number = int(parts.path.strip("/") or 0) + 1 + int(worker.removeprefix("gw"))
        os.environ["REDIS_URL"] = urlunsplit(parts._replace(path=f"/{number}"))
        _use_redis(os.environ["REDIS_URL"])


def _use_redis(url: str) -> None:
    settings.REDIS_URL = url
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": url}}
    layer = settings.CHANNEL_LAYERS["default"]
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": {"hosts": [url]}}}
    settings.CELERY_BROKER_URL = url


# Before any other conftest is read: channels are named after the database when they are imported.
_take_redis()


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """Refuse every connection that would leave the machine."""
    original = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
            raise RuntimeError(f"a test tried to reach {address[0]}")
        original(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture(autouse=True, scope="session")
def log_watch() -> Iterator["LogWatch"]:
    """Mark every secret that is made, and look for the marks in all logs and answers."""
    from finbyte_site.tests import canaries  # noqa: PLC0415 - it needs Django set up

    with pytest.MonkeyPatch.context() as patch:
        canaries.mark_secrets(patch)
        canaries.watch_answers(patch)
        yield canaries.watch_logs()


@pytest.fixture(autouse=True)
def _no_secret_is_logged(log_watch: "LogWatch") -> Iterator[None]:
    yield
    leaks = log_watch.taken()
    if leaks:
        pytest.fail(f"a secret was logged: {leaks}", pytrace=False)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Make the app role where we may, so that its rights are tested as they run."""
    with _server() as server:
        found = server.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_APP_ROLE]
        ).fetchone()
        if found is None:
            try:
                server.execute(
                    sql.SQL("CREATE ROLE {} NOLOGIN").format(
                        sql.Identifier(settings.DATABASE_APP_ROLE)
                    )
                )
            except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                return


def _server() -> "psycopg.Connection[tuple[Any, ...]]":
    """Connect to the server that the tests use, outside every test database."""
    values = connections.settings["default"]
    return psycopg.connect(
        host=values["HOST"] or None,
        port=values["PORT"] or None,
        user=values["USER"] or None,
        password=values["PASSWORD"] or None,
        dbname="postgres",
        autocommit=True,
    )


@dataclass(frozen=True, slots=True)
class RealDatabase:
    """A database of one test: its name, and its address for other processes."""

    name: str
    url: str


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Copy the migrated test database at once: a later test may have emptied it."""
    # pytest-django makes no test database where no collected test carries its mark; without one
    # the copies would be copies of the running database.
    made = None
    if connections.settings["default"]["NAME"] == urlsplit(os.environ["DATABASE_URL"]).path[1:]:
        with django_db_blocker.unblock():
            made = setup_databases(verbosity=0, interactive=False, aliases={"default": None})
    source = connections.settings["default"]["NAME"]
    template = f"{source}_template"
    with django_db_blocker.unblock():
        connection.close()
        _close_pool()
    with _server() as server:
        _drop(server, template)
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(template), sql.Identifier(source)
            )
        )
    yield
    with _server() as server:
        _drop(server, template)
    if made is not None:
        with django_db_blocker.unblock():
            teardown_databases(made, verbosity=0)


@pytest.fixture
def real_db(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any
) -> Iterator[RealDatabase]:
    """Give a database of its own with real commits: deferred constraints, on_commit, threads.

    It stands in place of the `django_db` mark, which would hold everything in one transaction.
    """
    if request.node.get_closest_marker("django_db"):
        pytest.fail("use either real_db or the django_db mark, not both", pytrace=False)
    values = connections.settings["default"]
    usual = values["NAME"]
    copy = f"{usual}_real"
    with _server() as server:
        _drop(server, copy)
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(copy), sql.Identifier(f"{usual}_template")
            )
        )
    _point_at(copy)
    with django_db_blocker.unblock():
        yield RealDatabase(copy, _url_of(copy))
    _point_at(usual)
    with _server() as server:
        _drop(server, copy)


def _point_at(name: str) -> None:
    """Let the connection, its pool and those of new threads use the database."""
    connections.close_all()
    # The thread in which async code asks the database outlives the test and its database.
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
    _close_pool()
    connections.settings["default"]["NAME"] = name
    settings.DATABASES["default"]["NAME"] = name
    connection.settings_dict["NAME"] = name


def _close_pool() -> None:
    cast("DatabaseWrapper", connection).close_pool()


def _url_of(name: str) -> str:
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


def _drop(server: "psycopg.Connection[tuple[Any, ...]]", name: str) -> None:
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def redis_client() -> Iterator["redis.Redis"]:
    """Give this worker's Redis, empty."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the window in which tries are counted not end while a test runs."""
    end = int(timezone.now().timestamp()) + 60
    monkeypatch.setattr("django_ratelimit.core._get_window", lambda *_: end)


@pytest.fixture
def open_day() -> None:
    """Let a test that trades at the machine's time not meet the end of a paper market's day.

    Five minutes before it, at 00:25 UTC, MIS closes and DAY orders end: such a test waits for the
    new day rather than to fail once in a long while.
    """
    moment = timezone.now()
    left = day_roll(Calendar.NSE, SourceKind.SIMULATED, moment) - moment
    if left < EXPIRY_LEAD + LONGEST_TEST:
        time.sleep(left.total_seconds() + 1)


@pytest.fixture
def now() -> datetime:
    """Return the time of the tests: a Monday, 10:00 in India, the market open."""
    return datetime(2026, 3, 2, 4, 30, tzinfo=UTC)


@pytest.fixture
def alice(request: pytest.FixtureRequest, now: datetime) -> "User":
    """Return the owner of things."""
    return _user(request, "alice", now)


@pytest.fixture
def bob(request: pytest.FixtureRequest, now: datetime) -> "User":
    """Return the second user, who must see nothing of alice's."""
    return _user(request, "bob", now)


@pytest.fixture
def staff(request: pytest.FixtureRequest, now: datetime) -> "User":
    """Return one who runs the platform."""
    return _user(request, "staff", now, role="ADMINISTRATOR")


def _user(request: pytest.FixtureRequest, name: str, now: datetime, **fields: Any) -> "User":
    request.getfixturevalue("real_db" if "real_db" in request.fixturenames else "db")
    from accounts.models import User  # noqa: PLC0415 - models exist once Django is set up

    return User.objects.create_user(
        f"{name}@example.com", PASSWORD, full_name=name.title(), joined_at=now, **fields
    )
