"""
Relations that are published while other threads work out what Django keeps of them.

A relation that gets lost on the way is lost for deletion as well: rows would dangle,
and what is protected would go.
"""

import inspect
import sys
import threading
import time

import pytest
from django.apps import apps as installed
from django.db import models
from django.db.models.options import Options

from gm2m import GM2MField
from gm2m.registry import family, is_published, warm

CACHES = "_get_fields_cache", "_relation_tree", "fields_map", "related_objects"


class Library:
    """A source without related models, and a film with a proxy and a child."""

    def __init__(self, **options):
        unmanaged = type("Meta", (), {"managed": False})

        class Film(models.Model):
            title = models.CharField(max_length=255)
            Meta = unmanaged

        class FilmProxy(Film):
            class Meta:
                proxy = True

        class Undeclared(models.Model):
            name = models.CharField(max_length=100, default="")
            things = GM2MField(**options)
            Meta = unmanaged

        self.Film, self.FilmProxy, self.Undeclared = Film, FilmProxy, Undeclared
        self.field = Undeclared._meta.get_field("things")

    @property
    def rows(self):
        return self.Undeclared.things.through._default_manager

    def source(self):
        return self.Undeclared._default_manager.create()

    def film(self):
        return self.Film._default_manager.create(title="Psycho")


@pytest.fixture
def library(registry, db):
    return Library()


def derived(model):
    """Return what Django keeps for `model`, all of it worked out."""
    opts = model._meta
    opts.get_fields(include_hidden=True)
    for name in CACHES[1:]:
        getattr(opts, name)
    return {
        name: dict(opts._get_fields_cache) if "cache" in name else opts.__dict__[name]
        for name in CACHES
    }


# Whatever was lost.


@pytest.mark.parametrize("lost", CACHES)
@pytest.mark.parametrize("on", ["Film", "FilmProxy"])
def test_next_write_publishes_again_what_a_cache_has_lost(library, lost, on):
    """The deletion of an object goes by another cache than queries do."""
    victim = getattr(library, on)
    before = derived(victim)
    source = library.source()
    source.things.add(library.film())
    relation = library.field.relations[library.Film]
    assert is_published(relation)
    victim._meta.__dict__[lost] = before[lost]
    assert not is_published(relation)
    source.things.add(library.film())
    assert is_published(relation)
    for film in victim._default_manager.all():
        film.delete()
    assert not library.rows.exists()


@pytest.mark.parametrize("hidden", [False, True])
def test_next_read_publishes_again(registry, db, hidden):
    library = Library(related_name="+" if hidden else None)
    source, film = library.source(), library.film()
    before = derived(library.Film)
    source.things.add(film)
    library.Film._meta.__dict__.update(before)
    assert list(source.things.all()) == [film]
    film.delete()
    assert not library.rows.exists()


def test_what_is_published_is_not_published_again(library, monkeypatch):
    """Else every write would replace the caches, under the lock of all."""
    source = library.source()
    source.things.add(library.film())
    monkeypatch.setattr("gm2m.registry.relate_family", None)
    for _ in range(2):
        source.things.add(library.film())
    installed.clear_cache()
    source.things.add(library.film())


def test_relations_of_the_project_are_published():
    """Of children, proxies and hidden ones, too."""
    relations = [
        relation
        for model in installed.get_models()
        for field in model._meta.local_many_to_many
        if isinstance(field, GM2MField)
        for relation in field.relations.values()
    ]
    assert len(relations) > 50
    assert [r.model for r in relations if not is_published(r)] == []


# A reader that is slow, step by step.

#: Where Django puts what it has worked out, having looked before for what is there.
STORING = {
    Options._get_fields: "self._get_fields_cache[cache_key] = fields",
    Options._populate_directed_relation_graph: (
        'model._meta.__dict__["_relation_tree"] = related_objects'
    ),
}


class Slow:
    """
    A thread that works out the fields of `model` and stops before it stores what
    `function` has found, until it may go on.
    """

    def __init__(self, model, function):
        self.model, self.code = model, function.__code__
        self.reached, self.go = threading.Event(), threading.Event()
        source, first = inspect.getsourcelines(function)
        lines = [line.strip() for line in source]
        self.line = first + lines.index(STORING[function])
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        # Where nothing is left to work out, it does not get there.
        while self.thread.is_alive() and not self.reached.wait(0.01):
            pass
        return self

    def __exit__(self, *args):
        self.go.set()
        self.thread.join()

    def run(self):
        sys.settrace(self.trace)
        try:
            self.model._meta.get_fields(include_hidden=True)
        finally:
            sys.settrace(None)

    def trace(self, frame, event, arg):
        if frame.f_code is not self.code:
            return None
        # Not the fields of models that Django looks through for relations.
        is_asked = frame.f_locals.get("include_hidden", True)
        if event == "line" and frame.f_lineno == self.line and is_asked:
            self.reached.set()
            assert self.go.wait(10)
        return self.trace


by_function = pytest.mark.parametrize("function", STORING)


@by_function
def test_slow_reader_that_began_with_nothing_worked_out(library, registry, function):
    """As after a model was declared. The next write finds out."""
    source = library.source()
    registry.clear_cache()
    with Slow(library.Film, function) as reader:
        assert reader.reached.is_set()
        source.things.add(library.film())
    relation = library.field.relations[library.Film]
    assert not is_published(relation)
    source.things.add(library.film())
    assert is_published(relation)
    for film in library.Film._default_manager.all():
        film.delete()
    assert not library.rows.exists()


@by_function
def test_slow_reader_that_began_when_all_was_worked_out(library, registry, function):
    """As it is when a process has started."""
    source, film = library.source(), library.film()
    registry.clear_cache()
    warm(registry)
    with Slow(library.Film, function) as reader:
        assert not reader.reached.is_set()
        source.things.add(film)
    assert is_published(library.field.relations[library.Film])
    film.delete()
    assert not library.rows.exists()


SHOP = """
class Source(models.Model):
    things = GM2MField()

class Movie(models.Model):
    pass

class Proxy(Movie):
    class Meta:
        proxy = True

class Child(Movie):
    pass
"""


def test_all_is_worked_out_when_a_process_starts(project):
    project.models(SHOP)
    said = project.run("""
from django.apps import apps

for model in apps.get_models(include_auto_created=True):
    opts = model._meta
    before = dict(opts._get_fields_cache)
    for name in ("_relation_tree", "fields_map", "related_objects",
                 "_forward_fields_map"):
        assert name in opts.__dict__, (model, name)
    for hidden in (True, False):
        opts.get_fields(include_hidden=hidden)
    assert opts._get_fields_cache == before, model
print("warm")
""")
    assert said == "warm\n"


def test_working_all_out_is_cheap():
    """It is done at the start of each process: about 0.05 ms for a model."""
    spent = []
    for _ in range(3):
        installed.clear_cache()
        begun = time.process_time()
        warm(installed)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.0005 * len(installed.get_models(include_auto_created=True))


# Threads.


@pytest.mark.slow
@pytest.mark.parametrize("cold", [False, True])
def test_no_publication_is_lost_to_readers(registry, cold):
    """
    Readers that work out what they can, as fast as they can. After caches have been
    emptied a relation may be lost until the next write, and no longer.
    """
    sources = [declare(f"Source{n}", things=GM2MField()) for n in range(3)]
    targets = [declare(f"Target{n}") for n in range(100)]
    warm(registry)
    done = threading.Event()

    def read():
        while not done.is_set():
            for target in targets:
                target._meta.get_fields(include_hidden=True)
                assert target._meta.fields_map is not None
                assert target._meta.related_objects is not None

    def publish():
        try:
            for number, target in enumerate(targets):
                if cold and number % 5 == 0:
                    registry.clear_cache()
                for source in sources:
                    source._meta.get_field("things").relate(target)
        finally:
            done.set()

    run_threads([publish, read, read])
    relations = [
        (source._meta.get_field("things"), target)
        for source in sources
        for target in targets
    ]
    if cold:
        for field, target in relations:
            field.relate(target)
    lost = [
        (field, target)
        for field, target in relations
        if not is_published(field.relations[target])
    ]
    assert lost == []


def declare(name, **attributes):
    return type(name, (models.Model,), {"__module__": __name__, **attributes})


def run_threads(functions):
    """Run the functions at once; raise the first error of any."""
    errors, barrier = [], threading.Barrier(len(functions))

    def run(function):
        barrier.wait()
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[f]) for f in functions]
    interval = sys.getswitchinterval()
    # Python is to change between them wherever it can.
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]


def test_models_may_be_declared_while_a_family_is_looked_up(registry):
    """The registry of models is a dict, to which another thread may be adding."""
    target, done = declare("Target"), threading.Event()

    def make():
        try:
            for number in range(60):
                declare(f"Later{number}")
        finally:
            done.set()

    def look():
        while not done.is_set():
            assert family(target) == [target]

    run_threads([make, look, look])
