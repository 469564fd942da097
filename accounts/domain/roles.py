"""What people may do on the platform beside their own trading."""

from enum import StrEnum


class Role(StrEnum):
    """One per user; a viewer is no role but a `Delegation` of somebody else's account."""

    USER = "USER"
    SUPPORT = "SUPPORT"
    RISK_OFFICER = "RISK_OFFICER"
    ADMINISTRATOR = "ADMINISTRATOR"


class SecondFactorRule(StrEnum):
    """When a user's log-in asks for the second factor (decisions 38)."""

    NEW_DEVICE = "NEW_DEVICE"
    EVERY_SESSION = "EVERY_SESSION"
