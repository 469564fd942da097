"""Queries on the way of every request of a program: Django makes their SQL once, not each time.

Making the SQL of a query with joins takes Django longer than PostgreSQL takes to answer it.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

from accounts.models.statements import prepared_cursor

Row = TypeVar("Row", bound=Model)


class PreparedQuery(Generic[Row]):
    """A query whose values differ from call to call and whose shape does not.

    `examples` are the values that `rows` was made with: unlike each other and every constant of it.
    `related` are the foreign keys that it selects too, in the order of the model's fields.
    """

    def __init__(
        self, rows: QuerySet[Row], examples: Mapping[str, Any], *, related: Sequence[str] = ()
    ) -> None:
        self._rows = rows.select_related(*related) if related else rows
        self._examples = examples
        self._related = related

    @cached_property
    def _made(self) -> tuple[str, list[tuple[str | None, Any]]]:
        """Return the SQL, and its parameters as (name of the value or None, constant)."""
        sql, found = self._rows.query.sql_with_params()
        names = {value: name for name, value in self._examples.items()}
        parameters = [(names.get(each), each) for each in found]
        missing = set(self._examples) - {name for name, _constant in parameters}
        if missing:
            raise ValueError(f"the query does not use {sorted(missing)}")
        return sql, parameters

    @cached_property
    def _models(self) -> list[tuple[str | None, type[Model], list[str]]]:
        """Return what a row's columns are of: (foreign key or None, model, names), in order."""
        model = self._rows.model
        models: list[tuple[str | None, type[Model]]] = [(None, model)]
        for name in self._related:
            models.append((name, model._meta.get_field(name).related_model))  # type: ignore[arg-type]  # noqa: PERF401,SLF001 - Django's documented name
        return [
            (name, each, [field.attname for field in each._meta.concrete_fields])  # noqa: SLF001
            for name, each in models
        ]

    def first(self, **values: Any) -> Row | None:
        """Return the first row, or None."""
        sql, parameters = self._made
        sent = [constant if name is None else values[name] for name, constant in parameters]
        with prepared_cursor() as cursor:
            cursor.execute(sql, sent)
            row = cursor.fetchone()
        return None if row is None else self._read(row)

    def _read(self, row: Sequence[Any]) -> Row:
        made: Any = None
        start = 0
        for name, model, columns in self._models:
            end = start + len(columns)
            each = model.from_db(connection.alias, columns, row[start:end])
            start = end
            if name is None:
                made = each
            else:
                setattr(made, name, each)
        found: Row = made
        return found
