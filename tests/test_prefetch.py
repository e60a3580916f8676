"""Prefetching from both ends, what the cache serves, and what drops it."""

import datetime
import pickle
from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.db.models import (
    Count,
    Prefetch,
    aprefetch_related_objects,
    prefetch_related_objects,
)
from django.db.models.signals import post_init

from .app.models import (
    Album,
    Book,
    Club,
    Concert,
    Critic,
    Documentary,
    Friend,
    Movie,
    Opera,
    Person,
    Plant,
    Playlist,
    PlaylistItem,
    Poster,
    Premiere,
    ProxyLover,
    Shelf,
    Shot,
    Term,
    Undeclared,
    User,
    UserProxy,
    Vault,
    Video,
    VideoProxy,
)

LINKS = {
    "Jack": ["tosca", "film", "gala", "second film", "report"],
    "Jill": ["second film", "tosca", "night", "poster", "film"],
    "Joe": [],
}


@pytest.fixture
def library(db):
    """Targets of all kinds of keys, linked in an order that is not that of keys."""
    lang, herzog = (Person.objects.create(name=name) for name in ("Lang", "Herzog"))
    tosca = Opera.objects.create(title="tosca", director=herzog, composer=lang)
    targets = {
        "film": Movie.objects.create(title="film", year=1927, director=lang),
        "second film": Movie.objects.create(title="b", year=1931, director=herzog),
        "report": Documentary.objects.create(title="report"),
        "tosca": tosca,
        "gala": Concert.objects.create(code="1", title="gala"),
        "night": Premiere.objects.create(day=datetime.date(2021, 2, 3)),
        "poster": Poster.objects.create(opera=tosca),
    }
    users = {}
    for name, linked in LINKS.items():
        users[name] = User.objects.create(name=name)
        users[name].preferred_videos.add(*(targets[target] for target in linked))
    for model in (Movie, Documentary, Opera, Concert, Premiere, Poster, Video):
        ContentType.objects.get_for_model(model)
    return SimpleNamespace(
        lang=lang, herzog=herzog, targets=targets, users=users, **targets, **users
    )


def wanted(library, name):
    return [library.targets[target] for target in LINKS[name]]


def prefetched(*lookups):
    """Return the users by name, with these lookups prefetched."""
    users = User.objects.order_by("pk").prefetch_related(*lookups)
    return {user.name: user for user in users}


# From sources.


def test_one_query_for_the_rows_and_one_for_each_content_type(
    library, django_assert_num_queries
):
    # Users, links, and targets of six models.
    with django_assert_num_queries(1 + 1 + 6):
        users = prefetched("preferred_videos")
    with django_assert_num_queries(0):
        for name, user in users.items():
            assert list(user.preferred_videos.all()) == wanted(library, name)


def test_the_number_of_sources_makes_no_difference(db, django_assert_num_queries):
    videos = [Video.objects.create(title=str(n)) for n in range(3)]
    ContentType.objects.get_for_model(Video)
    clubs = Club.objects.bulk_create(Club(name=str(n)) for n in range(1_500))
    through = Club.library.through
    through.objects.bulk_create(
        through(gm2m_src=club, gm2m_tgt=video)
        for number, club in enumerate(clubs)
        for video in videos[number % 3 :]
    )
    with django_assert_num_queries(3):
        found = list(Club.objects.order_by("pk").prefetch_related("library"))
    with django_assert_num_queries(0):
        for number, club in enumerate(found):
            assert list(club.library.all()) == videos[number % 3 :]
    with django_assert_num_queries(2):
        fans = list(Video.objects.order_by("pk").prefetch_related("clubs"))
    with django_assert_num_queries(0):
        assert [len(video.clubs.all()) for video in fans] == [500, 1_000, 1_500]


def test_the_cache_serves_reading(library, django_assert_num_queries):
    users = prefetched("preferred_videos")
    jack, joe = users["Jack"], users["Joe"]
    with django_assert_num_queries(0):
        assert list(jack.preferred_videos) == wanted(library, "Jack")
        assert jack.preferred_videos.count() == 5
        assert jack.preferred_videos.all().count() == 5
        assert len(jack.preferred_videos.all()) == 5
        assert jack.preferred_videos.exists()
        assert bool(jack.preferred_videos.all())
        assert library.gala in jack.preferred_videos.all()
        assert jack.preferred_videos.contains(library.gala)
        assert not jack.preferred_videos.contains(library.night)
        assert jack.preferred_videos.all()[1] == library.film
        assert jack.preferred_videos.first() == library.tosca
        assert list(joe.preferred_videos.all()) == []
        assert joe.preferred_videos.count() == 0
        assert not joe.preferred_videos.exists()
        assert joe.preferred_videos.first() is None


def test_other_querysets_ask_the_database(library, django_assert_num_queries):
    jack = prefetched("preferred_videos")["Jack"]
    with django_assert_num_queries(2):
        found = list(jack.preferred_videos.filter(Model=Movie))
    assert found == [library.film, getattr(library, "second film")]
    with django_assert_num_queries(1):
        assert list(jack.preferred_videos.instances_of(Opera)) == [library.tosca]
    with django_assert_num_queries(1):
        assert jack.preferred_videos.exclude(Model=Movie).count() == 3
    # Nobody has changed what was prefetched.
    with django_assert_num_queries(0):
        assert list(jack.preferred_videos.all()) == wanted(library, "Jack")


def test_every_source_has_objects_of_its_own(library):
    made = []

    def note(sender, instance, **kwargs):
        made.append(instance)

    for model in (Movie, Opera):
        post_init.connect(note, sender=model)
    try:
        users = prefetched("preferred_videos")
    finally:
        for model in (Movie, Opera):
            post_init.disconnect(note, sender=model)
    jacks = list(users["Jack"].preferred_videos.all())
    jills = list(users["Jill"].preferred_videos.all())
    assert {id(obj) for obj in jacks}.isdisjoint({id(obj) for obj in jills})
    films = [obj for obj in jacks + jills if isinstance(obj, (Movie, Opera))]
    assert {id(obj) for obj in films} <= {id(obj) for obj in made}
    assert not [obj for obj in films if obj._state.adding]
    # A change of one is not seen in the other.
    jacks[0].title = "changed"
    assert jills[1] == jacks[0]
    assert jills[1].title == "tosca"


def test_values_of_fields_are_not_shared(db):
    shot = Shot.objects.create(name="shot", file="a.jpg", data={"tags": ["x"]})
    first, second = Album.objects.create(name="1"), Album.objects.create(name="2")
    for album in (first, second):
        album.shots.add(shot)
    one, two = (
        album.shots.all()[0]
        for album in Album.objects.order_by("pk").prefetch_related("shots")
    )
    assert one is not two
    for found in (one, two):
        assert found.file.name == "a.jpg"
        assert found.file.instance is found
        assert found.data == {"tags": ["x"]}
    one.data["tags"].append("y")
    one.file = "b.jpg"
    assert two.data == {"tags": ["x"]}
    assert two.file.name == "a.jpg"


def test_a_default_manager_that_annotates_and_prefetches(db, django_assert_num_queries):
    term = Term.objects.create(name="term")
    shot = Shot.objects.create(name="shot")
    shot.index.add(term)
    albums = [Album.objects.create() for _ in range(3)]
    for album in albums:
        album.shots.add(shot)
    # Albums, links, shots, and what their manager prefetches.
    with django_assert_num_queries(4):
        found = list(Album.objects.prefetch_related("shots"))
    with django_assert_num_queries(0):
        shots = [album.shots.all()[0] for album in found]
        assert [found.name_length for found in shots] == [4, 4, 4]
        assert [list(found.index.all()) for found in shots] == [[term]] * 3
    # What is added to one is not seen in the others.
    shots[0].index.add(Term.objects.create(name="other"))
    assert [found.index.count() for found in shots] == [2, 1, 1]


def test_a_default_manager_that_hides_objects(db):
    holder = Undeclared.objects.create()
    alive, dead = Plant.objects.create(), Plant.objects.create(dead=True)
    holder.things.add(dead, alive)
    (found,) = Undeclared.objects.prefetch_related("things")
    assert list(found.things.all()) == [alive]
    (found,) = Undeclared.objects.prefetch_related(
        Prefetch("things", Plant.everything.all())
    )
    assert list(found.things.all()) == [dead, alive]


def test_sources_that_are_given_twice(library, django_assert_num_queries):
    again = User.objects.get(name="Jack")
    sources = [library.Jack, library.Jill, library.Jack, again, library.Joe]
    with django_assert_num_queries(1 + 6):
        prefetch_related_objects(sources, "preferred_videos")
    with django_assert_num_queries(0):
        for source in sources:
            assert list(source.preferred_videos.all()) == wanted(library, source.name)


def test_a_mixture_of_fresh_and_prefetched_sources(library, django_assert_num_queries):
    done = prefetched("preferred_videos")["Jack"]
    fresh = User.objects.get(name="Jack")
    for sources in ([done, fresh, library.Jill], [library.Joe, fresh, done]):
        prefetch_related_objects(sources, "preferred_videos")
        with django_assert_num_queries(0):
            for source in sources:
                targets = list(source.preferred_videos.all())
                assert targets == wanted(library, source.name)
        fresh = User.objects.get(name="Jack")


def test_objects_that_are_prefetched_already_cost_nothing(
    library, django_assert_num_queries
):
    users = list(prefetched("preferred_videos").values())
    before = users[0].preferred_videos.all()[0]
    with django_assert_num_queries(0):
        prefetch_related_objects(users, "preferred_videos")
    assert users[0].preferred_videos.all()[0] is before
    # On from them: directors of films and of operas.
    with django_assert_num_queries(2):
        prefetch_related_objects(users, "preferred_videos__director")
    assert users[0].preferred_videos.all()[0] is before


def test_aprefetch_related_objects(library, django_assert_num_queries):
    users = [library.Jack, library.Jill]
    with django_assert_num_queries(1 + 6 + 2):
        async_to_sync(aprefetch_related_objects)(users, "preferred_videos__director")
    with django_assert_num_queries(0):
        assert list(library.Jill.preferred_videos.all()) == wanted(library, "Jill")
        assert library.Jack.preferred_videos.all()[1].director == library.lang


def test_on_querysets_of_all_forms(library, django_assert_num_queries):
    queryset = User.objects.prefetch_related("preferred_videos")
    for found in (
        queryset.get(name="Jack"),
        queryset.order_by("pk").first(),
        queryset.order_by("pk")[0],
        queryset.filter(name="Jack")[:1][0],
        queryset.in_bulk()[library.Jack.pk],
        next(iter(queryset.filter(preferred_videos=library.report))),
        User.objects.raw(
            f"SELECT * FROM {User._meta.db_table} WHERE name = 'Jack'"
        ).prefetch_related("preferred_videos")[0],
    ):
        with django_assert_num_queries(0):
            assert list(found.preferred_videos.all()) == wanted(library, "Jack")
    dropped = queryset.prefetch_related(None).get(name="Jack")
    with django_assert_num_queries(1):
        assert dropped.preferred_videos.count() == 5


def test_no_sources_no_queries(db, django_assert_num_queries):
    prefetch_related_objects([], "preferred_videos")
    with django_assert_num_queries(1):
        assert list(User.objects.prefetch_related("preferred_videos")) == []
    with django_assert_num_queries(1):
        assert list(Movie.objects.prefetch_related("user_set")) == []


def test_iterator_prefetches_chunk_by_chunk(library, django_assert_num_queries):
    queryset = User.objects.order_by("pk").prefetch_related("preferred_videos")
    # Jack's links are of four models, Jill's of as many, Joe's of none.
    with django_assert_num_queries(1 + (1 + 4) + (1 + 4) + 1):
        for user in queryset.iterator(chunk_size=1):
            assert list(user.preferred_videos.all()) == wanted(library, user.name)
    with django_assert_num_queries(1 + (1 + 6) + 1):
        assert len(list(queryset.iterator(chunk_size=2))) == 3
    with pytest.raises(ValueError, match="chunk_size"):
        queryset.iterator()


def test_values_cannot_be_prefetched(library):
    for values in (Movie.objects.values(), Movie.objects.values_list("pk")):
        with pytest.raises(ValueError, match="values"):
            Prefetch("preferred_videos", values)


def test_dangling_links_are_not_shown(library, django_assert_num_queries):
    through = User.preferred_videos.through
    gone = Concert.objects.create(code="gone")
    library.Joe.preferred_videos.add(gone, library.gala)
    Concert.objects.filter(pk="gone")._raw_delete("default")
    stale = ContentType.objects.create(app_label="gone", model="gone")
    through.objects.create(gm2m_src=library.Joe, gm2m_ct=stale, gm2m_pk="1")
    movies = ContentType.objects.get_for_model(Movie)
    for key in ("junk", "99999", "9" * 30, ""):
        through.objects.create(gm2m_src=library.Jack, gm2m_ct=movies, gm2m_pk=key)
    users = prefetched("preferred_videos")
    with django_assert_num_queries(0):
        assert list(users["Joe"].preferred_videos.all()) == [library.gala]
        assert list(users["Jack"].preferred_videos.all()) == wanted(library, "Jack")


def test_children_and_proxies_of_a_source(library, django_assert_num_queries):
    critic = Critic.objects.create(name="Jane")
    critic.preferred_videos.add(library.report, library.tosca)
    with django_assert_num_queries(1 + 1 + 2):
        (found,) = Critic.objects.prefetch_related("preferred_videos")
    with django_assert_num_queries(0):
        assert list(found.preferred_videos.all()) == [library.report, library.tosca]
    proxy = UserProxy.objects.prefetch_related("preferred_videos").get(name="Jack")
    with django_assert_num_queries(0):
        assert list(proxy.preferred_videos.all()) == wanted(library, "Jack")


def test_children_and_proxies_as_targets(db, django_assert_num_queries):
    movie, video = Movie.objects.create(title="m"), Video.objects.create(title="v")
    proxy = VideoProxy.objects.get(pk=video.pk)
    club = Club.objects.create(name="club")
    club.library.add(movie, proxy)
    (found,) = Club.objects.prefetch_related("library")
    assert [type(obj) for obj in found.library.all()] == [Movie, Video]
    lover = ProxyLover.objects.create()
    lover.things.add(video, proxy, movie)
    with django_assert_num_queries(1 + 1 + 3):
        (found,) = ProxyLover.objects.prefetch_related("things")
        objs = list(found.things.all())
    assert [type(obj) for obj in objs] == [Video, VideoProxy, Movie]


def test_several_fields_at_once(db):
    holder = Undeclared.objects.create()
    book, person = Book.objects.create(title="b"), Person.objects.create(name="p")
    holder.things.add(book)
    holder.others.add(person, book)
    (found,) = Undeclared.objects.prefetch_related("things", "others")
    assert list(found.things.all()) == [book]
    assert list(found.others.all()) == [person, book]


def test_the_targets_order_of_their_own_does_not_matter(db):
    holder = Undeclared.objects.create()
    books = [Book.objects.create(title=title) for title in "cab"]
    holder.things.add(*books)
    (found,) = Undeclared.objects.prefetch_related("things")
    assert list(found.things.all()) == books


def test_custom_through_models(db, django_assert_num_queries):
    video, opera = Video.objects.create(title="v"), Opera.objects.create(title="o")
    playlist, other = Playlist.objects.create(), Playlist.objects.create()
    playlist.items.add(video, through_defaults={"position": 3})
    playlist.items.add(opera, through_defaults={"position": 1})
    other.items.add(video, through_defaults={"position": 1})
    other.items.add(opera, through_defaults={"position": 2})
    found = Playlist.objects.order_by("pk").prefetch_related("items")
    with django_assert_num_queries(4):
        items = [list(playlist.items.all()) for playlist in found]
    # In the order of the through's Meta.
    assert items == [[opera, video], [video, opera]]
    shelf, vault = Shelf.objects.create(), Vault.objects.create()
    shelf.videos.add(video)
    vault.works.add(opera)
    with django_assert_num_queries(3):
        (found,) = Shelf.objects.prefetch_related("videos")
        assert list(found.videos.all()) == [video]
    with django_assert_num_queries(3):
        (found,) = Vault.objects.prefetch_related("works")
        assert list(found.works.all()) == [opera]
    (found,) = Video.objects.prefetch_related("shelves", "playlists")
    with django_assert_num_queries(0):
        assert list(found.shelves.all()) == [shelf]
        assert len(found.playlists.all()) == 2
    (found,) = Opera.objects.prefetch_related("vaults")
    with django_assert_num_queries(0):
        assert list(found.vaults.all()) == [vault]


def test_a_custom_through_may_hold_a_link_twice(db):
    shelf, video = Shelf.objects.create(), Video.objects.create()
    rows = [shelf.places.model(shelf=shelf, video=video) for _ in range(2)]
    shelf.places.bulk_create(rows)
    (found,) = Shelf.objects.prefetch_related("videos")
    assert list(found.videos.all()) == list(shelf.videos.all()) == [video, video]
    one, two = found.videos.all()
    assert one is not two


# Prefetch and GenericPrefetch.


def test_a_queryset_keeps_only_its_model(library, django_assert_num_queries):
    with django_assert_num_queries(3):
        users = prefetched(Prefetch("preferred_videos", Movie.objects.all()))
    second = getattr(library, "second film")
    with django_assert_num_queries(0):
        assert list(users["Jack"].preferred_videos.all()) == [library.film, second]
        assert list(users["Jill"].preferred_videos.all()) == [second, library.film]
        assert list(users["Joe"].preferred_videos.all()) == []
        assert users["Jack"].preferred_videos.count() == 2


def test_the_filters_of_a_queryset(library, django_assert_num_queries):
    users = prefetched(
        Prefetch("preferred_videos", Movie.objects.filter(year__gt=1930))
    )
    with django_assert_num_queries(0):
        for name in ("Jack", "Jill"):
            assert list(users[name].preferred_videos.all()) == [
                getattr(library, "second film")
            ]
    # Of a column of something else, and by the field itself.
    by_director = Opera.objects.filter(director__name="Herzog", user__name="Jill")
    users = prefetched(Prefetch("preferred_videos", by_director))
    assert list(users["Jack"].preferred_videos.all()) == []
    assert list(users["Jill"].preferred_videos.all()) == [library.tosca]


@pytest.mark.parametrize("key", ["gala", "night", "poster", "report"])
def test_a_queryset_of_models_with_all_kinds_of_keys(library, key):
    target = library.targets[key]
    users = prefetched(Prefetch("preferred_videos", type(target).objects.all()))
    for name, user in users.items():
        expected = [obj for obj in wanted(library, name) if obj == target]
        assert list(user.preferred_videos.all()) == expected


def test_the_order_of_a_queryset(library):
    for ordering, titles in (("year", ["film", "b"]), ("-year", ["b", "film"])):
        users = prefetched(
            Prefetch("preferred_videos", Movie.objects.order_by(ordering))
        )
        for name in ("Jack", "Jill"):
            found = [movie.title for movie in users[name].preferred_videos.all()]
            assert found == titles
    # Meta.ordering is an order, too.
    holder = Undeclared.objects.create()
    holder.things.add(*(Book.objects.create(title=title) for title in "cab"))
    (found,) = Undeclared.objects.prefetch_related(
        Prefetch("things", Book.objects.all())
    )
    assert [book.title for book in found.things.all()] == ["a", "b", "c"]
    (found,) = Undeclared.objects.prefetch_related(
        Prefetch("things", Book.objects.order_by())
    )
    assert [book.title for book in found.things.all()] == ["c", "a", "b"]


def test_slices_are_per_source(library, django_assert_num_queries):
    by_year = Movie.objects.order_by("year")

    def titles(queryset):
        users = prefetched(Prefetch("preferred_videos", queryset, to_attr="films"))
        with django_assert_num_queries(0):
            return {
                name: [film.title for film in user.films]
                for name, user in users.items()
            }

    assert titles(by_year[:1]) == {"Jack": ["film"], "Jill": ["film"], "Joe": []}
    assert titles(by_year[1:]) == {"Jack": ["b"], "Jill": ["b"], "Joe": []}
    assert titles(by_year[1:5]) == {"Jack": ["b"], "Jill": ["b"], "Joe": []}
    assert titles(by_year[5:]) == {"Jack": [], "Jill": [], "Joe": []}
    # Without an order of their own, in that of the links.
    assert titles(Movie.objects.all()[:1]) == {
        "Jack": ["film"],
        "Jill": ["b"],
        "Joe": [],
    }


def test_to_attr(library, django_assert_num_queries):
    users = prefetched(Prefetch("preferred_videos", to_attr="everything"))
    with django_assert_num_queries(0):
        for name, user in users.items():
            assert isinstance(user.everything, list)
            assert user.everything == wanted(library, name)
    # The field itself is not prefetched.
    with django_assert_num_queries(1):
        assert users["Jack"].preferred_videos.count() == 5
    users = prefetched(
        "preferred_videos",
        Prefetch("preferred_videos", Movie.objects.all(), to_attr="films"),
        Prefetch("preferred_videos", Opera.objects.all(), to_attr="operas"),
    )
    with django_assert_num_queries(0):
        jack = users["Jack"]
        assert list(jack.preferred_videos.all()) == wanted(library, "Jack")
        assert jack.films == [library.film, getattr(library, "second film")]
        assert jack.operas == [library.tosca]
        assert users["Joe"].films == []


def test_to_attr_may_not_hide_a_field(library):
    for queryset in (None, Movie.objects.all()):
        lookup = Prefetch("preferred_videos", queryset, to_attr="preferred_videos")
        with pytest.raises(ValueError, match="conflicts with a field"):
            prefetched(lookup)
    with pytest.raises(ValueError, match="conflicts with a field"):
        list(Movie.objects.prefetch_related(Prefetch("user_set", to_attr="user")))


def test_two_querysets_under_one_name_are_refused(library):
    with pytest.raises(ValueError, match="lookup was already seen"):
        prefetched(
            "preferred_videos", Prefetch("preferred_videos", Movie.objects.all())
        )


def test_annotations_deferred_fields_and_select_related(
    library, django_assert_num_queries
):
    queryset = (
        Movie.objects.annotate(fans=Count("director"))
        .select_related("director")
        .only("title", "director__name")
    )
    with django_assert_num_queries(3):
        users = prefetched(Prefetch("preferred_videos", queryset))
        for name in ("Jack", "Jill"):
            films = {film.title: film for film in users[name].preferred_videos.all()}
            assert films["film"].director.name == "Lang"
            assert films["b"].director.name == "Herzog"
            assert [film.fans for film in films.values()] == [1, 1]
    for film in films.values():
        assert "year" in film.get_deferred_fields()
        with django_assert_num_queries(1):
            assert film.year in (1927, 1931)
    # The objects of the other source have not been loaded by that.
    jacks = users["Jack"].preferred_videos.all()
    assert all("year" in film.get_deferred_fields() for film in jacks)


def test_a_prefetch_in_a_prefetch(library, django_assert_num_queries):
    queryset = Movie.objects.prefetch_related("director", "user_set")
    with django_assert_num_queries(5):
        users = prefetched(Prefetch("preferred_videos", queryset))
    with django_assert_num_queries(0):
        for name in ("Jack", "Jill"):
            for film in users[name].preferred_videos.all():
                assert film.director.name in ("Lang", "Herzog")
                assert {user.name for user in film.user_set.all()} == {"Jack", "Jill"}


def test_a_queryset_can_be_used_twice(library):
    queryset = Movie.objects.order_by("year")[:1]
    prefetch = Prefetch("preferred_videos", queryset)
    for _ in range(2):
        users = prefetched(prefetch)
        assert [film.title for film in users["Jill"].preferred_videos.all()] == ["film"]
    assert [film.title for film in queryset] == ["film"]


def test_generic_prefetch(library, django_assert_num_queries):
    querysets = [
        Movie.objects.select_related("director"),
        Opera.objects.only("title").annotate(fans=Count("user")),
    ]
    with django_assert_num_queries(1 + 1 + 6):
        users = prefetched(GenericPrefetch("preferred_videos", querysets))
    with django_assert_num_queries(0):
        for name, user in users.items():
            # Models without a queryset are there, too.
            assert list(user.preferred_videos.all()) == wanted(library, name)
        tosca, film = users["Jack"].preferred_videos.all()[:2]
        assert tosca.fans == 2
        assert film.director == library.lang
    assert "composer_id" in tosca.get_deferred_fields()


def test_the_filters_of_a_generic_prefetch(library, django_assert_num_queries):
    querysets = [Movie.objects.filter(year=1927), Opera.objects.none()]
    users = prefetched(GenericPrefetch("preferred_videos", querysets, to_attr="found"))
    with django_assert_num_queries(0):
        assert users["Jack"].found == [library.film, library.gala, library.report]
        assert users["Jill"].found == [library.night, library.poster, library.film]


def test_two_querysets_of_one_model_are_refused(library):
    querysets = [Movie.objects.all(), Movie.objects.filter(year=1927)]
    with pytest.raises(ValueError, match="Movie"):
        prefetched(GenericPrefetch("preferred_videos", querysets))


def test_querysets_of_models_that_cannot_be_linked_are_refused(library):
    from .app.models import Measure

    with pytest.raises(TypeError, match="Measure"):
        prefetched(Prefetch("preferred_videos", Measure.objects.all()))


def test_a_queryset_of_a_model_that_is_not_linked(library):
    users = prefetched(Prefetch("preferred_videos", Person.objects.all()))
    assert [list(user.preferred_videos.all()) for user in users.values()] == [[]] * 3


# On from targets.


def test_each_model_that_has_the_relation(library, django_assert_num_queries):
    # Users, links, six models of targets; the directors of films and of operas.
    with django_assert_num_queries(1 + 1 + 6 + 2):
        users = prefetched("preferred_videos__director")
    with django_assert_num_queries(0):
        for name, user in users.items():
            targets = list(user.preferred_videos.all())
            assert targets == wanted(library, name)
            for target in targets:
                if isinstance(target, (Movie, Opera)):
                    assert (
                        target.director
                        == library.targets[
                            {"tosca": "tosca", "film": "film", "b": "second film"}[
                                target.title
                            ]
                        ].director
                    )


def test_further_on(library, django_assert_num_queries):
    with django_assert_num_queries(1 + 1 + 6 + 2 + 1):
        users = prefetched("preferred_videos__director__movie_set")
    with django_assert_num_queries(0):
        tosca, film = users["Jack"].preferred_videos.all()[:2]
        assert list(film.director.movie_set.all()) == [library.film]
        assert [movie.title for movie in tosca.director.movie_set.all()] == ["b"]


def test_several_lookups_share_what_they_can(library, django_assert_num_queries):
    with django_assert_num_queries(1 + 1 + 6 + 2 + 1):
        users = prefetched(
            "preferred_videos",
            "preferred_videos__director",
            "preferred_videos__composer",
        )
    with django_assert_num_queries(0):
        tosca = users["Jill"].preferred_videos.all()[1]
        assert (tosca.director, tosca.composer) == (library.herzog, library.lang)


def test_a_name_that_no_model_has(library):
    for lookup in ("nonsense", "director__nonsense", "nonsense__director"):
        with pytest.raises(AttributeError, match="nonsense"):
            prefetched(f"preferred_videos__{lookup}")
    holder = Undeclared.objects.create()
    holder.things.add(Book.objects.create(title="b"))
    with pytest.raises(AttributeError, match="nonsense"):
        list(Undeclared.objects.prefetch_related("things__nonsense"))
    holder.things.add(Person.objects.create(name="p"))
    with pytest.raises(AttributeError, match="nonsense"):
        list(Undeclared.objects.prefetch_related("things__nonsense"))


def test_what_is_no_relation_is_refused(library):
    holder = Undeclared.objects.create()
    holder.things.add(Book.objects.create(title="b"))
    with pytest.raises(ValueError, match="title"):
        list(Undeclared.objects.prefetch_related("things__title"))


def test_relations_named_like_the_methods_of_lists(db, django_assert_num_queries):
    original = Shot.objects.create(name="original")
    shot = Shot.objects.create(name="shot", copy=original)
    term = Term.objects.create(name="term")
    original.index.add(term)
    album = Album.objects.create()
    album.shots.add(shot, original)
    album = Album.objects.prefetch_related(
        "shots__copy", "shots__copies", "shots__index", "shots__copy__index"
    ).get()
    with django_assert_num_queries(0):
        one, two = album.shots.all()
        assert one.copy == original
        assert two.copy is None
        assert list(two.copies.all()) == [shot]
        assert list(two.index.all()) == [term]
        assert list(one.copy.index.all()) == [term]
    album = Album.objects.prefetch_related(
        Prefetch("shots", to_attr="pictures"),
        Prefetch("pictures__index", Term.objects.all(), to_attr="terms"),
    ).get()
    with django_assert_num_queries(0):
        assert [shot.terms for shot in album.pictures] == [[], [term]]


@pytest.mark.parametrize("to_attr", ["copies_of_it", "count", "sort", "append"])
def test_to_attr_named_like_the_methods_of_lists(db, to_attr):
    shot, term = Shot.objects.create(name="shot"), Term.objects.create(name="term")
    shot.index.add(term)
    album = Album.objects.create()
    album.shots.add(shot)
    album = Album.objects.prefetch_related(
        Prefetch("shots__index", to_attr=to_attr), Prefetch("shots", to_attr="pop")
    ).get()
    (found,) = album.shots.all()
    assert getattr(found, to_attr) == [term]
    assert album.pop == [shot]


def test_to_attr_further_on(library, django_assert_num_queries):
    jills = User.objects.filter(name="Jill")
    users = prefetched(
        Prefetch("preferred_videos__user_set", jills, to_attr="jills"),
        Prefetch("preferred_videos__director", to_attr="maker"),
    )
    with django_assert_num_queries(0):
        for target in users["Jack"].preferred_videos.all():
            shared = target in wanted(library, "Jill")
            assert target.jills == ([library.Jill] if shared else [])
        assert users["Jack"].preferred_videos.all()[1].maker == library.lang
    users = prefetched(
        Prefetch("preferred_videos", Movie.objects.all(), to_attr="films"),
        Prefetch("films__director", Person.objects.only("name")),
        "films__director__movie_set",
    )
    with django_assert_num_queries(0):
        (film,) = users["Jill"].films[1:]
        assert film.director.name == "Lang"
        assert list(film.director.movie_set.all()) == [library.film]


def test_a_queryset_further_on(library, django_assert_num_queries):
    users = prefetched(
        Prefetch("preferred_videos__user_set", User.objects.order_by("-name"))
    )
    with django_assert_num_queries(0):
        film = users["Jill"].preferred_videos.all()[4]
        assert [user.name for user in film.user_set.all()] == ["Jill", "Jack"]


def test_there_and_back(library, django_assert_num_queries):
    # And the users of six models.
    with django_assert_num_queries(1 + 1 + 6 + 6):
        users = prefetched("preferred_videos__user_set")
    with django_assert_num_queries(0):
        film = users["Jack"].preferred_videos.all()[1]
        assert {user.name for user in film.user_set.all()} == {"Jack", "Jill"}
    with django_assert_num_queries(1 + 1 + 1 + 6):
        films = {
            film.title: film
            for film in Movie.objects.prefetch_related("user_set__preferred_videos")
        }
    with django_assert_num_queries(0):
        for user in films["b"].user_set.all():
            assert list(user.preferred_videos.all()) == wanted(library, user.name)
    with django_assert_num_queries(1 + 1 + 1 + 6 + 2):
        film = Movie.objects.prefetch_related(
            "user_set__preferred_videos__director"
        ).get(title="film")
    with django_assert_num_queries(0):
        for user in film.user_set.all():
            for target in user.preferred_videos.all():
                assert getattr(target, "director", None) in (
                    None,
                    library.lang,
                    library.herzog,
                )


def test_there_and_back_and_there_again(library, django_assert_num_queries):
    users = prefetched("preferred_videos__user_set__preferred_videos")
    with django_assert_num_queries(0):
        for target in users["Jack"].preferred_videos.all():
            for user in target.user_set.all():
                assert list(user.preferred_videos.all()) == wanted(library, user.name)


def test_on_from_the_targets_of_targets(db, django_assert_num_queries):
    ada, bob, cleo = (Friend.objects.create(name=name) for name in ("a", "b", "c"))
    ada.friends.add(bob)
    bob.friends.add(cleo, ada)
    with django_assert_num_queries(1 + 2 + 2 + 1):
        (found,) = Friend.objects.filter(pk=ada.pk).prefetch_related(
            "friends__friends__befriended_by"
        )
    with django_assert_num_queries(0):
        for friend in found.friends.all():
            assert list(friend.friends.all()) == [cleo, ada]
            assert [list(f.befriended_by.all()) for f in friend.friends.all()] == [
                [bob],
                [bob],
            ]


def test_on_from_targets_of_several_models(library, django_assert_num_queries):
    users = prefetched("preferred_videos__user_set__preferred_videos__user_set")
    with django_assert_num_queries(0):
        for target in users["Jack"].preferred_videos.all():
            for user in target.user_set.all():
                for other in user.preferred_videos.all():
                    names = {found.name for found in other.user_set.all()}
                    assert names == {
                        name for name in LINKS if other in wanted(library, name)
                    }


def test_from_the_other_end_of_a_foreign_key(library, django_assert_num_queries):
    playlist = Playlist.objects.create()
    playlist.items.add(Video.objects.get(pk=library.film.pk), library.tosca)
    with django_assert_num_queries(1 + 1 + 1 + 2):
        items = list(PlaylistItem.objects.prefetch_related("playlist__items"))
    with django_assert_num_queries(0):
        assert {len(item.playlist.items.all()) for item in items} == {2}
    with django_assert_num_queries(3):
        people = Person.objects.order_by("pk").prefetch_related("movie_set__user_set")
        lang, _ = people
    with django_assert_num_queries(0):
        (film,) = lang.movie_set.all()
        assert len(film.user_set.all()) == 2


def test_prefetch_related_on_targets(library, django_assert_num_queries):
    targets = library.Jack.preferred_videos.prefetch_related("director")
    with django_assert_num_queries(1 + 4 + 2):
        found = list(targets)
    with django_assert_num_queries(0):
        assert found == wanted(library, "Jack")
        assert found[1].director == library.lang
    films = library.Jack.preferred_videos.prefetch_related(
        GenericPrefetch("preferred_videos", [Movie.objects.select_related("director")])
    )
    with django_assert_num_queries(1 + 4):
        found = list(films)
        assert found == wanted(library, "Jack")
        assert found[1].director == library.lang
    with pytest.raises(AttributeError, match="nonsense"):
        list(library.Jack.preferred_videos.prefetch_related("nonsense"))


# From targets.


@pytest.mark.parametrize(
    "model", [Movie, Documentary, Opera, Concert, Premiere, Poster]
)
def test_sources_of_targets_with_all_kinds_of_keys(
    library, model, django_assert_num_queries
):
    with django_assert_num_queries(2):
        found = list(model.objects.prefetch_related("user_set"))
    with django_assert_num_queries(0):
        for target in found:
            expected = {
                name
                for name, linked in LINKS.items()
                if target in wanted(library, name)
            }
            assert {user.name for user in target.user_set.all()} == expected
            assert target.user_set.count() == len(expected)
            assert target.user_set.exists() is bool(expected)
            assert len(target.user_set.all()) == len(expected)
            assert (library.Jill in target.user_set.all()) is ("Jill" in expected)
            assert target.user_set.contains(library.Jill) is ("Jill" in expected)


def test_a_target_without_sources(library, django_assert_num_queries):
    Movie.objects.create(title="unseen")
    film = Movie.objects.prefetch_related("user_set").get(title="unseen")
    with django_assert_num_queries(0):
        assert list(film.user_set.all()) == []
        assert film.user_set.count() == 0
        assert not film.user_set.exists()


def test_keys_of_other_models_do_not_mix_in(db):
    video = Video.objects.create(pk=1)
    book, person = Book.objects.create(pk=1, title="b"), Person.objects.create(pk=1)
    concert = Concert.objects.create(pk="1")
    holders = {
        target: Undeclared.objects.create(name=str(type(target)))
        for target in (video, book, person, concert)
    }
    for target, holder in holders.items():
        holder.things.add(target)
    for target, holder in holders.items():
        (found,) = type(target).objects.prefetch_related("thing_holders")
        assert list(found.thing_holders.all()) == [holder]
    for holder in Undeclared.objects.prefetch_related("things"):
        (target,) = holder.things.all()
        assert holders[target] == holder


def test_querysets_of_sources(library, django_assert_num_queries):
    def found(queryset, model=Movie, **options):
        lookup = Prefetch("user_set", queryset, to_attr="users")
        with django_assert_num_queries(2):
            targets = model.objects.order_by("pk").prefetch_related(lookup)
            return [[user.name for user in target.users] for target in targets]

    users = User.objects.order_by("-name")
    assert found(users) == [["Jill", "Jack"]] * 2
    assert found(users.reverse()) == [["Jack", "Jill"]] * 2
    assert found(users.filter(name="Jack")) == [["Jack"]] * 2
    assert found(users.exclude(name="Jack")) == [["Jill"]] * 2
    assert found(users[:1]) == [["Jill"]] * 2
    assert found(users[1:]) == [["Jack"]] * 2
    assert found(users[1:3]) == [["Jack"]] * 2
    assert found(users[:1], Opera) == [["Jill"]]
    assert found(users[:1], Concert) == [["Jack"]]
    # A condition on the same field is about the very link, as in Django.
    assert found(users.filter(preferred_videos=library.report)) == [[], []]
    seconds = users.filter(preferred_videos__movie__title="b")
    assert found(seconds) == [[], ["Jill", "Jack"]]
    assert found(users.annotate(n=Count("preferred_videos"))) == [["Jill", "Jack"]] * 2


def test_annotations_of_sources(library):
    """They are about the very links, as those of the manager and in Django."""
    users = User.objects.annotate(n=Count("preferred_videos", distinct=True))
    film = Movie.objects.prefetch_related(Prefetch("user_set", users)).get(year=1927)
    once = {"Jack": 1, "Jill": 1}
    assert {user.name: user.n for user in film.user_set.all()} == once
    found = film.user_set.annotate(n=Count("preferred_videos", distinct=True))
    assert {user.name: user.n for user in found} == once


def test_sources_that_are_shared_are_objects_of_their_own(library):
    films = list(Movie.objects.prefetch_related("user_set"))
    one, two = ({user.pk: user for user in film.user_set.all()} for film in films)
    assert one == two
    assert all(one[pk] is not two[pk] for pk in one)


def test_the_manager_of_sources(db, django_assert_num_queries):
    video = Video.objects.create()
    clubs = [Club(name="open"), Club(name="closed", secret=True)]
    for club in clubs:
        club.save()
        club.library.add(video)
    found = Video.objects.prefetch_related("clubs").get()
    with django_assert_num_queries(0):
        assert [club.name for club in found.clubs.all()] == ["open"]
    found = Video.objects.prefetch_related(
        Prefetch("clubs", Club.everything.order_by("name"))
    ).get()
    with django_assert_num_queries(0):
        assert [club.name for club in found.clubs.all()] == ["closed", "open"]


def test_sources_of_children_and_proxies(db, django_assert_num_queries):
    movie = Movie.objects.create(title="m")
    video = Video.objects.get(pk=movie.pk)
    by_movie, by_video = Club.objects.create(name="m"), Club.objects.create(name="v")
    by_movie.library.add(movie)
    by_video.library.add(video)
    for model, club in ((Movie, by_movie), (Video, by_video), (VideoProxy, by_video)):
        with django_assert_num_queries(2):
            (found,) = model.objects.prefetch_related("clubs")
            assert list(found.clubs.all()) == [club]


def test_prefetching_sources_of_targets_in_hand(library, django_assert_num_queries):
    films = [library.film, getattr(library, "second film"), library.film]
    with django_assert_num_queries(1):
        prefetch_related_objects(films, "user_set")
    with django_assert_num_queries(0):
        assert [film.user_set.count() for film in films] == [2, 2, 2]
        prefetch_related_objects(films, "user_set")


# What drops the cache.


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda links, library: links.add(library.night), id="add"),
        pytest.param(
            lambda links, library: links.add(library.tosca), id="add what is there"
        ),
        pytest.param(lambda links, library: links.remove(library.tosca), id="remove"),
        pytest.param(
            lambda links, library: links.remove(library.night),
            id="remove what is not there",
        ),
        pytest.param(lambda links, library: links.set([library.night]), id="set"),
        pytest.param(lambda links, library: links.set([]), id="set to nothing"),
        pytest.param(
            lambda links, library: links.set([library.gala], clear=True),
            id="set with clear",
        ),
        pytest.param(lambda links, library: links.clear(), id="clear"),
        pytest.param(
            lambda links, library: links.create(Movie, title="new"), id="create"
        ),
        pytest.param(
            lambda links, library: links.get_or_create(Movie, title="new"),
            id="get_or_create",
        ),
        pytest.param(
            lambda links, library: links.update_or_create(Movie, title="new"),
            id="update_or_create",
        ),
        pytest.param(
            lambda links, library: async_to_sync(links.aadd)(library.night), id="aadd"
        ),
        pytest.param(lambda links, library: async_to_sync(links.aclear)(), id="aclear"),
    ],
)
def test_writing_drops_the_cache(library, write):
    jack = prefetched("preferred_videos")["Jack"]
    write(jack.preferred_videos, library)
    fresh = User.objects.get(name="Jack")
    assert list(jack.preferred_videos.all()) == list(fresh.preferred_videos.all())
    assert jack.preferred_videos.count() == fresh.preferred_videos.count()
    assert "preferred_videos" not in jack._prefetched_objects_cache


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda links, library: links.add(library.Joe), id="add"),
        pytest.param(lambda links, library: links.remove(library.Jack), id="remove"),
        pytest.param(
            lambda links, library: links.set([library.Joe, library.Jill]), id="set"
        ),
        pytest.param(
            lambda links, library: links.set([], clear=True), id="set with clear"
        ),
        pytest.param(lambda links, library: links.clear(), id="clear"),
        pytest.param(lambda links, library: links.create(name="new"), id="create"),
        pytest.param(
            lambda links, library: links.get_or_create(name="new"), id="get_or_create"
        ),
        pytest.param(
            lambda links, library: links.update_or_create(name="new"),
            id="update_or_create",
        ),
        pytest.param(
            lambda links, library: async_to_sync(links.aset)([library.Joe]), id="aset"
        ),
    ],
)
def test_writing_from_a_target_drops_its_cache(library, write):
    film = Movie.objects.prefetch_related("user_set").get(title="film")
    write(film.user_set, library)
    fresh = Movie.objects.get(title="film")
    assert set(film.user_set.all()) == set(fresh.user_set.all())
    assert film.user_set.count() == fresh.user_set.count()


def test_a_refused_write_keeps_the_cache(library, django_assert_num_queries):
    jack = prefetched("preferred_videos")["Jack"]
    with pytest.raises(TypeError):
        jack.preferred_videos.add(library.night, "no object")
    with django_assert_num_queries(0):
        assert list(jack.preferred_videos.all()) == wanted(library, "Jack")


def test_assignment_drops_the_cache(library):
    jack = prefetched("preferred_videos")["Jack"]
    jack.preferred_videos = [library.gala]
    assert list(jack.preferred_videos.all()) == [library.gala]


def test_writing_one_field_keeps_the_cache_of_the_other(db, django_assert_num_queries):
    holder, book = Undeclared.objects.create(), Book.objects.create(title="b")
    holder.others.add(book)
    (holder,) = Undeclared.objects.prefetch_related("things", "others")
    holder.things.add(book)
    with django_assert_num_queries(0):
        assert list(holder.others.all()) == [book]
    assert list(holder.things.all()) == [book]


def test_refresh_from_db_drops_the_cache(library, django_assert_num_queries):
    jack = prefetched("preferred_videos")["Jack"]
    User.objects.get(name="Jack").preferred_videos.set([library.gala])
    jack.refresh_from_db(fields=["name"])
    with django_assert_num_queries(0):
        assert list(jack.preferred_videos.all()) == wanted(library, "Jack")
    jack.refresh_from_db(fields=["preferred_videos"])
    assert list(jack.preferred_videos.all()) == [library.gala]
    jack = prefetched("preferred_videos")["Jack"]
    User.objects.get(name="Jack").preferred_videos.clear()
    jack.refresh_from_db()
    assert list(jack.preferred_videos.all()) == []


def test_refreshing_a_target_drops_its_cache(library):
    film = Movie.objects.prefetch_related("user_set").get(title="film")
    library.Jack.preferred_videos.remove(film)
    assert len(film.user_set.all()) == 2
    film.refresh_from_db()
    assert list(film.user_set.all()) == [library.Jill]
    film = Movie.objects.prefetch_related("user_set").get(title="film")
    film.user_set.model.objects.get(name="Jill").preferred_videos.clear()
    film.refresh_from_db(fields=["user_set"])
    assert list(film.user_set.all()) == []


# Pickling.


def test_prefetched_objects_can_be_pickled(library, django_assert_num_queries):
    users = prefetched(
        "preferred_videos__director",
        Prefetch("preferred_videos", Movie.objects.all(), to_attr="films"),
    )
    jack = pickle.loads(pickle.dumps(users["Jack"]))
    with django_assert_num_queries(0):
        assert list(jack.preferred_videos.all()) == wanted(library, "Jack")
        assert jack.preferred_videos.all()[1].director == library.lang
        assert jack.films == [library.film, getattr(library, "second film")]
    film = Movie.objects.prefetch_related("user_set").get(title="film")
    film = pickle.loads(pickle.dumps(film))
    with django_assert_num_queries(0):
        assert {user.name for user in film.user_set.all()} == {"Jack", "Jill"}
    queryset = User.objects.prefetch_related("preferred_videos").order_by("pk")
    for found in (pickle.loads(pickle.dumps(queryset)), queryset):
        assert list(found[0].preferred_videos.all()) == wanted(library, "Jack")
    # And be used on.
    jack.preferred_videos.clear()
    assert list(jack.preferred_videos.all()) == []


def test_a_parents_cache_is_dropped_by_a_write_through_its_child(
    db, django_assert_num_queries
):
    """Both have the same links; on Django before 6.1, too."""
    movie = Movie.objects.create(title="Alien")
    Critic.objects.create(name="Ann").preferred_videos.add(movie)
    critic = Critic.objects.prefetch_related("user_ptr__preferred_videos").get()
    parent = critic.user_ptr
    with django_assert_num_queries(0):
        assert list(critic.preferred_videos.all()) == [movie]
    for write in (
        critic.preferred_videos.clear,
        lambda: critic.preferred_videos.set([movie]),
    ):
        prefetch_related_objects([parent], "preferred_videos")
        write()
        assert list(parent.preferred_videos.all()) == list(
            Critic.objects.get().preferred_videos.all()
        )
