"""What was something else becomes a ``GM2MField``, with its links, and back."""

import pytest
from django.db import connection
from django.db.migrations import AddField, AlterField, RemoveField
from django.db.migrations.optimizer import MigrationOptimizer
from django.db.migrations.writer import OperationWriter
from django.db.models import ManyToManyField

from gm2m import GM2MField
from gm2m.operations import ConvertGenericThrough, ConvertManyToMany
from tests.evolution import TARGETS

MIGRATION = """
import gm2m.fields
from django.db import migrations, models
from gm2m.operations import *

class Migration(migrations.Migration):
    dependencies = [
        ("library", "0001_initial"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [{operation}]
"""
FIELD = "gm2m.fields.GM2MField(to='contenttypes.contenttype', pk_maxlength={length})"
MANY = "ConvertManyToMany('User', 'videos', {field})"
GENERIC = """ConvertGenericThrough(
    "User", "videos", {field}, through="Entry",
    through_fields=["user", "kind", "key"]{options},
)"""
MORE_TARGETS = (
    TARGETS
    + """
class Premiere(models.Model):
    day = models.DateField(primary_key=True)
    name = models.CharField(max_length=100)
class Documentary(Movie): pass
"""
)


def models(field, more="", meta=""):
    return f"""{MORE_TARGETS}
class User(models.Model):
    name = models.CharField(max_length=100)
    {field}
    class Meta:
        {meta or "pass"}
{more}
"""


#: Makes targets and sources by the models of the first migration.
PREPARE = """
from django.db import IntegrityError, connection
migrate("library", "0001")
migrate("contenttypes")
old = historical()
def model(name):
    return old.get_model("library", name)
def kind(name):
    from django.contrib.contenttypes.models import ContentType
    return ContentType.objects.get_or_create(app_label="library", model=name)[0].pk
targets = [
    model("Movie").objects.create(name="Alien"),
    model("Movie").objects.create(name="Brazil"),
]
operas = [model("Opera").objects.create(name=name) for name in ("Tosca", "Aida")]
jack, jill = (model("User").objects.create(name=name) for name in ("Jack", "Jill"))
def users(name="videos"):
    return {
        user.name: [target.name for target in getattr(user, name).all()]
        for user in User.objects.order_by("pk")
    }
def between():
    return schema().get("library_user_videos")
"""
TO_AND_FRO = """
before = between(), rows("library_user_videos")
migrate()
after = users(), changes(), between()
migrate("library", "0001")
back = between(), rows("library_user_videos")
migrate()
told = after, back == before, users() == after[0] and between() == after[2]
"""


@pytest.fixture
def convert(life):
    """Return what `code` is worth where an operation makes `after` of `before`."""

    def convert(before, after, operation, code):
        life.project.settings(more="SILENCED_SYSTEM_CHECKS += ['gm2m.W303']\n")
        text = MIGRATION.format(operation=operation)
        life.project.write("library/migrations/0002_more.py", text)
        return life.change(before, after, PREPARE + code)

    return convert


#: The attributes of objects that are called "a" and "b", and how long keys may be.
KINDS = {
    "Movie": ("{}", 16),
    "Opera": ("{}", 36),
    "Concert": ("dict(pk=f'{name} is % \\\\ %s it')", 60),
    "Premiere": ("dict(pk=dict(a='1871-12-24', b='0999-01-02')[name])", 16),
    "Documentary": ("{}", 16),
}


class TestManyToMany:
    @pytest.mark.parametrize("target", KINDS)
    def test_keys_of_every_kind(self, convert, target):
        attrs, length = KINDS[target]
        code = f"""
a, b = [model("{target}").objects.create(name=name, **{attrs}) for name in "ab"]
for user, video in (jack, b), (jack, a), (jill, b):
    user.videos.add(video)
{TO_AND_FRO}
fans = [user.name for user in User.objects.filter(videos__{target.lower()}__name="b")]
[*told, fans, {target}.objects.filter(user__name="Jack").count()]
"""
        (found, changes, table), back, again, *fans = convert(
            models(f"videos = models.ManyToManyField({target})"),
            models(f"videos = GM2MField({target}, pk_maxlength={length})"),
            MANY.format(field=FIELD.format(length=length)),
            code,
        )
        assert found == {"Jack": ["b", "a"], "Jill": ["b"]}
        assert changes == ""
        assert table["columns"]["gm2m_pk"] == f"CharField({length})"
        assert table["unique"] == [["gm2m_src_id", "gm2m_ct_id", "gm2m_pk"]]
        assert ["gm2m_pk", "gm2m_ct_id", "gm2m_src_id"] in table["indexes"]
        assert table["foreign_keys"].keys() == {"gm2m_src_id", "gm2m_ct_id"}
        assert back
        assert again
        assert fans == [["Jack", "Jill"], 2]

    def test_to_self(self, convert):
        """Symmetrical links stay, in both directions."""
        code = f"""
jack.videos.add(jill)
# Historical models do not know that it is symmetrical.
jill.videos.add(jack)
{TO_AND_FRO}
told
"""
        (found, changes, _table), back, again = convert(
            models("videos = models.ManyToManyField('self')"),
            models("videos = GM2MField('self')"),
            MANY.format(field=FIELD.format(length=16)),
            code,
        )
        assert found == {"Jack": ["Jill"], "Jill": ["Jack"]}
        assert changes == ""
        assert back
        assert again

    @pytest.mark.parametrize(
        "options", ["db_table='links'", "db_constraint=False", "related_name='fans'"]
    )
    def test_options(self, convert, options):
        code = """
jack.videos.add(*targets)
migrate()
after = users(), changes()
migrate("library", "0001")
migrate()
[after, users(), sorted(table for table in schema() if "video" in table)]
"""
        field = FIELD.format(length=16).replace(
            "pk_maxlength", f"{options}, pk_maxlength"
        )
        (found, changes), again, tables = convert(
            models("videos = models.ManyToManyField(Movie)"),
            models(f"videos = GM2MField(Movie, {options})"),
            MANY.format(field=field),
            code,
        )
        assert found == again == {"Jack": ["Alien", "Brazil"], "Jill": []}
        assert changes == ""
        assert tables == ([] if "table" in options else ["library_user_videos"])

    def test_from_nothing(self, convert):
        """In a new database, where there are no content types yet."""
        code = """
migrate("library", "zero")
migrate()
User.objects.create(name="Joan").videos.add(Movie.objects.create(name="Alien"))
[users(), changes()]
"""
        assert convert(
            models("videos = models.ManyToManyField(Movie)"),
            models("videos = GM2MField(Movie)"),
            MANY.format(field=FIELD.format(length=16)),
            code,
        ) == [{"Joan": ["Alien"]}, ""]

    REFUSED = """
jack.videos.add(*targets)
migrate()
user = User.objects.first()
{spoil}
before = schema(), rows("library_user_videos")
error = attempt("library", "0001")
[error, before == (schema(), rows("library_user_videos"))]
"""

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (
                "user.videos.add(Opera.objects.first(), User.objects.last())",
                "library.User.videos cannot become a ManyToManyField to library.Movie: "
                "it links objects of other models: ",
            ),
            (
                "Movie.objects.filter(name='Alien')._raw_delete('default')",
                "library.User.videos: 1 rows of the table 'library_user_videos' link "
                "objects of library.Movie that are gone. Remove them with "
                "'manage.py gm2m_doctor library.User.videos --fix'.",
            ),
        ],
        ids=["other models", "dangling"],
    )
    def test_back_is_refused(self, convert, spoil, message):
        error, untouched = convert(
            models("videos = models.ManyToManyField(Movie)"),
            models("videos = GM2MField(Movie, pk_maxlength=36)"),
            MANY.format(field=FIELD.format(length=36)),
            self.REFUSED.format(spoil=spoil),
        )
        assert error.startswith(f"IntegrityError: {message}")
        assert untouched
        if "Opera" in spoil:
            assert error.endswith("(1). Remove these links first.")
            assert "opera (1)" in error.lower()

    @pytest.mark.parametrize("target", ["Opera", "Concert"])
    def test_keys_that_do_not_fit(self, convert, target):
        made = "pk='x' * 17, " if target == "Concert" else ""
        code = f"""
jack.videos.add(model("{target}").objects.create({made}name="Long"))
before = schema(), rows("library_user_videos")
error = attempt()
[error, before == (schema(), rows("library_user_videos"))]
"""
        error, untouched = convert(
            models(f"videos = models.ManyToManyField({target})"),
            models("videos = GM2MField()"),
            MANY.format(field=FIELD.format(length=16)),
            code,
        )
        assert error.startswith(
            "DataError: library.User.videos: library.User_videos.gm2m_pk holds 16 "
        )
        assert untouched

    @pytest.mark.parametrize(
        "field", ["GM2MField(Movie)", "models.ManyToManyField(Movie, through='Entry')"]
    )
    def test_no_such_pair(self, convert, field):
        entry = """
class Entry(models.Model):
    user = models.ForeignKey(User, models.CASCADE)
    movie = models.ForeignKey(Movie, models.CASCADE)
"""
        error = convert(
            models(f"videos = {field}", entry),
            models("videos = GM2MField(Movie)", entry),
            MANY.format(field=FIELD.format(length=16)),
            "attempt()",
        )
        assert error.startswith("ValueError: ConvertManyToMany turns a ManyToManyField")

    def test_plain_alteration_names_the_operation(self, convert):
        field = FIELD.format(length=16)
        error = convert(
            models("videos = models.ManyToManyField(Movie)"),
            models("videos = GM2MField(Movie)"),
            f"migrations.AlterField('User', 'videos', {field})",
            "attempt()",
        )
        assert "write gm2m.operations.ConvertManyToMany in the place of" in error

    def test_sqlmigrate(self, convert):
        code = """
jack.videos.add(*targets)
before = schema(), rows("library_user_videos")
told = quietly("sqlmigrate", "library", "0002")
untouched = before == (schema(), rows("library_user_videos"))
migrate()
[told, quietly("sqlmigrate", "library", "0002", backwards=True), untouched]
"""
        forwards, backwards, untouched = convert(
            models("videos = models.ManyToManyField(Movie)"),
            models("videos = GM2MField(Movie)"),
            MANY.format(field=FIELD.format(length=16)),
            code,
        )
        assert untouched
        for told in (forwards, backwards):
            words = ["CREATE TABLE", "INSERT INTO", "DROP TABLE", "RENAME"]
            places = [told.index(word) for word in words]
            assert places == sorted(places)
            assert "%s" not in told
        assert "'movie'" in forwards

    def test_many_rows(self, convert):
        """They are moved by one statement, whatever their number."""
        code = """
from django.test.utils import CaptureQueriesContext
Link = old.get_model("library", "User_videos")
User_, Movie_ = model("User"), model("Movie")
User_.objects.bulk_create([User_(name=f"u{i}") for i in range(1000)])
Movie_.objects.bulk_create([Movie_(name=f"m{i}") for i in range(98)])
movies, sources = (
    list(found.objects.values_list("pk", flat=True)) for found in (Movie_, User_)
)
pairs = [(user, movie) for user in sources[:1000] for movie in movies]
made = [Link(user_id=user, movie_id=movie) for user, movie in pairs]
Link.objects.bulk_create(made, batch_size=5000)
count = Link.objects.count()
def inserts(*target):
    with CaptureQueriesContext(connection) as told:
        migrate(*target)
    return sum("SELECT" in q["sql"] and q["sql"].startswith("INSERT") for q in told)
there = inserts(), User.videos.through.objects.count()
back = inserts("library", "0001"), Link.objects.count()
[count, there, back]
"""
        assert convert(
            models("videos = models.ManyToManyField(Movie)"),
            models("videos = GM2MField(Movie)"),
            MANY.format(field=FIELD.format(length=16)),
            code,
        ) == [100_000, [1, 100_000], [1, 100_000]]

    @pytest.mark.skipif(
        connection.features.can_rollback_ddl, reason="Nothing is left there."
    )
    def test_attempt_that_has_failed_before(self, convert):
        code = """
from unittest import mock
jack.videos.add(*targets)
before = between(), rows("library_user_videos")
from django.db.backends.base.schema import BaseDatabaseSchemaEditor as Editor
with mock.patch.object(Editor, "delete_model", side_effect=KeyError("gone")):
    error = attempt()
left = len(schema())
untouched = before == (between(), rows("library_user_videos"))
migrate()
[error, untouched, left - len(schema()), users()]
"""
        assert convert(
            models("videos = models.ManyToManyField(Movie)"),
            models("videos = GM2MField(Movie)"),
            MANY.format(field=FIELD.format(length=16)),
            code,
        ) == ["KeyError: 'gone'", True, 1, {"Jack": ["Alien", "Brazil"], "Jill": []}]


def entry(key, more="", meta=""):
    """Return a generic through model with a key of this kind."""
    return f"""
from django.contrib.contenttypes.fields import GenericForeignKey
class Entry(models.Model):
    user = models.ForeignKey(User, models.CASCADE)
    kind = models.ForeignKey("contenttypes.ContentType", models.CASCADE)
    key = {key}
    item = GenericForeignKey("kind", "key")
    {more}
    class Meta:
        {meta or "pass"}
"""


FILL = """
Entry = model("Entry")
def link(user, name, target, key=None):
    return Entry.objects.create(
        user=user, kind_id=kind(name), key=target.pk if key is None else key
    )
"""
GENERIC_TO_AND_FRO = """
before = table("library_entry"), rows("library_entry")
migrate()
after = users(), changes(), between(), "library_entry" in schema()
migrate("library", "0001")
back = table("library_entry"), rows("library_entry")
migrate()
[after, back[0] == before[0], [before[1], back[1]], users()]
"""


def without_id(rows):
    return [{name: row[name] for name in row if name != "id"} for row in rows]


class TestGenericThrough:
    @pytest.mark.parametrize(
        ("key", "length", "links", "expected"),
        [
            (
                "models.PositiveIntegerField()",
                16,
                'link(jack, "movie", targets[1]); link(jack, "movie", targets[0])',
                ["Brazil", "Alien"],
            ),
            (
                "models.BigIntegerField(db_column='Object Key')",
                16,
                'link(jack, "movie", targets[1]); link(jack, "movie", targets[0])',
                ["Brazil", "Alien"],
            ),
            (
                "models.UUIDField()",
                36,
                'link(jack, "opera", operas[1]); link(jack, "opera", operas[0])',
                ["Aida", "Tosca"],
            ),
            (
                "models.CharField(max_length=50)",
                50,
                'link(jack, "opera", operas[0]); link(jack, "movie", targets[0])',
                ["Tosca", "Alien"],
            ),
            (
                "models.TextField()",
                60,
                'link(jack, "movie", targets[1]); link(jack, "opera", operas[1])',
                ["Brazil", "Aida"],
            ),
        ],
        ids=["integers", "column", "UUIDs", "characters", "text"],
    )
    def test_key_columns_of_every_kind(self, convert, key, length, links, expected):
        field = FIELD.format(length=length)
        (found, changes, table, entries), same, (before, back), again = convert(
            models("", entry(key)),
            models(f"videos = GM2MField(pk_maxlength={length})"),
            GENERIC.format(field=field, options=""),
            FILL + links + GENERIC_TO_AND_FRO,
        )
        assert found == again == {"Jack": expected, "Jill": []}
        assert changes == ""
        assert table["columns"]["gm2m_pk"] == f"CharField({length})"
        assert ["gm2m_pk", "gm2m_ct_id", "gm2m_src_id"] in table["indexes"]
        assert not entries
        assert same
        assert without_id(before) == without_id(back)

    def test_uuids_without_dashes(self, convert):
        """A generic foreign key finds their objects; so are they found here."""
        code = """
link(jack, "opera", operas[0], operas[0].pk.hex.upper())
link(jack, "movie", targets[0])
link(jill, "concert", None, operas[0].pk.hex)
migrate()
[users(), [row["gm2m_pk"] for row in rows("library_user_videos")], str(operas[0].pk)]
"""
        found, keys, pk = convert(
            models("", entry("models.CharField(max_length=50)")),
            models("videos = GM2MField(pk_maxlength=50)"),
            GENERIC.format(field=FIELD.format(length=50), options=""),
            FILL + code,
        )
        assert found == {"Jack": ["Tosca", "Alien"], "Jill": []}
        assert keys == [pk, "1", pk.replace("-", "")]

    def test_duplicates(self, convert):
        code = """
for target in targets[1], targets[0], targets[1]:
    link(jack, "movie", target)
before = rows("library_entry")
error = attempt()
[error, before == rows("library_entry"), between()]
"""
        before = models("", entry("models.PositiveIntegerField()"))
        after = models("videos = GM2MField()")
        field = FIELD.format(length=16)
        error, untouched, table = convert(
            before, after, GENERIC.format(field=field, options=""), FILL + code
        )
        assert error.startswith(
            "IntegrityError: library.User.videos: 1 rows of the table 'library_entry' "
            "are of links that are there already, such as "
        )
        assert untouched
        assert table is None

    def test_duplicates_are_removed_if_asked_for(self, convert):
        code = """
for target in targets[1], targets[0], targets[1]:
    link(jack, "movie", target)
migrate()
users()
"""
        assert convert(
            models("", entry("models.PositiveIntegerField()")),
            models("videos = GM2MField()"),
            GENERIC.format(
                field=FIELD.format(length=16), options=", remove_duplicates=True"
            ),
            FILL + code,
        ) == {"Jack": ["Brazil", "Alien"], "Jill": []}

    def test_many_rows_of_one_source(self, convert):
        """Also those that are there twice are found in one pass."""
        code = """
movie = kind("movie")
made = [
    Entry(user=jack, kind_id=movie, key=number % 99_999)
    for number in range(100_000)
]
Entry.objects.bulk_create(made, batch_size=5000)
migrate()
count = User.videos.through.objects.count()
migrate("library", "0001")
[count, Entry.objects.count()]
"""
        assert convert(
            models("", entry("models.IntegerField()")),
            models("videos = GM2MField()"),
            GENERIC.format(
                field=FIELD.format(length=16), options=", remove_duplicates=True"
            ),
            FILL + code,
        ) == [99_999, 99_999]

    @pytest.mark.parametrize(
        ("model", "message"),
        [
            (
                entry("models.IntegerField()", "note = models.TextField(default='')"),
                "library.User.videos cannot keep all that library.Entry has: note. "
                "Remove these fields first, or keep the model: "
                "GM2MField(through='Entry').",
            ),
            (
                entry("models.IntegerField()")
                + "class Note(models.Model):\n"
                + "    entry = models.ForeignKey(Entry, models.CASCADE)\n",
                "library.User.videos cannot keep all that library.Entry has: note. ",
            ),
            (
                entry("models.IntegerField()").replace("(User", "(Movie"),
                "library.User.videos: 'user' is no foreign key from library.Entry to "
                "the primary key of library.User.",
            ),
            (
                entry("models.IntegerField()").replace(
                    "User, models.CASCADE", "User, models.CASCADE, to_field='code'"
                ),
                "library.User.videos: 'user' is no foreign key from library.Entry to "
                "the primary key of library.User.",
            ),
            (
                entry("models.IntegerField()").replace(
                    'models.ForeignKey("contenttypes.ContentType", models.CASCADE)',
                    "models.ForeignKey(Movie, models.CASCADE, related_name='+')",
                ),
                "library.User.videos: 'kind' is no foreign key from library.Entry to "
                "the primary key of contenttypes.ContentType.",
            ),
            (
                entry("models.FloatField()"),
                "library.User.videos cannot take its keys from library.Entry.key, "
                "which is a FloatField. Keys may be integers, UUIDs, text or dates.",
            ),
        ],
        ids=[
            "column",
            "relation",
            "other source",
            "other key of the source",
            "no content type",
            "kind of key",
        ],
    )
    def test_models_that_are_refused(self, convert, model, message):
        code = """
before = schema()
[attempt(), before == schema()]
"""
        code_field = "code = models.CharField(max_length=9, unique=True, null=True)"
        error, untouched = convert(
            models(code_field, model),
            models(f"{code_field}\n    videos = GM2MField()"),
            GENERIC.format(field=FIELD.format(length=16), options=""),
            code,
        )
        assert error.startswith(f"ValueError: {message}")
        assert untouched

    @pytest.mark.parametrize(
        ("key", "spoil", "message"),
        [
            (
                "models.IntegerField(null=True)",
                "Entry.objects.create(user=jack, kind_id=kind('movie'))",
                "1 rows of the table 'library_entry' have no source, no content type "
                "or no key. Remove these rows first.",
            ),
            (
                "models.TextField()",
                "link(jack, 'movie', None, 'x' * 17)",
                "library.User_videos.gm2m_pk holds 16 characters, and the table "
                "'library_entry' has longer keys, such as 'xxxxxxxxxxxxxxxxx'. Make it "
                "17 or more (pk_maxlength).",
            ),
        ],
        ids=["empty", "long"],
    )
    def test_rows_that_are_refused(self, convert, key, spoil, message):
        code = f"""
{spoil}
before = schema(), rows("library_entry")
[attempt(), before == (schema(), rows("library_entry"))]
"""
        error, untouched = convert(
            models("", entry(key)),
            models("videos = GM2MField()"),
            GENERIC.format(field=FIELD.format(length=16), options=""),
            FILL + code,
        )
        assert error.partition(": library.User.videos: ")[2] == message
        assert untouched

    def test_sources_that_are_gone(self, convert):
        loose = entry("models.IntegerField()").replace(
            "User, models.CASCADE", "User, models.CASCADE, db_constraint=False"
        )
        code = """
link(jack, "movie", targets[0])
model("User").objects.filter(pk=jack.pk)._raw_delete("default")
before = schema(), rows("library_entry")
[attempt(), before == (schema(), rows("library_entry"))]
"""
        error, untouched = convert(
            models("", loose),
            models("videos = GM2MField()"),
            GENERIC.format(field=FIELD.format(length=16), options=""),
            FILL + code,
        )
        assert error == (
            "IntegrityError: library.User.videos: 1 rows of the table 'library_entry' "
            "refer to objects of library.User that are gone. Remove these rows first, "
            "or set db_constraint=False."
        )
        assert untouched

    @pytest.mark.parametrize(
        ("key", "message"),
        [
            (
                "models.IntegerField()",
                "1 rows of the table 'library_user_videos' have keys that "
                "library.Entry.key cannot hold. Remove these rows first.",
            ),
            (
                "models.CharField(max_length=20)",
                "library.Entry.key holds 20 characters",
            ),
        ],
        ids=["kind", "length"],
    )
    def test_back_is_refused(self, convert, key, message):
        code = """
link(jack, "movie", targets[0])
migrate()
User.objects.first().videos.add(Opera.objects.first())
before = schema(), rows("library_user_videos")
error = attempt("library", "0001")
[error, before == (schema(), rows("library_user_videos"))]
"""
        error, untouched = convert(
            models("", entry(key)),
            models("videos = GM2MField(pk_maxlength=36)"),
            GENERIC.format(field=FIELD.format(length=36), options=""),
            FILL + code,
        )
        assert error.partition(": library.User.videos: ")[2].startswith(message)
        assert untouched

    def test_rows_that_no_database_numbers(self, convert):
        model = entry("models.IntegerField()").replace(
            "    user =",
            "    id = models.UUIDField(primary_key=True, default=uuid.uuid4)\n"
            "    user =",
        )
        code = """
link(jack, "movie", targets[0])
migrate()
[users(), attempt("library", "0001"), users()]
"""
        links, error, after = convert(
            models("", model),
            models("videos = GM2MField()"),
            GENERIC.format(field=FIELD.format(length=16), options=""),
            FILL + code,
        )
        assert links == after == {"Jack": ["Alien"], "Jill": []}
        assert error == (
            "IrreversibleError: library.Entry cannot be made again: no database "
            "numbers its rows, as its primary key is a UUIDField."
        )

    def test_sqlmigrate(self, convert):
        code = """
link(jack, "movie", targets[0])
told = quietly("sqlmigrate", "library", "0002")
migrate()
[told, quietly("sqlmigrate", "library", "0002", backwards=True)]
"""
        for told in convert(
            models("", entry("models.IntegerField()")),
            models("videos = GM2MField()"),
            GENERIC.format(field=FIELD.format(length=16), options=""),
            FILL + code,
        ):
            words = ["CREATE TABLE", "INSERT INTO", "DROP TABLE", "RENAME"]
            places = [told.index(word) for word in words]
            assert places == sorted(places)


@pytest.mark.parametrize("operation", ["many", "generic"])
def test_other_databases_are_left_alone(life, operation):
    life.project.settings(more="DATABASE_ROUTERS = ['library.routers.NotHere']\n")
    life.project.write(
        "library/routers.py",
        "class NotHere:\n"
        "    def allow_migrate(self, db, app_label, **hints):\n"
        "        return app_label != 'library'\n",
    )
    field = FIELD.format(length=16)
    before, made = {
        "many": (
            models("videos = models.ManyToManyField(Movie)"),
            MANY.format(field=field),
        ),
        "generic": (
            models("", entry("models.IntegerField()")),
            GENERIC.format(field=field, options=""),
        ),
    }[operation]
    text = MIGRATION.format(operation=made)
    life.project.write("library/migrations/0002_more.py", text)
    code = "migrate()\nmigrate('library', 'zero')\nmigrate()\n[schema(), changes()]"
    assert life.change(before, models("videos = GM2MField()"), code) == [{}, ""]


class TestOperations:
    OPERATIONS = [
        ConvertManyToMany("User", "videos", GM2MField(pk_maxlength=40)),
        ConvertGenericThrough(
            "User", "videos", GM2MField(), "Entry", ["user", "kind", "key"]
        ),
        ConvertGenericThrough(
            "User", "videos", GM2MField(), "Entry", ["user", "kind", "key"], True
        ),
    ]

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_are_written_into_migrations(self, operation):
        text, imports = OperationWriter(operation, indentation=0).serialize()
        names = {}
        exec("\n".join([*imports, f"made = {text.rstrip().rstrip(',')}"]), names)
        made = names["made"]
        assert type(made) is type(operation)
        for name in ("model_name", "name", "through", "remove_duplicates"):
            assert getattr(made, name, 0) == getattr(operation, name, 0)
        assert made.field.deconstruct() == operation.field.deconstruct()

    def test_say_what_they_do(self):
        many, generic, _ = self.OPERATIONS
        assert many.describe() == "Turn field videos on User into a GM2MField"
        assert generic.describe() == "Turn model Entry into field videos on User"
        assert generic.migration_name_fragment == "entry_to_user_videos"

    @pytest.mark.parametrize(
        ("field", "through_fields", "message"),
        [
            (ManyToManyField("Movie"), ["a", "b", "c"], "without through="),
            (GM2MField(through="Entry"), ["a", "b", "c"], "without through="),
            (GM2MField(), ["a", "b"], "three through_fields"),
        ],
    )
    def test_wrong_arguments(self, field, through_fields, message):
        with pytest.raises(ValueError, match=message):
            ConvertGenericThrough("User", "videos", field, "Entry", through_fields)

    def test_no_alteration_takes_its_place(self):
        """It would not move the rows."""
        convert = ConvertManyToMany("User", "videos", GM2MField())
        alter = AlterField("User", "videos", GM2MField(pk_maxlength=40))
        found = MigrationOptimizer().optimize([convert, alter], "library")
        assert found == [convert, alter]

    def test_is_part_of_what_precedes_it(self):
        """In a new table there are no rows."""
        add = AddField("User", "videos", ManyToManyField("library.Movie"))
        convert = ConvertManyToMany("User", "videos", GM2MField())
        (made,) = MigrationOptimizer().optimize([add, convert], "library")
        assert type(made) is AddField
        assert isinstance(made.field, GM2MField)
        remove = RemoveField("User", "videos")
        assert MigrationOptimizer().optimize([add, convert, remove], "library") == []
