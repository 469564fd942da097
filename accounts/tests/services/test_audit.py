from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from accounts.domain.audit_chain import FIRST_HASH
from accounts.exceptions import AuditChainBroken
from accounts.models import AuditEvent
from accounts.services import audit


def acts(count, actor, now):
    return [
        audit.record(
            actor=actor,
            kind="log_in",
            target=actor.public_id,
            detail={"number": number, "text": "é \u2028 𝄞"},
            client_address="2001:db8::1",
            now=now + timedelta(seconds=number),
        )
        for number in range(count)
    ]


def tamper(sql, event):
    """Change a row as somebody would who owns the database."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_auditevent DISABLE TRIGGER USER")
        cursor.execute(sql, [event.pk])
        cursor.execute("ALTER TABLE accounts_auditevent ENABLE TRIGGER USER")


@pytest.mark.django_db
def test_events_form_one_chain(alice, bob, now):
    first, second = acts(2, alice, now)
    third = audit.record(actor=None, kind="log_in_refused", on_behalf_of=bob, now=now)

    assert first.previous_hash == FIRST_HASH
    assert (second.previous_hash, third.previous_hash) == (first.hash, second.hash)
    assert first.on_behalf_of == alice
    assert audit.verify_chain() == (3, third.hash)


@pytest.mark.django_db
def test_people_see_what_was_done_on_their_behalf_only(alice, bob, now):
    acts(2, alice, now)
    event = audit.record(actor=alice, kind="x", on_behalf_of=bob, now=now)
    assert list(AuditEvent.objects.for_user(bob)) == [event]


def test_a_changed_event_is_named(real_db, alice, now):
    events = acts(3, alice, now)
    tamper("UPDATE accounts_auditevent SET target = 'FB9999' WHERE id = %s", events[1])
    with pytest.raises(AuditChainBroken, match=f"audit event {events[1].pk} .*was changed"):
        audit.verify_chain()
    with pytest.raises(CommandError, match=f"audit event {events[1].pk} ") as raised:
        call_command("verify_audit")
    assert raised.value.returncode == 1


def test_an_event_after_a_removed_one_is_named(real_db, alice, now):
    events = acts(3, alice, now)
    tamper("DELETE FROM accounts_auditevent WHERE id = %s", events[1])
    with pytest.raises(AuditChainBroken, match=f"audit event {events[2].pk} .*does not follow"):
        audit.verify_chain()


def test_a_cut_end_is_seen_with_a_hash_noted_before(real_db, alice, now, capsys):
    events = acts(3, alice, now)
    call_command("verify_audit", includes=events[2].hash)
    assert capsys.readouterr().out == f"3 audit events, newest hash {events[2].hash}\n"

    tamper("DELETE FROM accounts_auditevent WHERE id = %s", events[2])
    call_command("verify_audit")
    with pytest.raises(CommandError, match="the end of the log was cut off"):
        call_command("verify_audit", includes=events[2].hash)


def test_parallel_acts_do_not_fork_the_chain(real_db, alice, now):
    def work(_):
        try:
            acts(10, alice, now)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert audit.verify_chain()[0] == 40


@pytest.mark.django_db
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE accounts_auditevent SET kind = 'x'",
        "DELETE FROM accounts_auditevent",
        "TRUNCATE accounts_auditevent",
    ],
)
def test_the_database_refuses_changes_even_of_the_owner(sql, alice, now):
    acts(1, alice, now)
    with connection.cursor() as cursor:
        # A deferred check that waits would refuse TRUNCATE before the trigger does.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(sql)
    assert audit.verify_chain()[0] == 1


@pytest.mark.django_db
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "TRUNCATE"])
def test_the_app_role_may_add_and_nothing_more(verb, alice, now):
    sql = {
        "UPDATE": "UPDATE accounts_auditevent SET kind = 'x'",
        "DELETE": "DELETE FROM accounts_auditevent",
        "TRUNCATE": "TRUNCATE accounts_auditevent",
    }[verb]
    role = connection.ops.quote_name(settings.DATABASE_APP_ROLE)
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {role}")
        try:
            acts(1, alice, now)
            with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
                cursor.execute(sql)
        finally:
            cursor.execute("RESET ROLE")
