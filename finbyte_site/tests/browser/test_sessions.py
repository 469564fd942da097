"""What an open page does when its session ends, and how it says that somebody is there."""

from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import Browser, ViewportSize, expect

from accounts.models import ConsoleSession, User
from accounts.services.sessions import end_sessions
from finbyte_site.tests.browser.window import MARKS, SPILLS, TOO_WIDE, Watch, log_in

pytestmark = MARKS

QUIET_MS = 5 * 60 * 1000
PHONE = ViewportSize(width=390, height=844)


def test_an_ended_session_takes_its_open_page_to_the_log_in(
    browser: Browser, address: str, alice: User, redis_client: object
) -> None:
    here, there = [browser.new_context(viewport=PHONE).new_page() for _ in range(2)]
    for page in (here, there):
        log_in(page, address, alice)
    here.goto(f"{address}/console/account/sessions")
    watch = Watch(here)
    assert (here.evaluate(TOO_WIDE), here.evaluate(SPILLS)) == ([], [])
    expect(here.get_by_text("This one")).to_have_count(1)
    here.get_by_role("button", name="Log out", exact=True).last.click()
    there.wait_for_url(f"{address}/console/account/log-in?next=/console/", timeout=10_000)
    expect(here.get_by_role("button", name="Log out all others")).to_have_count(0)
    assert watch.complaints == []


def test_only_real_input_keeps_a_page_alive_and_a_quiet_one_says_why_it_ended(
    browser: Browser, address: str, alice: User, redis_client: object
) -> None:
    page = browser.new_context(viewport=PHONE).new_page()
    page.clock.install()
    log_in(page, address, alice)
    told: list[str] = []
    page.on("request", lambda each: told.append(each.url) if "/present" in each.url else None)
    page.clock.fast_forward(QUIET_MS)
    # What a script makes up is no input.
    page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'x', bubbles: true}))")
    assert told == []
    with page.expect_response("**/account/present") as answer:
        page.keyboard.press("Shift")
    assert answer.value.status == 204
    page.keyboard.press("Shift")
    assert len(told) == 1
    ConsoleSession.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    page.clock.fast_forward(QUIET_MS)
    page.keyboard.press("Shift")
    page.wait_for_url(f"{address}/console/account/log-in?next=/console/", timeout=10_000)
    expect(page.get_by_text("You were logged out after 12 hours without input.")).to_be_visible()
    assert end_sessions(alice) == 1
