"""Nothing of Django's is patched, and nothing but an accessor is put on a target."""

import json

import pytest
from django.apps import apps as installed
from django.db.models import Model

from gm2m import GM2MField

MODELS = """
class Source(models.Model):
    things = GM2MField("Movie")

class Movie(models.Model):
    title = models.CharField(max_length=10)
"""

#: The signals by which Django tells the library something.
DOCUMENTED_SIGNALS = {"class_prepared", "connection_created", "pre_migrate"}


@pytest.fixture
def report(project):
    project.settings(
        [
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.admin",
            "gm2m",
            "library",
        ]
    )
    project.models(MODELS)
    return json.loads(project.python("-m", "tests.snapshot"))


def test_nothing_of_django_is_patched(report):
    """But for the accessors on those models of its that have become targets."""
    assert report["size"] > 20_000
    assert report["control"] == []
    assert report["differences"] == [
        "django.contrib.auth.models.Group.source_set",
        "django.contrib.auth.models.User.source_set",
    ]


def test_library_listens_to_the_signals_that_it_documents(report):
    before, after = report["receivers"]
    for signal, names in after.items():
        assert set(before.get(signal, [])) <= set(names)
        new = set(names) - set(before.get(signal, []))
        assert not new or signal.rpartition(".")[2] in DOCUMENTED_SIGNALS
        assert not [name for name in new if not name.startswith("gm2m.")]


# Targets.


def plain_attributes(model):
    """Return the names on a class like `model` of which no field of ours knows."""
    return set(vars(model)) - {
        field.accessor_name
        for source in installed.get_models()
        for field in source._meta.many_to_many
        if isinstance(field, GM2MField)
    }


def test_target_gets_nothing_but_the_accessor(registry):
    from django.db import models

    def declare(label):
        meta = type("Meta", (), {"app_label": label})
        attributes = {
            "__module__": __name__,
            "__qualname__": "Target",
            "Meta": meta,
            "title": models.CharField(max_length=10),
        }
        return type("Target", (models.Model,), attributes)

    target, twin = declare("app"), declare("auth")

    class Source(models.Model):
        things = GM2MField(target)
        hidden = GM2MField(target, related_name="+")

    assert set(vars(target)) - set(vars(twin)) == {"source_set"}
    assert set(vars(target._meta)) - {"_relation_tree", "fields_map"} == (
        set(vars(twin._meta)) - {"_relation_tree", "fields_map"}
    )
    assert target._meta.private_fields == twin._meta.private_fields == []
    assert target._meta.local_many_to_many == []
    assert set(vars(target())) == set(vars(twin()))
    assert target.__bases__ == (Model,)
    assert target.__mro__[1:] == twin.__mro__[1:]
    assert type(target._default_manager) is type(twin._default_manager)
    assert Source.things.field.accessor_name == "source_set"
