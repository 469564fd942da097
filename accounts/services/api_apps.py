"""API apps: registered, changed, given new secrets and addresses, revoked.

Locks, as in `api_sessions`: app, then user.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.domain.allowed_addresses import is_among, next_change_at, normal_addresses
from accounts.domain.api_products import normal_products
from accounts.domain.redirect_urls import UrlRefused, normal_postback, normal_redirect
from accounts.domain.roles import Role, SecondFactorRule
from accounts.domain.session_rules import INDIA
from accounts.domain.tokens import new_api_key, new_token
from accounts.exceptions import InvalidInput, Refused
from accounts.models import ApiApp, User
from accounts.services import audit
from accounts.services.api_sessions import SECRET, end_of_app
from accounts.services.sealed import seal
from accounts.services.users import lock_user

MOST_APPS = 20
_OVERRIDERS = frozenset({Role.RISK_OFFICER, Role.ADMINISTRATOR})


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What the owner of an app decides about it."""

    name: str
    redirect_url: str
    postback_url: str
    products: list[str]


def create_app(
    user: User, settings: AppSettings, *, client_address: str | None, now: datetime
) -> tuple[ApiApp, str]:
    """Register an app; return it with its secret, which nobody can read again."""
    settings = _judged(user, settings)
    secret = new_token()
    with transaction.atomic():
        lock_user(user.pk)
        if ApiApp.objects.for_user(user).filter(revoked_at=None).count() >= MOST_APPS:
            raise Refused(f"You have {MOST_APPS} apps, the most there can be. Revoke one first.")
        _require_free_name(user, settings.name)
        app = ApiApp.objects.create(
            user=user,
            name=settings.name,
            api_key=new_api_key(),
            sealed_secret=seal(secret, what=SECRET, user_id=user.pk),
            secret_made_at=now,
            redirect_url=settings.redirect_url,
            postback_url=settings.postback_url,
            products=settings.products,
            created_at=now,
        )
        detail = {"name": app.name, "redirect_url": app.redirect_url}
        _record("api_app_create", app, detail=detail, client_address=client_address, now=now)
    return app, secret


def change_app(
    app: ApiApp, settings: AppSettings, *, client_address: str | None, now: datetime
) -> ApiApp:
    """Change what an app is called, where it returns to and what it may trade in.

    More products than people have agreed to end the app's sessions: they log in again.
    """
    settings = _judged(app.user, settings)
    with transaction.atomic():
        app = _locked(app)
        lock_user(app.user_id)
        if settings.name != app.name:
            _require_free_name(app.user, settings.name)
        changed = [
            name
            for name in ("name", "redirect_url", "postback_url", "products")
            if getattr(app, name) != getattr(settings, name)
        ]
        if not changed:
            return app
        ended = 0
        if set(settings.products) - set(app.products):
            ended = end_of_app(app, reason="the app was given more products", now=now)
        for name in changed:
            setattr(app, name, getattr(settings, name))
        app.save(update_fields=changed)
        detail = {"fields": changed, "redirect_url": app.redirect_url, "sessions_ended": ended}
        _record("api_app_change", app, detail=detail, client_address=client_address, now=now)
    return app


def rotate_secret(app: ApiApp, *, client_address: str | None, now: datetime) -> tuple[ApiApp, str]:
    """Give an app a new secret; the old one and every session made with it end at once."""
    secret = new_token()
    with transaction.atomic():
        app = _locked(app)
        app.sealed_secret = seal(secret, what=SECRET, user_id=app.user_id)
        app.secret_made_at = now
        app.save(update_fields=["sealed_secret", "secret_made_at"])
        ended = end_of_app(app, reason="the app was given a new secret", now=now)
        detail = {"sessions_ended": ended}
        _record("api_app_rotate", app, detail=detail, client_address=client_address, now=now)
    return app, secret


def set_addresses(
    app: ApiApp,
    texts: Iterable[str],
    *,
    override_by: User | None = None,
    reason: str = "",
    client_address: str | None,
    now: datetime,
) -> ApiApp:
    """Set from where the app's orders may come; once in seven days, the first time freely.

    Staff may do it sooner with a reason, which is kept.
    """
    addresses = _judged_addresses(texts)
    if override_by is not None:
        _require_overrider(override_by, reason)
    with transaction.atomic():
        app = _locked(app)
        if addresses == app.allowed_addresses:
            return app
        free_from = next_change_at(app.addresses_changed_at)
        if override_by is None and free_from is not None and now < free_from:
            raise Refused(
                "Addresses can be changed once in seven days: the next time from "
                f"{free_from.astimezone(INDIA):%d %B %Y, %H:%M} in India on."
            )
        detail: dict[str, Any] = {"before": app.allowed_addresses, "after": addresses}
        if override_by is not None:
            detail["reason"] = reason.strip()
        app.allowed_addresses, app.addresses_changed_at = addresses, now
        app.save(update_fields=["allowed_addresses", "addresses_changed_at"])
        _record(
            "api_app_addresses",
            app,
            actor=override_by,
            detail=detail,
            client_address=client_address,
            now=now,
        )
    return app


def revoke_app(
    app: ApiApp,
    *,
    actor: User,
    reason: str = "",
    client_address: str | None,
    now: datetime,
) -> bool:
    """Stop an app for good with all its sessions; say whether it was still there."""
    with transaction.atomic():
        locked = ApiApp.objects.select_for_update(no_key=True).get(pk=app.pk)
        if locked.revoked_at is not None:
            return False
        locked.revoked_at = now
        locked.save(update_fields=["revoked_at"])
        ended = end_of_app(locked, reason="the app was revoked", now=now)
        _record(
            "api_app_revoke",
            app,
            actor=actor,
            detail={"sessions_ended": ended, "reason": reason},
            client_address=client_address,
            now=now,
        )
    return True


def is_address_allowed(app: ApiApp, address: str | None) -> bool:
    """Say whether an order may be placed, changed or cancelled from this address.

    An app without addresses is bound to none; accounts whose rules demand one ask for that first.
    """
    return is_among(address, app.allowed_addresses)


def may_use_loopback(user: User) -> bool:
    """Say whether log-ins of this user may return to plain http on his own machine."""
    return user.second_factor_rule != SecondFactorRule.EVERY_SESSION


def _judged(user: User, settings: AppSettings) -> AppSettings:
    name = " ".join(settings.name.split())
    if not 1 <= len(name) <= 60:
        raise InvalidInput("Give the app a name of 1 to 60 characters.", field="name")
    try:
        products = normal_products(settings.products)
    except ValueError as error:
        raise InvalidInput("Choose among CNC, MIS and NRML.", field="products") from error
    if not products:
        raise InvalidInput("Choose at least one product.", field="products")
    return replace(
        settings,
        name=name,
        products=products,
        redirect_url=_judged_redirect(user, settings.redirect_url),
        postback_url=_judged_postback(settings.postback_url),
    )


def _judged_redirect(user: User, text: str) -> str:
    try:
        return normal_redirect(text, may_be_loopback=may_use_loopback(user))
    except UrlRefused as error:
        raise InvalidInput(str(error), field="redirect_url") from error


def _judged_postback(text: str) -> str:
    if not text:
        return ""
    try:
        return normal_postback(text)
    except UrlRefused as error:
        raise InvalidInput(str(error), field="postback_url") from error


def _judged_addresses(texts: Iterable[str]) -> list[str]:
    try:
        return normal_addresses(texts)
    except ValueError as error:
        raise InvalidInput(
            f"Enter at most two addresses like 203.0.113.7 or 2001:db8::7 ({error}).",
            field="addresses",
        ) from error


def _require_overrider(user: User, reason: str) -> None:
    if user.role not in _OVERRIDERS or not user.is_active:
        raise Refused("Only a risk officer or an administrator changes addresses before time.")
    if not reason.strip():
        raise InvalidInput("Say why the addresses are changed before time.", field="reason")


def _require_free_name(user: User, name: str) -> None:
    if ApiApp.objects.for_user(user).filter(name=name, revoked_at=None).exists():
        raise InvalidInput("You have an app of this name already.", field="name")


def _locked(app: ApiApp) -> ApiApp:
    """Return the app as it is now, locked; a revoked one is not changed any more."""
    locked = (
        ApiApp.objects.select_for_update(no_key=True, of=("self",))
        .select_related("user")
        .get(pk=app.pk)
    )
    if locked.revoked_at is not None:
        raise Refused("This app is revoked. Create a new one.")
    return locked


def _record(
    kind: str,
    app: ApiApp,
    *,
    actor: User | None = None,
    detail: dict[str, Any],
    client_address: str | None,
    now: datetime,
) -> None:
    audit.record(
        actor=actor or app.user,
        kind=kind,
        target=app.api_key,
        detail=detail,
        on_behalf_of=app.user,
        client_address=client_address,
        now=now,
    )
