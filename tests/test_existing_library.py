"""
Projects that come from the existing django-gm2m, release 1.4.

Their migrations are taken as they are, and so are the tables and rows that the library
itself has made here, in processes where it is imported in the place of this one.
"""

import json
from itertools import chain

import pytest
from django.db import models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ModelState, ProjectState

from gm2m import GM2MField, deletion
from tests.evolution import BACKLINKS, LINKS, TARGETS, TOSCA

AUTOMATIC = ["gm2m_src", "gm2m_tgt", "gm2m_ct", "gm2m_pk"]


def state(field):
    """Return a project with the field on its user."""
    project = ProjectState()
    id = models.BigAutoField(primary_key=True)
    entry = [
        ("id", id),
        ("user", models.ForeignKey("library.User", models.CASCADE)),
        ("kind", models.ForeignKey("contenttypes.ContentType", models.CASCADE)),
        ("key", models.CharField(max_length=16)),
    ]
    project.add_model(ModelState("library", "Movie", [("id", id)]))
    project.add_model(ModelState("library", "User", [("id", id), ("videos", field)]))
    project.add_model(ModelState("library", "Entry", entry))
    return project


class TestMigrations:
    """The form in which the library writes its fields."""

    @pytest.mark.parametrize("to", [{}, {"to": None}], ids=["before 6.1", "6.1"])
    @pytest.mark.parametrize(
        "option",
        [
            {},
            {"pk_maxlength": 36},
            {"pk_maxlength": None},
            {"related_name": "fans"},
            {"related_query_name": "fan"},
            {"db_table": "links"},
            {"db_constraint": False},
            {"for_concrete_model": False},
            {"verbose_name": "films"},
            {"help_text": "All that they like."},
            {"blank": True},
            {
                "through": "library.Entry",
                "through_fields": ["user", "item", "kind", "key"],
            },
        ],
        ids=lambda option: "-".join(map(str, chain(*option.items()))) or "plain",
    )
    def test_is_equal_to_ours(self, option, to):
        written = {"through_fields": AUTOMATIC, **option, **to}
        self.check(GM2MField("library.Movie", **written), GM2MField(**option))

    @pytest.mark.parametrize(
        ("written", "declared"),
        [
            ({"pk_maxlength": 16}, {}),
            ({"on_delete": models.DO_NOTHING}, {"on_delete": models.DO_NOTHING}),
            ({"on_delete": deletion.CASCADE_SIGNAL}, {}),
            ({}, {"on_delete_tgt": deletion.DO_NOTHING_SIGNAL}),
            ({"on_delete_src": deletion.CASCADE_SIGNAL_VETO}, {}),
        ],
        ids=[
            "default length",
            "policy",
            "policy gone",
            "new policy",
            "source's policy",
        ],
    )
    def test_differs_in_what_is_no_change(self, written, declared):
        targets = ["library.Movie", "library.User", "auth.User"]
        written = GM2MField(*targets, through_fields=AUTOMATIC, to=None, **written)
        self.check(written, GM2MField(**declared))

    @pytest.mark.parametrize(
        "option",
        [
            {},
            {"related_name": "fans"},
            {"related_query_name": "fan"},
            {"db_table": "links"},
            {
                "through": "library.Entry",
                "through_fields": ["user", "item", "kind", "key"],
            },
        ],
        ids=lambda option: "-".join(option) or "plain",
    )
    @pytest.mark.parametrize("to", [None, b"contenttypes.ContentType"])
    def test_names_that_python_2_wrote(self, option, to):
        def as_bytes(value):
            if isinstance(value, (list, tuple)):
                return type(value)(map(as_bytes, value))
            return value.encode()

        written = {"through_fields": AUTOMATIC, **option}
        written = {name: as_bytes(value) for name, value in written.items()}
        field = GM2MField(b"library.Movie", b"auth.User", to=to, **written)
        assert field.related_models == ("library.Movie", "auth.User")
        self.check(field, GM2MField(**option))

    def check(self, written, declared):
        """Nothing is to be done between the two forms, in either direction."""
        there, here = state(written), state(declared)
        assert MigrationAutodetector(there, here)._detect_changes() == {}
        assert MigrationAutodetector(here, there)._detect_changes() == {}

    def test_tells_a_change_all_the_same(self):
        before = state(GM2MField("library.Movie", through_fields=AUTOMATIC, to=None))
        after = state(GM2MField(pk_maxlength=36))
        changes = MigrationAutodetector(before, after)._detect_changes()
        (migration,) = changes["library"]
        assert [type(made).__name__ for made in migration.operations] == ["AlterField"]


MODELS = (
    """
from django.contrib.contenttypes.fields import GenericForeignKey
from gm2m.deletion import CASCADE_SIGNAL
"""
    + TARGETS
    + """
class User(models.Model):
    name = models.CharField(max_length=100)
    preferred_videos = GM2MField(Movie, "Opera", pk_maxlength=36)
    things = GM2MField(related_name="user_things")
    disliked_videos = GM2MField(
        "Movie", "self", related_name="enemies", related_query_name="enemy",
        on_delete=models.DO_NOTHING, on_delete_src=CASCADE_SIGNAL, db_constraint=False,
        verbose_name="what they dislike",
    )
class Playlist(models.Model):
    name = models.CharField(max_length=100)
    items = GM2MField(Movie, through="Entry", related_name="playlists")
class Entry(models.Model):
    playlist = models.ForeignKey(Playlist, models.CASCADE)
    kind = models.ForeignKey("contenttypes.ContentType", models.CASCADE)
    key = models.CharField(max_length=36)
    item = GenericForeignKey("kind", "key")
    note = models.CharField(max_length=20, default="new")
"""
)
#: What the library is made to do: its tables, by its own migrations, and rows.
MAKE = f"""
import json
import django
django.setup()
import gm2m
from django.core.management import call_command
call_command("makemigrations", "library", verbosity=0)
call_command("migrate", verbosity=0)
from library.models import *
targets = {{
    "Alien": Movie.objects.create(name="Alien"),
    "Brazil": Movie.objects.create(name="Brazil"),
    "Tosca": Opera.objects.create(pk="{TOSCA}", name="Tosca"),
    "Gig": Concert.objects.create(pk="gig", name="Gig"),
}}
for name, linked in {LINKS}.items():
    user = User.objects.create(name=name)
    # One by one, since it adds those of a call in any order.
    for target in linked:
        user.preferred_videos.add(targets[target])
    user.things.add(targets["Brazil"])
playlist = Playlist.objects.create(name="All")
for number, target in enumerate(targets.values()):
    Entry.objects.create(playlist=playlist, item=target, note=str(number))
call_command("dumpdata", "library", output="dump.json")
print(json.dumps(gm2m.__file__))
"""
EVERYTHING = {
    "User.preferred_videos": LINKS,
    "User.things": {"Jack": ["Brazil"], "Jill": ["Brazil"]},
    "User.disliked_videos": {"Jack": [], "Jill": []},
    "Playlist.items": {"All": ["Alien", "Brazil", "Tosca", "Gig"]},
}


@pytest.fixture
def existing(life, existing_library):
    """A project on the existing library, which is going to change to this one."""
    project = life.project
    project.write("library/migrations/__init__.py", "")
    project.models(MODELS)
    code = f"import sys\nsys.path.insert(0, {str(existing_library)!r})\n{MAKE}"
    made = life.server.run(code, project.path)
    assert json.loads(made).startswith(str(existing_library))
    return life


def test_tables_are_read_as_they_are(existing):
    code = """
said = quietly("migrate", verbosity=1)
found = {
    video.name: sorted(user.name for user in video.user_set.all())
    for model in (Movie, Opera) for video in model.objects.all()
}
gig = Concert.objects.get()
found["Gig"] = [
    user.name for user in User.objects.filter(preferred_videos=gig).order_by("name")
]
found["by name"] = [movie.name for movie in Movie.objects.filter(user__name="Jill")]
found["things"] = Movie.objects.get(name="Brazil").user_things.count()
found["playlists"] = Movie.objects.filter(playlists__name="All").count()
[changes(), said, links(installed), links(historical()), found]
"""
    changes, said, links, historical, seen_from_targets = existing.run(code)
    assert changes == ""
    assert "No migrations to apply." in said
    assert links == historical == EVERYTHING
    assert seen_from_targets == {
        **BACKLINKS,
        "by name": ["Brazil"],
        "things": 2,
        "playlists": 2,
    }


def test_tables_are_written_as_they_are(existing):
    code = """
jack = User.objects.get(name="Jack")
alien, tosca = Movie.objects.get(name="Alien"), Opera.objects.get()
before = rows("library_user_preferred_videos")
jack.preferred_videos.add(alien, tosca)
same = rows("library_user_preferred_videos") == before
jack.preferred_videos.remove(tosca)
made = jack.preferred_videos.create(Concert, pk="tour", name="Tour")
User.objects.get(name="Jill").preferred_videos.set([made, alien])
jack.things.clear()
alien.playlists.clear()
Playlist.objects.get().items.add(made, through_defaults={"note": "late"})
Movie.objects.get(name="Brazil").delete()
[same, links(installed)]
"""
    same, links = existing.run(code)
    assert same
    assert links == {
        "User.preferred_videos": {
            "Jack": ["Alien", "Gig", "Tour"],
            "Jill": ["Tour", "Alien"],
        },
        "User.things": {"Jack": [], "Jill": []},
        "User.disliked_videos": {"Jack": [], "Jill": []},
        "Playlist.items": {"All": ["Tosca", "Gig", "Tour"]},
    }


#: Makes the changes that are due, goes back and makes them again.
TO_AND_FRO = """
before = look()
makemigrations()
migrate()
after = look()
changed = changes()
migrate("library", "0001")
back = look()
migrate()
[changed, before, after, back, look()]
"""


def test_tables_can_be_altered(existing):
    """Also by migrations of ours, after those of the existing library."""
    after = MODELS.replace("pk_maxlength=36", "pk_maxlength=40")
    after = after.replace('_things"', '_things", db_constraint=False')
    existing.project.models(after.replace('"enemy",', '"enemy", db_table="hated",'))
    changes, before, after, back, again = existing.run(TO_AND_FRO)
    assert changes == ""
    for step in (before, after, back, again):
        assert step["links"] == EVERYTHING
    tables = after["tables"]
    columns = tables["library_user_preferred_videos"]["columns"]
    assert columns["gm2m_pk"] == "CharField(40)"
    assert tables["library_user_things"]["foreign_keys"] == {}
    assert "hated" in tables
    assert back["rows"] == before["rows"]


def test_models_and_fields_can_be_renamed(existing):
    after = MODELS.replace("User", "Person").replace("disliked_videos", "hated_videos")
    existing.project.models(after.replace("Movie", "Film"))
    changes, before, after, back, again = existing.run(TO_AND_FRO)
    assert changes == ""
    assert before["links"] == back["links"] == EVERYTHING
    assert (
        after["links"]
        == again["links"]
        == {
            name.replace("User", "Person").replace("disliked", "hated"): links
            for name, links in EVERYTHING.items()
        }
    )
    assert back["rows"] == before["rows"]


def test_table_can_be_dropped(existing):
    field = MODELS[MODELS.index("    preferred") : MODELS.index("    things")]
    existing.project.models(MODELS.replace(field, ""))
    code = """
makemigrations()
migrate()
after = schema()
migrate("library", "zero")
[changes(), sorted(after), schema()]
"""
    changes, after, last = existing.run(code)
    assert changes == ""
    assert "library_user_preferred_videos" not in after
    assert last == {}


def test_fixtures_are_loaded(existing):
    code = """
migrate("library", "zero")
migrate()
quietly("loaddata", "dump.json", verbosity=0)
links(installed)
"""
    found = existing.run(code)
    assert found.keys() == EVERYTHING.keys()
    for name, by_source in found.items():
        # The library writes them in an order of its own.
        assert {source: sorted(targets) for source, targets in by_source.items()} == {
            source: sorted(targets) for source, targets in EVERYTHING[name].items()
        }


def test_migrations_run_from_nothing(existing):
    """The files of the existing library make tables such as ours."""
    code = """
migrate("library", "zero")
migrate()
made = schema()
migrate("library", "zero")
quietly("migrate", "library", "zero", fake=True, verbosity=0)
[changes(), made]
"""
    changes, made = existing.run(code)
    assert changes == ""
    assert made["library_user_things"]["unique"] == [
        ["gm2m_src_id", "gm2m_ct_id", "gm2m_pk"]
    ]
    assert (
        made["library_user_preferred_videos"]["columns"]["gm2m_pk"] == "CharField(36)"
    )
    assert made["library_user_disliked_videos"]["foreign_keys"] == {}
