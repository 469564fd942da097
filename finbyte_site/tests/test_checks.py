"""Deploy checks and the bench list."""

import pytest

from finbyte_site.benches.__main__ import bench_modules, chosen
from finbyte_site.checks import production_is_complete
from finbyte_site.embedded.system import StartError


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


def test_benches_are_found_and_an_unknown_one_is_refused():
    known = list(bench_modules())
    assert "market.benches.matching" in known
    assert chosen(["matching"]) == ["market.benches.matching"]
    assert chosen([]) == known
    with pytest.raises(StartError, match="No bench nonsense; there are"):
        chosen(["nonsense"])
