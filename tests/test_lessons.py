"""Mistakes that are easy to make with generic relations, each with a test."""

import threading
import uuid
from types import SimpleNamespace

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.db import NotSupportedError, connection, models, transaction
from django.db.models.signals import m2m_changed

from gm2m import GM2MField
from tests.app.models import (
    Club,
    Concert,
    Documentary,
    Movie,
    Opera,
    User,
    Video,
)
from tests.evolution import LINKS, TARGETS

Through = User.preferred_videos.through


@pytest.fixture
def made(db):
    made = SimpleNamespace(
        jack=User.objects.create(name="Jack"),
        jill=User.objects.create(name="Jill"),
        alien=Movie.objects.create(title="Alien"),
        brazil=Movie.objects.create(title="Brazil"),
        tosca=Opera.objects.create(title="Tosca"),
        aida=Concert.objects.create(code="Aida"),
    )
    for model in (Movie, Opera, Concert, User):
        ContentType.objects.get_for_model(model)
    return made


def videos(user):
    return list(user.preferred_videos.all())


def break_link(user):
    """Leave a link to what is gone: no constraint keeps it from that."""
    movies = ContentType.objects.get_for_model(Movie)
    Through.objects.create(gm2m_src=user, gm2m_ct=movies, gm2m_pk="999999")


# Writing.


@pytest.mark.parametrize("clear", [False, True])
def test_setting_one_sources_targets_leaves_those_of_others(made, clear):
    made.jack.preferred_videos.add(made.alien)
    made.jill.preferred_videos.add(made.alien)
    made.jack.preferred_videos.set([made.tosca], clear=clear)
    assert videos(made.jack) == [made.tosca]
    assert videos(made.jill) == [made.alien]


@pytest.mark.parametrize("clear", [False, True])
def test_setting_one_targets_sources_leaves_other_targets(made, clear):
    made.jack.preferred_videos.add(made.alien, made.brazil)
    made.jill.preferred_videos.add(made.brazil)
    made.alien.user_set.set([made.jill], clear=clear)
    assert videos(made.jack) == [made.brazil]
    assert videos(made.jill) == [made.brazil, made.alien]


def test_adding_twice_links_once(made):
    made.jack.preferred_videos.add(made.alien, made.alien)
    made.jack.preferred_videos.add(made.alien)
    made.alien.user_set.add(made.jack)
    assert Through.objects.filter(gm2m_src=made.jack).count() == 1


def test_setting_keeps_the_rows_of_what_stays(made):
    made.jack.preferred_videos.add(made.alien, made.tosca)
    before = Through.objects.get(gm2m_pk=str(made.tosca.pk)).pk
    made.jack.preferred_videos.set([made.brazil, made.tosca])
    assert Through.objects.get(gm2m_pk=str(made.tosca.pk)).pk == before


@pytest.mark.parametrize("clear", [False, True])
def test_setting_happens_altogether_or_not_at_all(made, clear):
    made.jack.preferred_videos.add(made.alien)

    def refuse(action, **kwargs):
        if action == "post_add":
            raise RuntimeError

    m2m_changed.connect(refuse, sender=Through)
    try:
        with pytest.raises(RuntimeError), transaction.atomic():
            made.jack.preferred_videos.set([made.tosca], clear=clear)
    finally:
        m2m_changed.disconnect(refuse, sender=Through)
    assert videos(made.jack) == [made.alien]


def test_a_target_that_cannot_be_linked_removes_nothing(made):
    made.jack.preferred_videos.add(made.alien)
    with pytest.raises(ValueError, match="Save it first"):
        made.jack.preferred_videos.set([made.tosca, Movie(title="new")])
    assert videos(made.jack) == [made.alien]


# Reading.


@pytest.mark.django_db(databases=["default", "other"])
def test_targets_are_read_from_the_database_of_their_source():
    here = Movie.objects.using("default").create(title="here")
    there = Movie.objects.using("other").create(pk=here.pk, title="there")
    jack = User.objects.using("other").create(name="Jack")
    jack.preferred_videos.add(there)
    (found,) = jack.preferred_videos.all()
    assert (found.title, found._state.db) == ("there", "other")
    assert list(there.user_set.all()) == [jack]
    assert not here.user_set.exists()


def test_uuids_are_found_from_both_ends(made):
    """Databases without the type keep them otherwise than they are told."""
    made.jack.preferred_videos.add(made.tosca)
    tosca = Opera.objects.get(pk=uuid.UUID(str(made.tosca.pk)))
    assert list(tosca.user_set.all()) == [made.jack]
    assert list(Opera.objects.filter(user=made.jack)) == [tosca]
    assert list(User.objects.filter(preferred_videos=tosca)) == [made.jack]
    assert list(User.objects.filter(preferred_videos__opera__title="Tosca")) == [
        made.jack
    ]


def test_keys_of_one_kind_are_not_cast_to_another(made):
    """Among text and UUIDs, a cast of all keys to integers would fail."""
    made.jack.preferred_videos.add(made.aida, made.tosca, made.alien)
    assert list(Movie.objects.filter(user__name="Jack")) == [made.alien]
    assert list(Concert.objects.filter(user__name="Jack")) == [made.aida]


def test_links_to_what_is_gone_do_not_show(made):
    made.jack.preferred_videos.add(made.alien)
    break_link(made.jack)
    targets = made.jack.preferred_videos
    for found in (
        targets.all(),
        targets.order_by("gm2m_pk"),
        targets.order_by("-pk"),
        targets.order_by("movie__title"),
        targets.iterator(),
        targets.instances_of(Movie),
    ):
        assert list(found) == [made.alien]
    (jack,) = User.objects.filter(pk=made.jack.pk).prefetch_related("preferred_videos")
    assert videos(jack) == [made.alien]


def test_the_links_of_a_deleted_target_do_not_pass_to_its_successor(made):
    """Keys may be used again: by SQLite, and wherever people choose them."""
    made.jack.preferred_videos.add(made.alien, made.aida)
    key = made.alien.pk
    made.alien.delete()
    Concert.objects.filter(pk="Aida").delete()
    successor = Movie.objects.create(pk=key, video_ptr_id=key, title="Aliens")
    aida = Concert.objects.create(code="Aida", title="Another")
    assert videos(made.jack) == []
    assert not successor.user_set.exists()
    assert not aida.user_set.exists()


def test_prefetching_keeps_the_order_of_each_source(made):
    made.jack.preferred_videos.add(made.tosca, made.alien, made.aida)
    made.jill.preferred_videos.add(made.aida, made.alien, made.tosca)
    jack, jill = User.objects.order_by("name").prefetch_related("preferred_videos")
    assert videos(jack) == [made.tosca, made.alien, made.aida]
    assert videos(jill) == [made.aida, made.alien, made.tosca]


def test_writing_drops_what_was_prefetched(made):
    made.jack.preferred_videos.add(made.alien)
    for write in (
        lambda user: user.preferred_videos.add(made.tosca),
        lambda user: user.preferred_videos.remove(made.tosca),
        lambda user: user.preferred_videos.set([made.brazil]),
        lambda user: user.preferred_videos.clear(),
    ):
        jack = User.objects.prefetch_related("preferred_videos").get(name="Jack")
        write(jack)
        assert videos(jack) == videos(made.jack)


def test_thousands_of_objects(made):
    """Databases limit the depth of a condition and the number of its parameters."""
    movies = Video.objects.bulk_create(Video(title=str(n)) for n in range(2500))
    library = Club.objects.create(name="all").library
    library.add(*movies)
    library.set(movies[1:])
    assert list(library.all()) == movies[1:]
    found = Club.objects.filter(library__in=movies).distinct()
    assert found.count() == 1
    library.remove(*movies)
    assert not library.exists()


def test_what_would_be_about_links_does_not_pass_for_targets(made):
    """A key of the one may be the key of the other."""
    made.jack.preferred_videos.add(made.alien)
    targets = made.jack.preferred_videos.all()
    assert targets.contains(made.alien)
    assert not targets.contains(made.brazil)
    for refused, instead in (
        (targets.in_bulk, "instances_of"),
        (targets.delete, "remove"),
        (lambda: targets.update(pk=0), "through.objects"),
    ):
        with pytest.raises(NotSupportedError, match=instead):
            refused()
    with pytest.raises(TypeError, match="instances_of"):
        list(Movie.objects.filter(pk__in=targets))
    (row,) = targets.values("gm2m_pk", "movie", "movie__title")
    assert row == {
        "gm2m_pk": str(made.alien.pk),
        "movie": made.alien.pk,
        "movie__title": "Alien",
    }


def test_iterating_does_not_read_all_at_once(made, django_assert_num_queries):
    movies = [Movie.objects.create(title=str(number)) for number in range(6)]
    made.jack.preferred_videos.add(*movies)
    with django_assert_num_queries(2) as queries:
        found = made.jack.preferred_videos.iterator(chunk_size=2)
        assert next(found) == movies[0]
    # Of the six, two targets have been asked for.
    _, targets = queries.captured_queries
    assert not any(repr(movie.pk) in clause_of(targets) for movie in movies[2:])
    assert list(found) == movies[1:]


def clause_of(query):
    """Return the words of the condition of a query."""
    condition = query["sql"].partition("WHERE")[2]
    return condition.replace("(", " ").replace(")", " ").replace(",", " ").split()


def test_neither_direction_reads_all_rows(made):
    """
    The plan names an index that begins with what is given. The tables are too small
    for PostgreSQL to use one if it is let to choose.
    """
    made.jack.preferred_videos.add(made.alien, made.tosca)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, Through._meta.db_table)
    indexes = {name: index["columns"] for name, index in found.items()}
    rows = Through.objects.order_by()
    for column, queryset in {
        "gm2m_src_id": rows.filter(gm2m_src=made.jack),
        "gm2m_pk": rows.filter(movie=made.alien),
    }.items():
        plan = queryset.explain()
        assert any(
            name in plan and columns[0] == column for name, columns in indexes.items()
        ), plan


# Publishing.


def test_threads_publish_a_relation_once(registry):
    class Source(models.Model):
        things = GM2MField()

    class Thing(models.Model):
        pass

    barrier, errors = threading.Barrier(4), []

    def publish():
        barrier.wait()
        try:
            Source.things.add_relation(Thing)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Source.things.get_related_models() == [Thing]
    names = [field.name for field in Thing._meta.get_fields(include_hidden=True)]
    assert names.count("source") == 1
    assert len(names) == len(set(names))


@pytest.mark.parametrize("model", [User, Movie, Documentary, Opera, Through])
def test_what_walks_the_fields_of_models_finds_nothing_odd(model):
    """Libraries for filters, forms, factories and REST APIs ask all of them this."""
    for field in model._meta.get_fields():
        assert field.name.isidentifier()
        if field.is_relation and field.name != "gm2m_tgt":
            kinds = ("many_to_many", "many_to_one", "one_to_many", "one_to_one")
            assert [getattr(field, kind) for kind in kinds].count(True) == 1
            assert issubclass(field.related_model, models.Model)
        if field.auto_created and not field.concrete:
            assert hasattr(model, field.get_accessor_name())
    assert Through not in {field.related_model for field in model._meta.get_fields()}


@pytest.mark.parametrize("form", ["json", "jsonl", "python", "xml"])
def test_serializers_are_those_of_django(made, form):
    module = serializers.get_serializer(form).__module__
    assert module.startswith("django.core.serializers.")
    made.jack.preferred_videos.add(made.alien, made.tosca)
    text = serializers.serialize(form, [made.jack, made.alien])
    made.jack.preferred_videos.clear()
    for found in serializers.deserialize(form, text):
        found.save()
    assert videos(made.jack) == [made.alien, made.tosca]


# Migrating.


def test_a_target_model_can_be_renamed(life):
    before = f"""{TARGETS}
class User(models.Model):
    name = models.CharField(max_length=20)
    preferred_videos = GM2MField(Movie, pk_maxlength=36)
"""
    told = life.change(before, before.replace("Movie", "Film"))
    assert told["operations"] == ["RenameModel"]
    assert told["now"] == {"User.preferred_videos": LINKS}
    assert told["changes"] == ""
