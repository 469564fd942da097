"""The people of the tenant matrix beside alice and bob."""

from datetime import datetime

import pytest

from accounts.domain.roles import Role
from accounts.models import AuthenticatorApp, User
from conftest import PASSWORD


def _person(name: str, now: datetime, role: Role = Role.USER) -> User:
    return User.objects.create_user(
        f"{name}@example.com", PASSWORD, full_name=name.title(), joined_at=now, role=role
    )


@pytest.fixture
def people(alice: User, bob: User, staff: User, now: datetime) -> dict[str, User]:
    """Return everybody by the part he plays; all have a second factor."""
    found = {
        "alice": alice,
        "bob": bob,
        "viewer": _person("carol", now),
        "support": _person("dave", now, Role.SUPPORT),
        "risk officer": _person("erin", now, Role.RISK_OFFICER),
        "administrator": staff,
    }
    AuthenticatorApp.objects.bulk_create(
        AuthenticatorApp(user=user, name="Phone", sealed_seed="sealed", confirmed=True)
        for user in found.values()
    )
    return found
