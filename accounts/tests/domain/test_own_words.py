import pytest

from accounts.domain.own_words import own_word_in


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("nine green bottles", None),
        ("my FINBYTE password", "finbyte"),
        ("j.doe_1990 and more", "j.doe_1990"),
        ("the year is 1990 again", "1990"),
        ("Jonathan Doe the 3rd", "jonathan doe"),
        ("xxjonathanxx12345", "jonathan"),
        # Three letters stand in too many words.
        ("dozens of does run", None),
        # Of the e-mail, only what stands before the @: a provider is no secret of anybody.
        ("some example of words", None),
    ],
)
def test_own_words_are_found_in_any_case(password, word):
    found = own_word_in(password, email="J.Doe_1990@example.com", full_name="Jonathan Doe")
    assert found == word


def test_without_a_name_only_the_site_counts():
    assert own_word_in("any words of mine", email="", full_name="") is None
