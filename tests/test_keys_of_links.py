"""
The key of links, which one would take for that of targets; and names and messages that
are about the field where one would see a helper's.
"""

import pytest
from django.core import serializers
from django.core.exceptions import FieldError
from django.db import NotSupportedError
from django.db.models import Case, Count, Exists, F, Max, OuterRef, Q, Value, When
from django.http import Http404
from django.shortcuts import get_list_or_404, get_object_or_404

from tests.app.models import (
    Concert,
    Movie,
    Opera,
    Playlist,
    Shelf,
    Undeclared,
    User,
    Vault,
    Video,
)

Through = User.preferred_videos.through


@pytest.fixture
def user(db):
    user = User.objects.create(name="Jack")
    user.preferred_videos.add(
        Movie.objects.create(title="Alien"),
        Opera.objects.create(title="Aida"),
        Concert.objects.create(code="x"),
    )
    return user


@pytest.fixture(params=["manager", "queryset", "refined", "union"])
def mixed(request, user):
    return {
        "manager": user.preferred_videos,
        "queryset": user.preferred_videos.all(),
        "refined": user.preferred_videos.filter(Model=Movie).order_by("-pk"),
        "union": user.preferred_videos.all() | user.preferred_videos.all(),
    }[request.param]


CONDITIONS = [
    {"pk": 1},
    {"pk__in": [1]},
    {"pk__gte": 1},
    {"pk__isnull": False},
    {"id": 1},
    {"id__lt": 1},
    {"pk": None},
    {"pk": "x"},
    {"pk__in": Movie.objects.all()},
    {"pk": F("gm2m_src")},
    {"gm2m_pk": "1", "id": 1},
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=range(len(CONDITIONS)))
def test_conditions_on_the_key_are_refused(mixed, condition):
    queryset = mixed.all()
    for call in (
        lambda: queryset.filter(**condition),
        lambda: queryset.exclude(**condition),
        lambda: queryset.get(**condition),
        lambda: queryset.filter(Q(**condition)),
        lambda: queryset.filter(~Q(**condition)),
        lambda: queryset.exclude(Q(Model=Movie) | Q(Q(**condition), gm2m_pk="1")),
        lambda: queryset.complex_filter(condition),
        lambda: queryset.complex_filter(Q(**condition)),
        lambda: mixed.filter(**condition),
        lambda: get_object_or_404(mixed, **condition),
        lambda: get_list_or_404(mixed, **condition),
    ):
        with pytest.raises(FieldError) as error:
            call()
        message = str(error.value)
        for part in (
            "app.User.preferred_videos",
            "movie=…",
            "User.preferred_videos.through.objects",
        ):
            assert part in message
        assert "'pk" in message or "'id" in message


@pytest.mark.parametrize("name", ["pk", "id"])
def test_columns_of_the_key_are_refused(mixed, name):
    for call in (
        lambda: mixed.values(name),
        lambda: mixed.values("gm2m_pk", name),
        lambda: mixed.values_list(name),
        lambda: mixed.values_list(name, flat=True),
        lambda: mixed.values_list("gm2m_pk", name, named=True),
        lambda: mixed.annotate(n=Value(1)).values("n", name),
    ):
        with pytest.raises(FieldError, match=r"through\.objects"):
            call()


def test_a_mixed_queryset_is_no_list_of_keys(user, mixed):
    others = User.objects.create().preferred_videos
    for value in (mixed, mixed.all(), others, others.all()):
        for model in (Movie, Video, Through, User):
            with pytest.raises(TypeError, match=r"instances_of\(\)"):
                list(model.objects.filter(pk__in=value))
        with pytest.raises(TypeError, match=r"instances_of\(\)"):
            mixed.filter(pk__in=value)
        with pytest.raises(TypeError, match=r"instances_of\(\)"):
            mixed.exclude(Q(id__in=value))


def test_where_targets_are_meant_they_are_found(user):
    (movie,) = user.preferred_videos.instances_of(Movie)
    videos = user.preferred_videos
    assert get_object_or_404(videos, movie=movie) == movie
    assert list(videos.filter(movie__pk=movie.pk)) == [movie]
    assert list(videos.filter(movie=movie.pk)) == [movie]
    assert list(videos.filter(gm2m_src__pk=user.pk, movie__id=movie.pk)) == [movie]
    for value in (videos, videos.all(), videos.filter(Model=Movie), videos.all()[:0]):
        expected = [user] if value.exists() else []
        found = User.objects.filter(preferred_videos__in=value)
        assert list(found.distinct()) == expected
    assert User.objects.get(preferred_videos__in=Movie.objects.all()) == user


def test_orders_and_expressions_mean_the_link(mixed):
    count = mixed.count()
    assert len(mixed.order_by("pk")) == len(mixed.order_by("-id")) == count
    assert mixed.earliest("pk") == mixed.order_by("pk").first()
    assert mixed.aggregate(n=Count("pk"), most=Max("id"))["n"] == count
    assert {obj.link for obj in mixed.annotate(link=F("pk"))} <= set(
        Through.objects.values_list("pk", flat=True)
    )
    assert len(mixed.values(link=F("pk"))) == count
    case = Case(When(pk__gt=0, then=Value(1)), default=Value(0))
    assert {obj.n for obj in mixed.annotate(n=case)} == {1}
    inner = Through.objects.filter(pk=OuterRef("pk"))
    assert mixed.filter(Exists(inner)).count() == count
    assert set(mixed.values()[0]) >= {"id", "gm2m_pk"}


def test_keys_of_custom_throughs(db):
    """An automatic key has no meaning, whatever its name; others are columns."""
    playlist, shelf = Playlist.objects.create(), Shelf.objects.create()
    vault = Vault.objects.create()
    for manager in (playlist.items, shelf.videos, vault.works):
        with pytest.raises(FieldError, match=r"\.through\.objects"):
            manager.filter(id=1)
        with pytest.raises(FieldError, match=r"\.through\.objects"):
            manager.values("pk")
    assert list(playlist.items.filter(note="x", position=1)) == []


def test_sources_without_related_models_name_no_one_elses(db):
    things = Undeclared.objects.create().others
    with pytest.raises(FieldError, match=r"Undeclared\.others\.through\.objects"):
        things.filter(pk=1)


# Messages.


def test_deleting_names_what_removes_links(mixed):
    with pytest.raises(NotSupportedError) as error:
        mixed.filter(Model=Movie).delete()
    message = str(error.value)
    assert "remove()" in message
    assert "User.preferred_videos.through.objects" in message
    assert "instances_of" not in message
    assert Movie.objects.exists()


def test_updating_names_both_ways(mixed):
    with pytest.raises(NotSupportedError) as error:
        mixed.all().update(title="x")
    assert "instances_of(Model).update()" in str(error.value)
    assert "User.preferred_videos.through.objects" in str(error.value)


def test_managers_show_their_field_and_object(user):
    (movie,) = user.preferred_videos.instances_of(Movie)
    for show in (repr, str):
        shown = show(user.preferred_videos)
        assert shown == f"<app.User.preferred_videos of User {user.pk}>"
        assert show(movie.user_set) == f"<app.Movie.user_set of Movie {movie.pk}>"


def test_managers_are_iterable(user):
    (movie,) = user.preferred_videos.instances_of(Movie)
    assert list(user.preferred_videos) == list(user.preferred_videos.all())
    assert [obj for obj in user.preferred_videos if obj == movie] == [movie]
    assert list(movie.user_set) == [user]
    assert movie in list(user.preferred_videos)


def test_get_object_or_404_names_the_field(user):
    for one in (user.preferred_videos, user.preferred_videos.all()):
        with pytest.raises(Http404, match="preferred_videos"):
            get_object_or_404(one, movie__title="nothing")
        with pytest.raises(Http404, match="preferred_videos"):
            get_list_or_404(one, movie__title="nothing")


def test_targets_of_rows_cannot_be_set_by_the_names_of_models(user):
    row = Through.objects.get(movie__isnull=False)
    new = Through()
    for one in (row, new):
        with pytest.raises(TypeError) as error:
            one.movie = Movie()
        message = str(error.value)
        assert "User_preferred_videos.movie cannot be set" in message
        assert "'gm2m_tgt'" in message
        assert "keyword" not in message
    for model in (Through, Playlist.items.through):
        name = "movie" if model is Through else "video"
        with pytest.raises(TypeError, match="got unexpected keyword arguments"):
            model(**{name: None})


# only("pk")


def test_only_the_key_gives_objects(user, django_assert_num_queries):
    objs = list(user.preferred_videos.all())
    for videos in (user.preferred_videos, user.preferred_videos.all()):
        found = list(videos.only("pk"))
        assert found == objs
        assert found[0].get_deferred_fields() >= {"year"}
        with django_assert_num_queries(1):
            assert found[0].title == "Alien"
        assert videos.only("pk").first() == objs[0]
        assert list(videos.only("pk").filter(Model=Movie)) == objs[:1]
        assert list(videos.all().select_related(None).only("pk")) == objs


def test_serializers_get_references(user):
    expected = [
        [[obj._meta.app_label, obj._meta.model_name], str(obj.pk)]
        for obj in user.preferred_videos.all()
    ]
    plain = User.objects.get()
    cached = User.objects.prefetch_related("preferred_videos").get()
    for one in (plain, cached):
        (data,) = serializers.serialize("python", [one])
        assert data["fields"]["preferred_videos"] == expected
        assert "app.movie:" in serializers.serialize("xml", [one])


def test_columns_of_a_list_can_be_looked_up(user):
    titles = user.preferred_videos.values("movie__title")
    assert [movie.title for movie in Movie.objects.filter(title__in=titles)] == [
        "Alien"
    ]
