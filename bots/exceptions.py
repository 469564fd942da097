"""Bot errors, named by what the caller should do. They carry no HTTP."""


class BotsError(Exception):
    """Root of every bots error."""


class InvalidParameter(BotsError):
    """Correct the input: names field, code and limits as bots.md 1.8 asks."""

    def __init__(
        self,
        message: str,
        *,
        field: str,
        code: str,
        minimum: str | None = None,
        maximum: str | None = None,
    ) -> None:
        super().__init__(message)
        self.field = field
        self.code = code
        self.minimum = minimum
        self.maximum = maximum


class BotNotFound(BotsError):
    """Ask for another bot: this one does not exist for this user."""


class BotNotReady(BotsError):
    """Wait or choose another act: the bot's state does not allow this one now."""


class UnknownBotKind(BotsError):
    """Choose a kind that exists."""
