"""Give a fresh copy its instruments, their past, and the demo people."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from finbyte_site import env
from finbyte_site.demo import DEMO_EMAIL, STAFF_EMAIL, DemoPasswords, seed_market, seed_people


class Command(BaseCommand):
    """Run by `make run` at every start; what is there stays."""

    requires_system_checks = []
    help = "Make the seed instruments with their past and, on a demo copy, the demo users."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed the market, then the people where a demo is allowed."""
        now = timezone.now()
        seed_market(now)
        if not settings.DEMO:
            return
        passwords = DemoPasswords(env.text("DEMO_PASSWORD"), env.text("STAFF_PASSWORD"))
        seed_people(passwords, now=now)
        self.stdout.write(f"Demo log-in:  {DEMO_EMAIL}   {passwords.demo}")
        self.stdout.write(f"Staff log-in: {STAFF_EMAIL}  {passwords.staff}")
