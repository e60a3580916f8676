"""
Cases of Django's own tests that no other module here has, and the table of all of them,
``DJANGO_TESTS.md``.
"""

import ast
import pickle
import re
from pathlib import Path

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.db.models import Prefetch, prefetch_related_objects

from tests.app.models import (
    Club,
    Concert,
    Critic,
    Documentary,
    Exhibit,
    Gallery,
    Member,
    Movie,
    Opera,
    Playlist,
    PlaylistItem,
    Rack,
    User,
    Vault,
    Video,
)

HERE = Path(__file__).parent


@pytest.fixture
def jack(db):
    return User.objects.create(name="Jack")


@pytest.fixture
def alien(db):
    return Movie.objects.create(title="Alien")


def again(obj):
    return pickle.loads(pickle.dumps(obj))


# Keys that change.


def test_a_manager_follows_the_key_of_its_source(db):
    """It is made anew at each access, and asks for what the object has then."""
    rack = Rack.objects.create(code="a")
    video = Video.objects.create(title="Alien")
    rack.discs.add(video)
    rack.code = "b"
    assert not rack.discs.exists()
    rack.refresh_from_db()
    assert list(rack.discs.all()) == [video]


def test_a_manager_follows_the_key_of_its_target(jack):
    """A changed text key is another object, whose links are its own."""
    concert = Concert.objects.create(code="old")
    jack.preferred_videos.add(concert)
    concert.code = "new"
    assert not concert.user_set.exists()
    concert.save()
    assert Concert.objects.count() == 2
    assert not concert.user_set.exists()
    assert list(Concert.objects.get(code="old").user_set.all()) == [jack]


def test_a_copy_of_a_source_has_no_links_until_it_gets_some(jack, alien):
    jack.preferred_videos.add(alien)
    copy = User.objects.prefetch_related("preferred_videos").get()
    copy.pk, copy._state.adding = None, True
    copy.save()
    copy.preferred_videos.set(jack.preferred_videos.all())
    assert copy.pk != jack.pk
    assert list(copy.preferred_videos.all()) == [alien]
    copy.preferred_videos.clear()
    assert list(jack.preferred_videos.all()) == [alien]


def test_a_copy_of_a_target_has_no_links_until_it_gets_some(jack, db):
    opera = Opera.objects.create(title="Tosca")
    jack.preferred_videos.add(opera)
    copy = Opera.objects.get()
    copy.pk, copy._state.adding = Opera().pk, True
    copy.save()
    assert not copy.user_set.exists()
    copy.user_set.add(jack)
    assert list(jack.preferred_videos.all()) == [opera, copy]


# Objects that look like nothing.


@pytest.fixture
def falsy(monkeypatch):
    """Objects at both ends that are empty, or false."""
    for model in (User, Video, Opera):
        monkeypatch.setattr(model, "__len__", lambda self: 0, raising=False)
        monkeypatch.setattr(model, "__bool__", lambda self: False, raising=False)


@pytest.mark.usefixtures("falsy")
def test_objects_without_length_or_truth(jack, alien):
    opera = Opera.objects.create(title="Tosca")
    jack.preferred_videos.add(alien, opera)
    assert list(jack.preferred_videos.all()) == [alien, opera]
    assert jack.preferred_videos.first() == alien
    assert jack.preferred_videos.contains(opera)
    assert list(alien.user_set.all()) == [jack]
    assert list(User.objects.filter(preferred_videos=alien)) == [jack]
    prefetched = User.objects.prefetch_related("preferred_videos__user_set").get()
    assert list(prefetched.preferred_videos.all()) == [alien, opera]
    assert list(prefetched.preferred_videos.all()[0].user_set.all()) == [jack]
    jack.preferred_videos.set([opera])
    opera.delete()
    assert not jack.preferred_videos.exists()


# Managers and rels.


def test_the_classes_of_managers_are_made_once(jack, alien):
    opera = Opera.objects.create()
    assert type(alien.user_set) is type(opera.user_set)
    assert type(jack.preferred_videos) is type(Club(pk=1).library)


def test_rels_can_be_hashed_whatever_their_options():
    """A list of names is no value that can be hashed."""
    for source, name in ((Vault, "works"), (User, "preferred_videos")):
        rel = source._meta.get_field(name).remote_field
        assert {rel: 1}[rel] == 1
    assert all({rel: 1}[rel] for rel in Opera._meta.get_fields(include_hidden=True))


def test_copies_of_a_prefetched_parent_serve_its_children(alien):
    """A multi-table child has its parent's field, and a cache of its own."""
    critic = Critic.objects.create(name="Jill")
    critic.preferred_videos.add(alien)
    prefetched = Critic.objects.prefetch_related("preferred_videos").get()
    prefetched.user_ptr.preferred_videos.clear()
    assert list(prefetched.preferred_videos.all()) == [alien]
    prefetched.preferred_videos.add(alien)
    assert list(prefetched.user_ptr.preferred_videos.all()) == [alien]


# Prefetching.


def test_prefetching_on_from_a_generic_key(db, django_assert_num_queries):
    playlist = Playlist.objects.create(name="list")
    videos = [Video.objects.create(title=title) for title in "ab"]
    playlist.items.add(*videos)
    ContentType.objects.get_for_model(Video)
    with django_assert_num_queries(3):
        rows = list(PlaylistItem.objects.prefetch_related("item__playlists"))
        assert [list(row.item.playlists.all()) for row in rows] == [[playlist]] * 2


def test_prefetching_a_queryset_of_a_child_class(jack, alien):
    """Parents and children are different targets."""
    film = Video.objects.get(pk=alien.pk)
    jack.preferred_videos.add(film, alien)
    for queryset, found in (
        (Movie.objects.all(), [alien]),
        (Video.objects.all(), [film]),
        (Documentary.objects.all(), []),
    ):
        lookup = Prefetch("preferred_videos", queryset)
        (user,) = User.objects.prefetch_related(lookup)
        assert list(user.preferred_videos.all()) == found


def test_what_was_prefetched_and_then_deleted_can_be_pickled(jack, alien):
    jack.preferred_videos.add(alien)
    users = User.objects.prefetch_related("preferred_videos")
    assert list(users) == [jack]
    alien.delete()
    assert list(again(users)) == [jack]
    assert [list(user.preferred_videos.all()) for user in again(users.all())] == [[]]


# Pickling.


def test_errors_of_both_ends_can_be_pickled(jack, alien):
    for manager, name in ((jack.preferred_videos, "gm2m_pk"), (alien.user_set, "pk")):
        with pytest.raises(manager.model.DoesNotExist) as caught:
            manager.get(**{name: 0})
        copy = again(caught.value)
        assert type(copy) is type(caught.value)
        assert copy.args == caught.value.args


@pytest.mark.django_db(databases=["default", "other"])
def test_pickling_keeps_the_database():
    user = User.objects.using("other").create(name="Jack")
    opera = Opera.objects.using("other").create(title="Tosca")
    user.preferred_videos.add(opera)
    for queryset in (user.preferred_videos.all(), User(pk=user.pk).preferred_videos):
        copy = again(queryset.using("other"))
        assert copy.db == "other"
        assert list(copy) == [opera]


# Routers.


class Broken:
    """A router with a mistake in it."""

    def db_for_read(self, model, **hints):
        raise AttributeError("db_for_read")

    def db_for_write(self, model, **hints):
        raise AttributeError("db_for_write")


def test_the_mistakes_of_routers_surface(jack, alien, settings):
    """An ``AttributeError`` is not taken for something that is missing."""
    settings.DATABASE_ROUTERS = [Broken()]
    for manager, obj in ((jack.preferred_videos, alien), (alien.user_set, jack)):
        for method, args in (
            (manager.add, [obj]),
            (manager.remove, [obj]),
            (manager.set, [[obj]]),
            (manager.clear, []),
        ):
            with pytest.raises(AttributeError, match="db_for_write"):
                method(*args)
        with pytest.raises(AttributeError, match="db_for_read"):
            list(manager.all())


# Deletion.


def test_deletion_counts_the_links_that_go(db):
    """By model, as of a many-to-many; the rows of the target itself among them."""
    gallery = Gallery.objects.create()
    exhibits = [Exhibit.objects.create() for _ in range(3)]
    gallery.works.add(*exhibits)
    gallery.others.add(exhibits[0])
    assert Exhibit.objects.filter(pk=exhibits[0].pk).delete() == (
        3,
        {"app.Exhibit": 1, "app.Gallery_works": 1, "app.Gallery_others": 1},
    )
    assert gallery.delete() == (3, {"app.Gallery": 1, "app.Gallery_works": 2})


def test_targets_found_through_their_sources_can_be_deleted(db):
    """The condition of the deletion is about the rows that it deletes."""
    gallery = Gallery.objects.create(name="Tate")
    works = [Exhibit.objects.create(), Exhibit.objects.create()]
    gallery.works.add(works[0])
    Exhibit.objects.filter(galleries__name="Tate").delete()
    assert list(Exhibit.objects.all()) == [works[1]]
    assert not gallery.works.through.objects.exists()
    gallery.works.add(works[1])
    Gallery.objects.filter(works=works[1]).delete()
    assert not Gallery.objects.exists()
    assert list(Exhibit.objects.all()) == [works[1]]


# Tables.


def test_flush_knows_the_tables_of_links(db):
    through = User.preferred_videos.through._meta.db_table
    assert through in connection.introspection.django_table_names()
    assert through in {
        sequence["table"] for sequence in connection.introspection.sequence_list()
    }


@pytest.mark.django_db(transaction=True, databases=["default"])
def test_flush_empties_the_tables_of_links():
    jack = User.objects.create(name="Jack")
    jack.preferred_videos.add(Movie.objects.create(title="Alien"))
    call_command("flush", interactive=False, verbosity=0)
    assert not User.preferred_videos.through.objects.exists()
    jack = User.objects.create(name="Jack")
    jack.preferred_videos.add(Movie.objects.create(title="Alien"))
    assert jack.preferred_videos.count() == 1


# Managers of one's own.


def test_prefetching_with_managers_of_ones_own(db, django_assert_num_queries):
    video = Video.objects.create(title="Alien")
    left = Member.objects.create(name="Zoe", left=True)
    here = Member.objects.create(name="Ann")
    for member in (left, here):
        member.favourites.add(video)
    prefetch_related_objects(
        [video], Prefetch("admirers", Member.present.all(), to_attr="here")
    )
    with django_assert_num_queries(0):
        assert video.here == [here]
    assert list(video.admirers(manager="present").all()) == [here]
    assert list(video.admirers.named("Zoe")) == [left]


# The table.


def test_the_table_of_djangos_cases_names_tests_that_exist():
    text = (HERE / "DJANGO_TESTS.md").read_text()
    named = re.findall(r"`(test_\w+)::([\w.]+)`", text)
    assert len(named) > 150
    present = {
        (path.stem, name)
        for path in HERE.glob("test_*.py")
        for name in names_of_tests(ast.parse(path.read_text()))
    }
    assert [pair for pair in named if pair not in present] == []


def names_of_tests(tree):
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
            yield from (
                f"{node.name}.{method.name}"
                for method in node.body
                if isinstance(method, ast.FunctionDef)
            )
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
