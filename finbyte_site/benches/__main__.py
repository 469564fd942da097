"""`make bench [ARGS="name ..."]`: run every bench on services of its own, durable as in use.

A bench is a module `<app>/benches/<name>.py` with `main() -> int`: it prints its figures, each with
the reference measured in the same run, and returns 1 when it misses its budget. It is run as a
process of its own, on an empty Redis and a freshly migrated database.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import redis
from psycopg import sql

from finbyte_site.embedded.launcher import manage
from finbyte_site.embedded.layout import Layout, prepare_layout
from finbyte_site.embedded.postgres import DATABASE, OWNER_ROLE, SUPERUSER
from finbyte_site.embedded.runtime import complete_runtime, kept_secret, write_runtime
from finbyte_site.embedded.services import Services, start_services, stop_services
from finbyte_site.embedded.system import StartError

BASE_DIR = Path(__file__).resolve().parent.parent.parent
APPS = ("market", "portfolio", "bots", "api", "finbyte_site")


def bench_modules() -> Iterator[str]:
    """Yield the module names of all benches, lowest app first."""
    for app in APPS:
        for path in sorted((BASE_DIR / app / "benches").glob("*.py")):
            if not path.name.startswith("_"):
                yield f"{app}.benches.{path.stem}"


def chosen(names: list[str]) -> list[str]:
    """Return the benches asked for by their last name; all when none is named."""
    known = {module.rpartition(".")[2]: module for module in bench_modules()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise StartError(f"No bench {', '.join(unknown)}; there are {', '.join(sorted(known))}.")
    return [known[name] for name in names] or list(known.values())


def main() -> int:
    """Run the benches named on the command line; fail when one misses its budget."""
    os.umask(0o077)
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    missed = []
    var = Path(tempfile.mkdtemp(prefix="fb-bench-"))
    layout = prepare_layout(var)
    services = Services(None, None, {})
    try:
        modules = chosen(sys.argv[1:])
        services = start_services(layout, {})
        environment = _environment(layout, services)
        manage(environment, "migrate", "--noinput", "-v", "0")
        missed = [name for name in modules if _run(name, layout, services, environment) != 0]
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        stop_services(services)
        for folder in {layout.services, layout.run, layout.var}:
            shutil.rmtree(folder, ignore_errors=True)
    if missed:
        sys.stdout.write(f"Over budget: {', '.join(missed)}\n")
    return 1 if missed else 0


def _environment(layout: Layout, services: Services) -> dict[str, str]:
    values = complete_runtime(services.addresses)
    write_runtime(layout, values)
    return {**os.environ, **values, "FINBYTE_VAR": str(layout.var)}


def _run(module: str, layout: Layout, services: Services, environment: dict[str, str]) -> int:  # noqa: PLR0917 - private, one caller
    sys.stdout.write(f"== {module}\n")
    sys.stdout.flush()
    name = f"bench_{module.rpartition('.')[2]}"
    server = services.postgres
    if server is None or services.redis is None:
        raise StartError("benches run on embedded services only")
    superuser = kept_secret(layout, SUPERUSER)
    with psycopg.connect(server.url(SUPERUSER, superuser, "postgres"), autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE)
            )
        )
    client = redis.Redis.from_url(services.redis.url)
    client.flushall()
    client.close()
    own = {
        key: value.replace(f"/{DATABASE}?", f"/{name}?")
        for key, value in services.addresses.items()
    }
    done = subprocess.run(  # noqa: S603 - our own modules
        [sys.executable, "-m", module], cwd=BASE_DIR, env={**environment, **own}, check=False
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
