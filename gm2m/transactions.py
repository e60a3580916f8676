"""
Writing in one transaction, which the database may give up in favour of another.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import OperationalError, connections, transaction

#: As many times is a write made again after a deadlock.
DEADLOCKS = 10
#: How PostgreSQL, and MariaDB and MySQL, tell one.
DEADLOCK_CODES = ("40P01", 1213)


def is_deadlock(error: OperationalError) -> bool:
    """Return whether the database gave up a transaction in favour of another."""
    cause = error.__cause__
    codes = (getattr(cause, "sqlstate", None), getattr(cause, "pgcode", None))
    return any(code in DEADLOCK_CODES for code in (*codes, *error.args[:1]))


def write_at_once(using: str, write: Callable[[], None]) -> None:
    """
    Call `write` in a transaction. Rows are inserted in the order of a call, so two
    calls may lock them in opposite orders; the one that the database picks to give way
    is made again, unless the transaction is the caller's.
    """
    connection = connections[using]
    own = not connection.in_atomic_block and connection.get_autocommit()
    for _ in range(DEADLOCKS if own else 0):
        try:
            with transaction.atomic(using=using, savepoint=False):
                return write()
        except OperationalError as error:
            if not is_deadlock(error):
                raise
    with transaction.atomic(using=using, savepoint=False):
        write()
