"""Which addresses belong to the API: the host root is its, the console's is not."""

# kite-api.md rule 1, with what issue 4 puts beside it.
JSON_PREFIXES = (
    "session",
    "user",
    "orders",
    "trades",
    "portfolio",
    "margins",
    "charges",
    "instruments",
    "quote",
    "gtt",
    "mf",
    "alerts",
    "bots",
    "stream",
)
# Pages of the API that a browser opens.
BROWSER_PATHS = ("connect/login",)


def is_api_path(path: str) -> bool:
    """Return whether every answer under this path has to be an envelope."""
    return path.lstrip("/").split("/", 1)[0] in JSON_PREFIXES
