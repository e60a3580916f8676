"""The field on historical models: what a migration's ``RunPython`` can do with it."""

import json
from datetime import date

import pytest
from django.apps import apps as installed
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldError
from django.db.migrations.state import ProjectState
from django.db.models import Count, Prefetch

from tests.app.models import Movie, Opera, Playlist, User
from tests.evolution import TARGETS
from tests.test_migrations_alter import NAME, user

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def apps():
    """The models of the suite as a migration knows them."""
    return ProjectState.from_apps(installed).apps


@pytest.fixture
def models(apps):
    """Return historical models by their names."""
    return lambda name: apps.get_model("app", name)


@pytest.fixture
def jack(models):
    return models("User").objects.create(name="Jack")


@pytest.fixture
def alien(models):
    return models("Movie").objects.create(title="Alien", year=1979)


@pytest.fixture
def tosca(models):
    return models("Opera").objects.create(title="Tosca")


def present(user):
    """Return the same links as the models of today see them."""
    return list(User.objects.get(pk=user.pk).preferred_videos.all())


class TestWriting:
    def test_add(self, jack, alien, tosca):
        jack.preferred_videos.add(tosca, alien)
        jack.preferred_videos.add(alien)
        assert list(jack.preferred_videos.all()) == [tosca, alien]
        assert present(jack) == [
            Opera.objects.get(pk=tosca.pk),
            Movie.objects.get(pk=alien.pk),
        ]

    def test_keys_of_every_kind(self, models, jack, alien, tosca):
        objs = [
            tosca,
            models("Premiere").objects.create(day=date(2020, 1, 31)),
            models("Concert").objects.create(code="gig"),
            models("Poster").objects.create(opera=tosca),
            alien,
        ]
        jack.preferred_videos.add(*objs)
        assert list(jack.preferred_videos.all()) == objs
        assert [obj.pk for obj in present(jack)] == [obj.pk for obj in objs]

    def test_remove(self, jack, alien, tosca):
        jack.preferred_videos.add(alien, tosca)
        jack.preferred_videos.remove(alien)
        assert list(jack.preferred_videos.all()) == [tosca]

    def test_set(self, models, jack, alien, tosca):
        gig = models("Concert").objects.create(code="gig")
        jack.preferred_videos.add(alien, tosca)
        kept = models("User_preferred_videos").objects.get(gm2m_pk=str(tosca.pk))
        jack.preferred_videos.set([tosca, gig])
        assert list(jack.preferred_videos.all()) == [tosca, gig]
        assert models("User_preferred_videos").objects.filter(pk=kept.pk).exists()
        jack.preferred_videos.set([alien], clear=True)
        assert list(jack.preferred_videos.all()) == [alien]

    def test_assignment(self, jack, alien):
        jack.preferred_videos = [alien]
        assert list(jack.preferred_videos.all()) == [alien]

    def test_clear(self, models, jack, alien):
        jill = models("User").objects.create(name="Jill")
        for source in (jack, jill):
            source.preferred_videos.add(alien)
        jack.preferred_videos.clear()
        assert not jack.preferred_videos.exists()
        assert list(jill.preferred_videos.all()) == [alien]

    @pytest.mark.parametrize("by_name", [True, False])
    def test_create(self, models, jack, by_name):
        model = "app.Movie" if by_name else models("Movie")
        made = jack.preferred_videos.create(model, title="Brazil")
        again, created = jack.preferred_videos.get_or_create(model, title="Brazil")
        assert type(made) is models("Movie")
        assert (again, created) == (made, False)
        other, created = jack.preferred_videos.update_or_create(
            model, title="Brazil", defaults={"year": 1985}
        )
        assert (other, other.year, created) == (made, 1985, False)
        assert list(jack.preferred_videos.all()) == [made]

    def test_objects_of_models_that_no_field_declares(self, models, jack):
        book = models("Book").objects.create(title="Emma")
        jack.preferred_videos.add(book)
        assert list(jack.preferred_videos.all()) == [book]

    def test_objects_of_todays_models_are_refused_or_linked_as_such(
        self, models, jack, alien
    ):
        """Two classes of one model: what is linked is a row of its table."""
        today = Movie.objects.get(pk=alien.pk)
        jack.preferred_videos.add(today)
        assert list(jack.preferred_videos.all()) == [alien]

    @pytest.mark.parametrize("bad", [None, 3, "Alien", object()])
    def test_what_is_no_target(self, jack, alien, bad):
        jack.preferred_videos.add(alien)
        with pytest.raises(TypeError):
            jack.preferred_videos.set([bad])
        assert list(jack.preferred_videos.all()) == [alien]

    def test_what_is_not_saved(self, models, jack):
        with pytest.raises(ValueError, match="not saved"):
            jack.preferred_videos.add(models("Movie")(title="Brazil"))

    def test_key_that_is_too_long(self, models):
        undeclared = models("Undeclared").objects.create()
        with pytest.raises(ValueError, match="pk_maxlength"):
            undeclared.things.add(models("Opera").objects.create(title="Tosca"))


class TestReading:
    @pytest.fixture(autouse=True)
    def _links(self, jack, alien, tosca):
        jack.preferred_videos.add(tosca, alien)

    def test_yields_historical_objects(self, models, jack):
        classes = [type(target) for target in jack.preferred_videos.all()]
        assert classes == [models("Opera"), models("Movie")]

    def test_in_the_order_of_the_links(self, jack, alien, tosca):
        assert list(jack.preferred_videos.reverse()) == [alien, tosca]
        assert jack.preferred_videos.first() == tosca
        assert jack.preferred_videos.last() == alien
        assert jack.preferred_videos.all()[1] == alien

    def test_count_and_exists(self, jack):
        assert jack.preferred_videos.count() == 2
        assert jack.preferred_videos.exists()

    def test_contains(self, models, jack, alien):
        other = models("Movie").objects.create(title="Brazil")
        assert jack.preferred_videos.contains(alien)
        assert alien in jack.preferred_videos.all()
        assert not jack.preferred_videos.contains(other)

    @pytest.mark.parametrize("by_name", [True, False])
    def test_filter_by_model(self, models, jack, alien, tosca, by_name):
        movie = "app.Movie" if by_name else models("Movie")
        assert list(jack.preferred_videos.filter(Model=movie)) == [alien]
        assert list(jack.preferred_videos.exclude(Model=movie)) == [tosca]
        both = [movie, models("Opera")]
        assert list(jack.preferred_videos.filter(Model__in=both)) == [tosca, alien]
        assert jack.preferred_videos.get(Model=movie) == alien

    @pytest.mark.parametrize("by_name", [True, False])
    def test_instances_of_a_model(self, models, jack, alien, by_name):
        movies = jack.preferred_videos.instances_of(
            "app.Movie" if by_name else models("Movie")
        )
        assert movies.model is models("Movie")
        assert list(movies) == [alien]
        assert movies.filter(year__gt=1970).count() == 1
        assert not movies.filter(title="Brazil").exists()

    def test_iterator(self, jack, alien, tosca):
        assert list(jack.preferred_videos.iterator(1)) == [tosca, alien]

    def test_values(self, jack, alien, tosca):
        keys = jack.preferred_videos.values_list("gm2m_pk", flat=True)
        assert list(keys) == [str(tosca.pk), str(alien.pk)]

    def test_dangling_links_are_not_shown(self, models, jack, alien, tosca):
        models("Opera").objects.all().delete()
        # Nothing cascades from historical targets.
        assert jack.preferred_videos.count() == 2
        assert list(jack.preferred_videos.all()) == [alien]

    def test_prefetching(self, models, jack, alien, tosca, django_assert_num_queries):
        jill = models("User").objects.create(name="Jill")
        ContentType.objects.get_for_models(Movie, Opera)
        found = models("User").objects.order_by("name")
        found = list(found.prefetch_related("preferred_videos"))
        with django_assert_num_queries(0):
            targets = [list(source.preferred_videos.all()) for source in found]
        assert found == [jack, jill]
        assert targets == [[tosca, alien], []]

    def test_prefetching_with_a_queryset(self, models, jack, alien):
        lookup = Prefetch("preferred_videos", models("Movie").objects.all(), "movies")
        (found,) = models("User").objects.prefetch_related(lookup)
        assert found.movies == [alien]

    def test_lookups_on_the_field(self, models, jack, alien, tosca):
        users = models("User").objects
        users.create(name="Jill")
        assert users.get(preferred_videos=alien) == jack
        assert (
            users.filter(preferred_videos__in=[alien, tosca]).distinct().get() == jack
        )
        assert users.get(preferred_videos__isnull=True).name == "Jill"
        counted = users.annotate(number=Count("preferred_videos")).order_by("name")
        assert [source.number for source in counted] == [2, 0]

    def test_the_rows_between(self, models, jack, tosca):
        rows = models("User").preferred_videos.through
        assert rows is models("User_preferred_videos")
        row = rows.objects.order_by("pk").first()
        assert row.gm2m_src == jack
        assert row.gm2m_pk == str(tosca.pk)
        assert (row.gm2m_ct.app_label, row.gm2m_ct.model) == ("app", "opera")


class TestTargets:
    """Only the forward manager: targets know nothing of the field."""

    def test_have_no_accessor(self, models, jack, alien, tosca):
        jack.preferred_videos.add(alien, tosca)
        list(jack.preferred_videos.all())
        for name in ("Movie", "Opera", "Concert", "Book"):
            assert not hasattr(models(name), "user_set")

    def test_have_no_query_name(self, models, jack, alien):
        jack.preferred_videos.add(alien)
        with pytest.raises(FieldError, match="user"):
            models("Movie").objects.filter(user__name="Jack")

    def test_leave_nothing_behind(self, models, jack, alien):
        """Neither on the models of today nor in the registry of the migration."""
        before = [field.name for field in Movie._meta.get_fields(include_hidden=True)]
        jack.preferred_videos.add(alien)
        list(jack.preferred_videos.all())
        after = [field.name for field in Movie._meta.get_fields(include_hidden=True)]
        assert before == after
        assert models("User")._meta.get_field("preferred_videos").relations == {}

    def test_of_a_source_that_is_deleted_stay(self, models, jack, alien):
        jack.preferred_videos.add(alien)
        models("User").objects.all().delete()
        assert not models("User_preferred_videos").objects.exists()
        assert models("Movie").objects.get() == alien


class TestCustomThrough:
    def test_is_written_and_read(self, models):
        playlist = models("Playlist").objects.create()
        video = models("Video").objects.create(title="Clip")
        opera = models("Opera").objects.create(title="Tosca")
        playlist.items.add(video, through_defaults={"position": 2, "note": "last"})
        playlist.items.add(opera, through_defaults={"position": 1})
        # The order of the through model is a matter of its state, and kept.
        assert list(playlist.items.order_by("position")) == [opera, video]
        assert playlist.items.filter(Model=models("Video")).get() == video
        assert playlist.items.filter(note="last").get() == video
        made = playlist.items.create("app.Opera", title="Aida")
        playlist.items.remove(video)
        today = Playlist.objects.get().items.all()
        assert [target.title for target in today] == ["Aida", "Tosca"]
        playlist.items.set([made], through_defaults={"note": "only"})
        assert list(playlist.items.all()) == [made]
        playlist.items.clear()
        assert not models("PlaylistItem").objects.exists()

    @pytest.mark.parametrize(
        ("source", "name", "target"),
        [("Vault", "works", "Opera"), ("Shelf", "videos", "Video")],
    )
    def test_has_a_key_column_of_another_kind(self, models, source, name, target):
        targets = getattr(models(source).objects.create(), name)
        made = targets.create(f"app.{target}", title="Tosca")
        targets.add(made)
        assert list(targets.all()) == [made]
        assert list(targets.instances_of(models(target))) == [made]
        assert targets.count() >= 1
        with pytest.raises(TypeError):
            targets.add(models("Measure").objects.create(value=1.5))

    def test_is_known_by_another_field_of_the_source(self, models):
        rack = models("Rack").objects.create(code="A1")
        video = models("Video").objects.create(title="Clip")
        rack.discs.add(video, through_defaults={"note": "old"})
        assert list(rack.discs.all()) == [video]
        assert models("RackPlace").objects.get().rack_id == "A1"


class TestInMigrations:
    """Real ones, in a project."""

    #: A data migration; what it does stands in its function.
    text = """
import json
from django.db import migrations, models
from gm2m.fields import GM2MField

def links(apps):
    return {{
        source.name: [target.name for target in source.preferred_videos.all()]
        for source in apps.get_model("library", "User").objects.order_by("pk")
    }}

def tell(apps, schema_editor):
    print(json.dumps(links(apps)))

{functions}

class Migration(migrations.Migration):
    dependencies = [("library", "{after}")]
    operations = [
        {operations}
    ]
"""

    def write(self, life, name, operations, functions="", after="0001_initial"):
        life.project.write(
            f"library/migrations/{name}.py",
            self.text.format(operations=operations, functions=functions, after=after),
        )

    #: Fills empty tables, and takes everything back.
    make = """
def make(apps, schema_editor):
    get = apps.get_model
    alien = get("library", "Movie").objects.create(name="Alien")
    gig = get("library", "Concert").objects.create(code="gig", name="Gig")
    jack = get("library", "User").objects.create(name="Jack")
    jack.preferred_videos.add(gig, alien)
    jill = get("library", "User").objects.create(name="Jill")
    jill.preferred_videos.create("library.Opera", name="Tosca")

def unmake(apps, schema_editor):
    for user in apps.get_model("library", "User").objects.all():
        user.preferred_videos.clear()
"""
    made = {"Jack": ["Gig", "Alien"], "Jill": ["Tosca"]}

    def test_in_one_run_on_an_empty_database(self, life):
        """Content types are made after all migrations, so the field makes them."""
        self.write(life, "0002_make", "migrations.RunPython(make, unmake)", self.make)
        code = """
migrate()
types = ContentType.objects.filter(app_label="library").values_list("model", flat=True)
found = [links(installed), backlinks(), sorted(types)]
migrate("library", "0001")
[*found, links(historical()), changes()]
"""
        now, backlinks, types, back, changes = life.change(user(), user(), code)
        assert now == {NAME: self.made}
        assert backlinks == {
            "Alien": ["Jack"],
            "Gig": ["Jack"],
            "Tosca": ["Jill"],
        }
        assert types == ["concert", "movie", "opera", "user"]
        assert back == {NAME: {"Jack": [], "Jill": []}}
        assert changes == ""

    def told(self, life, models, *targets):
        """Return the lines that runs to these migrations print."""
        life.project.models(models)
        code = "\n".join(
            [
                "import django",
                "django.setup()",
                "from django.core.management import call_command",
                'call_command("migrate", verbosity=0)',
                'call_command("makemigrations", "--check", verbosity=0)',
                *(
                    f'call_command("migrate", "library", "{name}", verbosity=0)'
                    for name in targets
                ),
            ]
        )
        said = life.server.run(code, life.project.path)
        return [json.loads(line) for line in said.splitlines()]

    def test_before_and_after_a_target_is_renamed(self, life):
        operations = [
            "migrations.RunPython(make, unmake)",
            "migrations.RunPython(tell)",
            "migrations.RenameModel('Movie', 'Film')",
            "migrations.RunPython(tell)",
        ]
        life.start(user())
        self.write(life, "0002_make", ",\n".join(operations), self.make)
        assert self.told(life, user().replace("Movie", "Film")) == [self.made] * 2

    def test_undone_after_a_target_was_renamed(self, life):
        """
        In a run of its own: migrations that are undone together know the targets of the
        first of them, as nothing tells Django that a source has to do with a target.
        """
        life.start(user())
        self.write(life, "0002_make", "migrations.RunPython(make, unmake)", self.make)
        rename = "migrations.RenameModel('Movie', 'Film')"
        self.write(life, "0003_rename", rename, after="0002_make")
        tell = "migrations.RunPython(tell, tell)"
        self.write(life, "0004_tell", tell, after="0003_rename")
        models = user().replace("Movie", "Film")
        targets = ["0003", "0002", "0001"]
        assert self.told(life, models, *targets) == [self.made] * 2

    @pytest.mark.parametrize("added", [True, False])
    def test_before_and_after_a_target_has_changed(self, life, added):
        column = "models.IntegerField(default=1979)"
        change = (
            f"migrations.AddField('Movie', 'year', {column})"
            if added
            else "migrations.RemoveField('Movie', 'year')"
        )
        operations = [
            "migrations.RunPython(make, unmake)",
            "migrations.RunPython(tell)",
            change,
            "migrations.RunPython(tell)",
        ]
        functions = (
            self.make
            + """
def links(apps):
    jack = apps.get_model("library", "User").objects.get(name="Jack")
    targets = jack.preferred_videos.all()
    return [getattr(target, "year", target.name) for target in targets]
"""
        )
        self.write(life, "0002_make", ",\n".join(operations), functions)
        without = user()
        with_it = without.replace("class Opera", f"    year = {column}\nclass Opera")
        versions = (without, with_it) if added else (with_it, without)
        life.start(versions[0])
        told = [["Gig", "Alien"], ["Gig", 1979]]
        expected = told if added else told[::-1]
        assert self.told(life, versions[1]) == expected

    def test_when_two_models_change_names(self, life):
        """What was a movie is no concert, though its content type's name was there."""
        operations = [
            "migrations.RunPython(make, unmake)",
            "migrations.RunPython(tell)",
            "migrations.RenameModel('Movie', 'Third')",
            "migrations.RenameModel('Concert', 'Movie')",
            "migrations.RenameModel('Third', 'Concert')",
            "migrations.RunPython(tell)",
        ]
        life.start(user())
        self.write(life, "0002_make", ",\n".join(operations), self.make)
        models = user().replace("Movie", "Third").replace("Concert", "Movie")
        assert self.told(life, models.replace("Third", "Concert")) == [self.made] * 2

    def test_with_a_custom_through(self, life):
        models = (
            TARGETS
            + """
from django.contrib.contenttypes.fields import GenericForeignKey
class Entry(models.Model):
    user = models.ForeignKey("User", models.CASCADE)
    kind = models.ForeignKey("contenttypes.ContentType", models.CASCADE)
    key = models.CharField(max_length=36)
    item = GenericForeignKey("kind", "key")
    note = models.CharField(max_length=20, default="new")
class User(models.Model):
    name = models.CharField(max_length=100)
    preferred_videos = GM2MField(through=Entry)
"""
        )
        operations = [
            "migrations.RunPython(make, unmake)",
            "migrations.RunPython(tell, tell)",
            "migrations.RenameModel('Entry', 'Place')",
            "migrations.RenameField('Place', 'key', 'object_id')",
            "migrations.AlterField('User', 'preferred_videos', GM2MField("
            "through='library.Place', "
            "through_fields=['user', 'item', 'kind', 'object_id']))",
            "migrations.RunPython(tell, tell)",
        ]
        functions = self.make.replace(
            "alien)\n    jill", "alien, through_defaults={'note': 'old'})\n    jill"
        )
        life.start(models)
        self.write(life, "0002_make", ",\n".join(operations), functions)
        after = models.replace("Entry", "Place").replace('"key"', '"object_id"')
        after = after.replace("    key =", "    object_id =")
        # The through model is related to the source, and so is always up to date.
        assert self.told(life, after, "0001") == [self.made] * 4

    def test_with_targets_of_another_app(self, life):
        """Their state has to be a dependency of the migration, as for any relation."""
        life.project.settings(
            apps=["django.contrib.contenttypes", "gm2m", "books", "library"]
        )
        life.project.write("books/__init__.py", "")
        life.project.write("books/migrations/__init__.py", "")
        life.project.write(
            "books/models.py",
            "from django.db import models\n"
            "class Book(models.Model):\n"
            "    name = models.CharField(max_length=100)\n",
        )
        life.project.write(
            "books/migrations/0001_initial.py",
            """
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Book", [
            ("id", models.BigAutoField(auto_created=True, primary_key=True,
                                       serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=100)),
        ]),
    ]
""",
        )
        functions = """
def make(apps, schema_editor):
    emma = apps.get_model("books", "Book").objects.create(name="Emma")
    jack = apps.get_model("library", "User").objects.create(name="Jack")
    jack.preferred_videos.add(emma)
    jack.preferred_videos.create("books.Book", name="Ulysses")
"""
        self.write(
            life,
            "0002_make",
            "migrations.RunPython(make), migrations.RunPython(tell)",
            functions,
        )
        path = "library/migrations/0002_make.py"
        text = (life.project.path / path).read_text()
        life.project.write(
            path, text.replace("ies = [", 'ies = [("books", "0001_initial"), ')
        )
        told = life.change(
            user(), user(), "[quietly('migrate', verbosity=0), links(installed)]"
        )
        expected = {"Jack": ["Emma", "Ulysses"]}
        assert told == [str(expected).replace("'", '"') + "\n", {NAME: expected}]

    def test_moving_from_an_ordinary_many_to_many(self, life):
        """The way that keeps the links: a new field, a copy, the old field removed."""
        before = user("").replace("GM2MField(Movie, ", "models.ManyToManyField(Movie")
        operations = [
            "migrations.RunPython(make)",
            "migrations.RenameField('User', 'preferred_videos', 'old')",
            "migrations.AddField('User', 'preferred_videos', "
            "GM2MField(pk_maxlength=36))",
            "migrations.RunPython(copy)",
            "migrations.RemoveField('User', 'old')",
            "migrations.RunPython(tell)",
        ]
        functions = """
def make(apps, schema_editor):
    jack = apps.get_model("library", "User").objects.create(name="Jack")
    for name in ("Alien", "Brazil"):
        jack.preferred_videos.create(name=name)

def copy(apps, schema_editor):
    for source in apps.get_model("library", "User").objects.all():
        source.preferred_videos.set(source.old.order_by("pk"))
"""
        self.write(life, "0002_make", ",\n".join(operations), functions)
        path = "library/migrations/0002_make.py"
        text = (
            (life.project.path / path)
            .read_text()
            .replace(
                "ies = [", 'ies = [("contenttypes", "0002_remove_content_type_name"), '
            )
        )
        # PostgreSQL changes no table of which rows were written in the transaction.
        text = text.replace("    operations", "    atomic = False\n    operations")
        life.project.write(path, text)
        code = "[quietly('migrate', verbosity=0), links(installed), changes()]"
        said, links, changes = life.change(before, user(), code)
        assert said == '{"Jack": ["Alien", "Brazil"]}\n'
        assert links == {NAME: {"Jack": ["Alien", "Brazil"]}}
        assert changes == ""
