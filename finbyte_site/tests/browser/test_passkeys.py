"""Second factors in a real browser: an authenticator app, recovery codes, a passkey."""

from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from accounts.tests.factors import Phone
from conftest import PASSWORD
from finbyte_site.tests.browser.window import MARKS, SPILLS, TOO_WIDE, Watch, log_in

pytestmark = MARKS


def insert_security_key(page: Page) -> None:
    """Plug in a key that agrees to everything."""
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def look(page: Page, watch: Watch) -> None:
    """Nothing is too wide, written over or complained about, on a screen or a phone."""
    for width, height in ((390, 844), (1440, 900)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(TOO_WIDE) == [], page.url
        assert page.evaluate(SPILLS) == [], page.url
    assert watch.complaints == [], page.url


def set_up_an_app(page: Page, watch: Watch) -> None:
    """From the overview: scan, type, keep the codes."""
    page.get_by_role("link", name="Set up").click()
    phone = Phone(page.locator("#key").inner_text().replace(" ", ""))
    look(page, watch)
    page.get_by_label("Code").fill(phone.code(timezone.now()))
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    look(page, watch)
    page.get_by_role("button", name="Make ten codes").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    look(page, watch)
    codes = download.value.path().read_text().splitlines()[2:]
    assert len(codes) == 10
    assert page.locator("#codes li").all_inner_texts() == codes


def test_an_app_its_codes_and_a_passkey_protect_an_account(
    browser: Browser, address: str, alice: User, redis_client: object
) -> None:
    site = address.replace("127.0.0.1", "localhost")
    context = browser.new_context()
    page = context.new_page()
    watch = Watch(page)
    insert_security_key(page)

    # At a number a passkey is explained, not offered.
    log_in(page, address, alice)
    page.goto(f"{address}/console/account/passkeys")
    expect(page.get_by_role("link", name=site)).to_be_visible()
    look(page, watch)

    log_in(page, site, alice)
    page.goto(f"{site}/console/account/security")
    look(page, watch)
    set_up_an_app(page, watch)
    page.goto(f"{site}/console/account/passkeys")
    page.get_by_label("Name", exact=True).fill("Desk key")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_label("Name of the passkey")).to_have_value("Desk key")
    look(page, watch)

    context.clear_cookies()
    page.goto(f"{site}/console/account/log-in?next=/console/account/security")
    page.get_by_label("E-mail").fill(alice.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Code")).to_be_focused()
    look(page, watch)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("main")).to_contain_text("Desk key")
    expect(page.locator("main")).to_contain_text("10 of 10 left")
    look(page, watch)
    context.close()
