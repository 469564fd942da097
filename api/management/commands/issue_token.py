"""`manage.py issue_token`: a token for a script, without a browser."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.exceptions import AccountsError
from accounts.models import User
from accounts.services.issued_tokens import issue_token
from portfolio.selectors.venue_accounts import trades_on_paper_only


class Command(BaseCommand):
    """Print api_key, api_secret and access_token as JSON; the act goes into the audit log."""

    help = (
        "Print api_key, api_secret and access_token of a user's app as JSON, for scripts, docs and "
        "tests. The app is made when it is missing; an older token of it ends. The token is valid "
        "until 06:00 in India. Only for users whose accounts are all on paper."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the user's e-mail and the name of the app."""
        parser.add_argument("--email", required=True, help="the user's e-mail address")
        parser.add_argument("--app", required=True, help="name of the app, 1 to 60 characters")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Issue a token, or say why not."""
        user = User.objects.with_email(options["email"]).first()
        if user is None:
            raise CommandError(f"nobody has the e-mail address {options['email']}")
        if not trades_on_paper_only(user):
            raise CommandError("this user has an account at a real venue: log in with a browser")
        try:
            issued = issue_token(user, app_name=options["app"], now=timezone.now())
        except AccountsError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            json.dumps(
                {
                    "api_key": issued.api_key,
                    "api_secret": issued.api_secret,
                    "access_token": issued.access_token,
                }
            )
        )
