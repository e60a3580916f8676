"""
Relations found again after a restart.

A relation that nobody declared is known to a process when it first meets a link to
an object of the model. So that deletion and reverse access do not depend on what a
process has met, the links that are in the tables are looked at once per process and
database, when the connection is made, as ``django.contrib.postgres`` does for its
types. ``GM2M_DISCOVER_RELATIONS = False`` turns it off.

What keeps a process from looking, such as a table that a migration has locked, does not
keep it from anything else. It is logged, and the process looks again: when it next
connects, and on a connection that stays, before a statement outside transactions.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import Error

from .fields import GM2MField
from .integrity import linked_models, tables_among

logger = logging.getLogger("gm2m")

#: A connection that stays waits for no more than this part of its time, and looks again
#: after so many seconds at the latest.
SHARE, LONGEST_PAUSE = 0.1, 60


class Search:
    """What the threads of a process know of one database."""

    def __init__(self) -> None:
        #: Threads wait for the one that looks first. Looking may connect again.
        self.lock = threading.RLock()
        self.is_done = self.is_running = False
        self.failures = 0
        #: What the last one was, and when it is worth while to look again.
        self.error, self.next_try = "", 0.0

    def run(self, connection: Any, *, is_new: bool) -> None:
        """
        Look at the database, unless a thread has while this one waited. A connection
        that `is_new` is usable afterwards, whatever has become of it.
        """
        failures = self.failures
        with self.lock:
            if self.is_done or self.is_running or self.failures != failures:
                return
            self.is_running, begun = True, time.monotonic()
            try:
                look(connection)
                self.is_done = True
            except Error as error:
                self.fail(connection, error, time.monotonic() - begun)
                if is_new:
                    make_usable(connection)
            finally:
                self.is_running = False

    def fail(self, connection: Any, error: Error, spent: float) -> None:
        """Log why the database could not be looked at, and plan when to look again."""
        pause = min(spent / SHARE * 2**self.failures, LONGEST_PAUSE)
        self.failures += 1
        self.next_try = time.monotonic() + pause
        logger.log(
            # The same again is no news.
            logging.DEBUG if self.error == str(error) else logging.WARNING,
            "The database %r could not be asked which models are linked: %s. Until it "
            "can be, this process does not know the relations that no field declares, "
            "and deletes objects without their links. It will ask again.",
            connection.alias,
            error,
        )
        self.error = str(error)


#: By the alias.
searches: dict[str, Search] = {}


def discover(connection: Any, **kwargs: Any) -> None:
    """
    Publish the relations of which the database of `connection` has links: one query
    for the tables, and one for each eight fields. Tables that are missing, as before
    ``migrate``, are passed over.
    """
    if not getattr(settings, "GM2M_DISCOVER_RELATIONS", True):
        return
    search = searches.setdefault(connection.alias, Search())
    search.run(connection, is_new=True)
    wrappers = connection.execute_wrappers
    if not (search.is_done or any(isinstance(one, Retry) for one in wrappers)):
        # In front: those of a with statement are taken away from the end.
        wrappers.insert(0, Retry(search))


class Retry:
    """
    A wrapper around the statements of a connection, which looks again until some thread
    has seen the links.
    """

    def __init__(self, search: Search) -> None:
        self.search = search

    def __call__(
        self, execute: Any, sql: Any, params: Any, many: Any, context: Any
    ) -> Any:
        connection, search = context["connection"], self.search
        # A transaction is the caller's, with its locks, its snapshot and its errors.
        is_idle = connection.get_autocommit() and not connection.in_atomic_block
        if is_idle and time.monotonic() >= search.next_try:
            search.run(connection, is_new=False)
        if search.is_done and self in connection.execute_wrappers:
            connection.execute_wrappers.remove(self)
        return execute(sql, params, many, context)


def look(connection: Any) -> None:
    """Look at the links, and publish their relations. Raises ``Error``."""
    with short_lock_timeout(connection):
        fields = tables_among(all_fields(), connection)
        found = linked_models(fields, connection)
    for linked in found:
        if linked.model is not None:
            linked.field.relate(linked.model)


def make_usable(connection: Any) -> None:
    """
    See to it that the first statement of the caller does not fail for what has failed
    here: the connection may have been lost.
    """
    if connection.connection is None or not connection.is_usable():
        connection.close()
        connection.connect()


@contextmanager
def short_lock_timeout(connection: Any) -> Iterator[None]:
    """
    Let statements fail that wait for a lock, such as a migration's. Nothing of it is
    left to the session, nor a transaction that was begun.
    """
    timeout = TIMEOUTS.get(connection.vendor, nullcontext)
    try:
        with timeout(connection):
            yield
    finally:
        if not connection.get_autocommit():
            connection.rollback()


@contextmanager
def in_transaction(connection: Any) -> Iterator[None]:
    """On PostgreSQL: for one transaction, as a pooler may hand the session out."""
    autocommit = connection.get_autocommit()
    connection.set_autocommit(False)
    try:
        execute(connection, "SET LOCAL lock_timeout = '100ms'")
        yield
    finally:
        connection.rollback()
        connection.set_autocommit(autocommit)


@contextmanager
def in_session(connection: Any) -> Iterator[None]:
    """On MariaDB and MySQL, in seconds: for the locks of tables and those of rows."""
    names = "lock_wait_timeout", "innodb_lock_wait_timeout"
    before = execute(connection, f"SELECT @@SESSION.{names[0]}, @@SESSION.{names[1]}")
    setting = f"SET SESSION {names[0]} = %s, SESSION {names[1]} = %s"
    execute(connection, setting, [1, 1])
    try:
        yield
    finally:
        execute(connection, setting, before)


@contextmanager
def in_busy_handler(connection: Any) -> Iterator[None]:
    """On SQLite, where all wait for one lock."""
    (before,) = execute(connection, "PRAGMA busy_timeout")
    execute(connection, "PRAGMA busy_timeout = 100")
    try:
        yield
    finally:
        execute(connection, f"PRAGMA busy_timeout = {before}")


TIMEOUTS = {
    "postgresql": in_transaction,
    "mysql": in_session,
    "sqlite": in_busy_handler,
}


def execute(connection: Any, sql: str, params: Any = None) -> Any:
    """Return the first row, if there is one."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone() if cursor.description else None


def all_fields() -> list[GM2MField]:
    """Return the fields of all installed models."""
    return [
        field
        for model in apps.get_models()
        for field in model._meta.local_many_to_many
        if isinstance(field, GM2MField) and field.is_sound
    ]
