"""Postbacks between processes: one sends at a time, and one that dies makes room."""

from contextlib import suppress

import psycopg
from django.utils import timezone

from api.postbacks import send_due
from api.tasks import send_postbacks
from api.tests.desk import make_desk
from api.tests.receiver import receiving
from api.tests.test_postbacks import URL, complete
from finbyte_site.celery import app
from portfolio.models import Postback
from portfolio.services.postbacks import sole_sender


def test_one_sends_at_a_time(real_db, alice, tmp_path):
    now = timezone.now()
    complete(make_desk(alice, now=now, postback_url=URL), now=now)
    with receiving(tmp_path) as receiver:
        with psycopg.connect(real_db.url) as other:
            other.execute("SELECT pg_advisory_lock(%s)", [0x504F5354])
            assert send_due(receiver.client()) == 0
            assert receiver.received == []
        # The other has died with its connection, as soon as the server has noticed.
        with psycopg.connect(real_db.url) as watching:
            watching.execute("SELECT pg_advisory_lock(%s)", [0x504F5354])
            watching.execute("SELECT pg_advisory_unlock(%s)", [0x504F5354])
        assert send_due(receiver.client()) == 1
        assert send_due(receiver.client()) == 0
    assert len(receiver.received) == 1
    with psycopg.connect(real_db.url) as other:
        row = other.execute("SELECT pg_try_advisory_lock(%s)", [0x504F5354]).fetchone()
    assert row == (True,)


def test_the_lock_is_given_back_after_an_error(real_db, alice):
    with suppress(ZeroDivisionError), sole_sender() as is_ours:
        assert is_ours
        raise ZeroDivisionError
    with psycopg.connect(real_db.url) as other:
        row = other.execute("SELECT pg_try_advisory_lock(%s)", [0x504F5354]).fetchone()
    assert row == (True,)


def test_the_round_stands_in_the_schedule(real_db):
    (entry,) = [
        each for each in app.conf.beat_schedule.values() if each["task"] == send_postbacks.name
    ]
    assert (entry["schedule"], entry["options"]["queue"]) == (1.0, "slow")
    send_postbacks()
    assert Postback.objects.count() == 0
