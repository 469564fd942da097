"""What several tests of the gateway and of intraday books begin with."""

import pytest

from market.domain.enums import Product
from portfolio.services.intraday import book_for
from portfolio.services.invariants import check_invariants
from portfolio.tests.factories import make_account, make_book, make_instrument
from portfolio.tests.gateway_kit import Driver, set_stage


@pytest.fixture
def stage(real_db, alice, now):
    """Return a gateway's surroundings; whatever happened in them, the books add up."""
    made = set_stage(alice, now)
    yield made
    assert check_invariants(now=made.now) == []


@pytest.fixture
def driver(stage):
    """Return a gateway that has started."""
    made = Driver(stage)
    assert made.start()
    return made


@pytest.fixture
def ongc(db):
    """Return the instrument that tests trade."""
    return make_instrument()


@pytest.fixture
def manual(alice, now, ongc):
    """Return alice's Manual book with a lakh in it."""
    return make_book(make_account(alice, now=now), now=now, funds=100_000)


@pytest.fixture
def intraday(alice, manual, now):
    """Return the Intraday book beside Manual."""
    return book_for(alice, product=Product.MIS, quote_asset="INR", now=now)
