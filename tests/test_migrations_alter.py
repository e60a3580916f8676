"""Altering the field in migrations: its options, and the key column with them."""

import pytest
from django.db import connection

from tests.evolution import BACKLINKS, LINKS, TARGETS

NAME = "User.preferred_videos"
TABLE = "library_user_preferred_videos"


def user(options="pk_maxlength=36", meta="", key=""):
    """Return the models, with these options of the field and of the source."""
    return f"""{TARGETS}
class User(models.Model):
    {key}
    name = models.CharField(max_length=100)
    preferred_videos = GM2MField(Movie, {options})
    class Meta:
        {meta or "pass"}
"""


def assert_kept(told, *operations):
    """All links are there at every step, and a way that is undone leaves nothing."""
    before, after = told["before"], told["after"]
    assert told["operations"] == list(operations)
    assert before["links"] == after["links"] == told["now"] == {NAME: LINKS}
    assert told["backlinks"] == BACKLINKS
    assert list(after["rows"].values()) == list(before["rows"].values())
    assert told["back"] == before
    assert told["again"] == after
    assert told["changes"] == ""


def tables(told, **columns):
    """Return the table between before the change, with these columns, and after it."""
    before, after = told["before"]["tables"], told["after"]["tables"]
    expected = {**before[TABLE], "columns": {**before[TABLE]["columns"], **columns}}
    return after[TABLE], expected


class TestKeyLength:
    @pytest.mark.parametrize(("before", "after"), [(36, 255), (50, 36)], ids=str)
    def test_changes_the_column_and_nothing_else(self, life, before, after):
        told = life.change(
            user(f"pk_maxlength={before}"), user(f"pk_maxlength={after}")
        )
        assert_kept(told, "AlterField")
        found, expected = tables(told, gm2m_pk=f"CharField({after})")
        assert found == expected

    def test_can_be_the_default_again(self, life):
        code = """
migrate()
historical().get_model("library", "User").objects.create(name="Joan")
makemigrations()
migrate()
[changes(), look()["tables"]]
"""
        changes, found = life.change(user(), user(""), code)
        assert changes == ""
        assert found[TABLE]["columns"]["gm2m_pk"] == "CharField(16)"

    @pytest.mark.parametrize(
        ("before", "after", "column"),
        [(36, None, "TextField"), (None, 40, "CharField(40)")],
        ids=str,
    )
    def test_can_be_unlimited(self, life, before, after, column):
        before, after = user(f"pk_maxlength={before}"), user(f"pk_maxlength={after}")
        if connection.vendor == "mysql":
            # It cannot index a text of any length: a check does not let that happen.
            unlimited = after if "None" in after else before
            error = life.change(user(), unlimited, "attempt()")
            assert "gm2m.E207" in error
            return
        told = life.change(before, after)
        assert_kept(told, "AlterField")
        found, expected = tables(told, gm2m_pk=column)
        assert found == expected

    @pytest.mark.parametrize("limit", [35, 1])
    def test_cannot_cut_keys(self, life, limit):
        code = """
migrate()
fill()
makemigrations()
refusal()
"""
        told = life.change(user(), user(f"pk_maxlength={limit}"), code)
        assert told["error"].startswith("DataError: library.User.preferred_videos")
        assert f"pk_maxlength cannot be lowered to {limit}" in told["error"]
        assert "b7a8c8f5-6a3f-4f7e-9a55-0d4a2f1c9e11" in told["error"]
        assert told["after"] == told["before"]
        assert told["after"]["links"] == {NAME: LINKS}

    def test_can_be_lowered_when_the_long_keys_are_gone(self, life):
        code = """
migrate()
fill()
makemigrations()
error = attempt()
apps = historical()
opera = apps.get_model("library", "Opera").objects.get()
for source in apps.get_model("library", "User").objects.all():
    source.preferred_videos.remove(opera)
migrate()
[error, look(), changes()]
"""
        error, after, changes = life.change(user(), user(""), code)
        assert error.startswith("DataError")
        assert after["links"] == {
            NAME: {"Jack": ["Alien", "Gig"], "Jill": LINKS["Jill"]}
        }
        assert after["tables"][TABLE]["columns"]["gm2m_pk"] == "CharField(16)"
        assert changes == ""

    def test_cannot_cut_keys_on_the_way_back(self, life):
        code = """
migrate("library", "0001")
migrate("contenttypes")
fill()
makemigrations()
migrate()
apps = historical()
gala = apps.get_model("library", "Concert").objects.create(pk="g" * 37, name="Gala")
jill = apps.get_model("library", "User").objects.get(name="Jill")
jill.preferred_videos.add(gala)
told = refusal("library", "0001")
jill.preferred_videos.remove(gala)
migrate("library", "0001")
{**told, "back": look()}
"""
        told = life.change(user(), user("pk_maxlength=37"), code)
        assert told["error"].startswith("DataError")
        assert "g" * 37 in told["error"]
        assert told["after"] == told["before"]
        links = {**LINKS, "Jill": [*LINKS["Jill"], "Gala"]}
        assert told["after"]["links"] == {NAME: links}
        assert told["back"]["links"] == {NAME: LINKS}
        assert told["back"]["tables"][TABLE]["columns"]["gm2m_pk"] == "CharField(36)"

    def test_is_measured_in_characters(self, life):
        code = """
migrate()
apps = historical()
gala = apps.get_model("library", "Concert").objects.create(pk="ü" * 20, name="Gala")
jill = apps.get_model("library", "User").objects.create(name="Jill")
jill.preferred_videos.add(gala)
makemigrations()
migrate()
look()["links"]
"""
        told = life.change(user(), user("pk_maxlength=20"), code)
        assert told == {NAME: {"Jill": ["Gala"]}}


@pytest.mark.parametrize("back", [False, True], ids=["off", "on"])
def test_constraints_of_both_keys(life, back):
    versions = [user(), user("pk_maxlength=36, db_constraint=False")]
    told = life.change(*(reversed(versions) if back else versions))
    assert_kept(told, "AlterField")
    with_them, without = ("after", "before") if back else ("before", "after")
    assert told[with_them]["tables"][TABLE]["foreign_keys"] == {
        "gm2m_ct_id": ["django_content_type", "id"],
        "gm2m_src_id": ["library_user", "id"],
    }
    assert told[without]["tables"][TABLE]["foreign_keys"] == {}
    for part in ("columns", "unique", "indexes"):
        found, expected = tables(told)
        assert found[part] == expected[part]


def test_constraints_cannot_be_had_with_links_of_nobody(life):
    code = """
migrate()
fill()
links = historical().get_model("library", "User_preferred_videos")
links.objects.filter(gm2m_src__name="Jill").update(gm2m_src_id=77)
makemigrations()
refusal()
"""
    before = user("pk_maxlength=36, db_constraint=False")
    told = life.change(before, user(), code)
    assert told["error"].startswith("IntegrityError")
    # Where migrations are not atomic, one of the two constraints may have been made.
    for part in ("links", "rows", "applied"):
        assert told["after"][part] == told["before"][part]
    assert len(told["after"]["rows"][TABLE]) == 5


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        ("", "db_table='links'", TABLE, "links"),
        ("db_table='links'", "db_table='Other Links'", "links", "Other Links"),
        ("db_table='links'", "", "links", TABLE),
    ],
    ids=["set", "changed", "unset"],
)
def test_name_of_the_table(life, before, after, old, new):
    told = life.change(
        user(f"pk_maxlength=36, {before}"), user(f"pk_maxlength=36, {after}")
    )
    assert_kept(told, "AlterField")
    assert told["before"]["rows"].keys() == {old}
    assert told["after"]["rows"].keys() == {new}
    assert old not in told["after"]["tables"]
    assert told["after"]["tables"][new] == told["before"]["tables"][old]


def test_name_of_the_sources_table(life):
    told = life.change(user(), user(meta="db_table = 'people'"))
    assert_kept(told, "AlterModelTable")
    before = told["before"]["tables"][TABLE]
    keys = {**before["foreign_keys"], "gm2m_src_id": ["people", "id"]}
    after = told["after"]["tables"]
    assert TABLE not in after
    assert after["people_preferred_videos"] == {**before, "foreign_keys": keys}


def test_all_at_once(life):
    options = "pk_maxlength=44, db_table='links', db_constraint=False"
    told = life.change(user(), user(options))
    assert_kept(told, "AlterField")
    before, after = told["before"]["tables"][TABLE], told["after"]["tables"]["links"]
    assert TABLE not in told["after"]["tables"]
    columns = {**before["columns"], "gm2m_pk": "CharField(44)"}
    assert after["columns"] == columns
    assert after["foreign_keys"] == {}
    assert after["unique"] == before["unique"]
    assert after["indexes"] == before["indexes"]


def test_cutting_is_refused_before_anything_else_is_done(life):
    code = """
migrate()
fill()
makemigrations()
refusal()
"""
    options = "pk_maxlength=35, db_table='links', db_constraint=False"
    told = life.change(user(), user(options), code)
    assert told["error"].startswith("DataError")
    assert told["after"] == told["before"]
    assert told["after"]["links"] == {NAME: LINKS}


def test_kind_of_the_sources_key_is_followed_as_by_other_fields(life):
    versions = [
        user(key=f"{key}; others = models.ManyToManyField(Movie, related_name='+')")
        for key in ("id = models.AutoField(primary_key=True)", "")
    ]
    versions[1] = versions[1].replace("    ; ", "    ")
    told = life.change(*versions)
    assert_kept(told, "AlterField")
    for step in ("before", "after"):
        found = told[step]["tables"]
        assert (
            found[TABLE]["columns"]["gm2m_src_id"]
            == found["library_user_others"]["columns"]["user_id"]
        )
    found, expected = tables(told)
    found["columns"].pop("gm2m_src_id")
    expected["columns"].pop("gm2m_src_id")
    assert found == expected


def test_options_that_the_table_does_not_know(life):
    options = (
        "verbose_name='favourites', help_text='All that they like.', blank=True, "
        "editable=False, for_concrete_model=False"
    )
    told = life.change(user(), user(f"pk_maxlength=36, {options}"))
    assert_kept(told, "AlterField")
    assert told["after"]["tables"] == told["before"]["tables"]


def test_names_of_the_reverse_side(life):
    code = """
migrate()
before = fill()
makemigrations()
migrate()
[look()["tables"] == before["tables"], changes(), links(installed), backlinks()]
"""
    names = "related_name='lovers', related_query_name='lover'"
    told = life.change(user(), user(f"pk_maxlength=36, {names}"), code)
    assert told == [True, "", {NAME: LINKS}, BACKLINKS]


def test_what_migrations_do_not_know(life):
    """Other related models, what becomes of links, and what forms offer."""
    options = (
        "'Opera', 'User', 'contenttypes.ContentType', pk_maxlength=36, "
        "on_delete=models.PROTECT, limit_choices_to={'name': 'Alien'}"
    )
    code = """
migrate()
fill()
makemigrations()
[operations(), changes(), links(installed), backlinks()]
"""
    told = life.change(user(), user(options), code)
    assert told[:3] == [[], "", {NAME: LINKS}]
    assert BACKLINKS.items() <= told[3].items()


class TestThroughModel:
    """An automatic through model and one of one's own are as far apart as Django's."""

    custom = user("through='Preferred'").replace(
        "class User",
        """
from django.contrib.contenttypes.fields import GenericForeignKey
class Preferred(models.Model):
    gm2m_src = models.ForeignKey("User", models.CASCADE)
    gm2m_ct = models.ForeignKey("contenttypes.ContentType", models.CASCADE)
    gm2m_pk = models.CharField(max_length=36)
    gm2m_tgt = GenericForeignKey("gm2m_ct", "gm2m_pk")
class User""",
    )
    code = """
migrate()
fill()
makemigrations()
refusal()
"""

    @pytest.mark.parametrize("versions", [(user(), custom), (custom, user())])
    def test_does_not_change_into_the_other(self, life, versions):
        told = life.change(*versions, self.code)
        assert told["error"].startswith("ValueError: Cannot alter field")
        assert "not compatible types" in told["error"]
        assert told["before"]["links"] == {NAME: LINKS}
        # Where migrations are not atomic, a model that was made before remains.
        for part in ("links", "rows"):
            assert told["after"][part] == told["before"][part]

    @pytest.mark.parametrize("generic", [True, False])
    def test_is_not_that_of_another_kind_of_field(self, life, generic):
        """
        An alteration between the two many-to-manys would ruin the rows. Some versions
        of Django write it when a model changes so, others remove and add the field.
        """
        other = user("").replace("GM2MField(", "models.ManyToManyField(")
        versions = [user(), other] if generic else [other, user()]
        field = (
            "models.ManyToManyField('Movie')"
            if generic
            else "GM2MField(pk_maxlength=36)"
        )
        self.write(life, field)
        code = f"""
migrate("library", "0001")
apps = historical()
alien = apps.get_model("library", "Movie").objects.create(name="Alien")
jack = apps.get_model("library", "User").objects.create(name="Jack")
jack.preferred_videos.add(alien)
found = rows("{TABLE}")
[attempt(), found, rows("{TABLE}")]
"""
        error, found, left = life.change(*versions, code)
        assert error.startswith("ValueError: Cannot alter field")
        assert "not compatible types" in error
        assert left == found
        assert len(left) == 1

    @pytest.mark.parametrize("generic", [True, False])
    def test_is_not_that_of_a_column(self, life, generic):
        """As Django says it of its own many-to-manys."""
        field = "preferred_videos = models.IntegerField(default=1)"
        other = user("").replace("preferred_videos = GM2MField(Movie, )", field)
        versions = [user(), other] if generic else [other, user()]
        self.write(life, "models.IntegerField(default=1)" if generic else "GM2MField()")
        code = """
migrate("library", "0001")
before = schema()
[attempt(), schema() == before]
"""
        error, same = life.change(*versions, code)
        assert error.startswith("ValueError: Cannot alter field")
        assert same

    def test_of_others_is_left_to_django(self, life):
        """The operation stands in for Django's wherever that alters a many-to-many."""
        column = "preferred_videos = models.IntegerField(default=1)"
        before = user("").replace("preferred_videos = GM2MField(Movie, )", column)
        after = user("").replace("GM2MField(", "models.ManyToManyField(")
        self.write(life, "models.ManyToManyField('Movie')")
        code = """
migrate("library", "0001")
before = schema()
[attempt(), schema() == before]
"""
        error, same = life.change(before, after, code)
        assert error.startswith("ValueError: Cannot alter field")
        assert same

    def test_of_others_is_made_as_before(self, life):
        before = user("").replace("GM2MField(", "models.ManyToManyField(")
        after = before.replace("(Movie, ", "(Movie, db_table='links'")
        told = life.change(before, after)
        assert told["operations"] == ["AlterField"]
        tables = told["before"]["tables"]
        assert told["after"]["tables"]["links"] == tables[TABLE]
        assert told["back"] == told["before"]
        assert told["again"] == told["after"]
        assert told["changes"] == ""

    def write(self, life, field):
        """Write a migration that makes the field another one."""
        life.project.write(
            "library/migrations/0002_alter.py",
            f"""
from django.db import migrations, models
from gm2m.fields import GM2MField

class Migration(migrations.Migration):
    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
        ("library", "0001_initial"),
    ]
    operations = [migrations.AlterField("user", "preferred_videos", {field})]
""",
        )
