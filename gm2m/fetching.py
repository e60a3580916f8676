"""
Reading rows of a through model as their targets: one query for the rows and one per
content type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from django.db import connections, router
from django.db.models import F, Model, QuerySet
from django.db.models.query import ModelIterable
from django.db.models.sql import Query

from .batches import BATCH_SIZE, batches
from .generics import Target_co
from .keys import Key, model_of_content_type
from .link_order import LinkOrderQuery, by_key
from .lookups import KeyAmong
from .references import Reference, references
from .subclasses import answering
from .target_lists import prefetch_mixed
from .targets import HAS_FETCH_MODES, check_annotations, pairs
from .unsupported import LinksQuerySet

if TYPE_CHECKING:
    from typing_extensions import Self

    from .fields import GM2MField


class TargetIterable(ModelIterable):  # type: ignore[type-arg]
    """Yield the targets of the rows, in chunks if the queryset is streamed."""

    queryset: FetchingQuerySet

    def __iter__(self) -> Iterator[Model]:
        queryset = self.queryset
        rows = queryset._rows(self.chunked_fetch, self.chunk_size)
        if not self.chunked_fetch:
            yield from queryset._targets(list(rows))
            return
        while chunk := list(islice(rows, self.chunk_size)):
            yield from queryset._targets(chunk)


class ReferenceIterable(ModelIterable):  # type: ignore[type-arg]
    """Yield references to the targets of the rows, for serializers."""

    queryset: FetchingQuerySet

    def __iter__(self) -> Iterator[Reference]:
        rows = self.queryset._rows(self.chunked_fetch, self.chunk_size)
        apps = self.queryset.model._meta.apps
        yield from references(rows, apps, self.queryset.db)


class FetchingQuerySet(LinksQuerySet[Target_co]):
    """A queryset of links whose results are their targets."""

    # Django's own, for type checkers.
    _db: str | None
    _fetch_mode: Any
    _fields: Any
    _hints: dict[str, Any]
    _query: Query
    #: Querysets that take the place of models' default managers.
    _target_querysets: dict[type[Model], QuerySet[Any]] = {}
    #: What ``prefetch_related()`` asked for, on the targets.
    _target_lookups: tuple[Any, ...] = ()
    #: Whether of the targets only the keys are wanted.
    _only_keys = False
    #: Whether it is known that no two of the links have the same target.
    _links_once = False

    def __init__(
        self,
        model: Any = None,
        query: Any = None,
        using: Any = None,
        hints: Any = None,
    ) -> None:
        super().__init__(model, query, using, hints)
        self._iterable_class = TargetIterable

    @classmethod
    def for_field(cls, field: GM2MField, **options: Any) -> Self:
        """Return the targets of all sources of `field`."""
        through = field.remote_field.through
        queryset = cls(through, cls._plain_query(through), **options)
        queryset._gm2m = field
        return queryset

    @staticmethod
    def _plain_query(through: Any) -> Query:
        """Return a query of all rows of `through`, in its order or else by its key."""
        query = LinkOrderQuery(through)
        if not through._meta.ordering:
            query.link_order = by_key(through)
        return query

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        clone._gm2m = self._gm2m
        clone._target_querysets = self._target_querysets
        clone._target_lookups = self._target_lookups
        clone._only_keys = self._only_keys
        clone._links_once = self._links_once
        return clone

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Of fields, Django copies even what belongs to a model.
        memo[id(self._gm2m)] = self._gm2m
        clone: Self = super().__deepcopy__(memo)
        return clone

    def _rows(
        self, chunked_fetch: bool, chunk_size: int, *extra: str
    ) -> Iterator[tuple[Any, ...]]:
        """
        Return the content type, the key, the `extra` columns and the annotations of
        each row.
        """
        links = self._gm2m.links
        columns = (
            links.content_type.attname,
            links.key_field.attname,
            *extra,
            *self._extra_names(),
        )
        selected, choose = columns, None
        if self.query.combinator or self.query.distinct:
            # Without the columns that tell links apart, they would become one.
            own = [field.attname for field in self.model._meta.concrete_fields]
            selected = tuple(dict.fromkeys([*own, *columns]))
            choose = itemgetter(*(selected.index(name) for name in columns))
        rows: Any = QuerySet.values_list(self, *selected)
        # That of whole links, which columns of theirs would not have.
        rows.query.order_by = self.query.order_by
        found = rows._iterable_class(
            rows, chunked_fetch=chunked_fetch, chunk_size=chunk_size
        )
        return iter(found if choose is None else map(choose, found))

    def _extra_names(self) -> list[str]:
        """Return the names of annotations and other extra columns."""
        return [*self.query.extra_select, *self.query.annotation_select]

    def _targets(self, rows: Sequence[tuple[Any, ...]]) -> Iterable[Target_co]:
        """Return the targets of `rows` that exist, with the rows' annotations."""
        names = self._extra_names()
        found = self._found(rows)
        if names:
            check_annotations(names, found)
        targets: list[Target_co] = []
        target: Any
        for row, target in pairs(rows, found):
            if names:
                for name, value in zip(names, row[2:], strict=True):
                    setattr(target, name, value)
            targets.append(target)
        if self._target_lookups:
            prefetch_mixed(targets, self._target_lookups, [*self._gm2m.relations])
        return targets

    def _found(self, rows: Iterable[tuple[Any, ...]]) -> dict[Any, dict[Any, Model]]:
        """
        Fetch the targets of `rows`, in one query per content type; return them by
        content type and key.
        """
        wanted: dict[Any, dict[Any, None]] = {}
        for row in rows:
            wanted.setdefault(row[0], {})[row[1]] = None
        types: dict[Any, list[Any]] = {}
        for pk in wanted:
            types.setdefault(self._source_of(pk), []).append(pk)
        found: dict[Any, dict[Any, Model]] = {}
        for model, pks in types.items():
            keys = dict.fromkeys(key for pk in pks for key in wanted[pk])
            found.update(dict.fromkeys(pks, self._fetch(model, keys)))
        return found

    def _source_of(self, content_type_id: Any) -> Any:
        """
        Return the model from whose queryset the targets of a content type are fetched,
        ``None`` if they cannot be. One that was given for a parent gives its children.
        """
        gm2m = self._gm2m
        apps = gm2m.model._meta.apps
        model = model_of_content_type(content_type_id, self.db, apps)
        if model is None or model._meta.abstract or model._meta.swapped:
            return None
        if not Key(model._meta.pk).fits(gm2m.links.key):
            return None
        gm2m.relate(model)
        given = self._target_querysets
        return (given and answering(model, given)) or model

    def _fetch(
        self, model: type[Model] | None, keys: Iterable[Any]
    ) -> dict[Any, Model]:
        """Return the targets of one model by their keys in the through."""
        if model is None:
            return {}
        gm2m, key = self._gm2m, Key(model._meta.pk)
        queryset = self._target_queryset(model)
        column = gm2m.links.key
        natives: list[Any] = key.natives_in(column, keys, connections[queryset.db])
        pk_name = model._meta.pk.attname
        # In one statement where the order of the queryset matters.
        given = model in self._target_querysets
        size = (len(natives) or 1) if given else BATCH_SIZE
        targets: dict[Any, Model] = {}
        for batch in batches(natives, size):
            for target in queryset.filter(KeyAmong(F("pk"), batch)):
                targets[key.kept_in(column, getattr(target, pk_name))] = target
        return targets

    def _target_queryset(self, model: type[Model]) -> Any:
        """Return the queryset from which targets of `model` are fetched."""
        using = self._db or router.db_for_read(model, **self._hints)
        given: Any = self._target_querysets.get(model)
        if given is not None:
            queryset = given.using(given._db or using)
        else:
            manager = model._default_manager.db_manager(using, hints=self._hints)
            queryset = manager.get_queryset()
        if self._only_keys:
            queryset = queryset.select_related(None).only("pk")
        if HAS_FETCH_MODES:
            queryset = queryset.fetch_mode(self._fetch_mode)
        return queryset
