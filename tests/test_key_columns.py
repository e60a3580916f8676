"""The key column of a table that somebody has altered by hand: found, and cured."""

import uuid

import pytest
from django.core.management import call_command
from django.db import DataError, connection, migrations, models
from django.db.migrations.state import ProjectState
from django.test.utils import CaptureQueriesContext

from gm2m import GM2MField
from gm2m.database_checks import check_fields
from gm2m.integrity import linked_models
from gm2m.key_columns import key_column
from gm2m.management.commands import gm2m_doctor
from gm2m.operations import AlterGM2MField

pytestmark = pytest.mark.django_db(transaction=True)

SQLITE = connection.vendor == "sqlite"
#: Types by what they are called in ``ALTER TABLE``, and as the check names them.
TYPES = {
    "postgresql": {"integer": "integer", "bigint": "bigint", "numeric(20, 0)": None},
    "mysql": {
        "integer": "integer",
        "bigint": "bigint",
        "decimal(20, 0)": "numeric(20, 0)",
    },
    "sqlite": {"integer": "integer", "bigint": "bigint", "decimal": "decimal"},
}[connection.vendor]
HINT = (
    "Migrate; if no migration alters the field, run gm2m.operations.AlterGM2MField in "
    "one."
)


@pytest.fixture
def make(registry, monkeypatch):
    """Return a function that makes a source, two targets and their tables."""
    made = []

    def make(**options):
        class Human(models.Model):
            class Meta:
                app_label = "app"

        class Piece(models.Model):
            id = models.UUIDField(primary_key=True, default=uuid.uuid4)

            class Meta:
                app_label = "app"

        class Keeper(models.Model):
            things = GM2MField(Human, **options)

            class Meta:
                app_label = "app"

        made.extend([Human, Piece, Keeper])
        with connection.schema_editor() as editor:
            for model in made:
                editor.create_model(model)
        field = Keeper._meta.get_field("things")
        monkeypatch.setattr(gm2m_doctor, "all_fields", lambda: [field])
        return made

    yield make
    with connection.schema_editor() as editor:
        for model in reversed(made):
            editor.delete_model(model)


def alter(model, sql):
    """Give the key column another type, as an administrator would."""
    through = model.things.through

    class Other(models.Field):
        def db_type(self, connection):
            return sql

    other = Other()
    other.set_attributes_from_name("gm2m_pk")
    other.model = through
    old = through._meta.get_field("gm2m_pk")
    with connection.schema_editor() as editor:
        editor.alter_field(through, old, other)


def field_of(model):
    return model._meta.get_field("things")


def found(model):
    fields = model._meta.local_many_to_many
    return [m for m in check_fields(fields, connection) if m.id == "gm2m.W304"]


def cure(model, **options):
    """Do what the hint says."""
    state = ProjectState(real_apps={"contenttypes"})
    state.add_model(
        migrations.state.ModelState(
            "app",
            "Keeper",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("things", GM2MField(**options)),
            ],
        )
    )
    operation = AlterGM2MField("Keeper", "things", GM2MField(**options))
    after = state.clone()
    operation.state_forwards("app", after)
    with connection.schema_editor() as editor:
        operation.database_forwards("app", editor, state, after)


@pytest.mark.parametrize("sql", TYPES)
def test_integers(make, sql, capsys):
    human, _piece, model = make()
    keeper, one, two = model.objects.create(), *(human.objects.create() for _ in "12")
    keeper.things.add(one, two)
    alter(model, sql)
    (message,) = found(model)
    assert message.hint == HINT
    assert message.msg == (
        "app.Keeper.things keeps keys as text, and the key column of the table "
        "'app_keeper_things' in the database 'default' is of the type "
        f"{TYPES[sql] or sql}."
    )
    with pytest.raises(SystemExit):
        call_command("gm2m_doctor", "--fix")
    told = capsys.readouterr().out
    assert f"is of the type {TYPES[sql] or sql}, and not text" in told
    assert model.things.through.objects.count() == 2
    cure(model)
    assert list(check_fields(model._meta.local_many_to_many, connection)) == []
    assert list(keeper.things.all()) == [one, two]
    assert keeper.things.count() == 2
    assert [of.model for of in linked_models([field_of(model)], connection)] == [human]
    assert list(model.objects.filter(things=one)) == [keeper]
    assert list(one.keeper_set.all()) == [keeper]
    keeper.things.add(one)
    assert keeper.things.count() == 2
    call_command("gm2m_doctor", "--fix")
    assert capsys.readouterr().out == "Nothing found.\n"
    one.delete()
    assert keeper.things.count() == 1


@pytest.mark.skipif(SQLITE, reason="It has no type for them.")
def test_uuids(make):
    _human, piece, model = make(pk_maxlength=36)
    keeper, one = model.objects.create(), piece.objects.create()
    keeper.things.add(one)
    alter(model, "uuid")
    (message,) = found(model)
    assert message.msg.endswith("is of the type uuid.")
    cure(model, pk_maxlength=36)
    assert found(model) == []
    assert list(keeper.things.all()) == [one]
    assert list(one.keeper_set.all()) == [keeper]


@pytest.mark.skipif(SQLITE, reason="It has no type for them.")
def test_keys_that_would_be_cut(make):
    """PostgreSQL would do so without a word."""
    _human, piece, model = make(pk_maxlength=36)
    model.objects.create().things.add(piece.objects.create())
    alter(model, "uuid")
    with pytest.raises(DataError, match="longer keys, such as"):
        cure(model)
    assert found(model)[0].msg.endswith("is of the type uuid.")


def test_text_without_a_limit(make):
    """Only where it cannot be indexed does it matter."""
    human, _piece, model = make()
    keeper, one = model.objects.create(), human.objects.create()
    keeper.things.add(one)
    if connection.vendor == "mysql":
        through = model.things.through
        with connection.schema_editor() as editor:
            key = through._meta.get_field("gm2m_src")
            editor.execute(editor._create_index_sql(through, fields=[key]))
            editor.alter_unique_together(through, through._meta.unique_together, ())
            editor.remove_index(through, through._meta.indexes[0])
    alter(model, models.TextField().db_type(connection))
    is_wrong = connection.vendor == "mysql"
    assert [message.msg[-21:] for message in found(model)] == (
        ["of the type longtext."] if is_wrong else []
    )
    assert list(keeper.things.all()) == [one]
    cure(model)
    # Now its indexes can be made.
    hints = [message.hint for message in found(model)]
    assert len(hints) == (2 if is_wrong else 0)
    assert all("UpgradeGM2MIndexes" in hint for hint in hints)
    assert list(keeper.things.all()) == [one]


@pytest.mark.parametrize("wanted", [40, None])
def test_too_short(make, wanted):
    if wanted is None and connection.vendor == "mysql":
        return
    human, _piece, model = make(pk_maxlength=20)
    keeper, one = model.objects.create(), human.objects.create()
    keeper.things.add(one)
    field = field_of(model)
    field.pk_maxlength = wanted
    (message,) = found(model)
    assert message.hint == HINT
    assert message.msg.endswith("holds 20 characters.")
    cure(model, pk_maxlength=wanted)
    assert found(model) == []
    assert list(keeper.things.all()) == [one]


def test_column_that_is_as_it_should_be(make):
    _human, _piece, model = make()
    with CaptureQueriesContext(connection) as queries:
        cure(model)
    words = {query["sql"].split()[0].upper() for query in queries}
    assert not words & {"ALTER", "CREATE", "DROP", "INSERT"}


def test_table_that_is_to_be_made(make):
    """In ``sqlmigrate``, the migrations before have not made it."""
    assert key_column(field_of(make()[2]), connection).length == 16

    class Nowhere(models.Model):
        things = GM2MField()

        class Meta:
            app_label = "app"

    assert key_column(field_of(Nowhere), connection) is None


@pytest.mark.skipif(SQLITE, reason="It takes any name of a type.")
def test_type_that_django_does_not_know(make):
    _human, _piece, model = make()
    name = {"postgresql": "oid", "mysql": "year"}[connection.vendor]
    alter(model, name)
    (message,) = found(model)
    assert "is of the type " in message.msg
    cure(model)
    assert found(model) == []
