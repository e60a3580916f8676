"""
Any history in two databases, with targets that their manager hides now and then, gives
what plain Python lists give.

``GM2M_TEST_HISTORIES`` sets how many histories are tried, as in ``test_properties``.
"""

import uuid

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Count, prefetch_related_objects
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.app.models import Concert, Movie, Opera, Plant, User
from tests.test_properties import HISTORIES, declared_as_before, pick, picks, unique

__all__ = ["declared_as_before"]

ALIASES = ["default", "other"]
#: Both databases have objects of the same keys, and so do the models.
KEYS = {
    Movie: [1, 2],
    Plant: [1, 2, 3, 4],
    Opera: [uuid.UUID(int=1), uuid.UUID(int=2)],
    Concert: ["1", "2"],
}
TARGETS = [(model, key) for model, keys in KEYS.items() for key in keys]
SOURCES = [1, 2, 3]
Through = User.preferred_videos.through

aliases = st.sampled_from(ALIASES)
booleans = st.booleans()
methods = st.sampled_from(["add", "add", "set", "reset", "remove", "clear"])


class Place:
    """What is in one database."""

    def __init__(self):
        self.sources, self.targets = set(SOURCES), set(TARGETS)
        #: Plants that their default manager hides.
        self.hidden = set()
        #: The keys of sources and the references of targets, in order.
        self.links = []


class Databases(RuleBasedStateMachine):
    """The same keys in two databases. What is done in one leaves the other as it is."""

    def __init__(self):
        super().__init__()
        self.atomics = [transaction.atomic(using=alias) for alias in ALIASES]
        for atomic in self.atomics:
            atomic.__enter__()
        self.places = {alias: Place() for alias in ALIASES}

    def teardown(self):
        for alias, atomic in zip(ALIASES[::-1], self.atomics[::-1], strict=True):
            transaction.set_rollback(True, using=alias)
            atomic.__exit__(None, None, None)

    @initialize()
    def objects(self):
        for alias in ALIASES:
            for key in SOURCES:
                User.objects.using(alias).create(pk=key)
            for model, key in TARGETS:
                model._base_manager.using(alias).create(pk=key)

    @invariant()
    def rows_are_the_links(self):
        for alias, place in self.places.items():
            types = ContentType.objects.db_manager(alias)
            names = ("gm2m_src", "gm2m_ct", "gm2m_pk")
            rows = Through.objects.using(alias).order_by("pk").values_list(*names)
            assert list(rows) == [
                (source, types.get_for_model(model).pk, str(key))
                for source, (model, key) in place.links
            ]

    # What the numbers of a move stand for.

    @staticmethod
    def some(known, there, numbers):
        """Return those of `numbers` that are there, of all that is `known`."""
        found = [known[number % len(known)] for number in numbers]
        return unique(one for one in found if one in there)

    @staticmethod
    def target(alias, reference):
        model, key = reference
        return model._base_manager.using(alias).get(pk=key)

    def shown(self, alias, source):
        place = self.places[alias]
        return [
            target
            for key, target in place.links
            if key == source and target not in place.hidden
        ]

    @staticmethod
    def call(manager, method, objs):
        if method == "clear":
            manager.clear()
        elif method in ("set", "reset"):
            manager.set(objs, clear=method == "reset")
        else:
            getattr(manager, method)(*objs)

    def manager(self, alias, key, by_choice):
        """Return a source's manager, perhaps from an instance of the other database."""
        if not by_choice:
            return User.objects.using(alias).get(pk=key).preferred_videos
        other = ALIASES[alias == "default"]
        user = User(pk=key)
        user._state.adding, user._state.db = False, other
        return user.preferred_videos.db_manager(alias)

    # Moves.

    @rule(alias=aliases, number=pick, method=methods, numbers=picks, by_choice=booleans)
    def write_from_source(self, alias, number, method, numbers, by_choice):
        place = self.places[alias]
        targets = self.some(TARGETS, place.targets, numbers)
        for key in self.some(SOURCES, place.sources, [number]):
            manager = self.manager(alias, key, by_choice)
            objs = [self.target(alias, target) for target in targets]
            for obj in objs:
                # The source's, as routers allow no other.
                obj._state.db = manager.instance._state.db
            self.call(manager, method, objs)
            kept = targets if method in ("add", "set") else []
            gone = targets if method == "remove" else self.shown(alias, key)
            if method != "add":
                gone = set(gone) - {*kept} - place.hidden
                self.drop(alias, [(key, target) for target in gone])
            if method not in ("remove", "clear"):
                self.add(alias, [(key, target) for target in targets])

    @rule(alias=aliases, number=pick, method=methods, numbers=picks)
    def write_from_target(self, alias, number, method, numbers):
        place = self.places[alias]
        keys = self.some(SOURCES, place.sources, numbers)
        for reference in self.some(TARGETS, place.targets, [number]):
            User.preferred_videos.add_relation(reference[0])
            self.call(self.target(alias, reference).user_set, method, keys)
            kept = keys if method in ("add", "set") else []
            gone = keys if method == "remove" else SOURCES
            if method != "add":
                gone = set(gone) - {*kept}
                self.drop(alias, [(key, reference) for key in gone])
            if method not in ("remove", "clear"):
                self.add(alias, [(key, reference) for key in keys])

    def add(self, alias, pairs):
        links = self.places[alias].links
        links += [pair for pair in pairs if pair not in links]

    def drop(self, alias, pairs):
        place = self.places[alias]
        place.links = [pair for pair in place.links if pair not in pairs]

    @rule(alias=aliases, number=pick)
    def hide_or_show(self, alias, number):
        place = self.places[alias]
        plants = [target for target in TARGETS if target[0] is Plant]
        for plant in self.some(plants, place.targets, [number]):
            place.hidden ^= {plant}
            rows = Plant.everything.using(alias).filter(pk=plant[1])
            rows.update(dead=plant in place.hidden)

    @rule(alias=aliases, number=pick, many=booleans)
    def delete_target(self, alias, number, many):
        place = self.places[alias]
        for target in self.some(TARGETS, place.targets, [number]):
            model, key = target
            User.preferred_videos.add_relation(model)
            rows = model._base_manager.using(alias).filter(pk=key)
            (rows if many else rows.get()).delete()
            place.targets.remove(target)
            place.hidden.discard(target)
            self.drop(alias, [(key, target) for key in SOURCES])

    @rule(alias=aliases, number=pick)
    def delete_source(self, alias, number):
        place = self.places[alias]
        for key in self.some(SOURCES, place.sources, [number]):
            User.objects.using(alias).get(pk=key).delete()
            place.sources.remove(key)
            self.drop(alias, [(key, target) for target in TARGETS])

    @rule(alias=aliases, number=pick)
    def make_again(self, alias, number):
        """The links of an object that was deleted are not those of a new one."""
        place = self.places[alias]
        model, key = target = TARGETS[number % len(TARGETS)]
        if target not in place.targets:
            model._base_manager.using(alias).create(pk=key)
            place.targets.add(target)

    # Reading.

    @rule(alias=aliases, number=pick, by_choice=booleans)
    def read_targets(self, alias, number, by_choice):
        place = self.places[alias]
        for key in self.some(SOURCES, place.sources, [number]):
            manager, shown = self.manager(alias, key, by_choice), self.shown(alias, key)
            found = list(manager.all())
            assert [(type(obj), obj.pk) for obj in found] == shown
            assert {obj._state.db for obj in found} <= {alias}
            # It is links that are counted.
            count = len([1 for source, _ in place.links if source == key])
            assert manager.count() == count
            first = manager.first()
            assert (first and (type(first), first.pk)) == (shown[0] if shown else None)
            for model in KEYS:
                found = manager.instances_of(model)
                assert {obj.pk for obj in found} == {
                    pk for target, pk in shown if target is model
                }

    @rule(alias=aliases)
    def prefetch(self, alias):
        place = self.places[alias]
        for user in User.objects.using(alias).prefetch_related("preferred_videos"):
            found = [(type(obj), obj.pk) for obj in user.preferred_videos.all()]
            assert found == self.shown(alias, user.pk)
        for model in KEYS:
            User.preferred_videos.add_relation(model)
            objs = list(model._base_manager.using(alias))
            prefetch_related_objects(objs, "user_set")
            for obj in objs:
                found = {user.pk for user in obj.user_set.all()}
                assert found == {
                    key for key, other in place.links if other == (model, obj.pk)
                }

    @rule(alias=aliases, number=pick)
    def find(self, alias, number):
        place = self.places[alias]
        users = User.objects.using(alias)
        for model, key in self.some(TARGETS, place.targets, [number]):
            User.preferred_videos.add_relation(model)
            linked = {source for source, other in place.links if other == (model, key)}
            found = users.filter(preferred_videos=self.target(alias, (model, key)))
            assert {user.pk for user in found} == linked
            name = f"preferred_videos__{model._meta.model_name}"
            found = users.exclude(**{name: key})
            assert {user.pk for user in found} == place.sources - linked
            objs = model._base_manager.using(alias)
            counts = objs.annotate(n=Count("user")).values_list("n", flat=True)
            assert counts.get(pk=key) == len(linked)


@pytest.mark.django_db(databases=ALIASES)
def test_any_history_in_two_databases_gives_what_lists_give():
    for alias in ALIASES:
        for model in KEYS:
            ContentType.objects.db_manager(alias).get_for_model(model)
    run_state_machine_as_test(
        Databases,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=30,
            deadline=None,
            # Its directory would be in the source tree.
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
