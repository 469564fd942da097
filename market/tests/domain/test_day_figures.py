from dataclasses import replace
from datetime import date
from decimal import Decimal

from market.domain.day_figures import first_figures
from market.tests.factories import quote_of

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def test_the_average_weighs_every_trade_of_the_day():
    day = first_figures(Decimal(100), quantity=Decimal(3), day=MONDAY)
    day = day.with_trade(Decimal(101), quantity=Decimal(1), day=MONDAY)
    quote = replace(
        quote_of("101"), traded_value=day.traded_value, traded_quantity=day.traded_quantity
    )
    assert quote.average_price == Decimal("100.25")
    assert (day.open, day.high, day.low, day.last) == (100, 101, 100, 101)


def test_the_next_day_starts_again():
    day = first_figures(Decimal(100), quantity=Decimal(3), day=MONDAY)
    day = day.with_trade(Decimal(90), quantity=Decimal(2), day=TUESDAY)
    assert (day.open, day.high, day.previous_close) == (90, 90, 100)
    assert (day.traded_value, day.traded_quantity) == (180, 2)


def test_without_a_trade_the_average_is_the_last_price():
    assert quote_of("262.05").average_price == Decimal("262.05")


def test_an_endless_fraction_ends_after_eight_decimals():
    quote = replace(quote_of(), traded_value=Decimal(100), traded_quantity=Decimal(3))
    assert quote.average_price == Decimal("33.33333333")
