"""Set operations of mixed querysets, which are about targets."""

import pytest
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.db import NotSupportedError, connection
from django.db.models import Count, F, Value
from django.test.utils import CaptureQueriesContext

from tests.app.models import (
    Book,
    Concert,
    Movie,
    Opera,
    Person,
    Playlist,
    Undeclared,
    User,
    Vault,
    Video,
)


def titles(found):
    return [obj.title for obj in found]


@pytest.fixture
def works(db):
    """By their titles: of several models and kinds of keys, some with equal keys."""
    made = [
        *(Movie.objects.create(title=title, year=n) for n, title in enumerate("abc")),
        *(Opera.objects.create(title=title) for title in "de"),
        *(Book.objects.create(title=title) for title in "fgh"),
        *(Concert.objects.create(code=title, title=title) for title in "ij"),
    ]
    return {obj.title: obj for obj in made}


@pytest.fixture
def lists(works):
    """The lists of three sources, in orders of their own."""
    lists = []
    for letters in ("cdfaib", "gbadj", "aehf"):
        user = User.objects.create(name=letters)
        user.preferred_videos.add(*(works[letter] for letter in letters))
        lists.append(user.preferred_videos.all())
    return lists


def check(result, expected):
    """Check a result against the titles of its targets, by all ways to ask for them."""
    expected = list(expected)
    assert titles(result) == expected
    assert result.count() == len(result) == len(expected)
    assert result.exists() == bool(expected)
    assert titles(result.iterator()) == expected
    assert titles(result.reverse()) == expected[::-1]
    assert titles(result[1:3]) == expected[1:3]
    movies = [title for title in expected if title in "abc"]
    assert titles(result.filter(Model=Movie)) == movies
    assert titles(result.instances_of(Movie)) == movies
    assert titles(result.instances_of(Movie).filter(title="a")) == [
        title for title in movies if title == "a"
    ]
    assert result.instances_of(Movie).count() == len(movies)
    if expected:
        assert result.first().title == result[0].title == expected[0]
        assert result.last().title == expected[-1]
        assert result.contains(result.last())
    else:
        assert result.first() is result.last() is None


def test_intersections(lists):
    one, two, three = lists
    check(one & two, "dab")
    check(two & one, "bad")
    check(one.intersection(two), "dab")
    check(one & two & three, "a")
    check(one.intersection(two, three), "a")
    check(one & one, "cdfaib")
    check(one & one.none(), "")
    check(one.none() & one, "")
    check(one.filter(Model=Movie) & two.exclude(movie__title="b"), "a")


def test_differences(lists):
    one, two, three = lists
    check(one.difference(two), "cfi")
    check(two.difference(one), "gj")
    check(one.difference(two, three), "ci")
    check(one.difference(one), "")
    check(one.difference(one.none()), "cdfaib")
    check(one.none().difference(one), "")
    check(one.difference(), "cdfaib")


def test_unions(lists):
    one, two, three = lists
    check(one | two, "cdfaibgj")
    check(two | one, "cdfaibgj")
    check(one.union(two), "cdfaibgj")
    check(one | two | three, "cdfaibgjeh")
    check(one.union(two, three), "cdfaibgjeh")
    check(three | one.none(), "aehf")
    check(one.none() | three, "aehf")
    check(one.none() | two.none(), "")
    check(one.union(), "cdfaib")
    check(one | one, "cdfaib")
    check(one.filter(movie__title="b") | two.filter(Model=Movie), "ba")


def test_symmetric_differences(lists):
    one, two, three = lists
    check(one ^ two, "cfigj")
    check(one ^ two ^ three, "cigjaeh")
    check(one ^ one, "")
    check(one ^ one.none(), "cdfaib")


def test_operations_of_results(lists):
    one, two, three = lists
    check((one | two) & three, "fa")
    check(three & (one | two), "af")
    check((one & two) | three, "dabehf")
    check((one | three).difference(two), "cfieh")
    check(one.difference(two) | two.difference(one), "cfigj")
    check((one | two).filter(Model=Movie) | three.filter(Model=Book), "cabhf")


def test_slices_are_kept(lists):
    one, two, three = lists
    check(one[:3] & two, "d")
    check(one & two[:2], "b")
    check(one[2:5].difference(two), "fi")
    check(one.difference(two[:3]), "cdfi")
    check(one[:2] | two[:2], "cdgb")
    check(one[4:] | two[1:3], "iba")
    check(one[:2] ^ two[3:], "cj")
    check(one[:0] | two[:1], "g")
    check(one[:3].union(two[:2], three[1:2]), "cdfgbe")
    check(one.reverse()[:2] | three[:1], "iba")
    check((one | two)[5:7] | three[:1], "bga")
    check((one & two)[:1] | three[:1], "da")


def test_slices_of_ordered_and_distinct_lists(lists):
    one, two, _ = lists
    by_title = one.order_by(F("movie__title").asc(nulls_last=True), "pk")
    assert sorted(titles(by_title[:2] | two[:1])) == ["a", "b", "g"]
    assert titles(by_title[:2] & two) == ["a", "b"]
    assert titles(one.distinct()[:2] | two[:1]) == ["c", "d", "g"]
    assert titles(one.distinct()[:2] & two) == ["d"]


def test_slices_can_be_asked_for_one_model(lists):
    one, *_ = lists
    assert titles(one[:4].instances_of(Movie)) == ["c", "a"]
    assert titles(one[4:].instances_of(Movie)) == ["b"]
    assert titles(one.reverse()[:3].instances_of(Movie)) == ["a", "b"]
    assert one[:4].instances_of(Movie).filter(title="a").count() == 1


def test_results_can_be_ordered_and_filtered(lists, works):
    one, two, _ = lists
    result = one | two
    assert titles(result.order_by("-pk"))[0] == "j"
    assert titles(result.filter(movie__title__in="ab")) == ["a", "b"]
    assert titles(result.exclude(Model=Movie)) == ["d", "f", "i", "g", "j"]
    assert titles(result.filter(movie=works["a"])) == ["a"]
    assert set(User.objects.filter(preferred_videos__in=one & two)) == set(
        User.objects.all()
    )
    assert result.get(movie__title="a") == works["a"]


def test_joins_to_many_do_not_double_targets(lists, works):
    one, two, _ = lists
    doubled = one.filter(movie__user__name__contains="a")
    assert titles(doubled) == ["c", "a", "a", "a", "b", "b"]
    check(doubled | two[:1], "cabg")
    check(two & doubled, "ba")
    check(two.difference(doubled), "gdj")


def test_annotations_and_prefetches_of_the_first_stay(
    lists, works, django_assert_num_queries
):
    one, two, _ = lists
    ann = Person.objects.create(name="Ann")
    Movie.objects.update(director=ann)
    annotated = one.annotate(n=Value(7), users=Count("movie__user"))
    for result in (annotated & two, annotated.difference(two[:2])):
        assert {obj.n for obj in result} == {7}
        assert {obj.users for obj in result if obj.title == "a"} == {3}
    both = one.prefetch_related("director") & two
    movie = next(iter(both.filter(Model=Movie)))
    with django_assert_num_queries(0):
        assert movie.director == ann
    fetched = one.prefetch_related(
        GenericPrefetch("preferred_videos", [Movie.objects.only("title")])
    )
    assert "year" in next(iter(fetched & two.filter(Model=Movie))).get_deferred_fields()
    many = one.annotate(n=Count("movie__user")).filter(n__gte=2)
    check(many | two[:1], "abg")
    assert titles(many & two) == ["a", "b"]
    sliced = one.annotate(n=Value(7))[:4] & two
    assert [(obj.title, obj.n) for obj in sliced] == [("d", 7), ("a", 7)]


def test_operations_are_for_one_field(lists):
    one, *_ = lists
    things = Undeclared.objects.create().things.all()
    wrong = [
        things,
        Movie.objects.all(),
        one.instances_of(Movie),
        User.preferred_videos.through.objects.all(),
        [1],
        None,
    ]
    for other in wrong:
        for operation in (
            lambda other: one & other,
            lambda other: one | other,
            lambda other: one ^ other,
            one.union,
            one.intersection,
            one.difference,
        ):
            with pytest.raises(TypeError, match="preferred_videos"):
                operation(other)


def test_unions_of_all_links_and_of_values_are_djangos(lists):
    one, two, _ = lists
    every = one.union(two, all=True)
    assert sorted(titles(every)) == sorted("cdfaibgbadj")
    assert every.count() == 11
    for operation in (
        lambda: every & one,
        lambda: one | every,
        lambda: every.difference(one),
        lambda: one.intersection(every),
    ):
        with pytest.raises(NotSupportedError):
            operation()
    keys = one.values_list("gm2m_ct", "gm2m_pk")
    others = two.values_list("gm2m_ct", "gm2m_pk")
    assert len(keys.union(others)) == keys.union(others).count() == 8
    assert len(keys.intersection(others)) == 3
    assert len(keys.difference(others)) == 3
    assert len(keys.union(others, all=True)) == 11
    assert len(keys | others) == 11
    assert len(keys & others) == 0
    assert len(keys ^ others) == 11


def test_targets_that_are_gone_are_not_shown(lists, works):
    one, two, _ = lists
    Opera._base_manager.filter(pk=works["d"].pk)._raw_delete("default")
    assert titles(one & two) == ["a", "b"]
    assert (one & two).count() == 3
    assert (one & two).first().title == "a"
    assert titles(one | two) == list("cfaibgj")
    assert titles((one | two)[:2]) == ["c"]
    with pytest.raises(IndexError):
        (one | two)[1]
    assert titles((one & two).instances_of(Movie)) == ["a", "b"]
    assert (one & two).last().title == "b"
    assert not (one & two).contains(works["d"])


def test_many_lists_can_be_united(works):
    lists = []
    for number in range(30):
        user = User.objects.create(name=str(number))
        user.preferred_videos.add(*list(works.values())[number % 5 :])
        lists.append(user.preferred_videos.all())
    result = lists[0]
    for other in lists[1:]:
        result = result | other
    with CaptureQueriesContext(connection) as queries:
        assert titles(result) == list("abcdefghij")
    assert len(queries[0]["sql"]) < 8_000
    assert len(titles(lists[0].union(*lists[1:]))) == 10


def test_operations_cost_one_query_for_the_links(lists, django_assert_num_queries):
    one, two, _ = lists
    titles(one | two)
    with django_assert_num_queries(1):
        assert (one & two).count() == 3
    with django_assert_num_queries(1 + 2):
        titles(one & two)
    with django_assert_num_queries(1 + 4):
        titles(one | two)


def test_custom_throughs(db):
    """One with an order of its own, one whose links are not unique, UUID keys."""
    videos = [Video.objects.create(title=title) for title in "abc"]
    one, two = Playlist.objects.create(), Playlist.objects.create()
    for position, video in zip((2, 1), videos[:2], strict=True):
        one.items.add(video, through_defaults={"position": position})
    for position, video in zip((5, 4), videos[1:], strict=True):
        two.items.add(video, through_defaults={"position": position})
    assert titles(one.items.all() & two.items.all()) == ["b"]
    assert titles(one.items.all() | two.items.all()) == ["b", "a", "c"]
    assert titles(one.items.all()[:1] | two.items.all()[:1]) == ["b", "c"]
    assert titles(one.items.union(two.items.all())) == ["b", "a", "c"]
    every = one.items.union(two.items.all(), all=True)
    assert sorted(titles(every)) == ["a", "b", "b", "c"]
    operas = [Opera.objects.create(title=title) for title in "abc"]
    first, second = Vault.objects.create(), Vault.objects.create()
    first.works.add(*operas[:2])
    second.works.add(*operas[1:])
    entries = Vault.works.through
    entries.objects.create(vault=first, work=operas[0])
    assert titles(first.works.all()) == ["a", "b", "a"]
    assert titles(first.works.all() | second.works.all()) == ["a", "b", "c"]
    assert titles(first.works.all() & second.works.all()) == ["b"]
    assert titles(first.works.difference(second.works.all())) == ["a", "a"]
