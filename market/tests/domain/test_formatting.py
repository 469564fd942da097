"""How numbers and times are written."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from market.domain import formatting


@pytest.mark.parametrize(
    ("value", "asset", "expected"),
    [
        ("123456.784", "INR", "Rs. 1,23,456.78"),
        ("123456.785", "INR", "Rs. 1,23,456.79"),
        ("1000000", "INR", "Rs. 10,00,000.00"),
        ("99999999.99", "INR", "Rs. 9,99,99,999.99"),
        ("999", "INR", "Rs. 999.00"),
        ("1000", "INR", "Rs. 1,000.00"),
        ("-1530.612", "INR", "-Rs. 1,530.61"),
        ("-0.004", "INR", "Rs. 0.00"),
        ("0", "INR", "Rs. 0.00"),
        ("1234567.891", "USDT", "1,234,567.89 USDT"),
        ("-12.5", "USDT", "-12.50 USDT"),
    ],
)
def test_money(value: str, asset: str, expected: str) -> None:
    assert formatting.format_money(Decimal(value), asset=asset) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("12.5", "+Rs. 12.50"), ("-12.5", "-Rs. 12.50"), ("0", "Rs. 0.00"), ("0.001", "Rs. 0.00")],
)
def test_profit_has_a_sign_unless_it_is_nothing(value: str, expected: str) -> None:
    assert formatting.format_money(Decimal(value), asset="INR", signed=True) == expected


@pytest.mark.parametrize(
    ("price", "tick", "asset", "expected"),
    [
        ("262.05", "0.05", "INR", "262.05"),
        ("262", "0.050000000000", "INR", "262.00"),
        ("123456.5", "0.05", "INR", "1,23,456.50"),
        ("65000.1", "0.01", "USDT", "65,000.10"),
        ("1234567", "1", "USDT", "1,234,567"),
        ("0.00001234", "0.00000001", "USDT", "0.00001234"),
    ],
)
def test_price_has_the_decimals_of_its_tick(
    price: str, tick: str, asset: str, expected: str
) -> None:
    written = formatting.format_price(Decimal(price), tick=Decimal(tick), asset=asset)
    assert written == expected


@pytest.mark.parametrize(
    ("quantity", "lot", "expected"),
    [
        ("24", "1.000000000000", "24"),
        ("12000", "1", "12,000"),
        ("0.00912", "0.00001", "0.00912"),
        ("1.635", "0.001", "1.635"),
        ("1.5", "0.001", "1.500"),
        ("0.000365", "0.001", "0.000365"),
    ],
)
def test_quantity_has_the_decimals_of_its_lot_and_dust_stays_visible(
    quantity: str, lot: str, expected: str
) -> None:
    assert formatting.format_quantity(Decimal(quantity), lot=Decimal(lot)) == expected


@pytest.mark.parametrize(
    ("fraction", "signed", "expected"),
    [
        ("0.01921536", False, "1.92 %"),
        ("0.01921536", True, "+1.92 %"),
        ("-0.0007", True, "-0.07 %"),
        ("0.00001", True, "0.00 %"),
        ("12.5", False, "1,250.00 %"),
    ],
)
def test_percent(fraction: str, *, signed: bool, expected: str) -> None:
    assert formatting.format_percent(Decimal(fraction), signed=signed) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("262.050000000000", "262.05"), ("1E+3", "1000"), ("-0.000", "0"), ("0.00001", "0.00001")],
)
def test_plain_has_no_exponent_and_no_trailing_zeros(value: str, expected: str) -> None:
    assert formatting.plain(Decimal(value)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "just now"),
        (4.9, "just now"),
        (5, "5 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86_400, "1 d ago"),
    ],
)
def test_ago(seconds: float, expected: str) -> None:
    assert formatting.format_ago(timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (timedelta(minutes=2, seconds=59), "2 min"),
        (timedelta(hours=5, minutes=3), "5 h 3 min"),
        (timedelta(days=2, hours=5, minutes=59), "2 d 5 h"),
        (timedelta(seconds=-5), "0 min"),
    ],
)
def test_running_time(span: timedelta, expected: str) -> None:
    assert formatting.format_span(span) == expected


def test_times_are_the_users() -> None:
    moment = datetime(2026, 3, 2, 20, 30, 5, tzinfo=UTC)
    today = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)
    zone = "Asia/Kolkata"
    assert formatting.format_moment(moment, zone=zone) == "03 Mar 2026, 02:00:05"
    assert formatting.format_clock(moment, zone=zone, now=today) == "02:00:05"
    tomorrow = today + timedelta(days=1)
    assert formatting.format_clock(moment, zone=zone, now=tomorrow) == "03 Mar, 02:00:05"


@pytest.mark.parametrize(
    ("value", "expected"), [("1", "up"), ("-0.01", "down"), ("0", "flat"), ("0.000", "flat")]
)
def test_direction(value: str, expected: str) -> None:
    assert formatting.direction(Decimal(value)) == expected


def test_a_lack_of_money_is_never_said_in_equal_sums() -> None:
    assert formatting.format_lack(Decimal(64_032_000), Decimal(10_000), asset="USDT") == (
        "64,032,000.00 USDT needed, 10,000.00 USDT available"
    )
    assert formatting.format_lack(Decimal("100000.001"), Decimal(100000), asset="INR") == (
        "Rs. 1,00,000.01 needed, Rs. 1,00,000.00 available"
    )
