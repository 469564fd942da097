"""What the rules of a venue ask of an account, and what they leave to its user (trust.md 1).

Every venue account has a profile. It says who decides about an order, how its user logs in, and
what must be on record before a live order may leave.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from market.domain.enums import AccountMode


class ComplianceProfile(StrEnum):
    """Under which rules an account trades."""

    PAPER = "PAPER"
    CRYPTO_TESTNET = "CRYPTO_TESTNET"
    IN_MANUAL = "IN_MANUAL"
    IN_OWN_ALGO = "IN_OWN_ALGO"
    IN_REGISTERED_ALGO = "IN_REGISTERED_ALGO"


class BotRule(StrEnum):
    """What a bot may do on an account by itself."""

    AUTOMATIC = "AUTOMATIC"
    AFTER_APPROVAL = "AFTER_APPROVAL"


class AlgoId(StrEnum):
    """The exchange's number that every order has to carry."""

    NONE = "NONE"
    GENERIC = "GENERIC"
    REGISTERED = "REGISTERED"


class EvidenceKind(StrEnum):
    """What can be put on record about an account; software cannot find it out by itself."""

    STATIC_ADDRESS = "STATIC_ADDRESS"
    BROKER_CONFIRMATION = "BROKER_CONFIRMATION"
    ALGO_REGISTRATION = "ALGO_REGISTRATION"
    STAFF_CONFIRMATION = "STAFF_CONFIRMATION"


@dataclass(frozen=True, slots=True)
class ProfileRules:
    """The rules of one profile. `evidence` comes from the user, `staff_confirms` from us."""

    name: str
    summary: str
    mode: AccountMode
    bots: BotRule = BotRule.AUTOMATIC
    algo_id: AlgoId = AlgoId.NONE
    factor_every_session: bool = False
    static_address: bool = False
    evidence: tuple[EvidenceKind, ...] = ()
    staff_confirms: bool = False

    @property
    def is_live(self) -> bool:
        """Say whether real money is at stake."""
        return self.mode is AccountMode.LIVE

    @property
    def needed(self) -> tuple[EvidenceKind, ...]:
        """Return everything that must be on record, what staff adds included."""
        staff = (EvidenceKind.STAFF_CONFIRMATION,) if self.staff_confirms else ()
        return self.evidence + staff


RULES: dict[ComplianceProfile, ProfileRules] = {
    ComplianceProfile.PAPER: ProfileRules(
        name="Paper",
        summary="Pretended money at real or simulated prices. Bots trade by themselves.",
        mode=AccountMode.PAPER,
    ),
    ComplianceProfile.CRYPTO_TESTNET: ProfileRules(
        name="Crypto testnet",
        summary="The exchange's own test money. Bots trade by themselves.",
        mode=AccountMode.TESTNET,
    ),
    ComplianceProfile.IN_MANUAL: ProfileRules(
        name="India, you decide each order",
        summary=(
            "Real money. You place the orders; a bot only proposes, and each of its orders waits "
            "for your approval with your second factor."
        ),
        mode=AccountMode.LIVE,
        bots=BotRule.AFTER_APPROVAL,
        algo_id=AlgoId.GENERIC,
        factor_every_session=True,
        static_address=True,
        evidence=(EvidenceKind.STATIC_ADDRESS,),
    ),
    ComplianceProfile.IN_OWN_ALGO: ProfileRules(
        name="India, your own algorithm",
        summary=(
            "Real money. Your own logic trades by itself with your own key, at no more than "
            "10 orders a second, from an address that your broker has on file."
        ),
        mode=AccountMode.LIVE,
        algo_id=AlgoId.GENERIC,
        factor_every_session=True,
        static_address=True,
        evidence=(EvidenceKind.STATIC_ADDRESS, EvidenceKind.BROKER_CONFIRMATION),
    ),
    ComplianceProfile.IN_REGISTERED_ALGO: ProfileRules(
        name="India, a registered algorithm",
        summary=(
            "Real money. An algorithm that the exchange has registered trades by itself; our "
            "staff look at the papers before the first order."
        ),
        mode=AccountMode.LIVE,
        algo_id=AlgoId.REGISTERED,
        factor_every_session=True,
        static_address=True,
        evidence=(
            EvidenceKind.STATIC_ADDRESS,
            EvidenceKind.BROKER_CONFIRMATION,
            EvidenceKind.ALGO_REGISTRATION,
        ),
        staff_confirms=True,
    ),
}

EVIDENCE_WORDS: dict[EvidenceKind, str] = {
    EvidenceKind.STATIC_ADDRESS: "the static IP address registered with your broker",
    EvidenceKind.BROKER_CONFIRMATION: "your broker's confirmation",
    EvidenceKind.ALGO_REGISTRATION: "the exchange's registration number of the algorithm",
    EvidenceKind.STAFF_CONFIRMATION: "the confirmation by our staff",
}


def rules_of(profile: str) -> ProfileRules:
    """Return the rules of a profile."""
    return RULES[ComplianceProfile(profile)]


def profiles_of(mode: AccountMode) -> list[ComplianceProfile]:
    """Return the profiles that an account of this mode can have."""
    return [profile for profile, rules in RULES.items() if rules.mode is mode]


def profile_defect(profile: str, mode: AccountMode) -> str | None:
    """Return why an account of this mode cannot have this profile."""
    allowed = profiles_of(mode)
    if profile in allowed:
        return None
    if mode is AccountMode.LIVE:
        return "Live trading needs a compliance profile: say under which rules this account trades"
    return f"A {mode.lower()} account has the profile {allowed[0]}, not {profile or 'none'}"


def missing_evidence(profile: str, recorded: Sequence[str]) -> list[EvidenceKind]:
    """Return what the profile needs and is not on record; `recorded` in the order of its coming.

    A confirmation by staff counts for the papers before it: a later one has to be looked at again.
    """
    found = set(recorded)
    if recorded and recorded[-1] != EvidenceKind.STAFF_CONFIRMATION:
        found.discard(EvidenceKind.STAFF_CONFIRMATION)
    return [kind for kind in rules_of(profile).needed if kind not in found]


def evidence_defect(profile: str, recorded: Sequence[str]) -> str | None:
    """Return which evidence is missing before a live order may leave."""
    missing = missing_evidence(profile, recorded)
    if not missing:
        return None
    words = [EVIDENCE_WORDS[kind] for kind in missing]
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"Live trading is not open on this account: {listed} must be on record first"


def hold_defect(hold_until: datetime | None, *, now: datetime) -> str | None:
    """Return why live trading rests after a lost second factor was replaced."""
    if hold_until is None or hold_until <= now:
        return None
    until = f"{hold_until:%d %b %Y, %H:%M} UTC"
    return f"Live trading rests until {until}, because your second factor was taken off"


def bot_defect(profile: str) -> str | None:
    """Return why a bot may not be started on an account with this profile."""
    if rules_of(profile).bots is BotRule.AUTOMATIC:
        return None
    return (
        "On this account a person decides each order: a bot can only propose, and approvals come "
        "with a later release. Start it on a paper account"
    )
