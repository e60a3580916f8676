"""
The methods of relationships that read, as template tags of the same names.

In the example::

    {% load connections %}
    {% connected_objects "star_repo" user as repos %}
    {% distance_between "follow" user other limit=3 as distance %}

The first argument is the name of a relationship or the relationship itself, the others
are those of the method. Nothing in a template writes.

Nobody is connected with anything: for an anonymous user and for ``None`` the tags give
empty querysets, ``False`` and ``None``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from django import template
from django.db.models import Model

from ..defined import get_relationship
from ..relationship import Relationship

register = template.Library()

#: The methods that have a tag.
METHODS = (
    "are_connected",
    "connected_object_ids",
    "connected_objects",
    "connected_to_object_ids",
    "connected_to_objects",
    "connection_exists",
    "connections_from_object",
    "connections_to_object",
    "distance_between",
    "get_connection",
    "mutual",
    "mutual_to",
    "path_between",
    "reachable_from",
    "reachable_to",
)


def nothing(relationship: Relationship) -> None:
    return None


def no_connections(relationship: Relationship) -> Any:
    return relationship.connections.none()


def no_objects(relationship: Relationship) -> Any:
    return relationship.to_model._default_manager.none()


def no_objects_before(relationship: Relationship) -> Any:
    return relationship.from_model._default_manager.none()


#: What the methods return for nobody, if it is not ``None``.
NOTHING: dict[str, Callable[[Relationship], Any]] = {
    "are_connected": lambda relationship: False,
    "connected_object_ids": no_objects,
    "connected_objects": no_objects,
    "connected_to_object_ids": no_objects_before,
    "connected_to_objects": no_objects_before,
    "connection_exists": lambda relationship: False,
    "connections_from_object": no_connections,
    "connections_to_object": no_connections,
    "mutual": no_objects,
    "mutual_to": no_objects_before,
    "reachable_from": lambda relationship: {},
    "reachable_to": lambda relationship: {},
}


def is_nobody(obj: Any) -> bool:
    """Return whether `obj` is ``None`` or an anonymous user."""
    if obj is None:
        return True
    return not isinstance(obj, Model) and getattr(obj, "is_anonymous", False) is True


@register.simple_tag
def connections(relationship: str | Relationship) -> Any:
    """All connections of a relationship."""
    return get_relationship(relationship).connections


def object_count(method: str) -> int | None:
    """Return how many objects the method takes first, ``None`` for any number."""
    names = inspect.signature(getattr(Relationship, method)).parameters
    if "from_objs" in names or "to_objs" in names:
        return None
    return sum(name in ("from_obj", "to_obj") for name in names)


def add_tag(method: str) -> None:
    """Register the tag that calls `method`."""
    count = object_count(method)

    def tag(relationship: str | Relationship, *args: Any, **options: Any) -> Any:
        found = get_relationship(relationship)
        objs = [*args[:count], options.get("from_obj", ""), options.get("to_obj", "")]
        if any(is_nobody(obj) for obj in objs):
            return NOTHING.get(method, nothing)(found)
        return getattr(found, method)(*args, **options)

    tag.__doc__ = getattr(Relationship, method).__doc__
    register.simple_tag(tag, name=method)


for _method in METHODS:
    add_tag(_method)
