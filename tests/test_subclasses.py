"""
A related model whose manager yields objects of its subclasses: which links are theirs.
"""

import pytest
from django.db.models import Count, Prefetch, QuerySet, prefetch_related_objects

from gm2m import subclasses
from tests.app.models import Animal, Cat, Dog, Movie, Puppy, Video, Zoo

#: Both ways in which an animal may be linked.
OWN, PARENT = "under its own class", "under the parent"


def as_animal(obj):
    """Return the object as its parent has it."""
    return QuerySet(Animal).get(pk=obj.pk)


@pytest.fixture
def rex(db):
    return Dog.objects.create(name="Rex")


@pytest.fixture
def tom(rex):
    return Cat.objects.create(name="Tom")


@pytest.fixture
def snake(tom):
    return Animal.objects.create(name="Kaa")


@pytest.fixture(params=[OWN, PARENT])
def zoo(request, rex, tom, snake):
    """A zoo with a dog, a cat and an animal that is nothing else."""
    zoo = Zoo.objects.create(name="Tierpark")
    animals = [rex, tom, snake]
    if request.param == PARENT:
        animals = map(as_animal, animals)
    zoo.animals.add(*animals)
    return zoo


@pytest.fixture
def other(zoo):
    """A zoo without animals."""
    return Zoo.objects.create(name="Empty")


def rows(zoo):
    return zoo.animals.through.objects.filter(gm2m_src=zoo).count()


def test_an_object_is_linked_under_its_own_class(zoo, other, rex):
    other.animals.add(*zoo.animals.all())
    assert list(other.animals.filter(Model=Dog)) == [rex]
    assert sorted(
        row.gm2m_ct.model
        for row in other.animals.through.objects.filter(gm2m_src=other)
    ) == ["animal", "cat", "dog"]


def test_what_is_linked_already_is_not_linked_again(zoo, rex, tom, snake):
    zoo.animals.add(*zoo.animals.all())
    zoo.animals.add(as_animal(rex), as_animal(tom))
    assert list(zoo.animals.all()) == [rex, tom, snake]
    assert rows(zoo) == 3
    zoo.animals.set(zoo.animals.all())
    rex.zoos.add(zoo)
    as_animal(rex).zoos.add(zoo)
    assert rows(zoo) == 3


def test_removing(zoo, rex, tom, snake):
    zoo.animals.remove(rex)
    assert list(zoo.animals.all()) == [tom, snake]
    zoo.animals.remove(as_animal(tom))
    assert list(zoo.animals.all()) == [snake]


def test_removing_all(zoo):
    zoo.animals.remove(*zoo.animals.all())
    assert rows(zoo) == 0


def test_setting(zoo, rex, tom, snake):
    before = list(zoo.animals.through.objects.values_list("pk"))
    zoo.animals.set([rex, as_animal(tom), snake])
    assert list(zoo.animals.through.objects.values_list("pk")) == before
    zoo.animals.set([tom])
    assert list(zoo.animals.all()) == [tom]
    zoo.animals.set([])
    assert rows(zoo) == 0


def test_looking(zoo, other, rex, tom, snake):
    for obj in (rex, tom, snake, as_animal(rex)):
        assert zoo.animals.contains(obj)
        assert not other.animals.contains(obj)
    cached = zoo.animals.all()
    assert len(cached) == 3
    for obj in (rex, tom, snake, as_animal(rex)):
        assert cached.contains(obj)
    assert not cached.contains(Dog.objects.create(name="Lassie"))
    assert rex in zoo.animals.all()


def test_instances(zoo, rex, tom, snake):
    assert list(zoo.animals.instances_of(Animal)) == [rex, tom, snake]
    assert list(zoo.animals.all().instances_of(Animal)) == [rex, tom, snake]
    assert list(zoo.animals.instances_of(Dog)) == [rex]
    assert list(zoo.animals.instances_of(Cat)) == [tom]
    assert list(zoo.animals.instances_of(Puppy)) == []


def test_conditions_on_the_model(zoo, rex, tom, snake):
    assert list(zoo.animals.filter(Model=Animal)) == [rex, tom, snake]


def test_lookups_from_a_source(zoo, other, rex, tom):
    names = Zoo.objects.order_by("pk")
    for obj in (rex, tom, as_animal(rex)):
        assert list(names.filter(animals=obj)) == [zoo]
        assert list(names.filter(animals__in=[obj])) == [zoo]
        assert list(names.filter(animals__animal=obj)) == [zoo]
        assert list(names.exclude(animals=obj)) == [other]
    assert list(names.filter(animals__in=Dog.objects.all())) == [zoo]
    assert list(names.filter(animals__dog__in=[rex])) == [zoo]
    assert list(names.filter(animals__animal__name="Rex")) == [zoo]
    assert list(names.exclude(animals__animal__name="Rex")) == [other]
    assert list(names.filter(animals__dog__name="Rex")) == [zoo]
    assert not names.filter(animals__cat__name="Rex")
    assert list(names.exclude(animals__animal__isnull=False)) == [other]


def test_lookups_by_class_look_at_the_class(rex, tom):
    zoo = Zoo.objects.create()
    zoo.animals.add(tom)
    assert not Zoo.objects.filter(animals__dog__isnull=False)
    assert not Zoo.objects.filter(animals__dog=tom.pk)
    assert Zoo.objects.values_list("animals__dog").get() == (None,)
    assert Zoo.objects.values_list("animals__animal").get() == (tom.pk,)


def test_from_a_target(zoo, other, rex, tom, snake):
    for obj in (rex, tom, snake, as_animal(rex)):
        assert list(obj.zoos.all()) == [zoo]
        assert obj.zoos.count() == 1
        assert obj.zoos.contains(zoo)
    assert list(Animal.objects.filter(zoos=zoo).order_by("pk")) == [rex, tom, snake]
    assert list(Dog.objects.filter(zoos__name="Tierpark")) == [rex]
    counted = Animal.objects.annotate(n=Count("zoos"))
    assert list(counted.values_list("n", flat=True)) == [1, 1, 1]
    rex.zoos.set([other])
    assert list(rex.zoos.all()) == [other]
    as_animal(tom).zoos.remove(zoo)
    assert list(zoo.animals.all()) == [snake]


def test_clearing_from_a_target(zoo, rex, tom, snake):
    rex.zoos.clear()
    assert list(zoo.animals.all()) == [tom, snake]


def test_prefetching(zoo, rex, tom, snake, django_assert_num_queries):
    (found,) = Zoo.objects.prefetch_related("animals")
    assert list(found.animals.all()) == [rex, tom, snake]
    animals = list(Animal.objects.order_by("pk"))
    prefetch_related_objects(animals, "zoos")
    with django_assert_num_queries(0):
        assert [list(animal.zoos.all()) for animal in animals] == [[zoo]] * 3
    dogs = Prefetch("animals", Dog.objects.all())
    (found,) = Zoo.objects.prefetch_related(dogs)
    assert list(found.animals.all()) == [rex]


def test_prefetching_by_the_parents_queryset(zoo, rex, tom, snake):
    """It gives its children as well, in its order."""
    animals = Prefetch("animals", Animal.objects.order_by("-name"))
    (found,) = Zoo.objects.prefetch_related(animals)
    assert list(found.animals.all()) == [tom, rex, snake]
    some = Prefetch("animals", Animal.objects.exclude(name="Rex"))
    (found,) = Zoo.objects.prefetch_related(some)
    assert list(found.animals.all()) == [tom, snake]


def test_prefetching_by_a_condition_on_the_relation(zoo, other, rex, tom, snake):
    animals = Animal.objects.filter(zoos__name="Tierpark").order_by("name")
    found = Zoo.objects.prefetch_related(Prefetch("animals", animals)).order_by("pk")
    assert [list(one.animals.all()) for one in found] == [[snake, rex, tom], []]
    assert {
        reference.model_name
        for reference in found[0]._prefetched_objects_cache["animals"]
    } == {"animal", "dog", "cat"}


def test_deletion(zoo, rex, tom, snake):
    for animal in (rex, as_animal(tom), snake):
        animal.delete()
    assert rows(zoo) == 0


def test_a_child_of_a_child(rex):
    puppy, zoo = Puppy.objects.create(name="Struppi"), Zoo.objects.create()
    zoo.animals.add(as_animal(puppy))
    zoo.animals.add(puppy)
    assert list(zoo.animals.all()) == [puppy]
    # The manager of dogs is like any other.
    zoo.animals.add(QuerySet(Dog).get(pk=puppy.pk))
    assert rows(zoo) == 1


def test_what_costs_no_query(zoo, rex, django_assert_num_queries):
    """What the managers yield is found out once."""
    assert subclasses.yields_subclasses(Animal)
    with django_assert_num_queries(0):
        assert subclasses.kin(Animal) == [Animal, Dog, Puppy, Cat]
        assert subclasses.kin(Dog) == [Dog, Animal]
        assert subclasses.kin(Video) == [Video]
        assert subclasses.kin(Movie) == [Movie]
    with django_assert_num_queries(1):
        assert Zoo.objects.filter(animals=rex).count() == 1


def test_without_objects_of_subclasses_nothing_is_known(db, monkeypatch):
    monkeypatch.setattr(subclasses, "known", {})
    assert subclasses.kin(Animal) == [Animal]
    assert subclasses.known == {}
    Dog.objects.create(name="Rex")
    assert subclasses.kin(Animal) == [Animal, Dog, Puppy, Cat]


def test_a_manager_of_its_own_kind_that_yields_no_subclasses(db, monkeypatch):
    """Links to a parent and to its child are two, as they are for other managers."""
    monkeypatch.setattr(subclasses, "known", {})
    manager = Animal._default_manager
    odd = type(manager)
    monkeypatch.setattr(odd, "get_queryset", lambda self: Odd(self.model))
    dog, zoo = Dog.objects.create(name="Rex"), Zoo.objects.create()
    zoo.animals.add(dog, as_animal(dog))
    assert subclasses.known[manager] is False
    assert list(zoo.animals.all()) == [dog, as_animal(dog)]
    zoo.animals.remove(dog)
    assert list(zoo.animals.all()) == [as_animal(dog)]


class Odd(QuerySet):
    def iterator(self, *args, **kwargs):
        return super().iterator(*args, **kwargs)
