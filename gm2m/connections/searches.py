"""
Searches on keys, level by level: what ``Relationship`` asks of a graph.

How neighbours are found is not known here. A ``Step`` is asked for those of all keys of
a level at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

#: So many connections of a level are read to see whether it is the smaller one.
FEW = 1_000
#: If both levels have more, that number grows by this factor.
GROWTH = 8


class Step(Protocol):
    """
    Yields each connection of `keys` as the key, that of its neighbour and whatever else
    the search needs; if told, `at_most` so many, and those with neighbours `among`
    these alone.
    """

    def __call__(
        self,
        keys: Collection[Any],
        at_most: int | None = None,
        among: Collection[Any] | None = None,
        /,
    ) -> Iterator[tuple[Any, ...]]: ...


class Side:
    """One of the two sides from which ``shortest_path()`` searches."""

    def __init__(self, key: Any, step: Step, gone: Iterable[Any]) -> None:
        #: The keys of the last level, in order.
        self.keys: dict[Any, None] = {key: None}
        self.step = step
        #: Each key that was seen, with the one from which it was reached.
        self.reached: dict[Any, Any] = {**dict.fromkeys(gone), key: None}

    def advance(self, edges: Iterable[tuple[Any, ...]]) -> None:
        """Go on to the next level, over all the connections of this one."""
        self.keys = {}
        for key, neighbour in edges:
            if neighbour not in self.reached:
                self.reached[neighbour] = key
                self.keys[neighbour] = None

    def walk(self, key: Any) -> list[Any]:
        """Return `key` and those over which it was reached, back to the first."""
        keys = []
        while key is not None:
            keys.append(key)
            key = self.reached[key]
        return keys


def shortest_path(
    start: Any,
    goal: Any,
    limit: int,
    forwards: Step,
    backwards: Step,
    gone: Collection[Any] = (),
) -> Found | None:
    """
    Return the keys on a shortest way from `start` to `goal`, ``None`` if there is none
    of at most `limit` steps.

    After each level from either side, all ways of up to as many steps as levels have
    been found. So the first key that both sides have seen is on a shortest one.
    """
    if start == goal:
        return Found([start])
    near, far = Side(start, forwards, gone), Side(goal, backwards, gone)
    for _ in range(limit):
        side, edges = smaller(near, far)
        other = far if side is near else near
        side.advance(edges)
        if not side.keys:
            return None
        for key in side.keys:
            if key in other.reached:
                return Found([*reversed(near.walk(key)), *far.walk(key)[1:]])
    return None


def smaller(near: Side, far: Side) -> tuple[Side, list[tuple[Any, ...]]]:
    """
    Return the side whose level has fewer connections, with these; or with one of them
    that ends the search.

    One object may have more connections than a thousand others. So neither side is read
    to the end before the other has shown that it has as many; and where both have many,
    it is asked whether one leads from here to there.
    """
    sides = sorted((near, far), key=lambda side: len(side.keys))
    few = FEW
    while True:
        for side, other in (sides, reversed(sides)):
            edges = list(side.step(side.keys, few + 1))
            if len(edges) <= few:
                return side, edges
            if meeting := [edge for edge in edges if edge[1] in other.keys]:
                return side, meeting[:1]
        if (
            few == FEW
            and len(near.keys) * len(far.keys) <= FEW
            and (meeting := list(near.step(near.keys, 1, far.keys)))
        ):
            return near, meeting
        few *= GROWTH


class Found(NamedTuple):
    """What a search has found: keys, perhaps those of connections, and the cost."""

    keys: list[Any]
    connections: list[Any] | None = None
    cost: Any = 0


class Way(NamedTuple):
    """A way from the start of a search: its cost, and how its last key was reached."""

    cost: Any
    key: Any
    connection: Any = None
    before: Way | None = None

    def found(self) -> Found:
        """Return of what it is made, from the start on."""
        keys, connections = [self.key], []
        way: Way = self
        while way.before is not None:
            connections.append(way.connection)
            way = way.before
            keys.append(way.key)
        return Found(keys[::-1], connections[::-1], self.cost)


def cheapest_path(
    start: Any,
    goal: Any,
    limit: int,
    step: Step,
    gone: Collection[Any] = (),
    *,
    goes_on: bool = True,
) -> Found | None:
    """
    Return the cheapest way from `start` to `goal`, of those that cost the same one with
    the fewest steps; ``None`` if there is none of at most `limit` steps. `step` yields
    connections and their weights, which are not negative. Where no way `goes_on`, the
    keys of `goal` are not those of `start`.

    After each level all ways of so many steps have been tried, save those that cost no
    less than another to the same key, or to the goal. Ways are kept whole: when a
    cheaper one to a key in the middle is found, it may have too many steps.
    """
    first = Way(0, start)
    best = {start: first} if goes_on else {}
    known: dict[Any, list[tuple[Any, ...]]] = {}
    level = [first]
    for _ in range(limit):
        read(known, [way.key for way in level], step)
        found: dict[Any, Way] = {}
        for way in level:
            for neighbour, connection, weight in known[way.key]:
                cost = way.cost + weight
                if neighbour not in gone and not any(
                    key in ways and ways[key].cost <= cost
                    for key in (neighbour, goal)
                    for ways in (best, found)
                ):
                    found[neighbour] = Way(cost, neighbour, connection, way)
        best.update(found)
        level = [way for key, way in found.items() if key != goal]
        if not level:
            break
    cheapest = best.get(goal)
    return None if cheapest is None else cheapest.found()


def read(known: dict[Any, list[tuple[Any, ...]]], keys: list[Any], step: Step) -> None:
    """Add to `known` the connections of those `keys` that are not there yet."""
    new = [key for key in keys if key not in known]
    for key in new:
        known[key] = []
    for key, *edge in step(new):
        known[key].append(tuple(edge))
