"""
Threads that write the same links at the same moment.

Each has a connection of its own, as the threads and processes of a site have. Asked of
every race: no error reaches a caller, no link is there twice or lost, the links that
are left are those of some order in which the calls could have followed one another,
and it is over in a bounded time.

``GM2M_TEST_ROUNDS`` sets how often each race is run: the ordinary number finds what
goes wrong often, a few hundred what goes wrong rarely.
"""

import os
import threading
import time
from collections import Counter
from functools import partial

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import (
    IntegrityError,
    OperationalError,
    connection,
    models,
    transaction,
)
from django.db.models.signals import m2m_changed

from gm2m import GM2MField
from tests.app.models import (
    Book,
    Concert,
    Movie,
    Opera,
    Playlist,
    PlaylistItem,
    Undeclared,
    User,
)
from tests.crew import SECONDS, Crew

pytestmark = pytest.mark.django_db(transaction=True, databases=["default"])

ROUNDS = int(os.environ.get("GM2M_TEST_ROUNDS", "10"))
Through = User.preferred_videos.through


@pytest.fixture
def pair():
    with Crew(2) as crew:
        yield crew


@pytest.fixture(params=["nobody listens", "somebody listens"])
def listening(request):
    """With a listener, writing takes more statements."""

    def receiver(**kwargs):
        pass

    if request.param == "somebody listens":
        m2m_changed.connect(receiver)
    yield
    m2m_changed.disconnect(receiver)


@pytest.fixture
def user():
    return User.objects.create(name="Jack")


@pytest.fixture
def things():
    """Targets of three models, some of which have the same key."""
    movies = [Movie.objects.create(title=str(number)) for number in range(20)]
    operas = [Opera.objects.create(title=str(number)) for number in range(20)]
    concerts = [Concert.objects.create(code=str(movie.pk)) for movie in movies]
    return [
        thing for row in zip(movies, operas, concerts, strict=True) for thing in row
    ]


def again(model, pk):
    """Return another instance: threads share none."""
    return model.objects.get(pk=pk)


def fresh(obj):
    return again(type(obj), obj.pk)


def identity(obj):
    return type(obj), obj.pk


def linked(user):
    """Return what the table links to the user, each as often as it does."""
    rows = Through.objects.filter(gm2m_src=user)
    return Counter(rows.values_list("gm2m_ct", "gm2m_pk"))


def links_to(*objs):
    """Return what ``linked()`` returns if these are linked once each."""
    types = ContentType.objects
    return Counter((types.get_for_model(obj).pk, str(obj.pk)) for obj in objs)


def shown(user):
    return {identity(obj) for obj in fresh(user).preferred_videos.all()}


@pytest.mark.usefixtures("listening")
def test_the_same_objects_are_added_by_several(user, things):
    with Crew(4) as crew:
        for _ in range(ROUNDS):
            users = [fresh(user) for _ in range(4)]
            crew.race(*(partial(u.preferred_videos.add, *things) for u in users))
            assert linked(user) == links_to(*things)
            assert [identity(obj) for obj in user.preferred_videos.all()] == [
                identity(obj) for obj in things
            ]
            user.preferred_videos.clear()


@pytest.mark.usefixtures("listening")
def test_overlapping_objects_are_added_in_opposite_order(pair, user, things):
    """Nobody may hold what the other waits for while waiting for what it holds."""
    for _ in range(ROUNDS):
        one, other = fresh(user), fresh(user)
        pair.race(
            partial(one.preferred_videos.add, *things[:50]),
            partial(other.preferred_videos.add, *reversed(things[10:])),
        )
        assert linked(user) == links_to(*things)
        user.preferred_videos.clear()


@pytest.mark.usefixtures("listening")
def test_overlapping_objects_are_added_to_a_custom_through(pair):
    """
    A unique constraint keeps the links single. Database errors of a custom through
    surface, so one of the two may have to try again.
    """
    for _ in range(ROUNDS):
        playlist = Playlist.objects.create()
        movies = [Movie.objects.create() for _ in range(10)]
        one, other = fresh(playlist), fresh(playlist)
        errors = pair.do(
            partial(one.items.add, *movies),
            partial(other.items.add, *movies),
        )
        assert errors.count(None) >= 1
        assert {type(error) for error in errors if error} <= {IntegrityError}
        rows = PlaylistItem.objects.filter(playlist=playlist)
        assert Counter(rows.values_list("object_id", flat=True)) == Counter(
            str(movie.pk) for movie in movies
        )


@pytest.mark.usefixtures("listening")
def test_objects_are_removed_in_opposite_order(pair, user, things):
    for _ in range(ROUNDS):
        user.preferred_videos.add(*things)
        one, other = fresh(user), fresh(user)
        pair.race(
            partial(one.preferred_videos.remove, *things[:50]),
            partial(other.preferred_videos.remove, *reversed(things[10:])),
        )
        assert not linked(user)


@pytest.mark.usefixtures("listening")
def test_what_is_added_is_removed_by_another(pair, user, things):
    for _ in range(ROUNDS):
        user.preferred_videos.set(things[:30])
        one, other = fresh(user), fresh(user)
        pair.race(
            partial(one.preferred_videos.add, *things),
            partial(other.preferred_videos.remove, *reversed(things[:30])),
        )
        # One call after the other would be all of them, or the later thirty; each
        # link by itself is such an order, and nobody promises more of several.
        left = linked(user)
        assert max(left.values()) == 1
        assert left >= links_to(*things[30:])
        assert left <= links_to(*things)
        user.preferred_videos.clear()


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("before", ["none", "those of both", "others"])
def test_different_lists_are_set(pair, user, things, clear, before):
    """
    Each reads what is there and writes the difference, as Django's own field does: of
    what one of them wants and the other does not, some may stay and some may go.
    """
    first, second = things[:20], things[10:30]
    present = {"none": [], "those of both": things[:30], "others": things[30:]}[before]
    for _ in range(ROUNDS):
        user.preferred_videos.set(present)
        one, other = fresh(user), fresh(user)
        pair.race(
            partial(one.preferred_videos.set, first, clear=clear),
            partial(other.preferred_videos.set, reversed(second), clear=clear),
        )
        left = linked(user)
        assert links_to(*things[10:20]) <= left <= links_to(*things[:30])
        user.preferred_videos.clear()


@pytest.mark.usefixtures("listening")
def test_links_are_cleared_while_others_are_added(pair, user, things):
    for _ in range(ROUNDS):
        user.preferred_videos.set(things[:30])
        one, other = fresh(user), fresh(user)
        pair.race(
            one.preferred_videos.clear,
            partial(other.preferred_videos.add, *things[20:]),
        )
        left = linked(user)
        assert left <= links_to(*things)
        if connection.vendor != "mysql":
            # There, clearing meets one by one the rows that are just being added.
            assert left >= links_to(*things[30:]) or not left
        user.preferred_videos.clear()


@pytest.mark.usefixtures("listening")
def test_a_target_is_deleted_while_it_is_added(pair, user):
    """A link to what is gone may be left, as nothing keeps it from it; none shows."""
    for _ in range(ROUNDS):
        movie, stays = Movie.objects.create(), Movie.objects.create()
        one, other = fresh(user), fresh(movie)
        pair.race(
            partial(one.preferred_videos.add, movie, stays),
            other.delete,
        )
        assert shown(user) == {identity(stays)}
        assert not Movie.objects.filter(pk=movie.pk).exists()
        user.preferred_videos.clear()


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("before", [0, 10])
def test_a_source_is_deleted_while_objects_are_added(pair, things, before):
    """
    The database refuses a link of a source that is gone, or to delete a source that
    has just been linked, as it does for Django's own field.
    """

    def delete(user):
        try:
            user.delete()
        except OperationalError:
            # MariaDB gives up either as a deadlock: the deletion takes the links
            # before their source, the other the source before its links. That one is
            # made again by itself; Django's must be by its caller.
            assert connection.vendor == "mysql"
            user.delete()

    for _ in range(ROUNDS):
        user = User.objects.create()
        user.preferred_videos.add(*things[:before])
        one, other = fresh(user), fresh(user)
        errors = pair.do(
            partial(one.preferred_videos.add, *things[:20]),
            partial(delete, other),
        )
        assert {type(error) for error in errors if error} <= {IntegrityError}
        if User.objects.filter(pk=user.pk).exists():
            assert isinstance(errors[1], IntegrityError)
            assert linked(user) == links_to(*things[:20])
        else:
            assert errors[1] is None
            assert not linked(user)


@pytest.mark.usefixtures("listening")
def test_one_link_is_added_from_both_ends(pair):
    for _ in range(ROUNDS):
        users = [User.objects.create() for _ in range(10)]
        movies = [Movie.objects.create() for _ in range(10)]
        user, movie = users[5], movies[5]
        pair.race(
            partial(fresh(user).preferred_videos.add, *movies),
            partial(fresh(movie).user_set.add, *reversed(users)),
        )
        assert linked(user) == links_to(*movies)
        rows = Through.objects.filter(gm2m_pk=str(movie.pk))
        assert Counter(rows.values_list("gm2m_src", flat=True)) == Counter(
            user.pk for user in users
        )


@pytest.mark.usefixtures("listening")
def test_sources_are_set_while_targets_are(pair):
    for _ in range(ROUNDS):
        users = [User.objects.create() for _ in range(6)]
        movies = [Movie.objects.create() for _ in range(6)]
        user, movie = users[0], movies[0]
        pair.race(
            partial(fresh(user).preferred_videos.set, movies),
            partial(fresh(movie).user_set.set, users),
        )
        assert linked(user) == links_to(*movies)
        assert set(movie.user_set.all()) == set(users)


@pytest.mark.usefixtures("listening")
def test_a_target_is_made_by_several(user):
    """``get_or_create()`` of what has a key of its own makes and links it once."""
    with Crew(4) as crew:
        for number in range(ROUNDS):
            users = [fresh(user) for _ in range(4)]
            code = f"new {number}"
            crew.race(
                *(
                    partial(u.preferred_videos.get_or_create, "Concert", code=code)
                    for u in users
                )
            )
            assert linked(user) == links_to(Concert(code=code))
            user.preferred_videos.clear()


@pytest.mark.skipif(
    connection.vendor == "sqlite",
    reason="SQLite has one writer: nobody waits for another in a circle.",
)
@pytest.mark.usefixtures("listening")
class TestDeadlock:
    """What two transactions do to each other that are about more than one call."""

    def test_is_the_callers_to_mend_in_a_transaction_of_his_own(self, pair, things):
        """The database undoes one of them, and no call can make the rest again."""
        jack, jill = User.objects.create(), User.objects.create()
        both_began = threading.Barrier(2)

        def write(first, second):
            with transaction.atomic():
                first.preferred_videos.add(*things)
                both_began.wait(SECONDS)
                second.preferred_videos.add(*things)

        one, other = [fresh(jack), fresh(jill)], [fresh(jill), fresh(jack)]
        errors = pair.do(partial(write, *one), partial(write, *other))
        assert sorted(type(error) for error in errors if error) == [OperationalError]
        assert linked(jack) == linked(jill) == links_to(*things)

    def test_is_none_of_a_call_by_itself(self, pair, user, things):
        """It waits for the other's transaction, or is made again after it."""
        began = threading.Event()
        one, other = fresh(user), fresh(user)

        def write_in_a_transaction():
            with transaction.atomic():
                one.preferred_videos.add(things[1])
                began.set()
                time.sleep(0.3)
                one.preferred_videos.add(things[0])

        def write():
            began.wait(SECONDS)
            other.preferred_videos.add(*things)

        by_hand, by_itself = pair.do(write_in_a_transaction, write)
        assert by_itself is None
        assert by_hand is None or isinstance(by_hand, OperationalError)
        assert linked(user) == links_to(*things)


def test_a_new_model_is_linked_by_eight_at_once(registry):
    """The relation is published once, and every link is there."""
    with Crew(8) as crew:
        for _ in range(ROUNDS):
            source_model, target_model = declare()
            source = source_model.objects.create(name="x")
            targets = [target_model.objects.create(title=str(n)) for n in range(8)]
            sources, found = [], []

            def link(target, source=source, sources=sources, found=found):
                source.things.add(target)
                sources.extend(target.newcomer_set.all())
                found.extend(type(target).objects.filter(newcomer=source, pk=target.pk))

            assert not hasattr(target_model, "newcomer_set")
            crew.race(*(partial(link, target) for target in targets))
            assert {obj.pk for obj in source.things.all()} == {t.pk for t in targets}
            assert sources == [source] * len(targets)
            assert {obj.pk for obj in found} == {target.pk for target in targets}
            names = [field.name for field in target_model._meta.get_fields()]
            assert names.count("newcomer") == 1
            source.delete()
            forget(registry)


def declare():
    """Declare models that no relation has been published of, on tables there are."""

    class Newcomer(models.Model):
        name = models.CharField(max_length=100)
        things = GM2MField(db_table=Undeclared.things.through._meta.db_table)

        class Meta:
            db_table = Undeclared._meta.db_table

    class Novelty(models.Model):
        title = models.CharField(max_length=255)

        class Meta:
            db_table = Book._meta.db_table

    return Newcomer, Novelty


def forget(registry):
    """Make room for models of the same names."""
    registry.all_models["app"].clear()
    registry.clear_cache()
    ContentType.objects.clear_cache()
