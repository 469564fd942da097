"""What is long over is deleted, and nothing else."""

from datetime import timedelta
from uuid import uuid4

import pytest
from celery.schedules import crontab

from accounts.models import ConsoleSession, DeviceToken, TrustedDevice
from accounts.services.expiry import KEPT_FOR, delete_expired
from accounts.tests.browser import CHROME, Browser
from finbyte_site.celery import app

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def kept_session(user, *, expires_at):
    return ConsoleSession.objects.create(
        session_key=uuid4().hex, user=user, expire_date=expires_at, seen_at=expires_at
    )


def test_sessions_stay_a_week_after_their_end(alice, now):
    kept_session(alice, expires_at=now - KEPT_FOR - timedelta(seconds=1))
    recent = kept_session(alice, expires_at=now - KEPT_FOR)
    live = kept_session(alice, expires_at=now + DAY)
    assert delete_expired(now=now) == 1
    assert set(ConsoleSession.objects.all()) == {recent, live}
    assert delete_expired(now=now) == 0


def test_replaced_cookies_stay_as_long_as_their_device_may_be_trusted(alice, now):
    browser, other = Browser(), Browser(agent=CHROME)
    browser.trust(alice, now=now)
    browser.recognised(alice, now=now + DAY)
    other.trust(alice, now=now + 20 * DAY)
    assert delete_expired(now=now + 30 * DAY) == 0
    assert delete_expired(now=now + 38 * DAY) == 2
    assert DeviceToken.objects.count() == 1
    # What was trusted and when stays in the list of the audit and of the staff.
    assert TrustedDevice.objects.count() == 2


def test_the_day_ends_at_six_in_india_by_the_schedule_in_utc():
    assert app.conf.timezone in {None, "UTC"}
    entry = app.conf.beat_schedule["end sessions"]
    assert entry["task"] == "accounts.end_sessions"
    assert entry["schedule"] == crontab(hour="0", minute="30")
    assert entry["task"] in app.tasks
    assert app.conf.beat_schedule["clear expired sessions and tokens"]["task"] in app.tasks
