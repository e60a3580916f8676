"""
Distances, paths and what can be reached: a part of ``Relationship``.

Searches work on keys as connections have them, so that objects are fetched only where
they are the result: ``searches`` has the searches, ``neighbours`` the queries of which
each level takes one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from django.db import connections as databases
from django.db.models import Model, QuerySet

from ..batches import batches
from ..related_managers import async_twin
from .ends import OTHER
from .neighbours import BACKWARDS, BATCH_SIZE, FORWARDS, connections_along, neighbours
from .searches import Found, cheapest_path, shortest_path
from .weights import Weight

#: No search goes further: each level takes a query.
MAX_DEPTH = 1_000_000


class Graph:
    """
    The methods of a relationship that follow connections from object to object: over
    those that fulfil the conditions `characteristics`.
    """

    # A Relationship.
    name: str
    symmetric: bool
    ends: Any
    _rows: Any
    _using: str | None

    def distance_between(
        self,
        from_obj: Any,
        to_obj: Any,
        limit: int | None = 2,
        **characteristics: Any,
    ) -> int | None:
        """
        Return over how many connections the shortest way leads from one object to the
        other: 0 if they are the same, ``None`` if it takes more than `limit`. A limit
        of ``None`` is none.

        No query for the same object, else at most one for each connection of the way
        and 5,000 objects on a level, two where the relationship is symmetric; and a
        few more where both sides have more than 1,000 connections.
        """
        rows = self._rows(from_obj).filter(**characteristics)
        found = self._search(from_obj, to_obj, limit, rows)(())
        return None if found is None else len(found.keys) - 1

    def are_connected(
        self,
        from_obj: Any,
        to_obj: Any,
        limit: int | None = None,
        **characteristics: Any,
    ) -> bool:
        """
        Return whether there is any way from one object to the other, of at most `limit`
        connections. The queries are those of ``distance_between()``.
        """
        rows = self._rows(from_obj).filter(**characteristics)
        return self._search(from_obj, to_obj, limit, rows)(()) is not None

    def path_between(
        self,
        from_obj: Any,
        to_obj: Any,
        limit: int | None = None,
        *,
        connections: bool = False,
        weight: str | None = None,
        **characteristics: Any,
    ) -> Any:
        """
        Return the objects on a shortest way from one object to the other, with both;
        ``None`` if there is no way, or none of at most `limit` connections. It leads
        over objects that the default manager shows.

        With `connections`, return the connections on the way instead of the objects,
        which they have with them. Several connections of one pair are one way; it has
        the oldest.

        With `weight`, the name of a numeric field of the connection model, return a
        cheapest way and its cost, the sum of the weights. Raises ``TypeError`` for a
        name that is none, ``ValueError`` if any of the connections has a negative
        weight or none, wherever it leads.

        The queries of ``distance_between()``, and one for the objects in between; once
        more for each way on which one is gone. One or two for the connections. With
        `weight`, one looks for wrong weights, unless the field takes no others, and
        each level takes one for each 5,000 objects that it adds.
        """
        rows = self._rows(from_obj).filter(**characteristics)
        search = self._search(from_obj, to_obj, limit, rows, weight)
        gone: set[Any] = set()
        while (found := search(gone)) is not None:
            between = found.keys[1:-1]
            objs = self._objects_of(between, from_obj, "to")
            gone.update(key for key in between if key not in objs)
            if not gone.isdisjoint(between):
                continue
            path = [from_obj, *(objs[key] for key in between), to_obj]
            result = path[: len(found.keys)]
            if connections:
                result = connections_along(self, found, path, rows)
            if len(result) >= len(found.keys) - 1:
                return result if weight is None else (result, found.cost)
        return None

    def reachable_from(
        self, from_obj: Any, max_depth: int | None = None, **characteristics: Any
    ) -> dict[Any, int]:
        """
        Return the objects that can be reached from `from_obj`, each with its distance,
        the nearest first. `from_obj` is not among them, nor what takes more than
        `max_depth` connections.

        One query for each level and 5,000 objects on it, two where the relationship is
        symmetric; and one for each 5,000 objects of the result.
        """
        return self._reachable(from_obj, "from", max_depth, characteristics)

    def reachable_to(
        self, to_obj: Any, max_depth: int | None = None, **characteristics: Any
    ) -> dict[Any, int]:
        """
        Return the objects from which `to_obj` can be reached, each with its distance,
        the nearest first. The queries are those of ``reachable_from()``.
        """
        return self._reachable(to_obj, "to", max_depth, characteristics)

    def reachable_ids_from(
        self, from_obj: Any, max_depth: int | None = None, **characteristics: Any
    ) -> dict[Any, int]:
        """
        Return the primary keys of what can be reached from `from_obj`, each with its
        distance, the nearest first: as connections have them, without fetching objects.
        """
        return self._reachable_ids(from_obj, "from", max_depth, characteristics)

    def reachable_ids_to(
        self, to_obj: Any, max_depth: int | None = None, **characteristics: Any
    ) -> dict[Any, int]:
        """
        Return the primary keys of the objects from which `to_obj` can be reached: as
        ``reachable_ids_from()`` does.
        """
        return self._reachable_ids(to_obj, "to", max_depth, characteristics)

    adistance_between = async_twin("distance_between")
    aare_connected = async_twin("are_connected")
    apath_between = async_twin("path_between")
    areachable_from = async_twin("reachable_from")
    areachable_ids_from = async_twin("reachable_ids_from")
    areachable_to = async_twin("reachable_to")
    areachable_ids_to = async_twin("reachable_ids_to")

    # Keys.

    @property
    def is_homogeneous(self) -> bool:
        """Whether both ends are of one model, so that ways may go on."""
        same: bool = self.ends["from"].target is self.ends["to"].target
        return same

    def _search(
        self,
        from_obj: Any,
        to_obj: Any,
        limit: int | None,
        rows: QuerySet[Any],
        weight: str | None = None,
    ) -> Callable[[Collection[Any]], Found | None]:
        """
        Return a function that finds a shortest way, or a cheapest one, over connections
        in `rows`. It avoids the keys that are given to it. Raise an error for what it
        cannot search.
        """
        limit = checked_limit(limit, "limit")
        start = self.ends["from"].value_of(from_obj)
        goal = self.ends["to"].value_of(to_obj)
        goes_on = self.is_homogeneous
        if not goes_on:
            limit = min(limit, 1)
        if weight is not None:
            wanted = Weight(self, weight)
            wanted.check(rows)
            step = neighbours(self, rows, FORWARDS, wanted)

            def cheapest(gone: Collection[Any]) -> Found | None:
                return cheapest_path(start, goal, limit, step, gone, goes_on=goes_on)

            return cheapest
        steps = neighbours(self, rows, FORWARDS), neighbours(self, rows, BACKWARDS)

        def shortest(gone: Collection[Any]) -> Found | None:
            if goes_on:
                return shortest_path(start, goal, limit, *steps, gone)
            found = limit and rows.filter(from_pk=start, to_pk=goal).exists()
            return Found([start, goal]) if found else None

        return shortest

    def _depths_of(
        self,
        obj: Any,
        side: str,
        max_depth: int | None,
        characteristics: dict[str, Any],
    ) -> dict[Any, int]:
        """Return the keys that can be reached, with their distances."""
        limit = checked_limit(max_depth, "max_depth")
        start = self.ends[side].value_of(obj)
        if not self.is_homogeneous:
            limit = min(limit, 1)
        rows = self._rows(obj).filter(**characteristics)
        step = neighbours(self, rows, FORWARDS if side == "from" else BACKWARDS)
        # Keys of the other model are not those of this one.
        depths = {start: 0} if self.is_homogeneous else {}
        level = [start]
        for depth in range(1, limit + 1):
            found = dict.fromkeys(key for _from, key in step(level))
            level = [key for key in found if key not in depths]
            if not level:
                break
            depths.update(dict.fromkeys(level, depth))
        if self.is_homogeneous:
            del depths[start]
        return depths

    # Objects.

    def _reachable(
        self,
        obj: Any,
        side: str,
        max_depth: int | None,
        characteristics: dict[str, Any],
    ) -> dict[Any, int]:
        """Return the objects that can be reached, with their distances."""
        depths = self._depths_of(obj, side, max_depth, characteristics)
        objs = self._objects_of(depths, obj, OTHER[side])
        return {objs[key]: depth for key, depth in depths.items() if key in objs}

    def _reachable_ids(
        self,
        obj: Any,
        side: str,
        max_depth: int | None,
        characteristics: dict[str, Any],
    ) -> dict[Any, int]:
        """Return the keys of these objects, in their own type."""
        depths = self._depths_of(obj, side, max_depth, characteristics)
        natives = self._natives_of(depths, obj, OTHER[side])
        return {natives[key]: depth for key, depth in depths.items() if key in natives}

    def _natives_of(
        self, keys: Iterable[Any], obj: Model, side: str = "to"
    ) -> dict[Any, Any]:
        """Return the primary keys that `keys` of the end `side` stand for."""
        end = self.ends[side]
        if not end.is_text:
            return {key: key for key in keys}
        connection = databases[self._objects_near(obj, side).db]
        return {text: native for native, text in end.key.natives(keys, connection)}

    def _objects_of(self, keys: Iterable[Any], obj: Model, side: str) -> dict[Any, Any]:
        """Return the objects of `keys`, one query for each ``BATCH_SIZE`` of them."""
        end, found = self.ends[side], {}
        for batch in batches(self._natives_of(keys, obj, side).values(), BATCH_SIZE):
            for one in self._objects_near(obj, side).filter(pk__in=batch):
                found[end.value_of(one)] = one
        return found

    def _objects_near(self, obj: Model, side: str) -> Any:
        """Return a queryset of all objects at the end `side`."""
        manager = self.ends[side].given._default_manager
        return manager.db_manager(self._using, hints={"instance": obj}).get_queryset()


def checked_limit(limit: Any, option: str) -> int:
    """Return `limit` as a number, or raise an error that names the `option`."""
    if limit is None:
        return MAX_DEPTH
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise TypeError(f"{option} must be a whole number or None, not {limit!r}.")
    if limit < 0:
        raise ValueError(f"{option} must not be negative; it is {limit!r}.")
    if limit > MAX_DEPTH:
        raise ValueError(
            f"{option} must be at most {MAX_DEPTH:,}, or None for no limit; it is "
            f"{limit!r}."
        )
    return limit
