"""Whether an account may trade under its profile, and what is on record about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import connection, transaction

from accounts.models import User
from accounts.selectors import has_second_factor
from accounts.services import audit
from market.domain.enums import AccountMode
from portfolio.domain.compliance import (
    EvidenceKind,
    bot_defect,
    evidence_defect,
    hold_defect,
    missing_evidence,
    rules_of,
)
from portfolio.exceptions import AccountNotFound, AccountRefused, AccountTakesNoOrders
from portfolio.models import ComplianceEvidence, VenueAccount
from portfolio.services.locking import LockedBook

_LIVE = """
    SELECT u.id, u.live_hold_until,
           ARRAY(SELECT e.kind FROM portfolio_complianceevidence e
                  WHERE e.venue_account_id = v.id ORDER BY e.id)
      FROM portfolio_venueaccount v JOIN accounts_user u ON u.id = v.user_id
     WHERE v.id = %s
"""


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, for whom, from where and when: for the audit log.

    `session` is the one that goes on where an act ends the others.
    """

    actor: User
    owner: User
    client_address: str | None
    now: datetime
    session: UUID | None = None

    def note(
        self, kind: str, account: VenueAccount | None, detail: Mapping[str, str] | None = None
    ) -> None:
        """Record what was done to an account, if there is one; the last call of a transaction."""
        target, venue = "", {}
        if account is not None:
            target, venue = f"venue account {account.pk}", {"venue": account.venue}
        audit.record(
            actor=self.actor,
            kind=kind,
            target=target,
            detail={**venue, **(detail or {})},
            on_behalf_of=self.owner,
            client_address=self.client_address,
            now=self.now,
        )


# ------------------------------------------------------------------------------- may it trade


def require_tradable(book: LockedBook, *, now: datetime) -> None:
    """Raise `AccountTakesNoOrders` with the reason; on paper nothing is asked.

    A paper account that waits for its reconciliation takes orders: they are sent when it is over.
    """
    if book.mode == AccountMode.PAPER:
        return
    defect = None
    if book.mode == AccountMode.LIVE:
        defect = live_defect(book.venue_account_id, book.compliance_profile, now=now)
    if defect is None and book.status != VenueAccount.Status.READY:
        defect = f"This account takes no orders yet: {book.status_reason}"
    if defect is not None:
        raise AccountTakesNoOrders(defect)


def live_defect(account_id: int, profile: str, *, now: datetime) -> str | None:
    """Return why a live account may send no order.

    Evidence is missing, its user is on hold, or he has no second factor since staff took it off.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LIVE, [account_id])
        user_id, hold_until, recorded = cursor.fetchone()
    defect = evidence_defect(profile, recorded) or hold_defect(hold_until, now=now)
    if defect is None and not has_second_factor(User(pk=user_id)):
        return "Live trading rests until you have set up a second factor again"
    return defect


def bot_start_refusal(account: VenueAccount) -> str | None:
    """Return why no bot may be started on an account; None where it may."""
    if account.mode == AccountMode.PAPER:
        return None
    defect = bot_defect(account.compliance_profile)
    if defect is None and account.status != VenueAccount.Status.READY:
        defect = f"{account.name} takes no orders yet: {account.status_reason}"
    return defect


# ------------------------------------------------------------------------------- on record


@dataclass(frozen=True, slots=True)
class Paper:
    """What a user puts on record: a kind, its number or text, and its date."""

    kind: EvidenceKind
    reference: str
    dated_on: date


def add_evidence(account_id: int, paper: Paper, *, act: Act) -> ComplianceEvidence:
    """Put a paper of the owner's on record; raises `AccountRefused` where it is not asked for."""
    with transaction.atomic():
        account = _account_of(act.owner, account_id)
        if paper.kind not in rules_of(account.compliance_profile).evidence:
            raise AccountRefused("This account does not ask for that paper.", field="kind")
        row = keep_paper(account, paper, by=act.actor, now=act.now)
        act.note("venue_evidence_added", account, {"kind": paper.kind.value})
    return row


def confirm_evidence(seen: ComplianceEvidence, *, reason: str, act: Act) -> None:
    """Record that staff has looked at an account's papers, `seen` being the newest of them.

    A later paper voids it. Nobody confirms an account of his own.
    """
    with transaction.atomic():
        account = _account_of(act.owner, seen.venue_account_id)
        if act.actor.pk == act.owner.pk:
            raise AccountRefused("Somebody else has to confirm your own account.", field="kind")
        rows = ComplianceEvidence.objects.filter(venue_account=account).order_by("pk")
        recorded = list(rows.values_list("pk", "kind"))
        if recorded[-1][0] != seen.pk:
            raise AccountRefused("There is a newer paper: look at it first.", field="kind")
        missing = missing_evidence(account.compliance_profile, [kind for _, kind in recorded])
        if missing != [EvidenceKind.STAFF_CONFIRMATION]:
            raise AccountRefused("There is nothing to confirm on this account.", field="kind")
        paper = Paper(EvidenceKind.STAFF_CONFIRMATION, reason, act.now.date())
        keep_paper(account, paper, by=act.actor, now=act.now)
        act.note("venue_evidence_confirmed", account, {"reason": reason})


def keep_paper(
    account: VenueAccount, paper: Paper, *, by: User, now: datetime
) -> ComplianceEvidence:
    """Write a row of evidence."""
    return ComplianceEvidence.objects.create(
        venue_account=account,
        kind=paper.kind,
        reference=paper.reference,
        dated_on=paper.dated_on,
        recorded_by=by,
        recorded_at=now,
    )


def _account_of(owner: User, account_id: int) -> VenueAccount:
    found = VenueAccount.objects.for_user(owner).filter(pk=account_id)
    account = found.select_for_update(no_key=True).first()
    if account is None:
        raise AccountNotFound(f"There is no account {account_id}.")
    return account
