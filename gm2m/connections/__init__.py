"""
Relations that are declared outside both models: the optional app ``gm2m.connections``.

A *relationship* has a name and leads from one model to another; a *connection* is one
row of it. What a reader meets, in this order:

1.  ``relationship``: ``define_relationship()`` and ``Relationship``, with which
    connections are made, removed (``writing``) and read (``reading``); ``definition``
    judges the arguments, ``defined`` knows all names, ``finding`` what there is of an
    object;
2.  ``ends``: what a relationship publishes on its connection model for each end, with
    the joins, lookups and deletion of the field's own relations;
3.  ``models``: ``AbstractConnection`` and ``Connection``, with their ``querysets``;
    ``fields`` and ``objects`` are their ``from_object`` and ``to_object``;
4.  ``graph``: distances, paths and what can be reached; ``searches`` finds them,
    ``neighbours`` asks the database, ``weights`` make some ways cheaper;
5.  ``attached``: accessors on the models themselves, with their ``managers``; and
    ``attached_connections``, with their ``connection_managers``;
6.  ``signals``, ``checks``, ``integrity``, ``disorder``, ``export``, ``admin``,
    template tags and commands.

The public names are looked up on first use: models may be imported only when the app
registry has begun to load them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .defined import RelationshipDoesNotExist, get_relationship
    from .finding import connections_of, relationships
    from .models import AbstractConnection, Connection
    from .relationship import (
        Relationship,
        define_relationship,
        undefine_relationship,
    )
    from .signals import connection_created, connection_removed

__all__ = [
    "AbstractConnection",
    "Connection",
    "Relationship",
    "RelationshipDoesNotExist",
    "connection_created",
    "connection_removed",
    "connections_of",
    "define_relationship",
    "get_relationship",
    "relationships",
    "undefine_relationship",
]

#: The modules of names that are not in ``relationship``.
MODULES = {
    "AbstractConnection": "models",
    "Connection": "models",
    "connection_created": "signals",
    "connection_removed": "signals",
    "connections_of": "finding",
    "relationships": "finding",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        module = MODULES.get(name, "relationship")
        return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
