"""Changing roles: by administrators, with a reason, at once; rows of rights count for nothing."""

import threading

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.domain.roles import Role
from accounts.exceptions import InvalidInput, Refused
from accounts.models import AuditEvent, ConsoleSession, User
from accounts.services import audit
from accounts.services.roles import set_role
from accounts.services.users import give_role
from finbyte_site.tests.console import client_of


def change(user, role, *, actor, now, reason="joins the desk"):
    return set_role(user, role, actor=actor, reason=reason, client_address="192.0.2.7", now=now)


@pytest.mark.django_db
class TestSettingARole:
    def test_it_is_noted_with_old_and_new(self, alice, staff, now):
        assert change(alice, Role.RISK_OFFICER, actor=staff, now=now)
        assert not change(alice, Role.RISK_OFFICER, actor=staff, now=now)
        alice.refresh_from_db()
        assert (alice.role, alice.is_staff, alice.is_superuser) == ("RISK_OFFICER", True, False)
        event = AuditEvent.objects.get()
        assert (event.kind, event.actor, event.on_behalf_of) == ("role_change", staff, alice)
        assert event.detail == {"old": "USER", "new": "RISK_OFFICER", "reason": "joins the desk"}
        assert event.client_address == "192.0.2.7"

    def test_the_users_sessions_end_and_nobody_elses(self, alice, bob, staff, now):
        hers, his = client_of(alice), client_of(bob)
        change(alice, Role.SUPPORT, actor=staff, now=now)
        assert list(ConsoleSession.objects.values_list("user", flat=True)) == [bob.pk]
        assert hers.get("/console/account/profile").status_code == 302
        assert his.get("/console/account/profile").status_code == 200

    def test_nobody_changes_his_own(self, staff, now):
        with pytest.raises(Refused, match="himself"):
            change(staff, Role.USER, actor=staff, now=now)
        staff.refresh_from_db()
        assert staff.role == Role.ADMINISTRATOR

    @pytest.mark.parametrize("role", [Role.USER, Role.SUPPORT, Role.RISK_OFFICER])
    def test_only_administrators_may(self, alice, bob, now, role):
        give_role(bob, role)
        with pytest.raises(Refused, match="Only an administrator"):
            change(alice, Role.ADMINISTRATOR, actor=bob, now=now)
        alice.refresh_from_db()
        assert alice.role == Role.USER
        assert not AuditEvent.objects.exists()

    def test_a_suspended_administrator_may_not(self, alice, bob, staff, now):
        give_role(bob, Role.ADMINISTRATOR)
        User.objects.filter(pk=staff.pk).update(is_active=False)
        with pytest.raises(Refused, match="Only an administrator"):
            change(alice, Role.SUPPORT, actor=staff, now=now)

    def test_without_a_reason_nothing_happens(self, alice, staff, now):
        with pytest.raises(InvalidInput):
            change(alice, Role.SUPPORT, actor=staff, now=now, reason="  ")
        alice.refresh_from_db()
        assert alice.role == Role.USER

    def test_the_last_administrator_stays(self, bob, staff, now):
        with pytest.raises(Refused, match="last administrator"):
            change(staff, Role.USER, actor=None, now=now)
        give_role(bob, Role.ADMINISTRATOR)
        User.objects.filter(pk=bob.pk).update(is_active=False)
        with pytest.raises(Refused, match="last administrator"):
            change(staff, Role.USER, actor=None, now=now)
        User.objects.filter(pk=bob.pk).update(is_active=True)
        assert change(staff, Role.USER, actor=None, now=now)

    def test_rows_of_rights_count_for_nothing(self, alice):
        alice.user_permissions.set(Permission.objects.all())
        group = Group.objects.create(name="all")
        group.permissions.set(Permission.objects.all())
        alice.groups.add(group)
        fresh = User.objects.get(pk=alice.pk)
        assert not fresh.has_perm("portfolio.view_order")
        assert not fresh.has_module_perms("portfolio")
        give_role(fresh, Role.SUPPORT)
        fresh = User.objects.get(pk=alice.pk)
        assert fresh.has_perm("portfolio.view_order")
        assert not fresh.has_perm("portfolio.change_killswitch")

    def test_the_command_makes_the_first_administrator(self, alice, capsys):
        call_command("set_role", alice.email, "ADMINISTRATOR", reason="first one")
        alice.refresh_from_db()
        assert alice.role == Role.ADMINISTRATOR
        assert "is now ADMINISTRATOR" in capsys.readouterr().out
        event = AuditEvent.objects.get()
        assert (event.actor, event.on_behalf_of) == (None, alice)
        with pytest.raises(CommandError, match="last administrator"):
            call_command("set_role", alice.email, "USER", reason="oops")
        with pytest.raises(CommandError, match="nobody has"):
            call_command("set_role", "x@example.com", "USER", reason="oops")


def test_two_administrators_cannot_demote_each_other(real_db, staff, bob, now):
    give_role(bob, Role.ADMINISTRATOR)
    barrier, outcomes = threading.Barrier(2), []

    def demote(actor, target):
        barrier.wait()
        try:
            outcomes.append(change(target, Role.USER, actor=actor, now=now))
        except Refused:
            outcomes.append(False)
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=pair) for pair in ((staff, bob), (bob, staff))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes) == [False, True]
    assert User.objects.filter(role=Role.ADMINISTRATOR).count() == 1


def test_an_act_of_the_same_people_at_the_same_moment_is_not_lost(real_db, alice, staff, now):
    outcomes = []

    def promote():
        try:
            outcomes.append(change(alice, Role.SUPPORT, actor=staff, now=now))
        finally:
            connection.close()

    thread = threading.Thread(target=promote)
    with transaction.atomic():
        audit.record(actor=staff, kind="log_in", on_behalf_of=alice, now=now)
        thread.start()
        with connection.cursor() as cursor:
            waiting = 0
            while not waiting and thread.is_alive():
                cursor.execute(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                )
                waiting = cursor.fetchone()[0]
    thread.join()
    assert outcomes == [True]
    assert list(AuditEvent.objects.order_by("pk").values_list("kind", flat=True)) == [
        "log_in",
        "role_change",
    ]
