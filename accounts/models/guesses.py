"""How often somebody has guessed wrong, and until when he has to wait."""

from django.db import models


class GuessBucket(models.Model):
    """Wrong guesses counted under one key: an account at an address, an account, an address, all.

    The key is a digest where it holds what somebody typed.
    """

    key = models.CharField(max_length=120, unique=True)
    failures = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField()
    blocked_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.key} {self.failures}"
