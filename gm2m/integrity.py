"""
What the database says of a field: which models are linked, which targets are gone,
which columns there are. For the checks of a database, and for the command that mends.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.contenttypes.models import ContentType
from django.db import router, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F, Model, QuerySet
from django.db.models.lookups import Exact

from .batches import spans
from .spelling import Counts, Spelling

if TYPE_CHECKING:
    from .fields import GM2MField


#: As many fields are asked for in one statement. With each more, MariaDB takes twice as
#: long to plan it: with 20 a second and a half.
FIELDS_AT_ONCE = 8
#: As many rows are read at a time if keys are misspelt.
ROWS_AT_ONCE = 10_000


class LinkedModel(NamedTuple):
    """
    A model of which `field` has links, by its content type. `model` is ``None`` if it
    is not installed, or cannot be linked any more.
    """

    field: GM2MField
    content_type_id: int
    label: str
    model: type[Model] | None

    def links(self, using: str) -> QuerySet[Any]:
        """Return the rows of the through model that link objects of the model."""
        name = self.field.links.content_type.attname
        return self.rows(using).filter(**{name: self.content_type_id})

    def rows(self, using: str) -> QuerySet[Any]:
        """Return the rows of the through model, whatever they link."""
        rows: QuerySet[Any] = self.field.remote_field.through._base_manager
        return rows.using(using)

    def span(self, using: str, **span: Any) -> QuerySet[Any]:
        """Return those of the links whose own keys fulfil the conditions `span`."""
        # A database without statistics is not to start from all links of the model.
        content_type: Any = F(self.field.links.content_type.attname) + 0
        is_of_model = Exact(content_type, self.content_type_id)
        return self.rows(using).filter(is_of_model, **span)

    def spelling(self, using: str) -> Spelling:
        """
        Return what tells links whose target is gone from those whose key is misspelt:
        what exists are all objects of the model's base manager, which hides none.
        """
        model: Any = self.model
        return Spelling(self.field, model._base_manager.using(using))

    def count_astray(self, using: str) -> Counts:
        """
        Count the links that lead nowhere, none if the database is not to have their
        targets. Raise ``DatabaseError`` if it has no such table, or another one.
        """
        if not self.is_kept_in(using):
            return Counts(0, 0)
        parts = (
            self.span(using, **span) for span in spans(self.rows(using), ROWS_AT_ONCE)
        )
        with transaction.atomic(using):
            return self.spelling(using).count(self.links(using), parts)

    def is_kept_in(self, using: str) -> bool:
        """Return whether the targets are in the database, as far as routers say."""
        model: Any = self.model
        source = self.field.model()
        source._state.db = using
        return router.allow_migrate_model(using, model) and using in (
            router.db_for_read(model, instance=source),
            router.db_for_write(model, instance=source),
        )

    @property
    def is_declared(self) -> bool:
        """Whether a process knows the relation from its start, without links."""
        model: Any = self.model
        related: Any = self.field.get_related_models()
        return any(
            model is declared
            or (
                issubclass(model, declared._meta.concrete_model)
                and not model._meta.proxy
            )
            for declared in related
        )


def table_of(field: GM2MField, connection: Any) -> str:
    """Return the name of the field's table, as the database tells it."""
    table: str = field.m2m_db_table()
    is_quoted = connection.ops.quote_name(table) == table
    return table[1:-1] if is_quoted else table


def tables_among(fields: Sequence[GM2MField], connection: Any) -> list[GM2MField]:
    """Return those of `fields` whose tables are in the database. One query."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
    if ContentType._meta.db_table not in tables:
        return []
    return [field for field in fields if table_of(field, connection) in tables]


def has_migrations_to_come(app_label: str, connection: Any) -> bool:
    """
    Return whether the app has migrations of which the database knows nothing. What was
    never migrated has its tables from elsewhere. Two queries.
    """
    name, _explicit = MigrationLoader.migrations_module(app_label)
    recorder = MigrationRecorder(connection)
    if name is None or not recorder.has_table():
        return False
    try:
        package = import_module(name)
    except ModuleNotFoundError:
        return False
    if not getattr(package, "__file__", None):
        return False  # To Django, an app without migrations.
    applied = {
        name for label, name in recorder.applied_migrations() if label == app_label
    }
    return any(
        not module.ispkg and module.name[0] not in "_~" and module.name not in applied
        for module in iter_modules(getattr(package, "__path__", ()))
    )


def linked_models(fields: Sequence[GM2MField], connection: Any) -> list[LinkedModel]:
    """
    Return the models of which `fields`, whose tables are there, have links. One query
    for each ``FIELDS_AT_ONCE``.
    """
    found = []
    for start in range(0, len(fields), FIELDS_AT_ONCE):
        batch = fields[start : start + FIELDS_AT_ONCE]
        with connection.cursor() as cursor:
            cursor.execute(linked_models_sql(batch, connection))
            rows = cursor.fetchall()
        for number, type_id, app_label, model_name in rows:
            field, label, model = batch[number], f"content type {type_id}", None
            if app_label is not None:
                label = f"{app_label}.{model_name}"
                model = linkable(field, app_label, model_name)
            found.append(LinkedModel(field, type_id, label, model))
    return found


def linkable(field: GM2MField, app_label: str, model_name: str) -> type[Model] | None:
    """Return the installed model of that label if `field` can link it."""
    try:
        model: type[Model] = field.model._meta.apps.get_model(app_label, model_name)
        field.check_target_model(model)
    except (LookupError, TypeError):
        return None
    return model


def linked_models_sql(fields: Sequence[GM2MField], connection: Any) -> str:
    """
    Return one statement for all `fields`. It goes from one content type to the next
    along their index, and so does not read the rows between them.
    """
    quote = connection.ops.quote_name
    types = quote(ContentType._meta.db_table)
    steps, selects = [], []
    for number, field in enumerate(fields):
        column = quote(field.links.content_type.column)
        table, name = quote(field.m2m_db_table()), f"gm2m_{number}"
        steps.append(
            f"{name}(id) AS (SELECT MIN({column}) FROM {table} UNION ALL "
            f"SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > {name}.id) "
            f"FROM {name} WHERE {name}.id IS NOT NULL)"
        )
        selects.append(
            f"SELECT {number}, {name}.id, {types}.app_label, {types}.model FROM {name} "
            f"LEFT JOIN {types} ON {types}.id = {name}.id WHERE {name}.id IS NOT NULL"
        )
    return f"WITH RECURSIVE {', '.join(steps)} {' UNION ALL '.join(selects)}"


def has_columns(field: GM2MField, connection: Any) -> bool:
    """Return whether the table of `field` has the columns of its through model."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_table_description(
            cursor, table_of(field, connection)
        )
    columns = {column.name for column in found}
    return columns >= {needed.column for needed in field.links.fields}
