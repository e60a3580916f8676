"""
What a ``GM2MField`` offers to those who choose: objects of its declared models, within
its ``limit_choices_to``; and the objects that were chosen, by their identifiers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet

from .batches import batches
from .identifiers import identifier, split_identifier
from .keys import Key
from .limits import limit_of
from .lookups import KeyAmong

if TYPE_CHECKING:
    from .fields import GM2MField


def offered(field: GM2MField) -> dict[type[Model], QuerySet[Any]]:
    """Return a queryset for each declared model of `field`. No queries."""
    return {
        model: limited(field, model._default_manager.all())
        for model in field.models_on_offer()
    }


def limited(field: GM2MField, queryset: QuerySet[Any]) -> QuerySet[Any]:
    """Return `queryset` within what the ``limit_choices_to`` of `field` says of it."""
    limits = field.remote_field.limit_choices_to
    limit = limit_of(limits, queryset.model, field.linked_as)
    if not limit:
        return queryset
    condition = limit if isinstance(limit, Q) else Q(**limit)
    # A condition that leads to many rows must not give an object several times.
    within = queryset.model._base_manager.filter(condition & Q(pk=OuterRef("pk")))
    return queryset.filter(Exists(within))


def choose(field: GM2MField, values: Iterable[str]) -> list[Model]:
    """
    Return the objects on offer that `values` identify, each once and in their order.
    One query for each model and 10,000 values.

    Raises ``ValueError`` for the first that is no identifier, or of no such object.
    """
    values = dict.fromkeys(values)
    keys: dict[str, list[str]] = {}
    for value in values:
        label, text = split_identifier(value)
        keys.setdefault(label, []).append(text)
    found = {
        identifier(obj, model): obj
        for model, queryset in offered(field).items()
        for obj in fetched(queryset, keys.get(model._meta.label_lower, ()))
    }
    for value in values:
        if value not in found:
            raise ValueError(f"{field}: {value!r} is none of the objects on offer.")
    return [found[value] for value in values]


def fetched(queryset: QuerySet[Any], texts: Iterable[str]) -> Iterator[Model]:
    """
    Yield the objects of `queryset` that have these keys, and others whose keys are
    equal to them for the database.
    """
    key = Key(queryset.model._meta.pk)
    texts = [text for text in texts if is_storable(text)]
    natives = [native for native, _text in key.natives(texts, connections[queryset.db])]
    for batch in batches(natives):
        yield from queryset.filter(KeyAmong(F("pk"), batch))


def is_storable(text: str) -> bool:
    """Return whether databases take `text`: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
