import re

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts import tasks, urls
from accounts.models import AuditEvent
from accounts.services.passwords import mail_reset_link
from conftest import PASSWORD

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


def test_reset_mails_are_limited_per_address(client, asked):
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


def test_changing_the_password_ends_other_sessions(client, alice):
    elsewhere = Client()
    elsewhere.force_login(alice)
    client.force_login(alice)
    before = client.session.session_key
    response = client.post(
        reverse("accounts:password-change"),
        {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW},
        follow=True,
    )
    assert response.status_code == 200
    assert "Your password is changed." in response.text
    assert client.session.session_key != before
    assert elsewhere.get(reverse("accounts:profile")).status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert AuditEvent.objects.get().kind == "password_change"


def test_the_old_password_is_needed(client, alice):
    client.force_login(alice)
    response = client.post(
        reverse("accounts:password-change"),
        {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW},
    )
    assert response.status_code == 200
    assert 'id="id_old_password_error"' in response.text
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert not AuditEvent.objects.exists()
