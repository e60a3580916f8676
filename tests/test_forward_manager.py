"""What ``user.preferred_videos`` writes: links, and targets together with links."""

import datetime
import math
import uuid

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldError
from django.db import IntegrityError, connection, models, transaction
from django.db.models.signals import m2m_changed, post_init
from django.template import Context, Template
from django.test import override_settings
from django.test.utils import CaptureQueriesContext, isolate_apps

from tests.app.models import (
    Album,
    Book,
    Club,
    Concert,
    Counter,
    Critic,
    Documentary,
    Friend,
    Hidden,
    Measure,
    Movie,
    Opera,
    Person,
    Plant,
    Playlist,
    PlaylistItem,
    Poster,
    Premiere,
    ProxyLover,
    Rack,
    RackPlace,
    Shelf,
    ShelfPlace,
    Shot,
    TaggedImage,
    TaggedPage,
    Undeclared,
    User,
    UserProxy,
    Vault,
    VaultEntry,
    Video,
    VideoProxy,
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
def user(db):
    return User.objects.create(name="Jack")


@pytest.fixture
def other_user(db):
    """A source whose links no write through `user` may touch."""
    other = User.objects.create(name="Jill")
    other.preferred_videos.add(
        Movie.objects.create(title="Hers"), Opera.objects.create(title="Hers")
    )
    return other


@pytest.fixture
def movie(db):
    return Movie.objects.create(title="Alien")


@pytest.fixture
def opera(db):
    return Opera.objects.create(title="Aida")


@pytest.fixture
def concert(db):
    return Concert.objects.create(code="live-aid", title="Live Aid")


@pytest.fixture
def warm(db):
    """Content types are cached once per process; their queries are not ours."""
    for model in (Movie, Documentary, Opera, Concert, Premiere, Poster, Book, Video):
        ContentType.objects.get_for_model(model)


def rows(through=Through):
    """The whole table: what a refused call must leave as it was."""
    return list(through.objects.order_by("pk").values())


def one_of_each():
    opera = Opera.objects.create(title="Aida")
    return [
        Movie.objects.create(title="Alien"),
        Documentary.objects.create(title="Planet"),
        opera,
        Concert.objects.create(code='ünï %_\' "q"'),
        Premiere.objects.create(day=datetime.date(1871, 12, 24)),
        Poster.objects.create(opera=opera, title="Bill"),
        Book.objects.create(title="Emma"),
    ]


def insert_batches(number, through=Through):
    """The statements that Django's bulk_create() needs for `number` rows."""
    fields = [f for f in through._meta.concrete_fields if not f.primary_key]
    size = connection.ops.bulk_batch_size(fields, [None] * number)
    return math.ceil(number / size)


class Listener:
    """A receiver of ``m2m_changed``, for the time of a ``with`` block."""

    def __init__(self, sender=Through):
        self.sender = sender

    def __enter__(self):
        m2m_changed.connect(self, sender=self.sender)
        return self

    def __exit__(self, *args):
        m2m_changed.disconnect(self, sender=self.sender)

    def __call__(self, **kwargs):
        pass


# add()


def test_objects_of_every_kind_of_key_are_linked_in_the_order_of_addition(user):
    objs = one_of_each()
    user.preferred_videos.add(*objs)
    assert list(user.preferred_videos.all()) == objs
    more = [Movie.objects.create(title="Brazil"), Opera.objects.create(title="Norma")]
    user.preferred_videos.add(*more)
    assert list(user.preferred_videos.all()) == objs + more


def test_the_order_is_that_of_the_call_and_not_of_the_keys(user):
    videos = [Movie.objects.create(title=str(number)) for number in range(4)]
    shuffled = [videos[2], videos[0], videos[3], videos[1]]
    user.preferred_videos.add(*shuffled)
    assert list(user.preferred_videos.all()) == shuffled


def test_keys_are_kept_as_text(user):
    day = datetime.date(1871, 12, 24)
    opera = Opera.objects.create(title="Aida")
    movie = Movie.objects.create(title="Alien")
    user.preferred_videos.add(
        opera,
        movie,
        Concert.objects.create(code="007"),
        Premiere.objects.create(day=day),
        Poster.objects.create(opera=opera),
    )
    assert list(Through.objects.order_by("pk").values_list("gm2m_pk", flat=True)) == [
        str(opera.pk),
        str(movie.pk),
        "007",
        "1871-12-24",
        str(opera.pk),
    ]


def test_add_nothing(user, django_assert_num_queries):
    with django_assert_num_queries(0):
        user.preferred_videos.add()
    assert not Through.objects.exists()


def test_adding_again_keeps_the_row(user, movie, opera):
    user.preferred_videos.add(movie, opera)
    before = rows()
    user.preferred_videos.add(opera)
    user.preferred_videos.add(movie, movie, opera)
    assert rows() == before


def test_adding_twice_at_once_links_once(user, movie, opera):
    again = Movie.objects.get(pk=movie.pk)
    user.preferred_videos.add(movie, opera, movie, again)
    assert list(user.preferred_videos.all()) == [movie, opera]


def test_a_mixture_of_linked_and_new_objects(user, movie, opera, concert):
    user.preferred_videos.add(opera)
    user.preferred_videos.add(movie, opera, concert)
    assert list(user.preferred_videos.all()) == [opera, movie, concert]


def test_equal_keys_of_several_models_are_several_links(user):
    movie = Movie.objects.create(title="Alien")
    book = Book.objects.create(pk=movie.pk, title="Emma")
    concert = Concert.objects.create(code=str(movie.pk))
    user.preferred_videos.add(movie, book, concert)
    assert list(user.preferred_videos.all()) == [movie, book, concert]
    user.preferred_videos.remove(book)
    assert list(user.preferred_videos.all()) == [movie, concert]


def test_sources_do_not_share_links(user, other_user, movie):
    hers = list(other_user.preferred_videos.all())
    user.preferred_videos.add(movie, *hers)
    assert list(other_user.preferred_videos.all()) == hers
    assert list(user.preferred_videos.all()) == [movie, *hers]


def test_two_fields_of_one_source_do_not_share_links(movie):
    holder = Undeclared.objects.create()
    holder.things.add(movie)
    assert list(holder.others.all()) == []
    holder.others.add(movie)
    holder.things.clear()
    assert list(holder.others.all()) == [movie]


def test_an_undeclared_model_gets_its_accessor_when_it_is_added(db):
    holder = Undeclared.objects.create()
    person = Person.objects.create(name="Ann")
    holder.things.add(person)
    assert list(person.thing_holders.all()) == [holder]


def test_children_of_abstract_sources_have_links_of_their_own(db):
    page, image = TaggedPage.objects.create(), TaggedImage.objects.create()
    video = Video.objects.create(title="Short")
    page.things.add(video)
    assert list(page.things.all()) == [video]
    assert list(image.things.all()) == []


def test_a_source_links_itself(db):
    friend = Friend.objects.create(name="Ann")
    other = Friend.objects.create(name="Bea")
    friend.friends.add(friend, other)
    assert list(friend.friends.all()) == [friend, other]
    # Never symmetrical.
    assert list(other.friends.all()) == []


def test_proxies_and_children_of_the_source_share_its_links(movie, opera):
    critic = Critic.objects.create(name="Jack", paper="Times")
    critic.preferred_videos.add(movie)
    UserProxy.objects.get(pk=critic.pk).preferred_videos.add(opera)
    user = User.objects.get(pk=critic.pk)
    for source in (critic, user, UserProxy.objects.get(pk=user.pk)):
        assert list(source.preferred_videos.all()) == [movie, opera]
    assert set(Through.objects.values_list("gm2m_src", flat=True)) == {user.pk}


def test_a_multi_table_child_is_another_target_than_its_parent(movie):
    source = Hidden.objects.create()
    source.things.add(movie.video_ptr, movie)
    assert [type(obj) for obj in source.things.all()] == [Video, Movie]


def test_proxies_are_linked_as_their_concrete_model(user):
    video = Video.objects.create(title="Short")
    user.preferred_videos.add(VideoProxy.objects.get(pk=video.pk), video)
    (linked,) = user.preferred_videos.all()
    assert type(linked) is Video


def test_proxies_are_targets_of_their_own_on_request(db):
    lover = ProxyLover.objects.create()
    video = Video.objects.create(title="Short")
    proxy = VideoProxy.objects.get(pk=video.pk)
    lover.things.add(proxy, video)
    assert [type(obj) for obj in lover.things.all()] == [VideoProxy, Video]
    lover.things.remove(proxy)
    assert [type(obj) for obj in lover.things.all()] == [Video]


def test_deferred_objects_are_linked_as_themselves(user, movie, opera):
    user.preferred_videos.add(
        Movie.objects.only("pk").get(pk=movie.pk),
        Opera.objects.defer("title").get(pk=opera.pk),
    )
    assert list(user.preferred_videos.all()) == [movie, opera]


def test_a_key_that_is_given_as_text_is_kept_as_the_database_keeps_it(user):
    """An object that was saved with the text of a key still bears the text."""
    key = uuid.uuid4()
    opera = Opera.objects.create(pk=str(key).upper(), title="Aida")
    movie = Movie(pk="00700", title="Bond")
    movie.save()
    user.preferred_videos.add(opera, movie)
    assert list(Through.objects.order_by("pk").values_list("gm2m_pk", flat=True)) == [
        str(key),
        "700",
    ]
    assert list(user.preferred_videos.all()) == [
        Opera.objects.get(pk=key),
        Movie.objects.get(pk=700),
    ]
    user.preferred_videos.set([opera])
    user.preferred_videos.remove(opera)
    assert not Through.objects.exists()


@pytest.mark.parametrize("key", [0, 1, -5, 2**31, 2**53 + 1, 10**15])
def test_unusual_integer_keys(db, key):
    holder = Undeclared.objects.create()
    counter = Counter.objects.create(number=key)
    Counter.objects.create(number=key + 1)
    holder.things.add(counter)
    assert list(holder.things.all()) == [counter]
    assert holder.things.contains(counter)
    assert list(holder.things.instances_of(Counter)) == [counter]
    assert list(holder.things.filter(counter__number=key)) == [counter]
    holder.things.set([])
    assert not holder.things.exists()


@pytest.mark.parametrize("key", [2**63 - 1, -(2**63)])
def test_the_ends_of_the_range_of_integer_keys(user, key):
    counter = Counter.objects.create(number=key)
    user.preferred_videos.add(counter)
    assert list(user.preferred_videos.all()) == [counter]
    assert list(user.preferred_videos.instances_of(Counter)) == [counter]
    assert list(user.preferred_videos.filter(counter__number=key)) == [counter]
    user.preferred_videos.remove(counter)
    assert not user.preferred_videos.exists()


@pytest.mark.parametrize(
    "code", ["0", "007", "1e3", "%", "_", "'", '"', "\\", "a b", "é", "💿", "NULL", "["]
)
def test_unusual_text_keys(user, code):
    concert = Concert.objects.create(code=code)
    Concert.objects.create(code="unlinked")
    user.preferred_videos.add(concert)
    assert list(user.preferred_videos.all()) == [concert]
    assert list(user.preferred_videos.instances_of(Concert)) == [concert]
    assert list(user.preferred_videos.filter(concert__code=code)) == [concert]
    user.preferred_videos.set([concert])
    user.preferred_videos.remove(concert)
    assert not Through.objects.exists()


def test_an_empty_text_key_is_a_key(user):
    concert = Concert.objects.create(code="")
    user.preferred_videos.add(concert)
    assert list(user.preferred_videos.all()) == [concert]


def test_targets_with_a_field_called_model_can_be_created(db):
    """ContentType is a model like others, with a field that is called `model`."""
    holder = Undeclared.objects.create()
    made = holder.things.create(ContentType, app_label="nowhere", model="thing")
    assert (made.app_label, made.model) == ("nowhere", "thing")
    assert list(holder.things.all()) == [made]


# remove()


def test_remove(user, other_user, movie, opera, concert):
    user.preferred_videos.add(movie, opera, concert, *other_user.preferred_videos.all())
    hers = list(other_user.preferred_videos.all())
    user.preferred_videos.remove(opera, hers[0])
    assert list(user.preferred_videos.all()) == [movie, concert, hers[1]]
    assert list(other_user.preferred_videos.all()) == hers


def test_removing_what_is_not_there_changes_nothing(user, movie, opera):
    user.preferred_videos.add(movie)
    before = rows()
    user.preferred_videos.remove(opera, opera)
    user.preferred_videos.remove()
    assert rows() == before


def test_removing_keeps_the_target(user, movie):
    user.preferred_videos.add(movie)
    user.preferred_videos.remove(movie)
    assert Movie.objects.filter(pk=movie.pk).exists()


def test_what_is_removed_and_added_again_comes_last(user, movie, opera):
    user.preferred_videos.add(movie, opera)
    user.preferred_videos.remove(movie)
    user.preferred_videos.add(movie)
    assert list(user.preferred_videos.all()) == [opera, movie]


def test_remove_takes_an_object_that_is_another_instance(user, movie):
    user.preferred_videos.add(movie)
    user.preferred_videos.remove(Movie.objects.get())
    assert not user.preferred_videos.exists()


def test_remove_of_all_rows_where_nothing_keeps_them_from_being_several(db):
    shelf = Shelf.objects.create()
    video, other = (Video.objects.create(title=title) for title in "ab")
    video_type = ContentType.objects.get_for_model(Video)
    for target in (video, video, other):
        ShelfPlace.objects.create(
            shelf=shelf, video_type=video_type, video_id=target.pk
        )
    shelf.videos.remove(video)
    assert list(shelf.videos.all()) == [other]


# set()


def test_set_replaces(user, other_user, movie, opera, concert):
    hers = list(other_user.preferred_videos.all())
    user.preferred_videos.add(movie, opera, hers[0])
    user.preferred_videos.set([concert, opera])
    assert list(user.preferred_videos.all()) == [opera, concert]
    assert list(other_user.preferred_videos.all()) == hers


def test_set_keeps_the_rows_of_targets_that_stay(user, movie, opera, concert):
    user.preferred_videos.add(movie, opera)
    kept = Through.objects.get(gm2m_pk=str(opera.pk)).pk
    user.preferred_videos.set([concert, opera, opera])
    assert Through.objects.get(gm2m_pk=str(opera.pk)).pk == kept
    assert Through.objects.count() == 2


def test_set_to_the_same_writes_nothing(user, movie, opera, warm):
    user.preferred_videos.add(movie, opera)
    before = rows()
    with CaptureQueriesContext(connection) as context:
        user.preferred_videos.set([opera, movie])
    assert rows() == before
    statements = [query["sql"].split()[0] for query in context]
    assert statements == ["SELECT"] * (1 + LOCK)


def test_set_with_clear_makes_new_rows_for_this_source_alone(
    user, other_user, movie, opera
):
    hers = rows()
    user.preferred_videos.add(movie, opera)
    kept = Through.objects.get(gm2m_pk=str(opera.pk)).pk
    user.preferred_videos.set([opera], clear=True)
    assert list(user.preferred_videos.all()) == [opera]
    assert Through.objects.get(gm2m_pk=str(opera.pk)).pk != kept
    assert rows()[: len(hers)] == hers


@pytest.mark.parametrize("clear", [False, True])
def test_set_to_nothing(user, other_user, movie, opera, clear):
    hers = rows()
    user.preferred_videos.add(movie, opera)
    user.preferred_videos.set([], clear=clear)
    assert rows() == hers


@pytest.mark.parametrize("clear", [False, True])
def test_set_to_its_own_queryset(user, movie, opera, clear):
    """The queryset is evaluated before anything is removed."""
    user.preferred_videos.add(movie, opera)
    user.preferred_videos.set(user.preferred_videos.all(), clear=clear)
    assert list(user.preferred_videos.all()) == [movie, opera]
    user.preferred_videos.set(user.preferred_videos.instances_of(Opera), clear=clear)
    assert list(user.preferred_videos.all()) == [opera]
    user.preferred_videos.set(user.preferred_videos, clear=clear)
    assert list(user.preferred_videos.all()) == [opera]


def test_set_takes_any_iterable(user, movie, opera):
    user.preferred_videos.set(obj for obj in (movie, opera))
    assert list(user.preferred_videos.all()) == [movie, opera]
    user.preferred_videos.set({opera})
    assert list(user.preferred_videos.all()) == [opera]
    user.preferred_videos.set(Movie.objects.all())
    assert list(user.preferred_videos.all()) == [movie]
    user.preferred_videos.set({opera: "value"}.keys())
    assert list(user.preferred_videos.all()) == [opera]


@pytest.mark.parametrize("clear", [True, False])
def test_set_refuses_what_was_looked_for_in_the_wrong_model(user, movie, clear):
    """As code does that knows many-to-many fields alone: it would remove all links."""
    user.preferred_videos.add(movie)
    found = User._meta.get_field("preferred_videos").related_model.objects.all()
    with pytest.raises(TypeError, match=r"preferred_videos .*Pass the targets"):
        user.preferred_videos.set(found, clear=clear)
    assert list(user.preferred_videos.all()) == [movie]


def test_set_takes_options_by_name_only(user, movie):
    with pytest.raises(TypeError):
        user.preferred_videos.set([movie], True)
    assert not Through.objects.exists()


@pytest.mark.parametrize("clear", [False, True])
def test_a_generator_that_raises_half_way_changes_nothing(user, movie, opera, clear):
    user.preferred_videos.add(movie)
    before = rows()

    def broken():
        yield opera
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        user.preferred_videos.set(broken(), clear=clear)
    with pytest.raises(RuntimeError, match="half-way"):
        user.preferred_videos.add(*broken())
    with pytest.raises(RuntimeError, match="half-way"):
        user.preferred_videos = broken()
    assert rows() == before


def test_set_removes_rows_whose_target_is_gone(user, movie):
    user.preferred_videos.add(movie)
    Movie.objects.filter(pk=movie.pk)._raw_delete("default")
    assert user.preferred_videos.count() == 1
    user.preferred_videos.set([])
    assert user.preferred_videos.count() == 0


# Targets that their default manager hides.


@pytest.fixture
def garden(user):
    """Plants that the user prefers: one that is shown, and one that is hidden."""
    plants = [Plant.objects.create(), Plant.everything.create(dead=True)]
    user.preferred_videos.add(*plants)
    return plants


@pytest.mark.parametrize(
    ("write", "left"),
    [
        (lambda videos, hidden: videos.set([]), 0),
        (lambda videos, hidden: videos.set([], clear=True), 0),
        (lambda videos, hidden: videos.set([hidden]), 0),
        (lambda videos, hidden: videos.set([hidden], clear=True), 0),
        (lambda videos, hidden: videos.set(videos.all()), 1),
        (lambda videos, hidden: videos.clear(), 0),
        (lambda videos, hidden: videos.remove(hidden), 1),
        (lambda videos, hidden: videos.add(hidden), 1),
    ],
    ids=["set", "clear", "it", "clear, it", "all", "clear()", "remove", "add"],
)
def test_links_to_hidden_targets_are_kept(user, garden, write, left):
    shown, hidden = garden
    (kept,) = Through.objects.filter(plant=hidden).values_list("pk")
    write(user.preferred_videos, hidden)
    assert Through.objects.filter(plant=hidden).values_list("pk").get() == kept
    assert list(user.preferred_videos.all()) == [shown][:left]


@pytest.mark.parametrize(
    "write",
    [
        lambda videos: videos.clear(),
        lambda videos: videos.set([]),
        lambda videos: videos.set([], clear=True),
    ],
    ids=["clear", "set", "set, clear"],
)
def test_what_is_gone_is_not_hidden(user, garden, write):
    shown, hidden = garden
    Plant.objects.filter(pk=shown.pk)._raw_delete("default")
    write(user.preferred_videos)
    assert list(Through.objects.values_list("gm2m_pk", flat=True)) == [str(hidden.pk)]


def test_links_to_hidden_targets_that_another_process_has_made(db):
    """A process may not have met the model before."""
    vault, hidden = Hidden.objects.create(), Plant.everything.create(dead=True)
    through = Hidden.things.through
    through.objects.create(
        gm2m_src=vault,
        gm2m_ct=ContentType.objects.get_for_model(Plant),
        gm2m_pk=str(hidden.pk),
    )
    vault.things.set([])
    assert through.objects.count() == 1


def test_managers_that_do_not_filter_hide_nothing(db):
    album, shot = Album.objects.create(), Shot.objects.create()
    album.shots.add(shot)
    album.shots.clear()
    assert not Album.shots.through.objects.exists()


def test_links_to_hidden_targets_cost_no_query(user, garden, django_assert_num_queries):
    movie = Movie.objects.create(title="Movie")
    user.preferred_videos.add(movie)
    with django_assert_num_queries(1):
        user.preferred_videos.remove(garden[0])
    with django_assert_num_queries(1 + LOCK):
        user.preferred_videos.clear()
    assert user.preferred_videos.count() == 1


def test_what_is_shown_may_depend_on_links(user, garden, monkeypatch):
    def liked(manager):
        return models.Manager.get_queryset(manager).filter(user__name="Jill")

    shown, hidden = garden
    monkeypatch.setattr(type(Plant.objects), "get_queryset", liked)
    User.objects.create(name="Jill").preferred_videos.add(shown)
    user.preferred_videos.clear()
    assert list(user.preferred_videos.values_list("plant", flat=True)) == [hidden.pk]


# clear()


def test_clear(user, other_user, movie, opera):
    hers = rows()
    user.preferred_videos.add(movie, opera)
    user.preferred_videos.clear()
    assert rows() == hers
    user.preferred_videos.clear()
    assert rows() == hers


# Assignment.


def test_assignment_is_set(user, other_user, movie, opera, concert):
    hers = rows()
    user.preferred_videos.add(movie, opera)
    kept = Through.objects.get(gm2m_pk=str(opera.pk)).pk
    user.preferred_videos = [opera, concert]
    assert list(user.preferred_videos.all()) == [opera, concert]
    assert Through.objects.get(gm2m_pk=str(opera.pk)).pk == kept
    user.preferred_videos = []
    assert rows() == hers


def test_assignment_of_a_queryset(user, movie, opera):
    user.preferred_videos.add(movie, opera)
    user.preferred_videos = user.preferred_videos.filter(Model=Opera)
    assert list(user.preferred_videos.all()) == [opera]


@pytest.mark.parametrize(
    "value", [None, 1, "ab", [None], [1]], ids=["none", "number", "text", "list", "key"]
)
def test_assignment_of_what_is_no_list_of_objects_is_refused(user, movie, value):
    user.preferred_videos.add(movie)
    before = rows()
    with pytest.raises(TypeError):
        user.preferred_videos = value
    assert rows() == before


@pytest.mark.parametrize("value", [[], None], ids=["empty", "none"])
@pytest.mark.parametrize(
    "make",
    [
        lambda value: User(preferred_videos=value),
        lambda value: User(pk=User.objects.get().pk, preferred_videos=value),
        lambda value: User.objects.create(name="new", preferred_videos=value),
        lambda value: User.objects.create(
            pk=User.objects.get().pk, preferred_videos=value
        ),
        lambda value: User.objects.get_or_create(
            name="new", defaults={"preferred_videos": value}
        ),
        lambda value: setattr(User(), "preferred_videos", value),
        lambda value: setattr(
            User(pk=User.objects.get().pk), "preferred_videos", value
        ),
    ],
    ids=[
        "constructor",
        "constructor with a key",
        "create",
        "create with a key",
        "get_or_create",
        "unsaved",
        "unsaved with a key",
    ],
)
def test_assignment_before_saving_is_refused(user, movie, make, value):
    """It could otherwise empty the links of another object with the same key."""
    user.preferred_videos.add(movie)
    before = rows()
    with pytest.raises(TypeError, match="preferred_videos"):
        make(value)
    assert rows() == before
    assert User.objects.count() == 1


def test_the_refusal_of_assignment_says_to_save_first():
    with pytest.raises(TypeError, match=r"[Ss]ave"):
        User(preferred_videos=[])


def test_update_does_not_take_the_field(user, movie):
    with pytest.raises(FieldError):
        User.objects.update(preferred_videos=[movie])


# create(), get_or_create(), update_or_create()


@pytest.mark.parametrize(
    "model", [Movie, "app.Movie", "app.movie", "Movie"], ids=lambda model: str(model)
)
def test_create_links_what_it_creates(user, model):
    made = user.preferred_videos.create(model, title="Alien", year=1979)
    assert type(made) is Movie
    made.refresh_from_db()
    assert (made.title, made.year) == ("Alien", 1979)
    assert list(user.preferred_videos.all()) == [made]


@pytest.mark.parametrize(
    ("model", "attributes"),
    [
        (Opera, {"title": "Aida"}),
        (Concert, {"code": "live"}),
        (Premiere, {"day": datetime.date(2000, 2, 29)}),
        (Book, {"title": "Emma"}),
        (Plant, {"name": "Rose"}),
    ],
)
def test_create_for_every_kind_of_key(user, model, attributes):
    made = user.preferred_videos.create(model, **attributes)
    assert list(user.preferred_videos.all()) == [made]
    found, created = user.preferred_videos.get_or_create(model, **attributes)
    assert (found, created) == (made, False)
    found, created = user.preferred_videos.update_or_create(
        model, defaults={}, **attributes
    )
    assert (found, created) == (made, False)
    assert Through.objects.count() == 1


def test_a_key_that_is_given_as_text_can_be_created(user):
    made = user.preferred_videos.create(Premiere, day="2000-02-29")
    assert list(user.preferred_videos.all()) == [
        Premiere.objects.get(day=datetime.date(2000, 2, 29))
    ]
    assert made.day == "2000-02-29"


@pytest.mark.parametrize("method", ["create", "get_or_create", "update_or_create"])
def test_the_model_is_positional_only(user, method):
    with pytest.raises(TypeError):
        getattr(user.preferred_videos, method)(model=Movie, title="Alien")
    with pytest.raises(TypeError):
        getattr(user.preferred_videos, method)(title="Alien")
    assert not Movie.objects.exists()


@pytest.mark.parametrize("method", ["create", "get_or_create", "update_or_create"])
@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("app.Nothing", LookupError),
        ("nowhere.Movie", LookupError),
        (None, TypeError),
        (int, TypeError),
        (Measure, TypeError),
        ("app.Measure", TypeError),
    ],
    ids=str,
)
def test_models_that_cannot_be_linked_are_not_created(user, method, model, error):
    with pytest.raises(error):
        getattr(user.preferred_videos, method)(model, value=1.5)
    assert not Measure.objects.exists()
    assert not Through.objects.exists()


def test_an_instance_in_the_place_of_the_model_is_refused(user, movie):
    with pytest.raises(TypeError):
        user.preferred_videos.create(movie, title="x")


@pytest.mark.parametrize("method", ["create", "get_or_create", "update_or_create"])
def test_a_target_with_too_long_a_key_is_not_created(db, method):
    """The creation is undone when the link is refused."""
    holder = Undeclared.objects.create()
    with pytest.raises(ValueError, match="pk_maxlength"):
        getattr(holder.things, method)(Opera, title="Aida")
    assert not Opera.objects.exists()


def test_create_refuses_unknown_attributes(user):
    with pytest.raises(TypeError, match="nonsense"):
        user.preferred_videos.create(Movie, nonsense=1)
    assert not Movie.objects.exists()


def test_get_or_create_looks_among_the_linked_only(user, other_user):
    """An equal object that is not linked to this source is another one."""
    unlinked = Movie.objects.create(title="Alien")
    other_user.preferred_videos.add(unlinked)
    made, created = user.preferred_videos.get_or_create(Movie, title="Alien")
    assert created
    assert made != unlinked
    assert list(user.preferred_videos.all()) == [made]
    assert user.preferred_videos.get_or_create("app.Movie", title="Alien") == (
        made,
        False,
    )
    assert unlinked in other_user.preferred_videos.all()
    assert Movie.objects.filter(title="Alien").count() == 2


def test_get_or_create_looks_among_the_objects_of_the_model_only(user):
    user.preferred_videos.create(Documentary, title="Alien")
    _, created = user.preferred_videos.get_or_create(Movie, title="Alien")
    assert created


def test_get_or_create_with_defaults(user):
    made, created = user.preferred_videos.get_or_create(
        Movie, title="Alien", defaults={"year": 1979}
    )
    assert (made.year, created) == (1979, True)
    made, created = user.preferred_videos.get_or_create(
        Movie, title="Alien", defaults={"year": 1986}
    )
    assert (made.year, created) == (1979, False)
    made, created = user.preferred_videos.get_or_create(
        Movie, {"year": lambda: 2000}, title="Brazil"
    )
    assert (made.year, created) == (2000, True)


def test_get_or_create_of_several_is_an_error(user):
    for _ in range(2):
        user.preferred_videos.create(Movie, title="Alien")
    with pytest.raises(Movie.MultipleObjectsReturned):
        user.preferred_videos.get_or_create(Movie, title="Alien")
    assert user.preferred_videos.count() == 2


def test_get_or_create_of_a_key_that_others_have_surfaces(user, concert):
    """The same as on a ManyToManyField: the object exists but is not linked."""
    with pytest.raises(IntegrityError):
        user.preferred_videos.get_or_create(Concert, code=concert.code)
    assert not Through.objects.exists()


def test_update_or_create(user):
    unlinked = Movie.objects.create(title="Alien", year=1900)
    made, created = user.preferred_videos.update_or_create(
        Movie, title="Alien", defaults={"year": 1979}
    )
    assert (made.year, created) == (1979, True)
    made, created = user.preferred_videos.update_or_create(
        "app.Movie", title="Alien", defaults={"year": 1986}
    )
    assert (made.year, created) == (1986, False)
    made.refresh_from_db()
    unlinked.refresh_from_db()
    assert (made.year, unlinked.year) == (1986, 1900)
    assert list(user.preferred_videos.all()) == [made]


def test_update_or_create_with_create_defaults(user):
    options = {"defaults": {"year": 2}, "create_defaults": {"year": 1}}
    made, created = user.preferred_videos.update_or_create(
        Movie, title="Alien", **options
    )
    assert (made.year, created) == (1, True)
    made, created = user.preferred_videos.update_or_create(
        Movie, title="Alien", **options
    )
    assert (made.year, created) == (2, False)


def test_update_or_create_across_relations_of_the_target(user):
    ann = Person.objects.create(name="Ann")
    made = user.preferred_videos.create(Opera, title="Aida", director=ann)
    found, created = user.preferred_videos.update_or_create(
        Opera, director__name="Ann", defaults={"title": "Norma"}
    )
    assert (found, found.title, created) == (made, "Norma", False)


def test_targets_that_the_default_manager_hides_are_not_found(user):
    Plant.everything.create(name="Rose", dead=True)
    made, created = user.preferred_videos.get_or_create(Plant, name="Rose")
    assert created
    user.preferred_videos.add(Plant.everything.get(dead=True))
    assert list(user.preferred_videos.all()) == [made]
    assert user.preferred_videos.count() == 2


# Custom through models.


def test_through_defaults(opera):
    playlist = Playlist.objects.create()
    video = Video.objects.create(title="Short")
    playlist.items.add(video, opera, through_defaults={"note": "new", "position": 3})
    assert list(
        PlaylistItem.objects.order_by("pk").values_list("note", "position")
    ) == [
        ("new", 3),
        ("new", 3),
    ]


def test_through_defaults_leave_what_is_there_alone(opera):
    playlist = Playlist.objects.create()
    video = Video.objects.create(title="Short")
    playlist.items.add(video, through_defaults={"note": "old"})
    playlist.items.add(video, opera, through_defaults={"note": "new"})
    assert list(PlaylistItem.objects.order_by("pk").values_list("note", flat=True)) == [
        "old",
        "new",
    ]


def test_through_defaults_may_be_callables(opera):
    playlist = Playlist.objects.create()
    playlist.items.add(opera, through_defaults={"note": lambda: "called"})
    assert PlaylistItem.objects.get().note == "called"
    playlist.items.set(
        [opera, Video.objects.create(title="x")],
        through_defaults={"note": lambda: "set"},
    )
    assert set(PlaylistItem.objects.values_list("note", flat=True)) == {"called", "set"}


@pytest.mark.parametrize("method", ["create", "get_or_create", "update_or_create"])
def test_through_defaults_of_a_creation(db, method):
    playlist = Playlist.objects.create()
    getattr(playlist.items, method)(
        Video, title="Short", through_defaults={"note": "new", "position": lambda: 7}
    )
    item = PlaylistItem.objects.get()
    assert (item.note, item.position, item.item.title) == ("new", 7, "Short")
    if method != "create":
        _, created = getattr(playlist.items, method)(
            Video, title="Short", through_defaults={"note": "newer"}
        )
        assert not created
        assert PlaylistItem.objects.get().note == "new"


def test_set_keeps_the_extra_columns_of_targets_that_stay(opera):
    playlist = Playlist.objects.create()
    gone, new = (Video.objects.create(title=title) for title in ("gone", "new"))
    playlist.items.add(gone, opera, through_defaults={"note": "old", "position": 5})
    kept = PlaylistItem.objects.get(object_id=str(opera.pk))
    playlist.items.set([new, opera], through_defaults={"note": "new"})
    again = PlaylistItem.objects.get(object_id=str(opera.pk))
    assert (again.pk, again.note, again.position) == (kept.pk, "old", 5)
    assert PlaylistItem.objects.get(object_id=str(new.pk)).note == "new"
    assert PlaylistItem.objects.count() == 2
    playlist.items.set([opera], clear=True, through_defaults={"note": "cleared"})
    assert PlaylistItem.objects.get().note == "cleared"


def test_other_relations_of_the_through_model_can_have_defaults(db):
    shelf, former = Shelf.objects.create(), Shelf.objects.create()
    video, sleeve = (Video.objects.create(title=title) for title in "ab")
    shelf.videos.add(video, through_defaults={"former_shelf": former, "sleeve": sleeve})
    place = ShelfPlace.objects.get()
    assert (place.shelf, place.former_shelf) == (shelf, former)
    assert (place.video, place.sleeve) == (video, sleeve)
    other = Video.objects.create(title="c")
    shelf.videos.add(other, through_defaults={"former_shelf_id": former.pk})
    assert ShelfPlace.objects.get(video_id=other.pk).former_shelf == former


def test_without_a_unique_constraint_adding_again_links_once(db):
    shelf = Shelf.objects.create()
    video = Video.objects.create(title="Short")
    shelf.videos.add(video, video)
    shelf.videos.add(video)
    shelf.videos.set([video])
    assert ShelfPlace.objects.count() == 1


def test_a_key_column_of_the_targets_own_kind(opera):
    vault = Vault.objects.create()
    other = Opera.objects.create(title="Norma")
    vault.works.add(opera, other)
    assert list(vault.works.order_by("pk")) == [opera, other]
    vault.works.set([other])
    assert VaultEntry.objects.get().work_id == other.pk
    vault.works.remove(other)
    assert not VaultEntry.objects.exists()


def test_a_source_that_is_known_by_another_field_than_its_key(opera):
    rack, other = Rack.objects.create(code="a"), Rack.objects.create(code="b")
    video = Video.objects.create(title="Short")
    rack.discs.add(video, opera, through_defaults={"note": "x"})
    other.discs.add(video)
    assert set(RackPlace.objects.values_list("rack_id", "note")) == {
        ("a", "x"),
        ("b", ""),
    }
    assert list(rack.discs.all()) == [video, opera]
    rack.discs.set([opera])
    assert list(rack.discs.all()) == [opera]
    rack.discs.clear()
    assert list(other.discs.all()) == [video]


def test_a_source_without_that_field_is_refused(opera):
    for rack in (Rack.objects.create(), Rack(code="a")):
        with pytest.raises(ValueError, match=r"code|id|[Ss]ave"):
            rack.discs.add(opera)
    assert not RackPlace.objects.exists()


def test_a_key_column_holds_keys_of_its_kind_only(opera, concert):
    vault, shelf = Vault.objects.create(), Shelf.objects.create()
    video = Video.objects.create(title="Short")
    for manager, wrong in (
        (vault.works, video),
        (vault.works, concert),
        (shelf.videos, opera),
        (shelf.videos, concert),
    ):
        for method in (manager.add, manager.remove, lambda o, m=manager: m.set([o])):
            with pytest.raises(TypeError, match=wrong._meta.label):
                method(wrong)
    assert not VaultEntry.objects.exists()
    assert not ShelfPlace.objects.exists()


WRONG_DEFAULTS = [
    (Playlist, "items", {"nonsense": 1}),
    (Playlist, "items", {"note": "x", "nonsense": 1}),
    (Playlist, "items", {"playlist": None}),
    (Playlist, "items", {"playlist_id": 1}),
    (Playlist, "items", {"item": None}),
    (Playlist, "items", {"content_type": None}),
    (Playlist, "items", {"object_id": "1"}),
    (Undeclared, "things", {"note": "x"}),
    (Undeclared, "things", {"gm2m_src_id": 1}),
    (Undeclared, "things", {"gm2m_pk": "1"}),
    # Helpers of the library are no columns.
    (Playlist, "items", {"video": None}),
]


@pytest.mark.parametrize(("model", "name", "defaults"), WRONG_DEFAULTS)
def test_wrong_through_defaults_are_refused(db, model, name, defaults):
    source = model.objects.create()
    manager = getattr(source, name)
    linked, new = (Video.objects.create(title=title) for title in "ab")
    manager.add(linked)
    through = getattr(model, name).through
    before = rows(through)
    wrong = next(key for key in defaults if key != "note" or model is Undeclared)
    calls = [
        lambda: manager.add(new, through_defaults=defaults),
        # What is there needs no new row, and is no excuse.
        lambda: manager.add(linked, through_defaults=defaults),
        lambda: manager.set([new], through_defaults=defaults),
        lambda: manager.set([new], clear=True, through_defaults=defaults),
        lambda: manager.create(Video, title="c", through_defaults=defaults),
        lambda: manager.get_or_create(Video, title="c", through_defaults=defaults),
        lambda: manager.update_or_create(Video, title="c", through_defaults=defaults),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=wrong):
            call()
        assert rows(through) == before
        assert Video.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("clear", [False, True])
def test_database_errors_of_a_custom_through_surface_and_undo_the_call(clear):
    playlist = Playlist.objects.create()
    old, new = (Video.objects.create(title=title) for title in "ab")
    playlist.items.add(old, through_defaults={"note": "kept"})
    before = rows(PlaylistItem)
    with pytest.raises(IntegrityError):
        playlist.items.add(new, through_defaults={"note": None})
    assert rows(PlaylistItem) == before
    with pytest.raises(IntegrityError):
        playlist.items.set([new], clear=clear, through_defaults={"note": None})
    assert rows(PlaylistItem) == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["create", "get_or_create", "update_or_create"])
def test_a_target_that_cannot_be_linked_is_not_created(method):
    playlist = Playlist.objects.create()
    with pytest.raises(IntegrityError):
        getattr(playlist.items, method)(
            Video, title="x", through_defaults={"note": None}
        )
    assert not Video.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_transaction_of_the_caller_stays_usable_after_a_failed_creation():
    playlist = Playlist.objects.create()
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            playlist.items.create(Video, title="x", through_defaults={"note": None})
        playlist.items.create(Video, title="y")
    assert [video.title for video in playlist.items.all()] == ["y"]


# Refused objects.


class NoModel:
    pk = 1


def refused_objects():
    return {
        "none": (lambda: None, TypeError, "None"),
        "text": (lambda: "1", TypeError, "'1'"),
        "bytes": (lambda: b"1", TypeError, "b'1'"),
        "number": (lambda: 1, TypeError, "1"),
        "truth value": (lambda: True, TypeError, "True"),
        "bare key": (
            lambda: Movie.objects.get().pk,
            TypeError,
            "saved model instances",
        ),
        "bare UUID": (uuid.uuid4, TypeError, "UUID"),
        "list": (lambda: list(Movie.objects.all()), TypeError, "list"),
        "queryset": (Movie.objects.all, TypeError, "QuerySet"),
        "class": (lambda: Movie, TypeError, "class"),
        "content type and key": (lambda: (1, "1"), TypeError, "tuple"),
        "no model": (NoModel, TypeError, "NoModel"),
        "unsaved": (lambda: Movie(title="x"), ValueError, "[Ss]ave"),
        "unsaved with a key": (lambda: Movie(pk=77, title="x"), ValueError, "[Ss]ave"),
        "unsaved with a default key": (lambda: Opera(), ValueError, "[Ss]ave"),
        "unsaved with the key of a saved one": (
            lambda: Movie(pk=Movie.objects.get().pk),
            ValueError,
            "[Ss]ave",
        ),
        "float key": (
            lambda: Measure.objects.create(value=1.5),
            TypeError,
            "FloatField",
        ),
    }


REFUSED = refused_objects()
WRITES = {
    "add": lambda manager, *objs: manager.add(*objs),
    "remove": lambda manager, *objs: manager.remove(*objs),
    "set": lambda manager, *objs: manager.set(objs),
    "set, clear": lambda manager, *objs: manager.set(objs, clear=True),
}


@pytest.fixture(params=WRITES.values(), ids=WRITES)
def write(request):
    return request.param


def assert_refused(write, manager, wrong, error, message, *, through=Through):
    """
    Assert that `write` refuses `wrong` wherever it stands among good objects, and
    leaves the table as it was.
    """
    linked = Movie.objects.get()
    new = Documentary.objects.create(title="new")
    manager.add(linked)
    before = rows(through)
    for objs in ([wrong], [linked, wrong], [wrong, new], [new, wrong, linked]):
        with (
            CaptureQueriesContext(connection) as context,
            pytest.raises(error, match=message),
        ):
            write(manager, *objs)
        assert not [
            query["sql"]
            for query in context
            if query["sql"].split()[0] in ("INSERT", "DELETE", "UPDATE")
        ]
        assert rows(through) == before


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_objects_are_refused_and_nothing_changes(user, movie, write, case):
    make, error, message = REFUSED[case]
    assert_refused(write, user.preferred_videos, make(), error, message)


@pytest.mark.parametrize("case", REFUSED)
def test_the_refusal_names_the_field(user, movie, case):
    make, error, _ = REFUSED[case]
    with pytest.raises(error, match="preferred_videos"):
        user.preferred_videos.add(make())


def test_a_deleted_object_is_refused(user, movie, write):
    gone = Opera.objects.create(title="gone")
    user.preferred_videos.add(gone)
    gone.delete()
    assert_refused(write, user.preferred_videos, gone, ValueError, r"[Ss]ave")


def test_too_long_a_key_is_refused_and_the_remedy_named(movie, write):
    """A UUID needs 36 characters, `things` keeps the usual 16."""
    holder = Undeclared.objects.create()
    opera = Opera.objects.create(title="Aida")
    assert_refused(
        write,
        holder.things,
        opera,
        ValueError,
        "pk_maxlength",
        through=Undeclared.things.through,
    )
    with pytest.raises(ValueError, match=str(opera.pk)):
        holder.things.add(opera)
    with pytest.raises(ValueError, match="36"):
        holder.things.add(opera)


def test_the_longest_key_fits(db):
    holder = Undeclared.objects.create()
    concert = Concert.objects.create(code="x" * 16)
    holder.things.add(concert)
    assert list(holder.things.all()) == [concert]


def test_too_long_a_key_for_a_custom_through_names_its_column(db):
    with isolate_apps("tests.app"):

        class Saga(models.Model):
            code = models.CharField(max_length=100, primary_key=True)

            class Meta:
                app_label = "app"

    saga = Saga(code="x" * 41)
    saga._state.adding = False
    playlist = Playlist.objects.create()
    with pytest.raises(ValueError, match="max_length") as info:
        playlist.items.add(saga)
    assert "object_id" in str(info.value)
    # There is no such option together with a custom through.
    assert "pk_maxlength" not in str(info.value)


def test_composite_keys_are_refused(user, movie, write):
    with isolate_apps("tests.app"):

        class Pair(models.Model):
            pk = models.CompositePrimaryKey("a", "b")
            a = models.IntegerField()
            b = models.IntegerField()

            class Meta:
                app_label = "app"

    pair = Pair(a=1, b=2)
    pair._state.adding = False
    assert_refused(write, user.preferred_videos, pair, TypeError, "CompositePrimaryKey")


@pytest.mark.parametrize(
    "field",
    [
        models.FloatField(primary_key=True),
        models.DecimalField(primary_key=True, max_digits=4, decimal_places=2),
        models.DateTimeField(primary_key=True),
        models.BooleanField(primary_key=True),
        models.BinaryField(primary_key=True),
    ],
    ids=lambda field: type(field).__name__,
)
def test_other_kinds_of_keys_are_refused(user, movie, write, field):
    with isolate_apps("tests.app"):
        opts = type("Meta", (), {"app_label": "app"})
        attributes = {"Meta": opts, "key": field.clone(), "__module__": __name__}
        model = type("Odd", (models.Model,), attributes)
    odd = model(key=1)
    odd._state.adding = False
    assert_refused(write, user.preferred_videos, odd, TypeError, type(field).__name__)


@override_settings(GM2M_TEST_SWAPPED="app.Book")
def test_instances_of_swapped_out_models_are_refused(user, movie, write):
    with isolate_apps("tests.app"):

        class Volume(models.Model):
            class Meta:
                app_label = "app"
                swappable = "GM2M_TEST_SWAPPED"

    volume = Volume(pk=1)
    volume._state.adding = False
    assert_refused(
        write, user.preferred_videos, volume, TypeError, "swapped out for app.Book"
    )


class Sceptic:
    """A router that allows no relation to operas."""

    def allow_relation(self, obj1, obj2, **hints):
        return not isinstance(obj1, Opera) and not isinstance(obj2, Opera)


@override_settings(DATABASE_ROUTERS=[Sceptic()])
def test_routers_may_refuse(user, movie, opera, write):
    assert_refused(write, user.preferred_videos, opera, ValueError, "router")


@pytest.mark.parametrize("method", WRITING)
def test_a_source_without_a_key_is_refused(movie, method):
    arguments = {"add": [movie], "remove": [movie], "set": [[movie]], "clear": []}
    for source in (User(), User(name="x")):
        with pytest.raises(ValueError, match="id"):
            getattr(source.preferred_videos, method)(*arguments.get(method, [Movie]))
    assert not Through.objects.exists()


def test_a_deleted_source_is_refused(user, movie):
    user.delete()
    with pytest.raises(ValueError, match="id"):
        user.preferred_videos.add(movie)
    with pytest.raises(ValueError, match="id"):
        user.preferred_videos.all()
    with pytest.raises(ValueError, match="id"):
        user.preferred_videos = [movie]


# Managers.


def test_the_manager_is_iterable(user, movie, opera):
    user.preferred_videos.add(movie, opera)
    assert list(user.preferred_videos) == [movie, opera]
    assert movie in user.preferred_videos
    assert [obj.title for obj in user.preferred_videos] == ["Alien", "Aida"]
    first, second = user.preferred_videos
    assert (first, second) == (movie, opera)


@pytest.mark.parametrize("method", WRITING)
@pytest.mark.parametrize("prefix", ["", "a"], ids=["sync", "async"])
def test_writing_methods_are_marked_for_templates(user, prefix, method):
    assert getattr(user.preferred_videos, prefix + method).alters_data is True


@pytest.mark.parametrize(
    "method",
    [
        "update",
        "aupdate",
        "bulk_create",
        "abulk_create",
        "bulk_update",
        "abulk_update",
    ],
)
def test_refused_methods_are_marked_for_templates_too(user, method):
    assert getattr(user.preferred_videos, method).alters_data is True


@pytest.mark.parametrize("method", ["update", "delete", "create", "bulk_create"])
@pytest.mark.parametrize("prefix", ["", "a"], ids=["sync", "async"])
def test_refused_methods_of_the_queryset_are_marked_for_templates(user, prefix, method):
    assert getattr(user.preferred_videos.all(), prefix + method).alters_data is True


def test_templates_read_and_do_not_write(user, movie, opera):
    user.preferred_videos.add(movie, opera)
    assert user.preferred_videos.do_not_call_in_templates is True
    template = Template(
        "{{ user.preferred_videos.count }}"
        "{% for video in user.preferred_videos.all %}|{{ video }}{% endfor %}"
        "{% for video in user.preferred_videos %}|{{ video }}{% endfor %}"
        "{{ user.preferred_videos.clear }}{{ user.preferred_videos.delete }}"
        "{{ user.preferred_videos.update }}{{ user.preferred_videos.all.delete }}"
    )
    text = template.render(Context({"user": user}))
    assert text == "2|Alien|Aida|Alien|Aida"
    assert user.preferred_videos.count() == 2


def test_the_manager_knows_the_through_model_and_the_instance(user):
    manager = user.preferred_videos
    assert manager.through is User.preferred_videos.through
    assert manager.instance is user
    assert User.preferred_videos.field is User._meta.get_field("preferred_videos")
    assert User.preferred_videos.rel is User.preferred_videos.field.remote_field


def test_the_class_gives_no_manager():
    for name in ("add", "all", "set", "clear"):
        assert not hasattr(User.preferred_videos, name)


# Caches of prefetching.


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda m, old, new: m.add(new), "old new"),
        (lambda m, old, new: m.remove(old), ""),
        (lambda m, old, new: m.set([new]), "new"),
        (lambda m, old, new: m.set([new], clear=True), "new"),
        (lambda m, old, new: m.clear(), ""),
        (lambda m, old, new: m.create(Movie, title="made"), "old made"),
        (lambda m, old, new: m.get_or_create(Movie, title="made"), "old made"),
        (lambda m, old, new: m.update_or_create(Movie, title="made"), "old made"),
        (lambda m, old, new: setattr(m.instance, "preferred_videos", [new]), "new"),
    ],
    ids=[*WRITING[:3], "set with clear", *WRITING[3:], "assignment"],
)
def test_any_write_drops_the_prefetched_targets(user, write, expected):
    old, new = (Opera.objects.create(title=title) for title in ("old", "new"))
    user.preferred_videos.add(old)
    user = User.objects.prefetch_related("preferred_videos").get()
    assert list(user.preferred_videos.all()) == [old]
    write(user.preferred_videos, old, new)
    found = [obj.title for obj in user.preferred_videos.all()]
    assert found == expected.split()


@pytest.mark.parametrize("method", ["get_or_create", "update_or_create"])
def test_a_creation_does_not_trust_what_was_prefetched(user, method):
    """The cache may be older than the link; `instances_of()` always asks."""
    user.preferred_videos.create(Movie, title="Alien")
    stale = User.objects.prefetch_related("preferred_videos").get()
    user.preferred_videos.create(Movie, title="Brazil")
    _, created = getattr(stale.preferred_videos, method)(Movie, title="Brazil")
    assert not created


def test_refreshing_drops_the_prefetched_targets(user, movie, opera):
    user.preferred_videos.add(movie)
    prefetched = User.objects.prefetch_related("preferred_videos").get()
    user.preferred_videos.add(opera)
    assert list(prefetched.preferred_videos.all()) == [movie]
    prefetched.refresh_from_db()
    assert list(prefetched.preferred_videos.all()) == [movie, opera]


def test_a_refused_write_keeps_the_prefetched_targets(
    user, movie, django_assert_num_queries
):
    user.preferred_videos.add(movie)
    user = User.objects.prefetch_related("preferred_videos").get()
    with django_assert_num_queries(0):
        with pytest.raises(TypeError):
            user.preferred_videos.add(None)
        with pytest.raises(TypeError):
            user.preferred_videos.set([movie, 1])
        assert list(user.preferred_videos.all()) == [movie]


# Numbers of queries.


def test_iteration_costs_one_query_and_one_per_content_type(
    user, django_assert_num_queries
):
    with django_assert_num_queries(1):
        assert list(user.preferred_videos.all()) == []
    objs = one_of_each()
    user.preferred_videos.add(*objs, *(Movie.objects.create(title=n) for n in "abc"))
    with django_assert_num_queries(1 + 7):
        list(user.preferred_videos.all())
    with django_assert_num_queries(1 + 7):
        list(user.preferred_videos)
    with django_assert_num_queries(1 + 1):
        list(user.preferred_videos.filter(Model=Movie))


def test_reading_without_targets_costs_one_query(
    user, movie, opera, warm, django_assert_num_queries
):
    user.preferred_videos.add(movie, opera)
    user = User.objects.get()
    with django_assert_num_queries(1):
        assert user.preferred_videos.count() == 2
    with django_assert_num_queries(1):
        assert user.preferred_videos.exists()
    with django_assert_num_queries(1):
        assert user.preferred_videos.contains(movie)
    with django_assert_num_queries(1):
        assert list(user.preferred_videos.instances_of(Movie)) == [movie]
    with django_assert_num_queries(1):
        assert user.preferred_videos.instances_of(Movie).count() == 1


@pytest.mark.parametrize("number", [1, 5, 300])
def test_add_costs_one_statement_a_batch(user, warm, django_assert_num_queries, number):
    books = Book.objects.bulk_create(Book(title=str(n)) for n in range(number))
    books = list(Book.objects.all())
    operas = [Opera.objects.create(title="x")]
    with django_assert_num_queries(insert_batches(number + 1) + LOCK):
        user.preferred_videos.add(*books, *operas)
    with django_assert_num_queries(insert_batches(number + 1) + LOCK):
        user.preferred_videos.add(*books, *operas)
    assert user.preferred_videos.count() == number + 1


def test_add_costs_one_query_more_if_somebody_listens(
    user, movie, opera, warm, django_assert_num_queries
):
    with Listener(), django_assert_num_queries(2 + LOCK):
        user.preferred_videos.add(movie, opera)
    with Listener(), django_assert_num_queries(1 + LOCK):
        user.preferred_videos.add(movie, opera)


def test_listeners_of_other_relations_cost_nothing(
    user, movie, warm, django_assert_num_queries
):
    with Listener(Undeclared.things.through), django_assert_num_queries(1):
        user.preferred_videos.add(movie)


def test_add_to_a_custom_through_costs_one_query_more(
    opera, warm, django_assert_num_queries
):
    playlist = Playlist.objects.create()
    video = Video.objects.create(title="Short")
    with django_assert_num_queries(2 + LOCK):
        playlist.items.add(video, opera)


def test_remove_costs_one_query_per_content_type(user, warm, django_assert_num_queries):
    objs = one_of_each()
    user.preferred_videos.add(*objs)
    with django_assert_num_queries(2 + LOCK):
        user.preferred_videos.remove(objs[0], objs[2])
    with django_assert_num_queries(0):
        user.preferred_videos.remove()
    more = [Movie.objects.create(title=n) for n in "abcdef"]
    user.preferred_videos.add(*more)
    with django_assert_num_queries(1 + LOCK):
        user.preferred_videos.remove(*more)


def test_clear_costs_one_query(user, django_assert_num_queries):
    user.preferred_videos.add(*one_of_each())
    with django_assert_num_queries(1 + LOCK):
        user.preferred_videos.clear()


def test_set_costs_two_queries_and_one_per_content_type_removed(
    user, warm, django_assert_num_queries
):
    objs = one_of_each()
    with django_assert_num_queries(2 + LOCK):
        user.preferred_videos.set(objs)
    with django_assert_num_queries(1 + LOCK):
        user.preferred_videos.set(objs)
    with django_assert_num_queries(1 + 3 + LOCK):
        user.preferred_videos.set(objs[3:])
    with django_assert_num_queries(2 + 1 + LOCK):
        user.preferred_videos.set([objs[0], *objs[4:]])
    with django_assert_num_queries(2 + LOCK):
        user.preferred_videos.set(objs, clear=True)


@pytest.mark.parametrize("listen", [False, True], ids=["unheard", "heard"])
def test_many_objects_in_one_call(user, warm, django_assert_num_queries, listen):
    Book.objects.bulk_create([Book(title=f"{n:04}") for n in range(750)])
    Opera.objects.bulk_create([Opera(title=f"{n:04}") for n in range(750)])
    books, operas = list(Book.objects.all()), list(Opera.objects.order_by("title"))
    objs = [obj for pair in zip(books, operas, strict=True) for obj in pair]
    sender = Through if listen else Undeclared.things.through
    more = 1 if listen else 0
    with Listener(sender):
        with django_assert_num_queries(insert_batches(1500) + more + LOCK):
            user.preferred_videos.add(*objs)
        with django_assert_num_queries(1 + 2):
            assert list(user.preferred_videos.all()) == objs
        with django_assert_num_queries(2 + LOCK):
            user.preferred_videos.remove(*objs)
        assert not user.preferred_videos.exists()
        user.preferred_videos.set(objs[:1000])
        with django_assert_num_queries(1 + 2 + insert_batches(500) + more + LOCK):
            user.preferred_videos.set(objs[500:])
        assert list(user.preferred_videos.all()) == objs[500:]
    assert User.objects.filter(preferred_videos__in=objs).distinct().get() == user
    loaded = User.objects.prefetch_related("preferred_videos").get()
    assert list(loaded.preferred_videos.all()) == objs[500:]


def test_links_are_not_made_into_objects_by_reading(user, movie):
    """Rows of the through table are read as values."""
    user.preferred_videos.add(movie)
    made = []
    post_init.connect(
        lambda **kw: made.append(1), sender=Through, weak=False, dispatch_uid="t"
    )
    try:
        list(user.preferred_videos.all())
    finally:
        post_init.disconnect(sender=Through, dispatch_uid="t")
    assert not made


def test_managers_of_a_source_with_managers_of_its_own(db):
    club = Club.everything.create(name="Secret", secret=True)
    video = Video.objects.create(title="Short")
    club.library.add(video)
    assert list(club.library.all()) == [video]
