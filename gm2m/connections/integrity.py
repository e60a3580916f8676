"""
What the database says of connections: which of them lead to objects that are gone. For
the checks of a database, and for the command that mends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps
from django.db import router, transaction
from django.db.models import QuerySet

from ..targets import is_among
from .defined import relationships
from .models import AbstractConnection

if TYPE_CHECKING:
    from .ends import End
    from .relationship import Relationship


class Dangling(NamedTuple):
    """Connections of a relationship whose object at one end is gone."""

    relationship: Relationship
    side: str
    label: str

    def rows(self, using: str) -> QuerySet[Any]:
        """
        Return the connections: their object is not among those of its model's base
        manager, which hides none.
        """
        end = self.relationship.ends[self.side]
        rows: QuerySet[Any] = end.through._base_manager.using(using)
        return rows.filter(
            ~is_among(end, end.target._base_manager.using(using)),
            relationship_name=self.relationship.name,
        )

    def count(self, using: str) -> int:
        """Return how many there are. Raise ``DatabaseError`` if tables are missing."""
        with transaction.atomic(using):
            return self.rows(using).count()


def is_kept_in(end: End, using: str) -> bool:
    """Return whether connections and objects are in the database, by the routers."""
    connection = end.through()
    connection._state.db = using
    return all(
        router.allow_migrate_model(using, model) for model in (end.through, end.target)
    ) and using in (
        router.db_for_read(end.target, instance=connection),
        router.db_for_write(end.target, instance=connection),
    )


def sound_relationships() -> list[Relationship]:
    """Return the relationships that can be used, in the order of their names."""
    found = [one for one in relationships.values() if one.is_ready]
    return sorted(found, key=lambda one: one.name)


def dangling(relationship: Relationship, using: str) -> Iterator[Dangling]:
    """Yield both ends of a relationship, as far as the database is to have them."""
    for side, end in relationship.ends.items():
        if is_kept_in(end, using):
            yield Dangling(relationship, side, end.target._meta.label)


def connection_models() -> list[type[AbstractConnection]]:
    """Return the installed models of connections."""
    return [
        model for model in apps.get_models() if issubclass(model, AbstractConnection)
    ]


def undefined_names(model: type[AbstractConnection], using: str) -> list[str]:
    """Return the names in the table of `model` that no relationship on it has."""
    defined = {
        one.name for one in sound_relationships() if one.connection_model is model
    }
    rows = model._base_manager.using(using).order_by("relationship_name")
    with transaction.atomic(using):
        names = rows.values_list("relationship_name", flat=True).distinct()
        return [name for name in names if name not in defined]
