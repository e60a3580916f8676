"""
Several databases: every query goes where ``using`` and the routers say.

The two databases of the suite have the same objects under the same keys, which only
their titles tell apart, and content types whose keys are those of other models in
the other database. So nothing that is mixed up stays unseen.
"""

import json
import pickle
import re
import uuid
from contextlib import contextmanager

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.contrib.auth.models import User as Account
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.core import serializers
from django.core.management import call_command
from django.db import connections
from django.db.models import (
    Count,
    F,
    FilteredRelation,
    OuterRef,
    Prefetch,
    ProtectedError,
    Q,
    Subquery,
    prefetch_related_objects,
)
from django.db.models.signals import m2m_changed
from django.test.utils import CaptureQueriesContext

from .app.models import (
    Book,
    Concert,
    Documentary,
    Exhibit,
    Friend,
    Gallery,
    Movie,
    Opera,
    Plant,
    Playlist,
    PlaylistItem,
    ProxyLover,
    Relic,
    Reliquary,
    Shelf,
    Undeclared,
    User,
    Vault,
    Video,
    VideoProxy,
)

ALIASES = ["default", "other"]
# Beyond what the sequences of the databases give.
JACK, JILL, FILM, REPORT, SEQUEL = 900_001, 900_002, 900_003, 900_004, 900_005
AIDA = uuid.UUID("0b6c1b4e-9fd9-4f3d-8a55-2f6f0f6d2a10")

pytestmark = [
    pytest.mark.django_db(databases=ALIASES),
    pytest.mark.usefixtures("mixed_up_content_types"),
]
Link = User.preferred_videos.through


def reverse_content_types(alias):
    """Give each content type of a database the key of another one."""
    rows = list(ContentType.objects.using(alias).order_by("pk"))
    keys = [row.pk for row in rows]
    with connections[alias].cursor() as cursor:
        for table in ("auth_permission", "django_content_type"):
            cursor.execute(f"DELETE FROM {table}")
    # An odd number would leave the one in the middle alone.
    keys = keys[1:] + keys[:1] if len(keys) % 2 else keys[::-1]
    ContentType.objects.using(alias).bulk_create(
        ContentType(pk=key, app_label=row.app_label, model=row.model)
        for key, row in zip(keys, rows, strict=True)
    )


def warm_content_types():
    """Let no query be one for a content type."""
    ContentType.objects.clear_cache()
    for alias in ALIASES:
        # All in one query.
        ContentType.objects.db_manager(alias).get_for_models(
            *apps.get_models(), for_concrete_models=False
        )


@pytest.fixture
def mixed_up_content_types(db):
    reverse_content_types("other")
    warm_content_types()
    yield
    ContentType.objects.clear_cache()


@pytest.fixture
def both(mixed_up_content_types):
    """The same objects in both databases; Jack has links in both."""
    for alias in ALIASES:
        add_objects(alias)
        jack = User.objects.using(alias).get(pk=JACK)
        jack.preferred_videos.add(*targets(alias))
        User.objects.using(alias).get(pk=JILL).preferred_videos.add(targets(alias)[2])


@pytest.fixture
def unlinked(mixed_up_content_types):
    """The same objects in both databases, without a link."""
    for alias in ALIASES:
        add_objects(alias)


def add_objects(alias):
    for pk, name in ((JACK, "Jack"), (JILL, "Jill")):
        User.objects.using(alias).create(pk=pk, name=f"{name} of {alias}")
    Movie.objects.using(alias).create(pk=FILM, title=f"film of {alias}")
    Movie.objects.using(alias).create(pk=SEQUEL, title=f"sequel of {alias}")
    Documentary.objects.using(alias).create(pk=REPORT, title=f"report of {alias}")
    Opera.objects.using(alias).create(pk=AIDA, title=f"Aida of {alias}")
    Concert.objects.using(alias).create(pk="c-1", title=f"concert of {alias}")


def targets(alias):
    """Return one object of each model, in the order in which Jack likes them."""
    return [
        Movie.objects.using(alias).get(pk=FILM),
        Documentary.objects.using(alias).get(pk=REPORT),
        Opera.objects.using(alias).get(pk=AIDA),
        Concert.objects.using(alias).get(pk="c-1"),
    ]


def titles(objs):
    return [str(obj) for obj in objs]


def links(alias):
    """Return the links of a database: user, model and key."""
    rows = Link.objects.using(alias).order_by("pk")
    types = {row.pk: row.model for row in ContentType.objects.using(alias)}
    return [
        (source, types[type_id], key)
        for source, type_id, key in rows.values_list(
            "gm2m_src_id", "gm2m_ct_id", "gm2m_pk"
        )
    ]


@contextmanager
def only_on(alias, count=None):
    """Fail if a query goes to another database, or none to this one."""
    with (
        CaptureQueriesContext(connections["default"]) as default,
        CaptureQueriesContext(connections["other"]) as other,
    ):
        yield {"default": default, "other": other}[alias]
    asked = {"default": default, "other": other}
    right = asked.pop(alias)
    (wrong,) = asked.values()
    assert [query["sql"] for query in wrong] == []
    assert len(right) > 0
    if count is not None:
        assert len(right) == count, [query["sql"] for query in right]


class AllIn:
    """All models of the app are in one database; content types are in both."""

    alias = None

    def db_for_read(self, model, **hints):
        return self.alias if model._meta.app_label == "app" else None

    db_for_write = db_for_read


class AllInOther(AllIn):
    alias = "other"


class AllInDefault(AllIn):
    alias = "default"


class Replica:
    """Reads go to ``other``, writes to ``default``."""

    def db_for_read(self, model, **hints):
        return "other"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, *objs, **hints):
        return True


class OperasElsewhere:
    """All models of the app are in ``other``, apart from operas."""

    def db_for_read(self, model, **hints):
        if model._meta.app_label != "app":
            return None
        return "default" if model is Opera else "other"

    db_for_write = db_for_read

    def allow_relation(self, *objs, **hints):
        return True


class NoRelations:
    def allow_relation(self, *objs, **hints):
        return False


@pytest.fixture(params=["object", "router"])
def way(request):
    """How a database is chosen: by that of the object at hand, or by a router."""
    return request.param


@pytest.fixture(params=ALIASES)
def place(request, way, settings):
    """The database in which all happens, and managers that lead there."""
    alias = request.param
    if way == "router":
        routers = {"default": AllInDefault(), "other": AllInOther()}
        settings.DATABASE_ROUTERS = [routers[alias]]
    return Place(alias, way)


class Place:
    def __init__(self, alias, way):
        self.alias, self.way = alias, way
        self.elsewhere = "default" if alias == "other" else "other"

    def of(self, model):
        manager = model._default_manager
        return manager.all() if self.way == "router" else manager.using(self.alias)

    @property
    def jack(self):
        return self.of(User).get(pk=JACK)

    @property
    def film(self):
        return self.of(Movie).get(pk=FILM)

    @property
    def opera(self):
        return self.of(Opera).get(pk=AIDA)

    def title(self, name):
        return f"{name} of {self.alias}"

    def titles(self, *names):
        return [self.title(name) for name in names]


ALL = ("film", "report", "Aida", "concert")

FORWARD_READS = {
    "all": lambda videos: titles(videos.all()),
    "iteration": titles,
    "iterator": lambda videos: titles(videos.iterator(chunk_size=2)),
    "slice": lambda videos: titles(videos.all()[0:4]),
    "index": lambda videos: [str(videos.all()[number]) for number in range(4)],
    "filter": lambda videos: titles(videos.filter(gm2m_pk__gt="")),
    "models": lambda videos: titles(
        videos.filter(Q(Model=Movie) | Q(Model__in=[Documentary, "app.Opera", Concert]))
    ),
    "single": lambda videos: [
        str(videos.first()),
        str(videos.get(Model=Documentary)),
        str(videos.get(opera__title__startswith="Aida")),
        str(videos.last()),
    ],
    "instances_of": lambda videos: [
        str(videos.instances_of(model).get())
        for model in (Movie, Documentary, Opera, "app.Concert")
    ],
    "instances_of a queryset": lambda videos: [
        str(videos.filter(gm2m_pk__gt="").instances_of(model).get())
        for model in (Movie, Documentary, Opera, "app.Concert")
    ],
    "union": lambda videos: titles(
        videos.filter(Model__in=[Movie, Documentary])
        .union(videos.filter(Model__in=[Opera, Concert]))
        .order_by("pk")
    ),
    "or": lambda videos: titles(
        videos.filter(Model__in=[Movie, Documentary])
        | videos.filter(Model__in=[Opera, Concert])
    ),
    "values": lambda videos: [
        next(filter(None, row))
        for row in videos.order_by("pk").values_list(
            *(f"{name}__title" for name in ("movie", "documentary", "opera", "concert"))
        )
    ],
    "pickled": lambda videos: titles(pickle.loads(pickle.dumps(videos.all()))),
    "asynchronously": lambda videos: titles(async_to_sync(collect)(videos)),
}


async def collect(videos):
    return [video async for video in videos.all()]


@pytest.mark.usefixtures("both")
class TestReading:
    @pytest.mark.parametrize("name", FORWARD_READS)
    def test_targets(self, place, name):
        jack = place.jack
        with only_on(place.alias):
            assert FORWARD_READS[name](jack.preferred_videos) == place.titles(*ALL)

    @pytest.mark.parametrize("name", FORWARD_READS)
    @pytest.mark.parametrize("alias", ALIASES)
    @pytest.mark.parametrize("choose", ["using", "db_manager"])
    def test_targets_in_a_database_of_choice(self, name, alias, choose):
        elsewhere = "default" if alias == "other" else "other"
        jack = User.objects.using(elsewhere).get(pk=JACK)
        videos = getattr(jack.preferred_videos, choose)(alias)
        if choose == "using" and name == "iteration":
            videos = videos.all()
        with only_on(alias):
            found = FORWARD_READS[name](videos)
        assert found == [f"{title} of {alias}" for title in ALL]

    def test_number_of_targets(self, place):
        jack = place.jack
        jack.preferred_videos.remove(place.opera)
        jack, film, opera = place.jack, place.film, place.opera
        with only_on(place.alias):
            assert jack.preferred_videos.count() == 3
            assert jack.preferred_videos.exists()
            assert not jack.preferred_videos.filter(Model=Opera).exists()
            assert jack.preferred_videos.filter(Model=Movie).count() == 1
            assert jack.preferred_videos.contains(film)
            assert film in jack.preferred_videos.all()
            assert not jack.preferred_videos.contains(opera)

    @pytest.mark.parametrize("alias", ALIASES)
    def test_targets_have_the_database_they_are_from(self, alias):
        jack = User.objects.using(alias).get(pk=JACK)
        assert {obj._state.db for obj in jack.preferred_videos.all()} == {alias}

    def test_targets_cost_as_many_queries_in_each_database(self, place):
        jack = place.jack
        with only_on(place.alias, count=1 + 4):
            list(jack.preferred_videos.all())

    def test_sources(self, place):
        opera, names = place.opera, place.titles("Jack", "Jill")
        with only_on(place.alias):
            assert titles(opera.user_set.order_by("name")) == names
            assert str(opera.user_set.get(name=names[1])) == names[1]
            assert opera.user_set.count() == 2
            assert opera.user_set.exists()
            assert opera.user_set.filter(name=names[0]).count() == 1
            assert opera.user_set.order_by("name").first().name == names[0]
        jill = place.of(User).get(pk=JILL)
        film = place.film
        with only_on(place.alias):
            assert opera.user_set.contains(jill)
            assert not film.user_set.contains(jill)

    @pytest.mark.parametrize("alias", ALIASES)
    @pytest.mark.parametrize("choose", ["using", "db_manager"])
    def test_sources_in_a_database_of_choice(self, alias, choose):
        elsewhere = "default" if alias == "other" else "other"
        for obj in targets(elsewhere):
            sources = getattr(obj.user_set, choose)(alias)
            with only_on(alias):
                assert sources.order_by("name").first().name == f"Jack of {alias}"
            with only_on(alias):
                assert sources.count() == (2 if isinstance(obj, Opera) else 1)

    def test_refreshed_source(self, place):
        jack = User.objects.using(place.elsewhere).get(pk=JACK)
        jack.refresh_from_db(using=place.alias)
        with only_on(place.alias):
            assert titles(jack.preferred_videos.all()) == place.titles(*ALL)

    def test_through_rows_know_their_target(self, place):
        playlist = place.of(Playlist).create()
        video = place.of(Video).get(pk=FILM)
        playlist.items.add(video, place.opera)
        first, second = place.of(PlaylistItem).order_by("pk")
        with only_on(place.alias):
            assert (str(first.video), first.opera) == (place.title("film"), None)
        with only_on(place.alias):
            assert (second.video, str(second.opera)) == (None, place.title("Aida"))

    def test_dangling_links_do_not_take_the_objects_of_the_other_database(self, place):
        Opera.objects.using(place.alias).filter(pk=AIDA)._raw_delete(place.alias)
        jack = place.jack
        with only_on(place.alias):
            found = titles(jack.preferred_videos.all())
        assert found == place.titles("film", "report", "concert")
        assert not jack.preferred_videos.contains(Opera(pk=AIDA))


@pytest.mark.usefixtures("both")
class TestPrefetching:
    def test_targets(self, place):
        with only_on(place.alias, count=1 + 1 + 4):
            jack, jill = (
                place.of(User).order_by("pk").prefetch_related("preferred_videos")
            )
            assert titles(jack.preferred_videos.all()) == place.titles(*ALL)
            assert titles(jill.preferred_videos.all()) == place.titles("Aida")
            assert jack.preferred_videos.count() == 4
            assert jill.preferred_videos.exists()

    def test_sources(self, place):
        for model, count in ((Movie, 1), (Documentary, 1), (Opera, 2), (Concert, 1)):
            with only_on(place.alias, count=2):
                obj = place.of(model).prefetch_related("user_set").order_by("pk")[0]
                names = place.titles("Jack", "Jill")[:count]
                assert titles(obj.user_set.all()) == names

    def test_sources_and_their_targets(self, place):
        with only_on(place.alias, count=1 + 1 + 1 + 4):
            opera = place.of(Opera).prefetch_related("user_set__preferred_videos").get()
            jack, _jill = opera.user_set.all()
            assert titles(jack.preferred_videos.all()) == place.titles(*ALL)

    def test_on_from_targets(self, place):
        with only_on(place.alias):
            jill = (
                place.of(User)
                .prefetch_related("preferred_videos__user_set")
                .get(pk=JILL)
            )
            (opera,) = jill.preferred_videos.all()
            assert titles(opera.user_set.all()) == place.titles("Jack", "Jill")

    def test_with_querysets(self, place):
        users = place.of(User).filter(pk=JACK)
        with only_on(place.alias):
            jack = users.prefetch_related(
                Prefetch(
                    "preferred_videos",
                    Movie.objects.filter(title__startswith="film"),
                    to_attr="films",
                ),
                GenericPrefetch(
                    "preferred_videos",
                    [Opera.objects.only("title"), Movie.objects.only("title")],
                ),
            ).get()
            assert titles(jack.films) == place.titles("film")
            assert titles(jack.preferred_videos.all()) == place.titles(*ALL)

    def test_with_a_queryset_for_sources(self, place):
        users = User.objects.filter(name__startswith="Jack")
        with only_on(place.alias, count=2):
            opera = (
                place.of(Opera)
                .prefetch_related(Prefetch("user_set", users, to_attr="jacks"))
                .get()
            )
        assert titles(opera.jacks) == place.titles("Jack")

    def test_afterwards(self, place):
        jack, film = place.jack, place.film
        with only_on(place.alias):
            prefetch_related_objects([jack], "preferred_videos")
            prefetch_related_objects([film], "user_set")
        assert titles(jack.preferred_videos.all()) == place.titles(*ALL)
        assert titles(film.user_set.all()) == place.titles("Jack")

    def test_while_streaming(self, place):
        users = place.of(User).order_by("pk").prefetch_related("preferred_videos")
        with only_on(place.alias):
            jack, jill = users.iterator(chunk_size=1)
            assert titles(jack.preferred_videos.all()) == place.titles(*ALL)
            assert titles(jill.preferred_videos.all()) == place.titles("Aida")

    def test_targets_from_a_database_of_choice(self):
        operas = Opera.objects.using("other")
        jack = User.objects.prefetch_related(
            GenericPrefetch("preferred_videos", [operas, Movie.objects.all()])
        ).get(pk=JACK)
        assert titles(jack.preferred_videos.all()) == [
            "film of default",
            "report of default",
            "Aida of other",
            "concert of default",
        ]

    def test_sources_from_a_database_of_choice(self):
        users = User.objects.using("other")
        opera = Opera.objects.prefetch_related(Prefetch("user_set", users)).get()
        found = titles(opera.user_set.all())
        assert found == ["Jack of other", "Jill of other"]

    @pytest.mark.parametrize("alias", ALIASES)
    def test_what_was_prefetched_is_not_for_another_database(self, alias):
        # As in Django, using() after a prefetch asks again.
        elsewhere = "default" if alias == "other" else "other"
        jack = (
            User.objects.using(elsewhere)
            .prefetch_related("preferred_videos")
            .get(pk=JACK)
        )
        found = titles(jack.preferred_videos.using(alias))
        assert found == [f"{title} of {alias}" for title in ALL]


FORWARD_WRITES = {
    "add": lambda videos, film, opera: videos.add(film, opera),
    "add twice": lambda videos, film, opera: (
        videos.add(film),
        videos.add(film, opera),
    ),
    "set": lambda videos, film, opera: videos.set([film, opera]),
    "set instead": lambda videos, film, opera: (
        videos.set([opera]),
        videos.set([film, opera]),
    ),
    "set after clearing": lambda videos, film, opera: (
        videos.add(opera),
        videos.set([film, opera], clear=True),
    ),
    "clear": lambda videos, film, opera: (
        videos.add(opera),
        videos.clear(),
        videos.add(film, opera),
    ),
    "remove": lambda videos, film, opera: (
        videos.add(film, opera),
        videos.remove(film, opera),
        videos.add(film, opera),
    ),
    "asynchronously": lambda videos, film, opera: async_to_sync(videos.aadd)(
        film, opera
    ),
}


@pytest.fixture(params=[False, True], ids=["unheard", "heard"])
def heard(request):
    """The signals that were sent, if anybody listens: adding differs."""
    calls = []

    def receiver(**kwargs):
        calls.append(kwargs)

    if request.param:
        m2m_changed.connect(receiver, sender=Link)
    yield calls
    m2m_changed.disconnect(receiver, sender=Link)


@pytest.mark.usefixtures("unlinked")
class TestWriting:
    @pytest.mark.parametrize("name", FORWARD_WRITES)
    def test_links_from_their_source(self, place, name, heard):
        jack, film, opera = place.jack, place.film, place.opera
        with only_on(place.alias):
            FORWARD_WRITES[name](jack.preferred_videos, film, opera)
        made = {(JACK, "movie", str(FILM)), (JACK, "opera", str(AIDA))}
        assert set(links(place.alias)) == made
        assert len(links(place.alias)) == 2
        assert links(place.elsewhere) == []
        assert {call["using"] for call in heard} <= {place.alias}

    @pytest.mark.parametrize("name", FORWARD_WRITES)
    @pytest.mark.parametrize("alias", ALIASES)
    def test_links_in_a_database_of_choice(self, name, alias, heard):
        # Objects of one database whose link is to be in the other.
        elsewhere = "default" if alias == "other" else "other"
        film, _report, opera, _concert = targets(elsewhere)
        jack = User.objects.using(elsewhere).get(pk=JACK)
        videos = jack.preferred_videos.db_manager(alias)
        with only_on(alias):
            FORWARD_WRITES[name](videos, film, opera)
        made = {(JACK, "movie", str(FILM)), (JACK, "opera", str(AIDA))}
        assert set(links(alias)) == made
        assert links(elsewhere) == []
        assert {call["using"] for call in heard} <= {alias}

    @pytest.mark.parametrize("write", ["clear", "set", "remove"])
    def test_hidden_targets_are_those_of_the_database_of_choice(self, place, write):
        elsewhere = "default" if place.alias == "other" else "other"
        jack = User.objects.using(elsewhere).get(pk=JACK)
        same = [
            Plant.everything.using(elsewhere).create(pk=1, dead=True),
            Plant.everything.using(elsewhere).create(pk=2),
        ]
        shown = Plant.everything.using(place.alias).create(pk=1)
        hidden = Plant.everything.using(place.alias).create(pk=2, dead=True)
        videos = place.jack.preferred_videos.db_manager(place.alias)
        videos.add(shown, hidden)
        values = {"clear": (), "set": ([],), "remove": same}[write]
        getattr(jack.preferred_videos.db_manager(place.alias), write)(*values)
        assert links(place.alias) == [(JACK, "plant", "2")]

    def test_links_from_their_target(self, place, heard):
        jack, opera = place.jack, place.opera
        jill = place.of(User).get(pk=JILL)
        with only_on(place.alias):
            opera.user_set.add(jack, JILL)
        assert set(links(place.alias)) == {
            (JACK, "opera", str(AIDA)),
            (JILL, "opera", str(AIDA)),
        }
        with only_on(place.alias):
            opera.user_set.remove(jill)
            assert [user.pk for user in opera.user_set.all()] == [JACK]
            opera.user_set.set([jill])
            assert [user.pk for user in opera.user_set.all()] == [JILL]
            opera.user_set.clear()
            assert not opera.user_set.exists()
            opera.user_set.set([JACK, jill], clear=True)
            assert opera.user_set.count() == 2
        assert links(place.elsewhere) == []
        assert {call["using"] for call in heard} <= {place.alias}

    def test_links_from_their_target_in_a_database_of_choice(self, heard):
        opera = Opera.objects.get()
        sources = opera.user_set.db_manager("other")
        with only_on("other"):
            sources.add(JACK, JILL)
            sources.remove(JACK)
            assert titles(sources.all()) == ["Jill of other"]
            sources.set([JACK])
            assert titles(sources.all()) == ["Jack of other"]
        assert links("other") == [(JACK, "opera", str(AIDA))]
        with only_on("other"):
            sources.clear()
        assert links("default") == links("other") == []
        assert {call["using"] for call in heard} <= {"other"}

    def test_writing_leaves_the_links_of_the_other_database_alone(self, place):
        for alias in ALIASES:
            for user in User.objects.using(alias):
                user.preferred_videos.db_manager(alias).add(*targets(alias))
        before = links(place.elsewhere)
        assert len(before) == 8
        place.jack.preferred_videos.remove(place.opera)
        place.jack.preferred_videos.set([place.film])
        place.opera.user_set.clear()
        place.jack.preferred_videos.clear()
        assert links(place.elsewhere) == before
        assert len(links(place.alias)) == 3

    def test_assignment(self, place):
        jack, film = place.jack, place.film
        with only_on(place.alias):
            jack.preferred_videos = [film]
        assert links(place.alias) == [(JACK, "movie", str(FILM))]
        assert links(place.elsewhere) == []

    def test_new_targets(self, place):
        jack = place.jack
        with only_on(place.alias):
            made = jack.preferred_videos.create(Movie, title="new")
            again, created = jack.preferred_videos.get_or_create(Movie, title="new")
            assert (again, created) == (made, False)
            other, created = jack.preferred_videos.get_or_create(Opera, title="new")
            assert created
            changed, created = jack.preferred_videos.update_or_create(
                Opera, {"title": "changed"}, pk=other.pk
            )
            assert (changed.title, created) == ("changed", False)
            concert, created = jack.preferred_videos.update_or_create(
                "app.Concert", {"title": "x"}, code="c-new"
            )
            assert created
        assert {obj._state.db for obj in (made, other, concert)} == {place.alias}
        assert [model for _, model, _ in links(place.alias)] == [
            "movie",
            "opera",
            "concert",
        ]
        assert links(place.elsewhere) == []
        assert not Movie.objects.using(place.elsewhere).filter(title="new").exists()
        assert not Concert.objects.using(place.elsewhere).filter(pk="c-new").exists()

    @pytest.mark.parametrize("alias", ALIASES)
    def test_new_targets_in_a_database_of_choice(self, alias):
        elsewhere = "default" if alias == "other" else "other"
        jack = User.objects.using(alias).get(pk=JACK)
        videos = jack.preferred_videos.db_manager(alias)
        with only_on(alias):
            made = videos.create(Concert, code="new")
            assert videos.get_or_create(Concert, code="new") == (made, False)
        assert made._state.db == alias
        assert links(alias) == [(JACK, "concert", "new")]
        assert links(elsewhere) == []

    def test_new_sources(self, place):
        opera = place.opera
        with only_on(place.alias):
            made = opera.user_set.create(name="new")
            assert opera.user_set.get_or_create(name="new") == (made, False)
            other, created = opera.user_set.update_or_create(name="newer")
            assert created
        assert {made._state.db, other._state.db} == {place.alias}
        assert links(place.alias) == [
            (made.pk, "opera", str(AIDA)),
            (other.pk, "opera", str(AIDA)),
        ]
        assert links(place.elsewhere) == []
        assert not User.objects.using(place.elsewhere).filter(name="new").exists()

    def test_what_is_linked_in_one_database_is_not_in_the_other(self, place, heard):
        for alias in (place.elsewhere, place.alias):
            jack = User.objects.using(alias).get(pk=JACK)
            jack.preferred_videos.db_manager(alias).add(*targets(alias))
        assert len(links(place.alias)) == len(links(place.elsewhere)) == 4

    def test_signals_tell_models_and_keys(self, place):
        calls = []

        def receiver(action, model, pk_set, using, **kwargs):
            # What the signal says can be looked up.
            names = pk_set and titles(model._base_manager.using(using).in_bulk(pk_set))
            calls.append((action, using, model, names))

        jack, film = place.jack, place.film
        jack.preferred_videos.add(place.opera)
        m2m_changed.connect(receiver, sender=Link)
        try:
            with only_on(place.alias):
                jack.preferred_videos.set([film])
                film.user_set.clear()
        finally:
            m2m_changed.disconnect(receiver, sender=Link)
        expected = [
            ("pre_remove", Opera, [str(AIDA)]),
            ("post_remove", Opera, [str(AIDA)]),
            ("pre_add", Movie, [str(FILM)]),
            ("post_add", Movie, [str(FILM)]),
            ("pre_clear", User, None),
            ("post_clear", User, None),
        ]
        assert calls == [(action, place.alias, *rest) for action, *rest in expected]

    def test_objects_that_are_saved_to_the_other_database_are_linked_there(self):
        jack, film = User.objects.get(pk=JACK), Movie.objects.get(pk=FILM)
        jack.save(using="other")
        film.save(using="other")
        with only_on("other"):
            jack.preferred_videos.add(film)
        assert links("other") == [(JACK, "movie", str(FILM))]

    def test_models_that_were_never_linked(self, place):
        undeclared = place.of(Undeclared).create()
        book = place.of(Book).create(title="new")
        with only_on(place.alias):
            undeclared.things.add(book)
            assert list(undeclared.things.all()) == [book]
            assert list(book.thing_holders.all()) == [undeclared]

    @pytest.mark.parametrize(
        ("model", "name", "number"), [(Shelf, "videos", 0), (Vault, "works", 1)]
    )
    def test_through_of_ones_own(self, place, model, name, number):
        source = place.of(model).create()
        target = [place.of(Video).get(pk=FILM), place.opera][number]
        manager = getattr(source, name)
        with only_on(place.alias):
            manager.add(target)
            assert list(manager.all()) == [target]
            assert manager.contains(target)
            manager.set([])
            assert not manager.exists()
            manager.set([target])
            manager.remove(target)
        assert not model._meta.get_field(name).remote_field.through.objects.exists()


def refused(call):
    """Whether `call` is refused, without a write in either database."""
    before = [links(alias) for alias in ALIASES]
    with pytest.raises(ValueError, match="routers do not allow relations") as error:
        call()
    assert "app.User.preferred_videos" in str(error.value)
    assert [links(alias) for alias in ALIASES] == before


@pytest.mark.usefixtures("both")
class TestObjectsOfDifferentDatabases:
    CALLS = {
        "add": lambda videos, good, bad: videos.add(bad),
        "add among others": lambda videos, good, bad: videos.add(good, bad),
        "set": lambda videos, good, bad: videos.set([bad]),
        "set among others": lambda videos, good, bad: videos.set([good, bad]),
        "set after clearing": lambda videos, good, bad: videos.set(
            [good, bad], clear=True
        ),
        "remove": lambda videos, good, bad: videos.remove(bad),
        "remove among others": lambda videos, good, bad: videos.remove(good, bad),
        "asynchronously": lambda videos, good, bad: async_to_sync(videos.aadd)(bad),
    }

    @pytest.mark.parametrize("name", CALLS)
    @pytest.mark.parametrize("alias", ALIASES)
    def test_are_not_linked_from_the_source(self, name, alias):
        elsewhere = "default" if alias == "other" else "other"
        jack = User.objects.using(alias).get(pk=JACK)
        good = Movie.objects.using(alias).get(pk=SEQUEL)
        for bad in targets(elsewhere):
            refused(lambda bad=bad: self.CALLS[name](jack.preferred_videos, good, bad))

    @pytest.mark.parametrize("name", CALLS)
    @pytest.mark.parametrize("alias", ALIASES)
    def test_are_not_linked_from_the_target(self, name, alias):
        elsewhere = "default" if alias == "other" else "other"
        opera = Opera.objects.using(alias).get()
        good = User.objects.using(alias).create(name="new")
        bad = User.objects.using(elsewhere).get(pk=JILL)
        refused(lambda: self.CALLS[name](opera.user_set, good, bad))

    def test_are_not_assigned(self):
        jack = User.objects.get(pk=JACK)
        bad = Movie.objects.using("other").get(pk=FILM)
        refused(lambda: setattr(jack, "preferred_videos", [bad]))

    def test_the_error_names_both(self):
        jack = User.objects.get(pk=JACK)
        bad = Movie.objects.using("other").get(pk=FILM)
        with pytest.raises(ValueError, match="film of other") as error:
            jack.preferred_videos.add(bad)
        for part in ("Jack of default", '"default"', '"other"'):
            assert part in str(error.value)

    def test_no_signal_is_sent(self):
        calls = []

        def receiver(**kwargs):
            calls.append(kwargs)

        m2m_changed.connect(receiver, sender=Link)
        try:
            for name in self.CALLS:
                jack = User.objects.get(pk=JACK)
                good, bad = Movie.objects.using("default"), Movie.objects.using("other")
                call = self.CALLS[name]
                with pytest.raises(ValueError, match="routers"):
                    call(jack.preferred_videos, good.get(pk=SEQUEL), bad.get(pk=FILM))
        finally:
            m2m_changed.disconnect(receiver, sender=Link)
        assert calls == []

    def test_a_router_may_allow_them(self, settings):
        settings.DATABASE_ROUTERS = [OperasElsewhere()]
        jack = User.objects.using("other").get(pk=JACK)
        jack.preferred_videos.clear()
        jack.preferred_videos.add(Opera.objects.using("default").get())
        assert links("other")[-1] == (JACK, "opera", str(AIDA))

    @pytest.mark.parametrize("name", CALLS)
    def test_a_router_may_refuse_objects_of_one_database(self, settings, name):
        settings.DATABASE_ROUTERS = [NoRelations()]
        jack, film = User.objects.get(pk=JACK), Movie.objects.get(pk=FILM)
        sequel = Movie.objects.get(pk=SEQUEL)
        refused(lambda: self.CALLS[name](jack.preferred_videos, sequel, film))
        jill = User.objects.get(pk=JILL)
        refused(lambda: self.CALLS[name](film.user_set, jill, jack))

    def test_clearing_needs_no_leave(self, settings):
        settings.DATABASE_ROUTERS = [NoRelations()]
        User.objects.get(pk=JACK).preferred_videos.clear()
        User.objects.get(pk=JILL).preferred_videos.set([])
        assert links("default") == []


@pytest.mark.usefixtures("both")
class TestReplica:
    @pytest.fixture(autouse=True)
    def router(self, both, settings):
        settings.DATABASE_ROUTERS = [Replica()]

    def test_reads_go_to_the_replica(self):
        jack = User.objects.using("default").get(pk=JACK)
        opera = Opera.objects.using("default").get()
        with only_on("other"):
            assert titles(jack.preferred_videos.all()) == [
                f"{title} of other" for title in ALL
            ]
            assert jack.preferred_videos.count() == 4
            assert jack.preferred_videos.exists()
            assert jack.preferred_videos.contains(opera)
            assert str(jack.preferred_videos.first()) == "film of other"
            assert str(jack.preferred_videos.instances_of(Opera).get()) == (
                "Aida of other"
            )
            assert opera.user_set.count() == 2
            assert str(opera.user_set.get(pk=JACK)) == "Jack of other"
            (user,) = User.objects.filter(preferred_videos=opera, pk=JACK)
            assert str(user) == "Jack of other"

    def test_prefetching_goes_to_the_replica(self):
        jack = User.objects.using("default").get(pk=JACK)
        opera = Opera.objects.using("default").get()
        with only_on("other"):
            prefetch_related_objects([jack], "preferred_videos")
            prefetch_related_objects([opera], "user_set")
        assert str(jack.preferred_videos.all()[2]) == "Aida of other"
        assert titles(opera.user_set.all()) == ["Jack of other", "Jill of other"]

    def test_writes_go_to_the_original(self, heard):
        jack, opera = User.objects.get(pk=JACK), Opera.objects.get()
        assert jack._state.db == opera._state.db == "other"
        film, sequel = Movie.objects.get(pk=FILM), Movie.objects.get(pk=SEQUEL)
        before = links("other")
        with only_on("default"):
            jack.preferred_videos.add(sequel)
            jack.preferred_videos.remove(film)
            jack.preferred_videos.set([sequel, opera])
            opera.user_set.set([jack])
        assert links("default") == [
            (JACK, "opera", str(AIDA)),
            (JACK, "movie", str(SEQUEL)),
        ]
        with only_on("default"):
            jack.preferred_videos.clear()
            opera.user_set.add(jack)
            opera.user_set.remove(jack)
            opera.user_set.clear()
        assert links("default") == []
        assert links("other") == before
        assert {call["using"] for call in heard} <= {"default"}

    def test_set_compares_with_the_original(self):
        # The replica may lag behind.
        Link.objects.using("other").all().delete()
        jack = User.objects.get(pk=JACK)
        kept = Link.objects.using("default").filter(gm2m_src=JACK).values_list("pk")
        before = list(kept.order_by("pk"))
        with only_on("default"):
            jack.preferred_videos.set(targets("default")[:2])
        assert list(kept.order_by("pk")) == before[:2]

    def test_what_is_made_after_prefetching_is_undone_in_the_original(self):
        (opera,) = Opera.objects.prefetch_related("user_set")

        def refuse(action, **kwargs):
            raise RuntimeError(action)

        m2m_changed.connect(refuse, sender=Link)
        try:
            with pytest.raises(RuntimeError, match="pre_add"):
                opera.user_set.create(name="new")
        finally:
            m2m_changed.disconnect(refuse, sender=Link)
        for alias in ALIASES:
            assert not User.objects.using(alias).filter(name="new").exists()

    def test_objects_are_looked_for_and_made_in_the_original(self):
        jack, opera = User.objects.get(pk=JACK), Opera.objects.get()
        with only_on("default"):
            made = jack.preferred_videos.create(Concert, code="new")
            assert jack.preferred_videos.get_or_create(Concert, code="new") == (
                made,
                False,
            )
            changed, created = jack.preferred_videos.update_or_create(
                Concert, {"title": "changed"}, code="new"
            )
            assert (changed.title, created) == ("changed", False)
            user, created = opera.user_set.get_or_create(name="Jack of default")
            assert (user.pk, created) == (JACK, False)
            opera.user_set.create(name="new")
        assert made._state.db == "default"
        assert len(links("other")) == 5

    def test_deletion_is_in_the_original(self):
        opera = Opera.objects.get()
        with only_on("default"):
            opera.delete()
        assert not [row for row in links("default") if row[1] == "opera"]
        assert len(links("other")) == 5


@pytest.mark.usefixtures("unlinked")
class TestTargetsElsewhere:
    """Operas in ``default``, all else and the links in ``other``."""

    @pytest.fixture
    def jack(self, unlinked, settings):
        settings.DATABASE_ROUTERS = [OperasElsewhere()]
        jack = User.objects.get(pk=JACK)
        jack.preferred_videos.add(
            Movie.objects.get(pk=FILM), Opera.objects.get(), Concert.objects.get()
        )
        return jack

    mixture = ["film of other", "Aida of default", "concert of other"]

    def test_links_are_with_the_source(self, jack):
        assert len(links("other")) == 3
        assert links("default") == []

    def test_targets(self, jack):
        assert titles(jack.preferred_videos.all()) == self.mixture
        assert titles(jack.preferred_videos.iterator(chunk_size=1)) == self.mixture
        assert str(jack.preferred_videos.all()[1]) == "Aida of default"
        assert str(jack.preferred_videos.get(Model=Opera)) == "Aida of default"
        for videos in (jack.preferred_videos, jack.preferred_videos.all()):
            assert titles(videos.instances_of(Opera)) == ["Aida of default"]
            assert titles(videos.instances_of(Movie)) == ["film of other"]
        assert jack.preferred_videos.count() == 3

    def test_targets_are_contained(self, jack):
        opera = Opera.objects.get()
        assert opera in jack.preferred_videos.all()
        assert jack.preferred_videos.contains(opera)
        jack.preferred_videos.remove(opera)
        assert not jack.preferred_videos.contains(opera)

    def test_prefetched_targets(self, jack):
        with CaptureQueriesContext(connections["default"]) as queries:
            jack = User.objects.prefetch_related("preferred_videos").get(pk=JACK)
        assert len(queries) == 1
        assert titles(jack.preferred_videos.all()) == self.mixture

    def test_prefetched_targets_of_a_queryset(self, jack):
        jack.preferred_videos.create(Opera, title="Tosca")
        found = Prefetch("preferred_videos", Opera.objects.filter(title="Tosca"))
        jack = User.objects.prefetch_related(found).get(pk=JACK)
        assert titles(jack.preferred_videos.all()) == ["Tosca"]

    def test_sources(self, jack):
        opera = Opera.objects.get()
        with only_on("other"):
            assert titles(opera.user_set.all()) == ["Jack of other"]
            assert opera.user_set.count() == 1
            assert list(User.objects.filter(preferred_videos=opera)) == [jack]
            opera.user_set.set([JILL])
        assert links("other")[-1] == (JILL, "opera", str(AIDA))

    def test_prefetched_sources(self, jack):
        with CaptureQueriesContext(connections["other"]) as queries:
            opera = Opera.objects.prefetch_related("user_set").get()
        assert len(queries) == 1
        assert titles(opera.user_set.all()) == ["Jack of other"]

    def test_set_and_remove(self, jack):
        opera = Opera.objects.get()
        with only_on("other"):
            jack.preferred_videos.set([opera])
        assert links("other") == [(JACK, "opera", str(AIDA))]
        with only_on("other"):
            jack.preferred_videos.remove(opera)
        assert links("other") == []

    def test_links_of_hidden_targets_are_kept(self, jack, settings):
        class PlantsElsewhere(OperasElsewhere):
            def db_for_read(self, model, **hints):
                if model is Plant:
                    return "default"
                return super().db_for_read(model, **hints)

            db_for_write = db_for_read

        settings.DATABASE_ROUTERS = [PlantsElsewhere()]
        shown = Plant.objects.create()
        hidden = Plant.objects.create(dead=True)
        gone = Plant.objects.create()
        jack.preferred_videos.set([shown, hidden, gone])
        Plant.objects.filter(pk=gone.pk)._raw_delete("default")
        jack.preferred_videos.remove(hidden)
        jack.preferred_videos.clear()
        assert links("other") == [(JACK, "plant", str(hidden.pk))]

    def test_created_targets(self, jack):
        made = jack.preferred_videos.create(Opera, title="new")
        assert made._state.db == "default"
        assert links("other")[-1] == (JACK, "opera", str(made.pk))
        assert links("default") == []

    def test_links_of_a_deleted_target_dangle_unseen(self, jack):
        # Django deletes what depends on an object in the object's own database.
        Opera.objects.get().delete()
        assert titles(jack.preferred_videos.all()) == [
            "film of other",
            "concert of other",
        ]

    def test_routers_are_told_the_source(self, jack, settings):
        hints = []

        class Listener:
            def db_for_read(self, model, instance=None, **kwargs):
                hints.append((model, instance))
                return "default" if model is Opera else "other"

        settings.DATABASE_ROUTERS = [Listener()]
        list(jack.preferred_videos.all())
        assert {(model, obj) for model, obj in hints if model is not ContentType} == {
            (model, jack) for model in (Link, Movie, Opera, Concert)
        }

    def test_routers_are_told_the_target(self, jack, settings):
        opera, hints = Opera.objects.get(), []

        class Listener:
            def db_for_read(self, model, instance=None, **kwargs):
                hints.append((model, instance))
                return "other"

        settings.DATABASE_ROUTERS = [Listener()]
        assert list(opera.user_set.all()) == [jack]
        assert (User, opera) in hints

    def test_routers_are_told_who_writes(self, jack, settings):
        opera, hints = Opera.objects.get(), []

        class Listener(OperasElsewhere):
            def db_for_write(self, model, instance=None, **kwargs):
                hints.append((model, instance))
                return "other"

        settings.DATABASE_ROUTERS = [Listener()]
        jack.preferred_videos.add(opera)
        assert hints[-1] == (Link, jack)
        opera.user_set.clear()
        assert hints[-1] == (Link, opera)


def type_keys(alias):
    """Return the keys of the content types that Jack's links have in a database."""
    manager = ContentType.objects.db_manager(alias)
    models = (Movie, Documentary, Opera, Concert)
    return [manager.get_for_model(model).pk for model in models]


LOOKUPS = {
    "object": (User, lambda alias: Q(preferred_videos=targets(alias)[2]), 2),
    "objects": (User, lambda alias: Q(preferred_videos__in=targets(alias)[:2]), 1),
    "queryset": (User, lambda alias: Q(preferred_videos__in=Opera.objects.all()), 2),
    "mixed queryset": (
        User,
        lambda alias: Q(
            preferred_videos__in=User(pk=JILL).preferred_videos.order_by("pk")
        ),
        2,
    ),
    "column of a target": (
        User,
        lambda alias: Q(preferred_videos__opera__title=f"Aida of {alias}"),
        2,
    ),
    "one model's object": (User, lambda alias: Q(preferred_videos__movie=FILM), 1),
    "one model's objects": (
        User,
        lambda alias: Q(preferred_videos__documentary__in=[REPORT, 3]),
        1,
    ),
    "one model's queryset": (
        User,
        lambda alias: Q(preferred_videos__movie__in=Movie.objects.all()),
        1,
    ),
    "one model": (User, lambda alias: Q(preferred_videos__movie__isnull=False), 1),
    "column of a source": (Movie, lambda alias: Q(user__name=f"Jack of {alias}"), 1),
    "source": (Opera, lambda alias: Q(user=JACK), 1),
    "sources": (Concert, lambda alias: Q(user__in=[JACK, JILL]), 1),
    "sources' queryset": (
        Documentary,
        lambda alias: Q(user__in=User.objects.filter(name=f"Jack of {alias}")),
        1,
    ),
    "any source": (Movie, lambda alias: Q(user__isnull=False), 1),
    "no source": (Movie, lambda alias: Q(user__isnull=True), 1),
    "not a source's": (Movie, lambda alias: ~Q(user__name=f"Jack of {alias}"), 1),
    "not a target's": (
        User,
        lambda alias: ~Q(preferred_videos__movie__title=f"film of {alias}"),
        1,
    ),
    "of another kind": (
        Movie,
        lambda alias: Q(user__preferred_videos__concert__title=f"concert of {alias}"),
        1,
    ),
}


@pytest.mark.usefixtures("both")
class TestLookups:
    @pytest.mark.parametrize("name", LOOKUPS)
    def test_condition(self, place, name):
        model, condition, count = LOOKUPS[name]
        condition = condition(place.alias)
        with only_on(place.alias):
            found = place.of(model).filter(condition).distinct()
            assert len(found) == count
        assert {obj._state.db for obj in found} == {place.alias}

    @pytest.mark.parametrize("name", LOOKUPS)
    @pytest.mark.parametrize("alias", ALIASES)
    def test_database_may_be_chosen_last(self, name, alias):
        # What was built for one database, and used there, holds no key of it.
        elsewhere = "default" if alias == "other" else "other"
        model, condition, count = LOOKUPS[name]
        queryset = model.objects.using(elsewhere).filter(condition(alias)).distinct()
        list(queryset)
        with only_on(alias):
            assert len(queryset.using(alias)) == count

    def test_content_types_are_those_of_the_database(self, place):
        film, keys = place.film, type_keys(place.alias)
        (key, *_), wrong = keys, type_keys(place.elsewhere)[0]
        assert key != wrong
        for queryset in (
            place.of(User).filter(preferred_videos=film),
            place.of(User).filter(preferred_videos__movie=film),
            place.of(User).filter(preferred_videos__movie__title="x"),
            place.of(Movie).filter(user__name="x"),
            place.jack.preferred_videos.filter(Model=Movie),
            place.jack.preferred_videos.instances_of(Movie),
            film.user_set.all(),
        ):
            with only_on(place.alias, count=None) as queries:
                list(queryset)
            sql = queries[0]["sql"].replace('"', "").replace("`", "")
            # MariaDB is kept from the column's index by an addition.
            compared = re.findall(r"gm2m_ct_id(?: \+ 0\))? (?:= |IN \()(\d+)", sql)
            assert set(compared) == {str(key)}, sql

    @pytest.mark.parametrize("reverse", [False, True])
    def test_aggregates(self, place, reverse):
        with only_on(place.alias):
            if reverse:
                counts = place.of(Opera).annotate(n=Count("user")).values_list("n")
                assert list(counts) == [(2,)]
            else:
                counts = place.of(User).annotate(
                    n=Count("preferred_videos"), operas=Count("preferred_videos__opera")
                )
                values = counts.order_by("pk").values_list("n", "operas")
                assert list(values) == [(4, 1), (1, 1)]
        with only_on(place.alias):
            total = place.of(User).aggregate(n=Count("preferred_videos__opera"))
        assert total == {"n": 2}

    def test_columns(self, place):
        names = ["movie", "documentary", "opera", "concert"]
        with only_on(place.alias):
            rows = (
                place.of(User)
                .filter(pk=JACK)
                .values_list(*(f"preferred_videos__{name}" for name in names))
            )
            assert {value for row in rows for value in row} == {
                None,
                FILM,
                REPORT,
                AIDA,
                "c-1",
            }
        with only_on(place.alias):
            name = place.of(Movie).values_list("user__name", flat=True).get(pk=FILM)
        assert name == place.title("Jack")

    def test_filtered_relation(self, place):
        users = place.of(User).annotate(
            opera=FilteredRelation(
                "preferred_videos__opera",
                condition=Q(preferred_videos__opera__title=place.title("Aida")),
            )
        )
        with only_on(place.alias):
            names = users.filter(opera__isnull=False).values_list("opera__title")
            assert list(names) == [(place.title("Aida"),)] * 2

    def test_outer_reference(self, place):
        users = User.objects.filter(preferred_videos__movie=OuterRef("pk"))
        movies = place.of(Movie).annotate(fan=Subquery(users.values("name")[:1]))
        with only_on(place.alias):
            found = dict(movies.values_list("pk", "fan"))
        assert found == {FILM: place.title("Jack"), SEQUEL: None}

    def test_order(self, place):
        with only_on(place.alias):
            users = place.of(User).order_by(F("preferred_videos__movie__title").desc())
            assert place.title("Jack") in titles(users)

    @pytest.mark.parametrize(
        "name", ["preferred_videos__in", "preferred_videos__opera__in"]
    )
    def test_querysets_of_the_other_database_are_refused(self, name):
        operas = Opera.objects.using("other").all()
        # As by Django's own fields: the database would look into its own table.
        with pytest.raises(ValueError, match="Subqueries aren't allowed across"):
            list(User.objects.using("default").filter(**{name: operas}))

    def test_mixed_querysets_of_the_other_database_are_refused(self):
        jack = User.objects.using("other").get(pk=JACK)
        videos = jack.preferred_videos.using("other")
        with pytest.raises(ValueError, match="Subqueries aren't allowed across"):
            list(User.objects.using("default").filter(preferred_videos__in=videos))

    def test_sources_of_the_other_database_are_refused(self):
        users = User.objects.using("other").all()
        with pytest.raises(ValueError, match="Subqueries aren't allowed across"):
            list(Movie.objects.using("default").filter(user__in=users))

    def test_evaluated_querysets_of_the_other_database_are_lists(self):
        operas = list(Opera.objects.using("other").all())
        found = User.objects.using("default").filter(preferred_videos__in=operas)
        assert titles(found.order_by("pk")) == ["Jack of default", "Jill of default"]

    def test_proxies_as_targets_of_their_own(self, place):
        lover = place.of(ProxyLover).create()
        proxy, video = place.of(VideoProxy).get(pk=FILM), place.of(Video).get(pk=REPORT)
        with only_on(place.alias):
            lover.things.add(proxy, video)
            assert list(lover.things.all()) == [proxy, video]
            assert list(lover.things.instances_of(VideoProxy)) == [proxy]
            assert list(proxy.proxy_lovers.all()) == [lover]
            assert place.of(Video).filter(proxy_lovers=lover).count() == 2


@pytest.mark.usefixtures("both")
class TestDeletion:
    @pytest.mark.parametrize("number", range(4))
    def test_of_a_target(self, place, number):
        obj = targets(place.alias)[number]
        label = obj._meta.model_name
        with only_on(place.alias):
            _count, by_model = obj.delete()
        assert by_model[Link._meta.label] == (2 if label == "opera" else 1)
        assert label not in [row[1] for row in links(place.alias)]
        assert len(links(place.alias)) == (3 if label == "opera" else 4)
        assert len(links(place.elsewhere)) == 5

    @pytest.mark.parametrize("model", [Movie, Documentary, Opera, Concert])
    def test_of_many_targets(self, place, model):
        with only_on(place.alias):
            place.of(model).all().delete()
        assert model._meta.model_name not in [row[1] for row in links(place.alias)]
        assert len(links(place.alias)) == (3 if model is Opera else 4)
        assert len(links(place.elsewhere)) == 5

    def test_of_a_source(self, place):
        jack = place.jack
        with only_on(place.alias):
            jack.delete()
        assert links(place.alias) == [(JILL, "opera", str(AIDA))]
        assert len(links(place.elsewhere)) == 5

    def test_of_many_sources(self, place):
        with only_on(place.alias):
            place.of(User).filter(pk__in=[JACK, JILL]).delete()
        assert links(place.alias) == []
        assert len(links(place.elsewhere)) == 5

    @pytest.mark.parametrize("alias", ALIASES)
    def test_in_a_database_of_choice(self, alias):
        elsewhere = "default" if alias == "other" else "other"
        opera = Opera.objects.using(elsewhere).get()
        with only_on(alias):
            opera.delete(using=alias)
        assert len(links(alias)) == 3
        assert len(links(elsewhere)) == 5

    def test_of_the_linked_objects(self, place):
        jack = place.jack
        with only_on(place.alias):
            jack.preferred_videos.instances_of(Opera).delete()
        assert "opera" not in [row[1] for row in links(place.alias)]
        assert Opera.objects.using(place.elsewhere).exists()
        assert len(links(place.elsewhere)) == 5

    @pytest.mark.parametrize("alias", ALIASES)
    def test_is_refused_for_the_links_of_that_database(self, alias):
        elsewhere = "default" if alias == "other" else "other"
        for each in ALIASES:
            Relic.objects.using(each).create(pk=FILM, name=each)
        relic = Relic.objects.using(alias).get()
        reliquary = Reliquary.objects.using(alias).create()
        reliquary.protected.add(relic)
        with only_on(alias), pytest.raises(ProtectedError):
            relic.delete()
        with only_on(elsewhere):
            Relic.objects.using(elsewhere).get().delete()

    def test_of_a_content_type(self, place):
        found = ContentType.objects.db_manager(place.alias).get_for_model(Opera)
        with only_on(place.alias):
            found.delete()
        assert len(links(place.alias)) == 3
        assert len(links(place.elsewhere)) == 5

    def test_goes_through_every_field(self, place):
        gallery = place.of(Gallery).create()
        exhibit = place.of(Exhibit).create()
        for name in ("works", "others", "unseen"):
            getattr(gallery, name).add(exhibit)
        with only_on(place.alias):
            _, by_model = exhibit.delete()
        assert by_model == {
            "app.Exhibit": 1,
            "app.Gallery_works": 1,
            "app.Gallery_others": 1,
            "app.Gallery_unseen": 1,
        }


FORMATS = ["python", "json", "jsonl", "xml"]


@pytest.mark.usefixtures("both")
class TestSerialization:
    @pytest.mark.parametrize("alias", ALIASES)
    @pytest.mark.parametrize("lookups", [(), ("preferred_videos",)])
    def test_links_are_told_by_their_own_database(self, alias, lookups):
        users = User.objects.using(alias).prefetch_related(*lookups).filter(pk=JACK)
        users = list(users)
        if lookups:
            (data,) = serializers.serialize("python", users)
        else:
            with only_on(alias, count=1):
                (data,) = serializers.serialize("python", users)
        assert data["fields"]["preferred_videos"] == [
            [["app", "movie"], str(FILM)],
            [["app", "documentary"], str(REPORT)],
            [["app", "opera"], str(AIDA)],
            [["app", "concert"], "c-1"],
        ]

    @pytest.mark.parametrize("format_name", FORMATS)
    @pytest.mark.parametrize("alias", ALIASES)
    def test_copies_to_the_other_database(self, format_name, alias):
        elsewhere = "default" if alias == "other" else "other"
        users = User.objects.using(alias).order_by("pk")
        data = serializers.serialize(format_name, users)
        before = links(alias)
        Link.objects.using(elsewhere).all().delete()
        with only_on(elsewhere):
            for found in serializers.deserialize(format_name, data, using=elsewhere):
                found.save(using=elsewhere)
        assert links(elsewhere) == links(alias) == before
        jack = User.objects.using(elsewhere).get(pk=JACK)
        assert str(jack) == f"Jack of {alias}"
        assert str(jack.preferred_videos.first()) == f"film of {elsewhere}"

    @pytest.mark.parametrize("format_name", ["json", "xml"])
    @pytest.mark.parametrize("alias", ALIASES)
    def test_fixtures(self, format_name, alias, tmp_path):
        elsewhere = "default" if alias == "other" else "other"
        file = tmp_path / f"users.{format_name}"
        with only_on(alias):
            call_command(
                "dumpdata", "app.User", format=format_name, database=alias, output=file
            )
        expected = links(alias)
        Link.objects.using(elsewhere).all().delete()
        with only_on(elsewhere):
            call_command("loaddata", file, database=elsewhere, verbosity=0)
        assert sorted(links(elsewhere)) == sorted(expected)

    def test_natural_keys_are_looked_up_in_the_database(self):
        # The accounts of the two databases have different keys.
        Account.objects.db_manager("default").create(pk=FILM, username="jack")
        account = Account.objects.db_manager("other").create(pk=JILL, username="jack")
        link = [["auth", "user"], ["jack"]]
        data = {"model": "app.friend", "pk": FILM, "fields": {"friends": [link]}}
        with only_on("other"):
            for found in serializers.deserialize(
                "json", json.dumps([data]), using="other"
            ):
                found.save(using="other")
        friend = Friend.objects.using("other").get(pk=FILM)
        assert list(friend.friends.all()) == [account]
        assert friend.friends.get()._state.db == "other"
        assert not Friend.objects.using("default").exists()
