"""Corners of the library that no other behaviour leads to."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.contrib.auth.models import User as Account
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.core.files.base import ContentFile
from django.db import (
    NotSupportedError,
    OperationalError,
    connection,
    models,
)
from django.db.models import F, FilteredRelation, OrderBy, Prefetch, Q, Window
from django.db.models.functions import RowNumber
from django.test.utils import CaptureQueriesContext

from gm2m import GM2MField, linking
from gm2m.deletion import gm2m_field_of
from gm2m.keys import Key, check_target_model, pk_as
from gm2m.kinds import KINDS
from gm2m.link_order import below
from gm2m.lookups import KeyAmong
from gm2m.prefetch import fill
from gm2m.references import Reference
from gm2m.targets import copy_value

from .app.models import (
    Movie,
    Opera,
    Person,
    Playlist,
    PlaylistItem,
    Tagged,
    Undeclared,
    User,
    Video,
)

FIELD = User.preferred_videos.field


@pytest.fixture
def user(db):
    user = User.objects.create(name="Jack")
    person = Person.objects.create(name="Ridley")
    user.preferred_videos.add(
        Movie.objects.create(title="Alien", director=person),
        Opera.objects.create(title="Tosca", director=person),
    )
    return user


def test_relations_may_be_joined_under_a_condition(user):
    film, _ = user.preferred_videos.all()
    found = User.objects.annotate(
        film=FilteredRelation(
            "preferred_videos__movie", condition=Q(preferred_videos__movie__pk__gt=0)
        )
    )
    assert found.filter(film=film).get() == user
    assert found.filter(film=film.pk).get() == user
    assert found.filter(film__in=[film, None]).get() == user
    assert found.filter(film__in=Movie.objects.all()).get() == user
    assert found.filter(film__isnull=False).get() == user
    assert not found.exclude(film=film).exists()


def test_queryset_as_a_value_selects_one_field(user):
    two = Movie.objects.values("pk", "title")
    other = Movie.objects.annotate(key=F("pk")).values("key")
    for value in (two, other):
        with pytest.raises(ValueError, match="selects something else"):
            User.objects.filter(preferred_videos__in=value)


def test_slices_can_be_combined(user):
    links = user.preferred_videos.all()
    assert {type(found) for found in links[:1] | links.filter(Model=Opera)} == {
        Movie,
        Opera,
    }


def test_one_of_a_slice(user):
    assert user.preferred_videos.all()[:1].get().title == "Alien"


def test_what_cannot_be_linked_is_not_contained(user):
    assert not user.preferred_videos.contains(ContentType(pk=10**40))


def test_annotation_does_not_take_the_place_of_a_field(user):
    annotated = user.preferred_videos.annotate(title=F("movie__title"))
    with pytest.raises(ValueError, match="conflicts with a field"):
        list(annotated)


def test_extra_columns_are_kept(user):
    (found, _) = user.preferred_videos.extra(select={"one": "1"})
    assert found.one == 1


def test_prefetching_on_with_several_querysets(user):
    lists = GenericPrefetch(
        "preferred_videos__director", [Person.objects.all(), Person.objects.all()]
    )
    with pytest.raises(ValueError, match=r"length of 1|Only one queryset"):
        list(User.objects.prefetch_related(lists))
    (found,) = User.objects.prefetch_related(
        Prefetch("preferred_videos__director__directed_operas", to_attr="operas")
    )
    film = found.preferred_videos.first()
    assert [opera.title for opera in film.director.operas] == ["Tosca"]


def test_the_order_of_a_through_may_be_an_expression():
    assert below("row", "-position") == "-row__position"
    assert below("row", F("position")) == F("row__position")
    ordering = below("row", F("position").desc(nulls_last=True))
    assert isinstance(ordering, OrderBy)
    assert ordering.expression == F("row__position")
    assert ordering.descending
    assert ordering.nulls_last


def test_values_are_copied_for_other_objects():
    value = {"a": []}
    assert copy_value(value) == value
    assert copy_value(value)["a"] is not value["a"]
    field = models.FileField()
    file = field.attr_class(None, field, "a.txt")
    assert copy_value(file) == "a.txt"
    assert isinstance(ContentFile(b"x"), ContentFile)


def test_rels_tell_the_key_of_the_target():
    relation = FIELD.relations[Movie]
    for rel in (relation.rel, relation.key.remote_field, FIELD.remote_field):
        assert rel.get_related_field() is rel.model._meta.pk
    assert FIELD.m2m_reverse_target_field_name() == "id"
    assert FIELD.m2m_target_field_name() == "id"


def test_descriptor_on_the_through_class():
    descriptor = User.preferred_videos.through.movie
    assert descriptor.target_key is FIELD.relations[Movie].key


def test_policy_on_a_key_that_is_none_of_ours():
    with pytest.raises(LookupError, match="no source key of a GM2MField"):
        gm2m_field_of(Movie._meta.get_field("director"))
    assert gm2m_field_of(PlaylistItem._meta.get_field("playlist")) is (
        Playlist.items.field
    )


def test_abstract_models_are_no_targets():
    with pytest.raises(TypeError, match="abstract"):
        check_target_model(Tagged, FIELD.links.key, FIELD)


def test_keys_that_are_kept_otherwise_than_shown():
    class Shown(models.CharField):
        def from_db_value(self, value, expression, connection):
            return f"shown_{value}"

        def get_prep_value(self, value):
            return value.removeprefix("shown_")

    key = Key(Shown(max_length=16))
    assert key.text("shown_a") == "a"
    assert key.native("a", connection) == "shown_a"


def test_reference_says_what_it_is():
    assert repr(Reference("app", "movie", "1")) == "<Reference: app.movie:1>"


def test_links_are_counted_by_their_sources_without_foreign_keys(user, monkeypatch):
    monkeypatch.setattr(connection.features, "supports_foreign_keys", False)
    film = Movie.objects.get()
    assert film.user_set.count() == 1
    assert film.user_set.exists()


def test_parent_of_a_child_with_a_key_of_its_own(registry):
    class Parent(models.Model):
        pass

    class Child(Parent):
        number = models.AutoField(primary_key=True)
        parent = models.OneToOneField(Parent, models.CASCADE, parent_link=True)

    # As Django's own lookups do.
    assert pk_as(Parent(pk=3), Child) == 3
    assert pk_as(Child(number=4, pk=4, parent_id=3), Child) == 4


@pytest.mark.django_db
def test_no_keys_are_among_none(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert list(Video.objects.filter(KeyAmong(F("pk"), []))) == []


@pytest.mark.django_db
def test_sources_whose_keys_only_the_database_takes_for_equal():
    user = User.objects.create(name="Jack")
    user.preferred_videos.add(Video.objects.create(title="x"))
    lists = {}
    fill(lists, user.preferred_videos.all(), "gm2m_src_id", ordered=False)
    assert lists == {}


@pytest.mark.django_db(transaction=True)
def test_write_that_gave_way_is_made_again(monkeypatch):
    user, video = User.objects.create(), Video.objects.create(title="x")
    calls = []
    insert = linking.LinkManager._insert

    def give_way(self, *args, **kwargs):
        calls.append(args)
        if len(calls) < 3:
            raise OperationalError(1213, "Deadlock found")
        insert(self, *args, **kwargs)

    monkeypatch.setattr(linking.LinkManager, "_insert", give_way)
    user.preferred_videos.add(video)
    assert len(calls) == 3
    assert list(user.preferred_videos.all()) == [video]

    def fail(self, *args, **kwargs):
        raise OperationalError("disk full")

    monkeypatch.setattr(linking.LinkManager, "_insert", fail)
    with pytest.raises(OperationalError, match="disk full"):
        user.preferred_videos.add(video)


@pytest.mark.django_db(transaction=True)
def test_write_that_gives_way_for_ever_is_an_error(monkeypatch):
    user, video = User.objects.create(), Video.objects.create(title="x")

    def give_way(self, *args, **kwargs):
        raise OperationalError(1213, "Deadlock found")

    monkeypatch.setattr(linking.LinkManager, "_insert", give_way)
    with pytest.raises(OperationalError, match="Deadlock"):
        user.preferred_videos.add(video)


def test_name_of_a_target_that_the_through_has_twice(registry):
    class Thing(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Thing, through="Link")

    class Link(models.Model):
        source = models.ForeignKey(Source, models.CASCADE)
        content_type = models.ForeignKey(ContentType, models.CASCADE)
        object_id = models.CharField(max_length=36)
        target = GenericForeignKey()
        thing = models.IntegerField()
        app_thing = models.IntegerField()

    relation = Source.things.field.relations[Thing]
    assert relation.key.name == "app_thing_target"
    assert Link._meta.get_field("thing").get_internal_type() == "IntegerField"


@pytest.mark.parametrize(
    ("kind", "text", "native"),
    [
        (
            models.UUIDField,
            "CONCAT_WS('-', SUBSTR(x, 1, 8), SUBSTR(x, 9, 4), SUBSTR(x, 13, 4), "
            "SUBSTR(x, 17, 4), SUBSTR(x, 21, 12))",
            "REPLACE(x, '-', '')",
        ),
        (models.IntegerField, "CONCAT(x, '')", "SIGNED"),
    ],
)
def test_mysql_keeps_uuids_as_text(kind, text, native):
    """MariaDB has a type for them, MySQL does not."""
    mysql = SimpleNamespace(
        vendor="mysql", features=SimpleNamespace(has_native_uuid_field=False)
    )
    assert KINDS[kind].text_sql("x", mysql) == text
    guard, sql = KINDS[kind].native_sql("x", mysql)
    assert guard.startswith("x REGEXP")
    assert native in sql


def test_other_databases_are_not_supported():
    oracle = SimpleNamespace(vendor="oracle")
    with pytest.raises(NotSupportedError, match="use PostgreSQL, MariaDB, MySQL or"):
        KINDS[models.IntegerField].text_sql("x", oracle)


def test_policy_of_a_source_with_several_fields():
    source_key = Undeclared.others.through._meta.get_field("gm2m_src")
    assert gm2m_field_of(source_key) is Undeclared._meta.get_field("others")


@pytest.mark.django_db
def test_prefetching_on_through_a_relation_whose_cache_has_another_name():
    """Django keeps what is prefetched for ``user_set`` as ``user``."""
    group = Group.objects.create(name="critics")
    account = Account.objects.create(username="jack")
    account.groups.add(group)
    Undeclared.objects.create().things.add(group)
    lookup = "things__user_set__groups"
    (holder,) = Undeclared.objects.prefetch_related(lookup)
    with CaptureQueriesContext(connection) as queries:
        (found,) = holder.things.all()
        (user,) = found.user_set.all()
        assert list(user.groups.all()) == [group]
    assert len(queries) == 0


def test_ordering_by_an_expression_with_parts_that_are_not_there():
    window = below("links", Window(RowNumber(), order_by=F("position").desc()))
    assert window.partition_by is None
    assert "links__position" in repr(window)
