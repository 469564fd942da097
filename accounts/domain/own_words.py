"""Words that anybody who knows a user would try as his password."""

import re

SHORTEST = 4
SITE = "finbyte"


def own_words(*, email: str, full_name: str) -> set[str]:
    """Return the site's name, the user's names and what stands before the @, in lower case."""
    mailbox = email.partition("@")[0]
    texts = (mailbox, full_name, *re.split(r"[\W_]+", f"{mailbox} {full_name}"))
    return {SITE, *(text.lower() for text in texts if len(text) >= SHORTEST)}


def own_word_in(password: str, *, email: str, full_name: str) -> str | None:
    """Return the longest such word in a password."""
    words = own_words(email=email, full_name=full_name)
    return max((word for word in words if word in password.lower()), key=len, default=None)
