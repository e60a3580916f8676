"""
A process for one contender, with a database of its own.

It is given orders, a line of JSON each, and answers each with another. The first
argument is a path to look for modules before all others: that of django-gm2m 1.4,
which has the name of this library.
"""

import json
import sys
import time
import tracemalloc

if sys.argv[1]:
    sys.path.insert(0, sys.argv[1])

import django

django.setup()

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.benchmarks.contenders import contender
from tests.benchmarks.models import TARGETS, Source
from tests.benchmarks.operations import GROWING, OPERATIONS

#: How many targets of each model there are, and how many each source of the base has.
POOL = 1500
SHARES = (7, 7, 6)
#: Each source that is only there to fill the table has about as many links.
LINKS = 100


def fill_base(sources):
    """Make the targets, and sources with 20 links."""
    for model in TARGETS:
        model.objects.bulk_create(
            model(title=f"{model.__name__} {number}") for number in range(1, POOL + 1)
        )
    Source.objects.bulk_create(
        Source(name=f"base {number}") for number in range(1, sources + 1)
    )
    for share, table in zip(SHARES, contender.tables(), strict=True):
        insert(*table, f"t.id >= s.id AND t.id < s.id + {share}")


def insert(table, columns, model, values, condition):
    """Insert links between the sources and the targets that fulfil a condition."""
    source, target = Source._meta.db_table, model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) "
            f"SELECT {values} FROM {source} s, {target} t WHERE {condition}"
        )


def grow(links):
    """Add sources until there are as many links; the base's are not touched."""
    have = Source.objects.filter(name="filler").count()
    last = Source.objects.order_by("-pk").values_list("pk", flat=True)[0]
    Source.objects.bulk_create(
        (Source(name="filler") for _ in range(links // LINKS - have)), batch_size=5000
    )
    for table in contender.tables():
        insert(*table, f"s.id > {last} AND t.id > 600 AND (t.id + s.id) % 27 = 0")


def perform(operations, name, *, checked):
    """Carry out one operation; return how long it took, and its queries if checked."""
    operation = {found.name: found for found in operations}[name]
    with transaction.atomic():
        state = operation.prepare()
        told = {}
        if checked:
            with CaptureQueriesContext(connection) as queries:
                result = operation.run(state)
            told["queries"] = len(queries)
            if not operation.check(state, result):
                raise RuntimeError(f"{name} has a wrong result")
        else:
            start = time.perf_counter()
            operation.run(state)
            told["seconds"] = time.perf_counter() - start
        transaction.set_rollback(True)
    return told


def stream(number):
    """Read many targets as a stream; return the peak of memory and what it takes."""
    source = Source.objects.create(name="large")
    for table in contender.tables():
        insert(*table, f"s.id = {source.pk} AND t.id <= {number // 3}")
    # What is only needed once is not counted.
    next(iter(contender.stream(source)))
    tracemalloc.start()
    start = time.perf_counter()
    found = iter(contender.stream(source))
    next(found)
    first = time.perf_counter() - start
    count = 1 + sum(1 for _ in found)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"targets": count, "first": first, "bytes": peak}


def more_targets(number):
    for model in TARGETS:
        model.objects.bulk_create(
            (model(title="more") for _ in range(number // 3 - POOL)), batch_size=5000
        )


def obey(order):
    match order:
        case ["fill", sources]:
            return fill_base(sources)
        case ["grow", links]:
            return grow(links)
        case ["check", name]:
            return perform(OPERATIONS, name, checked=True)
        case ["time", name]:
            return perform(OPERATIONS, name, checked=False)
        case ["check growing", name]:
            return perform(GROWING, name, checked=True)
        case ["time growing", name]:
            return perform(GROWING, name, checked=False)
        case ["stream", number]:
            more_targets(number)
            return stream(number)
    raise ValueError(order)


def main():
    creation = connection.creation
    creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        names = [[found.name for found in some] for some in (OPERATIONS, GROWING)]
        print(json.dumps(names), flush=True)
        for line in sys.stdin:
            try:
                answer = obey(json.loads(line))
            except Exception as error:
                # A contender that cannot do it: that is a result too.
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)
    finally:
        connection.close()
        creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


main()
