"""PostgreSQL and Redis of a running copy: wherever it lies, whoever starts it, nobody looks in."""

import contextlib
import os
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from finbyte_site.embedded import assets, system
from finbyte_site.embedded import redis as embedded_redis
from finbyte_site.embedded.layout import Layout, prepare_layout
from finbyte_site.embedded.postgres import create_cluster, embedded_postgres, start_postgres
from finbyte_site.embedded.runtime import complete_runtime, read_runtime, write_runtime
from finbyte_site.embedded.services import Services, start_services, stop_services
from finbyte_site.tests.people import STRANGER, as_user

AS_ROOT = os.geteuid() == 0
NORMAL_USER = "finbyte-tester"
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")
pytestmark = pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)


@pytest.fixture
def ground() -> Iterator[Path]:
    """Give a folder that everybody may pass through, as /srv is."""
    folder = Path(tempfile.mkdtemp(prefix="fbt-ground-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def normal_user() -> str:
    """Return a user without any rights, made when the machine has none of this name."""
    try:
        pwd.getpwnam(NORMAL_USER)
    except KeyError:
        made = subprocess.run(
            ["/usr/sbin/useradd", "--no-create-home", NORMAL_USER], capture_output=True, check=False
        )
        if made.returncode != 0:
            pytest.skip(f"no user can be added here: {made.stderr.decode().strip()}")
    return NORMAL_USER


@contextlib.contextmanager
def running(var: Path) -> Iterator[tuple[Layout, Services]]:
    layout = prepare_layout(var)
    services = start_services(layout, read_runtime(layout))
    try:
        write_runtime(layout, complete_runtime(services.addresses))
        yield layout, services
    finally:
        stop_services(services)
        for folder in (layout.services, layout.run):
            if not folder.is_relative_to(var):
                shutil.rmtree(folder)


def use(services: Services) -> None:
    """Write and read through the addresses that the processes get."""
    addresses = services.addresses
    with psycopg.connect(addresses["DATABASE_OWNER_URL"]) as owner:
        owner.execute("CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')")
    with psycopg.connect(addresses["DATABASE_URL"]) as app:
        role = app.execute(
            "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
        )
        assert role.fetchone() == ("finbyte_app", False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("CREATE TABLE mine (word text)")
    client = redis.Redis.from_url(addresses["REDIS_URL"])
    assert client.set("word", "here")
    client.close()


def readable_by_stranger(paths: list[Path]) -> list[str]:
    """Return what somebody else could open, list or connect to."""
    found = []
    for path in paths:
        try:
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                list(path.iterdir())
            elif stat.S_ISSOCK(mode):
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(path))
            else:
                path.open("rb").close()
        except OSError:
            continue
        found.append(str(path))
    return found


def everything_of(layout: Layout) -> list[Path]:
    roots = [layout.var, layout.run, layout.services]
    return roots + [path for root in roots for path in root.rglob("*")]


def open_modes(paths: list[Path]) -> list[str]:
    """Return what its mode would show to others; passing through (x) shows nothing."""
    return [str(path) for path in paths if path.lstat().st_mode & 0o066 and not path.is_symlink()]


def exercise(var: Path) -> tuple[list[Path], list[str]]:
    """Start, use, look at and stop a copy's services; return its paths and the open ones."""
    with running(var) as (layout, services):
        use(services)
        assert services.postgres is not None
        longest = services.postgres.sockets / ".s.PGSQL.5432.lock"
        assert len(os.fsencode(longest)) < 100
        paths = everything_of(layout)
        assert sum(path.is_socket() for path in paths) == 1
        shown = open_modes(paths)
        if AS_ROOT and os.geteuid() == 0:
            shown += as_user(STRANGER, lambda: readable_by_stranger(paths))
        pids = [services.postgres.pid, services.redis.pid if services.redis else None]
    assert None not in pids
    assert not any(system.is_alive(pid) for pid in pids if pid)
    return paths, shown


def place(ground: Path, kind: str) -> Path:
    if kind == "a home of mode 0700":
        home = ground / "home"
        home.mkdir(mode=0o700)
        return home / "var"
    if kind == "a long path":
        name = "a-very-long-name-of-a-folder"
        path = ground / name / name / name / name / name
        return path / ("v" * (150 - len(str(path)) - 1))
    return ground / "var"


PLACES = ["a plain folder", "a home of mode 0700", "a long path"]


@pytest.mark.parametrize("kind", PLACES)
def test_services_run_for_whoever_tests(ground, kind):
    var = place(ground, kind)
    before = {parent: parent.stat().st_mode for parent in var.parents if parent.exists()}
    _, shown = exercise(var)
    assert shown == []
    assert {parent: parent.stat().st_mode for parent in before} == before


@needs_root
@pytest.mark.parametrize("kind", PLACES)
def test_services_run_for_a_normal_user(ground, normal_user, kind):
    entry = pwd.getpwnam(normal_user)
    var = place(ground, kind)
    os.chown(ground, entry.pw_uid, entry.pw_gid)
    if kind == "a home of mode 0700":
        os.chown(var.parent, entry.pw_uid, entry.pw_gid)
    paths, shown = as_user(normal_user, lambda: exercise(var))
    assert shown == []
    assert as_user(STRANGER, lambda: readable_by_stranger(paths)) == []


def test_two_copies_run_side_by_side_and_share_nothing(ground):
    with running(ground / "one") as (_, one), running(ground / "two") as (_, two):
        use(one)
        use(two)
        assert one.redis is not None
        assert two.redis is not None
        assert one.redis.port != two.redis.port
        stranger = redis.Redis(port=two.redis.port, password=one.redis.password)
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()
        stranger.close()
        wrong = two.addresses["DATABASE_URL"].split("@")[1]
        right_user = one.addresses["DATABASE_URL"].split("@")[0]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"{right_user}@{wrong}")


def test_a_second_start_keeps_what_was_written_and_the_port(ground):
    with running(ground / "var") as (_, first):
        use(first)
    with running(ground / "var") as (_, second):
        assert second.addresses == first.addresses
        with psycopg.connect(second.addresses["DATABASE_OWNER_URL"]) as owner:
            assert owner.execute("SELECT word FROM kept").fetchone() == ("here",)
        client = redis.Redis.from_url(second.addresses["REDIS_URL"])
        assert client.get("word") == b"here"
        client.close()


def test_a_server_left_by_a_killed_supervisor_is_kept(ground):
    with running(ground / "var") as (layout, first):
        again = start_services(layout, read_runtime(layout))
        assert [server.pid for server in (again.postgres, again.redis) if server] == [
            server.pid for server in (first.postgres, first.redis) if server
        ]


def test_a_half_made_database_is_made_again(ground):
    layout = prepare_layout(ground / "var")
    server = embedded_postgres(layout)
    half = system.private_folder(server.data.with_name("postgresql.new"), layout.user)
    (half / "PG_VERSION").write_text("18")
    create_cluster(server, "a password")
    assert (server.data / "PG_VERSION").is_file()
    assert not half.exists()
    shutil.rmtree(layout.run)


def test_a_folder_of_somebody_else_is_refused(ground):
    (ground / "elsewhere").mkdir()
    link = ground / "var"
    link.symlink_to(ground / "elsewhere")
    with pytest.raises(system.StartError, match="belongs to somebody else"):
        system.private_folder(link)


@needs_root
def test_programs_in_an_unreadable_home_are_copied_where_the_service_user_reaches_them(
    ground, monkeypatch
):
    monkeypatch.setattr(system, "SYSTEM_DATA", ground / "lib")
    package = ground / "home" / "package"
    package.mkdir(parents=True)
    program = package / "program"
    program.write_text("#!/bin/sh\necho here\n")
    program.chmod(0o755)
    package.parent.chmod(0o700)
    user = system.service_user()
    copy = system.reachable_binaries(package, user)
    assert copy != package
    assert system.run_as([str(copy / "program")], user).stdout == "here\n"
    assert system.reachable_binaries(package, user) == copy
    assert package.parent.stat().st_mode & 0o777 == 0o700


@needs_root
def test_a_full_disk_is_one_plain_line(ground):
    small = ground / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=6m,mode=755", "none", str(small)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        layout = prepare_layout(small / "var")
        server = embedded_postgres(layout)
        with pytest.raises(system.StartError, match="No space left on device") as caught:
            create_cluster(server, "a password")
        assert "\n" not in str(caught.value)
        shutil.rmtree(layout.run)
    finally:
        subprocess.run(["/bin/umount", str(small)], check=True)


def test_a_server_that_cannot_start_says_why_in_one_line(ground):
    layout = prepare_layout(ground / "var")
    server = embedded_postgres(layout, {"shared_buffers": "nonsense"})
    create_cluster(server, "a password")
    with pytest.raises(system.StartError, match="shared_buffers") as caught:
        start_postgres(server, log=layout.logs / "postgresql.log")
    assert "\n" not in str(caught.value)
    shutil.rmtree(layout.run)


def test_redis_comes_from_the_path_when_the_wheel_has_none(ground, monkeypatch):
    monkeypatch.setattr(embedded_redis, "PACKAGE", "no_such_package")
    program = ground / "redis-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(ground))
    assert embedded_redis.find_program(None) == program
    program.unlink()
    with pytest.raises(system.StartError, match="set REDIS_URL"):
        embedded_redis.find_program(None)


def test_values_made_on_the_first_run_stay(ground, monkeypatch):
    monkeypatch.delenv("SECRET_KEY")
    layout = prepare_layout(ground / "var")
    write_runtime(layout, complete_runtime({"REDIS_URL": "redis://127.0.0.1:1/0"}))
    first = read_runtime(layout)
    assert complete_runtime(first) == first
    assert {"SECRET_KEY", "FIELD_KEYS", "DEMO_PASSWORD", "STAFF_PASSWORD"} < set(first)
    assert len(first["DEMO_PASSWORD"]) >= 12
    monkeypatch.setenv("SECRET_KEY", "given")
    monkeypatch.setenv("FIELD_KEYS", "given")
    # One run with its own values must not lose those that stored secrets were written with.
    assert complete_runtime(first) == first
    assert "SECRET_KEY" not in complete_runtime({})
    assert "FIELD_KEYS" not in complete_runtime({})
    shutil.rmtree(layout.run)


def test_a_copy_collects_its_pages_files_again_only_when_they_changed(ground, monkeypatch):
    source = ground / "static" / "js" / "page.js"
    source.parent.mkdir(parents=True)
    source.write_text("one")
    (ground / "requirements.txt").write_text("django==1\n")
    monkeypatch.setattr(assets, "BASE_DIR", ground)
    monkeypatch.setattr(assets, "SOURCES", ground / "static" / "src")
    monkeypatch.setattr(assets, "PACKAGES", ground / "static" / "src" / "node_modules")
    monkeypatch.setattr(assets, "_VERSIONS", ground / "requirements.txt")
    collected = []

    def collect():
        assets.collect_assets(ground, lambda: collected.append(source.read_text()))

    collect()
    collect()
    assert collected == ["one"]
    source.write_text("two")
    with pytest.raises(system.StartError):
        assets.collect_assets(ground, fail_to_collect)
    # What was half written is not taken for whole, even when the sources are as they were.
    source.write_text("one")
    collect()
    assert collected == ["one", "one"]
    (ground / "requirements.txt").write_text("django==2\n")
    collect()
    assert len(collected) == 3


def fail_to_collect():
    raise system.StartError("the disk is full")
