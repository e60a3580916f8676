"""Looking for links when a process connects: what may fail, and what must not."""

import copy
import logging
import threading
import time
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, OperationalError, connection, connections

from gm2m import discovery
from gm2m.integrity import FIELDS_AT_ONCE, linked_models, tables_among
from tests.app.models import User

IS_SQLITE = connection.vendor == "sqlite"
IS_POSTGRESQL = connection.vendor == "postgresql"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fresh(monkeypatch):
    """A connection that has not been made, of a process that has not looked."""
    monkeypatch.setattr(discovery, "searches", {})
    fresh = connections.create_connection("default")
    fresh.settings_dict = copy.deepcopy(fresh.settings_dict)
    yield fresh
    fresh.close()


def ask(connection, sql="SELECT 1"):
    """Return what the database answers, as a caller would ask it first."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def is_done():
    return discovery.searches["default"].is_done


def let_it_look_again():
    discovery.searches["default"].next_try = 0


@contextmanager
def failing(monkeypatch, error, times=1):
    """The first `times` that links are looked for, there is an error."""
    calls = []

    def fail(fields, connection):
        calls.append(connection)
        if len(calls) <= times:
            raise error
        return linked_models(fields, connection)

    with monkeypatch.context() as patch:
        patch.setattr(discovery, "linked_models", fail)
        yield calls


def levels(caplog):
    return [record.levelname for record in caplog.records if record.name == "gm2m"]


# What it costs.


def test_a_few_fields_are_asked_for_at_once(django_assert_num_queries):
    # The planner of MariaDB takes twice as long with each field.
    fields = tables_among(discovery.all_fields(), connection)
    assert len(fields) > 3 * FIELDS_AT_ONCE
    with django_assert_num_queries(-(-len(fields) // FIELDS_AT_ONCE)):
        linked_models(fields, connection)


def test_database_is_asked_once(fresh, monkeypatch, caplog):
    with failing(monkeypatch, None, times=0) as calls:
        for _ in range(3):
            assert ask(fresh) == (1,)
            fresh.close()
    assert is_done()
    assert len(calls) == 1
    assert fresh.execute_wrappers == []
    assert levels(caplog) == []


# Failures.


def test_failure_is_logged_and_the_next_connection_tries_again(
    fresh, monkeypatch, caplog
):
    with failing(monkeypatch, DatabaseError("out of order")) as calls:
        assert ask(fresh) == (1,)
        assert not is_done()
        (record,) = [one for one in caplog.records if one.name == "gm2m"]
        assert record.levelno == logging.WARNING
        assert "'default'" in record.getMessage()
        assert "out of order" in record.getMessage()
        fresh.close()
        fresh.connect()
    assert is_done()
    assert len(calls) == 2


def test_connection_that_stays_tries_again_at_its_next_use(fresh, monkeypatch):
    with failing(monkeypatch, DatabaseError("out of order")) as calls:
        assert ask(fresh) == (1,)
        assert not is_done()
        let_it_look_again()
        assert ask(fresh) == (1,)
    assert is_done()
    assert len(calls) == 2
    assert ask(fresh) == (1,)
    assert fresh.execute_wrappers == []


def test_use_in_a_transaction_is_left_alone(fresh, monkeypatch):
    with failing(monkeypatch, DatabaseError("out of order")) as calls:
        ask(fresh)
        let_it_look_again()
        fresh.set_autocommit(False)
        ask(fresh)
        fresh.rollback()
        assert len(calls) == 1
        fresh.set_autocommit(True)
        ask(fresh)
    assert len(calls) == 2


def test_wrappers_of_others_stay_theirs(fresh, monkeypatch):
    """A with statement takes away the last one, whichever that is."""
    asked = []

    def watch(execute, sql, params, many, context):
        asked.append(sql)
        return execute(sql, params, many, context)

    with failing(monkeypatch, DatabaseError("out of order"), times=2):
        with fresh.execute_wrapper(watch):
            ask(fresh)
        asked.clear()
        let_it_look_again()
        ask(fresh)
        assert asked == []
        assert len(fresh.execute_wrappers) == 1
        let_it_look_again()
        with fresh.execute_wrapper(watch):
            ask(fresh)
        assert asked
    assert is_done()
    assert fresh.execute_wrappers == []


def test_what_fails_again_and_again_is_neither_logged_nor_tried_all_the_time(
    fresh, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG, "gm2m")
    with failing(monkeypatch, DatabaseError("no such column"), times=99) as calls:
        for _ in range(4):
            ask(fresh)
            fresh.close()
        assert levels(caplog) == ["WARNING", "DEBUG", "DEBUG", "DEBUG"]
        discovery.searches["default"].next_try = time.monotonic() + 60
        fresh.connect()
        for _ in range(5):
            ask(fresh)
    assert len(calls) == 5


def test_other_errors_are_not_passed_over(fresh, monkeypatch):
    with (
        failing(monkeypatch, ValueError("of ours")),
        pytest.raises(ValueError, match="of ours"),
    ):
        fresh.connect()
    assert not is_done()
    fresh.close()
    fresh.connect()
    assert is_done()


def test_tables_that_are_missing_are_no_failure(fresh, monkeypatch):
    field = User._meta.get_field("preferred_videos")
    monkeypatch.setattr(discovery, "all_fields", lambda: [field])
    monkeypatch.setattr(field, "m2m_db_table", lambda: "missing")
    fresh.connect()
    assert is_done()


@pytest.mark.parametrize("autocommit", [True, False])
def test_failed_statement_does_not_fail_those_of_the_caller(
    fresh, monkeypatch, autocommit
):
    """As where a table is that of another version of the project."""

    def linked_models(fields, connection):
        return ask(connection, "SELECT nothing FROM nowhere")

    fresh.settings_dict["AUTOCOMMIT"] = autocommit
    monkeypatch.setattr(discovery, "linked_models", linked_models)
    assert ask(fresh) == (1,)
    assert not is_done()
    assert fresh.get_autocommit() is autocommit


def test_no_transaction_is_left_open(fresh):
    fresh.settings_dict["AUTOCOMMIT"] = False
    fresh.connect()
    assert is_done()
    assert not fresh.get_autocommit()
    if IS_POSTGRESQL:
        # 0 is "idle".
        assert fresh.connection.info.transaction_status == 0
    else:
        assert not fresh.in_atomic_block


# Connections that die.


def kill(victim):
    if IS_SQLITE:
        # It has no session that could be killed, but a disk that can fail.
        raise OperationalError("disk I/O error")
    if IS_POSTGRESQL:
        session = victim.connection.info.backend_pid
        ask(connection, f"SELECT pg_terminate_backend({session}, 5000)")
    else:
        with connection.cursor() as cursor:
            cursor.execute(f"KILL {victim.connection.thread_id()}")


@pytest.mark.parametrize("autocommit", [True, False])
def test_connection_that_dies_does_not_fail_the_first_query(fresh, autocommit):
    """Whatever the search was about to say when it died."""
    fresh.settings_dict["AUTOCOMMIT"] = autocommit
    said, at = [], 0

    def send(execute, sql, params, many, context):
        search = discovery.searches.get("default")
        if search is not None and search.is_running:
            said.append(sql)
            if len(said) == at:
                kill(context["connection"])
        return execute(sql, params, many, context)

    fresh.execute_wrappers.append(send)
    fresh.connect()
    assert is_done()
    statements = len(said)
    assert statements > 2
    for number in range(1, statements + 1):
        at = number
        fresh.close()
        discovery.searches.clear()
        said.clear()
        assert ask(fresh) == (1,)
        fresh.close()
        fresh.connect()
        assert is_done()


# Locks of others.


@contextmanager
def locked_table():
    """Another connection has locked a table, as a migration does."""
    table = connection.ops.quote_name(User.preferred_videos.through._meta.db_table)
    lock, free = {
        "sqlite": (["BEGIN EXCLUSIVE"], "ROLLBACK"),
        "postgresql": (["BEGIN", f"LOCK TABLE {table}"], "ROLLBACK"),
        "mysql": ([f"LOCK TABLES {table} WRITE"], "UNLOCK TABLES"),
    }[connection.vendor]
    with connection.cursor() as cursor:
        for sql in lock:
            cursor.execute(sql)
        try:
            yield
        finally:
            cursor.execute(free)


def test_locked_table_holds_nobody_up(fresh, caplog):
    if IS_SQLITE:
        # It would have to wait as well.
        del fresh.settings_dict["OPTIONS"]["init_command"]
    with locked_table():
        begun = time.monotonic()
        assert ask(fresh) == (1,)
        assert time.monotonic() - begun < 5
        assert not is_done()
        assert levels(caplog) == ["WARNING"]
        fresh.close()
    fresh.connect()
    assert is_done()


OPTIONS = {
    "sqlite": {"timeout": 7},
    "postgresql": {"options": "-c lock_timeout=7s"},
    "mysql": {
        "init_command": "SET SESSION lock_wait_timeout=7, innodb_lock_wait_timeout=8"
    },
}[connection.vendor]
TIMEOUTS = {
    "sqlite": ("PRAGMA busy_timeout", (7000,)),
    "postgresql": ("SHOW lock_timeout", ("7s",)),
    "mysql": ("SELECT @@lock_wait_timeout, @@innodb_lock_wait_timeout", (7, 8)),
}[connection.vendor]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("autocommit", [False, True])
def test_session_keeps_its_own_timeouts(fresh, monkeypatch, fails, autocommit):
    fresh.settings_dict["AUTOCOMMIT"] = autocommit
    fresh.settings_dict["OPTIONS"] = {**fresh.settings_dict["OPTIONS"], **OPTIONS}
    question, answer = TIMEOUTS
    during = []

    def look(fields, connection):
        during.append(ask(connection, question))
        if fails:
            ask(connection, "SELECT nothing FROM nowhere")
        return []

    monkeypatch.setattr(discovery, "linked_models", look)
    assert ask(fresh, question) == answer
    assert during[0] != answer
    assert is_done() is not fails


def test_database_of_another_kind_keeps_its_timeouts(fresh, monkeypatch):
    monkeypatch.setattr(discovery, "TIMEOUTS", {})
    fresh.connect()
    assert is_done()


# Threads.


@pytest.mark.parametrize("fails", [False, True])
def test_threads_wait_for_the_one_that_looks(fresh, monkeypatch, fails):
    """And do not look again where it has failed: each would wait for the last."""
    begun, end, later = threading.Event(), threading.Event(), threading.Event()
    calls = []

    def look(fields, connection):
        calls.append(connection)
        begun.set()
        assert end.wait(10)
        if fails:
            raise DatabaseError("out of order")
        return []

    def run(finished):
        mine = connections.create_connection("default")
        try:
            ask(mine)
        finally:
            mine.close()
            finished.set()

    monkeypatch.setattr(discovery, "linked_models", look)
    first = threading.Thread(target=run, args=[threading.Event()])
    second = threading.Thread(target=run, args=[later])
    first.start()
    assert begun.wait(10)
    # Nobody is to look once more when the two go on.
    discovery.searches["default"].next_try = float("inf")
    second.start()
    assert not later.wait(0.3)
    monkeypatch.setattr(discovery, "LONGEST_PAUSE", float("inf"))
    monkeypatch.setattr(discovery, "SHARE", 1e-9)
    end.set()
    assert later.wait(10)
    first.join()
    second.join()
    assert len(calls) == 1
    assert is_done() is not fails
