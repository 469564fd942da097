"""Statements that are run for every order or every round: planned once, and sent together.

Planning one of them takes PostgreSQL longer than running it. Django's own cursors write parameters
into the statement, which makes each one new to the server.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor


class PreparedCursor(ServerBindingCursor):
    """Hands parameters over beside the statement, whose text stays the same and is planned once."""

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        """Run a statement; it is there to read for who counts queries, as with Django's own."""
        super().execute(query, params, **more)  # type: ignore[misc]  # it is psycopg's
        self._query = _Sent(query.encode())
        return self


@dataclass(frozen=True, slots=True)
class _Sent:
    query: bytes


def prepared_cursor() -> Any:
    """Return a cursor for a statement that is run often: PostgreSQL plans it once per connection.

    Its text must not change from call to call: lists go in as one parameter, `= ANY(%s)`. What a
    partial index is chosen by must stand in the text, for the plan knows no values.
    """
    # Django has no public door to a second kind of cursor beside its own.
    database: Any = connection
    database.ensure_connection()
    made: Any = PreparedCursor
    return database._prepare_cursor(made(database.connection))  # noqa: SLF001 - see above


def run_together(statements: Sequence[tuple[str, Mapping[str, Any]]]) -> list[list[Any]]:
    """Run statements one after the other in one round trip; return the rows of each.

    Each sees what was committed before it began, not before the first one.
    """
    if len(statements) == 1:
        ((query, values),) = statements
        with prepared_cursor() as cursor:
            cursor.execute(query, values)
            return [cursor.fetchall()]
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        cursors = []
        for query, values in statements:
            cursor = prepared_cursor()
            cursor.execute(query, values)
            cursors.append(cursor)
        return [cursor.fetchall() for cursor in cursors]
