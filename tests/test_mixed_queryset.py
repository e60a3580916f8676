"""What ``user.preferred_videos`` reads: links, as the targets they lead to."""

import copy
import datetime
import pickle
import uuid

import django
import pytest
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.core.exceptions import (
    FieldError,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
)
from django.core.paginator import Paginator
from django.db import (
    DatabaseError,
    NotSupportedError,
    connection,
    models,
    transaction,
)
from django.db.models import Count, Exists, F, Max, Min, Prefetch, Q, QuerySet, Value
from django.db.models.functions import Length, Upper
from django.test.utils import CaptureQueriesContext

from tests.app.models import (
    Book,
    Concert,
    Counter,
    Documentary,
    Measure,
    Movie,
    Opera,
    Person,
    Plant,
    Playlist,
    Poster,
    Premiere,
    Shelf,
    ShelfPlace,
    Undeclared,
    User,
    Video,
    VideoProxy,
)

Through = User.preferred_videos.through


@pytest.fixture
def user(db):
    return User.objects.create(name="Jack")


@pytest.fixture
def objs(user):
    """What `user` prefers: the order of the links is that of no key and no title."""
    ann, bea = (Person.objects.create(name=name) for name in ("Ann", "Bea"))
    objs = [
        Movie.objects.create(title="Metropolis", year=1927, director=ann),
        Opera.objects.create(title="Aida", composer=bea, director=bea),
        Documentary.objects.create(title="Nanook", year=1922),
        Concert.objects.create(code="woodstock", title="Woodstock"),
        Movie.objects.create(title="Alien", year=1979, director=bea),
        Book.objects.create(title="Emma"),
    ]
    order = [4, 1, 0, 5, 3, 2]
    objs = [objs[number] for number in order]
    user.preferred_videos.add(*objs)
    other = User.objects.create(name="Jill")
    other.preferred_videos.add(
        Movie.objects.create(title="Hers"), objs[0], Opera.objects.create(title="Hers")
    )
    return objs


@pytest.fixture
def alien(objs):
    return objs[0]


@pytest.fixture
def aida(objs):
    return objs[1]


@pytest.fixture
def mixed(user, objs):
    for model in (Movie, Opera, Documentary, Concert, Book, Poster, Video):
        # Their queries are not ours.
        ContentType.objects.get_for_model(model)
    return user.preferred_videos.all()


def titles(queryset):
    return [obj.title for obj in queryset]


def vanish(obj):
    """Delete the row of `obj` behind Django's back."""
    type(obj)._base_manager.filter(pk=obj.pk)._raw_delete("default")


def link(source, model, key):
    """Write a link to a target that need not exist."""
    content_type = (
        model
        if isinstance(model, ContentType)
        else ContentType.objects.get_for_model(model)
    )
    Through.objects.create(gm2m_src=source, gm2m_ct=content_type, gm2m_pk=key)


# Iteration.


def test_the_targets_themselves_come_in_the_order_of_the_links(user, objs):
    found = list(user.preferred_videos.all())
    assert found == objs
    assert [type(obj) for obj in found] == [type(obj) for obj in objs]
    assert found[0].director == Person.objects.get(name="Bea")
    assert not found[0]._state.adding
    assert found[0]._state.db == "default"


def test_targets_can_be_saved_and_deleted(user, mixed):
    movie = mixed[0]
    movie.title = "Aliens"
    movie.save()
    movie.delete()
    assert titles(user.preferred_videos.all())[0] == "Aida"


def test_results_are_kept(mixed, django_assert_num_queries):
    # Six links, to objects of five content types.
    with django_assert_num_queries(1 + 5):
        first = list(mixed)
    with django_assert_num_queries(0):
        assert next(iter(mixed)) is first[0]
        assert len(mixed) == mixed.count() == 6
        assert mixed
        assert mixed.exists()
        assert mixed[1] == first[1]
        assert first[2] in mixed
        assert mixed.contains(first[2])


def test_querysets_are_lazy(user, mixed, django_assert_num_queries):
    with django_assert_num_queries(0):
        queryset = user.preferred_videos.filter(Model=Movie).exclude(movie__title="x")
        queryset.order_by("pk").reverse()[1:3]
        user.preferred_videos.instances_of(Movie).filter(title="x")
        user.preferred_videos.prefetch_related("director")


def test_the_length_and_truth_of_a_queryset(user, mixed):
    assert len(mixed) == 6
    assert mixed
    empty = User.objects.create().preferred_videos.all()
    assert len(empty) == 0
    assert not empty
    assert list(empty) == []


def test_the_representation_shows_targets(mixed):
    assert repr(mixed[:2]) == "<GM2MQuerySet [<Movie: Alien>, <Opera: Aida>]>"


def test_the_representation_is_truncated(user, django_assert_num_queries):
    Book.objects.bulk_create([Book(title=f"{n:02}") for n in range(30)])
    user.preferred_videos.add(*Book.objects.all())
    assert "remaining elements truncated" in repr(user.preferred_videos.all())
    assert repr(user.preferred_videos.all()).count("<Book") == 20


def test_a_target_of_several_links_is_an_object_for_each(user, objs, alien):
    both = user.preferred_videos.union(
        User.objects.get(name="Jill").preferred_videos.all(), all=True
    )
    aliens = [obj for obj in both if obj == alien]
    assert len(aliens) == 2
    assert aliens[0] is not aliens[1]
    aliens[0].title = "changed"
    assert aliens[1].title == "Alien"


# filter(), exclude(), get() and their names


@pytest.mark.parametrize(
    "model",
    [Movie, "app.Movie", "app.movie", "Movie"],
    ids=["class", "label", "lower", "bare"],
)
def test_filter_by_model(mixed, model):
    assert titles(mixed.filter(Model=model)) == ["Alien", "Metropolis"]
    assert titles(mixed.exclude(Model=model)) == [
        "Aida",
        "Emma",
        "Woodstock",
        "Nanook",
    ]


def test_filter_by_models(mixed):
    models = [Movie, "app.Documentary"]
    assert titles(mixed.filter(Model__in=models)) == ["Alien", "Metropolis", "Nanook"]
    assert titles(mixed.filter(Model__in=iter(models))) == [
        "Alien",
        "Metropolis",
        "Nanook",
    ]
    assert titles(mixed.exclude(Model__in=tuple(models))) == [
        "Aida",
        "Emma",
        "Woodstock",
    ]
    assert list(mixed.filter(Model__in=[])) == []
    assert len(mixed.exclude(Model__in=[])) == 6
    assert titles(mixed.filter(Model__in={Movie}).exclude(Model=Movie)) == []


def test_a_parent_is_another_model_than_its_children(user, mixed, alien):
    assert list(mixed.filter(Model=Video)) == []
    user.preferred_videos.add(alien.video_ptr)
    assert [type(obj) for obj in user.preferred_videos.filter(Model=Video)] == [Video]
    assert [type(obj) for obj in user.preferred_videos.filter(Model=VideoProxy)] == [
        Video
    ]


def test_models_mix_with_other_conditions_in_q_objects(mixed):
    for condition, expected in (
        (Q(Model=Movie), ["Alien", "Metropolis"]),
        (~Q(Model=Movie), ["Aida", "Emma", "Woodstock", "Nanook"]),
        (Q(Model=Movie) | Q(Model="app.Opera"), ["Alien", "Aida", "Metropolis"]),
        (Q(Model=Movie) & ~Q(movie__title="Alien"), ["Metropolis"]),
        (Q(movie__title="Alien") | Q(opera__title="Aida"), ["Alien", "Aida"]),
        (Q(movie__title="Alien") | Q(Model=Opera), ["Alien", "Aida"]),
        (Q(Model=Book) | Q(concert__title__startswith="W"), ["Emma", "Woodstock"]),
        (~(Q(Model=Movie) | Q(Model__in=[Opera, Book])), ["Woodstock", "Nanook"]),
        (Q(Model=Movie) ^ Q(movie__title="Alien"), ["Metropolis"]),
        (~~Q(Model=Movie), ["Alien", "Metropolis"]),
        (Q(Q(Q(Model=Movie))), ["Alien", "Metropolis"]),
        (Q(Model=Movie, movie__year=1979), ["Alien"]),
        (Q(Model=Opera, movie__year=1979), []),
        (Q(), titles(mixed)),
    ):
        assert titles(mixed.filter(condition)) == expected, condition
    assert titles(mixed.filter(~Q(Model=Movie), opera__title="Aida")) == ["Aida"]
    assert titles(mixed.exclude(Q(Model=Movie) | Q(Model=Opera))) == [
        "Emma",
        "Woodstock",
        "Nanook",
    ]


def test_filter_by_the_attributes_of_a_model(mixed):
    assert titles(mixed.filter(movie__title="Alien")) == ["Alien"]
    assert titles(mixed.filter(movie__title__contains="e", movie__year__lt=1950)) == [
        "Metropolis"
    ]
    assert titles(mixed.filter(documentary__year=1922)) == ["Nanook"]
    assert titles(mixed.filter(book__title__in=["Emma", "x"])) == ["Emma"]
    assert titles(mixed.filter(movie__director__name="Bea")) == ["Alien"]
    assert list(mixed.filter(movie__title="Aida")) == []


def test_exclude_by_the_attributes_of_a_model_keeps_other_models(mixed):
    assert titles(mixed.exclude(movie__title="Alien")) == [
        "Aida",
        "Metropolis",
        "Emma",
        "Woodstock",
        "Nanook",
    ]
    assert len(mixed.exclude(opera__title="nothing")) == 6


def test_filter_by_a_target_or_its_key(mixed, alien, aida):
    assert list(mixed.filter(movie=alien)) == [alien]
    assert list(mixed.filter(movie=alien.pk)) == [alien]
    assert list(mixed.filter(opera=aida.pk)) == [aida]
    assert list(mixed.filter(opera=str(aida.pk))) == [aida]
    assert list(mixed.filter(opera__in=[aida])) == [aida]
    assert list(mixed.filter(movie__in=Movie.objects.filter(title="Alien"))) == [alien]
    assert titles(mixed.filter(movie__isnull=False)) == ["Alien", "Metropolis"]
    assert titles(mixed.filter(movie__isnull=True)) == [
        "Aida",
        "Emma",
        "Woodstock",
        "Nanook",
    ]


def test_filter_by_columns_of_the_link(user, mixed, alien):
    assert titles(mixed.filter(gm2m_pk="woodstock")) == ["Woodstock"]
    assert titles(mixed.filter(gm2m_src=user)) == titles(mixed)
    assert titles(mixed.filter(gm2m_src__name="Jill")) == []


def test_filters_can_be_chained_and_shared(mixed):
    movies = mixed.filter(Model=Movie)
    assert titles(movies.filter(movie__year=1979)) == ["Alien"]
    assert titles(movies.exclude(movie__year=1979)) == ["Metropolis"]
    assert titles(movies) == ["Alien", "Metropolis"]


def test_complex_filter(mixed):
    assert titles(mixed.complex_filter({"Model": Movie})) == ["Alien", "Metropolis"]
    assert titles(mixed.complex_filter(Q(Model=Opera))) == ["Aida"]


@pytest.mark.parametrize("value", [None, 1, Movie(), object, "app.Nothing", "a.b.c"])
def test_a_wrong_model_is_refused(mixed, value):
    for name, wrong in (("Model", value), ("Model__in", [value])):
        with pytest.raises((TypeError, LookupError, ValueError)):
            list(mixed.filter(**{name: wrong}))


@pytest.mark.parametrize("value", [None, 1, Movie, "app.Movie"], ids=str)
def test_models_must_be_a_list(mixed, value):
    """A text would be taken for a list of letters."""
    with pytest.raises((TypeError, LookupError)):
        list(mixed.filter(Model__in=value))


@pytest.mark.parametrize(
    "name", ["nonsense", "title", "Model__exact", "model", "Model__title"]
)
def test_unknown_names_are_refused(mixed, name):
    with pytest.raises(FieldError):
        mixed.filter(**{name: "x"})


def test_the_choices_named_by_an_error_can_be_used(mixed):
    with pytest.raises(FieldError, match="Choices are") as info:
        mixed.filter(nonsense=1)
    choices = str(info.value).partition("Choices are: ")[2].split(", ")
    # Not what lookups refuse: the generic foreign key, and the key of links, which one
    # would take for that of targets.
    assert not {"gm2m_tgt", "id"} & set(choices)
    for choice in choices:
        # Each is a name for values() at least.
        list(mixed.values(choice))
    assert {"movie", "opera", "gm2m_pk"} <= set(choices)


def test_get(mixed, alien, aida, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert mixed.get(movie__title="Alien") == alien
    assert mixed.get(Q(Model=Opera)) == aida
    assert mixed.filter(Model=Opera).get() == aida
    assert mixed.get(Model="app.Opera") == aida
    assert type(mixed.get(movie=alien)) is Movie


def test_get_on_the_manager(user, mixed, alien):
    assert user.preferred_videos.get(movie__title="Alien") == alien
    with pytest.raises(ObjectDoesNotExist):
        user.preferred_videos.get(movie__title="nothing")
    with pytest.raises(MultipleObjectsReturned):
        user.preferred_videos.get()


def test_get_of_none_and_of_several(mixed):
    with pytest.raises(ObjectDoesNotExist):
        mixed.get(movie__title="nothing")
    with pytest.raises(Through.DoesNotExist):
        mixed.get(movie__title="nothing")
    with pytest.raises(MultipleObjectsReturned):
        mixed.get(Model=Movie)
    with pytest.raises(Through.MultipleObjectsReturned):
        mixed.get()
    with pytest.raises(ObjectDoesNotExist):
        mixed.none().get()


# Order.


def test_order_by_columns_of_the_link(mixed):
    in_order = titles(mixed)
    assert titles(mixed.order_by("pk")) == in_order
    assert titles(mixed.order_by("-pk")) == in_order[::-1]
    grouped = mixed.order_by("gm2m_ct__model", "-pk")
    assert titles(grouped) == [
        "Emma",
        "Woodstock",
        "Nanook",
        "Metropolis",
        "Alien",
        "Aida",
    ]


def test_reverse(mixed):
    in_order = titles(mixed)
    assert titles(mixed.reverse()) == in_order[::-1]
    assert titles(mixed.reverse().reverse()) == in_order
    assert titles(mixed.order_by("-pk").reverse()) == in_order
    assert titles(mixed.filter(Model=Movie).reverse()) == ["Metropolis", "Alien"]


def test_order_by_the_attributes_of_a_model(mixed):
    movies = mixed.filter(Model=Movie)
    assert titles(movies.order_by("movie__year")) == ["Metropolis", "Alien"]
    assert titles(movies.order_by("-movie__title")) == ["Metropolis", "Alien"]
    assert titles(movies.order_by(F("movie__title").asc())) == ["Alien", "Metropolis"]
    mixed_up = mixed.order_by(F("movie__year").asc(nulls_last=True), "pk")
    assert titles(mixed_up) == [
        "Metropolis",
        "Alien",
        "Aida",
        "Emma",
        "Woodstock",
        "Nanook",
    ]


def test_order_at_random_yields_all(mixed):
    assert sorted(titles(mixed.order_by("?"))) == sorted(titles(mixed))


def test_querysets_are_ordered(user, mixed):
    """So a Paginator does not warn."""
    assert mixed.ordered
    assert user.preferred_videos.filter(Model=Movie).ordered
    assert Shelf.objects.create().videos.all().ordered
    assert mixed.none().ordered
    assert not mixed.order_by().ordered


def test_order_by_nothing_yields_all(mixed):
    assert sorted(titles(mixed.order_by())) == sorted(titles(mixed))


def test_the_through_models_ordering_is_obeyed(db):
    playlist = Playlist.objects.create()
    first, second, third = (Video.objects.create(title=title) for title in "abc")
    for position, video in ((3, first), (1, second), (2, third)):
        playlist.items.add(video, through_defaults={"position": position})
    assert titles(playlist.items.all()) == ["b", "c", "a"]
    assert titles(playlist.items.reverse()) == ["a", "c", "b"]
    assert titles(playlist.items.order_by("pk")) == ["a", "b", "c"]
    assert playlist.items.first() == second
    assert playlist.items.last() == first
    assert titles(playlist.items.instances_of(Video)) == ["b", "c", "a"]
    assert titles(playlist.items.all()[1:]) == ["c", "a"]


def test_a_through_model_without_ordering_is_read_in_the_order_of_addition(db):
    shelf = Shelf.objects.create()
    videos = [Video.objects.create(title=title) for title in "abcde"]
    shuffled = [videos[n] for n in (3, 0, 4, 1, 2)]
    shelf.videos.add(*shuffled)
    # A row that is written anew moves to the end on some databases.
    ShelfPlace.objects.filter(video_id=videos[3].pk).update(sleeve_id=1)
    assert list(shelf.videos.all()) == shuffled
    assert list(shelf.videos.reverse()) == shuffled[::-1]
    assert list(shelf.videos.instances_of(Video)) == shuffled
    keys = [video.pk for video in shuffled]
    assert list(shelf.videos.values_list("video_id", flat=True)) == keys
    assert [row["video_id"] for row in shelf.videos.values("video_id")] == keys
    assert shelf.videos.first() == shuffled[0]
    assert shelf.videos.last() == shuffled[-1]
    assert shelf.videos.all()[1] == shuffled[1]


# Slices and indices.


def test_slices(mixed, objs):
    assert list(mixed[:2]) == objs[:2]
    assert list(mixed[2:4]) == objs[2:4]
    assert list(mixed[4:]) == objs[4:]
    assert list(mixed[2:100]) == objs[2:]
    assert list(mixed[100:]) == []
    assert list(mixed[3:3]) == []
    assert list(mixed[1:][1:3]) == objs[2:4]
    assert mixed[::2] == objs[::2]
    assert list(mixed.reverse()[:2]) == objs[::-1][:2]
    assert mixed[:2].count() == 2
    assert mixed[5:].count() == 1


def test_slices_of_a_kept_result(mixed, objs, django_assert_num_queries):
    list(mixed)
    with django_assert_num_queries(0):
        assert mixed[1:3] == objs[1:3]
        assert mixed[1] == objs[1]


def test_slices_cost_what_iteration_costs(mixed, django_assert_num_queries):
    with django_assert_num_queries(1 + 2):
        list(mixed[:2])
    with django_assert_num_queries(1 + 1):
        mixed[0]
    with django_assert_num_queries(0):
        list(mixed[3:3])


def test_indices(mixed, objs):
    assert mixed[0] == objs[0]
    assert mixed[5] == objs[5]
    with pytest.raises(IndexError):
        mixed[6]


@pytest.mark.parametrize(
    "index", [-1, slice(-1), slice(-2, None), slice(0, -1)], ids=str
)
def test_negative_indices_are_refused(mixed, index):
    with pytest.raises(ValueError, match="Negative indexing"):
        mixed[index]


@pytest.mark.parametrize("index", ["0", None, 1.0], ids=repr)
def test_odd_indices_are_refused(mixed, index):
    with pytest.raises(TypeError):
        mixed[index]


def test_a_slice_cannot_be_filtered_or_ordered(mixed):
    for method in ("filter", "exclude"):
        with pytest.raises(TypeError, match="slice"):
            getattr(mixed[:2], method)(Model=Movie)
    with pytest.raises(TypeError, match="slice"):
        mixed[:2].order_by("pk")
    with pytest.raises(TypeError, match="slice"):
        mixed[:2].reverse()


def test_first_and_last_of_a_slice(mixed, objs):
    assert mixed[2:4].first() == objs[2]
    with pytest.raises(TypeError, match="slice"):
        mixed[2:4].last()


def test_paginator(mixed, objs):
    paginator = Paginator(mixed, 4)
    assert paginator.count == 6
    assert [list(page) for page in paginator] == [objs[:4], objs[4:]]
    assert paginator.page(2).object_list[0] == objs[4]


# first(), last(), count(), exists(), contains()


def test_first_and_last(mixed, objs, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert mixed.first() == objs[0]
    with django_assert_num_queries(2):
        assert mixed.last() == objs[-1]
    assert mixed.order_by("-pk").first() == objs[-1]
    assert mixed.order_by("-pk").last() == objs[0]
    assert mixed.filter(Model=Movie).last().title == "Metropolis"
    assert mixed.order_by().first() == objs[0]
    assert mixed.order_by().last() == objs[-1]


def test_first_and_last_of_nothing(user, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert user.preferred_videos.first() is None
        assert user.preferred_videos.last() is None
    assert user.preferred_videos.none().first() is None


def test_count_and_exists(user, mixed, django_assert_num_queries):
    with django_assert_num_queries(4):
        assert mixed.count() == 6
        assert mixed.exists()
        assert mixed.filter(Model=Movie).count() == 2
        assert not mixed.filter(Model=Poster).exists()
    assert user.preferred_videos.count() == 6
    assert user.preferred_videos.exists()
    assert mixed.filter(movie__title="Alien").count() == 1


def test_contains(user, mixed, objs, django_assert_num_queries):
    for obj in objs:
        with django_assert_num_queries(1):
            assert mixed.contains(obj)
        assert obj in mixed.all()
    hers = Movie.objects.get(title="Hers")
    assert not mixed.contains(hers)
    assert hers not in mixed
    assert not mixed.contains(Person.objects.first())
    assert user.preferred_videos.contains(objs[0])
    assert not user.preferred_videos.filter(Model=Opera).contains(objs[0])


def test_contains_is_about_the_class_too(mixed, alien):
    assert not mixed.contains(alien.video_ptr)
    assert not mixed.contains(Book.objects.create(pk=alien.pk, title="Alien"))


def test_contains_of_a_slice(mixed, objs):
    assert mixed[:2].contains(objs[1])
    assert not mixed[:2].contains(objs[3])


@pytest.mark.parametrize("value", [None, 1, "x", Movie], ids=str)
def test_contains_wants_an_object(mixed, value):
    with pytest.raises(TypeError):
        mixed.contains(value)


def test_contains_wants_a_saved_object(mixed):
    with pytest.raises(ValueError, match=r"[Ss]ave"):
        mixed.contains(Movie())


@pytest.mark.parametrize("method", ["values", "values_list"])
def test_contains_wants_targets(mixed, alien, method):
    with pytest.raises(TypeError, match="contains"):
        getattr(mixed, method)("gm2m_pk").contains(alien)


# iterator()


@pytest.mark.parametrize("size", [1, 2, 4, 6, 100])
def test_iterator(mixed, objs, size):
    assert list(mixed.iterator(chunk_size=size)) == objs
    assert list(mixed.reverse().iterator(size)) == objs[::-1]


def test_iterator_without_a_size(user, mixed, objs):
    assert list(mixed.iterator()) == objs
    assert list(user.preferred_videos.iterator()) == objs


@pytest.mark.parametrize("size", [0, -1])
def test_iterator_wants_a_positive_size(mixed, size):
    with pytest.raises(ValueError, match="positive"):
        mixed.iterator(chunk_size=size)


def test_iterator_fetches_chunk_by_chunk(user, django_assert_num_queries):
    user.preferred_videos.add(*(Movie.objects.create(title=n) for n in "abcde"))
    with CaptureQueriesContext(connection) as context:
        iterator = user.preferred_videos.iterator(chunk_size=2)
        assert next(iterator).title == "a"
        assert len(context) == 2
        assert titles(iterator) == list("bcde")
    # The rows once, the targets of each chunk.
    assert len(context) == 1 + 3


def test_iterator_does_not_use_kept_results(mixed, django_assert_num_queries):
    list(mixed)
    with django_assert_num_queries(1 + 5):
        list(mixed.iterator())


# none()


def test_none(user, mixed, django_assert_num_queries):
    with django_assert_num_queries(0):
        for empty in (user.preferred_videos.none(), mixed.none()):
            assert list(empty) == []
            assert empty.count() == 0
            assert not empty.exists()
            assert list(empty.filter(Model=Movie)) == []
            assert list(empty.values()) == []
            assert isinstance(empty, models.query.EmptyQuerySet)
            assert list(empty.iterator()) == []


# Operators and combinators.


@pytest.fixture
def hers(objs):
    return User.objects.get(name="Jill").preferred_videos.all()


def test_or(mixed, hers, objs):
    assert len(mixed | hers) == 8
    assert list(mixed | hers)[:6] == objs
    assert (mixed | hers).count() == 8
    movies, operas = mixed.filter(Model=Movie), mixed.filter(opera__title="Aida")
    assert titles(movies | operas) == ["Alien", "Aida", "Metropolis"]
    assert titles(operas | movies) == ["Alien", "Aida", "Metropolis"]
    assert titles(mixed.none() | movies) == titles(movies)
    assert titles(movies | mixed.none()) == titles(movies)


def test_and(mixed, hers):
    movies, alien = mixed.filter(Model=Movie), mixed.filter(movie__title="Alien")
    assert titles(movies & alien) == ["Alien"]
    assert titles(mixed & hers) == ["Alien"]
    assert list(mixed & mixed.none()) == []
    assert list(mixed.none() & mixed) == []


def test_xor(mixed):
    movies, alien = mixed.filter(Model=Movie), mixed.filter(movie__title="Alien")
    assert titles(movies ^ alien) == ["Metropolis"]


def test_operators_work_on_one_field_only(mixed):
    things = Undeclared.objects.create().things.all()
    for combine in (
        lambda: mixed | things,
        lambda: mixed & things,
        lambda: mixed | Movie.objects.all(),
        lambda: mixed & mixed.instances_of(Movie),
    ):
        with pytest.raises(TypeError):
            combine()


def test_union(mixed, hers, objs):
    movies, operas = mixed.filter(Model=Movie), mixed.filter(Model=Opera)
    union = movies.union(operas)
    assert sorted(titles(union)) == ["Aida", "Alien", "Metropolis"]
    assert union.count() == 3
    assert union.exists()
    assert sorted(titles(movies.union(operas, mixed.filter(Model=Book)))) == [
        "Aida",
        "Alien",
        "Emma",
        "Metropolis",
    ]
    assert sorted(titles(mixed.union(mixed))) == sorted(titles(mixed))
    assert sorted(titles(mixed.union(hers, all=True))) == sorted(
        titles(mixed) + titles(hers)
    )
    assert titles(mixed.none().union(operas)) == ["Aida"]
    assert titles(operas.union(mixed.none())) == ["Aida"]
    assert list(mixed.none().union(mixed.none())) == []


def test_the_count_of_a_union_is_its_length(mixed, hers):
    for union in (
        mixed.union(hers),
        mixed.union(hers, all=True),
        mixed.union(mixed),
        mixed.union(mixed, all=True),
    ):
        assert union.count() == len(union)


def test_intersection_and_difference(mixed):
    movies, alien = mixed.filter(Model=Movie), mixed.filter(movie__title="Alien")
    assert titles(mixed.intersection(movies, alien)) == ["Alien"]
    assert titles(movies.difference(alien)) == ["Metropolis"]
    assert mixed.intersection(movies).count() == 2
    assert mixed.difference(movies).count() == 4


def test_a_union_can_be_ordered_sliced_and_read_as_values(mixed):
    movies, operas = mixed.filter(Model=Movie), mixed.filter(Model=Opera)
    union = movies.union(operas)
    assert titles(union.order_by("pk")) == ["Alien", "Aida", "Metropolis"]
    assert titles(union.order_by("-pk")) == ["Metropolis", "Aida", "Alien"]
    assert titles(union.order_by("pk")[1:]) == ["Aida", "Metropolis"]
    assert union.order_by("pk").first().title == "Alien"
    assert union.order_by("pk").last().title == "Metropolis"
    assert union.order_by("pk")[0].title == "Alien"
    assert len(union.values_list("gm2m_pk", flat=True)) == 3


def test_a_union_of_values(mixed, hers):
    keys = mixed.values_list("gm2m_ct", "gm2m_pk")
    union = keys.union(hers.values_list("gm2m_ct", "gm2m_pk"))
    # Django 6.1 orders a union by Meta.ordering, and then wants it among the columns.
    assert len(union.order_by()) == 8
    movies = mixed.filter(Model=Movie).values_list("movie__title", flat=True)
    operas = mixed.filter(Model=Opera).values_list("opera__title", flat=True)
    assert sorted(movies.union(operas).order_by()) == ["Aida", "Alien", "Metropolis"]


def test_a_union_of_all_links_in_slices(mixed):
    if not connection.features.supports_slicing_ordering_in_compound:
        # SQLite allows no slices in the parts of a union, and Django says so.
        with pytest.raises(DatabaseError, match="LIMIT"):
            list(mixed[:2].union(mixed[4:], all=True))
        return
    union = mixed[:2].union(mixed[4:], all=True)
    assert sorted(titles(union)) == sorted([*titles(mixed[:2]), *titles(mixed[4:])])


@pytest.mark.parametrize(
    "method", ["filter", "exclude", "annotate", "contains", "prefetch_related"]
)
def test_a_union_refuses_what_django_refuses(mixed, alien, method):
    union = mixed.filter(Model=Movie).union(mixed.filter(Model=Opera), all=True)
    arguments = {
        "annotate": {"n": Value(1)},
        "contains": {"obj": alien},
    }
    with pytest.raises(NotSupportedError):
        getattr(union, method)(**arguments.get(method, {}))


# values() and values_list()


def test_values(user, mixed, objs):
    rows = list(mixed.values())
    assert [row["gm2m_pk"] for row in rows] == [str(obj.pk) for obj in objs]
    assert set(rows[0]) == {"id", "gm2m_src_id", "gm2m_ct_id", "gm2m_pk"}
    assert rows[0]["gm2m_src_id"] == user.pk
    assert mixed.values("gm2m_pk")[0] == {"gm2m_pk": str(objs[0].pk)}


def test_values_list(user, mixed, objs):
    content_type = ContentType.objects.get_for_model(Movie)
    assert mixed.values_list("gm2m_ct", "gm2m_pk")[0] == (
        content_type.pk,
        str(objs[0].pk),
    )
    assert list(mixed.values_list("gm2m_pk", flat=True)) == [
        str(obj.pk) for obj in objs
    ]
    assert mixed.values_list("gm2m_pk", named=True)[0].gm2m_pk == str(objs[0].pk)
    assert len(mixed.values_list()[0]) == 4
    keys = list(mixed.values_list("gm2m_pk", flat=True))
    assert list(mixed.reverse().values_list("gm2m_pk", flat=True)) == keys[::-1]
    assert list(user.preferred_videos.values_list("gm2m_pk", flat=True)) == keys


def test_values_of_targets(mixed, alien, aida):
    assert list(mixed.values_list("movie__title", flat=True)) == [
        "Alien",
        None,
        "Metropolis",
        None,
        None,
        None,
    ]
    assert list(mixed.values_list("movie", "opera"))[:2] == [
        (alien.pk, None),
        (None, aida.pk),
    ]
    assert list(mixed.values("opera__composer__name"))[1] == {
        "opera__composer__name": "Bea"
    }


def test_values_can_be_filtered_sliced_and_taken_apart(mixed):
    values = mixed.values_list("movie__title", flat=True)
    assert list(values.filter(Model=Movie)) == ["Alien", "Metropolis"]
    assert list(values[:2]) == ["Alien", None]
    assert values[0] == "Alien"
    assert values.first() == "Alien"
    assert values.filter(Model=Movie).last() == "Metropolis"
    assert values.get(movie__title="Alien") == "Alien"
    assert list(values.iterator()) == list(values)
    assert list(values.distinct().order_by("movie__title").exclude(movie=None)) == [
        "Alien",
        "Metropolis",
    ]


def test_values_cost_one_query(mixed, django_assert_num_queries):
    with django_assert_num_queries(1):
        list(mixed.values("movie__title", "opera__title"))


def test_values_with_expressions(mixed):
    assert list(mixed.filter(Model=Movie).values(upper=Upper("movie__title"))) == [
        {"upper": "ALIEN"},
        {"upper": "METROPOLIS"},
    ]


def test_values_count_by_content_type(mixed):
    counts = mixed.values_list("gm2m_ct__model").annotate(n=Count("pk")).order_by("-n")
    assert counts[0] == ("movie", 2)
    assert len(counts) == 5


# annotate() and aggregate()


def test_annotations_are_put_on_targets(mixed, django_assert_num_queries):
    queryset = mixed.annotate(
        key=F("gm2m_pk"), length=Length("movie__title"), one=Value(1)
    )
    with django_assert_num_queries(1 + 5):
        found = list(queryset)
    assert [obj.key for obj in found] == [str(obj.pk) for obj in found]
    assert [obj.length for obj in found] == [5, None, 10, None, None, None]
    assert {obj.one for obj in found} == {1}
    assert queryset.first().length == 5
    assert queryset.get(movie__title="Alien").length == 5
    assert queryset[2].length == 10
    assert [obj.one for obj in queryset.iterator(chunk_size=2)] == [1] * 6


def test_annotations_differ_by_link(db):
    first, second = (Playlist.objects.create() for _ in range(2))
    video = Video.objects.create(title="Short")
    first.items.add(video, through_defaults={"position": 1})
    second.items.add(video, through_defaults={"position": 2})
    for playlist, place in ((first, 1), (second, 2)):
        (found,) = playlist.items.annotate(place=F("position"))
        assert (found, found.place) == (video, place)


def test_annotations_can_be_filtered_and_ordered_by(mixed):
    queryset = mixed.filter(Model=Movie).annotate(length=Length("movie__title"))
    assert titles(queryset.filter(length__gt=5)) == ["Metropolis"]
    assert titles(queryset.order_by("-length")) == ["Metropolis", "Alien"]
    assert list(queryset.values_list("length", flat=True)) == [5, 10]


def test_aliases_are_not_put_on_targets(mixed):
    queryset = mixed.alias(length=Length("movie__title")).filter(length=5)
    (found,) = queryset
    assert found.title == "Alien"
    assert not hasattr(found, "length")


def test_aggregating_annotations(mixed):
    queryset = mixed.annotate(readers=Count("gm2m_src__name"))
    assert [obj.readers for obj in queryset] == [1] * 6


def test_aggregate(user, mixed):
    assert mixed.aggregate(n=Count("pk")) == {"n": 6}
    assert mixed.aggregate(Max("movie__year"), Min("movie__year")) == {
        "movie__year__max": 1979,
        "movie__year__min": 1927,
    }
    assert user.preferred_videos.aggregate(n=Count("gm2m_ct", distinct=True)) == {
        "n": 5
    }
    assert mixed[:2].aggregate(n=Count("pk")) == {"n": 2}


def test_distinct(mixed):
    assert titles(mixed.distinct()) == titles(mixed)
    assert mixed.distinct().count() == 6
    joined = mixed.filter(gm2m_src__preferred_videos__isnull=False)
    assert len(joined) == 36
    assert titles(joined.distinct()) == titles(mixed)


def test_distinct_on_columns(mixed):
    if not connection.features.can_distinct_on_fields:
        # DISTINCT ON is PostgreSQL's.
        with pytest.raises(NotSupportedError):
            list(mixed.order_by("gm2m_ct", "pk").distinct("gm2m_ct"))
        return
    found = mixed.order_by("gm2m_ct", "pk").distinct("gm2m_ct")
    assert sorted(titles(found)) == ["Aida", "Alien", "Emma", "Nanook", "Woodstock"]


def test_earliest_and_latest(mixed, objs):
    assert mixed.earliest("pk") == objs[0]
    assert mixed.latest("pk") == objs[-1]
    assert mixed.filter(Model=Movie).latest("movie__year").title == "Alien"
    assert mixed.filter(Model=Movie).earliest("-movie__year", "pk").title == "Alien"
    with pytest.raises(ObjectDoesNotExist):
        mixed.none().latest("pk")
    with pytest.raises(ValueError, match="get_latest_by"):
        mixed.earliest()
    with pytest.raises(TypeError, match="slice"):
        mixed[:2].earliest("pk")


# The database.


def test_using(objs, user):
    assert user.preferred_videos.using("default").db == "default"
    assert user.preferred_videos.using("other").db == "other"
    assert user.preferred_videos.db_manager("other").all().db == "other"


@pytest.mark.django_db(databases=["default", "other"])
def test_targets_are_read_from_the_database_of_the_links():
    user = User.objects.using("other").create(name="Jack")
    movie = Movie.objects.using("other").create(title="there")
    Movie.objects.create(pk=movie.pk, title="here")
    user.preferred_videos.add(movie)
    (found,) = user.preferred_videos.all()
    assert (found.title, found._state.db) == ("there", "other")
    here = User.objects.create(pk=user.pk, name="Jack")
    assert list(here.preferred_videos.all()) == []
    assert titles(here.preferred_videos.using("other")) == ["there"]
    assert titles(here.preferred_videos.using("other").instances_of(Movie)) == ["there"]
    assert here.preferred_videos.using("other").contains(movie)


def test_explain(mixed):
    assert isinstance(mixed.explain(), str)
    assert mixed.filter(movie__title="Alien").explain()


@pytest.mark.django_db(transaction=True)
def test_select_for_update_locks_the_links():
    user = User.objects.create()
    user.preferred_videos.create(Movie, title="Alien")
    queryset = user.preferred_videos.select_for_update()
    with CaptureQueriesContext(connection) as context, transaction.atomic():
        assert titles(queryset) == ["Alien"]
    locking = [query["sql"] for query in context if "FOR UPDATE" in query["sql"]]
    if not connection.features.has_select_for_update:
        # SQLite locks the whole file anyway, and Django ignores the call.
        assert not locking
        return
    assert len(locking) == 1
    assert Through._meta.db_table in locking[0]
    with pytest.raises(transaction.TransactionManagementError):
        list(queryset.all())


# Pickling and copying.


def pickled(value):
    return pickle.loads(pickle.dumps(value))


def querysets(mixed):
    return {
        "all": mixed,
        "model": mixed.filter(Model=Movie),
        "models": mixed.exclude(Model__in=[Movie, "app.Opera"]),
        "name": mixed.filter(movie__title="Alien"),
        "target": mixed.filter(movie=Movie.objects.get(title="Alien")),
        "null": mixed.filter(opera__isnull=False),
        "q": mixed.filter(Q(Model=Movie) | ~Q(opera__title="Aida")),
        "slice": mixed[1:4],
        "order": mixed.order_by("-movie__title", "pk"),
        "annotation": mixed.annotate(n=F("movie__year")).filter(n=1979),
        "prefetch": mixed.prefetch_related("director"),
        "generic prefetch": mixed.prefetch_related(
            GenericPrefetch("preferred_videos", [Movie.objects.filter(year=1979)])
        ),
    }


QUERYSETS = [
    "all",
    "model",
    "models",
    "name",
    "target",
    "null",
    "q",
    "slice",
    "order",
    "annotation",
    "prefetch",
    "generic prefetch",
]


@pytest.mark.parametrize("name", QUERYSETS)
def test_querysets_can_be_pickled(mixed, name, django_assert_num_queries):
    queryset = querysets(mixed)[name]
    expected = titles(queryset)
    assert expected
    again = pickled(queryset)
    with django_assert_num_queries(0):
        assert titles(again) == expected
    assert titles(again.all()) == expected
    assert [type(obj) for obj in again.all()] == [type(obj) for obj in queryset]


@pytest.mark.parametrize("name", QUERYSETS[:10])
def test_queries_can_be_pickled(mixed, name):
    queryset = querysets(mixed)[name]
    again = mixed.none()
    again.query = pickled(queryset.query)
    assert titles(again) == titles(queryset)


def test_pickled_querysets_can_be_refined(mixed):
    again = pickled(mixed)
    assert titles(again.filter(Model=Movie)) == ["Alien", "Metropolis"]
    assert titles(again.exclude(movie__title="Alien").filter(Model=Movie)) == [
        "Metropolis"
    ]
    assert titles(again.instances_of(Opera)) == ["Aida"]
    assert len(again.all() | mixed) == 6


def test_values_can_be_pickled(mixed):
    assert list(pickled(mixed.values_list("gm2m_pk", flat=True))) == list(
        mixed.values_list("gm2m_pk", flat=True)
    )


def test_instances_of_can_be_pickled(mixed):
    queryset = mixed.instances_of(Movie)
    assert titles(pickled(queryset)) == ["Alien", "Metropolis"]
    again = Movie.objects.none()
    again.query = pickled(queryset.query)
    assert titles(again) == ["Alien", "Metropolis"]


def test_querysets_of_sources_with_our_lookups_can_be_pickled(mixed, alien):
    for queryset in (
        User.objects.filter(preferred_videos=alien),
        User.objects.filter(preferred_videos__in=[alien]),
        User.objects.filter(preferred_videos__movie__title="Alien"),
        User.objects.filter(preferred_videos__in=Movie.objects.filter(title="Alien")),
        User.objects.annotate(n=Count("preferred_videos")).filter(n__gt=0),
    ):
        again = User.objects.none()
        again.query = pickled(queryset.query)
        assert {user.name for user in again} == {"Jack", "Jill"}


def test_the_through_class_and_its_rows_can_be_pickled(mixed):
    assert pickled(Through) is Through
    row = Through.objects.first()
    assert pickled(row) == row
    assert pickled(row).gm2m_tgt == row.gm2m_tgt


def test_sources_with_prefetched_targets_can_be_pickled(
    mixed, objs, django_assert_num_queries
):
    user = User.objects.prefetch_related("preferred_videos").get(name="Jack")
    again = pickled(user)
    with django_assert_num_queries(0):
        assert list(again.preferred_videos.all()) == objs
    again.preferred_videos.remove(objs[0])
    assert list(again.preferred_videos.all()) == objs[1:]


def test_targets_with_prefetched_sources_can_be_pickled(
    mixed, django_assert_num_queries
):
    movie = Movie.objects.prefetch_related("user_set").get(title="Alien")
    again = pickled(movie)
    with django_assert_num_queries(0):
        assert {user.name for user in again.user_set.all()} == {"Jack", "Jill"}


def test_querysets_can_be_copied(mixed, objs):
    for duplicate in (copy.copy(mixed), copy.deepcopy(mixed)):
        assert list(duplicate) == objs
        assert titles(duplicate.filter(Model=Opera)) == ["Aida"]


# instances_of()


def test_instances_of_is_a_plain_queryset(user, mixed, django_assert_num_queries):
    for movies in (
        user.preferred_videos.instances_of(Movie),
        user.preferred_videos.instances_of("app.Movie"),
        user.preferred_videos.instances_of("Movie"),
        mixed.instances_of(Movie),
        mixed.filter(Model=Movie).instances_of(Movie),
    ):
        assert type(movies) is QuerySet
        assert movies.model is Movie
        with django_assert_num_queries(1):
            assert titles(movies) == ["Alien", "Metropolis"]


def test_instances_of_comes_in_the_order_of_the_links(user):
    movies = [Movie.objects.create(title=title) for title in "abcd"]
    shuffled = [movies[n] for n in (2, 0, 3, 1)]
    user.preferred_videos.add(*shuffled)
    assert list(user.preferred_videos.instances_of(Movie)) == shuffled
    assert list(user.preferred_videos.all().instances_of(Movie)) == shuffled
    assert list(user.preferred_videos.instances_of(Movie).reverse()) == shuffled[::-1]
    assert user.preferred_videos.instances_of(Movie).first() == shuffled[0]
    assert user.preferred_videos.instances_of(Movie).ordered


def test_instances_of_keeps_the_order_of_its_model(user):
    """Book has an ordering of its own."""
    for title in "bca":
        user.preferred_videos.create(Book, title=title)
    assert titles(user.preferred_videos.instances_of(Book)) == ["a", "b", "c"]
    assert titles(user.preferred_videos.all().instances_of(Book)) == ["a", "b", "c"]
    assert titles(user.preferred_videos.all()) == ["b", "c", "a"]


@pytest.mark.parametrize("model", [Opera, Concert, Premiere, Poster, Counter, Book])
def test_instances_of_for_every_kind_of_key(user, model):
    opera = Opera.objects.create(title="x")
    attributes = {
        Opera: {"id": uuid.uuid4()},
        Concert: {"code": "a'b"},
        Premiere: {"day": datetime.date(2000, 1, 1)},
        Poster: {"opera": opera},
        Counter: {"number": -7},
        Book: {"title": "Emma"},
    }
    obj = model.objects.create(**attributes[model])
    user.preferred_videos.add(obj, Movie.objects.create(title="other"))
    assert list(user.preferred_videos.instances_of(model)) == [obj]
    assert list(user.preferred_videos.all().instances_of(model)) == [obj]
    assert user.preferred_videos.all().contains(obj)


def test_instances_of_respects_the_conditions_on_links(user, mixed, alien):
    assert list(mixed.filter(movie__title="Alien").instances_of(Movie)) == [alien]
    assert list(mixed.exclude(movie=alien).instances_of(Movie)) == [
        Movie.objects.get(title="Metropolis")
    ]
    assert list(mixed.filter(Model=Opera).instances_of(Movie)) == []
    assert list(mixed.none().instances_of(Movie)) == []


def test_instances_of_a_slice(mixed):
    assert titles(mixed[:2].instances_of(Movie)) == ["Alien"]
    assert titles(mixed[1:].instances_of(Movie)) == ["Metropolis"]


def test_instances_of_nothing(user, mixed):
    assert list(mixed.instances_of(Poster)) == []
    assert list(mixed.instances_of(Video)) == []
    assert list(User.objects.create().preferred_videos.instances_of(Movie)) == []


@pytest.mark.parametrize("wrong", [None, 1, object, Movie(), "app.Nothing"], ids=repr)
def test_instances_of_wants_a_model(user, mixed, wrong):
    for owner in (user.preferred_videos, mixed):
        with pytest.raises((TypeError, LookupError)):
            owner.instances_of(wrong)


def test_instances_of_has_everything_that_a_queryset_has(
    user, mixed, alien, django_assert_num_queries
):
    movies = user.preferred_videos.instances_of(Movie)
    metropolis = Movie.objects.get(title="Metropolis")
    assert list(movies.filter(title="Alien")) == [alien]
    assert list(movies.exclude(title="Alien")) == [metropolis]
    assert list(movies.order_by("year")) == [metropolis, alien]
    assert list(movies[1:]) == [metropolis]
    assert movies[0] == alien
    assert movies.get(year=1979) == alien
    assert movies.count() == 2
    assert movies.exists()
    assert movies.contains(alien)
    assert movies.last() == metropolis
    assert movies.latest("year") == alien
    assert movies.in_bulk() == {alien.pk: alien, metropolis.pk: metropolis}
    assert list(movies.values_list("title", flat=True)) == ["Alien", "Metropolis"]
    assert movies.aggregate(Max("year")) == {"year__max": 1979}
    assert [movie.n for movie in movies.annotate(n=Length("title"))] == [5, 10]
    assert list(movies.iterator()) == [alien, metropolis]
    assert set(movies.distinct()) == {alien, metropolis}
    hers = User.objects.get(name="Jill").preferred_videos.instances_of(Movie)
    assert set(movies.order_by().union(hers.order_by())) == {
        alien,
        metropolis,
        Movie.objects.get(title="Hers"),
    }
    assert set(movies | hers) == {alien, metropolis, Movie.objects.get(title="Hers")}
    assert set(movies & movies.filter(year=1979)) == {alien}
    with django_assert_num_queries(1):
        assert movies.select_related("director")[0].director.name == "Bea"
    with django_assert_num_queries(2):
        assert movies.prefetch_related("director")[0].director.name == "Bea"
    with django_assert_num_queries(2):
        assert movies.only("title").get(title="Alien").year == 1979
    assert movies.explain()
    assert Movie.objects.filter(pk__in=movies).count() == 2
    assert Person.objects.filter(movie__in=movies).count() == 2
    assert list(movies.filter(user__name="Jack")) == [alien, metropolis]


def test_instances_of_can_be_updated(user, mixed):
    Movie.objects.filter(title="Hers").update(year=1)
    assert user.preferred_videos.instances_of(Movie).update(year=5, director=None) == 2
    assert set(Movie.objects.values_list("title", "year", "director")) == {
        ("Alien", 5, None),
        ("Metropolis", 5, None),
        ("Hers", 1, None),
    }
    assert mixed.instances_of(Opera).update(title="x") == 1
    assert mixed.instances_of(Book).update(title="x") == 1


def test_instances_of_can_be_deleted(user, mixed):
    user.preferred_videos.instances_of(Movie).delete()
    assert titles(Movie.objects.all()) == ["Hers"]
    assert user.preferred_videos.count() == 4
    mixed.instances_of(Book).delete()
    assert user.preferred_videos.count() == 3
    user.preferred_videos.instances_of(Opera).filter(title="nothing").delete()
    assert user.preferred_videos.count() == 3


# Managers of the targets.


def test_targets_come_from_their_default_managers(user):
    alive = Plant.everything.create(name="Rose")
    dead = Plant.everything.create(name="Fern", dead=True)
    user.preferred_videos.add(dead, alive)
    assert list(user.preferred_videos.all()) == [alive]
    assert user.preferred_videos.first() == alive
    assert user.preferred_videos.get() == alive
    assert list(user.preferred_videos.instances_of(Plant)) == [alive]
    assert not user.preferred_videos.contains(dead)
    assert user.preferred_videos.count() == 2


# How targets are fetched.


def test_prefetch_on_from_the_targets(mixed, objs, django_assert_num_queries):
    """Movies and operas have directors, the others have not."""
    with django_assert_num_queries(1 + 5 + 2):
        found = list(mixed.prefetch_related("director"))
    assert found == objs
    with django_assert_num_queries(0):
        assert [obj.director.name for obj in found[:3]] == ["Bea", "Bea", "Ann"]


def test_prefetch_what_one_model_has(mixed, objs, django_assert_num_queries):
    with django_assert_num_queries(1 + 5 + 1):
        found = list(mixed.prefetch_related("composer"))
    with django_assert_num_queries(0):
        assert found[1].composer.name == "Bea"


def test_prefetch_on_through_several_levels(mixed, django_assert_num_queries):
    queryset = mixed.prefetch_related("director__directed_operas")
    found = list(queryset)
    with django_assert_num_queries(0):
        assert titles(found[0].director.directed_operas.all()) == ["Aida"]


def test_prefetch_the_sources_of_the_targets(mixed, django_assert_num_queries):
    found = list(mixed.filter(Model__in=[Movie, Opera]).prefetch_related("user_set"))
    with django_assert_num_queries(0):
        assert {user.name for user in found[0].user_set.all()} == {"Jack", "Jill"}
        assert {user.name for user in found[1].user_set.all()} == {"Jack"}


def test_prefetch_with_a_queryset_and_an_attribute(mixed, django_assert_num_queries):
    users = Prefetch(
        "user_set", User.objects.filter(name="Jill"), to_attr="other_people"
    )
    found = list(mixed.filter(Model__in=[Movie, Opera]).prefetch_related(users))
    with django_assert_num_queries(0):
        assert [len(obj.other_people) for obj in found] == [1, 0, 0]


def test_prefetches_add_up_and_can_be_cleared(mixed, django_assert_num_queries):
    queryset = mixed.filter(Model=Opera).prefetch_related("director")
    with django_assert_num_queries(2 + 2):
        list(queryset.prefetch_related("composer"))
    with django_assert_num_queries(2):
        list(queryset.prefetch_related(None))
    with django_assert_num_queries(2 + 1):
        list(queryset)


@pytest.mark.parametrize("size", [1, 2, 10])
def test_prefetching_goes_with_streaming(mixed, size, django_assert_num_queries):
    found = list(mixed.prefetch_related("director").iterator(chunk_size=size))
    with django_assert_num_queries(0):
        assert [obj.director.name for obj in found[:3]] == ["Bea", "Bea", "Ann"]


def test_prefetching_goes_with_streaming_of_a_given_size_alone(mixed):
    queryset = mixed.prefetch_related("director")
    with pytest.raises(ValueError, match="chunk_size must be provided"):
        queryset.iterator()
    assert len(list(queryset.prefetch_related(None).iterator())) == mixed.count()


def test_prefetching_goes_with_single_targets(mixed, django_assert_num_queries):
    queryset = mixed.prefetch_related("director")
    for movie in (queryset.first(), queryset[0], queryset.get(movie__title="Alien")):
        with django_assert_num_queries(0):
            assert movie.director.name == "Bea"


def test_what_no_target_has_cannot_be_prefetched(mixed):
    with pytest.raises(AttributeError, match="nonsense"):
        list(mixed.filter(Model=Movie).prefetch_related("nonsense"))


def test_querysets_for_the_targets(mixed, objs, django_assert_num_queries):
    queryset = mixed.prefetch_related(
        GenericPrefetch(
            "preferred_videos",
            [
                Movie.objects.select_related("director"),
                Opera.objects.only("title"),
            ],
        )
    )
    with django_assert_num_queries(1 + 5):
        found = list(queryset)
    assert found == objs
    with django_assert_num_queries(0):
        assert found[0].director.name == "Bea"
    assert found[1].get_deferred_fields() == {"composer_id", "director_id"}


def test_querysets_for_the_targets_filter_and_annotate(mixed):
    queryset = mixed.prefetch_related(
        GenericPrefetch(
            "preferred_videos",
            [
                Movie.objects.filter(year=1979).annotate(length=Length("title")),
                Opera.objects.none(),
            ],
        )
    )
    found = list(queryset)
    assert titles(found) == ["Alien", "Emma", "Woodstock", "Nanook"]
    assert found[0].length == 5
    assert queryset.first().length == 5


def test_two_querysets_of_one_model_are_refused(mixed):
    with pytest.raises(ValueError, match="Movie"):
        list(
            mixed.prefetch_related(
                GenericPrefetch(
                    "preferred_videos", [Movie.objects.all(), Movie.objects.all()]
                )
            )
        )


@pytest.mark.skipif(django.VERSION < (6, 1), reason="Fetch modes came with Django 6.1.")
def test_fetch_modes_reach_the_targets(mixed, django_assert_num_queries):
    found = list(mixed.filter(Model=Movie).fetch_mode(models.FETCH_PEERS))
    with django_assert_num_queries(1):
        assert [movie.director.name for movie in found] == ["Bea", "Ann"]
    # Django 6.1 has it.
    from django.core.exceptions import FieldFetchBlocked

    movie = mixed.fetch_mode(models.FETCH_RAISE).first()
    with pytest.raises(FieldFetchBlocked, match="director"):
        _ = movie.director


@pytest.mark.skipif(django.VERSION < (6, 1), reason="Fetch modes came with Django 6.1.")
def test_targets_inherit_the_fetch_mode_of_their_source(mixed):
    user = User.objects.fetch_mode(models.FETCH_PEERS).get(name="Jack")
    for target in user.preferred_videos.all():
        assert target._state.fetch_mode is models.FETCH_PEERS


# Dangling links.


@pytest.fixture
def dangling(user):
    """
    Six links of which three are dangling: the target deleted behind Django's back,
    the content type stale, the model unknown to the app. Live ones are between.
    """
    movie, gone, opera, book = (
        Movie.objects.create(title="Alien"),
        Movie.objects.create(title="gone"),
        Opera.objects.create(title="Aida"),
        Book.objects.create(title="Emma"),
    )
    no_app = ContentType.objects.create(app_label="nowhere", model="thing")
    no_model = ContentType.objects.create(app_label="app", model="thing")
    user.preferred_videos.add(gone)
    link(user, no_app, "1")
    user.preferred_videos.add(movie)
    link(user, no_model, "junk")
    user.preferred_videos.add(opera, book)
    gone_opera = Opera.objects.create(title="gone")
    user.preferred_videos.add(gone_opera)
    vanish(gone)
    vanish(gone_opera)
    return [movie, opera, book]


ORDERS = {
    "links": lambda queryset: queryset,
    "pk": lambda queryset: queryset.order_by("pk"),
    "columns": lambda queryset: queryset.order_by("gm2m_ct", "gm2m_pk"),
    "column": lambda queryset: queryset.order_by("-gm2m_pk"),
    "target": lambda queryset: queryset.order_by("movie__title", "pk"),
    "beyond": lambda queryset: queryset.order_by("-movie__director__name"),
    "random": lambda queryset: queryset.order_by("?"),
    "none": lambda queryset: queryset.order_by(),
    "reverse": lambda queryset: queryset.reverse(),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_dangling_links_are_never_shown_whatever_the_order(user, dangling, order):
    queryset = order(user.preferred_videos.all())
    assert set(queryset) == set(dangling)
    assert len(queryset.all()) == 3
    assert queryset.first() in dangling
    assert queryset.last() in dangling
    assert set(queryset.iterator(chunk_size=1)) == set(dangling)
    assert set(queryset.iterator(chunk_size=3)) == set(dangling)


def test_count_and_exists_see_links(user, dangling):
    assert user.preferred_videos.count() == 7
    assert user.preferred_videos.exists()
    user.preferred_videos.remove(*dangling)
    assert user.preferred_videos.count() == 4
    assert user.preferred_videos.exists()
    assert list(user.preferred_videos.all()) == []
    assert user.preferred_videos.first() is None
    assert user.preferred_videos.last() is None
    assert User.objects.filter(preferred_videos__isnull=False).exists()
    assert User.objects.annotate(n=Count("preferred_videos")).get().n == 4


def test_single_targets_are_live(user, dangling):
    movie, opera, book = dangling
    assert user.preferred_videos.first() == movie
    assert user.preferred_videos.last() == book
    assert user.preferred_videos.order_by("-pk").first() == book
    assert user.preferred_videos.get(Model=Movie) == movie
    assert user.preferred_videos.get(Model=Opera) == opera
    assert user.preferred_videos.filter(Model=Opera).last() == opera
    assert user.preferred_videos.earliest("pk") == movie
    assert user.preferred_videos.latest("pk") == book


def test_get_raises_for_dangling_links_alone(user, dangling):
    user.preferred_videos.remove(*dangling)
    with pytest.raises(ObjectDoesNotExist):
        user.preferred_videos.get()
    with pytest.raises(ObjectDoesNotExist):
        user.preferred_videos.get(Model=Movie)


def test_contains_sees_live_targets(user, dangling):
    gone = Movie.objects.create(title="gone")
    user.preferred_videos.add(gone)
    assert user.preferred_videos.contains(gone)
    vanish(gone)
    assert not user.preferred_videos.contains(gone)
    assert gone not in user.preferred_videos.all()
    for obj in dangling:
        assert user.preferred_videos.contains(obj)


def test_slices_are_over_links(user, dangling):
    movie, opera, book = dangling
    queryset = user.preferred_videos.all()
    assert list(queryset[:2]) == []
    assert list(queryset[:3]) == [movie]
    assert list(queryset[2:5]) == [movie, opera]
    assert list(queryset[5:]) == [book]
    pages = [list(page) for page in Paginator(queryset, 3)]
    assert pages == [[movie], [opera, book], []]


def test_an_index_of_a_dangling_link_is_an_error(user, dangling):
    queryset = user.preferred_videos.all()
    for index in (0, 1, 3, 6, 7):
        with pytest.raises(IndexError):
            queryset[index]
    assert queryset[2] == dangling[0]


def test_instances_of_leaves_dangling_links_out(user, dangling):
    assert list(user.preferred_videos.instances_of(Movie)) == dangling[:1]
    assert user.preferred_videos.instances_of(Movie).count() == 1
    assert titles(user.preferred_videos.filter(movie__title="Alien")) == ["Alien"]
    assert list(user.preferred_videos.filter(movie__title="gone")) == []


def test_values_are_about_links(user, dangling):
    assert len(user.preferred_videos.values("gm2m_pk")) == 7
    assert list(user.preferred_videos.values_list("movie__title", flat=True)) == [
        None,
        None,
        "Alien",
        None,
        None,
        None,
        None,
    ]


def test_a_representation_and_a_template_survive_dangling_links(user, dangling):
    assert "<Movie: Alien>" in repr(user.preferred_videos.all())


def test_prefetching_survives_dangling_links(user, dangling):
    loaded = User.objects.prefetch_related("preferred_videos__director").get()
    assert list(loaded.preferred_videos.all()) == dangling
    assert loaded.preferred_videos.first() == dangling[0]


def test_unions_survive_dangling_links(user, dangling):
    union = user.preferred_videos.filter(Model=Movie).union(
        user.preferred_videos.filter(Model=Opera)
    )
    assert set(union) == set(dangling[:2])


@pytest.mark.parametrize("number", [20, 21, 22, 99, 100, 101, 250])
def test_single_targets_are_found_behind_many_dangling_links(user, number):
    stale = ContentType.objects.create(app_label="nowhere", model="thing")
    Through.objects.bulk_create(
        Through(gm2m_src=user, gm2m_ct=stale, gm2m_pk=str(key)) for key in range(number)
    )
    movie = user.preferred_videos.create(Movie, title="Alien")
    mixed = user.preferred_videos.all()
    assert mixed.first() == movie
    assert mixed.reverse().last() == movie
    assert mixed.last() == movie
    assert mixed.get() == movie
    assert mixed.contains(movie)
    assert list(mixed) == [movie]
    assert mixed.order_by("pk").first() == movie
    assert mixed.earliest("pk") == movie
    assert mixed.all()[number] == movie
    assert mixed.get(Q(gm2m_pk__isnull=False)) == movie
    other = user.preferred_videos.create(Opera, title="Aida")
    with pytest.raises(MultipleObjectsReturned):
        mixed.get()
    assert mixed.last() == other


def test_the_search_for_a_live_target_costs_few_queries(user):
    movie_type = ContentType.objects.get_for_model(Movie)
    Through.objects.bulk_create(
        # Nothing but a query tells that these movies are gone.
        Through(gm2m_src=user, gm2m_ct=movie_type, gm2m_pk=str(-key))
        for key in range(1, 501)
    )
    movie = user.preferred_videos.create(Movie, title="Alien")
    for read in (user.preferred_videos.first, user.preferred_videos.get):
        with CaptureQueriesContext(connection) as context:
            assert read() == movie
        assert len(context) < 15


JUNK = [
    "",
    "junk",
    "0",
    "-1",
    "1.0",
    "01",
    "+1",
    " 1",
    "1\n",
    "1e0",
    "١",
    "¹",
    "NULL",
    "None",
    "9" * 19,
    "-" + "9" * 19,
    "9" * 36,
    "9223372036854775808",
    "2000-02-30",
    "2000-13-01",
    "0000-00-00",
    "2000-1-1",
    "20000101",
    "10000-01-01",
    "00000000-0000-0000-0000-000000000000",
    "0" * 32,
    "{0}",
    "'; DROP TABLE x; --",
    "%s",
]


@pytest.mark.parametrize("model", [Movie, Opera, Concert, Premiere, Poster, Counter])
def test_junk_keys_are_dangling_links(user, model):
    """What stands in the key column may never have been a key of its model."""
    opera = Opera.objects.create(title="x")
    attributes = {
        Movie: {"pk": 1, "title": "x"},
        Opera: {"title": "y"},
        Concert: {"code": "x"},
        Premiere: {"day": datetime.date(2000, 1, 1)},
        Poster: {"opera": opera},
        Counter: {"number": 1},
    }
    # To MariaDB, text with a space behind it is the same as without.
    padded = [] if connection.vendor == "mysql" else ["1 ", "x "]
    for key in (*JUNK, *padded):
        link(user, model, key)
    obj = model.objects.create(**attributes[model])
    user.preferred_videos.add(obj)
    mixed = user.preferred_videos.all()
    assert list(mixed) == [obj]
    assert list(mixed.iterator(chunk_size=7)) == [obj]
    assert mixed.first() == mixed.last() == mixed.get() == obj
    assert mixed.contains(obj)
    assert list(mixed.instances_of(model)) == [obj]
    assert list(user.preferred_videos.instances_of(model)) == [obj]
    assert mixed.all().count() == len(JUNK) + len(padded) + 1
    name = model._meta.model_name
    column = obj._meta.pk.name
    assert list(mixed.filter(**{f"{name}__{column}": obj.pk})) == [obj]
    assert list(mixed.order_by(f"{name}__{column}", "pk")) == [obj]
    found = [key for key in mixed.values_list(f"{name}__{column}", flat=True) if key]
    assert found == [obj.pk]
    assert list(obj.user_set.all()) == [user]
    assert list(model.objects.filter(user=user)) == [obj]
    assert User.objects.prefetch_related("preferred_videos").get()
    user.preferred_videos.set([obj])
    assert mixed.all().count() == 1


@pytest.mark.parametrize("model", [Opera, Poster])
def test_other_spellings_of_a_key_are_junk(user, model):
    """Else a target could be linked twice."""
    opera = Opera.objects.create(title="x")
    obj = opera if model is Opera else Poster.objects.create(opera=opera)
    link(user, model, opera.pk.hex)
    if connection.vendor != "mysql":
        # To MariaDB, text in capitals is the same as without.
        link(user, model, str(opera.pk).upper())
    assert list(user.preferred_videos.all()) == []
    assert not user.preferred_videos.contains(obj)
    assert list(user.preferred_videos.filter(**{model._meta.model_name: obj})) == []
    assert list(user.preferred_videos.instances_of(model)) == []
    assert list(obj.user_set.all()) == []


def test_a_key_that_is_used_again_by_a_later_object_is_its_link(user):
    """The row says no more; deleting through Django removes it."""
    movie = Movie.objects.create(title="old")
    user.preferred_videos.add(movie)
    vanish(movie)
    Movie.objects.create(pk=movie.pk, title="new")
    assert titles(user.preferred_videos.all()) == ["new"]
    Movie.objects.get().delete()
    Movie.objects.create(pk=movie.pk, title="newest")
    assert titles(user.preferred_videos.all()) == []


def test_models_that_cannot_be_linked_are_dangling(user):
    """Nobody can add them, but a row may name them."""
    Measure.objects.create(value=1.5)
    link(user, Measure, "1.5")
    assert list(user.preferred_videos.all()) == []
    assert user.preferred_videos.count() == 1


# Where links would be mistaken for targets.


def test_keys_of_links_are_not_taken_for_keys_of_targets(mixed):
    for queryset in (mixed, mixed.filter(Model=Movie), mixed[:2], mixed.order_by("pk")):
        with pytest.raises(TypeError, match="instances_of"):
            list(Movie.objects.filter(pk__in=queryset))
        with pytest.raises(TypeError, match="instances_of"):
            list(Opera.objects.exclude(id__in=queryset))
    with pytest.raises(TypeError, match="instances_of"):
        list(Opera.objects.filter(Q(pk__in=mixed) | Q(title="x")))
    with pytest.raises(TypeError, match="instances_of"):
        list(Opera.objects.filter(pk=mixed[:1]))
    with pytest.raises((TypeError, ValueError)):
        list(Opera.objects.filter(director__in=mixed))
    with pytest.raises((TypeError, ValueError)):
        list(Person.objects.filter(movie__in=mixed))


@pytest.mark.parametrize("model", [Movie, Opera, Concert, Book])
def test_a_manager_is_not_taken_for_a_list_of_keys(user, mixed, model):
    """It is iterable, and some fields would take the text of a target for a key."""
    with pytest.raises(TypeError, match="instances_of"):
        list(model.objects.filter(pk__in=user.preferred_videos))


def test_a_manager_is_good_where_its_queryset_is(user, mixed):
    queryset = User.objects.filter(preferred_videos__in=user.preferred_videos)
    assert {found.name for found in queryset} == {"Jack", "Jill"}


def test_the_way_that_the_error_names_works(user, mixed):
    assert Movie.objects.filter(pk__in=mixed.instances_of(Movie)).count() == 2
    assert (
        Movie.objects.exclude(pk__in=user.preferred_videos.instances_of(Movie))
        .get()
        .title
        == "Hers"
    )


def test_mixed_querysets_as_values_of_their_own_field(user, mixed):
    jill = User.objects.get(name="Jill")
    others = User.objects.filter(preferred_videos__in=mixed).exclude(pk=user.pk)
    assert list(others.distinct()) == [jill]
    operas = mixed.filter(Model=Opera)
    assert list(User.objects.filter(preferred_videos__in=operas)) == [user]
    assert list(User.objects.filter(preferred_videos__in=mixed.none())) == []
    assert list(
        User.objects.filter(preferred_videos__in=Movie.objects.filter(title="Hers"))
    ) == [jill]


def test_mixed_querysets_of_another_field_are_no_values(mixed):
    with pytest.raises(TypeError):
        list(Undeclared.objects.filter(things__in=mixed))


def test_explicit_columns_are_no_mistake(mixed, user):
    keys = mixed.filter(Model=Concert).values("gm2m_pk")
    assert Concert.objects.filter(pk__in=keys).get().code == "woodstock"
    links = mixed.values(link=F("pk"))
    assert Through.objects.filter(pk__in=links).count() == 6


def test_mixed_querysets_can_be_asked_whether_they_exist(user, mixed):
    assert User.objects.filter(Exists(mixed)).count() == 2
    assert User.objects.filter(Exists(mixed.filter(Model=Poster))).count() == 0
    annotated = User.objects.annotate(has=Exists(mixed.filter(Model=Movie)))
    assert annotated.get(pk=user.pk).has is True


# What a mixed queryset refuses.

REFUSED = {
    "update": (lambda q: q.update(gm2m_pk="1"), r"instances_of\(Model\)\.update"),
    "delete": (lambda q: q.delete(), r"clear\(\)"),
    "in_bulk": (lambda q: q.in_bulk(), r"instances_of\(Model\)\.in_bulk"),
    "in_bulk of keys": (lambda q: q.in_bulk([1]), r"instances_of\(Model\)\.in_bulk"),
    "bulk_create": (lambda q: q.bulk_create([]), r"add\(\)"),
    "bulk_update": (lambda q: q.bulk_update([], ["x"]), "objects.bulk_update"),
    "raw": (lambda q: q.raw("SELECT 1"), r"objects\.raw"),
    "dates": (lambda q: q.dates("x", "year"), r"instances_of\(Model\)\.dates"),
    "datetimes": (
        lambda q: q.datetimes("x", "year"),
        r"instances_of\(Model\)\.datetimes",
    ),
    "select_related": (lambda q: q.select_related("director"), "GenericPrefetch"),
    "select_related of all": (lambda q: q.select_related(), "GenericPrefetch"),
    "only": (lambda q: q.only("title"), "GenericPrefetch"),
    "defer": (lambda q: q.defer("title"), "GenericPrefetch"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("of", ["queryset", "manager"])
def test_what_would_act_on_links_is_refused(
    user, mixed, case, of, django_assert_num_queries
):
    call, instead = REFUSED[case]
    if of == "manager" and case == "delete":
        # As on Django's managers, there is no such method.
        assert not hasattr(user.preferred_videos, "delete")
        return
    owner = mixed if of == "queryset" else user.preferred_videos
    with django_assert_num_queries(0), pytest.raises(NotSupportedError) as info:
        call(owner)
    message = str(info.value)
    assert f"{case.split()[0]}()" in message
    assert info.match(instead)


@pytest.mark.parametrize("method", ["create", "get_or_create", "update_or_create"])
def test_a_queryset_creates_nothing(mixed, method):
    with pytest.raises(NotSupportedError, match=method):
        getattr(mixed, method)(title="x")
    with pytest.raises(NotSupportedError, match=method):
        getattr(mixed, method)(Movie, title="x")


REFINED = {
    "filter": lambda q: q.filter(Model=Movie),
    "none": lambda q: q.none(),
    "slice": lambda q: q[:2],
    "values": lambda q: q.values("gm2m_pk"),
    "or": lambda q: q | q,
    "using": lambda q: q.using("default"),
    "order": lambda q: q.order_by("-pk"),
}


@pytest.mark.parametrize("refine", REFINED.values(), ids=REFINED)
def test_refined_querysets_refuse_as_well(mixed, refine):
    for call in (lambda q: q.update(gm2m_pk="1"), lambda q: q.delete()):
        with pytest.raises(NotSupportedError):
            call(refine(mixed))
    assert mixed.count() == 6


def test_resetting_what_was_never_set_is_harmless(mixed, objs):
    """Generic code does so."""
    assert list(mixed.select_related(None)) == objs
    assert list(mixed.prefetch_related(None)) == objs


# The same on the manager.


def test_the_manager_has_the_methods_of_the_queryset(user, mixed, objs):
    manager = user.preferred_videos
    assert list(manager.all()) == objs
    assert titles(manager.filter(Model=Movie)) == ["Alien", "Metropolis"]
    assert titles(manager.exclude(Model=Movie)) == titles(mixed.exclude(Model=Movie))
    assert list(manager.order_by("-pk")) == objs[::-1]
    assert list(manager.reverse()) == objs[::-1]
    assert manager.first() == objs[0]
    assert manager.last() == objs[-1]
    assert manager.earliest("pk") == objs[0]
    assert manager.latest("pk") == objs[-1]
    assert list(manager.iterator()) == objs
    assert list(manager.none()) == []
    assert manager.aggregate(n=Count("pk")) == {"n": 6}
    assert [obj.n for obj in manager.annotate(n=Value(1))] == [1] * 6
    assert list(manager.distinct()) == objs
    assert list(manager.using("default")) == objs
    assert len(manager.values()) == len(manager.values_list()) == 6
    assert manager.explain()
    assert set(manager.union(manager.none())) == set(objs)
    assert list(manager.prefetch_related("director")) == objs
    assert list(manager.complex_filter({"Model": Opera})) == [objs[1]]
    assert manager.get_queryset().count() == 6
