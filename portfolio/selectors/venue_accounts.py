"""What the pages about venue accounts show: accounts, their keys' whereabouts, their papers."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from accounts.models import User
from market.domain.enums import AccountMode
from portfolio.domain.compliance import (
    EVIDENCE_WORDS,
    EvidenceKind,
    ProfileRules,
    evidence_defect,
    hold_defect,
    missing_evidence,
    rules_of,
)
from portfolio.domain.connections import Connection, connection_of
from portfolio.exceptions import AccountNotFound
from portfolio.models import ComplianceEvidence, VenueAccount, VenueCredentials


@dataclass(frozen=True, slots=True)
class AccountCard:
    """One venue account with all that its pages say of it."""

    account: VenueAccount
    rules: ProfileRules
    connection: Connection | None
    credentials: VenueCredentials | None
    papers: list[tuple[str, ComplianceEvidence]]
    missing: list[tuple[EvidenceKind, str]]
    defects: list[str]


def account_cards(user: User, *, now: datetime) -> list[AccountCard]:
    """Return the user's accounts, oldest first."""
    return [_card(account, user, now) for account in _accounts(user)]


def account_card(user: User, account_id: int, *, now: datetime) -> AccountCard:
    """Return one account of the user."""
    account = _accounts(user).filter(pk=account_id).first()
    if account is None:
        raise AccountNotFound(f"There is no account {account_id}.")
    return _card(account, user, now)


def trades_on_paper_only(user: User) -> bool:
    """Say whether no account of the user is at a real venue, a testnet among them."""
    return not VenueAccount.objects.for_user(user).exclude(mode=AccountMode.PAPER).exists()


def _accounts(user: User) -> QuerySet[VenueAccount]:
    rows = VenueAccount.objects.for_user(user).select_related("credentials")
    return rows.prefetch_related("evidence").order_by("pk")


def _card(account: VenueAccount, user: User, now: datetime) -> AccountCard:
    papers = sorted(account.evidence.all(), key=lambda each: each.pk)
    recorded = [each.kind for each in papers]
    missing = missing_evidence(account.compliance_profile, recorded)
    return AccountCard(
        account=account,
        rules=rules_of(account.compliance_profile),
        connection=connection_of(account.venue),
        credentials=getattr(account, "credentials", None),
        papers=[(EVIDENCE_WORDS[EvidenceKind(each.kind)], each) for each in papers],
        missing=[(kind, EVIDENCE_WORDS[kind]) for kind in missing],
        defects=_defects(account, user, recorded=recorded, now=now),
    )


def _defects(account: VenueAccount, user: User, *, recorded: list[str], now: datetime) -> list[str]:
    """Return why the account takes no orders, in the words that an order would get."""
    found: list[str | None] = [account.status_reason or None]
    if account.mode == AccountMode.LIVE:
        found.append(evidence_defect(account.compliance_profile, recorded))
        found.append(hold_defect(user.live_hold_until, now=now))
    return [f"{each.rstrip('.')}." for each in found if each is not None]
