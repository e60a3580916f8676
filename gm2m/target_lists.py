"""
Lists of objects of several models, from which Django can prefetch on.

Django's ``prefetch_related_objects()`` goes from level to level, and takes all
objects of one level to be of one model: it asks the first how to fetch the next.
Targets are of several models. So to Django the targets of each source are one
object, a ``TargetList``, which passes every question on to the models inside.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Manager, Model, Prefetch, prefetch_related_objects
from django.utils.functional import cached_property


class Onwards(cached_property):  # type: ignore[type-arg]
    """
    The prefetcher of one attribute of the objects in ``TargetList``s, whatever their
    model. It has the interface that Django asks of a descriptor.

    It poses as a cached property: then Django looks only into the ``__dict__`` of a
    list for a `to_attr`, which might be the name of one of the list's methods.
    """

    def __init__(self, attribute: str) -> None:
        super().__init__(self.get_prefetch_querysets)
        self.attribute = attribute

    def is_cached(self, instance: TargetList) -> bool:
        # What each object has is left to its own prefetcher.
        return False

    def get_prefetch_querysets(
        self, instances: list[TargetList], querysets: Any = None
    ) -> tuple[Any, ...]:
        related = RelatedList(self.attribute, instances, querysets)
        # One value for all instances, to be set with their __setattr__().
        return [related], lambda _: None, lambda _: None, True, self.attribute, True


class AnyRelation(type):
    """The class of a class that seems to have every public attribute."""

    def __getattribute__(cls, name: str) -> Any:
        if name.startswith("_"):
            return super().__getattribute__(name)
        return Onwards(name)


class NoFields:
    """The ``_meta`` of what is no model: there are no fields to clash with."""

    def get_field(self, name: str) -> Any:
        raise FieldDoesNotExist(name)


class TargetList(list[Any], metaclass=AnyRelation):
    """A list of objects of several models that Django can prefetch on from."""

    _meta = NoFields()
    #: Models whose objects might be inside.
    _models: Iterable[type[Any]] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, RelatedList):
            value.fetch(to_attr=name)
        else:
            super().__setattr__(name, value)


class RelatedList(TargetList):
    """
    What is related to the objects in `lists` through their `attribute`.

    Only when Django assigns it does it say under which name, so it is filled then.
    """

    def __init__(self, attribute: str, lists: list[TargetList], querysets: Any) -> None:
        super().__init__()
        vars(self).update(
            attribute=attribute, lists=lists, querysets=querysets, done=False
        )

    def fetch(self, to_attr: str) -> None:
        own = vars(self)
        if own["done"]:
            return
        own["done"] = True
        attribute, missing = own["attribute"], []
        by_model: dict[type[Any], list[Any]] = {}
        for obj in {id(obj): obj for found in own["lists"] for obj in found}.values():
            by_model.setdefault(type(obj), []).append(obj)
        for model, objs in by_model.items():
            if not hasattr(model, attribute) and not hasattr(objs[0], attribute):
                missing.append(model)
                continue
            prefetch_related_objects(objs, self.lookup(to_attr))
            for obj in objs:
                self.extend(fetched(obj, to_attr))
        possible = {model for found in own["lists"] for model in found._models}
        if len(missing) == len(by_model) > 0 and not any(
            hasattr(model, attribute) for model in possible
        ):
            raise AttributeError(
                f"Cannot find '{attribute}' on {missing[0].__name__} object, "
                f"'{attribute}' is an invalid parameter to prefetch_related()"
            )

    def lookup(self, to_attr: str) -> Any:
        """Return the lookup that fetches the attribute of one model's objects."""
        own = vars(self)
        attribute, querysets = own["attribute"], own["querysets"]
        name = None if to_attr == attribute else to_attr
        if querysets and len(querysets) > 1:
            return GenericPrefetch(attribute, querysets, to_attr=name)
        return Prefetch(attribute, querysets[0] if querysets else None, to_attr=name)


class PrefetchedTargets(TargetList):
    """
    The prefetched targets of the sources that `source` tells: `is_new`, unless they
    had been `cached` before. `queryset` is what its manager is to give with them,
    `rows` are their rows in the through table.
    """

    source: Any
    queryset: Any
    is_new: bool
    rows: list[tuple[Any, ...]]

    def __init__(self, source: Any, queryset: Any, cached: Any) -> None:
        super().__init__(cached or ())
        self._models = [*queryset._gm2m.relations]
        vars(self).update(
            source=source, queryset=queryset, is_new=cached is None, rows=[]
        )


def fetched(obj: Any, to_attr: str) -> Iterable[Any]:
    """Return what a prefetch to `to_attr` has found for `obj`."""
    value = getattr(obj, to_attr, None)
    if isinstance(value, Manager):
        value = value.all()
    if value is None:
        return ()
    return (value,) if isinstance(value, Model) else value


def prefetch_mixed(
    objs: Iterable[Any], lookups: Iterable[Any], models: Iterable[type[Any]]
) -> None:
    """
    Do what ``prefetch_related_objects()`` does for objects of several models. A name
    is wrong only if none of `models` has it either.
    """
    lists: list[Any] = [TargetList(objs)]
    lists[0]._models = models
    prefetch_related_objects(lists, *lookups)
