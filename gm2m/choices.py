"""
What a ``GM2MField`` offers to those who choose: objects of its declared models, within
its ``limit_choices_to``; and the objects that were chosen, by their identifiers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps
from django.db import connections
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet

from .batches import batches
from .identifiers import split_identifier
from .keys import Key, pk_as
from .limits import limit_of
from .lookups import KeyAmong
from .subclasses import answering

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
    values = list(dict.fromkeys(values))
    found = identified(offered(field), values, field.linked_as)
    for value in values:
        if value not in found:
            raise ValueError(f"{field}: {value!r} is none of the objects on offer.")
    return unique(found[value] for value in values)


class Claim(NamedTuple):
    """
    What an identifier claims: that there is an object of the model `claimed` with this
    `key`, among those of the model on `offer`. Both are ``None`` if there is no such
    model, the latter if nothing offers its objects.
    """

    claimed: Any
    offer: Any
    key: str


def claim_of(
    value: Any, offers: Collection[type[Model]], linked_as: Callable[[Any], Any]
) -> Claim:
    """
    Return what `value` claims to identify, where the models `offers` are on offer and
    `linked_as` tells the model as one of which objects of a model are linked. Raise
    ``ValueError`` if it is no identifier.
    """
    label, key = split_identifier(value)
    for model in offers:
        if model._meta.label_lower == label:
            return Claim(model, model, key)
    try:
        claimed = apps.get_model(label)
    except LookupError:
        return Claim(None, None, key)
    if claimed._meta.label_lower != label or linked_as(claimed) is not claimed:
        return Claim(None, None, key)
    return Claim(claimed, answering(claimed, offers), key)


def identified(
    querysets: Mapping[type[Model], QuerySet[Any]],
    values: Iterable[Any],
    linked_as: Callable[[Any], Any],
) -> dict[Any, Model]:
    """
    Return the objects that `values` identify, by value, as far as the `querysets` have
    them. One query for each model and 10,000 values.

    Raises ``ValueError`` for what is no identifier.
    """
    claims = {value: claim_of(value, querysets.keys(), linked_as) for value in values}
    keys: dict[type[Model], dict[str, None]] = {}
    for claim in claims.values():
        if claim.offer is not None:
            keys.setdefault(claim.offer, {})[claim.key] = None
    objects = {
        (model, Key(model._meta.pk).text(pk_as(obj, model))): obj
        for model, texts in keys.items()
        for obj in fetched(querysets[model], texts)
    }
    found = {}
    for value, claim in claims.items():
        obj = objects.get((claim.offer, claim.key))
        # What the parent's manager yields may be of another class than is claimed.
        if obj is not None and isinstance(obj, claim.claimed):
            found[value] = obj
    return found


def unique(objs: Iterable[Model]) -> list[Model]:
    """Return `objs`, each once: two values may identify the same one."""
    return list({id(obj): obj for obj in objs}.values())


def fetched(queryset: QuerySet[Any], texts: Iterable[str]) -> Iterator[Model]:
    """
    Yield the objects of `queryset` that have these keys, and others whose keys are
    equal to them for the database.
    """
    for batch in batches(natives(queryset, texts)):
        yield from queryset.filter(KeyAmong(F("pk"), batch))


def natives(queryset: QuerySet[Any], texts: Iterable[str]) -> list[Any]:
    """Return the keys that `texts` stand for, in the model of `queryset`."""
    key = Key(queryset.model._meta.pk)
    texts = [text for text in texts if is_storable(text)]
    return [native for native, _text in key.natives(texts, connections[queryset.db])]


def is_storable(text: str) -> bool:
    """Return whether databases take `text`: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
