"""By whom, from where and when a page's act is done, and where the browser goes after it."""

from typing import cast
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.domain.client_address import client_address
from accounts.models import User
from accounts.services.factor_changes import Act
from accounts.services.notices import Enqueue
from accounts.services.sessions import stamp_of


def own_user(request: HttpRequest) -> User:
    """Return who is logged in, also while he looks at somebody else's pages.

    Callers have made sure that somebody is.
    """
    return cast("User", request.user)


def act_of(request: HttpRequest, enqueue: Enqueue) -> Act:
    """Return the circumstances of a request; its own session is the one that goes on."""
    stamp = stamp_of(request)
    return Act(
        client_address=client_address(request.META),
        session=None if stamp is None else UUID(stamp.public_id),
        enqueue=enqueue,
        now=timezone.now(),
    )


def safe_next(request: HttpRequest, address: str | None, *, default: str) -> str:
    """Return the address if it is one of this site, else that of the default page."""
    is_ours = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return address if address and is_ours else reverse(default)
