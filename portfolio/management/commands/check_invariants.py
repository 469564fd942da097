"""Say whether the books are right; exit 1 and name the rows where they are not."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from portfolio.services.invariants import CHECKS, check_invariants


class Command(BaseCommand):
    """Run the invariants I1-I8 of trust.md section 3."""

    help = "Check the invariants of money, orders and positions; exit 1 naming what is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the choice of checks and of output."""
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument(
            "--only", nargs="+", choices=list(CHECKS), default=list(CHECKS), metavar="I",
            help="which of I1 ... I8 to check",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, print, and leave with 1 when something is wrong."""
        names = options["only"]
        violations = check_invariants(now=timezone.now(), names=names)
        if options["json"]:
            found = {"checked": names, "violations": [asdict(each) for each in violations]}
            self.stdout.write(json.dumps(found, indent=2))
        else:
            for each in violations:
                self.stdout.write(f"{each.invariant} {each.row}: {each.message}")
            self.stdout.write(f"{', '.join(names)} checked: {len(violations)} violations")
        if violations:
            sys.exit(1)
