"""What several tests of the gateway and of intraday books begin with."""

# ruff: noqa: PLC0415 - a conftest is read before this worker has its Redis database

import pytest


@pytest.fixture
def stage(real_db, alice, now):
    """Return a gateway's surroundings; whatever happened in them, the books add up."""
    from portfolio.services.invariants import check_invariants
    from portfolio.tests.gateway_kit import set_stage

    made = set_stage(alice, now)
    yield made
    assert check_invariants(now=made.now) == []


@pytest.fixture
def driver(stage):
    """Return a gateway that has started."""
    from portfolio.tests.gateway_kit import Driver

    made = Driver(stage)
    assert made.start()
    return made


@pytest.fixture
def ongc(db):
    """Return the instrument that tests trade."""
    from portfolio.tests.factories import make_instrument

    return make_instrument()


@pytest.fixture
def manual(alice, now, ongc):
    """Return alice's Manual book with a lakh in it."""
    from portfolio.tests.factories import make_account, make_book

    return make_book(make_account(alice, now=now), now=now, funds=100_000)


@pytest.fixture
def intraday(alice, manual, now):
    """Return the Intraday book beside Manual."""
    from market.domain.enums import Product
    from portfolio.services.intraday import book_for

    return book_for(alice, product=Product.MIS, quote_asset="INR", now=now)
