"""
What the database says of a field: which models are linked, which targets are gone,
what its table lacks. For the checks of a database, and for the command that mends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.contenttypes.models import ContentType
from django.db import router
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Exists, Model, OuterRef, QuerySet

if TYPE_CHECKING:
    from .fields import GM2MField


class LinkedModel(NamedTuple):
    """
    A model of which `field` has links. `model` is ``None`` if it is not installed, or
    cannot be linked any more.
    """

    field: GM2MField
    app_label: str
    model_name: str
    model: type[Model] | None

    @property
    def label(self) -> str:
        return f"{self.app_label}.{self.model_name}"


def tables_among(fields: Sequence[GM2MField], connection: Any) -> list[GM2MField]:
    """Return those of `fields` whose tables are in the database. One query."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
    if ContentType._meta.db_table not in tables:
        return []
    return [field for field in fields if field.m2m_db_table() in tables]


def has_migrations_to_come(app_label: str, connection: Any) -> bool:
    """
    Return whether the app has migrations of which the database knows nothing. One that
    was never migrated has its tables from elsewhere. Two queries.
    """
    name, _explicit = MigrationLoader.migrations_module(app_label)
    recorder = MigrationRecorder(connection)
    if name is None or not recorder.has_table():
        return False
    try:
        package = import_module(name)
    except ModuleNotFoundError:
        return False
    applied = {
        name for label, name in recorder.applied_migrations() if label == app_label
    }
    return any(
        module.name not in applied
        for module in iter_modules(getattr(package, "__path__", ()))
        if module.name[0] not in "_~"
    )


def linked_models(fields: Sequence[GM2MField], connection: Any) -> list[LinkedModel]:
    """
    Return the models of which `fields`, whose tables are there, have links. One query.
    """
    if not fields:
        return []
    with connection.cursor() as cursor:
        cursor.execute(linked_models_sql(fields, connection))
        rows = cursor.fetchall()
    found = []
    for number, app_label, model_name in rows:
        field = fields[number]
        model = linkable(field, app_label, model_name)
        found.append(LinkedModel(field, app_label, model_name, model))
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
            f"SELECT {number}, {types}.app_label, {types}.model FROM {name} "
            f"JOIN {types} ON {types}.id = {name}.id"
        )
    return f"WITH RECURSIVE {', '.join(steps)} {' UNION ALL '.join(selects)}"


def is_declared(field: GM2MField, model: type[Model]) -> bool:
    """Return whether a process knows the relation from its start, without links."""
    return any(
        model is declared or (issubclass(model, declared) and not model._meta.proxy)
        for declared in field.get_related_models()
    )


def links_to(field: GM2MField, model: type[Model], using: str) -> QuerySet[Any]:
    """Return the rows of the through model that link objects of `model`."""
    content_type = field.content_type_of(model, using)
    links: QuerySet[Any] = field.remote_field.through._base_manager.using(using)
    return links.filter(**{field.links.content_type.attname: content_type.pk})


def dangling_links(
    field: GM2MField, model: type[Model], using: str
) -> QuerySet[Any] | None:
    """
    Return the rows of the through model whose target of `model` is gone: it is not
    among those of the model's base manager, which hides none. ``None`` if targets are
    kept in another database.
    """
    if not router.allow_migrate_model(using, model):
        return None
    key = OuterRef(field.lookup_of(model))
    targets = model._base_manager.using(using).filter(pk=key)
    return links_to(field, model, using).filter(~Exists(targets))


def has_columns(field: GM2MField, connection: Any) -> bool:
    """Return whether the table of `field` is that of its through model as it is."""
    links = field.links
    fields = (links.source, links.content_type, links.key_field)
    return {found.column for found in fields} <= table_columns(field, connection).keys()


def table_columns(field: GM2MField, connection: Any) -> dict[Any, int | None]:
    """Return the columns of the table of `field`, with the lengths of text columns."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_table_description(
            cursor, field.m2m_db_table()
        )
    return {column.name: column.display_size for column in found}


def missing_indexes(field: GM2MField, connection: Any) -> Iterator[tuple[str, bool]]:
    """
    Yield the columns, and whether they are to be unique, of each index that the table
    of an automatic through model lacks.
    """
    links = field.links
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(
            cursor, field.m2m_db_table()
        ).values()
    source, content_type = links.source.column, links.content_type.column
    key = links.key_field.column
    unique = {frozenset(found["columns"]) for found in constraints if found["unique"]}
    if {source, content_type, key} not in unique:
        yield f"{source}, {content_type}, {key}", True
    first = {found["columns"][0] for found in constraints if found["index"]}
    if key not in first:
        yield f"{key}, {content_type}, {source}", False
