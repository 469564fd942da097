"""Trusted devices: each control with its numbers (trust.md 7, T6 and P16)."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from accounts.domain.roles import SecondFactorRule
from accounts.domain.tokens import token_digest
from accounts.exceptions import NotFound, Refused
from accounts.models import AuditEvent, ConsoleSession, DeviceToken, TrustedAddress, TrustedDevice
from accounts.services.devices import (
    MOST_DEVICES,
    TRUSTED_FOR,
    live_devices,
    raise_second_factor_rule,
    recognise,
    rename_device,
    revoke_all_devices,
    revoke_device,
    revoke_devices,
)
from accounts.services.sessions import open_session, stamp_of
from accounts.tests.browser import CAFE, CHROME, Browser

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def kinds():
    return list(AuditEvent.objects.order_by("pk").values_list("kind", flat=True))


def reasons():
    events = AuditEvent.objects.filter(kind="device_refused").order_by("pk")
    return [event.detail["reason"] for event in events]


def live(user, now):
    return live_devices(user, now=now).count()


def logged_in(browser, user, *, device, now, factor_at=None):
    request = browser.request()
    open_session(request, user, factor_at=factor_at, device=device, now=now)
    request.session.save()
    return request


@pytest.mark.django_db
class TestTrust:
    def test_only_a_digest_of_256_bits_is_kept(self, alice, now):
        browser = Browser()
        device = browser.trust(alice, now=now, name=" Laptop ")
        token = DeviceToken.objects.get()
        assert len(browser.cookie) == 43
        assert token.digest == token_digest(browser.cookie)
        assert browser.cookie not in str(list(AuditEvent.objects.values()))
        assert (device.name, device.browser, device.address.network) == (
            "Laptop",
            "Firefox on Linux",
            "203.0.113.7/32",
        )
        assert device.expires_at - now == timedelta(days=30)
        assert kinds() == ["device_trust"]

    def test_it_spares_the_second_factor_and_changes_its_cookie_each_time(self, alice, now):
        browser = Browser()
        device = browser.trust(alice, now=now)
        seen = [browser.cookie]
        for day in range(1, 6):
            assert browser.recognised(alice, now=now + day * DAY) == device
            seen.append(browser.cookie)
        assert len(set(seen)) == 6
        assert DeviceToken.objects.filter(replaced_at=None).count() == 1
        assert DeviceToken.objects.count() == 6
        assert TrustedDevice.objects.get().seen_at == now + 5 * DAY
        assert TrustedAddress.objects.get().seen_at == now + 5 * DAY

    def test_thirty_days_from_the_trust_however_often_it_is_used(self, alice, now):
        browser = Browser()
        browser.trust(alice, now=now)
        assert browser.recognised(alice, now=now + 29 * DAY) is not None
        assert browser.recognised(alice, now=now + TRUSTED_FOR - timedelta(seconds=1)) is not None
        assert browser.recognised(alice, now=now + TRUSTED_FOR) is None
        assert reasons() == ["expired"]
        assert browser.cookie == ""

    def test_an_old_value_after_the_thirty_days_alarms_nobody(self, alice, now):
        browser = Browser()
        browser.trust(alice, now=now)
        old = Browser(cookie=browser.cookie)
        browser.recognised(alice, now=now + DAY)
        Browser(agent=CHROME).trust(alice, now=now + 29 * DAY)
        assert old.recognised(alice, now=now + TRUSTED_FOR) is None
        assert live(alice, now + TRUSTED_FOR) == 1
        assert old.told == []

    def test_no_cookie_and_an_unknown_one(self, alice, now):
        browser = Browser()
        assert browser.recognised(alice, now=now) is None
        browser.cookie = "x" * 43
        assert browser.recognised(alice, now=now) is None
        assert browser.cookie == ""
        assert kinds() == []

    def test_the_eleventh_device_replaces_the_oldest(self, alice, bob, now):
        Browser().trust(bob, now=now)
        browsers = [Browser() for _ in range(MOST_DEVICES + 1)]
        devices = [
            browser.trust(alice, now=now + minutes * MINUTE)
            for minutes, browser in enumerate(browsers)
        ]
        assert MOST_DEVICES == 10
        assert set(live_devices(alice, now=now)) == set(devices[1:])
        assert live(bob, now) == 1
        assert browsers[0].recognised(alice, now=now + DAY) is None
        assert browsers[1].recognised(alice, now=now + DAY) == devices[1]

    def test_trusting_anew_ends_the_trust_of_the_cookie_it_overwrites(self, alice, now):
        browser = Browser()
        first = browser.trust(alice, now=now)
        stolen = Browser(cookie=browser.cookie)
        browser.address = CAFE
        second = browser.trust(alice, now=now + DAY)
        assert list(live_devices(alice, now=now)) == [second]
        first.refresh_from_db()
        assert first.revoked_for == "trusted anew"
        # The overwritten value lives on nowhere but in a copy.
        assert stolen.recognised(alice, now=now + 2 * DAY) is None
        assert live(alice, now) == 0

    def test_a_name_is_cut_to_its_column(self, alice, now):
        assert len(Browser().trust(alice, now=now, name="x" * 500).name) == 60

    def test_an_unknown_address_cannot_be_trusted(self, alice, now):
        with pytest.raises(Refused):
            Browser(address="").trust(alice, now=now)
        assert TrustedDevice.objects.count() == 0


@pytest.mark.django_db
class TestElsewhere:
    def test_a_cookie_carried_to_another_address_asks_for_the_factor(self, alice, now):
        browser = Browser()
        device = browser.trust(alice, now=now)
        thief = Browser(cookie=browser.cookie, address=CAFE)
        assert thief.recognised(alice, now=now + MINUTE) is None
        assert reasons() == ["another address"]
        # Not consumed, nothing revoked, nobody alarmed: the owner may be travelling.
        assert thief.cookie == browser.cookie
        assert thief.told == []
        assert DeviceToken.objects.get().replaced_at is None
        assert browser.recognised(alice, now=now + 2 * MINUTE) == device

    def test_another_browser_asks_for_the_factor(self, alice, now):
        browser = Browser()
        device = browser.trust(alice, now=now)
        assert Browser(cookie=browser.cookie, agent=CHROME).recognised(alice, now=now) is None
        assert reasons() == ["another browser"]
        assert browser.recognised(alice, now=now) == device

    def test_an_ipv6_device_may_move_within_its_64_bits(self, alice, now):
        browser = Browser(address="2001:db8:1:2::10")
        device = browser.trust(alice, now=now)
        browser.address = "2001:db8:1:2:ffff::99"
        assert browser.recognised(alice, now=now) == device
        browser.address = "2001:db8:1:3::10"
        assert browser.recognised(alice, now=now) is None

    def test_the_neighbour_of_an_ipv4_address_is_somebody_else(self, alice, now):
        browser = Browser(address="203.0.113.7")
        browser.trust(alice, now=now)
        browser.address = "203.0.113.8"
        assert browser.recognised(alice, now=now) is None

    def test_a_device_trusted_elsewhere_does_not_lend_its_address(self, alice, now):
        browser = Browser()
        browser.trust(alice, now=now)
        Browser(agent=CHROME, address=CAFE).trust(alice, now=now)
        assert Browser(cookie=browser.cookie, address=CAFE).recognised(alice, now=now) is None

    def test_a_cookie_of_another_user_is_not_trusted(self, alice, bob, now):
        browser = Browser()
        device = browser.trust(alice, now=now)
        assert browser.recognised(bob, now=now) is None
        event = AuditEvent.objects.get(kind="device_refused")
        assert (event.actor, event.detail) == (bob, {"reason": "of another user"})
        assert browser.recognised(alice, now=now) == device

    def test_it_never_spares_the_factor_where_every_session_asks(self, alice, now):
        browser = Browser()
        browser.trust(alice, now=now)
        alice.second_factor_rule = SecondFactorRule.EVERY_SESSION
        alice.save()
        assert browser.recognised(alice, now=now) is None
        assert reasons() == ["second factor in every session"]
        with pytest.raises(Refused):
            Browser(agent=CHROME).trust(alice, now=now)
        assert TrustedDevice.objects.count() == 1


@pytest.mark.django_db
class TestReplay:
    @pytest.fixture
    def devices(self, alice, now):
        """Three browsers of alice; the first has used its cookie once."""
        browsers = [Browser(), Browser(agent=CHROME), Browser(address=CAFE)]
        for browser in browsers:
            browser.trust(alice, now=now)
        self.old = browsers[0].cookie
        assert browsers[0].recognised(alice, now=now + DAY)
        return browsers

    @pytest.mark.parametrize(
        "thief",
        [
            Browser(),
            Browser(address=CAFE),
            Browser(agent=CHROME),
            Browser(agent="curl/8", address="::1"),
        ],
        ids=["right place", "other address", "other browser", "other both"],
    )
    def test_a_replaced_cookie_revokes_every_device_wherever_it_comes_from(
        self, alice, bob, now, devices, thief, django_capture_on_commit_callbacks
    ):
        theirs = Browser()
        theirs.trust(bob, now=now)
        again = Browser(agent=thief.agent, address=thief.address, cookie=self.old)
        with django_capture_on_commit_callbacks(execute=True):
            assert again.recognised(alice, now=now + 2 * DAY) is None
        assert live(alice, now) == 0
        assert set(TrustedDevice.objects.for_user(alice).values_list("revoked_for", flat=True)) == {
            "its cookie was copied"
        }
        assert live(bob, now) == 1
        assert [told[:2] for told in again.told] == [(alice.pk, "devices_revoked")]
        event = AuditEvent.objects.get(kind="device_replay")
        assert (event.on_behalf_of, event.detail["devices"]) == (alice, 3)
        assert again.cookie == ""
        for browser in devices:
            assert browser.recognised(alice, now=now + 3 * DAY) is None

    def test_at_the_log_in_of_another_user_it_revokes_its_owners(self, alice, bob, now, devices):
        theirs = Browser(agent=CHROME)
        theirs.trust(bob, now=now)
        assert Browser(cookie=self.old).recognised(bob, now=now + 2 * DAY) is None
        assert (live(alice, now), live(bob, now)) == (0, 1)

    def test_again_and_again_it_mails_once(
        self, alice, now, devices, django_capture_on_commit_callbacks
    ):
        thief = Browser()
        with django_capture_on_commit_callbacks(execute=True):
            for minutes in range(5):
                thief.cookie = self.old
                assert thief.recognised(alice, now=now + 2 * DAY + minutes * MINUTE) is None
        assert len(thief.told) == 1
        assert AuditEvent.objects.filter(kind="device_replay").count() == 5

    def test_the_sessions_that_the_devices_had_let_in_end_and_no_others(
        self, alice, bob, now, devices
    ):
        device = TrustedDevice.objects.for_user(alice).first()
        spared = logged_in(devices[0], alice, device=device, now=now)
        shown = logged_in(devices[1], alice, device=None, now=now, factor_at=now)
        other = logged_in(Browser(), bob, device=None, now=now)
        Browser(cookie=self.old).recognised(alice, now=now + 2 * DAY)
        left = set(ConsoleSession.objects.values_list("public_id", flat=True))
        assert str(stamp_of(spared).public_id) not in map(str, left)
        assert {stamp_of(shown).public_id, stamp_of(other).public_id} == set(map(str, left))

    def test_after_it_a_device_can_be_trusted_again(self, alice, now, devices):
        Browser(cookie=self.old).recognised(alice, now=now + 2 * DAY)
        browser = Browser()
        device = browser.trust(alice, now=now + 2 * DAY)
        assert browser.recognised(alice, now=now + 3 * DAY) == device


class TestAtOnce:
    def test_of_two_log_ins_with_one_cookie_one_is_spared_and_then_none(
        self, real_db, alice, redis_client, now
    ):
        """The second cannot be told from a thief: it ends all trust, the first one's too."""
        browser = Browser()
        browser.trust(alice, now=now)
        found = self._together(alice, now, [Browser(cookie=browser.cookie) for _ in range(2)])
        assert sorted(device is not None for device in found) == [False, True]
        assert live(alice, now) == 0

    def test_of_twenty_one_is_spared(self, real_db, alice, redis_client, now):
        browser = Browser()
        browser.trust(alice, now=now)
        found = self._together(alice, now, [Browser(cookie=browser.cookie) for _ in range(20)])
        assert sum(device is not None for device in found) == 1
        assert AuditEvent.objects.filter(kind="device_replay").count() == 19
        assert DeviceToken.objects.count() == 2

    def test_twenty_trusts_at_once_leave_ten(self, real_db, alice, redis_client, now):
        browsers = [Browser() for _ in range(20)]
        self._in_threads([lambda each=each: each.trust(alice, now=now) for each in browsers])
        assert live(alice, now) == MOST_DEVICES
        assert TrustedAddress.objects.count() == 1

    def _together(self, user, now, browsers):
        return self._in_threads(
            [lambda each=each: each.recognised(user, now=now) for each in browsers]
        )

    def _in_threads(self, acts):
        found, gate = [], threading.Barrier(len(acts))

        def act(each):
            try:
                gate.wait(timeout=10)
                found.append(each())
            finally:
                connection.close()

        threads = [threading.Thread(target=act, args=(each,)) for each in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert len(found) == len(acts)
        return found


@pytest.mark.django_db
class TestRevoke:
    def test_one_of_mine(self, alice, now):
        browser, other = Browser(), Browser(agent=CHROME)
        device, kept = browser.trust(alice, now=now), other.trust(alice, now=now)
        revoke_device(Browser().request(), alice, device.pk, now=now)
        assert list(live_devices(alice, now=now)) == [kept]
        assert browser.recognised(alice, now=now) is None
        # Its owner has removed it: that is no theft.
        assert other.recognised(alice, now=now) == kept
        assert kinds()[2:] == ["device_revoke", "device_refused"]

    def test_anothers_is_not_there_and_stays(self, alice, bob, now):
        device = Browser().trust(alice, now=now)
        for act in (
            lambda: revoke_device(Browser().request(), bob, device.pk, now=now),
            lambda: rename_device(Browser().request(), bob, device.pk, name="his", now=now),
        ):
            with pytest.raises(NotFound):
                act()
        device.refresh_from_db()
        assert (device.revoked_at, device.name, kinds()) == (None, "", ["device_trust"])

    def test_all_of_mine(self, alice, bob, now):
        for browser in (Browser(), Browser(agent=CHROME), Browser(address=CAFE)):
            browser.trust(alice, now=now)
        Browser().trust(bob, now=now)
        assert revoke_devices(Browser().request(), alice, now=now) == 3
        assert revoke_devices(Browser().request(), alice, now=now) == 0
        assert (live(alice, now), live(bob, now)) == (0, 1)
        assert kinds().count("devices_revoke") == 1

    def test_a_session_that_it_had_let_in_ends_but_not_the_one_that_asks(self, alice, now):
        browser = Browser()
        device = browser.trust(alice, now=now)
        mine = logged_in(browser, alice, device=device, now=now)
        logged_in(browser, alice, device=device, now=now)
        revoke_device(mine, alice, device.pk, now=now)
        (left,) = ConsoleSession.objects.all()
        assert str(left.public_id) == stamp_of(mine).public_id
        # It stands on nothing but the password now, and step-ups ask again.
        assert stamp_of(mine).device_id is None

    def test_a_name(self, alice, now):
        device = Browser().trust(alice, now=now)
        rename_device(Browser().request(), alice, device.pk, name=" Work ", now=now)
        device.refresh_from_db()
        assert device.name == "Work"


@pytest.mark.django_db
class TestRaisedRule:
    def test_it_ends_other_sessions_and_all_trust(self, alice, bob, now):
        browser = Browser()
        device = browser.trust(alice, now=now)
        mine = logged_in(browser, alice, device=device, now=now)
        logged_in(Browser(agent=CHROME), alice, device=None, now=now, factor_at=now)
        logged_in(Browser(), bob, device=None, now=now)
        keep = ConsoleSession.objects.get(public_id=stamp_of(mine).public_id).public_id
        assert raise_second_factor_rule(alice, keep=keep, now=now)
        alice.refresh_from_db()
        assert alice.second_factor_rule == SecondFactorRule.EVERY_SESSION
        assert [row.public_id for row in ConsoleSession.objects.for_user(alice)] == [keep]
        assert ConsoleSession.objects.for_user(bob).count() == 1
        assert live(alice, now) == 0
        assert browser.recognised(alice, now=now) is None
        event = AuditEvent.objects.get(kind="second_factor_rule_raise")
        assert event.detail == {"sessions": 1, "devices": 1}

    def test_a_second_time_changes_nothing(self, alice, now):
        raise_second_factor_rule(alice, keep=None, now=now)
        logged_in(Browser(), alice, device=None, now=now, factor_at=now)
        assert not raise_second_factor_rule(alice, keep=None, now=now)
        assert ConsoleSession.objects.count() == 1
        assert kinds() == ["second_factor_rule_raise"]

    def test_devices_go_for_other_reasons_too(self, alice, now):
        Browser().trust(alice, now=now)
        assert revoke_all_devices(alice, why="second factor taken off", now=now) == 1
        assert TrustedDevice.objects.get().revoked_for == "second factor taken off"


@pytest.mark.django_db
def test_a_log_in_with_a_device_takes_the_same_queries_for_any_number(
    alice, now, django_assert_num_queries
):
    browser = Browser()
    browser.trust(alice, now=now)
    for count in (0, 5):
        for _ in range(count):
            Browser(agent=CHROME).trust(alice, now=now)
        request = browser.request()
        with django_assert_num_queries(9):
            assert recognise(request, alice, now=now, enqueue=browser.tell) is not None
        browser.keep(request)
