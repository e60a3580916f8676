"""The queries that searches make: for the connections of the keys on a level."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice, pairwise
from typing import Any

from django.db.models import F, Q, QuerySet

from ..batches import batches
from ..lookups import KeyAmong
from .searches import Found, Step
from .weights import Weight

#: The neighbours of as many objects are asked for in one query.
BATCH_SIZE = 5_000
#: The columns from which a connection leads and to which.
FORWARDS, BACKWARDS = ("from_pk", "to_pk"), ("to_pk", "from_pk")


def neighbours(
    relationship: Any,
    rows: QuerySet[Any],
    way: tuple[str, str],
    weight: Weight | None = None,
) -> Step:
    """
    Return a function that finds the neighbours of keys over the connections `rows`;
    with `weight`, these connections and their weights, too.
    """
    ways = [way, way[::-1]] if relationship.symmetric else [way]
    rows = rows.order_by()

    def edges(
        keys: Collection[Any], at_most: int | None, among: Collection[Any] | None
    ) -> Iterator[tuple[Any, ...]]:
        for batch in batches(keys, BATCH_SIZE):
            for mine, yours in ways:
                found = rows.filter(Q(KeyAmong(F(mine), batch)))
                if among is not None:
                    found = found.filter(Q(KeyAmong(F(yours), list(among))))
                columns = (
                    (mine, yours)
                    if weight is None
                    else (mine, yours, "pk", weight.name)
                )
                yield from found.values_list(*columns)[:at_most]

    def step(
        keys: Collection[Any],
        at_most: int | None = None,
        among: Collection[Any] | None = None,
        /,
    ) -> Iterator[tuple[Any, ...]]:
        found = islice(edges(keys, at_most, among), at_most)
        return found if weight is None else weight.checked(found)

    return step


def connections_along(
    relationship: Any, found: Found, path: list[Any], rows: QuerySet[Any]
) -> list[Any]:
    """
    Return the connections on the way `found`, with the objects of its `path`; fewer if
    one has been removed since.
    """
    pairs = list(pairwise(found.keys))
    if found.connections is None:
        fetched = connections_of_pairs(relationship, pairs, rows)
    else:
        fetched = (
            row
            for pks in batches(found.connections, BATCH_SIZE)
            for row in rows.filter(pk__in=pks)
        )
    by_pair = {(row.from_pk, row.to_pk): row for row in fetched}
    result = []
    for pair, objs in zip(pairs, pairwise(path), strict=False):
        row = by_pair.get(pair)
        if row is None and relationship.symmetric:
            row, objs = by_pair.get(pair[::-1]), objs[::-1]
        if row is not None:
            row._keep(dict(zip(("from", "to"), objs, strict=True)))
            result.append(row)
    return result


def connections_of_pairs(
    relationship: Any, pairs: list[tuple[Any, Any]], rows: QuerySet[Any]
) -> Iterator[Any]:
    """Yield those of `pairs`, perhaps some more; of several, the oldest last."""
    rows = rows.order_by("-pk")
    ways = [FORWARDS, BACKWARDS] if relationship.symmetric else [FORWARDS]
    for some in batches(pairs, BATCH_SIZE):
        ones, others = map(list, zip(*some, strict=True))
        for mine, yours in ways:
            yield from rows.filter(
                Q(KeyAmong(F(mine), ones)), Q(KeyAmong(F(yours), others))
            )
