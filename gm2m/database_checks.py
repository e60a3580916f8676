"""
System checks of what is in the databases.

Django makes such checks where a database is named, in ``check --database`` and in
``migrate``, and not at the start of every command.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import DatabaseError, connections, router

from .discovery import all_fields
from .fields import GM2MField
from .indexes import missing_indexes
from .integrity import (
    has_columns,
    has_migrations_to_come,
    linked_models,
    tables_among,
)
from .key_columns import is_fit, key_column

#: How a table gets the indexes that it lacks.
REMEDY = "Run gm2m.operations.UpgradeGM2MIndexes in a migration."


def check_databases(
    app_configs: Iterable[AppConfig] | None,
    databases: Iterable[str] | None,
    **kwargs: Any,
) -> list[checks.CheckMessage]:
    """Return what is wrong with the tables of all fields, or of those of some apps."""
    labels = None if app_configs is None else {app.label for app in app_configs}
    fields = [
        field
        for field in all_fields()
        if labels is None or field.model._meta.app_label in labels
    ]
    return [
        message
        for alias in databases or ()
        for message in check_fields(fields, connections[alias])
    ]


def check_fields(
    fields: Iterable[GM2MField], connection: Any
) -> Iterator[checks.CheckMessage]:
    """
    Yield what is wrong with the tables of `fields` and their rows, unless they are
    about to be migrated: Django checks a database just before.
    """
    here = [
        field
        for field in fields
        if router.allow_migrate_model(connection.alias, field.remote_field.through)
    ]
    to_come: dict[str, bool] = {}
    for field in tables_among(here, connection):
        label = field.remote_field.through._meta.app_label
        if label not in to_come:
            to_come[label] = has_migrations_to_come(label, connection)
        if not to_come[label] and has_columns(field, connection):
            yield from check_table(field, connection)
            yield from check_rows(field, connection)


def check_rows(field: GM2MField, connection: Any) -> Iterator[checks.CheckMessage]:
    """Check the models and the targets of the links."""
    alias = connection.alias
    for linked in linked_models([field], connection):
        if linked.model is None:
            continue
        if not linked.is_declared:
            yield checks.Warning(
                f"{field} has links in the database '{alias}' to objects of "
                f"'{linked.label}', which is not declared.",
                hint="Name the model in the field: a process that has not met a link "
                "to it has no reverse relation, and does not cascade.",
                obj=field,
                id="gm2m.W302",
            )
        try:
            counts = linked.count_astray(alias)
        except DatabaseError:
            continue  # What cannot be read is not known to be gone.
        command = f"'manage.py gm2m_doctor {field} --database {alias} --fix'"
        if counts.gone:
            yield checks.Warning(
                f"{field} has links in the database '{alias}' to objects of "
                f"'{linked.label}' that are gone: {counts.gone}.",
                hint=f"Remove them with {command}.",
                obj=field,
                id="gm2m.W303",
            )
        if counts.misspelt:
            yield checks.Warning(
                f"{field} has links in the database '{alias}' to objects of "
                f"'{linked.label}' whose keys are spelled otherwise than the library "
                f"does, so that nobody sees them: {counts.misspelt}.",
                hint=f"Spell them anew with {command}.",
                obj=field,
                id="gm2m.W307",
            )


def check_table(field: GM2MField, connection: Any) -> Iterator[checks.CheckMessage]:
    """Check the table of an automatic through model."""
    if not field.links.is_automatic:
        return
    alias, table = connection.alias, field.m2m_db_table()
    column = key_column(field, connection)
    wanted = field.pk_maxlength
    if column is not None and not is_fit(column, wanted, connection):
        place = f"the key column of the table '{table}' in the database '{alias}'"
        if column.length is None:
            message = (
                f"{field} keeps keys as text, and {place} is of the type {column.sql}."
            )
        else:
            message = (
                f"{field} has pk_maxlength={wanted}, and {place} holds {column.length} "
                "characters."
            )
        yield checks.Warning(
            message,
            hint="Migrate; if no migration alters the field, run "
            "gm2m.operations.AlterGM2MField in one.",
            obj=field,
            id="gm2m.W304",
        )
        if column.length is None:
            return  # It is the column that will have indexes.
    for columns, is_unique in missing_indexes(field, connection):
        place = f"on the columns {columns} of the table '{table}' in '{alias}'"
        if is_unique:
            yield checks.Warning(
                f"{field} has no unique constraint {place}.",
                hint=f"Add it: a link could be there twice. {REMEDY}",
                obj=field,
                id="gm2m.W304",
            )
        else:
            yield checks.Warning(
                f"{field} has no index {place}.",
                hint="Add it: without it, access from a target reads all the links "
                f"to its model. {REMEDY}",
                obj=field,
                id="gm2m.W304",
            )
