import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.domain.recovery import ALPHABET, CODES, WrittenCode, new_codes, read_code

written = st.builds(
    WrittenCode,
    slot=st.integers(0, 99),
    letters=st.text(ALPHABET, min_size=16, max_size=16),
)


def test_ten_codes_of_80_bits_that_nobody_misreads():
    codes = new_codes()
    assert [code.slot for code in codes] == list(range(1, CODES + 1))
    assert len(ALPHABET) == len(set(ALPHABET)) == 32
    assert not set("01IO") & set(ALPHABET)
    shape = re.compile(r"\d\d [0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}")
    assert all(shape.fullmatch(str(code)) for code in codes)
    # 16 letters of 32: 5 bits each.
    assert {len(code.letters) for code in codes} == {16}
    assert len({code.letters for _ in range(20) for code in new_codes()}) == 200


@settings(derandomize=True, max_examples=200)
@given(written, st.sampled_from([str, str.lower, lambda text: text.replace("-", " ")]))
def test_a_written_code_is_read_back(code, change):
    assert read_code(f"  {change(str(code))} ") == code
    assert read_code(f"{code.slot:02d}{code.letters}") == code


@settings(derandomize=True, max_examples=200)
@given(st.text(max_size=60))
def test_any_other_text_is_none(text):
    code = read_code(text)
    assert code is None or read_code(str(code)) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "123456",
        "ABCD-EFGH-JKLM-NPQR",
        "1 ABCD-EFGH-JKLM-NPQR",
        "01 ABCD-EFGH-JKLM-NPQ",
        "01 ABCD-EFGH-JKLM-NPQRS",
        "01 ABCD-EFGH-JKLM-NPQ0",
        "01 ABCD-EFGH-JKLM-NPQI",
        "ab ABCD-EFGH-JKLM-NPQR",
    ],
)
def test_malformed_codes_are_none(text):
    assert read_code(text) is None
