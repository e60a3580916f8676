"""The operation that alters the key column, and how it gets into migrations."""

import pytest
from django.db import connection, migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.optimizer import MigrationOptimizer
from django.db.migrations.serializer import serializer_factory
from django.db.migrations.writer import MigrationWriter, OperationWriter
from django.db.models.signals import pre_migrate

from gm2m import GM2MField
from gm2m.operations import AlterGM2MField, inject
from tests.evolution import LINKS
from tests.test_migrations_alter import NAME, TABLE, user

ALTER = """
from django.db import migrations, models
from gm2m.fields import GM2MField
from gm2m.operations import AlterGM2MField

class Migration(migrations.Migration):
    dependencies = [("library", "0001_initial")]
    operations = [
        {operations}
    ]
"""
RAISE = "'user', 'preferred_videos', GM2MField(pk_maxlength=40)"
#: Applies the migration that a test has written, and undoes it.
TO_AND_FRO = f"""
migrate("library", "0001")
migrate("contenttypes")
fill()
migrate()
there = look()
migrate("library", "0001")
back = look()
def key(found):
    return found["tables"]["{TABLE}"]["columns"]["gm2m_pk"]
[key(there), key(back), there["links"], back["links"], changes()]
"""


def alter(field=None, name="videos"):
    return migrations.AlterField("User", name, field or GM2MField(pk_maxlength=40))


def migration(*operations):
    made = migrations.Migration("0002_more", "library")
    made.operations = list(operations)
    return made


class TestInjection:
    @pytest.mark.parametrize("backwards", [False, True])
    def test_puts_the_operation_in_the_place_of_the_plain_one(self, backwards):
        before, after = migrations.RunSQL(""), migrations.RunSQL("")
        planned = migration(before, alter(), after)
        inject(plan=[(planned, backwards)])
        first, made, last = planned.operations
        assert (first, last) == (before, after)
        assert type(made) is AlterGM2MField
        assert (made.model_name, made.name) == ("User", "videos")
        assert made.field.pk_maxlength == 40

    def test_keeps_all_arguments(self):
        plain = migrations.AlterField("User", "videos", GM2MField(), False)
        planned = migration(plain)
        inject(plan=[(planned, False)])
        (made,) = planned.operations
        assert made.model_name == "User"
        assert made.name == "videos"
        assert made.field is plain.field
        assert made.preserve_default is False

    def test_reaches_what_changes_the_database_and_the_state_apart(self):
        inner = migrations.SeparateDatabaseAndState([alter()], [alter()])
        outer = migrations.SeparateDatabaseAndState([inner])
        planned = migration(outer)
        inject(plan=[(planned, False)])
        assert planned.operations == [outer]
        assert outer.database_operations == [inner]
        assert type(inner.database_operations[0]) is AlterGM2MField
        # It does nothing to the state that the plain one does not do.
        assert type(inner.state_operations[0]) is migrations.AlterField

    def test_is_made_once(self):
        planned = migration(alter())
        inject(plan=[(planned, False)])
        (made,) = planned.operations
        inject(plan=[(planned, False), (planned, True)])
        assert planned.operations == [made]
        assert planned.operations[0] is made

    @pytest.mark.parametrize(
        "operation",
        [
            alter(models.CharField(max_length=10)),
            alter(models.ForeignKey("User", models.CASCADE), "friend"),
            migrations.AddField("User", "videos", GM2MField()),
            migrations.RemoveField("User", "videos"),
            migrations.RenameField("User", "videos", "films"),
            migrations.CreateModel("User", [("videos", GM2MField())]),
        ],
        ids=lambda operation: operation.describe(),
    )
    def test_leaves_other_operations_alone(self, operation):
        planned = migration(operation)
        inject(plan=[(planned, False)])
        assert planned.operations == [operation]
        assert planned.operations[0] is operation

    def test_leaves_operations_alone_that_are_more_than_plain(self):
        """A project's own kind of alteration does what it does."""

        class Alter(migrations.AlterField):
            pass

        own = Alter("User", "videos", GM2MField())
        planned = migration(own, AlterGM2MField("User", "videos", GM2MField()))
        inject(plan=[(planned, False)])
        assert [type(made) for made in planned.operations] == [Alter, AlterGM2MField]

    def test_takes_part_in_every_migrate(self):
        planned = migration(alter())
        pre_migrate.send(
            sender=object(), using="default", plan=[(planned, False)], verbosity=0
        )
        assert type(planned.operations[0]) is AlterGM2MField

    @pytest.mark.parametrize("arguments", [{}, {"plan": []}, {"plan": None}])
    def test_minds_no_empty_plan(self, arguments):
        inject(using="default", **arguments)


class TestOperation:
    def test_is_written_into_migrations(self):
        operation = AlterGM2MField("User", "videos", GM2MField(pk_maxlength=40))
        text, imports = OperationWriter(operation, indentation=0).serialize()
        assert "import gm2m.operations" in imports
        assert "import gm2m.fields" in imports
        names = {}
        exec("\n".join([*imports, f"made = {text.rstrip().rstrip(',')}"]), names)
        assert type(names["made"]) is AlterGM2MField
        made = names["made"]
        assert (made.model_name, made.name) == ("User", "videos")
        assert made.field.deconstruct() == operation.field.deconstruct()

    def test_is_part_of_a_file_that_can_be_read(self):
        planned = migration(AlterGM2MField("User", "videos", GM2MField()))
        names = {}
        exec(MigrationWriter(planned).as_string(), names)
        (made,) = names["Migration"].operations
        assert type(made) is AlterGM2MField

    def test_is_reached_by_its_name(self):
        assert serializer_factory(AlterGM2MField).serialize() == (
            "gm2m.operations.AlterGM2MField",
            {"import gm2m.operations"},
        )

    def test_says_what_the_plain_one_says(self):
        operation = AlterGM2MField("User", "videos", GM2MField())
        plain = alter(GM2MField())
        assert isinstance(operation, Operation)
        assert operation.describe() == plain.describe()
        assert operation.migration_name_fragment == plain.migration_name_fragment

    @pytest.mark.parametrize(
        ("first", "expected"),
        [
            (migrations.CreateModel("User", [("videos", GM2MField())]), "CreateModel"),
            (migrations.AddField("User", "videos", GM2MField()), "AddField"),
            (alter(GM2MField(pk_maxlength=20)), "AlterGM2MField"),
        ],
        ids=["CreateModel", "AddField", "AlterField"],
    )
    def test_is_merged_with_what_precedes_it(self, first, expected):
        second = AlterGM2MField("User", "videos", GM2MField(pk_maxlength=40))
        (made,) = MigrationOptimizer().optimize([first, second], "library")
        assert type(made).__name__ == expected
        fields = dict(made.fields) if expected == "CreateModel" else {}
        assert getattr(made, "field", fields.get("videos")).pk_maxlength == 40

    def test_is_dropped_before_the_field_is(self):
        first = AlterGM2MField("User", "videos", GM2MField())
        second = migrations.RemoveField("User", "videos")
        assert MigrationOptimizer().optimize([first, second], "library") == [second]


class TestWrittenByHand:
    """In a project: forwards, backwards, with the rows kept."""

    @pytest.mark.parametrize(
        "operation",
        [
            f"migrations.AlterField({RAISE})",
            f"AlterGM2MField({RAISE})",
            "migrations.AlterField(model_name='User', name='preferred_videos', "
            "field=GM2MField('Movie', pk_maxlength=40), preserve_default=False)",
            f"migrations.SeparateDatabaseAndState([migrations.AlterField({RAISE})], "
            f"[migrations.AlterField({RAISE})])",
        ],
        ids=["plain", "own", "by keywords", "apart"],
    )
    def test_alters_the_column(self, life, operation):
        life.project.write(
            "library/migrations/0002_more.py", ALTER.format(operations=operation)
        )
        told = life.change(user(), user("pk_maxlength=40"), TO_AND_FRO)
        links = {NAME: LINKS}
        assert told == ["CharField(40)", "CharField(36)", links, links, ""]

    def test_does_nothing_to_the_database_when_only_the_state_is_told(self, life):
        operation = (
            f"migrations.SeparateDatabaseAndState([], [migrations.AlterField({RAISE})])"
        )
        life.project.write(
            "library/migrations/0002_more.py", ALTER.format(operations=operation)
        )
        told = life.change(user(), user("pk_maxlength=40"), TO_AND_FRO)
        links = {NAME: LINKS}
        assert told == ["CharField(36)", "CharField(36)", links, links, ""]

    def without_the_app(self, life):
        life.project.settings(
            apps=["django.contrib.contenttypes", "library"],
            more="SILENCED_SYSTEM_CHECKS += ['gm2m.W001']\n",
        )

    @pytest.mark.parametrize("lower", [16, 40])
    def test_without_the_app_it_loses_nothing(self, life, lower):
        """
        Nobody puts the operation in the place of Django's then, which leaves the column
        as it is. Check W001 says to install the app.
        """
        self.without_the_app(life)
        operation = f"migrations.AlterField({RAISE.replace('40', str(lower))})"
        life.project.write(
            "library/migrations/0002_more.py", ALTER.format(operations=operation)
        )
        models = user(f"pk_maxlength={lower}")
        there, back, *links, changes = life.change(user(), models, TO_AND_FRO)
        assert links == [{NAME: LINKS}, {NAME: LINKS}]
        assert there == "CharField(36)"
        # SQLite makes the table anew, from the model of the version that is left.
        length = lower if connection.vendor == "sqlite" else 36
        assert back == f"CharField({length})"
        assert changes == ""

    def test_its_own_operation_needs_no_app(self, life):
        self.without_the_app(life)
        life.project.write(
            "library/migrations/0002_more.py",
            ALTER.format(operations=f"AlterGM2MField({RAISE})"),
        )
        told = life.change(user(), user("pk_maxlength=40"), TO_AND_FRO)
        links = {NAME: LINKS}
        assert told == ["CharField(40)", "CharField(36)", links, links, ""]

    def test_may_leave_the_transaction_out(self, life):
        text = ALTER.format(operations=f"migrations.AlterField({RAISE})")
        life.project.write(
            "library/migrations/0002_more.py",
            text.replace("    operations", "    atomic = False\n    operations"),
        )
        told = life.change(user(), user("pk_maxlength=40"), TO_AND_FRO)
        links = {NAME: LINKS}
        assert told == ["CharField(40)", "CharField(36)", links, links, ""]

    def test_cannot_cut_keys_outside_a_transaction_either(self, life):
        code = """
migrate("library", "0001")
migrate("contenttypes")
fill()
refusal()
"""
        operation = f"migrations.AlterField({RAISE})".replace("40", "35")
        text = ALTER.format(operations=operation)
        life.project.write(
            "library/migrations/0002_more.py",
            text.replace("    operations", "    atomic = False\n    operations"),
        )
        told = life.change(user(), user("pk_maxlength=35"), code)
        assert told["error"].startswith("DataError")
        assert told["after"] == told["before"]
        assert told["after"]["links"] == {NAME: LINKS}

    def test_of_several_in_one_migration_all_are_made(self, life):
        operations = ",\n".join(
            [
                f"migrations.AlterField({RAISE})",
                "migrations.RenameField('user', 'preferred_videos', 'videos')",
                "migrations.AlterField('user', 'videos', GM2MField(pk_maxlength=50))",
                "migrations.RenameModel('User', 'Person')",
                "migrations.AlterField('person', 'videos', "
                "GM2MField(pk_maxlength=45, db_table='links'))",
            ]
        )
        life.project.write(
            "library/migrations/0002_more.py", ALTER.format(operations=operations)
        )
        after = user("pk_maxlength=45, db_table='links'").replace("preferred_", "")
        code = """
migrate("library", "0001")
migrate("contenttypes")
before = fill()
migrate()
there = look()
migrate("library", "0001")
[there, look() == before, changes()]
"""
        there, back, changes = life.change(
            user(), after.replace("User", "Person"), code
        )
        assert there["links"] == {"Person.videos": LINKS}
        assert there["tables"]["links"]["columns"]["gm2m_pk"] == "CharField(45)"
        assert back
        assert changes == ""
