"""Which relationships there are, and which of them have connections of an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Model, Q, QuerySet

from .defined import relationships as defined

if TYPE_CHECKING:
    from .relationship import Relationship


def relationships() -> list[Relationship]:
    """Return the relationships that are defined, in the order of their names."""
    return sorted(defined.values(), key=lambda relationship: relationship.name)


def connections_of(obj: Any) -> dict[Relationship, QuerySet[Any]]:
    """
    Return the relationships that have connections of `obj`, at whichever end, in the
    order of their names; each with a queryset of these connections. One query for each
    connection model that may have some.

    Raises ``TypeError`` for what is no object of a model, and ``ValueError`` for one
    that is not saved.
    """
    if not isinstance(obj, Model) or isinstance(obj, type):
        raise TypeError(
            f"Connections are those of an object of a model, not of {obj!r}."
        )
    if obj._state.adding:
        raise ValueError(
            f"Connections are those of saved objects: {obj!r} is not saved."
        )
    conditions = {
        relationship: condition
        for relationship in relationships()
        if relationship.is_ready and (condition := at_either_end(relationship, obj))
    }
    found: dict[Relationship, QuerySet[Any]] = {}
    by_model: dict[Any, list[Relationship]] = {}
    for relationship in conditions:
        by_model.setdefault(relationship.connection_model, []).append(relationship)
    for model, some in by_model.items():
        manager = model._default_manager.db_manager(hints={"instance": obj})
        any_of_them = Q(*(conditions[one] for one in some), _connector=Q.OR)
        names = manager.filter(any_of_them).order_by()
        present = set(names.values_list("relationship_name", flat=True).distinct())
        found |= {
            one: manager.filter(conditions[one]) for one in some if one.name in present
        }
    return {one: found[one] for one in conditions if one in found}


def at_either_end(relationship: Relationship, obj: Model) -> Q:
    """Return the condition on connections with `obj`, an empty one if none can be."""
    condition = Q()
    for side, end in relationship.ends.items():
        if isinstance(obj, end.target):
            key = {f"{side}_pk": end.value_of(obj)}
            condition |= Q(relationship_name=relationship.name, **key)
    return condition
