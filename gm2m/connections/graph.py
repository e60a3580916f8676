"""
Distances, paths and what can be reached: a part of ``Relationship``.

A search goes from level to level. Each asks for the neighbours of all objects of the
level before, in one query for each ``BATCH_SIZE`` of them, and never for an object that
it has seen; between two objects it goes from both sides, always on from the smaller
one. It works on keys as connections have them, so that objects are fetched only where
they are the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db import connections as databases
from django.db.models import F, Model, Q

from ..batches import batches
from ..lookups import KeyAmong
from ..related_managers import async_twin

#: The neighbours of as many objects are asked for in one query.
BATCH_SIZE = 5_000
#: No search goes further: each level takes a query.
MAX_DEPTH = 1_000_000

#: Yields, for keys, each with the key of one of its neighbours.
Step = Callable[[list[Any]], Iterator[tuple[Any, Any]]]


class Graph:
    """The methods of a relationship that follow connections from object to object."""

    # A Relationship.
    name: str
    symmetric: bool
    ends: Any
    _rows: Any
    _using: str | None

    def distance_between(
        self, from_obj: Any, to_obj: Any, limit: int | None = 2
    ) -> int | None:
        """
        Return over how many connections the shortest way leads from one object to the
        other: 0 if they are the same, ``None`` if it takes more than `limit`. A limit
        of ``None`` is none.

        No query for the same object, else at most one for each connection of the way
        and 5,000 objects on a level; two where the relationship is symmetric.
        """
        found = self._keys_between(from_obj, to_obj, limit, ())
        return None if found is None else len(found) - 1

    def are_connected(
        self, from_obj: Any, to_obj: Any, limit: int | None = None
    ) -> bool:
        """
        Return whether there is any way from one object to the other, of at most `limit`
        connections. The queries are those of ``distance_between()``.
        """
        return self._keys_between(from_obj, to_obj, limit, ()) is not None

    def path_between(
        self, from_obj: Any, to_obj: Any, limit: int | None = None
    ) -> list[Any] | None:
        """
        Return the objects on a shortest way from one object to the other, with both;
        ``None`` if there is no way, or none of at most `limit` connections. It leads
        over objects that the default manager shows.

        The queries of ``distance_between()``, and one for the objects in between; once
        more for each way on which one is gone.
        """
        gone: set[Any] = set()
        while True:
            keys = self._keys_between(from_obj, to_obj, limit, gone)
            if keys is None:
                return None
            if len(keys) == 1:
                return [from_obj]
            between = keys[1:-1]
            objs = self._objects_of(between, from_obj)
            missing = [key for key in between if key not in objs]
            if not missing:
                return [from_obj, *(objs[key] for key in between), to_obj]
            gone.update(missing)

    def reachable_from(
        self, from_obj: Any, max_depth: int | None = None
    ) -> dict[Any, int]:
        """
        Return the objects that can be reached from `from_obj`, each with its distance,
        the nearest first. `from_obj` is not among them, nor what takes more than
        `max_depth` connections.

        One query for each level and 5,000 objects on it, two where the relationship is
        symmetric; and one for each 5,000 objects of the result.
        """
        depths = self._depths_from(from_obj, max_depth)
        objs = self._objects_of(depths, from_obj)
        return {objs[key]: depth for key, depth in depths.items() if key in objs}

    def reachable_ids_from(
        self, from_obj: Any, max_depth: int | None = None
    ) -> dict[Any, int]:
        """
        Return the primary keys of what can be reached from `from_obj`, each with its
        distance, the nearest first: as connections have them, without fetching objects.
        """
        depths = self._depths_from(from_obj, max_depth)
        natives = self._natives_of(depths, from_obj)
        return {natives[key]: depth for key, depth in depths.items() if key in natives}

    adistance_between = async_twin("distance_between")
    aare_connected = async_twin("are_connected")
    apath_between = async_twin("path_between")
    areachable_from = async_twin("reachable_from")
    areachable_ids_from = async_twin("reachable_ids_from")

    # Keys.

    @property
    def is_homogeneous(self) -> bool:
        """Whether both ends are of one model, so that ways may go on."""
        same: bool = self.ends["from"].target is self.ends["to"].target
        return same

    def _keys_between(
        self, from_obj: Any, to_obj: Any, limit: int | None, gone: Iterable[Any]
    ) -> list[Any] | None:
        """Return the keys on a shortest way that avoids those that are `gone`."""
        limit = checked_limit(limit, "limit")
        start = self.ends["from"].value_of(from_obj)
        goal = self.ends["to"].value_of(to_obj)
        if not self.is_homogeneous:
            if (
                limit == 0
                or not self._rows(from_obj).filter(from_pk=start, to_pk=goal).exists()
            ):
                return None
            return [start, goal]
        return shortest_path(
            start,
            goal,
            limit,
            self._step(from_obj, forwards=True),
            self._step(from_obj, forwards=False),
            gone,
        )

    def _depths_from(self, obj: Any, max_depth: int | None) -> dict[Any, int]:
        """Return the keys that can be reached, with their distances."""
        limit = checked_limit(max_depth, "max_depth")
        start = self.ends["from"].value_of(obj)
        if not self.is_homogeneous:
            limit = min(limit, 1)
        step = self._step(obj, forwards=True)
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

    def _step(self, obj: Model, *, forwards: bool) -> Step:
        """Return a function that finds the neighbours of keys, in batches."""
        here, there = ("from_pk", "to_pk") if forwards else ("to_pk", "from_pk")
        ways = [(here, there), (there, here)] if self.symmetric else [(here, there)]
        rows = self._rows(obj).order_by()

        def neighbours(keys: list[Any]) -> Iterator[tuple[Any, Any]]:
            for batch in batches(keys, BATCH_SIZE):
                for mine, yours in ways:
                    found = rows.filter(Q(KeyAmong(F(mine), batch)))
                    yield from found.values_list(mine, yours)

        return neighbours

    # Objects.

    def _natives_of(self, keys: Iterable[Any], obj: Model) -> dict[Any, Any]:
        """Return the primary keys that `keys` of the end ``"to"`` stand for."""
        end = self.ends["to"]
        if not end.is_text:
            return {key: key for key in keys}
        connection = databases[self._objects_near(obj).db]
        return {text: native for native, text in end.key.natives(keys, connection)}

    def _objects_of(self, keys: Iterable[Any], obj: Model) -> dict[Any, Any]:
        """Return the objects of `keys`, one query for each ``BATCH_SIZE`` of them."""
        end, found = self.ends["to"], {}
        for batch in batches(self._natives_of(keys, obj).values(), BATCH_SIZE):
            for one in self._objects_near(obj).filter(pk__in=batch):
                found[end.value_of(one)] = one
        return found

    def _objects_near(self, obj: Model) -> Any:
        """Return a queryset of all objects at the end ``"to"``."""
        manager = self.ends["to"].given._default_manager
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


def shortest_path(
    start: Any,
    goal: Any,
    limit: int,
    forwards: Step,
    backwards: Step,
    gone: Iterable[Any] = (),
) -> list[Any] | None:
    """
    Return the keys on a shortest way from `start` to `goal`, ``None`` if there is none
    of at most `limit` steps.

    After each level from either side, all ways of up to as many steps as levels have
    been found. So the first key that both sides have seen is on a shortest one.
    """
    if start == goal:
        return [start]
    seen = dict.fromkeys(gone)
    # Each key with the one from which it was reached.
    before, after = {**seen, start: None}, {**seen, goal: None}
    near, far = [start], [goal]
    for _ in range(limit):
        if len(near) <= len(far):
            near = level(near, forwards, before)
            level_keys, others = near, after
        else:
            far = level(far, backwards, after)
            level_keys, others = far, before
        if not level_keys:
            return None
        for key in level_keys:
            if key in others:
                return [*reversed(walk(key, before)), *walk(key, after)[1:]]
    return None


def level(keys: list[Any], step: Step, reached: dict[Any, Any]) -> list[Any]:
    """Return the neighbours of `keys` that were not `reached` yet, and note them."""
    found = []
    for key, neighbour in step(keys):
        if neighbour not in reached:
            reached[neighbour] = key
            found.append(neighbour)
    return found


def walk(key: Any, reached: dict[Any, Any]) -> list[Any]:
    """Return `key` and those over which it was reached, back to the first."""
    keys = []
    while key is not None:
        keys.append(key)
        key = reached[key]
    return keys
