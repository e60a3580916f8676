"""
The methods of relationships that read, as template tags of the same names.

In the example::

    {% load connections %}
    {% connected_objects "star_repo" user as repos %}
    {% distance_between "follow" user other limit=3 as distance %}

The first argument is the name of a relationship or the relationship itself, the others
are those of the method. Nothing in a template writes.
"""

from __future__ import annotations

from typing import Any

from django import template

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
    "path_between",
    "reachable_from",
)


@register.simple_tag
def connections(relationship: str | Relationship) -> Any:
    """All connections of a relationship."""
    return get_relationship(relationship).connections


def add_tag(method: str) -> None:
    """Register the tag that calls `method`."""

    def tag(relationship: str | Relationship, *args: Any, **options: Any) -> Any:
        return getattr(get_relationship(relationship), method)(*args, **options)

    tag.__doc__ = getattr(Relationship, method).__doc__
    register.simple_tag(tag, name=method)


for _method in METHODS:
    add_tag(_method)
