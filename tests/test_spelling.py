"""Keys in another spelling than the library's: found, and never taken for gone."""

import json
import re
import shlex
import tracemalloc
import uuid
from contextlib import nullcontext
from datetime import date
from io import StringIO

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core import checks
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from gm2m.connections import checks as connection_checks
from gm2m.connections.models import Connection
from gm2m.database_checks import check_databases
from gm2m.management.commands import gm2m_doctor
from tests.app.models import (
    Anthology,
    AnthologyEntry,
    Concert,
    Hashed,
    Keyring,
    Movie,
    Opera,
    Plant,
    Playlist,
    PlaylistItem,
    Poster,
    Prefixed,
    Premiere,
    Undeclared,
    User,
    Vault,
    VaultEntry,
    Video,
)
from tests.lithub.models import Account, Page, Rating, Repo

pytestmark = pytest.mark.django_db

PREFERRED = User._meta.get_field("preferred_videos")
UUID = uuid.UUID("03594dcd-f4f8-4e8f-88aa-552f1e3bafb2")

MAKERS = {
    "movie": lambda: Movie.objects.create(pk=71, title="Alien"),
    "opera": lambda: Opera.objects.create(pk=UUID),
    "premiere": lambda: Premiere.objects.create(day=date(1871, 12, 4)),
    "poster": lambda: Poster.objects.create(opera=Opera.objects.create(pk=UUID)),
}
SPELLINGS = [
    *(("movie", text) for text in ("071", "+71", " 71", "71 ", "\t71\n", "71.0")),
    *(("movie", text) for text in ("7.1E1", "\u0667\u0661")),
    ("opera", UUID.hex),
    ("opera", str(UUID).upper()),
    ("opera", UUID.hex.upper()),
    ("opera", f"{{{UUID.hex}}}"),
    ("opera", f" {UUID.hex} "),
    ("poster", UUID.hex),
    *(("premiere", text) for text in ("1871-12-4", "18711204", "1871/12/04")),
    *(("premiere", text) for text in ("1871-12-04 00:00:00", "1871-12-04T00:00:00Z")),
]
#: What is no key, or that of no object, by whatever value.
JUNK = [
    *(
        ("movie", text)
        for text in ("72", "072", "-71", "71.5", "1e400", "NaN", "", "x")
    ),
    *(("movie", text) for text in ("9" * 30, "7 1", "71-", "Infinity", "sNaN", "0x47")),
    *(("opera", text) for text in (str(UUID)[:-1] + "3", "junk", UUID.hex[:-1], "71")),
    *(("premiere", text) for text in ("1871-12-05", "1871-12-32", "18711305", "71")),
    *(("premiere", text) for text in ("1871-12-04x", "0000-00-00", "1871-12/04")),
]


@pytest.fixture
def jack():
    return User.objects.create(name="Jack")


def misspell(source, model, *texts, name="preferred_videos"):
    """Write rows by hand."""
    through = getattr(type(source), name).through
    kind = ContentType.objects.get_for_model(model)
    return [
        through.objects.create(gm2m_src=source, gm2m_ct=kind, gm2m_pk=text)
        for text in texts
    ]


def found(field=PREFERRED):
    """Return the ids of what checks say of a field, and the counts in their ends."""
    return [
        (message.id, int(message.msg.rpartition(" ")[2][:-1]))
        for message in check_databases(None, ["default"])
        if message.obj == field and message.id in ("gm2m.W303", "gm2m.W307")
    ]


def follow(message):
    """Run the command that a hint names, to the letter."""
    (command,) = re.findall("'manage.py (.*)'", message.hint)
    return run(*shlex.split(command))


def run(*args, status=0):
    out = StringIO()
    leaves = pytest.raises(SystemExit) if status else nullcontext()
    with leaves as error:
        call_command(*args, stdout=out)
    assert not status or error.value.code == status
    return out.getvalue()


@pytest.mark.parametrize(("model", "text"), SPELLINGS)
class TestEverySpelling:
    def test_is_found(self, jack, model, text):
        target = MAKERS[model]()
        misspell(jack, type(target), text)
        assert list(jack.preferred_videos.all()) == []
        assert found() == [("gm2m.W307", 1)]

    def test_is_mended_by_following_the_hint(self, jack, model, text):
        target = MAKERS[model]()
        misspell(jack, type(target), text)
        (message,) = check_databases(None, ["default"])
        assert "Spelled anew 1 of 1." in follow(message)
        assert list(jack.preferred_videos.all()) == [target]
        assert list(target.user_set.all()) == [jack]
        assert found() == []

    def test_is_kept_where_others_are_removed(self, jack, model, text):
        target = MAKERS[model]()
        misspell(jack, type(target), text, "junk")
        gone, _misspelt = check_databases(None, ["default"])
        told = follow(gone)
        assert "Removed 1 of 1." in told
        assert "Spelled anew 1 of 1." in told
        assert list(jack.preferred_videos.all()) == [target]


@pytest.mark.parametrize(("model", "text"), JUNK)
def test_what_is_gone_by_value(jack, model, text):
    target = MAKERS[model]()
    misspell(jack, type(target), text)
    (message,) = check_databases(None, ["default"])
    assert message.id == "gm2m.W303"
    assert "Removed 1 of 1." in follow(message)
    assert jack.preferred_videos.count() == 0


def test_the_check(jack):
    Movie.objects.create(pk=71)
    misspell(jack, Movie, "071", "+71")
    assert check_databases(None, ["default"]) == [
        checks.Warning(
            f"{PREFERRED} has links in the database 'default' to objects of "
            "'app.movie' whose keys are spelled otherwise than the library does, so "
            "that nobody sees them: 2.",
            hint=f"Spell them anew with 'manage.py gm2m_doctor {PREFERRED} --database "
            "default --fix'.",
            obj=PREFERRED,
            id="gm2m.W307",
        )
    ]


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def rows(self, jack):
        self.movie = Movie.objects.create(pk=71)
        misspell(jack, Movie, "071", "gone")

    def test_report(self, jack):
        assert run("gm2m_doctor", status=1).splitlines() == [
            f"{PREFERRED}: links to objects of app.movie that are gone: 1.",
            f"{PREFERRED}: links to objects of app.movie whose keys are spelled "
            "otherwise than the library does, so that nobody sees them: 1.",
        ]

    def test_dry_run(self, jack):
        told = run("gm2m_doctor", "--fix", "--dry-run", status=1)
        assert "  Would remove 1.\n" in told
        assert told.endswith("  Would spell anew 1.\n")
        assert jack.preferred_videos.count() == 2
        assert jack.preferred_videos.instances_of(Movie).count() == 0

    def test_for_programs(self, jack):
        gone, misspelt = json.loads(run("gm2m_doctor", "--format=json", status=1))
        assert (gone["kind"], gone["links"], gone["removed"]) == ("dangling", 1, 0)
        assert misspelt == {
            "field": str(PREFERRED),
            "kind": "misspelt",
            "subject": "app.movie",
            "message": "links to objects of app.movie whose keys are spelled otherwise "
            "than the library does, so that nobody sees them: 1.",
            "links": 1,
            "removed": 0,
            "respelled": 0,
        }
        gone, misspelt = json.loads(run("gm2m_doctor", "--format=json", "--fix"))
        assert (gone["removed"], misspelt["respelled"]) == (1, 1)

    def test_batches(self, jack, monkeypatch):
        monkeypatch.setattr(gm2m_doctor, "BATCH_SIZE", 2)
        movies = [Movie.objects.create(pk=n) for n in range(81, 86)]
        misspell(jack, Movie, *(f"0{movie.pk}" for movie in movies))
        told = run("gm2m_doctor", "app.user", "--fix")
        assert "Removed 1 of 1." in told
        assert "Spelled anew 6 of 6." in told
        assert list(jack.preferred_videos.all()) == [self.movie, *movies]

    def test_object_that_is_deleted_meanwhile(self, jack, monkeypatch):
        spans = gm2m_doctor.spans

        def delete_first(rows, size):
            Movie.objects.filter(pk=71)._raw_delete("default")
            return spans(rows, size)

        misspell(jack, Movie, "gone too")
        monkeypatch.setattr(gm2m_doctor, "spans", delete_first)
        told = run("gm2m_doctor", "--fix", status=1)
        assert "Spelled anew 0 of 1." in told


class TestLinksThatAreThereAlready:
    def test_duplicates_of_a_link_that_stays(self, jack):
        movie = Movie.objects.create(pk=71)
        jack.preferred_videos.add(movie)
        (row,) = User.preferred_videos.through.objects.all()
        misspell(jack, Movie, "071", "+71")
        told = run("gm2m_doctor", "--fix").splitlines()
        assert told[1:] == [
            "  Spelled anew 0 of 2.",
            "  Removed 2: their links are there already.",
        ]
        assert list(User.preferred_videos.through.objects.all()) == [row]

    def test_of_several_the_first_is_kept(self, jack):
        Movie.objects.create(pk=71)
        first, *_ = misspell(jack, Movie, "071", "+71", " 71")
        others = User.objects.create()
        misspell(others, Movie, "071")
        told = run("gm2m_doctor", "--fix")
        assert "Spelled anew 2 of 4." in told
        assert "Removed 2: " in told
        rows = User.preferred_videos.through.objects
        assert rows.get(gm2m_src=jack).pk == first.pk
        assert set(rows.values_list("gm2m_pk", flat=True)) == {"71"}

    def test_rows_of_a_custom_through_are_never_removed(self):
        """They may have values of their own."""
        movie, other = Movie.objects.create(pk=71), Movie.objects.create(pk=72)
        playlist = Playlist.objects.create()
        playlist.items.add(movie)
        for key in ("071", "072"):
            row = PlaylistItem(playlist=playlist, item=movie, note=key)
            row.object_id = key
            row.save()
        told = run("gm2m_doctor", "app.playlist", "--fix", status=1)
        assert "Spelled anew 1 of 2." in told
        assert "Kept 1: the key column is too short, or your through model" in told
        assert PlaylistItem.objects.count() == 3
        assert PlaylistItem.objects.get(note="072").object_id == "72"
        assert PlaylistItem.objects.get(note="071").object_id == "071"
        assert set(playlist.items.all()) == {movie, other}

    def test_custom_through_that_links_twice(self):
        video = Video.objects.create(pk=71)
        anthology = Anthology.objects.create()
        anthology.pieces.add(video)
        AnthologyEntry.objects.create(anthology=anthology, piece=video)
        AnthologyEntry.objects.filter(pk=F("pk")).update(object_id="071")
        told = run("gm2m_doctor", "app.anthology", "--fix")
        assert "Spelled anew 2 of 2." in told
        assert anthology.pieces.count() == 2
        assert list(anthology.pieces.all()) == [video, video]


def test_right_spelling_that_does_not_fit(jack, monkeypatch):
    monkeypatch.setattr(PREFERRED.links.key_field, "max_length", 32)
    Opera.objects.create(pk=UUID)
    misspell(jack, Opera, UUID.hex)
    told = run("gm2m_doctor", "app.user", "--fix", status=1)
    assert "  Kept 1: the key column is too short" in told
    assert jack.preferred_videos.count() == 1


def test_targets_that_a_manager_hides_are_not_gone(jack):
    """What exists is what the base manager says."""
    holder = Undeclared.objects.create()
    plant = Plant.everything.create(dead=True)
    misspell(holder, Plant, f"0{plant.pk}", name="things")
    field = Undeclared._meta.get_field("things")
    assert found(field) == [("gm2m.W307", 1)]


def test_key_columns_of_the_targets_own_kind():
    """SQLite keeps what is written; the others have a type."""
    vault, opera = Vault.objects.create(), Opera.objects.create(pk=UUID)
    vault.works.add(opera)
    column = VaultEntry._meta.get_field(Vault.works.field.links.key_field.name).column
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {VaultEntry._meta.db_table} SET {column} = %s",
            [str(UUID).upper()],
        )
    field = Vault._meta.get_field("works")
    is_text = not connection.features.has_native_uuid_field
    assert found(field) == ([("gm2m.W307", 1)] if is_text else [])
    told = run("gm2m_doctor", "app.vault", "--fix")
    assert ("Spelled anew 1 of 1." in told) is is_text
    assert list(vault.works.all()) == [opera]
    assert list(Vault.objects.filter(works=opera)) == [vault]
    Opera.objects.all()._raw_delete("default")
    assert found(field) == [("gm2m.W303", 1)]
    assert "Removed 1 of 1." in run("gm2m_doctor", "app.vault", "--fix")


class TestFieldsThatShowAnotherValue:
    """Other software writes what they show."""

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: Hashed.objects.create(pk="h-7"), "h-7"),
            (lambda: Hashed.objects.create(pk="h-7"), "007"),
            (lambda: Prefixed.objects.create(pk="p-x"), "p-x"),
        ],
    )
    def test_value_that_is_shown(self, make, text):
        obj, keyring = make(), Keyring.objects.create()
        misspell(keyring, type(obj), text, name="things")
        field = Keyring._meta.get_field("things")
        assert found(field) == [("gm2m.W307", 1)]
        assert "Spelled anew 1 of 1." in run("gm2m_doctor", "app.keyring", "--fix")
        assert list(keyring.things.all()) == [type(obj).objects.get()]

    @pytest.mark.parametrize(
        ("model", "text"), [(Hashed, "h-8"), (Hashed, "8"), (Prefixed, "p-y")]
    )
    def test_of_no_object(self, model, text):
        keyring = Keyring.objects.create()
        misspell(keyring, model, text, name="things")
        field = Keyring._meta.get_field("things")
        assert found(field) == [("gm2m.W303", 1)]


@pytest.mark.skipif(
    connection.vendor != "mysql", reason="Elsewhere these are different keys."
)
@pytest.mark.parametrize("text", ["ABC", "Abc", "abc "])
def test_texts_that_a_collation_takes_for_the_same(jack, text):
    concert = Concert.objects.create(code="abc")
    misspell(jack, Concert, text)
    assert list(jack.preferred_videos.all()) == []
    assert found() == [("gm2m.W307", 1)]
    assert "Spelled anew 1 of 1." in run("gm2m_doctor", "app.user", "--fix")
    assert list(jack.preferred_videos.all()) == [concert]


@pytest.mark.skipif(
    connection.vendor == "mysql", reason="Its collation takes them for the same."
)
def test_texts_that_are_different_keys(jack):
    Concert.objects.create(code="abc")
    misspell(jack, Concert, "ABC")
    assert found() == [("gm2m.W303", 1)]


@pytest.mark.slow
def test_many(jack):
    """They are read in spans."""
    count = 30_000
    through = User.preferred_videos.through
    kind = ContentType.objects.get_for_model(Premiere)
    Premiere.objects.create(day="1871-12-04")
    texts = (f"{'0' * (n % 3)}{n}" for n in range(count))
    videos = ContentType.objects.get_for_model(Video)
    Video.objects.bulk_create([Video(pk=n) for n in range(1, count, 2)])
    through.objects.bulk_create(
        [through(gm2m_src=jack, gm2m_ct=videos, gm2m_pk=text) for text in texts],
        batch_size=5_000,
    )
    misspell(jack, Premiere, "18711204")
    assert kind
    tracemalloc.start()
    with CaptureQueriesContext(connection) as queries:
        told = run("gm2m_doctor", "app.user", status=1)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert f"that are gone: {count // 2}." in told
    assert f"nobody sees them: {count // 2 - count // 6}." in told
    assert len(queries) < 80
    assert peak < 30_000_000
    told = run("gm2m_doctor", "app.user", "--fix")
    assert f"Spelled anew {count // 2 - count // 6} of" in told
    assert jack.preferred_videos.instances_of(Video).count() == count // 2


# Connections.


@pytest.fixture
def like(define):
    return define("like", Account, Page)


def connection_messages():
    return connection_checks.check_databases(None, ["default"])


def connect(name, from_pk, to_pk, model=Connection, **values):
    """Write a row by hand: the model would spell the keys of what is defined."""
    model.objects.create(relationship_name="by hand", from_pk="x", to_pk="x", **values)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {model._meta.db_table} SET relationship_name = %s, from_pk = %s, "
            "to_pk = %s WHERE relationship_name = 'by hand'",
            [name, from_pk, to_pk],
        )


class TestConnections:
    def test_the_check(self, like):
        Account.objects.create(pk=71), Page.objects.create(pk=UUID)
        connect("like", "071", UUID.hex)
        assert connection_messages() == [
            checks.Warning(
                f"The relationship '{like}' has connections in the database 'default' "
                f"whose {side!r} key is spelled otherwise than the library does, so "
                "that nobody sees them: 1.",
                hint="Spell them anew with 'manage.py connections_doctor like "
                "--database default --fix'.",
                obj="like",
                id="gm2m.W505",
            )
            for side in ("from", "to")
        ]

    def test_is_mended_by_following_the_hint(self, like):
        account, page = Account.objects.create(pk=71), Page.objects.create(pk=UUID)
        connect("like", "071", UUID.hex)
        connect("like", "x", str(UUID))
        first, *_ = connection_messages()
        told = follow(first)
        assert "Removed 1." in told
        assert told.count("Spelled anew 1.") == 2
        assert list(like.connected_objects(account)) == [page]
        assert connection_messages() == []
        assert run("connections_doctor") == "Nothing found.\n"

    def test_report(self, like):
        Account.objects.create(pk=71), Page.objects.create(pk=UUID)
        connect("like", "071", str(UUID))
        assert run("connections_doctor", status=1) == (
            "like: connections whose 'from' key, of lithub.Account, is spelled "
            "otherwise than the library does: 1.\n"
        )
        assert Connection.objects.get().from_pk == "071"

    def test_duplicate_of_a_connection_that_stays(self, like):
        account, page = Account.objects.create(pk=71), Page.objects.create(pk=UUID)
        kept = like.create_connection(account, page)
        connect("like", "071", str(UUID))
        told = run("connections_doctor", "--fix")
        assert "  Removed 1: they are there already.\n" in told
        assert list(like.connections) == [kept]

    def test_characteristics_are_kept(self, define):
        rate = define("rate", Account, Repo, connection_model=Rating)
        account, repo = Account.objects.create(pk=71), Repo.objects.create(pk=5)
        rate.create_connection(account, repo, rank=1)
        connect("rate", "071", "5", Rating, rank=2)
        told = run("connections_doctor", "--fix", status=1)
        assert "  Kept 1: the key column is too short, or the same objects" in told
        assert rate.connections.count() == 2

    @pytest.mark.parametrize("pair", [("002", "001"), ("0010", "+2"), ("2", "010")])
    def test_symmetric_pairs_stay_in_order(self, define, pair):
        knows = define("knows", Account, Account, symmetric=True)
        one, two = (Account.objects.create(pk=int(key)) for key in pair)
        connect("knows", *pair)
        run("connections_doctor", "--fix")
        assert list(knows.connected_objects(one)) == [two]
        assert list(knows.connected_objects(two)) == [one]
        (row,) = knows.connections
        assert row.from_pk < row.to_pk
        assert knows.create_connection(one, two).pk == row.pk
        assert connection_messages() == []
