import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.domain.roles import SecondFactorRule
from accounts.domain.session_rules import next_day_roll
from accounts.domain.tokens import checksum
from accounts.models import ApiApp, ApiSession, AuditEvent
from accounts.services.api_apps import revoke_app
from accounts.services.expiry import delete_expired
from accounts.tests.api_apps import make_app
from portfolio.models import VenueAccount
from portfolio.tests.factories import make_account

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def issue(email="alice@example.com", app="Script"):
    out = StringIO()
    call_command("issue_token", email=email, app=app, stdout=out)
    return json.loads(out.getvalue())


def profile(client, token):
    header = f"token {token['api_key']}:{token['access_token']}"
    return client.get("/user/profile", headers={"authorization": header})


def refused(**values):
    before = ApiApp.objects.count(), ApiSession.objects.count(), AuditEvent.objects.count()
    with pytest.raises(CommandError) as error:
        issue(**values)
    assert before == (
        ApiApp.objects.count(),
        ApiSession.objects.count(),
        AuditEvent.objects.count(),
    )
    return str(error.value)


def test_a_token_for_a_script(alice, client):
    make_account(alice, now=timezone.now())
    token = issue()
    assert list(token) == ["api_key", "api_secret", "access_token"]
    answer = profile(client, token)
    assert (answer.status_code, answer.json()["data"]["user_id"]) == (200, alice.public_id)
    session = ApiSession.objects.get()
    assert session.expires_at == next_day_roll(session.started_at)
    assert list(AuditEvent.objects.order_by("pk").values_list("kind", flat=True)) == [
        "api_app_create",
        "api_session_issue",
    ]
    app = ApiApp.objects.get()
    assert (app.name, app.products) == ("Script", ["CNC", "MIS", "NRML"])


def test_the_secret_is_that_of_the_app(alice, client):
    token = issue()
    signed = checksum(token["api_key"], "not a token", token["api_secret"])
    fields = {"api_key": token["api_key"], "request_token": "not a token", "checksum": signed}
    answer = client.post("/session/token", fields)
    # A wrong checksum would be told from a used token by its words.
    assert answer.status_code == 403
    assert answer.json()["message"] == "This token is used, expired or withdrawn. Log in again."


def test_the_same_app_again(alice, client):
    made = make_app(alice, now=timezone.now(), name="Script")
    first, second = issue(), issue(email="ALICE@example.com", app=" Script ")
    assert first["api_key"] == second["api_key"] == made.app.api_key
    assert first["api_secret"] == second["api_secret"] == made.secret
    assert first["access_token"] != second["access_token"]
    assert profile(client, first).status_code == 403
    assert profile(client, second).status_code == 200
    assert ApiApp.objects.count() == 1


def test_a_revoked_app_is_made_anew(alice, client):
    old = make_app(alice, now=timezone.now(), name="Script")
    revoke_app(old.app, actor=alice, client_address=None, now=timezone.now())
    token = issue()
    assert token["api_key"] != old.app.api_key
    assert profile(client, token).status_code == 200


def test_the_app_of_somebody_else_is_not_taken(alice, bob):
    theirs = make_app(bob, now=timezone.now(), name="Script")
    assert issue()["api_key"] != theirs.app.api_key


def test_nobody(alice):
    assert refused(email="nobody@example.com") == "nobody has the e-mail address nobody@example.com"


def test_a_name_that_is_none(alice):
    assert refused(app="  ") == "Give the app a name of 1 to 60 characters."


def test_who_is_suspended(alice):
    alice.is_active = False
    alice.save()
    assert refused() == "This user is suspended."


@pytest.mark.parametrize("mode", ["TESTNET", "LIVE"])
def test_who_has_an_account_at_a_real_venue(alice, mode):
    account = make_account(alice, now=timezone.now())
    profile_of_mode = {"TESTNET": "CRYPTO_TESTNET", "LIVE": "IN_MANUAL"}[mode]
    VenueAccount.objects.filter(pk=account.pk).update(
        mode=mode, venue="BINANCE_TESTNET", status="NOT_READY", compliance_profile=profile_of_mode
    )
    assert refused() == "this user has an account at a real venue: log in with a browser"


def test_who_needs_a_second_factor_every_day(alice):
    alice.second_factor_rule = SecondFactorRule.EVERY_SESSION
    alice.save()
    message = "This user's accounts ask for a log-in with a second factor every day."
    assert refused() == message


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit):
        call_command("issue_token", "--help")
    said = " ".join(capsys.readouterr().out.split())
    assert "Print api_key, api_secret and access_token of a user's app as JSON" in said
    assert "--email EMAIL" in said


def test_old_sessions_go_after_three_months(alice):
    now = timezone.now()
    issue()
    session = ApiSession.objects.get()
    assert session.refresh_until is not None
    # It can be renewed for 30 days, and is kept for 90 after that.
    assert delete_expired(now=now + 119 * DAY) == 0
    assert ApiSession.objects.exists()
    assert delete_expired(now=now + 121 * DAY) == 1
    issue()
    ApiSession.objects.update(refresh_until=None)
    assert delete_expired(now=now + 89 * DAY) == 0
    assert delete_expired(now=now + 92 * DAY) == 1
