"""The stage itself: the cast, the copies of the database, the guard."""

import socket
import threading

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections, transaction

from accounts.models import User


def test_alice_and_bob_are_different_people(real_db, alice, bob):
    assert alice.public_id != bob.public_id
    assert not alice.is_staff


@pytest.mark.django_db
def test_the_cast_stands_in_a_plain_database_test(alice, staff):
    assert staff.is_staff
    assert User.objects.count() == 2


@pytest.mark.parametrize("round_number", [1, 2])
def test_a_real_database_commits_is_seen_by_threads_and_starts_empty(real_db, now, round_number):
    seen: list[int] = []
    assert User.objects.count() == 0
    with transaction.atomic(durable=True):
        User.objects.create_user("carol@example.com", "a long password", joined_at=now)
        after = []
        transaction.on_commit(lambda: after.append(connection.settings_dict["NAME"]))
    assert after == [real_db.name]

    def look() -> None:
        seen.append(User.objects.count())
        connections.close_all()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [1]


@pytest.mark.xdist_group("one after the other")
@pytest.mark.parametrize("round_number", [1, 2])
async def test_async_code_keeps_no_connection_to_the_database_of_another_test(
    real_db, round_number
):
    assert await sync_to_async(User.objects.count)() == 0


def test_redis_is_empty_and_ours(redis_client):
    assert redis_client.dbsize() == 0
    redis_client.set("left", "behind")


def test_redis_is_empty_again(redis_client):
    assert redis_client.get("left") is None


def test_no_test_reaches_beyond_the_machine():
    with socket.socket() as client, pytest.raises(RuntimeError, match=r"192\.0\.2\.1"):
        client.connect(("192.0.2.1", 80))
