"""
What all related managers have in common: making objects, the cache that prefetching
fills and what it fills it with, and the asynchronous forms of what writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import Model, Q, QuerySet, Window
from django.db.models.constants import LOOKUP_SEP
from django.db.models.functions import RowNumber
from django.db.models.lookups import GreaterThan, LessThanOrEqual
from django.db.models.utils import AltersData

from .link_order import tied_to_first
from .targets import fetch_like
from .transactions import write_at_once


def async_twin(name: str) -> Any:
    """Return the asynchronous form of the method `name`."""

    async def twin(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await sync_to_async(getattr(self, name))(*args, **kwargs)

    twin.__name__ = f"a{name}"
    twin.__doc__ = f"The asynchronous form of ``{name}()``."
    twin.alters_data = True  # type: ignore[attr-defined]
    return twin


class ManagerClasses(dict[Any, type[Any]]):
    """
    The classes of related managers that put `mixin` before a project's classes of
    managers, by these. They belong to a field, or to what else makes managers: classes
    that are made at run time may go with it.
    """

    def __init__(self, mixin: type[Any], prefix: str) -> None:
        super().__init__()
        self.mixin, self.prefix = mixin, prefix

    def __missing__(self, superclass: Any) -> type[Any]:
        name = f"{self.prefix}{superclass.__name__}"
        return self.setdefault(superclass, type(name, (self.mixin, superclass), {}))


class RelatedManager(AltersData):
    """What is related to one object, the `instance`."""

    do_not_call_in_templates = True

    instance: Model
    prefetch_cache_name: str
    _db: str | None
    add: Any
    all: Any

    def __class_getitem__(cls, *args: Any) -> Any:
        return cls

    def __repr__(self) -> str:
        owner = type(self.instance)
        name = f"{owner._meta.label}.{self.prefetch_cache_name}"
        return f"<{name} of {owner.__name__} {self.instance.pk!r}>"

    __str__ = __repr__

    def __iter__(self) -> Any:
        return iter(self.all())

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Any:
        """Stand for the queryset where the manager is the value of a lookup."""
        return self.all().resolve_expression(*args, **kwargs)

    @property
    def write_db(self) -> str:
        """The alias of the database that is written to."""
        raise NotImplementedError

    def as_of_instance(self, queryset: Any) -> Any:
        """
        Return `queryset` to be read with the object: as routers choose for it, and
        fetching what is missing as it does.
        """
        queryset._add_hints(instance=self.instance)
        if self._db:
            queryset = queryset.using(self._db)
        fetch_like(queryset, self.instance)
        return queryset

    aadd = async_twin("add")
    aremove = async_twin("remove")
    aclear = async_twin("clear")
    aset = async_twin("set")
    acreate = async_twin("create")
    aget_or_create = async_twin("get_or_create")
    aupdate_or_create = async_twin("update_or_create")

    def make(
        self,
        method: str,
        related: QuerySet[Any],
        through_defaults: dict[str, Any] | None,
        attrs: dict[str, Any],
    ) -> Any:
        """
        Call the `method` of `related`, all that is related to the object, which makes
        one more unless there is one to get; and relate what was made.
        """

        def make() -> Any:
            made = getattr(related, method)(**attrs)
            obj, created = (made, True) if method == "create" else made
            if created:
                self.add(obj, through_defaults=through_defaults)
            return made

        if related.db == self.write_db:
            return write_at_once(related.db, make, savepoint=True)
        # What has been related in another database could not be undone.
        with transaction.atomic(using=related.db):
            return make()

    # Prefetching.

    def cached(self) -> Any:
        """Return the queryset that was prefetched, or ``None``."""
        for obj in self.holders():
            cache = getattr(obj, "_prefetched_objects_cache", {})
            if self.prefetch_cache_name in cache:
                return cache[self.prefetch_cache_name]
        return None

    def drop_cache(self) -> None:
        """Forget what was prefetched."""
        for obj in self.holders():
            cache = getattr(obj, "_prefetched_objects_cache", {})
            cache.pop(self.prefetch_cache_name, None)

    def holders(self) -> Iterator[Model]:
        """Yield the object, and others in whose place it stands."""
        yield self.instance

    def to_prefetch(
        self,
        querysets: Sequence[Any] | None,
        default: Callable[[], QuerySet[Any]],
        instance: Model,
    ) -> Any:
        """
        Return the one queryset that was given to ``get_prefetch_querysets()``, else the
        `default`, for `instance` and others.
        """
        if querysets and len(querysets) != 1:
            raise ValueError(
                "querysets argument of get_prefetch_querysets() should have a length "
                "of 1."
            )
        queryset: Any = querysets[0] if querysets else default()
        queryset._add_hints(instance=instance)
        return queryset.using(queryset._db or self._db)


def within_limits(queryset: Any, condition: dict[str, Any], partition: str) -> Any:
    """
    Return `queryset` restricted by `condition`, as Django does for a ``Prefetch``: what
    it says of the relation is about the same links, and limits hold for each
    `partition`.
    """
    queryset._not_support_combined_queries("filter")
    queryset = tied_to_first(queryset._chain(), partition.partition(LOOKUP_SEP)[0])
    query = queryset.query
    within = Q(**condition)
    if query.is_sliced:
        low, high = query.low_mark, query.high_mark
        compiler = query.get_compiler(queryset._db or queryset.db)
        ordering = [expression for expression, _ in compiler.get_order_by()]
        number = Window(RowNumber(), partition_by=partition, order_by=ordering)
        within &= Q(GreaterThan(number, low))
        if high is not None:
            within &= Q(LessThanOrEqual(number, high))
        query.clear_limits()
    query.add_q(within, reuse_all=True)
    return queryset
