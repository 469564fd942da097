import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import tasks, urls
from accounts.domain.tokens import token_digest
from accounts.models import (
    ApiApp,
    ApiSession,
    AuditEvent,
    AuthenticatorApp,
    ConsoleSession,
    TrustedAddress,
    TrustedDevice,
)
from accounts.services.passwords import mail_reset_link
from accounts.session_store import key_digest
from conftest import PASSWORD
from finbyte_site.tests.console import client_of, stamp_client

pytestmark = pytest.mark.django_db
NEW = "eight maids a milking"


@pytest.fixture(autouse=True)
def _no_earlier_posts(redis_client):
    """Start every test with all rates unused."""


@pytest.fixture
def asked(monkeypatch):
    """Return the addresses that were handed to the mailing task."""
    addresses: list[str] = []
    route = next(route for route in urls.urlpatterns if route.name == "password-reset")
    monkeypatch.setitem(route.default_args, "enqueue", addresses.append)
    return addresses


@pytest.fixture(autouse=True)
def told(monkeypatch):
    """Return the notices that were handed to the mailing task."""
    notices: list[tuple[int, str]] = []

    def enqueue(user_id, kind, _values):
        notices.append((user_id, kind))

    for route in urls.urlpatterns:
        if route.name in {"password-change", "password-reset-confirm"}:
            monkeypatch.setitem(route.default_args, "enqueue", enqueue)
    return notices


def what_a_password_opens(user):
    """Make a trusted device, a session of an app, and a confirmed authenticator of the user."""
    now = timezone.now()
    address = TrustedAddress.objects.create(
        user=user, network="203.0.113.7/32", trusted_at=now, seen_at=now
    )
    device = TrustedDevice.objects.create(
        user=user,
        address=address,
        browser="Firefox",
        trusted_at=now,
        seen_at=now,
        expires_at=now + timedelta(days=1),
    )
    app = ApiApp.objects.create(
        user=user,
        name="App",
        api_key="0123456789abcdef",
        sealed_secret="-",
        secret_made_at=now,
        redirect_url="https://app.example/",
        created_at=now,
    )
    session = ApiSession.objects.create(
        app=app,
        user=user,
        access_digest=token_digest("access"),
        started_at=now,
        expires_at=now + timedelta(hours=1),
    )
    factor = AuthenticatorApp.objects.create(user=user, name="App", sealed_seed="-", confirmed=True)
    return device, session, factor


def change(client, old=PASSWORD, new=NEW):
    return client.post(
        reverse("accounts:password-change"),
        {"old_password": old, "new_password1": new, "new_password2": new},
    )


def link_in(message):
    (address,) = re.findall(r"https?://\S+", message.body)
    return address.removeprefix(settings.PUBLIC_URL)


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_the_answer_is_the_same_whether_the_address_exists(client, alice, asked, email):
    response = client.post(reverse("accounts:password-reset"), {"email": email}, follow=True)
    assert asked == [email]
    assert response.redirect_chain == [(reverse("accounts:password-reset-sent"), 302)]
    assert "If there is an account with that address" in response.text
    assert not mail.outbox


def test_the_page_hands_its_work_to_the_task():
    route = next(route for route in urls.urlpatterns if route.name == "password-reset")
    assert route.default_args == {"enqueue": tasks.send_reset_link.delay}


def test_the_task_mails_users_who_may_log_in_only(alice, bob):
    tasks.send_reset_link("ALICE@example.com")
    tasks.send_reset_link("nobody@example.com")
    bob.is_active = False
    bob.save()
    assert not mail_reset_link(bob.email)
    (message,) = mail.outbox
    assert message.to == [alice.email]
    assert settings.PUBLIC_URL + "/console/account/password-reset/" in message.body


def test_the_link_sets_a_password_once(client, alice):
    elsewhere = Client()
    elsewhere.force_login(alice)
    mail_reset_link(alice.email)
    link = link_in(mail.outbox[0])

    page = client.get(link, follow=True)
    assert page.context["validlink"]
    assert alice.email not in page.text
    form = page.request["PATH_INFO"]
    assert "set-password" in form
    short = client.post(form, {"new_password1": "short", "new_password2": "short"})
    assert short.status_code == 200
    assert short.context["form"].errors
    response = client.post(form, {"new_password1": NEW, "new_password2": NEW})
    assert response["Location"] == reverse("accounts:log-in")

    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert AuditEvent.objects.get().kind == "password_reset"
    assert elsewhere.get(reverse("accounts:profile")).status_code == 302
    again = Client().get(link, follow=True)
    assert not again.context["validlink"]
    assert "does not work any more" in again.text


def test_reset_mails_are_limited_per_address(client, asked, one_window):
    answers = [
        client.post(
            reverse("accounts:password-reset"),
            {"email": "alice@example.com"},
            REMOTE_ADDR=f"203.0.113.{number}",
        ).status_code
        for number in range(6)
    ]
    assert answers == [302] * 5 + [429]
    assert len(asked) == 5


def test_a_reset_ends_everything_but_the_second_factor(
    client, alice, told, django_capture_on_commit_callbacks
):
    device, session, factor = what_a_password_opens(alice)
    elsewhere = client_of(alice)
    stamp_client(client, alice)
    mail_reset_link(alice.email)
    form = client.get(link_in(mail.outbox[0]), follow=True).request["PATH_INFO"]
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(form, {"new_password1": NEW, "new_password2": NEW})
    assert response["Location"] == reverse("accounts:log-in")
    for browser in (client, elsewhere):
        assert browser.get(reverse("accounts:profile")).status_code == 302
    assert not ConsoleSession.objects.filter(user=alice).exists()
    for row in (device, session, factor):
        row.refresh_from_db()
    assert device.revoked_for == session.ended_for == "a new password"
    assert factor.confirmed
    assert told == [(alice.pk, "password_reset")]
    # The new password alone opens nothing.
    response = client.post(reverse("accounts:log-in"), {"username": alice.email, "password": NEW})
    assert response["Location"].startswith(reverse("accounts:second-factor"))
    assert "_auth_user_id" not in client.session


def test_changing_the_password_ends_other_sessions(
    client, alice, told, django_capture_on_commit_callbacks
):
    elsewhere = client_of(alice)
    stamp = stamp_client(client, alice)
    before = client.session.session_key
    with django_capture_on_commit_callbacks(execute=True):
        response = change(client)
    assert response["Location"] == reverse("accounts:profile")
    assert "Your password is changed." in client.get(reverse("accounts:profile")).text
    assert client.session.session_key != before
    assert not ConsoleSession.objects.filter(pk=key_digest(before)).exists()
    assert client.session.stamp.public_id == stamp.public_id
    assert elsewhere.get(reverse("accounts:profile")).status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    event = AuditEvent.objects.get()
    assert (event.kind, event.actor) == ("password_change", alice)
    assert told == [(alice.pk, "password_changed")]


def test_a_change_needs_a_fresh_second_factor_where_there_is_one(client, alice):
    device, session, _factor = what_a_password_opens(alice)
    stamp_client(client, alice, factor_at=timezone.now() - timedelta(minutes=6))
    response = change(client)
    assert response["Location"].startswith(reverse("accounts:confirm"))
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert not AuditEvent.objects.exists()

    fresh = client_of(alice, factor_at=timezone.now())
    assert change(fresh)["Location"] == reverse("accounts:profile")
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    device.refresh_from_db()
    session.refresh_from_db()
    assert device.revoked_at
    assert session.ended_at
    assert fresh.get(reverse("accounts:profile")).status_code == 200


def test_the_old_password_is_needed_and_cannot_be_guessed_here(client, alice):
    stamp_client(client, alice)
    response = change(client, old="wrong")
    assert response.status_code == 200
    assert 'id="id_old_password_error"' in response.text
    held = change(client)
    assert (held.status_code, held["Retry-After"]) == (429, "1")
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("short", "at least 12"),
        ("q1w2e3r4t5y6", "very common password"),
        ("xx Alice xx 1234567", "contains &#x27;alice&#x27;"),
        ("my FinByte password", "contains &#x27;finbyte&#x27;"),
        ("x" * 1025, "at most 1024"),
    ],
)
def test_weak_passwords_are_refused(client, alice, new, words):
    stamp_client(client, alice)
    response = change(client, new=new)
    assert response.status_code == 200
    assert words in response.text
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_the_admin_changes_passwords_on_the_one_page(client, staff):
    client = client_of(staff, factor_at=timezone.now())
    response = client.get("/admin/password_change/")
    assert response["Location"] == reverse("accounts:password-change")
