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
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError

from .fields import GM2MField
from .integrity import linked_models, tables_among

#: By the alias: threads wait for the one that looks first. Looking may connect again.
locks: dict[str, threading.RLock] = {}
#: The aliases that have been looked at.
done: set[str] = set()


def discover(connection: Any, **kwargs: Any) -> None:
    """
    Publish the relations of which the database of `connection` has links: one query
    for the tables, and one for each eight fields. Tables that are missing, as before
    ``migrate``, are passed over.
    """
    if not getattr(settings, "GM2M_DISCOVER_RELATIONS", True):
        return
    with locks.setdefault(connection.alias, threading.RLock()):
        if connection.alias not in done:
            done.add(connection.alias)
            look(connection)


def look(connection: Any) -> None:
    try:
        fields = tables_among(all_fields(), connection)
        found = linked_models(fields, connection)
    except DatabaseError:
        # The tables are those of another version of the project: a migration is due.
        if not connection.get_autocommit():
            connection.rollback()
        return
    for linked in found:
        if linked.model is not None:
            linked.field.relate(linked.model)


def all_fields() -> list[GM2MField]:
    """Return the fields of all installed models."""
    return [
        field
        for model in apps.get_models()
        for field in model._meta.local_many_to_many
        if isinstance(field, GM2MField) and field.is_sound
    ]
