"""From `make run` on a copy that has run before to a green /healthz, and from Ctrl-C to the end."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

from finbyte_site.embedded.layout import prepare_layout
from finbyte_site.embedded.redis import free_port

BASE_DIR = Path(__file__).resolve().parent.parent.parent
BUDGET_SECONDS = 15.0
STARTS = 3
_GIVEN = ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_APP_ROLE", "REDIS_URL", "SECRET_KEY")
_READY = re.compile(r"\(ready in ([\d.]+) s\)")


def start_and_stop(environment: dict[str, str]) -> tuple[float, float]:
    """Return how long one start took until green, and its stop."""
    with subprocess.Popen(
        [sys.executable, "-m", "finbyte_site.embedded", "run"],
        cwd=BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True,
    ) as copy:  # fmt: skip
        line = copy.stdout.readline() if copy.stdout else ""
        found = _READY.search(line)
        began = monotonic()
        copy.send_signal(signal.SIGINT)
        copy.communicate()
    if found is None:
        raise SystemExit(f"The copy did not become green: {line}")
    return float(found[1]), monotonic() - began


def main() -> int:
    """Print the seconds of the first and of warm starts; fail over the budget."""
    var = Path(tempfile.mkdtemp(prefix="fb-bench-"))
    kept = {name: value for name, value in os.environ.items() if name not in _GIVEN}
    environment = {**kept, "FINBYTE_VAR": str(var), "PORT": str(free_port())}
    try:
        first, _ = start_and_stop(environment)
        warm = [start_and_stop(environment) for _ in range(STARTS)]
    finally:
        layout = prepare_layout(var)
        for folder in {layout.services, layout.run, layout.var}:
            shutil.rmtree(folder, ignore_errors=True)
    slowest = max(start for start, _ in warm)
    sys.stdout.write(
        f"start: first {first:.1f} s (migrations and 98 days of candles), warm "
        f"{', '.join(f'{start:.1f}' for start, _ in warm)} s (required below "
        f"{BUDGET_SECONDS:.0f}), stop {max(end for _, end in warm):.1f} s\n"
    )
    return 0 if slowest < BUDGET_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
