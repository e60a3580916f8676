"""
The order of links, which nobody has asked for: it is there where objects are read, and
nowhere where it would change an answer.
"""

import pickle

import pytest
from django.db import connection
from django.db.models import Count, Exists, OuterRef, Prefetch, Q, Subquery, Sum
from django.db.models.sql import Query
from django.test.utils import CaptureQueriesContext

from gm2m.link_order import in_order_of_links
from tests.app.models import (
    Book,
    Club,
    Movie,
    Opera,
    Person,
    Playlist,
    Shot,
    Term,
    Undeclared,
    User,
    Video,
)

Through = User.preferred_videos.through

YEARS = {"Metropolis": 1927, "Alien": 1979, "Apocalypse Now": 1979, "Sunrise": 1927}


@pytest.fixture
def movies(db):
    """Movies in the order in which they are linked, that of no column."""
    made = [Movie.objects.create(title=title, year=YEARS[title]) for title in YEARS]
    return [made[number] for number in (2, 0, 3, 1)]


@pytest.fixture
def user(movies):
    user = User.objects.create(name="Jack")
    user.preferred_videos.add(movies[0], Opera.objects.create(title="Aida"))
    user.preferred_videos.add(*movies[1:])
    # Who links them in another order, and was there before.
    for name, order in (("Jill", (1, 0, 2, 3)), ("Joan", (3, 2, 1, 0))):
        other = User.objects.create(name=name)
        other.preferred_videos.add(*(movies[number] for number in order))
    return user


@pytest.fixture(params=["manager", "queryset", "filtered", "slice"])
def linked(request, user):
    """``instances_of()`` in each of the ways to it."""
    videos = user.preferred_videos
    return {
        "manager": videos,
        "queryset": videos.all(),
        "filtered": videos.filter(movie__isnull=False),
        "slice": videos.all()[:10],
    }[request.param].instances_of(Movie)


# instances_of(): read in the order of the links.


def test_targets_of_a_model_come_in_the_order_of_the_links(linked, movies):
    assert linked.ordered
    assert list(linked) == movies
    assert list(linked.iterator()) == movies
    assert list(linked.reverse()) == movies[::-1]
    assert linked.first() == linked[0] == movies[0]
    assert linked.last() == linked.reverse()[0] == movies[-1]
    assert list(linked[1:3]) == movies[1:3]
    assert list(linked.filter(year=1927)) == [m for m in movies if m.year == 1927]
    assert list(linked.values_list("title", flat=True)) == [m.title for m in movies]
    assert list(linked.only("title")) == movies
    assert list(linked.select_related("director")) == movies
    assert list(pickle.loads(pickle.dumps(linked))) == movies
    again = Movie.objects.all()
    again.query = pickle.loads(pickle.dumps(linked.query))
    assert list(again) == movies


def test_the_order_is_not_that_of_another_link(linked, movies):
    """A later condition over the relation is about other links, or joins them again."""
    found = linked.filter(user__name="Jill").filter(user__name="Joan")
    assert list(found.filter(user__name="Jack")) in (movies, [])
    again = linked.filter(Q(year__gt=0)).filter(user__name="Joan")
    assert list(again) == movies
    assert again.first() == movies[0]
    assert list(linked.filter(Q(year__gt=0)).annotate(n=Count("user"))) == movies


def test_another_order_takes_its_place(linked, movies):
    by_title = sorted(movies, key=lambda movie: movie.title)
    assert list(linked.order_by("title")) == by_title
    assert linked.order_by("title").first() == by_title[0]
    assert not linked.order_by().ordered
    assert linked.earliest("title") == by_title[0]
    assert linked.latest("title") == by_title[-1]
    assert list(linked.order_by("title").reverse()) == by_title[::-1]


def test_a_model_with_an_order_of_its_own_keeps_it(db):
    holder = Undeclared.objects.create()
    holder.things.add(*(Book.objects.create(title=title) for title in "bca"))
    books = holder.things.instances_of(Book)
    assert [book.title for book in books] == ["a", "b", "c"]
    assert type(books.query) is Query


# instances_of(): a plain queryset in all that follows.


def test_groups_are_those_of_a_plain_queryset(linked):
    groups = linked.values("year").annotate(n=Count("id"))
    assert not groups.ordered
    assert sorted((group["year"], group["n"]) for group in groups) == [
        (1927, 2),
        (1979, 2),
    ]
    assert groups.count() == 2
    assert groups.filter(n=2).count() == 2
    assert list(groups.order_by("year").values_list("year", flat=True)) == [1927, 1979]
    assert linked.values("year").annotate(n=Count("id")).aggregate(Sum("n")) == {
        "n__sum": 4
    }


def test_annotations_by_target_stay_in_order(user, movies):
    ann = Person.objects.create(name="Ann")
    Movie.objects.filter(pk=movies[0].pk).update(director=ann)
    found = user.preferred_videos.instances_of(Movie).annotate(n=Count("director"))
    assert [(movie, movie.n) for movie in found] == [
        (movie, int(movie == movies[0])) for movie in movies
    ]
    assert found.first() == movies[0]


def test_distinct_values_are_distinct(linked, movies):
    years = linked.values_list("year", flat=True).distinct()
    assert sorted(years) == [1927, 1979]
    assert years.count() == 2
    assert not years.ordered
    assert linked.order_by().distinct().values("year").count() == 2
    assert sorted(linked.distinct(), key=movies.index) == movies
    assert linked.distinct().count() == 4
    assert linked.distinct().first() in movies


def test_distinct_with_joins_to_many(user, movies):
    linked = user.preferred_videos.instances_of(Movie)
    twice = linked.filter(year__gt=0).filter(user__name__startswith="J")
    assert len(twice) == 12
    assert list(twice.distinct()) == movies


def test_distinct_on_fields(linked):
    if not connection.features.can_distinct_on_fields:
        pytest.skip("only PostgreSQL has DISTINCT ON")
    assert len(linked.distinct("year")) == 2
    assert [m.year for m in linked.distinct("year").order_by("year")] == [1927, 1979]


def test_set_operations(user, movies):
    jack, jill = (
        one.preferred_videos.instances_of(Movie)
        for one in (user, User.objects.get(name="Jill"))
    )
    plain = Movie.objects.filter(year=1927)
    for union in (jack.union(jill), jack.union(plain), plain.union(jack)):
        assert sorted(union, key=movies.index) == movies
    assert set(jack.intersection(plain)) == set(plain) == set(plain.intersection(jack))
    assert set(jack.difference(plain)) == {m for m in movies if m.year == 1979}
    assert jack.union(jill).count() == 4
    assert len(jack.union(jill, all=True)) == 8
    assert [m.title for m in jack.union(jill).order_by("title")] == sorted(YEARS)
    years = jack.values_list("year").union(jill.values_list("year"))
    assert sorted(years) == [(1927,), (1979,)]


def test_operators(user, movies):
    jack, jill = (
        one.preferred_videos.instances_of(Movie)
        for one in (user, User.objects.get(name="Jill"))
    )
    plain = Movie.objects.filter(year=1927)
    assert set(jack & plain) == set(plain & jack) == set(plain)
    assert set(jack | plain) == set(plain | jack) == set(movies)
    assert set(jack & jill) == set(movies)
    assert set(jack | jill) == set(movies)
    assert [m.title for m in jack.order_by("title") & plain] == [
        "Metropolis",
        "Sunrise",
    ]
    assert [m.title for m in jack & plain.order_by("-title")] == [
        "Sunrise",
        "Metropolis",
    ]
    both = jack & jill
    assert sorted(both.values_list("year", flat=True).distinct()) == [1927, 1979]


def test_subqueries(linked, user, movies):
    years = linked.values("year").annotate(n=Count("id"))
    of_year = years.filter(year=OuterRef("year")).values("n")
    counted = Video.objects.annotate(n=Subquery(of_year)).filter(n=2)
    assert counted.count() == 4
    assert set(Video.objects.filter(pk__in=linked)) == {m.video_ptr for m in movies}
    assert Video.objects.filter(Exists(linked.filter(pk=OuterRef("pk")))).count() == 4
    first = Subquery(linked.values("title")[:1])
    assert set(User.objects.annotate(t=first).values_list("t", flat=True)) == {
        movies[0].title
    }


def test_no_subquery_is_ordered_in_vain(user):
    linked = user.preferred_videos.instances_of(Movie)
    with CaptureQueriesContext(connection) as queries:
        list(Video.objects.filter(pk__in=linked.filter(year=1927)))
        list(Video.objects.filter(Exists(linked.filter(pk=OuterRef("pk")))))
    assert not [query for query in queries if "ORDER BY" in query["sql"]]


def test_aggregates_over_slices_take_the_first(linked, movies):
    assert linked[:2].aggregate(total=Sum("year")) == {
        "total": movies[0].year + movies[1].year
    }
    assert linked[:3].count() == 3


def test_updating_and_deleting(user, movies):
    linked = user.preferred_videos.instances_of(Movie)
    assert linked.update(year=1) == 4
    assert linked.delete()[1]["app.Movie"] == 4


def test_the_order_of_a_through_model_with_one(db):
    playlist, other = Playlist.objects.create(), Playlist.objects.create()
    videos = [Video.objects.create(title=title, year=1) for title in "abc"]
    for position, video in zip((3, 1, 2), videos, strict=True):
        playlist.items.add(video, through_defaults={"position": position})
        other.items.add(video, through_defaults={"position": -position})
    linked = playlist.items.instances_of(Video)
    assert [v.title for v in linked] == ["b", "c", "a"]
    assert [v.title for v in linked.filter(year=1).filter(playlists=other)] == [
        "b",
        "c",
        "a",
    ]
    assert list(linked.values("year").annotate(n=Count("id"))) == [{"year": 1, "n": 3}]


def test_managers_of_targets_are_kept(db):
    club = Club.objects.create(name="x")
    video = Video.objects.create(title="a")
    club.library.add(video)
    friends = Undeclared.objects.create()
    friends.things.add(club)
    clubs = friends.things.instances_of(Club)
    assert type(clubs) is type(Club.objects.all())
    assert list(clubs) == [club]


# Links.


def test_links_have_no_order_of_their_own(user):
    """As those of a many-to-many: what is asked of them means what it says."""
    assert not Through._meta.ordering
    types = Through.objects.values_list("gm2m_ct").distinct()
    assert len(types) == types.count() == 2
    groups = Through.objects.values("gm2m_ct").annotate(n=Count("pk"))
    assert sorted(group["n"] for group in groups) == [1, 12]
    keys = Through.objects.values_list("gm2m_pk")
    assert len(keys.union(keys)) == 5


def test_values_of_mixed_lists(user, movies):
    mixed = user.preferred_videos
    titles = [m.title for m in movies]
    assert [t for t in mixed.values_list("movie__title", flat=True) if t] == titles
    years = mixed.filter(Model=Movie).values_list("movie__year", flat=True)
    assert list(years) == [m.year for m in movies]
    assert sorted(years.distinct()) == [1927, 1979]
    groups = mixed.filter(Model=Movie).values("movie__year").annotate(n=Count("pk"))
    assert sorted(group["n"] for group in groups) == [2, 2]
    assert groups.count() == 2


def test_whole_targets_stay_in_order_when_distinct(user, movies):
    mixed = user.preferred_videos.filter(Model=Movie)
    assert list(mixed.distinct()) == movies
    assert mixed.distinct().first() == movies[0]
    assert list(mixed.distinct()[1:3]) == movies[1:3]
    assert list(mixed.distinct().reverse()) == movies[::-1]
    assert mixed.distinct().count() == 4
    annotated = mixed.annotate(n=Count("movie__user"))
    assert [(m, m.n) for m in annotated] == [(m, 3) for m in movies]
    assert annotated.first() == movies[0]


# Beside a many-to-many of Django's.

PLAIN = {
    "filtered by a source": lambda q, s: q.filter(**{f"{s}__name": "x"}),
    "by another": lambda q, s: q.filter(**{f"{s}__name": "y"}),
    "after another condition": lambda q, s: q.filter(name__gt="").filter(
        **{f"{s}__name": "y"}
    ),
    "excluded": lambda q, s: q.exclude(**{f"{s}__name": "y"}),
    "counted": lambda q, s: q.annotate(n=Count(s)),
    "counted after a condition": lambda q, s: q.filter(name__gt="").annotate(
        n=Count(s)
    ),
    "a slice": lambda q, s: q.filter(**{f"{s}__name": "x"}).order_by("name")[:1],
}


@pytest.mark.parametrize("plain", PLAIN.values(), ids=PLAIN)
def test_further_conditions_are_about_the_rows_of_the_manager(db, plain):
    terms = [Term.objects.create(name=name) for name in "abc"]
    for name, linked in (("x", terms[:2]), ("y", terms[1:])):
        Undeclared.objects.create(name=name).things.add(*linked)
        Shot._base_manager.create(name=name).index.add(*linked)
    for name in "xy":
        held = Undeclared.objects.get(name=name).things.instances_of(Term)
        djangos = Shot._base_manager.get(name=name).index.all()
        own, expected = (
            sorted(
                (term.name, getattr(term, "n", 0)) for term in plain(queryset, names)
            )
            for queryset, names in ((held, "thing_holders"), (djangos, "shots"))
        )
        assert own == expected


class OwnQuery(Query):
    """The queries of a package that sees to an order of its own."""


def test_queries_of_other_packages_are_left_alone(user, movies):
    """They are given an explicit order, which is all that is known to work."""
    plain = Movie.objects.all()
    plain.query = plain.query.chain(klass=OwnQuery)
    name = User.preferred_videos.field.relations[Movie].key.remote_field.name
    linked = plain.filter(**{f"{name}__gm2m_src": user})
    ordered = in_order_of_links(linked, name, Through, links_once=True)
    assert type(ordered.query) is OwnQuery
    assert list(ordered) == movies
    named = plain.filter(user__name="Jill")
    lookup = Prefetch("preferred_videos", named)
    lists = {
        one.name: list(one.preferred_videos.all())
        for one in User.objects.prefetch_related(lookup)
    }
    jills = [movies[number] for number in (1, 0, 2, 3)]
    assert lists == {"Jack": [], "Jill": jills, "Joan": []}


def test_orders_given_before_operators_are_kept(user, movies):
    jack = user.preferred_videos.filter(Model=Movie)
    jill = User.objects.get(name="Jill").preferred_videos.filter(Model=Movie)
    assert list(jack.order_by("-pk") | jill) == movies[::-1]
    assert list(jack | jill.order_by("movie__title")) == sorted(
        movies, key=lambda movie: movie.title
    )
    assert list(jack.order_by("-pk") & jill) == movies[::-1]
    linked = user.preferred_videos.instances_of(Movie)
    titles = [movie.title for movie in Movie.objects.all() & linked.order_by("-title")]
    assert titles == sorted(titles, reverse=True)
