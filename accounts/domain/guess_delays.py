"""How long to wait after wrong guesses: 1, 2, 4, ... seconds, never for ever.

A bucket fills by one with every try and drains by one in every `longest`. Where the delay has grown
to `longest` it fills as fast as it drains, so in any time T there are at most about
`T / longest + free + 11` tries (11 because 2 ** 10 s is the longest of the longest).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

SECOND = timedelta(seconds=1)


class Kind(StrEnum):
    """What tries are counted by."""

    # One account from one network, or from one browser that its user trusts.
    PLACE = "place"
    # One account from everywhere it was never logged in from.
    ACCOUNT = "account"
    # All accounts from one network where they were never logged in from.
    ADDRESS = "address"
    # All of these together.
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Rule:
    """How many tries are free, and how far the delay grows after them."""

    free: int
    longest: timedelta

    def delay(self, level: int) -> timedelta:
        """Return how long to wait after the try that has filled a bucket to this level."""
        doublings = level - self.free - 1
        return timedelta() if doublings < 0 else min(SECOND * 2 ** min(doublings, 20), self.longest)


RULES: Mapping[Kind, Rule] = {
    Kind.PLACE: Rule(free=0, longest=1024 * SECOND),
    Kind.ACCOUNT: Rule(free=0, longest=1024 * SECOND),
    # A household may mistype; and 10,000 guesses of a day from one network stay under 100 too.
    Kind.ADDRESS: Rule(free=4, longest=1024 * SECOND),
    # So many failures in so many places are an attack: whoever is new waits, but only shortly.
    Kind.PLATFORM: Rule(free=500, longest=8 * SECOND),
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """When the bucket will have drained, and when the next try is let in."""

    empty_at: datetime
    blocked_until: datetime

    def level(self, rule: Rule, *, now: datetime) -> int:
        """Return how many tries are not drained yet."""
        return max(0, -((now - self.empty_at) // rule.longest))

    def seconds_to_wait(self, *, now: datetime) -> int:
        """Return after how many whole seconds a try is let in; 0 for at once."""
        return max(0, -((now - self.blocked_until) // SECOND))

    def filled(self, rule: Rule, *, now: datetime) -> Self:
        """Return the bucket with one more try."""
        fuller = replace(self, empty_at=max(self.empty_at, now) + rule.longest)
        return replace(fuller, blocked_until=now + rule.delay(fuller.level(rule, now=now)))

    def drained(self, rule: Rule, *, tries: int, until: datetime, now: datetime) -> Self:
        """Return the bucket without so many tries, which were no guesses after all.

        `until` is how long the last of them made everybody wait: nobody has to any more.
        """
        return replace(
            self,
            empty_at=self.empty_at - tries * rule.longest,
            blocked_until=now if self.blocked_until == until else self.blocked_until,
        )
