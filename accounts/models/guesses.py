"""How often somebody has tried a password, and until when he has to wait."""

from django.db import models


class GuessBucket(models.Model):
    """Tries counted under one key: an account at a place, an account, a network, all of them.

    The key holds a digest in place of what somebody typed: people type passwords there.
    """

    key = models.CharField(max_length=120, unique=True)
    empty_at = models.DateTimeField(db_index=True)
    blocked_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"bucket {self.pk}"
