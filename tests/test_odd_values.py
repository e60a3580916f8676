"""Values that are not quite what one thinks of: lazy objects, keys of other forms."""

import copy
import uuid
import warnings

import django
import pytest
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.db.models import Case, F, Q, Subquery, Value, When
from django.db.models.signals import m2m_changed
from django.utils.functional import SimpleLazyObject

from gm2m import GM2MField
from tests.app.models import (
    Concert,
    Measure,
    Movie,
    Opera,
    Person,
    Playlist,
    PlaylistItem,
    ProxyLover,
    Undeclared,
    User,
    Video,
    VideoProxy,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return User.objects.create(name="Jack")


@pytest.fixture
def movie():
    return Movie.objects.create(title="Alien")


@pytest.fixture
def tables(registry):
    """Return a function that makes the tables of models of the test."""
    made = []

    def make(*new):
        with connection.schema_editor() as editor:
            for model in new:
                editor.create_model(model)
                made.append(model)

    yield make
    with connection.schema_editor() as editor:
        for model in reversed(made):
            editor.delete_model(model)


def lazy(obj):
    """Return what ``request.user`` is."""
    return SimpleLazyObject(lambda: obj)


class TestLazyObjects:
    def test_each_is_linked_as_what_it_is(self, user, movie):
        person = Person.objects.create(pk=movie.pk, name="Ann")
        user.preferred_videos.add(lazy(movie))
        user.preferred_videos.add(lazy(person))
        assert list(user.preferred_videos.all()) == [movie, person]
        user.preferred_videos.remove(lazy(movie))
        assert user.preferred_videos.contains(lazy(person))
        assert not user.preferred_videos.contains(lazy(movie))
        assert list(User.objects.filter(preferred_videos=lazy(person))) == [user]
        assert not User.objects.filter(preferred_videos__in=[lazy(movie)]).exists()

    def test_as_a_proxy(self):
        lover = ProxyLover.objects.create()
        proxy = VideoProxy.objects.create(title="x")
        lover.things.add(lazy(proxy))
        assert [type(found) for found in lover.things.all()] == [VideoProxy]

    def test_as_a_source(self, user, movie):
        movie.user_set.add(lazy(user))
        assert list(movie.user_set.all()) == [user]


class Wrapped:
    """The value of a key that is no number."""

    def __init__(self, number):
        self.number = int(number)

    def __eq__(self, other):
        return isinstance(other, Wrapped) and other.number == self.number

    def __hash__(self):
        return hash(self.number)

    def __str__(self):
        return f"no {self.number}"


class WrappedField(models.IntegerField):
    def from_db_value(self, value, expression, connection):
        return None if value is None else Wrapped(value)

    def to_python(self, value):
        return value if value is None or isinstance(value, Wrapped) else Wrapped(value)

    def get_prep_value(self, value):
        return value.number if isinstance(value, Wrapped) else value


class PrefixedField(models.CharField):
    """Text that the database has with two more characters."""

    def from_db_value(self, value, expression, connection):
        return None if value is None else value[2:]

    def get_prep_value(self, value):
        return None if value is None else f"x-{value}"


@pytest.mark.django_db(transaction=True)
class TestKeysThatAreConverted:
    @pytest.mark.parametrize(
        ("field", "source_field", "values"),
        [
            (WrappedField, WrappedField, [Wrapped(1), Wrapped(2)]),
            # Django prepares the values of foreign keys twice, which is once too often.
            (PrefixedField, models.CharField, ["a", "b"]),
        ],
        ids=["number", "text"],
    )
    @pytest.mark.parametrize("listened", [False, True])
    def test_on_both_sides(self, field, source_field, values, listened, tables):
        class Target(models.Model):
            id = field(primary_key=True, max_length=9)

            class Meta:
                app_label = "app"

        class Source(models.Model):
            id = source_field(primary_key=True, max_length=9)
            things = GM2MField(Target)

            class Meta:
                app_label = "app"

        tables(Target, Source)
        heard = []

        def hear(**kwargs):
            heard.append(kwargs["pk_set"])

        if listened:
            m2m_changed.connect(hear, sender=Source.things.through)
        targets = [Target.objects.create(id=value) for value in values]
        sources = [Source.objects.create(id=value) for value in values]
        source, other = sources
        source.things.add(*targets)
        source.things.add(*targets)
        assert list(source.things.all()) == targets
        (again, *_) = Source.objects.filter(pk=source.pk).prefetch_related("things")
        assert list(again.things.all()) == targets
        assert list(targets[0].source_set.all()) == [source]
        targets[0].source_set.add(source, other)
        assert set(targets[0].source_set.all()) == {source, other}
        targets[0].source_set.remove(other)
        source.things.remove(targets[1])
        assert list(source.things.all()) == targets[:1]
        assert list(Source.objects.filter(things=targets[0])) == [source]
        targets[0].source_set.set([])
        assert list(source.things.all()) == []
        source.things.set(targets)
        source.things.set(targets[1:])
        assert list(source.things.all()) == targets[1:]
        assert bool(heard) is listened


class TestKeyThatIsTooLong:
    """It cannot be linked, and so is not: reading says so, writing refuses it."""

    @pytest.fixture
    def long(self):
        return Opera.objects.create(pk=uuid.uuid4())

    def test_reading(self, long):
        holder = Undeclared.objects.create()
        Undeclared._meta.get_field("things").relate(Opera)
        assert list(long.thing_holders.all()) == []
        assert long.thing_holders.count() == 0
        assert list(Undeclared.objects.filter(things=long)) == []
        (found,) = Opera.objects.prefetch_related("thing_holders")
        assert list(found.thing_holders.all()) == []
        assert not holder.things.contains(long)

    @pytest.mark.parametrize("method", ["add", "set"])
    def test_writing(self, method, long):
        Undeclared._meta.get_field("things").relate(Opera)
        holder = Undeclared.objects.create()
        with pytest.raises(ValueError, match="longer than the 16 characters"):
            getattr(long.thing_holders, method)(
                *([holder] if method == "add" else [[holder]])
            )
        with pytest.raises(ValueError, match="longer than the 16 characters"):
            long.thing_holders.create(name="x")
        assert Undeclared.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestRowsWithoutAKey:
    """A through model of one's own may have columns that are null."""

    def test_are_never_shown(self, tables):
        class Reel(models.Model):
            class Meta:
                app_label = "app"

        class Cupboard(models.Model):
            things = GM2MField(Reel, through="Place")

            class Meta:
                app_label = "app"

        class Place(models.Model):
            cupboard = models.ForeignKey(Cupboard, models.CASCADE)
            kind = models.ForeignKey(ContentType, models.CASCADE, null=True)
            key = models.CharField(max_length=16, null=True)  # noqa: DJ001
            thing = GenericForeignKey("kind", "key")

            class Meta:
                app_label = "app"

        tables(Reel, Cupboard, Place)
        cupboard, movie = Cupboard.objects.create(), Reel.objects.create()
        kind = ContentType.objects.get_for_model(Reel)
        Place.objects.create(cupboard=cupboard, kind=kind)
        Place.objects.create(cupboard=cupboard)
        cupboard.things.add(movie)
        assert list(cupboard.things.all()) == [movie]
        assert cupboard.things.first() == cupboard.things.last() == movie
        (found,) = Cupboard.objects.prefetch_related("things")
        assert list(found.things.all()) == [movie]
        cupboard.things.set([])
        assert not Place.objects.filter(key=str(movie.pk)).exists()


class TestQuerysetsAsValues:
    @pytest.fixture
    def operas(self, user):
        operas = [Opera.objects.create(title=title) for title in ("Aida", "Norma")]
        user.preferred_videos.add(operas[0])
        return operas

    def test_union(self, user, operas, movie):
        aida, norma = (Opera.objects.filter(title=opera.title) for opera in operas)
        both = aida.values("pk").union(norma.values("pk"))
        none = norma.values("pk").union(norma.values("pk"))
        for name in ("preferred_videos__in", "preferred_videos__opera__in"):
            assert list(User.objects.filter(**{name: both})) == [user]
            assert list(User.objects.exclude(**{name: both})) == []
            assert list(User.objects.filter(**{name: none})) == []

    def test_one_object(self, user, operas):
        for opera, found in zip(operas, ([user], []), strict=True):
            one = Opera.objects.filter(title=opera.title)[:1]
            assert list(User.objects.filter(preferred_videos__opera=one)) == found
            keys = one.values("pk")
            assert list(User.objects.filter(preferred_videos__opera=keys)) == found

    def test_exact_asks_for_one(self, user):
        with pytest.raises(ValueError, match="must be limited to one result"):
            User.objects.filter(preferred_videos__opera=Opera.objects.all())

    def test_subquery(self, user, operas):
        keys = Subquery(Opera.objects.filter(title="Aida").values("pk"))
        assert list(User.objects.filter(preferred_videos__opera__in=keys)) == [user]


class TestMixedQuerysets:
    def test_object_that_cannot_be_linked_is_not_contained(self, user, movie):
        user.preferred_videos.add(movie)
        measure = Measure.objects.create(value=movie.pk)
        assert not user.preferred_videos.contains(measure)

    def test_annotation_that_would_take_the_place_of_a_column(self, user, movie):
        user.preferred_videos.add(movie)
        annotated = user.preferred_videos.annotate(director_id=Value(99))
        with pytest.raises(ValueError, match="'director_id' conflicts"):
            list(annotated)

    @pytest.mark.parametrize("evaluated", [False, True])
    def test_deep_copy_leaves_the_field_where_it_is(self, evaluated, user):
        holder = Undeclared.objects.create()
        holder.things.add(Concert.objects.create(code="a"))
        if evaluated:
            (holder,) = Undeclared.objects.prefetch_related("things")
        twin = copy.deepcopy(holder if evaluated else holder.things.all())
        targets = twin.things.all() if evaluated else twin
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert [str(found.pk) for found in targets] == ["a"]
        assert targets._gm2m is Undeclared._meta.get_field("things")

    def test_get_from_a_union(self, user, movie):
        opera = Opera.objects.create(title="Aida")
        user.preferred_videos.add(movie, opera)
        targets = user.preferred_videos
        movies, none = targets.filter(Model=Movie), targets.filter(Model=Concert)
        assert movies.union(none).get() == movie
        with pytest.raises(none.model.MultipleObjectsReturned):
            movies.union(targets.filter(Model=Opera)).get()

    def test_prefetched_proxy_is_not_its_model(self):
        lover = ProxyLover.objects.create()
        proxy = VideoProxy.objects.create(title="x")
        lover.things.add(proxy)
        plain = Video.objects.get(pk=proxy.pk)
        (prefetched,) = ProxyLover.objects.prefetch_related("things")
        for found in (lover, prefetched):
            assert found.things.contains(proxy)
            assert not found.things.contains(plain)

    @pytest.mark.parametrize("models", ["Movie", Movie], ids=["name", "class"])
    def test_list_of_models_that_is_none(self, models, user):
        with pytest.raises(TypeError, match="must be an iterable of models"):
            user.preferred_videos.filter(Model__in=models)

    @pytest.mark.skipif(django.VERSION < (6, 1), reason="Fetch modes are new in 6.1.")
    def test_peers_of_shared_targets(self, django_assert_num_queries):
        from django.db.models import FETCH_PEERS

        directors = [Person.objects.create(name=str(number)) for number in range(3)]
        movies = [Movie.objects.create(title="x", director=d) for d in directors]
        for name in "ab":
            User.objects.create(name=name).preferred_videos.set(movies)
        users = User.objects.fetch_mode(FETCH_PEERS)
        users = list(users.prefetch_related("preferred_videos"))
        with django_assert_num_queries(1):
            for user in users:
                for movie in user.preferred_videos.all():
                    assert movie.director.name


class TestThroughModels:
    def test_ordering_by_a_condition(self, movie, monkeypatch):
        ordering = [
            Case(
                When(Q(position__gt=5) | Q(note="first"), then=Value(0)),
                default=F("position"),
            )
        ]
        monkeypatch.setattr(PlaylistItem._meta, "ordering", ordering)
        playlist = Playlist.objects.create()
        other = Movie.objects.create(title="Brazil")
        playlist.items.add(movie, through_defaults={"position": 1})
        playlist.items.add(other, through_defaults={"position": 6})
        assert list(playlist.items.all()) == [other, movie]
        assert list(playlist.items.instances_of(Movie)) == [other, movie]
        playlist.items.create(Movie, title="Cube")

    @pytest.mark.django_db(transaction=True)
    def test_automatic_with_another_column(self, tables):
        class Reel(models.Model):
            class Meta:
                app_label = "app"

        class Cupboard(models.Model):
            things = GM2MField(Reel)

            class Meta:
                app_label = "app"

        Cupboard.things.through.add_to_class("number", models.IntegerField(default=3))
        tables(Reel, Cupboard)
        cupboard = Cupboard.objects.create()
        cupboard.things.add(Reel.objects.create())
        assert list(cupboard.things.values_list("number", flat=True)) == [3]

    @pytest.mark.django_db(transaction=True)
    def test_defaults_by_a_property(self, tables):
        """As ``Model()`` takes them."""

        class Reel(models.Model):
            class Meta:
                app_label = "app"

        class Cupboard(models.Model):
            things = GM2MField(Reel, through="Place")

            class Meta:
                app_label = "app"

        class Place(models.Model):
            cupboard = models.ForeignKey(Cupboard, models.CASCADE)
            kind = models.ForeignKey(ContentType, models.CASCADE)
            key = models.CharField(max_length=16)
            thing = GenericForeignKey("kind", "key")
            metres = models.IntegerField()

            class Meta:
                app_label = "app"

            @property
            def feet(self):
                return self.metres * 3

            @feet.setter
            def feet(self, value):
                self.metres = value // 3

        tables(Reel, Cupboard, Place)
        cupboard = Cupboard.objects.create()
        cupboard.things.add(Reel.objects.create(), through_defaults={"feet": 9})
        assert Place.objects.get().metres == 3
