"""Deploy checks and the bench list."""

import os
import subprocess
import sys

import pytest

from finbyte_site.benches.__main__ import bench_modules, chosen
from finbyte_site.checks import production_is_complete
from finbyte_site.embedded.system import StartError
from finbyte_site.env import BASE_DIR

STRONG = "0123456789-a-field-key-of-a-production-9876543210"


@pytest.fixture
def production(settings, monkeypatch):
    settings.PRODUCTION = True
    settings.ALLOWED_HOSTS = ["trade.example.com"]
    settings.DEMO = settings.DEBUG = False
    settings.SECRET_KEY = "s" * 50
    settings.FIELD_KEYS = [STRONG]
    settings.SESSION_COOKIE_NAME = "__Host-finbyte_session"
    settings.CSRF_COOKIE_NAME = "__Host-finbyte_csrf"
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.REDIS_URL = "redis://:secret@127.0.0.1:6379/0"
    monkeypatch.setenv("FINBYTE_TRUSTED_PROXIES", "1")
    return settings


def numbers():
    return [found.id.removeprefix("finbyte.") for found in production_is_complete(None)]


def test_a_complete_production_passes(production):
    assert numbers() == []


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("PRODUCTION", False, "E001"),
        ("ALLOWED_HOSTS", ["*"], "E002"),
        ("DEMO", True, "E003"),
        ("SECRET_KEY", "s" * 49, "E004"),
        ("FIELD_KEYS", [], "E005"),
        ("DEBUG", True, "E006"),
        ("FIELD_KEYS", [STRONG, STRONG[:31]], "E007"),
        ("FIELD_KEYS", ["k" * 44], "E007"),
        ("FIELD_KEYS", [STRONG, STRONG], "E008"),
        ("SECRET_KEY", STRONG + STRONG, None),
        ("CSRF_COOKIE_NAME", "finbyte_csrf", "E010"),
        ("SESSION_COOKIE_SECURE", False, "E010"),
        ("SECURE_HSTS_SECONDS", 31_535_999, "E011"),
        ("SECURE_HSTS_INCLUDE_SUBDOMAINS", False, "E011"),
        ("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend", "E013"),
        ("REDIS_URL", "redis://127.0.0.1:6379/0", "E014"),
    ],
)
def test_each_gap_of_a_production_is_named(production, name, value, number):
    setattr(production, name, value)
    assert numbers() == ([] if number is None else [number])


def test_one_secret_for_two_purposes_is_named(production):
    production.FIELD_KEYS = [production.SECRET_KEY + STRONG]
    production.SECRET_KEY = production.FIELD_KEYS[0]
    assert numbers() == ["E009"]


def test_proxies_are_counted_on_purpose(production, monkeypatch):
    monkeypatch.delenv("FINBYTE_TRUSTED_PROXIES")
    assert numbers() == ["E012"]


def test_the_check_of_a_deployment_is_clean_with_production_settings(tmp_path):
    """Django's own checks and ours, as `make check-deploy` runs them."""
    environment = {
        "PATH": os.environ["PATH"],
        "FINBYTE_VAR": str(tmp_path),
        "FINBYTE_PRODUCTION": "1",
        "FINBYTE_TRUSTED_PROXIES": "1",
        "PUBLIC_URL": "https://trade.example.com",
        "SECRET_KEY": f"{STRONG}{STRONG}",
        "FIELD_KEYS": STRONG,
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "DATABASE_URL": "postgresql://app:secret@127.0.0.1:1/finbyte",
        "REDIS_URL": "redis://:secret@127.0.0.1:1/0",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_benches_are_found_and_an_unknown_one_is_refused():
    known = list(bench_modules())
    assert "market.benches.matching" in known
    assert chosen(["matching"]) == ["market.benches.matching"]
    assert chosen([]) == known
    with pytest.raises(StartError, match="No bench nonsense; there are"):
        chosen(["nonsense"])
