"""
The way from django-gm2m 1.4 to this library, as ``docs/howto/upgrade.md`` tells it,
with data and fixtures of many shapes, all of which have to be there afterwards.
"""

import json
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

MODELS = """
import uuid
from django.contrib.contenttypes.fields import GenericForeignKey
from gm2m import deletion

class Movie(models.Model):
    name = models.CharField(max_length=100)
class Documentary(Movie):
    about = models.CharField(max_length=100, default="all")
class Opera(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=100)
class Concert(models.Model):
    code = models.CharField(max_length=60, primary_key=True)
    name = models.CharField(max_length=100)
class Poster(models.Model):
    name = models.CharField(max_length=100)
class SongManager(models.Manager):
    def get_by_natural_key(self, name):
        return self.get(name=name)
class Song(models.Model):
    name = models.CharField(max_length=100, unique=True)
    objects = SongManager()
    def natural_key(self):
        return (self.name,)
class Person(models.Model):
    name = models.CharField(max_length=100)
    class Meta:
        abstract = True
class User(Person):
    videos = GM2MField(Movie, "Documentary", "Opera", "Concert", pk_maxlength=60)
    songs = GM2MField("Song", related_name="singers")
    things = GM2MField(related_name="user_things", db_constraint=False)
    kept = GM2MField(
        Movie, "self", related_name="keepers", on_delete=models.DO_NOTHING,
        on_delete_src=deletion.CASCADE_SIGNAL, on_delete_tgt=deletion.DO_NOTHING,
    )
    seen = models.ManyToManyField(Movie, related_name="seers")
class Critic(User):
    panned = GM2MField(Movie, related_name="critics")
class Playlist(models.Model):
    name = models.CharField(max_length=100)
    items = GM2MField(Movie, through="Entry", related_name="playlists")
class Entry(models.Model):
    playlist = models.ForeignKey(Playlist, models.CASCADE)
    kind = models.ForeignKey("contenttypes.ContentType", models.CASCADE)
    key = models.CharField(max_length=60)
    item = GenericForeignKey("kind", "key")
    note = models.CharField(max_length=20, default="new")
"""
TARGETS = {
    "videos": ["Alien", "Vinyl", "Tosca", "Gig"],
    "songs": ["Help!", "Yes & No"],
    "things": ["Alien", "Poster", "Vinyl"],
    "kept": ["Brazil", "Jack"],
}
#: What the library is made to do: its tables by its migrations, rows and fixtures.
MAKE = f"""
import json
import django
django.setup()
import gm2m
from django.core.management import call_command
call_command("makemigrations", "library", verbosity=0)
call_command("migrate", verbosity=0)
from library.models import *
jack, jill = (User.objects.create(name=name) for name in ("Jack", "Jill"))
joan = Critic.objects.create(name="Joan")
targets = {{
    "Alien": Movie.objects.create(name="Alien"),
    "Brazil": Movie.objects.create(name="Brazil"),
    "Vinyl": Documentary.objects.create(name="Vinyl"),
    "Tosca": Opera.objects.create(name="Tosca"),
    "Gig": Concert.objects.create(pk="it's <1> & 100 %", name="Gig"),
    "Poster": Poster.objects.create(name="Poster"),
    "Help!": Song.objects.create(name="Help!"),
    "Yes & No": Song.objects.create(name="Yes & No"),
    "Jack": jack,
}}
for user in jack, joan:
    for name, linked in {TARGETS}.items():
        # One by one, since it adds those of a call in any order.
        for target in linked:
            getattr(user, name).add(targets[target])
jack.seen.add(targets["Alien"], targets["Brazil"])
joan.panned.add(targets["Alien"])
playlist = Playlist.objects.create(name="All")
for number, target in enumerate(["Vinyl", "Alien", "Tosca"]):
    Entry.objects.create(playlist=playlist, item=targets[target], note=str(number))
def dump(name, **options):
    call_command("dumpdata", "library", output=name, **options)
for format in ("json", "yaml", "xml"):
    dump("dump." + format, format=format)
    dump("songs." + format, format=format, use_natural_foreign_keys=True,
         exclude=["library.entry"])
print(json.dumps(gm2m.__file__))
"""
#: What is linked by the library, in the rows of the tables between.
LOOK = """
def linked(sort=False):
    found = {}
    for model, names in (
        (User, ["videos", "songs", "things", "kept"]), (Critic, ["panned"]),
        (Playlist, ["items"]),
    ):
        for name in names:
            for source in model.objects.order_by("pk"):
                got = [target.name for target in getattr(source, name).all()]
                found[f"{source.name}.{name}"] = sorted(got) if sort else got
    found["seen"] = sorted(movie.name for movie in User.objects.first().seen.all())
    return found
"""
EVERYTHING = {
    **{f"Jack.{name}": linked for name, linked in TARGETS.items()},
    **{f"Jill.{name}": [] for name in TARGETS},
    **{f"Joan.{name}": linked for name, linked in TARGETS.items()},
    "Joan.panned": ["Alien"],
    "All.items": ["Vinyl", "Alien", "Tosca"],
    "seen": ["Alien", "Brazil"],
}
SORTED = {name: sorted(linked) for name, linked in EVERYTHING.items()}


@pytest.fixture
def upgraded(life, existing_library):
    """A project that has changed from the existing library to this one just now."""
    project = life.project
    project.settings(more="SILENCED_SYSTEM_CHECKS += ['gm2m.W301', 'gm2m.E206']\n")
    project.write("library/migrations/__init__.py", "")
    project.models(MODELS)
    code = f"import sys\nsys.path.insert(0, {str(existing_library)!r})\n{MAKE}"
    made = life.server.run(code, project.path)
    assert json.loads(made).startswith(str(existing_library))
    project.settings()
    return life


def test_every_row_is_found(upgraded):
    code = f"""
{LOOK}
said = quietly("migrate", verbosity=1)
alien = Movie.objects.get(name="Alien")
back = [
    sorted(user.name for user in alien.user_set.all()),
    sorted(user.name for user in alien.user_things.all()),
    sorted(user.name for user in Documentary.objects.get().user_set.all()),
    sorted(song.singers.count() for song in Song.objects.all()),
    [user.name for user in User.objects.filter(videos__opera__name="Tosca")],
    [user.name for user in User.objects.filter(videos=Concert.objects.get())],
    [concert.name for concert in Concert.objects.filter(user__name="Joan")],
    Poster.objects.get().user_things.count(),
    [critic.name for critic in alien.critics.all()],
]
[linked(), changes(), "No migrations to apply." in said, back]
"""
    found, changes, nothing_to_do, back = upgraded.run(code)
    assert found == EVERYTHING
    assert changes == ""
    assert nothing_to_do
    assert back == [
        ["Jack", "Joan"],
        ["Jack", "Joan"],
        ["Jack", "Joan"],
        [2, 2],
        ["Jack", "Joan"],
        ["Jack", "Joan"],
        ["Gig"],
        2,
        ["Joan"],
    ]


def test_deletion_obeys_its_options(upgraded):
    code = """
Movie.objects.get(name="Brazil").delete()
Movie.objects.get(name="Alien").delete()
left = [User.kept.through.objects.count(), User.videos.through.objects.count()]
Critic.objects.get().delete()
[left, User.kept.through.objects.count(), User.videos.through.objects.count()]
"""
    assert upgraded.run(code) == [[4, 6], 2, 3]


@pytest.mark.parametrize("format", ["json", "yaml"])
@pytest.mark.parametrize("name", ["dump", "songs"])
def test_fixtures_are_loaded(upgraded, format, name):
    found = load(upgraded, f"{name}.{format}")
    if name == "songs":
        assert found.pop("All.items") == []
        assert found == {key: SORTED[key] for key in found}
    else:
        assert found == SORTED


def load(upgraded, fixture):
    """Return what is linked, in the order of names, after a fixture was loaded."""
    return upgraded.run(f"""
{LOOK}
migrate("library", "zero")
migrate()
quietly("loaddata", "{fixture}", verbosity=0)
linked(sort=True)
""")


@pytest.mark.parametrize("place", ["in place", "elsewhere"])
def test_xml_is_converted(upgraded, place):
    path = upgraded.project.path
    old = (path / "dump.xml").read_text()
    output = "dump.xml" if place == "in place" else "new.xml"
    assert "is no link" in upgraded.project.fail("loaddata", "dump.xml")
    said = upgraded.project.manage(
        "gm2m_convert_fixture", "dump.xml", "--output", output
    )
    assert said == "23 links converted.\n"
    if place == "elsewhere":
        assert (path / "dump.xml").read_text() == old
    assert load(upgraded, output) == SORTED
    # What is in the new form stays as it is.
    assert upgraded.project.manage("gm2m_convert_fixture", output, "-o", output) == (
        "0 links converted.\n"
    )


def test_xml_that_has_lost_keys(upgraded):
    """Natural keys were asked for, and most of the models have none."""
    path = upgraded.project.path
    before = (path / "songs.xml").read_text()
    message = upgraded.project.fail(
        "gm2m_convert_fixture", "songs.xml", "--output", "songs.xml"
    )
    # In which order it writes links, the library leaves to the database.
    assert re.sub(r"library\.[a-z]+ without", "MODEL without", message) == (
        'CommandError: library.user.videos of the object "1" has a link to an object '
        "of MODEL without its key: django-gm2m 1.x loses it where natural keys are "
        "asked for and the model has none. Dump again without --natural-foreign.\n"
    )
    assert (path / "songs.xml").read_text() == before


NATURAL = """<?xml version="1.0" encoding="utf-8"?>
<django-objects version="1.0">
<object model="library.song" pk="1"><field name="name" type="CharField">Help!</field>
</object>
<object model="library.user" pk="1"><field name="name" type="CharField">Jack</field>
<field name="songs" rel="GM2MRel" to="gm2m.model"><object pk="7">
<contenttype app="library" model="song"></contenttype><natural>Help!</natural></object>
</field>
</object>
</django-objects>
"""


def test_xml_with_natural_keys(upgraded):
    upgraded.project.write("natural.xml", NATURAL)
    upgraded.project.manage("gm2m_convert_fixture", "natural.xml", "-o", "natural.xml")
    code = """
migrate("library", "zero")
migrate()
quietly("loaddata", "natural.xml", verbosity=0)
[song.name for song in User.objects.get().songs.all()]
"""
    assert upgraded.run(code) == ["Help!"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        "<django-objects>",
        '<!DOCTYPE x [<!ENTITY e "e">]><django-objects>&e;</django-objects>',
    ],
    ids=["empty", "no XML", "half", "entities"],
)
def test_files_that_cannot_be_read(tmp_path, text):
    path = tmp_path / "fixture.xml"
    path.write_text(text)
    with pytest.raises(CommandError, match=r"fixture\.xml is no XML that can be read"):
        call_command("gm2m_convert_fixture", str(path))
    with pytest.raises(CommandError, match=r"nowhere\.xml cannot be read"):
        call_command("gm2m_convert_fixture", str(tmp_path / "nowhere.xml"))


def test_output(tmp_path):
    path, out = tmp_path / "fixture.xml", StringIO()
    path.write_text(NATURAL)
    call_command("gm2m_convert_fixture", str(path), stdout=out)
    assert "<natural>library</natural><natural>song</natural>" in out.getvalue()
    assert path.read_text() == NATURAL


UPGRADE = """
from django.db import migrations
from gm2m.operations import UpgradeGM2MIndexes

class Migration(migrations.Migration):
    atomic = False
    dependencies = [("library", "0001_initial")]
    operations = [
        UpgradeGM2MIndexes("user", "videos"),
        UpgradeGM2MIndexes("user", "songs"),
        UpgradeGM2MIndexes("user", "things"),
        UpgradeGM2MIndexes("user", "kept"),
        UpgradeGM2MIndexes("critic", "panned"),
    ]
"""


def test_tables_get_the_new_indexes(upgraded):
    """The check says who needs it, and an operation does it: forwards and back."""
    project = upgraded.project
    project.settings(more="SILENCED_SYSTEM_CHECKS = ['gm2m.W302', 'gm2m.W303']\n")
    told = project.process("-m", "django", "check", "--database", "default").stderr
    assert told.count("(gm2m.W304)") == 5
    assert told.count("Run gm2m.operations.UpgradeGM2MIndexes in a migration.") == 5
    project.write("library/migrations/0002_indexes.py", UPGRADE)
    code = f"""
{LOOK}
before = schema()
migrate()
after = schema()
migrate("library", "0001")
back = schema()
migrate()
# As they are in a new database.
had = schema(), linked(), changes()
migrate("library", "zero")
migrate("library", "0001")
[back == before, had[0] == after == schema(), *had[1:]]
"""
    assert upgraded.run(code) == [True, True, EVERYTHING, ""]
    assert "W304" not in project.manage("check", "--database", "default")
