import json
from datetime import timedelta

import pytest
from django.conf import settings as live_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp_webauthn.models import WebAuthnCredential

from accounts import urls_security
from accounts.models import AuditEvent, ConsoleSession, RecoveryCode
from accounts.session_store import SessionStore
from accounts.tests.factors import enrol, give_recovery_codes
from accounts.tests.passkey_device import PasskeyDevice
from conftest import PASSWORD
from finbyte_site.tests.console import client_of

pytestmark = pytest.mark.django_db
ORIGIN = live_settings.OTP_WEBAUTHN_ALLOWED_ORIGINS[0]


@pytest.fixture(autouse=True)
def _no_earlier_posts(redis_client):
    """Start every test with all rates unused."""


@pytest.fixture(autouse=True)
def mailed(monkeypatch):
    """Return what was handed to the mailing tasks."""
    calls: list[tuple] = []
    for route in urls_security.urlpatterns:
        for name in route.default_args:
            monkeypatch.setitem(route.default_args, name, lambda *call: calls.append(call))
    return calls


def ask(client, page, **sent):
    """Post JSON to an address; return status and answer."""
    response = client.post(
        reverse(f"accounts:{page}"), json.dumps(sent), content_type="application/json"
    )
    return response.status_code, response.json() if response.content else None


def add(client, *, origin=ORIGIN, name="Key"):
    """Add a passkey as the page does; return the device, status and answer."""
    _, options = ask(client, "passkey-begin")
    device = PasskeyDevice(origin=origin)
    return device, *ask(client, "passkey-complete", answer=device.make(options), name=name)


def pending(user):
    """Return a browser that has shown the user's password."""
    client = Client()
    response = client.post(
        reverse("accounts:log-in"), {"username": user.email, "password": PASSWORD}
    )
    assert response["Location"].startswith(reverse("accounts:second-factor"))
    return client


def is_logged_in(client):
    return client.get(reverse("accounts:profile")).status_code == 200


def stamp(client):
    return SessionStore(client.session.session_key).stamp


def test_a_passkey_is_added_and_opens_a_log_in(alice, mailed, django_capture_on_commit_callbacks):
    client, elsewhere = client_of(alice), client_of(alice)
    before = client.session.session_key
    with django_capture_on_commit_callbacks(execute=True):
        device, status, told = add(client, name="  My key ")
    assert (status, told) == (200, {"next": reverse("accounts:recovery-codes")})
    assert WebAuthnCredential.objects.get().name == "My key"
    assert [call[:2] for call in mailed] == [(alice.pk, "passkey_added")]
    assert client.session.session_key != before
    assert stamp(client).factor_at is not None
    assert not is_logged_in(elsewhere)

    fresh = pending(alice)
    before = fresh.session.session_key
    _, options = ask(fresh, "second-factor-passkey-begin")
    assert len(options["allowCredentials"]) == 1
    answer = device.use(options)
    assert not is_logged_in(fresh)
    status, told = ask(fresh, "second-factor-passkey-complete", answer=answer)
    assert (status, told) == (200, {"next": reverse("home")})
    assert is_logged_in(fresh)
    assert fresh.session.session_key != before
    assert stamp(fresh).factor_at is not None


def test_an_answer_works_once_and_for_its_own_question(alice):
    client = client_of(alice)
    device, *_ = add(client)
    _, options = ask(client, "confirm-passkey-begin")
    answer = device.use(options)
    assert ask(client, "confirm-passkey-complete", answer=answer)[0] == 200
    assert ask(client, "confirm-passkey-complete", answer=answer)[0] == 400
    ask(client, "confirm-passkey-begin")
    assert ask(client, "confirm-passkey-complete", answer=answer)[0] == 400


def test_a_question_taken_twice_at_once_is_answered_once(alice):
    """The second request has read the session before the first one took the question out."""
    client = client_of(alice)
    device, *_ = add(client)
    _, options = ask(client, "confirm-passkey-begin")
    kept = dict(client.session.items())
    # A device without a counter, as phones are: nothing but the question tells the two apart.
    WebAuthnCredential.objects.update(sign_count=0)
    device.counter = -1
    answer = device.use(options)
    assert ask(client, "confirm-passkey-complete", answer=answer)[0] == 200
    session = client.session
    session["passkey_using"] = kept["passkey_using"]
    session.save()
    status, told = ask(client, "confirm-passkey-complete", answer=answer)
    assert (status, told) == (400, {"message": "This answer was used before. Try again."})


def test_a_question_is_good_for_five_minutes(alice, monkeypatch):
    client = client_of(alice)
    device, *_ = add(client)
    _, options = ask(client, "confirm-passkey-begin")
    at = timezone.now() + timedelta(minutes=5, seconds=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: at)
    status, told = ask(client, "confirm-passkey-complete", answer=device.use(options))
    assert (status, told) == (400, {"message": "This took too long. Try again."})


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "https://evil.example"])
def test_an_answer_from_another_site_adds_nothing(alice, origin):
    _, status, told = add(client_of(alice), origin=origin)
    assert (status, told) == (400, {"message": "This passkey could not be added. Try again."})
    assert not WebAuthnCredential.objects.exists()
    assert not AuditEvent.objects.exists()


def test_somebody_elses_passkey_opens_nothing(alice, bob):
    his, *_ = add(client_of(bob))
    add(client_of(alice))
    client = pending(alice)
    _, options = ask(client, "second-factor-passkey-begin")
    assert ask(client, "second-factor-passkey-complete", answer=his.use(options))[0] == 400
    assert not is_logged_in(client)
    event = AuditEvent.objects.get(kind="second_factor_refused")
    assert (event.actor, event.on_behalf_of, event.detail) == (None, alice, {"with": "passkey"})


def test_a_forged_signature_is_refused(alice):
    device, *_ = add(client_of(alice))
    forged = PasskeyDevice(origin=ORIGIN, credential_id=device.credential_id)
    client = pending(alice)
    _, options = ask(client, "second-factor-passkey-begin")
    assert ask(client, "second-factor-passkey-complete", answer=forged.use(options))[0] == 400
    assert not is_logged_in(client)


def test_garbage_is_refused(alice):
    add(client_of(alice))
    client = pending(alice)
    address = reverse("accounts:second-factor-passkey-complete")
    for body in ("", "[]", "{}", '{"answer": 1}', '{"answer": {}}', '{"answer": {"id": 1}}'):
        ask(client, "second-factor-passkey-begin")
        response = client.post(address, body, content_type="application/json")
        assert (response.status_code, bool(response.json()["message"])) == (400, True), body
    assert not is_logged_in(client)


@pytest.mark.parametrize(("page", "most"), [("confirm", 20), ("second-factor", 60)])
def test_wrong_answers_are_limited_and_do_not_fill_the_audit_log(alice, page, most, one_window):
    enrol(alice)
    client = client_of(alice) if page == "confirm" else pending(alice)
    complete = reverse(f"accounts:{page}-passkey-complete")
    statuses = []
    for _ in range(most + 2):
        ask(client, f"{page}-passkey-begin")
        wrong = client.post(complete, '{"answer": {}}', content_type="application/json")
        statuses.append(wrong.status_code)
    assert statuses == [400] * most + [429] * 2
    assert AuditEvent.objects.filter(kind="second_factor_refused").count() == most


def test_without_a_password_before_it_a_passkey_opens_nothing(alice):
    device, *_ = add(client_of(alice))
    client = Client()
    status, told = ask(client, "second-factor-passkey-begin")
    assert status == 400
    assert "Log in again" in told["message"]
    answer = device.use({"challenge": "abc", "rpId": "localhost"})
    assert ask(client, "second-factor-passkey-complete", answer=answer)[0] == 400
    assert not ConsoleSession.objects.filter(user=alice, pk=client.session.session_key).exists()


def test_adding_asks_for_what_is_enrolled(alice):
    enrol(alice)
    client = client_of(alice)
    for name in ("passkey-begin", "passkey-complete"):
        response = client.post(reverse(f"accounts:{name}"), "{}", content_type="application/json")
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("accounts:confirm"))
    assert not WebAuthnCredential.objects.exists()


def test_renaming_and_removing_are_the_owners(alice, bob):
    mine, his = client_of(alice), client_of(bob)
    add(mine)
    passkey = WebAuthnCredential.objects.get()
    for name in ("passkey-rename", "passkey-remove"):
        address = reverse(f"accounts:{name}", args=[passkey.pk])
        assert his.post(address, {"name": "His"}).status_code == 404
    assert his.get(reverse("accounts:passkey-remove", args=[passkey.pk])).status_code == 404
    passkey.refresh_from_db()
    assert passkey.name == "Key"
    mine.post(reverse("accounts:passkey-rename", args=[passkey.pk]), {"name": " Desk key "})
    passkey.refresh_from_db()
    assert passkey.name == "Desk key"
    mine.post(reverse("accounts:passkey-rename", args=[passkey.pk]), {"name": "x" * 41})
    passkey.refresh_from_db()
    assert passkey.name == "Desk key"


def test_removing_the_last_one_leaves_no_recovery_codes(alice, now):
    client = client_of(alice)
    add(client)
    give_recovery_codes(alice, now=now)
    passkey = WebAuthnCredential.objects.get()
    address = reverse("accounts:passkey-remove", args=[passkey.pk])
    assert "your only second factor" in client.get(address).text
    before = client.session.session_key
    assert client.post(address)["Location"] == reverse("accounts:passkeys")
    assert not WebAuthnCredential.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert client.session.session_key != before
    assert AuditEvent.objects.get(kind="passkey_removed").detail["name"] == "Key"


def test_the_page_says_where_passkeys_work(alice):
    client = client_of(alice)
    elsewhere = client.get(reverse("accounts:passkeys")).text
    assert f'href="{ORIGIN}/console/account/passkeys"' in elsewhere
    assert "data-passkey-start" not in elsewhere
    here = client.get(reverse("accounts:passkeys"), HTTP_HOST=ORIGIN.removeprefix("http://"))
    assert "data-passkey-start" in here.text
