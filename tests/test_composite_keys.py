"""
Models with composite primary keys: whatever one tries, it is refused by name, and with
what to do instead; nothing is compared with a part of a key.
"""

import pytest
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.core.exceptions import ImproperlyConfigured
from django.db import models

from gm2m import GM2MField

pytestmark = pytest.mark.django_db


@pytest.fixture
def things(registry):
    """Models of which one has a composite key; objects that could be linked."""

    class Things:
        class Pair(models.Model):
            pk = models.CompositePrimaryKey("a", "b")
            a = models.IntegerField()
            b = models.IntegerField()
            items = GM2MField("Single", related_name="pairs")

            class Meta:
                app_label = "app"

        class Single(models.Model):
            items = GM2MField()

            class Meta:
                app_label = "app"

    Things.pair = Things.Pair(a=1, b=2)
    Things.single = Things.Single(pk=1)
    for obj in (Things.pair, Things.single):
        obj._state.adding = False
    return Things


def prefetch(things):
    lookup = GenericPrefetch("items", [things.Pair.objects.all()])
    source = things.Single(pk=1)
    models.prefetch_related_objects([source], lookup)


@pytest.mark.parametrize(
    "do",
    [
        lambda things: things.single.items.add(things.pair),
        lambda things: things.single.items.remove(things.pair),
        lambda things: things.single.items.set([things.pair]),
        lambda things: things.single.items.create(things.Pair, a=1, b=3),
        lambda things: things.single.items.get_or_create(things.Pair, a=1, b=3),
        lambda things: things.single.items.instances_of(things.Pair),
        lambda things: things.single.items.filter(Model=things.Pair),
        lambda things: things.Single.items.add_relation(things.Pair),
        lambda things: things.Single.objects.filter(items=things.pair),
        lambda things: things.Single.objects.filter(items__in=[things.pair]),
        lambda things: things.Single.objects.filter(
            items__in=things.Pair.objects.all()
        ),
        prefetch,
    ],
    ids=[
        "add",
        "remove",
        "set",
        "create",
        "get_or_create",
        "instances_of",
        "Model",
        "add_relation",
        "exact",
        "in",
        "in a queryset",
        "prefetch",
    ],
)
def test_as_a_target(things, do, django_assert_num_queries):
    with (
        django_assert_num_queries(0),
        pytest.raises(
            TypeError, match=r"app\.Single\.items cannot link app\.Pair"
        ) as info,
    ):
        do(things)
    assert "CompositePrimaryKey" in str(info.value)
    assert "Link models whose key is one column" in str(info.value)


def test_as_a_target_it_is_in_no_list(things, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert things.single.items.none().contains(things.pair) is False
    assert not hasattr(things.pair, "single_set")


@pytest.mark.parametrize(
    "do",
    [
        lambda things: things.pair.items,
        lambda things: things.Pair.objects.filter(items=things.single).exists(),
        lambda things: list(things.Pair.objects.filter(items__single__pk=1)),
    ],
    ids=["manager", "filter", "filter by a field"],
)
def test_as_a_source(things, do, django_assert_num_queries):
    """No foreign key can point to it."""
    with (
        django_assert_num_queries(0),
        pytest.raises(ImproperlyConfigured, match=r"app\.Pair\.items") as info,
    ):
        do(things)
    assert "CompositePrimaryKey" in str(info.value)
    assert "Give 'app.Pair' a primary key of one column" in str(info.value)


def test_as_a_source_it_leaves_its_targets_alone(things):
    names = {field.name for field in things.Single._meta.get_fields()}
    assert names == {"id", "items"}
    assert not hasattr(things.Single, "pairs")
