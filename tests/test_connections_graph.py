"""Distances, paths and what can be reached: compared with networkx on any graph."""

import itertools

import networkx
import pytest
from django.db import transaction
from django.db.models import Q
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gm2m.connections import Connection, define_relationship, undefine_relationship
from gm2m.connections.graph import MAX_DEPTH
from tests.lithub.models import Account, Company, Page, Repo, Style

pytestmark = pytest.mark.django_db

LIMITS = [0, 1, 2, 3, 100, None]


@pytest.fixture
def follow(define):
    return define("follow", Account, Account)


@pytest.fixture
def friend(define):
    return define("friend", Account, Account, symmetric=True)


def accounts(*names):
    return [Account.objects.create(name=name) for name in names]


def chain(relationship, length):
    """Return objects of which each is connected with the next."""
    objs = Account.objects.bulk_create(Account(name=str(i)) for i in range(length + 1))
    objs = list(Account.objects.filter(pk__in=[obj.pk for obj in objs]).order_by("pk"))
    relationship.create_connections(itertools.pairwise(objs))
    return objs


# Against networkx.

NODES = 9
node = st.integers(0, NODES - 1)
edges = st.lists(st.tuples(node, node), max_size=30)


@pytest.fixture(scope="module")
def graphs():
    """A relationship of either kind, for all the graphs."""
    names = ["random", "random_symmetric"]
    yield [
        define_relationship(name, Account, Account, symmetric=name != "random")
        for name in names
    ]
    for name in names:
        undefine_relationship(name)


@pytest.mark.parametrize("symmetric", [False, True])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(edges=edges, pair=st.tuples(node, node), limit=st.sampled_from(LIMITS))
def test_any_graph(graphs, symmetric, edges, pair, limit):
    relationship = graphs[symmetric]
    graph = networkx.Graph() if symmetric else networkx.DiGraph()
    graph.add_nodes_from(range(NODES))
    graph.add_edges_from(edges)
    with transaction.atomic():
        objs = accounts(*map(str, range(NODES)))
        relationship.create_connections((objs[one], objs[two]) for one, two in edges)
        compare(relationship, graph, objs, pair, limit)
        transaction.set_rollback(True)


def compare(relationship, graph, objs, pair, limit):
    """Compare every answer of the relationship with what networkx says."""
    one, two = pair
    lengths = networkx.single_source_shortest_path_length(graph, one, cutoff=limit)
    distance = lengths.get(two)
    assert relationship.connections.count() == graph.number_of_edges()
    assert relationship.distance_between(objs[one], objs[two], limit) == distance
    found = relationship.path_between(objs[one], objs[two], limit=limit)
    assert relationship.are_connected(objs[one], objs[two], limit) == bool(found)
    if distance is None:
        assert found is None
    else:
        assert (found[0], found[-1]) == (objs[one], objs[two])
        assert len(found) == distance + 1
        steps = itertools.pairwise(found)
        assert all(graph.has_edge(*map(objs.index, step)) for step in steps)
    reached = {objs[key]: depth for key, depth in lengths.items() if key != one}
    assert relationship.reachable_from(objs[one], limit) == reached
    ids = relationship.reachable_ids_from(objs[one], limit)
    assert ids == {obj.pk: depth for obj, depth in reached.items()}
    assert list(ids.values()) == sorted(ids.values()), "the nearest first"
    neighbours = {objs[key] for key in graph[one]}
    assert set(relationship.connected_objects(objs[one])) == neighbours
    mutual = {objs[key] for key in graph[one]} & {objs[key] for key in graph[two]}
    assert set(relationship.mutual(objs[one], objs[two])) == mutual


# By hand.


def test_directions(follow):
    ada, bob, cyd, dee = chain(follow, 3)
    assert follow.distance_between(ada, cyd) == 2
    assert follow.distance_between(ada, dee) is None, "the limit is 2"
    assert follow.distance_between(ada, dee, limit=3) == 3
    assert follow.distance_between(dee, ada, limit=None) is None
    assert follow.path_between(ada, dee) == [ada, bob, cyd, dee]
    assert follow.path_between(ada, dee, limit=2) is None
    assert follow.path_between(dee, ada) is None
    assert follow.are_connected(ada, dee)
    assert not follow.are_connected(dee, ada)
    assert follow.reachable_from(bob) == {cyd: 1, dee: 2}
    assert follow.reachable_from(bob, 1) == {cyd: 1}
    assert follow.reachable_from(bob, 0) == {}
    assert follow.reachable_from(dee) == {}


def test_the_same_object(follow, django_assert_num_queries):
    (ada,) = accounts("ada")
    with django_assert_num_queries(0):
        assert follow.distance_between(ada, ada, limit=0) == 0
        assert follow.path_between(ada, ada) == [ada]
        assert follow.are_connected(ada, ada)


def test_cycles(follow, friend):
    ada, bob, cyd = chain(follow, 2)
    follow.create_connection(cyd, ada)
    friend.create_connections([(ada, bob), (bob, cyd), (cyd, ada)])
    assert follow.distance_between(bob, ada) == 2
    assert follow.reachable_from(bob) == {cyd: 1, ada: 2}
    assert friend.reachable_from(bob) == {cyd: 1, ada: 1}


def test_two_models(define):
    star = define("star", Account, Repo)
    (ada,) = accounts("ada")
    # The same key at both ends.
    (repo,) = Repo.objects.bulk_create([Repo(pk=ada.pk, name="repo")])
    repo = Repo.objects.get(pk=ada.pk)
    assert star.distance_between(ada, repo) is None
    assert star.path_between(ada, repo) is None
    star.create_connection(ada, repo)
    assert star.distance_between(ada, repo) == 1
    assert star.distance_between(ada, repo, limit=0) is None
    assert star.path_between(ada, repo) == [ada, repo]
    assert star.are_connected(ada, repo)
    assert star.reachable_from(ada) == {repo: 1}
    assert star.reachable_from(ada, 0) == {}


def test_keys_that_are_no_numbers(define):
    lead = define("lead", Style, Style)
    link = define("link", Page, Page)
    styles = [Style.objects.create(code=code) for code in ("it's", "100%", "ü")]
    pages = [Page.objects.create() for _ in range(3)]
    for relationship, objs in ((lead, styles), (link, pages)):
        relationship.create_connections(itertools.pairwise(objs))
        assert relationship.path_between(objs[0], objs[2]) == objs
        assert relationship.reachable_ids_from(objs[0]) == {
            objs[1].pk: 1,
            objs[2].pk: 2,
        }


def test_children(follow):
    company = Company.objects.create(name="company")
    (ada,) = accounts("ada")
    follow.create_connection(company, ada)
    follow.create_connection(ada, company)
    assert follow.distance_between(company, ada) == 1
    assert follow.distance_between(company, company.account_ptr) == 0
    assert follow.path_between(ada, company) == [ada, company]


def test_ways_do_not_lead_over_what_is_gone(follow):
    ada, bob, cyd = chain(follow, 2)
    eve, fay = accounts("eve", "fay")
    follow.create_connections([(ada, eve), (eve, fay), (fay, cyd)])
    assert follow.path_between(ada, cyd) == [ada, bob, cyd]
    Account.objects.filter(pk=bob.pk)._raw_delete("default")
    assert follow.path_between(ada, cyd) == [ada, eve, fay, cyd]
    assert bob not in follow.reachable_from(ada)
    follow.remove_connection(ada, eve)
    assert follow.path_between(ada, cyd) is None


# Limits.


@pytest.mark.parametrize(
    ("limit", "error", "message"),
    [
        (-1, ValueError, "must not be negative; it is -1"),
        (-(10**30), ValueError, "must not be negative"),
        (MAX_DEPTH + 1, ValueError, "must be at most 1,000,000"),
        (10**30, ValueError, "must be at most 1,000,000"),
        (True, TypeError, "must be a whole number or None, not True"),
        (1.5, TypeError, "must be a whole number or None, not 1.5"),
        ("2", TypeError, "must be a whole number or None, not '2'"),
    ],
    ids=str,
)
def test_limits_that_cannot_be(follow, define, limit, error, message):
    ada, bob = chain(follow, 1)
    for search in (
        follow.distance_between,
        follow.path_between,
        follow.are_connected,
    ):
        with pytest.raises(error, match=f"limit {message}"):
            search(ada, bob, limit)
    for reach in (follow.reachable_from, follow.reachable_ids_from):
        with pytest.raises(error, match=f"max_depth {message}"):
            reach(ada, limit)
    star = define("star", Account, Repo)
    with pytest.raises(error, match=message):
        star.distance_between(ada, Repo.objects.create(), limit)


def test_a_limit_that_is_more_than_enough(follow):
    ada, bob = chain(follow, 1)
    assert follow.distance_between(ada, bob, MAX_DEPTH) == 1
    assert follow.distance_between(bob, ada, MAX_DEPTH) is None
    assert follow.reachable_from(ada, MAX_DEPTH) == {bob: 1}


# Queries.


def test_queries_are_for_levels(follow, django_assert_num_queries):
    objs = accounts(*"abcdefgh")
    # Complete: all the others are neighbours.
    follow.create_connections((one, two) for one in objs for two in objs)
    with django_assert_num_queries(1):
        assert follow.distance_between(objs[0], objs[1]) == 1
    with django_assert_num_queries(1):
        assert follow.path_between(objs[0], objs[1]) == objs[:2]
    with django_assert_num_queries(3):
        # Two levels, the second with nothing new, and the objects.
        assert len(follow.reachable_from(objs[0])) == 7
    with django_assert_num_queries(2):
        assert len(follow.reachable_ids_from(objs[0])) == 7


def test_queries_of_a_way(follow, friend, django_assert_num_queries):
    objs = chain(follow, 6)
    with django_assert_num_queries(2):
        assert follow.distance_between(objs[0], objs[6]) is None
    with django_assert_num_queries(6):
        assert follow.distance_between(objs[0], objs[6], 6) == 6
    with django_assert_num_queries(7):
        assert follow.path_between(objs[0], objs[6]) == objs
    friend.create_connections(itertools.pairwise(objs))
    with django_assert_num_queries(4):
        assert friend.distance_between(objs[0], objs[2]) == 2
    with django_assert_num_queries(3):
        assert list(friend.reachable_from(objs[0], 1)) == [objs[1]]


def test_a_search_goes_on_from_the_smaller_side(follow, django_assert_num_queries):
    hub, target = accounts("hub", "target")
    many = accounts(*map(str, range(30)))
    follow.create_connections((hub, one) for one in many)
    follow.create_connections([(many[0], target)])
    with django_assert_num_queries(2):
        assert follow.distance_between(hub, target) == 2


def test_characteristics_do_not_matter(follow):
    ada, bob = chain(follow, 1)
    assert follow.connections.filter(Q(from_pk=ada.pk)).get().to_object == bob
    assert Connection.objects.count() == 1
