"""The five processes under circus: what dies comes back, what stops stays stopped."""

import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from circus import get_arbiter
from circus.arbiter import Arbiter
from circus.exc import ConflictError
from circus.watcher import Watcher

from finbyte_site.embedded.layout import Layout
from finbyte_site.embedded.system import copy_mark, wait_until

BASE_DIR = Path(__file__).resolve().parent.parent.parent
MARK = "FINBYTE_COPY"
LOG_BYTES = 10_000_000
LOG_FILES = 3
# All that a pipe holds.
PIPE_BYTES = 65_536
GRACE_SECONDS = 10.0
ASK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """One of the five: its command, its database time-outs, how long it may take to end."""

    name: str
    arguments: tuple[str, ...]
    pg_options: str
    grace: float = GRACE_SECONDS


def _timeouts(*, statement: int, idle: int, lock: int) -> str:
    return (
        f"-c timezone=UTC -c statement_timeout={statement}s -c lock_timeout={lock}s"
        f" -c idle_in_transaction_session_timeout={idle}s"
    )


def process_plans(host: str, port: int) -> list[ProcessPlan]:
    """Return the five processes of architecture.md section 2."""
    celery = ("-m", "celery", "-A", "finbyte_site")
    return [
        ProcessPlan(
            "web",
            ("-m", "finbyte_site.web", host, str(port)),
            _timeouts(statement=10, idle=15, lock=5),
        ),
        ProcessPlan(
            "worker",
            (*celery, "worker", "-Q", "bots,default,slow", "--concurrency", "2", "--pool",
             "prefork", "--without-gossip", "--without-mingle", "--loglevel", "WARNING"),
            _timeouts(statement=60, idle=30, lock=10),
        ),
        ProcessPlan(
            "beat",
            (*celery, "beat", "--scheduler", "finbyte_site.heartbeat:BeatingScheduler",
             "--pidfile=", "--loglevel", "WARNING"),
            _timeouts(statement=10, idle=15, lock=5),
        ),
        ProcessPlan("feed", ("manage.py", "run_feed"), _timeouts(statement=30, idle=30, lock=5)),
        ProcessPlan(
            "gateway", ("manage.py", "run_gateway"), _timeouts(statement=30, idle=30, lock=10)
        ),
    ]  # fmt: skip


def supervise(
    layout: Layout,
    plans: list[ProcessPlan],
    *,
    environment: dict[str, str],
    on_started: Callable[[], None],
) -> None:
    """Run the processes until a signal or `make stop`; end every one of them before returning."""
    arbiter = get_arbiter(
        [_watcher(layout, plan, environment) for plan in plans],
        controller=f"ipc://{layout.run}/circus.control",
        pubsub_endpoint=f"ipc://{layout.run}/circus.events",
        statsd=False,
        check_delay=0.5,
        proc_name="finbyte",
        loglevel="WARNING",
        logoutput=str(layout.logs / "supervisor.log"),
    )
    logging.getLogger("tornado.application").addFilter(_is_news)
    hang_up = signal.getsignal(signal.SIGHUP)

    def asked_to_stop(_number: int, _frame: object) -> None:
        arbiter.loop.add_callback_from_signal(_stop, arbiter)

    def started(_: object) -> None:
        # A closed terminal stops the copy; circus would reload it. `nohup` keeps it running.
        ignored = hang_up is signal.SIG_IGN
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else _end_self)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, asked_to_stop)
        on_started()

    try:
        arbiter.start(cb=started)
    finally:
        end_leftovers(layout.var)


def _stop(arbiter: Arbiter) -> None:
    """Stop everything; circus refuses while it starts a process, and would leave it at that."""
    try:
        arbiter.stop()
    except ConflictError:
        arbiter.loop.call_later(ASK_AGAIN_SECONDS, _stop, arbiter)


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what circus says while it stops: its watch finds the stopping under way."""
    return not (record.exc_info and isinstance(record.exc_info[1], ConflictError))


def _end_self(_number: int, _frame: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _watcher(layout: Layout, plan: ProcessPlan, environment: dict[str, str]) -> dict[str, object]:
    stream = {
        "class": "FileStream",
        "filename": str(layout.logs / f"{plan.name}.log"),
        "max_bytes": LOG_BYTES,
        "backup_count": LOG_FILES,
    }
    return {
        "name": plan.name,
        "cmd": shlex.quote(sys.executable),
        "args": list(plan.arguments),
        "working_dir": str(BASE_DIR),
        "env": {**environment, MARK: copy_mark(layout.var), "FINBYTE_PG_OPTIONS": plan.pg_options},
        "graceful_timeout": plan.grace,
        "stop_children": False,
        "max_retry": -1,
        "stdout_stream": stream,
        "stderr_stream": stream,
        "hooks": {"before_reap": (_let_go, True)},
    }


def _let_go(*, watcher: Watcher, process_pid: int, **_: object) -> bool:
    """Listen no more to a process that has died, and take down its last words.

    circus closes the pipes of the dead. Where a child of it still holds one there was no end of
    file, so that circus goes on listening to a number which is soon another process's: from then on
    nothing that dies is started again ("fd added twice").
    """
    process, redirector = watcher.processes[process_pid], watcher.stream_redirector
    if redirector is None:
        return True
    redirector.remove_redirections(process)
    for name, pipe in redirector.get_process_pipes(process):
        if pipe.closed:
            continue
        os.set_blocking(pipe.fileno(), False)
        # Once only: a child that goes on talking must not keep us here.
        with suppress(BlockingIOError):
            if data := os.read(pipe.fileno(), PIPE_BYTES):
                redirector.redirect[name]({"data": data, "pid": process_pid, "name": name})
    return True


def copy_processes(var: Path) -> list[psutil.Process]:
    """Return the processes of the copy in `var`, however they were started or orphaned."""
    mark = copy_mark(var)
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def end_leftovers(var: Path) -> None:
    """End processes of the copy that have no supervisor any more."""
    left = copy_processes(var)
    for process in left:
        _signal(process, signal.SIGTERM)
    if wait_until(lambda: not _alive(left), seconds=GRACE_SECONDS, pause=0.1):
        return
    for process in _alive(left):
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(left, timeout=5)


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [
        each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE
    ]


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
