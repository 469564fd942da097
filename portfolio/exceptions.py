"""Portfolio errors, named by what the caller should do. They carry no HTTP."""

from decimal import Decimal


class PortfolioError(Exception):
    """Root of every portfolio error."""


class InvalidOrder(PortfolioError):
    """Correct the input: names the field, a code (bots.md 1.8) and the limits."""

    def __init__(
        self,
        message: str,
        *,
        field: str,
        code: str,
        minimum: Decimal | None = None,
        maximum: Decimal | None = None,
    ) -> None:
        super().__init__(message)
        self.field = field
        self.code = code
        self.minimum = minimum
        self.maximum = maximum


class InsufficientFunds(PortfolioError):
    """Add money or ask for less; nothing was written."""

    def __init__(self, message: str, *, asset: str, needed: Decimal, available: Decimal) -> None:
        super().__init__(message)
        self.asset = asset
        self.needed = needed
        self.available = available


class InsufficientUnits(InsufficientFunds):
    """Sell less: the book does not hold so many units; nothing was written.

    `owners` names who has units that this book cannot sell.
    """

    owners: str | None = None


class AccountTakesNoOrders(InvalidOrder):
    """Do what the message asks for first: the venue account takes no orders as it is."""

    def __init__(self, message: str) -> None:
        super().__init__(message, field="venue_account", code="ACCOUNT_NOT_READY")


class AccountRefused(PortfolioError):
    """Give what the message asks for: the account cannot be connected so; names the field."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class KeyRefused(PortfolioError):
    """Make another key at the venue: this one does not work or may do too much."""


class AccountNotFound(PortfolioError):
    """Ask for another account: this one does not exist for this user."""


class OrderNotFound(PortfolioError):
    """Ask for another order: this one does not exist for this user."""


class OrderNotChangeable(PortfolioError):
    """Do nothing: the order's state does not allow this change any more."""


class ChangeDenied(OrderNotChangeable):
    """Ask for less or wait: policy denies the change, the order stays as it was."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class NoAuction(PortfolioError):
    """Place a regular order: there is no auction session to take part in."""


class TriggerNotFound(PortfolioError):
    """Ask for another trigger: this one does not exist for this user."""


class TriggerNotChangeable(PortfolioError):
    """Do nothing: the trigger has fired, expired or been deleted."""


class AlertNotFound(PortfolioError):
    """Ask for another alert: this one does not exist for this user."""


class IdempotencyConflict(PortfolioError):
    """Use a new key: this one was used with other parameters."""


class TransitionRefused(PortfolioError):
    """A bug: an order was asked to make a step its state table does not have."""


class StaleFence(PortfolioError):
    """Stop at once and start over: somebody else owns the venue account now."""


class LedgerImbalance(PortfolioError):
    """A bug: entries of a transaction do not sum to zero for an asset."""


class VenueCallInTransaction(PortfolioError):
    """A bug: a venue was called while a database transaction was open."""
