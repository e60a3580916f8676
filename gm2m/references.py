"""
References: links as serialized data tells them.

In fixtures a link is ``[["app", "model"], key]``, with the key as text, and
``app.model:key`` where only text is possible, in XML. Django's own serializers write
what they take for the primary keys of related objects; so they are given
``Reference``s for related objects, whose "primary key" this is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.db import connections

from .keys import Key, model_of_content_type

if TYPE_CHECKING:
    from django.apps.registry import Apps


class ReferenceKey:
    """What serializers take for the primary key field of a ``Reference``."""

    def value_from_object(self, obj: Reference) -> list[Any]:
        return [[obj.app_label, obj.model_name], obj.key]

    value_to_string = value_from_object


class ReferenceOptions:
    """What serializers ask of the ``_meta`` of a related object."""

    pk = ReferenceKey()


class Reference:
    """The target of a link, by its content type's label and its key as text."""

    _meta = ReferenceOptions()

    def __init__(self, app_label: str, model_name: str, key: str) -> None:
        self.app_label, self.model_name, self.key = app_label, model_name, key

    def __repr__(self) -> str:
        return f"<Reference: {self.pk}>"

    @property
    def pk(self) -> str:
        """The reference as one piece of text."""
        return f"{self.app_label}.{self.model_name}:{self.key}"

    def natural_key(self) -> tuple[str, ...]:
        """
        Return the reference where XML has natural keys for all links of an object.
        White space at the ends would be lost there.
        """
        if self.key.split() != [self.key]:
            key = json.dumps(self.key)
            return (f"{self.app_label}.{self.model_name}={key}",)
        return (self.pk,)


def references(
    rows: Iterable[tuple[Any, ...]], apps: Apps, using: str
) -> Iterator[Reference]:
    """
    Yield a reference for each pair of a content type and a key in `rows`, leaving out
    what could not be read again: models that `apps` does not know, keys that are none.
    """
    models: dict[Any, Any] = {}
    for content_type_id, key, *_ in rows:
        if content_type_id not in models:
            model = model_of_content_type(content_type_id, using, apps)
            models[content_type_id] = model, model and Key(model._meta.pk)
        model, model_key = models[content_type_id]
        if model is None or model._meta.swapped:
            continue
        try:
            model_key.native(str(key), connections[using])
        except ValueError:
            continue
        opts: Any = model._meta
        yield Reference(opts.app_label, opts.model_name, str(key))


class CachedTargets:
    """
    The entry of prefetched targets in the cache of their source.

    Managers take the `queryset`. Serializers iterate over what they find in the
    cache, and get references to the same links.
    """

    def __init__(self, queryset: Any, rows: list[tuple[Any, ...]]) -> None:
        self.queryset, self.rows = queryset, rows

    def __iter__(self) -> Iterator[Reference]:
        apps = self.queryset.model._meta.apps
        return references(self.rows, apps, self.queryset.db)
