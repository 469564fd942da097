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


# Limits and stops: what a risk officer does beside looking.
_RISK_ACTS = frozenset(
    {
        "portfolio.add_risklimit",
        "portfolio.change_risklimit",
        "portfolio.change_killswitch",
    }
)


def is_allowed(role: Role, permission: str) -> bool:
    """Say whether a role has a permission of Django's kind, like `portfolio.view_order`."""
    match role:
        case Role.USER:
            return False
        case Role.SUPPORT:
            return _is_looking(permission)
        case Role.RISK_OFFICER:
            return _is_looking(permission) or permission in _RISK_ACTS
        case Role.ADMINISTRATOR:
            return True


def _is_looking(permission: str) -> bool:
    return permission.partition(".")[2].startswith("view_")
