"""
Relations found again after a restart.

A relation that nobody declared is known to a process when it first meets a link to
an object of the model. So that deletion and reverse access do not depend on what a
process has met, the links that are in the tables are looked at once per process and
database, when the connection is made, as ``django.contrib.postgres`` does for its
types. ``GM2M_DISCOVER_RELATIONS = False`` turns it off.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError

from .fields import GM2MField

lock = threading.Lock()
#: The aliases that have been looked at.
done: set[str] = set()


def discover(connection: Any, **kwargs: Any) -> None:
    """
    Publish the relations of which the database of `connection` has links: two
    queries. Tables that are missing, as before ``migrate``, are passed over.
    """
    if not getattr(settings, "GM2M_DISCOVER_RELATIONS", True):
        return
    with lock:
        if connection.alias in done:
            return
        done.add(connection.alias)
    try:
        found = find(connection)
    except DatabaseError:
        # The tables are those of another version of the project: a migration is due.
        if not connection.get_autocommit():
            connection.rollback()
        return
    for field, app_label, model_name in found:
        with suppress(LookupError, TypeError):
            model = apps.get_model(app_label, model_name)
            field.check_target_model(model)
            field.relate(model)


def find(connection: Any) -> Iterable[tuple[GM2MField, str, str]]:
    """Return each field with the labels of the models of which it has links."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        fields = [field for field in all_fields() if field.m2m_db_table() in tables]
        if not fields or ContentType._meta.db_table not in tables:
            return []
        cursor.execute(sql_for(fields, connection))
        return [(fields[number], *label) for number, *label in cursor.fetchall()]


def all_fields() -> list[GM2MField]:
    """Return the fields of all installed models."""
    return [
        field
        for model in apps.get_models()
        for field in model._meta.local_many_to_many
        if isinstance(field, GM2MField) and field.is_sound
    ]


def sql_for(fields: list[GM2MField], connection: Any) -> str:
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
