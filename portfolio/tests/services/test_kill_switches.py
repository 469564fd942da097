import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from portfolio.models import KillSwitch
from portfolio.services.kill_switches import set_kill

BOOK = KillSwitch.Scope.BOOK


@pytest.mark.django_db
def test_on_and_off_count_versions(now):
    later = now + timedelta(minutes=1)
    assert set_kill(BOOK, 7, active=True, reason="odd prices", now=now)
    assert not set_kill(BOOK, 7, active=True, reason="again", now=later)
    row = KillSwitch.objects.get(scope=BOOK, key=7)
    assert (row.is_active, row.reason, row.version, row.changed_at) == (True, "odd prices", 1, now)

    assert set_kill(BOOK, 7, active=False, reason="looked into", now=later)
    row.refresh_from_db()
    assert (row.is_active, row.version, row.changed_at) == (False, 2, later)


@pytest.mark.django_db
def test_scopes_and_keys_are_apart(now):
    set_kill(BOOK, 7, active=True, reason="x", now=now)
    set_kill(KillSwitch.Scope.USER, 7, active=False, reason="", now=now)
    active = KillSwitch.objects.filter(is_active=True)
    assert [(row.scope, row.key) for row in active] == [("BOOK", 7)]


def test_it_waits_for_a_claim_whatever_the_lock_timeout(real_db, now):
    set_kill(BOOK, 7, active=False, reason="", now=now)
    held, let_go, done = threading.Event(), threading.Event(), threading.Event()

    def claim():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM portfolio_killswitch WHERE key = 7 FOR SHARE")
            held.set()
            let_go.wait(5)
        connection.close()

    def kill():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '50ms'")
            set_kill(BOOK, 7, active=True, reason="x", now=now)
        done.set()
        connection.close()

    claiming, killing = threading.Thread(target=claim), threading.Thread(target=kill)
    claiming.start()
    held.wait(5)
    killing.start()
    assert not done.wait(0.2)
    let_go.set()
    assert done.wait(5)
    claiming.join()
    killing.join()
    assert KillSwitch.objects.get(scope=BOOK, key=7).is_active
