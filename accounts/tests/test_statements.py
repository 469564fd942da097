from threading import Event, Thread

import pytest
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.models.statements import prepared_cursor, run_together

LOCK = "SELECT full_name FROM accounts_user WHERE id = %(id)s FOR UPDATE"
READ = "SELECT full_name FROM accounts_user WHERE id = %(id)s"


def planned():
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement, parameter_types::text FROM pg_prepared_statements")
        return cursor.fetchall()


def test_a_statement_is_planned_once_for_all_its_values(alice, bob):
    for user in (alice, bob, alice):
        with prepared_cursor() as cursor:
            cursor.execute(READ, {"id": user.pk})
            assert cursor.fetchall() == [(user.full_name,)]
    (only,) = [text for text, _ in planned() if "full_name" in text]
    assert only == "SELECT full_name FROM accounts_user WHERE id = $1"


def test_statements_of_the_orm_are_not_kept(alice):
    for _ in range(7):
        assert User.objects.filter(pk=alice.pk).exists()
    assert [text for text, _ in planned() if "accounts_user" in text] == []


def test_who_counts_queries_sees_them(alice):
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        run_together([(LOCK, {"id": alice.pk}), (READ, {"id": alice.pk})])
    found = [each["sql"] for each in queries if "full_name" in each["sql"]]
    assert found == [LOCK, READ]


def test_a_broken_statement_is_an_error_of_django(alice):
    with pytest.raises(DataError, match="division by zero"), transaction.atomic():
        run_together([("SELECT 1 / %(zero)s", {"zero": 0}), (READ, {"id": alice.pk})])
    assert run_together([(READ, {"id": alice.pk})]) == [[(alice.full_name,)]]


def test_a_statement_sees_what_was_committed_while_the_one_before_it_waited(real_db, alice):
    """What is read after a lock is as new as the lock."""
    is_held, is_asked, rows = Event(), Event(), []

    def wait_and_read():
        is_held.wait(5)
        is_asked.set()
        with transaction.atomic():
            rows.extend(run_together([(LOCK, {"id": alice.pk}), (READ, {"id": alice.pk})]))
        connection.close()

    thread = Thread(target=wait_and_read)
    thread.start()
    with transaction.atomic():
        User.objects.select_for_update().get(pk=alice.pk)
        User.objects.filter(pk=alice.pk).update(full_name="Before")
        is_held.set()
        is_asked.wait(5)
        _until_somebody_waits()
        User.objects.filter(pk=alice.pk).update(full_name="After")
    thread.join(5)
    assert rows == [[("After",)], [("After",)]]


def _until_somebody_waits():
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.01)")
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() != (0,):
                return
    pytest.fail("nobody waited for the lock")
