"""Recovery codes: two digits that say which one, and 80 random bits, like 01 ABCD-EFGH-JKLM-NPQR."""

import re
import secrets
from dataclasses import dataclass
from unicodedata import normalize

CODES = 10
FEW = 3
# No 0, 1, I or O: nothing that is mistaken for another. 32 letters: five bits each.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_LENGTH = 16
_SHAPE = re.compile(rf"([0-9]{{2}})([{ALPHABET}]{{{_LENGTH}}})")
_GAPS = re.compile(r"[\s-]+")


@dataclass(frozen=True, slots=True)
class WrittenCode:
    """A recovery code in its parts."""

    slot: int
    letters: str

    def __str__(self) -> str:
        groups = [self.letters[start : start + 4] for start in range(0, _LENGTH, 4)]
        return f"{self.slot:02d} {'-'.join(groups)}"


def new_codes() -> list[WrittenCode]:
    """Return ten new codes."""
    return [
        WrittenCode(slot, "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH)))
        for slot in range(1, CODES + 1)
    ]


def read_code(text: str) -> WrittenCode | None:
    """Return the code that somebody typed, in any case and with any gaps; None for anything else."""
    found = _SHAPE.fullmatch(_GAPS.sub("", normalize("NFKC", text)).upper())
    return None if found is None else WrittenCode(int(found[1]), found[2])
