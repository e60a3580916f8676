"""
Writing in one transaction that takes its turn after others of the same object, and is
made again if the database gives it up in favour of another.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, TypeVar

from django.db import DatabaseError, connections, transaction
from django.db.models import QuerySet

#: How often a write is made again, by what PostgreSQL (texts), or MariaDB and MySQL
#: (numbers), call the reason for which it was given up.
RETRIES: dict[Any, int] = {
    # A serialization failure, a deadlock.
    "40001": 30,
    "40P01": 30,
    # A deadlock, a row that has changed since it was read.
    1213: 30,
    1020: 30,
    # A lock that was waited for in vain, which takes a minute by default.
    1205: 1,
}
#: The seconds between two attempts: at first, and at most.
SHORTEST, LONGEST = 0.001, 0.2

Result = TypeVar("Result")


def code_of(error: DatabaseError) -> Any:
    """Return how the database calls `error`."""
    cause = error.__cause__
    return (
        getattr(cause, "sqlstate", None)  # psycopg 3
        or getattr(cause, "pgcode", None)  # psycopg 2
        or next(iter(error.args), None)
    )


def write_at_once(
    using: str, write: Callable[[], Result], *, savepoint: bool = False
) -> Result:
    """
    Return what `write` does, called in a transaction, and again if it is given up: see
    ``write_again()``. In the caller's transaction, a `savepoint` lets the caller go on
    after an error.
    """

    def write_in_transaction() -> Result:
        with transaction.atomic(using=using, savepoint=savepoint):
            return write()

    return write_again(using, write_in_transaction)


def write_again(using: str, write: Callable[[], Result]) -> Result:
    """
    Return what `write` does, called again if the database has given up its transaction
    in favour of another, after a pause that grows; unless the transaction is the
    caller's, who has done more in it.
    """
    is_own = begins_transaction(using)
    retries, pause = dict(RETRIES), SHORTEST
    while True:
        try:
            return write()
        except DatabaseError as error:
            code = code_of(error)
            if not (is_own and retries.get(code)):
                raise
        retries[code] -= 1
        # Those that got in each other's way are not to meet again.
        time.sleep(random.uniform(pause / 2, pause))
        pause = min(pause * 2, LONGEST)


def begins_transaction(using: str) -> bool:
    """Return whether what is written next is no part of the caller's transaction."""
    connection = connections[using]
    return not connection.in_atomic_block and connection.get_autocommit()


def wait_turn(using: str, what: object, row: QuerySet[Any] | None) -> None:
    """
    Wait, in a transaction, for others that have waited for the same turn, and have
    later ones wait for this one. `what` tells turns apart by its ``repr()``; `row` has
    the row that is locked where nothing else can be. One query; none on a database
    that lets one transaction write at a time, nor if there is nothing to lock.
    """
    connection = connections[using]
    if connection.features.has_select_for_no_key_update:
        # PostgreSQL locks numbers as well, whoever may lock the row: a deletion, which
        # takes links before their source, cannot run into a deadlock.
        digest = blake2b(repr(what).encode(), digest_size=8).digest()
        number = int.from_bytes(digest, "big", signed=True)
        sql, params = "SELECT pg_advisory_xact_lock(%s)", [number]
        if row is not None:
            own = row.select_for_update(no_key=True).query
            inner, inner_params = own.get_compiler(using).as_sql()
            sql, params = f"{sql} FROM ({inner}) AS own", [number, *inner_params]
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
    elif connection.features.has_select_for_update and row is not None:
        list(row.select_for_update())
