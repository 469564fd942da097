"""What a password may not be (AUTH_PASSWORD_VALIDATORS; ASVS 6.2.4, 6.2.11, 6.2.12)."""

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from zxcvbn import zxcvbn

from accounts.domain.own_words import own_word_in
from accounts.models import User


class OwnWordsValidator:
    """Refuse passwords that contain the user's name or e-mail, or the name of the site."""

    def validate(self, password: str, user: User | AnonymousUser | None = None) -> None:
        """Raise ValidationError with the word."""
        known = user if isinstance(user, User) else User()
        word = own_word_in(password, email=known.email, full_name=known.full_name)
        if word is not None:
            raise ValidationError(
                f"The password contains '{word}', which others would try first.",
                code="password_own_word",
            )

    def get_help_text(self) -> str:
        """Return the rule in words."""
        return "Your password can't contain your name or e-mail."


# Beyond this a password is judged by its beginning: the judge's time grows with the length.
_JUDGED = 72
_LEAST_SCORE = 3


class GuessableValidator:
    """Refuse passwords that a guesser finds within 10^8 tries (zxcvbn: a score under 3 of 4).

    It knows the 30,000 most used passwords, names and words, and what people do to make twelve
    characters of them: digits at the end, repeats, rows of keys, letters turned into digits.
    """

    def validate(self, password: str, user: User | AnonymousUser | None = None) -> None:
        """Raise ValidationError with why it is easy."""
        judged = zxcvbn(password[:_JUDGED])
        if judged["score"] < _LEAST_SCORE:
            why = judged["feedback"]["warning"] or "This password is easy to guess."
            raise ValidationError(
                f"{why} Use several words that do not belong together.", code="password_guessable"
            )

    def get_help_text(self) -> str:
        """Return the rule in words."""
        return "Several words that do not belong together make a good password."
