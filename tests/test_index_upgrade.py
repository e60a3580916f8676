"""``UpgradeGM2MIndexes``: an old table gets the indexes of a new one."""

import pytest
from django.db import connection
from django.db.migrations.writer import OperationWriter

from gm2m.operations import UpgradeGM2MIndexes
from tests.evolution import LINKS
from tests.test_migrations_alter import NAME, TABLE, user

MIGRATION = """
from django.db import migrations
from gm2m.operations import UpgradeGM2MIndexes

class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = [("library", "0001_initial")]
    operations = [UpgradeGM2MIndexes("User", "preferred_videos"{options})]
"""
#: Makes the table as django-gm2m 1.x makes it, apart from what is asked for.
PREPARE = f"""
from django.db import IntegrityError, models
migrate("library", "0001")
migrate("contenttypes")
fill()
through = User.preferred_videos.through
def age(unique=True, lone=True):
    with connection.schema_editor() as editor:
        editor.remove_index(through, through._meta.indexes[0])
        if lone and (connection.vendor != "mysql" or not unique):
            index = models.Index(fields=["gm2m_src"], name="old_source")
            editor.add_index(through, index)
        if not unique:
            editor.alter_unique_together(through, through._meta.unique_together, [])
def indexes():
    made = table("{TABLE}")
    return made["unique"], made["indexes"]
def warnings():
    from gm2m.database_checks import check_table
    found = check_table(User.preferred_videos.field, connection)
    return [warning.hint for warning in found]
def double():
    row = through.objects.first()
    row.pk = None
    row.save()
    return through.objects.count()
"""
LINK = ["gm2m_src_id", "gm2m_ct_id", "gm2m_pk"]
NEW = [[LINK], [["gm2m_ct_id"], LINK[::-1]]]
if connection.vendor == "mysql":
    OLD = [[LINK], [["gm2m_ct_id"]]]
else:
    OLD = [[LINK], [["gm2m_ct_id"], ["gm2m_src_id"]]]


@pytest.fixture(params=[True, False], ids=["atomic", "not atomic"])
def atomic(request):
    return request.param


@pytest.fixture
def run(life, atomic):
    def run(code, options=""):
        text = MIGRATION.format(atomic=atomic, options=options)
        life.project.write("library/migrations/0002_more.py", text)
        return life.change(user(), user(), PREPARE + code)

    return run


def test_old_table(run):
    code = """
age()
before = [indexes(), warnings()]
migrate()
after = [indexes(), warnings(), links(installed), changes()]
migrate("library", "0001")
back = indexes()
migrate()
[before, after, back, indexes()]
"""
    before, after, back, again = run(code)
    hint = (
        "Add it: without it, access from a target reads all the links to its model. "
        "Run gm2m.operations.UpgradeGM2MIndexes in a migration."
    )
    assert before == [OLD, [hint]]
    assert after == [NEW, [], {NAME: LINKS}, ""]
    assert back == OLD
    assert again == NEW


def test_new_table(run):
    """Nothing is done that is not needed."""
    code = """
from django.test.utils import CaptureQueriesContext
with CaptureQueriesContext(connection) as told:
    migrate()
words = {sql["sql"].split()[0].upper() for sql in told}
[indexes(), sorted(words & {"CREATE", "ALTER", "DROP", "DELETE"})]
"""
    assert run(code) == [NEW, []]


def test_no_constraint(run):
    code = """
age(unique=False)
before = indexes()
migrate()
[before, indexes(), links(installed), double_fails(), changes()]
"""
    fails = """
def double_fails():
    try:
        double()
    except IntegrityError:
        return True
"""
    before, *after = run(fails + code)
    assert before[0] == []
    assert after == [NEW, {NAME: LINKS}, True, ""]


def test_links_that_are_there_twice(run):
    code = """
age(unique=False)
double(); double()
before = [indexes(), rows("library_user_preferred_videos")]
error = attempt()
[error, before == [indexes(), rows("library_user_preferred_videos")]]
"""
    error, untouched = run(code)
    assert error.startswith(
        f"IntegrityError: library.{NAME}: 2 rows of the table '{TABLE}' are of links "
        "that are there already, such as {'gm2m_src_id': "
    )
    assert error.endswith("remove_duplicates=True.")
    assert untouched


def test_duplicates_are_removed_if_asked_for(run):
    code = """
age(unique=False)
kept = rows("library_user_preferred_videos")
double(); double()
migrate()
[indexes(), links(installed), kept == rows("library_user_preferred_videos")]
"""
    told = run(code, ", remove_duplicates=True")
    assert told == [NEW, {NAME: LINKS}, True]


@pytest.mark.parametrize("table", ["there", "not there"])
def test_sqlmigrate(run, atomic, table):
    code = f"""
age()
if {table == "not there"}:
    migrate("library", "zero")
before = [schema(), executor().loader.applied_migrations.keys()]
told = quietly("sqlmigrate", "library", "0002")
back = quietly("sqlmigrate", "library", "0002", backwards=True)
[told, back, before == [schema(), executor().loader.applied_migrations.keys()]]
"""
    forwards, backwards, untouched = run(code)
    assert untouched
    assert '("gm2m_pk", "gm2m_ct_id", "gm2m_src_id")' in forwards.replace("`", '"')
    concurrently = connection.vendor == "postgresql" and not atomic
    assert ("INDEX CONCURRENTLY" in forwards) is concurrently
    if connection.vendor != "mysql" and table == "there":
        assert "DROP INDEX" in forwards
        assert '("gm2m_src_id")' not in backwards  # It is there still.


def test_sqlmigrate_with_duplicates(run):
    code = """
age(unique=False)
quietly("sqlmigrate", "library", "0002")
"""
    assert "DELETE FROM" in run(code, ", remove_duplicates=True")


def test_sqlmigrate_without_duplicates(run):
    code = """
age(unique=False)
quietly("sqlmigrate", "library", "0002")
"""
    assert "DELETE FROM" not in run(code)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="The others have none.")
def test_index_that_could_not_be_finished(run, atomic):
    """A concurrent attempt that fails leaves an index that serves nobody."""
    code = """
age(unique=False)
double()
name = through._meta.indexes[0].name
with connection.cursor() as cursor:
    try:
        cursor.execute(
            f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON library_user_preferred_videos "
            "(gm2m_pk, gm2m_ct_id, gm2m_src_id)"
        )
    except IntegrityError:
        pass
before = warnings()
migrate()
[len(before), indexes(), warnings()]
"""
    assert run(code, ", remove_duplicates=True") == [2, NEW, []]


def test_other_databases_are_left_alone(life):
    life.project.settings(more="DATABASE_ROUTERS = ['library.routers.NotHere']\n")
    life.project.write(
        "library/routers.py",
        "class NotHere:\n"
        "    def allow_migrate(self, db, app_label, **hints):\n"
        "        return app_label != 'library'\n",
    )
    text = MIGRATION.format(atomic=True, options="")
    life.project.write("library/migrations/0002_more.py", text)
    code = "migrate()\nschema()"
    assert life.change(user(), user(), code) == {}


def test_own_through_models_are_refused(life):
    through = user("through='Entry'") + ENTRY
    text = MIGRATION.format(atomic=True, options="")
    life.project.write("library/migrations/0002_more.py", text)
    told = life.change(through, through, "attempt()")
    assert told == (
        f"ValueError: library.{NAME} has no automatic through model. The indexes of a "
        "model of your own are those of its Meta."
    )


ENTRY = """
from django.contrib.contenttypes.fields import GenericForeignKey
class Entry(models.Model):
    user = models.ForeignKey(User, models.CASCADE)
    kind = models.ForeignKey("contenttypes.ContentType", models.CASCADE)
    key = models.CharField(max_length=36)
    item = GenericForeignKey("kind", "key")
"""


@pytest.mark.parametrize("options", [{}, {"remove_duplicates": True}])
def test_is_written_into_migrations(options):
    operation = UpgradeGM2MIndexes("User", "videos", **options)
    text, imports = OperationWriter(operation, indentation=0).serialize()
    assert imports == {"import gm2m.operations"}
    names = {}
    exec("\n".join([*imports, f"made = {text.rstrip().rstrip(',')}"]), names)
    made = names["made"]
    assert made.deconstruct() == operation.deconstruct()
    assert made.describe() == "Upgrade the indexes of field videos on User"
    assert made.migration_name_fragment == "upgrade_user_videos_indexes"
