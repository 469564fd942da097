"""Folders, users and processes of the operating system, handled so that nobody else can look in."""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from pathlib import Path

SERVICE_NAME = "finbyte"
SYSTEM_DATA = Path("/var/lib/finbyte")
# A socket address holds 108 bytes including the final zero; leave room for our longest name.
LONGEST_RUN_FOLDER = 70
# Servers outlive the code that started them; a forgotten handle would warn.
_STARTED: list[subprocess.Popen[bytes]] = []


class StartError(Exception):
    """The copy cannot start or stop; the message is the one plain line the operator sees."""


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """The system user that owns the services' files when we are root (PostgreSQL refuses root)."""

    name: str
    uid: int
    gid: int


def service_user() -> ServiceUser | None:
    """Return the user that the services run as, or None when that is ourselves."""
    if os.geteuid() != 0:
        return None
    found = _known_user(SERVICE_NAME)
    if found is None:
        _create_service_user()
        found = _known_user(SERVICE_NAME) or _known_user("postgres") or _known_user("nobody")
    if found is None:
        raise StartError(
            f"PostgreSQL does not run as root and no system user {SERVICE_NAME!r} could be made; "
            f"add one (useradd --system {SERVICE_NAME}) or start as a normal user."
        )
    return found


def _known_user(name: str) -> ServiceUser | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return ServiceUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _create_service_user() -> None:
    for command in (
        ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
         "--shell", "/usr/sbin/nologin", SERVICE_NAME],
        ["adduser", "-S", "-D", "-H", SERVICE_NAME],
    ):  # fmt: skip
        program = shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin")
        if program is None:
            continue
        made = subprocess.run([program, *command[1:]], capture_output=True, check=False)  # noqa: S603
        if made.returncode == 0:
            return


def private_folder(
    path: Path, owner: ServiceUser | None = None, *, group_enters: bool = False
) -> Path:
    """Make a folder that only its owner can read; one that another made is refused.

    With `group_enters` the owner stays ourselves and the service user may pass through, not list.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    allowed = {os.geteuid()} | ({owner.uid} if owner else set())
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in allowed:
        raise StartError(f"{path} belongs to somebody else; remove it or set FINBYTE_VAR.")
    if owner is None:
        _set_mode(path, found, 0o700)
        return path
    uid = os.geteuid() if group_enters else owner.uid
    if (found.st_uid, found.st_gid) != (uid, owner.gid):
        os.chown(path, uid, owner.gid)
    _set_mode(path, found, 0o710 if group_enters else 0o700)
    return path


def _set_mode(path: Path, found: os.stat_result, mode: int) -> None:
    if stat.S_IMODE(found.st_mode) != mode:
        path.chmod(mode)


def private_file(path: Path, content: str, owner: ServiceUser | None = None) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if owner is not None:
        os.chown(fresh, owner.uid, owner.gid)
    fresh.replace(path)


def copy_mark(var: Path) -> str:
    """Return the short name of a running copy, from its folder."""
    return blake2s(str(var).encode(), digest_size=6).hexdigest()


def run_folder(var: Path) -> Path:
    """Return the short folder for the sockets of the copy in `var` (paths of sockets are limited)."""
    name = f"fb-{os.geteuid()}-{copy_mark(var)}"
    candidates = [Path("/run")] if os.geteuid() == 0 else []
    if os.environ.get("XDG_RUNTIME_DIR"):
        candidates.append(Path(os.environ["XDG_RUNTIME_DIR"]))
    candidates.append(Path("/tmp"))  # noqa: S108 - the folder made in it is 0700 and checked
    for base in candidates:
        if len(os.fsencode(base / name)) <= LONGEST_RUN_FOLDER and os.access(
            base, os.W_OK | os.X_OK
        ):
            return base / name
    raise StartError("No folder for sockets: neither XDG_RUNTIME_DIR nor /tmp can be written.")


def can_enter(folder: Path, user: ServiceUser | None) -> bool:
    """Tell whether the user can reach the folder through all its parents."""
    if user is None:
        return os.access(folder, os.X_OK)
    tried = subprocess.run(  # noqa: S603 - fixed words, the path as an argument
        ["/bin/sh", "-c", 'cd "$0"', str(folder)],
        user=user.uid, group=user.gid, extra_groups=[], cwd="/",
        capture_output=True, check=False,
    )  # fmt: skip
    return tried.returncode == 0


def reachable_binaries(package: Path, user: ServiceUser | None) -> Path:
    """Return `package`, or a copy of it where the service user can reach it (a 0700 home)."""
    if can_enter(package, user):
        return package
    mark = blake2s(f"{package}{package.stat().st_mtime_ns}".encode(), digest_size=6).hexdigest()
    copy = SYSTEM_DATA / f"{package.name}-{mark}"
    if copy.is_dir():
        return copy
    make_system_folder()
    fresh = copy.with_name(f"{copy.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(package, fresh, symlinks=True)
    fresh.chmod(0o755)
    with contextlib.suppress(FileExistsError):
        fresh.rename(copy)
    shutil.rmtree(fresh, ignore_errors=True)
    return copy


def make_system_folder() -> None:
    """Make the folder for data that cannot lie under FINBYTE_VAR."""
    if not SYSTEM_DATA.is_dir():
        SYSTEM_DATA.mkdir(parents=True)
        SYSTEM_DATA.chmod(0o711)


def run_as(
    command: Sequence[str], user: ServiceUser | None, *, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a program as the service user and return what it said."""
    return subprocess.run(  # noqa: S603 - our own binaries, no shell
        command, cwd="/", env=_clean_environment(), capture_output=True, text=True, timeout=timeout,
        check=False, umask=0o077, user=user.uid if user else None,
        group=user.gid if user else None, extra_groups=[] if user else None,
    )  # fmt: skip


def start_daemon(
    command: Sequence[str], user: ServiceUser | None, *, log: Path, with_parent: bool
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that Ctrl-C does not reach it before us."""
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own binaries, no shell
            command, cwd="/", env=_clean_environment(), stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, start_new_session=True, umask=0o077,
            preexec_fn=_die_with_parent() if with_parent else None,  # noqa: PLW1509 - no threads yet
            user=user.uid if user else None, group=user.gid if user else None,
            extra_groups=[] if user else None,
        )  # fmt: skip
    _STARTED.append(process)
    return process


def _clean_environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _die_with_parent() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    set_death_signal = 1

    def ask() -> None:
        library.prctl(set_death_signal, signal.SIGINT)

    return ask


def runs_program(pid: int, word: str) -> bool:
    """Tell whether the process lives and is the program: numbers of old pid files get reused."""
    if not is_alive(pid):
        return False
    try:
        return word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def is_alive(pid: int) -> bool:
    """Tell whether a process lives; a finished child of ours is collected on the way."""
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_finished(pid)


def _is_finished(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in {"Z", "X"}


def stop_process(pid: int, *, first: signal.Signals, patience: float) -> None:
    """Ask a process to end with `first`, and end it after `patience` seconds."""
    for number, wait in ((first, patience), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if wait_until(lambda: not is_alive(pid), seconds=wait):
            return
    raise StartError(f"Process {pid} could not be stopped.")


def wait_until(condition: Callable[[], bool], *, seconds: float, pause: float = 0.03) -> bool:
    """Wait for a condition; tell whether it came true in time."""
    end = time.monotonic() + seconds
    while True:
        if condition():
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(pause)
