"""A through model whose primary key is several columns: its links are as any others."""

from types import SimpleNamespace

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.db.models import Count, Exists, F, FilteredRelation, OuterRef, Q

from gm2m import GM2MField

pytestmark = pytest.mark.django_db(transaction=True)


class Meta:
    app_label = "app"


def make_models():
    class Ape(models.Model):
        title = models.CharField(max_length=10)
        Meta = Meta

    class Bee(models.Model):
        title = models.CharField(max_length=10)
        Meta = Meta

    class Menagerie(models.Model):
        name = models.CharField(max_length=10)
        animals = GM2MField(Ape, Bee, through="Enclosure", related_query_name="zoo")
        Meta = Meta

    class Enclosure(models.Model):
        pk = models.CompositePrimaryKey("zoo", "kind", "key")
        zoo = models.ForeignKey(Menagerie, models.CASCADE)
        kind = models.ForeignKey(ContentType, models.CASCADE)
        key = models.CharField(max_length=30)
        animal = GenericForeignKey("kind", "key")
        Meta = Meta

    return SimpleNamespace(Ape=Ape, Bee=Bee, Menagerie=Menagerie, Enclosure=Enclosure)


@pytest.fixture
def zoos(registry):
    """Berlin has an ape and a bee, whose keys are equal, Paris two apes, Rome none."""
    made = make_models()
    classes = [made.Ape, made.Bee, made.Menagerie, made.Enclosure]
    with connection.schema_editor() as editor:
        for model in classes:
            editor.create_model(model)
    made.ape, made.other = (made.Ape.objects.create(title=t) for t in ("ape", "other"))
    made.bee = made.Bee.objects.create(pk=made.ape.pk, title="bee")
    for name, animals in {
        "Berlin": [made.ape, made.bee],
        "Paris": [made.ape, made.other],
        "Rome": [],
    }.items():
        made.Menagerie.objects.create(name=name).animals.add(*animals)
    yield made
    with connection.schema_editor() as editor:
        for model in reversed(classes):
            editor.delete_model(model)


def names(queryset):
    return sorted({*queryset.values_list("name", flat=True)})


def test_whether_there_are_links(zoos):
    zoo = zoos.Menagerie.objects
    assert names(zoo.filter(animals__isnull=True)) == ["Rome"]
    assert names(zoo.filter(animals__isnull=False)) == ["Berlin", "Paris"]
    assert names(zoo.exclude(animals__isnull=False)) == ["Rome"]
    assert names(zoo.exclude(animals__isnull=True)) == ["Berlin", "Paris"]
    assert names(zoo.exclude(animals__bee__isnull=False)) == ["Paris", "Rome"]
    assert zoo.exclude(animals__isnull=False).delete()[0] == 1
    with pytest.raises(ValueError, match="must be True or False"):
        list(zoo.filter(animals__isnull=1))


def test_conditions(zoos):
    zoo = zoos.Menagerie.objects
    assert names(zoo.filter(animals=zoos.ape)) == ["Berlin", "Paris"]
    assert names(zoo.filter(animals__in=[zoos.bee, zoos.other])) == ["Berlin", "Paris"]
    assert names(zoo.filter(animals__in=zoos.Bee.objects.all())) == ["Berlin"]
    assert names(zoo.exclude(animals__in=[zoos.bee])) == ["Paris", "Rome"]
    berlin = zoo.get(name="Berlin")
    assert names(zoo.filter(animals__in=berlin.animals.filter(Model=zoos.Bee))) == [
        "Berlin"
    ]
    assert names(zoo.filter(pk=F("animals__zoo"))) == ["Berlin", "Paris"]
    apes = zoos.Ape.objects
    assert apes.get(zoo__name="Berlin") == zoos.ape
    assert apes.exclude(zoo__name="Berlin").get() == zoos.other
    own = zoo.filter(animals__ape=OuterRef("pk"), name="Berlin")
    assert apes.get(Exists(own)) == zoos.ape


def test_positive_and_negated_conditions(zoos):
    zoo, ape = zoos.Menagerie.objects, Q(animals__ape__title__in=["ape", "other"])
    assert names(zoo.filter(ape, ~Q(animals__bee__title="bee"))) == ["Paris"]
    assert names(zoo.filter(ape, ~Q(animals__ape__title="ape"))) == ["Paris"]
    assert names(zoo.filter(ape, ~Q(animals__ape__title="other"))) == [
        "Berlin",
        "Paris",
    ]
    one = zoos.Ape.objects.filter(Q(zoo__name="Paris"), ~Q(zoo__name="Berlin"))
    assert {animal.title for animal in one} == {"ape", "other"}


def test_counts(zoos):
    def counts(**annotations):
        found = zoos.Menagerie.objects.annotate(**annotations)
        return {zoo.name: zoo.n for zoo in found}

    assert counts(n=Count("animals")) == {"Berlin": 2, "Paris": 2, "Rome": 0}
    bees = Count("animals", filter=Q(animals__bee__title="bee"))
    assert counts(n=bees) == {"Berlin": 1, "Paris": 0, "Rome": 0}
    apes = FilteredRelation("animals", condition=Q(animals=zoos.ape))
    assert counts(a=apes, n=Count("a")) == {"Berlin": 1, "Paris": 1, "Rome": 0}
    assert zoos.Menagerie.objects.aggregate(n=Count("animals")) == {"n": 4}
    # As everywhere in Django.
    with pytest.raises(ValueError, match="composite primary keys"):
        zoos.Menagerie.objects.aggregate(n=Count("animals", distinct=True))
