"""Migrations: the field is created, and taken back, on an empty database."""

import pytest
from django.apps import apps as installed
from django.db import connection, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ModelState, ProjectState

from gm2m import GM2MField
from tests.app.models import User

MODELS = """
import uuid
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType

class Movie(models.Model):
    title = models.CharField(max_length=10)

class Opera(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

class User(models.Model):
    name = models.CharField(max_length=10)
    videos = GM2MField(Movie, "Opera", pk_maxlength=36, on_delete=models.PROTECT)

class Playlist(models.Model):
    items = GM2MField(Movie, through="Item")

class Item(models.Model):
    playlist = models.ForeignKey(Playlist, models.CASCADE)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.IntegerField()
    item = GenericForeignKey()
    note = models.CharField(max_length=10, default="")
"""
#: Commands and questions that the code of a project can use.
COMMANDS = """
from io import StringIO

from django.core.management import call_command
from django.db import connection

def command(*arguments, **options):
    out = StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue().strip()

def tables():
    names = connection.introspection.table_names()
    return sorted(name for name in names if name.startswith("library_"))

def change_nothing():
    return command("makemigrations", "library", dry_run=True) == (
        "No changes detected in app 'library'"
    )
"""
CREATE = f"""{COMMANDS}
command("makemigrations", "library")
command("migrate")
"""


@pytest.fixture
def library(project):
    """A project with a source, its targets and a custom through, not yet migrated."""
    project.models(MODELS)
    return project


# Making migrations.


def test_field_is_made_by_a_migration_and_taken_back(library):
    said = library.run(f"""{CREATE}
assert change_nothing()
print(tables())
command("migrate", "library", "zero")
print(tables())
command("migrate")
print(tables())
user, movie, opera = (model.objects.create() for model in (User, Movie, Opera))
user.videos.add(movie, opera)
assert list(user.videos.all()) == [movie, opera]
assert list(opera.user_set.all()) == [user]
""")
    made = [
        "library_item",
        "library_movie",
        "library_opera",
        "library_playlist",
        "library_user",
        "library_user_videos",
    ]
    assert said == f"{made}\n[]\n{made}\n"
    assert library.migrations() == ["0001_initial"]


def test_migration_names_what_the_database_depends_on(library):
    library.run(f"""{COMMANDS}
command("makemigrations", "library")
""")
    text = library.migration("0001_initial")
    assert "('contenttypes', '0002_remove_content_type_name')" in text
    field = next(line for line in text.splitlines() if "'videos'" in line)
    assert field.strip() == (
        "('videos', gm2m.fields.GM2MField(pk_maxlength=36, "
        "to='contenttypes.contenttype')),"
    )
    assert "import gm2m.fields" in text
    assert "PROTECT" not in text
    assert "gm2m_" not in text


def test_custom_through_is_named_with_its_four_fields(library):
    library.run(f"""{COMMANDS}
command("makemigrations", "library")
""")
    text = library.migration("0001_initial")
    assert "through='library.Item'" in text or "through='library.item'" in text
    names = "['playlist', 'item', 'content_type', 'object_id']"
    assert f"through_fields={names}" in text


def test_tables_are_the_same_as_without_migrations(library):
    said = library.run(f"""{CREATE}
def columns(model):
    with connection.cursor() as cursor:
        table = model._meta.db_table
        found = connection.introspection.get_table_description(cursor, table)
        constraints = connection.introspection.get_constraints(cursor, table)
    shape = [
        (c["columns"], c["unique"], c["primary_key"], c["index"], c["foreign_key"])
        for c in constraints.values()
    ]
    return sorted(map(str, found)), sorted(map(str, shape))

through = User.videos.through
migrated = columns(through)
with connection.schema_editor() as editor:
    editor.delete_model(through)
    editor.create_model(through)
assert columns(through) == migrated
print(len(migrated[0]))
""")
    assert said == "4\n"


def test_sql_of_a_migration_can_be_shown(library):
    said = library.run(f"""{COMMANDS}
command("makemigrations", "library")
print(command("sqlmigrate", "library", "0001"))
command("migrate")
print(command("sqlmigrate", "library", "0001", backwards=True))
""")
    create, drop = (
        f"{verb} TABLE {connection.ops.quote_name('library_user_videos')}"
        for verb in ("CREATE", "DROP")
    )
    assert said.count(create) == 1
    assert said.count(drop) == 1
    assert "gm2m_pk" in said


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("", ""),
        ("db_table='links'", "db_table='links', "),
        ("db_constraint=False", "db_constraint=False, "),
        ("for_concrete_model=False", "for_concrete_model=False, "),
        ("related_name='+'", "related_name='+', "),
        ("verbose_name='the things'", "verbose_name='the things'"),
        ("Target, 'self', on_delete=models.RESTRICT", ""),
        ("limit_choices_to=dict(pk=1)", ""),
    ],
)
def test_options_in_migrations(project, options, named):
    project.models(f"""
class Target(models.Model):
    pass

class Source(models.Model):
    things = GM2MField({options})
""")
    project.run(f"""{CREATE}
assert change_nothing()
source, target = Source.objects.create(), Target.objects.create()
source.things.add(target)
assert list(source.things.all()) == [target]
""")
    assert named in project.migration("0001_initial")


def test_key_column_without_a_limit_in_migrations(project):
    project.models("""
class Source(models.Model):
    things = GM2MField("self", pk_maxlength=None)
""")
    if connection.vendor == "mysql":
        # The checks refuse it there, and so do the commands.
        said = project.run(f"""{COMMANDS}
from django.core.management.base import SystemCheckError

try:
    command("migrate", skip_checks=False)
except SystemCheckError as error:
    print("gm2m.E207" in str(error))
""")
        assert said == "True\n"
        return
    project.run(f"""{CREATE}
assert change_nothing()
source = Source.objects.create()
source.things.add(source)
assert list(source.things.all()) == [source]
""")
    assert "pk_maxlength=None" in project.migration("0001_initial")


def test_unmanaged_source_makes_no_table(project):
    project.models("""
class Source(models.Model):
    things = GM2MField()

    class Meta:
        managed = False
""")
    said = project.run(f"""{CREATE}
assert change_nothing()
print(tables())
""")
    assert said == "[]\n"


def test_abstract_parent_makes_a_table_for_each_child(project):
    project.models("""
class Target(models.Model):
    pass

class Abstract(models.Model):
    things = GM2MField(Target, related_name="%(class)s_holders")

    class Meta:
        abstract = True

class First(Abstract):
    pass

class Second(Abstract):
    pass

class Child(First):
    pass

class FirstProxy(First):
    class Meta:
        proxy = True
""")
    said = project.run(f"""{CREATE}
assert change_nothing()
print([name for name in tables() if name.endswith("things")])
child, target = Child.objects.create(), Target.objects.create()
child.things.add(target)
assert list(target.first_holders.all()) == [child.first_ptr]
""")
    assert said == "['library_first_things', 'library_second_things']\n"


@pytest.mark.parametrize(
    "related_models",
    ["", "Movie", "Movie, 'Opera', 'self'", "'auth.User', settings.AUTH_USER_MODEL"],
)
def test_other_related_models_need_no_migration(project, related_models):
    project.settings(
        [
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "gm2m",
            "library",
        ]
    )
    text = """
from django.conf import settings

class Movie(models.Model):
    pass

class Opera(models.Model):
    pass

class Source(models.Model):
    things = GM2MField({})
"""
    project.models(text.format("Movie"))
    project.run(f"""{COMMANDS}
command("makemigrations", "library")
""")
    assert "auth" not in project.migration("0001_initial")
    project.models(text.format(related_models))
    project.run(f"""{COMMANDS}
assert change_nothing()
""")


# The existing library's migrations.

EXISTING = """
import gm2m.fields
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    dependencies = [("contenttypes", "0002_remove_content_type_name")]
    operations = [
        migrations.CreateModel(
            name="Movie",
            fields=[("id", models.BigAutoField(primary_key=True, serialize=False,
                auto_created=True, verbose_name="ID"))],
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False,
                    auto_created=True, verbose_name="ID")),
                ("videos", gm2m.fields.GM2MField("library.Movie", through_fields=[
                    "gm2m_src", "gm2m_tgt", "gm2m_ct", "gm2m_pk"])),
            ],
        ),
    ]
"""


def test_migrations_of_the_existing_library_are_taken_as_they_are(project):
    project.write("library/migrations/__init__.py", "")
    project.write("library/migrations/0001_initial.py", EXISTING)
    project.models("""
class Movie(models.Model):
    pass

class User(models.Model):
    videos = GM2MField(Movie)
""")
    said = project.run(f"""{COMMANDS}
assert change_nothing()
command("migrate")
print(tables())
user, movie = User.objects.create(), Movie.objects.create()
user.videos.add(movie)
assert list(movie.user_set.all()) == [user]
command("migrate", "library", "zero")
""")
    assert said == "['library_movie', 'library_user', 'library_user_videos']\n"


# Historical models.

DATA = """
from django.db import migrations

def forwards(apps, schema_editor):
FORWARDS

def backwards(apps, schema_editor):
    User = apps.get_model("library", "User")
    for user in User.objects.all():
        user.videos.clear()
    Playlist = apps.get_model("library", "Playlist")
    for playlist in Playlist.objects.all():
        playlist.items.clear()

class Migration(migrations.Migration):
    dependencies = [("library", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]
"""
HISTORICAL = """
    User, Movie, Opera, Playlist, Item = (
        apps.get_model("library", name)
        for name in ("User", "Movie", "Opera", "Playlist", "Item")
    )
"""


def migrate_data(library, forwards):
    """Make the tables, then run `forwards` in a migration of its own."""
    library.run(f"""{COMMANDS}
command("makemigrations", "library")
""")
    body = HISTORICAL + "".join(f"    {line}\n" for line in forwards.splitlines())
    text = DATA.replace("FORWARDS", body)
    library.write("library/migrations/0002_data.py", text)
    library.run(f"""{COMMANDS}
command("migrate")
""")


def test_historical_model_has_the_forward_manager(library):
    """On an empty database: the content types of targets are not there yet."""
    migrate_data(
        library,
        """
user, movie = User.objects.create(name="x"), Movie.objects.create(title="Alien")
opera, other = Opera.objects.create(), Movie.objects.create(title="Brazil")
user.videos.add(movie, opera, other)
user.videos.add(movie)
assert list(user.videos.all()) == [movie, opera, other]
assert [type(video) for video in user.videos.all()] == [Movie, Opera, Movie]
assert user.videos.count() == 3 and user.videos.contains(opera)
user.videos.remove(other)
user.videos.set([opera, movie])
assert list(user.videos.iterator()) == [movie, opera]
assert list(user.videos.instances_of(Movie)) == [movie]
made = user.videos.create(Movie, title="Cube")
assert user.videos.last() == made
(prefetched,) = User.objects.prefetch_related("videos")
assert list(prefetched.videos.all()) == [movie, opera, made]
assert User.objects.filter(videos=movie).get() == user
assert User.objects.filter(videos__in=[opera]).get() == user
""",
    )
    said = library.run(f"""{COMMANDS}
user = User.objects.get()
print([type(video).__name__ for video in user.videos.all()])
print(Movie.objects.filter(user=user).count())
command("migrate", "library", "0001")
print(user.videos.count(), Movie.objects.count())
""")
    assert said == "['Movie', 'Opera', 'Movie']\n2\n0 3\n"


def test_historical_custom_through(library):
    migrate_data(
        library,
        """
playlist, movie = Playlist.objects.create(), Movie.objects.create(title="Alien")
playlist.items.add(movie, through_defaults={"note": "x"})
playlist.items.add(movie)
assert list(playlist.items.all()) == [movie]
assert Item.objects.get().note == "x"
assert Playlist.items.through is Item
""",
    )
    said = library.run(f"""{COMMANDS}
print(list(Playlist.objects.get().items.all()) == [Movie.objects.get()])
command("migrate", "library", "0001")
print(Item.objects.count())
""")
    assert said == "True\n0\n"


def test_historical_targets_know_no_sources(library):
    """They have no accessor, no query name and neither cascade nor protection."""
    migrate_data(
        library,
        """
user, movie = User.objects.create(), Movie.objects.create(title="Alien")
user.videos.add(movie)
list(user.videos.all())
assert not hasattr(movie, "user_set")
assert {field.name for field in Movie._meta.get_fields()} == {"id", "title"}
movie.delete()
assert User.videos.through.objects.count() == 1
assert list(user.videos.all()) == []
""",
    )


def test_historical_sources_cascade(library):
    migrate_data(
        library,
        """
playlist, movie = Playlist.objects.create(), Movie.objects.create(title="Alien")
playlist.items.add(movie)
playlist.delete()
assert not Item.objects.exists()
""",
    )


def test_models_of_the_project_are_not_touched_by_historical_ones():
    before = {
        model: {field.name for field in model._meta.get_fields(include_hidden=True)}
        for model in installed.get_models(include_auto_created=True)
    }
    state = ProjectState.from_apps(installed)
    historical = state.apps.get_model("app", "User")
    assert historical is not User
    assert historical.preferred_videos.field is not User.preferred_videos.field
    assert historical.preferred_videos.through is not User.preferred_videos.through
    assert historical.preferred_videos.get_related_models(include_auto=True) == []
    assert not hasattr(state.apps.get_model("app", "Movie"), "user_set")
    assert before == {
        model: {field.name for field in model._meta.get_fields(include_hidden=True)}
        for model in installed.get_models(include_auto_created=True)
    }


# In memory.


def detected(before, after):
    changes = MigrationAutodetector(before, after)._detect_changes()
    return [
        operation
        for migrations in changes.values()
        for migration in migrations
        for operation in migration.operations
    ]


def state_of(*some):
    state = ProjectState()
    for model in some:
        state.add_model(ModelState.from_model(model))
    return state


def test_nothing_is_detected_between_a_project_and_itself():
    state = ProjectState.from_apps(installed)
    assert detected(state, state.clone()) == []
    assert detected(state, ProjectState.from_apps(installed)) == []


def test_creation_is_one_operation_that_depends_on_content_types(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target)

    changes = MigrationAutodetector(
        ProjectState(), state_of(Target, Source)
    )._detect_changes()
    (migration,) = changes["app"]
    assert [operation.describe() for operation in migration.operations] == [
        "Create model Target",
        "Create model Source",
    ]
    assert ("contenttypes", "__first__") in migration.dependencies


def test_policies_choices_and_targets_are_no_changes(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField()

    before = state_of(Target, Source)
    for options in (
        {"on_delete": models.PROTECT},
        {"on_delete_src": models.PROTECT},
        {"on_delete_tgt": models.RESTRICT},
        {"limit_choices_to": {"pk": 1}},
    ):
        after = before.clone()
        field = GM2MField(Target, "app.Source", **options)
        after.models["app", "source"].fields["things"] = field
        assert detected(before, after) == []


def test_what_the_database_depends_on_is_a_change(registry):
    class Source(models.Model):
        things = GM2MField()

    before = state_of(Source)
    for options in (
        {"pk_maxlength": 36},
        {"db_table": "links"},
        {"db_constraint": False},
    ):
        after = before.clone()
        after.models["app", "source"].fields["things"] = GM2MField(**options)
        (operation,) = detected(before, after)
        assert operation.describe() == "Alter field things on source"
