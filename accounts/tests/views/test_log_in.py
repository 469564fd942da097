import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from conftest import PASSWORD

pytestmark = pytest.mark.django_db
WRONG = "E-mail or password is not right."


@pytest.fixture(autouse=True)
def _no_earlier_posts(redis_client):
    """Start every test with all rates unused."""


def log_in(client, email, password=PASSWORD, **extra):
    return client.post(
        reverse("accounts:log-in"), {"username": email, "password": password}, **extra
    )


def test_log_in_by_email_in_any_case(client, alice):
    response = log_in(client, "Alice@EXAMPLE.com")
    assert response.status_code == 302
    assert response["Location"] == reverse("home")
    assert client.session["_auth_user_id"] == str(alice.pk)
    event = AuditEvent.objects.get()
    assert (event.kind, event.actor, event.client_address) == ("log_in", alice, "127.0.0.1")


def test_the_session_key_is_new_after_log_in(client, alice):
    session = client.session
    session["seen"] = True
    session.save()
    before = session.session_key
    log_in(client, alice.email)
    assert client.session.session_key != before
    assert not Session.objects.filter(session_key=before).exists()

    stolen = Client()
    stolen.cookies["finbyte_session"] = before
    assert stolen.get(reverse("accounts:profile")).status_code == 302


@pytest.mark.parametrize("case", ["wrong password", "unknown", "suspended"])
def test_whatever_is_wrong_the_words_are_the_same(client, alice, case):
    email, password = alice.email, PASSWORD
    if case == "wrong password":
        password = "wrong horse battery staple"
    elif case == "unknown":
        email = "nobody@example.com"
    else:
        alice.is_active = False
        alice.save()
    response = log_in(client, email, password)
    assert response.status_code == 200
    assert response.context["form"].non_field_errors() == [WRONG]
    assert "_auth_user_id" not in client.session

    event = AuditEvent.objects.get()
    assert (event.kind, event.actor) == ("log_in_refused", None)
    if case == "unknown":
        assert event.on_behalf_of is None
        assert set(event.detail) == {"address_digest"}
        assert "nobody" not in str(event.detail)
    else:
        assert (event.on_behalf_of, event.detail) == (alice, {})


def test_an_unknown_address_costs_a_password_hash_too(client, alice, monkeypatch):
    made: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self, password, salt):
        made.append(salt)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    log_in(client, "nobody@example.com", "wrong horse battery staple")
    unknown = len(made)
    log_in(client, alice.email, "wrong horse battery staple")
    assert unknown == len(made) - unknown == 1


def test_what_is_no_address_is_neither_judged_nor_kept(client):
    response = log_in(client, "my secret password")
    assert response.status_code == 200
    assert "username" in response.context["form"].errors
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_next_leads_nowhere_else(client, alice, target):
    response = client.post(
        reverse("accounts:log-in"),
        {"username": alice.email, "password": PASSWORD, "next": target},
    )
    assert response["Location"] == reverse("home")


def test_next_leads_back(client, alice):
    response = client.post(
        reverse("accounts:log-in"),
        {"username": alice.email, "password": PASSWORD, "next": reverse("accounts:profile")},
    )
    assert response["Location"] == reverse("accounts:profile")


def test_log_out_takes_a_post(client, alice):
    client.force_login(alice)
    assert client.get(reverse("accounts:log-out")).status_code == 405
    response = client.post(reverse("accounts:log-out"))
    assert response["Location"] == reverse("accounts:log-in")
    assert "_auth_user_id" not in client.session
    assert AuditEvent.objects.get().kind == "log_out"


def test_a_forged_log_out_is_refused(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(reverse("accounts:log-out")).status_code == 403
    assert "_auth_user_id" in client.session


def test_a_suspended_user_is_out_at_the_next_page(client, alice):
    client.force_login(alice)
    assert client.get(reverse("accounts:profile")).status_code == 200
    type(alice).objects.update(is_active=False)
    assert client.get(reverse("accounts:profile")).status_code == 302


def test_too_many_log_ins_for_one_address_of_anybody(client, alice):
    answers = [
        log_in(client, "Alice@example.com", "wrong", REMOTE_ADDR=f"203.0.113.{number}")
        for number in range(11)
    ]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert "Too many attempts" in answers[-1].text
    assert 0 < int(answers[-1]["Retry-After"]) <= 60
    # The eleventh was not judged, not even with the right password; others may go on.
    assert AuditEvent.objects.count() == 10
    assert log_in(client, alice.email).status_code == 429
    assert log_in(client, "bob@example.com").status_code == 200


def test_too_many_log_ins_from_one_address(client):
    answers = [log_in(client, f"user{number}@example.com").status_code for number in range(21)]
    assert answers == [200] * 20 + [429]
    assert client.get(reverse("accounts:log-in")).status_code == 200
    assert log_in(client, "a@example.com", REMOTE_ADDR="203.0.113.9").status_code == 200
