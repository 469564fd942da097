"""A sealed text opens for its key, its purpose and its owner, and for nothing else."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.domain.sealing import NotOpened, prefix_of, seal, unseal

OLD, NEW, GONE = "old " * 10, "new " * 10, "gone " * 10
texts = st.text(max_size=80)
contexts = st.sampled_from(["venue_key:1", "venue_key:2", "venue_key:11", "api_secret:1", ""])
usual = settings(derandomize=True, max_examples=100, deadline=None)


@usual
@given(text=texts, context=contexts)
def test_what_was_sealed_opens_again(text, context):
    sealed = seal(text, keys=[NEW, OLD], context=context)
    assert unseal(sealed, keys=[NEW, OLD], context=context) == text
    assert sealed.startswith(prefix_of(NEW))
    assert re.fullmatch(r"1\.[0-9a-f]{8}\.[A-Za-z0-9_=-]+", sealed)


def test_the_text_does_not_show_and_twice_is_not_the_same():
    first, second = (seal("a secret", keys=[NEW], context="x") for _ in range(2))
    assert "secret" not in first
    assert first != second


def test_any_bit_flipped_and_it_does_not_open():
    # Two lengths, so that the last character carries spare bits in one of them.
    count = 0
    for text in ("0123456789abcdef", "0123456789abcde"):
        sealed = seal(text, keys=[NEW, OLD], context="x")
        for place in range(len(sealed)):
            for bit in range(7):
                changed = chr(ord(sealed[place]) ^ (1 << bit))
                with pytest.raises(NotOpened):
                    unseal(
                        sealed[:place] + changed + sealed[place + 1 :],
                        keys=[NEW, OLD],
                        context="x",
                    )
                count += 1
    assert count > 900


@usual
@given(cut=st.integers(min_value=0, max_value=200), tail=st.text(max_size=5))
def test_a_part_of_it_or_more_than_it_does_not_open(cut, tail):
    sealed = seal("0123456789", keys=[NEW], context="x")
    changed = sealed[:cut] + tail
    if changed != sealed:
        with pytest.raises(NotOpened):
            unseal(changed, keys=[NEW], context="x")


@usual
@given(context=contexts, other=contexts)
def test_for_another_purpose_or_owner_it_does_not_open(context, other):
    sealed = seal("text", keys=[NEW], context=context)
    if other != context:
        with pytest.raises(NotOpened):
            unseal(sealed, keys=[NEW], context=other)


def test_an_older_key_still_opens_and_the_newest_seals():
    sealed = seal("text", keys=[OLD], context="x")
    assert unseal(sealed, keys=[NEW, OLD], context="x") == "text"
    assert not sealed.startswith(prefix_of(NEW))
    assert seal("text", keys=[NEW, OLD], context="x").startswith(prefix_of(NEW))


@pytest.mark.parametrize("keys", [[], [NEW], [NEW, OLD]])
def test_without_its_key_it_does_not_open(keys):
    sealed = seal("text", keys=[GONE], context="x")
    with pytest.raises(NotOpened):
        unseal(sealed, keys=keys, context="x")


def test_nothing_is_sealed_without_a_key():
    with pytest.raises(ValueError, match="no key"):
        seal("text", keys=[], context="x")


@pytest.mark.parametrize("text", ["", "1", "1.", "1..", "2.abc.def", "clear text", "1.é.é", "…"])
def test_what_is_no_sealed_text_does_not_open(text):
    with pytest.raises(NotOpened):
        unseal(text, keys=[NEW], context="x")
