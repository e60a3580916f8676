"""
What managers hide when they are read keeps its links, as in Django: ``set()`` reads the
manager, ``remove()`` and ``clear()`` go by its conditions.
"""

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models, transaction
from django.db.models.sql import Query
from django.test.utils import CaptureQueriesContext

from gm2m import GM2MField
from tests.app.models import Club, Plant, Undeclared, Video
from tests.queries import LOCK


class Fetching(models.QuerySet):
    """Hides objects after they were fetched."""

    def _fetch_all(self):
        super()._fetch_all()
        self._result_cache = [obj for obj in self._result_cache if not obj.dead]


class Iterating(models.QuerySet):
    def __iter__(self):
        return (obj for obj in super().__iter__() if not obj.dead)


class LateQuery(Query):
    """Adds its condition when it is compiled, as a soft deletion package does."""

    is_whole = True

    def get_compiler(self, *args, **kwargs):
        if self.is_whole:
            self.is_whole = False
            self.add_q(models.Q(dead=False))
        return super().get_compiler(*args, **kwargs)


class Compiling(models.QuerySet):
    def __init__(self, model=None, query=None, using=None, hints=None):
        super().__init__(model, query or LateQuery(model), using, hints)


class Chaining(models.QuerySet):
    def filter(self, *args, **kwargs):
        return super().filter(*args, dead=False, **kwargs)


class SameButMethods(models.QuerySet):
    def dying(self):
        return self.filter(dead=True)


class Filtering(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(dead=False)


class OutOfScope(Exception):
    pass


class Refusing(models.QuerySet):
    """Can be made, and not used, as a scoping package does."""

    def filter(self, *args, **kwargs):
        raise OutOfScope


class RefusingManager(models.Manager):
    def get_queryset(self):
        raise OutOfScope


HIDING = [Fetching, Iterating, Compiling, Chaining]


@pytest.fixture(autouse=True)
def content_types():
    """Forget those of models of one test."""
    ContentType.objects.clear_cache()
    yield
    ContentType.objects.clear_cache()


def declare(manager, related_models=("Weed",)):
    """
    Declare a source and a target with the `manager` on tables that there are, and link
    three targets, one of which is dead.
    """

    class Weed(models.Model):
        name = models.CharField(max_length=100)
        dead = models.BooleanField(default=False)

        objects = manager
        everything = models.Manager()

        class Meta:
            db_table = Plant._meta.db_table

    class Garden(models.Model):
        name = models.CharField(max_length=100)
        things = GM2MField(
            *related_models, db_table=Undeclared.things.through._meta.db_table
        )

        class Meta:
            db_table = Undeclared._meta.db_table

    garden = Garden.objects.create(name="g")
    weeds = [
        Weed.everything.create(name=name, dead=name == "dead")
        for name in ("rose", "dead", "ivy")
    ]
    through = Garden.things.through
    content_type = ContentType.objects.get_for_model(Weed)
    for weed in weeds:
        through.objects.create(
            gm2m_src=garden, gm2m_ct=content_type, gm2m_pk=str(weed.pk)
        )
    return garden, weeds, through


def names(through, weeds):
    names = {str(weed.pk): weed.name for weed in weeds}
    rows = through.objects.order_by("pk")
    return [names[key] for key in rows.values_list("gm2m_pk", flat=True)]


@pytest.mark.parametrize("queryset", HIDING, ids=lambda cls: cls.__name__)
def test_set_keeps_what_is_hidden_when_it_is_read(registry, db, queryset):
    garden, weeds, through = declare(queryset.as_manager())
    assert [weed.name for weed in garden.things.all()] == ["rose", "ivy"]
    garden.things.set([weeds[2]])
    assert names(through, weeds) == ["dead", "ivy"]
    garden.things.set([])
    assert names(through, weeds) == ["dead"]
    # It is linked already.
    garden.things.set(weeds[:2])
    assert names(through, weeds) == ["dead", "rose"]


def test_a_manager_from_a_queryset(registry, db):
    garden, weeds, through = declare(Filtering.from_queryset(Fetching)())
    garden.things.set([])
    assert names(through, weeds) == ["dead"]
    garden.things.clear()
    assert names(through, weeds) == ["dead"]


def test_what_is_gone_is_not_hidden(registry, db):
    garden, weeds, through = declare(Fetching.as_manager())
    type(weeds[0]).everything.filter(pk=weeds[0].pk)._raw_delete("default")
    through.objects.filter(gm2m_pk=str(weeds[2].pk)).update(gm2m_pk="junk")
    garden.things.set([])
    assert names(through, weeds) == ["dead"]


def test_clear_and_remove_go_by_conditions_alone(registry, db):
    """As Django's own do."""
    garden, weeds, through = declare(Fetching.as_manager())
    garden.things.remove(weeds[1])
    assert names(through, weeds) == ["rose", "ivy"]
    garden.things.add(weeds[1])
    garden.things.clear()
    assert names(through, weeds) == []


@pytest.mark.parametrize(
    "manager",
    [Refusing.as_manager(), RefusingManager()],
    ids=["queryset", "manager"],
)
def test_set_raises_what_the_manager_raises(registry, db, manager):
    garden, weeds, through = declare(manager)
    for objs in ([], weeds[:1], weeds):
        with pytest.raises(OutOfScope), transaction.atomic():
            garden.things.set(objs)
    assert names(through, weeds) == ["rose", "dead", "ivy"]
    through.objects.all().delete()
    with pytest.raises(OutOfScope), transaction.atomic():
        garden.things.set([])


def test_remove_and_clear_raise_if_the_manager_does(registry, db):
    garden, weeds, through = declare(RefusingManager())
    with pytest.raises(OutOfScope), transaction.atomic():
        garden.things.remove(weeds[0])
    with pytest.raises(OutOfScope), transaction.atomic():
        garden.things.clear()
    assert names(through, weeds) == ["rose", "dead", "ivy"]


def test_a_model_that_is_met_by_reading(registry, db):
    """Another process may have linked what this one knows nothing of yet."""
    garden, weeds, through = declare(Filtering(), related_models=())
    garden.things.set([])
    assert names(through, weeds) == ["dead"]


@pytest.mark.parametrize(
    ("manager", "more"),
    [
        (models.Manager(), 0),
        (SameButMethods.as_manager(), 0),
        (Filtering(), 0),
        # One that asks what it gives, one more for those that it does not.
        (Fetching.as_manager(), 2),
    ],
    ids=["plain", "methods", "conditions", "hides when read"],
)
def test_numbers_of_queries(registry, db, manager, more):
    garden, weeds, _ = declare(manager)
    with CaptureQueriesContext(connection) as context:
        garden.things.set([weeds[0]])
    assert len(context) == 2 + more + LOCK


@pytest.mark.parametrize("queryset", HIDING, ids=lambda cls: cls.__name__)
def test_set_from_a_target(registry, db, queryset):
    class Film(models.Model):
        title = models.CharField(max_length=255)

        class Meta:
            db_table = Video._meta.db_table

    class Circle(models.Model):
        name = models.CharField(max_length=100)
        dead = models.BooleanField(default=False, db_column="secret")
        library = GM2MField(
            Film,
            related_name="circles",
            db_table=Club.library.through._meta.db_table,
        )

        objects = queryset.as_manager()
        everything = models.Manager()

        class Meta:
            db_table = Club._meta.db_table

    film = Film.objects.create(title="x")
    circles = [
        Circle.everything.create(name=name, dead=name == "dead")
        for name in ("rose", "dead", "ivy")
    ]
    for circle in circles:
        circle.library.add(film)

    def linked():
        rows = Circle.library.through.objects.order_by("gm2m_src")
        return [row.gm2m_src_id for row in rows]

    film.circles.set([circles[2]])
    assert linked() == [circles[1].pk, circles[2].pk]
    film.circles.set([])
    assert linked() == [circles[1].pk]
    film.circles.clear()
    assert linked() == []


def test_a_source_manager_that_raises(registry, db):
    _, weeds, through = declare(models.Manager())
    manager = weeds[0].garden_set

    def refuse():
        raise OutOfScope

    manager._sources = refuse
    with pytest.raises(OutOfScope), transaction.atomic():
        manager.set([])
    with pytest.raises(OutOfScope), transaction.atomic():
        manager.clear()
    assert names(through, weeds) == ["rose", "dead", "ivy"]
