"""Trusted devices: a browser at one address that spares the second factor (trust.md 7, T6)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.domain.client_address import client_address
from accounts.domain.networks import plain_network
from accounts.domain.roles import SecondFactorRule
from accounts.domain.tokens import new_token, token_digest
from accounts.exceptions import NotFound, Refused
from accounts.models import ConsoleSession, DeviceToken, TrustedAddress, TrustedDevice, User
from accounts.services import audit
from accounts.services.notices import Enqueue, queue_notice
from accounts.services.places import browser_of, place_network
from accounts.services.sessions import end_sessions, stamp_of, write_stamp
from accounts.services.users import lock_user
from accounts.session_store import forget_sessions

TRUSTED_FOR = timedelta(days=30)
MOST_DEVICES = 10


@dataclass(frozen=True, slots=True)
class DeviceCookie:
    """What the browser is to keep until then; an empty value is to be deleted."""

    value: str
    expires_at: datetime


class Fault(StrEnum):
    """Why a device cookie does not spare the second factor."""

    EXPIRED = "expired"
    REPLAYED = "replayed"
    REVOKED = "revoked"
    FOREIGN = "of another user"
    RULE = "second factor in every session"
    BROWSER = "another browser"
    ADDRESS = "another address"


# The browser is told to forget a cookie that will never be of use again.
_USELESS = frozenset({Fault.EXPIRED, Fault.REPLAYED, Fault.REVOKED})


def trust_device(
    request: HttpRequest, user: User, *, name: str, now: datetime
) -> tuple[TrustedDevice, str]:
    """Trust the browser and the address of a request for 30 days; return the cookie's value.

    Call it after a full log-in only. The response sets the cookie by itself (DeviceCookieMiddleware).
    """
    network = place_network(request)
    if not network:
        raise Refused("This device cannot be trusted: its address is not known.")
    with transaction.atomic():
        owner = lock_user(user.pk)
        if owner.second_factor_rule != SecondFactorRule.NEW_DEVICE:
            raise Refused("Your account asks for the second factor in every session.")
        _replace_earlier(request, owner, now=now)
        address = _trust_network(owner, network, now=now)
        device = TrustedDevice.objects.create(
            user=owner,
            address=address,
            browser=browser_of(request),
            name=name.strip()[:60],
            trusted_at=now,
            seen_at=now,
            expires_at=now + TRUSTED_FOR,
        )
        _drop_oldest(owner, now=now)
        value = _issue(device, now=now)
        _note(request, device, kind="device_trust", now=now)
    _leave_cookie(request, value, device.expires_at)
    return device, value


def recognise(
    request: HttpRequest, user: User, *, now: datetime, enqueue: Enqueue
) -> TrustedDevice | None:
    """Return the trusted device that a log-in comes from, and give it a new cookie.

    None where the second factor has to be asked for. A cookie that was replaced before has been
    copied: all devices of its owner are revoked, and he is told by `enqueue`. The same holds for
    the second of two log-ins at once: it cannot be told from a thief.
    """
    value = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
    if not value:
        return None
    with transaction.atomic():
        token = _lock_token(value)
        if token is None:
            _leave_cookie(request, "", now)
            return None
        fault = _fault_of(token, request, user, now=now)
        if fault is not None:
            _refuse(request, user, token, fault=fault, now=now, enqueue=enqueue)
            return None
        device = token.device
        fresh = _rotate(token, now=now)
    _leave_cookie(request, fresh, device.expires_at)
    return device


def live_devices(user: User, *, now: datetime) -> QuerySet[TrustedDevice]:
    """Return the devices that the user trusts, the last seen first."""
    return (
        TrustedDevice.objects.for_user(user)
        .filter(revoked_at=None, expires_at__gt=now)
        .select_related("address", "user")
        .order_by("-seen_at", "-pk")
    )


def rename_device(
    request: HttpRequest, user: User, device_id: int, *, name: str, now: datetime
) -> None:
    """Give a device a name."""
    with transaction.atomic():
        device = _own_device(user, device_id, now=now)
        device.name = name.strip()[:60]
        device.save(update_fields=["name"])
        _note(request, device, kind="device_rename", now=now)


def revoke_device(request: HttpRequest, user: User, device_id: int, *, now: datetime) -> None:
    """Trust a device no more; sessions that it had spared the second factor end."""
    with transaction.atomic():
        lock_user(user.pk)
        device = _own_device(user, device_id, now=now)
        chosen = TrustedDevice.objects.filter(pk=device.pk)
        _revoke(chosen, "by its user", keep=_unlink_own(request, [device.pk]), now=now)
        _note(request, device, kind="device_revoke", now=now)


def revoke_devices(
    request: HttpRequest, user: User, *, address: TrustedAddress | None = None, now: datetime
) -> int:
    """Trust no device of the user, or none at one address, any more; say how many there were."""
    with transaction.atomic():
        lock_user(user.pk)
        chosen = live_devices(user, now=now)
        if address is not None:
            chosen = chosen.filter(address=address)
        ids = list(chosen.values_list("pk", flat=True))
        count = _revoke(chosen, "by its user", keep=_unlink_own(request, ids), now=now)
        if count:
            _record(request, user, kind="devices_revoke", now=now, devices=count)
    return count


def revoke_all_devices(user: User, *, why: str, keep: UUID | None = None, now: datetime) -> int:
    """Trust no device of the user any more, for a reason that the caller records.

    Sessions that a device had spared the second factor end, all but `keep`.
    """
    with transaction.atomic():
        lock_user(user.pk)
        return _revoke(live_devices(user, now=now), why, keep=keep, now=now)


def raise_second_factor_rule(user: User, *, keep: UUID | None, now: datetime) -> bool:
    """Ask for the second factor in every session from now on; say whether that is new.

    Other sessions end and no device is trusted any more; `keep` goes on under the stricter rule.
    """
    with transaction.atomic():
        owner = lock_user(user.pk)
        if owner.second_factor_rule == SecondFactorRule.EVERY_SESSION:
            return False
        owner.second_factor_rule = SecondFactorRule.EVERY_SESSION
        owner.save(update_fields=["second_factor_rule"])
        user.second_factor_rule = owner.second_factor_rule
        ended = end_sessions(owner, keep=keep)
        count = revoke_all_devices(owner, why="second factor in every session", keep=keep, now=now)
        audit.record(
            actor=owner,
            kind="second_factor_rule_raise",
            target=owner.public_id,
            detail={"sessions": ended, "devices": count},
            now=now,
        )
    return True


def _lock_token(value: str) -> DeviceToken | None:
    """Return what is known of a cookie's value, with its owner locked."""
    found = DeviceToken.objects.filter(digest=token_digest(value))
    owner_id = found.values_list("device__user_id", flat=True).first()
    if owner_id is None:
        return None
    lock_user(owner_id)
    # A second statement: it sees what whoever held the lock before has written.
    return found.select_related("device__address", "device__user").first()


def _fault_of(
    token: DeviceToken, request: HttpRequest, user: User, *, now: datetime
) -> Fault | None:
    device = token.device
    faults = {
        Fault.EXPIRED: device.expires_at <= now,
        Fault.REPLAYED: token.replaced_at is not None,
        Fault.REVOKED: device.revoked_at is not None,
        Fault.FOREIGN: device.user_id != user.pk,
        Fault.RULE: device.user.second_factor_rule != SecondFactorRule.NEW_DEVICE,
        Fault.BROWSER: device.browser != browser_of(request),
        Fault.ADDRESS: device.address.network != place_network(request),
    }
    return next((fault for fault, holds in faults.items() if holds), None)


def _refuse(
    request: HttpRequest,
    user: User,
    token: DeviceToken,
    *,
    fault: Fault,
    now: datetime,
    enqueue: Enqueue,
) -> None:
    """Note why a cookie was not believed; one that was replaced before ends all trust."""
    if fault in _USELESS:
        _leave_cookie(request, "", now)
    _record(request, user, kind="device_refused", now=now, reason=str(fault))
    if fault is not Fault.REPLAYED:
        return
    owner = token.device.user
    count = revoke_all_devices(owner, why="its cookie was copied", now=now)
    if count:
        queue_notice(
            owner,
            "devices_revoked",
            values={"browser": browser_of(request)},
            client_address=client_address(request.META),
            now=now,
            enqueue=enqueue,
        )
    audit.record(
        actor=None,
        kind="device_replay",
        target=owner.public_id,
        detail={"device": token.device_id, "devices": count},
        on_behalf_of=owner,
        client_address=client_address(request.META),
        now=now,
    )


def _rotate(token: DeviceToken, *, now: datetime) -> str:
    device = token.device
    token.replaced_at = now
    token.save(update_fields=["replaced_at"])
    device.seen_at = now
    device.save(update_fields=["seen_at"])
    TrustedAddress.objects.filter(pk=device.address_id).update(seen_at=now)
    return _issue(device, now=now)


def _issue(device: TrustedDevice, *, now: datetime) -> str:
    value = new_token()
    DeviceToken.objects.create(device=device, digest=token_digest(value), issued_at=now)
    return value


def _replace_earlier(request: HttpRequest, user: User, *, now: datetime) -> None:
    """End the trust of the user's device whose cookie is about to be overwritten."""
    value = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
    tokens = DeviceToken.objects.for_user(user).filter(
        digest=token_digest(value), replaced_at=None, device__revoked_at=None
    )
    for token in tokens:
        token.replaced_at = now
        token.save(update_fields=["replaced_at"])
        chosen = TrustedDevice.objects.filter(pk=token.device_id)
        keep = _unlink_own(request, [token.device_id])
        _revoke(chosen, "trusted anew", keep=keep, now=now)


def _trust_network(user: User, network: str, *, now: datetime) -> TrustedAddress:
    address, is_new = TrustedAddress.objects.get_or_create(
        user=user,
        network=network,
        revoked_at=None,
        defaults={"trusted_at": now, "seen_at": now},
    )
    if not is_new:
        address.seen_at = now
        address.save(update_fields=["seen_at"])
    return address


def _drop_oldest(user: User, *, now: datetime) -> None:
    rows = live_devices(user, now=now).order_by("-trusted_at", "-pk")
    surplus = list(rows.values_list("pk", flat=True)[MOST_DEVICES:])
    _revoke(TrustedDevice.objects.filter(pk__in=surplus), "too many", keep=None, now=now)


def _revoke(devices: QuerySet[TrustedDevice], why: str, *, keep: UUID | None, now: datetime) -> int:
    """End the trust of devices, and the sessions that only they had let in."""
    ids = list(devices.filter(revoked_at=None).values_list("pk", flat=True))
    TrustedDevice.objects.filter(pk__in=ids).update(revoked_at=now, revoked_for=why)
    spared = ConsoleSession.objects.filter(device__in=ids, factor_at=None)
    if keep is not None:
        spared = spared.exclude(public_id=keep)
    forget_sessions(spared.values_list("pk", flat=True))
    return len(ids)


def _unlink_own(request: HttpRequest, device_ids: list[int]) -> UUID | None:
    """Let the session of a request go on without its device; return which one it is."""
    stamp = stamp_of(request)
    if stamp is None:
        return None
    if stamp.device_id in device_ids:
        write_stamp(request, replace(stamp, device_id=None))
    return UUID(stamp.public_id)


def _own_device(user: User, device_id: int, *, now: datetime) -> TrustedDevice:
    device = live_devices(user, now=now).filter(pk=device_id).first()
    if device is None:
        raise NotFound("There is no such device.")
    return device


def _note(request: HttpRequest, device: TrustedDevice, *, kind: str, now: datetime) -> None:
    _record(
        request,
        device.user,
        kind=kind,
        target=f"device {device.pk}",
        now=now,
        name=device.name,
        browser=device.browser,
        address=plain_network(device.address.network),
    )


def _record(
    request: HttpRequest,
    user: User,
    *,
    kind: str,
    target: str = "",
    now: datetime,
    **detail: str | int,
) -> None:
    audit.record(
        actor=user,
        kind=kind,
        target=target or user.public_id,
        detail=detail,
        client_address=client_address(request.META),
        now=now,
    )


def _leave_cookie(request: HttpRequest, value: str, expires_at: datetime) -> None:
    request.device_cookie = DeviceCookie(value, expires_at)  # type: ignore[attr-defined]
