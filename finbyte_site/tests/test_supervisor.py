"""A whole copy: what dies comes back, a second start finds the first, nothing stays behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from finbyte_site.embedded.layout import prepare_layout
from finbyte_site.embedded.supervisor import copy_processes
from finbyte_site.embedded.system import copy_mark, is_alive, run_folder
from finbyte_site.env import BASE_DIR
from finbyte_site.tests.processes.running_copy import WORDS, RunningCopy, wait_for

pytestmark = pytest.mark.xdist_group("a running copy")
BACK_SECONDS = 10.0
# How fast a start is belongs to the bench warm_start; the machine of a test has other work.
TAKEOVER_SECONDS = 60.0
# PostgreSQL, Redis and the five.
LEAST_PROCESSES = 7


def launcher(copy: RunningCopy, word: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "finbyte_site.embedded", word],
        cwd=BASE_DIR, env=copy.environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def everything_of(copy: RunningCopy) -> list[int]:
    """Return the ids of all processes that belong to the copy, services included."""
    words = (str(copy.var), copy_mark(copy.var))
    found = [process.pid for process in copy_processes(copy.var)]
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if any(word in line for word in words):
            found.append(process.pid)
    return sorted(set(found) - {os.getpid()})


@pytest.fixture
def ground():
    """Give a folder for a copy that will not start, and leave nothing of it."""
    folder = Path(tempfile.mkdtemp(prefix="fbt-ground-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(run_folder(folder / "var"), ignore_errors=True)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def copy():
    # Not pytest's own folder: the service user must get through, or data go to /var/lib.
    ground = Path(tempfile.mkdtemp(prefix="fbt-copy-"))
    ground.chmod(0o755)
    copy = RunningCopy(ground / "var")
    try:
        copy.start()
        yield copy
        _ends_cleanly(copy)
    finally:
        copy.stop()
        shutil.rmtree(ground, ignore_errors=True)


def _ends_cleanly(copy):
    """Press Ctrl-C in the copy's terminal: everything ends, nothing stays behind."""
    # A process that a test has just killed may still be on its way back.
    assert wait_for(lambda: len(everything_of(copy)) >= LEAST_PROCESSES, seconds=20)
    processes = everything_of(copy)
    os.kill(holder(copy), signal.SIGINT)
    wait_for_end(copy)
    assert everything_of(copy) == []
    assert not any(is_alive(pid) for pid in processes)
    stopped = launcher(copy, "stop")
    assert (stopped.returncode, stopped.stdout) == (0, "FinByte is not running.\n")
    assert not run_folder(copy.var).exists()


def test_every_part_is_named_with_its_age(copy):
    report = copy.health()
    assert report["status"] == "ok"
    assert {name: part["ok"] for name, part in report["processes"].items()} == dict.fromkeys(
        WORDS, True
    )


def test_pages_load_the_files_that_the_copy_collected(copy):
    """A build for another copy must not change, half-way, a file that this one serves."""
    own = copy.var / "static" / "dist" / "app.js"
    source = own.read_bytes()
    assert source == (BASE_DIR / "static" / "dist" / "app.js").read_bytes()
    own.write_bytes(source[::-1])
    try:
        for path, wanted in {"dist/app.js": source[::-1], "img/favicon.svg": None}.items():
            with urlopen(f"{copy.url}/static/{path}") as response:  # noqa: S310 - our own copy
                found = response.read()
            assert found == (wanted or (BASE_DIR / "static" / path).read_bytes())
        with urlopen(f"{copy.url}/static/unfold/css/styles.css") as response:  # noqa: S310 - our own copy
            assert response.status == HTTPStatus.OK
    finally:
        own.write_bytes(source)


def test_a_second_start_says_where_the_first_is(copy):
    again = launcher(copy, "run")
    assert again.returncode == 0
    assert again.stdout == f"FinByte is already running at {copy.url}\n"


@pytest.mark.parametrize("name", WORDS)
def test_a_killed_process_is_back_in_time(copy, name):
    assert wait_for(copy.is_green, seconds=BACK_SECONDS)
    pid = copy.pid(name)
    assert pid is not None
    children = psutil.Process(pid).children(recursive=True)
    old = copy.kill(name)
    began = time.monotonic()

    def is_back() -> bool:
        report = copy.health()
        if report.get("status") != "ok" or copy.pid(name) in {None, old}:
            return False
        # Green by a sign of life from before the kill proves nothing.
        return bool(report["processes"][name]["age"] < time.monotonic() - began - 0.1)

    assert wait_for(is_back, seconds=BACK_SECONDS), copy.health()
    assert not is_alive(old)
    # A worker's pool must not go on by itself.
    assert psutil.wait_procs(children, timeout=BACK_SECONDS)[1] == []


def test_nobody_else_can_read_the_copy_s_files(copy):
    layout = prepare_layout(copy.var)
    roots = [layout.var, layout.run, layout.services]
    paths = roots + [path for root in roots for path in root.rglob("*")]
    written_by_this_test = {copy.var / "supervisor.out"}
    shown = [
        str(path)
        for path in set(paths) - written_by_this_test
        if path.exists() and path.lstat().st_mode & 0o066
    ]
    assert shown == []


def test_a_killed_supervisor_leaves_nothing_that_the_next_start_does_not_take_over(copy):
    made = copy.runtime()
    killed = holder(copy)
    os.kill(killed, signal.SIGKILL)
    wait_for_end(copy)
    left = {process.pid for process in copy_processes(copy.var)}
    assert len(left) >= len(WORDS)
    copy.start()
    # Green at once by what is left; the new supervisor ends that and starts its own.
    assert wait_for(lambda: holder(copy) != killed, seconds=TAKEOVER_SECONDS)
    assert wait_for(lambda: not any(map(is_alive, left)), seconds=TAKEOVER_SECONDS)
    assert wait_for(copy.is_green, seconds=TAKEOVER_SECONDS), copy.said()
    kept = ("SECRET_KEY", "FIELD_KEYS", "DATABASE_URL", "REDIS_URL")
    assert [copy.runtime()[name] for name in kept] == [made[name] for name in kept]


# Each dies at a time of its own, has just said something, and leaves a child behind that holds its
# pipe: what a killed worker does.
DYING = """
import os, subprocess, sys, time
subprocess.Popen(["sleep", "5"])
time.sleep(os.getpid() % 13 / 26)
os.write(1, b"last words\\n")
os.kill(os.getpid(), 9)
"""
SUPERVISOR = f"""
import pathlib, sys
from finbyte_site.embedded.layout import prepare_layout
from finbyte_site.embedded.supervisor import ProcessPlan, supervise
plans = [ProcessPlan(f"p{{number}}", ("-c", {DYING!r}), "", grace=1.0) for number in range(5)]
supervise(
    prepare_layout(pathlib.Path(sys.argv[1])), plans, environment={{}}, on_started=lambda: None
)
"""


def test_what_keeps_dying_keeps_coming_back_until_it_is_stopped(ground):
    """The supervisor once listened to the pipes of the dead, and then started nothing any more."""
    var = ground / "var"
    process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(var)], cwd=BASE_DIR)

    def deaths() -> list[int]:
        logs = [var / "log" / f"p{number}.log" for number in range(5)]
        return [log.read_text().count("last words") if log.exists() else 0 for log in logs]

    try:
        assert wait_for(lambda: min(deaths()) >= 8, seconds=40), deaths()
        # It is starting something nearly always: circus refuses to stop then.
        process.terminate()
        assert process.wait(timeout=15) == 0
    finally:
        process.kill()
        process.wait()
    assert copy_processes(var) == []


def wait_for_end(copy: RunningCopy) -> None:
    """Wait until the launcher has ended, whoever told it to."""
    assert copy._supervisor is not None
    copy._supervisor.wait(timeout=30)


def holder(copy: RunningCopy) -> int:
    """Return the id of the supervisor that holds the copy's lock."""
    return int((copy.var / "supervisor.lock").read_text())


def test_a_port_in_use_is_one_plain_line(ground):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        copy = RunningCopy(ground / "var")
        copy.environment["PORT"] = str(other.getsockname()[1])
        refused = launcher(copy, "run")
    assert refused.returncode == 1
    assert refused.stderr == f"Port {copy.environment['PORT']} is in use; set PORT to a free one.\n"
    assert everything_of(copy) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "eighty"), ("PUBLIC_URL", "nonsense"), ("FINBYTE_DEMO", "perhaps")],
)
def test_a_wrong_setting_is_one_plain_line(ground, name, value):
    copy = RunningCopy(ground / "var")
    copy.environment[name] = value
    refused = launcher(copy, "run")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert name in refused.stderr
    assert everything_of(copy) == []


def test_a_broken_file_of_settings_is_one_plain_line(ground):
    copy = RunningCopy(ground / "var")
    layout = prepare_layout(copy.var)
    layout.runtime_env.write_text("SECRET_KEY\n")
    refused = launcher(copy, "run")
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"{layout.runtime_env}: line 1 is not NAME=value: 'SECRET_KEY'"
    ]
