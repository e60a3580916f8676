"""How a model comes to know a field: declared, added, or found in links."""

import re
import sys
import threading
import warnings

import pytest
from django.apps import apps as installed
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import connection, models
from django.db.models import Count, ProtectedError
from django.forms import modelform_factory
from django.test.utils import isolate_apps

from gm2m import GM2MField
from tests.app.models import (
    Club,
    Documentary,
    Measure,
    Movie,
    Opera,
    Poster,
    ProxyLover,
    User,
    Video,
    VideoProxy,
)
from tests.project import MAKE_TABLES


class Library:
    """
    Models of a registry apart, over tables of the suite: ``Undeclared`` is a source
    without related models, ``Film`` one that nobody has linked yet.
    """

    def __init__(self, **options):
        unmanaged = type("Meta", (), {"managed": False})

        class Film(models.Model):
            title = models.CharField(max_length=255)
            Meta = unmanaged

            taken = "an attribute"
            nothing = None

            @property
            def computed(self):
                return "a property"

            def method(self):
                return "a method"

        class Video(models.Model):
            title = models.CharField(max_length=255)
            Meta = unmanaged

        class Movie(Video):
            director = models.IntegerField(db_column="director_id", null=True)
            Meta = unmanaged

        class MovieProxy(Movie):
            class Meta:
                proxy = True

        class Undeclared(models.Model):
            name = models.CharField(max_length=100, default="")
            things = GM2MField(**options)
            Meta = unmanaged

        self.Film, self.Video, self.Movie = Film, Video, Movie
        self.MovieProxy, self.Undeclared = MovieProxy, Undeclared

    @property
    def rows(self):
        return self.Undeclared.things.through._default_manager

    def linked(self):
        """Return a source and a film that another process has linked."""
        source, film = self.source(), self.film()
        self.rows.create(gm2m_src=source, gm2m_tgt=film)
        return source, film

    def source(self):
        return self.Undeclared._default_manager.create()

    def film(self, title="Psycho"):
        return self.Film._default_manager.create(title=title)

    def movie(self, title="Alien"):
        return self.Movie._default_manager.create(title=title)


@pytest.fixture
def library(registry, db):
    return Library()


def related(model, include_auto=False):
    return model.things.get_related_models(include_auto=include_auto)


def names(model, **options):
    return [field.name for field in model._meta.get_fields(**options)]


def warnings_of(function):
    """Return the texts of the warnings that a call gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(warning.message) for warning in caught]


# Declared.


def test_declared_models_know_the_field_from_the_start():
    for model in (Movie, Documentary, Opera, Poster):
        assert model.user_set.field is User.preferred_videos.field
        assert "user" in names(model)
        assert model in User.preferred_videos.get_related_models()


def test_models_that_are_not_declared_do_not(library):
    assert not hasattr(library.Film, "undeclared_set")
    with pytest.raises(AttributeError):
        _ = library.Film().undeclared_set
    with pytest.raises(FieldDoesNotExist):
        library.Film._meta.get_field("undeclared")
    with pytest.raises(FieldError):
        library.Film._default_manager.filter(undeclared__name="x")
    assert related(library.Undeclared, include_auto=True) == []


# Added.


@pytest.mark.parametrize("name", ["app.Film", "Film", "app.film"])
def test_relation_is_added_by_name(library, name, django_assert_num_queries):
    with django_assert_num_queries(0):
        library.Undeclared.things.add_relation(name)
    assert related(library.Undeclared) == [library.Film]


def test_relation_is_added_by_class(library, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert library.Undeclared.things.add_relation(library.Film) is None
    film, source = library.film(), library.source()
    assert list(film.undeclared_set.all()) == []
    film.undeclared_set.add(source)
    assert list(source.things.all()) == [film]
    assert list(library.Film._default_manager.filter(undeclared=source)) == [film]


def test_relation_is_added_by_the_source_itself(library):
    library.Undeclared.things.add_relation("self")
    assert related(library.Undeclared) == [library.Undeclared]
    assert hasattr(library.Undeclared, "undeclared_set")


def test_adding_a_relation_twice_changes_nothing(library):
    library.Undeclared.things.add_relation(library.Film)
    before = names(library.Film, include_hidden=True)
    library.Undeclared.things.add_relation(library.Film)
    library.Undeclared.things.add_relation("app.Film")
    assert names(library.Film, include_hidden=True) == before
    assert related(library.Undeclared, include_auto=True) == [library.Film]


def test_relation_is_added_before_models_are_loaded(project):
    """In a models module, for a model that is not there yet."""
    project.models("""
class Source(models.Model):
    things = GM2MField()

Source.things.add_relation("Movie", on_delete=models.PROTECT)
Source.things.add_relation("library.Opera")

class Movie(models.Model):
    pass

class Opera(models.Model):
    pass

Source.things.add_relation(Opera)
""")
    said = project.run(f"""{MAKE_TABLES}
assert Source.things.get_related_models() == [Movie, Opera]
assert Movie._meta.get_field("source").related_model is Source
source, movie, opera = (m.objects.create() for m in (Source, Movie, Opera))
source.things.set([movie, opera])
opera.delete()
try:
    movie.delete()
except models.ProtectedError:
    print("protected", list(movie.source_set.all()) == [source])
""")
    assert said == "protected True\n"


@pytest.mark.parametrize("name", ["app.Missing", "missing.Film", "Missing"])
def test_adding_a_model_that_is_not_installed(library, name):
    with pytest.raises(LookupError):
        library.Undeclared.things.add_relation(name)


@pytest.mark.parametrize("model", [3, None, object, "", "a.b.c", [Movie]], ids=repr)
def test_adding_what_is_no_model(library, model):
    with pytest.raises((TypeError, ValueError)):
        library.Undeclared.things.add_relation(model)


def test_adding_an_object_is_no_model(library):
    with pytest.raises(TypeError):
        library.Undeclared.things.add_relation(library.Film())


def test_adding_a_model_with_a_key_that_cannot_be_linked():
    with pytest.raises(TypeError, match="Measure"):
        User.preferred_videos.add_relation(Measure)
    assert Measure not in User.preferred_videos.get_related_models(include_auto=True)
    assert not hasattr(Measure, "user_set")


def test_adding_a_wrong_policy(library):
    for policy, error in (("CASCADE", TypeError), (models.SET_NULL, ValueError)):
        with pytest.raises(error, match="on_delete"):
            library.Undeclared.things.add_relation(library.Film, on_delete=policy)
    assert related(library.Undeclared, include_auto=True) == []


def test_added_relation_has_the_policy_it_was_given(library):
    library.Undeclared.things.add_relation("Film", on_delete=models.PROTECT)
    source, film = library.linked()
    with pytest.raises(ProtectedError):
        film.delete()
    source.delete()
    film.delete()


def test_adding_a_relation_again_replaces_its_policy(library):
    source, film = library.linked()
    library.Undeclared.things.add_relation("Film")
    library.Undeclared.things.add_relation("Film", on_delete=models.PROTECT)
    before = names(library.Film, include_hidden=True)
    with pytest.raises(ProtectedError):
        film.delete()
    # Without one it stays as it is.
    library.Undeclared.things.add_relation("Film")
    with pytest.raises(ProtectedError):
        film.delete()
    library.Undeclared.things.add_relation("Film", on_delete=models.CASCADE)
    assert names(library.Film, include_hidden=True) == before
    film.delete()
    assert not source.things.exists()


def test_replacing_a_policy_keeps_accessor_lookups_and_prefetching(library):
    source, film = library.linked()
    library.Undeclared.things.add_relation("Film")
    library.Undeclared.things.add_relation("Film", on_delete=models.DO_NOTHING)
    films = library.Film._default_manager
    assert list(film.undeclared_set.all()) == [source]
    assert films.filter(undeclared=source).get() == film
    assert films.annotate(number=Count("undeclared")).get().number == 1
    prefetched = films.prefetch_related("undeclared_set").get()
    assert list(prefetched.undeclared_set.all()) == [source]
    sources = library.Undeclared._default_manager
    assert sources.filter(things__film__title="Psycho").get() == source


def test_policy_of_a_parent_goes_for_children_that_have_none(library):
    library.Undeclared.things.add_relation("Video", on_delete=models.PROTECT)
    source, movie = library.source(), library.movie()
    source.things.add(movie)
    with pytest.raises(ProtectedError):
        movie.delete()
    library.Undeclared.things.add_relation("Movie", on_delete=models.CASCADE)
    library.Undeclared.things.add_relation("Video", on_delete=models.PROTECT)
    movie.delete()
    assert not source.things.exists()


# Found in links.


def test_first_add_publishes_the_relation(library):
    source, film = library.source(), library.film()
    source.things.add(film)
    assert list(film.undeclared_set.all()) == [source]
    assert library.Film._default_manager.filter(undeclared=source).get() == film
    assert library.Film._meta.get_field("undeclared").related_model is (
        library.Undeclared
    )
    film.delete()
    assert not library.rows.exists()


@pytest.mark.parametrize(
    "read",
    [
        lambda source: list(source.things.all()),
        lambda source: source.things.first(),
        lambda source: source.things.get(),
        lambda source: list(source.things.iterator()),
        lambda source: source.things.all()[0],
        lambda source: list(
            type(source)._default_manager.prefetch_related("things").get().things.all()
        ),
    ],
    ids=["all", "first", "get", "iterator", "index", "prefetch_related"],
)
def test_first_read_publishes_the_relation(library, read):
    source, film = library.linked()
    assert not hasattr(film, "undeclared_set")
    read(source)
    assert list(film.undeclared_set.all()) == [source]
    film.delete()
    assert not library.rows.exists()


@pytest.mark.parametrize(
    "use",
    [
        lambda source, film: source.things.filter(Model=type(film)),
        lambda source, film: source.things.instances_of("app.Film"),
        lambda source, film: source.things.contains(film),
        lambda source, film: source.things.set([film]),
        lambda source, film: source.things.create(type(film), title="x"),
    ],
    ids=["filter", "instances_of", "contains", "set", "create"],
)
def test_naming_a_model_publishes_the_relation(library, use):
    source, film = library.linked()
    use(source, film)
    assert hasattr(film, "undeclared_set")


def test_before_the_first_read_nothing_cascades(library):
    source, film = library.linked()
    film.delete()
    assert library.rows.count() == 1
    assert list(source.things.all()) == []


def test_refused_objects_publish_nothing(library):
    source = library.source()
    for wrong in (library.Film(title="unsaved"), library.Film, None, 3):
        with pytest.raises((TypeError, ValueError)):
            source.things.add(wrong)
    assert not hasattr(library.Film, "undeclared_set")
    assert related(library.Undeclared, include_auto=True) == []


def test_found_models_count_as_related_only_if_they_are_asked_for(library):
    library.Undeclared.things.add_relation(library.Video)
    source, _ = library.linked()
    list(source.things.all())
    assert related(library.Undeclared) == [library.Video]
    assert set(related(library.Undeclared, include_auto=True)) >= {
        library.Video,
        library.Film,
    }


def test_adding_a_found_relation_makes_it_count_as_declared(library):
    source, _ = library.linked()
    list(source.things.all())
    assert related(library.Undeclared) == []
    library.Undeclared.things.add_relation(library.Film)
    assert related(library.Undeclared) == [library.Film]


def test_related_models_are_a_copy(library):
    library.Undeclared.things.add_relation(library.Film)
    related(library.Undeclared).clear()
    assert related(library.Undeclared) == [library.Film]


def test_hidden_relation_is_found_without_an_accessor(registry, db):
    library = Library(related_name="+")
    source, film = library.source(), library.film()
    source.things.add(film)
    assert names(library.Film) == ["id", "title"]
    film.delete()
    assert not library.rows.exists()


def test_links_of_this_process_work_with_names_of_the_field_known_before(library):
    """A queryset and a Q object that were made before the relation was published."""
    source, film = library.source(), library.film()
    condition = models.Q(undeclared__name="") | models.Q(undeclared=None)
    everything = library.Film._default_manager.all()
    source.things.add(film)
    assert list(everything.filter(condition)) == [film]


# What others have put on a model is never overwritten.


def list_after_adding(source, target):
    source.things.add(target)
    source.things.add(target)
    return list(source.things.all())


@pytest.mark.parametrize(
    "name",
    [
        "taken",
        "nothing",
        "computed",
        "method",
        "title",
        "id",
        "pk",
        "objects",
        "save",
        "delete",
        "_meta",
        "DoesNotExist",
        "__init__",
    ],
)
def test_attribute_of_a_target_is_not_overwritten(registry, db, name):
    library = Library(related_name=name, related_query_name="owner")
    source, film = library.source(), library.film()
    before = dict(vars(library.Film))

    def use():
        source.things.add(film)
        source.things.add(film)
        list(source.things.all())
        library.Film._default_manager.filter(owner=source).get()

    (message,) = warnings_of(use)
    for part in ("app.Undeclared.things", "app.Film", repr(name), "related_name"):
        assert part in message
    assert dict(vars(library.Film)) == before
    assert list(source.things.all()) == [film]
    film.delete()
    assert not library.rows.exists()


@pytest.mark.parametrize("name", ["title", "id"])
def test_field_of_a_target_keeps_its_name_in_lookups(registry, db, name):
    library = Library(related_name="owners", related_query_name=name)
    source, film = library.source(), library.film()
    field = library.Film._meta.get_field(name)
    (message,) = warnings_of(lambda: list_after_adding(source, film))
    assert "related_query_name" in message
    films = library.Film._default_manager
    assert library.Film._meta.get_field(name) is field
    assert films.get(**{name: getattr(film, name)}) == film
    # The accessor is free.
    assert list(film.owners.all()) == [source]
    prefetched = films.prefetch_related("owners").get()
    assert list(prefetched.owners.all()) == [source]
    film.delete()
    assert not library.rows.exists()


def test_reverse_side_of_another_relation_is_not_overwritten(registry, db):
    library = Library(related_name="reviews")

    class Review(models.Model):
        film = models.ForeignKey(
            library.Film, models.DO_NOTHING, related_name="reviews"
        )

        class Meta:
            managed = False

    accessor = library.Film.reviews
    source, film = library.source(), library.film()
    assert len(warnings_of(lambda: list_after_adding(source, film))) == 1
    assert library.Film.reviews is accessor
    assert library.Film._meta.get_field("reviews").related_model is Review
    assert "INNER JOIN" in str(
        library.Film._default_manager.filter(reviews__film__title="x").query
    )
    assert list(source.things.all()) == [film]
    library.Film._default_manager.filter(pk=film.pk)._raw_delete("default")


def test_of_two_fields_with_one_name_the_first_has_it(registry, db):
    library = Library(related_name="owners")

    class Second(models.Model):
        name = models.CharField(max_length=100)
        things = GM2MField(related_name="owners", db_table="app_undeclared_others")

        class Meta:
            managed = False
            db_table = "app_undeclared"

    source, film = library.source(), library.film()
    second = Second._default_manager.get(pk=source.pk)
    source.things.add(film)
    (message,) = warnings_of(lambda: list_after_adding(second, film))
    assert "app.Second.things" in message
    assert list(film.owners.all()) == [source]
    assert library.Film.owners.field.model is library.Undeclared
    assert names(library.Film).count("owners") == 1
    assert list(second.things.all()) == [film]
    assert list(Second._default_manager.filter(things=film)) == [second]
    film.delete()
    assert not library.rows.exists()
    assert not second.things.exists()


def test_attribute_of_a_parent_is_not_overwritten_on_its_child(registry, db):
    library = Library(related_name="owners")
    library.Video.owners = "mine"
    source, movie = library.source(), library.movie()
    assert len(warnings_of(lambda: list_after_adding(source, movie))) == 1
    assert library.Movie.owners == "mine"
    assert library.Video.owners == "mine"


def test_attribute_of_a_child_is_not_overwritten_by_its_parents_relation(registry, db):
    library = Library(related_name="owners")
    library.Movie.owners = "mine"
    source = library.source()
    video = library.Video._default_manager.create(title="Alien")
    assert len(warnings_of(lambda: list_after_adding(source, video))) == 1
    assert library.Movie.owners == "mine"
    assert list(video.owners.all()) == [source]


def test_a_parent_with_children_is_warned_of_once(registry, db):
    library = Library(related_name="title")
    source = library.source()
    video = library.Video._default_manager.create(title="Alien")
    movie = library.movie()

    def use():
        list_after_adding(source, video)
        list_after_adding(source, movie)

    assert len(warnings_of(use)) == 1


# Families of models.


def test_children_and_proxies_share_the_accessor():
    assert Movie.clubs.field is Documentary.clubs.field is Video.clubs.field
    assert VideoProxy.clubs is Video.clubs
    for model in (Video, Movie, Documentary, VideoProxy):
        assert names(model).count("club") == 1
        assert model._meta.get_field("club").related_model is Club


@pytest.mark.django_db
def test_shared_accessor_means_links_of_the_instances_own_class():
    club, other = Club.objects.create(name="a"), Club.objects.create(name="b")
    movie = Movie.objects.create(title="Alien")
    club.library.add(movie)
    other.library.add(movie.video_ptr)
    assert list(movie.clubs.all()) == [club]
    assert list(movie.video_ptr.clubs.all()) == [other]
    assert list(Movie.objects.filter(club=club)) == [movie]
    assert list(Video.objects.filter(club=club)) == []
    assert list(Video.objects.filter(club=other)) == [movie.video_ptr]
    proxy = VideoProxy.objects.get()
    assert list(proxy.clubs.all()) == [other]


def test_names_are_listed_once(library):
    library.Undeclared.things.add_relation("Movie")
    library.Undeclared.things.add_relation("Video")
    library.Undeclared.things.add_relation("MovieProxy")
    for model in (library.Video, library.Movie, library.MovieProxy):
        listed = names(model)
        assert listed.count("undeclared") == 1
        assert len(set(listed)) == len(listed)
        every = names(model, include_hidden=True)
        assert len(set(every)) == len(every)


def test_parent_and_child_declared_in_one_field(registry, db):
    class Parent(models.Model):
        pass

    class Child(Parent):
        pass

    class Source(models.Model):
        things = GM2MField(Child, Parent)

    assert set(related(Source)) == {Parent, Child}
    for model in (Parent, Child):
        assert names(model).count("source") == 1
        assert model._meta.get_field("source").related_model is Source
        assert model._meta.get_field("source").model is model


def test_child_that_is_declared_after_its_parent_is_related(registry):
    class Parent(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Parent)

    class Child(Parent):
        pass

    class Grandchild(Child):
        pass

    class GrandchildProxy(Grandchild):
        class Meta:
            proxy = True

    for model in (Child, Grandchild, GrandchildProxy):
        assert names(model).count("source") == 1
    assert Grandchild._meta.get_field("source").model is Grandchild
    assert related(Source) == [Parent]


def test_relation_to_a_child_is_none_to_its_parent(library):
    library.Undeclared.things.add_relation("Movie")
    assert not hasattr(library.Video, "undeclared_set")
    assert "undeclared" not in names(library.Video)
    assert hasattr(library.MovieProxy, "undeclared_set")


@pytest.mark.django_db
def test_proxies_as_targets_of_their_own():
    lover = ProxyLover.objects.create()
    video = Video.objects.create(title="Alien")
    proxy = VideoProxy.objects.get()
    lover.things.add(proxy)
    assert [type(thing) for thing in lover.things.all()] == [VideoProxy]
    assert list(proxy.proxy_lovers.all()) == [lover]
    lover.things.add(video)
    assert [type(thing) for thing in lover.things.all()] == [VideoProxy, Video]
    other = ProxyLover.objects.create()
    other.things.add(video)
    assert set(video.proxy_lovers.all()) == {lover, other}
    assert set(proxy.proxy_lovers.all()) == {lover}


# The names of targets in lookups.


def declare(label, name="Thing"):
    """Declare a model called `name` in the app `label`."""
    meta = type("Meta", (), {"app_label": label})
    attributes = {
        "__module__": __name__,
        "Meta": meta,
        "title": models.CharField(max_length=10),
    }
    return type(name, (models.Model,), attributes)


def declare_source(*related_models):
    class Source(models.Model):
        things = GM2MField(*related_models)

    return Source


def lookups(source):
    """Return the names under which the targets of a source are known."""
    found = set()
    for name in ("thing", "app_thing", "auth_thing", "Thing", "other"):
        try:
            str(source._default_manager.filter(**{f"things__{name}__title": "x"}).query)
        except FieldError:
            continue
        found.add(name)
    return found


def test_target_has_the_name_of_its_model(registry, db):
    thing = declare("app")
    assert lookups(declare_source(thing)) == {"thing"}


def test_targets_of_one_name_have_their_app_before_it(registry, db):
    first, second = declare("app"), declare("auth")
    assert lookups(declare_source(first, second)) == {"app_thing", "auth_thing"}


def test_other_model_of_that_name_counts_even_if_it_is_no_target(registry, db):
    thing, _ = declare("app"), declare("auth")
    assert lookups(declare_source(thing)) == {"app_thing"}


def test_order_of_declaration_does_not_decide_on_names(registry, db):
    thing = declare("app")
    source = declare_source(thing)
    assert lookups(source) == {"thing"}
    other = declare("auth")
    assert lookups(source) == {"app_thing"}
    source.things.add_relation(other)
    assert lookups(source) == {"app_thing", "auth_thing"}
    source.things.add_relation(thing, on_delete=models.PROTECT)
    assert lookups(source) == {"app_thing", "auth_thing"}


def test_order_of_adding_does_not_decide_on_names(registry, db):
    first, second, source = declare("app"), declare("auth"), declare_source()
    source.things.add_relation(second)
    assert lookups(source) == {"auth_thing"}
    source.things.add_relation(first)
    assert lookups(source) == {"app_thing", "auth_thing"}


@pytest.mark.parametrize("name", ["Exact", "In", "IsNull"])
def test_lookups_of_the_field_are_not_the_names_of_models(registry, db, name):
    model, thing = declare("app", name), declare("app")
    source, other = declare_source(model, thing), thing(pk=1)
    field = source.things.field
    assert field.lookup_of(model) == f"app_{name.lower()}"
    sources = source._default_manager
    for value in (other, model(pk=1)):
        found = sources.filter(things=value)
        assert str(found.query) == str(sources.filter(things__exact=value).query)
        assert str(found.query) == str(sources.filter(things__in=[value]).query)
    linked = str(sources.filter(things__isnull=False).query)
    assert "IS NOT NULL" in linked or "INNER JOIN" in linked
    assert "gm2m_ct" not in linked


def test_fields_that_share_a_through_have_names_of_their_own(registry, db):
    thing = declare("app")

    class Person(models.Model):
        lefts = GM2MField(thing, through="Pair", through_fields=["person", "left"])
        rights = GM2MField(
            thing,
            through="Pair",
            through_fields=["person", "right"],
            related_name="right_of",
        )

    class Pair(models.Model):
        person = models.ForeignKey(Person, models.CASCADE)
        left_type = models.ForeignKey(ContentType, models.CASCADE, related_name="+")
        left_id = models.CharField(max_length=36)
        left = GenericForeignKey("left_type", "left_id")
        right_type = models.ForeignKey(ContentType, models.CASCADE, related_name="+")
        right_id = models.CharField(max_length=36)
        right = GenericForeignKey("right_type", "right_id")

    named = {}
    for field in (Person.lefts.field, Person.rights.field):
        named[field.lookup_of(thing)] = field
        condition = {f"{field.name}__{field.lookup_of(thing)}__title": "x"}
        sql = str(Person._default_manager.filter(**condition).query)
        assert field.links.key_field.column in sql
        assert len({"left_id", "right_id"} & {*re.findall(r"\w+", sql)}) == 1
    assert set(named) == {"thing", "app_thing"}
    # By these names the collector finds the rows of a deleted thing.
    for name, field in named.items():
        assert Pair._meta.get_field(name).gm2m is field


def test_models_that_are_not_installed_do_not_make_a_name_ambiguous(
    registry, db, settings
):
    settings.TEST_THING_MODEL = "app.Replacement"
    thing = declare("app")

    class SwappedThing(models.Model):
        class Meta:
            app_label = "auth"
            swappable = "TEST_THING_MODEL"

    SwappedThing._meta.model_name = "thing"
    registry.all_models["auth"]["thing"] = registry.all_models["auth"].pop(
        "swappedthing"
    )

    class Abstract(models.Model):
        class Meta:
            app_label = "contenttypes"
            abstract = True

    assert lookups(declare_source(thing)) == {"thing"}


def test_no_helper_is_offered_as_a_name(registry, db):
    thing = declare("app")
    declare_source(thing)
    with pytest.raises(FieldError) as error:
        thing._default_manager.filter(nonsense=1)
    choices = str(error.value).partition("Choices are: ")[2]
    assert set(choices.split(", ")) == {"id", "source", "title"}


# What walks a model's fields.


def every_model():
    return [
        model
        for model in installed.get_models(include_auto_created=True)
        if model._meta.app_label == "app"
    ]


@pytest.mark.parametrize("model", every_model(), ids=str)
def test_fields_are_walked_as_rest_framework_does(model):
    opts = model._meta
    for relation in opts.related_objects:
        assert relation.get_accessor_name()
        assert relation.related_model._meta.concrete_model
        assert relation.field.remote_field.multiple in (True, False)
        to_fields = getattr(relation.field, "to_fields", None)
        assert to_fields is None or len(to_fields) in (0, 1)
        if relation.field.many_to_many:
            assert relation.field.remote_field.through._meta.auto_created in (
                False,
                relation.field.model,
            )
    for field in opts.many_to_many:
        assert field.remote_field.model._meta.pk
        assert field.remote_field.through._meta.app_label
    for field in opts.fields:
        if field.remote_field:
            assert field.remote_field.model._meta.pk


@pytest.mark.parametrize("model", every_model(), ids=str)
def test_fields_are_walked_as_factories_and_filters_do(model):
    for field in model._meta.get_fields():
        assert field.name.isidentifier()
        assert isinstance(field.auto_created, bool)
        if field.auto_created and not field.concrete:
            assert isinstance(field.one_to_one, bool)
            assert field.related_model
            assert field.field.name
            assert field.get_accessor_name().isidentifier()
            if field.one_to_many or field.many_to_many:
                assert hasattr(model, field.get_accessor_name())
        elif field.is_relation and field.related_model:
            assert field.related_model._meta.pk.name
        assert model._meta.get_field(field.name).name == field.name
        assert field.null in (True, False)
        assert hasattr(field, "remote_field")


@pytest.mark.parametrize("model", every_model(), ids=str)
def test_fields_are_walked_as_forms_do(model):
    form_class = modelform_factory(model, fields="__all__")
    assert not [name for name in form_class.base_fields if "+" in name]
    form_class(instance=model())


def test_reverse_relation_of_a_target_can_be_told_as_any_other():
    rel = Movie._meta.get_field("user")
    assert rel in Movie._meta.related_objects
    assert rel.many_to_many
    assert rel.auto_created
    assert not rel.concrete
    assert rel.field is User.preferred_videos.field
    assert rel.through is User.preferred_videos.through
    assert rel.get_accessor_name() == "user_set"


def followed(model, lookup):
    """Return the field at the end of `lookup`, as filters and type checkers find it."""
    for name in lookup.split("__"):
        field = model._meta.get_field(name)
        model = field.remote_field and field.remote_field.model
    return field


def test_lookups_can_be_followed_from_model_to_model():
    title = followed(User, "preferred_videos__movie__title")
    assert title == Movie._meta.get_field("title")
    name = followed(User, "preferred_videos__opera__composer__name")
    assert name.model.__name__ == "Person"
    with pytest.raises(FieldDoesNotExist):
        followed(User, "preferred_videos__nope__title")


def test_lookups_of_a_found_relation_can_be_followed(library):
    source, film = library.source(), library.film()
    source.things.add(film)
    title = followed(library.Undeclared, "things__film__title")
    assert title is library.Film._meta.get_field("title")


def test_lookups_are_followed_by_the_names_of_the_day(registry, db):
    thing = declare("app")
    source = declare_source(thing)
    assert followed(source, "things__thing__id").model is thing
    declare("auth")
    assert followed(source, "things__app_thing__id").model is thing
    with pytest.raises(FieldDoesNotExist):
        followed(source, "things__thing__id")


@isolate_apps("tests.app")
def test_lookups_are_followed_whichever_model_comes_first():
    class Thing(models.Model):
        class Meta:
            app_label = "app"

    class Source(models.Model):
        things = GM2MField(Thing)

        class Meta:
            app_label = "app"

    field = Source._meta.get_field("things")
    # Content types are not there yet.
    assert isinstance(field.remote_field.model, str)
    assert list(field.relations) == [Thing]
    Source._meta.apps.register_model("contenttypes", ContentType)
    # The other registry has told it that it has no other relations.
    ContentType._meta._expire_cache()
    assert followed(Source, "things__thing__id").model is Thing


# Caches.


def assert_related(library, source, film):
    films = library.Film._default_manager
    assert library.Film._meta.get_field("undeclared")
    assert names(library.Film).count("undeclared") == 1
    assert list(film.undeclared_set.all()) == [source]
    assert list(films.filter(undeclared=source)) == [film]
    sources = library.Undeclared._default_manager
    assert list(sources.filter(things__film__title="Psycho")) == [source]


@pytest.mark.parametrize("how", ["declared", "added", "found"])
def test_relation_survives_the_clearing_of_caches(registry, db, how):
    library = Library()
    source, film = library.linked()
    if how == "found":
        list(source.things.all())
    else:
        library.Undeclared.things.add_relation("Film")
    for _ in range(2):
        registry.clear_cache()
        assert_related(library, source, film)
    registry.clear_cache()
    source.things.add(film)
    registry.clear_cache()
    film.delete()
    assert not library.rows.exists()


def test_relations_of_the_project_survive_the_clearing_of_caches():
    before = {model: set(names(model, include_hidden=True)) for model in every_model()}
    try:
        installed.clear_cache()
        after = {
            model: set(names(model, include_hidden=True)) for model in every_model()
        }
        assert after == before
    finally:
        installed.clear_cache()


def test_relation_is_published_again_if_a_cache_has_lost_it(library):
    """Django fills its caches while another thread publishes."""
    source, film = library.linked()
    tree = list(library.Film._meta._relation_tree)
    source.things.add(film)
    library.Film._meta.__dict__["_relation_tree"] = tree
    library.Film._meta._get_fields_cache = {}
    for name in ("fields_map", "related_objects"):
        library.Film._meta.__dict__.pop(name, None)
    source.things.add(film)
    assert_related(library, source, film)


def test_model_declared_after_a_relation_was_found(library):
    """Registering a class makes Django clear its caches."""
    source, film = library.linked()
    list(source.things.all())

    class Later(models.Model):
        pass

    assert_related(library, source, film)
    library.Undeclared.things.add_relation(Later)
    assert_related(library, source, film)
    assert hasattr(Later, "undeclared_set")


# Threads.

READERS = 6


def run_threads(functions):
    """Run the functions at once; raise the first error of any."""
    errors, barrier = [], threading.Barrier(len(functions))

    def run(function):
        barrier.wait()
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[f]) for f in functions]
    interval = sys.getswitchinterval()
    # Python is to change between them wherever it can.
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]


def assert_known(source, target):
    """Nothing that Django derives may miss the relation or have it twice."""
    name = source._meta.model_name
    assert target._meta.get_field(name).related_model is source
    assert names(target).count(name) == 1
    accessors = [rel.get_accessor_name() for rel in target._meta.related_objects]
    assert accessors.count(f"{name}_set") == 1
    query = target._default_manager.filter(**{f"{name}__name": "x"}).query
    tables = {join.table_name for join in query.alias_map.values()}
    assert source._meta.db_table in tables
    hidden = [
        rel
        for rel in target._meta.get_fields(include_hidden=True)
        # The parent's relation takes part in the deletion of a child.
        if rel.related_model is source.things.through and rel.model is target
    ]
    assert len(hidden) == 1


def declare_family():
    """Declare a model with many children and proxies."""
    parent = declare("app", "Parent")
    targets = [parent]
    for number in range(40):
        meta = type("Meta", (), {"proxy": number % 3 == 0})
        attributes = {"__module__": __name__, "Meta": meta}
        targets.append(type(f"Target{number}", (parent,), attributes))
    return targets


def declare_sources(declared):
    """Declare sources, the first of which has the model `declared`."""
    sources = []
    for number in range(8):
        attributes = {
            "__module__": __name__,
            "name": models.CharField(max_length=10),
            "things": GM2MField(*([] if sources else [declared])),
        }
        sources.append(type(f"Source{number}", (models.Model,), attributes))
    return sources


@pytest.mark.slow
def test_readers_see_no_wrong_answer_while_relations_are_published(registry):
    """Neither for what was there before nor for what has just been published."""
    targets = declare_family()
    concrete = [target for target in targets if not target._meta.proxy]
    sources = declare_sources(targets[0])
    # What Django derives on the first use of a model has been derived. Else a reader
    # that began before a relation was published could put back what it finds then.
    for target in targets:
        assert names(target, include_hidden=True)
        assert target._meta.fields_map
        assert target._meta.related_objects
    published, done = [(sources[0], targets[0])], threading.Event()

    def publish():
        try:
            for source in sources[1:]:
                for target in reversed(concrete):
                    source.things.add_relation(target, on_delete=models.PROTECT)
                    published.append((source, target))
        finally:
            done.set()

    reads = []

    def read():
        while not done.is_set():
            for source, target in (published[0], published[-1]):
                assert_known(source, target)
                reads.append(1)

    run_threads([publish, *[read] * READERS])
    assert len(published) == 1 + 7 * len(concrete)
    assert len(reads) > READERS
    for source, target in published:
        assert target._meta.get_field(source._meta.model_name)


def test_threads_that_publish_at_once_publish_one_relation(registry):
    source = declare_source()
    for number in range(20):
        target = declare("app", f"Target{number}")
        run_threads([lambda t=target: source.things.add_relation(t)] * READERS)
        assert related(source)[number:] == [target]
        assert names(target).count("source") == 1
        every = names(target, include_hidden=True)
        assert len(every) == len(set(every))


@pytest.mark.django_db(transaction=True, databases=["default"])
def test_threads_that_link_a_new_model_at_once(registry):
    library = Library()
    films = [library.film(str(number)) for number in range(READERS)]
    source = library.source()

    def link(film):
        try:
            source.things.add(film)
            assert list(film.undeclared_set.all()) == [source]
            film.delete()
        finally:
            connection.close()

    run_threads([lambda film=film: link(film) for film in films])
    assert not library.rows.exists()
    assert names(library.Film).count("undeclared") == 1


# After a restart.

SHOP = """
class Source(models.Model):
    name = models.CharField(max_length=10)
    things = GM2MField()

class Movie(models.Model):
    title = models.CharField(max_length=10)

class Opera(models.Model):
    pass
"""
LINKED = f"""{MAKE_TABLES}
source, movie = Source.objects.create(name="x"), Movie.objects.create(title="Alien")
source.things.add(movie)
"""


@pytest.fixture
def shop(project):
    """A project in whose database a movie is linked that no field declares."""
    project.models(SHOP)
    project.run(LINKED)
    return project


def test_links_in_the_table_are_found_when_the_connection_is_made(shop):
    said = shop.run("""
assert not hasattr(Movie, "source_set")
movie = Movie.objects.get()
assert hasattr(Movie, "source_set")
assert not hasattr(Opera, "source_set")
assert list(movie.source_set.all()) == [Source.objects.get()]
assert Movie.objects.filter(source__name="x").count() == 1
assert Source.things.get_related_models() == []
assert Source.things.get_related_models(include_auto=True) == [Movie]
movie.delete()
print(Source.things.through.objects.count())
""")
    assert said == "0\n"


def test_deletion_after_the_first_query_of_a_process_cascades(shop):
    """One that is the first query itself has been collected by then."""
    said = shop.run("""
assert Movie.objects.exists()
Movie.objects.all().delete()
print(Source.things.through.objects.count())
""")
    assert said == "0\n"


def test_finding_links_can_be_turned_off(shop):
    shop.settings(more="GM2M_DISCOVER_RELATIONS = False\n")
    said = shop.run("""
movie = Movie.objects.get()
assert not hasattr(Movie, "source_set")
list(Source.objects.get().things.all())
print(hasattr(Movie, "source_set"))
""")
    assert said == "True\n"


def test_finding_links_needs_the_app(shop):
    shop.settings(["django.contrib.contenttypes", "library"])
    said = shop.run("""
Movie.objects.get()
print(hasattr(Movie, "source_set"))
""")
    assert said == "False\n"


def test_links_are_looked_for_once(shop):
    said = shop.run("""
from django.db import connection

connection.force_debug_cursor = True
for _ in range(3):
    Movie.objects.get()
    print(len([query for query in connection.queries if "gm2m_ct" in query["sql"]]))
    connection.close()
""")
    assert said == "1\n1\n1\n"


def test_database_without_tables_is_no_error(project):
    project.models(SHOP)
    said = project.run("""
from django.db import connection

with connection.cursor() as cursor:
    cursor.execute("SELECT 1")
    print(cursor.fetchone()[0])
""")
    assert said == "1\n"
    project.run(LINKED)


def test_links_of_models_that_are_gone_are_no_error(shop):
    shop.models(SHOP.replace("class Movie", "class Film"))
    said = shop.run("""
source = Source.objects.get()
print(list(source.things.all()), Source.things.get_related_models(True))
""")
    assert said == "[] []\n"
