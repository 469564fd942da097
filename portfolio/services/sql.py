"""Several writes in one statement, their rows handed over as JSON (decisions 13)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from accounts.models.statements import prepared_cursor

# A name, a query that reads its rows from one JSON parameter, and the rows.
Statement = tuple[str, str, Sequence[Mapping[str, Any]]]


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as JSON that `json_populate_recordset` reads exactly; decimals as texts."""
    return orjson.dumps(rows, default=_text).decode()


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} cannot be stored")


def run_statements(statements: Sequence[Statement]) -> None:
    """Run several writes as one statement: one round trip, one snapshot."""
    if not statements:
        return
    parts = ", ".join(f"{name} AS ({query})" for name, query, _ in statements)
    values = [as_json(rows) for _, _, rows in statements]
    with prepared_cursor() as cursor:
        cursor.execute(f"WITH {parts} SELECT 1", values)
