"""A hundred thousand connections."""

import itertools
import random
import time

import networkx
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.lithub.models import Account

pytestmark = pytest.mark.django_db

NODES, EDGES = 20_000, 100_000


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_hundred_thousand_connections(define, symmetric):
    relationship = define("large", Account, Account, symmetric=symmetric)
    relationship.attach("others", None if symmetric else "back")
    names = (Account(name=str(number)) for number in range(NODES))
    Account.objects.bulk_create(names, batch_size=5000)
    objs = list(Account.objects.order_by("pk"))
    chance = random.Random(7)
    edges = [(chance.randrange(NODES), chance.randrange(NODES)) for _ in range(EDGES)]
    graph = networkx.Graph(edges) if symmetric else networkx.DiGraph(edges)
    relationship.create_connections((objs[one], objs[two]) for one, two in edges)
    assert relationship.connections.count() == graph.number_of_edges()

    start = time.perf_counter()
    for one, two in [(1, 2), (3, 4), (5, 5), (6, 19_999)]:
        lengths = networkx.single_source_shortest_path_length(graph, one)
        with CaptureQueriesContext(connection) as queries:
            distance = relationship.distance_between(objs[one], objs[two], 20)
        assert distance == lengths.get(two)
        assert len(queries) <= 40
        path = relationship.path_between(objs[one], objs[two])
        assert path is None or len(path) == lengths[two] + 1
    with CaptureQueriesContext(connection) as queries:
        reached = relationship.reachable_ids_from(objs[1])
    lengths = networkx.single_source_shortest_path_length(graph, 1)
    expected = {objs[key].pk: depth for key, depth in lengths.items() if key != 1}
    assert reached == expected
    assert len(queries) <= 60
    assert len(relationship.reachable_from(objs[1], 2)) == sum(
        0 < depth <= 2 for depth in lengths.values()
    )
    some = Account.objects.order_by("pk").prefetch_related("others")[:50]
    for number, account in enumerate(some):
        assert len(account.others.all()) == len(graph[number])
    # Generous: a query for each object would take minutes.
    assert time.perf_counter() - start < 60


def test_a_long_chain(define, django_assert_max_num_queries):
    follow = define("long", Account, Account)
    Account.objects.bulk_create(Account(name=str(number)) for number in range(1001))
    objs = list(Account.objects.order_by("pk"))
    follow.create_connections(itertools.pairwise(objs))
    with django_assert_max_num_queries(1000):
        assert follow.distance_between(objs[0], objs[-1], 1000) == 1000
    assert follow.distance_between(objs[0], objs[-1], 999) is None
    with django_assert_max_num_queries(1001):
        assert follow.path_between(objs[0], objs[-1]) == objs


def test_a_hub(define):
    """A way from or to an object with 20,000 connections is found without them."""
    follow = define("hub", Account, Account)
    Account.objects.bulk_create((Account() for _ in range(NODES)), batch_size=5000)
    hub, *others = Account.objects.order_by("pk")
    follow.create_connections((one, hub) for one in others)
    follow.create_connections((hub, one) for one in others)
    lone, last = Account.objects.create(), others[-1]
    follow.create_connection(lone, last)
    for start, goal, distance, most in [
        (last, hub, 1, 1),
        (hub, last, 1, 2),
        (lone, hub, 2, 2),
        (others[0], last, 2, 3),
        (hub, lone, None, 2),
    ]:
        with CaptureQueriesContext(connection) as queries:
            assert follow.distance_between(start, goal) == distance
        assert len(queries) <= most
        assert all("LIMIT 1001" in query["sql"] for query in queries)
