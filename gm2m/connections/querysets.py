"""The manager of connections, and its querysets."""

from __future__ import annotations

from typing import Any

from django.db.models import Manager, QuerySet

from .defined import RelationshipDoesNotExist, get_relationship


class ConnectionQuerySet(QuerySet[Any]):
    """A queryset of connections."""

    def get_or_create(self, defaults: Any = None, **kwargs: Any) -> tuple[Any, bool]:
        """
        The same as of any queryset. The two objects of a symmetric relationship may be
        given in either order.
        """
        return super().get_or_create(defaults, **in_order(kwargs))


def in_order(values: dict[str, Any]) -> dict[str, Any]:
    """Return `values`, with objects in the order in which their pair is kept."""
    names = ("from_object", "to_object")
    if any(values.get(name) is None for name in names):
        return values
    try:
        relationship = get_relationship(
            values.get("relationship", values.get("relationship_name", ""))
        )
    except RelationshipDoesNotExist:
        return values
    one, two = (values[name] for name in names)
    if relationship.symmetric:
        pair = relationship._pair(one, two)
        if pair[0] != relationship.ends["from"].value_of(one):
            one, two = two, one
    return {**values, "from_object": one, "to_object": two}


ConnectionManager = Manager.from_queryset(ConnectionQuerySet)
