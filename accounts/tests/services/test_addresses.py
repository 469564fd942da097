"""Trusted addresses: one address each, and the devices that hang on it."""

from datetime import timedelta

import pytest

from accounts.exceptions import InvalidInput, NotFound
from accounts.models import AuditEvent, TrustedAddress
from accounts.services.addresses import (
    MOST_ADDRESSES,
    add_address,
    live_addresses,
    rename_address,
    revoke_address,
)
from accounts.services.devices import live_devices
from accounts.tests.browser import CAFE, CHROME, HOME, Browser

pytestmark = pytest.mark.django_db


def add(user, typed, *, now, name=""):
    return add_address(Browser().request(), user, typed=typed, name=name, now=now)


def kinds():
    return list(AuditEvent.objects.order_by("pk").values_list("kind", flat=True))


def test_one_is_added_with_a_name(alice, bob, now):
    address = add(alice, " 2001:db8::7 ", now=now, name=" Office ")
    assert (address.network, address.name, str(address)) == ("2001:db8::/64", "Office", "Office")
    assert add(bob, "2001:db8::8", now=now).network == address.network
    assert kinds() == ["address_trust", "address_trust"]


@pytest.mark.parametrize("typed", ["", "home", "203.0.113.0/24", "0.0.0.0/0", "::/0", "1.2.3"])
def test_networks_and_nonsense_are_refused(alice, now, typed):
    with pytest.raises(InvalidInput) as refused:
        add(alice, typed, now=now)
    assert refused.value.field == "address"
    assert (TrustedAddress.objects.count(), kinds()) == (0, [])


def test_the_same_again_is_refused(alice, now):
    add(alice, HOME, now=now)
    with pytest.raises(InvalidInput):
        add(alice, f"::ffff:{HOME}", now=now)
    assert TrustedAddress.objects.count() == 1


def test_there_are_twenty_at_most(alice, bob, now):
    for number in range(MOST_ADDRESSES):
        add(alice, f"198.51.100.{number}", now=now)
    with pytest.raises(InvalidInput):
        add(alice, HOME, now=now)
    assert MOST_ADDRESSES == TrustedAddress.objects.count() == 20
    add(bob, HOME, now=now)


def test_removing_one_ends_the_trust_of_the_devices_there_and_only_there(alice, bob, now):
    here, also_here, elsewhere = Browser(), Browser(agent=CHROME), Browser(address=CAFE)
    for browser in (here, also_here, elsewhere):
        browser.trust(alice, now=now)
    Browser().trust(bob, now=now)
    address = TrustedAddress.objects.for_user(alice).get(network=f"{HOME}/32")
    assert revoke_address(Browser().request(), alice, address.pk, now=now) == 2
    assert here.recognised(alice, now=now) is None
    assert also_here.recognised(alice, now=now) is None
    assert elsewhere.recognised(alice, now=now) is not None
    assert live_devices(bob, now=now).count() == 1
    with pytest.raises(NotFound):
        revoke_address(Browser().request(), alice, address.pk, now=now)


def test_after_that_it_can_be_trusted_again(alice, now):
    Browser().trust(alice, now=now)
    revoke_address(Browser().request(), alice, TrustedAddress.objects.get().pk, now=now)
    browser = Browser()
    device = browser.trust(alice, now=now)
    assert browser.recognised(alice, now=now) == device
    assert live_addresses(alice, now=now).count() == 1


def test_anothers_is_not_there_and_stays(alice, bob, now):
    Browser().trust(alice, now=now)
    address = TrustedAddress.objects.get()
    with pytest.raises(NotFound):
        revoke_address(Browser().request(), bob, address.pk, now=now)
    with pytest.raises(NotFound):
        rename_address(Browser().request(), bob, address.pk, name="his", now=now)
    address.refresh_from_db()
    assert (address.revoked_at, address.name, kinds()) == (None, "", ["device_trust"])
    assert live_devices(alice, now=now).count() == 1


def test_the_list_counts_living_devices_in_one_query(alice, now, django_assert_num_queries):
    for browser in (Browser(), Browser(agent=CHROME), Browser(address=CAFE)):
        browser.trust(alice, now=now)
    with django_assert_num_queries(1):
        counts = {row.network: row.live_devices for row in live_addresses(alice, now=now)}
    assert counts == {f"{HOME}/32": 2, f"{CAFE}/32": 1}
    later = {row.live_devices for row in live_addresses(alice, now=now + timedelta(days=31))}
    assert later == {0}
