"""Sources, targets and custom throughs, in whatever order and by whatever names."""

from itertools import permutations

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import models

from gm2m import GM2MField
from tests.project import APPS, MAKE_TABLES

PARTS = "source", "target", "link"
ORDERS = [*permutations(PARTS)]
in_every_order = pytest.mark.parametrize("order", ORDERS, ids="-".join)


def generic_key():
    return {
        "content_type": models.ForeignKey(
            "contenttypes.ContentType", models.CASCADE, related_name="+"
        ),
        "object_id": models.IntegerField(),
        "target": GenericForeignKey(),
    }


def declare(name, attributes, bases=(models.Model,), **meta):
    meta = type("Meta", (), {"app_label": "app", **meta})
    return type(name, bases, {"__module__": __name__, "Meta": meta, **attributes})


def declare_in(order, definitions):
    """Call `definitions` in the order; return what each part has become."""
    return {part: definitions[part]() for part in order}


def assert_related(source, target):
    assert source.things.get_related_models() == [target]
    assert target.source_set.field is source._meta.get_field("things")
    found = target._default_manager.filter(source__name="x").query
    assert source._meta.db_table in {
        join.table_name for join in found.alias_map.values()
    }
    hidden = target._meta.get_fields(include_hidden=True)
    assert [
        rel.on_delete for rel in hidden if rel.related_model is source.things.through
    ]
    assert source._meta.get_field("things").check(from_model=source) == []


@in_every_order
@pytest.mark.parametrize("apps", [("app",) * 3, ("app", "auth", "contenttypes")])
@pytest.mark.parametrize("key", ["{}.Source", "{}.source", "Source"])
def test_source_key_names_the_source(registry, order, apps, key):
    labels = dict(zip(PARTS, apps, strict=True))
    if key == "Source" and labels["source"] != labels["link"]:
        labels["link"] = labels["source"]
    key = key.format(labels["source"])

    def source():
        things = GM2MField(
            f"{labels['target']}.Target", through=f"{labels['link']}.Link"
        )
        attributes = {"name": models.TextField(), "things": things}
        return declare("Source", attributes, app_label=labels["source"])

    def link():
        attributes = {"source": models.ForeignKey(key, models.CASCADE), **generic_key()}
        return declare("Link", attributes, app_label=labels["link"])

    def target():
        return declare("Target", {}, app_label=labels["target"])

    made = declare_in(order, {"source": source, "link": link, "target": target})
    assert_related(made["source"], made["target"])


@in_every_order
@pytest.mark.parametrize("names", [None, ["source", "target"]])
def test_source_key_of_an_abstract_through_names_the_source(registry, order, names):
    """A name without an app is of the app of the concrete model."""

    def source():
        things = GM2MField("Target", through="Link", through_fields=names)
        base = declare("Base", {"things": things}, abstract=True, app_label="auth")
        return declare("Source", {"name": models.TextField()}, (base,))

    def link():
        attributes = {
            "source": models.ForeignKey("Source", models.CASCADE),
            **generic_key(),
        }
        if names:
            attributes["other"] = models.ForeignKey(
                "Source", models.CASCADE, related_name="+"
            )
        base = declare("BaseLink", attributes, abstract=True, app_label="auth")
        return declare("Link", {}, (base,))

    made = declare_in(
        order, {"source": source, "link": link, "target": lambda: declare("Target", {})}
    )
    assert_related(made["source"], made["target"])


@pytest.mark.parametrize(
    "order", [*permutations(("source", "child", "target", "link"))], ids="-".join
)
@pytest.mark.parametrize("proxy", [False, True])
def test_source_key_names_a_relative_of_the_source(registry, order, proxy):
    """A proxy of it, or the source whose through a child uses."""
    if order.index("child") < order.index("source"):
        return  # A class cannot come before its base.
    made = {}

    def source():
        attributes = {"name": models.TextField()}
        attributes["things"] = GM2MField("Target", through="Link")
        made["source"] = declare("Source", attributes)

    def child():
        made["child"] = declare("Child", {}, (made["source"],), proxy=proxy)

    def link():
        key = models.ForeignKey("Child" if proxy else "Source", models.CASCADE)
        made["link"] = declare("Link", {"source": key, **generic_key()})

    def target():
        made["target"] = declare("Target", {})

    definitions = {"source": source, "child": child, "link": link, "target": target}
    for part in order:
        definitions[part]()
    assert_related(made["source"], made["target"])


@pytest.mark.parametrize("order", [*permutations(("source", "link"))], ids="-".join)
def test_key_to_the_source_itself_is_one_to_the_source(registry, order):
    """Targets of the source's own model, and a key of the through to itself."""

    def source():
        attributes = {"name": models.TextField()}
        attributes["things"] = GM2MField("self", through="Link")
        return declare("Source", attributes)

    def link():
        keys = {
            "source": models.ForeignKey("Source", models.CASCADE),
            "before": models.ForeignKey("self", models.CASCADE),
        }
        return declare("Link", {**keys, **generic_key()})

    made = declare_in(order, {"source": source, "link": link})
    assert_related(made["source"], made["source"])


@in_every_order
def test_relation_added_before_a_through_that_names_its_source(registry, order):
    def source():
        attributes = {"name": models.TextField(), "things": GM2MField(through="Link")}
        return declare("Source", attributes)

    def link():
        key = models.ForeignKey("Source", models.CASCADE)
        return declare("Link", {"source": key, **generic_key()})

    made = declare_in(
        order, {"source": source, "link": link, "target": lambda: declare("Target", {})}
    )
    made["source"].things.add_relation("Target")
    assert_related(made["source"], made["target"])


@pytest.mark.parametrize(
    "order", [*permutations(("source", "target", "person", "car"))], ids="-".join
)
def test_key_of_a_target_names_another_model(registry, order):
    """A target whose key is that of a model defined later, by way of another one."""

    def keyed(name, model):
        key = models.OneToOneField(model, models.CASCADE, primary_key=True)
        return declare(name, {"key": key})

    def source():
        attributes = {"name": models.TextField(), "things": GM2MField("Target")}
        return declare("Source", attributes)

    definitions = {
        "source": source,
        "target": lambda: keyed("Target", "Person"),
        "person": lambda: keyed("Person", "app.Car"),
        "car": lambda: declare("Car", {}),
    }
    made = declare_in(order, definitions)
    assert_related(made["source"], made["target"])


# Whole projects.

SOURCE = """
class Source{n}(models.Model):
    name = models.CharField(max_length=9)
    things = GM2MField("{target}", through="{link}", on_delete_tgt=models.PROTECT)
"""
TARGET = """
class Target{n}(models.Model):
    pass
"""
LINK = """
class Link{n}(models.Model):
    source = models.ForeignKey({key}, models.CASCADE)
    content_type = models.ForeignKey("contenttypes.ContentType", models.CASCADE)
    object_id = models.IntegerField()
    thing = GenericForeignKey()
"""
IMPORTS = """
from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.db import models
from gm2m import GM2MField
"""
#: One whose default is swapped out, whose field comes from an abstract model.
SWAPPABLE = """
class AbstractSource(models.Model):
    name = models.CharField(max_length=9)
    things = GM2MField(
        "Target", through="Link", on_delete_tgt=models.PROTECT, related_name="sources",
        related_query_name="source"
    )

    class Meta:
        abstract = True

class DefaultSource(AbstractSource):
    class Meta:
        swappable = "SOURCE_MODEL"

class Source(AbstractSource):
    pass
"""
#: Each in a transaction of its own, as the refused deletion is on PostgreSQL.
USE = """
from django.apps import apps
from django.db.models import ProtectedError

for source_name, target_name in {pairs!r}:
    Source, Target = apps.get_model(source_name), apps.get_model(target_name)
    name = {query_name!r} or Source._meta.model_name
    source, target = Source.objects.create(name="x"), Target.objects.create()
    assert Source.things.get_related_models() == [Target], source_name
    source.things.add(target)
    assert Target.objects.filter(**{{name + "__name": "x"}}).get() == target
    assert Source.objects.filter(
        **{{"things__" + Target._meta.model_name: target}}
    ).get() == source
    try:
        target.delete()
    except ProtectedError:
        continue
    raise AssertionError(source_name)
"""


def use(pairs, query_name=""):
    return MAKE_TABLES + USE.format(pairs=pairs, query_name=query_name)


def test_declared_targets_are_protected_in_one_app(project):
    text, pairs = IMPORTS, []
    for order in ORDERS:
        for name in ("Source{n}", "library.Source{n}", "library.source{n}"):
            n = len(pairs)
            fill = {"n": n, "target": f"Target{n}", "link": f"Link{n}"}
            key = repr(name.format(n=n))
            templates = {"source": SOURCE, "target": TARGET, "link": LINK}
            text += "".join(templates[part].format(key=key, **fill) for part in order)
            pairs.append((f"library.Source{n}", f"library.Target{n}"))
    project.models(text)
    project.run(use(pairs))


def test_declared_targets_are_protected_across_apps(project):
    apps, pairs = [*APPS], []
    for n, order in enumerate(ORDERS):
        label = {part: f"{part}{n}" for part in PARTS}
        fill = {
            "n": n,
            "target": f"{label['target']}.Target{n}",
            "link": f"{label['link']}.Link{n}",
            "key": repr(f"{label['source']}.Source{n}"),
        }
        templates = {"source": SOURCE, "target": TARGET, "link": LINK}
        for part in order:
            app = label[part]
            project.write(f"{app}/__init__.py", "")
            project.write(f"{app}/models.py", IMPORTS + templates[part].format(**fill))
            apps.append(app)
        pairs.append((f"{label['source']}.Source{n}", fill["target"]))
    project.settings(apps)
    project.models("")
    project.run(use(pairs))


@pytest.mark.parametrize("order", ORDERS[::2], ids="-".join)
def test_source_key_names_a_setting(project, order):
    fill = {"n": "", "key": "settings.SOURCE_MODEL"}
    templates = {"source": SWAPPABLE, "target": TARGET, "link": LINK}
    project.settings(more='SOURCE_MODEL = "library.Source"\n')
    text = "".join(
        text if part == "source" else text.format(**fill)
        for part, text in ((part, templates[part]) for part in order)
    )
    project.models(IMPORTS + text)
    project.run(use([("library.Source", "library.Target")], "source"))


# What is wrong is told by the checks, and nothing else is passed over.


def test_unexpected_error_of_a_declared_target_is_raised(registry):
    class Broken(models.AutoField):
        def get_internal_type(self):
            raise TypeError("of the key's own")

    class Source(models.Model):
        things = GM2MField("Target")

    with pytest.raises(TypeError, match="of the key's own"):

        class Target(models.Model):
            id = Broken(primary_key=True)


def test_unexpected_error_of_a_through_is_raised(registry, monkeypatch):
    def broken(field):
        raise ImproperlyConfigured("of somebody else")

    class Target(models.Model):
        pass

    monkeypatch.setattr("gm2m.through.check_source", broken)
    with pytest.raises(ImproperlyConfigured, match="of somebody else"):

        class Source(models.Model):
            things = GM2MField(Target)


@in_every_order
def test_source_key_that_leads_nowhere_is_told_by_a_check(registry, order):
    """By Django's, of the key: the targets cannot be related."""

    def source():
        attributes = {"name": models.TextField()}
        attributes["things"] = GM2MField("Target", through="Link")
        return declare("Source", attributes)

    def link():
        key = models.ForeignKey("Missing", models.CASCADE)
        return declare("Link", {"source": key, **generic_key()})

    made = declare_in(
        order, {"source": source, "link": link, "target": lambda: declare("Target", {})}
    )
    source, link = made["source"], made["link"]
    assert source.things.get_related_models() == []
    errors = [*source.check(), *link.check()]
    assert {error.id for error in errors} == {"gm2m.E102", "fields.E300"}
    assert all(error.level == checks.ERROR for error in errors)


@pytest.mark.parametrize("order", [("Source", "Wrong"), ("Wrong", "Source")])
def test_relation_added_before_models_are_loaded_is_refused(project, order):
    """No check tells of a model that the field does not name."""
    parts = {
        "Source": """
class Source(models.Model):
    things = GM2MField()

Source.things.add_relation("Wrong")
""",
        "Wrong": """
class Wrong(models.Model):
    id = models.FloatField(primary_key=True)
""",
    }
    project.models("".join(parts[part] for part in order))
    assert "library.Source.things cannot link library.Wrong" in project.fail("check")
