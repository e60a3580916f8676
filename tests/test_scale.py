"""
Large tables and many objects: an index serves every query, and nothing costs a query
per object.

The plans are those for 200,000 links of which the database has no statistics, as
after an import: the links of integer, UUID and text keys are mixed.
"""

import json
import random
import re
import time
import uuid
from contextlib import contextmanager

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Prefetch, Q
from django.db.models.signals import m2m_changed
from django.test.utils import CaptureQueriesContext

from .app.models import Book, Concert, Member, Movie, Opera, User, Video

# To be made once: the tables are the same for all.
# Without the second, a run of some of these tests alone would set up no database.
pytestmark = [pytest.mark.xdist_group("scale"), pytest.mark.django_db]

Link = User.preferred_videos.through
USERS, MOVIES, OPERAS, CONCERTS = 2_000, 20_000, 20_000, 5_000
MODELS = [User, Video, Movie, Opera, Concert, Link]
#: Without statistics the database has to know that a name finds one object.
NAMES_OF = {User: "name", Video: "title", Opera: "title", Concert: "title"}
#: Columns of which one has to lead the way into the through table.
SELECTIVE = ("gm2m_src_id", "gm2m_pk")


def opera_key(number):
    number = number * 0x9E3779B97F4A7C15F39CC0605CEDC834 % 2**128
    return uuid.UUID(int=number, version=4)


def insert(model, columns, rows):
    """Insert rows that are SQL already."""
    quote = connection.ops.quote_name
    names = ", ".join(map(quote, columns))
    start = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES "
    with connection.cursor() as cursor:
        for first in range(0, len(rows), 10_000):
            cursor.execute(start + ", ".join(rows[first : first + 10_000]))


def link_rows():
    """Return the links: every user likes 40 movies, 40 operas and 20 concerts."""
    movie, opera, concert = (
        ContentType.objects.get_for_model(model).pk for model in (Movie, Opera, Concert)
    )
    rows = []
    for user in range(1, USERS + 1):
        for number in range(40):
            key = (user * 7 + number * 499) % MOVIES + 1
            rows.append(f"({user}, {movie}, '{key}')")
            key = opera_key((user * 11 + number * 499) % OPERAS + 1)
            rows.append(f"({user}, {opera}, '{key}')")
        for number in range(20):
            key = (user * 13 + number * 241) % CONCERTS + 1
            rows.append(f"({user}, {concert}, 'c{key}')")
    random.Random(1).shuffle(rows)
    return rows


@pytest.fixture(scope="module")
def library(django_db_setup, django_db_blocker):
    """200,000 links, which stay for the module."""
    tables = [model._meta.db_table for model in MODELS]
    with django_db_blocker.unblock():
        gather_statistics(tables, False)
        insert(
            User, ["id", "name"], [f"({n}, 'user {n}')" for n in range(1, USERS + 1)]
        )
        numbers = range(1, MOVIES + 1)
        insert(Video, ["id", "title"], [f"({n}, 'movie {n}')" for n in numbers])
        insert(Movie, ["video_ptr_id"], [f"({n})" for n in numbers])
        hexadecimal = connection.features.has_native_uuid_field
        insert(
            Opera,
            ["id", "title"],
            [
                f"('{key if hexadecimal else key.hex}', 'opera {n}')"
                for n, key in enumerate(map(opera_key, range(1, OPERAS + 1)), start=1)
            ],
        )
        insert(
            Concert,
            ["code", "title"],
            [f"('c{n}', 'concert {n}')" for n in range(1, CONCERTS + 1)],
        )
        rows = link_rows()
        assert len(rows) == 200_000
        insert(Link, ["gm2m_src_id", "gm2m_ct_id", "gm2m_pk"], rows)
        name_objects()
        await_statistics()
        yield
        name_objects(undo=True)
        connection.ops.execute_sql_flush(
            connection.ops.sql_flush(no_style(), tables, allow_cascade=True)
        )
        gather_statistics(tables, True)


def name_objects(undo=False):
    """Make the names of objects unique, or not any more."""
    with connection.cursor() as cursor:
        for model, column in NAMES_OF.items():
            table = model._meta.db_table
            index = f"scale_{table}"
            if not undo:
                sql = f"CREATE UNIQUE INDEX {index} ON {table} ({column})"
            elif connection.vendor == "mysql":
                sql = f"DROP INDEX {index} ON {table}"
            else:
                sql = f"DROP INDEX {index}"
            cursor.execute(sql)


def gather_statistics(tables, switch):
    """Keep PostgreSQL from, or let it, look at tables in the background."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(
                    f"ALTER TABLE {table} SET (autovacuum_enabled = {switch})"
                )


def await_statistics():
    """
    Wait until MariaDB has looked at the links in the background, as it always does
    after so many; what it plans in the seconds before is a matter of chance.
    """
    if connection.vendor != "mysql":
        return
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT n_rows FROM mysql.innodb_table_stats "
                "WHERE database_name = DATABASE() AND table_name = %s",
                [Link._meta.db_table],
            )
            if cursor.fetchone()[0] > 150_000:
                return
        time.sleep(0.5)
    raise AssertionError("MariaDB has not looked at the links.")


@pytest.fixture
def large(library, django_db_blocker):
    """
    The library in a transaction of the test's own. Not a ``TestCase``'s, which would
    have SQLite look at every foreign key in the end.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        for model in (User, Movie, Opera, Concert):
            ContentType.objects.get_for_model(model)
        yield
        transaction.set_rollback(True)


# Plans.


def accesses(sql, params, indexes):
    """
    Return how a statement would come by rows of the through table: for each access
    the columns that an index is asked for, none if all rows are read.
    """
    reader = {
        "postgresql": postgresql_accesses,
        "mysql": mysql_accesses,
        "sqlite": sqlite_accesses,
    }[connection.vendor]
    return reader(sql, params, indexes)


def explain(form, sql, params):
    with connection.cursor() as cursor:
        cursor.execute(f"{form} {sql}", params)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def postgresql_accesses(sql, params, indexes):
    (row,) = explain("EXPLAIN (FORMAT JSON)", sql, params)
    (plan,) = row.values()
    if isinstance(plan, str):
        plan = json.loads(plan)
    nodes = [(plan[0]["Plan"], False)]
    for node, is_limited in nodes:
        is_limit = node["Node Type"] == "Limit"
        nodes.extend((part, is_limit) for part in node.get("Plans", ()))
        if node.get("Relation Name") != Link._meta.db_table:
            continue
        if node["Node Type"] == "ModifyTable":
            continue
        if is_limited and node.get("Index Name", "").endswith("_pkey"):
            # It wants a few links in the order of their keys, and takes those of the
            # source to be so many that it soon meets them on the way.
            yield "id"
            continue
        # The condition of a bitmap is in the nodes below.
        below = [node]
        for part in below:
            below.extend(part.get("Plans", ()))
        yield " ".join(part.get("Index Cond", "") for part in below)


def mysql_accesses(sql, params, indexes):
    for row in explain("EXPLAIN", sql, params):
        if row["table"] not in aliases(sql):
            continue
        searched = row["type"] not in ("ALL", "index")
        yield indexes[row["key"]] if searched and row["key"] else ""


def sqlite_accesses(sql, params, indexes):
    for row in explain("EXPLAIN QUERY PLAN", sql, params):
        match = re.match(r"(SEARCH|SCAN) (\S+)(.*)", row["detail"])
        if match is None or match[2] not in aliases(sql):
            continue
        asked = match[3] if match[1] == "SEARCH" else ""
        # An automatic index is made for the statement, out of all rows.
        yield "" if "AUTOMATIC" in asked else asked


def aliases(sql):
    """Return the names that the through table has in a statement."""
    table = Link._meta.db_table
    found = re.findall(rf'["`]{table}["`] (?:AS )?["`]?([T-W]\d+)', sql)
    return {table, *found}


def is_selective(access):
    """Whether an index is searched by one end of a link, or by the link's own key."""
    return (
        any(column in access for column in (*SELECTIVE, "rowid=?", "(id = "))
        or access == "id"
    )


@contextmanager
def served_by_indexes(is_served=is_selective):
    """
    Fail if a statement would read all links, or all of a content type, unless
    `is_served` is content with less.
    """
    seen, table = [], Link._meta.db_table
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table)
    indexes = {name: index["columns"][0] for name, index in found.items()}

    def look(execute, sql, params, many, context):
        if table in sql and not sql.startswith(("EXPLAIN", "INSERT")):
            found = list(accesses(sql, params, indexes))
            seen.append(sql)
            assert all(map(is_served, found)), (found, sql, params)
            # The plan was understood.
            assert found, sql
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look):
        yield
    assert seen


def get(model, key):
    return model._base_manager.get(pk=key)


TARGETS = {
    "integer": lambda: get(Movie, 540),
    "UUID": lambda: get(Opera, opera_key(848)),
    "text": lambda: get(Concert, "c1002"),
}
NAMES = {"integer": "movie", "UUID": "opera", "text": "concert"}
kinds = pytest.mark.parametrize("kind", TARGETS)


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"gm2m_ct__gt": 0},
        {"gm2m_ct": 1},
    ],
    ids=["all", "range", "type"],
)
def test_plans_that_read_all_are_recognized(large, condition):
    # Or the other tests would prove nothing.
    rows = Link.objects.filter(**condition)
    with pytest.raises(AssertionError), served_by_indexes():
        len(rows.order_by("gm2m_ct")[:1])


@pytest.mark.usefixtures("large")
class TestPlans:
    FORWARD = {
        "list": lambda videos: len(videos.all()) == 100,
        "iterator": lambda videos: len(list(videos.iterator(chunk_size=50))) == 100,
        "count": lambda videos: videos.count() == 100,
        "exists": lambda videos: videos.exists(),
        "first": lambda videos: videos.first() is not None,
        "last": lambda videos: videos.last() is not None,
        "slice": lambda videos: len(videos.all()[10:20]) == 10,
        "one model": lambda videos: len(videos.filter(Model=Opera)) == 40,
        "count of a model": lambda videos: videos.filter(Model=Opera).count() == 40,
        "integers": lambda videos: len(videos.instances_of(Movie)) == 40,
        "UUIDs": lambda videos: len(videos.instances_of(Opera)) == 40,
        "texts": lambda videos: len(videos.instances_of(Concert)) == 20,
        "number of integers": lambda videos: videos.instances_of(Movie).count() == 40,
        "number of UUIDs": lambda videos: videos.instances_of(Opera).count() == 40,
        "number of texts": lambda videos: videos.instances_of(Concert).count() == 20,
        "any integer": lambda videos: videos.instances_of(Movie).exists(),
        "column": lambda videos: (
            videos.filter(movie__title__startswith="movie").count() == 40
        ),
        "columns": lambda videos: (
            len(videos.values_list("movie__title", "opera__title", "concert__title"))
            == 100
        ),
    }

    @pytest.mark.parametrize("name", FORWARD)
    def test_reading_targets(self, name):
        videos = get(User, 77).preferred_videos
        with served_by_indexes():
            assert self.FORWARD[name](videos)

    @kinds
    def test_reading_targets_of_one_model_among_some_links(self, kind):
        obj = TARGETS[kind]()
        links = obj.user_set.first().preferred_videos.filter(gm2m_pk__gt="")
        # Without statistics PostgreSQL takes a content type to have few links, and may
        # read them by their index to match those of the subquery.
        is_served = bool if connection.vendor == "postgresql" else is_selective
        with served_by_indexes(is_served):
            assert obj in list(links.instances_of(type(obj)))

    @kinds
    def test_looking_for_a_target(self, kind):
        obj = TARGETS[kind]()
        source = obj.user_set.first()
        with served_by_indexes():
            assert source.preferred_videos.contains(obj)
            assert source.preferred_videos.filter(**{NAMES[kind]: obj}).exists()
            condition = {f"{NAMES[kind]}__title": obj.title}
            assert source.preferred_videos.get(**condition) == obj

    REVERSE = {
        "list": lambda users: len(users.all()) > 0,
        "count": lambda users: users.count() > 0,
        "exists": lambda users: users.exists(),
        "first": lambda users: users.first() is not None,
        "slice": lambda users: len(users.order_by("name")[:1]) == 1,
        "filter": lambda users: users.filter(name__startswith="user").count() > 0,
        "contains": lambda users: users.contains(users.first()),
    }

    @kinds
    @pytest.mark.parametrize("name", REVERSE)
    def test_reading_sources(self, kind, name):
        users = TARGETS[kind]().user_set
        with served_by_indexes():
            assert self.REVERSE[name](users)

    @kinds
    def test_lookups_of_sources(self, kind):
        obj, name = TARGETS[kind](), NAMES[kind]
        one = User.objects.filter(pk=obj.user_set.first().pk)
        mixed = [make() for make in TARGETS.values()]
        for condition in (
            Q(preferred_videos=obj),
            Q(preferred_videos__in=mixed),
            Q(preferred_videos__in=[obj]),
            Q(**{f"preferred_videos__{name}": obj}),
            Q(**{f"preferred_videos__{name}__in": [obj]}),
            Q(**{f"preferred_videos__{name}__title": obj.title}),
            Q(**{f"preferred_videos__{name}__pk": obj.pk}),
        ):
            with served_by_indexes():
                assert len(User.objects.filter(condition)) > 0
            with served_by_indexes():
                assert one.filter(condition).exists()
                assert not one.exclude(condition).exists()

    @kinds
    def test_columns_of_targets(self, kind):
        name, users = NAMES[kind], User.objects.filter(name="user 77")
        number = 20 if kind == "text" else 40
        with served_by_indexes():
            titles = users.values_list(f"preferred_videos__{name}__title", flat=True)
            assert len([title for title in titles if title]) == number
            keys = users.values_list(f"preferred_videos__{name}", flat=True)
            assert len([key for key in keys if key]) == number
            counts = users.annotate(
                n=Count("preferred_videos"), m=Count(f"preferred_videos__{name}")
            )
            assert list(counts.values_list("n", "m")) == [(100, number)]

    @kinds
    def test_lookups_of_targets(self, kind):
        obj = TARGETS[kind]()
        source = obj.user_set.first()
        model = type(obj)
        number = 20 if kind == "text" else 40
        for condition in (
            Q(user=source),
            Q(user=source.pk),
            Q(user__in=[source]),
            Q(user__name=source.name),
            Q(user__in=User.objects.filter(name=source.name)),
        ):
            with served_by_indexes():
                assert len(model.objects.filter(condition)) == number
            with served_by_indexes():
                assert model.objects.filter(condition, pk=obj.pk).exists()
        one = model.objects.filter(pk=obj.pk)
        with served_by_indexes():
            assert one.filter(user__isnull=False).exists()
            assert not one.exclude(user=source).exists()

    @kinds
    def test_columns_of_sources(self, kind):
        obj = TARGETS[kind]()
        count = obj.user_set.count()
        for queryset in (
            type(obj).objects.filter(pk=obj.pk),
            type(obj).objects.filter(title=obj.title),
        ):
            with served_by_indexes():
                assert len(queryset.values_list("user__name")) == count
                assert len(queryset.values_list("user")) == count
                assert [found.n for found in queryset.annotate(n=Count("user"))] == [
                    count
                ]

    @kinds
    def test_correlated_subqueries(self, kind):
        obj, name = TARGETS[kind](), NAMES[kind]
        users = User.objects.filter(
            pk=obj.user_set.first().pk,
            **{f"preferred_videos__{name}": OuterRef("pk")},
        )
        with served_by_indexes():
            found = type(obj).objects.filter(Exists(users), pk=obj.pk)
            assert list(found) == [obj]

    def test_prefetching_targets(self):
        # Not many: without statistics PostgreSQL takes each of them to have every two
        # hundredth of the links, and so reads all for more.
        users = User.objects.filter(pk__in=range(50, 55))
        for lookup in (
            "preferred_videos",
            Prefetch("preferred_videos", Movie.objects.all()),
            Prefetch("preferred_videos", Opera.objects.filter(title="opera 848")),
            Prefetch("preferred_videos", Concert.objects.filter(title="concert 1002")),
        ):
            with served_by_indexes():
                found = users.prefetch_related(lookup)
                lengths = {len(one.preferred_videos.all()) for one in found}
            if lookup == "preferred_videos":
                assert lengths == {100}

    @kinds
    def test_prefetching_sources(self, kind):
        obj = TARGETS[kind]()
        some = list(obj.user_set.first().preferred_videos.instances_of(type(obj)))
        objs = type(obj).objects.filter(pk__in=[one.pk for one in some])
        for lookup in (
            "user_set",
            Prefetch("user_set", User.objects.filter(name__startswith="user")),
            Prefetch("user_set", User.objects.order_by("name")[:1], to_attr="fans"),
        ):
            with served_by_indexes():
                for found in objs.prefetch_related(lookup):
                    users = getattr(found, "fans", None) or found.user_set.all()
                    assert len(users) > 0

    @pytest.mark.parametrize("listens", [False, True])
    def test_writing_from_a_source(self, listens):
        objs = [get(Movie, 1), get(Opera, opera_key(1)), get(Concert, "c1")]
        source = get(User, 77)
        source.preferred_videos.remove(*objs)
        count, links = source.preferred_videos.count(), Link.objects.count()

        def receiver(**kwargs):
            pass

        if listens:
            m2m_changed.connect(receiver, sender=Link)
        try:
            with served_by_indexes():
                source.preferred_videos.add(*objs)
                assert source.preferred_videos.count() == count + 3
                source.preferred_videos.remove(*objs)
                assert source.preferred_videos.count() == count
                source.preferred_videos.set(objs)
                assert source.preferred_videos.count() == 3
                source.preferred_videos.clear()
                assert not source.preferred_videos.exists()
        finally:
            m2m_changed.disconnect(receiver, sender=Link)
        assert Link.objects.count() == links - count

    @kinds
    def test_writing_from_a_target(self, kind):
        obj = TARGETS[kind]()
        count = obj.user_set.count()
        users = [
            one for one in User.objects.all()[:200] if one not in obj.user_set.all()
        ]
        with served_by_indexes():
            obj.user_set.add(*users)
            assert obj.user_set.count() == count + len(users)
            obj.user_set.remove(*users)
            assert obj.user_set.count() == count
            obj.user_set.set(users)
            assert obj.user_set.count() == len(users)
            obj.user_set.clear()
        assert Link.objects.count() == 200_000 - count

    @kinds
    def test_deleting_targets(self, kind):
        obj = TARGETS[kind]()
        count = obj.user_set.count()
        with served_by_indexes():
            obj.delete()
        assert Link.objects.count() == 200_000 - count
        one = User.objects.get(pk=77)
        objs = type(obj).objects.filter(
            pk__in=[found.pk for found in one.preferred_videos.instances_of(type(obj))]
        )
        with served_by_indexes():
            objs.delete()
        assert not one.preferred_videos.filter(Model=type(obj)).exists()

    def test_deleting_sources(self):
        one = get(User, 77)
        with served_by_indexes():
            one.delete()
        assert Link.objects.count() == 200_000 - 100
        with served_by_indexes():
            User.objects.filter(pk__in=range(1, 6)).delete()
        assert Link.objects.count() == 200_000 - 100 - 500


# Many objects at once.

MANY = 10_000


@pytest.fixture
def many(db):
    """10,000 objects, half of them with integer keys and half with UUIDs."""
    books = Book.objects.bulk_create(Book(title=f"{n:05}") for n in range(MANY // 2))
    operas = Opera.objects.bulk_create(Opera(title=str(n)) for n in range(MANY // 2))
    books = list(Book.objects.filter(title__in=[book.title for book in books]))
    ContentType.objects.get_for_models(Book, Opera)
    return [obj for pair in zip(books, operas, strict=True) for obj in pair]


@pytest.fixture
def source(db):
    return Member.objects.create(name="source")


@contextmanager
def at_most(count):
    with CaptureQueriesContext(connection) as queries:
        yield
    statements = [query["sql"][:200] for query in queries]
    assert len(statements) <= count, statements


#: Statements that insert or delete so many objects: SQLite takes some hundreds at once.
BATCHES = 40


class TestManyObjects:
    @pytest.mark.parametrize("listens", [False, True])
    def test_are_linked_and_unlinked(self, many, source, listens):
        told = []

        def receiver(action, pk_set, **kwargs):
            told.append((action, len(pk_set)))

        if listens:
            m2m_changed.connect(receiver, sender=Member.favourites.through)
        try:
            with at_most(BATCHES):
                source.favourites.add(*many)
            assert source.favourites.count() == MANY
            with at_most(BATCHES):
                source.favourites.add(*many)
            assert source.favourites.count() == MANY
            with at_most(10):
                source.favourites.remove(*many[:-2])
        finally:
            m2m_changed.disconnect(receiver, sender=Member.favourites.through)
        assert list(source.favourites.all()) == many[-2:]
        half = MANY // 2
        assert told == (
            [
                *[("pre_add", half)] * 2,
                *[("post_add", half)] * 2,
                # All were there already.
                *[("pre_add", 0)] * 2,
                *[("post_add", 0)] * 2,
                *[("pre_remove", half - 1)] * 2,
                *[("post_remove", half - 1)] * 2,
            ]
            if listens
            else []
        )

    @pytest.mark.parametrize("clear", [False, True])
    def test_are_set(self, many, source, clear):
        first, second = many[: MANY * 3 // 4], many[MANY // 4 :]
        source.favourites.set(first)
        with at_most(BATCHES):
            source.favourites.set(second, clear=clear)
        assert list(source.favourites.all()) == second
        with at_most(10):
            source.favourites.set([])
        assert not source.favourites.exists()

    def test_are_read(self, many, source):
        source.favourites.add(*many)
        with at_most(3):
            assert list(source.favourites.all()) == many
        with at_most(1 + 2 * 10):
            assert list(source.favourites.iterator(chunk_size=1000)) == many
        with at_most(1):
            assert len(source.favourites.instances_of(Opera)) == MANY // 2
        with at_most(3):
            assert source.favourites.count() == MANY
            assert source.favourites.contains(many[-1])
            assert source.favourites.contains(many[-2])

    def test_are_looked_up(self, many, source):
        source.favourites.add(*many)
        with at_most(1):
            found = Member.objects.filter(favourites__in=many).distinct()
            assert list(found) == [source]
        with at_most(1):
            assert Book.objects.filter(admirers=source).count() == MANY // 2

    def test_have_their_links_prefetched(self, many, source):
        source.favourites.add(*many)
        with at_most(4):
            (found,) = Member.objects.prefetch_related("favourites")
            assert list(found.favourites.all()) == many
        with at_most(2):
            operas = Opera.objects.filter(admirers=source)
            operas = list(operas.prefetch_related("admirers"))
            assert len(operas) == MANY // 2
            assert all(list(opera.admirers.all()) == [source] for opera in operas)

    def test_are_sources(self, db):
        Member.objects.bulk_create(Member(name="many") for _ in range(MANY))
        sources = list(Member.objects.filter(name="many").order_by("pk"))
        book, opera = Book.objects.create(), Opera.objects.create()
        sources[0].favourites.add(book, opera)
        for obj in (book, opera):
            with at_most(BATCHES):
                obj.admirers.add(*sources)
            assert obj.admirers.count() == MANY
        with at_most(4):
            found = Member.objects.filter(name="many").prefetch_related("favourites")
            assert [len(one.favourites.all()) for one in found] == [2] * MANY
        with at_most(2):
            assert len(found[:3][0].favourites.all()) == 2
        with at_most(10):
            book.admirers.remove(*sources[1:])
        assert list(book.admirers.all()) == sources[:1]
        with at_most(BATCHES):
            opera.admirers.set(sources[: MANY // 2])
        assert opera.admirers.count() == MANY // 2
        # Batches of 100 on SQLite, and of more elsewhere.
        with at_most(MANY // 10):
            Member.objects.filter(name="many").delete()
        assert not Member.favourites.through.objects.exists()

    def test_are_deleted(self, many, source):
        source.favourites.add(*many)
        keep = Book.objects.create(title="kept")
        source.favourites.add(keep)
        keys = [obj.pk for obj in many if isinstance(obj, Opera)]
        # A few for each field that links the model, by batches of some hundreds.
        with at_most(MANY // 10):
            Opera.objects.filter(pk__in=keys).delete()
            Book.objects.exclude(pk=keep.pk).delete()
        assert list(source.favourites.all()) == [keep]
        assert source.favourites.count() == 1

    def test_may_be_too_many_for_a_statement(self, source):
        # More links than most databases take parameters; the targets are few.
        books = Book.objects.bulk_create(Book(title=f"{n:03}") for n in range(100))
        books = list(Book.objects.all())
        with at_most(10):
            source.favourites.add(*(books * 1000))
        assert list(source.favourites.all()) == books
