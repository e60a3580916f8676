"""The related managers of connections: ``page.style_slots``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import router, transaction
from django.db.models import Model, Q, QuerySet

from ..related_managers import RelatedManager, within_limits
from ..targets import copy_instance
from .ends import OTHER

if TYPE_CHECKING:
    from .attached_connections import AttachedConnections
    from .relationship import Relationship

#: The name under which prefetched connections of a symmetric relationship carry the key
#: of the object that they are for.
HERE = "_prefetch_related_val_here"
IDENTITY = ("relationship_name", "from_pk", "to_pk")


class ConnectionsManager(RelatedManager):
    """
    The connections of one object: what is put before the class of the connection
    model's default manager.
    """

    model: Any

    def __init__(self, attachment: AttachedConnections, instance: Model) -> None:
        super().__init__()
        self.attachment, self.instance = attachment, instance
        self.side = attachment.side
        self.model = attachment.relationship.connection_model
        self.prefetch_cache_name = str(attachment.name)
        # Raises an error for an object that is not saved.
        self.key = attachment.end.value_of(instance)

    def __call__(self, *, manager: str) -> Any:
        superclass: Any = type(getattr(self.model, manager))
        manager_class = self.attachment.manager_classes[superclass]
        return manager_class(self.attachment, self.instance)

    @property
    def relationship(self) -> Relationship:
        """The relationship."""
        return self.attachment.relationship

    @property
    def sides(self) -> tuple[str, ...]:
        """The ends at which the object may be."""
        return ("from", "to") if self.relationship.symmetric else (self.side,)

    # Reading.

    def get_queryset(self) -> Any:
        cached = self.cached()
        if cached is not None:
            return cached
        return self._apply_rel_filters(self._all())

    def _all(self) -> QuerySet[Any]:
        """Return all that the connection model's default manager shows."""
        return super().get_queryset()  # type: ignore[misc, no-any-return]

    def _apply_rel_filters(self, queryset: Any) -> Any:
        queryset = self.as_of_instance(queryset)
        if queryset.query.is_sliced:
            # That of a Prefetch, whose slice has been taken.
            queryset = queryset.all()
            queryset.query.clear_limits()
        queryset = queryset.filter(self._condition([self.key]))
        return self._knowing(queryset, {self.key: self.instance})

    def _condition(self, keys: list[Any]) -> Q:
        """Return the condition on connections that an object of `keys` is at an end."""
        condition = Q()
        for side in self.sides:
            # With the name in both, SQLite goes by both indexes.
            condition |= Q(
                relationship_name=self.relationship.name, **{f"{side}_pk__in": keys}
            )
        return condition

    def _knowing(self, queryset: Any, objs: dict[Any, Model]) -> Any:
        """Let connections have the objects that they were asked for by."""
        opts = self.model._meta
        queryset._known_related_objects = {
            opts.get_field(f"{side}_object"): objs for side in self.sides
        }
        return queryset

    def get_prefetch_querysets(
        self, instances: list[Model], querysets: Any = None
    ) -> tuple[Any, ...]:
        """Return the connections of all `instances`, for ``prefetch_related()``."""
        queryset = self.to_prefetch(querysets, self._all, instances[0])
        end = self.attachment.end
        keys = {id(obj): end.value_of(obj) for obj in instances}
        objs = {keys[id(obj)]: obj for obj in instances}
        if self.relationship.symmetric:
            found: Any = self._of_either_end(queryset, objs)
            name = HERE
        else:
            name = f"{self.side}_pk"
            condition = {
                "relationship_name": self.relationship.name,
                f"{name}__in": list(objs),
            }
            found = self._knowing(within_limits(queryset, condition, name), objs)
        return (
            found,
            lambda connection: getattr(connection, name),
            lambda instance: keys[id(instance)],
            False,
            self.prefetch_cache_name,
            False,
        )

    def _of_either_end(self, queryset: Any, objs: dict[Any, Any]) -> list[Any]:
        """
        Return the connections of a symmetric relationship, one for each of `objs` at
        its ends. A slice is taken of each, with a query.
        """
        query, found = queryset.query, []
        groups = [list(objs)]
        low, high = query.low_mark, query.high_mark
        if query.is_sliced:
            groups = [[key] for key in objs]
            query.clear_limits()
        for keys in groups:
            for row in queryset.filter(self._condition(keys))[low:high]:
                for key in dict.fromkeys((row.from_pk, row.to_pk)):
                    if key in keys:
                        one = copy_instance(row)
                        setattr(one, HERE, key)
                        found.append(one)
        for one in found:
            for side in self.sides:
                obj = objs.get(getattr(one, f"{side}_pk"))
                if obj is not None:
                    setattr(one, f"{side}_object", obj)
        return found

    # Writing.

    def _write_db(self) -> str:
        self.drop_cache()
        return self._db or router.db_for_write(self.model, instance=self.instance)

    def _values(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return `values` for a connection of the object."""
        here, there = f"{self.side}_object", f"{OTHER[self.side]}_object"
        if self.relationship.symmetric and here in values and there not in values:
            # Either name will do for the other one.
            values = {**values, there: values[here]}
        return {**values, "relationship": self.relationship, here: self.instance}

    def _make(self, method: str, args: tuple[Any, ...], values: dict[str, Any]) -> Any:
        manager: Any = self.db_manager(self._write_db())  # type: ignore[attr-defined]
        make = getattr(super(ConnectionsManager, manager), method)
        return make(*args, **self._values(values))

    def create(self, **values: Any) -> Any:
        """Create a connection of the object with these values, and return it."""
        return self._make("create", (), values)

    def get_or_create(self, defaults: Any = None, **values: Any) -> Any:
        """
        Return the connection with these values, or create one; and whether it was
        created.
        """
        return self._make("get_or_create", (defaults,), values)

    def update_or_create(
        self, defaults: Any = None, create_defaults: Any = None, **values: Any
    ) -> Any:
        """
        Update the connection with these values, or create one; return it and whether it
        was created.
        """
        return self._make("update_or_create", (defaults, create_defaults), values)

    def add(self, *objs: Any, bulk: bool = True) -> None:
        """
        Put the object at this end of the connections `objs`: with one query, or if not
        in `bulk` by saving each, which may be new.
        """
        using = self._write_db()
        for obj in objs:
            if not isinstance(obj, self.model):
                raise TypeError(
                    f"{self.model._meta.object_name!r} instance expected, got {obj!r}"
                )
            if bulk and (obj._state.adding or obj._state.db != using):
                raise ValueError(
                    f"{obj!r} instance isn't saved. Use bulk=False or save the object "
                    "first."
                )
        with transaction.atomic(using=using, savepoint=False):
            for obj in objs:
                obj.relationship = self.relationship
                setattr(obj, f"{self.side}_object", self.instance)
                if not bulk:
                    obj.save(using=using)
            if bulk and objs:
                self.model._base_manager.using(using).bulk_update(objs, IDENTITY)

    def set(
        self, objs: Iterable[Any], *, bulk: bool = True, clear: bool = False
    ) -> None:
        """
        The same as ``add()``: a connection cannot be without its ends, so that none is
        taken away.
        """
        self.add(*objs, bulk=bulk)

    create.alters_data = True  # type: ignore[attr-defined]
    get_or_create.alters_data = True  # type: ignore[attr-defined]
    update_or_create.alters_data = True  # type: ignore[attr-defined]
    add.alters_data = True  # type: ignore[attr-defined]
    set.alters_data = True  # type: ignore[attr-defined]
