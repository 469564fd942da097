"""The admin works under its own policy: lists, search, forms, actions, the theme."""

import re

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import expect

from finbyte_site.tests.browser.window import MARKS, Watch
from finbyte_site.tests.console import stamp_client

pytestmark = MARKS
NOTE_VIOLATIONS = """
window.refused = [];
addEventListener("securitypolicyviolation", (event) => window.refused.push(
  `${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`));
"""


@pytest.fixture
def desk(browser, address, staff, client):
    now = timezone.now()
    stamp_client(client, staff, factor_at=now, admin_seen_at=now)
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": address}])
    context.add_init_script(NOTE_VIOLATIONS)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.watch = Watch(page)
    yield page
    context.close()


def refused(page):
    return page.evaluate("window.refused")


def test_staff_work_in_the_admin_without_a_refusal(real_db, desk, address, alice, bob):
    found = []

    def look(path):
        desk.goto(f"{address}/admin/{path}")
        found.extend(refused(desk))

    for path in ("", "accounts/auditevent/", f"accounts/user/{alice.pk}/change/"):
        look(path)
    look("accounts/user/")
    expect(desk.get_by_text("bob@example.com").first).to_be_visible()
    desk.locator("#searchbar").fill("alice")
    desk.locator("#searchbar").press("Enter")
    expect(desk.get_by_text("bob@example.com")).to_have_count(0)
    desk.locator("input.action-select").first.check()
    bar = desk.locator("#changelist-actions")
    expect(bar).to_be_visible()
    assert bar.bounding_box()["width"] > 300
    found += refused(desk)
    desk.locator("select[name=action]").first.select_option("suspend")
    desk.locator("input[name=reason]").fill("asked by phone")
    desk.get_by_role("button", name="Run").click()
    expect(desk.get_by_text("1 of 1 suspended.").first).to_be_visible()
    found += refused(desk)
    desk.locator("[x-data='{ openUserLinks: false }'] > div").first.click()
    desk.locator("""[x-on\\:click="switchTheme('dark')"]""").first.click()
    expect(desk.locator("html")).to_have_class(re.compile("dark"))
    colour = "getComputedStyle(document.body).getPropertyValue('--color-primary-600')"
    assert desk.evaluate(colour) == "rgb(37 99 235)"
    found += refused(desk)
    alice.refresh_from_db()
    assert not alice.is_active
    assert found == []
    assert desk.watch.complaints == []
