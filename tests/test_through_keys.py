"""Through models whose own keys are not numbers: UUIDs, several columns."""

import uuid

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldError
from django.db import connection, models
from django.db.models import Count

from gm2m import GM2MField


def uuid_rows():
    class Row(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        holder = models.ForeignKey("Holder", models.CASCADE, related_name="rows")
        content_type = models.ForeignKey(ContentType, models.CASCADE, related_name="+")
        object_id = models.CharField(max_length=36)
        thing = GenericForeignKey()
        number = models.IntegerField(default=0)

        class Meta:
            app_label = "app"
            ordering = ["number"]

    return [Row]


def composite_rows():
    class Row(models.Model):
        pk = models.CompositePrimaryKey("holder_id", "number")
        holder = models.ForeignKey("Holder", models.CASCADE, related_name="rows")
        content_type = models.ForeignKey(ContentType, models.CASCADE, related_name="+")
        object_id = models.CharField(max_length=36)
        thing = GenericForeignKey()
        number = models.IntegerField()

        class Meta:
            app_label = "app"

    return [Row]


@pytest.fixture(params=[uuid_rows, composite_rows])
def holders(request, registry, transactional_db):
    """Two sources: "x" links b, a and c in this order, "y" links c and d."""

    class Holder(models.Model):
        name = models.CharField(max_length=10)
        things = GM2MField(through="Row", related_name="+")

        class Meta:
            app_label = "app"

    class Film(models.Model):
        title = models.CharField(max_length=10)
        year = models.IntegerField(default=1)

        class Meta:
            app_label = "app"
            db_table = "app_film_of_holders"

    models_made = [Film, Holder, *request.param()]
    for model in models_made:
        with connection.schema_editor() as editor:
            editor.create_model(model)
    try:
        films = {title: Film.objects.create(title=title) for title in "abcd"}
        x, y = (Holder.objects.create(name=name) for name in "xy")
        for holder, letters in ((x, "bac"), (y, "cd")):
            for number, letter in enumerate(letters):
                holder.things.add(films[letter], through_defaults={"number": number})
        yield x, y
    finally:
        for model in reversed(models_made):
            with connection.schema_editor() as editor:
                editor.delete_model(model)


def titles(found):
    return [obj.title for obj in found]


def test_lists_are_in_their_order(holders):
    x, _ = holders
    assert titles(x.things.all()) == ["b", "a", "c"]
    assert titles(x.things.all()[1:]) == ["a", "c"]
    assert titles(x.things.reverse()) == ["c", "a", "b"]
    assert x.things.first().title == "b"
    assert titles(x.things.distinct()) == ["b", "a", "c"]


def test_targets_of_a_model(holders):
    x, _ = holders
    for linked in (
        x.things.instances_of("app.Film"),
        x.things.all().instances_of("app.Film"),
        x.things.all()[:3].instances_of("app.Film"),
    ):
        assert titles(linked) == ["b", "a", "c"]
        assert titles(linked.reverse()) == ["c", "a", "b"]
        assert linked.first().title == "b"
        assert list(linked.values("year").annotate(n=Count("id"))) == [
            {"year": 1, "n": 3}
        ]
    assert titles(x.things.all()[1:].instances_of("app.Film")) == ["a", "c"]
    assert titles(x.things.reverse()[:1].instances_of("app.Film")) == ["c"]


def test_set_operations(holders):
    x, y = holders
    one, two = x.things.all(), y.things.all()
    assert titles(one & two) == ["c"]
    assert titles(one.difference(two)) == ["b", "a"]
    assert sorted(titles(one | two)) == ["a", "b", "c", "d"]
    assert (one | two).count() == 4
    assert sorted(titles(one ^ two)) == ["a", "b", "d"]
    assert sorted(titles(one[:2] | two[1:])) == ["a", "b", "d"]
    assert titles(one[:1] & one) == ["b"]
    assert sorted(titles((one[1:] | two).instances_of("app.Film"))) == ["a", "c", "d"]
    assert one[:2].contains(one[1])
    assert not one[:1].contains(one[1])


def test_the_key_is_no_column_of_targets(holders):
    x, _ = holders
    rows = type(x).things.through
    names = {"pk"} | {
        field.name
        for field in rows._meta.concrete_fields
        if field.primary_key or field.auto_created
    }
    for name in names:
        with pytest.raises(FieldError, match=r"Holder\.things\.through\.objects"):
            x.things.filter(**{f"{name}__isnull": False})
        with pytest.raises(FieldError, match=r"Holder\.things\.through\.objects"):
            x.things.values(name)
    assert titles(x.things.filter(number=1)) == ["a"]
    assert list(x.things.values_list("number", flat=True)) == [0, 1, 2]
    assert titles(x.things.order_by("-pk")) in (
        ["c", "a", "b"],
        titles(x.things.order_by("pk"))[::-1],
    )
