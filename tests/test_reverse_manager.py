"""What ``movie.user_set`` reads and writes: the sources of one target."""

import datetime
import pickle

import django
import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldError
from django.db import IntegrityError, connection, models
from django.db.models import Count, Max, Prefetch, Q, QuerySet
from django.db.models.signals import m2m_changed
from django.template import Context, Template
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from tests.app.models import (
    Book,
    Club,
    Concert,
    Critic,
    Documentary,
    Friend,
    Hidden,
    Member,
    Movie,
    Opera,
    Playlist,
    PlaylistItem,
    Poster,
    Premiere,
    ProxyLover,
    Rack,
    RackPlace,
    Shelf,
    ShelfPlace,
    TaggedImage,
    TaggedPage,
    Undeclared,
    User,
    UserProxy,
    Video,
    VideoProxy,
    VisibleManager,
)
from tests.queries import LOCK

Through = User.preferred_videos.through

WRITING = [
    "add",
    "remove",
    "set",
    "clear",
    "create",
    "get_or_create",
    "update_or_create",
]


@pytest.fixture
def movie(db):
    return Movie.objects.create(title="Alien")


@pytest.fixture
def users(db):
    return [User.objects.create(name=name) for name in ("Ann", "Bea", "Cid")]


@pytest.fixture
def others(movie, users):
    """
    Links that no write through `movie` may touch: of other movies, and of targets of
    other models that have the same key or the text of it.
    """
    others = [
        Movie.objects.create(title="Brazil"),
        Book.objects.create(pk=movie.pk, title="Emma"),
        Concert.objects.create(code=str(movie.pk)),
    ]
    for user in users:
        user.preferred_videos.add(*others)
    return others


@pytest.fixture
def warm(db):
    """Content types are cached once per process; their queries are not ours."""
    for model in (Movie, Video, Opera, Book, Concert):
        ContentType.objects.get_for_model(model)


def names(queryset):
    return sorted(obj.name for obj in queryset)


def rows(through=Through):
    return list(through.objects.order_by("pk").values())


@pytest.fixture
def untouched(others):
    """Assert at the end that the links of `others` are those of the beginning."""
    before = rows()
    yield
    now = {row["id"]: row for row in rows()}
    assert [now.get(row["id"]) for row in before] == before


# Kinds of targets.


def test_sources_are_found_from_targets_of_every_kind_of_key(users):
    opera = Opera.objects.create(title="Aida")
    targets = [
        Movie.objects.create(title="Alien"),
        Documentary.objects.create(title="Planet"),
        opera,
        Concert.objects.create(code='it\'s % "live"'),
        Premiere.objects.create(day=datetime.date(1871, 12, 24)),
        Poster.objects.create(opera=opera),
    ]
    ann, bea, _ = users
    ann.preferred_videos.add(*targets)
    for target in targets:
        assert list(target.user_set.all()) == [ann]
        target.user_set.add(bea)
        assert target.user_set.count() == 2
        target.user_set.set([bea])
        assert list(target.user_set.all()) == [bea]
    assert list(bea.preferred_videos.all()) == targets
    assert not ann.preferred_videos.exists()


def test_equal_keys_of_several_models_are_not_confused(movie, users, others):
    _, book, concert = others
    assert list(movie.user_set.all()) == []
    movie.user_set.add(users[0])
    assert list(movie.user_set.all()) == users[:1]
    assert book.user_set.count() == concert.user_set.count() == 3
    movie.user_set.clear()
    assert book.user_set.count() == concert.user_set.count() == 3


def test_undeclared_models_have_the_accessor_when_an_object_was_added(db):
    holder = Undeclared.objects.create(name="x")
    book = Book.objects.create(title="Emma")
    holder.things.add(book)
    assert list(book.thing_holders.all()) == [holder]
    other = Undeclared.objects.create(name="y")
    book.thing_holders.add(other)
    assert list(other.things.all()) == [book]


def test_the_name_of_the_accessor_can_be_filled_in(db):
    video = Video.objects.create(title="Short")
    page, image = TaggedPage.objects.create(), TaggedImage.objects.create()
    video.app_taggedpage_things.add(page)
    assert list(page.things.all()) == [video]
    assert list(video.app_taggedimage_things.all()) == []
    video.app_taggedimage_things.set([image])
    assert list(image.things.all()) == [video]


def test_a_hidden_relation_has_no_accessor(db):
    video = Video.objects.create(title="Short")
    Hidden.objects.create().things.add(video)
    assert not hasattr(video, "hidden_set")
    assert not any("hidden" in name.lower() for name in dir(Video))


def test_a_relation_to_the_source_itself(db):
    ann, bea = (Friend.objects.create(name=name) for name in ("Ann", "Bea"))
    ann.friends.add(bea)
    assert list(bea.befriended_by.all()) == [ann]
    assert list(ann.befriended_by.all()) == []
    ann.befriended_by.add(ann)
    assert list(ann.friends.all()) == [bea, ann]


# The manager.


def test_it_is_a_manager_of_the_sources_default_class(movie):
    assert isinstance(movie.user_set, models.Manager)
    assert movie.user_set.model is User
    assert movie.user_set.through is Through
    assert movie.user_set.instance is movie
    assert type(movie.user_set.all()) is QuerySet
    video = Video.objects.create(title="Short")
    assert isinstance(video.clubs, VisibleManager)
    assert isinstance(video.admirers.all(), type(Member.objects.all()))


def test_the_class_gives_a_descriptor():
    assert Movie.user_set.field is User._meta.get_field("preferred_videos")
    assert Movie.user_set.through is Through
    for method in WRITING:
        assert not hasattr(Movie.user_set, method)


def test_the_manager_is_iterable(movie, users):
    movie.user_set.add(*users)
    assert set(movie.user_set) == set(users)
    assert users[0] in movie.user_set


@pytest.mark.parametrize("method", WRITING)
@pytest.mark.parametrize("prefix", ["", "a"], ids=["sync", "async"])
def test_writing_methods_are_marked_for_templates(movie, prefix, method):
    assert getattr(movie.user_set, prefix + method).alters_data is True


def test_templates_read_and_do_not_write(movie, users):
    movie.user_set.add(*users)
    assert movie.user_set.do_not_call_in_templates is True
    text = Template(
        "{{ movie.user_set.count }}"
        "{% for user in movie.user_set.all %}|{{ user }}{% endfor %}"
        "{{ movie.user_set.clear }}{{ movie.user_set.all.delete }}"
    ).render(Context({"movie": movie}))
    assert sorted(text.split("|")) == ["3", "Ann", "Bea", "Cid"]
    assert movie.user_set.count() == 3


# Reading.


def test_everything_that_a_queryset_has(movie, users, others):
    ann, bea, cid = users
    movie.user_set.add(ann, cid)
    sources = movie.user_set
    assert names(sources.all()) == ["Ann", "Cid"]
    assert list(sources.filter(name="Ann")) == [ann]
    assert list(sources.exclude(name="Ann")) == [cid]
    assert list(sources.order_by("-name")) == [cid, ann]
    assert list(sources.order_by("name").reverse()) == [cid, ann]
    assert list(sources.order_by("name")[1:]) == [cid]
    assert sources.order_by("name")[0] == ann
    assert sources.get(name="Cid") == cid
    assert sources.order_by("name").first() == ann
    assert sources.order_by("name").last() == cid
    assert sources.earliest("name") == ann
    assert sources.latest("name") == cid
    assert (sources.count(), sources.exists()) == (2, True)
    assert sources.contains(ann)
    assert not sources.contains(bea)
    assert bea not in sources.all()
    assert sources.in_bulk() == {ann.pk: ann, cid.pk: cid}
    assert sources.in_bulk([bea.pk]) == {}
    assert set(sources.values_list("name", flat=True)) == {"Ann", "Cid"}
    assert sources.aggregate(Max("name")) == {"name__max": "Cid"}
    assert {user.n for user in sources.annotate(n=Count("pk", distinct=True))} == {1}
    assert set(sources.iterator()) == {ann, cid}
    assert list(sources.none()) == []
    assert set(sources.distinct()) == {ann, cid}
    assert set(sources.only("name")) == {ann, cid}
    assert sources.filter(Q(name="Ann") | Q(name="Bea")).get() == ann
    assert set(sources.filter(name="Ann") | sources.filter(name="Cid")) == {ann, cid}
    assert set(sources.all().union(User.objects.filter(name="Bea"))) == set(users)
    assert set(User.objects.filter(pk__in=sources.all())) == {ann, cid}
    assert set(User.objects.filter(pk__in=sources)) == {ann, cid}
    assert sources.explain()
    with pytest.raises(User.DoesNotExist):
        sources.get(name="Bea")
    with pytest.raises(User.MultipleObjectsReturned):
        sources.get()
    with pytest.raises(FieldError):
        sources.filter(nonsense=1)


def test_sources_can_be_updated_and_deleted_through_it(movie, users, others):
    ann, bea, _ = users
    movie.user_set.add(ann, bea)
    assert movie.user_set.filter(name="Ann").update(name="Eve") == 1
    assert movie.user_set.update(name="Eve") == 2
    assert names(User.objects.all()) == ["Cid", "Eve", "Eve"]
    movie.user_set.all().delete()
    assert names(User.objects.all()) == ["Cid"]
    assert Through.objects.count() == 3


def test_reverse_is_the_method_of_the_queryset(movie, users):
    movie.user_set.add(*users)
    assert set(movie.user_set.reverse()) == set(users)


def test_sources_can_be_prefetched_on_from(movie, users, django_assert_num_queries):
    movie.user_set.add(*users)
    found = list(movie.user_set.prefetch_related("preferred_videos"))
    with django_assert_num_queries(0):
        assert [list(user.preferred_videos.all()) for user in found] == [[movie]] * 3


def test_querysets_can_be_pickled(movie, users, django_assert_num_queries):
    movie.user_set.add(*users)
    queryset = movie.user_set.order_by("name")
    again = pickle.loads(pickle.dumps(queryset))
    with django_assert_num_queries(0):
        assert list(again) == users
    fresh = User.objects.none()
    fresh.query = pickle.loads(pickle.dumps(queryset.query))
    assert list(fresh) == users


def test_the_ordering_of_the_source_is_kept(db):
    video = Video.objects.create(title="Short")
    for name in "cab":
        video.admirers.create(name=name)
    assert [member.name for member in video.admirers.all()] == ["a", "b", "c"]
    assert video.admirers.first().name == "a"


def test_children_and_proxies_of_the_source(movie):
    critic = Critic.objects.create(name="Jack", paper="Times")
    movie.user_set.add(critic)
    movie.user_set.add(UserProxy.objects.create(name="Jill"))
    assert [type(user) for user in movie.user_set.all()] == [User, User]
    assert list(movie.user_set.filter(critic__paper="Times")) == [critic.user_ptr]
    movie.user_set.remove(critic)
    assert names(movie.user_set.all()) == ["Jill"]


def test_conditions_on_the_link_are_about_this_link(db):
    """As with a ManyToManyField, whose manager sees to it that one row is meant."""
    video, other = (Video.objects.create(title=title) for title in "ab")
    first, second = (Playlist.objects.create(name=name) for name in ("1", "2"))
    for playlist, target, position, note in (
        (first, video, 2, "old"),
        (first, other, 1, "new"),
        (second, video, 1, "new"),
        (second, other, 3, "old"),
    ):
        playlist.items.add(
            target, through_defaults={"position": position, "note": note}
        )
    assert names(video.playlists.filter(items__note="new")) == ["2"]
    assert names(video.playlists.filter(playlistitem__note="new")) == ["2"]
    in_order = video.playlists.order_by("items__position")
    assert [playlist.name for playlist in in_order] == ["2", "1"]
    in_order = other.playlists.order_by("items__position")
    assert [playlist.name for playlist in in_order] == ["1", "2"]


# Numbers of queries.


def test_numbers_of_queries(movie, users, warm, django_assert_num_queries):
    with django_assert_num_queries(1 + LOCK):
        movie.user_set.add(*users)
    with django_assert_num_queries(1 + LOCK):
        movie.user_set.add(*users)
    with django_assert_num_queries(0):
        movie.user_set.add()
    with django_assert_num_queries(1):
        assert len(movie.user_set.all()) == 3
    with django_assert_num_queries(1):
        assert movie.user_set.count() == 3
    with django_assert_num_queries(1):
        assert movie.user_set.exists()
    with django_assert_num_queries(1):
        assert movie.user_set.contains(users[0])
    with django_assert_num_queries(1 + LOCK):
        movie.user_set.set(users)
    with django_assert_num_queries(2 + LOCK):
        movie.user_set.set(users[1:])
    with django_assert_num_queries(2 + LOCK):
        movie.user_set.set(users)
    movie.user_set.remove(users[0])
    with django_assert_num_queries(3 + LOCK):
        movie.user_set.set(users[:2])
    with django_assert_num_queries(1 + LOCK):
        movie.user_set.remove(*users)
    with django_assert_num_queries(0):
        movie.user_set.remove()
    with django_assert_num_queries(1 + LOCK):
        movie.user_set.clear()


def test_counting_leaves_the_sources_out(movie, users, warm):
    """The database sees to it that a link's source exists."""
    movie.user_set.add(*users)
    with CaptureQueriesContext(connection) as context:
        assert movie.user_set.count() == 3
        assert movie.user_set.exists()
    assert not any("JOIN" in query["sql"] for query in context)


def test_counting_obeys_a_manager_that_hides_sources(db):
    video = Video.objects.create(title="Short")
    video.clubs.add(Club.everything.create(name="x", secret=True))
    assert video.clubs.count() == 0
    assert not video.clubs.exists()
    assert video.clubs(manager="everything").count() == 1
    assert video.clubs(manager="everything").exists()


def test_counting_leaves_out_links_without_a_source(db):
    """The custom through model allows a link whose source is not known."""
    video = Video.objects.create(title="Short")
    RackPlace.objects.create(
        disc_type=ContentType.objects.get_for_model(Video), disc_id=str(video.pk)
    )
    assert video.racks.count() == 0
    assert not video.racks.exists()
    assert list(video.racks.all()) == []


def test_prefetched_sources_cost_nothing(movie, users, django_assert_num_queries):
    movie.user_set.add(*users)
    with django_assert_num_queries(2):
        movie = Movie.objects.prefetch_related("user_set").get()
    with django_assert_num_queries(0):
        assert set(movie.user_set.all()) == set(users)
        assert set(movie.user_set) == set(users)
        assert movie.user_set.count() == 3
        assert movie.user_set.exists()
        assert users[0] in movie.user_set.all()


# add()


def test_add(movie, users, untouched):
    ann, bea, _ = users
    movie.user_set.add(ann, bea)
    assert set(movie.user_set.all()) == {ann, bea}
    assert movie in ann.preferred_videos.all()


def test_add_by_bare_key(movie, users, untouched):
    ann, bea, cid = users
    movie.user_set.add(ann.pk, bea, str(cid.pk))
    assert set(movie.user_set.all()) == set(users)


def test_adding_again_keeps_the_row(movie, users, untouched):
    ann, bea, _ = users
    movie.user_set.add(ann)
    before = rows()
    movie.user_set.add(ann)
    movie.user_set.add(ann.pk, ann, str(ann.pk))
    assert rows() == before
    movie.user_set.add(bea, bea.pk, bea, ann)
    assert len(rows()) == len(before) + 1


def test_links_are_the_same_from_both_ends(movie, users):
    users[0].preferred_videos.add(movie)
    before = rows()
    movie.user_set.add(users[0])
    assert rows() == before
    movie.user_set.remove(users[0])
    assert not users[0].preferred_videos.exists()


@pytest.mark.parametrize(
    "write",
    [
        lambda manager, *objs: manager.add(*objs),
        lambda manager, *objs: manager.remove(*objs),
        lambda manager, *objs: manager.set(objs),
        lambda manager, *objs: manager.set(objs, clear=True),
    ],
    ids=["add", "remove", "set", "set, clear"],
)
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Movie.objects.get(title="Alien"), TypeError),
        (lambda: Undeclared.objects.create(), TypeError),
        (lambda: User(name="x"), ValueError),
        (lambda: None, (TypeError, ValueError)),
        (lambda: User, (TypeError, ValueError)),
        (lambda: "junk", ValueError),
        (lambda: [1], (TypeError, ValueError)),
        (lambda: object(), TypeError),
    ],
    ids=["target", "model", "unsaved", "none", "class", "text", "list", "object"],
)
def test_wrong_objects_are_refused_and_nothing_changes(
    movie, users, others, write, make, error
):
    movie.user_set.add(users[0])
    wrong = make()
    before = rows()
    for objs in ([wrong], [users[1], wrong], [wrong, users[1]]):
        with pytest.raises(error):
            write(movie.user_set, *objs)
        assert rows() == before


def test_the_refusal_of_another_model_is_djangos(movie):
    other = Undeclared.objects.create()
    with pytest.raises(TypeError, match="'User' instance expected, got <Undeclared"):
        movie.user_set.add(other)


@pytest.mark.django_db(transaction=True)
def test_the_key_of_no_source_makes_no_link():
    movie = Movie.objects.create(title="Alien")
    with pytest.raises(IntegrityError):
        movie.user_set.add(123456)
    assert not Through.objects.exists()


class Sceptic:
    def allow_relation(self, obj1, obj2, **hints):
        return not (isinstance(obj1, User) or isinstance(obj2, User))


@override_settings(DATABASE_ROUTERS=[Sceptic()])
def test_routers_may_refuse(movie, users):
    with pytest.raises(ValueError, match="router"):
        movie.user_set.add(users[0])
    with pytest.raises(ValueError, match="router"):
        movie.user_set.set(users)
    assert rows() == []


@pytest.mark.parametrize("method", ["all", "count", "clear"])
def test_an_unsaved_target_has_no_sources(db, method):
    with pytest.raises(ValueError, match=r"[Ss]ave"):
        getattr(Movie(title="x").user_set, method)()


@pytest.mark.parametrize(
    "write",
    [
        lambda manager, user: manager.add(user),
        lambda manager, user: manager.set([user]),
        lambda manager, user: manager.add(user.pk),
        lambda manager, user: manager.set([user.pk]),
        lambda manager, user: manager.create(name="new"),
        lambda manager, user: manager.get_or_create(name="new"),
        lambda manager, user: manager.update_or_create(name="new"),
    ],
    ids=[
        "add",
        "set",
        "add key",
        "set key",
        "create",
        "get_or_create",
        "update_or_create",
    ],
)
@pytest.mark.parametrize("model", [Opera, Concert])
def test_a_target_that_has_a_key_but_is_not_saved_cannot_be_linked(users, model, write):
    """No constraint of the database would find the link that leads nowhere."""
    target = model(title="x") if model is Opera else model(code="x")
    with pytest.raises(ValueError, match=r"[Ss]ave"):
        write(target.user_set, users[0])
    assert rows() == []
    assert User.objects.count() == 3


# remove()


def test_remove(movie, users, untouched):
    ann, bea, cid = users
    movie.user_set.add(*users)
    movie.user_set.remove(ann, bea.pk)
    assert list(movie.user_set.all()) == [cid]
    movie.user_set.remove(str(cid.pk))
    assert list(movie.user_set.all()) == []


def test_removing_what_is_not_there_changes_nothing(movie, users, untouched):
    movie.user_set.add(users[0])
    before = rows()
    movie.user_set.remove(users[1], 123456)
    movie.user_set.remove()
    assert rows() == before


def test_removing_keeps_the_source(movie, users):
    movie.user_set.add(*users)
    movie.user_set.remove(*users)
    assert User.objects.count() == 3


# set()


def test_set(movie, users, untouched):
    ann, bea, cid = users
    movie.user_set.set([ann, bea])
    assert set(movie.user_set.all()) == {ann, bea}
    movie.user_set.set([bea.pk, cid])
    assert set(movie.user_set.all()) == {bea, cid}
    movie.user_set.set(str(user.pk) for user in users)
    assert set(movie.user_set.all()) == set(users)
    movie.user_set.set(User.objects.filter(name="Bea"))
    assert list(movie.user_set.all()) == [bea]
    movie.user_set.set([])
    assert not movie.user_set.exists()


def test_set_keeps_the_rows_of_sources_that_stay(movie, users, untouched):
    ann, bea, cid = users
    movie.user_set.set([ann, bea])
    mine = Through.objects.filter(gm2m_pk=str(movie.pk), gm2m_ct__model="movie")
    kept = mine.get(gm2m_src=bea).pk
    movie.user_set.set([bea, cid, bea.pk])
    assert mine.get(gm2m_src=bea).pk == kept
    movie.user_set.set([bea], clear=True)
    assert mine.get().pk != kept


@pytest.mark.parametrize("clear", [False, True])
def test_set_to_its_own_queryset(movie, users, clear):
    movie.user_set.add(*users)
    movie.user_set.set(movie.user_set.all(), clear=clear)
    assert set(movie.user_set.all()) == set(users)
    movie.user_set.set(movie.user_set.filter(name="Ann"), clear=clear)
    assert list(movie.user_set.all()) == users[:1]


@pytest.mark.parametrize("clear", [False, True])
def test_a_generator_that_raises_half_way_changes_nothing(movie, users, clear):
    movie.user_set.add(users[0])
    before = rows()

    def broken():
        yield users[1]
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        movie.user_set.set(broken(), clear=clear)
    assert rows() == before


@pytest.mark.parametrize("value", [None, 1, User], ids=["none", "number", "class"])
def test_set_wants_a_list(movie, users, value):
    movie.user_set.add(users[0])
    with pytest.raises(TypeError):
        movie.user_set.set(value)
    assert movie.user_set.count() == 1


# clear()


def test_clear(movie, users, untouched):
    movie.user_set.add(*users)
    movie.user_set.clear()
    assert not movie.user_set.exists()
    movie.user_set.clear()


def test_many_sources_in_one_call(movie, warm, django_assert_num_queries):
    User.objects.bulk_create([User(name=f"{n:04}") for n in range(1500)])
    users = list(User.objects.order_by("pk"))
    movie.user_set.add(*users)
    assert movie.user_set.count() == 1500
    with django_assert_num_queries(1 + LOCK):
        movie.user_set.add(*users[:100])
    with django_assert_num_queries(1 + LOCK):
        movie.user_set.set(user.pk for user in users)
    with django_assert_num_queries(2 + LOCK):
        movie.user_set.set(users[:10])
    movie.user_set.set(users)
    with django_assert_num_queries(1 + LOCK):
        movie.user_set.remove(*users)
    assert not movie.user_set.exists()


# create(), get_or_create(), update_or_create()


def test_create(movie, users, untouched):
    made = movie.user_set.create(name="Dan")
    assert User.objects.get(name="Dan") == made
    assert list(movie.user_set.all()) == [made]
    assert list(made.preferred_videos.all()) == [movie]


def test_get_or_create_looks_among_the_linked_only(movie, users, untouched):
    made, created = movie.user_set.get_or_create(name="Ann")
    assert created
    assert made != users[0]
    assert movie.user_set.get_or_create(name="Ann") == (made, False)
    critic, created = movie.user_set.get_or_create(name="Eve", defaults={"name": "Eva"})
    assert (critic.name, created) == ("Eva", True)
    assert movie.user_set.count() == 2


def test_update_or_create(movie, users, untouched):
    made, created = movie.user_set.update_or_create(
        name="Ann", defaults={"name": "Anna"}
    )
    assert (made.name, created) == ("Anna", True)
    again, created = movie.user_set.update_or_create(
        name="Anna", defaults={"name": "Hannah"}
    )
    assert (again, again.name, created) == (made, "Hannah", False)
    made.refresh_from_db()
    assert made.name == "Hannah"
    third, created = movie.user_set.update_or_create(
        name="Eve", defaults={"name": "x"}, create_defaults={"name": "y"}
    )
    assert (third.name, created) == ("y", True)
    users[0].refresh_from_db()
    assert users[0].name == "Ann"


@pytest.mark.parametrize("method", ["create", "get_or_create", "update_or_create"])
def test_unknown_attributes_are_refused(movie, method):
    with pytest.raises((TypeError, FieldError)):
        getattr(movie.user_set, method)(nonsense=1)
    assert not User.objects.exists()


# Custom default managers.


@pytest.fixture
def clubs(db):
    return {
        "open": Club.everything.create(name="open"),
        "other": Club.everything.create(name="other"),
        "secret": Club.everything.create(name="secret", secret=True),
    }


@pytest.fixture
def video(clubs):
    video = Video.objects.create(title="Short")
    for club in (clubs["open"], clubs["secret"]):
        club.library.add(video)
    return video


def test_the_methods_of_the_default_manager(video, clubs):
    assert list(video.clubs.named("open")) == [clubs["open"]]
    assert list(video.clubs.named("other")) == []
    assert list(video.clubs.named("secret")) == []


def test_the_methods_of_the_default_queryset(db):
    video = Video.objects.create(title="Short")
    video.admirers.create(name="Ann")
    Member.objects.create(name="Ann")
    assert video.admirers.named("Ann").count() == 1
    assert video.admirers.exclude(name="x").named("Ann").count() == 1


def test_hidden_sources_are_not_shown(video, clubs):
    assert list(video.clubs.all()) == [clubs["open"]]
    assert video.clubs.count() == 1
    assert not video.clubs.contains(clubs["secret"])


@pytest.mark.parametrize(
    "write",
    [
        lambda clubs, secret: clubs.set([]),
        lambda clubs, secret: clubs.set([], clear=True),
        lambda clubs, secret: clubs.clear(),
        lambda clubs, secret: clubs.remove(secret),
        lambda clubs, secret: clubs.remove(secret.pk),
        lambda clubs, secret: clubs.set([secret]),
        lambda clubs, secret: clubs.add(secret),
    ],
    ids=["set", "set, clear", "clear", "remove", "remove key", "set it", "add"],
)
def test_the_links_of_hidden_sources_are_kept(video, clubs, write):
    kept = Club.library.through.objects.get(gm2m_src=clubs["secret"]).pk
    write(video.clubs, clubs["secret"])
    through = Club.library.through.objects
    assert through.get(gm2m_src=clubs["secret"]).pk == kept


def test_hidden_sources_can_be_added(video, clubs):
    other = Video.objects.create(title="Long")
    other.clubs.add(clubs["secret"], clubs["open"])
    assert list(other.clubs.all()) == [clubs["open"]]
    assert list(clubs["secret"].library.all()) == [video, other]


def test_another_manager_on_demand(video, clubs):
    everything = video.clubs(manager="everything")
    assert set(everything.all()) == {clubs["open"], clubs["secret"]}
    assert everything.count() == 2
    assert set(everything) == {clubs["open"], clubs["secret"]}
    everything.remove(clubs["secret"])
    assert list(everything.all()) == [clubs["open"]]
    everything.set([clubs["secret"], clubs["other"]])
    assert set(everything.all()) == {clubs["secret"], clubs["other"]}
    everything.clear()
    assert not Club.library.through.objects.exists()
    made = everything.create(name="new", secret=True)
    assert list(video.clubs(manager="everything").all()) == [made]


def test_another_manager_has_its_methods(db):
    video = Video.objects.create(title="Short")
    video.admirers.create(name="Ann")
    video.admirers.create(name="Bea", left=True)
    Member.objects.create(name="Cid")
    assert video.admirers(manager="present").initials() == ["A"]
    assert video.admirers.count() == 2


def test_another_manager_is_told_by_name(video):
    with pytest.raises(TypeError):
        video.clubs("everything")
    with pytest.raises(TypeError):
        video.clubs()
    with pytest.raises(AttributeError):
        video.clubs(manager="nonsense")


# Custom through models.


def test_through_defaults(db):
    video = Video.objects.create(title="Short")
    first, second = (Playlist.objects.create(name=name) for name in "ab")
    video.playlists.add(first, through_defaults={"note": "x", "position": lambda: 4})
    assert PlaylistItem.objects.get().note == "x"
    assert PlaylistItem.objects.get().position == 4
    video.playlists.add(first, second.pk, through_defaults={"note": "y"})
    notes = PlaylistItem.objects.values_list("playlist__name", "note")
    assert set(notes) == {("a", "x"), ("b", "y")}
    third = Playlist.objects.create(name="c")
    video.playlists.set([second, third], through_defaults={"note": "z"})
    assert set(notes.all()) == {("b", "y"), ("c", "z")}


@pytest.mark.parametrize("method", ["create", "get_or_create", "update_or_create"])
def test_through_defaults_of_a_creation(db, method):
    video = Video.objects.create(title="Short")
    getattr(video.playlists, method)(name="a", through_defaults={"note": "x"})
    assert PlaylistItem.objects.get().note == "x"
    assert names(video.playlists.all()) == ["a"]


@pytest.mark.parametrize("name", ["nonsense", "playlist", "object_id", "item", "video"])
def test_wrong_through_defaults_are_refused(db, name):
    video = Video.objects.create(title="Short")
    playlist = Playlist.objects.create()
    for write in (
        lambda **options: video.playlists.add(playlist, **options),
        lambda **options: video.playlists.set([playlist], **options),
        lambda **options: video.playlists.create(name="new", **options),
        lambda **options: video.playlists.get_or_create(name="new", **options),
        lambda **options: video.playlists.update_or_create(name="new", **options),
    ):
        with pytest.raises(TypeError, match=name):
            write(through_defaults={name: None})
    assert not PlaylistItem.objects.exists()
    assert Playlist.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_database_errors_of_a_custom_through_surface_and_undo_the_call():
    video = Video.objects.create(title="Short")
    first, second = (Playlist.objects.create(name=name) for name in "ab")
    video.playlists.add(first)
    before = rows(PlaylistItem)
    with pytest.raises(IntegrityError):
        video.playlists.set([second], through_defaults={"note": None})
    assert rows(PlaylistItem) == before
    with pytest.raises(IntegrityError):
        video.playlists.create(name="new", through_defaults={"note": None})
    assert Playlist.objects.count() == 2


def test_of_several_keys_to_the_source_the_one_named_counts(db):
    video = Video.objects.create(title="Short")
    shelf, former = Shelf.objects.create(name="a"), Shelf.objects.create(name="b")
    video.shelves.add(shelf, through_defaults={"former_shelf": former})
    assert list(video.shelves.all()) == [shelf]
    assert list(former.videos.all()) == []
    video.shelves.remove(former)
    assert ShelfPlace.objects.count() == 1


def test_a_source_that_is_known_by_another_field_than_its_key(db):
    video, other = (Video.objects.create(title=title) for title in "xy")
    a, b = Rack.objects.create(code="a"), Rack.objects.create(code="b")
    video.racks.add(a, "b")
    other.racks.add(a)
    assert set(video.racks.all()) == {a, b}
    assert set(
        RackPlace.objects.filter(disc_id=str(video.pk)).values_list("rack_id")
    ) == {
        ("a",),
        ("b",),
    }
    assert video.racks.contains(a)
    assert video.racks.count() == 2
    video.racks.remove("a")
    assert list(video.racks.all()) == [b]
    video.racks.set(["a"])
    assert list(video.racks.all()) == [a]
    video.racks.set([b, "a"])
    assert set(video.racks.all()) == {a, b}
    video.racks.clear()
    assert list(a.discs.all()) == [other]
    made = video.racks.create(code="c")
    assert list(video.racks.all()) == [made]
    (loaded,) = Video.objects.filter(title="y").prefetch_related("racks")
    assert list(loaded.racks.all()) == [a]


def test_a_source_without_that_field_is_refused(db):
    video = Video.objects.create(title="x")
    rack = Rack.objects.create()
    for write in (video.racks.add, video.racks.remove):
        with pytest.raises(ValueError, match=r"code|rack"):
            write(rack)
    with pytest.raises(ValueError, match=r"code|rack"):
        video.racks.set([rack])
    assert not RackPlace.objects.exists()


# The caches of prefetching.


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda m, old, new: m.add(new), ["new", "old"]),
        (lambda m, old, new: m.add(new.pk), ["new", "old"]),
        (lambda m, old, new: m.remove(old), []),
        (lambda m, old, new: m.remove(old.pk), []),
        (lambda m, old, new: m.set([new]), ["new"]),
        (lambda m, old, new: m.set([new], clear=True), ["new"]),
        (lambda m, old, new: m.clear(), []),
        (lambda m, old, new: m.create(name="made"), ["made", "old"]),
        (lambda m, old, new: m.get_or_create(name="made"), ["made", "old"]),
        (lambda m, old, new: m.update_or_create(name="made"), ["made", "old"]),
    ],
    ids=[
        "add",
        "add key",
        "remove",
        "remove key",
        "set",
        "set, clear",
        "clear",
        "create",
        "get_or_create",
        "update_or_create",
    ],
)
def test_any_write_drops_the_prefetched_sources(movie, write, expected):
    old, new = (User.objects.create(name=name) for name in ("old", "new"))
    movie.user_set.add(old)
    movie = Movie.objects.prefetch_related("user_set").get()
    assert list(movie.user_set.all()) == [old]
    write(movie.user_set, old, new)
    assert names(movie.user_set.all()) == expected
    assert movie.user_set.count() == len(expected)


def test_refreshing_drops_the_prefetched_sources(movie, users):
    prefetched = Movie.objects.prefetch_related("user_set").get()
    movie.user_set.add(*users)
    assert list(prefetched.user_set.all()) == []
    prefetched.refresh_from_db()
    assert prefetched.user_set.count() == 3


def test_an_attribute_of_a_prefetch_is_no_cache_of_the_manager(movie, users):
    movie.user_set.add(*users)
    lookup = Prefetch("user_set", User.objects.filter(name="Ann"), to_attr="anns")
    movie = Movie.objects.prefetch_related(lookup).get()
    assert movie.anns == users[:1]
    assert movie.user_set.count() == 3


def test_filtering_what_was_prefetched_asks_the_database(
    movie, users, django_assert_num_queries
):
    movie.user_set.add(*users)
    movie = Movie.objects.prefetch_related("user_set").get()
    with django_assert_num_queries(1):
        assert list(movie.user_set.filter(name="Ann")) == users[:1]


def test_prefetching_takes_one_queryset(movie):
    with pytest.raises(ValueError, match="length of 1"):
        movie.user_set.get_prefetch_querysets(
            [movie], [User.objects.all(), User.objects.all()]
        )


# Assignment.


@pytest.mark.parametrize("value", [[], None, [1]], ids=repr)
def test_assignment_is_refused_in_djangos_words(movie, users, value):
    movie.user_set.add(users[0])
    message = (
        "Direct assignment to the reverse side of a many-to-many set is prohibited. "
        r"Use user_set.set\(\) instead."
    )
    with pytest.raises(TypeError, match=message):
        movie.user_set = value
    with pytest.raises(TypeError):
        Movie(title="x", user_set=value)
    with pytest.raises(TypeError):
        Movie.objects.create(title="x", user_set=value)
    assert list(movie.user_set.all()) == users[:1]


def test_the_words_name_the_accessor(db):
    with pytest.raises(TypeError, match=r"Use clubs.set\(\) instead"):
        Video.objects.create(title="x").clubs = []


# Multi-table children and proxies.


def test_a_child_shares_its_parents_accessor_for_links_of_its_own_class(db):
    movie = Movie.objects.create(title="Alien")
    video = movie.video_ptr
    ours, theirs = (Club.objects.create(name=name) for name in ("ours", "theirs"))
    movie.clubs.add(ours)
    video.clubs.add(theirs)
    assert list(movie.clubs.all()) == [ours]
    assert list(video.clubs.all()) == [theirs]
    assert list(ours.library.all()) == [movie]
    assert [type(obj) for obj in ours.library.all()] == [Movie]
    assert [type(obj) for obj in theirs.library.all()] == [Video]
    movie.clubs.set([])
    assert list(video.clubs.all()) == [theirs]
    video.clubs.clear()
    assert not Club.library.through.objects.exists()


def test_lookups_from_a_child_and_its_parent(db):
    movie = Movie.objects.create(title="Alien")
    ours, theirs = (Club.objects.create(name=name) for name in ("ours", "theirs"))
    movie.clubs.add(ours)
    movie.video_ptr.clubs.add(theirs)
    assert Movie.objects.filter(club=ours).count() == 1
    assert Movie.objects.filter(club=theirs).count() == 0
    assert Video.objects.filter(club=theirs).count() == 1
    assert Video.objects.filter(club=ours).count() == 0


def test_each_relation_is_listed_once(db):
    for model in (Video, Movie, Documentary, VideoProxy):
        listed = [field.name for field in model._meta.get_fields()]
        assert sorted(listed) == sorted(set(listed)), model
        assert {"club", "admirers"} <= set(listed)
        assert model._meta.get_field("club").related_model is Club


def test_prefetching_of_a_child_and_its_parent(db, django_assert_num_queries):
    movie = Movie.objects.create(title="Alien")
    ours, theirs = (Club.objects.create(name=name) for name in ("ours", "theirs"))
    movie.clubs.add(ours)
    movie.video_ptr.clubs.add(theirs)
    (loaded,) = Movie.objects.prefetch_related("clubs", "video_ptr__clubs")
    with django_assert_num_queries(0):
        assert list(loaded.clubs.all()) == [ours]
        assert list(loaded.video_ptr.clubs.all()) == [theirs]


def test_a_proxy_is_its_concrete_model(db):
    video = Video.objects.create(title="Short")
    proxy = VideoProxy.objects.get()
    club = Club.objects.create(name="x")
    proxy.clubs.add(club)
    assert list(video.clubs.all()) == list(proxy.clubs.all()) == [club]
    assert [type(obj) for obj in club.library.all()] == [Video]
    proxy.clubs.remove(club)
    assert not video.clubs.exists()


def test_a_proxy_is_a_target_of_its_own_on_request(db):
    video = Video.objects.create(title="Short")
    proxy = VideoProxy.objects.get()
    first, second = ProxyLover.objects.create(), ProxyLover.objects.create()
    first.things.add(video)
    second.things.add(proxy)
    assert list(video.proxy_lovers.all()) == [first]
    assert list(proxy.proxy_lovers.all()) == [second]
    video.proxy_lovers.clear()
    assert list(proxy.proxy_lovers.all()) == [second]
    proxy.proxy_lovers.add(first)
    assert [type(obj) for obj in first.things.all()] == [VideoProxy]


# Several sources.


def test_two_fields_of_one_source_on_one_target(db):
    video = Video.objects.create(title="Short")
    ann, bea = (Member.objects.create(name=name) for name in ("Ann", "Bea"))
    video.admirers.add(ann)
    video.critics.add(ann, bea)
    assert list(video.admirers.all()) == [ann]
    assert list(video.critics.all()) == [ann, bea]
    video.critics.clear()
    assert list(video.admirers.all()) == [ann]
    assert list(ann.favourites.all()) == [video]
    assert list(ann.dislikes.all()) == []


def test_two_sources_on_one_target(db):
    opera = Opera.objects.create(title="Aida")
    user, member = User.objects.create(name="u"), Member.objects.create(name="m")
    # Their keys may be equal; their tables are not the same.
    opera.user_set.add(user)
    opera.admirers.add(member)
    opera.playlists.create(name="p")
    assert names(opera.user_set.all()) == ["u"]
    assert names(opera.admirers.all()) == ["m"]
    assert names(opera.playlists.all()) == ["p"]
    opera.user_set.clear()
    assert names(opera.admirers.all()) == ["m"]


# The database.


@pytest.mark.django_db(databases=["default", "other"])
def test_sources_are_read_from_and_written_to_the_database_of_the_target():
    there = Movie.objects.using("other").create(title="there")
    here = Movie.objects.create(pk=there.pk, title="here")
    user = there.user_set.create(name="Jack")
    assert user._state.db == "other"
    assert list(there.user_set.all()) == [user]
    assert there.user_set.count() == 1
    assert list(here.user_set.all()) == []
    assert list(here.user_set.using("other")) == [user]
    assert not Through.objects.exists()
    there.user_set.set([])
    assert not Through.objects.using("other").exists()


@pytest.mark.skipif(django.VERSION < (6, 1), reason="Fetch modes came with Django 6.1.")
def test_sources_inherit_the_fetch_mode_of_their_target(movie, users):
    movie.user_set.add(*users)
    loaded = Movie.objects.fetch_mode(models.FETCH_PEERS).get()
    for user in loaded.user_set.all():
        assert user._state.fetch_mode is models.FETCH_PEERS


def test_listeners_cost_one_query_more(movie, users, warm, django_assert_num_queries):
    def listen(**kwargs):
        pass

    m2m_changed.connect(listen, sender=Through)
    try:
        with django_assert_num_queries(2 + LOCK):
            movie.user_set.add(*users)
        with django_assert_num_queries(1 + LOCK):
            movie.user_set.add(*users)
    finally:
        m2m_changed.disconnect(listen, sender=Through)
