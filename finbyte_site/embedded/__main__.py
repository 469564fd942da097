"""`python -m finbyte_site.embedded assets|run|stop`, called by the Makefile."""

import os
import sys

from finbyte_site.embedded.assets import build_assets
from finbyte_site.embedded.launcher import run, stop
from finbyte_site.embedded.system import StartError

COMMANDS = {"assets": build_assets, "run": run, "stop": stop}


def main() -> int:
    """Run the command; a failure is one plain line."""
    command = COMMANDS.get(" ".join(sys.argv[1:]))
    if command is None:
        print("Use: python -m finbyte_site.embedded assets|run|stop", file=sys.stderr)
        return 2
    os.umask(0o077)
    try:
        command()
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or 'FinByte'}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
