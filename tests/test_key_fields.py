"""
Key fields of other origin: what kind a key is, is told by its class, and its text is
that of what the database holds.
"""

import json
import uuid

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.sites import all_sites
from django.core import serializers
from django.core.management import call_command
from django.db import models
from django.db.models import Count, Exists, OuterRef, Prefetch
from django.db.models.signals import m2m_changed

from gm2m import GM2MField
from gm2m.admin import GM2MAdminMixin
from gm2m.checks import check_key
from gm2m.choices import choose
from gm2m.identifiers import identifier
from tests.app.models import (
    Hashed,
    HashedChild,
    HashedGrandchild,
    HashedParent,
    Keyring,
    KeyringNumber,
    OwnUUID,
    Prefixed,
    Snow,
)

pytestmark = pytest.mark.django_db

DIGITS = uuid.UUID("0359CDCD-f4f8-4e8f-88aa-552f1e3bafb2")


def hashed_child(number):
    parent = HashedParent.objects.create(pk=f"h-{number}")
    return HashedChild.objects.create(parent=parent)


#: Functions that make two targets each, and the text of the key of the first.
MAKERS = {
    "snow": (
        lambda: [Snow.objects.create(pk=n) for n in (2**60 + 1, 5)],
        str(2**60 + 1),
    ),
    "hashed": (lambda: [Hashed.objects.create(pk=f"h-{n}") for n in (70, 71)], "70"),
    "prefixed": (lambda: [Prefixed.objects.create(pk=f"p-{x}") for x in "ab"], "a"),
    "ownuuid": (
        lambda: [OwnUUID.objects.create(pk=n) for n in (DIGITS.hex, uuid.uuid4().hex)],
        str(DIGITS),
    ),
    "hashedchild": (lambda: [hashed_child(n) for n in (80, 81)], "80"),
    "hashedgrandchild": (
        lambda: [
            HashedGrandchild.objects.create(parent=hashed_child(n)) for n in (90, 91)
        ],
        "90",
    ),
}
THINGS = Keyring._meta.get_field("things")
NUMBERED = Keyring._meta.get_field("numbered")


@pytest.fixture(params=MAKERS)
def kind(request):
    return request.param


@pytest.fixture
def targets(kind):
    made = MAKERS[kind][0]()
    # As the database gives them.
    return [type(obj).objects.get(pk=obj.pk) for obj in made]


@pytest.fixture
def keyring(targets):
    keyring = Keyring.objects.create()
    Keyring.objects.create()
    keyring.things.add(*targets)
    return keyring


def keys():
    through = Keyring.things.through
    return list(through.objects.order_by("pk").values_list("gm2m_pk", flat=True))


def test_text_of_a_key(keyring, kind):
    assert keys()[0] == MAKERS[kind][1]


def test_manager(keyring, targets):
    one, two = targets
    assert list(keyring.things.all()) == targets
    keyring.things.add(one)
    assert keyring.things.count() == 2
    assert keyring.things.contains(one)
    assert one in keyring.things.all()
    keyring.things.set([two])
    assert list(keyring.things.all()) == [two]
    keyring.things.remove(two)
    assert not keyring.things.exists()
    keyring.things.set([one], clear=True)
    assert list(keyring.things.instances_of(type(one))) == [one]


def test_reverse_manager(keyring, targets):
    (one, two), other = targets, Keyring.objects.create()
    assert list(one.keyring_set.all()) == [keyring]
    one.keyring_set.add(other)
    assert list(other.things.all()) == [one]
    one.keyring_set.set([other])
    assert list(keyring.things.all()) == [two]
    one.keyring_set.remove(other)
    assert not one.keyring_set.exists()
    two.keyring_set.clear()
    assert keys() == []


def test_lookups_from_sources(keyring, targets, kind):
    one, two = targets
    sources, model = Keyring.objects, type(one)
    for condition in (
        {"things": one},
        {"things__in": [one]},
        {"things__in": model.objects.filter(pk=one.pk)},
        {f"things__{kind}": one},
        {f"things__{kind}": one.pk},
        {f"things__{kind}__in": [one.pk]},
        {f"things__{kind}__in": [one]},
        {f"things__{kind}__pk": one.pk},
        {f"things__{kind}__in": model.objects.filter(pk=one.pk)},
        {f"things__{kind}__in": model.objects.filter(pk=one.pk).values("pk")},
    ):
        assert list(sources.filter(**condition)) == [keyring], condition
        assert keyring not in sources.exclude(**condition), condition
    found = sources.filter(things=one).values_list(f"things__{kind}", flat=True)
    assert set(found) == {one.pk, two.pk} or set(found) == {one.pk}
    linked = sources.filter(pk=keyring.pk).values_list(f"things__{kind}", flat=True)
    assert sorted(linked) == sorted([one.pk, two.pk])
    assert sources.annotate(n=Count("things")).get(pk=keyring.pk).n == 2
    is_linked = Exists(sources.filter(**{f"things__{kind}": OuterRef("pk")}))
    assert model.objects.filter(is_linked).count() == 2


def test_lookups_from_targets(keyring, targets):
    one, two = targets
    model = type(one).objects
    two.keyring_set.clear()
    assert list(model.filter(keyring=keyring)) == [one]
    assert list(model.filter(keyring=keyring.pk)) == [one]
    assert list(model.filter(keyring__in=[keyring])) == [one]
    assert one not in model.exclude(keyring=keyring)
    assert two in model.exclude(keyring=keyring)
    assert model.annotate(n=Count("keyring")).get(pk=one.pk).n == 1
    assert list(model.filter(keyring__isnull=False)) == [one]


def test_prefetch(keyring, targets, django_assert_num_queries):
    model = type(targets[0])
    with django_assert_num_queries(3):
        (found, _empty) = Keyring.objects.order_by("pk").prefetch_related("things")[:2]
        assert list(found.things.all()) == targets
    with django_assert_num_queries(2):
        found = model.objects.filter(pk__in=[one.pk for one in targets])
        for obj in found.prefetch_related("keyring_set"):
            assert list(obj.keyring_set.all()) == [keyring]
    first = model.objects.filter(pk=targets[0].pk)
    queryset = Keyring.objects.prefetch_related(Prefetch("things", first))
    assert list(queryset.get(pk=keyring.pk).things.all()) == targets[:1]


def test_signals(keyring, targets):
    told = []

    def receive(action, pk_set, model, **kwargs):
        told.append((action, model, pk_set))

    through, (one, two) = Keyring.things.through, targets
    m2m_changed.connect(receive, sender=through)
    try:
        keyring.things.remove(one)
        keyring.things.add(one)
        keyring.things.set([])
    finally:
        m2m_changed.disconnect(receive, sender=through)
    model = type(one)
    assert told == [
        ("pre_remove", model, {one.pk}),
        ("post_remove", model, {one.pk}),
        ("pre_add", model, {one.pk}),
        ("post_add", model, {one.pk}),
        ("pre_remove", model, {one.pk, two.pk}),
        ("post_remove", model, {one.pk, two.pk}),
    ]


def test_identifiers(keyring, targets, kind):
    text = identifier(targets[0])
    assert text == f"app.{kind}:{MAKERS[kind][1]}"
    assert choose(THINGS, [text]) == targets[:1]
    with pytest.raises(ValueError, match="none of the objects on offer"):
        choose(THINGS, [f"app.{kind}:h-{MAKERS[kind][1]}"])


def test_forms(keyring, targets, kind):
    form_class = forms.modelform_factory(Keyring, fields=["things"])
    form = form_class(instance=keyring)
    assert f'value="{identifier(targets[0])}" selected' in form.as_p()
    form = form_class({"things": [identifier(targets[1])]}, instance=keyring)
    assert form.is_valid(), form.errors
    assert form.has_changed()
    form.save()
    assert list(keyring.things.all()) == targets[1:]


def test_the_admin(keyring, targets, kind, rf, admin_user):
    site = admin.AdminSite()
    all_sites.discard(site)  # System checks are not about it.
    site.register(type(targets[0]), search_fields=["pk"])
    bases = (GM2MAdminMixin, admin.ModelAdmin)
    filters = {"list_filter": [f"things__{THINGS.lookup_of(type(targets[0]))}"]}
    keyring_admin = type("Admin", bases, filters)(Keyring, site)
    request = rf.get("/")
    request.user = admin_user
    form_class = keyring_admin.get_form(request, keyring, fields=["things"])
    form = form_class(instance=keyring)
    assert f'value="{identifier(targets[0])}" selected' in str(form["things"])
    field = form.fields["things"]
    assert dict(field.among(map(identifier, targets))) == {
        identifier(obj): obj for obj in targets
    }
    assert not field.keeps_something()
    for chosen in (targets[1:], targets):
        values = {"things": list(map(identifier, chosen))}
        form = form_class(values, instance=keyring)
        assert form.is_valid(), form.errors
        form.save()
        assert set(keyring.things.all()) == set(chosen)
    keyring.things.remove(targets[1])
    if type(targets[0])._meta.pk.remote_field:
        return  # Django's filters know their keys by another name.
    (path,) = filters["list_filter"]
    for obj, found in zip(targets, ([keyring], []), strict=True):
        name = f"{path}__{type(obj)._meta.pk.name}__exact"
        request = rf.get("/", {name: obj.pk})
        request.user = admin_user
        changelist = keyring_admin.get_changelist_instance(request)
        assert list(changelist.result_list) == found


@pytest.mark.parametrize("format", ["json", "xml"])
def test_fixtures(keyring, targets, kind, format):
    fixture = serializers.serialize(format, [keyring])
    if format == "json":
        (written,) = json.loads(fixture)
        link = [["app", kind], MAKERS[kind][1]]
        assert written["fields"]["things"][0] == link
    keyring.things.clear()
    for loaded in serializers.deserialize(format, fixture):
        loaded.save()
    assert list(keyring.things.all()) == targets


def test_deletion(keyring, targets):
    targets[0].delete()
    assert list(keyring.things.all()) == targets[1:]
    assert len(keys()) == 1
    type(targets[0]).objects.all().delete()
    assert keys() == []


def test_doctor(keyring, targets, capsys):
    call_command("gm2m_doctor", "app.keyring")
    assert capsys.readouterr().out == "Nothing found.\n"


@pytest.mark.parametrize("kind", ["snow", "hashed", "hashedchild"], indirect=True)
def test_key_column_of_the_same_kind(targets, kind):
    (one, two), model = targets, type(targets[0])
    keyring = Keyring.objects.create()
    keyring.numbered.add(one, two)
    assert str(KeyringNumber.objects.first().object_id) == MAKERS[kind][1]
    assert list(keyring.numbered.all()) == targets
    for condition in (
        {"numbered": one},
        {f"numbered__{kind}": one.pk},
        {f"numbered__{kind}__in": model.objects.filter(pk=one.pk)},
    ):
        assert list(Keyring.objects.filter(**condition)) == [keyring]
    found = model.objects.filter(numbered_set=keyring)
    assert {obj.pk for obj in found} == {one.pk, two.pk}
    assert list(one.numbered_set.all()) == [keyring]
    (found,) = Keyring.objects.prefetch_related("numbered")
    assert list(found.numbered.all()) == targets
    keyring.numbered.remove(one)
    assert list(keyring.numbered.all()) == [two]
    two.delete()
    assert KeyringNumber.objects.count() == 0
    call_command("gm2m_doctor", "app.keyring")


def test_checks():
    assert THINGS.check() == []


@pytest.mark.parametrize(
    ("model", "found"),
    [(OwnUUID, ["gm2m.E206"]), (Prefixed, ["gm2m.W301"]), (Snow, []), (Hashed, [])],
)
def test_checks_go_by_the_class(model, found, monkeypatch):
    monkeypatch.setattr(THINGS.links.key_field, "max_length", 16)
    assert [message.id for message in check_key(THINGS, model)] == found


def test_kinds_that_are_none(registry):
    class Holder(models.Model):
        things = GM2MField(pk_maxlength=36)

        class Meta:
            app_label = "app"

    class Moment(models.Model):
        at = models.DateTimeField(primary_key=True)

        class Meta:
            app_label = "app"

    class OwnField(models.Field):
        """Of no class and no internal type of Django's."""

    class Own(models.Model):
        id = OwnField(primary_key=True)

        class Meta:
            app_label = "app"

    for model in (Moment, Own):
        with pytest.raises(TypeError, match="its primary key is a"):
            Holder._meta.get_field("things").check_target_model(model)


def test_internal_type_of_a_field_that_is_made_from_none_of_djangos(registry):
    class NumberField(models.Field):
        def get_internal_type(self):
            return "BigIntegerField"

    class Numbered(models.Model):
        id = NumberField(primary_key=True)

        class Meta:
            app_label = "app"

    THINGS.check_target_model(Numbered)
