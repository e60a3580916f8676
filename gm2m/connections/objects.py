"""``connection.from_object`` and ``connection.to_object``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connections as databases
from django.db import router
from django.db.models import Model, QuerySet

from ..keys import Key, pk_as

if TYPE_CHECKING:
    from .ends import End

#: What identifies an object among those of several models: its concrete model and key.
Identity = tuple[Any, Any]


class EndObject:
    """
    The object at one end of a connection, ``None`` if it is gone or the relationship is
    not defined. One query, then it is kept; ``prefetch_related()`` takes it, too.

    In the example: ``connection.from_object`` is the user who stars. Assigned to, it
    sets the key. An object that is not saved yet has to be by the time at which the
    connection is.
    """

    def __init__(self, side: str) -> None:
        self.side = side
        self.cache_name = f"{side}_object"
        self.column_name = f"{side}_pk"

    def __get__(self, connection: Any, owner: type[Model]) -> Any:
        if connection is None:
            return self
        cache = connection._state.fields_cache
        if self.is_cached(connection):
            # The key may have been changed since.
            obj = cache[self.cache_name]
            if obj is None or self.is_at_end(obj, connection):
                return obj
        found = self.fetch([connection])
        cache[self.cache_name] = found[0] if found else None
        return cache[self.cache_name]

    def __set__(self, connection: Any, obj: Any) -> None:
        cache = connection._state.fields_cache
        cache.pop(self.cache_name, None)
        if obj is None:
            setattr(connection, self.column_name, None)
            return
        end = self.end(connection)
        model = Model if end is None else end.target
        if not isinstance(obj, model) or isinstance(obj, type):
            whose = connection._meta.label if end is None else end
            raise TypeError(
                f"{whose}: {self.cache_name} must be an object of {model.__name__}, "
                f"not {obj!r}."
            )
        share_database(connection, obj, self.cache_name)
        setattr(connection, self.column_name, self.key_of(obj, connection))
        cache[self.cache_name] = obj

    def key_of(self, obj: Any, connection: Any) -> Any:
        """Return what `connection` is to keep for `obj`, ``None`` if it has no key."""
        end = self.end(connection)
        model = obj._meta.concrete_model if end is None else end.target
        pk, key = pk_as(obj, model), Key(model._meta.pk)
        if pk is None:
            return None
        if Key(connection._meta.get_field(self.column_name)).is_text:
            return key.text(pk)
        return key.field.get_prep_value(pk)

    def is_at_end(self, obj: Any, connection: Any) -> bool:
        """Return whether `obj`, which is kept, is the one of the key still."""
        key = getattr(connection, self.column_name)
        if key is None or key == "":
            return True  # It was not saved when it was assigned.
        end = self.end(connection)
        if end is not None and not isinstance(obj, end.target):
            return False
        return str(self.key_of(obj, connection)) == str(key)

    def assigned(self, connection: Any) -> Any:
        """
        Return the object that is kept for the key, without a query: also one of a model
        that the relationship does not have at this end.
        """
        obj = connection._state.fields_cache.get(self.cache_name)
        key = getattr(connection, self.column_name)
        if obj is None or key is None or key == "":
            return obj
        model: Any = obj._meta.concrete_model
        same = self.is_at_end(obj, connection)
        return (
            obj if same or str(Key(model._meta.pk).text(obj.pk)) == str(key) else None
        )

    def end(self, connection: Any) -> End | None:
        relationship = connection.defined_relationship
        return None if relationship is None else relationship.ends[self.side]

    def identity(self, connection: Any) -> Identity:
        """Return what identifies the object that `connection` should have."""
        end = self.end(connection)
        return end and end.target, str(getattr(connection, self.column_name))

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
                keys.add(getattr(connection, self.column_name))
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


def share_database(connection: Any, obj: Any, name: str) -> None:
    """
    Let a connection go to the database of the object that is assigned to it, as Django
    does with foreign keys. Raise ``ValueError`` if the routers forbid that.
    """
    state = connection._state
    if state.db is None:
        state.db = router.db_for_write(type(connection), instance=obj)
    if obj._state.db is not None and not router.allow_relation(obj, connection):
        raise ValueError(
            f'Cannot assign {obj!r} to {name}: it is on the database "{obj._state.db}",'
            f' the connection on "{state.db}", and the routers do not allow relations '
            "between them."
        )
