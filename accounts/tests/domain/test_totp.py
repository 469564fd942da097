from base64 import b32decode, b32encode
from datetime import UTC, datetime

import pytest
from django_otp.oath import hotp
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.domain.factor_delays import seconds_to_wait
from accounts.domain.totp import digits_of, in_fours, new_seed, setup_address, step_at

NOW = datetime(2026, 3, 2, 4, 30, tzinfo=UTC)


# RFC 6238, appendix B, SHA-1: the last six of its eight digits.
@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_standard(seconds, code):
    step = step_at(datetime.fromtimestamp(seconds, tz=UTC))
    assert f"{hotp(b'12345678901234567890', step):06d}" == code


def test_a_seed_has_160_bits_and_is_shown_in_fours():
    seeds = {new_seed() for _ in range(100)}
    assert len(seeds) == 100
    seed = seeds.pop()
    assert len(b32decode(seed)) == 20
    groups = in_fours(seed).split(" ")
    assert [len(group) for group in groups] == [4] * 8
    assert "".join(groups) == seed


def test_the_qr_code_names_the_site_and_the_user():
    seed = b32encode(b"12345678901234567890").decode()
    assert setup_address(seed, email="al+ice@example.com") == (
        "otpauth://totp/FinByte:al%2Bice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        "&issuer=FinByte&algorithm=SHA1&digits=6&period=30"
    )


@pytest.mark.parametrize("text", ["123456", " 123 456 ", "123-456", "１２３４５６"])  # noqa: RUF001
def test_six_digits_are_read_with_any_gaps(text):
    assert digits_of(text) == "123456"


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "12.456", "+12345"])
def test_anything_else_is_no_code(text):
    assert digits_of(text) is None


@settings(derandomize=True, max_examples=200)
@given(st.text(max_size=40))
def test_whatever_is_typed_is_six_ascii_digits_or_nothing(text):
    digits = digits_of(text)
    assert digits is None or (len(digits) == 6 and digits.isascii() and digits.isdigit())


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (1, 1), (2, 2), (5, 16), (10, 512), (12, 2048), (13, 3600), (100_000, 3600)],
)
def test_waits_double_up_to_an_hour(failures, seconds):
    assert seconds_to_wait(failures, NOW, now=NOW) == seconds
    assert seconds_to_wait(failures, None, now=NOW) == 0
