"""
A script that tells what of Django is not the same with the library as without it.

It runs in a process of its own, which has not met the library when it begins, and
compares everything in Django's modules by identity: attributes of classes, what
functions are made of, the entries of registries and other containers. It prints JSON.
"""

import contextlib
import functools
import importlib
import json
import pkgutil
import re
import sys
import types
import warnings
import weakref

import django
from django.apps import apps
from django.conf import settings
from django.core import checks, serializers
from django.core.management import call_command
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ProjectState
from django.db.models import Count, Prefetch, Q
from django.dispatch import Signal
from django.forms import modelform_factory
from django.template import engines
from django.utils.functional import cached_property, classproperty
from django.utils.translation import gettext


def import_all_of_django():
    # Models of apps that are not installed and drivers that are not there raise
    # errors of many kinds; what they have loaded counts.
    for module in pkgutil.walk_packages(django.__path__, "django.", lambda name: None):
        if not re.search(r"\.(__main__|gis|locale)\b", module.name):
            with warnings.catch_warnings(), contextlib.suppress(Exception):
                warnings.simplefilter("ignore")
                importlib.import_module(module.name)


def modules_of_django():
    return {
        name: module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == "django" and module is not None
    }


def is_djangos(thing):
    module = getattr(thing, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] == "django"


def classes_of_django():
    """Return all classes, those too that no module names."""
    classes, queue = set(), [object]
    while queue:
        found = set(type.__subclasses__(queue.pop())) - classes
        classes |= found
        queue += found
    return [cls for cls in classes if is_djangos(cls)]


#: What Python changes when it copies objects and reads modules again, as Django has it
#: do with migrations, and what Django counts.
BOOKKEEPING = re.compile(
    r"\.(__(cached|file|loader|path|slotnames|spec)__|(auto_)?creation_counter)$"
)

#: The functions that other things are made of.
PARTS = {
    cached_property: ("func",),
    classmethod: ("__func__",),
    classproperty: ("fget",),
    functools.cached_property: ("func",),
    property: ("fget", "fset", "fdel"),
    staticmethod: ("__func__",),
}


class Snapshot:
    """What Django consists of now: the identity of each thing by its name."""

    #: Kept alive, so that no identity is given away twice.
    kept = []

    def __init__(self, earlier=None):
        self.found, self.seen = {}, set()
        for module_name, module in modules_of_django().items():
            self.record_all(module_name, vars(module))
        # Classes that were made in between, as those of managers and of migrations'
        # states are, are no part of Django.
        self.classes = earlier.classes if earlier else classes_of_django()
        for cls in self.classes:
            self.visit(f"{cls.__module__}.{cls.__qualname__}@{id(cls)}", cls)

    def record_all(self, name, namespace):
        for key, value in list(namespace.items()):
            self.record(f"{name}.{key}", value)
            self.visit(f"{name}.{key}", value)

    def record(self, name, value):
        self.kept.append(value)
        # Of tuples, what they hold: the same may be written down once more.
        identity = None if type(value) is tuple else id(value)
        self.found[name] = (identity, self.contents(value))

    def contents(self, value):
        """Return what a container holds, for those that serve as registries."""
        # By its type: lazy objects would show what they stand for.
        if issubclass(type(value), dict):
            return {repr(key): id(item) for key, item in list(value.items())}
        if issubclass(type(value), (list, set, tuple, frozenset)):
            return sorted(id(item) for item in list(value))
        return None

    def visit(self, name, value):
        """Record what a class or a function of Django's is made of."""
        for part in PARTS.get(type(value), ()):
            self.visit(f"{name}.{part}", getattr(value, part))
        if id(value) in self.seen:
            return
        if type(value) is types.FunctionType and is_djangos(value):
            self.seen.add(id(value))
            for part in ("__code__", "__defaults__", "__kwdefaults__", "__closure__"):
                self.record(f"{name}.{part}", getattr(value, part))
            self.record_all(name, vars(value))
        elif issubclass(type(value), type) and is_djangos(value):
            self.seen.add(id(value))
            self.record(f"{name}.__bases__", value.__bases__)
            self.record_all(name, vars(value))

    def differences(self, other):
        names = self.found.keys() | other.found.keys()
        return sorted(
            name
            for name in names
            if self.found.get(name) != other.found.get(name)
            and not BOOKKEEPING.search(name)
        )


def receivers():
    """Return the names of the receivers of every signal that Django has."""
    found = {}
    for module_name, module in modules_of_django().items():
        for key, signal in list(vars(module).items()):
            if issubclass(type(signal), Signal):
                found[f"{module_name}.{key}"] = sorted(names_of(signal.receivers))
    return found


def names_of(receivers):
    for _, receiver, *_ in receivers:
        if isinstance(receiver, weakref.ReferenceType):
            receiver = receiver()
        if receiver is not None:
            yield f"{receiver.__module__}.{receiver.__qualname__}"


def use_everything(source, field, target, reverse):
    """Use a many-to-many field, its `target` and the project's state around them."""
    manager, targets = type(source)._default_manager, type(target)._default_manager
    name = type(source)._meta.model_name
    getattr(source, field).add(target)
    getattr(source, field).set([target])
    getattr(target, reverse).set([source])
    list(manager.filter(Q(**{field: target}) | ~Q(**{f"{field}__isnull": True})))
    list(manager.annotate(Count(field)).prefetch_related(field))
    list(targets.filter(**{name: source}).annotate(Count(name)))
    list(targets.prefetch_related(Prefetch(reverse, manager.all())))
    for form in ("json", "xml"):
        list(serializers.deserialize(form, serializers.serialize(form, [source])))
    for model in (type(source), type(target)):
        modelform_factory(model, fields="__all__")(instance=model())
    checks.run_checks()
    state = ProjectState.from_apps(apps)
    state.apps.clear_cache()
    MigrationAutodetector(ProjectState(), state)._detect_changes()
    target.delete()
    source.delete()


def use_django():
    """Let Django fill its own caches, as it does without the library."""
    from django.contrib.auth.models import Group, User

    gettext("x")
    engines.all()
    call_command("migrate", run_syncdb=True, verbosity=0)
    user, group = User.objects.create(username="x"), Group.objects.create(name="x")
    use_everything(user, "groups", group, "user_set")


def use_library():
    from django.contrib.auth.models import Group, User
    from library.models import Movie, Source

    call_command("migrate", run_syncdb=True, verbosity=0)
    movie = Movie.objects.create(title="Alien")
    use_everything(Source.objects.create(), "things", movie, "source_set")
    # A model of Django's as a target that is added, and one that is found.
    Source.things.add_relation(Group)
    group = Group.objects.create(name="x")
    use_everything(Source.objects.create(), "things", group, "source_set")
    user = User.objects.create(username="x")
    Source.objects.create().things.add(user)
    user.delete()


def main():
    installed = settings.INSTALLED_APPS
    own = [app for app in installed if app.startswith("django.")]
    settings.INSTALLED_APPS = own
    django.setup()
    import_all_of_django()
    # Twice: what Django does whenever apps start is not the library's doing.
    use_django()
    apps.set_installed_apps(own)
    use_django()
    before, receivers_before = Snapshot(), receivers()
    control = before.differences(Snapshot(before))
    apps.set_installed_apps(installed)
    use_library()
    report = {
        "size": len(before.found),
        "control": control,
        "differences": before.differences(Snapshot(before)),
        "receivers": [receivers_before, receivers()],
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
