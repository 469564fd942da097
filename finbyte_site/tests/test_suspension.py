import pytest

from accounts.models import ApiSession, AuditEvent, ConsoleSession
from finbyte_site.suspension import reinstate_user, suspend_user
from finbyte_site.tests.console import client_of
from finbyte_site.tests.security_rows import plant_security
from portfolio.models import KillSwitch
from portfolio.services.kill_switches import set_kill

pytestmark = pytest.mark.django_db


def suspended(user, staff, now):
    return suspend_user(user, actor=staff, reason="odd orders", client_address=None, now=now)


def reinstated(user, staff, now):
    return reinstate_user(user, actor=staff, reason="explained", client_address=None, now=now)


def stop_of(user):
    return KillSwitch.objects.get(scope=KillSwitch.Scope.USER, key=user.pk)


def test_suspending_stops_log_in_and_trading(alice, bob, staff, now):
    assert suspended(alice, staff, now)
    assert not suspended(alice, staff, now)
    alice.refresh_from_db()
    bob.refresh_from_db()
    assert (alice.is_active, bob.is_active) == (False, True)
    assert stop_of(alice).is_active
    assert stop_of(alice).reason == "suspended: odd orders"
    event = AuditEvent.objects.get()
    assert (event.kind, event.actor, event.on_behalf_of) == ("user_suspend", staff, alice)
    assert event.detail == {"reason": "odd orders", "trading_stopped": True}


def test_activating_undoes_both(alice, staff, now):
    suspended(alice, staff, now)
    assert reinstated(alice, staff, now)
    assert not reinstated(alice, staff, now)
    alice.refresh_from_db()
    assert alice.is_active
    assert not stop_of(alice).is_active
    assert [event.kind for event in AuditEvent.objects.order_by("pk")] == [
        "user_suspend",
        "user_activate",
    ]


def test_a_stop_set_for_another_reason_outlives_the_suspension(alice, staff, now):
    set_kill(KillSwitch.Scope.USER, alice.pk, active=True, reason="loss limit", now=now)
    suspended(alice, staff, now)
    reinstated(alice, staff, now)
    assert stop_of(alice).is_active
    assert stop_of(alice).reason == "loss limit"


def test_suspending_ends_sessions_for_good(alice, bob, staff, now):
    plant_security(alice, 1, now)
    hers, his = client_of(alice), client_of(bob)
    suspended(alice, staff, now)
    assert ApiSession.objects.get().ended_for == "suspended"
    assert not ConsoleSession.objects.filter(user=alice).exists()
    reinstated(alice, staff, now)
    assert hers.get("/console/").status_code == 302
    assert his.get("/console/").status_code == 200
    assert ApiSession.objects.get().ended_at == now
