"""Tokens made on the server for scripts, documents and tests, in place of a log-in."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.domain.api_products import ApiProduct
from accounts.domain.roles import SecondFactorRule
from accounts.domain.sealing import NotOpened
from accounts.exceptions import Refused
from accounts.models import ApiApp, User
from accounts.services.api_apps import AppSettings, create_app
from accounts.services.api_sessions import SECRET, issue
from accounts.services.sealed import unseal
from accounts.services.users import lock_user

# No browser comes back to it: the app is there for its tokens.
_NOWHERE = "http://127.0.0.1/"


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """What a program needs to act: known to the caller and to nobody else."""

    api_key: str
    api_secret: str
    access_token: str


def issue_token(user: User, *, app_name: str, now: datetime) -> IssuedToken:
    """Give a program of the user a session until 06:00 in India; the app is made when missing.

    Raises `Refused` where a log-in is due in every session, `InvalidInput` for a bad name.
    """
    _require_simple_log_in(user)
    with transaction.atomic():
        app = _app_of(user, app_name, now=now)
        user = lock_user(user.pk)
        _require_simple_log_in(user)
        try:
            secret = unseal(app.sealed_secret, what=SECRET, user_id=user.pk)
        except NotOpened as error:
            raise Refused("The secret of this app cannot be read. Make a new one.") from error
        opened = issue(app, user, now=now)
    return IssuedToken(app.api_key, secret, opened.access_token)


def _require_simple_log_in(user: User) -> None:
    if not user.is_active:
        raise Refused("This user is suspended.")
    if user.second_factor_rule != SecondFactorRule.NEW_DEVICE:
        raise Refused("This user's accounts ask for a log-in with a second factor every day.")


def _app_of(user: User, name: str, *, now: datetime) -> ApiApp:
    """Return the user's app of this name, locked."""
    name = " ".join(name.split())
    apps = ApiApp.objects.for_user(user).select_for_update(no_key=True, of=("self",))
    app = apps.select_related("user").filter(name=name, revoked_at=None).first()
    if app is not None:
        return app
    products = [each.value for each in ApiProduct]
    wanted = AppSettings(name, redirect_url=_NOWHERE, postback_url="", products=products)
    return create_app(user, wanted, client_address=None, now=now)[0]
