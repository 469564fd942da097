"""What tests of pages in a real browser share: its marks, what to look for, how to log in."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, ConsoleMessage, Page

from accounts.models import User
from conftest import PASSWORD
from finbyte_site.tests.console import stamp_client

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ASSETS = Path(settings.BASE_DIR) / "static" / "dist" / "app.js"
# What makes a page scroll sideways: the elements that end right of it, inside no scrolling box.
TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("main *")]
    .filter((each) => each.getBoundingClientRect().right > width && !each.closest(".rows-scroll"))
    .map((each) => `${each.tagName} ${each.className}: ${each.textContent.trim().slice(0, 40)}`)
    .slice(0, 5).concat("scrolls");
}"""
# Boxes narrower than their words: what stands beside them is written over.
SPILLS = """() => [...document.querySelectorAll("main *")]
  .filter((each) => each.clientWidth > 0 && each.scrollWidth > each.clientWidth + 1
    && getComputedStyle(each).overflowX === "visible" && !each.closest("svg, #chart, .sr-only"))
  .map((each) => `${each.tagName} ${each.className}: ${each.textContent.trim().slice(0, 40)}`)
  .slice(0, 5)"""

MARKS = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (apt-get install chromium)"),
    pytest.mark.skipif(not ASSETS.is_file(), reason="the assets are not built (make assets)"),
    pytest.mark.xdist_group("browser"),
]


class Watch:
    """Collects what a page complains about."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        page.on("console", self._told)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))

    def _told(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")


def log_in(page: Page, address: str, user: User) -> None:
    page.goto(f"{address}/console/account/log-in")
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{address}/console/")


def enter(context: BrowserContext, address: str, user: User, **stamp: Any) -> None:
    """Log the user in without the log-in pages, with the stamp that they would write."""
    client = Client()
    stamp_client(client, user, **stamp)
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": address}])
