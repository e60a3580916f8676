"""What becomes of the table and its rows while the models of a project change."""

import pytest

from tests.evolution import BACKLINKS, LINKS, TARGETS

NAME = "User.preferred_videos"
TABLE = "library_user_preferred_videos"
FIELD = "preferred_videos = GM2MField(Movie, pk_maxlength=36)"
SOURCE = f"""
class User(models.Model):
    name = models.CharField(max_length=100)
    {FIELD}
"""
MODELS = TARGETS + SOURCE
WITHOUT_FIELD = MODELS.replace(FIELD, "")

CUSTOM = (
    "from django.contrib.contenttypes.fields import GenericForeignKey\n"
    + TARGETS
    + """
class Entry(models.Model):
    user = models.ForeignKey("User", models.CASCADE)
    content_type = models.ForeignKey("contenttypes.ContentType", models.CASCADE)
    object_id = models.CharField(max_length=36)
    item = GenericForeignKey()
    note = models.CharField(max_length=20, default="new")

class User(models.Model):
    name = models.CharField(max_length=100)
    preferred_videos = GM2MField(through=Entry)
"""
)


def assert_kept(told, *operations, name=NAME, links=LINKS, backlinks=BACKLINKS):
    """All links are there at every step, and a way that is undone leaves nothing."""
    before, after = told["before"], told["after"]
    assert told["operations"] == list(operations)
    assert before["links"] == {NAME: LINKS}
    assert after["links"] == told["now"] == {name: links}
    assert told["backlinks"] == backlinks
    assert told["back"] == before
    assert told["again"] == after
    assert told["changes"] == ""


def assert_same_rows(told):
    """The rows themselves have stayed, with their keys."""
    before, after = told["before"], told["after"]
    assert list(after["rows"].values()) == list(before["rows"].values())


class TestField:
    def test_is_added(self, life):
        told = life.change(WITHOUT_FIELD, MODELS)
        assert told["operations"] == ["AddField"]
        assert TABLE not in told["before"]["tables"]
        assert told["after"]["links"] == told["now"] == {NAME: {"Jack": [], "Jill": []}}
        assert told["after"]["tables"][TABLE] == {
            "columns": {
                **told["after"]["tables"][TABLE]["columns"],
                "gm2m_ct_id": "IntegerField",
                "gm2m_pk": "CharField(36)",
                "gm2m_src_id": "BigIntegerField",
            },
            "unique": [["gm2m_src_id", "gm2m_ct_id", "gm2m_pk"]],
            "indexes": [["gm2m_ct_id"], ["gm2m_pk", "gm2m_ct_id", "gm2m_src_id"]],
            "foreign_keys": {
                "gm2m_ct_id": ["django_content_type", "id"],
                "gm2m_src_id": ["library_user", "id"],
            },
        }
        assert told["back"] == told["before"]
        assert told["again"] == told["after"]
        assert told["changes"] == ""

    def test_is_removed(self, life):
        told = life.change(MODELS, WITHOUT_FIELD)
        assert told["operations"] == ["RemoveField"]
        assert told["before"]["links"] == {NAME: LINKS}
        assert TABLE not in told["after"]["tables"]
        # The table comes back as it was, without the rows that went with it.
        assert told["back"]["tables"] == told["before"]["tables"]
        assert told["back"]["links"] == {NAME: {"Jack": [], "Jill": []}}
        assert told["again"] == told["after"]
        assert told["changes"] == ""

    def test_is_removed_with_its_source(self, life):
        told = life.change(MODELS, TARGETS)
        assert told["operations"] == ["DeleteModel"]
        assert TABLE not in told["after"]["tables"]
        assert told["back"]["tables"] == told["before"]["tables"]
        assert told["changes"] == ""

    def test_is_renamed(self, life):
        after = MODELS.replace("preferred_videos", "favourites")
        told = life.change(MODELS, after)
        assert_kept(told, "RenameField", name="User.favourites")
        assert_same_rows(told)
        tables = told["after"]["tables"]
        assert TABLE not in tables
        assert tables["library_user_favourites"] == told["before"]["tables"][TABLE]

    def test_is_renamed_on_a_table_with_a_name_of_its_own(self, life):
        models = MODELS.replace("pk_maxlength", "db_table='links', pk_maxlength")
        told = life.change(models, models.replace("preferred_videos", "favourites"))
        assert_kept(told, "RenameField", name="User.favourites")
        assert told["after"]["tables"] == told["before"]["tables"]
        assert told["after"]["rows"] == told["before"]["rows"]

    def test_is_one_of_several(self, life):
        """What is done to one field leaves the others alone."""
        other = (
            "other_videos = GM2MField("
            "related_name='others', pk_maxlength=36, db_constraint=False)"
        )
        before = MODELS + f"    {other}\n"
        after = before.replace("preferred_videos", "favourites")
        told = life.change(
            before, after.replace(other, "years = GM2MField('self', related_name='+')")
        )
        assert sorted(told["operations"]) == ["AddField", "RemoveField", "RenameField"]
        assert told["after"]["links"] == {
            "User.favourites": LINKS,
            "User.years": {"Jack": [], "Jill": []},
        }
        assert told["back"]["tables"] == told["before"]["tables"]
        assert told["back"]["links"][NAME] == LINKS
        assert told["changes"] == ""


class TestSource:
    def test_is_renamed(self, life):
        told = life.change(MODELS, MODELS.replace("User", "Person"))
        assert_kept(told, "RenameModel", name="Person.preferred_videos")
        assert_same_rows(told)
        tables, before = told["after"]["tables"], told["before"]["tables"][TABLE]
        assert TABLE not in tables
        assert tables["library_person_preferred_videos"] == {
            **before,
            "foreign_keys": {
                "gm2m_ct_id": ["django_content_type", "id"],
                "gm2m_src_id": ["library_person", "id"],
            },
        }

    def test_is_renamed_with_its_field(self, life):
        after = MODELS.replace("User", "Person").replace("preferred_", "")
        told = life.change(MODELS, after)
        if told["operations"] == ["RenameModel", "RenameField"]:
            assert_kept(told, "RenameModel", "RenameField", name="Person.videos")
        else:
            # Django asks about one rename at a time.
            raise AssertionError(told["operations"])

    def test_becomes_a_target_of_itself(self, life):
        code = """
migrate("library", "0001")
migrate("contenttypes")
fill()
makemigrations()
migrate()
users = installed.get_model("library", "Person").objects
jack, jill = users.get(name="Jack"), users.get(name="Jill")
jack.preferred_videos.add(jill)
found = [links(historical()), backlinks()["Jill"], changes()]
migrate("library", "0001")
[*found, links(historical())]
"""
        after = MODELS.replace("User", "Person").replace("Movie,", "Movie, 'self',")
        after_links, backlinks, changes, links = life.change(MODELS, after, code)
        expected = {**LINKS, "Jack": [*LINKS["Jack"], "Jill"]}
        assert after_links == {"Person.preferred_videos": expected}
        assert backlinks == ["Jack"]
        assert changes == ""
        # Its content type has been renamed back as well.
        assert links == {NAME: expected}

    def test_moves_its_fields_to_an_abstract_parent(self, life):
        after = TARGETS + SOURCE.replace(
            "models.Model):", "models.Model):\n    class Meta:\n        abstract = True"
        ).replace("User", "Parent")
        told = life.change(MODELS, after + "class User(Parent):\n    pass\n")
        assert_kept(told)
        assert told["after"] == told["before"]

    def test_gets_a_field_that_refers_to_it(self, life):
        """SQLite makes the source's table anew, and the through's row must stay."""
        old = "name = models.CharField(max_length=100)\n    preferred"
        after = MODELS.replace(
            old,
            f"near = models.ForeignKey('self', models.SET_NULL, null=True)\n    {old}",
        )
        told = life.change(MODELS, after)
        assert_kept(told, "AddField")
        assert told["after"]["rows"] == told["before"]["rows"]
        assert told["after"]["tables"][TABLE] == told["before"]["tables"][TABLE]


class TestTarget:
    def test_is_renamed(self, life):
        told = life.change(MODELS, MODELS.replace("Movie", "Film"))
        # No second operation for the field: migrations do not know its targets.
        assert_kept(told, "RenameModel")
        assert told["after"]["rows"] == told["before"]["rows"]
        assert told["after"]["tables"][TABLE] == told["before"]["tables"][TABLE]

    def test_that_nobody_declares_is_renamed(self, life):
        told = life.change(MODELS, MODELS.replace("Opera", "Musical"))
        assert_kept(told, "RenameModel")
        assert told["after"]["rows"] == told["before"]["rows"]

    def test_and_source_are_renamed_at_once(self, life):
        after = MODELS.replace("Movie", "Film").replace("User", "Person")
        told = life.change(MODELS, after)
        assert_kept(told, "RenameModel", "RenameModel", name="Person.preferred_videos")
        assert_same_rows(told)

    def test_is_deleted(self, life):
        told = life.change(MODELS, MODELS[: MODELS.index("class Concert")] + SOURCE)
        links = {"Jack": ["Tosca", "Alien"], "Jill": ["Brazil"]}
        assert told["operations"] == ["DeleteModel"]
        # The rows lead nowhere now, and do no harm; nothing has deleted them.
        assert told["after"]["links"] == told["now"] == {NAME: links}
        assert told["after"]["rows"] == told["before"]["rows"]
        assert told["changes"] == ""

    def test_has_a_key_of_another_kind(self, life):
        """Keys are kept as text, which a longer kind of number has in common."""
        before = MODELS.replace(
            "class Movie(models.Model):",
            "class Movie(models.Model):\n    id = models.AutoField(primary_key=True)",
        )
        told = life.change(before, MODELS)
        assert_kept(told, "AlterField")
        assert told["after"]["rows"] == told["before"]["rows"]


class TestCustomThrough:
    """The rows are the user's, and are kept like those of any model."""

    @pytest.mark.parametrize(
        ("renames", "operations", "name"),
        [
            ({"Entry": "Place"}, ["RenameModel"], NAME),
            ({"User": "Person"}, ["RenameModel"], "Person.preferred_videos"),
            ({"preferred_videos": "videos"}, ["RenameField"], "User.videos"),
            ({"Movie": "Film"}, ["RenameModel"], NAME),
            ({"note": "remark"}, ["RenameField"], NAME),
        ],
        ids=str,
    )
    def test_is_kept_when_models_and_fields_are_renamed(
        self, life, renames, operations, name
    ):
        after = CUSTOM
        for old, new in renames.items():
            after = after.replace(old, new)
        told = life.change(CUSTOM, after)
        if "Entry" in renames:
            # The field names it; Django's own have it altered in the same way.
            operations = told["operations"]
        assert_kept(told, *operations, name=name)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("object_id = ", "key = "),
            ("content_type = ", "kind = "),
            ("    user = ", "    owner = "),
            ("item = ", "thing = "),
        ],
    )
    def test_is_kept_when_the_columns_of_the_link_are_renamed(self, life, old, new):
        after = CUSTOM.replace(old, new)
        if "key" in new:
            after = after.replace(
                "GenericForeignKey()", "GenericForeignKey(fk_field='key')"
            )
        if "kind" in new:
            after = after.replace("GenericForeignKey()", "GenericForeignKey('kind')")
        told = life.change(CUSTOM, after)
        assert_kept(told, *told["operations"])
        assert [list(row.values()) for row in told["after"]["rows"]["library_entry"]]

    def test_gets_a_longer_key_column(self, life):
        told = life.change(CUSTOM, CUSTOM.replace("max_length=36", "max_length=50"))
        assert_kept(told, "AlterField")
        assert told["after"]["rows"] == told["before"]["rows"]
        columns = told["after"]["tables"]["library_entry"]["columns"]
        assert columns["object_id"] == "CharField(50)"

    def test_is_left_when_the_field_goes(self, life):
        field = "preferred_videos = GM2MField(through=Entry)"
        told = life.change(CUSTOM, CUSTOM.replace(field, ""))
        assert told["operations"] == ["RemoveField"]
        assert told["after"]["tables"] == told["before"]["tables"]
        assert told["back"] == told["before"]
        assert told["back"]["links"] == {NAME: LINKS}
        assert told["changes"] == ""


class TestWithoutTable:
    """No table is made, altered or missed where the source has none."""

    models = (
        TARGETS
        + """
class User(models.Model):
    name = models.CharField(max_length=100)
    preferred_videos = GM2MField(Movie, {options})
    class Meta:
        {meta}
class Person(models.Model):
    name = models.CharField(max_length=100)
    preferred_videos = GM2MField(Movie, pk_maxlength=36)
"""
    )
    code = """
migrate("library", "0001")
first = schema()
makemigrations()
due = operations()
migrate()
second = schema()
migrate("library", "0001")
migrate("library", "zero")
[due, changes(), first, second, schema()]
"""

    def change(self, life, meta):
        """Return which operations are due, and which of the tables there are."""
        before = self.models.format(options="pk_maxlength=36", meta=meta)
        after = self.models.format(options="pk_maxlength=40, db_table='l'", meta=meta)
        due, changes, first, second, last = life.change(before, after, self.code)
        assert changes == ""
        assert first == second
        assert last == {}
        own = {TABLE, "l", "library_user", "library_person_preferred_videos"}
        return due, sorted(own.intersection(first))

    def test_of_a_source_that_is_swapped_out(self, life):
        life.project.settings(more="LIBRARY_USER_MODEL = 'library.Person'\n")
        found = self.change(life, "swappable = 'LIBRARY_USER_MODEL'")
        assert found == (["AlterField"], ["library_person_preferred_videos"])

    def test_of_a_source_that_is_not_managed(self, life):
        # Django does not even look for changes of its fields.
        found = self.change(life, "managed = False")
        assert found == ([], ["library_person_preferred_videos"])

    def test_in_a_database_that_the_routers_keep_the_app_from(self, life):
        life.project.write(
            "routers.py",
            "class Router:\n"
            "    def allow_migrate(self, db, app_label, **hints):\n"
            "        return app_label != 'library'\n",
        )
        life.project.settings(more="DATABASE_ROUTERS = ['routers.Router']\n")
        assert self.change(life, "pass") == (["AlterField"], [])


def test_links_are_found_again_when_the_source_is_swapped_out_later(life):
    """The tables stay, as for any model of which a setting says that it is replaced."""
    models = (
        TARGETS
        + """
class User(models.Model):
    name = models.CharField(max_length=100)
    preferred_videos = GM2MField(Movie, pk_maxlength=36)
    class Meta:
        swappable = "LIBRARY_USER_MODEL"
class Person(models.Model):
    name = models.CharField(max_length=100)
"""
    )
    life.project.settings(more="LIBRARY_USER_MODEL = 'library.User'\n")
    before = life.change(models, models, "migrate()\nfill()")
    life.project.settings(more="LIBRARY_USER_MODEL = 'library.Person'\n")
    changes, found = life.run("[changes(), rows('library_user_preferred_videos')]")
    assert changes == ""
    assert found == before["rows"][TABLE]
    life.project.settings(more="LIBRARY_USER_MODEL = 'library.User'\n")
    assert life.run("[changes(), look()]") == ["", before]
