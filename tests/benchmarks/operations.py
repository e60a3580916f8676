"""
What is measured: operations on a database of moderate size, and some whose result
stays the same while the database grows.

An operation has a state that is prepared aside, something that is timed, and a check
of what has come of it. Writing happens in a transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from .contenders import by_model, contender
from .models import TARGETS, Movie, Source


@dataclass
class Operation:
    """Something to be timed."""

    name: str
    prepare: Callable[[], Any]
    run: Callable[[Any], Any]
    #: What is to be true of the state and the result.
    check: Callable[[Any, Any], bool]


def mixed(number, start=0):
    """Return `number` targets, of the three models in turn, as lists of each too."""
    third = -(-number // 3)
    lists = [
        model.objects.order_by("pk")[start // 3 : start // 3 + third]
        for model in TARGETS
    ]
    objs = list(chain.from_iterable(zip(*lists, strict=True)))[:number]
    return objs, by_model(objs)


def linked(number):
    """Return a new source with `number` mixed targets, and these."""
    source, targets = Source.objects.create(name="new"), mixed(number)
    if number:
        contender.add(source, *targets)
    return Source.objects.get(pk=source.pk), targets


def keys(objs):
    return {(type(obj), obj.pk) for obj in objs}


def read_again(source):
    return contender.read(Source.objects.get(pk=source.pk))


def has(source, objs):
    return keys(read_again(source)) == keys(objs)


def new_targets(number):
    movies = [Movie(title=f"new {number}") for number in range(number)]
    return Movie.objects.bulk_create(movies)


def movies_with_links(number, links):
    """Return the keys of `number` new movies, each with `links` sources."""
    movies = list(Movie.objects.filter(pk__in=[m.pk for m in new_targets(number)]))
    for source in Source.objects.order_by("pk")[:links]:
        contender.add(source, movies, {Movie: movies})
    return [movie.pk for movie in movies]


def sources_with_links(number, links):
    targets, pks = mixed(links), []
    for _ in range(number):
        source = Source.objects.create(name="gone")
        contender.add(source, *targets)
        pks.append(source.pk)
    return pks


def of_one_model(number):
    source, movies = Source.objects.create(name="one"), list(Movie.objects.all())
    movies = movies[:number]
    contender.add(source, movies, {Movie: movies})
    return Source.objects.get(pk=source.pk), (movies, {Movie: movies})


def replacement():
    source, (objs, _) = linked(1000)
    new, _ = mixed(500, start=1002)
    objs = objs[:500] + new
    return source, (objs, by_model(objs))


def back(number):
    """Return a movie that `number` sources are linked to."""
    (movie,) = Movie.objects.filter(pk__in=[new_targets(1)[0].pk])
    for source in Source.objects.bulk_create(Source() for _ in range(number)):
        contender.add(source, [movie], {Movie: [movie]})
    return Movie.objects.get(pk=movie.pk)


def half(state):
    source, (objs, _) = state
    return source, (objs[:500], by_model(objs[:500]))


OPERATIONS = [
    Operation(
        "add 1",
        lambda: (linked(0)[0], mixed(1)),
        lambda s: contender.add(s[0], *s[1]),
        lambda s, _: has(s[0], s[1][0]),
    ),
    Operation(
        "add 1,000 mixed to none",
        lambda: (linked(0)[0], mixed(1000)),
        lambda s: contender.add(s[0], *s[1]),
        lambda s, _: has(s[0], s[1][0]),
    ),
    Operation(
        "the same 1,000 again",
        lambda: linked(1000),
        lambda s: contender.add(s[0], *s[1]),
        lambda s, _: has(s[0], s[1][0]),
    ),
    Operation(
        "remove 500 of 1,000",
        lambda: half(linked(1000)),
        lambda s: contender.remove(s[0], *s[1]),
        lambda s, _: len(read_again(s[0])) == 500,
    ),
    Operation(
        "set: 500 kept, 500 new",
        replacement,
        lambda s: contender.set(s[0], *s[1]),
        lambda s, _: has(s[0], s[1][0]),
    ),
    Operation(
        "clear 1,000",
        lambda: linked(1000),
        lambda s: contender.clear(s[0]),
        lambda s, _: has(s[0], []),
    ),
    Operation(
        "iterate 1,000 mixed",
        lambda: linked(1000),
        lambda s: contender.read(s[0]),
        lambda s, found: keys(found) == keys(s[1][0]),
    ),
    Operation(
        "iterate 1,000 of one model",
        lambda: of_one_model(1000),
        lambda s: contender.read_movies(s[0]),
        lambda s, found: keys(found) == keys(s[1][0]),
    ),
    Operation(
        "prefetch 500 sources × 20",
        lambda: list(Source.objects.filter(name__startswith="base")[:500]),
        contender.prefetch,
        lambda s, found: [len(objs) for objs in found] == [20] * 500,
    ),
    Operation(
        "reverse iterate 1,000",
        lambda: back(1000),
        contender.read_back,
        lambda s, found: len({source.pk for source in found}) == 1000,
    ),
    Operation(
        "reverse prefetch 500 × 20",
        lambda: list(Movie.objects.filter(pk__in=movies_with_links(500, 20))),
        contender.prefetch_back,
        lambda s, found: [len(objs) for objs in found] == [20] * 500,
    ),
    Operation(
        "reverse filter, count",
        lambda: "base 7",
        contender.find_movies,
        lambda s, found: found == 7,
    ),
    Operation(
        "count()",
        lambda: linked(1000)[0],
        contender.count,
        lambda s, found: found == 1000,
    ),
    Operation(
        "exists()",
        lambda: linked(1000)[0],
        contender.exists,
        lambda s, found: found is True,
    ),
    Operation(
        "delete 200 targets × 5 links",
        lambda: movies_with_links(200, 5),
        lambda pks: Movie.objects.filter(pk__in=pks).delete(),
        lambda pks, _: len(read_again(Source.objects.order_by("pk").first())) == 20,
    ),
    Operation(
        "delete 200 sources × 20 links",
        lambda: sources_with_links(200, 20),
        lambda pks: Source.objects.filter(pk__in=pks).delete(),
        lambda pks, found: found[0] == 200 * 21,
    ),
]


def a_source():
    return Source.objects.get(name="base 7")


def a_movie():
    """Return a movie to which only the base's sources are linked."""
    return Movie.objects.get(title="Movie 7")


def one_of(source):
    objs = contender.read(source)[:1]
    return objs, by_model(objs)


#: How many sources of the base are linked to the movie.
REVERSE = 7

#: Their result does not depend on how many other links there are.
GROWING = [
    Operation(
        "add 1",
        lambda: (linked(0)[0], mixed(1)),
        lambda s: contender.add(s[0], *s[1]),
        lambda s, _: has(s[0], s[1][0]),
    ),
    Operation(
        "remove 1 of 20",
        lambda: (a_source(), one_of(a_source())),
        lambda s: contender.remove(s[0], *s[1]),
        lambda s, _: len(read_again(s[0])) == 19,
    ),
    Operation("iterate 20", a_source, contender.read, lambda s, f: len(f) == 20),
    Operation("count()", a_source, contender.count, lambda s, found: found == 20),
    Operation(
        "prefetch 10 sources × 20",
        lambda: list(Source.objects.filter(name__startswith="base 1")[:10]),
        contender.prefetch,
        lambda s, found: [len(objs) for objs in found] == [20] * 10,
    ),
    Operation(
        "reverse iterate",
        a_movie,
        contender.read_back,
        lambda s, found: len(found) == REVERSE,
    ),
    Operation(
        "reverse prefetch 10",
        lambda: list(Movie.objects.order_by("pk")[:10]),
        contender.prefetch_back,
        lambda s, found: sum(map(len, found)) > 10,
    ),
    Operation(
        "filter by target",
        a_movie,
        contender.find_sources,
        lambda s, found: found == REVERSE,
    ),
    Operation(
        "filter by source",
        lambda: "base 7",
        contender.find_movies,
        lambda s, found: found == 7,
    ),
    Operation(
        "delete a target",
        lambda: movies_with_links(1, 5),
        lambda pks: Movie.objects.filter(pk__in=pks).delete(),
        lambda pks, _: not Movie.objects.filter(pk__in=pks).exists(),
    ),
    Operation(
        "delete a source",
        lambda: a_source().pk,
        lambda pk: Source.objects.filter(pk=pk).delete(),
        lambda pk, found: found[0] == 21,
    ),
]
