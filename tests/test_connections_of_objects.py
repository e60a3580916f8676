"""From objects to their connections: accessors, lookups, order, prefetching."""

import datetime
import inspect
import pickle

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import FieldError
from django.db import connection
from django.db.models import Count, F, Max, Prefetch, Q
from django.utils import timezone

from gm2m.connections import (
    Connection,
    connections_of,
    define_relationship,
    relationships,
    undefine_relationship,
)
from gm2m.connections.fields import Step
from tests.lithub.models import (
    Account,
    Company,
    Edge,
    Page,
    Rating,
    Reply,
    Repo,
    Slot,
    Style,
)

pytestmark = pytest.mark.django_db

NOW = timezone.now()
DAY = datetime.timedelta(days=1)


def times(days):
    start = NOW + days * DAY
    return {"start_time": start, "end_time": start + DAY / 2}


@pytest.fixture
def page_styles(define):
    found = define("page_styles", Page, Style, connection_model=Slot)
    found.attach(
        "styles", "pages", connections_from="style_slots", connections_to="page_slots"
    )
    return found


@pytest.fixture
def pages():
    return [Page.objects.create(title=title) for title in "ab"]


@pytest.fixture
def styles():
    return [Style.objects.create(code=code) for code in "xyz"]


@pytest.fixture
def slots(page_styles, pages, styles):
    """Past, present and future of the first page, and one of the second."""
    pairs = [(pages[0], style) for style in styles] + [(pages[1], styles[0])]
    return [
        page_styles.create_connection(*pair, **times(days))
        for pair, days in zip(pairs, (-9, 0, 9, 9), strict=True)
    ]


@pytest.fixture
def friend(define):
    found = define("friend", Account, Account, symmetric=True, connection_model=Rating)
    found.attach("friends", connections_from="friendships")
    return found


@pytest.fixture
def accounts():
    return [Account.objects.create(name=name) for name in ("ada", "bob", "eve")]


# Accessors.


def test_reading(slots, pages, styles, django_assert_num_queries):
    page = pages[0]
    with django_assert_num_queries(1):
        found = list(page.style_slots.filter(start_time__lte=NOW).order_by("pk"))
    assert found == slots[:2]
    with django_assert_num_queries(0):
        assert found[0].from_object is page
    assert page.style_slots.count() == 3
    assert list(styles[0].page_slots.order_by("pk")) == [slots[0], slots[3]]
    assert styles[0].page_slots.latest("date") == slots[3]
    assert list(page.style_slots(manager="objects").filter(to_object=styles[1])) == [
        slots[1]
    ]
    assert isinstance(page.style_slots.all(), type(Slot.objects.all()))
    with pytest.raises(ValueError, match="is not saved"):
        Page().style_slots  # noqa: B018


def test_what_the_accessors_are_on_the_classes(slots):
    assert Page.style_slots.rel is Page._meta.get_field("style_slots")
    assert Slot.relationship is inspect.getattr_static(Slot, "relationship")


def test_lookups(slots, pages, styles):
    now = Q(page_slots__start_time__lte=NOW, page_slots__end_time__gt=NOW)
    assert list(Style.objects.filter(now)) == [styles[1]]
    assert not Style.objects.exclude(page_slots__end_time__gt=NOW)
    assert list(Style.objects.filter(page_slots=slots[2])) == [styles[2]]
    assert set(Style.objects.filter(page_slots__in=slots[:2])) == set(styles[:2])
    late = Slot.objects.filter(start_time__gt=NOW + DAY)
    assert set(Style.objects.filter(page_slots__in=late)) == {styles[0], styles[2]}
    lonely = Style.objects.create(code="lonely")
    assert list(Style.objects.filter(page_slots=None)) == [lonely]
    assert list(Style.objects.filter(page_slots__isnull=True)) == [lonely]
    assert list(Style.objects.filter(page_slots__from_object=pages[1])) == [styles[0]]
    assert list(Style.objects.exclude(page_slots__isnull=True).order_by("pk")) == styles
    assert set(Style.objects.exclude(page_slots__from_object=pages[0])) == {lonely}
    assert set(Style.objects.exclude(page_slots=slots[0])) == {*styles[1:], lonely}
    query = Style.objects.filter(now)
    again = Style.objects.all()
    again.query = pickle.loads(pickle.dumps(query.query))
    assert list(again) == [styles[1]]


def test_order_and_aggregates(slots, pages, styles):
    found = Page.objects.annotate(
        number=Count("style_slots"), last=Max("style_slots__start_time")
    ).order_by("-number")
    assert [(page, page.number, page.last) for page in found] == [
        (pages[0], 3, NOW + 9 * DAY),
        (pages[1], 1, NOW + 9 * DAY),
    ]
    order = Style.objects.filter(page_slots__from_object=pages[0])
    assert list(order.order_by("-page_slots__start_time")) == styles[::-1]
    assert list(
        Page.objects.values_list("title", "style_slots__to_pk").order_by(
            "style_slots__pk"
        )
    ) == [("a", "x"), ("a", "y"), ("a", "z"), ("b", "x")]


def test_prefetching(slots, pages, styles, django_assert_num_queries):
    with django_assert_num_queries(2):
        found = Page.objects.order_by("title").prefetch_related("style_slots")
        assert [set(page.style_slots.all()) for page in found] == [
            set(slots[:3]),
            {slots[3]},
        ]
        for page in found:
            for slot in page.style_slots.all():
                assert slot.from_object is page
    latest = Slot.objects.order_by("-start_time")
    for queryset, expected in (
        (latest.filter(start_time__lte=NOW), [[slots[1], slots[0]], []]),
        (latest[:1], [[slots[2]], [slots[3]]]),
        (latest[1:], [[slots[1], slots[0]], []]),
    ):
        with django_assert_num_queries(2):
            found = Page.objects.order_by("title").prefetch_related(
                Prefetch("style_slots", queryset, to_attr="some")
            )
            assert [page.some for page in found] == expected
        with django_assert_num_queries(2):
            found = Page.objects.order_by("title").prefetch_related(
                Prefetch("style_slots", queryset)
            )
            assert [list(page.style_slots.all()) for page in found] == expected
    with django_assert_num_queries(3):
        (found,) = Page.objects.filter(title="b").prefetch_related(
            "style_slots__to_object"
        )
        assert found.style_slots.all()[0].to_object == styles[0]
    found.style_slots.create(to_object=styles[1], **times(1))
    assert found.style_slots.count() == 2


def test_writing(page_styles, pages, styles):
    page, other = pages
    one = page.style_slots.create(to_object=styles[0], **times(0))
    assert page_styles.get_connection(page, styles[0]) == one
    assert page.style_slots.get_or_create(to_object=styles[0]) == (one, False)
    two, created = page.style_slots.get_or_create(
        to_object=styles[1], defaults=times(1)
    )
    assert created
    assert page.style_slots.update_or_create(
        to_object=styles[1], defaults={"end_time": NOW}
    ) == (two, False)
    two.refresh_from_db()
    assert two.end_time == NOW
    three, created = styles[2].page_slots.update_or_create(
        from_object=page, defaults=times(0), create_defaults=times(5)
    )
    assert created
    assert three.start_time == NOW + 5 * DAY
    other.style_slots.add(one, two)
    assert set(other.style_slots.all()) == {one, two}
    assert list(page.style_slots.all()) == [three]
    new = Slot(to_object=styles[0], **times(3))
    with pytest.raises(ValueError, match="isn't saved"):
        page.style_slots.add(three, new)
    page.style_slots.add(new, bulk=False)
    assert set(page.style_slots.all()) == {three, new}
    page.style_slots.set([two])
    assert set(page.style_slots.all()) == {two, three, new}
    page.style_slots.add()
    for wrong in (page, 7):
        with pytest.raises(TypeError, match="'Slot' instance expected"):
            page.style_slots.add(wrong)
    with pytest.raises(TypeError, match=r"Use style_slots\.set\(\) instead"):
        page.style_slots = [one]
    with pytest.raises(TypeError, match=r"objects of lithub\.Style at its 'to' end"):
        page.style_slots.create(to_object=page, **times(0))


def test_writing_asynchronously(page_styles, pages, styles):
    async def write():
        made = await pages[0].style_slots.acreate(to_object=styles[0], **times(0))
        got = await pages[0].style_slots.aget_or_create(to_object=styles[0])
        await pages[1].style_slots.aadd(made)
        return made, got

    made, got = async_to_sync(write)()
    assert got == (made, False)
    assert list(pages[1].style_slots.all()) == [made]


def test_nothing_is_deleted_twice(slots, pages, django_assert_num_queries):
    pages[0].delete()
    assert list(Slot.objects.all()) == [slots[3]]


def test_a_symmetric_relationship(friend, accounts, django_assert_num_queries):
    ada, bob, eve = accounts
    one = friend.create_connection(ada, bob, rank=1)
    two = friend.create_connection(eve, bob, rank=2)
    assert set(bob.friendships.all()) == {one, two}
    assert list(ada.friendships.all()) == [one]
    with django_assert_num_queries(2):
        assert ada.friendships.get().other(ada) == bob
    assert Account.objects.get(friendships=two, name="eve") == eve
    assert list(
        Account.objects.annotate(n=Count("friendships")).order_by("-n", "name")
    ) == [bob, ada, eve]
    assert list(Account.objects.filter(friendships__rank=2).order_by("name")) == [
        bob,
        eve,
    ]
    assert list(Account.objects.exclude(friendships__rank=2)) == [ada]
    with django_assert_num_queries(2):
        found = Account.objects.order_by("name").prefetch_related("friendships")
        lists = [
            [(row, row.other(account)) for row in account.friendships.all()]
            for account in found
        ]
    assert [{row for row, _other in rows} for rows in lists] == [
        {one},
        {one, two},
        {two},
    ]
    best = Prefetch("friendships", Rating.objects.order_by("-rank")[:1])
    found = Account.objects.order_by("name").prefetch_related(best)
    assert [list(account.friendships.all()) for account in found] == [
        [one],
        [two],
        [two],
    ]
    itself = ada.friendships.create(to_object=ada)
    assert ada.friendships.create(from_object=eve, rank=3).other(ada) == eve
    assert eve.friendships.get_or_create(to_object=ada)[1] is False
    assert ada.friendships.filter(pk=itself.pk).count() == 1
    found = Account.objects.prefetch_related("friendships").get(pk=ada.pk)
    assert len(found.friendships.all()) == 3


def test_children_have_the_connections_of_their_parent(define):
    hire = define("hire", Account, Repo)
    hire.attach(connections_from="hirings")
    company, repo = Company.objects.create(name="c"), Repo.objects.create()
    made = company.hirings.create(to_object=repo)
    assert list(Company.objects.filter(hirings=made)) == [company]
    assert list(hire.connected_objects(company)) == [repo]


def test_key_columns_of_the_objects_own_type(define, accounts):
    cite = define("cite", Account, Account, connection_model=Edge)
    cite.attach(connections_from="citings", connections_to="citations")
    ada, bob, _eve = accounts
    made = ada.citings.create(to_object=bob)
    assert bob.citations.get() == made
    found = Account.objects.order_by("name").prefetch_related("citings", "citations")
    assert [len(one.citings.all()) for one in found] == [1, 0, 0]
    assert [len(one.citations.all()) for one in found] == [0, 1, 0]
    assert Account.objects.get(citations__isnull=False) == bob


def test_names_that_cannot_be(define):
    star = define("star", Account, Repo)
    friend = define("friend", Account, Account, symmetric=True)
    for names, error, message in (
        ({}, TypeError, "needs a name"),
        ({"connections_from": 7}, TypeError, "must be a string"),
        ({"connections_from": "a__b"}, ValueError, "cannot be the name"),
        ({"connections_to": "name"}, ValueError, "something called 'name'"),
        ({"from_name": "x", "connections_from": "x"}, ValueError, "given twice for"),
    ):
        with pytest.raises(error, match=message):
            star.attach(**names)
    with pytest.raises(ValueError, match="takes one name"):
        friend.attach(connections_from="x", connections_to="y")
    assert not hasattr(Account, "x")
    star.attach(connections_from="x")
    with pytest.raises(ValueError, match="attached already"):
        star.attach(connections_to="y")


def test_what_is_undefined_leaves_nothing():
    for symmetric in (False, True):
        gone = define_relationship("gone", Account, Account, symmetric=symmetric)
        before = len(Connection._meta.private_fields)
        gone.attach(connections_from="goings")
        assert hasattr(Account, "goings")
        undefine_relationship("gone")
        assert not hasattr(Account, "goings")
        names = {field.name for field in Account._meta.get_fields(include_hidden=True)}
        assert not {name for name in names if "goin" in name or "gone" in name}
        assert len(Connection._meta.private_fields) < before


# Without accessors.


def test_the_very_connections(define, accounts, django_assert_num_queries):
    follow = define("follow", Account, Account, connection_model=Rating)
    ada, bob, eve = accounts
    follow.create_connections(
        [(ada, bob, {"rank": 1}), (ada, eve, {"rank": 2}), (bob, eve, {"rank": 0})]
    )
    with django_assert_num_queries(1):
        found = follow.connected_objects(ada).order_by("-connection__rank")
        assert list(found) == [eve, bob]
    found = follow.connected_objects(ada)
    assert list(found.order_by("connection__rank")) == [bob, eve]
    assert list(found.filter(connection__rank__gt=1)) == [eve]
    assert list(found.exclude(connection__rank=2)) == [bob]
    assert dict(found.values_list("name", "connection__rank")) == {"bob": 1, "eve": 2}
    assert found.annotate(rank=F("connection__rank")).get(pk=eve.pk).rank == 2
    assert list(follow.connected_objects(ada, rank=2).order_by("connection__date")) == [
        eve
    ]
    back = follow.connected_to_objects(eve)
    assert list(back.order_by("connection__rank")) == [bob, ada]
    assert list(back.filter(connection__rank=2)) == [ada]
    assert found.filter(connection__rank=2).count() == 1
    assert "JOIN" not in str(found.query)
    assert found.filter(connection__rank=1).update(name="best") == 1


def test_newest_first(define, accounts):
    follow = define("follow", Account, Account)
    ada, bob, eve = accounts
    follow.create_connections(
        [(bob, ada, {"date": NOW - DAY}), (eve, ada, {"date": NOW - 2 * DAY})]
    )
    newest = follow.connected_to_objects(ada).order_by("-connection__date")
    assert list(newest) == [bob, eve]
    assert list(newest.filter(connection__date__lt=NOW - DAY * 1.5)) == [eve]


def test_several_connections_of_a_pair(page_styles, pages, styles):
    page, style = pages[0], styles[0]
    for days in (-9, 0, 9):
        page_styles.create_connection(page, style, **times(days))
    page_styles.create_connection(pages[1], style, **times(90))
    found = page_styles.connected_objects(page)
    assert list(found) == [style], "each once"
    assert list(found.order_by("connection__start_time")) == [style] * 3
    assert list(found.filter(connection__start_time__gt=NOW + DAY)) == [style]
    now = {"start_time__lte": NOW, "end_time__gt": NOW}
    starts = page_styles.connected_objects(page, **now).values_list(
        "connection__start_time", flat=True
    )
    assert list(starts) == [NOW]
    assert list(page.styles.values_list("connection__start_time", flat=True)) != []


def test_the_very_connections_of_a_symmetric_relationship(friend, accounts):
    ada, bob, eve = accounts
    friend.create_connections(
        [
            (ada, bob, {"rank": 1}),
            (ada, eve, {"rank": 3}),
            (bob, eve, {"rank": 9}),
            (ada, ada, {"rank": 2}),
        ]
    )
    found = friend.connected_objects(ada).order_by("connection__rank")
    assert list(found.values_list("name", "connection__rank")) == [
        ("bob", 1),
        ("ada", 2),
        ("eve", 3),
    ]
    assert list(found.filter(connection__rank__gt=1)) == [ada, eve]
    assert list(
        friend.connected_to_objects(bob, rank=9).order_by("-connection__pk")
    ) == [eve]


def test_conditions_on_what_connections_lead_to(define, accounts):
    replies = define("replies", Account, Account, connection_model=Reply)
    ada, bob, eve = accounts
    first = replies.create_connection(ada, bob)
    replies.create_connection(ada, eve, to=first)
    replies.create_connection(bob, eve)
    found = replies.connected_objects(ada, to__to_pk=str(bob.pk))
    assert list(found.filter(name="eve")) == [eve]
    with pytest.raises(FieldError, match="Cannot resolve keyword 'connection'"):
        found.order_by("connection__pk")
    # By itself, such a condition can be asked of the connection.
    found = replies.connected_objects(ada)
    assert list(found.filter(connection__to__to_pk=str(bob.pk))) == [eve]


# What there is.


def test_all_relationships(define):
    one = define("zebra", Account, Repo)
    two = define("ant", "lithub.Account", Page)
    found = relationships()
    assert [one.name for one in found] == sorted(one.name for one in found)
    assert {one, two} <= set(found)
    undefined = define_relationship("gone", Account, Repo)
    undefine_relationship("gone")
    assert undefined not in relationships()


def test_connections_of_an_object(define, accounts, django_assert_num_queries):
    ada, bob, eve = accounts
    star = define("a_star", Account, Repo)
    follow = define("b_follow", Account, Account)
    rate = define("c_rate", Account, Repo, connection_model=Rating)
    define("d_like", Account, Page)
    repo = Repo.objects.create(pk=ada.pk)
    one = star.create_connection(ada, repo)
    two = follow.create_connection(bob, ada)
    three = follow.create_connection(ada, eve)
    four = rate.create_connection(ada, repo)
    with django_assert_num_queries(2):
        found = connections_of(ada)
    assert list(found) == [star, follow, rate]
    assert list(found[star]) == [one]
    assert set(found[follow]) == {two, three}
    assert list(found[rate]) == [four]
    assert {
        relationship: list(rows) for relationship, rows in connections_of(repo).items()
    } == {star: [one], rate: [four]}
    assert connections_of(Style.objects.create(code="lonely")) == {}
    assert list(connections_of(bob)[follow].filter(to_object=ada)) == [two]
    for wrong in (7, Account, None):
        with pytest.raises(TypeError, match="of an object of a model"):
            connections_of(wrong)
    with pytest.raises(ValueError, match="is not saved"):
        connections_of(Account())


def test_the_step_to_an_object_is_read_as_its_column(slots):
    """What Django may ask of a join and of an expression's field."""
    step = Step(Slot._meta.get_field("from_object"))
    column = Slot._meta.get_field("from_pk")
    assert step.db_type(connection) == column.db_type(connection)
    assert step.get_extra_restriction("a", "b") is None
