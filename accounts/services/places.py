"""Places of log-ins: a browser and a network. A new one is told by mail."""

from datetime import datetime

from django.db import transaction
from django.http import HttpRequest

from accounts.domain.browsers import browser_family
from accounts.domain.client_address import client_address
from accounts.domain.networks import network_of
from accounts.models import LogInPlace, TrustedAddress, User
from accounts.services.notices import Enqueue, queue_notice
from accounts.services.users import lock_user


def note_place(user: User, request: HttpRequest, *, now: datetime, enqueue: Enqueue) -> None:
    """Remember where a log-in came from; mail the user about a new browser or address.

    No mail for the first place of all, nor for a known browser at an address that the user has
    trusted beforehand.
    """
    browser, network = browser_of(request), place_network(request)
    with transaction.atomic():
        lock_user(user.pk)
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
        queue_notice(
            user,
            "new_place",
            values={"browser": browser},
            client_address=client_address(request.META),
            now=now,
            enqueue=enqueue,
        )


def browser_of(request: HttpRequest) -> str:
    """Return the family of the browser that sent the request."""
    return browser_family(request.META.get("HTTP_USER_AGENT", ""))


def place_network(request: HttpRequest) -> str:
    """Return the network that the request came from; nothing for a local socket."""
    address = client_address(request.META)
    return "" if address is None else network_of(address)


def _is_trusted(user: User, network: str) -> bool:
    return TrustedAddress.objects.for_user(user).filter(network=network, revoked_at=None).exists()
