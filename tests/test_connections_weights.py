"""Ways over some connections only, their connections, and the cheapest of them."""

import asyncio
import itertools
import math
from decimal import Decimal

import networkx
import pytest
from django.core.exceptions import FieldError
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gm2m.connections import define_relationship, searches, undefine_relationship
from tests.lithub.models import Account, Company, Repo, Road, Style

pytestmark = pytest.mark.django_db

NODES = 8
node = st.integers(0, NODES - 1)
roads = st.lists(st.tuples(node, node, st.integers(0, 4)), max_size=30)


@pytest.fixture
def road(define):
    return define("road", Account, Account, connection_model=Road)


@pytest.fixture
def street(define):
    return define("street", Account, Account, connection_model=Road, symmetric=True)


def accounts(names):
    made = [Account.objects.create(name=name) for name in names]
    return dict(zip(names, made, strict=True))


def build(relationship, *ways):
    """Return objects by name; ways are such as ``"a b"``, and characteristics."""
    objs = accounts(dict.fromkeys("".join(way.replace(" ", "") for way, _ in ways)))
    for way, values in ways:
        one, two = way.split()
        relationship.create_connection(objs[one], objs[two], **values)
    return objs


# Against networkx.


@pytest.fixture(scope="module")
def graphs():
    names = ["weighted", "weighted_symmetric"]
    yield [
        define_relationship(
            name, Account, Account, connection_model=Road, symmetric=name != "weighted"
        )
        for name in names
    ]
    for name in names:
        undefine_relationship(name)


def cheapest_of(edges, start, goal, limit, symmetric):
    """Return the lowest cost of a way with at most `limit` edges, by brute force."""
    ways = [*edges, *((b, a, w) for a, b, w in edges if symmetric)]
    costs = {start: 0}
    for _ in range(limit):
        before = dict(costs)
        for one, two, weight in ways:
            if one in before:
                cost = before[one] + weight
                costs[two] = min(cost, costs.get(two, math.inf))
    return costs.get(goal)


@pytest.mark.parametrize("symmetric", [False, True])
@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(edges=roads, start=node, goal=node, limit=st.sampled_from([0, 1, 2, 3, None]))
def test_any_weights(graphs, symmetric, edges, start, goal, limit):
    relationship = graphs[symmetric]
    graph = networkx.MultiGraph() if symmetric else networkx.MultiDiGraph()
    graph.add_nodes_from(range(NODES))
    graph.add_weighted_edges_from(edges)
    with transaction.atomic():
        objs = list(accounts([str(number) for number in range(NODES)]).values())
        relationship.create_connections(
            (objs[one], objs[two], {"minutes": weight}) for one, two, weight in edges
        )
        found = relationship.path_between(
            objs[start], objs[goal], limit, weight="minutes"
        )
        along = relationship.path_between(
            objs[start], objs[goal], limit, weight="minutes", connections=True
        )
        expected = cheapest_of(edges, start, goal, limit or 0, symmetric)
        if limit is None:
            costs = networkx.single_source_dijkstra_path_length(graph, start)
            expected = costs.get(goal)
        if expected is None:
            assert found is None
            assert along is None
        else:
            path, cost = found
            assert cost == along[1] == expected
            assert (path[0], path[-1]) == (objs[start], objs[goal])
            assert limit is None or len(along[0]) <= limit
            assert sum(road.minutes for road in along[0]) == cost
            at = objs[start]
            for one in along[0]:
                at = one.other(at) if symmetric else check_start(one, at)
            assert at == objs[goal]
        transaction.set_rollback(True)


def check_start(road, at):
    assert road.from_object == at
    return road.to_object


# By hand.


def test_the_cheapest_way_may_be_longer(road):
    objs = build(
        road,
        ("a d", {"minutes": 10}),
        ("a b", {"minutes": 2}),
        ("b c", {"minutes": 2}),
        ("c d", {"minutes": 2}),
    )
    a, b, c, d = (objs[name] for name in "abcd")
    assert road.path_between(a, d) == [a, d]
    assert road.path_between(a, d, weight="minutes") == ([a, b, c, d], 6)
    assert road.path_between(a, d, 2, weight="minutes") == ([a, d], 10)
    assert road.path_between(a, d, 0, weight="minutes") is None
    assert road.path_between(d, a, weight="minutes") is None
    assert road.path_between(a, a, weight="minutes") == ([a], 0)


def test_a_cheaper_way_to_the_middle_does_not_lengthen_another(road):
    objs = build(
        road,
        ("a b", {"minutes": 5}),
        ("a x", {"minutes": 0}),
        ("x b", {"minutes": 0}),
        ("b c", {"minutes": 1}),
    )
    a, b, c = (objs[name] for name in "abc")
    assert road.path_between(a, c, 2, weight="minutes") == ([a, b, c], 6)
    assert road.path_between(a, c, 3, weight="minutes")[1] == 1


def test_cycles_and_zero_weights(road, street):
    for relationship in (road, street):
        objs = build(
            relationship,
            *((way, {"minutes": 0}) for way in ("a b", "b a", "b c", "c a", "a a")),
            ("c d", {"minutes": 0}),
        )
        path, cost = relationship.path_between(objs["a"], objs["d"], weight="minutes")
        assert cost == 0
        assert path[-1] == objs["d"]
        assert len(path) == len(set(path)), "no object twice"


@pytest.mark.parametrize(
    ("name", "weights", "cost"),
    [
        ("steps", [2, 3], 5),
        ("length", [0.5, 0.25], 0.75),
        ("toll", [Decimal("1.10"), Decimal("0.05")], Decimal("1.15")),
    ],
)
def test_types_of_weights(road, name, weights, cost):
    one, two = weights
    objs = build(road, ("a b", {name: one}), ("b c", {name: two}))
    found = road.path_between(objs["a"], objs["c"], weight=name)
    assert found == ([objs["a"], objs["b"], objs["c"]], cost)


def test_the_cheapest_of_parallel_connections(road):
    objs = build(road, ("a b", {"minutes": 3}), ("a b", {"minutes": 1}))
    a, b = objs.values()
    ((found,), cost) = road.path_between(a, b, weight="minutes", connections=True)
    assert (found.minutes, cost) == (1, 1)
    (oldest,) = road.path_between(a, b, connections=True)
    assert oldest.minutes == 3


def test_two_models(define):
    ride = define("ride", Account, Repo, connection_model=Road)
    (ada,) = accounts("a").values()
    # The same key at both ends.
    Repo.objects.bulk_create([Repo(pk=ada.pk)])
    repo = Repo.objects.get(pk=ada.pk)
    assert ride.path_between(ada, repo, weight="minutes") is None
    for minutes in (7, 4):
        ride.create_connection(ada, repo, minutes=minutes)
    assert ride.path_between(ada, repo, weight="minutes") == ([ada, repo], 4)
    assert ride.path_between(ada, repo, 0, weight="minutes") is None
    (found,) = ride.path_between(ada, repo, connections=True)
    assert (found.from_object, found.to_object) == (ada, repo)
    assert ride.reachable_to(repo) == {ada: 1}


def test_weights_do_not_lead_over_what_is_gone(road):
    objs = build(
        road,
        ("a b", {"minutes": 1}),
        ("b d", {"minutes": 1}),
        ("a c", {"minutes": 5}),
        ("c d", {"minutes": 5}),
    )
    a, b, c, d = (objs[name] for name in "abcd")
    Account.objects.filter(pk=b.pk)._raw_delete("default")
    assert road.path_between(a, d, weight="minutes") == ([a, c, d], 10)
    first, second = road.path_between(a, d, connections=True)
    assert (first.to_object, second.from_object) == (c, c)


# Wrong weights.


@pytest.mark.parametrize("far", ["c d", "x y", "b a"])
def test_negative_weights(road, far):
    objs = build(road, ("a b", {"minutes": 1}), ("b c", {}), (far, {"minutes": -1}))
    with pytest.raises(ValueError, match=r"has minutes -1\. No weight may be negative"):
        road.path_between(objs["a"], objs["b"], weight="minutes")
    path, cost = road.path_between(
        objs["a"], objs["b"], weight="minutes", minutes__gte=0
    )
    assert (path, cost) == ([objs["a"], objs["b"]], 1)


def test_missing_weights(road):
    objs = build(road, ("a b", {"minutes": 1}), ("b c", {"minutes": None}))
    with pytest.raises(ValueError, match=r"has no 'minutes'\. Set it, or leave out"):
        road.path_between(objs["a"], objs["b"], weight="minutes")
    assert road.path_between(
        objs["a"], objs["b"], weight="minutes", minutes__isnull=False
    )


def test_weights_that_are_no_numbers(road):
    if connection.vendor == "mysql":
        # Which has none.
        return
    objs = build(road, ("a b", {}))
    nan = math.nan if connection.vendor == "postgresql" else -math.inf
    road.connections.update(length=nan)
    with pytest.raises(ValueError, match="has length"):
        road.path_between(objs["a"], objs["b"], weight="length")


@pytest.mark.parametrize(
    "name",
    [
        "kind",
        "date",
        "id",
        "pk",
        "from_pk",
        "relationship_name",
        "relationship",
        "from_object",
        "nothing",
        "minutes__x",
        "",
    ],
)
def test_names_that_are_no_weights(road, name):
    a, b = build(road, ("a b", {})).values()
    with pytest.raises(TypeError, match=f"{name!r} is no such field of"):
        road.path_between(a, b, weight=name)
    with pytest.raises(TypeError, match="is no such field of"):
        road.path_between(a, a, weight=name)


@pytest.mark.parametrize("name", [5, True, ["minutes"], b"minutes"], ids=str)
def test_weights_that_are_no_names(road, name):
    a, b = build(road, ("a b", {})).values()
    with pytest.raises(TypeError, match="must be the name of a field, not"):
        road.path_between(a, b, weight=name)


# Conditions.


@pytest.mark.parametrize("name", ["road", "street"])
def test_conditions(request, name):
    relationship = request.getfixturevalue(name)
    objs = build(
        relationship,
        ("a c", {"kind": "ferry"}),
        ("a b", {"kind": "rail"}),
        ("b c", {"kind": "rail", "minutes": 3}),
    )
    a, b, c = (objs[name] for name in "abc")
    assert relationship.distance_between(a, c) == 1
    assert relationship.distance_between(a, c, kind="rail") == 2
    assert relationship.distance_between(a, c, limit=1, kind="rail") is None
    assert relationship.distance_between(a, c, kind__in=["rail", "x"]) == 2
    assert relationship.path_between(a, c, kind="rail") == [a, b, c]
    assert relationship.are_connected(a, c, kind="rail")
    assert not relationship.are_connected(a, c, kind="rail", minutes__gt=1)
    assert relationship.reachable_from(a, kind="rail") == {b: 1, c: 2}
    assert relationship.reachable_ids_from(a, 1, kind="rail") == {b.pk: 1}
    assert relationship.reachable_to(c, kind="rail") == {b: 1, a: 2}
    assert relationship.reachable_ids_to(c, max_depth=1, kind="rail") == {b.pk: 1}
    found = relationship.path_between(a, c, kind="rail", weight="minutes")
    assert found == ([a, b, c], 4)
    assert not relationship.mutual(a, b, kind="rail")
    assert list(relationship.mutual(a, b, minutes__gte=1)) == [c]


def test_conditions_of_two_models(define):
    ride = define("ride", Account, Repo, connection_model=Road)
    ada, repo = Account.objects.create(), Repo.objects.create()
    ride.create_connection(ada, repo, kind="rail")
    assert ride.distance_between(ada, repo, kind="rail") == 1
    assert ride.distance_between(ada, repo, kind="ferry") is None
    assert ride.reachable_from(ada, kind="ferry") == {}


def test_fields_that_are_called_as_options(road):
    a, b = build(road, ("a b", {"kind": "rail"})).values()
    assert road.path_between(a, b, kind__exact="rail") == [a, b]
    for search in (road.distance_between, road.path_between, road.are_connected):
        with pytest.raises(FieldError, match="'colour'"):
            search(a, b, colour="red")
        with pytest.raises(FieldError, match="'colour'"):
            search(a, a, colour="red")
    with pytest.raises(FieldError, match="'colour'"):
        road.reachable_to(a, colour="red")


# The connections of a way.


@pytest.mark.parametrize("name", ["road", "street"])
def test_connections_have_their_objects(request, name, django_assert_num_queries):
    relationship = request.getfixturevalue(name)
    objs = build(relationship, ("a b", {}), ("b c", {}), ("c d", {}))
    path = [objs[name] for name in "abcd"]
    found = relationship.path_between(path[0], path[3], connections=True)
    assert len(found) == 3
    with django_assert_num_queries(0):
        for one, (here, there) in zip(found, itertools.pairwise(path), strict=True):
            assert one.other(here) == there
    if name == "street":
        back = relationship.path_between(path[3], path[0], connections=True)
        assert back == found[::-1]
        with django_assert_num_queries(0):
            assert back[0].other(path[3]) == path[2]
    assert relationship.path_between(path[0], path[0], connections=True) == []
    assert relationship.path_between(path[0], path[3], 2, connections=True) is None


def test_connections_of_text_keys_and_children(define):
    lead = define("lead", Style, Style, connection_model=Road, symmetric=True)
    styles = [Style.objects.create(code=code) for code in ("it's", "100%", "10")]
    for one, two in itertools.pairwise(styles):
        lead.create_connection(one, two, minutes=2)
    found, cost = lead.path_between(
        styles[2], styles[0], weight="minutes", connections=True
    )
    assert cost == 4
    assert found[0].other(styles[2]) == styles[1]
    work = define("work", Account, Account, connection_model=Road)
    company, ada = Company.objects.create(), Account.objects.create()
    work.create_connection(company, ada)
    (one,) = work.path_between(company, ada, connections=True)
    assert one.from_object == company


def test_a_connection_that_goes_in_the_meantime(road, monkeypatch):
    objs = build(road, ("a b", {}), ("b d", {}), ("a c", {}), ("c d", {}))
    search = searches.shortest_path
    seen = []

    def losing(*args):
        found = search(*args)
        if not seen:
            seen.append(found)
            road.connections.filter(from_pk=found.keys[1]).delete()
        return found

    monkeypatch.setattr("gm2m.connections.graph.shortest_path", losing)
    found = road.path_between(objs["a"], objs["d"], connections=True)
    assert [one.from_pk for one in found] != seen[0].keys[:2]
    assert len(found) == 2


# The other direction, and several objects.


def test_reachable_to(road, street):
    objs = build(road, ("a b", {}), ("b c", {}), ("x c", {}), ("c y", {}))
    a, b, c, x = (objs[name] for name in "abcx")
    assert road.reachable_to(c) == {b: 1, x: 1, a: 2}
    assert road.reachable_to(c, 1) == {b: 1, x: 1}
    assert road.reachable_to(to_obj=a) == {}
    assert road.reachable_ids_to(c) == {b.pk: 1, x.pk: 1, a.pk: 2}
    assert asyncio.iscoroutinefunction(road.areachable_to)
    street.create_connection(a, b)
    assert street.reachable_to(a) == street.reachable_from(a) == {b: 1}


def test_mutual_of_any_number(road, street):
    objs = build(
        road,
        *((way, {}) for way in ("a x", "b x", "c x", "a y", "b y", "a z")),
        ("c y", {"kind": "rail"}),
    )
    a, b, c, x, y, z = (objs[name] for name in "abcxyz")
    assert set(road.mutual(a, b)) == {x, y}
    assert set(road.mutual(a, b, c)) == {x, y}
    assert set(road.mutual(a, b, c, kind="")) == {x}
    assert set(road.mutual(a)) == {x, y, z}
    assert set(road.mutual_to(x, y)) == {a, b, c}
    assert set(road.mutual_to(x, y, z)) == {a}
    assert road.mutual(a, b, c).filter(name="x").count() == 1
    street.create_connections([(a, b), (c, a), (b, x), (x, c)])
    assert set(street.mutual(b, c)) == set(street.mutual_to(b, c)) == {a, x}
    for mutual in (road.mutual, road.mutual_to):
        with pytest.raises(TypeError, match="pass the objects"):
            mutual()


# Queries.


def test_queries_of_weights(road, django_assert_num_queries):
    objs = build(
        road,
        ("a b", {"steps": 1}),
        ("b c", {"steps": 1}),
        ("a c", {"steps": 9}),
        ("c d", {"steps": 1}),
    )
    with django_assert_num_queries(3):
        # The connections of a, those of b and c, and the objects: the database takes no
        # negative steps.
        assert road.path_between(objs["a"], objs["d"], weight="steps")[1] == 3
    with django_assert_num_queries(4):
        road.path_between(objs["a"], objs["d"], weight="minutes")
    with django_assert_num_queries(4):
        road.path_between(objs["a"], objs["d"], weight="steps", connections=True)


@pytest.mark.parametrize("symmetric", [False, True])
def test_hubs(define, monkeypatch, symmetric, django_assert_max_num_queries):
    """The way between two objects is found from the one with fewer connections."""
    monkeypatch.setattr(searches, "FEW", 4)
    follow = define("follow", Account, Account, symmetric=symmetric)
    hub, other, fan, friend, stranger = accounts("hofis").values()
    many = Account.objects.bulk_create(Account(name=str(i)) for i in range(40))
    many = list(Account.objects.filter(pk__gt=stranger.pk))
    follow.create_connections((one, hub) for one in many)
    follow.create_connections((other, one) for one in many)
    follow.create_connections([(fan, hub), (friend, fan), (other, hub)])
    read = []
    step = searches.Side.advance

    def counting(side, edges):
        edges = list(edges)
        read.append(len(edges))
        step(side, edges)

    monkeypatch.setattr(searches.Side, "advance", counting)
    expected = [
        (fan, hub, 1),
        (friend, hub, 2),
        (other, hub, 1),
        (stranger, hub, None),
        (other, fan, 3 if not symmetric else 2),
    ]
    for one, two, distance in expected:
        read.clear()
        with django_assert_max_num_queries(16):
            found = follow.distance_between(one, two, 2)
        assert found == (distance if distance in (1, 2) else None)
        assert max(read) <= 41
        if distance == 1:
            assert max(read) <= 4
    assert follow.path_between(friend, hub) == [friend, fan, hub]
    assert follow.path_between(stranger, hub) is None
