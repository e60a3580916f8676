"""
Links that change tables: from that of a ``ManyToManyField`` to that of an automatic
through model, and back. ``generic_throughs`` does so for models written by hand.

A `Conversion` works on historical models. It looks at the rows first, raises an error
if one could not be kept, and moves them by one ``INSERT … SELECT``. The old table stays
until that is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType
from django.db import DataError, IntegrityError
from django.db.backends.ddl_references import Statement
from django.db.backends.utils import names_digest, strip_quotes
from django.db.models import (
    Count,
    Exists,
    F,
    Model,
    OuterRef,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Length

from .comparisons import KeyText, NativeKey
from .keys import (
    Key,
    check_collation,
)

if TYPE_CHECKING:
    from .fields import GM2MField

#: The names of what is selected for the three columns of a link.
PARTS = ("gm2m_1", "gm2m_2", "gm2m_3")


class Conversion:
    """
    Moves links to the table of the model `new`, with the statements of `schema_editor`.
    `owner` is the ``GM2MField`` that messages name.
    """

    def __init__(self, owner: GM2MField, new: Any, schema_editor: Any) -> None:
        self.owner, self.new, self.editor = owner, new, schema_editor
        self.connection = schema_editor.connection
        self.using: str = self.connection.alias
        #: In `sqlmigrate` the table may not be there yet.
        self.looks_at_rows = not schema_editor.collect_sql

    def rows(self, model: Any) -> QuerySet[Any]:
        """Return all objects of `model`; its managers might hide some."""
        return QuerySet(model, using=self.using)

    def refuse(self, rows: QuerySet[Any], what: str, remedy: str) -> None:
        """Raise ``IntegrityError`` if there are any of these `rows`."""
        if self.looks_at_rows and (count := rows.count()):
            raise IntegrityError(
                f"{self.owner}: {count} rows of the table "
                f"'{rows.model._meta.db_table}' {what}. {remedy}"
            )

    def check_reference(self, rows: QuerySet[Any], name: str, new_field: Any) -> None:
        """Raise an error for `rows` that break the constraint of `new_field`."""
        if new_field.db_constraint:
            model: Any = new_field.remote_field.model
            there = self.rows(model).filter(pk=OuterRef(name))
            self.refuse(
                rows.filter(~Exists(there)),
                f"refer to objects of {model._meta.label} that are gone",
                "Remove these rows first, or set db_constraint=False.",
            )

    def check_length(self, rows: QuerySet[Any], key: Any, new_field: Any) -> None:
        """Raise ``DataError`` if a key, the expression `key`, is too long."""
        limit = new_field.max_length
        if limit is None or not self.looks_at_rows:
            return
        longer = rows.annotate(gm2m_key=key, gm2m_length=Length("gm2m_key"))
        found = longer.filter(gm2m_length__gt=limit).order_by("-gm2m_length")
        longest = found.values_list("gm2m_key", flat=True).first()
        if longest is not None:
            raise DataError(
                f"{self.owner}: {new_field} holds {limit} characters, and the table "
                f"'{rows.model._meta.db_table}' has longer keys, such as {longest!r}. "
                f"Make it {len(longest)} or more (pk_maxlength)."
            )

    def move(self, rows: QuerySet[Any], columns: Sequence[str], values: Any) -> None:
        """
        Put what the expressions `values` are worth in `rows`, in their order, into
        `columns` of the new table, which takes the place of the old one.
        """
        names = PARTS[: len(columns)]
        selected: Any = rows.annotate(**dict(zip(names, values, strict=True)))
        query = selected.order_by("pk").values_list(*names).query
        sql, params = query.get_compiler(self.using).as_sql()
        old, editor, opts = rows.model, self.editor, self.new._meta
        table, quote = opts.db_table, editor.quote_name
        aside = f"gm2m_{names_digest(strip_quotes(table), length=16)}"
        opts.db_table = aside
        try:
            if self.looks_at_rows and aside in self.tables():
                editor.delete_model(self.new)  # What an attempt that failed has left.
            editor.create_model(self.new)
            into = ", ".join(map(quote, columns))
            editor.execute(f"INSERT INTO {quote(aside)} ({into}) {sql}", list(params))
            editor.delete_model(old)
        finally:
            opts.db_table = table
        editor.alter_db_table(self.new, aside, table)
        self.finish(table)

    def finish(self, table: str) -> None:
        """
        Give `table` its indexes and constraints now. What is left for the end of the
        migration would have Django record it in a transaction of its own.
        """
        for statement in list(self.editor.deferred_sql):
            if isinstance(statement, Statement) and statement.references_table(table):
                self.editor.deferred_sql.remove(statement)
                self.editor.execute(statement, None)

    def tables(self) -> list[str]:
        names: list[str] = self.connection.introspection.table_names()
        return names


class FromManyToMany(Conversion):
    """From the ``ManyToManyField`` `old` to the ``GM2MField`` `new`."""

    def __init__(self, old: Any, new: GM2MField, schema_editor: Any) -> None:
        super().__init__(new, new.remote_field.through, schema_editor)
        self.old, self.field = old, new

    def run(self) -> None:
        through, target = self.old.remote_field.through, self.old.remote_field.model
        source, content_type, key_field = self.field.links.fields
        self.field.check_target_model(target)
        column = self.field.links.key
        check_collation(target, column, self.connection, self.field)
        source_name, target_name = sides(self.old)
        rows = self.rows(through)
        key = KeyText(F(target_name), Key(target._meta.pk).kind)
        self.check_reference(rows, source_name, source)
        self.check_length(rows, key, key_field)
        if self.looks_at_rows:
            self.field.content_type_of(target, self.using)  # Made, if it is not there.
        self.move(
            rows,
            [source.column, content_type.column, key_field.column],
            [F(source_name), content_type_key(self.field, target, self.using), key],
        )


class ToManyToMany(Conversion):
    """From the ``GM2MField`` `old`, all of whose targets are of one model, back."""

    def __init__(self, old: GM2MField, new: Any, schema_editor: Any) -> None:
        super().__init__(old, new.remote_field.through, schema_editor)
        self.field, self.to = old, new

    def run(self) -> None:
        target = self.to.remote_field.model
        self.field.check_target_model(target)
        source_name, type_name, key_name = (
            found.attname for found in self.field.links.fields
        )
        fields = [self.new._meta.get_field(name) for name in side_names(self.to)]
        rows = self.rows(self.field.remote_field.through)
        key = NativeKey(F(key_name), Key(target._meta.pk))
        if self.looks_at_rows:
            self.check_models(rows, type_name, target)
        self.check_reference(rows, source_name, fields[0])
        pk = NativeKey(OuterRef(key_name), Key(target._meta.pk))
        targets = self.rows(target).filter(pk=pk)
        self.refuse(
            rows.filter(~Exists(targets)),
            f"link objects of {target._meta.label} that are gone",
            f"Remove them with 'manage.py gm2m_doctor {self.field} --fix'.",
        )
        self.move(rows, [field.column for field in fields], [F(source_name), key])

    def check_models(self, rows: QuerySet[Any], type_name: str, target: Any) -> None:
        """Raise ``IntegrityError`` if there are links to objects of other models."""
        own = self.field.content_type_of(target, self.using)
        counts = rows.exclude(**{type_name: own.pk}).values_list(type_name)
        others = [
            f"{ContentType.objects.using(self.using).get(pk=pk).app_labeled_name} "
            f"({count})"
            for pk, count in counts.order_by(type_name).annotate(Count("pk"))
        ]
        if others:
            raise IntegrityError(
                f"{self.field} cannot become a ManyToManyField to "
                f"{target._meta.label}: it links objects of other models: "
                f"{', '.join(others)}. Remove these links first."
            )


def side_names(field: Any) -> list[str]:
    """Return the names of the two foreign keys of a ``ManyToManyField``."""
    return [field.m2m_field_name(), field.m2m_reverse_field_name()]


def sides(field: Any) -> list[str]:
    """Return the attributes of rows with the values of these keys."""
    opts = field.remote_field.through._meta
    return [opts.get_field(name).attname for name in side_names(field)]


def content_type_key(field: GM2MField, model: type[Model], using: str) -> Any:
    """Return an expression for the content type of `model`, which need not be there."""
    opts: Any = field.linked_as(model)._meta
    found = ContentType.objects.using(using).filter(
        app_label=opts.app_label, model=opts.model_name
    )
    return Subquery(found.values("pk"))
