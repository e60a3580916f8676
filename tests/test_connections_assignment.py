"""Connections as objects: what is assigned to them, and what is saved of it."""

import datetime
import pickle
import uuid

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import FieldError, ValidationError
from django.db import connection, models
from django.db.models import Count, F, Q
from django.utils import timezone

from gm2m.connections import (
    AbstractConnection,
    Connection,
    RelationshipDoesNotExist,
    connection_created,
)
from tests.app.models import Premiere
from tests.lithub.models import (
    Account,
    AccountProxy,
    Company,
    Edge,
    Page,
    Rating,
    Repo,
    Slot,
    Style,
)

pytestmark = pytest.mark.django_db

NOW = timezone.now()
TIMES = {"start_time": NOW, "end_time": NOW + datetime.timedelta(hours=1)}


@pytest.fixture
def star(define):
    return define("star", Account, Repo)


@pytest.fixture
def friend(define):
    return define("friend", Account, Account, symmetric=True)


@pytest.fixture
def page_styles(define):
    return define("page_styles", Page, Style, connection_model=Slot)


@pytest.fixture
def ada():
    return Account.objects.create(name="ada")


@pytest.fixture
def bob(ada):
    return Account.objects.create(name="bob")


@pytest.fixture
def repo():
    return Repo.objects.create(name="repo")


@pytest.fixture
def page():
    return Page.objects.create()


@pytest.fixture
def style():
    return Style.objects.create(code="festive")


# Assigning.


def test_what_is_assigned_is_saved(star, ada, bob, repo):
    made = Connection()
    made.relationship = star
    made.from_object = ada
    made.to_object = repo
    assert (made.from_pk, made.to_pk) == (str(ada.pk), str(repo.pk))
    made.save()
    assert star.get_connection(ada, repo) == made
    made.from_object = bob
    assert made.from_object is bob
    made.save()
    assert list(star.connected_to_objects(repo)) == [bob]


@pytest.mark.parametrize(
    "names",
    [
        ("relationship", "from_object", "to_object"),
        ("to_object", "from_object", "relationship"),
    ],
)
def test_constructors_take_objects(page_styles, page, style, names):
    values = {"relationship": page_styles, "from_object": page, "to_object": style}
    slot = Slot(**{name: values[name] for name in names}, **TIMES)
    assert (slot.relationship, slot.from_object, slot.to_object) == (
        page_styles,
        page,
        style,
    )
    slot.full_clean()
    slot.save()
    assert Slot.objects.get().from_pk == str(page.pk)
    Slot.objects.create(
        relationship="page_styles", from_object=page, to_object=style, **TIMES
    )
    assert page_styles.connections_from_object(page).count() == 2


def test_each_may_come_later(page_styles, page, style):
    slot = Slot(from_object=page, **TIMES)
    assert slot.from_object is page
    slot.to_object = style
    slot.relationship = page_styles
    assert (slot.from_object, slot.to_object) == (page, style)
    slot.save()
    assert list(page_styles.connected_objects(page)) == [style]


def test_objects_may_be_saved_later(star, repo):
    new = Account(name="new")
    made = Connection(relationship=star, from_object=new, to_object=repo)
    assert made.from_object is new
    with pytest.raises(ValueError, match=r"unsaved|is not saved"):
        made.save()
    with pytest.raises(ValueError, match=r"unsaved|is not saved"):
        Connection.objects.bulk_create([made])
    new.save()
    made.save()
    assert list(star.connected_objects(new)) == [repo]


def test_a_key_before_the_object_is_saved(page_styles, style):
    slot = Slot(relationship=page_styles, from_object=Page(), to_object=style, **TIMES)
    with pytest.raises(ValueError, match="is not saved"):
        slot.save()
    with pytest.raises(ValidationError, match="is not saved"):
        slot.full_clean()
    slot.from_object.save()
    slot.save()
    assert page_styles.connections.get() == slot


def test_what_cannot_be_assigned(star, ada, repo):
    made = Connection(relationship=star, to_object=repo)
    for wrong in (repo, Account, "ada", 7):
        with pytest.raises(TypeError, match="from_object must be an object of Account"):
            made.from_object = wrong
    with pytest.raises(TypeError, match="must be an object of Model, not 7"):
        Connection(from_object=7)
    with pytest.raises(RelationshipDoesNotExist):
        made.relationship = "nothing"
    made.from_object = ada
    made.from_object = None
    assert made.from_object is None
    with pytest.raises(ValueError, match="cannot be saved without from_object"):
        made.save()
    assert not Connection.objects.exists()


def test_an_object_of_another_model(star, ada, repo, page):
    before = Connection(from_object=page, to_object=repo)
    before.relationship = star
    after = star.create_connection(ada, repo)
    assert after.from_object == ada
    for made in (before, Connection(from_object=repo, to_object=ada)):
        made.relationship = star
        with pytest.raises(
            TypeError, match=r"objects of lithub\.Account at its 'from'"
        ):
            made.save()
    assert list(Connection.objects.all()) == [after]


def test_children_and_proxies_are_objects_of_their_parent(star, repo):
    company = Company.objects.create(name="company")
    proxy = AccountProxy.objects.create(name="proxy")
    for obj in (company, proxy):
        made = Connection.objects.create(
            relationship=star, from_object=obj, to_object=repo
        )
        assert made.from_object is obj
        assert star.connection_exists(obj, repo)
        assert Connection.objects.get(from_object=obj) == made


def test_what_was_assigned_may_be_changed_by_its_key(star, ada, bob, repo):
    made = Connection(relationship=star, from_object=ada, to_object=repo)
    made.from_pk = str(bob.pk)
    assert made.from_object == bob
    made.save()
    assert list(star.connected_to_objects(repo)) == [bob]


def test_connections_can_be_copied_and_refreshed(star, ada, bob, repo):
    made = Connection.objects.create(relationship=star, from_object=ada, to_object=repo)
    copy = pickle.loads(pickle.dumps(made))
    assert (copy.from_object, copy.relationship) == (ada, star)
    made.from_object = bob
    made.refresh_from_db()
    assert made.from_object == ada


@pytest.mark.django_db(databases=["default", "other"])
def test_another_database(star, repo):
    ada = Account.objects.using("other").create(name="ada")
    there = Repo.objects.using("other").create(name="repo")
    made = Connection(relationship=star, from_object=ada, to_object=there)
    made.save()
    assert made._state.db == "other"
    assert star.connection_exists(ada, there)
    with pytest.raises(ValueError, match="the routers do not allow"):
        made.to_object = repo


# What is saved.


def test_nothing_is_saved_without_its_ends(star, ada, repo):
    full = {"relationship_name": "star", "from_pk": str(ada.pk), "to_pk": str(repo.pk)}
    for name, said in (
        ("relationship_name", "relationship_name"),
        ("from_pk", "from_object"),
        ("to_pk", "to_object"),
    ):
        for empty in ("", None):
            made = Connection(**{**full, name: empty})
            with pytest.raises(ValueError, match=f"cannot be saved without {said}"):
                made.save()
            with pytest.raises(ValueError, match=f"cannot be saved without {said}"):
                Connection.objects.bulk_create([Connection(**full), made])
    with pytest.raises(ValueError, match="cannot be saved without relationship"):
        Connection().save()
    with pytest.raises(ValueError, match="cannot be saved without from_object"):
        Connection(relationship_name="lost").save()
    assert not Connection.objects.exists()


def test_a_relationship_of_another_model(star, ada, repo, define):
    define("rate", Account, Repo, connection_model=Rating)
    made = Connection(relationship="rate", from_object=ada, to_object=repo)
    with pytest.raises(ValueError, match=r"connections are in lithub\.Rating"):
        made.save()
    good = star.create_connection(ada, repo)
    good.relationship = "rate"
    for save in (
        good.save,
        lambda: Connection.objects.bulk_update([good], ["relationship_name"]),
    ):
        with pytest.raises(ValueError, match=r"connections are in lithub\.Rating"):
            save()
    assert star.connection_exists(ada, repo)


@pytest.mark.parametrize("key", [7, "7", " 7 ", "007", "+7"], ids=repr)
@pytest.mark.parametrize("way", ["save", "create", "bulk_create"])
def test_keys_are_spelled_as_the_library_does(star, key, way):
    ada, repo = Account.objects.create(pk=7), Repo.objects.create(pk=8)
    values = {"relationship_name": "star", "from_pk": key, "to_pk": "8"}
    if way == "save":
        Connection(**values).save()
    elif way == "create":
        Connection.objects.create(**values)
    else:
        Connection.objects.bulk_create([Connection(**values)])
    assert Connection.objects.get().from_pk == "7"
    assert star.connection_exists(ada, repo)
    assert star.remove_connection(ada, repo) == 1


def test_keys_of_each_kind(define):
    page = Page.objects.create()
    premiere = Premiere.objects.create(day=datetime.date(2026, 1, 5))
    either = define("either", Page, Premiere)
    for key in (page.pk, page.pk.hex, str(page.pk).upper(), f"{{{page.pk}}}"):
        for day in (premiere.pk, "2026-01-05", "2026-1-5"):
            made = Connection(relationship=either, from_pk=key, to_pk=day)
            made.save()
            assert (made.from_pk, made.to_pk) == (str(page.pk), "2026-01-05")
            made.delete()


def test_keys_that_are_none(star, repo, page_styles, style):
    for wrong in ("junk", "1.5", 1.5, True, "9" * 20, 10**30, b"7", uuid.uuid4(), repo):
        made = Connection(relationship=star, from_pk=wrong, to_pk=repo.pk)
        with pytest.raises(ValueError, match=r"is no key of lithub\.Account"):
            made.save()
        with pytest.raises(ValueError, match=r"is no key of lithub\.Account"):
            Connection.objects.bulk_create([made])
    slot = Slot(relationship=page_styles, from_pk="7", to_object=style, **TIMES)
    with pytest.raises(ValueError, match=r"is no key of lithub\.Page"):
        slot.save()
    slot = Slot(relationship=page_styles, from_pk=uuid.uuid4(), to_pk="x" * 256)
    with pytest.raises(ValueError, match="longer than the 255"):
        slot.save()
    assert not Connection.objects.exists()


def test_key_columns_of_the_objects_own_type(define, ada, bob):
    cite = define("cite", Account, Account, connection_model=Edge)
    made = Edge.objects.create(relationship=cite, from_object=ada, to_object=bob)
    assert (made.from_pk, made.to_pk) == (ada.pk, bob.pk)
    other = Edge.objects.create(relationship=cite, from_pk=str(bob.pk), to_object=ada)
    assert other.from_pk == bob.pk
    assert Edge.objects.get(from_object=ada, to_object=bob) == made
    with pytest.raises(ValueError, match=r"cannot be saved without to_object"):
        Edge(relationship=cite, from_object=ada).save()


def test_symmetric_pairs_are_kept_in_order(friend, ada, bob):
    # As texts: 10 comes before 9.
    nine, ten = (Account.objects.create(pk=pk) for pk in (9, 10))
    made = Connection(relationship=friend, from_object=nine, to_object=ten)
    made.save()
    assert (made.from_pk, made.to_pk) == ("10", "9")
    assert (made.from_object, made.to_object) == (ten, nine)
    made.delete()
    Connection.objects.bulk_create(
        [Connection(relationship=friend, from_object=nine, to_object=ten)]
    )
    assert friend.create_connection(nine, ten) == Connection.objects.get()
    made = Connection.objects.get()
    made.from_object, made.to_object = nine, ada
    Connection.objects.bulk_update([made], ["from_pk", "to_pk"])
    assert friend.connection_exists(ada, nine)
    made.to_object = ten
    assert made.from_object == ada
    one, two = sorted([str(ada.pk), "10"])
    made.save(update_fields=["to_object"])
    made.refresh_from_db()
    assert (made.from_pk, made.to_pk) == (one, two)


def test_bulk_update_takes_all_that_it_changes(friend):
    nine, ten, eleven = (Account.objects.create(pk=pk) for pk in (9, 10, 11))
    made = friend.create_connection(eleven, nine)
    made.from_object = ten
    Connection.objects.bulk_update([made], ["from_pk"])
    assert friend.connection_exists(ten, nine)
    made.to_pk = " 10"
    made.from_pk = "9"
    with pytest.raises(ValueError, match="'to_pk' has to be updated as well"):
        Connection.objects.bulk_update([made], ["from_pk"])
    made.refresh_from_db()
    made.from_pk = "junk"
    with pytest.raises(ValueError, match="is no key"):
        Connection.objects.bulk_update([made], ["from_pk"])
    made.date = NOW
    Connection.objects.bulk_update([made], ["date"])
    made.refresh_from_db()
    assert (made.from_pk, made.to_pk, made.date) == ("10", "9", NOW)


def test_what_is_not_saved_is_not_checked(star, ada, repo, django_assert_num_queries):
    made = star.create_connection(ada, repo)
    made.from_pk = "junk"
    made.date = NOW
    made.save(update_fields=["date"])
    made.save(update_fields=[])
    for deferred in (
        Connection.objects.only("date").get(),
        Connection.objects.defer("from_pk", "to_pk", "relationship_name").get(),
    ):
        with django_assert_num_queries(1):
            deferred.save()
    partly = Connection.objects.defer("to_pk").get()
    partly.from_pk = "junk"
    with pytest.raises(ValueError, match="is no key"):
        partly.save()
    assert star.connection_exists(ada, repo)


def test_saving_takes_no_more_queries(star, ada, repo, django_assert_num_queries):
    made = Connection(relationship=star, from_object=ada, to_object=repo)
    with django_assert_num_queries(1):
        made.save()
    again = Connection.objects.get()
    with django_assert_num_queries(1):
        again.save()
    with django_assert_num_queries(1):
        Connection.objects.bulk_create(
            [Connection(relationship=star, from_object=ada, to_pk=7)],
        )


def test_connection_created_is_sent(star, ada, repo):
    told = []

    def receiver(connection, **kwargs):
        told.append((connection.from_object, connection.to_object))

    connection_created.connect(receiver)
    try:
        Connection.objects.create(relationship=star, from_object=ada, to_object=repo)
    finally:
        connection_created.disconnect(receiver)
    assert told == [(ada, repo)]


# Finding.


def test_objects_in_lookups(star, page_styles, ada, bob, repo, page, style):
    one = star.create_connection(ada, repo)
    two = star.create_connection(bob, repo)
    found = Connection.objects.order_by("pk")
    assert list(found.filter(from_object=ada)) == [one]
    assert list(found.filter(from_object__exact=ada, to_object=repo)) == [one]
    assert list(found.filter(to_object=repo)) == [one, two]
    assert list(found.exclude(from_object=ada)) == [two]
    assert list(found.filter(from_object__in=[ada, bob])) == [one, two]
    some = Account.objects.filter(pk=bob.pk)
    assert list(found.filter(star_from__in=some)) == [two]
    assert list(found.filter(~Q(from_object__in=[ada]) | Q(to_object=repo))) == [
        one,
        two,
    ]
    assert not found.filter(from_object__in=[])
    assert list(found.filter(relationship=star)) == [one, two]
    assert list(found.filter(relationship="star", from_object=ada)) == [one]
    assert list(found.filter(relationship__in=[star, "nothing"])) == [one, two]
    assert not found.filter(relationship__in=[])
    assert not found.exclude(relationship=star)
    assert not found.filter(relationship=page_styles)
    made = page_styles.create_connection(page, style, **TIMES)
    assert Slot.objects.get(from_object=page, to_object=style) == made
    assert star.connections.filter(from_object=bob).get() == two
    assert Connection.objects.aggregate(n=Count("pk", filter=Q(to_object=repo))) == {
        "n": 2
    }
    # Around a subquery.
    counted = found.annotate(n=Count("pk"))
    for condition in (
        Q(from_object=ada),
        Q(from_object__in=[ada]),
        Q(relationship=star),
    ):
        number = 2 if condition == Q(relationship=star) else 1
        assert counted.aggregate(x=Count("pk", filter=condition)) == {"x": number}
    query = pickle.loads(pickle.dumps(found.filter(from_object=ada).query))
    again = Connection.objects.all()
    again.query = query
    assert list(again) == [one]


def test_a_lookup_is_about_the_relationships_of_the_model(define, star, ada, repo):
    watch = define("watch", Account, Repo)
    like = define("like", Account, Page)
    page = Page.objects.create()
    one, two = star.create_connection(ada, repo), watch.create_connection(ada, repo)
    three = like.create_connection(ada, page)
    assert set(Connection.objects.filter(from_object=ada)) == {one, two, three}
    assert set(Connection.objects.filter(to_object=repo)) == {one, two}
    assert set(Connection.objects.filter(to_object__in=[repo, page])) == {
        one,
        two,
        three,
    }
    same_key = Repo.objects.create(pk=ada.pk + 1000)
    other = Account.objects.create(pk=ada.pk + 1000)
    assert not Connection.objects.filter(to_object=same_key)
    assert not Connection.objects.filter(from_object=other)


def test_what_cannot_be_looked_up(star, ada, style, repo):
    for wrong in (style, 7, "ada", None, Account):
        with pytest.raises((TypeError, ValueError)):
            list(Connection.objects.filter(from_object=wrong))
    with pytest.raises(ValueError, match="is not saved"):
        list(Connection.objects.filter(from_object=Account()))
    for wrong in (ada, "ada", 7, Account.objects.all()):
        with pytest.raises(TypeError):
            list(Connection.objects.filter(from_object__in=wrong))
    with pytest.raises(RelationshipDoesNotExist):
        list(Connection.objects.filter(relationship=7))
    with pytest.raises(FieldError, match="does not support the lookup 'gt'"):
        list(Connection.objects.filter(from_object__gt=ada))


def test_each_stands_for_its_column(star, ada, repo):
    star.create_connection(ada, repo)
    rows = Connection.objects.order_by("from_object", "relationship")
    key = str(ada.pk)
    assert list(rows.values_list("from_object", "to_object", "relationship")) == [
        (key, str(repo.pk), "star")
    ]
    assert list(rows.filter(from_pk=F("from_object")).values("from_object")) == [
        {"from_object": key}
    ]
    assert list(rows.values("from_object").annotate(n=Count("pk"))) == [
        {"from_object": key, "n": 1}
    ]
    names = {field.name for field in Connection._meta.fields}
    assert names == {"id", "relationship_name", "from_pk", "to_pk", "date"}


def test_getting_or_creating(page_styles, page, style):
    slot, created = Slot.objects.get_or_create(
        relationship=page_styles, from_object=page, to_object=style, defaults=TIMES
    )
    assert created
    again, created = Slot.objects.get_or_create(
        relationship="page_styles", from_object=page, to_object=style, defaults=TIMES
    )
    assert (again, created) == (slot, False)
    later = NOW + datetime.timedelta(days=1)
    again, created = Slot.objects.update_or_create(
        relationship=page_styles,
        from_object=page,
        to_object=style,
        defaults={"end_time": later},
    )
    assert (again, created) == (slot, False)
    assert Slot.objects.get().end_time == later


def test_getting_or_creating_a_symmetric_one(friend):
    nine, ten = (Account.objects.create(pk=pk) for pk in (9, 10))
    names = {"relationship": friend}
    made, created = Connection.objects.get_or_create(
        **names, from_object=nine, to_object=ten
    )
    assert created
    for one, two in ((nine, ten), (ten, nine)):
        assert Connection.objects.get_or_create(
            **names, from_object=one, to_object=two
        ) == (made, False)
        assert Connection.objects.update_or_create(
            relationship_name="friend", from_object=one, to_object=two
        ) == (made, False)
    itself, created = Connection.objects.get_or_create(
        **names, from_object=ten, to_object=ten
    )
    assert created
    assert itself != made
    with pytest.raises(ValueError, match="cannot be saved without"):
        Connection.objects.get_or_create(relationship_name="lost", from_pk="", to_pk="")
    with pytest.raises(TypeError, match="no relationship of"):
        Connection.objects.get_or_create(
            relationship_name="lost", from_object=Style(), to_object=ten
        )


def test_asynchronously(page_styles, page, style):
    async def write():
        slot = await Slot.objects.acreate(
            relationship=page_styles, from_object=page, to_object=style, **TIMES
        )
        slot.end_time = NOW
        await slot.asave()
        got, created = await Slot.objects.aget_or_create(
            relationship=page_styles, from_object=page, to_object=style
        )
        assert (got, created) == (slot, False)
        return await Slot.objects.aget(from_object=page)

    assert async_to_sync(write)().end_time == NOW


# The other end.


def test_the_other_end(star, friend, ada, bob, repo, django_assert_num_queries):
    made = star.create_connection(ada, repo)
    assert made.other(ada) == repo
    assert made.other(repo) == ada
    with django_assert_num_queries(0):
        made.other(ada)
    both = friend.create_connection(ada, bob)
    assert (both.other(ada), both.other(bob)) == (bob, ada)
    assert friend.create_connection(ada, ada).other(ada) == ada
    for wrong in (bob, Page.objects.create(), 7, Account):
        with pytest.raises(ValueError, match="is at neither end of star"):
            made.other(wrong)
    company = Company.objects.create(name="company")
    assert star.create_connection(company, repo).other(company) == repo


# Models that come of connection models.


def test_children_and_proxies_of_connection_models(star, ada, repo, registry):
    class Weighted(Connection):
        weight = models.IntegerField(default=1)

        class Meta:
            app_label = "app"

    class ByDate(Connection):
        class Meta:
            app_label = "app"
            proxy = True

    made = ByDate.objects.create(relationship=star, from_object=ada, to_object=repo)
    assert list(ByDate.objects.filter(from_object=ada)) == [made]
    assert Weighted._meta.get_field("from_object").model is Connection
    sql = str(Weighted.objects.filter(from_object=ada, relationship=star).query)
    assert connection.ops.quote_name("gm2m_connections_connection") in sql
    child = Weighted(relationship=star, from_object=ada, to_object=repo)
    assert (child.from_pk, child.from_object) == (str(ada.pk), ada)


def test_fields_of_an_abstract_model_are_its_childrens_own():
    for model in (Connection, Slot, Edge):
        field = model._meta.get_field("from_object")
        assert field.model is model
        assert field.path_infos[0].to_opts is model._meta
    assert AbstractConnection._meta.get_field("from_object").model is AbstractConnection
