"""``connection.from_object`` and ``connection.to_object``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connections as databases
from django.db.models import Model, QuerySet

from ..keys import Key

if TYPE_CHECKING:
    from .ends import End

#: What identifies an object among those of several models: its concrete model and key.
Identity = tuple[Any, Any]


class EndObject:
    """
    The object at one end of a connection, ``None`` if it is gone or the relationship is
    not defined. One query, then it is kept; ``prefetch_related()`` takes it, too.

    In the example: ``connection.from_object`` is the user who stars.
    """

    def __init__(self, side: str) -> None:
        self.side = side
        self.cache_name = f"{side}_object"

    def __get__(self, connection: Any, owner: type[Model]) -> Any:
        if connection is None:
            return self
        cache = connection._state.fields_cache
        if self.is_cached(connection):
            # The key may have been changed since.
            obj = cache[self.cache_name]
            if obj is None or self.identity_of(obj) == self.identity(connection):
                return obj
        found = self.fetch([connection])
        cache[self.cache_name] = found[0] if found else None
        return cache[self.cache_name]

    def end(self, connection: Any) -> End | None:
        relationship = connection.defined_relationship
        return None if relationship is None else relationship.ends[self.side]

    def identity(self, connection: Any) -> Identity:
        """Return what identifies the object that `connection` should have."""
        end = self.end(connection)
        return end and end.target, str(getattr(connection, f"{self.side}_pk"))

    def identity_of(self, obj: Model) -> Identity:
        """Return what identifies `obj`."""
        model: Any = obj._meta.concrete_model
        return model, Key(model._meta.pk).text(obj.pk)

    def fetch(
        self, connections: Iterable[Any], querysets: Sequence[QuerySet[Any]] = ()
    ) -> list[Any]:
        """
        Return the objects of `connections`: one query for each model at this end. The
        `querysets` take the place of those of the models' base managers.
        """
        given = {
            queryset.model._meta.concrete_model: queryset for queryset in querysets
        }
        by_model: dict[Any, tuple[Any, set[Any], Any]] = {}
        for connection in connections:
            end = self.end(connection)
            if end is not None:
                _end, keys, _first = by_model.setdefault(
                    end.given, (end, set(), connection)
                )
                keys.add(getattr(connection, f"{self.side}_pk"))
        found: list[Any] = []
        for model, (end, keys, first) in by_model.items():
            queryset: Any = given.get(end.target)
            if queryset is None:
                hints = {"instance": first}
                queryset = model._base_manager.db_manager(hints=hints).all()
            natives = end.key.natives_in(end.links.key, keys, databases[queryset.db])
            found.extend(queryset.filter(pk__in=natives))
        return found

    # What Django's prefetch_related_objects() asks of a descriptor.

    def is_cached(self, connection: Any) -> bool:
        return self.cache_name in connection._state.fields_cache

    def get_prefetch_querysets(
        self, instances: list[Any], querysets: Any = None
    ) -> tuple[Any, ...]:
        """Return the objects of all `instances`, for ``prefetch_related()``."""
        return (
            self.fetch(instances, querysets or ()),
            self.identity_of,
            self.identity,
            True,
            self.cache_name,
            False,
        )
