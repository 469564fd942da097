"""Every column that holds sealed texts, and giving them all the newest key.

A column that is missing here keeps its old key and is lost with it: a test looks for all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet

from accounts.domain.sealing import NotOpened
from accounts.models import ApiApp, AuthenticatorApp
from accounts.services import api_sessions, authenticators
from accounts.services.sealed import newest_prefix, seal, unseal
from portfolio.models import VenueCredentials
from portfolio.services import venue_credentials

BATCH = 200


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column, what its texts are sealed as, and the way to the id of their owner."""

    model: type[Model]
    name: str
    what: str
    owner: str = "user_id"

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.name}"  # noqa: SLF001 - Django's public name for it


SEALED_COLUMNS = (
    SealedColumn(AuthenticatorApp, "sealed_seed", authenticators.WHAT),
    SealedColumn(ApiApp, "sealed_secret", api_sessions.SECRET),
    SealedColumn(
        VenueCredentials,
        "sealed_key",
        venue_credentials.SEALED_AS,
        owner="venue_account__user_id",
    ),
)


@dataclass(slots=True)
class Rotation:
    """What became of the texts of one column that an older key had sealed."""

    column: SealedColumn
    resealed: int = 0
    closed: int = 0
    first_closed: int | None = None


def older_texts(column: SealedColumn) -> QuerySet[Any]:
    """Return the rows whose text the newest key has not sealed."""
    rows = column.model._default_manager.all()  # noqa: SLF001 - Django's public name for it
    return rows.exclude(**{f"{column.name}__startswith": newest_prefix()}).order_by("pk")


def rotate_column(column: SealedColumn) -> Rotation:
    """Seal every older text of a column anew, in short transactions; doing it again goes on.

    A text that no key at hand opens stays as it is and is counted.
    """
    done = Rotation(column)
    for batch in _batches(column):
        with transaction.atomic():
            for key, text, owner_id in batch:
                _reseal(done, key, text=text, owner_id=owner_id)
    return done


def _batches(column: SealedColumn) -> Iterator[list[tuple[int, str, int]]]:
    last = 0
    while True:
        rows = older_texts(column).filter(pk__gt=last)
        batch = list(rows.values_list("pk", column.name, column.owner)[:BATCH])
        if not batch:
            return
        yield batch
        last = batch[-1][0]


def _reseal(done: Rotation, key: int, *, text: str, owner_id: int) -> None:
    column = done.column
    try:
        opened = unseal(text, what=column.what, user_id=owner_id)
    except NotOpened:
        done.closed += 1
        done.first_closed = done.first_closed or key
        return
    sealed = seal(opened, what=column.what, user_id=owner_id)
    # Only where the text is still the one read: who changed it meanwhile has sealed it newly.
    rows = column.model._default_manager.filter(pk=key, **{column.name: text})  # noqa: SLF001
    done.resealed += rows.update(**{column.name: sealed})
