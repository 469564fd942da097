"""Accounts connected to venues: their keys come in, are checked and sealed, and never come out.

A venue is asked outside every transaction. What it refuses, or cannot say now, leaves nothing
behind but a line in the audit log.
"""

import json
import logging
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.views.decorators.debug import sensitive_variables

from accounts.domain.roles import SecondFactorRule
from accounts.domain.sealing import NotOpened
from accounts.models import User
from accounts.selectors import has_second_factor
from accounts.services.api_sessions import end_all
from accounts.services.devices import raise_second_factor_rule
from accounts.services.sealed import seal, unseal
from market.domain.credentials import Credentials, Finding, KeyReport
from market.venues.key_permissions import check_of
from portfolio.domain.compliance import (
    EVIDENCE_WORDS,
    hold_defect,
    profile_defect,
    rules_of,
)
from portfolio.domain.connections import Connection, connection_of
from portfolio.exceptions import (
    AccountNotFound,
    AccountRefused,
    KeyRefused,
    VenueCallInTransaction,
)
from portfolio.models import VenueAccount, VenueCredentials
from portfolio.services.accounts import furnish_account
from portfolio.services.compliance import Act, Paper, keep_paper

logger = logging.getLogger(__name__)

SEALED_AS = "venue_key"
MOST_CONNECTED = 20
_NO_KEY = "No key is stored: give one to connect this account again."
_NOT_CHECKED = KeyReport(
    Finding.NOT_CHECKED,
    "Stored without a check: this broker tells what a key may do only after its own log-in.",
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user wants connected."""

    connection: Connection
    name: str
    profile: str
    credentials: Credentials = field(repr=False)
    papers: tuple[Paper, ...] = ()


def connect_account(wish: Wish, *, act: Act) -> VenueAccount:
    """Open an account at a venue with its key; no transaction may be open.

    Raises `AccountRefused` (with the field), `KeyRefused` or `VenueUnavailable` and keeps nothing.
    """
    _refuse_wish(wish, act)
    report = _checked(wish.connection, wish.credentials, act=act)
    try:
        with transaction.atomic(durable=True):
            return _connect(wish, report, act)
    except IntegrityError as error:
        if VenueAccount.objects.for_user(act.owner).filter(name=wish.name).exists():
            raise AccountRefused("You have an account of this name.", field="name") from error
        raise


def replace_key(account_id: int, credentials: Credentials, *, act: Act) -> VenueAccount:
    """Store another key in place of the old one, which is gone; see `connect_account`."""
    account = connected_account(act.owner, account_id)
    venue = _connection_of(account)
    report = _checked(venue, credentials, act=act, account=account)
    with transaction.atomic(durable=True):
        account = connected_account(act.owner, account_id, locked=True)
        _keep_key(account, credentials, report, now=act.now)
        _say(account, venue.waiting)
        act.note("venue_key_replaced", account, {"finding": report.finding.value})
    return account


def remove_key(account_id: int, *, act: Act) -> VenueAccount:
    """Forget an account's key; removing it again changes nothing."""
    with transaction.atomic(durable=True):
        account = connected_account(act.owner, account_id, locked=True)
        deleted, _ = VenueCredentials.objects.filter(venue_account=account).delete()
        if deleted:
            _say(account, _NO_KEY)
            act.note("venue_key_removed", account)
    return account


def check_again(account_id: int, *, act: Act) -> KeyReport:
    """Ask the venue anew what the stored key may do, and keep what it says."""
    account = connected_account(act.owner, account_id)
    venue = _connection_of(account)
    stored = VenueCredentials.objects.filter(venue_account=account).first()
    if stored is None:
        raise AccountRefused(_NO_KEY, field="key")
    credentials = _opened(stored, owner_id=account.user_id)
    report = check_key(venue.venue, credentials, now=act.now)
    with transaction.atomic(durable=True):
        account = connected_account(act.owner, account_id, locked=True)
        same = VenueCredentials.objects.filter(pk=stored.pk, sealed_key=stored.sealed_key)
        if not same.exists():
            raise AccountRefused("The key was changed meanwhile: check the new one.", field="key")
        same.update(finding=report.finding, finding_words=report.words, checked_at=act.now)
        is_refused = report.finding is Finding.REFUSED
        _say(account, report.words if is_refused else venue.waiting)
        act.note("venue_key_checked", account, {"finding": report.finding.value})
    return report


def check_key(venue: str, credentials: Credentials, *, now: datetime) -> KeyReport:
    """Ask a venue what a key may do; raises `VenueUnavailable` where it does not say."""
    if connection.in_atomic_block:
        raise VenueCallInTransaction("a venue was asked about a key inside a transaction")
    check = check_of(venue)
    if check is None:
        return _NOT_CHECKED
    return check(settings.VENUE_ADDRESSES[venue], credentials, now=now)


def connected_account(owner: User, account_id: int, *, locked: bool = False) -> VenueAccount:
    """Return an account of the user that is connected to a venue beyond our own paper one."""
    found = VenueAccount.objects.for_user(owner).filter(pk=account_id)
    if locked:
        found = found.select_for_update(no_key=True)
    account = found.first()
    if account is None or connection_of(account.venue) is None:
        raise AccountNotFound(f"There is no connected account {account_id}.")
    return account


# ------------------------------------------------------------------------------------------ parts


def _refuse_wish(wish: Wish, act: Act) -> None:
    defect = profile_defect(wish.profile, wish.connection.mode)
    if defect is not None:
        raise AccountRefused(f"{defect}.", field="profile")
    given = {paper.kind for paper in wish.papers}
    for kind in rules_of(wish.profile).evidence:
        if kind not in given:
            words = EVIDENCE_WORDS[kind]
            raise AccountRefused(f"This profile asks for {words}.", field=kind.lower())
    if rules_of(wish.profile).is_live:
        _refuse_live(act)
    connected = VenueAccount.objects.for_user(act.owner).exclude(mode="PAPER").count()
    if connected >= MOST_CONNECTED:
        raise AccountRefused(f"You have {MOST_CONNECTED} connected accounts.", field="name")


def _refuse_live(act: Act) -> None:
    if not has_second_factor(act.owner):
        raise AccountRefused("Live trading needs a second factor: add one first.", field="profile")
    defect = hold_defect(act.owner.live_hold_until, now=act.now)
    if defect is not None:
        raise AccountRefused(f"{defect}.", field="profile")


def _checked(
    venue: Connection, credentials: Credentials, *, act: Act, account: VenueAccount | None = None
) -> KeyReport:
    report = check_key(venue.venue, credentials, now=act.now)
    if report.finding is Finding.REFUSED:
        with transaction.atomic(durable=True):
            detail = {"venue": venue.venue, "reason": report.words}
            act.note("venue_key_refused", account, detail)
        raise KeyRefused(report.words)
    return report


def _connect(wish: Wish, report: KeyReport, act: Act) -> VenueAccount:
    account = VenueAccount.objects.create(
        user=act.owner,
        name=wish.name,
        venue=wish.connection.venue,
        mode=wish.connection.mode,
        compliance_profile=wish.profile,
        settlement_asset=wish.connection.settlement_asset,
        status=VenueAccount.Status.NOT_READY,
        status_reason=wish.connection.waiting,
        created_at=act.now,
    )
    furnish_account(account, now=act.now)
    _keep_key(account, wish.credentials, report, now=act.now)
    for paper in wish.papers:
        keep_paper(account, paper, by=act.actor, now=act.now)
    if rules_of(wish.profile).factor_every_session:
        _end_programs(act)
        raise_second_factor_rule(act.owner, keep=act.session, now=act.now)
    detail = {"profile": wish.profile, "finding": report.finding.value}
    act.note("venue_account_connected", account, detail)
    return account


def _end_programs(act: Act) -> None:
    """End what was let in when a trusted device or an earlier second factor was still enough.

    Before anything is recorded: a renewal holds its session while it waits for the audit log.
    """
    if act.owner.second_factor_rule != SecondFactorRule.EVERY_SESSION:
        end_all(act.owner, reason="a live account was connected", now=act.now)


@sensitive_variables("text")
def _keep_key(
    account: VenueAccount, credentials: Credentials, report: KeyReport, *, now: datetime
) -> None:
    text = json.dumps({"key": credentials.key, "secret": credentials.secret})
    VenueCredentials.objects.update_or_create(
        venue_account=account,
        defaults={
            "sealed_key": seal(text, what=SEALED_AS, user_id=account.user_id),
            "hint": credentials.hint,
            "added_at": now,
            "checked_at": None if report.finding is Finding.NOT_CHECKED else now,
            "finding": report.finding,
            "finding_words": report.words,
        },
    )


@sensitive_variables()
def _opened(stored: VenueCredentials, *, owner_id: int) -> Credentials:
    try:
        text = unseal(stored.sealed_key, what=SEALED_AS, user_id=owner_id)
    except NotOpened as error:
        logger.warning("venue key does not open credentials=%s", stored.pk)
        words = "The stored key cannot be opened any more: give it once more."
        raise AccountRefused(words, field="key") from error
    return Credentials(**json.loads(text))


def _connection_of(account: VenueAccount) -> Connection:
    found = connection_of(account.venue)
    assert found is not None  # noqa: S101 - `connected_account` looked
    return found


def _say(account: VenueAccount, reason: str) -> None:
    account.status, account.status_reason = VenueAccount.Status.NOT_READY, reason[:200]
    account.save(update_fields=["status", "status_reason"])
