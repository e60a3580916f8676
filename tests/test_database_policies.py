"""Objects that the database deletes by itself, as Django 6.1 lets it: the checks."""

import django
import pytest
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.core import checks
from django.db import connection, models

from gm2m import GM2MField
from gm2m.deletion import CASCADE_SIGNAL

DB_CASCADE = getattr(models, "DB_CASCADE", None)
DB_SET_NULL = getattr(models, "DB_SET_NULL", None)

pytestmark = pytest.mark.skipif(
    django.VERSION < (6, 1), reason="Django 6.1 has DB_CASCADE"
)


def declare(name, bases=(models.Model,), **attributes):
    return type(name, bases, {"__module__": __name__, **attributes})


def key(model, policy, **options):
    return models.ForeignKey(model, policy, related_name="+", **options)


@pytest.fixture
def hall(registry):
    return declare("Hall")


def messages(model, **kwargs):
    return model._meta.get_field("things").check(from_model=model, **kwargs)


def as_many_to_many(target, **attributes):
    """Return a source whose many-to-many is called as the field is."""
    return declare("Plain", things=models.ManyToManyField(target), **attributes)


# Sources.


def test_source_that_the_database_deletes(hall):
    """Told as of a ManyToManyField: the key is wrong, and what may be done."""
    target = declare("Target")
    source = declare("Source", things=GM2MField(target), hall=key(hall, DB_CASCADE))
    plain = as_many_to_many(target, hall=key(hall, DB_CASCADE))
    (told,), (expected,) = messages(source), messages(plain)
    assert (told.id, told.msg) == ("fields.E323", expected.msg)
    assert told.hint == expected.hint.replace("Plain", "Source")
    assert told.obj is source._meta.get_field("hall")


@pytest.mark.parametrize(
    "policy", [models.PROTECT, models.RESTRICT, models.CASCADE, CASCADE_SIGNAL]
)
def test_source_with_another_policy_of_django(hall, policy):
    field = GM2MField(on_delete_src=policy)
    source = declare("Source", things=field, hall=key(hall, DB_CASCADE))
    assert [error.id for error in messages(source)] == ["fields.E323"]


def test_source_whose_rows_are_left_alone(hall):
    """Django compares no policy with DO_NOTHING."""
    field = GM2MField(on_delete_src=models.DO_NOTHING)
    source = declare("Source", things=field, hall=key(hall, DB_CASCADE))
    assert messages(source) == []


def test_source_that_is_a_target_as_well_is_told_once(hall):
    field = GM2MField("self")
    source = declare("Source", things=field, hall=key(hall, DB_CASCADE))
    assert [error.id for error in messages(source)] == ["gm2m.W305", "fields.E323"]


def test_every_key_of_a_source_is_told(hall):
    keys = {"hall": key(hall, DB_CASCADE), "other": key(hall, DB_CASCADE)}
    source = declare("Source", things=GM2MField(), **keys)
    assert {error.obj.name for error in messages(source)} == {"hall", "other"}


def test_chain_of_the_database(hall):
    field = GM2MField(on_delete_src=DB_CASCADE)
    source = declare("Source", things=field, hall=key(hall, DB_CASCADE))
    assert messages(source) == []


def test_chain_that_the_database_ends(hall):
    """Django deletes the source, the database its links: that is mixed, too."""
    field = GM2MField(on_delete_src=DB_CASCADE)
    source = declare("Source", things=field, hall=key(hall, models.CASCADE))
    (error,) = messages(source)
    assert error.id == "fields.E323"
    assert error.obj is source.things.through._meta.get_field("gm2m_src")


def test_database_without_cascades(hall, monkeypatch):
    monkeypatch.setattr(connection.features, "supports_on_delete_db_cascade", False)
    source = declare("Source", things=GM2MField(on_delete_src=DB_CASCADE))
    assert [error.id for error in messages(source, databases=["default"])] == [
        "fields.E324"
    ]


# Targets.


def deleted_by_database(source, label, key_label):
    return checks.Warning(
        f"app.Source.things links '{label}', whose objects the database itself "
        f"deletes, by the on_delete=DB_CASCADE of {key_label}: their links stay, "
        "whatever on_delete of the field says.",
        hint=f"Use CASCADE in {key_label}, or remove links whose target is gone with "
        "'manage.py gm2m_doctor app.Source.things --fix'.",
        obj=source._meta.get_field("things"),
        id="gm2m.W305",
    )


def test_target_that_the_database_deletes(hall):
    """It is no error of the target's key, with which nothing is wrong."""
    target = declare("Target", hall=key(hall, DB_CASCADE))
    source = declare("Source", things=GM2MField(target))
    expected = [deleted_by_database(source, "app.Target", "app.Target.hall")]
    assert messages(source) == expected


def test_target_whose_parent_the_database_deletes(hall):
    parent = declare("Parent", hall=key(hall, DB_CASCADE))
    child = declare("Child", (parent,))
    source = declare("Source", things=GM2MField(child))
    expected = [deleted_by_database(source, "app.Child", "app.Parent.hall")]
    assert messages(source) == expected


def test_target_whose_child_the_database_deletes(hall):
    """Children are related with their parent."""
    parent = declare("Parent")
    declare("Child", (parent,), hall=key(hall, DB_CASCADE))
    source = declare("Source", things=GM2MField(parent))
    expected = [deleted_by_database(source, "app.Child", "app.Child.hall")]
    assert messages(source) == expected


def test_target_of_a_custom_through(registry, hall):
    target = declare("Target", hall=key(hall, DB_CASCADE))
    source = declare("Source", things=GM2MField(target, through="Link"))
    declare(
        "Link",
        source=key(source, models.CASCADE),
        content_type=key(ContentType, models.CASCADE),
        object_id=models.IntegerField(),
        target=GenericForeignKey(),
    )
    expected = [deleted_by_database(source, "app.Target", "app.Target.hall")]
    assert messages(source) == expected


@pytest.mark.parametrize("policy", ["DB_SET_NULL", "CASCADE", "PROTECT", "SET_NULL"])
def test_target_that_the_database_leaves_alone(hall, policy):
    target = declare("Target", hall=key(hall, getattr(models, policy), null=True))
    source = declare("Source", things=GM2MField(target))
    assert messages(source) == []
