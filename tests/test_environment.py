"""
Under test runners and what they do: flushing, copying and keeping databases, changing
the installed apps, and content types that come and go.
"""

import io
import uuid

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth.models import User as Account
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import models
from django.db.models import Count
from django.test import modify_settings, override_settings
from django.test.utils import isolate_apps

from gm2m import GM2MField

from .app.models import (
    Book,
    Concert,
    Documentary,
    Exhibit,
    Friend,
    Gallery,
    Movie,
    Opera,
    Playlist,
    PlaylistItem,
    Undeclared,
    User,
    Video,
)

Link = User.preferred_videos.through
AIDA = uuid.UUID("0b6c1b4e-9fd9-4f3d-8a55-2f6f0f6d2a10")


def make_jack():
    """Return a user with links, and their targets."""
    jack = User.objects.create(name="Jack")
    targets = [
        Movie.objects.create(title="film"),
        Documentary.objects.create(title="report"),
        Opera.objects.create(pk=AIDA, title="Aida"),
        Concert.objects.create(code="c-1", title="concert"),
    ]
    jack.preferred_videos.add(*targets)
    return jack, targets


def check_everything():
    """Use the field from both ends, declared and undeclared."""
    jack, targets = make_jack()
    assert list(jack.preferred_videos.all()) == targets
    assert list(jack.preferred_videos.filter(Model=Opera)) == targets[2:3]
    assert list(jack.preferred_videos.instances_of(Movie)) == targets[:1]
    for target in targets:
        users = User.objects.filter(preferred_videos=target)
        assert list(users) == list(target.user_set.all()) == [jack]
        found = type(target).objects.filter(user__name="Jack").annotate(Count("user"))
        assert [(one, one.user__count) for one in found] == [(target, 1)]
    (found,) = User.objects.filter(pk=jack.pk).prefetch_related("preferred_videos")
    assert list(found.preferred_videos.all()) == targets
    book, undeclared = Book.objects.create(title="x"), Undeclared.objects.create()
    undeclared.things.add(book)
    assert list(Book.objects.filter(thing_holders=undeclared)) == [book]
    assert list(book.thing_holders.all()) == [undeclared]
    book.delete()
    assert not undeclared.things.exists()
    targets[2].delete()
    assert jack.preferred_videos.count() == 3
    jack.delete()
    assert not Link.objects.exists()
    for target in (*targets[:2], targets[3]):
        target.delete()


@pytest.mark.django_db
class TestContentTypes:
    def test_cache_may_be_cleared_at_any_time(self):
        jack, targets = make_jack()
        ContentType.objects.clear_cache()
        assert list(jack.preferred_videos.all()) == targets
        users = User.objects.filter(preferred_videos__in=targets).distinct()
        operas = Opera.objects.filter(user__name="Jack")
        manager, reverse = jack.preferred_videos, targets[0].user_set
        ContentType.objects.clear_cache()
        assert list(users) == [jack]
        ContentType.objects.clear_cache()
        assert list(operas) == [targets[2]]
        ContentType.objects.clear_cache()
        manager.remove(targets[0])
        ContentType.objects.clear_cache()
        assert not reverse.exists()
        ContentType.objects.clear_cache()
        manager.set(targets)
        ContentType.objects.clear_cache()
        targets[2].delete()
        assert manager.count() == 3

    def test_keys_may_change(self):
        # As between two tests of which one has flushed the database.
        jack, targets = make_jack()
        users = User.objects.filter(preferred_videos=targets[0])
        movies = Movie.objects.filter(user=jack)
        columns = User.objects.values_list("preferred_videos__movie__title", flat=True)
        manager = jack.preferred_videos
        typed = manager.filter(Model=Movie)
        querysets = (users, movies, columns, typed)
        for queryset in querysets:
            assert len(queryset.all()) > 0
        before = ContentType.objects.get_for_model(Movie).pk
        Link.objects.all().delete()
        ContentType.objects.all().delete()
        ContentType.objects.clear_cache()
        manager.add(*reversed(targets))
        assert ContentType.objects.get_for_model(Movie).pk != before
        assert list(users.all()) == [jack]
        assert list(movies.all()) == list(typed.all()) == targets[:1]
        assert sorted(filter(None, columns.all())) == ["film"]
        ContentType.objects.clear_cache()

    def test_may_be_missing(self):
        # They are made by whoever needs them first.
        ContentType.objects.all().delete()
        ContentType.objects.clear_cache()
        film = Movie.objects.create(title="film")
        assert not User.objects.filter(preferred_videos=film).exists()
        assert not film.user_set.exists()
        film.delete()
        ContentType.objects.all().delete()
        ContentType.objects.clear_cache()
        check_everything()
        ContentType.objects.clear_cache()


def stale_link(source, app_label="app", model="gone"):
    """Link an object of a model that there is no more; return its content type."""
    stale = ContentType.objects.create(app_label=app_label, model=model)
    source.preferred_videos.through.objects.create(
        gm2m_src=source, gm2m_ct=stale, gm2m_pk="1"
    )
    return stale


@pytest.mark.django_db
class TestRemoveStaleContentTypes:
    @pytest.fixture
    def jack(self):
        jack, self.targets = make_jack()
        self.stale = stale_link(jack)
        yield jack
        ContentType.objects.clear_cache()

    def test_links_go_with_their_content_type(self, jack):
        assert jack.preferred_videos.count() == 5
        call_command("remove_stale_contenttypes", interactive=False, verbosity=0)
        assert not ContentType.objects.filter(model="gone").exists()
        assert jack.preferred_videos.count() == 4
        assert list(jack.preferred_videos.all()) == self.targets

    @pytest.mark.parametrize(("answer", "count"), [("yes", 4), ("no", 5)])
    def test_what_goes_is_listed(self, jack, answer, count, monkeypatch):
        monkeypatch.setattr("builtins.input", lambda *args: answer)
        out = io.StringIO()
        call_command("remove_stale_contenttypes", verbosity=2, stdout=out)
        assert "Content type for app.gone" in out.getvalue()
        assert f"1 {Link._meta.label} object(s)" in out.getvalue()
        assert jack.preferred_videos.count() == count
        assert list(jack.preferred_videos.all()) == self.targets

    def test_of_an_app_that_was_removed(self, jack):
        stale_link(jack, "removed_app", "thing")
        call_command("remove_stale_contenttypes", interactive=False, verbosity=0)
        assert jack.preferred_videos.count() == 5
        call_command(
            "remove_stale_contenttypes",
            interactive=False,
            verbosity=0,
            include_stale_apps=True,
        )
        assert jack.preferred_videos.count() == 4

    def test_links_of_a_through_of_ones_own(self, jack):
        playlist, video = Playlist.objects.create(), Video.objects.create(title="x")
        playlist.items.add(video)
        PlaylistItem.objects.create(
            playlist=playlist, content_type=self.stale, object_id="1"
        )
        call_command("remove_stale_contenttypes", interactive=False, verbosity=0)
        assert list(playlist.items.all()) == [video]
        assert playlist.items.count() == 1

    def test_no_model_in_use_is_stale(self, jack):
        before = ContentType.objects.count()
        call_command(
            "remove_stale_contenttypes",
            interactive=False,
            verbosity=0,
            include_stale_apps=True,
        )
        assert ContentType.objects.count() == before - 1


@pytest.mark.django_db(transaction=True)
class TestFlush:
    @pytest.fixture(autouse=True)
    def cold_cache(self, transactional_db):
        yield
        ContentType.objects.clear_cache()

    def test_links_go_and_adding_works_again(self):
        make_jack()
        before = ContentType.objects.get_for_model(Movie).pk
        call_command("flush", interactive=False, verbosity=0, reset_sequences=False)
        assert not Link.objects.exists()
        # Made anew, after the old ones.
        assert ContentType.objects.get_for_model(Movie).pk > before
        check_everything()

    def test_querysets_outlive_it(self):
        make_jack()
        films = Movie.objects.filter(user__name="Jack")
        users = User.objects.filter(preferred_videos__movie__title="film")
        operas = User.objects.filter(preferred_videos__opera=AIDA)
        assert (len(films.all()), len(users.all()), len(operas.all())) == (1, 1, 1)
        call_command("flush", interactive=False, verbosity=0, reset_sequences=False)
        assert (len(films.all()), len(users.all()), len(operas.all())) == (0, 0, 0)
        make_jack()
        assert (len(films.all()), len(users.all()), len(operas.all())) == (1, 1, 1)

    def test_content_types_may_be_left_out(self):
        # As for a TransactionTestCase with available_apps.
        make_jack()
        call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
        ContentType.objects.clear_cache()
        assert not ContentType.objects.exists()
        check_everything()

    def test_fixture_with_links_can_be_loaded_afterwards(self, tmp_path):
        jack, targets = make_jack()
        gallery = Gallery.objects.create()
        gallery.works.add(Exhibit.objects.create(name="x"))
        playlist = Playlist.objects.create()
        playlist.items.add(Opera.objects.get(), through_defaults={"note": "first"})
        file = tmp_path / "all.json"
        # The through model of one's own keeps a plain key to the content types.
        call_command("dumpdata", "app", use_natural_foreign_keys=True, output=file)
        call_command("flush", interactive=False, verbosity=0, reset_sequences=False)
        assert not User.objects.exists()
        call_command("loaddata", file, verbosity=0)
        jack = User.objects.get()
        assert list(jack.preferred_videos.all()) == targets
        assert [work.name for work in Gallery.objects.get().works.all()] == ["x"]
        for target in targets:
            assert list(type(target).objects.get(pk=target.pk).user_set.all()) == [jack]


@pytest.mark.django_db
class TestRegistry:
    def test_cache_of_the_apps_may_be_cleared(self):
        check_everything()
        apps.clear_cache()
        check_everything()

    def test_cache_of_the_apps_may_be_cleared_between_two_steps(self):
        jack, targets = make_jack()
        book, undeclared = Book.objects.create(title="x"), Undeclared.objects.create()
        undeclared.things.add(book)
        apps.clear_cache()
        # Found by the collector, before anything has been looked up.
        book.delete()
        assert not undeclared.things.exists()
        apps.clear_cache()
        assert "user" in {field.name for field in Opera._meta.get_fields()}
        apps.clear_cache()
        assert list(Opera.objects.filter(user=jack)) == [targets[2]]
        apps.clear_cache()
        assert Opera._meta.get_field("user").many_to_many
        apps.clear_cache()
        assert list(User.objects.filter(preferred_videos__opera=AIDA)) == [jack]

    def test_isolated_models_leave_nothing_on_others(self):
        film = Movie.objects.create(title="film")
        before = {field.name for field in Movie._meta.get_fields(include_hidden=True)}
        with isolate_apps("tests.app"):

            class Isolated(models.Model):
                things = GM2MField(Movie, Exhibit, related_name="+")
                more = GM2MField(Movie, related_name="isolated_set")

                class Meta:
                    app_label = "app"

        after = {field.name for field in Movie._meta.get_fields(include_hidden=True)}
        assert after == before
        # Whose tables are nowhere: nothing may look for their links.
        film.delete()
        Exhibit.objects.create().delete()

    def test_isolated_models_do_not_change_the_names_of_others(self):
        make_jack()
        with isolate_apps("tests.app"):

            class Movie(models.Model):
                fans = GM2MField("self")

                class Meta:
                    app_label = "app"

        assert User.objects.filter(preferred_videos__movie__title="film").exists()
        assert not hasattr(Opera, "movie_set")

    @pytest.mark.parametrize(
        "change",
        [
            {"remove": "gm2m"},
            {"remove": "django.contrib.admin"},
            {"append": "django.contrib.humanize"},
            {"prepend": "django.contrib.humanize"},
            {"remove": ["django.contrib.sessions", "django.contrib.messages"]},
        ],
        ids=str,
    )
    def test_installed_apps_may_be_changed(self, change):
        with modify_settings(INSTALLED_APPS=change):
            check_everything()
        check_everything()

    def test_order_of_the_apps_may_be_changed(self):
        names = django_settings.INSTALLED_APPS
        with override_settings(INSTALLED_APPS=names[::-1]):
            check_everything()
        check_everything()

    def test_links_of_an_app_that_is_not_installed_are_not_shown(self):
        friend, account = Friend.objects.create(), Account.objects.create(username="x")
        friend.friends.add(friend, account)
        removed = ["django.contrib.admin", "django.contrib.auth"]
        with modify_settings(INSTALLED_APPS={"remove": removed}):
            ContentType.objects.clear_cache()
            assert list(friend.friends.all()) == [friend]
            assert friend.friends.count() == 2
            (found,) = Friend.objects.prefetch_related("friends")
            assert list(found.friends.all()) == [friend]
        assert list(friend.friends.all()) == [friend, account]
        assert list(account.befriended_by.all()) == [friend]

    def test_app_of_the_field_may_be_away_for_a_while(self):
        with modify_settings(INSTALLED_APPS={"remove": "tests.app"}):
            assert not apps.is_installed("tests.app")
        check_everything()


# Projects of their own, under the runners.

MODELS = """
import uuid


class Movie(models.Model):
    title = models.CharField(max_length=100)


class Opera(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=100)


class Book(models.Model):
    title = models.CharField(max_length=100)


class User(models.Model):
    name = models.CharField(max_length=100)
    things = GM2MField(Movie, Opera, pk_maxlength=36)
"""

DATA = """
from django.db import migrations


def forwards(apps, schema_editor):
    user, movie, opera, book = (
        apps.get_model("library", name) for name in ("User", "Movie", "Opera", "Book")
    )
    user.objects.create(name="initial").things.add(
        movie.objects.create(title="initial"),
        opera.objects.create(title="initial"),
        book.objects.create(title="initial"),
    )


class Migration(migrations.Migration):
    dependencies = [("library", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""

FIXTURE = """[
{"model": "library.user", "pk": 7001, "fields": {"name": "fixture", "things": [
    [["library", "movie"], "7001"],
    [["library", "opera"], "0b6c1b4e-9fd9-4f3d-8a55-2f6f0f6d2a10"],
    [["library", "book"], "7001"]
]}},
{"model": "library.movie", "pk": 7001, "fields": {"title": "fixture"}},
{"model": "library.book", "pk": 7001, "fields": {"title": "fixture"}},
{"model": "library.opera", "pk": "0b6c1b4e-9fd9-4f3d-8a55-2f6f0f6d2a10",
 "fields": {"title": "fixture"}}
]"""

TESTS = """
from django.test import TestCase, TransactionTestCase

from .models import Book, Movie, Opera, User


class Links:
    def check_of(self, name, user):
        # Keys of other tests, and the content types they saw, are not valid here.
        assert [thing.title for thing in user.things.all()] == [name] * 3
        assert {type(thing) for thing in user.things.all()} == {Movie, Opera, Book}
        for model in (Movie, Opera, Book):
            (thing,) = model.objects.filter(title=name)
            assert list(thing.user_set.all()) == [user]
            assert list(model.objects.filter(user__name=name)) == [thing]
            assert list(User.objects.filter(things=thing)) == [user]

    def check(self, name):
        user = User.objects.create(name=name)
        for model in (Movie, Opera, Book):
            user.things.create(model, title=name)
        self.check_of(name, user)
        Movie.objects.get(title=name).delete()
        Opera.objects.filter(title=name).delete()
        assert [type(thing) for thing in user.things.all()] == [Book]
        Book.objects.get(title=name).delete()
        assert not user.things.exists()

    def test_first(self):
        self.check("x")
        assert User.objects.filter(name="x").count() == 1

    def test_second(self):
        self.check("x")
        assert User.objects.filter(name="x").count() == 1


class OneTests(Links, TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.user = User.objects.create(name="class")
        for model in (Movie, Opera, Book):
            cls.user.things.create(model, title="class")

    def test_data_of_the_class(self):
        self.check_of("class", self.user)
        self.user.things.clear()

    def test_data_of_the_class_once_more(self):
        self.check_of("class", self.user)
        self.user.delete()


class OtherTests(Links, TestCase):
    pass


class FixtureTests(Links, TestCase):
    fixtures = ["links"]

    def test_fixture(self):
        self.check_of("fixture", User.objects.get(name="fixture"))


class FlushingTests(Links, TransactionTestCase):
    fixtures = ["links"]

    def test_fixture(self):
        self.check_of("fixture", User.objects.get(name="fixture"))
"""
COUNT = 4 * 2 + 2 + 1 + 1

ROLLBACK_TESTS = """
from django.test import TransactionTestCase

from .models import User
from .tests import Links


class RollbackTests(Links, TransactionTestCase):
    serialized_rollback = True

    def test_initial_data(self):
        self.check_of("initial", User.objects.get(name="initial"))
        User.objects.all().delete()

    def test_initial_data_once_more(self):
        self.check_of("initial", User.objects.get(name="initial"))
        User.objects.all().delete()


class MoreRollbackTests(RollbackTests):
    def test_initial_data_is_changed(self):
        User.objects.get(name="initial").things.clear()
"""
ROLLBACK_COUNT = 4 + 5

RUN = """
import sys
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    # Where the runner reports.
    sys.stderr = sys.stdout
    execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


@pytest.fixture
def tested(project):
    """A project with tests."""
    project.models(MODELS)
    project.write("library/migrations/__init__.py", "")
    project.write("library/fixtures/links.json", FIXTURE)
    project.write("library/tests.py", TESTS)
    # Apart: Django cannot have a class that keeps the data of migrations after one that
    # does not, since the content types are there already.
    project.write("library/rollback.py", ROLLBACK_TESTS)
    project.write("manage.py", RUN)
    project.manage("makemigrations", "library", "--name", "initial")
    project.write("library/migrations/0002_data.py", DATA)
    return project


def passes(project, *options, count=COUNT):
    said = project.python("manage.py", "test", "--noinput", *options)
    assert f"Ran {count} tests" in said
    assert said.rstrip().splitlines()[-1].startswith("OK") or "\nOK\n" in said
    return said


class TestRunners:
    @pytest.mark.parametrize("order", ["--reverse", "--shuffle"])
    def test_in_any_order(self, tested, order):
        passes(tested, order)

    @pytest.mark.parametrize("order", [(), ("--reverse",)], ids=str)
    def test_with_serialized_rollback(self, tested, order):
        passes(tested, "library.rollback", *order, count=ROLLBACK_COUNT)

    def test_in_parallel(self, tested):
        passes(tested, "--parallel", "2")

    def test_in_parallel_with_serialized_rollback(self, tested):
        passes(tested, "library.rollback", "--parallel", "2", count=ROLLBACK_COUNT)

    def test_on_a_database_that_is_kept(self, tested):
        passes(tested, "--keepdb")
        passes(tested, "--keepdb", "--reverse")
        # So that it does not stay for ever.
        passes(tested)

    def test_under_pytest_with_several_processes(self, tested):
        said = tested.python(
            "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", "library/tests.py"
        )
        assert f"{COUNT} passed" in said
