"""Who gets into the admin, and for how long: a second factor first, then 15 minutes."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib import admin
from django.urls import URLPattern, get_resolver
from django.utils import timezone

from accounts.admin_site import StaffSite
from accounts.domain.roles import Role
from accounts.models import AuthenticatorApp, ConsoleSession, TrustedDevice
from accounts.services.roles import set_role
from accounts.services.users import give_role
from finbyte_site.tests.console import stamp_client
from finbyte_site.tests.security_rows import plant_security

pytestmark = pytest.mark.django_db

INDEX = "/admin/"
CONFIRM = "/console/account/confirm"
ENROL = "/console/account/authenticator/add"


@pytest.fixture
def boss(staff):
    """Return an administrator who has an authenticator app."""
    AuthenticatorApp.objects.create(user=staff, name="Phone", confirmed=True, sealed_seed="x")
    return staff


def stamped(client, user, **ago):
    """Log in with times of the stamp so many seconds ago."""
    now = timezone.now()
    stamp_client(
        client, user, **{name: now - timedelta(seconds=each) for name, each in ago.items()}
    )
    return client


def led_to(response):
    assert response.status_code == 302, response
    parts = urlsplit(response["Location"])
    return parts.path, parse_qs(parts.query).get("next", [""])[0]


class TestTheSecondFactor:
    def test_is_asked_for_even_right_after_a_password(self, client, boss):
        stamped(client, boss, password_at=1)
        assert led_to(client.get("/admin/accounts/user/?q=a")) == (
            CONFIRM,
            "/admin/accounts/user/?q=a",
        )

    def test_a_trusted_device_alone_never_opens_it(self, client, staff, now):
        plant_security(staff, 1, now)
        stamp_client(client, staff, device_id=TrustedDevice.objects.get().pk, factor_at=None)
        assert client.get("/console/").status_code == 200
        assert led_to(client.get(INDEX))[0] == CONFIRM

    @pytest.mark.parametrize(("seconds", "is_in"), [(299, True), (302, False)])
    def test_has_to_be_fresh_on_entering(self, client, boss, seconds, is_in):
        stamped(client, boss, factor_at=seconds)
        response = client.get(INDEX)
        assert response.status_code == (200 if is_in else 302)

    def test_without_one_the_way_leads_to_the_enrolment(self, client, staff):
        stamped(client, staff, password_at=1, factor_at=1)
        assert led_to(client.get(INDEX)) == (ENROL, INDEX)

    def test_a_session_without_a_stamp_does_not_do(self, client, boss):
        client.force_login(boss)
        assert led_to(client.get(INDEX))[0] == CONFIRM


class TestTheSession:
    def test_lasts_exactly_fifteen_minutes_and_slides(self, client, boss, monkeypatch):
        stamped(client, boss, factor_at=1)
        start = timezone.now()
        moments = iter(
            start + timedelta(seconds=each) for each in (0, 900, 900 + 900, 2700 + 1, 2700 + 2)
        )
        moment = [next(moments)]
        monkeypatch.setattr("accounts.admin_site.timezone.now", lambda: moment[0])
        seen = [client.get(INDEX).status_code]
        for each in moments:
            moment[0] = each
            seen.append(client.get(INDEX).status_code)
        # 15:00 after the last page is in time, 15:01 is not, and nothing after it.
        assert seen == [200, 200, 200, 302, 302]

    def test_a_form_sent_too_late_changes_nothing(self, client, boss, alice):
        stamped(client, boss, factor_at=1000, admin_seen_at=901)
        response = client.post(
            "/admin/accounts/user/",
            {"action": "suspend", "_selected_action": [alice.pk], "reason": "x", "index": 0},
            headers={"referer": "http://testserver/admin/accounts/user/"},
        )
        assert led_to(response) == (CONFIRM, "/admin/accounts/user/")
        alice.refresh_from_db()
        assert alice.is_active

    def test_console_pages_do_not_prolong_it(self, client, boss):
        stamped(client, boss, factor_at=1000, admin_seen_at=890)
        before = client.session.stamp.admin_seen_at
        assert client.get("/console/").status_code == 200
        assert client.session.stamp.admin_seen_at == before

    def test_a_new_role_counts_at_the_next_request(self, client, boss, bob, now):
        give_role(bob, Role.ADMINISTRATOR)
        stamped(client, bob, factor_at=1, admin_seen_at=1)
        assert client.get(INDEX).status_code == 200
        set_role(bob, Role.USER, actor=boss, reason="leaves", now=now)
        response = client.get(INDEX, follow=True)
        assert response.redirect_chain[-1][0].startswith("/console/account/log-in")
        # Even a session that were still open would not let him in.
        stamped(client, bob, factor_at=1, admin_seen_at=1)
        assert client.get(INDEX, follow=True).status_code == 403

    def test_a_lower_role_counts_at_the_next_request(self, client, boss, bob, now):
        give_role(bob, Role.ADMINISTRATOR)
        set_role(bob, Role.SUPPORT, actor=boss, reason="moves", now=now)
        stamped(client, bob, factor_at=1, admin_seen_at=1)
        assert client.get("/admin/portfolio/risklimit/add/").status_code == 403
        assert client.get("/admin/portfolio/risklimit/").status_code == 200


class TestEveryPage:
    def test_is_behind_the_door(self, client, boss):
        stamped(client, boss, password_at=1)
        addresses = [address for address in _addresses() if not address.startswith(_OURS)]
        assert len(addresses) > 100
        for address in addresses:
            # A form that is sent is not looked at before either: `admin_view` stands before all.
            assert led_to(client.get(address))[0] == CONFIRM, address

    def test_users_and_strangers_get_nowhere(self, client, alice):
        for address in _addresses():
            if not address.startswith(_OURS):
                assert client.get(address).status_code == 302
        stamped(client, alice, factor_at=1, admin_seen_at=1)
        assert client.get(INDEX, follow=True).status_code == 403

    def test_an_api_token_opens_none(self, client, boss):
        response = client.get(INDEX, headers={"authorization": "token key:secret"})
        assert response.status_code == 302
        assert not ConsoleSession.objects.filter(user=boss).exists()

    def test_the_site_is_ours(self):
        assert isinstance(admin.site, StaffSite)


_OURS = ("/admin/login/", "/admin/logout/", "/admin/password_change/")


def _addresses(patterns: Any = None, prefix: str = "/") -> list[str]:
    """Return an address of every route under /admin/."""
    found: list[str] = []
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        address = prefix + str(pattern.pattern)
        if not address.startswith("/admin"):
            continue
        if isinstance(pattern, URLPattern):
            found.append(_filled(address))
        else:
            found += _addresses(pattern.url_patterns, address)
    return found


def _filled(address: str) -> str:
    parts = {
        "<path:object_id>": "1",
        "<path:content_type_id>": "1",
        "(?P<url>.*)$": "nowhere",
    }
    for part, value in parts.items():
        address = address.replace(part, value)
    if "(?P<app_label>" in address:
        return "/admin/accounts/"
    return address


def test_a_browser_without_a_log_in_is_sent_to_it(client):
    assert led_to(client.get(INDEX))[0] == "/admin/login/"
