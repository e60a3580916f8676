"""Threads with connections of their own, for tests of what happens at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import repeat

from django.db import ProgrammingError, connection

#: Nothing here may take as long; databases wait for a lock longer than that.
SECONDS = 15
#: How a session sets the isolation level of its transactions.
ISOLATION = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL ",
    "mysql": "SET SESSION TRANSACTION ISOLATION LEVEL ",
}


class Crew:
    """
    Threads that do things at the same moment, each with its own connection, whose
    transactions have the `isolation` level.
    """

    def __init__(self, size, isolation=None):
        self.threads = ThreadPoolExecutor(size)
        self.size, self.isolation = size, isolation

    def __enter__(self):
        return self

    def __exit__(self, *error):
        # Each thread has its own: `connection` is another in each.
        self.do(*repeat(lambda: connection.close(), self.size))
        self.threads.shutdown()

    def do(self, *functions):
        """Run the functions at once; return the error of each, or ``None``."""
        barrier = threading.Barrier(len(functions))
        results = [self.threads.submit(self.job, barrier, f) for f in functions]
        return [result.result(timeout=SECONDS) for result in results]

    def job(self, barrier, function):
        connection.ensure_connection()
        if connection.vendor == "sqlite":
            # SQLite has one writer. A transaction that begins by reading cannot wait
            # for its turn to write, whoever's it is: so Django's documentation
            # advises this to projects that write from several threads.
            connection.transaction_mode = "IMMEDIATE"
        if connection.vendor == "postgresql":
            # It looks for deadlocks after a second, which is long here. Who may not
            # change that waits.
            with suppress(ProgrammingError), connection.cursor() as cursor:
                cursor.execute("SET deadlock_timeout = '20ms'")
        if self.isolation:
            with connection.cursor() as cursor:
                cursor.execute(ISOLATION[connection.vendor] + self.isolation)
        barrier.wait(SECONDS)
        try:
            function()
        except Exception as error:
            return error
        return None

    def race(self, *functions):
        """Run the functions at once, none of which may fail."""
        assert self.do(*functions) == [None] * len(functions)
