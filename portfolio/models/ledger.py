"""The double-entry ledger: append-only, zero per asset, enforced by the database."""

from django.db import models
from django.db.models import Q

from accounts.models.managers import OwnedQuerySet
from portfolio.models.books import Book


class LedgerAccount(models.Model):
    """One pot of one asset. A book has AVAILABLE and HELD; the platform has the rest.

    An intraday book also has MARGIN (cash that secures what it sold short) and BORROWED (units
    it owes, below 0), and its units are the sum of AVAILABLE, HELD and BORROWED. Platform accounts (book is null) store no balance: every order would queue on that row.
    """

    class Kind(models.TextChoices):
        """What the pot is for."""

        AVAILABLE = "AVAILABLE"
        HELD = "HELD"
        MARGIN = "MARGIN"
        BORROWED = "BORROWED"
        EXTERNAL = "EXTERNAL"
        CLEARING = "CLEARING"
        FEES = "FEES"
        ROUNDING = "ROUNDING"

    # The unique index begins with it.
    book = models.ForeignKey(
        Book, models.PROTECT, null=True, related_name="ledger_accounts", db_index=False
    )
    kind = models.CharField(max_length=10, choices=Kind)
    asset = models.CharField(max_length=60)
    balance = models.DecimalField(max_digits=28, decimal_places=12, null=True)

    owner_path = "book__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["book", "kind", "asset"],
                name="ledger_account_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(book__isnull=True, balance__isnull=True)
                | Q(book__isnull=False, balance__gte=0)
                | Q(book__isnull=False, kind="BORROWED"),
                name="ledger_balance_not_below_0",
            ),
            models.CheckConstraint(
                condition=~Q(kind="BORROWED") | Q(balance__lte=0),
                name="ledger_borrowed_not_above_0",
            ),
            models.CheckConstraint(
                condition=Q(
                    book__isnull=True, kind__in=["EXTERNAL", "CLEARING", "FEES", "ROUNDING"]
                )
                | Q(book__isnull=False, kind__in=["AVAILABLE", "HELD", "MARGIN", "BORROWED"]),
                name="ledger_kind_fits_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.book_id or 'platform'} {self.kind} {self.asset}"


class LedgerTransaction(models.Model):
    """One balanced set of entries. `ref` is deterministic, so posting twice is impossible."""

    ref = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=16)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.ref


class LedgerEntry(models.Model):
    """One amount on one account, in units of the account's asset. Never changed or removed."""

    transaction = models.ForeignKey(LedgerTransaction, models.PROTECT, related_name="entries")
    account = models.ForeignKey(LedgerAccount, models.PROTECT, related_name="entries")
    amount = models.DecimalField(max_digits=28, decimal_places=12)

    owner_path = "account__book__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="ledger_entry_not_zero"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.amount}"
