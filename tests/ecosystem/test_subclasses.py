"""
django-polymorphic and django-model-utils: managers that yield objects of subclasses.
"""

import pytest
from django import forms
from django.db.models import QuerySet
from rest_framework.serializers import ModelSerializer

from gm2m.choices import choose
from gm2m.identifiers import identifier
from gm2m.rest_framework import GM2MModelSerializerMixin, GM2MRelatedField

from .models import (
    Animal,
    Car,
    Cat,
    Cinema,
    Dog,
    Opened,
    Place,
    Truck,
    Vehicle,
)

#: By the name of the field: the parent and two children.
FAMILIES = {"animals": (Animal, Dog, Cat), "vehicles": (Vehicle, Car, Truck)}


class Family:
    """A field, two objects of subclasses, and one of the parent alone."""

    def __init__(self, name, by_parent):
        self.name = name
        self.parent, *children = FAMILIES[name]
        self.model_field = Opened._meta.get_field(name)
        self.one, self.two = (model.objects.create(name="x") for model in children)
        self.plain = self.parent.objects.create(name="y")
        self.opened = Opened.objects.create(name="Z")
        self.field.add(*map(self.as_parent, self.all) if by_parent else self.all)

    @property
    def all(self):
        return [self.one, self.two, self.plain]

    @property
    def field(self):
        return getattr(self.opened, self.name)

    @property
    def linked(self):
        return list(self.field.all())

    def as_parent(self, obj):
        return QuerySet(self.parent).get(pk=obj.pk)

    def rows(self):
        return self.field.through.objects.count()


@pytest.fixture(params=FAMILIES)
def name(request, db):
    return request.param


@pytest.fixture(params=[False, True], ids=["by own class", "by parent"])
def family(request, name):
    return Family(name, request.param)


def test_managers(family):
    assert family.linked == family.all
    family.field.add(*family.field.all())
    family.field.set(family.field.all())
    assert family.rows() == 3
    assert all(family.field.contains(obj) for obj in family.all)
    family.field.remove(*family.field.all())
    assert family.rows() == 0


def test_lookups(family):
    name = family.name
    parent = family.model_field.lookup_of(family.parent)
    for obj in family.all:
        assert Opened.objects.filter(**{name: obj}).count() == 1
        assert Opened.objects.filter(**{f"{name}__{parent}": obj}).count() == 1
        assert family.parent.objects.get(opened=family.opened, pk=obj.pk) == obj
        assert list(obj.opened_set.all()) == [family.opened]
    assert list(family.field.instances_of(family.parent).order_by("pk")) == family.all
    assert list(family.field.instances_of(type(family.one))) == [family.one]
    (opened,) = Opened.objects.prefetch_related(name)
    assert list(getattr(opened, name).all()) == family.all


def form_for(family):
    meta = type("Meta", (), {"model": Opened, "fields": [family.name]})
    return type("Form", (forms.ModelForm,), {"Meta": meta})


def test_forms(family):
    form = form_for(family)
    shown = str(form(instance=family.opened)[family.name])
    assert shown.count("selected") == 3
    values = [identifier(family.two)]
    form({family.name: values}, instance=family.opened).save()
    assert family.linked == [family.two]
    form({family.name: []}, instance=family.opened).save()
    assert family.rows() == 0


def test_choosing(family):
    values = [
        identifier(family.two),
        f"{family.parent._meta.label_lower}:{family.one.pk}",
    ]
    assert choose(family.model_field, values) == [family.two, family.one]


def serializer_for(family, **declared):
    meta = type("Meta", (), {"model": Opened, "fields": [family.name]})
    bases = (
        (ModelSerializer,) if declared else (GM2MModelSerializerMixin, ModelSerializer)
    )
    return type("Serializer", bases, {"Meta": meta, **declared})


@pytest.mark.parametrize("stock", [True, False])
def test_rest(family, stock):
    declared = {family.name: GM2MRelatedField(many=True)} if stock else {}
    serializer_class = serializer_for(family, **declared)
    data = serializer_class(family.opened).data
    assert data[family.name] == [identifier(obj) for obj in family.all]
    for values, linked in (
        (data[family.name], family.all),
        ([identifier(family.two)], [family.two]),
        ([f"{family.parent._meta.label_lower}:{family.one.pk}"], [family.one]),
        ([], []),
    ):
        serializer = serializer_class(family.opened, data={family.name: values})
        assert serializer.is_valid(), serializer.errors
        serializer.save()
        assert family.linked == linked
        assert family.rows() == len(linked)
    wrong = {family.name: [f"{type(family.two)._meta.label_lower}:{family.one.pk}"]}
    serializer = serializer_class(family.opened, data=wrong)
    assert not serializer.is_valid()
    (error,) = serializer.errors[family.name]
    assert error.code == "does_not_exist"


def test_a_manager_that_yields_the_parent_alone(db):
    """Then a link to the parent is one of its own."""
    cinema, opened = Cinema.objects.create(name="Rex"), Opened.objects.create()
    place = Place.objects.get()
    opened.places.add(cinema, place)
    assert list(opened.places.all()) == [cinema, place]
    opened.places.remove(cinema)
    assert list(opened.places.all()) == [place]
