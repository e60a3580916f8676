"""Django's commands for migrations, beside ``migrate`` there and back."""

import pytest
from django.db import connection

from tests.evolution import LINKS
from tests.test_alter_operation import ALTER, RAISE
from tests.test_migrations_alter import NAME, TABLE, user

#: What each database says to give a column another type; SQLite makes a new table.
ALTER_COLUMN = {
    "mysql": "MODIFY `gm2m_pk` varchar(40)",
    "postgresql": 'ALTER COLUMN "gm2m_pk" TYPE varchar(40)',
    "sqlite": '"gm2m_pk" varchar(40)',
}


class TestSqlmigrate:
    def test_tells_the_table_with_its_indexes(self, life):
        models = user()
        sql = life.change(models, models, "quietly('sqlmigrate', 'library', '0001')")
        quote = connection.ops.quote_name
        assert f"CREATE TABLE {quote(TABLE)}" in sql
        assert f"{quote('gm2m_pk')} varchar(36) NOT NULL" in sql
        for columns in (
            ("gm2m_src_id", "gm2m_ct_id", "gm2m_pk"),
            ("gm2m_pk", "gm2m_ct_id", "gm2m_src_id"),
        ):
            assert f"({', '.join(map(quote, columns))})" in sql

    def test_tells_how_it_is_dropped(self, life):
        models = user()
        sql = life.change(
            models, models, "quietly('sqlmigrate', 'library', '0001', backwards=True)"
        )
        assert f"DROP TABLE {connection.ops.quote_name(TABLE)}" in sql

    @pytest.mark.parametrize(
        ("before", "after", "words"),
        [
            ("", "db_table='links'", ["links", TABLE]),
            ("", "db_constraint=False", [TABLE]),
        ],
        ids=["name", "constraint"],
    )
    def test_tells_alterations(self, life, before, after, words):
        code = """
migrate()
fill()
makemigrations()
found = look()
sql = [quietly("sqlmigrate", "library", "0002", backwards=way) for way in (0, 1)]
[sql, look() == found]
"""
        told, same = life.change(
            user(f"pk_maxlength=36, {before}"), user(f"pk_maxlength=36, {after}"), code
        )
        assert same
        for sql in told:
            assert all(word in sql for word in words)

    def test_of_a_key_length_tells_what_django_knows(self, life):
        """
        The command does not let others take part in a migration, as ``migrate`` does:
        the operation has to be in the file.
        """
        code = """
migrate()
fill()
makemigrations()
found = look()
[quietly("sqlmigrate", "library", "0002"), look() == found]
"""
        sql, same = life.change(user(), user("pk_maxlength=40"), code)
        assert same
        assert "varchar(40)" not in sql

    def test_of_the_operation_in_a_file_tells_the_column(self, life):
        life.project.write(
            "library/migrations/0002_more.py",
            ALTER.format(operations=f"AlterGM2MField({RAISE})"),
        )
        code = """
migrate("library", "0001")
found = schema()
sql = [quietly("sqlmigrate", "library", "0002", backwards=way) for way in (0, 1)]
[*sql, schema() == found]
"""
        forwards, backwards, same = life.change(user(), user("pk_maxlength=40"), code)
        assert same
        statement = ALTER_COLUMN[connection.vendor]
        assert statement in forwards
        assert statement.replace("40", "36") in backwards

    def test_does_not_ask_the_keys(self, life):
        """It may be told without the database that is to be migrated."""
        life.project.write(
            "library/migrations/0002_more.py",
            ALTER.format(operations=f"AlterGM2MField({RAISE})".replace("40", "5")),
        )
        code = """
migrate("library", "0001")
migrate("contenttypes")
fill()
told = refusal()
[told["error"], quietly("sqlmigrate", "library", "0002")]
"""
        error, sql = life.change(user(), user("pk_maxlength=5"), code)
        assert error.startswith("DataError")
        assert "varchar(5)" in sql


class TestSquashmigrations:
    #: Four migrations, and what is left when they are one.
    code = """
migrate("library", "0001")
makemigrations()
migrate()
migrate("library", "zero")
quietly("squashmigrations", "library", "0001", "0003", interactive=False, verbosity=0)
migrate()
migrate("contenttypes")
found = fill()
names = found["applied"]
migrate("library", "zero")
[names, found, changes(), schema()]
"""

    def test_leaves_one_operation_for_a_model(self, life):
        life.project.write(
            "library/migrations/0002_more.py",
            ALTER.format(operations=f"migrations.AlterField({RAISE})"),
        )
        after = user("pk_maxlength=50, db_table='links'")
        names, found, changes, left = life.change(user(), after, self.code)
        assert "0001_initial_squashed_0003_alter_user_preferred_videos" in names
        assert found["links"] == {NAME: LINKS}
        assert found["tables"]["links"]["columns"]["gm2m_pk"] == "CharField(50)"
        assert TABLE not in found["tables"]
        assert changes == ""
        assert left == {}
        (squashed,) = (name for name in life.project.migrations() if "squashed" in name)
        text = life.project.migration(squashed)
        assert "AlterField" not in text
        assert text.count("GM2MField(") == 1

    def test_takes_the_operation_of_a_file_in(self, life):
        life.project.write(
            "library/migrations/0002_more.py",
            ALTER.format(operations=f"AlterGM2MField({RAISE})"),
        )
        after = user("pk_maxlength=40").replace("preferred_", "")
        _, found, changes, left = life.change(user(), after, self.code)
        assert found["links"] == {"User.videos": LINKS}
        assert changes == ""
        assert left == {}
        (squashed,) = (name for name in life.project.migrations() if "squashed" in name)
        assert "AlterGM2MField" not in life.project.migration(squashed)

    def test_of_a_removed_field_leaves_nothing_of_it(self, life):
        life.project.write(
            "library/migrations/0002_more.py",
            ALTER.format(operations=f"migrations.AlterField({RAISE})"),
        )
        after = user().replace(
            "preferred_videos = GM2MField(Movie, pk_maxlength=36)", ""
        )
        _, found, changes, left = life.change(user(), after, self.code)
        assert found["links"] == {}
        assert TABLE not in found["tables"]
        assert changes == ""
        assert left == {}
        (squashed,) = (name for name in life.project.migrations() if "squashed" in name)
        assert "GM2MField(" not in life.project.migration(squashed)


class TestMigrate:
    def test_can_pretend(self, life):
        code = """
migrate()
before = fill()
makemigrations()
quietly("migrate", fake=True, verbosity=0)
faked = [rows("library_user_preferred_videos"), schema(), changes()]
quietly("migrate", "library", "0001", fake=True, verbosity=0)
[before, faked, look()]
"""
        before, faked, after = life.change(
            user(), user("pk_maxlength=16, db_table='links'"), code
        )
        assert faked == [before["rows"][TABLE], before["tables"], ""]
        assert after == before
        assert after["links"] == {NAME: LINKS}

    def test_finds_that_the_tables_are_there_already(self, life):
        """With ``--fake-initial``, which looks for the tables of many-to-manys, too."""
        code = """
migrate()
before = fill()
quietly("migrate", "library", "zero", fake=True, verbosity=0)
quietly("migrate", fake_initial=True, verbosity=0)
[before, look()]
"""
        before, after = life.change(user(), user(), code)
        assert after == before
        assert after["links"] == {NAME: LINKS}

    def test_goes_back_to_nothing(self, life):
        code = """
migrate()
fill()
migrate("library", "zero")
nothing = schema()
migrate()
[nothing, fill()]
"""
        nothing, again = life.change(user(), user(), code)
        assert nothing == {}
        assert again["links"] == {NAME: LINKS}

    def test_goes_all_the_way_back_over_alterations(self, life):
        code = """
migrate()
fill()
makemigrations()
migrate()
migrate("library", "zero")
schema()
"""
        after = user("pk_maxlength=50, db_table='links', db_constraint=False")
        assert life.change(user(), after, code) == {}

    def test_tells_its_plan(self, life):
        code = """
migrate()
makemigrations()
quietly("migrate", plan=True)
"""
        plan = life.change(user(), user("pk_maxlength=40"), code)
        assert "Alter field preferred_videos on user" in plan

    def test_runs_without_migrations(self, life):
        """As the tables of apps without migrations are made, and those of tests."""
        life.project.settings(more="MIGRATION_MODULES = {'library': None}\n")
        code = """
migrate("contenttypes")
quietly("migrate", run_syncdb=True, verbosity=0)
user = installed.get_model("library", "User").objects.create(name="Jack")
user.preferred_videos.create("library.Movie", name="Alien")
[table("library_user_preferred_videos"), links(installed)]
"""
        found, links = life.change(user(), user(), code)
        assert found["columns"]["gm2m_pk"] == "CharField(36)"
        assert links == {NAME: {"Jack": ["Alien"]}}


@pytest.mark.parametrize(
    "change",
    [
        ("User", "Person"),
        ("preferred_", ""),
        ("Movie", "Film"),
        ("pk_maxlength=36", "pk_maxlength=40, db_table='links'"),
    ],
    ids=["source", "field", "target", "options"],
)
def test_a_migration_may_leave_the_transaction_out(life, change):
    code = """
migrate("library", "0001")
migrate("contenttypes")
before = fill()
makemigrations()
make_non_atomic()
migrate()
after = look()
migrate("library", "0001")
[before, after, look(), changes()]
"""
    before, after, back, changes = life.change(user(), user().replace(*change), code)
    assert list(after["links"].values()) == [LINKS]
    assert list(after["rows"].values()) == list(before["rows"].values())
    assert back == before
    assert changes == ""


def test_a_project_that_has_lost_a_target_can_still_migrate(life):
    """Migrations of other libraries, and old ones, name models that are gone."""
    life.project.write(
        "library/migrations/0002_more.py",
        ALTER.format(
            operations="migrations.AlterField('user', 'preferred_videos', "
            "GM2MField('gone.Movie', 'library.Missing', pk_maxlength=40))"
        ),
    )
    code = """
migrate("library", "0001")
migrate("contenttypes")
fill()
migrate()
there = look()
migrate("library", "0001")
[there["links"], look()["links"], changes()]
"""
    told = life.change(user(), user("pk_maxlength=40"), code)
    assert told == [{NAME: LINKS}, {NAME: LINKS}, ""]


class TestWithoutContentTypes:
    """A database that the routers keep content types from has no links, but a table."""

    def test_tables_can_be_made_altered_and_dropped(self, life):
        life.project.write(
            "routers.py",
            "class Router:\n"
            "    def allow_migrate(self, db, app_label, **hints):\n"
            "        return app_label != 'contenttypes'\n",
        )
        life.project.settings(more="DATABASE_ROUTERS = ['routers.Router']\n")
        code = """
migrate("library", "0001")
made = table("library_user_preferred_videos")
makemigrations()
migrate()
altered = table("library_user_preferred_videos")
migrate("library", "0001")
back = table("library_user_preferred_videos")
migrate("library", "zero")
[made, altered, back, schema()]
"""
        before = user("pk_maxlength=36, db_constraint=False")
        after = user("pk_maxlength=40, db_constraint=False")
        made, altered, back, left = life.change(before, after, code)
        assert made["columns"]["gm2m_pk"] == "CharField(36)"
        assert altered["columns"]["gm2m_pk"] == "CharField(40)"
        assert back == made
        assert left == {}

    def test_the_project_says_so_when_it_links_and_loses_nothing(self, life):
        code = """
migrate()
fill()
connection.cursor().execute("ALTER TABLE django_content_type RENAME TO elsewhere")
None
"""
        life.change(user(), user(), code)
        code = """
user = User.objects.get(name="Jack")
def failure(call, *arguments):
    try:
        call(*arguments)
    except Exception as error:
        return type(error).__name__
errors = [
    failure(list, user.preferred_videos.all()),
    failure(user.preferred_videos.add, Movie.objects.first()),
    failure(user.preferred_videos.set, []),
]
[errors, len(rows("library_user_preferred_videos")), user.preferred_videos.count()]
"""
        errors, left, count = life.run(code)
        assert set(errors) <= {"OperationalError", "ProgrammingError"}
        assert (left, count) == (5, 3)
