"""
Models whose default manager yields objects of their subclasses, as django-polymorphic
and ``InheritanceManager.select_subclasses()`` have them.

An object is linked under its own class. But where ``Animal.objects`` yields a ``Dog``,
a row that links the animal with its key links the dog, and who asks for animals means
dogs as well.

This module knows models and managers, nothing of links.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from django.db.models import Model, Q, QuerySet
from django.db.models.query import ModelIterable

from .keys import Key

#: What is known of managers that may yield objects of subclasses.
known: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def kin(model: type[Model]) -> list[type[Model]]:
    """
    Return the models under which objects of `model` may be linked, itself first: its
    children if its manager yields their objects, and parents whose manager yields its
    own.
    """
    return [*with_subclasses(model), *with_parents(model)[1:]]


def with_subclasses(model: type[Model]) -> list[type[Model]]:
    """
    Return `model` and, if its default manager yields their objects, its multi-table
    children. See ``yields_subclasses()`` for queries.
    """
    return [model, *children(model)] if yields_subclasses(model) else [model]


def with_parents(model: type[Model]) -> list[type[Model]]:
    """
    Return `model` and those of its multi-table parents whose default managers yield its
    objects, the nearest first.
    """
    parents = [
        parent
        for parent in model._meta.all_parents
        if share_keys(parent, model) and yields_subclasses(parent)
    ]
    return [model, *parents]


def answering(model: type[Model], offered: Container[type[Model]]) -> Any:
    """
    Return the one of the `offered` models that has the objects of `model`: itself or a
    parent whose manager yields them; ``None`` if there is none.
    """
    return next((one for one in with_parents(model) if one in offered), None)


def yields_subclasses(model: Any) -> bool:
    """
    Return whether the default manager of `model` yields objects of its multi-table
    children. No queries if it is like Django's own; otherwise one, once there are such
    objects: a manager that may do so need not.
    """
    manager = model._default_manager
    found = known.get(manager)
    if found is not None:
        return found
    below = children(model)
    if not below:
        return False
    shown = manager.get_queryset()
    if is_plain(shown):
        known[manager] = False
        return False
    among = Q()
    for child in below:
        among |= Q(pk__in=QuerySet(child, using=shown.db).values("pk"))
    for sample in shown.filter(among)[:1]:
        known[manager] = isinstance(sample, tuple(below))
        return known[manager]
    return False


def is_plain(queryset: Any) -> bool:
    """Return whether `queryset` makes its objects as Django does."""
    own, cls = ("__iter__", "_fetch_all", "iterator"), type(queryset)
    return queryset._iterable_class is ModelIterable and all(
        getattr(cls, name) is getattr(QuerySet, name) for name in own
    )


def children(model: type[Model]) -> list[type[Model]]:
    """Return the multi-table children of `model`, at any depth, that have its keys."""
    below = dict.fromkeys(descendants(model))
    return [child for child in below if share_keys(model, child)]


def descendants(model: type[Model]) -> Iterator[Any]:
    """Yield the installed subclasses of `model` that have tables of their own."""
    child: Any
    for child in model.__subclasses__():
        opts = child._meta
        installed = opts.apps.all_models[opts.app_label].get(opts.model_name)
        if installed is child and not opts.proxy:
            yield child
        yield from descendants(child)


def share_keys(parent: type[Model], child: type[Model]) -> bool:
    """Return whether objects of `child` have the keys that they have in `parent`."""
    return Key(child._meta.pk).field is Key(parent._meta.pk).field
