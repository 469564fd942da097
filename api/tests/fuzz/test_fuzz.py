"""Every operation of the OpenAPI file, tried with what nobody would send (trust.md P19)."""

import os
from math import ceil
from typing import Any

import pytest
import schemathesis
from django.utils import timezone

from api.tests.desk import make_desk
from api.tests.fuzz import running, world
from finbyte_site.tests.tenants.test_matrix import fingerprint
from portfolio.models import VenueEvent
from portfolio.services.invariants import check_invariants

# A round draws so often for each operation, which makes 5,000 cases and more. `make fuzz` asks for
# several rounds, each of another seed: one seed alone runs out of what to try for small operations.
ROUND, EXAMPLES = 5000, 62
CASES = int(os.environ.get("FINBYTE_FUZZ_CASES", str(ROUND)))
SEED = int(os.environ.get("FINBYTE_FUZZ_SEED", "20261121"))
# Each is a run of its own, so that workers share them: its addresses, and its part of the cases.
SHARES = {
    "orders": (("/orders", "/trades", "/portfolio", "/session"), 0.20),
    "calculators": (("/margins", "/charges", "/user"), 0.14),
    "triggers": (("/alerts", "/gtt"), 0.15),
    "bots": (("/bots",), 0.26),
    "market": (("/instruments", "/quote", "/mf"), 0.25),
}


@pytest.fixture(scope="module")
def file() -> dict[str, Any]:
    return running.operations()


def part_of(file, prefixes):
    """Return the file with these addresses only."""
    paths = {path: each for path, each in file["paths"].items() if path.startswith(prefixes)}
    return {**file, "paths": paths}


def test_every_operation_is_in_one_share(file):
    for path in file["paths"]:
        assert sum(path.startswith(prefixes) for prefixes, _part in SHARES.values()) == 1, path


@pytest.mark.usefixtures("open_day")
@pytest.mark.parametrize("share", SHARES)
def test_nothing_breaks(share, file, real_db, alice, bob, redis_client, settings):
    settings.API_RATES = {rate: {"second": 10**6} for rate in settings.API_RATES}
    planted, others = world.plant(alice, redis_client), world.plant(bob, redis_client)
    before = fingerprint(others.desk.user)
    prefixes, part = SHARES[share]
    run = running.Run()
    for seed in range(SEED, SEED + ceil(CASES / ROUND)):
        running.fuzz(part_of(file, prefixes), planted, seed=seed, examples=EXAMPLES, into=run)
    line = f"{share}: {run.cases} cases in {run.seconds:.1f} s, seed {SEED}: {run.told()}"
    print(line)  # noqa: T201 - shown where the test fails, and by `make fuzz`
    assert fingerprint(others.desk.user) == before
    assert not run.faults, f"{len(run.faults)} faults:\n" + "\n\n".join(run.faults[:10])
    assert run.cases > CASES * part
    # Nothing would be found out by refusals alone.
    assert not run.unreached(), run.seen
    world.settle(planted.prices)
    assert not VenueEvent.objects.exclude(error="").exists()
    assert check_invariants(now=timezone.now()) == []


def test_a_full_budget_answers_by_the_file(file, real_db, alice, redis_client, settings):
    desk, statuses = make_desk(alice, now=timezone.now()), []
    settings.API_RATES = {rate: {"day": 8} for rate in settings.API_RATES}
    schema = schemathesis.openapi.from_dict(file)
    schema.app = running.application
    for _ in range(9):
        case = schema["/trades"]["GET"].Case(
            headers={"Authorization": desk.headers["authorization"]}
        )
        response = case.call()
        case.validate_response(response)
        statuses.append(response.status_code)
    assert statuses == [200] * 8 + [429]
