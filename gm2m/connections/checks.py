"""System checks of relationships, and of the connections in the databases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import DatabaseError, connections, router

from ..integrity import has_migrations_to_come
from ..keys import check_collation
from .defined import relationships
from .disorder import disorders
from .ends import End
from .integrity import (
    connection_models,
    sides,
    sound_relationships,
    undefined_names,
)
from .models import AbstractConnection
from .relationship import Relationship


def check_relationships(
    app_configs: Iterable[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Return what is wrong with the relationships; they belong to no one app."""
    if app_configs is not None:
        return []
    messages: list[checks.CheckMessage] = []
    for relationship in relationships.values():
        messages.extend(check_relationship(relationship, kwargs.get("databases")))
    for model in connection_models():
        messages.extend(check_indexes(model))
    return messages


def check_relationship(
    relationship: Relationship, databases: Iterable[str] | None
) -> Iterator[checks.CheckMessage]:
    """Check what only the loaded project shows of a relationship."""
    if relationship.error is not None:
        yield checks.Error(
            f"The relationship '{relationship}' cannot be used: {relationship.error}",
            obj=relationship.name,
            id="gm2m.E502",
        )
    elif not relationship.is_ready:
        yield checks.Error(
            f"The relationship '{relationship}' cannot be used: one of its models is "
            "not installed.",
            hint="Mend the names, or add the app to INSTALLED_APPS.",
            obj=relationship.name,
            id="gm2m.E501",
        )
    else:
        for end in relationship.ends.values():
            yield from check_end(end, databases or ())


def check_end(end: End, databases: Iterable[str]) -> Iterator[checks.CheckMessage]:
    """Check whether the connection model has room for the keys of one end."""
    column, label = end.links.key_field, end.target._meta.label
    limit = column.max_length
    for alias in databases:
        if router.allow_migrate_model(alias, end.through):
            try:
                check_collation(end.target, end.links.key, connections[alias], end)
            except TypeError as error:
                yield checks.Error(
                    str(error), obj=end.relationship.name, id="gm2m.E502"
                )
    if not end.is_text or limit is None:
        return
    field = end.key.field
    length = end.key.kind.length
    if end.key.is_text:
        length = field.max_length or limit + 1
    if length > limit:
        yield checks.Warning(
            f"The relationship '{end.relationship}' connects objects of '{label}', "
            f"whose keys may be longer than the {limit} characters of '{column}'.",
            hint="Longer keys are refused. Use a connection_model with a wider column.",
            obj=end.relationship.name,
            id="gm2m.W501",
        )


def check_indexes(model: type[AbstractConnection]) -> Iterator[checks.CheckMessage]:
    """Check whether connections are found quickly from both ends."""
    opts = model._meta
    columns = [
        *(list(index.fields) for index in opts.indexes),
        *(list(some.fields) for some in opts.total_unique_constraints),
        *(list(fields) for fields in opts.unique_together),
    ]
    starts = [{name.lstrip("-") for name in some[:2]} for some in columns]
    for name in ("from_pk", "to_pk"):
        if {"relationship_name", name} not in starts:
            yield checks.Warning(
                f"'{opts.label}' has no index that begins with 'relationship_name' and "
                f"'{name}'.",
                hint="Let its Meta inherit from AbstractConnection.Meta.",
                obj=model,
                id="gm2m.W502",
            )


def check_databases(
    app_configs: Iterable[AppConfig] | None,
    databases: Iterable[str] | None,
    **kwargs: Any,
) -> list[checks.CheckMessage]:
    """Return what is wrong with the connections in `databases`."""
    if app_configs is not None:
        return []
    return [message for alias in databases or () for message in check_database(alias)]


def check_database(alias: str) -> Iterator[checks.CheckMessage]:
    """Check the connections in one database, unless it is about to be migrated."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
    models = [
        model
        for model in connection_models()
        if model._meta.db_table in tables
        and router.allow_migrate_model(alias, model)
        and not has_migrations_to_come(model._meta.app_label, connection)
    ]
    for relationship in sound_relationships():
        if relationship.connection_model in models:
            yield from check_rows(relationship, alias)
    for model in models:
        try:
            names = undefined_names(model, alias)
        except DatabaseError:
            continue  # Not the table of the model as it is; migrations will tell.
        for name in names:
            yield checks.Warning(
                f"'{model._meta.label}' has connections in the database '{alias}' of "
                f"'{name}', which is not defined.",
                hint="Define the relationship, or delete them.",
                obj=model,
                id="gm2m.W504",
            )


def check_rows(relationship: Relationship, alias: str) -> Iterator[checks.CheckMessage]:
    """Check whether the objects at both ends exist, and rows are where they belong."""
    for side in sides(relationship, alias):
        try:
            counts = side.count_astray(alias)
        except DatabaseError:
            continue  # What cannot be read is not known to be gone.
        name = relationship.name
        command = f"'manage.py connections_doctor {name} --database {alias} --fix'"
        if counts.gone:
            yield checks.Warning(
                f"The relationship '{relationship}' has connections in the database "
                f"'{alias}' whose {side.side!r} object is gone: {counts.gone}.",
                hint=f"Remove them with {command}.",
                obj=name,
                id="gm2m.W503",
            )
        if counts.misspelt:
            yield checks.Warning(
                f"The relationship '{relationship}' has connections in the database "
                f"'{alias}' whose {side.side!r} key is spelled otherwise than the "
                f"library does, so that nobody sees them: {counts.misspelt}.",
                hint=f"Spell them anew with {command}.",
                obj=name,
                id="gm2m.W505",
            )
    for disorder in disorders(relationship, alias):
        try:
            number = disorder.count(alias)
        except DatabaseError:
            continue  # Not the table of the model as it is; migrations will tell.
        if number:
            yield checks.Warning(
                f"The relationship '{relationship}' has in the database '{alias}' "
                f"{disorder.what}: {number}.",
                hint="Put them in order with 'manage.py connections_doctor "
                f"{relationship.name} --database {alias} --fix'.",
                obj=relationship.name,
                id="gm2m.W506",
            )
