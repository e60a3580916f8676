"""Relationships: defining them, and making, reading and removing connections."""

import datetime
import pickle
import threading
import uuid

import pytest
from asgiref.sync import async_to_sync
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.models import (
    CASCADE,
    DO_NOTHING,
    PROTECT,
    RESTRICT,
    F,
    ProtectedError,
)
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gm2m import connections
from gm2m.connections import (
    AbstractConnection,
    Connection,
    Relationship,
    RelationshipDoesNotExist,
    connection_created,
    connection_removed,
    define_relationship,
    get_relationship,
    undefine_relationship,
)
from gm2m.connections.definition import NAME_MAX_LENGTH
from gm2m.deletion import CASCADE_SIGNAL
from tests.app.models import Concert, Measure, Opera, Person, Poster, Premiere, Video
from tests.lithub.models import (
    Account,
    AccountProxy,
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

HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def star(define):
    return define("star", Account, "lithub.Repo", verbose_name="stars")


@pytest.fixture
def friend(define):
    return define("friend", Account, Account, symmetric=True)


@pytest.fixture
def slots(define):
    return define("slots", Page, Style, connection_model=Slot)


@pytest.fixture
def rate(define):
    return define("rate", Account, Repo, connection_model="lithub.Rating")


def accounts(*names):
    return [Account.objects.create(name=name) for name in names]


def repos(*names):
    return [Repo.objects.create(name=name) for name in names]


# Defining.


def test_what_is_defined_can_be_found(star):
    assert get_relationship("star") is star
    assert get_relationship(star) is star
    assert isinstance(star, Relationship)
    assert (star.from_model, star.to_model) == (Account, Repo)
    assert star.connection_model is Connection
    assert star.on_delete is CASCADE
    assert not star.symmetric
    assert star.verbose_name == "stars"
    assert str(star) == "star (lithub.Account -> lithub.Repo)"
    assert repr(star) == "<Relationship: star (lithub.Account -> lithub.Repo)>"
    assert pickle.loads(pickle.dumps(star)) is star


@pytest.mark.parametrize("name", ["nothing", "", None, 7, "STAR", b"star"])
def test_what_is_not_defined_cannot_be_found(star, name):
    with pytest.raises(RelationshipDoesNotExist, match="No relationship is called"):
        get_relationship(name)
    assert Relationship.DoesNotExist is RelationshipDoesNotExist


def test_apps_are_searched_for_relationships():
    found = get_relationship("star_repo")
    assert (found.from_model, found.to_model) == (Account, Repo)


def test_public_names():
    assert all(getattr(connections, name) for name in connections.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        connections.nothing  # noqa: B018


def test_defining_makes_no_query(django_assert_num_queries, define):
    with django_assert_num_queries(0):
        relationship = define("quiet", "lithub.Page", Opera)
        relationship.attach("quiet_operas", "quiet_pages")


@pytest.mark.parametrize("name", ["star", "STAR", "star_repo"])
def test_a_name_is_taken_once(star, name):
    with pytest.raises(ValueError, match=r"'\w+' cannot be defined: there is star"):
        define_relationship(name, Account, Repo)
    assert get_relationship("star") is star


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (None, TypeError, "must be a string, not None"),
        (7, TypeError, "must be a string, not 7"),
        ("", ValueError, "made of ASCII letters"),
        ("a b", ValueError, "made of ASCII letters"),
        ("it's", ValueError, "made of ASCII letters"),
        ("100%", ValueError, "made of ASCII letters"),
        ("é", ValueError, "made of ASCII letters"),
        ("star\n", ValueError, "made of ASCII letters"),
        ("_", ValueError, "made of ASCII letters"),
        ("x" * (NAME_MAX_LENGTH + 1), ValueError, "has at most 100 characters"),
    ],
)
def test_names_that_cannot_be(name, error, message):
    with pytest.raises(error, match=message):
        define_relationship(name, Account, Repo)


@pytest.mark.parametrize("name", ["x" * NAME_MAX_LENGTH, "a__b", "1.a:b-c", "_a_"])
def test_names_that_can_be(define, name):
    relationship = define(name, Account, Repo)
    (ada,), (repo,) = accounts("ada"), repos("repo")
    made = relationship.create_connection(ada, repo)
    assert relationship.get_connection(ada, repo) == made
    assert list(relationship.connected_objects(ada)) == [repo]
    ada.delete()
    assert not relationship.connections.exists()


def test_models_can_be_content_types(define, django_assert_num_queries):
    account = ContentType.objects.get_for_model(Account)
    proxy = ContentType.objects.get_for_model(AccountProxy, for_concrete_model=False)
    with django_assert_num_queries(0):
        like = define("like", account, to_model=proxy)
    assert (like.from_model, like.to_model) == (Account, AccountProxy)
    assert (like.from_content_type, like.to_content_type) == (account, proxy)
    with pytest.raises(ValueError, match=r"type of lithub\.gone, which is not"):
        define("wrong", account, ContentType(app_label="lithub", model="gone"))


def test_to_make_a_relationship_is_to_define_it(define):
    made = Relationship(
        "made",
        from_content_type=ContentType.objects.get_for_model(Account),
        to_content_type=ContentType.objects.get_for_model(Repo),
    )
    try:
        assert get_relationship("made") is made
        with pytest.raises(ValueError, match="there is made"):
            Relationship("made", Account, Repo)
        (ada,), (repo,) = accounts("ada"), repos("repo")
        assert made.create_connection(ada, repo).relationship is made
    finally:
        undefine_relationship(made)
    with pytest.raises(TypeError, match="from_model None is neither a model"):
        Relationship("nothing")


class Abstract(models.Model):
    class Meta:
        abstract = True


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (None, TypeError, "from_model None is neither a model"),
        (7, TypeError, "from_model 7 is neither a model"),
        (int, TypeError, "is neither a model nor the name of one"),
        ("Account", ValueError, "is no name of a model"),
        ("a.b.c", ValueError, "is no name of a model"),
        ("lithub.", ValueError, "is no name of a model"),
        ("lithub.Nothing", ValueError, "is not installed"),
        ("nowhere.Account", ValueError, "is not installed"),
        (Abstract, ValueError, "is abstract"),
        (Measure, TypeError, "primary key is a FloatField"),
    ],
)
def test_models_that_cannot_be(model, error, message):
    with pytest.raises(error, match=message):
        define_relationship("wrong", model, Repo)
    with pytest.raises(error, match=message.replace("from_model", "to_model")):
        define_relationship("wrong", Repo, model)
    with pytest.raises(RelationshipDoesNotExist):
        get_relationship("wrong")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"connection_model": Account}, TypeError, "is no subclass of"),
        ({"connection_model": "lithub.Account"}, TypeError, "is no subclass of"),
        ({"connection_model": AbstractConnection}, ValueError, "is abstract"),
        ({"connection_model": 7}, TypeError, "neither a model"),
        ({"connection_model": "lithub.No"}, ValueError, "is not installed"),
        ({"connection_model": Edge, "to": Page}, TypeError, "cannot hold"),
        ({"symmetric": True}, ValueError, "both models must be the same"),
        ({"symmetric": 1}, TypeError, "must be True or False"),
        ({"on_delete": models.SET_NULL}, ValueError, "on_delete must be CASCADE"),
        ({"on_delete": CASCADE_SIGNAL}, ValueError, "on_delete must be CASCADE"),
        ({"on_delete": None}, ValueError, "on_delete must be CASCADE"),
        ({"on_delete_from": 7}, ValueError, "on_delete_from must be CASCADE"),
        ({"on_delete_to": models.SET_NULL}, ValueError, "on_delete_to must be CASCADE"),
        (
            {"symmetric": True, "to": Account, "on_delete_to": PROTECT},
            ValueError,
            "must be the same",
        ),
    ],
)
def test_options_that_cannot_be(options, error, message):
    to = options.get("to", Repo)
    options = {name: value for name, value in options.items() if name != "to"}
    with pytest.raises(error, match=message):
        define_relationship("wrong", Account, to, **options)
    with pytest.raises(RelationshipDoesNotExist):
        get_relationship("wrong")
    assert not hasattr(Connection, "wrong_from")


def test_connection_models_that_are_based_on_others(registry):
    class ProxyConnection(Connection):
        class Meta:
            app_label = "app"
            proxy = True

    class ChildConnection(Connection):
        class Meta:
            app_label = "app"

    for model in (ProxyConnection, ChildConnection):
        with pytest.raises(ValueError, match="proxy or a multi-table child"):
            define_relationship("wrong", Account, Repo, connection_model=model)


def test_composite_keys(registry):
    class Seat(models.Model):
        pk = models.CompositePrimaryKey("row", "number")
        row = models.IntegerField()
        number = models.IntegerField()

        class Meta:
            app_label = "app"

    with pytest.raises(TypeError, match="is a CompositePrimaryKey"):
        define_relationship("wrong", Account, Seat)


def test_what_is_undefined_before_its_models_are_loaded(define):
    relationship = define_relationship("gone", Account, Repo)
    undefine_relationship("gone")
    relationship._publish(Account, Repo, Connection)
    assert not relationship.is_ready
    assert not hasattr(Connection, "gone_from")


def test_a_name_on_the_connection_model_is_not_overwritten(monkeypatch):
    monkeypatch.setattr(Connection, "date_from", 1, raising=False)
    with pytest.raises(ValueError, match="needs the name 'date_from'"):
        define_relationship("date", Account, Repo)
    with pytest.raises(RelationshipDoesNotExist):
        get_relationship("date")


def test_what_is_undefined_leaves_nothing(define):
    relationship = define_relationship("gone", Account, Repo)
    relationship.attach("gone_repos", "gone_accounts")
    (ada,), (repo,) = accounts("ada"), repos("repo")
    relationship.create_connection(ada, repo)
    undefine_relationship("gone")
    assert not hasattr(Account, "gone_repos")
    assert not hasattr(Connection, "gone_from")
    assert "gone_accounts" not in {f.name for f in Repo._meta.get_fields()}
    with pytest.raises(ImproperlyConfigured, match="it has been undefined"):
        relationship.connections  # noqa: B018
    again = define("gone", Account, Repo)
    assert again.connection_exists(ada, repo)


def test_the_app_has_to_be_installed(settings):
    settings.INSTALLED_APPS = ["django.contrib.contenttypes", "gm2m", "tests.lithub"]
    with pytest.raises(ImproperlyConfigured, match=r"add 'gm2m\.connections' to"):
        define_relationship("missing", Account, Repo)


# Connections.


def test_a_connection_tells_what_it_is(star):
    (ada,), (repo,) = accounts("ada"), repos("repo")
    made = star.create_connection(ada, repo)
    assert str(made) == (f"star (lithub.Account:{ada.pk} -> lithub.Repo:{repo.pk})")
    assert (made.relationship_name, made.from_pk, made.to_pk) == (
        "star",
        str(ada.pk),
        str(repo.pk),
    )
    assert timezone.now() - made.date < HOUR
    assert made.relationship is star
    assert (made.from_object, made.to_object) == (ada, repo)


def test_a_connection_of_nothing_that_is_defined():
    lost = Connection.objects.create(relationship_name="lost", from_pk="1", to_pk="2")
    assert str(lost) == "lost (1 -> 2)"
    assert lost.from_object is lost.to_object is None
    with pytest.raises(RelationshipDoesNotExist):
        lost.relationship  # noqa: B018


def test_creating_twice_gives_the_same(star, django_assert_num_queries):
    (ada,), (repo,) = accounts("ada"), repos("repo")
    made = star.create_connection(ada, repo)
    with django_assert_num_queries(1):
        assert star.create_connection(ada, repo) == made
    assert star.connections.count() == 1


def test_reading(star, django_assert_num_queries):
    ada, bob = accounts("ada", "bob")
    one, two = repos("one", "two")
    made = star.create_connection(ada, one)
    other = star.create_connection(bob, one)
    star.create_connection(ada, two)
    with django_assert_num_queries(1):
        assert star.get_connection(ada, one) == made
    with django_assert_num_queries(1):
        assert star.get_connection(bob, two) is None
    with django_assert_num_queries(1):
        assert star.connection_exists(ada, two)
    assert not star.connection_exists(bob, two)
    assert set(star.connections_from_object(ada)) == set(
        star.connections.exclude(pk=other.pk)
    )
    assert set(star.connections_to_object(one)) == {made, other}
    with django_assert_num_queries(1):
        assert set(star.connected_objects(ada)) == {one, two}
    with django_assert_num_queries(1):
        assert set(star.connected_to_objects(one)) == {ada, bob}
    with django_assert_num_queries(1):
        assert set(star.connected_object_ids(ada)) == {one.pk, two.pk}
    assert set(star.connected_to_object_ids(one)) == {ada.pk, bob.pk}
    with django_assert_num_queries(1):
        assert list(star.mutual(ada, bob)) == [one]


def test_what_is_read_is_a_queryset_of_the_model(star):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    star.create_connections([(ada, one), (ada, two)])
    found = star.connected_objects(ada)
    assert found.model is Repo
    assert list(found.filter(name="one").order_by("-pk")) == [one]
    assert found.filter(name="two").update(name="three") == 1
    assert list(Repo.objects.filter(pk__in=star.connected_object_ids(ada))) == list(
        Repo.objects.filter(pk__in=found)
    )
    assert len(pickle.loads(pickle.dumps(found))) == 2
    Repo.objects.filter(pk=two.pk).update(gone=True)
    assert list(found.all()) == [one], "the default manager hides it"
    assert list(star.connected_object_ids(ada)) == [one.pk]
    assert found.all().delete()[0] == 2
    assert star.connections.count() == 1


def test_relationships_are_apart(star, define):
    other = define("watch", Account, Repo)
    (ada,), (repo,) = accounts("ada"), repos("repo")
    star.create_connection(ada, repo)
    assert not other.connections.exists()
    assert not other.connection_exists(ada, repo)
    assert not other.connected_objects(ada)
    assert not other.connected_to_objects(repo)
    assert other.remove_connection(ada, repo) == 0


def test_removing(star, django_assert_num_queries):
    ada, bob = accounts("ada", "bob")
    (repo,) = repos("repo")
    star.create_connections([(ada, repo), (bob, repo)])
    with django_assert_num_queries(1):
        assert star.remove_connection(ada, repo) == 1
    assert star.remove_connection(ada, repo) == 0
    assert list(star.connected_to_objects(repo)) == [bob]


def test_setting(star):
    (ada,), (one, two, three) = accounts("ada"), repos("one", "two", "three")
    star.set_connected(ada, [one, two, one])
    kept = star.get_connection(ada, two)
    star.set_connected(ada, {two, three})
    assert set(star.connected_objects(ada)) == {two, three}
    assert star.get_connection(ada, two).pk == kept.pk
    star.set_connected(ada, [])
    assert not star.connections.exists()


def test_nothing_is_set_if_one_object_is_wrong(star):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    star.set_connected(ada, [one])
    for others in ([two, None], [two, Repo()], two, None, [two, ada]):
        with pytest.raises((TypeError, ValueError)):
            star.set_connected(ada, others)
    with pytest.raises(TypeError, match="'nothing' is no field"):
        star.set_connected(ada, [two], nothing=1)
    assert list(star.connected_objects(ada)) == [one]


def test_many_at_once(star, django_assert_num_queries):
    ada, bob = accounts("ada", "bob")
    one, two = repos("one", "two")
    star.create_connection(ada, one)
    pairs = [(ada, one), (ada, two), (bob, two), (bob, two)]
    with CaptureQueriesContext(connection) as queries:
        star.create_connections(pairs)
    assert sum("INSERT" in query["sql"] for query in queries) == 1
    assert not any(query["sql"].startswith("SELECT") for query in queries)
    assert star.connections.count() == 3
    star.create_connections([])
    star.create_connections(iter([]))
    assert star.connections.count() == 3


@pytest.mark.parametrize("pair", [None, 7, "ab", (1,), (1, 2, 3)])
def test_pairs_that_are_none(star, pair):
    (ada,), (repo,) = accounts("ada"), repos("repo")
    with pytest.raises(TypeError):
        star.create_connections([(ada, repo), pair])
    assert not star.connections.exists()


def test_asynchronous_twins(star):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")

    async def work():
        made = await star.acreate_connection(ada, one)
        assert await star.aget_connection(ada, one) == made
        assert await star.aconnection_exists(ada, one)
        await star.acreate_connections([(ada, two)])
        assert {repo async for repo in star.connected_objects(ada)} == {one, two}
        assert await star.adistance_between(ada, one) == 1
        assert await star.aare_connected(ada, one)
        assert await star.apath_between(ada, one) == [ada, one]
        assert await star.areachable_from(ada) == {one: 1, two: 1}
        assert await star.areachable_ids_from(ada) == {one.pk: 1, two.pk: 1}
        await star.aset_connected(ada, [one])
        assert await star.aremove_connection(ada, one) == 1

    async_to_sync(work)()


# Wrong objects.

READING = [
    "connections_from_object",
    "connected_objects",
    "connected_object_ids",
    "reachable_from",
]
PAIRS = [
    "create_connection",
    "get_connection",
    "connection_exists",
    "remove_connection",
    "distance_between",
    "path_between",
    "are_connected",
]


@pytest.mark.parametrize("method", [*READING, *PAIRS])
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: None, TypeError, "got None"),
        (lambda: 7, TypeError, "got 7"),
        (lambda: "1", TypeError, "got '1'"),
        (lambda: Account, TypeError, "got the class"),
        (lambda: Person.objects.create(name="p"), TypeError, "of lithub.Account at"),
        (lambda: Repo.objects.create(name="r"), TypeError, "of lithub.Account at"),
        (lambda: Account(name="new"), ValueError, "is not saved"),
        (lambda: Account(pk=7), ValueError, "is not saved"),
    ],
    ids=["none", "key", "text", "class", "other", "end", "unsaved", "with_key"],
)
def test_wrong_objects(star, method, make, error, message):
    (repo,) = repos("repo")
    with pytest.raises(error, match=message):
        getattr(star, method)(make(), *([repo] if method in PAIRS else []))
    assert not star.connections.exists()


@pytest.mark.parametrize("method", PAIRS)
def test_wrong_objects_at_the_other_end(star, method):
    (ada,) = accounts("ada")
    with pytest.raises(TypeError, match=r"of lithub\.Repo at its 'to' end"):
        getattr(star, method)(ada, ada)
    with pytest.raises(ValueError, match="is not saved"):
        getattr(star, method)(ada, Repo())
    with pytest.raises(ValueError, match="is not saved"):
        star.connected_to_objects(Repo())


def test_deleted_objects(star):
    (ada,), (repo,) = accounts("ada"), repos("repo")
    repo.delete()
    with pytest.raises(ValueError, match="is not saved"):
        star.create_connection(ada, repo)


# Keys.


def samples():
    """Objects with keys of every kind, with those that are written in odd ways."""
    opera = Opera.objects.create(title="opera")
    return [
        Account.objects.create(name="integer"),
        opera,
        Concert.objects.create(code="it's 100%_ó"),
        Concert.objects.create(code="-1"),
        Premiere.objects.create(day=datetime.date(1, 2, 3)),
        Premiere.objects.create(day=datetime.date(2020, 2, 29)),
        Poster.objects.create(opera=opera),
        Company.objects.create(name="child"),
    ]


def test_keys_of_every_kind_at_both_ends(define):
    objs = samples()
    relationships = {}
    for one in objs:
        for two in objs:
            pair = type(one), type(two)
            if pair not in relationships:
                name = f"{pair[0].__name__}-{pair[1].__name__}"
                relationships[pair] = define(name, *pair)
            relationships[pair].create_connection(one, two)
    for (from_model, to_model), relationship in relationships.items():
        ones = [obj for obj in objs if type(obj) is from_model]
        twos = [obj for obj in objs if type(obj) is to_model]
        for one in ones:
            assert set(relationship.connected_objects(one)) == set(twos)
            ids = set(relationship.connected_object_ids(one))
            assert ids == {two.pk for two in twos}
            for two in twos:
                assert relationship.connection_exists(one, two)
                found = relationship.get_connection(one, two)
                assert (found.from_object, found.to_object) == (one, two)
                assert relationship.distance_between(one, two) in (0, 1)
        for two in twos:
            assert set(relationship.connected_to_objects(two)) == set(ones)


def test_a_key_that_is_too_long(define):
    relationship = define("styled", Page, Style)
    page = Page.objects.create()
    short = Style.objects.create(code="x" * 255)
    long = Style.objects.create(code="x" * 256)
    relationship.create_connection(page, short)
    for write in (
        lambda: relationship.create_connection(page, long),
        lambda: relationship.create_connections([(page, short), (page, long)]),
        lambda: relationship.set_connected(page, [long]),
    ):
        with pytest.raises(ValueError, match="is longer than the 255 characters"):
            write()
    assert list(relationship.connected_objects(page)) == [short]
    assert not relationship.connection_exists(page, long)


def test_key_columns_of_the_objects_own_type(define):
    relationship = define("edge", Account, Account, connection_model=Edge)
    ada, bob, cyd = accounts("ada", "bob", "cyd")
    made = relationship.create_connection(ada, bob)
    assert relationship.create_connection(ada, bob) == made
    relationship.create_connections([(bob, cyd), (ada, bob)])
    assert made.from_pk == ada.pk
    assert made.to_object == bob
    assert list(relationship.connected_objects(ada)) == [bob]
    assert list(relationship.connected_object_ids(bob)) == [cyd.pk]
    assert relationship.path_between(ada, cyd) == [ada, bob, cyd]
    assert relationship.reachable_ids_from(ada) == {bob.pk: 1, cyd.pk: 2}
    bob.delete()
    assert not relationship.connections.exists()


# Inheritance.


def test_children_and_proxies_are_objects_of_the_model(star):
    company = Company.objects.create(name="child")
    proxy = AccountProxy.objects.get(pk=company.pk)
    (repo,) = repos("repo")
    made = star.create_connection(company, repo)
    assert star.create_connection(proxy, repo) == made
    assert star.create_connection(company.account_ptr, repo) == made
    assert [type(obj) for obj in star.connected_to_objects(repo)] == [Account]
    company.delete()
    assert not star.connections.exists()


def test_a_child_as_an_end(define):
    employ = define("employ", Company, Account)
    company = Company.objects.create(name="child")
    (ada,) = accounts("ada")
    employ.create_connection(company, ada)
    assert list(employ.connected_to_objects(ada)) == [company]
    with pytest.raises(TypeError, match=r"of lithub.Company at its 'from' end"):
        employ.create_connection(ada, company)
    # The child alone goes, and with it what is connected with it.
    company.delete(keep_parents=True)
    assert not employ.connections.exists()


def test_a_proxy_as_an_end(define):
    follow = define("follow", AccountProxy, AccountProxy)
    ada, bob = accounts("ada", "bob")
    follow.create_connection(ada, bob)
    assert follow.from_model is AccountProxy
    assert [type(obj) for obj in follow.connected_objects(ada)] == [AccountProxy]
    assert follow.reachable_from(ada) == {bob: 1}
    bob.delete()
    assert not follow.connections.exists()


# Characteristics.


def test_characteristics(slots, django_assert_num_queries):
    now = timezone.now()
    page = Page.objects.create()
    old, new = (Style.objects.create(code=code) for code in ("old", "new"))
    past = {"start_time": now - 2 * HOUR, "end_time": now - HOUR}
    present = {"start_time": now - HOUR, "end_time": now + HOUR}
    first = slots.create_connection(page, old, **past)
    slots.create_connection(page, new, **present)
    again = slots.create_connection(page, new, **past)
    assert slots.connections.count() == 3
    assert first.start_time == past["start_time"]
    with django_assert_num_queries(1):
        found = slots.connected_objects(page, start_time__lte=now, end_time__gt=now)
        assert list(found) == [new]
    assert set(slots.connected_objects(page)) == {old, new}
    assert slots.connected_objects(page).count() == 2, "each of them once"
    assert list(slots.connected_to_objects(new, start_time__lte=now)) == [page]
    assert slots.get_connection(page, new, end_time__lt=now) == again
    assert slots.connection_exists(page, old, end_time__lt=now)
    assert not slots.connection_exists(page, old, end_time__gt=now)
    assert slots.connections_from_object(page, end_time__lt=now).count() == 2
    assert slots.remove_connection(page, new, end_time__lt=now) == 1
    assert slots.remove_connection(page, new) == 1
    slots.create_connections([(page, new), (page, new)], **present)
    assert slots.connections.count() == 3


def test_characteristics_where_pairs_are_unique(rate):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    made = rate.create_connection(ada, one, rank=3)
    assert rate.create_connection(ada, one, rank=5).rank == 3
    assert rate.get_connection(ada, one) == made
    rate.create_connections([(ada, one), (ada, two)], rank=7)
    ranks = rate.connections.order_by("rank").values_list("rank", flat=True)
    assert list(ranks) == [3, 7]
    with pytest.raises(IntegrityError), transaction.atomic():
        Rating.objects.create(
            relationship_name="rate", from_pk=str(ada.pk), to_pk=str(one.pk)
        )


@pytest.mark.parametrize(
    "name", ["nothing", "from_pk", "to_pk", "relationship_name", "pk", "id"]
)
def test_wrong_characteristics(rate, name):
    (ada,), (repo,) = accounts("ada"), repos("repo")
    rate.create_connection(ada, repo)
    with pytest.raises(TypeError, match=f"'{name}'"):
        rate.create_connection(ada, repo, **{name: 1})
    with pytest.raises(TypeError, match=f"'{name}'"):
        rate.create_connections([(ada, repo)], **{name: 1})


# Symmetry.


def test_a_symmetric_connection_is_one(friend):
    ada, bob, cyd = accounts("ada", "bob", "cyd")
    made = friend.create_connection(bob, ada)
    assert friend.create_connection(ada, bob) == made
    friend.create_connections([(ada, bob), (bob, ada), (cyd, ada), (ada, cyd)])
    assert friend.connections.count() == 2
    assert friend.get_connection(ada, bob) == friend.get_connection(bob, ada) == made
    assert friend.connection_exists(ada, bob)
    assert friend.connection_exists(bob, ada)
    assert set(friend.connected_objects(ada)) == {bob, cyd}
    assert set(friend.connected_to_objects(ada)) == {bob, cyd}
    assert list(friend.connected_objects(bob)) == [ada]
    assert friend.connections_from_object(bob).get() == made
    assert friend.connections_to_object(bob).get() == made
    assert list(friend.mutual(bob, cyd)) == [ada]
    friend.set_connected(bob, [bob, cyd])
    assert set(friend.connected_objects(bob)) == {bob, cyd}
    assert list(friend.connected_objects(ada)) == [cyd]
    assert friend.remove_connection(cyd, bob) == 1
    assert list(friend.connected_objects(bob)) == [bob]


def test_keys_of_a_symmetric_connection_have_one_order(friend):
    objs = accounts(*"abcdefghijkl")
    for one in objs:
        for two in objs:
            friend.create_connection(one, two)
    assert friend.connections.count() == len(objs) * (len(objs) + 1) // 2
    row = Connection(relationship_name="friend", from_pk="999999", to_pk="1000000")
    row.save()
    assert (row.from_pk, row.to_pk) == ("1000000", "999999")


def test_self_loops(friend, define):
    follow = define("follow", Account, Account)
    (ada,) = accounts("ada")
    for relationship in (friend, follow):
        relationship.create_connection(ada, ada)
        assert relationship.connection_exists(ada, ada)
        assert list(relationship.connected_objects(ada)) == [ada]
        assert list(relationship.connected_to_objects(ada)) == [ada]
        assert relationship.distance_between(ada, ada) == 0
        assert relationship.path_between(ada, ada) == [ada]
        assert relationship.reachable_from(ada) == {}
        assert list(relationship.mutual(ada, ada)) == [ada]
    ada.delete()
    assert not Connection.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["star", "friend"])
def test_threads_make_one_connection(star, friend, name):
    ada, bob = accounts("ada", "bob")
    (repo,) = repos("repo")
    pairs = [(ada, repo)] * 4 if name == "star" else [(ada, bob), (bob, ada)] * 2
    barrier, made, errors = threading.Barrier(4), [], []

    def create(pair):
        try:
            barrier.wait()
            made.append(get_relationship(name).create_connection(*pair).pk)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=create, args=[pair]) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(set(made)) == 1
    assert Connection.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_threads_make_many_connections(star):
    ones = accounts(*map(str, range(10)))
    twos = repos(*map(str, range(10)))
    pairs = [(one, two) for one in ones for two in twos]
    barrier, errors = threading.Barrier(4), []

    def create(pairs):
        try:
            barrier.wait()
            star.create_connections(pairs)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    # In opposite orders, so that they lock each other's rows.
    orders = [pairs, pairs[::-1]] * 2
    threads = [threading.Thread(target=create, args=[order]) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert star.connections.count() == 100


def test_fixtures(star):
    (ada,), (repo,) = accounts("ada"), repos("repo")
    made = star.create_connection(ada, repo)
    text = serializers.serialize("json", Connection.objects.all())
    star.connections.all().delete()
    (loaded,) = serializers.deserialize("json", text)
    loaded.save()
    assert star.get_connection(ada, repo) == made


# Characteristics.


def slot_times(days=0):
    start = timezone.now() + datetime.timedelta(days=days)
    return {"start_time": start, "end_time": start + HOUR}


@pytest.fixture
def page():
    return Page.objects.create()


@pytest.fixture
def styles():
    return [Style.objects.create(code=code) for code in "abc"]


def test_characteristics_of_each_pair(rate, django_assert_num_queries):
    ada, bob = accounts("ada", "bob")
    (repo,) = repos("repo")
    pairs = [(ada, repo, {"rank": 3}), (bob, repo), [ada, repo, {"rank": 9}]]
    with django_assert_num_queries(2):
        rate.create_connections(pairs, rank=1, note="all")
    assert (rate.get_connection(ada, repo).rank, rate.connections.count()) == (3, 2)
    assert rate.get_connection(bob, repo).rank == 1
    assert {one.note for one in rate.connections} == {"all"}
    rate.create_connections([(ada, repo, {"rank": 7})])
    assert rate.get_connection(ada, repo).rank == 3


def test_nothing_is_created_if_one_pair_is_wrong(rate):
    (ada,), (repo,) = accounts("ada"), repos("repo")
    for wrong in ((ada, repo, 7), (ada, repo, {}, {}), (ada,), 7, (ada, repo, None)):
        with pytest.raises(TypeError, match="connects pairs of objects"):
            rate.create_connections([(ada, repo), wrong])
    for own in ({"nothing": 1}, {"from_object": ada}, {"relationship": rate}):
        with pytest.raises(TypeError, match=r"is no field|is no characteristic"):
            rate.create_connections([(ada, repo), (ada, repo, own)])
    assert not rate.connections.exists()


def test_slots_of_each_pair(slots, page, styles):
    slots.create_connections(
        [(page, styles[0], slot_times(days)) for days in range(3)]
        + [(page, styles[1], slot_times())]
    )
    assert slots.connections_from_object(page).count() == 4


def test_updating(rate, star, django_assert_num_queries):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    rate.create_connections([(ada, one), (ada, two)], rank=1)
    with django_assert_num_queries(1):
        assert rate.update_connection(ada, one, rank=5, note="x") == 1
    assert rate.update_connection(from_obj=ada, to_obj=one, rank=F("rank") + 1) == 1
    assert rate.get_connection(ada, one).rank == 6
    assert rate.get_connection(ada, two).rank == 1
    rate.remove_connection(ada, two)
    assert rate.update_connection(ada, two, rank=2) == 0
    for wrong, message in (
        ({}, "needs a characteristic"),
        ({"to_pk": "1"}, "is no characteristic"),
        ({"to_object": two}, "is no characteristic"),
        ({"nothing": 1}, "is no field"),
        ({"pk": 1}, "is no characteristic"),
    ):
        with pytest.raises(TypeError, match=message):
            rate.update_connection(ada, one, **wrong)
    day = timezone.now() - datetime.timedelta(days=1)
    star.create_connection(ada, one)
    assert star.update_connection(ada, one, date=day) == 1
    assert star.get_connection(ada, one).date == day
    with pytest.raises(TypeError, match="that can be updated"):
        star.update_connection(ada, one, defined_relationship=star)
    assert async_to_sync(rate.aupdate_connection)(ada, one, rank=0) == 1


def test_updating_a_symmetric_one(define):
    friend = define("friend", Account, Account, symmetric=True, connection_model=Rating)
    ada, bob = accounts("ada", "bob")
    friend.create_connection(ada, bob)
    assert friend.update_connection(bob, ada, rank=2) == 1
    assert friend.get_connection(ada, bob).rank == 2


def test_setting_leaves_what_has_other_characteristics(slots, page, styles):
    past, now = slot_times(-9), slot_times()
    one, two, three = styles
    slots.set_connected(page, [one, two], **past)
    slots.set_connected(page, [one, three], **now)
    assert set(slots.connected_objects(page, **past)) == {one, two}
    assert set(slots.connected_objects(page, **now)) == {one, three}
    kept = slots.get_connection(page, three)
    slots.set_connected(page, [three], **now)
    assert list(slots.connected_objects(page, **now)) == [three]
    assert slots.get_connection(page, three) == kept
    assert slots.connections.count() == 3
    slots.set_connected(page, [])
    assert not slots.connections.exists()


def test_setting_where_pairs_are_unique(rate):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    rate.set_connected(ada, [one], rank=1)
    rate.set_connected(ada, [two], rank=2)
    assert list(rate.connected_objects(ada)) == [two]


def test_how_many_are_removed(define):
    replies = define("replies", Account, Repo, connection_model=Reply)
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    first = replies.create_connection(ada, one)
    replies.create_connection(ada, two, to=first)
    assert replies.remove_connection(ada, one) == 1
    assert not replies.connections.exists()


# The objects of a connection.


def test_objects_are_kept(star, django_assert_num_queries):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    star.create_connection(ada, one)
    found = star.connections.get()
    with django_assert_num_queries(1):
        assert found.from_object == ada
        assert found.from_object is found.from_object
    with django_assert_num_queries(2):
        assert found.to_object == one
        found.to_pk = str(two.pk)
        assert found.to_object == two


def test_connections_that_are_made_by_hand(star):
    (ada,), (repo,) = accounts("ada"), repos("repo")
    made = Connection(relationship_name="star", from_pk=ada.pk, to_pk=repo.pk)
    made.full_clean()
    assert (made.from_object, made.to_object) == (ada, repo)
    made.save()
    assert star.create_connection(ada, repo) == made


def test_objects_that_are_gone_are_none(star):
    (ada,), (repo,) = accounts("ada"), repos("repo")
    made = star.create_connection(ada, repo)
    Repo.everything.filter(pk=repo.pk)._raw_delete("default")
    made = Connection.objects.get(pk=made.pk)
    assert made.to_object is None
    made.to_pk = "junk"
    assert made.to_object is None
    assert not star.connected_objects(ada)
    assert not star.connected_object_ids(ada)


def test_objects_can_be_prefetched(star, define, django_assert_num_queries):
    like = define("like", Account, Page)
    ada, bob = accounts("ada", "bob")
    one, two = repos("one", "two")
    page = Page.objects.create()
    star.create_connections([(ada, one), (ada, two), (bob, two)])
    like.create_connection(ada, page)
    lost = Connection.objects.create(relationship_name="lost", from_pk="1", to_pk="2")
    with django_assert_num_queries(4):
        # The connections, accounts, repositories and pages.
        rows = Connection.objects.prefetch_related("from_object", "to_object")
        found = {row.pk: (row.from_object, row.to_object) for row in rows}
    assert found.pop(lost.pk) == (None, None)
    assert set(found.values()) == {(ada, one), (ada, two), (bob, two), (ada, page)}


def test_objects_can_be_prefetched_by_a_queryset(star):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    star.create_connections([(ada, one), (ada, two)])
    queryset = Repo.objects.filter(name="one").only("name")
    rows = star.connections.prefetch_related(models.Prefetch("to_object", queryset))
    assert {row.to_object for row in rows} == {one, None}


def test_lookups_by_the_ends_of_one_relationship(star):
    ada, bob = accounts("ada", "bob")
    (repo,) = repos("repo")
    star.create_connections([(ada, repo), (bob, repo)])
    assert star.connections.get(star_from__name="ada").star_from == ada
    assert star.connections.filter(star_to=repo).count() == 2
    assert not star.connections.filter(star_to__name="other").exists()
    assert star.connections.filter(star_to__in=Repo.objects.all()).count() == 2
    # Keys may come from anywhere.
    keys = star.connections.filter(star_from=ada).values("star_to")
    assert star.connections.filter(star_to__in=keys).count() == 2
    with pytest.raises(ValueError, match='Use a QuerySet for "Repo"'):
        star.connections.filter(star_to__in=Account.objects.all())


# Signals.


@pytest.fixture
def heard():
    """What the signals tell, as tuples."""
    told = []

    def created(sender, connection, using, **kwargs):
        told.append(("created", sender.name, connection.from_pk, connection.to_pk))

    def removed(sender, connection, using, **kwargs):
        told.append(("removed", sender.name, connection.from_pk, connection.to_pk))

    connection_created.connect(created)
    connection_removed.connect(removed)
    yield told
    assert connection_created.disconnect(created)
    assert connection_removed.disconnect(removed)


def test_signals(star, heard):
    (ada,), (one, two, three) = accounts("ada"), repos("one", "two", "three")
    star.create_connection(ada, one)
    star.create_connection(ada, one)
    key = str(ada.pk)
    assert heard == [("created", "star", key, str(one.pk))]
    heard.clear()
    star.create_connections([(ada, one), (ada, two)])
    assert heard == [("created", "star", key, str(two.pk))]
    heard.clear()
    star.remove_connection(ada, one)
    assert heard == [("removed", "star", key, str(one.pk))]
    heard.clear()
    star.set_connected(ada, [three])
    assert set(heard) == {
        ("removed", "star", key, str(two.pk)),
        ("created", "star", key, str(three.pk)),
    }
    heard.clear()
    ada.delete()
    assert heard == [("removed", "star", key, str(three.pk))]


def test_signals_of_another_model(rate, heard):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    rate.create_connections([(ada, one), (ada, two)], rank=1)
    assert [told[0] for told in heard] == ["created", "created"]


def test_signals_go_to_the_receivers_of_a_relationship(star, define):
    other = define("watch", Account, Repo)
    told = []

    def receiver(sender, connection, using, **kwargs):
        told.append((sender, connection, using))

    connection_created.connect(receiver, sender=star)
    try:
        (ada,), (repo,) = accounts("ada"), repos("repo")
        other.create_connection(ada, repo)
        made = star.create_connection(ada, repo)
    finally:
        connection_created.disconnect(receiver, sender=star)
    assert told == [(star, made, "default")]


def test_fixtures_and_strangers_send_nothing(star, heard):
    row = Connection(relationship_name="star", from_pk="1", to_pk="2")
    row.save_base(raw=True)
    row.save()
    assert heard == []
    Connection.objects.create(relationship_name="lost", from_pk="1", to_pk="2")
    assert heard == []


# Deletion.


def test_connections_go_with_either_end(star, define, django_assert_num_queries):
    define("likes", Account, Page)
    ada, bob = accounts("ada", "bob")
    many = repos(*"abcdefghij")
    star.create_connections((one, repo) for one in (ada, bob) for repo in many)
    with CaptureQueriesContext(connection) as queries:
        ada.delete()
    deleted = [q["sql"] for q in queries if "gm2m_connections_connection" in q["sql"]]
    assert all(sql.startswith("DELETE") for sql in deleted)
    # One for each end of each relationship that the model has.
    assert len(deleted) == 3
    assert star.connections.count() == len(many)
    Repo.objects.filter(name="a").delete()
    assert star.connections.count() == len(many) - 1


def test_objects_of_other_models_keep_theirs(star, define):
    like = define("like", Account, Page)
    page = Page.objects.create()
    (ada,) = accounts("ada")
    (repo,) = Repo.objects.bulk_create([Repo(pk=ada.pk, name="same key")])
    star.create_connection(ada, repo)
    like.create_connection(ada, page)
    Repo.objects.filter(pk=repo.pk).delete()
    assert like.connection_exists(ada, page)
    assert not star.connections.exists()


@pytest.mark.parametrize(
    ("policy", "error"), [(PROTECT, ProtectedError), (RESTRICT, models.RestrictedError)]
)
def test_connections_can_keep_their_ends(define, policy, error):
    hold = define("hold", Account, Repo, on_delete=policy)
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    made = hold.create_connection(ada, one)
    for obj in (ada, one):
        with pytest.raises(error) as caught:
            obj.delete()
        objs = caught.value.args[1]
        assert list(objs) == [made]
    two.delete()
    hold.remove_connection(ada, one)
    ada.delete()


def test_a_policy_for_each_end(define):
    hold = define("hold", Account, Repo, on_delete_from=PROTECT, on_delete_to=CASCADE)
    assert (hold.on_delete_from, hold.on_delete_to) == (PROTECT, CASCADE)
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    hold.create_connections([(ada, one), (ada, two)])
    with pytest.raises(ProtectedError):
        ada.delete()
    one.delete()
    assert list(hold.connected_objects(ada)) == [two]
    keep = define("keep", Account, Repo, on_delete=PROTECT, on_delete_from=CASCADE)
    keep.create_connection(ada, two)
    with pytest.raises(ProtectedError):
        two.delete()
    hold.remove_connection(ada, two)
    ada.delete()
    assert not keep.connections.exists()
    two.delete()


def test_connections_can_be_left_behind(define):
    leave = define("leave", Account, Repo, on_delete=DO_NOTHING)
    (ada,), (repo,) = accounts("ada"), repos("repo")
    leave.create_connection(ada, repo)
    ada.delete()
    assert leave.connections.get().from_object is None
    assert not leave.connected_to_objects(repo)


# Validation.


def test_validation(star, rate):
    (ada,), (repo,) = accounts("ada"), repos("repo")
    good = {"relationship_name": "star", "from_pk": str(ada.pk), "to_pk": str(repo.pk)}
    Connection(**good).full_clean()
    for wrong in (
        {"relationship_name": "nothing"},
        {"relationship_name": "rate"},
        {"from_pk": "0"},
        {"to_pk": "junk"},
    ):
        with pytest.raises(ValidationError) as error:
            Connection(**{**good, **wrong}).full_clean()
        assert list(error.value.message_dict) == list(wrong)


def test_uuids_and_unsaved_uuids(slots):
    assert uuid.UUID(str(Page().pk)), "a key before it is saved"
    with pytest.raises(ValueError, match="is not saved"):
        slots.connected_objects(Page())


# Databases.


@pytest.mark.django_db(databases=["default", "other"])
def test_another_database(star):
    ada = Account.objects.using("other").create(name="ada")
    repo = Repo.objects.using("other").create(name="repo")
    made = star.create_connection(ada, repo)
    assert made._state.db == "other"
    assert list(star.connected_objects(ada)) == [repo]
    assert star.connected_objects(ada).db == "other"
    assert star.using("other").connections.get() == made
    assert not star.connections.exists()
    assert made.from_object._state.db == "other"
    assert star.distance_between(ada, repo) == 1
    here = Repo.objects.create(name="here")
    with pytest.raises(ValueError, match="the routers do not allow"):
        star.create_connection(ada, here)


@pytest.mark.django_db(databases=["default", "other"])
def test_a_database_that_is_asked_for(star):
    ada, repo = accounts("ada")[0], repos("repo")[0]
    other = star.using("other")
    Account(pk=ada.pk, name="ada").save(using="other")
    Repo(pk=repo.pk, name="repo").save(using="other")
    other.create_connection(ada, repo)
    assert not star.connections.exists()
    assert other.connection_exists(ada, repo)
    assert other.connected_objects(ada).get()._state.db == "other"
    assert other.remove_connection(ada, repo) == 1
    with pytest.raises(Exception, match="nowhere"):
        star.using("nowhere")


class Apart:
    """Connections in one database, all else in the other."""

    def db_for_read(self, model, **hints):
        return "other" if issubclass(model, AbstractConnection) else "default"

    db_for_write = db_for_read

    def allow_relation(self, one, two, **hints):
        return True


@pytest.mark.django_db(databases=["default", "other"])
def test_connections_with_hidden_objects_of_another_database(star, settings):
    settings.DATABASE_ROUTERS = [Apart()]
    star.attach("stars")
    ada = Account.objects.create(name="ada")
    shown, hidden, gone = (Repo.objects.create(name=name) for name in "abc")
    ada.stars.add(shown, hidden, gone)
    Repo.objects.filter(pk=gone.pk)._raw_delete("default")
    Repo.objects.filter(pk=hidden.pk).update(gone=True)
    ada.stars.remove(hidden)
    ada.stars.clear()
    assert [connection.to_pk for connection in star.connections] == [str(hidden.pk)]


@pytest.mark.django_db(databases=["default", "other"])
def test_connections_in_another_database(star, settings):
    settings.DATABASE_ROUTERS = [Apart()]
    (ada,), (one, _two) = accounts("ada"), repos("one", "two")
    made = star.create_connection(ada, one)
    assert made._state.db == "other"
    assert list(star.connected_objects(ada)) == [one]
    assert list(star.connected_object_ids(ada)) == [one.pk]
    assert star.reachable_from(ada) == {one: 1}
    assert made.to_object._state.db == "default"


def test_videos_are_apart_from_their_children(define):
    like = define("like_video", Account, Video)
    (ada,) = accounts("ada")
    video = Video.objects.create(title="video")
    like.create_connection(ada, video)
    assert list(like.connected_objects(ada)) == [video]


# Queries.


def test_queries_of_writing(star, rate, django_assert_num_queries):
    (ada,), (one, two, three) = accounts("ada"), repos("one", "two", "three")
    with django_assert_num_queries(4):
        # A look, and an insertion between a savepoint and its release.
        made = star.create_connection(ada, one)
    with django_assert_num_queries(1):
        star.create_connections([(ada, one), (ada, two)])
    with django_assert_num_queries(2):
        rate.create_connections([(ada, one), (ada, two)], rank=1)
    with django_assert_num_queries(1):
        star.set_connected(ada, [two, one])
    with django_assert_num_queries(3):
        star.set_connected(ada, [three, two])
    assert made not in star.connections
    with django_assert_num_queries(1):
        star.remove_connection(ada, two)


def test_queries_of_writing_while_somebody_listens(star, heard, settings):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    with CaptureQueriesContext(connection) as queries:
        star.create_connections([(ada, one), (ada, two)])
    assert len(queries) == 3
    with CaptureQueriesContext(connection) as queries:
        star.remove_connection(ada, two)
    assert len(queries) == 2
