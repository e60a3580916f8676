"""What the serializers have in common: links by the natural keys of their targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..fields import GM2MField
from ..references import Reference


class NaturalKey:
    """What serializers take for the primary key field of a ``NaturalReference``."""

    def value_from_object(self, obj: NaturalReference) -> list[Any]:
        return [obj.label, list(obj.natural)]

    value_to_string = value_from_object


class NaturalOptions:
    """What serializers ask of the ``_meta`` of a related object."""

    pk = NaturalKey()


class NaturalReference:
    """A link whose target is told by its natural key."""

    _meta = NaturalOptions()

    def __init__(self, reference: Reference, natural: Any) -> None:
        self.label = [reference.app_label, reference.model_name]
        self.natural = natural

    def natural_key(self) -> tuple[Any, ...]:
        """Return the link as XML tells it, one level of elements."""
        return (*self.label, *self.natural)


class CachedReferences:
    """
    The entry of prefetched targets in the cache of their source, as serializers are
    to see it.
    """

    def __init__(self, queryset: Any, references: Iterable[Any]) -> None:
        self.queryset, self.references = queryset, list(references)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.references)


def is_written(field: Any) -> bool:
    """Return whether serializers write the links of `field` with their source."""
    return isinstance(field, GM2MField) and field.links.is_automatic


def can_be_read(model: type[Any]) -> bool:
    """Return whether objects of `model` are found again by their natural keys."""
    manager = model._default_manager
    return hasattr(model, "natural_key") and hasattr(manager, "get_by_natural_key")


def with_natural_keys(obj: Any, field: GM2MField) -> Any:
    """
    Return a copy of `obj` whose targets, by `field`, are told by natural keys, as far
    as they exist and have one.

    Costs no query if the targets are prefetched, and else one more than to read them.
    """
    manager = getattr(obj, field.name)
    cache = getattr(obj, "_prefetched_objects_cache", {})
    targets, links = (
        manager.all(),
        cache.get(field.name, manager.select_related(None).only("pk")),
    )
    natural = {}
    for target in targets:
        if can_be_read(type(target)):
            label = field.linked_as(type(target))._meta.label_lower
            natural[f"{label}:{field.target_of(target).key}"] = target.natural_key()
    references = [
        NaturalReference(reference, natural[reference.pk])
        if natural.get(reference.pk)
        else reference
        for reference in links
    ]
    # Not copy.copy(): it would pickle the object, as its class says.
    twin = object.__new__(type(obj))
    vars(twin).update(vars(obj))
    entry = CachedReferences(targets, references)
    twin._prefetched_objects_cache = {**cache, field.name: entry}
    return twin


class NaturalKeysMixin:
    """A serializer of the python format, or one that is made from it."""

    use_natural_foreign_keys: bool

    def handle_m2m_field(self, obj: Any, field: Any) -> None:
        if self.use_natural_foreign_keys and is_written(field):
            obj = with_natural_keys(obj, field)
        super().handle_m2m_field(obj, field)  # type: ignore[misc]
