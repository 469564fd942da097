"""Account errors, named by what the caller should do."""


class AccountsError(Exception):
    """Root of every accounts error."""


class InvalidInput(AccountsError):
    """Correct the named field; the message says value and limit."""

    def __init__(self, message: str, *, field: str, code: str = "invalid") -> None:
        super().__init__(message)
        self.field = field
        self.code = code


class SignUpRefused(InvalidInput):
    """Correct the form: the sign-up cannot be accepted as it is; names the field."""


class NotFound(AccountsError):
    """There is nothing of this kind of yours; somebody else's is nothing too."""


class Refused(AccountsError):
    """It may not be done by this user or now; the message says why."""


class StepUpNeeded(Refused):
    """Confirm with the second factor first: this act needs a fresh one."""


class CodeRefused(AccountsError):
    """The code is wrong, used or too old; try the next one."""


class TooManyGuesses(AccountsError):
    """Wait `seconds` before the next try; nothing is locked for good."""

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class TokenRefused(AccountsError):
    """Log in again: the token or its checksum is wrong, used, expired or ended."""


class ChecksumRefused(TokenRefused):
    """Correct the program: api_key, token and checksum do not fit together."""


class AuditChainBroken(AccountsError):
    """Page somebody: the audit log was changed after it was written."""
