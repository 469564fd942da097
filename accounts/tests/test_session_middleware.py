"""How long sessions last, by whose input, and what the user is told (decisions 48)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts.domain.roles import SecondFactorRule
from accounts.middleware import DeviceCookieMiddleware
from accounts.models import ConsoleSession
from accounts.services.devices import DeviceCookie, raise_second_factor_rule
from accounts.services.sessions import end_sessions
from accounts.session_store import SessionStore
from finbyte_site.tests.console import client_of, stamp_client

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PAGE = "/console/account/profile"
NAVIGATION = {"Sec-Fetch-Mode": "navigate"}
# 10:00 and 06:00 in India.
MORNING = datetime(2026, 3, 2, 4, 30, tzinfo=UTC)
ROLL = datetime(2026, 3, 3, 0, 30, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch):
    """Set the time that everything in the site sees."""

    def at(moment):
        monkeypatch.setattr(timezone, "now", lambda: moment)

    return at


def live_user(user):
    user.second_factor_rule = SecondFactorRule.EVERY_SESSION
    user.save()
    return user


def is_in(client, **headers):
    return client.get(PAGE, headers=headers or NAVIGATION).status_code == 200


def told(client):
    return client.get("/console/account/log-in").content.decode()


class TestIdle:
    def test_paper_ends_after_twelve_hours(self, alice, clock):
        clock(MORNING)
        client = client_of(alice)
        clock(MORNING + 12 * HOUR - MINUTE)
        assert is_in(client)
        # That was input: twelve hours from there.
        clock(MORNING + 24 * HOUR - 2 * MINUTE)
        assert is_in(client)
        clock(MORNING + 36 * HOUR)
        assert not is_in(client)
        assert "You were logged out after 12 hours without input." in told(client)

    def test_live_ends_after_thirty_minutes(self, alice, clock):
        clock(MORNING)
        client = client_of(live_user(alice))
        clock(MORNING + 29 * MINUTE)
        assert is_in(client)
        clock(MORNING + 59 * MINUTE)
        assert not is_in(client)
        assert "You were logged out after 30 minutes without input." in told(client)

    @pytest.mark.parametrize(
        "headers",
        [
            {"HX-Request": "true"},
            {"HX-Request": "true", "Sec-Fetch-Mode": "cors"},
            {"Sec-Fetch-Mode": "cors"},
            {"Sec-Fetch-Mode": "same-origin"},
            {"Sec-Fetch-Mode": "no-cors"},
        ],
    )
    def test_what_a_page_fetches_by_itself_does_not_count(self, alice, clock, headers):
        clock(MORNING)
        client = client_of(live_user(alice))
        for minutes in (10, 20, 29):
            clock(MORNING + minutes * MINUTE)
            assert is_in(client, **headers)
        clock(MORNING + 30 * MINUTE)
        assert not is_in(client, **headers)

    def test_the_sign_that_somebody_is_there_counts(self, alice, clock):
        clock(MORNING)
        client = client_of(live_user(alice))
        for minutes in (25, 50, 75, 100, 115):
            clock(MORNING + minutes * MINUTE)
            assert client.post("/console/account/present").status_code == 204
        clock(MORNING + 144 * MINUTE)
        assert is_in(client)

    def test_the_sign_needs_a_session_and_a_token(self, alice, client):
        assert client.post("/console/account/present").status_code == 302
        assert client_of(alice).get("/console/account/present").status_code == 405
        checked = Client(enforce_csrf_checks=True)
        stamp_client(checked, alice)
        assert checked.post("/console/account/present").status_code == 403

    def test_a_click_is_written_once_a_minute(self, alice, clock, django_assert_num_queries):
        clock(MORNING)
        client = client_of(alice)
        clock(MORNING + 59 * timedelta(seconds=1))
        with django_assert_num_queries(2):
            assert client.post("/console/account/present").status_code == 204
        clock(MORNING + MINUTE)
        # The row in a savepoint of its own.
        with django_assert_num_queries(5):
            client.post("/console/account/present")
        assert ConsoleSession.objects.get().seen_at == MORNING + MINUTE


class TestAbsolute:
    def test_live_ends_at_six_in_india_with_the_daily_job_switched_off(self, alice, clock):
        clock(ROLL - 10 * MINUTE)
        client = client_of(live_user(alice))
        clock(ROLL - timedelta(seconds=1))
        assert is_in(client)
        clock(ROLL + timedelta(seconds=1))
        assert not is_in(client)
        assert "sessions with live accounts end at 06:00 IST" in told(client)

    def test_paper_goes_on_over_six_and_ends_after_seven_days(self, alice, clock):
        clock(ROLL - MINUTE)
        client = client_of(alice)
        for hours in range(11, 7 * 24, 11):
            clock(ROLL - MINUTE + hours * HOUR)
            assert client.post("/console/account/present").status_code == 204
        clock(ROLL - MINUTE + 7 * DAY)
        assert not is_in(client)
        assert "a session lasts seven days at most" in told(client)

    def test_a_rule_that_is_raised_holds_for_the_session_that_raised_it(self, alice, clock):
        clock(MORNING)
        client = client_of(alice)
        (row,) = ConsoleSession.objects.all()
        raise_second_factor_rule(alice, keep=row.public_id, now=MORNING)
        assert is_in(client)
        clock(MORNING + 31 * MINUTE)
        assert not is_in(client)

    def test_a_session_of_yesterday_ends_when_the_rule_is_raised(self, alice, clock):
        clock(ROLL - HOUR)
        client = client_of(alice)
        clock(ROLL + HOUR)
        assert is_in(client)
        live_user(alice)
        assert not is_in(client)
        assert ConsoleSession.objects.count() == 0
        assert "06:00 IST" in told(client)


class TestWords:
    def test_the_browser_keeps_the_cookie_long_enough_to_be_told(self, alice):
        client = client_of(live_user(alice))
        stamped = client.session
        stamped.stamp = stamped.stamp.touched(timezone.now() - 2 * MINUTE)
        stamped.save()
        response = client.post("/console/account/present")
        kept = response.cookies[settings.SESSION_COOKIE_NAME]["max-age"]
        assert timedelta(days=7) < timedelta(seconds=kept) <= timedelta(days=7, minutes=30)

    def test_the_reason_is_said_once(self, alice, clock):
        clock(MORNING)
        client = client_of(alice)
        clock(MORNING + DAY)
        is_in(client)
        assert "without input" in told(client)
        assert "without input" not in told(client)

    def test_a_part_of_a_page_leads_the_whole_page_to_the_log_in(self, alice, clock):
        clock(MORNING)
        client = client_of(alice)
        clock(MORNING + DAY)
        response = client.get(
            "/console/panels/",
            headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/console/?a=1"},
        )
        assert response.status_code == 204
        assert response["HX-Redirect"] == "/console/account/log-in?next=/console/%3Fa%3D1"
        assert "without input" in told(client)

    def test_the_page_to_come_back_to_is_on_this_site(self, alice):
        client = client_of(alice)
        end_sessions(alice)
        response = client.get(
            "/console/panels/",
            headers={"HX-Request": "true", "HX-Current-URL": "https://evil.example/console/"},
        )
        assert response["HX-Redirect"] == "/console/account/log-in?next=/console/"

    def test_a_page_that_cannot_be_read_is_the_home_page(self, client):
        headers = {"HX-Request": "true", "HX-Current-URL": "http://["}
        response = client.get("/console/panels/", headers=headers)
        assert response["HX-Redirect"] == "/console/account/log-in?next=/console/"

    def test_a_session_ended_by_hand_says_nothing_of_time(self, alice):
        client = client_of(alice)
        end_sessions(alice)
        assert not is_in(client)
        assert "logged out" not in told(client)

    @pytest.mark.parametrize("is_part", [False, True])
    def test_one_ended_under_a_running_request_leads_to_the_log_in(
        self, alice, monkeypatch, is_part
    ):
        """Django answers a bare 400 there."""
        client = client_of(alice)
        session = SessionStore.save

        def ended_meanwhile(self, must_create=False):
            end_sessions(alice)
            session(self, must_create)

        monkeypatch.setattr(SessionStore, "save", ended_meanwhile)
        ConsoleSession.objects.update(seen_at=timezone.now() - HOUR)
        stamped = client.session
        stamped.stamp = stamped.stamp.touched(timezone.now() - HOUR)
        session(stamped)
        headers = {"HX-Request": "true"} if is_part else NAVIGATION
        response = client.post("/console/account/present", headers=headers)
        if is_part:
            assert response.status_code == 204
            assert response["HX-Redirect"].startswith("/console/account/log-in")
        else:
            assert response.status_code == 302
            assert response.url == "/console/account/log-in?next=/console/"
        assert ConsoleSession.objects.count() == 0


class TestDeviceCookie:
    def answer(self, cookie):
        request = RequestFactory().get("/")
        if cookie is not None:
            request.device_cookie = cookie

        def view(_request):
            from django.http import HttpResponse  # noqa: PLC0415

            return HttpResponse()

        return DeviceCookieMiddleware(view)(request).cookies

    def test_on_loopback_it_is_plain_but_out_of_reach_of_scripts(self):
        expires = timezone.now() + 30 * DAY
        cookies = self.answer(DeviceCookie("secret", expires))
        (morsel,) = cookies.values()
        assert (morsel.key, morsel.value) == ("finbyte_device", "secret")
        assert (morsel["path"], morsel["samesite"]) == ("/", "Lax")
        assert morsel["httponly"] is True
        assert not morsel["secure"]
        assert morsel["domain"] == ""
        assert 30 * 86400 - 5 <= morsel["max-age"] <= 30 * 86400 + 1

    def test_on_https_it_is_secure_and_bound_to_the_host(self, monkeypatch):
        monkeypatch.setattr(settings, "SESSION_COOKIE_SECURE", True)
        monkeypatch.setattr(settings, "DEVICE_COOKIE_NAME", "__Host-finbyte_device")
        for cookie in (DeviceCookie("secret", timezone.now() + DAY), DeviceCookie("", MORNING)):
            (morsel,) = self.answer(cookie).values()
            assert morsel.key == "__Host-finbyte_device"
            assert morsel["secure"] is True
            assert (morsel["path"], morsel["domain"]) == ("/", "")

    def test_a_useless_one_is_taken_away(self):
        (morsel,) = self.answer(DeviceCookie("", MORNING)).values()
        assert (morsel.value, morsel["max-age"]) == ("", 0)

    def test_otherwise_nothing_is_set(self):
        assert not self.answer(None)
