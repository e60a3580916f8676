"""``m2m_changed``, as ``ManyToManyField`` sends it, but once for each target model."""

import datetime
from typing import NamedTuple

import django
import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import m2m_changed

from tests.app.models import (
    Book,
    Club,
    Concert,
    Critic,
    Member,
    Movie,
    Opera,
    Plant,
    Playlist,
    Poster,
    Premiere,
    ProxyLover,
    Rack,
    Shelf,
    ShelfPlace,
    Undeclared,
    User,
    UserProxy,
    Video,
    VideoProxy,
)
from tests.queries import LOCK

Through = User.preferred_videos.through


class Sent(NamedTuple):
    action: str
    reverse: bool
    model: type[Model] | None
    pk_set: set | None


class Receiver:
    """Keeps what was sent; fails on demand."""

    def __init__(self):
        self.calls = []
        self.fail_at = None

    def __call__(self, **kwargs):
        self.calls.append(kwargs)
        if kwargs["action"] == self.fail_at:
            raise RuntimeError(self.fail_at)

    @property
    def sent(self):
        """What was sent since this was last asked."""
        calls, self.calls = self.calls, []
        return [
            Sent(call["action"], call["reverse"], call["model"], call["pk_set"])
            for call in calls
        ]


@pytest.fixture
def receiver():
    receiver = Receiver()
    m2m_changed.connect(receiver)
    yield receiver
    m2m_changed.disconnect(receiver)


@pytest.fixture
def user(db):
    return User.objects.create(name="Jack")


@pytest.fixture
def movies(db):
    return [Movie.objects.create(title=title) for title in "ab"]


@pytest.fixture
def opera(db):
    return Opera.objects.create(title="Aida")


def before_and_after(action, reverse, *models_and_keys):
    """One signal for each model before the change, then one for each after it."""
    return [
        Sent(f"{moment}_{action}", reverse, model, keys)
        for moment in ("pre", "post")
        for model, keys in models_and_keys
    ]


def rows(through=Through):
    return list(through.objects.order_by("pk").values())


# From a source.


def test_add(user, movies, opera, receiver):
    first, second = movies
    user.preferred_videos.add(first, opera, second)
    assert receiver.sent == before_and_after(
        "add", False, (Movie, {first.pk, second.pk}), (Opera, {opera.pk})
    )


@pytest.fixture
def veto():
    """Take these keys, by action and model, out of what is about to be written."""
    taken = {}

    def receiver(action, model, pk_set, **kwargs):
        if pk_set is not None:
            pk_set -= taken.get((action, model), set())

    m2m_changed.connect(receiver)
    yield taken
    m2m_changed.disconnect(receiver)


def test_receivers_may_keep_out_what_is_added(user, movies, opera, veto):
    first, second = movies
    veto["pre_add", Movie] = {first.pk}
    veto["pre_add", User] = {user.pk}
    user.preferred_videos.add(first, opera)
    first.user_set.add(user)
    assert list(user.preferred_videos.all()) == [opera]
    user.preferred_videos.set([first, second])
    assert list(user.preferred_videos.all()) == [second]


def test_receivers_may_keep_what_is_removed(user, movies, opera, veto):
    first, second = movies
    user.preferred_videos.add(first, second, opera)
    veto["pre_remove", Movie] = {first.pk}
    veto["pre_remove", User] = {user.pk}
    user.preferred_videos.remove(first, second)
    first.user_set.remove(user)
    assert list(user.preferred_videos.all()) == [first, opera]
    user.preferred_videos.set([])
    assert list(user.preferred_videos.all()) == [first]


def test_the_other_arguments(user, movies, receiver):
    user.preferred_videos.add(*movies)
    user.preferred_videos.remove(*movies)
    user.preferred_videos.clear()
    assert len(receiver.calls) == 6
    for call in receiver.calls:
        assert call["sender"] is User.preferred_videos.through
        assert call["instance"] is user
        assert call["using"] == "default"
        assert call["signal"] is m2m_changed
        expected = {
            "signal",
            "sender",
            "action",
            "instance",
            "reverse",
            "model",
            "pk_set",
            "using",
        }
        if django.VERSION >= (6, 1):
            # Django 6.1 tells fixtures from other changes.
            expected.add("raw")
            assert call["raw"] is False
        assert set(call) == expected


def test_keys_are_native(user, receiver):
    opera = Opera.objects.create(title="Aida")
    targets = {
        Movie.objects.create(title="x"): Movie,
        opera: Opera,
        Concert.objects.create(code="007"): Concert,
        Premiere.objects.create(day=datetime.date(2000, 2, 29)): Premiere,
        Poster.objects.create(opera=opera): Poster,
        Book.objects.create(title="x"): Book,
    }
    expected = {model: {obj.pk} for obj, model in targets.items()}

    def keys(action):
        sent = [signal for signal in receiver.sent if signal.action == action]
        assert len(sent) == len(targets)
        return {signal.model: signal.pk_set for signal in sent}

    user.preferred_videos.add(*targets)
    assert keys("pre_add") == expected
    user.preferred_videos.remove(*targets)
    assert keys("post_remove") == expected
    user.preferred_videos.add(*targets)
    assert keys("post_add") == expected
    # These keys are read from the through table, which keeps text.
    user.preferred_videos.set([])
    assert keys("pre_remove") == expected


def test_nothing_is_sent_when_there_is_nothing_to_do(user, movies, receiver):
    user.preferred_videos.add()
    user.preferred_videos.remove()
    user.preferred_videos.set([])
    assert receiver.sent == []
    user.preferred_videos.add(*movies)
    assert receiver.sent
    user.preferred_videos.set(movies)
    assert receiver.sent == []


def test_what_is_linked_already_is_told_without_keys(user, movies, opera, receiver):
    """As by Django's own field."""
    user.preferred_videos.add(*movies)
    assert receiver.sent
    user.preferred_videos.add(*movies)
    assert receiver.sent == before_and_after("add", False, (Movie, set()))
    user.preferred_videos.add(movies[0], opera, movies[0])
    assert receiver.sent == before_and_after(
        "add", False, (Movie, set()), (Opera, {opera.pk})
    )


def test_only_what_is_new_is_told(user, movies, opera, receiver):
    first, second = movies
    user.preferred_videos.add(first)
    assert receiver.sent
    user.preferred_videos.add(first, second, second, opera)
    assert receiver.sent == before_and_after(
        "add", False, (Movie, {second.pk}), (Opera, {opera.pk})
    )


def test_remove(user, movies, opera, receiver):
    first, second = movies
    user.preferred_videos.add(first, second, opera)
    assert receiver.sent
    user.preferred_videos.remove(opera, first)
    assert receiver.sent == before_and_after(
        "remove", False, (Opera, {opera.pk}), (Movie, {first.pk})
    )


def test_removing_nothing_sends_nothing(user, receiver):
    user.preferred_videos.remove()
    assert receiver.sent == []


def test_remove_tells_what_was_asked_for(user, movies, receiver):
    """As Django does: also what is not linked."""
    user.preferred_videos.remove(movies[0])
    assert receiver.sent == before_and_after("remove", False, (Movie, {movies[0].pk}))


def by_name(sent):
    """In one order where it is nobody's concern which model comes first."""
    return sorted(sent, key=lambda signal: (signal.action[:3], signal.model.__name__))


def cleared(*models):
    return by_name(before_and_after("clear", False, *((m, None) for m in models)))


def test_clear_is_sent_once_for_each_model(user, movies, opera, receiver):
    user.preferred_videos.add(*movies, opera)
    assert receiver.sent
    user.preferred_videos.clear()
    sent = receiver.sent
    assert by_name(sent) == cleared(Movie, Opera)
    # All of them before the links go.
    assert [signal.action for signal in sent] == ["pre_clear"] * 2 + ["post_clear"] * 2


def test_clear_of_nothing_is_sent_once(user, receiver):
    """As Django does: with the field's related model, which has no objects."""
    user.preferred_videos.clear()
    model = User.preferred_videos.rel.model
    assert receiver.sent == before_and_after("clear", False, (model, None))
    assert issubclass(model, Model)
    assert not model._default_manager.exists()


def test_clear_of_what_is_not_installed_names_a_model(user, receiver):
    stale = ContentType.objects.create(app_label="nowhere", model="thing")
    Through.objects.create(gm2m_src=user, gm2m_ct=stale, gm2m_pk="7")
    user.preferred_videos.clear()
    model = User.preferred_videos.rel.model
    assert receiver.sent == before_and_after("clear", False, (model, None))
    assert rows() == []


def test_clear_does_not_name_what_stays(user, movies, receiver):
    plant = Plant.objects.create(name="rose", dead=True)
    user.preferred_videos.add(movies[0], plant)
    assert receiver.sent
    user.preferred_videos.clear()
    assert receiver.sent == before_and_after("clear", False, (Movie, None))
    assert len(rows()) == 1


def test_clear_asks_for_models_only_if_somebody_listens(
    user, movies, opera, django_assert_num_queries
):
    user.preferred_videos.add(*movies, opera)
    m2m_changed.connect(ignore, sender=Through)
    try:
        with django_assert_num_queries(2 + LOCK):
            user.preferred_videos.clear()
        user.preferred_videos.add(opera)
    finally:
        m2m_changed.disconnect(ignore, sender=Through)
    with django_assert_num_queries(1 + LOCK):
        user.preferred_videos.clear()


def ignore(**kwargs):
    """Listen to nothing."""


def test_set_tells_the_difference(user, movies, opera, receiver):
    first, second = movies
    user.preferred_videos.add(first, opera)
    assert receiver.sent
    user.preferred_videos.set([opera, second])
    assert receiver.sent == [
        *before_and_after("remove", False, (Movie, {first.pk})),
        *before_and_after("add", False, (Movie, {second.pk})),
    ]
    user.preferred_videos = [opera]
    assert receiver.sent == before_and_after("remove", False, (Movie, {second.pk}))


def test_set_with_clear(user, movies, opera, receiver):
    first, _ = movies
    user.preferred_videos.add(first, opera)
    assert receiver.sent
    user.preferred_videos.set([opera], clear=True)
    sent = receiver.sent
    assert by_name(sent[:4]) == cleared(Movie, Opera)
    assert sent[4:] == before_and_after("add", False, (Opera, {opera.pk}))


def test_create(user, receiver):
    movie = user.preferred_videos.create(Movie, title="x")
    assert receiver.sent == before_and_after("add", False, (Movie, {movie.pk}))
    user.preferred_videos.get_or_create(Movie, title="x")
    user.preferred_videos.update_or_create(Movie, title="x", defaults={"year": 1})
    assert receiver.sent == []
    opera, _ = user.preferred_videos.get_or_create(Opera, title="y")
    assert receiver.sent == before_and_after("add", False, (Opera, {opera.pk}))


def test_the_table_as_the_receiver_finds_it(user, movies):
    counts = []

    def receiver(action, instance, **kwargs):
        # The manager of the instance that is told, and not its cache.
        counts.append((action, instance.preferred_videos.count()))

    m2m_changed.connect(receiver, sender=Through)
    try:
        user.preferred_videos.add(*movies)
        user.preferred_videos.remove(movies[0])
        user.preferred_videos.set([movies[0]])
        user.preferred_videos.clear()
    finally:
        m2m_changed.disconnect(receiver, sender=Through)
    assert counts == [
        ("pre_add", 0),
        ("post_add", 2),
        ("pre_remove", 2),
        ("post_remove", 1),
        ("pre_remove", 1),
        ("post_remove", 0),
        ("pre_add", 0),
        ("post_add", 1),
        ("pre_clear", 1),
        ("post_clear", 0),
    ]


@pytest.mark.parametrize("method", ["add", "remove"])
def test_receivers_may_read_while_a_cache_is_there(user, movies, method):
    """What a receiver reads before the change must not be kept beyond it."""
    user.preferred_videos.add(movies[0])
    loaded = User.objects.prefetch_related("preferred_videos").get()

    def receiver(instance, **kwargs):
        list(instance.preferred_videos.all())

    m2m_changed.connect(receiver, sender=Through)
    try:
        getattr(loaded.preferred_videos, method)(*movies)
    finally:
        m2m_changed.disconnect(receiver, sender=Through)
    assert list(loaded.preferred_videos.all()) == (movies if method == "add" else [])


def test_rows_that_dangle_are_told_as_they_stand(user, movies, receiver):
    """Their model may be unknown, their key no key of the model."""
    stale = ContentType.objects.create(app_label="nowhere", model="thing")
    movie_type = ContentType.objects.get_for_model(Movie)
    for content_type, key in ((stale, "7"), (movie_type, "junk")):
        Through.objects.create(gm2m_src=user, gm2m_ct=content_type, gm2m_pk=key)
    user.preferred_videos.set([])
    sent = receiver.sent
    expected = before_and_after("remove", False, (None, {"7"}), (Movie, {"junk"}))
    # The order of the two is nobody's concern.
    assert len(sent) == len(expected)
    assert all(signal in sent for signal in expected)
    assert rows() == []


def test_the_sender_can_be_chosen(user, movies):
    ours, theirs = Receiver(), Receiver()
    m2m_changed.connect(ours, sender=User.preferred_videos.through)
    m2m_changed.connect(theirs, sender=Undeclared.things.through)
    try:
        user.preferred_videos.add(*movies)
        assert len(ours.sent) == 2
        assert theirs.sent == []
        Undeclared.objects.create().things.add(*movies)
        assert len(theirs.sent) == 2
        assert ours.sent == []
    finally:
        m2m_changed.disconnect(ours, sender=User.preferred_videos.through)
        m2m_changed.disconnect(theirs, sender=Undeclared.things.through)


def test_parents_children_and_proxies_of_targets(user, receiver):
    movie = Movie.objects.create(title="x")
    video = movie.video_ptr
    proxy = VideoProxy.objects.get()
    user.preferred_videos.add(movie, video)
    assert receiver.sent == before_and_after(
        "add", False, (Movie, {movie.pk}), (Video, {video.pk})
    )
    user.preferred_videos.remove(proxy)
    assert receiver.sent == before_and_after("remove", False, (Video, {video.pk}))
    lover = ProxyLover.objects.create()
    lover.things.add(proxy)
    assert receiver.sent == before_and_after("add", False, (VideoProxy, {video.pk}))
    lover.things.set([])
    assert receiver.sent == before_and_after("remove", False, (VideoProxy, {video.pk}))


@pytest.mark.parametrize("model", [Critic, UserProxy])
def test_children_and_proxies_of_the_source(movies, receiver, model):
    source = model.objects.create(name="x")
    source.preferred_videos.add(movies[0])
    assert [call["instance"] for call in receiver.calls] == [source, source]
    assert {call["sender"] for call in receiver.calls} == {Through}
    assert receiver.sent == before_and_after("add", False, (Movie, {movies[0].pk}))


def test_a_custom_through_model(opera, receiver):
    playlist = Playlist.objects.create()
    playlist.items.add(opera, through_defaults={"note": "x"})
    assert {call["sender"] for call in receiver.calls} == {Playlist.items.through}
    assert receiver.sent == before_and_after("add", False, (Opera, {opera.pk}))
    playlist.items.set([])
    assert receiver.sent == before_and_after("remove", False, (Opera, {opera.pk}))


def test_a_key_column_of_the_targets_own_kind(db, receiver):
    shelf = Shelf.objects.create()
    video = Video.objects.create(title="x")
    shelf.videos.add(video)
    assert receiver.sent == before_and_after("add", False, (Video, {video.pk}))
    # Twice in the table, once in the signal.
    ShelfPlace.objects.create(
        shelf=shelf,
        video_type=ContentType.objects.get_for_model(Video),
        video_id=video.pk,
    )
    shelf.videos.set([])
    assert receiver.sent == before_and_after("remove", False, (Video, {video.pk}))
    assert not ShelfPlace.objects.exists()


# From a target.


def test_add_from_a_target(movies, receiver):
    movie, _ = movies
    ann, bea = (User.objects.create(name=name) for name in ("Ann", "Bea"))
    movie.user_set.add(ann, bea.pk)
    assert [call["instance"] for call in receiver.calls] == [movie, movie]
    assert {call["sender"] for call in receiver.calls} == {Through}
    assert receiver.sent == before_and_after("add", True, (User, {ann.pk, bea.pk}))
    movie.user_set.add(ann, bea.pk, str(bea.pk))
    assert receiver.sent == before_and_after("add", True, (User, set()))
    movie.user_set.add()
    assert receiver.sent == []


def test_keys_of_sources_are_native_however_they_are_given(movies, user, receiver):
    movies[0].user_set.add(str(user.pk))
    assert receiver.sent == before_and_after("add", True, (User, {user.pk}))
    movies[0].user_set.remove(str(user.pk))
    assert receiver.sent == before_and_after("remove", True, (User, {user.pk}))


def test_remove_and_clear_from_a_target(movies, user, receiver):
    movie, _ = movies
    movie.user_set.add(user)
    assert receiver.sent
    movie.user_set.remove(user)
    assert receiver.sent == before_and_after("remove", True, (User, {user.pk}))
    movie.user_set.remove()
    assert receiver.sent == []
    movie.user_set.clear()
    assert receiver.sent == before_and_after("clear", True, (User, None))


def test_set_from_a_target(movies, receiver):
    movie, _ = movies
    ann, bea, cid = (User.objects.create(name=name) for name in "abc")
    movie.user_set.add(ann, bea)
    assert receiver.sent
    movie.user_set.set([bea, cid.pk])
    assert receiver.sent == [
        *before_and_after("remove", True, (User, {ann.pk})),
        *before_and_after("add", True, (User, {cid.pk})),
    ]
    movie.user_set.set([bea, cid])
    assert receiver.sent == []
    movie.user_set.set([ann], clear=True)
    assert receiver.sent == [
        *before_and_after("clear", True, (User, None)),
        *before_and_after("add", True, (User, {ann.pk})),
    ]


def test_create_from_a_target(movies, receiver):
    made = movies[0].user_set.create(name="x")
    assert receiver.sent == before_and_after("add", True, (User, {made.pk}))
    movies[0].user_set.get_or_create(name="x")
    assert receiver.sent == []


def test_the_same_link_from_the_other_end_is_not_new(movies, user, receiver):
    user.preferred_videos.add(movies[0])
    assert receiver.sent
    movies[0].user_set.add(user)
    assert receiver.sent == before_and_after("add", True, (User, set()))


def test_a_source_that_is_known_by_another_field_than_its_key(db, receiver):
    video = Video.objects.create(title="x")
    a, b = Rack.objects.create(code="a"), Rack.objects.create(code="b")
    video.racks.add(a, "b")
    # As with Django's to_field: what the key to the source holds.
    assert receiver.sent == before_and_after("add", True, (Rack, {"a", "b"}))
    video.racks.set([b])
    assert receiver.sent == before_and_after("remove", True, (Rack, {"a"}))


def test_hidden_sources_are_not_told_of(db, receiver):
    video = Video.objects.create(title="x")
    shown = Club.everything.create(name="shown")
    secret = Club.everything.create(name="secret", secret=True)
    for club in (shown, secret):
        club.library.add(video)
    assert receiver.sent
    video.clubs.set([])
    assert receiver.sent == before_and_after("remove", True, (Club, {shown.pk}))


def test_a_hidden_source_that_is_linked_is_not_new(db, receiver):
    video = Video.objects.create(title="x")
    secret = Club.everything.create(name="secret", secret=True)
    secret.library.add(video)
    assert receiver.sent
    nothing_new = before_and_after("add", True, (Club, set()))
    video.clubs.add(secret)
    assert receiver.sent == nothing_new
    # To set(), it is new: the manager does not see it. As in Django, nothing is added.
    video.clubs.set([secret])
    assert receiver.sent == nothing_new
    assert Club.library.through.objects.count() == 1


def test_two_fields_of_one_source(db, receiver):
    video = Video.objects.create(title="x")
    member = Member.objects.create(name="x")
    video.critics.add(member)
    assert {call["sender"] for call in receiver.calls} == {Member.dislikes.through}
    assert receiver.sent == before_and_after("add", True, (Member, {member.pk}))


# Receivers that raise.


@pytest.fixture(params=["pre_{}", "post_{}"], ids=["before", "after"])
def moment(request):
    return request.param


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("action", "write"),
    [
        ("add", lambda manager, objs: manager.add(*objs)),
        ("add", lambda manager, objs: manager.set(objs)),
        ("add", lambda manager, objs: manager.set(objs, clear=True)),
        ("remove", lambda manager, objs: manager.set(objs)),
        ("remove", lambda manager, objs: manager.remove(objs[0])),
        ("clear", lambda manager, objs: manager.set(objs, clear=True)),
        ("clear", lambda manager, objs: manager.clear()),
    ],
    ids=[
        "add",
        "add by set",
        "add by set, clear",
        "remove by set",
        "remove",
        "clear by set",
        "clear",
    ],
)
@pytest.mark.parametrize("end", ["source", "target"])
def test_a_receiver_that_raises_undoes_the_call(receiver, moment, action, write, end):
    if end == "source":
        instance = User.objects.create(name="x")
        objs = [Movie.objects.create(title=title) for title in "abc"]
        objs.append(Opera.objects.create(title="Aida"))
        manager = instance.preferred_videos
    else:
        instance = Movie.objects.create(title="x")
        objs = [User.objects.create(name=name) for name in "abcd"]
        manager = instance.user_set
    manager.add(*objs[:2])
    before = rows()
    receiver.fail_at = moment.format(action)
    with pytest.raises(RuntimeError, match=receiver.fail_at):
        write(manager, objs[1:])
    assert rows() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["create", "get_or_create", "update_or_create"])
def test_a_receiver_that_raises_undoes_a_creation(receiver, moment, method):
    user, movie = User.objects.create(name="x"), Movie.objects.create(title="x")
    receiver.fail_at = moment.format("add")
    with pytest.raises(RuntimeError):
        getattr(user.preferred_videos, method)(Movie, title="new")
    with pytest.raises(RuntimeError):
        getattr(movie.user_set, method)(name="new")
    assert (Movie.objects.count(), User.objects.count(), rows()) == (1, 1, [])


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_raises_and_is_caught_in_a_transaction(receiver):
    """The savepoint of the caller is what can be gone back to."""
    user, movie = User.objects.create(name="x"), Movie.objects.create(title="x")
    receiver.fail_at = "post_add"
    with transaction.atomic():
        with pytest.raises(RuntimeError), transaction.atomic():
            user.preferred_videos.add(movie)
        assert user.preferred_videos.count() == 0


# The database, and fixtures.


@pytest.mark.django_db(databases=["default", "other"])
def test_the_database_is_told(receiver):
    user = User.objects.using("other").create(name="x")
    movie = Movie.objects.using("other").create(title="x")
    user.preferred_videos.add(movie)
    movie.user_set.clear()
    assert [call["using"] for call in receiver.calls] == ["other"] * 4


@pytest.mark.skipif(django.VERSION < (6, 1), reason="`raw` came with Django 6.1.")
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("clear", [True, False])
@pytest.mark.parametrize("end", ["source", "target"])
def test_raw(user, movies, opera, receiver, raw, clear, end):
    """Django's deserializer says so by `set_base()`."""
    if end == "source":
        user.preferred_videos.add(movies[0])
        new, manager = [movies[1], opera], user.preferred_videos
    else:
        movies[0].user_set.add(user)
        new, manager = [User.objects.create(name="y")], movies[0].user_set
    assert receiver.sent
    manager.set_base(new, raw=raw, clear=clear)
    actions = {call["action"] for call in receiver.calls}
    first = "clear" if clear else "remove"
    assert actions == {f"pre_{first}", f"post_{first}", "pre_add", "post_add"}
    assert {call["raw"] for call in receiver.calls} == {raw}


@pytest.mark.skipif(django.VERSION >= (6, 1), reason="Django 6.1 sends `raw`.")
def test_receivers_without_raw_go_on_working(user, movies):
    calls = []

    def receiver(sender, action, instance, reverse, model, pk_set, using, signal):
        calls.append(action)

    m2m_changed.connect(receiver, sender=Through)
    try:
        user.preferred_videos.add(*movies)
    finally:
        m2m_changed.disconnect(receiver, sender=Through)
    assert calls == ["pre_add", "post_add"]
