import pytest

from accounts.domain.browsers import browser_family

AGENTS = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Linux",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36": "Chrome on Windows",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0": "Edge on Windows",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/19.0 Safari/605.1.15": "Safari on macOS",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1": "Chrome on iPhone",
    "Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) "
    "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36": "Samsung Internet on Android",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "HeadlessChrome/140.0.0.0 Safari/537.36": "Chrome on Linux",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 OPR/120.0": (
        "Opera on Windows"
    ),
    "curl/8.9.1": "A program",
    "": "A program",
}


@pytest.mark.parametrize(("agent", "family"), AGENTS.items())
def test_families(agent, family):
    assert browser_family(agent) == family


def test_an_update_of_the_browser_is_the_same_family():
    old, new = (f"Mozilla/5.0 (X11; Linux) Firefox/{version}" for version in ("139.0", "140.0.1"))
    assert browser_family(old) == browser_family(new)


def test_a_family_fits_its_column_whatever_is_sent():
    assert max(len(browser_family(agent * 50)) for agent in AGENTS) <= 60
    assert browser_family("Firefox/" + "x" * 10_000 + "Android") == "Firefox"
