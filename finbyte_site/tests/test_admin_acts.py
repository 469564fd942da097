"""What staff do to apps, sessions and second factors of users."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.models import ApiApp, ApiSession, AuditEvent, RecoveryCode, User
from accounts.selectors import has_second_factor
from accounts.services.users import give_role
from finbyte_site.tests.desk import act, in_admin, kinds
from finbyte_site.tests.security_rows import plant_security

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client, staff):
    """Return the browser of a member of staff who may do everything."""
    return in_admin(client, staff)


@pytest.fixture
def helper(client, bob):
    """Return the browser of a member of staff who may look at everything."""
    give_role(bob, Role.SUPPORT)
    return in_admin(client, bob)


@pytest.fixture
def officer(client, bob):
    """Return the browser of a risk officer."""
    give_role(bob, Role.RISK_OFFICER)
    return in_admin(client, bob)


class TestLostFactors:
    def remove(self, client, user, typed, reason="passport seen"):
        return act(client, User, "remove_factors", user, reason=reason, confirmation=typed)

    @pytest.fixture(autouse=True)
    def _planted(self, alice, now):
        plant_security(alice, 1, now)

    def test_are_taken_off_after_the_id_was_typed(self, desk, alice, staff):
        before = timezone.now()
        assert self.remove(desk, alice, alice.public_id.lower()) == [
            "1 of 1 without second factor."
        ]
        alice.refresh_from_db()
        assert not has_second_factor(alice)
        assert not RecoveryCode.objects.filter(user=alice).exists()
        held = alice.live_hold_until - before
        assert timedelta(hours=24) <= held < timedelta(hours=24, minutes=1)
        assert ApiSession.objects.get().ended_at is not None
        event = AuditEvent.objects.get()
        assert (event.kind, event.actor, event.on_behalf_of) == (
            "second_factors_reset",
            staff,
            alice,
        )
        assert event.detail == {"reason": "passport seen"}

    @pytest.mark.parametrize(("typed", "reason"), [("", "x"), ("FB9999", "x"), ("own", " ")])
    def test_stay_without_it_or_without_a_reason(self, desk, alice, typed, reason):
        self.remove(desk, alice, alice.public_id if typed == "own" else typed, reason)
        alice.refresh_from_db()
        assert has_second_factor(alice)
        assert alice.live_hold_until is None
        assert not kinds()

    def test_of_oneself_stay(self, desk, staff, now):
        plant_security(staff, 2, now)
        words = self.remove(desk, staff, staff.public_id)
        assert words[0].startswith("Nobody takes his own")
        assert has_second_factor(staff)


class TestApps:
    @pytest.fixture(autouse=True)
    def _planted(self, alice, now):
        plant_security(alice, 1, now)

    def test_are_revoked_with_their_sessions(self, desk, alice, staff):
        app = ApiApp.objects.get()
        assert act(desk, ApiApp, "revoke", app) == ["1 of 1 revoked."]
        assert act(desk, ApiApp, "revoke", app) == ["0 of 1 revoked."]
        app.refresh_from_db()
        assert app.revoked_at is not None
        assert ApiSession.objects.get().ended_at is not None
        event = AuditEvent.objects.get()
        assert (event.kind, event.actor, event.on_behalf_of) == ("api_app_revoke", staff, alice)
        assert event.detail == {"sessions_ended": 1, "reason": "a reason"}

    def test_lose_a_session(self, desk, alice, staff):
        assert act(desk, ApiSession, "end", ApiSession.objects.get()) == ["1 of 1 ended."]
        assert ApiSession.objects.get().ended_for == "ended by staff"
        event = AuditEvent.objects.get()
        assert (event.kind, event.actor, event.on_behalf_of) == ("api_session_end", staff, alice)
        assert event.detail["reason"] == "a reason"

    def set_addresses(self, client, typed, reason="moved house"):
        app = ApiApp.objects.get()
        return act(client, ApiApp, "set_addresses", app, reason=reason, addresses=typed)

    def test_get_addresses_within_the_seven_days(self, officer, alice, bob):
        ApiApp.objects.update(addresses_changed_at=timezone.now() - timedelta(days=1))
        assert self.set_addresses(officer, "203.0.113.7, 203.0.113.8") == ["1 of 1 changed."]
        assert ApiApp.objects.get().allowed_addresses == ["203.0.113.7", "203.0.113.8"]
        event = AuditEvent.objects.get()
        assert (event.kind, event.actor, event.on_behalf_of) == ("api_app_addresses", bob, alice)
        assert event.detail["reason"] == "moved house"

    def test_get_none_that_are_wrong_or_without_a_reason(self, officer):
        for typed, reason in (("nonsense", "x"), ("1.1.1.1 1.1.1.2 1.1.1.3", "x"), ("1.1.1.1", "")):
            self.set_addresses(officer, typed, reason)
            assert ApiApp.objects.get().allowed_addresses == []
        assert not kinds()

    def test_are_only_looked_at_by_support(self, helper):
        assert act(helper, ApiApp, "revoke", ApiApp.objects.get()) == []
        self.set_addresses(helper, "203.0.113.7")
        app = ApiApp.objects.get()
        assert (app.revoked_at, app.allowed_addresses) == (None, [])
