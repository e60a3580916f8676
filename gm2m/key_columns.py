"""
The key column of the table of an automatic through model: what it is in the database.

A table that another library has made may have been altered by hand, to integers for
example, while the model says that keys are text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from .integrity import table_of, tables_among

if TYPE_CHECKING:
    from .fields import GM2MField


class Column(models.Field):  # type: ignore[type-arg]
    """
    A column as the database has it: of the type `sql`, text of `length` characters at
    most. Both are ``None`` where there is nothing to say.
    """

    def __init__(self, sql: str, *, is_text: bool, length: int | None) -> None:
        super().__init__()
        self.sql, self.is_text, self.length = sql, is_text, length

    def db_type(self, connection: Any) -> str:
        return self.sql


def key_column(field: GM2MField, connection: Any) -> Column | None:
    """
    Return the key column in the table of `field`, ``None`` if there is no such table or
    column. A few queries.
    """
    if not tables_among([field], connection):
        return None
    name: Any = field.links.key_field.column
    introspection = connection.introspection
    with connection.cursor() as cursor:
        found = introspection.get_table_description(cursor, table_of(field, connection))
    for info in found:
        if info.name == name:
            column = described(info, connection)
            column.set_attributes_from_name(name)
            return column
    return None


def described(info: Any, connection: Any) -> Column:
    """Return the column that `info`, which comes from introspection, describes."""
    try:
        kind: Any = connection.introspection.get_field_type(info.type_code, info)
    except KeyError:
        # No type that Django has a field for.
        return Column(str(info.type_code), is_text=False, length=None)
    options: dict[str, Any] = {}
    if kind == "CharField":
        options["max_length"] = info.display_size
    elif kind == "DecimalField":
        options = {"max_digits": info.precision, "decimal_places": info.scale}
    sql: Any = getattr(models, kind)(**options).db_type(connection)
    is_text = kind in ("CharField", "TextField")
    return Column(sql, is_text=is_text, length=options.get("max_length"))


def is_fit(column: Column, wanted: int | None, connection: Any) -> bool:
    """Return whether `column` is of text, of the `wanted` length or longer."""
    if not column.is_text or wanted is None:
        return column.is_text and column.length is None
    if column.length is not None:
        return column.length >= wanted
    fits: bool = connection.features.supports_index_on_text_field
    return fits
