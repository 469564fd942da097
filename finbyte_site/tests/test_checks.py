"""Deploy checks, logs without secrets, and the bench list."""

import logging

import pytest

from finbyte_site.benches.__main__ import bench_modules, chosen
from finbyte_site.checks import production_is_complete
from finbyte_site.embedded.system import StartError
from finbyte_site.logging import RedactSecrets, SkipHealthProbes


@pytest.fixture
def production(settings):
    settings.PRODUCTION = True
    settings.ALLOWED_HOSTS = ["trade.example.com"]
    settings.DEMO = False
    settings.SECRET_KEY = "s" * 50
    settings.FIELD_KEYS = ["k" * 44]
    return settings


def test_a_complete_production_passes(production):
    assert production_is_complete(None) == []


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("PRODUCTION", False, "E001"),
        ("ALLOWED_HOSTS", ["*"], "E002"),
        ("DEMO", True, "E003"),
        ("SECRET_KEY", "s" * 49, "E004"),
        ("FIELD_KEYS", [], "E005"),
    ],
)
def test_each_gap_of_a_production_is_named(production, name, value, number):
    setattr(production, name, value)
    assert [found.id for found in production_is_complete(None)] == [f"finbyte.{number}"]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("GET /?api_key=k&access_token=abc123&x=1", "GET /?api_key=k&access_token=…&x=1"),
        ("/ws?enctoken=abc", "/ws?enctoken=…"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_tokens_never_reach_the_log(said, written):
    record = logging.LogRecord("web", logging.INFO, __file__, 1, "asked %s", (said,), None)
    assert RedactSecrets().filter(record)
    assert record.getMessage() == f"asked {written}"


def test_a_failing_probe_is_not_logged_each_time():
    probe, page = (
        logging.LogRecord("django.request", logging.ERROR, __file__, 1, "%s: %s", said, None)
        for said in (("Service Unavailable", "/healthz"), ("Not Found", "/nothing"))
    )
    assert not SkipHealthProbes().filter(probe)
    assert SkipHealthProbes().filter(page)


def test_benches_are_found_and_an_unknown_one_is_refused():
    known = list(bench_modules())
    assert "market.benches.matching" in known
    assert chosen(["matching"]) == ["market.benches.matching"]
    assert chosen([]) == known
    with pytest.raises(StartError, match="No bench nonsense; there are"):
        chosen(["nonsense"])
