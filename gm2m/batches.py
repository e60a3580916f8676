"""
Statements of a size that every database takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

#: As many keys are compared in one statement.
BATCH_SIZE = 10_000

Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int = BATCH_SIZE) -> Iterator[list[Item]]:
    """Yield lists of `items`, each good for one statement."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def spans(rows: Any, size: int) -> Iterator[dict[str, Any]]:
    """
    Yield conditions that part `rows` by their keys, `size` in each. The database looks
    at the targets of one part at a time: to find the next rows that dangle, it might
    look at all.
    """
    after: dict[str, Any] = {}
    while True:
        keys = rows.filter(**after).order_by("pk").values_list("pk", flat=True)
        last = list(keys[size - 1 : size])
        if not last:
            yield after
            return
        yield {**after, "pk__lte": last[0]}
        after = {"pk__gt": last[0]}
