from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.exceptions import SignUpRefused
from accounts.models import AuditEvent, LogInPlace, User
from accounts.services.audit import verify_chain
from finbyte_site import sign_up as sign_up_module
from finbyte_site.sign_up import sign_up
from portfolio.models import Book, LedgerAccount, LedgerTransaction, VenueAccount

PASSWORD = "nine green bottles"


@pytest.fixture(autouse=True)
def _no_earlier_posts(redis_client):
    """Start every test with all rates unused."""


def post(client, **values):
    return client.post(
        reverse("accounts:sign-up"),
        {"email": "carol@example.com", "full_name": "Carol", "password": PASSWORD, **values},
    )


def test_a_new_user_has_two_paper_accounts_and_their_money(real_db, now):
    user = sign_up(
        email="carol@example.com", password=PASSWORD, client_address="203.0.113.7", now=now
    )
    available = LedgerAccount.objects.for_user(user).filter(kind="AVAILABLE", balance__gt=0)
    assert {row.asset: row.balance for row in available} == {
        "INR": Decimal(1_000_000),
        "USDT": Decimal(10_000),
    }
    assert VenueAccount.objects.for_user(user).count() == 2
    assert Book.objects.for_user(user).filter(kind="MANUAL").count() == 2
    event = AuditEvent.objects.get()
    assert (event.kind, event.actor, event.client_address) == ("sign_up", user, "203.0.113.7")
    assert verify_chain()[0] == 1


def test_a_failure_on_the_way_leaves_nothing(real_db, now, monkeypatch):
    def fail(user, **_):
        raise RuntimeError

    monkeypatch.setattr(sign_up_module, "record_sign_up", fail)
    with pytest.raises(RuntimeError):
        sign_up(email="carol@example.com", password=PASSWORD, client_address=None, now=now)
    for model in (User, VenueAccount, Book, LedgerAccount, LedgerTransaction, AuditEvent):
        assert not model.objects.filter(
            **({"book__isnull": False} if model is LedgerAccount else {})
        ).exists()


def test_a_refused_sign_up_leaves_nothing(real_db, alice, now):
    with pytest.raises(SignUpRefused):
        sign_up(email="Alice@example.com", password=PASSWORD, client_address=None, now=now)
    assert User.objects.count() == 1
    assert not VenueAccount.objects.exists()


@pytest.mark.django_db
def test_the_page_logs_a_new_user_in(client):
    before = client.session
    before.save()
    response = post(client)
    assert response.status_code == 302
    assert response["Location"] == reverse("home")
    user = User.objects.get()
    assert client.session["_auth_user_id"] == str(user.pk)
    assert client.session.session_key != before.session_key
    assert client.session.stamp.address == "127.0.0.1"
    assert client.session.stamp.factor_at is None
    assert LogInPlace.objects.get().user == user
    assert AuditEvent.objects.get().kind == "sign_up"
    assert post(client)["Location"] == reverse("home")
    assert User.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"password": "short"}, "password", "at least 12 characters"),
        ({"password": "q1w2e3r4t5y6"}, "password", "very common password"),
        ({"password": ""}, "password", "required"),
        ({"password": "xx carol xx 12345"}, "password", "contains 'carol'"),
        ({"password": "x" * 1025}, "password", "at most 1024"),
        ({"email": "carol"}, "email", "valid email"),
        ({"email": "Alice@Example.com"}, "email", "already an account"),
        ({"full_name": "x" * 81}, "full_name", "at most 80"),
    ],
)
def test_the_page_says_what_is_wrong(client, alice, values, field, words):
    response = post(client, **values)
    assert response.status_code == 200
    assert words in " ".join(response.context["form"].errors[field])
    assert f'id="id_{field}_error"' in response.text
    assert PASSWORD not in response.text
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_text_that_cannot_be_stored_is_refused_and_nothing_written(client):
    assert post(client, full_name="a\x00b").status_code == 400
    assert not User.objects.exists()


@pytest.mark.django_db
def test_sign_ups_from_one_address_are_limited(client, one_window):
    answers = [post(client, password="short").status_code for _ in range(31)]
    assert answers == [200] * 30 + [429]


@pytest.mark.django_db
def test_account_pages_are_found_with_a_slash_too_many(client):
    for page in ("sign-up", "log-in", "password-reset", "password-reset/a/b"):
        answer = client.get(f"/console/account/{page}/?next=/console/bots/")
        assert answer.status_code == 301
        assert answer["Location"] == f"/console/account/{page}?next=/console/bots/"
    assert client.post("/console/account/sign-up/").status_code == 405
    # Nothing is made up for pages that do not exist, and programs are not led about.
    assert client.get("/console/account/nothing").status_code == 404
    assert client.get("/console/account/nothing/").status_code == 404
    assert client.get("/console/account//elsewhere.example/").status_code == 404
    assert client.get("/user/profile/").status_code != 301
