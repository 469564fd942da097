"""Running a piece of a test as another user of the machine."""

import os
import pickle
import pwd
import traceback
from collections.abc import Callable
from typing import Any

STRANGER = "nobody"


def as_user(name: str, act: Callable[[], Any]) -> Any:
    """Run `act` in a child process that has become the user; return its result or its failure.

    A fork, not a new interpreter: the interpreter may lie in a home the user cannot read.
    """
    entry = pwd.getpwnam(name)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "wb") as out:
            out.write(pickle.dumps(_outcome(entry, act)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as into:
        said = into.read()
    os.waitpid(child, 0)
    done, value = pickle.loads(said)  # noqa: S301 - our own child's words
    if not done:
        raise AssertionError(f"as {name}: {value}")
    return value


def _outcome(entry: pwd.struct_passwd, act: Callable[[], Any]) -> tuple[bool, Any]:
    try:
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        os.environ["HOME"] = entry.pw_dir
        return True, act()
    except BaseException:  # noqa: BLE001 - everything goes to the parent
        return False, traceback.format_exc()
