"""
The indexes of the table of an automatic through model: what is missing, and how a table
that another library has made gets them.

Such a table has the unique constraint, as a rule, and an index on the source key, which
the constraint makes superfluous. It lacks the one that serves targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError
from django.db.models import F, Index, QuerySet, Window
from django.db.models.functions import RowNumber

from .integrity import table_of, tables_among

if TYPE_CHECKING:
    from .fields import GM2MField


def constraints_of(field: GM2MField, connection: Any) -> dict[str, Any]:
    """
    Return the constraints and indexes of the table by name, without those that
    PostgreSQL could not finish: they stay, marked as invalid, and serve nobody.
    """
    table = table_of(field, connection)
    with connection.cursor() as cursor:
        found: dict[str, Any] = connection.introspection.get_constraints(cursor, table)
        for name in invalid_indexes(table, cursor):
            del found[name]
    return found


def invalid_indexes(table: str, cursor: Any) -> list[str]:
    """Return the names of indexes whose concurrent creation has failed."""
    if cursor.db.vendor != "postgresql":
        return []
    cursor.execute(
        "SELECT made.relname FROM pg_index JOIN pg_class made ON made.oid = indexrelid "
        "JOIN pg_class owner ON owner.oid = indrelid WHERE NOT indisvalid "
        "AND owner.relname = %s AND pg_table_is_visible(owner.oid)",
        [table],
    )
    return [name for (name,) in cursor.fetchall()]


def missing_indexes(field: GM2MField, connection: Any) -> Iterator[tuple[str, bool]]:
    """
    Yield the columns, and whether they are to be unique, of each index that the table
    of an automatic through model lacks.
    """
    source, content_type, key = (found.column for found in field.links.fields)
    constraints = constraints_of(field, connection).values()
    unique = {frozenset(found["columns"]) for found in constraints if found["unique"]}
    if {source, content_type, key} not in unique:
        yield f"{source}, {content_type}, {key}", True
    # An index on expressions has no columns.
    first = {
        found["columns"][0]
        for found in constraints
        if found["columns"] and (found["index"] or found["unique"])
    }
    if key not in first:
        yield f"{key}, {content_type}, {source}", False


def numbered(rows: QuerySet[Any], names: Iterable[str]) -> QuerySet[Any]:
    """
    Return `rows` with ``gm2m_nth``: the how manyth of its link it is, by its key, among
    those with the same values under `names`.
    """
    nth = Window(RowNumber(), partition_by=[F(name) for name in names], order_by="pk")
    found: QuerySet[Any] = rows.annotate(gm2m_nth=nth)
    return found


def check_duplicates(owner: object, found: QuerySet[Any], names: list[str]) -> None:
    """Raise ``IntegrityError`` if there are rows `found` of links that `owner` has."""
    count = found.count()
    if count:
        (example,) = found.values(*names)[:1]
        raise IntegrityError(
            f"{owner}: {count} rows of the table '{found.model._meta.db_table}' are of "
            f"links that are there already, such as {example}. Remove them, or have "
            "the operation keep the first row of each link alone: "
            "remove_duplicates=True."
        )


class IndexUpgrade:
    """
    Brings the table of `field` to the indexes that it has when it is made anew, and
    back, with the statements of `schema_editor`.

    On PostgreSQL, outside a transaction, indexes are made and dropped concurrently.
    What is there already is left alone.
    """

    def __init__(self, field: GM2MField, schema_editor: Any) -> None:
        self.field, self.editor = field, schema_editor
        self.connection = schema_editor.connection
        self.through: Any = field.remote_field.through
        self.columns = [found.column for found in field.links.fields]
        (self.covering_index,) = self.through._meta.indexes
        self.source_index = Index(fields=[field.links.source.name])
        self.source_index.set_name_with_model(self.through)
        is_concurrent = (
            self.connection.vendor == "postgresql"
            and not self.connection.in_atomic_block
        )
        self.concurrently = {"concurrently": True} if is_concurrent else {}

    def forwards(self, remove_duplicates: bool) -> None:
        """
        Add what is missing, and drop the index that has become superfluous.

        Raise ``IntegrityError``, before anything is changed, if a link is there twice
        and such rows are not to be removed.
        """
        constraints = self.constraints()
        if not constraints:
            self.add_index(self.covering_index)
            return
        missing = {unique for _, unique in missing_indexes(self.field, self.connection)}
        if True in missing:
            self.settle_duplicates(remove_duplicates)
            self.add_unique()
        if False in missing:
            self.add_index(self.covering_index)
        for name in indexes_on(self.columns[:1], constraints):
            self.remove_index(self.source_index, name)

    def backwards(self) -> None:
        """Give the table the indexes of django-gm2m 1.x; the constraint stays."""
        constraints = self.constraints()
        # MySQL makes none for a foreign key, to which the unique constraint is enough.
        is_foreign_key = self.field.remote_field.db_constraint
        needs_index = not (self.connection.vendor == "mysql" and is_foreign_key)
        if needs_index and not indexes_on(self.columns[:1], constraints):
            self.add_index(self.source_index)
        for name in indexes_on(self.columns[::-1], constraints):
            self.remove_index(self.covering_index, name)

    def constraints(self) -> dict[str, Any]:
        """
        Return the constraints of the table, none if it is not there: in `sqlmigrate`,
        where a migration before makes it.
        """
        if tables_among([self.field], self.connection):
            return constraints_of(self.field, self.connection)
        return {}

    def settle_duplicates(self, remove: bool) -> None:
        """Remove rows of links that are there already, or raise an error for them."""
        names = [found.attname for found in self.field.links.fields]
        rows = self.through._base_manager.using(self.connection.alias)
        again = numbered(rows, names).filter(gm2m_nth__gt=1)
        if remove:
            query = again.values(gm2m_key=F("pk")).query
            sql, params = query.get_compiler(self.connection.alias).as_sql()
            table, key = map(
                self.editor.quote_name,
                (self.through._meta.db_table, self.through._meta.pk.column),
            )
            # In a table of its own: MySQL reads none from which it deletes.
            self.editor.execute(
                f"DELETE FROM {table} WHERE {key} IN "
                f"(SELECT gm2m_again.gm2m_key FROM ({sql}) gm2m_again)",
                params,
            )
        elif not self.editor.collect_sql:
            check_duplicates(self.field, again, names)

    def add_unique(self) -> None:
        """Add the unique constraint."""
        (names,) = self.through._meta.unique_together
        table = self.through._meta.db_table
        index = self.editor._create_index_name(table, self.columns, "_uniq")
        self.drop_invalid(index)
        if not self.concurrently:
            self.editor.alter_unique_together(self.through, [], [names])
            return
        quote = self.editor.quote_name
        table, name = quote(table), quote(index)
        columns = ", ".join(map(quote, self.columns))
        self.editor.execute(
            f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns})"
        )
        self.editor.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}"
        )

    def add_index(self, index: Index) -> None:
        self.drop_invalid(index.name)
        self.editor.add_index(self.through, index, **self.concurrently)

    def remove_index(self, index: Index, name: str) -> None:
        """Remove the one on the columns of `index` that is called `name`."""
        found = Index(fields=index.fields, name=name)
        self.editor.remove_index(self.through, found, **self.concurrently)

    def drop_invalid(self, name: str) -> None:
        """Drop what an attempt that failed has left under the name of an index."""
        with self.connection.cursor() as cursor:
            names = invalid_indexes(table_of(self.field, self.connection), cursor)
        if name in names:
            self.remove_index(self.covering_index, name)


def indexes_on(columns: list[str], constraints: dict[str, Any]) -> list[str]:
    """Return the names of plain indexes on just these columns, in this order."""
    return [
        name
        for name, found in constraints.items()
        if found["columns"] == columns and found["index"] and not found["unique"]
    ]
