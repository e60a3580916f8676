"""Unknown names in lookups: the error lists those there are, with the nearest."""

import pickle

import pytest
from django.core.exceptions import FieldError
from django.db.models import Count, F, Max, Q

from .app.models import Movie, Playlist, User
from .lithub.models import Account, Repo

Link = User.preferred_videos.through
HELPERS = (
    "+",
    "TargetKey",
    "KeyColumn",
    "LinkRel",
    "LinkCol",
    "TargetRel",
    "AutoField",
)
MODELS = {"concert", "documentary", "movie", "opera", "poster", "premiere"}
COLUMNS = {"gm2m_ct", "gm2m_pk", "gm2m_src"}


@pytest.fixture
def user(db):
    user = User.objects.create(name="user")
    user.preferred_videos.add(Movie.objects.create(title="film"))
    return user


def refused(call):
    """Return what the error of `call()` says, and the names that it lists."""
    with pytest.raises(FieldError) as caught:
        str(call().query)
    message = str(caught.value)
    assert not any(helper in message for helper in HELPERS), message
    head, _, choices = message.partition("Choices are: ")
    return head, choices.split(", ")


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("moovie", "movie"),
        ("moovie__title", "movie"),
        ("Movie", "movie"),
        ("movies__title", "movie"),
        ("Documentary__subject__icontains", "documentary"),
        ("documentaries", "documentary"),
        ("gm2m_key", "gm2m_pk"),
        ("inn", "in"),
        ("isnul", "isnull"),
    ],
)
def test_from_a_source(user, path, nearest):
    lookup = f"preferred_videos__{path}"
    calls = [
        lambda: User.objects.filter(**{lookup: 1}),
        lambda: User.objects.exclude(**{lookup: 1}),
        lambda: User.objects.filter(Q(name="x") | ~Q(**{lookup: 1})),
        lambda: User.objects.annotate(n=Count("pk", filter=Q(**{lookup: 1}))),
        lambda: Link.objects.filter(**{f"gm2m_src__{lookup}": 1}),
        lambda: User.objects.values(lookup),
        lambda: User.objects.values_list(lookup),
        lambda: User.objects.order_by(f"-{lookup}"),
        lambda: User.objects.annotate(n=Max(lookup)),
        lambda: User.objects.filter(name=F(lookup)),
    ]
    for call in calls:
        message, choices = refused(call)
        assert "app.User.preferred_videos" in message
        assert f"Perhaps you meant {nearest!r}" in message
        assert {"exact", "in", "isnull"} | MODELS | COLUMNS <= set(choices)
        assert len(choices) == len(set(choices))
        assert all(name.isidentifier() for name in choices)
        assert "gm2m_tgt" not in choices


def test_each_listed_name_can_be_used(user):
    _, choices = refused(lambda: User.objects.filter(preferred_videos__nonsense=1))
    for name in choices:
        value = {"exact": None, "in": []}.get(name, True)
        path = name if name in ("exact", "in", "isnull") else f"{name}__isnull"
        assert str(User.objects.exclude(**{f"preferred_videos__{path}": value}).query)


def test_nothing_is_near(user):
    message, _ = refused(lambda: User.objects.filter(preferred_videos__zzzzzz=1))
    assert "Perhaps" not in message


def test_below_a_model(user):
    for call in (
        lambda: User.objects.filter(preferred_videos__movie__tittle="x"),
        lambda: User.objects.filter(preferred_videos__movie__tittle__icontains="x"),
        lambda: Link.objects.filter(movie__tittle="x"),
        lambda: user.preferred_videos.filter(movie__tittle="x"),
        lambda: Movie.objects.filter(user__preferred_videos__movie__tittle="x"),
    ):
        message, choices = refused(call)
        assert "app.Movie has no" in message
        assert "Perhaps you meant 'title'" in message
        assert {"title", "director", "user", "exact", "in", "isnull"} <= set(choices)
    _, choices = refused(lambda: User.objects.values("preferred_videos__movie__tittle"))
    assert "title" in choices


def test_on_a_mixed_list(user):
    videos = user.preferred_videos
    for call in (
        lambda: videos.filter(moovie__title="x"),
        lambda: videos.exclude(moovie__title="x"),
        lambda: videos.filter(Q(Model=Movie) | Q(moovie=1)),
        lambda: videos.complex_filter(Q(moovie=1)),
        lambda: videos.values("moovie__title"),
        lambda: videos.values_list("moovie"),
        lambda: videos.order_by("-moovie__title"),
        lambda: videos.filter(movie__user__preferred_videos__moovie=1),
    ):
        message, choices = refused(call)
        assert "app.User.preferred_videos has no" in message
        assert "Perhaps you meant 'movie'" in message
        assert set(choices) >= MODELS | COLUMNS
    message, choices = refused(lambda: videos.filter(titel="x"))
    # The links' own key is refused in conditions.
    assert not {"id", "pk"} & set(choices)
    with pytest.raises(FieldError, match=r"app\.User\.preferred_videos has no"):
        videos.get(title="film")


def test_names_on_a_mixed_list_that_can_be_used(user):
    videos = user.preferred_videos.annotate(key=F("gm2m_pk"))
    (film,) = Movie.objects.all()
    assert list(videos.filter(key=str(film.pk))) == [film]
    assert list(videos.filter(key="0")) == []
    assert list(videos.order_by("-key", "?")) == [film]
    assert videos.values_list("key", F("gm2m_pk")).get() == (str(film.pk),) * 2
    assert list(videos.order_by(F("gm2m_pk").desc())) == [film]
    _, choices = refused(lambda: videos.filter(keys="0"))
    assert "key" in choices


def test_custom_through(db):
    playlist = Playlist.objects.create()
    for call in (
        lambda: Playlist.objects.filter(items__postion=1),
        lambda: playlist.items.filter(postion=1),
        lambda: playlist.items.order_by("postion"),
    ):
        message, choices = refused(call)
        assert "app.Playlist.items" in message
        assert "Perhaps you meant 'position'" in message
        assert {"video", "opera", "note", "position", "playlist"} <= set(choices)


def test_a_query_that_was_pickled(user):
    query = pickle.loads(
        pickle.dumps(User.objects.alias(link=F("preferred_videos")).query)
    )
    users = User.objects.all()
    users.query = query
    message, choices = refused(lambda: users.filter(link__moovie=1))
    assert "Perhaps you meant 'movie'" in message
    assert set(choices) >= MODELS


def test_connections(db, define):
    define("named_star", Account, Repo).attach("stars", "fans")
    for call in (
        lambda: Account.objects.filter(stars__nmae="x"),
        lambda: Account.objects.filter(stars__nmae__icontains="x"),
    ):
        message, choices = refused(call)
        assert "lithub.Repo has no" in message
        assert "Perhaps you meant 'name'" in message
        assert {"name", "gone", "fans", "exact", "in", "isnull"} <= set(choices)
