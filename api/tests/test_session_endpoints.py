"""Log-ins of apps over HTTP, as Kite's clients do them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Event, Timer

import pytest
from django.core.cache import cache
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts.models import ApiSession, AuditEvent, RequestToken
from accounts.services import api_sessions
from accounts.services.api_apps import revoke_app
from accounts.services.api_sessions import end_all
from accounts.services.audit import verify_chain
from accounts.tests.api_apps import agree, make_app, open_console, open_session

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def now():
    """Take the real time: requests come now."""
    return timezone.now()


@pytest.fixture(autouse=True)
def _fresh_counters(redis_client):
    cache.clear()


@pytest.fixture
def made(alice, now):
    return make_app(alice, now=now)


def fails(response, status, error_type):
    assert response["Content-Type"] == "application/json"
    answer = response.json()
    assert (response.status_code, answer["error_type"]) == (status, error_type)
    assert answer["data"] is None or set(answer["data"]) <= {"field", "code"}
    return answer["message"]


@pytest.mark.django_db
class TestExchange:
    def test_the_session_object(self, client, made, bob, now):
        response = client.post("/session/token", made.fields(agree(made, bob, now=now)))
        assert response.status_code == 200
        assert "no-store" in response["Cache-Control"]
        data = response.json()["data"]
        assert set(data) == {
            *("user_id", "user_type", "email", "user_name", "user_shortname", "broker"),
            *("exchanges", "products", "order_types", "avatar_url", "api_key", "access_token"),
            *("public_token", "enctoken", "refresh_token", "silo", "login_time", "meta"),
        }
        assert data["user_id"] == bob.public_id
        assert data["api_key"] == made.app.api_key
        assert len(data["login_time"]) == 19
        datetime.strptime(data["login_time"], "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
        header = {"authorization": f"token {data['api_key']}:{data['access_token']}"}
        assert (
            client.get("/user/profile", headers=header).json()["data"]["user_id"] == bob.public_id
        )

    def test_a_stale_header_and_cookies_are_ignored(self, made, bob, now):
        client = Client(enforce_csrf_checks=True)
        client.cookies["finbyte_session"] = "x" * 32
        response = client.post(
            "/session/token",
            made.fields(agree(made, bob, now=now)),
            headers={"authorization": "token a:b", "origin": "https://evil.example"},
        )
        assert response.status_code == 200

    @pytest.mark.parametrize("missing", ["api_key", "request_token", "checksum"])
    @pytest.mark.parametrize("how", ["absent", "empty"])
    def test_every_field_is_needed(self, client, made, bob, now, missing, how):
        fields = made.fields(agree(made, bob, now=now))
        if how == "absent":
            del fields[missing]
        else:
            fields[missing] = ""
        assert missing in fails(client.post("/session/token", fields), 400, "InputException")
        assert RequestToken.objects.get().used_at is None

    def test_unknown_fields_do_not_matter(self, client, made, bob, now):
        fields = {**made.fields(agree(made, bob, now=now)), "extra": "1"}
        assert client.post("/session/token", fields).status_code == 200

    def test_only_forms(self, client, made, bob, now):
        fields = made.fields(agree(made, bob, now=now))
        response = client.post("/session/token", fields, content_type="application/json")
        fails(response, 400, "InputException")
        fails(client.get("/session/token", fields), 405, "GeneralException")
        assert RequestToken.objects.get().used_at is None

    def test_used_and_wrong_ones(self, client, made, bob, now):
        fields = made.fields(agree(made, bob, now=now))
        wrong = {**fields, "checksum": "0" * 64}
        fails(client.post("/session/token", wrong), 403, "TokenException")
        assert client.post("/session/token", fields).status_code == 200
        fails(client.post("/session/token", fields), 403, "TokenException")
        unknown = {**fields, "api_key": "a" * 16}
        assert fails(client.post("/session/token", unknown), 403, "TokenException") == fails(
            client.post("/session/token", wrong), 403, "TokenException"
        )
        assert ApiSession.objects.count() == 1

    def test_wrong_checksums_run_out_for_their_sender_only(
        self, client, made, bob, now, one_window
    ):
        fields = made.fields(agree(made, bob, now=now))
        wrong = {**fields, "checksum": "0" * 64}
        for _ in range(30):
            fails(client.post("/session/token", wrong), 403, "TokenException")
        response = client.post("/session/token", fields)
        fails(response, 429, "NetworkException")
        assert 1 <= int(response["Retry-After"]) <= 60
        assert client.post("/session/token", fields, REMOTE_ADDR="198.51.100.1").status_code == 200


@pytest.mark.django_db
class TestRenewAndLogOut:
    def test_renewal(self, client, made, bob, now):
        opened = open_session(made, bob, now=now)
        fields = made.fields(opened.refresh_token, name="refresh_token")
        data = client.post("/session/refresh_token", fields).json()["data"]
        assert set(data) == {"user_id", "access_token", "refresh_token"}
        header = {"authorization": f"token {made.app.api_key}:{data['access_token']}"}
        assert client.get("/user/profile", headers=header).status_code == 200
        fails(client.post("/session/refresh_token", fields), 403, "TokenException")
        assert client.get("/user/profile", headers=header).status_code == 403

    def test_a_refresh_token_is_no_request_token(self, client, made, bob, now):
        opened = open_session(made, bob, now=now)
        fields = made.fields(opened.refresh_token)
        fails(client.post("/session/token", fields), 403, "TokenException")
        request_token = agree(made, bob, now=now)
        fields = made.fields(request_token, name="refresh_token")
        fails(client.post("/session/refresh_token", fields), 403, "TokenException")

    @pytest.mark.parametrize("name", ["access_token", "refresh_token"])
    def test_log_out_by_query(self, client, made, bob, now, name):
        opened = open_session(made, bob, now=now)
        address = f"/session/token?api_key={made.app.api_key}&{name}={getattr(opened, name)}"
        response = client.delete(address)
        assert (response.status_code, response.json()) == (
            200,
            {"status": "success", "data": True},
        )
        fails(client.delete(address), 403, "TokenException")

    def test_log_out_needs_key_and_token(self, client, made, bob, now):
        opened = open_session(made, bob, now=now)
        for query in (
            "",
            f"api_key={made.app.api_key}",
            f"access_token={opened.access_token}",
        ):
            fails(client.delete(f"/session/token?{query}"), 400, "InputException")
        wrong = f"/session/token?api_key={'a' * 16}&access_token={opened.access_token}"
        fails(client.delete(wrong), 403, "TokenException")
        opened.session.refresh_from_db()
        assert opened.session.ended_at is None


def at_once(count, act):
    """Call `act(number)` in as many threads; return the answers."""

    def one(number):
        try:
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_fifty_exchanges_of_one_token_open_one_session(real_db, made, bob, now):
    fields = made.fields(agree(made, bob, now=now))
    codes = at_once(50, lambda _: Client().post("/session/token", fields).status_code)
    assert sorted(codes) == [200] + [403] * 49
    assert ApiSession.objects.count() == 1
    assert AuditEvent.objects.filter(kind="api_session_open").count() == 1


def test_twenty_log_ins_of_one_user_at_once_leave_one_session(real_db, made, bob, now):
    session_id = open_console(bob, now=now)
    forms = [made.fields(agree(made, bob, now=now, session_id=session_id)) for _ in range(20)]
    codes = at_once(20, lambda n: Client().post("/session/token", forms[n]).status_code)
    assert codes == [200] * 20
    assert ApiSession.objects.count() == 20
    assert ApiSession.objects.filter(ended_at=None).count() == 1
    verify_chain()


def test_ten_renewals_with_one_token_leave_none(real_db, made, bob, now):
    opened = open_session(made, bob, now=now)
    fields = made.fields(opened.refresh_token, name="refresh_token")
    codes = at_once(10, lambda _: Client().post("/session/refresh_token", fields).status_code)
    assert codes.count(200) == 1
    assert ApiSession.objects.get().ended_for == "a used refresh token was seen again"


@pytest.mark.parametrize("end", ["password", "revoke"])
def test_no_exchange_slips_past_an_end(real_db, monkeypatch, made, alice, bob, now, end):
    fields = made.fields(agree(made, bob, now=now))
    under_way, go_on = Event(), Event()

    def slow_look(*_args, **_kwargs):
        under_way.set()
        return go_on.wait(10)

    monkeypatch.setattr(api_sessions, "_is_open", slow_look)

    def act(number):
        if number == 0:
            return Client().post("/session/token", fields).status_code
        assert under_way.wait(10)
        # The exchange has looked at everything and written nothing: now everything ends.
        Timer(0.3, go_on.set).start()
        if end == "password":
            return end_all(bob, reason="x", now=timezone.now())
        return revoke_app(made.app, actor=alice, client_address=None, now=timezone.now())

    assert at_once(2, act) == [200, 1]
    assert ApiSession.objects.count() == 1
    assert not ApiSession.objects.filter(ended_at=None).exists()
