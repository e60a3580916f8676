"""
What becomes of the links when an object at one of their ends is deleted.

``CASCADE``, ``DO_NOTHING``, ``PROTECT`` and ``RESTRICT`` are Django's own. Those whose
name says ``SIGNAL`` send ``gm2m.signals.deleting`` first. All act on the rows of the
through model, never on the object at the other end of a link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from django.db.models import (
    CASCADE,
    DO_NOTHING,
    PROTECT,
    RESTRICT,
    Field,
    QuerySet,
)
from django.db.models.deletion import Collector

from .signals import deleting

__all__ = [
    "CASCADE",
    "CASCADE_SIGNAL",
    "CASCADE_SIGNAL_VETO",
    "DO_NOTHING",
    "DO_NOTHING_SIGNAL",
    "PROTECT",
    "RESTRICT",
]

OnDelete = Callable[..., Any]


def CASCADE_SIGNAL(
    collector: Collector, field: Any, sub_objs: QuerySet[Any], using: str
) -> None:
    """Send the signal, then delete the rows."""
    announce(collector, field, using)
    cascade(collector, field, sub_objs, using)


def CASCADE_SIGNAL_VETO(
    collector: Collector, field: Any, sub_objs: QuerySet[Any], using: str
) -> None:
    """Send the signal, then delete the rows unless a receiver says something true."""
    if not announce(collector, field, using):
        cascade(collector, field, sub_objs, using)


def DO_NOTHING_SIGNAL(
    collector: Collector, field: Any, sub_objs: QuerySet[Any], using: str
) -> None:
    """Send the signal, and leave the rows."""
    announce(collector, field, using)


for _policy in (CASCADE_SIGNAL, CASCADE_SIGNAL_VETO, DO_NOTHING_SIGNAL):
    # Django need not look whether there are rows.
    _policy.lazy_sub_objs = True  # type: ignore[attr-defined]


class Announced:
    """What a collector has announced of one relation, and the last answer."""

    def __init__(self) -> None:
        self.objs: set[Any] = set()
        self.vetoed = False


#: A collector comes back for each batch of objects; the signal is sent once for all.
announced: WeakKeyDictionary[Collector, dict[Field[Any, Any], Announced]]
announced = WeakKeyDictionary()


def announce(collector: Collector, field: Any, using: str) -> bool:
    """
    Send the signal for the objects that `collector` has found since it was sent last,
    if they have rows; return whether a receiver objected.
    """
    state = announced.setdefault(collector, {}).setdefault(field, Announced())
    end = field.remote_field.model._meta.concrete_model
    objs = [
        obj
        for model, collected in collector.data.items()
        if issubclass(model, end)
        for obj in collected
        if obj not in state.objs
    ]
    if objs:
        state.objs.update(objs)
        rows = field.model._base_manager.using(using)
        rows = rows.filter(**{f"{field.name}__in": objs})
        state.vetoed = bool(rows) and any(
            answer
            for _receiver, answer in deleting.send(
                sender=gm2m_field_of(field),
                del_objs=objs,
                rel_objs=rows,
                using=using,
                origin=collector.origin,
            )
        )
    return state.vetoed


def gm2m_field_of(field: Any) -> Any:
    """Return the ``GM2MField`` of a field of a through model."""
    if hasattr(field, "gm2m"):
        return field.gm2m
    for candidate in field.remote_field.model._meta.many_to_many:
        if getattr(candidate, "is_sound", False) and candidate.links.source == field:
            return candidate
    raise LookupError(
        f"{field} has a policy of gm2m.deletion, but is no source key of a GM2MField."
    )


def cascade(
    collector: Collector, field: Any, sub_objs: QuerySet[Any], using: str
) -> None:
    """Collect the rows for deletion, found by `field`."""
    if field.concrete:
        CASCADE(collector, field, sub_objs, using)
        return
    # Not Django's for the key of a target: it would go by `field.null`, which there
    # speaks of joins, and set a column to NULL that does not exist.
    collector.collect(
        sub_objs,
        source=field.remote_field.model,
        source_attr=field.name,
        fail_on_restricted=False,
    )


@dataclass(frozen=True)
class TargetPolicy:
    """
    A policy in the form that suits the rows which link a deleted target.

    Django's collector hands over the rows that `field`, the key of one target model,
    finds. The admin's collector has added ``select_related()`` on it, which such a
    field does not support; it wants to show each row below its target, so the
    targets are fetched all at once instead, through the `generic_name` key.
    """

    on_delete: OnDelete
    generic_name: str

    # Leaves the rows alone until the collector knows whether one DELETE will do.
    lazy_sub_objs: ClassVar[bool] = True

    def __call__(
        self, collector: Collector, field: Any, sub_objs: QuerySet[Any], using: str
    ) -> None:
        if sub_objs.query.select_related:
            sub_objs = sub_objs.select_related(None).prefetch_related(self.generic_name)
        if self.on_delete is CASCADE:
            cascade(collector, field, sub_objs, using)
        elif getattr(self.on_delete, "lazy_sub_objs", False) or sub_objs:
            self.on_delete(collector, field, sub_objs, using)


def policy_for_target(on_delete: OnDelete, generic_name: str) -> OnDelete:
    """Return `on_delete` for rows that are found by their target."""
    if on_delete is DO_NOTHING:
        # Django recognizes it, and does not look for the rows.
        return on_delete
    return TargetPolicy(on_delete, generic_name)


def deletes_in_database(on_delete: Any) -> bool:
    """Return whether `on_delete` is Django 6.1's ``DB_CASCADE``."""
    return hasattr(on_delete, "on_delete_sql") and on_delete.__name__ == "DB_CASCADE"
