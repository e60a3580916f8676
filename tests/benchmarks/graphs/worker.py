"""
A process for one contender. Answers each line of JSON that it is given with another: a
graph to fill the tables with, or an operation to carry out.
"""

import json
import os
import sys
import time

import django
from django.conf import settings

from tests.settings import DATABASES

CONTENDER = os.environ["GM2M_BENCHMARK_CONTENDER"]
APPS = {
    "connections": ["django.contrib.contenttypes", "gm2m", "gm2m.connections"],
    "dag": ["django_postgresql_dag"],
    "recursion": [],
}

settings.configure(
    DATABASES={"default": DATABASES["default"]},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[*APPS[CONTENDER], "tests.benchmarks.graphs"],
    SECRET_KEY="only for benchmarks",
    USE_TZ=True,
)
django.setup()

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.benchmarks.graphs.models import Node

BATCH_SIZE = 5000
#: What takes longer is given up, where the server can be told to.
SECONDS = 60


class Connections:
    """``gm2m.connections``."""

    def __init__(self):
        from gm2m.connections import define_relationship

        self.edge = define_relationship("edge", Node, Node)

    def fill(self, nodes, edges):
        self.edge.create_connections((nodes[one], nodes[two]) for one, two in edges)

    def distance(self, one, two, limit):
        return self.edge.distance_between(one, two, limit)

    def reachable(self, one, limit):
        return self.edge.reachable_from(one, limit)


class Recursion:
    """One query for each object that a search comes by."""

    def fill(self, nodes, edges):
        from tests.benchmarks.graphs.models import Edge

        Edge.objects.bulk_create(
            (Edge(start=nodes[one], end=nodes[two]) for one, two in edges),
            batch_size=BATCH_SIZE,
        )

    def distance(self, one, two, limit):
        return self.reachable(one, limit).get(two)

    def reachable(self, one, limit):
        depths, level = {one: 0}, [one]
        for depth in range(1, limit + 1):
            found = []
            for node in level:
                for other in Node.objects.filter(incoming__start=node):
                    if other not in depths:
                        depths[other] = depth
                        found.append(other)
            level = found
        del depths[one]
        return depths


class Dag:
    """django-postgresql-dag."""

    def fill(self, nodes, edges):
        from tests.benchmarks.graphs.models import Edge

        Edge.objects.bulk_create(
            (Edge(parent=nodes[one], child=nodes[two]) for one, two in edges),
            batch_size=BATCH_SIZE,
        )

    def distance(self, one, two, limit):
        return one.distance(two, max_depth=limit)

    def reachable(self, one, limit):
        found = one.descendants_with_depth(max_depth=limit)
        return dict(found)


contender = {"connections": Connections, "recursion": Recursion, "dag": Dag}[
    CONTENDER
]()
nodes = []


def fill(number, edges):
    names = (Node(name=str(index)) for index in range(number))
    Node.objects.bulk_create(names, batch_size=BATCH_SIZE)
    nodes.extend(Node.objects.order_by("pk"))
    contender.fill(nodes, edges)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE")
            cursor.execute(f"SET statement_timeout = '{SECONDS}s'")


def search(kind, *args):
    """Carry out one search; return its result, how long it took and its queries."""
    *ends, limit = args
    objs = [nodes[index] for index in ends]
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        getattr(contender, kind)(*objs, limit)
    start = time.perf_counter()
    with transaction.atomic():
        result = getattr(contender, kind)(*objs, limit)
    seconds = time.perf_counter() - start
    if kind == "reachable":
        result = sorted([int(node.name), depth] for node, depth in result.items())
    return {"result": result, "seconds": seconds, "queries": len(queries)}


def main():
    creation = connection.creation
    creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        for line in sys.stdin:
            order, *args = json.loads(line)
            try:
                answer = fill(*args) if order == "fill" else search(order, *args)
            except Exception as error:
                # A contender that cannot do it: that is a result too.
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)
    finally:
        connection.close()
        creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


main()
