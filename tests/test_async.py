"""The ``a…`` methods of both managers and of the mixed queryset."""

import inspect

import pytest
from asgiref.sync import async_to_sync
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db import NotSupportedError
from django.db.models import Count, QuerySet
from django.db.models.manager import Manager

from tests.app.models import (
    Book,
    Club,
    Movie,
    Opera,
    Person,
    Playlist,
    PlaylistItem,
    Undeclared,
    User,
    Video,
)

Through = User.preferred_videos.through


@pytest.fixture
def user(db):
    return User.objects.create(name="Jack")


@pytest.fixture
def objs(user):
    bea = Person.objects.create(name="Bea")
    objs = [
        Movie.objects.create(title="Alien", year=1979, director=bea),
        Opera.objects.create(title="Aida", director=bea),
        Movie.objects.create(title="Brazil", year=1985),
    ]
    user.preferred_videos.add(*objs)
    return objs


@pytest.fixture
def movie(db):
    return Movie.objects.create(title="Metropolis")


def run(function):
    """
    Make a test of the coroutine `function`. It runs in the thread of the database
    connection, so that the transaction of the test holds it as any other.
    """

    def test(**fixtures):
        async_to_sync(function)(**fixtures)

    test.__name__, test.__doc__ = function.__name__, function.__doc__
    test.__signature__ = inspect.signature(function)
    test.pytestmark = getattr(function, "pytestmark", [])
    return test


async def listed(iterable):
    return [obj async for obj in iterable]


# All are there.


@pytest.mark.parametrize(
    "method",
    ["add", "remove", "set", "clear", "create", "get_or_create", "update_or_create"],
)
@pytest.mark.parametrize("end", ["source", "target"])
def test_the_managers_methods_are_coroutines(user, movie, end, method):
    manager = user.preferred_videos if end == "source" else movie.user_set
    twin = getattr(manager, f"a{method}")
    assert inspect.iscoroutinefunction(twin)
    assert twin.__name__ == f"a{method}"
    assert twin.alters_data is True
    assert twin.__doc__


def public_twins(cls):
    return {
        name
        for name in dir(cls)
        if name.startswith("a")
        and not name.startswith("_")
        and inspect.iscoroutinefunction(getattr(cls, name))
    }


def test_no_coroutine_of_djangos_is_lost(user, movie):
    assert public_twins(QuerySet) <= public_twins(type(user.preferred_videos.all()))
    assert public_twins(Manager) <= public_twins(type(user.preferred_videos))
    assert public_twins(Manager) <= public_twins(type(movie.user_set))


# From a source.


@run
async def test_aadd(user, movie):
    opera = await Opera.objects.acreate(title="Norma")
    assert await user.preferred_videos.aadd(movie, opera) is None
    assert await listed(user.preferred_videos.all()) == [movie, opera]
    await user.preferred_videos.aadd(movie)
    assert await user.preferred_videos.acount() == 2


@run
async def test_aadd_with_through_defaults(db):
    playlist = await Playlist.objects.acreate()
    video = await Video.objects.acreate(title="x")
    await playlist.items.aadd(video, through_defaults={"note": "new"})
    assert (await PlaylistItem.objects.aget()).note == "new"


@run
async def test_aremove(user, objs):
    assert await user.preferred_videos.aremove(objs[0], objs[2]) is None
    assert await listed(user.preferred_videos.all()) == [objs[1]]


@run
async def test_aset(user, objs, movie):
    assert await user.preferred_videos.aset([objs[1], movie]) is None
    assert await listed(user.preferred_videos.all()) == [objs[1], movie]
    await user.preferred_videos.aset([movie], clear=True)
    assert await listed(user.preferred_videos.all()) == [movie]
    await user.preferred_videos.aset(Movie.objects.filter(title="Alien"))
    assert await listed(user.preferred_videos.all()) == [objs[0]]
    await user.preferred_videos.aset([])
    assert await listed(user.preferred_videos.all()) == []


@run
async def test_aset_by_name_of_its_argument(user, movie):
    await user.preferred_videos.aset(objs=[movie])
    assert await listed(user.preferred_videos.all()) == [movie]


@run
async def test_aset_with_through_defaults(db):
    playlist = await Playlist.objects.acreate()
    video = await Video.objects.acreate(title="x")
    await playlist.items.aset([video], through_defaults={"note": "new"})
    assert (await PlaylistItem.objects.aget()).note == "new"


@run
async def test_aclear(user, objs):
    assert await user.preferred_videos.aclear() is None
    assert await user.preferred_videos.acount() == 0


@run
async def test_acreate(user):
    made = await user.preferred_videos.acreate(Movie, title="x", year=1)
    assert (type(made), made.year) == (Movie, 1)
    other = await user.preferred_videos.acreate("app.Book", title="y")
    assert await listed(user.preferred_videos.all()) == [made, other]


@run
async def test_aget_or_create(user):
    made, created = await user.preferred_videos.aget_or_create(
        Movie, title="x", defaults={"year": 1}
    )
    assert (made.year, created) == (1, True)
    again, created = await user.preferred_videos.aget_or_create("app.Movie", title="x")
    assert (again, created) == (made, False)
    assert await user.preferred_videos.acount() == 1


@run
async def test_aupdate_or_create(user):
    options = {"defaults": {"year": 2}, "create_defaults": {"year": 1}}
    made, created = await user.preferred_videos.aupdate_or_create(
        Movie, title="x", **options
    )
    assert (made.year, created) == (1, True)
    again, created = await user.preferred_videos.aupdate_or_create(
        Movie, title="x", **options
    )
    assert (again, again.year, created) == (made, 2, False)


@run
async def test_through_defaults_of_creations(db):
    playlist = await Playlist.objects.acreate()
    for number, method in enumerate(("acreate", "aget_or_create", "aupdate_or_create")):
        await getattr(playlist.items, method)(
            Video, title=method, through_defaults={"position": number}
        )
    positions = PlaylistItem.objects.order_by("pk").values_list("position", flat=True)
    assert await listed(positions) == [0, 1, 2]


@run
async def test_refusals(user, objs):
    for wrong, error in (
        (None, TypeError),
        (1, TypeError),
        (Movie, TypeError),
        (Movie(), ValueError),
    ):
        for method, arguments in (
            ("aadd", (objs[0], wrong)),
            ("aremove", (objs[0], wrong)),
            ("aset", ([wrong],)),
        ):
            with pytest.raises(error):
                await getattr(user.preferred_videos, method)(*arguments)
    with pytest.raises(TypeError):
        await user.preferred_videos.acreate(title="x")
    assert await listed(user.preferred_videos.all()) == objs


# From a target.


@run
async def test_aadd_to_a_target(user, movie):
    other = await User.objects.acreate(name="Jill")
    assert await movie.user_set.aadd(user, other.pk) is None
    assert {obj.name async for obj in movie.user_set.all()} == {"Jack", "Jill"}


@run
async def test_aremove_from_a_target(user, movie):
    other = await User.objects.acreate(name="Jill")
    await movie.user_set.aadd(user, other)
    assert await movie.user_set.aremove(user.pk) is None
    assert await listed(movie.user_set.all()) == [other]


@run
async def test_aset_of_a_target(user, movie):
    other = await User.objects.acreate(name="Jill")
    await movie.user_set.aset([user])
    assert await movie.user_set.aset([other]) is None
    assert await listed(movie.user_set.all()) == [other]
    await movie.user_set.aset([user], clear=True)
    assert await listed(movie.user_set.all()) == [user]
    await movie.user_set.aset(objs=[other.pk])
    assert await listed(movie.user_set.all()) == [other]


@run
async def test_aclear_of_a_target(user, movie):
    await movie.user_set.aadd(user)
    assert await movie.user_set.aclear() is None
    assert not await movie.user_set.aexists()


@run
async def test_creations_from_a_target(movie):
    made = await movie.user_set.acreate(name="a")
    assert await movie.user_set.aget() == made
    assert await movie.user_set.aget_or_create(name="a") == (made, False)
    other, created = await movie.user_set.aget_or_create(name="b")
    assert created
    again, created = await movie.user_set.aupdate_or_create(
        name="b", defaults={"name": "c"}
    )
    assert (again, again.name, created) == (other, "c", False)
    third, created = await movie.user_set.aupdate_or_create(
        name="x", create_defaults={"name": "y"}
    )
    assert (third.name, created) == ("y", True)
    assert await movie.user_set.acount() == 3


@run
async def test_through_defaults_from_a_target(db):
    video = await Video.objects.acreate(title="x")
    playlist = await Playlist.objects.acreate()
    await video.playlists.aadd(playlist, through_defaults={"position": 0})
    for number, method in enumerate(("acreate", "aget_or_create", "aupdate_or_create")):
        await getattr(video.playlists, method)(
            name=method, through_defaults={"position": number + 1}
        )
    positions = PlaylistItem.objects.order_by("pk").values_list("position", flat=True)
    assert await listed(positions) == [0, 1, 2, 3]


@run
async def test_reading_from_a_target(user, movie):
    other = await User.objects.acreate(name="Jill")
    await movie.user_set.aadd(user, other)
    sources = movie.user_set
    assert await sources.acount() == 2
    assert await sources.aexists()
    assert await sources.acontains(user)
    assert await sources.aget(name="Jill") == other
    assert await sources.order_by("name").afirst() == user
    assert await sources.order_by("name").alast() == other
    assert await sources.aearliest("name") == user
    assert await sources.alatest("name") == other
    assert set(await sources.ain_bulk()) == {user.pk, other.pk}
    assert await sources.aaggregate(n=Count("pk")) == {"n": 2}
    assert {obj.name async for obj in sources.aiterator()} == {"Jack", "Jill"}
    assert await sources.aupdate(name="x") == 2
    assert await sources.aexplain()
    await sources.all().adelete()
    assert not await User.objects.aexists()


@run
async def test_another_manager_of_a_target(db):
    video = await Video.objects.acreate(title="x")
    everything = video.clubs(manager="everything")
    secret = await everything.acreate(name="x", secret=True)
    assert await listed(everything.all()) == [secret]
    assert await listed(video.clubs.all()) == []
    await video.clubs.aset([])
    assert await Club.library.through.objects.acount() == 1


# The mixed queryset.


@run
async def test_async_for(user, objs):
    assert await listed(user.preferred_videos.all()) == objs
    assert await listed(user.preferred_videos.filter(Model=Movie)) == objs[::2]
    assert await listed(user.preferred_videos.reverse()) == objs[::-1]
    assert await listed(user.preferred_videos.all()[1:]) == objs[1:]
    assert await listed(user.preferred_videos.none()) == []


@run
async def test_async_for_keeps_the_result(user, objs):
    queryset = user.preferred_videos.all()
    first = await listed(queryset)
    again = await listed(queryset)
    assert [obj is twin for obj, twin in zip(first, again, strict=True)] == [True] * 3


@pytest.mark.parametrize("size", [1, 2, 100])
def test_aiterator(user, objs, size):
    async def read():
        queryset = user.preferred_videos.all()
        return (
            await listed(queryset.aiterator(chunk_size=size)),
            await listed(queryset.aiterator()),
            await listed(user.preferred_videos.aiterator(chunk_size=size)),
        )

    assert async_to_sync(read)() == (objs, objs, objs)


@run
async def test_aiterator_wants_a_positive_size(user, objs):
    for size in (0, -1):
        with pytest.raises(ValueError, match="positive"):
            await listed(user.preferred_videos.aiterator(chunk_size=size))


@run
async def test_aiterator_with_prefetching(user, objs):
    queryset = user.preferred_videos.prefetch_related("director")
    found = await listed(queryset.aiterator(chunk_size=2))
    # Not fetched now: that would be a SynchronousOnlyOperation.
    assert [obj.director and obj.director.name for obj in found] == ["Bea", "Bea", None]


@run
async def test_single_targets(user, objs):
    mixed = user.preferred_videos
    for owner in (mixed, mixed.all()):
        assert await owner.afirst() == objs[0]
        assert await owner.alast() == objs[2]
        assert await owner.aearliest("pk") == objs[0]
        assert await owner.alatest("pk") == objs[2]
        assert await owner.aget(Model=Opera) == objs[1]
        assert await owner.aget(movie__title="Brazil") == objs[2]
        with pytest.raises(ObjectDoesNotExist):
            await owner.aget(movie__title="nothing")
        with pytest.raises(MultipleObjectsReturned):
            await owner.aget()
    assert await mixed.none().afirst() is None
    assert await mixed.none().alast() is None


@run
async def test_questions(user, objs, movie):
    for owner in (user.preferred_videos, user.preferred_videos.all()):
        assert await owner.acount() == 3
        assert await owner.aexists()
        assert await owner.acontains(objs[1])
        assert not await owner.acontains(movie)
        assert await owner.aaggregate(n=Count("pk")) == {"n": 3}
        assert isinstance(await owner.aexplain(), str)
    with pytest.raises(TypeError):
        await user.preferred_videos.acontains(1)


@run
async def test_values(user, objs):
    values = user.preferred_videos.values_list("movie__title", flat=True)
    assert await listed(values) == ["Alien", None, "Brazil"]
    assert await values.afirst() == "Alien"


@run
async def test_instances_of(user, objs):
    movies = user.preferred_videos.instances_of(Movie)
    assert await listed(movies) == objs[::2]
    assert await movies.aget(title="Alien") == objs[0]
    assert await movies.acount() == 2
    assert await movies.aupdate(year=5) == 2
    assert set(await movies.ain_bulk()) == {objs[0].pk, objs[2].pk}
    await movies.adelete()
    assert await listed(user.preferred_videos.all()) == [objs[1]]


@run
async def test_dangling_links(user, objs):
    stale = await ContentType.objects.acreate(app_label="nowhere", model="thing")
    first = await User.objects.acreate(name="Jill")
    for key in range(30):
        await Through.objects.acreate(gm2m_src=first, gm2m_ct=stale, gm2m_pk=str(key))
    await first.preferred_videos.aadd(objs[0])
    assert await first.preferred_videos.acount() == 31
    assert await listed(first.preferred_videos.all()) == [objs[0]]
    assert await listed(first.preferred_videos.aiterator(chunk_size=7)) == [objs[0]]
    assert await first.preferred_videos.afirst() == objs[0]
    assert await first.preferred_videos.aget() == objs[0]


REFUSED = {
    "aupdate": lambda q: q.aupdate(gm2m_pk="1"),
    "ain_bulk": lambda q: q.ain_bulk(),
    "abulk_create": lambda q: q.abulk_create([]),
    "abulk_update": lambda q: q.abulk_update([], ["x"]),
}
REFUSED_OF_QUERYSETS = {
    "adelete": lambda q: q.adelete(),
    "acreate": lambda q: q.acreate(title="x"),
    "aget_or_create": lambda q: q.aget_or_create(title="x"),
    "aupdate_or_create": lambda q: q.aupdate_or_create(title="x"),
}


@pytest.mark.parametrize("method", [*REFUSED, *REFUSED_OF_QUERYSETS])
def test_what_a_queryset_refuses(user, objs, method):
    async def call():
        queryset = user.preferred_videos.all()
        await {**REFUSED, **REFUSED_OF_QUERYSETS}[method](queryset)

    with pytest.raises(NotSupportedError, match=rf"{method[1:]}\(\)"):
        async_to_sync(call)()
    assert user.preferred_videos.count() == 3


@pytest.mark.parametrize("method", REFUSED)
def test_what_a_manager_refuses(user, objs, method):
    async def call():
        await REFUSED[method](user.preferred_videos)

    with pytest.raises(NotSupportedError, match=rf"{method[1:]}\(\)"):
        async_to_sync(call)()


def test_a_manager_does_not_delete(user):
    assert not hasattr(user.preferred_videos, "adelete")
    assert not hasattr(user.preferred_videos, "delete")


# Undeclared models, and caches.


@run
async def test_a_relation_that_is_found_in_a_coroutine(db):
    holder = await Undeclared.objects.acreate(name="x")
    book = await Book.objects.acreate(title="Emma")
    await holder.things.aadd(book)
    assert await listed(book.thing_holders.all()) == [holder]
    assert await listed(Book.objects.filter(thing_holders=holder)) == [book]


@run
async def test_writes_drop_prefetched_objects(user, objs, movie):
    for write, expected in (
        (lambda m: m.aadd(movie), [*objs, movie]),
        (lambda m: m.aremove(movie), objs),
        (lambda m: m.aset([movie]), [movie]),
        (lambda m: m.aclear(), []),
    ):
        loaded = await User.objects.prefetch_related("preferred_videos").aget()
        # Reading the cache needs no query, and so no coroutine.
        list(loaded.preferred_videos.all())
        await write(loaded.preferred_videos)
        assert await listed(loaded.preferred_videos.all()) == expected


@run
async def test_prefetched_targets_are_read_without_await(user, objs):
    loaded = await User.objects.prefetch_related("preferred_videos__director").aget()
    assert list(loaded.preferred_videos.all()) == objs
    assert list(loaded.preferred_videos) == objs
    assert loaded.preferred_videos.count() == 3
    assert loaded.preferred_videos.all()[0].director.name == "Bea"
    (movie,) = await listed(
        Movie.objects.filter(title="Alien").prefetch_related("user_set")
    )
    assert list(movie.user_set.all()) == [user]
