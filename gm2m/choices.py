"""
What a ``GM2MField`` offers to those who choose: objects of its declared models, within
its ``limit_choices_to``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

if TYPE_CHECKING:
    from .fields import GM2MField


def offered(field: GM2MField) -> dict[type[Model], QuerySet[Any]]:
    """Return a queryset for each declared model of `field`. No queries."""
    return {
        model: limited(field, model._default_manager.all())
        for model in field.get_related_models()
    }


def limited(field: GM2MField, queryset: QuerySet[Any]) -> QuerySet[Any]:
    """Return `queryset` within what the ``limit_choices_to`` of `field` says of it."""
    limit = limit_of(field, queryset.model)
    if not limit:
        return queryset
    condition = limit if isinstance(limit, Q) else Q(**limit)
    # A condition that leads to many rows must not give an object several times.
    within = queryset.model._base_manager.filter(condition & Q(pk=OuterRef("pk")))
    return queryset.filter(Exists(within))


def limit_of(field: GM2MField, model: type[Model]) -> Any:
    """Return the limit for objects of `model`: a ``Q`` or a mapping of lookups."""
    limit: Any = field.remote_field.limit_choices_to
    if callable(limit):
        limit = limit()
    if is_by_model(limit):
        installed = {field.declared_model(name): own for name, own in limit.items()}
        limits = {field.linked_as(key): own for key, own in installed.items() if key}
        limit = limits.get(model)
        if callable(limit):
            limit = limit()
    return limit


def is_by_model(limit: Any) -> bool:
    """Return whether `limit` maps models, or their names, to limits; not lookups."""
    return isinstance(limit, Mapping) and any(
        isinstance(name, type) or "." in name for name in limit
    )
