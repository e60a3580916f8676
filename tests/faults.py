"""Connections that die: killed from outside, as by a server that restarts."""

from contextlib import contextmanager

from django.db import OperationalError, connection


@contextmanager
def dying(at):
    """The connection is dead when the statement with the number `at` is to be sent."""
    count = 0

    def send(execute, sql, params, many, context):
        nonlocal count
        count += 1
        if connection.vendor == "sqlite" and count >= at:
            # It has no session that could be killed, but a disk that can fail.
            raise OperationalError("disk I/O error")
        if count == at:
            kill()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(send):
        yield


def kill():
    """End the session of the connection."""
    if connection.vendor == "postgresql":
        session = connection.connection.info.backend_pid
        sql = f"SELECT pg_terminate_backend({session}, 5000)"
    else:
        sql = f"KILL {connection.connection.thread_id()}"
    killer = connection.copy()
    try:
        with killer.cursor() as cursor:
            cursor.execute(sql)
    finally:
        killer.close()


def revive():
    """Connect anew, as the next request of a site does."""
    connection.close()
    connection.ensure_connection()
