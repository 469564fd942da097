"""Sessions in rows: no cookie in the database, no life after their end."""

import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from accounts.models import ConsoleSession
from accounts.services.sessions import end_session, end_sessions, live_data, live_sessions
from accounts.session_store import SessionStore, forget_sessions, key_digest
from conftest import PASSWORD
from finbyte_site.tests.console import client_of, stamp_client

HOUR = timedelta(hours=1)


def store_of(client):
    return SessionStore(client.cookies[settings.SESSION_COOKIE_NAME].value)


@pytest.fixture
def announced(monkeypatch):
    """Hear which users' sockets are to be looked at again."""
    told = []
    monkeypatch.setattr("market.streams.recheck_access", told.append)
    return told


@pytest.mark.django_db
class TestRows:
    def test_the_database_knows_no_cookie(self, alice, redis_client):
        client = client_of(alice)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        row = ConsoleSession.objects.get()
        assert row.pk == key_digest(cookie) != cookie
        assert cookie not in str(ConsoleSession.objects.values())
        assert redis_client.keys("*session*") == []

    def test_what_stands_in_the_table_opens_no_session(self, alice, client):
        client_of(alice)
        client.cookies[settings.SESSION_COOKIE_NAME] = ConsoleSession.objects.get().pk
        assert client.get("/console/account/profile").status_code == 302

    def test_a_row_says_who_where_and_since_when(self, alice):
        now = timezone.now()
        client = client_of(alice, factor_at=now)
        row = ConsoleSession.objects.get()
        stamp = store_of(client).stamp
        assert (row.user, str(row.public_id), row.factor_at) == (alice, stamp.public_id, now)
        assert (row.address, row.browser, row.expire_date) == (
            "127.0.0.1",
            "A program",
            stamp.ends_at(),
        )

    def test_a_cookie_nobody_gave_is_not_taken_over(self, client):
        client.cookies[settings.SESSION_COOKIE_NAME] = "x" * 32
        store = SessionStore("x" * 32)
        store["a"] = 1
        store.save()
        assert store.session_key != "x" * 32


@pytest.mark.django_db
class TestEnd:
    def test_an_ended_session_is_logged_out_with_its_next_request(self, alice):
        client = client_of(alice)
        assert client.get("/console/account/profile").status_code == 200
        assert end_sessions(alice) == 1
        response = client.get("/console/account/profile")
        assert (response.status_code, response.url) == (
            302,
            "/console/account/log-in?next=/console/account/profile",
        )

    def test_nothing_in_the_cache_keeps_it_alive(self, alice):
        client = client_of(alice)
        store = store_of(client)
        store.load()
        end_sessions(alice)
        cache.clear()
        assert store_of(client).load() == {}

    def test_a_request_in_flight_does_not_bring_it_back(self, alice):
        client = client_of(alice)
        in_flight = store_of(client)
        in_flight["seen"] = "now"
        end_sessions(alice)
        with pytest.raises(UpdateError):
            in_flight.save()
        assert ConsoleSession.objects.count() == 0

    def test_nor_by_cycling_its_key(self, alice):
        client = client_of(alice)
        in_flight = store_of(client)
        assert in_flight.stamp is not None
        end_sessions(alice)
        with pytest.raises(SessionInterrupted):
            in_flight.cycle_key()
        assert ConsoleSession.objects.count() == 0

    def test_one_and_all_but_one(self, alice, bob):
        clients = [client_of(alice) for _ in range(4)]
        client_of(bob)
        ids = [store_of(client).stamp.public_id for client in clients]
        end_session(alice, ids[0])
        assert end_sessions(alice, keep=ids[1]) == 2
        (left,) = ConsoleSession.objects.for_user(alice)
        assert str(left.public_id) == ids[1]
        assert ConsoleSession.objects.for_user(bob).count() == 1

    def test_sockets_of_its_user_are_looked_at_and_of_nobody_else(
        self, alice, bob, announced, django_capture_on_commit_callbacks
    ):
        for user in (alice, alice, bob):
            client_of(user)
        with django_capture_on_commit_callbacks(execute=True):
            end_sessions(alice)
        assert announced == [[alice.pk]]
        with django_capture_on_commit_callbacks(execute=True):
            end_sessions(alice)
            forget_sessions(["0" * 40])
        assert announced == [[alice.pk]]

    def test_a_log_out_tells_them_too(self, alice, announced, django_capture_on_commit_callbacks):
        client = client_of(alice)
        with django_capture_on_commit_callbacks(execute=True):
            client.post("/console/account/log-out")
        assert announced == [[alice.pk]]


def is_live(store, user_id):
    return live_data(store, user_id) is not None


@pytest.mark.django_db
class TestIsLive:
    def test_while_it_stands(self, alice, bob):
        store = store_of(client_of(alice))
        assert is_live(store, alice.pk)
        assert not is_live(store, bob.pk)

    def test_also_when_its_key_was_cycled(self, alice):
        opened = store_of(client_of(alice))
        assert opened.stamp is not None
        cycled = SessionStore(opened.session_key)
        cycled.load()
        cycled.cycle_key()
        cycled.save()
        assert opened.session_key != cycled.session_key
        assert is_live(opened, alice.pk)

    @pytest.mark.parametrize("end", ["ended", "suspended", "password", "time"])
    def test_not_after_its_end(self, alice, end):
        client = client_of(alice)
        store = store_of(client)
        assert is_live(store, alice.pk)
        if end == "ended":
            end_sessions(alice)
        elif end == "suspended":
            alice.is_active = False
            alice.save()
        elif end == "password":
            alice.set_password("another battery staple horse")
            alice.save()
        else:
            ConsoleSession.objects.update(expire_date=timezone.now())
        assert not is_live(store, alice.pk)

    def test_a_session_without_a_stamp_goes_by_its_key(self, alice, client):
        client.force_login(alice)
        store = store_of(client)
        assert is_live(store, alice.pk)
        ConsoleSession.objects.all().delete()
        assert not is_live(store, alice.pk)


@pytest.mark.django_db
def test_the_list_is_one_query_and_holds_what_lives(alice, bob, django_assert_num_queries):
    now = timezone.now()
    for seen in (now, now - 2 * HOUR, now - HOUR):
        client = client_of(alice)
        stamp_client(client, alice, seen_at=seen, started_at=now - 3 * HOUR)
    client_of(bob)
    old = client_of(alice)
    stamp_client(old, alice, started_at=now - 13 * HOUR)
    with django_assert_num_queries(1):
        rows = list(live_sessions(alice, now=now))
        assert [row.device for row in rows] == [None] * 3
    assert [row.seen_at for row in rows] == [now, now - HOUR, now - 2 * HOUR]


def test_a_key_that_is_cycled_while_all_are_ended_never_survives(real_db, alice, redis_client):
    """Twenty rounds of both at once: whoever comes first, no session is left."""
    survivors = 0
    for _ in range(20):
        store = store_of(client_of(alice))
        assert store.stamp is not None
        gate = threading.Barrier(2)

        def cycle(store=store, gate=gate):
            gate.wait(timeout=10)
            try:
                store.cycle_key()
            except SessionInterrupted:
                pass
            finally:
                connection.close()

        def end(gate=gate):
            gate.wait(timeout=10)
            try:
                end_sessions(alice)
            finally:
                connection.close()

        threads = [threading.Thread(target=act) for act in (cycle, end)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        survivors += ConsoleSession.objects.count()
    assert survivors == 0


@pytest.mark.django_db
def test_a_pre_log_in_cookie_is_dead_after_the_log_in(alice, client, redis_client):
    session = client.session
    session["planted"] = "by an attacker"
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    planted = session.session_key
    client.post(
        "/console/account/log-in",
        {"username": alice.email, "password": PASSWORD},
        REMOTE_ADDR="::1",
    )
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != planted
    assert SessionStore(planted).load() == {}
    assert not ConsoleSession.objects.filter(pk=key_digest(planted)).exists()
