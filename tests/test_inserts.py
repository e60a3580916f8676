"""
Links that conflict with other rows than their like: nothing is lost without an error.
"""

from contextlib import contextmanager

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, IntegrityError, ProgrammingError, connection
from django.db.models import Max
from django.db.models.signals import m2m_changed

from gm2m.connections.models import Connection
from gm2m.inserts import insert_missing
from tests.app.models import Movie, Opera, User

pytestmark = pytest.mark.django_db(transaction=True, databases=["default"])

Through = User.preferred_videos.through


@pytest.fixture(params=["nobody listens", "somebody listens"])
def listening(request):
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
def movies():
    return [Movie.objects.create(title=title) for title in "abc"]


def execute(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


@contextmanager
def unique(model, *names):
    """Give the table of `model` one more unique constraint, as old tables may have."""
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    columns = ", ".join(quote(model._meta.get_field(name).column) for name in names)
    execute(f"CREATE UNIQUE INDEX one_more ON {table} ({columns})")
    try:
        yield
    finally:
        on = f" ON {table}" if connection.vendor == "mysql" else ""
        execute(f"DROP INDEX one_more{on}")


def lag(model):
    """Have the database give out keys that rows of `model` have already."""
    first = model.objects.order_by("pk")[0].pk
    if connection.vendor == "postgresql":
        table = model._meta.db_table
        sequence = f"pg_get_serial_sequence('{table}', 'id')"
        execute(f"SELECT setval({sequence}, {first}, false)")
    else:
        # For the next row that the session inserts; nothing else makes MariaDB lag.
        execute(f"SET insert_id = {first}")


#: Ways to link two more movies, from both ends.
WAYS = {
    "add": lambda user, movies: user.preferred_videos.add(*movies),
    "set": lambda user, movies: user.preferred_videos.set(movies),
    "set clear": lambda user, movies: user.preferred_videos.set(movies, clear=True),
    "reverse add": lambda user, movies: movies[1].user_set.add(user),
    "reverse set": lambda user, movies: movies[1].user_set.set([user]),
    "create": lambda user, movies: user.preferred_videos.create(Movie, title="x"),
}


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("way", WAYS)
def test_another_unique_constraint(user, movies, way):
    """A table in which nobody may like two things: the second is refused."""
    with unique(Through, "gm2m_src"):
        user.preferred_videos.add(movies[0])
        with pytest.raises(IntegrityError):
            WAYS[way](user, movies)
        assert list(user.preferred_videos.all()) == movies[:1]
        # What is there is still no error.
        user.preferred_videos.add(movies[0])
        movies[0].user_set.add(user)
        assert Through.objects.count() == 1


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite looks for the highest key itself."
)
@pytest.mark.usefixtures("listening")
# The object that is created would take the key that MariaDB is made to repeat.
@pytest.mark.parametrize("way", sorted(WAYS.keys() - {"create"}))
def test_a_key_sequence_that_lags_behind(user, movies, way):
    other = User.objects.create(name="Jill")
    other.preferred_videos.add(*movies)
    before = list(Through.objects.order_by("pk").values())
    lag(Through)
    with pytest.raises(IntegrityError):
        WAYS[way](user, movies)
    # Neither lost nor overwritten.
    assert list(Through.objects.order_by("pk").values()) == before


def test_links_that_are_there_use_no_key(user, movies):
    """Adding them again is one statement that changes nothing."""
    user.preferred_videos.add(*movies)
    before = list(Through.objects.order_by("pk").values())
    user.preferred_videos.add(*reversed(movies))
    movies[0].user_set.add(user)
    assert list(Through.objects.order_by("pk").values()) == before


def test_a_source_that_is_not_there(movies):
    """The foreign key says so on every database."""
    ghost = User(pk=(User.objects.aggregate(last=Max("pk"))["last"] or 0) + 1)
    ghost._state.adding, ghost._state.db = False, "default"
    with pytest.raises(IntegrityError):
        ghost.preferred_videos.add(*movies)
    assert not Through.objects.exists()


def test_a_table_without_the_constraint(user, movies):
    """Which could hold a link twice: the error says what to do."""
    opera = ContentType.objects.get_for_model(Opera)
    fields = Through._meta.concrete_fields[1:]
    row = Through(gm2m_src=user, gm2m_ct=opera, gm2m_pk="1")
    if connection.vendor == "mysql":
        # It asks for no constraint by name.
        insert_missing(Through, "default", fields, [row], fields[:1])
        assert Through.objects.count() == 1
        return
    with pytest.raises(ProgrammingError, match="UpgradeGM2MIndexes"):
        insert_missing(Through, "default", fields, [row], fields[:1])


def test_other_errors_are_those_of_the_database(user):
    opera = ContentType.objects.get_for_model(Opera)
    fields = Through._meta.concrete_fields[1:]
    row = Through(gm2m_src=user, gm2m_ct=opera, gm2m_pk=None)
    with pytest.raises(DatabaseError):
        insert_missing(Through, "default", fields, [row], fields)
    assert not Through.objects.exists()


def test_connections(define, user, movies):
    likes = define("likes", User, Movie)
    likes.create_connections([(user, movies[0])])
    with unique(Connection, "from_pk"):
        likes.create_connections([(user, movies[0])])
        with pytest.raises(IntegrityError):
            likes.create_connections([(user, movie) for movie in movies])
    assert Connection.objects.count() == 1
