"""What a password may not contain (AUTH_PASSWORD_VALIDATORS; ASVS 6.2.11)."""

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError

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
