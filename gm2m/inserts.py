"""
Inserting rows that may be there already.

Django's ``bulk_create(ignore_conflicts=True)`` passes over any conflict: where the
sequence of the primary key lags behind its table, for one, new rows would be lost
without an error; and on MariaDB and MySQL over errors of other kinds as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import DatabaseError, IntegrityError, ProgrammingError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model
from django.db.models.sql import InsertQuery

from .batches import batches
from .transactions import code_of

#: How MariaDB and MySQL call a subquery that returns several rows.
SEVERAL_ROWS = 1242
#: How PostgreSQL calls it, and what SQLite says, if no constraint has the columns.
NO_CONSTRAINT = ("42P10", "ON CONFLICT clause does not match")


def can_skip(using: str) -> bool:
    """Return whether ``insert_missing()`` serves the database."""
    return bool(connections[using].features.supports_update_conflicts)


def insert_missing(
    model: type[Model],
    using: str,
    fields: Sequence[Field[Any, Any]],
    rows: Sequence[Any],
    unique: Sequence[Field[Any, Any]],
) -> None:
    """
    Insert `rows`, objects with an attribute for each of `fields`, but for those whose
    values of the `unique` fields are in the table. One statement for each batch that
    the database takes.

    Raise ``IntegrityError`` if a row conflicts with another one in anything else.
    """
    connection = connections[using]
    skip = skip_clause(connection, [str(field.column) for field in unique])
    size = max(connection.ops.bulk_batch_size(fields, rows), 1)
    for batch in batches(rows, size):
        query = InsertQuery(model)
        query.insert_values(fields, batch)
        for sql, params in query.get_compiler(using).as_sql():
            try:
                with connection.cursor() as cursor:
                    cursor.execute(f"{sql} {skip}", params)
            except DatabaseError as error:
                explain(error, model, unique)
                raise


def skip_clause(connection: BaseDatabaseWrapper, columns: Sequence[str]) -> str:
    """Return the end of an ``INSERT`` that skips what has the values of `columns`."""
    names = [connection.ops.quote_name(column) for column in columns]
    if connection.features.supports_update_conflicts_with_target:
        return f"ON CONFLICT ({', '.join(names)}) DO NOTHING"
    # MariaDB and MySQL do not say which key it is that is there. Setting a column to
    # its own value changes nothing, and what cannot be evaluated is an error.
    is_same = " AND ".join(f"{name} = VALUES({name})" for name in names)
    return (
        f"ON DUPLICATE KEY UPDATE {names[0]} = "
        f"CASE WHEN {is_same} THEN {names[0]} ELSE (SELECT 1 UNION SELECT 2) END"
    )


def explain(
    error: DatabaseError, model: type[Model], unique: Sequence[Field[Any, Any]]
) -> None:
    """Raise a clearer error in the place of one that comes from ``skip_clause()``."""
    code, table = code_of(error), model._meta.db_table
    if code == SEVERAL_ROWS:
        raise IntegrityError(
            f"A new row of {table!r} conflicts with another one, whose primary key or "
            "other unique columns it would have. Look at the AUTO_INCREMENT of the "
            "table and at its unique keys."
        ) from error
    if str(code).startswith(NO_CONSTRAINT):
        columns = ", ".join(str(field.column) for field in unique)
        raise ProgrammingError(
            f"The table {table!r} has no unique constraint on ({columns}), without "
            "which rows could be there twice. Add it; for the table of a GM2MField, "
            "gm2m.operations.UpgradeGM2MIndexes does."
        ) from error
