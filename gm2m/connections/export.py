"""
The connections of a relationship for other programs: ``export()``.

Nodes are the primary keys of objects; where the two ends are of different models, text
such as ``"auth.User:5"``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections as databases
from django.db.models import QuerySet

from ..batches import batches
from .defined import get_relationship
from .relationship import Relationship

#: As many connections are read at once.
BATCH_SIZE = 2_000
#: The columns that are no characteristics.
IDENTITY = ("relationship_name", "from_pk", "to_pk")
#: What edges have of their own in JSON.
RESERVED = ("source", "target", "key")


def export(
    relationship: str | Relationship, format: str = "json", **characteristics: Any
) -> Any:
    """
    Return the connections of a relationship, those that fulfil the conditions
    `characteristics`, in a `format`:

    - ``"dot"``, for Graphviz: an iterator of text;
    - ``"json"``, the node-link form that networkx and D3 read: an iterator of text;
    - ``"networkx"``: a graph, with several edges for a pair if it may be connected
      several times. This needs networkx.

    The characteristics of connections are attributes of edges. Text comes as it is
    read, so that it can be the content of a ``StreamingHttpResponse``; a graph is in
    memory.

    One query, for JSON one or two more for the nodes. Raises ``ValueError`` for another
    format.
    """
    found = FORMATS.get(format)
    if found is None:
        raise ValueError(
            f"There is no format {format!r} to export connections in. Choose one of "
            f"{', '.join(map(repr, FORMATS))}."
        )
    return found(Edges(get_relationship(relationship), characteristics))


class Edge(NamedTuple):
    """A connection: two nodes and characteristics."""

    one: Any
    two: Any
    values: dict[str, Any]


class Edges:
    """The connections of a relationship, as edges of a graph."""

    def __init__(self, relationship: Any, characteristics: dict[str, Any]) -> None:
        self.relationship = relationship
        self.rows: QuerySet[Any] = relationship.connections.filter(**characteristics)
        self.names = [
            field.attname
            for field in relationship.connection_model._meta.concrete_fields
            if field.name not in IDENTITY and not field.primary_key
        ]

    def __iter__(self) -> Iterator[Edge]:
        columns = ("from_pk", "to_pk", *self.names)
        rows = self.rows.order_by("pk").values_list(*columns)
        for batch in batches(rows.iterator(chunk_size=BATCH_SIZE), BATCH_SIZE):
            ones = self.nodes_of("from", [row[0] for row in batch])
            others = self.nodes_of("to", [row[1] for row in batch])
            for one, two, *values in batch:
                named = dict(zip(self.names, values, strict=True))
                yield Edge(ones[one], others[two], named)

    def nodes(self) -> Iterator[Any]:
        """Yield each node once."""
        one, two = (
            self.rows.order_by().values_list(f"{side}_pk", flat=True)
            for side in ("from", "to")
        )
        parts = {"from": one.union(two)}
        if not self.relationship.is_homogeneous:
            parts = {"from": one.distinct(), "to": two.distinct()}
        for side, keys in parts.items():
            for batch in batches(keys.iterator(chunk_size=BATCH_SIZE), BATCH_SIZE):
                yield from self.nodes_of(side, batch).values()

    def nodes_of(self, side: str, keys: Iterable[Any]) -> dict[Any, Any]:
        """Return the nodes of `keys`, as connections have them at the end `side`."""
        end = self.relationship.ends[side]
        found = {key: key for key in keys}
        if end.is_text:
            # What is no key stays as it is.
            natives = end.key.natives(found, databases[self.rows.db])
            found.update({text: native for native, text in natives})
        if self.relationship.is_homogeneous:
            return found
        label = end.target._meta.label
        return {key: f"{label}:{native}" for key, native in found.items()}


def dot(edges: Edges) -> Iterator[str]:
    """Yield a graph in the language of Graphviz."""
    symmetric = edges.relationship.symmetric
    kind, arrow = ("graph", "--") if symmetric else ("digraph", "->")

    def lines() -> Iterator[str]:
        yield f"{kind} {quoted(edges.relationship.name)} {{\n"
        for one, two, values in edges:
            attributes = ", ".join(
                f"{quoted(name)}={quoted(value)}"
                for name, value in values.items()
                if value is not None
            )
            yield f"  {quoted(one)} {arrow} {quoted(two)} [{attributes}];\n"
        yield "}\n"

    return lines()


def quoted(value: Any) -> str:
    """Return text that is one word to Graphviz, whatever is in it."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def as_json(edges: Edges) -> Iterator[str]:
    """Yield a graph in the node-link form."""
    relationship = edges.relationship
    for name in edges.names:
        if name in RESERVED:
            raise ValueError(
                f"The relationship {relationship}: its characteristic {name!r} cannot "
                "be exported as JSON, where edges have something else of that name. "
                'Choose the format "dot" or "networkx".'
            )
    head = {
        "directed": not relationship.symmetric,
        "multigraph": not relationship.is_unique,
        "graph": {"name": relationship.name},
    }

    def parts() -> Iterator[str]:
        yield f'{json.dumps(head)[:-1]}, "edges": ['
        separator = "\n"
        for one, two, values in edges:
            edge = {"source": one, "target": two, **values}
            yield separator + json.dumps(edge, cls=Encoder)
            separator = ",\n"
        yield '\n], "nodes": ['
        separator = "\n"
        for node in edges.nodes():
            yield separator + json.dumps({"id": node}, cls=Encoder)
            separator = ",\n"
        yield "\n]}\n"

    return parts()


class Encoder(DjangoJSONEncoder):
    """Writes what JSON has no form for as text."""

    def default(self, o: Any) -> Any:
        try:
            return super().default(o)
        except TypeError:
            return str(o)


def as_graph(edges: Edges) -> Any:
    """Return a graph of networkx."""
    import networkx  # type: ignore[import-untyped]

    relationship = edges.relationship
    kinds = {
        (False, True): networkx.DiGraph,
        (False, False): networkx.MultiDiGraph,
        (True, True): networkx.Graph,
        (True, False): networkx.MultiGraph,
    }
    kind = kinds[relationship.symmetric, relationship.is_unique]
    graph = kind(name=relationship.name)
    graph.add_edges_from(edges)
    return graph


FORMATS = {"dot": dot, "json": as_json, "networkx": as_graph}
