"""
What the database says of connections: which of them lead to objects that are gone, and
which have keys that are spelled otherwise. For the checks of a database, and for the
command that mends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps
from django.db import router, transaction
from django.db.models import QuerySet

from ..batches import spans
from ..integrity import ROWS_AT_ONCE
from ..spelling import Counts, Respelled, Spelling, respell
from .defined import relationships
from .models import AbstractConnection, Connection

if TYPE_CHECKING:
    from .ends import End
    from .relationship import Relationship


KEYS = ("from_pk", "to_pk")


class Side(NamedTuple):
    """One end of the connections of a relationship."""

    relationship: Relationship
    side: str

    @property
    def end(self) -> End:
        return self.relationship.ends[self.side]

    @property
    def label(self) -> str:
        """The model of the objects at this end."""
        label: str = self.end.target._meta.label
        return label

    def rows(self, using: str) -> QuerySet[Any]:
        """Return the rows of the connection model, of whatever relationship."""
        rows: QuerySet[Any] = self.end.through._base_manager.using(using)
        return rows

    def connections(self, using: str, **span: Any) -> QuerySet[Any]:
        """Return the connections, as far as their keys fulfil the conditions `span`."""
        name = self.relationship.name
        return self.rows(using).filter(relationship_name=name, **span)

    def spelling(self, using: str) -> Spelling:
        """
        Return what tells connections whose object is gone from those whose key is
        misspelt: what exists are all objects of the model's base manager.
        """
        return Spelling(self.end, self.end.target._base_manager.using(using))

    def count_astray(self, using: str) -> Counts:
        """Count those that lead nowhere. Raise ``DatabaseError`` without the tables."""
        parts = (
            self.connections(using, **span)
            for span in spans(self.rows(using), ROWS_AT_ONCE)
        )
        with transaction.atomic(using):
            return self.spelling(using).count(self.connections(using), parts)

    def respell(self, connections: QuerySet[Any], using: str) -> Respelled:
        """
        Spell the keys of some of the connections anew, of symmetric ones at both ends.
        One goes if the same objects are connected already, unless it has
        characteristics.
        """
        relationship = self.relationship
        new: dict[Any, dict[str, Any]] = {}
        for side in relationship.ends if relationship.symmetric else [self.side]:
            spelling = Side(relationship, side).spelling(using)
            for misspelt in spelling.misspelt(connections):
                new.setdefault(misspelt.pk, {})[f"{side}_pk"] = misspelt.key
        changes = {}
        for row in connections.filter(pk__in=list(new)).values("pk", *KEYS):
            row.update(new[row["pk"]])
            # Symmetric pairs have an order, by their keys.
            pair = relationship._canonical((row["from_pk"], row["to_pk"]))
            changes[row["pk"]] = dict(zip(KEYS, pair, strict=True))
        return respell(
            self.rows(using),
            changes,
            ["relationship_name", *KEYS],
            remove_duplicates=self.end.through is Connection,
        )


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


def sides(relationship: Relationship, using: str) -> Iterator[Side]:
    """Yield both ends of a relationship, as far as the database is to have them."""
    for side, end in relationship.ends.items():
        if is_kept_in(end, using):
            yield Side(relationship, side)


def connection_models() -> list[type[AbstractConnection]]:
    """Return the installed models of connections."""
    return [
        model for model in apps.get_models() if issubclass(model, AbstractConnection)
    ]


def undefined_names(model: type[AbstractConnection], using: str) -> list[str]:
    """Return the names in the table of `model` that no relationship has."""
    defined = {one.name for one in sound_relationships()}
    rows = model._base_manager.using(using).order_by("relationship_name")
    with transaction.atomic(using):
        names = rows.values_list("relationship_name", flat=True).distinct()
        return [name for name in names if name not in defined]
