"""
What holds when several transactions write the links of one object, under each isolation
level: the sentences of "Write at the same moment" in the documentation.

The order of what happens is fixed: one thread is in the middle of a transaction when
the other begins.
"""

import threading
import time
from functools import partial

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models.signals import m2m_changed

from tests.app.models import Concert, Movie, Opera, User
from tests.crew import SECONDS, Crew

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default"]),
    pytest.mark.skipif(
        connection.vendor == "sqlite",
        reason="SQLite has one writer and one isolation level.",
    ),
]

Through = User.preferred_videos.through

COMMITTED, REPEATABLE, SERIAL = "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"
#: Those under which writes of one object take turns.
IN_TURN = [COMMITTED, SERIAL]
if connection.vendor == "mysql":
    IN_TURN.append(REPEATABLE)
#: What the database calls a transaction that it gives up.
CODES = {"postgresql": ["40001", "40P01"], "mysql": [1213, 1020]}.get(
    connection.vendor, []
)
#: How it can be made to say so.
RAISE = {
    "postgresql": "DO $$ BEGIN RAISE 'given up' USING ERRCODE = '{}'; END $$",
    "mysql": (
        "BEGIN NOT ATOMIC SIGNAL SQLSTATE '45000' "
        "SET MYSQL_ERRNO = {}, MESSAGE_TEXT = 'given up'; END"
    ),
}
FOREIGN_KEYS_WAIT = "On MariaDB, foreign keys wait for a row that is locked."
#: As long is the other thread given to come to where it has to wait.
WHILE = 0.3


@pytest.fixture
def user():
    return User.objects.create(name="Jack")


@pytest.fixture
def movies():
    return [Movie.objects.create(title=title) for title in "abcd"]


def fresh(obj):
    return type(obj).objects.get(pk=obj.pk)


def linked(user):
    rows = Through.objects.filter(gm2m_src=user)
    return sorted(int(key) for key in rows.values_list("gm2m_pk", flat=True))


def keys(objs):
    return [obj.pk for obj in objs]


def in_the_middle(first, second, isolation=None, then=None):
    """
    Call `first` in a transaction, `second` from elsewhere before it ends, and `then` in
    the transaction again; return the errors of the two threads.
    """
    began = threading.Event()

    def hold():
        with transaction.atomic():
            first()
            began.set()
            time.sleep(WHILE)
            if then:
                then()

    def follow():
        assert began.wait(SECONDS)
        second()

    with Crew(2, isolation) as crew:
        return crew.do(hold, follow)


@pytest.fixture(params=["source", "target"])
def ends(request):
    """Two instances of one object, whose links are set, and objects to link with it."""
    if request.param == "source":
        user = User.objects.create()
        others = [Movie.objects.create(title=title) for title in "abcd"]
        return [fresh(user).preferred_videos for _ in range(2)], others
    movie = Movie.objects.create()
    others = [User.objects.create() for _ in range(4)]
    return [fresh(movie).user_set for _ in range(2)], others


@pytest.mark.parametrize("isolation", IN_TURN)
@pytest.mark.parametrize("clear", [False, True])
def test_the_later_of_two_sets_is_left(ends, isolation, clear):
    (one, other), objs = ends
    errors = in_the_middle(
        partial(one.set, objs[:2], clear=clear),
        partial(other.set, objs[2:], clear=clear),
        isolation,
    )
    assert errors == [None, None]
    assert set(other.all()) == {*objs[2:]}


@pytest.mark.parametrize("isolation", IN_TURN)
def test_clear_takes_all_of_an_add(ends, isolation):
    """The object that is linked before is not all it finds."""
    (one, other), objs = ends
    one.add(objs[0])
    errors = in_the_middle(partial(one.add, *objs[:2]), other.clear, isolation)
    assert errors == [None, None]
    assert not other.exists()


@pytest.mark.parametrize("isolation", IN_TURN)
def test_an_add_is_whole_after_clear(ends, isolation):
    (one, other), objs = ends
    one.add(*objs[:2])
    errors = in_the_middle(one.clear, partial(other.add, *objs[1:]), isolation)
    assert errors == [None, None]
    assert set(other.all()) == {*objs[1:]}


@pytest.mark.parametrize("isolation", IN_TURN)
def test_remove_takes_all_of_a_set(ends, isolation):
    (one, other), objs = ends
    one.add(objs[0])
    errors = in_the_middle(
        partial(one.set, objs[:2]), partial(other.remove, *objs[:2]), isolation
    )
    assert errors == [None, None]
    assert not other.exists()


@pytest.mark.skipif(connection.vendor == "mysql", reason=FOREIGN_KEYS_WAIT)
def test_one_link_waits_for_nobody(user, movies):
    """It is there or not, whoever else writes."""
    began, done = threading.Event(), threading.Event()
    one, other = fresh(user), fresh(user)

    def hold():
        with transaction.atomic():
            one.preferred_videos.set(movies[:2])
            began.set()
            assert done.wait(SECONDS)

    def add():
        assert began.wait(SECONDS)
        other.preferred_videos.add(movies[2])
        other.preferred_videos.remove(movies[3])
        done.set()

    with Crew(2) as crew:
        crew.race(hold, add)
    assert linked(user) == keys(movies[:3])


@pytest.mark.skipif(connection.vendor != "postgresql", reason="It is PostgreSQL's.")
def test_two_sets_may_be_united_under_repeatable_read(user, movies):
    """What it has seen when it began to wait is all that it sees."""
    one, other = fresh(user), fresh(user)
    errors = in_the_middle(
        partial(one.preferred_videos.set, movies[:2]),
        partial(other.preferred_videos.set, movies[2:]),
        REPEATABLE,
    )
    assert errors == [None, None]
    assert linked(user) == keys(movies)


@pytest.mark.parametrize("isolation", [REPEATABLE, SERIAL])
def test_a_transaction_that_has_read_before(user, movies, isolation):
    """It goes on from what it has read, or is given up if it is serializable."""
    one, other = fresh(user), fresh(user)
    has_read, is_set = threading.Event(), threading.Event()

    def read_and_set():
        with transaction.atomic():
            assert User.objects.count() == 1
            assert not other.preferred_videos.exists()
            has_read.set()
            if connection.vendor == "postgresql" or isolation == REPEATABLE:
                assert is_set.wait(SECONDS)
            other.preferred_videos.set(movies[2:])

    def set_between():
        assert has_read.wait(SECONDS)
        one.preferred_videos.set(movies[:2])
        is_set.set()

    with Crew(2, isolation) as crew:
        errors = crew.do(set_between, read_and_set)
    assert errors[0] is None
    if isolation == REPEATABLE:
        assert errors[1] is None
        assert linked(user) == keys(movies)
    elif errors[1] is not None:
        assert isinstance(errors[1], OperationalError)
        assert linked(user) == keys(movies[:2])


class TestNoDeadlock:
    """With what else a site does to the same object."""

    def test_one_that_has_saved_the_source(self, user, movies):
        """As the admin does."""
        one, other = fresh(user), fresh(user)
        errors = in_the_middle(
            one.save,
            partial(other.preferred_videos.set, movies[1:]),
            then=partial(one.preferred_videos.set, movies[:2]),
        )
        assert errors == [None, None]

    def test_one_that_saves_the_source_afterwards(self, user, movies):
        one, other = fresh(user), fresh(user)

        def save_and_set():
            with transaction.atomic():
                other.save()
                other.preferred_videos.set(movies[1:])

        errors = in_the_middle(
            partial(one.preferred_videos.set, movies[:2]), save_and_set, then=one.save
        )
        assert errors == [None, None]
        assert linked(user) == keys(movies[1:])

    @pytest.mark.skipif(
        connection.vendor != "postgresql", reason="MariaDB may give up either."
    )
    def test_one_that_deletes_the_source(self, user, movies):
        """It takes links first; who waits for these does not keep it from the row."""
        user.preferred_videos.add(*movies)
        one, other = fresh(user), fresh(user)
        errors = in_the_middle(
            Through.objects.filter(gm2m_src=user).delete,
            partial(other.preferred_videos.add, *movies),
            then=one.delete,
        )
        assert errors[0] is None
        assert isinstance(errors[1], IntegrityError)

    @pytest.mark.skipif(connection.vendor == "mysql", reason=FOREIGN_KEYS_WAIT)
    def test_others_with_a_foreign_key_to_the_source(self, user, movies):
        one = fresh(user)
        done = threading.Event()

        def hold():
            with transaction.atomic():
                one.preferred_videos.set(movies[:2])
                assert done.wait(SECONDS)

        def refer():
            Through.objects.create(
                gm2m_src=user,
                gm2m_ct=ContentType.objects.get_for_model(Opera),
                gm2m_pk="1",
            )
            done.set()

        with Crew(2) as crew:
            crew.race(hold, refer)


class TestRetries:
    """A write is made again if its own transaction is given up."""

    @pytest.mark.parametrize("isolation", [COMMITTED, REPEATABLE, SERIAL])
    def test_four_that_write_at_once(self, movies, isolation):
        users = [User.objects.create() for _ in range(2)]
        operas = [Opera.objects.create(title=title) for title in "ab"]
        objs = [*movies, *operas]

        def write(number):
            for step in range(4):
                user, movie = fresh(users[step % 2]), fresh(movies[step % 4])
                links, some = user.preferred_videos, objs[number : number + 3]
                links.set(some)
                links.add(*reversed(objs))
                movie.user_set.set(users)
                links.remove(*some)
                links.get_or_create(Concert, code=f"{number} {step}")
                links.update_or_create(Concert, code=f"{step} {number} x")
                links.create(Opera, title=f"{step}")
                movie.user_set.add(*users)
                movie.user_set.remove(*reversed(users))
                movie.user_set.create(name="x")
                links.set(some[:1], clear=True)
                links.clear()

        with Crew(4, isolation) as crew:
            errors = crew.do(*(partial(write, number) for number in range(4)))
        assert errors == [None] * 4

    @pytest.fixture
    def fail(self):
        """Have the database give up what is written, as often as is asked for."""
        given_up = []

        def receiver(action, using, **kwargs):
            if given_up and action.startswith("pre_"):
                code = given_up.pop()
                told.append(code)
                with transaction.get_connection(using).cursor() as cursor:
                    cursor.execute(RAISE[connection.vendor].format(code))

        told = []
        m2m_changed.connect(receiver)
        yield given_up, told
        m2m_changed.disconnect(receiver)

    @pytest.mark.parametrize("code", CODES)
    def test_what_was_given_up_is_made_again(self, user, movies, fail, code):
        given_up, told = fail
        for write in (
            partial(user.preferred_videos.add, *movies),
            partial(user.preferred_videos.set, movies[1:]),
            partial(user.preferred_videos.remove, movies[1]),
            partial(user.preferred_videos.set, movies, clear=True),
            user.preferred_videos.clear,
            partial(user.preferred_videos.create, Movie, title="x"),
            partial(user.preferred_videos.get_or_create, Movie, title="y"),
            partial(movies[0].user_set.update_or_create, name="z"),
        ):
            given_up[:] = [code] * 3
            write()
            assert not given_up
        assert len(told) == 3 * 8
        assert Movie.objects.filter(title="x").count() == 1
        assert user.preferred_videos.count() == 2

    def test_another_error_is_not_tried_again(self, user, movies, fail):
        given_up, told = fail
        code = {"postgresql": "22000", "mysql": 1690}[connection.vendor]
        given_up[:] = [code] * 2
        with pytest.raises(Exception, match="given up"):
            user.preferred_videos.add(*movies)
        assert told == [code]

    def test_it_ends(self, user, movies, fail):
        given_up, told = fail
        code = CODES[0]
        given_up[:] = [code] * 100
        with pytest.raises(OperationalError):
            user.preferred_videos.add(*movies)
        assert len(told) == 31
        assert not linked(user)

    def test_not_in_the_callers_transaction(self, user, movies, fail):
        given_up, told = fail
        given_up[:] = [CODES[0]] * 2
        with pytest.raises(OperationalError), transaction.atomic():
            user.preferred_videos.add(*movies)
        assert len(told) == 1

    @pytest.mark.skipif(
        connection.vendor != "mysql", reason="PostgreSQL waits as long as it takes."
    )
    def test_a_lock_that_was_waited_for_in_vain(self, user, movies):
        one, other = fresh(user), fresh(user)

        def impatient():
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
            other.preferred_videos.set(movies[2:])

        errors = in_the_middle(
            partial(one.preferred_videos.set, movies[:2]),
            impatient,
            then=partial(time.sleep, 1.2),
        )
        assert errors == [None, None]
        assert linked(user) == keys(movies[2:])

    @pytest.mark.skipif(
        connection.vendor != "mysql", reason="PostgreSQL waits as long as it takes."
    )
    def test_it_is_waited_for_twice(self, user, movies):
        one, other = fresh(user), fresh(user)

        def impatient():
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
            other.preferred_videos.set(movies[2:])

        errors = in_the_middle(
            partial(one.preferred_videos.set, movies[:2]),
            impatient,
            then=partial(time.sleep, 2.5),
        )
        assert errors[0] is None
        assert isinstance(errors[1], OperationalError)
        assert linked(user) == keys(movies[:2])


class TestDeletion:
    """What no constraint can see to: targets have no foreign key to them."""

    @pytest.mark.parametrize("isolation", [COMMITTED, REPEATABLE, SERIAL])
    def test_a_link_that_is_made_while_its_target_is_deleted_dangles(
        self, user, movies, isolation
    ):
        movie = movies[0]
        errors = in_the_middle(
            fresh(movie).delete,
            partial(fresh(user).preferred_videos.add, movie),
            isolation,
        )
        assert errors[1] is None
        assert linked(user) == [movie.pk]
        assert list(fresh(user).preferred_videos.all()) == []
        call_command("gm2m_doctor", "--fix", verbosity=0)
        assert linked(user) == []
