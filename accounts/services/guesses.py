"""Who may try a password now. A try is counted before it is judged, so no two slip through."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from accounts.domain.guess_delays import RULES, Bucket, Kind
from accounts.domain.tokens import token_digest
from accounts.exceptions import TooManyGuesses
from accounts.models import DeviceToken, GuessBucket, LogInPlace
from accounts.services.places import place_network

KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Try:
    """One try that was let in: the buckets that it fills, and until when each is closed by it."""

    keys: Mapping[Kind, str]
    closed_until: Mapping[Kind, datetime]


def claim_try(request: HttpRequest, email: str, *, now: datetime) -> Try:
    """Let a password be tried and count it as wrong; raises TooManyGuesses where one has to wait.

    A try that has to wait is not counted: whoever is patient always gets in. Whether there is such
    an account makes no difference. The count must be committed before the password is looked at.
    """
    keys = _keys_of(request, email, now=now)
    with transaction.atomic():
        rows = _lock_rows(keys, now=now)
        seconds = max(_bucket(row).seconds_to_wait(now=now) for row in rows.values())
        if seconds:
            raise TooManyGuesses(
                f"Too many attempts. Your account is not locked: wait {seconds} s, then try again.",
                seconds=seconds,
            )
        for kind, row in rows.items():
            _keep(row, _bucket(row).filled(RULES[kind], now=now))
    return Try(keys, {kind: row.blocked_until for kind, row in rows.items()})


def take_back(claimed: Try, *, now: datetime) -> None:
    """Uncount a place's tries: the password was right. What other places have tried stays."""
    with transaction.atomic():
        rows = _lock_rows(claimed.keys, now=now)
        tries = _bucket(rows[Kind.PLACE]).level(RULES[Kind.PLACE], now=now)
        for kind, row in rows.items():
            until = claimed.closed_until[kind]
            _keep(row, _bucket(row).drained(RULES[kind], tries=tries, until=until, now=now))


def forget_drained(*, now: datetime) -> int:
    """Delete the buckets that hold nobody back any more; say how many."""
    return GuessBucket.objects.filter(
        empty_at__lt=now - KEPT_FOR, blocked_until__lt=now - KEPT_FOR
    ).delete()[0]


def digest_of(email: str) -> str:
    """Return what stands for a typed e-mail, in any case, where it is not to be kept."""
    return salted_hmac("accounts.guesses", email.lower(), algorithm="sha256").hexdigest()[:32]


def _keys_of(request: HttpRequest, email: str, *, now: datetime) -> dict[Kind, str]:
    """Return the buckets of a try: only its place's own where the user has been before."""
    account, network = digest_of(email), place_network(request)
    device = _trusted_device(request, email, now=now)
    place = network if device is None else f"device {device}"
    keys = {Kind.PLACE: f"{Kind.PLACE} {account} {place}"}
    if device is None and not _was_here(email, network):
        keys[Kind.ACCOUNT] = f"{Kind.ACCOUNT} {account}"
        keys[Kind.ADDRESS] = f"{Kind.ADDRESS} {network}"
        keys[Kind.PLATFORM] = str(Kind.PLATFORM)
    return keys


def _trusted_device(request: HttpRequest, email: str, *, now: datetime) -> int | None:
    """Return the trusted device of this account whose cookie came along, from wherever it came."""
    return (
        DeviceToken.objects.alias(owner=Lower("device__user__email"))
        .filter(
            digest=token_digest(request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")),
            replaced_at=None,
            device__revoked_at=None,
            device__expires_at__gt=now,
            owner=email.lower(),
        )
        .values_list("device_id", flat=True)
        .first()
    )


def _was_here(email: str, network: str) -> bool:
    """Say whether this account has been logged in to from this network before."""
    places = LogInPlace.objects.alias(owner=Lower("user__email"))
    return places.filter(owner=email.lower(), network=network).exists() and network != ""


def _lock_rows(keys: Mapping[Kind, str], *, now: datetime) -> dict[Kind, GuessBucket]:
    """Return the rows of a try, made where missing, locked in one order."""
    # Writing what is there already locks it: another one's deletion cannot come in between.
    GuessBucket.objects.bulk_create(
        [GuessBucket(key=key, empty_at=now, blocked_until=now) for key in sorted(keys.values())],
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["key"],
    )
    rows = {row.key: row for row in GuessBucket.objects.filter(key__in=keys.values())}
    return {kind: rows[key] for kind, key in keys.items()}


def _bucket(row: GuessBucket) -> Bucket:
    return Bucket(row.empty_at, row.blocked_until)


def _keep(row: GuessBucket, bucket: Bucket) -> None:
    row.empty_at, row.blocked_until = bucket.empty_at, bucket.blocked_until
    row.save(update_fields=["empty_at", "blocked_until"])
