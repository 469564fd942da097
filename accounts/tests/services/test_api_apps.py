from datetime import timedelta

import pytest
from django.db import connection

from accounts.domain.roles import Role, SecondFactorRule
from accounts.domain.sealing import NotOpened
from accounts.exceptions import ChecksumRefused, InvalidInput, Refused, TokenRefused
from accounts.models import ApiApp, ApiSession, AuditEvent, User
from accounts.selectors_api_apps import api_apps_of, sessions_acting_for, sessions_of_app
from accounts.services.api_apps import (
    change_app,
    is_address_allowed,
    revoke_app,
    rotate_secret,
    set_addresses,
)
from accounts.services.api_sessions import authenticate, exchange
from accounts.services.sealed import unseal
from accounts.tests.api_apps import agree, make_app, open_session, settings_of

pytestmark = pytest.mark.django_db


def kinds():
    return list(AuditEvent.objects.order_by("pk").values_list("kind", flat=True))


def set_to(made, *addresses, now, **values):
    return set_addresses(made.app, addresses, client_address=None, now=now, **values)


def test_a_new_app(alice, now):
    made = make_app(alice, now=now, name="  My   bot ", products=["NRML", "CNC", "CNC"])
    app = ApiApp.objects.get()
    assert (app.user, app.name, app.products) == (alice, "My bot", ["CNC", "NRML"])
    assert len(app.api_key) == 16
    assert len(made.secret) == 43
    assert kinds() == ["api_app_create"]
    assert made.secret not in str(AuditEvent.objects.get().detail)


def test_the_secret_is_sealed_for_its_owner(alice, bob, now):
    made = make_app(alice, now=now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(a)::text FROM accounts_apiapp a")
        assert made.secret not in cursor.fetchone()[0]
    sealed = made.app.sealed_secret
    assert unseal(sealed, what="api_secret", user_id=alice.pk) == made.secret
    with pytest.raises(NotOpened):
        unseal(sealed, what="api_secret", user_id=bob.pk)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "   "),
        ("name", "x" * 61),
        ("redirect_url", "javascript:alert(1)"),
        ("redirect_url", ""),
        ("postback_url", "http://hooks.example.com/"),
        ("products", []),
        ("products", ["BO"]),
    ],
)
def test_what_is_wrong_is_named(alice, now, field, value):
    with pytest.raises(InvalidInput) as refused:
        make_app(alice, now=now, **{field: value})
    assert refused.value.field == field
    assert (ApiApp.objects.count(), AuditEvent.objects.count()) == (0, 0)


def test_plain_http_ends_with_a_live_account(alice, now):
    make_app(alice, now=now, name="a", redirect_url="http://127.0.0.1:5000/")
    alice.second_factor_rule = SecondFactorRule.EVERY_SESSION
    with pytest.raises(InvalidInput):
        make_app(alice, now=now, name="b", redirect_url="http://127.0.0.1:5000/")
    assert ApiApp.objects.count() == 1


def test_twenty_apps_and_no_more(alice, bob, now):
    made = [make_app(alice, now=now, name=f"App {number}") for number in range(20)]
    with pytest.raises(Refused, match="20 apps"):
        make_app(alice, now=now, name="One more")
    make_app(bob, now=now)
    revoke_app(made[0].app, actor=alice, client_address=None, now=now)
    make_app(alice, now=now, name="App 0")
    assert ApiApp.objects.for_user(alice).filter(revoked_at=None).count() == 20


def test_one_app_of_a_name(alice, now):
    make_app(alice, now=now)
    with pytest.raises(InvalidInput, match="name"):
        make_app(alice, now=now)
    other = make_app(alice, now=now, name="Other")
    with pytest.raises(InvalidInput, match="name"):
        change_app(other.app, settings_of(), client_address=None, now=now)


def test_a_change_names_its_fields(alice, now):
    made = make_app(alice, now=now)
    opened = open_session(made, alice, now=now)
    changed = change_app(
        made.app, settings_of(name="Grid", products=["CNC"]), client_address=None, now=now
    )
    assert changed.name == "Grid"
    assert AuditEvent.objects.order_by("pk").last().detail["fields"] == ["name"]
    opened.session.refresh_from_db()
    assert opened.session.ended_at is None
    before = AuditEvent.objects.count()
    change_app(made.app, settings_of(name="Grid"), client_address=None, now=now)
    assert AuditEvent.objects.count() == before


def test_more_products_end_what_was_agreed_before(alice, bob, now):
    made = make_app(alice, now=now)
    opened, pending = open_session(made, bob, now=now), agree(made, alice, now=now)
    change_app(made.app, settings_of(products=["CNC", "MIS"]), client_address=None, now=now)
    opened.session.refresh_from_db()
    assert opened.session.ended_for == "the app was given more products"
    with pytest.raises(TokenRefused):
        exchange(made.signed(pending), now=now)


def test_a_new_secret_ends_the_old_one_and_its_sessions(alice, now):
    made = make_app(alice, now=now)
    opened, pending = open_session(made, alice, now=now), agree(made, alice, now=now)
    app, secret = rotate_secret(made.app, client_address=None, now=now)
    assert secret != made.secret
    with pytest.raises(ChecksumRefused):
        exchange(made.signed(pending), now=now)
    with pytest.raises(TokenRefused):
        authenticate(app.api_key, opened.access_token, client_address=None, now=now)
    assert kinds()[-1] == "api_app_rotate"


def test_addresses_once_in_seven_days(alice, now):
    made = make_app(alice, now=now)
    assert set_to(made, "::ffff:203.0.113.7", "2001:DB8::7", now=now).allowed_addresses == [
        "2001:db8::7",
        "203.0.113.7",
    ]
    made.app.refresh_from_db()
    assert made.app.allowed_addresses == ["2001:db8::7", "203.0.113.7"]
    early = now + timedelta(days=7, seconds=-1)
    with pytest.raises(Refused, match="once in seven days"):
        set_to(made, "198.51.100.1", now=early)
    made.app.refresh_from_db()
    assert made.app.allowed_addresses == ["2001:db8::7", "203.0.113.7"]
    # The same ones are no change.
    set_to(made, "203.0.113.7", "2001:db8::7", now=early)
    assert set_to(made, "198.51.100.1", now=now + timedelta(days=7)).allowed_addresses == [
        "198.51.100.1"
    ]
    with pytest.raises(Refused):
        set_to(made, now=now + timedelta(days=8))
    assert kinds() == ["api_app_create", "api_app_addresses", "api_app_addresses"]


@pytest.mark.parametrize("texts", [("1.1.1.1", "2.2.2.2", "3.3.3.3"), ("10.0.0.0/8",), ("x",)])
def test_addresses_that_are_none(alice, now, texts):
    made = make_app(alice, now=now)
    with pytest.raises(InvalidInput):
        set_to(made, *texts, now=now)
    made.app.refresh_from_db()
    assert (made.app.allowed_addresses, made.app.addresses_changed_at) == ([], None)


def test_staff_change_addresses_before_time_with_a_reason(alice, staff, now):
    made = make_app(alice, now=now)
    set_to(made, "203.0.113.7", now=now)
    with pytest.raises(InvalidInput, match="why"):
        set_to(made, "198.51.100.1", now=now, override_by=staff, reason=" ")
    set_to(made, "198.51.100.1", now=now, override_by=staff, reason="provider moved him")
    event = AuditEvent.objects.order_by("pk").last()
    assert (event.actor, event.on_behalf_of, event.kind) == (staff, alice, "api_app_addresses")
    assert event.detail == {
        "before": ["203.0.113.7"],
        "after": ["198.51.100.1"],
        "reason": "provider moved him",
    }


@pytest.mark.parametrize("role", [Role.USER, Role.SUPPORT])
def test_others_do_not(alice, now, role):
    made = make_app(alice, now=now)
    set_to(made, "203.0.113.7", now=now)
    other = User.objects.create_user("c@example.com", role=role)
    with pytest.raises(Refused):
        set_to(made, "198.51.100.1", now=now, override_by=other, reason="x")
    made.app.refresh_from_db()
    assert made.app.allowed_addresses == ["203.0.113.7"]


def test_is_address_allowed(alice, now):
    made = make_app(alice, now=now)
    assert is_address_allowed(made.app, "198.51.100.9")
    set_to(made, "203.0.113.7", "2001:db8::7", now=now)
    app = ApiApp.objects.get()
    assert is_address_allowed(app, "203.0.113.7")
    assert is_address_allowed(app, "::ffff:203.0.113.7")
    assert is_address_allowed(app, "2001:db8:0::7")
    for other in ("198.51.100.9", "2001:db8::8", None):
        assert not is_address_allowed(app, other)


def test_a_revoked_app_is_over(alice, bob, now):
    made = make_app(alice, now=now)
    opened, pending = open_session(made, bob, now=now), agree(made, alice, now=now)
    assert revoke_app(made.app, actor=alice, client_address=None, now=now)
    with pytest.raises(TokenRefused):
        authenticate(made.app.api_key, opened.access_token, client_address=None, now=now)
    with pytest.raises(ChecksumRefused):
        exchange(made.signed(pending), now=now)
    with pytest.raises(Refused, match="revoked"):
        rotate_secret(made.app, client_address=None, now=now)
    with pytest.raises(Refused, match="revoked"):
        set_to(made, "203.0.113.7", now=now)
    assert not revoke_app(made.app, actor=alice, client_address=None, now=now)
    assert kinds()[-1] == "api_app_revoke"
    assert kinds().count("api_app_revoke") == 1
    assert ApiSession.objects.get().ended_for == "the app was revoked"


def test_what_pages_show(alice, bob, now):
    made = make_app(alice, now=now)
    for user in (alice, bob):
        open_session(made, user, now=now)
    (app,) = api_apps_of(alice, now=now)
    assert (app.live_sessions, app.last_used_at) == (2, None)
    assert {each.user for each in sessions_of_app(made.app, now=now)} == {alice, bob}
    assert [each.app for each in sessions_acting_for(bob, now=now)] == [made.app]
    assert list(sessions_acting_for(alice, now=now)) == []
    tomorrow = now + timedelta(days=1)
    assert api_apps_of(alice, now=tomorrow)[0].live_sessions == 0
    assert list(sessions_of_app(made.app, now=tomorrow)) == []
