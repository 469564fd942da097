"""Places of log-ins: a browser and a network. A new one is told by mail."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string

from accounts.domain.browsers import browser_family
from accounts.domain.client_address import client_address
from accounts.domain.networks import network_of
from accounts.domain.session_rules import INDIA
from accounts.models import LogInPlace, TrustedAddress, User

# The door passes `accounts.tasks.send_alert.delay`: (user id, template, facts).
Enqueue = Callable[[int, str, dict[str, str]], object]

_SUBJECTS = {
    "new_place": "New log-in to your FinByte account",
    "devices_revoked": "Your trusted devices on FinByte were removed",
}


def note_place(user: User, request: HttpRequest, *, now: datetime, enqueue: Enqueue) -> None:
    """Remember where a log-in came from; mail the user about a new browser or address.

    No mail for the first place of all, nor for a known browser at an address that the user has
    trusted beforehand.
    """
    browser, network = browser_of(request), place_network(request)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        places = LogInPlace.objects.for_user(user)
        known = list(places.values_list("browser", "network"))
        places.update_or_create(
            user=user,
            browser=browser,
            network=network,
            defaults={"seen_at": now},
            create_defaults={"seen_at": now, "first_seen_at": now},
        )
        if not known or (browser, network) in known:
            return
        if any(each == browser for each, _ in known) and _is_trusted(user, network):
            return
        queue_alert(request, user, template="new_place", now=now, enqueue=enqueue)


def queue_alert(
    request: HttpRequest, user: User, *, template: str, now: datetime, enqueue: Enqueue
) -> None:
    """Mail the user, once the transaction is committed, what happened from where."""
    facts = {
        "at": f"{now.astimezone(INDIA):%-d %b %Y, %H:%M} IST",
        "browser": browser_of(request),
        "address": client_address(request.META) or "this machine",
    }
    transaction.on_commit(partial(enqueue, user.pk, template, facts))


def send_alert(user_id: int, template: str, facts: dict[str, str]) -> None:
    """Mail a user about something that he should know of at once."""
    user = User.objects.get(pk=user_id)
    context = {"user": user, "site": settings.PUBLIC_URL.rstrip("/"), **facts}
    text = render_to_string(f"emails/{template}.txt", context)
    send_mail(_SUBJECTS[template], text, None, [user.email])


def browser_of(request: HttpRequest) -> str:
    """Return the family of the browser that sent the request."""
    return browser_family(request.META.get("HTTP_USER_AGENT", ""))


def place_network(request: HttpRequest) -> str:
    """Return the network that the request came from; nothing for a local socket."""
    address = client_address(request.META)
    return "" if address is None else network_of(address)


def _is_trusted(user: User, network: str) -> bool:
    return TrustedAddress.objects.for_user(user).filter(network=network, revoked_at=None).exists()
