"""
Statements of a size that every database takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

#: As many keys are compared in one statement.
BATCH_SIZE = 10_000

Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int = BATCH_SIZE) -> Iterator[list[Item]]:
    """Yield lists of `items`, each good for one statement."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
