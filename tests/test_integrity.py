"""What the database says: the checks of its rows and tables, and the command."""

import json
import tracemalloc
import uuid
from contextlib import nullcontext
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core import checks
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper, SystemCheckError
from django.db import connection, connections, models
from django.db.models.functions import Lower
from django.test.utils import CaptureQueriesContext

from gm2m.database_checks import check_databases, check_fields
from gm2m.management.commands import gm2m_doctor
from gm2m.management.progress import Progress
from tests.app.models import (
    Concert,
    Hidden,
    Movie,
    Opera,
    Person,
    Plant,
    Playlist,
    PlaylistItem,
    Premiere,
    ProxyLover,
    Shelf,
    Undeclared,
    User,
    Vault,
    Video,
    VideoProxy,
)
from tests.project import MAKE_TABLES

pytestmark = pytest.mark.django_db

PREFERRED = User._meta.get_field("preferred_videos")
THINGS = Undeclared._meta.get_field("things")


def messages(model=User, *ids, databases=("default",)):
    """Return what the checks of databases say of the fields of `model`."""
    return [
        message
        for alias in databases
        for message in check_fields(model._meta.local_many_to_many, connections[alias])
        if not ids or message.id in ids
    ]


def lose(*objs):
    """Delete rows behind the library's back."""
    for obj in objs:
        type(obj)._base_manager.filter(pk=obj.pk)._raw_delete(obj._state.db)


def gone(count, label, field=PREFERRED, database="default"):
    return checks.Warning(
        f"{field} has links in the database '{database}' to objects of '{label}' that "
        f"are gone: {count}.",
        hint=f"Remove them with 'manage.py gm2m_doctor {field} --database {database} "
        "--fix'.",
        obj=field,
        id="gm2m.W303",
    )


@pytest.fixture
def targets():
    return [
        Movie.objects.create(title="Alien"),
        Opera.objects.create(title="Aida"),
        Concert.objects.create(code="it's 100 %"),
        Premiere.objects.create(day="1871-12-24"),
    ]


@pytest.fixture
def jack(targets):
    jack = User.objects.create(name="Jack")
    jack.preferred_videos.set(targets)
    return jack


def checked(**options):
    """Return what the checks of the project say of the library's fields."""
    return [one for one in checks.run_checks(**options) if "gm2m" in one.id]


class TestWhen:
    """The checks are made where a database is named, and cost nothing elsewhere."""

    @pytest.fixture(autouse=True)
    def dangling(self, jack, targets):
        lose(targets[0])

    def test_database_is_named(self):
        assert gone(1, "app.movie") in checks.run_checks(databases=["default"])
        with pytest.raises(SystemCheckError, match=r"gm2m\.W303"):
            call_command("check", databases=["default"], fail_level="WARNING")

    @pytest.mark.django_db(databases=["default", "other"])
    def test_database_is_not_named(self, django_assert_num_queries):
        checks.run_checks()
        with django_assert_num_queries(0):
            assert checked() == []

    def test_tag(self):
        found = checked(tags=["database"], databases=["default"])
        assert found == [gone(1, "app.movie")]
        assert checked(tags=["models"], databases=["default"]) == []

    @pytest.mark.parametrize(("label", "count"), [("app", 1), ("auth", 0)])
    def test_some_apps(self, label, count):
        configs = [apps.get_app_config(label)]
        assert len(check_databases(configs, ["default"])) == count

    def test_no_databases(self):
        assert check_databases(None, None) == []


class TestUndeclaredModels:
    """gm2m.W302"""

    def test_declared_models(self, jack):
        assert messages() == []

    def test_another(self):
        Undeclared.objects.create().things.add(Person.objects.create())
        assert messages(Undeclared) == [
            checks.Warning(
                f"{THINGS} has links in the database 'default' to objects of "
                "'app.person', which is not declared.",
                hint="Name the model in the field: a process that has not met a link "
                "to it has no reverse relation, and does not cascade.",
                obj=THINGS,
                id="gm2m.W302",
            )
        ]

    def test_children_of_declared_models(self):
        Hidden.objects.create().things.add(Movie.objects.create())
        assert messages(Hidden) == []

    def test_proxies_that_are_targets_of_their_own(self):
        field = ProxyLover._meta.get_field("things")
        ProxyLover.objects.create().things.add(VideoProxy.objects.create())
        (message,) = messages(ProxyLover)
        assert message.id == "gm2m.W302"
        assert "'app.videoproxy'" in message.msg
        assert message.obj == field

    def test_models_that_are_not_installed(self):
        """Nobody could declare them."""
        holder = Undeclared.objects.create()
        through = Undeclared.things.through
        content_type = ContentType.objects.create(app_label="gone", model="thing")
        through.objects.create(gm2m_src=holder, gm2m_ct=content_type, gm2m_pk="1")
        assert messages(Undeclared) == []


class TestDanglingLinks:
    """gm2m.W303"""

    @pytest.mark.parametrize("index", range(4))
    def test_keys_of_every_kind(self, index, jack, targets):
        lose(targets[index])
        assert messages() == [gone(1, targets[index]._meta.label_lower)]

    def test_how_many(self, jack, targets):
        User.objects.create().preferred_videos.set(targets[:2])
        lose(*targets[:2])
        assert messages() == [gone(2, "app.movie"), gone(2, "app.opera")]

    def test_key_that_is_none(self, jack):
        """Whatever it says, there is no such object."""
        through = User.preferred_videos.through
        for model, key in [(Opera, "no uuid"), (Movie, "007"), (Premiere, "x")]:
            content_type = ContentType.objects.get_for_model(model)
            through.objects.create(gm2m_src=jack, gm2m_ct=content_type, gm2m_pk=key)
        assert messages() == [
            gone(1, "app.movie"),
            gone(1, "app.opera"),
            gone(1, "app.premiere"),
        ]

    def test_object_that_its_manager_hides(self):
        holder = Undeclared.objects.create()
        holder.things.add(Plant.everything.create(dead=True))
        assert holder.things.count() == 1
        assert list(holder.things.all()) == []
        assert messages(Undeclared, "gm2m.W303") == []

    def test_parent_of_a_child_that_is_gone(self, targets):
        """A child is gone when its own row is."""
        holder = Hidden.objects.create()
        movie = targets[0]
        holder.things.set([movie, movie.video_ptr])
        models.query.QuerySet(Movie).filter(pk=movie.pk)._raw_delete("default")
        field = Hidden._meta.get_field("things")
        assert messages(Hidden) == [gone(1, "app.movie", field)]

    def test_custom_through(self, targets):
        playlist = Playlist.objects.create()
        playlist.items.set(targets[:2])
        lose(targets[1])
        field = Playlist._meta.get_field("items")
        assert messages(Playlist, "gm2m.W303") == [gone(1, "app.opera", field)]

    def test_key_columns_that_are_no_text(self, targets):
        kept = [Video.objects.create(title="x"), Opera.objects.create(title="x")]
        shelf, vault = Shelf.objects.create(), Vault.objects.create()
        shelf.videos.set([kept[0], video := Video.objects.create(title="y")])
        vault.works.set([kept[1], targets[1]])
        lose(video, targets[1])
        for source, name, label in (
            (Shelf, "videos", "app.video"),
            (Vault, "works", "app.opera"),
        ):
            field = source._meta.get_field(name)
            assert messages(source, "gm2m.W303") == [gone(1, label, field)]

    @pytest.mark.django_db(databases=["default", "other"])
    def test_each_database_for_itself(self, jack, targets):
        other = User.objects.using("other").create(name="Jill")
        opera = Opera.objects.using("other").create(title="Norma")
        other.preferred_videos.add(opera)
        lose(opera)
        assert messages() == []
        both = messages(databases=["default", "other"])
        assert both == [gone(1, "app.opera", database="other")]

    @pytest.mark.django_db(databases=["default", "other"])
    @pytest.mark.parametrize("router", ["OperasMadeElsewhere", "OperasReadElsewhere"])
    def test_targets_in_another_database(self, router, jack, targets, settings):
        """They are not looked at."""
        settings.DATABASE_ROUTERS = [f"tests.test_integrity.{router}"]
        lose(targets[1])
        assert messages() == []

    @pytest.mark.django_db(databases=["default", "other"])
    def test_read_replica(self, jack, targets, settings):
        settings.DATABASE_ROUTERS = ["tests.test_integrity.ReadReplica"]
        lose(targets[1])
        assert messages() == [gone(1, "app.opera")]

    def test_model_whose_table_is_missing(self, jack, targets, monkeypatch):
        """The others are checked all the same."""
        monkeypatch.setattr(Opera._meta, "db_table", "nowhere")
        lose(targets[0])
        assert messages() == [gone(1, "app.movie")]

    def test_rows_of_a_proxy(self, jack, targets):
        """By another version of the field: objects of proxies are of their model."""
        content_type = ContentType.objects.get_for_model(
            VideoProxy, for_concrete_model=False
        )
        video = Video.objects.create(title="x")
        for key in (video.pk, 0):
            User.preferred_videos.through.objects.create(
                gm2m_src=jack, gm2m_ct=content_type, gm2m_pk=str(key)
            )
        assert messages(User, "gm2m.W303") == [gone(1, "app.videoproxy")]

    def test_queries(self, jack, django_assert_num_queries):
        messages()
        with CaptureQueriesContext(connection) as queries:
            messages()
        selects = [q["sql"] for q in queries if q["sql"].startswith("SELECT COUNT")]
        # One for each model, and none that reads rows.
        assert len(selects) == 4


class OperasMadeElsewhere:
    """A router."""

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return None if model_name != "opera" else db == "other"


class OperasReadElsewhere:
    """A router."""

    def db_for_read(self, model, **hints):
        return "other" if model is Opera else None

    db_for_write = db_for_read


class ReadReplica:
    """A router."""

    def db_for_read(self, model, **hints):
        return "other"

    def db_for_write(self, model, **hints):
        return "default"


class NothingHere:
    """A router."""

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return db == "other"


@pytest.mark.django_db(transaction=True)
class TestTables:
    """gm2m.W304"""

    @pytest.fixture
    def source(self, registry):
        """Return a function that makes a source and its tables."""
        from gm2m import GM2MField

        made = []

        def make(**options):
            class Keeper(models.Model):
                things = GM2MField(**options)

                class Meta:
                    app_label = "app"

            with connection.schema_editor() as editor:
                editor.create_model(Keeper)
            made.append(Keeper)
            return Keeper

        yield make
        with connection.schema_editor() as editor:
            for model in made:
                editor.delete_model(model)

    @staticmethod
    def alter(model, *, drop_unique=False, drop_index=False):
        through = model.things.through
        with connection.schema_editor() as editor:
            if drop_unique:
                names = through._meta.unique_together
                # What serves the source key in its stead, for MariaDB.
                key = through._meta.get_field("gm2m_src")
                editor.execute(editor._create_index_sql(through, fields=[key]))
                editor.alter_unique_together(through, names, ())
            if drop_index:
                editor.remove_index(through, through._meta.indexes[0])

    @pytest.mark.parametrize("options", [{}, {"pk_maxlength": 36}])
    def test_as_it_should_be(self, source, options):
        assert messages(source(**options), "gm2m.W304") == []

    @pytest.mark.parametrize("column", [16, 36])
    def test_key_column(self, source, column):
        model = source(pk_maxlength=column)
        field = model._meta.get_field("things")
        for wanted in (column, column - 1):
            field.pk_maxlength = wanted
            assert messages(model, "gm2m.W304") == []
        field.pk_maxlength = column + 1
        assert messages(model, "gm2m.W304") == [
            checks.Warning(
                f"app.Keeper.things has pk_maxlength={column + 1}, and the key column "
                "of the table 'app_keeper_things' in the database 'default' holds "
                f"{column} characters.",
                hint="Migrate; if no migration alters the field, run "
                "gm2m.operations.AlterGM2MField in one.",
                obj=field,
                id="gm2m.W304",
            )
        ]
        field.pk_maxlength = None
        assert len(messages(model, "gm2m.W304")) == 1

    @pytest.mark.skipif(
        connection.vendor == "mysql", reason="It cannot index such a column."
    )
    def test_key_column_without_a_limit(self, source):
        model = source(pk_maxlength=None)
        assert messages(model, "gm2m.W304") == []
        model._meta.get_field("things").pk_maxlength = 16
        assert messages(model, "gm2m.W304") == []

    def test_no_unique_constraint(self, source):
        model = source()
        self.alter(model, drop_unique=True)
        assert messages(model, "gm2m.W304") == [
            checks.Warning(
                "app.Keeper.things has no unique constraint on the columns "
                "gm2m_src_id, gm2m_ct_id, gm2m_pk of the table 'app_keeper_things' in "
                "'default'.",
                hint="Add it: a link could be there twice. Run "
                "gm2m.operations.UpgradeGM2MIndexes in a migration.",
                obj=model._meta.get_field("things"),
                id="gm2m.W304",
            )
        ]

    def test_no_index(self, source):
        model = source()
        self.alter(model, drop_index=True)
        assert messages(model, "gm2m.W304") == [
            checks.Warning(
                "app.Keeper.things has no index on the columns gm2m_pk, gm2m_ct_id, "
                "gm2m_src_id of the table 'app_keeper_things' in 'default'.",
                hint="Add it: without it, access from a target reads all the links to "
                "its model. Run gm2m.operations.UpgradeGM2MIndexes in a migration.",
                obj=model._meta.get_field("things"),
                id="gm2m.W304",
            )
        ]

    def test_index_on_an_expression(self, source):
        model = source()
        if not connection.features.supports_expression_indexes:
            return
        index = models.Index(Lower("gm2m_pk"), name="lower_keys")
        with connection.schema_editor() as editor:
            editor.add_index(model.things.through, index)
        assert messages(model) == []

    @pytest.mark.skipif(
        connection.vendor == "mysql", reason="Django cannot make such a table there."
    )
    def test_quoted_table(self, source):
        model = source(db_table=connection.ops.quote_name("Quoted"))
        assert messages(model) == []
        self.alter(model, drop_index=True)
        (message,) = messages(model)
        assert message.id == "gm2m.W304"

    def test_table_that_is_not_there(self, registry):
        from gm2m import GM2MField

        class Nowhere(models.Model):
            things = GM2MField()

            class Meta:
                app_label = "app"

        assert messages(Nowhere) == []

    def test_table_of_another_version(self, source):
        """It is checked before it is migrated."""
        model = source()
        model._meta.get_field("things").links.content_type.column = "later_id"
        assert messages(model) == []
        assert Person.objects.count() == 0

    def test_content_type_that_is_gone(self, source):
        model = source(db_constraint=False)
        keeper = model.objects.create()
        model.things.through.objects.create(
            gm2m_src=keeper, gm2m_ct_id=99_999, gm2m_pk="1"
        )
        field = model._meta.get_field("things")
        ((finding, links),) = gm2m_doctor.examine(field, connection)
        assert links is None
        assert finding.kind == "uninstalled"
        assert finding.subject == "content type 99999"
        assert messages(model) == []

    def test_database_that_the_field_is_not_in(self, source, settings):
        settings.DATABASE_ROUTERS = ["tests.test_integrity.NothingHere"]
        model = source()
        with connection.schema_editor() as editor:
            through = model.things.through
            editor.remove_index(through, through._meta.indexes[0])
        assert messages(model) == []


class Terminal(StringIO):
    def isatty(self):
        return True


class TestDoctor:
    """``manage.py gm2m_doctor``"""

    @staticmethod
    def run(*args, status=0, **options):
        out = StringIO()
        leaves = pytest.raises(SystemExit) if status else nullcontext()
        with leaves as error:
            call_command("gm2m_doctor", *args, stdout=out, **options)
        assert not status or error.value.code == status
        return out.getvalue()

    def test_nothing(self, jack):
        assert self.run() == "Nothing found.\n"
        assert json.loads(self.run(format="json")) == []

    def test_report(self, jack, targets):
        lose(targets[0])
        Undeclared.objects.create().things.add(Person.objects.create())
        assert self.run(status=1).splitlines() == [
            "app.User.preferred_videos: links to objects of app.movie that are gone: "
            "1.",
            "app.Undeclared.things: links to objects of app.person, which is not "
            "declared. Name the model in the field: a process that has not met a link "
            "to it has no reverse relation, and does not cascade.",
        ]
        assert jack.preferred_videos.count() == 4

    def test_report_for_programs(self, jack, targets):
        lose(targets[0])
        assert json.loads(self.run(format="json", status=1)) == [
            {
                "field": "app.User.preferred_videos",
                "kind": "dangling",
                "subject": "app.movie",
                "message": "links to objects of app.movie that are gone: 1.",
                "links": 1,
                "removed": 0,
            }
        ]

    def test_targets_that_cannot_be_read(self, jack, targets, monkeypatch):
        monkeypatch.setattr(Opera._meta, "db_table", "nowhere")
        lose(targets[0])
        told = self.run(fix=True, status=1)
        assert "the objects of app.opera cannot be read" in told
        assert "Removed 1 of 1." in told

    def test_table_that_is_not_there(self, jack, monkeypatch):
        through = User.preferred_videos.through
        monkeypatch.setattr(through._meta, "db_table", "nowhere")
        monkeypatch.setattr(PREFERRED, "m2m_db_table", lambda: "nowhere")
        assert self.run("app.user", status=1) == (
            "app.User.preferred_videos: the table nowhere is missing, or not as the "
            "models have it. Migrate.\n"
        )

    def test_links_that_others_protect(self, targets, monkeypatch):
        playlist = Playlist.objects.create()
        playlist.items.set(targets[:2])
        lose(*targets[:2])

        def protect(self):
            if self.filter(object_id=str(targets[0].pk)).exists():
                raise models.ProtectedError("Notes are kept.", set())
            return delete(self)

        delete = models.QuerySet.delete
        monkeypatch.setattr(models.QuerySet, "delete", protect)
        told = self.run("app.playlist", fix=True, status=1)
        assert "  Kept 1: Notes are kept." in told
        assert "  Removed 1 of 1." in told

    def test_to_declare_a_model_is_advice(self):
        Undeclared.objects.create().things.add(Person.objects.create())
        assert "app.person" in self.run(status=0)

    def test_fix(self, jack, targets):
        User.objects.create().preferred_videos.set(targets)
        lose(targets[0], targets[2])
        told = self.run(fix=True).splitlines()
        name = "app.User.preferred_videos"
        for label in ("app.concert", "app.movie"):
            line = f"{name}: links to objects of {label} that are gone: 2."
            assert told[told.index(line) + 1] == "  Removed 2 of 2."
        assert len(told) == 4
        titles = [str(obj.pk) for obj in jack.preferred_videos.all()]
        assert titles == [str(targets[1].pk), "1871-12-24"]
        assert jack.preferred_videos.count() == 2
        assert self.run() == "Nothing found.\n"

    def test_fix_for_programs(self, jack, targets):
        lose(targets[0])
        (finding,) = json.loads(self.run(format="json", fix=True))
        assert (finding["links"], finding["removed"]) == (1, 1)

    def test_dry_run(self, jack, targets):
        lose(targets[0])
        told = self.run(fix=True, dry_run=True, status=1)
        assert told.endswith("  Would remove 1.\n")
        assert jack.preferred_videos.count() == 4

    def test_batches(self, monkeypatch):
        monkeypatch.setattr(gm2m_doctor, "BATCH_SIZE", 2)
        people = [Person.objects.create() for _number in range(7)]
        jack = User.objects.create()
        jack.preferred_videos.set(people)
        lose(*people[:2], *people[4:])
        told = self.run("app.user", fix=True)
        assert told.endswith("\n  Removed 5 of 5.\n")
        assert told.count("Removed") == 1
        assert list(jack.preferred_videos.all()) == people[2:4]

    @staticmethod
    def many(count):
        """Link so many movies that are gone, and as many that are there."""
        jack, through = User.objects.create(), User.preferred_videos.through
        movies = [Movie(title="there") for _number in range(count)]
        for movie in movies:  # A child of another model is not made in bulk.
            movie.save()
        kind = ContentType.objects.get_for_model(Movie)
        keys = [*(movie.pk for movie in movies), *range(10**9, 10**9 + count)]
        rows = [through(gm2m_src=jack, gm2m_ct=kind, gm2m_pk=str(key)) for key in keys]
        through.objects.bulk_create(rows, batch_size=1000)

    @pytest.mark.slow
    def test_many_rows(self):
        """None is read to be judged, whatever their number."""
        self.many(1)
        with CaptureQueriesContext(connection) as few:
            self.run("app.user", status=1)
        self.many(5_000)
        tracemalloc.start()
        with CaptureQueriesContext(connection) as many:
            told = self.run("app.user", status=1)
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert "that are gone: 5001." in told
        assert len(many) == len(few)
        assert peak < 1_000_000

    @pytest.mark.slow
    def test_many_rows_are_removed_in_batches(self):
        self.many(2_600)
        through = User.preferred_videos.through
        with CaptureQueriesContext(connection) as queries:
            assert "Removed 2600 of 2600." in self.run("app.user", fix=True)
        statements = [query["sql"] for query in queries]
        deleted = [sql for sql in statements if sql.startswith("DELETE")]
        assert len(deleted) == 11  # Each looks at five hundred of 5,200 links.
        # None is read but the key of the last of each.
        assert sum(sql.endswith("LIMIT 1 OFFSET 499") for sql in statements) == 11
        assert through.objects.count() == 2_600

    def test_progress_on_a_terminal(self, jack, targets, monkeypatch):
        """It is drawn on the error stream, and leaves nothing of itself."""
        monkeypatch.setattr(gm2m_doctor, "BATCH_SIZE", 1)
        User.objects.create().preferred_videos.set(targets)
        lose(targets[0])
        terminal = Terminal()
        told = self.run("app.user", fix=True, stderr=terminal)
        assert told == (
            "app.User.preferred_videos: links to objects of app.movie that are gone: 2."
            "\n  Removed 2 of 2.\n"
        )
        shown = [text for text in terminal.getvalue().split("\r") if text.strip()]
        empty, half = "." * 30, "#" * 15 + "." * 15
        field = "app.User.preferred_videos"
        assert shown == [
            f"[{empty}]   0% {field}",
            f"[{empty}]   0% {field}: app.movie",
            f"[{half}]  50% {field}: app.movie",
            f"[{empty}]   0% {field}",
        ]
        assert terminal.getvalue().endswith(" \r")

    def test_no_progress_elsewhere(self, jack, targets):
        lose(targets[0])
        error = StringIO()
        self.run(fix=True, stderr=error)
        assert error.getvalue() == ""

    def test_report_for_programs_on_a_terminal(self, jack, targets):
        lose(targets[0])
        (finding,) = json.loads(self.run(format="json", fix=True, stderr=Terminal()))
        assert finding["removed"] == 1

    @pytest.mark.parametrize(
        ("done", "total", "shown"), [(0, 0, "100%"), (5, 4, "100%"), (1, 8, " 12%")]
    )
    def test_share_that_is_shown(self, done, total, shown):
        terminal = Terminal()
        Progress(OutputWrapper(terminal)).show("links", done, total)
        assert shown in terminal.getvalue()

    def test_narrow_terminal(self, monkeypatch):
        monkeypatch.setenv("COLUMNS", "20")
        terminal = Terminal()
        progress = Progress(OutputWrapper(terminal))
        progress.show("links", 1, 2)
        assert len(terminal.getvalue()) == 19
        progress.show("links", 1, 2)
        assert len(terminal.getvalue()) == 19

    def test_target_that_comes_back_meanwhile(self, jack, targets, monkeypatch):
        (movie, *_) = targets
        lose(movie)
        found = gm2m_doctor.spans

        def spans(rows, size):
            movie.save_base(raw=True)
            yield from found(rows, size)

        monkeypatch.setattr(gm2m_doctor, "spans", spans)
        assert "  Removed 0 of 1." in self.run(fix=True, status=1)
        assert movie in jack.preferred_videos.all()

    def test_custom_through(self, targets):
        playlist = Playlist.objects.create()
        playlist.items.set(targets[:2])
        lose(targets[1])
        assert "Removed 1 of 1." in self.run("app.playlist.items", fix=True)
        assert PlaylistItem.objects.count() == 1

    def test_models_that_are_not_installed_are_kept(self, jack):
        through = User.preferred_videos.through
        content_type = ContentType.objects.create(app_label="gone", model="thing")
        through.objects.create(gm2m_src=jack, gm2m_ct=content_type, gm2m_pk="1")
        told = self.run(fix=True, status=1)
        assert told == (
            "app.User.preferred_videos: links to objects of gone.thing, which is not "
            "installed or cannot be linked. Nobody sees them; they are kept in case "
            "it comes back.\n"
        )
        assert jack.preferred_videos.count() == 5

    def test_keys_that_hardly_fit(self, jack):
        limit = PREFERRED.pk_maxlength
        jack.preferred_videos.add(Concert.objects.create(code="x" * 14))
        assert (self.run(status=1 if limit == 16 else 0) == "Nothing found.\n") is (
            limit > 16
        )

    @pytest.mark.parametrize("length", [14, 15, 16])
    def test_share_of_the_column(self, length):
        holder = Undeclared.objects.create()
        holder.things.add(Concert.objects.create(code="x" * length))
        expected = (
            f"app.Undeclared.things: the longest key of app.concert has {length} "
            "characters, of 16 that the key column holds. Longer ones are refused."
        )
        told = self.run(status=1 if length > 14 else 0).splitlines()
        assert (expected in told) is (length > 14)

    def test_keys_of_one_length_do_not_grow(self):
        jack = User.objects.create()
        jack.preferred_videos.add(Opera.objects.create(pk=uuid.uuid4()))
        assert self.run() == "Nothing found.\n"

    @pytest.mark.parametrize("label", ["app", "app.User", "app.user.Preferred_Videos"])
    def test_chosen_fields(self, label, jack, targets):
        Hidden.objects.create().things.add(targets[0])
        lose(targets[0])
        told = self.run(label, status=1).splitlines()
        assert len(told) == (2 if label == "app" else 1)

    @pytest.mark.parametrize("label", ["ap", "app.use", "app.user.preferred", "x.y.z"])
    def test_unknown_field(self, label):
        with pytest.raises(CommandError, match=f"called '{label}'"):
            self.run(label)

    @pytest.mark.django_db(databases=["default", "other"])
    def test_database(self, jack, targets):
        other = User.objects.using("other").create(name="Jill")
        opera = Opera.objects.using("other").create(title="Norma")
        other.preferred_videos.add(opera)
        lose(opera)
        assert self.run() == "Nothing found.\n"
        assert "Removed 1 of 1." in self.run(database="other", fix=True)
        assert other.preferred_videos.count() == 0
        assert jack.preferred_videos.count() == 4

    def test_database_that_has_no_such_tables(self, settings, jack, targets):
        settings.DATABASE_ROUTERS = ["tests.test_integrity.NothingHere"]
        lose(targets[0])
        assert self.run() == "Nothing found.\n"

    def test_unknown_database(self):
        with pytest.raises(CommandError, match="invalid choice"):
            call_command("gm2m_doctor", "--database", "nowhere")

    @pytest.mark.django_db(transaction=True)
    def test_missing_index(self):
        through = User.preferred_videos.through
        index = through._meta.indexes[0]
        with connection.schema_editor() as editor:
            editor.remove_index(through, index)
        try:
            told = self.run("app.user", status=1)
        finally:
            with connection.schema_editor() as editor:
                editor.add_index(through, index)
        assert told == (
            "app.User.preferred_videos: the table has no index on the columns gm2m_pk, "
            "gm2m_ct_id, gm2m_src_id. Run gm2m.operations.UpgradeGM2MIndexes in a "
            "migration.\n"
        )


class TestMigrationsToCome:
    """What is about to be migrated is not checked: Django checks it just before."""

    MODELS = """
class Film(models.Model): pass
class User(models.Model):
    things = GM2MField({options})
"""
    LINK = """
film, user = Film.objects.create(), User.objects.create()
user.things.add(film)
Film.objects.all()._raw_delete("default")
"""

    NO_ISSUES = "System check identified no issues (0 silenced).\n"

    def test_only_tables_as_they_are_to_be_are_checked(self, project):
        project.settings(more="SILENCED_SYSTEM_CHECKS = []\n")
        project.models(self.MODELS.format(options="Film"))
        # An app without migrations has its tables from elsewhere.
        project.run(MAKE_TABLES)
        project.run(self.LINK)
        check = ("check", "--database=default", "--fail-level=WARNING")
        assert "gm2m.W303" in project.fail(*check)
        # Its first migration is not known to the database,
        project.manage("makemigrations", "library", "--verbosity=0")
        assert project.manage(*check) == self.NO_ISSUES
        # and now it is.
        project.manage("migrate", "--fake", "--verbosity=0")
        assert "gm2m.W303" in project.fail(*check)
        project.models(self.MODELS.format(options="Film, pk_maxlength=36"))
        assert "gm2m.W304" in project.fail(*check)
        project.manage("makemigrations", "library", "--verbosity=0")
        assert project.manage(*check) == self.NO_ISSUES
        project.manage("migrate", "--verbosity=0")
        assert "gm2m.W304" not in project.fail(*check)

    def test_packages_among_the_migrations_are_none(self, project):
        project.settings(more="SILENCED_SYSTEM_CHECKS = []\n")
        project.models(self.MODELS.format(options="Film"))
        project.manage("makemigrations", "library", "--verbosity=0")
        project.write("library/migrations/parts/__init__.py", "")
        project.manage("migrate", "--verbosity=0")
        project.run(self.LINK)
        said = project.fail("check", "--database=default", "--fail-level=WARNING")
        assert "gm2m.W303" in said

    def test_folder_that_is_no_package(self, project):
        """To Django, its app has no migrations."""
        project.settings(more="SILENCED_SYSTEM_CHECKS = []\n")
        project.models(self.MODELS.format(options="Film"))
        project.run(MAKE_TABLES)
        project.run(self.LINK)
        project.write("library/migrations/0001_initial.py", "")
        said = project.fail("check", "--database=default", "--fail-level=WARNING")
        assert "gm2m.W303" in said

    def test_migrations_that_are_switched_off(self, project):
        project.settings(
            more='SILENCED_SYSTEM_CHECKS = []\nMIGRATION_MODULES = {"library": None}\n'
        )
        project.models(self.MODELS.format(options="Film"))
        project.run(MAKE_TABLES)
        project.run(self.LINK)
        said = project.fail("check", "--database=default", "--fail-level=WARNING")
        assert "gm2m.W303" in said
