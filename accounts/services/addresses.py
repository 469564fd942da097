"""Addresses that a user trusts: devices are bound to them, and known ones raise no alarm."""

from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from accounts.domain.client_address import client_address
from accounts.domain.networks import plain_network, typed_network
from accounts.exceptions import InvalidInput, NotFound
from accounts.models import TrustedAddress, User
from accounts.services import audit
from accounts.services.devices import revoke_devices
from accounts.services.users import lock_user

MOST_ADDRESSES = 20
_SHAPE = "Enter one address, like 203.0.113.7 or 2001:db8::7. Wider networks cannot be trusted."


def live_addresses(user: User, *, now: datetime) -> QuerySet[TrustedAddress]:
    """Return the addresses that the user trusts, with how many devices he trusts there."""
    is_live = Q(devices__revoked_at=None, devices__expires_at__gt=now)
    return (
        TrustedAddress.objects.for_user(user)
        .filter(revoked_at=None)
        .annotate(live_devices=Count("devices", filter=is_live))
        .order_by("-seen_at", "-pk")
    )


def add_address(
    request: HttpRequest, user: User, *, typed: str, name: str, now: datetime
) -> TrustedAddress:
    """Trust an address; the door has asked for a fresh second factor."""
    try:
        network = typed_network(typed)
    except ValueError as error:
        raise InvalidInput(_SHAPE, field="address") from error
    with transaction.atomic():
        lock_user(user.pk)
        known = set(live_addresses(user, now=now).values_list("network", flat=True))
        if network in known:
            raise InvalidInput("You trust this address already.", field="address", code="unique")
        if len(known) >= MOST_ADDRESSES:
            message = f"You trust {MOST_ADDRESSES} addresses, the most there may be. Remove one."
            raise InvalidInput(message, field="address", code="max_length")
        address = TrustedAddress.objects.create(
            user=user, network=network, name=name.strip(), trusted_at=now, seen_at=now
        )
        _record(request, address, kind="address_trust", now=now)
    return address


def rename_address(
    request: HttpRequest, user: User, address_id: int, *, name: str, now: datetime
) -> None:
    """Give an address a name."""
    with transaction.atomic():
        address = _own_address(user, address_id)
        address.name = name.strip()
        address.save(update_fields=["name"])
        _record(request, address, kind="address_rename", now=now)


def revoke_address(request: HttpRequest, user: User, address_id: int, *, now: datetime) -> int:
    """Trust an address no more, nor any device there; say how many devices there were."""
    with transaction.atomic():
        lock_user(user.pk)
        address = _own_address(user, address_id)
        count = revoke_devices(request, user, address=address, now=now)
        address.revoked_at = now
        address.save(update_fields=["revoked_at"])
        _record(request, address, kind="address_revoke", now=now)
    return count


def _own_address(user: User, address_id: int) -> TrustedAddress:
    rows = TrustedAddress.objects.for_user(user).filter(revoked_at=None)
    address = rows.filter(pk=address_id).first()
    if address is None:
        raise NotFound("There is no such address.")
    return address


def _record(request: HttpRequest, address: TrustedAddress, *, kind: str, now: datetime) -> None:
    audit.record(
        actor=address.user,
        kind=kind,
        target=f"address {address.pk}",
        detail={"network": plain_network(address.network), "name": address.name},
        client_address=client_address(request.META),
        now=now,
    )
