"""Pages about devices and addresses."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.domain.roles import SecondFactorRule
from accounts.models import AuditEvent, TrustedAddress, TrustedDevice
from accounts.tests.browser import CAFE, CHROME, Browser
from accounts.tests.factors import enrol
from finbyte_site.tests.console import client_of, stamp_client

pytestmark = pytest.mark.django_db

ROOT = "/console/account"


def shown(client, page):
    response = client.get(f"{ROOT}/{page}")
    assert response.status_code == 200
    return response.content.decode()


def posted(client, page, **fields):
    return client.post(f"{ROOT}/{page}", fields)


class TestDevices:
    def test_without_any_the_page_says_what_to_do(self, alice):
        client = client_of(alice)
        assert "Set up a second factor" in shown(client, "devices")
        enrol(alice)
        assert "Tick the box" in shown(client, "devices")

    def test_mine_are_shown_the_one_of_this_session_marked(self, alice, bob):
        now = timezone.now()
        device = Browser().trust(alice, now=now, name="Laptop <3")
        Browser(agent=CHROME, address=CAFE).trust(alice, now=now)
        Browser().trust(bob, now=now, name="bobs phone")
        client = client_of(alice)
        stamp_client(client, alice, device_id=device.pk)
        page = shown(client, "devices")
        for words in ("Laptop &lt;3", "Firefox on Linux", "203.0.113.7", "Chrome on Windows", CAFE):
            assert words in page
        assert page.count("This one") == 1
        assert "bobs phone" not in page

    def test_where_every_session_asks_the_page_says_so(self, alice):
        alice.second_factor_rule = SecondFactorRule.EVERY_SESSION
        alice.save()
        assert "Devices cannot be trusted" in shown(client_of(alice), "devices")

    def test_renamed_and_removed(self, alice):
        device = Browser().trust(alice, now=timezone.now())
        client = client_of(alice)
        assert posted(client, f"devices/{device.pk}/rename", name="Work").status_code == 302
        assert TrustedDevice.objects.get().name == "Work"
        assert posted(client, f"devices/{device.pk}/revoke").status_code == 302
        assert TrustedDevice.objects.get().revoked_at is not None
        assert "Work" not in shown(client, "devices")

    def test_all_removed(self, alice):
        for browser in (Browser(), Browser(agent=CHROME)):
            browser.trust(alice, now=timezone.now())
        assert posted(client_of(alice), "devices/revoke-all").status_code == 302
        assert not TrustedDevice.objects.filter(revoked_at=None).exists()

    @pytest.mark.parametrize("act", ["rename", "revoke"])
    def test_anothers_is_not_found_and_stays(self, alice, bob, act):
        device = Browser().trust(alice, now=timezone.now())
        assert posted(client_of(bob), f"devices/{device.pk}/{act}", name="x").status_code == 404
        device.refresh_from_db()
        assert (device.revoked_at, device.name) == (None, "")
        assert not AuditEvent.objects.filter(kind__in=["device_rename", "device_revoke"]).exists()

    @pytest.mark.parametrize("page", ["devices/1/rename", "devices/1/revoke", "devices/revoke-all"])
    def test_looking_changes_nothing(self, alice, page):
        assert client_of(alice).get(f"{ROOT}/{page}").status_code == 405


class TestAddresses:
    def test_mine_are_shown_with_their_devices(self, alice, bob):
        now = timezone.now()
        Browser().trust(alice, now=now)
        Browser(agent=CHROME).trust(alice, now=now)
        Browser(address=CAFE).trust(bob, now=now)
        page = shown(client_of(alice), "addresses")
        assert "203.0.113.7" in page
        assert "2 trusted devices" in page
        assert CAFE not in page

    def test_without_any_the_page_says_how_one_comes(self, alice):
        assert "when you trust a device" in shown(client_of(alice), "addresses")

    def test_adding_one_asks_for_a_fresh_second_factor(self, alice):
        enrol(alice)
        now = timezone.now()
        stale = client_of(alice, factor_at=now - timedelta(minutes=5, seconds=1))
        for response in (
            stale.get(f"{ROOT}/addresses/add"),
            posted(stale, "addresses/add", address=CAFE),
        ):
            assert response.status_code == 302
            assert response.url.startswith(f"{ROOT}/confirm?next=")
        assert TrustedAddress.objects.count() == 0
        fresh = client_of(alice, factor_at=now)
        assert 'value="127.0.0.1"' in shown(fresh, "addresses/add")
        assert posted(fresh, "addresses/add", address=CAFE, name="Office").status_code == 302
        assert "Office" in shown(fresh, "addresses")
        assert AuditEvent.objects.get().kind == "address_trust"

    def test_a_trusted_device_does_not_stand_in_for_it(self, alice):
        enrol(alice)
        device = Browser().trust(alice, now=timezone.now())
        client = client_of(alice)
        stamp_client(client, alice, device_id=device.pk)
        assert posted(client, "addresses/add", address=CAFE).status_code == 302
        assert TrustedAddress.objects.count() == 1

    def test_a_network_is_refused_at_its_field(self, alice):
        client = client_of(alice, factor_at=timezone.now())
        response = posted(client, "addresses/add", address="203.0.113.0/24")
        assert response.status_code == 400
        assert "Wider networks cannot be trusted" in response.content.decode()
        assert TrustedAddress.objects.count() == 0

    def test_renamed_and_removed_with_its_devices(self, alice):
        Browser().trust(alice, now=timezone.now())
        address = TrustedAddress.objects.get()
        client = client_of(alice)
        assert posted(client, f"addresses/{address.pk}/rename", name="Home").status_code == 302
        assert "Home" in shown(client, "addresses")
        assert posted(client, f"addresses/{address.pk}/revoke").status_code == 302
        assert "Removed, with 1 trusted device." in shown(client, "addresses")
        assert TrustedDevice.objects.get().revoked_at is not None

    @pytest.mark.parametrize("act", ["rename", "revoke"])
    def test_anothers_is_not_found_and_stays(self, alice, bob, act):
        Browser().trust(alice, now=timezone.now())
        address = TrustedAddress.objects.get()
        assert posted(client_of(bob), f"addresses/{address.pk}/{act}", name="x").status_code == 404
        address.refresh_from_db()
        assert (address.revoked_at, address.name) == (None, "")


@pytest.mark.parametrize("page", ["devices", "addresses"])
def test_the_pages_take_the_same_queries_for_any_number_of_rows(alice, page):
    client = client_of(alice)
    found = []
    for count in (0, 1, 9):
        for number in range(count):
            Browser(address=f"198.51.100.{number + count}").trust(alice, now=timezone.now())
        with CaptureQueriesContext(connection) as queries:
            shown(client, page)
        found.append(len(queries))
    # The page that is empty also asks whether there is a second factor to trust a device with.
    assert len(set(found[1:])) == 1
    assert found[1] <= 7


def test_strangers_are_led_to_the_log_in(client):
    for page in ("devices", "addresses", "addresses/add", "sessions"):
        response = client.get(f"{ROOT}/{page}")
        assert response.status_code == 302
        assert response.url.startswith(f"{ROOT}/log-in?next=")
