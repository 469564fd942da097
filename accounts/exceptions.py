"""Account errors, named by what the caller should do."""


class AccountsError(Exception):
    """Root of every accounts error."""


class SignUpRefused(AccountsError):
    """Correct the form: the sign-up cannot be accepted as it is; names the field."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class AuditChainBroken(AccountsError):
    """Page somebody: the audit log was changed after it was written."""
