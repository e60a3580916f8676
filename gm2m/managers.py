"""
The related managers: ``user.preferred_videos`` and ``movie.user_set``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from django.db import connections, router
from django.db.models import F, Manager, Model, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.db.models.lookups import GreaterThan, LessThanOrEqual

from .keys import Key, check_collation, model_of_content_type
from .linking import LinkManager, Other, async_twin
from .lookups import KeyAmong
from .query import BATCH_SIZE, GM2MQuerySet
from .references import CachedTargets, Reference
from .target_lists import PrefetchedTargets
from .targets import fetch_like, instances_of

if TYPE_CHECKING:
    from .fields import GM2MField

#: The name under which prefetched sources carry the key of their target.
TARGET_KEY = "_prefetch_related_val_target"


class ForwardManager(LinkManager, Manager.from_queryset(GM2MQuerySet)):  # type: ignore[misc]
    """
    The targets of one source.

    In the example: ``user.preferred_videos``. Reading gives a ``GM2MQuerySet``.
    """

    is_reverse = False
    clear_model = None

    def __init__(self, field: GM2MField, instance: Model) -> None:
        super().__init__()
        self.bind(field, instance)
        links = field.links
        self.model = self.through
        self.prefetch_cache_name = field.name
        self.other_names = (links.content_type.attname, links.key_field.attname)
        (self.related_val,) = links.source.get_foreign_related_value(instance)
        if self.related_val is None or instance.pk is None:
            name = links.source.target_field.name
            raise ValueError(
                f'"{instance!r}" needs to have a value for field "{name}" before '
                f"{field} can be used. Save it first."
            )

    def __iter__(self) -> Any:
        return iter(self.all())

    # Reading.

    def _base_queryset(self) -> GM2MQuerySet:
        queryset = GM2MQuerySet.for_field(
            self.field,
            using=self._db,
            hints={**self._hints, "instance": self.instance},
        )
        fetch_like(queryset, self.instance)
        return queryset.filter(**{self.field.links.source.name: self.related_val})

    def get_queryset(self) -> Any:
        cached = self.cached()
        return self._base_queryset() if cached is None else cached

    def instances_of(self, model: type[Model] | str) -> QuerySet[Any]:
        # As the queryset's, without a subquery.
        target = self.field.target_model(model)
        source = {self.field.links.source.name: self.related_val}
        hints = {**self._hints, "instance": self.instance}
        return instances_of(self.field, target, source, self._db, hints)

    instances_of.__doc__ = GM2MQuerySet.instances_of.__doc__

    def fill_cache(self, targets: PrefetchedTargets) -> None:
        """Keep prefetched targets, unless they come from there."""
        if not targets.is_new:
            return
        source = self.field.links.source.name
        queryset = targets.queryset.filter(**{source: self.related_val})
        queryset._result_cache = list(targets)
        queryset._prefetch_done = True
        cache = self.instance._prefetched_objects_cache  # type: ignore[attr-defined]
        cache[self.prefetch_cache_name] = CachedTargets(queryset, targets.rows)

    def cached(self) -> Any:
        entry = super().cached()
        return None if entry is None else entry.queryset

    # Creating targets.

    def create(
        self,
        model: type[Model] | str,
        /,
        *,
        through_defaults: dict[str, Any] | None = None,
        **attrs: Any,
    ) -> Any:
        """
        Create an object of `model`, a class or a name such as ``"app.Movie"``, and link
        it. Returns the object.
        """
        return self._make("create", model, through_defaults, attrs)

    def get_or_create(
        self,
        model: type[Model] | str,
        /,
        defaults: dict[str, Any] | None = None,
        *,
        through_defaults: dict[str, Any] | None = None,
        **attrs: Any,
    ) -> tuple[Any, bool]:
        """
        Return a linked object of `model` with these attributes, or create and link
        one; and whether it was created.
        """
        made: tuple[Any, bool] = self._make(
            "get_or_create", model, through_defaults, attrs, defaults=defaults
        )
        return made

    def update_or_create(
        self,
        model: type[Model] | str,
        /,
        defaults: dict[str, Any] | None = None,
        create_defaults: dict[str, Any] | None = None,
        *,
        through_defaults: dict[str, Any] | None = None,
        **attrs: Any,
    ) -> tuple[Any, bool]:
        """
        Update a linked object of `model` with these attributes, or create and link
        one; return it and whether it was created.
        """
        made: tuple[Any, bool] = self._make(
            "update_or_create",
            model,
            through_defaults,
            attrs,
            defaults=defaults,
            create_defaults=create_defaults,
        )
        return made

    def _make(
        self,
        method: str,
        model: type[Model] | str,
        through_defaults: dict[str, Any] | None,
        attrs: dict[str, Any],
        **options: Any,
    ) -> Any:
        target = self.field.target_model(model)
        using = self._db or router.db_for_write(target, instance=self.instance)
        targets = instances_of(
            self.field,
            target,
            {self.field.links.source.name: self.related_val},
            using,
            {**self._hints, "instance": self.instance},
            links_using=self.write_db,
        )
        return self.make(method, targets, through_defaults, {**options, **attrs})

    create.alters_data = True  # type: ignore[attr-defined]
    get_or_create.alters_data = True  # type: ignore[attr-defined]
    update_or_create.alters_data = True  # type: ignore[attr-defined]
    acreate = async_twin(create)
    aget_or_create = async_twin(get_or_create)
    aupdate_or_create = async_twin(update_or_create)

    def set_base(self, objs: Iterable[Any], **options: Any) -> None:
        # Code that knows nothing of several models looks for targets in the related
        # model, finds none there, and would remove all links.
        if getattr(objs, "model", None) is self.field.remote_field.model:
            raise TypeError(
                f"{self.field} was to link what was looked for in one model, where "
                "none of its targets are. Pass the targets themselves, or [] to link "
                "nothing."
            )
        super().set_base(objs, **options)

    # The other end: targets.

    def own_values(self, using: str) -> dict[str, Any]:
        return {self.field.links.source.attname: self.related_val}

    def others(self, objs: Iterable[Any], using: str) -> list[Other]:
        field = self.field
        targets = []
        for obj in objs:
            if isinstance(obj, Reference):
                targets.append(field.target_of_reference(obj, using))
                continue
            targets.append(field.target_of(obj))
            if obj._state.adding:
                self.check_saved(obj)
            self.check_allowed(obj)
        types = {
            model: field.content_type_of(model, using)
            for model in {target.model for target in targets}
        }
        for model in types:
            check_collation(model, field.links.key, connections[using], field)
            field.relate(model)
        return [Other(model, pk, (types[model].pk, key)) for model, pk, key in targets]

    def others_of(self, rows: Iterable[tuple[Any, ...]], using: str) -> Iterable[Other]:
        apps, connection = self.field.model._meta.apps, connections[using]
        models: dict[Any, tuple[Any, Any]] = {}
        for row in rows:
            type_id, text = row
            if type_id not in models:
                model = model_of_content_type(type_id, using, apps)
                models[type_id] = model, model and Key(model._meta.pk)
            (model, key), pk = models[type_id], text
            # What is no key of the model is told as it stands in the row.
            with suppress(ValueError):
                pk = key.native(str(text), connection) if key else text
            yield Other(model, pk, row)

    def conditions(self, others: Sequence[Other]) -> Iterable[Q]:
        by_type: dict[Any, list[Any]] = {}
        for other in others:
            type_id, key = other.values
            by_type.setdefault(type_id, []).append(key)
        type_name, key_name = self.other_names
        # In one order, so that two calls do not wait for each other.
        for type_id in sorted(by_type.keys() - {None}):
            keys = by_type[type_id]
            for start in range(0, len(keys), BATCH_SIZE):
                batch = keys[start : start + BATCH_SIZE]
                yield Q(KeyAmong(F(key_name), batch), **{type_name: type_id})


class ReverseManager(LinkManager):
    """
    The sources of one target: what is put before the class of the source's default
    manager.

    In the example: ``movie.user_set``.
    """

    is_reverse = True
    model: type[Model]

    def __init__(self, field: GM2MField, instance: Model) -> None:
        super().__init__()
        self.bind(field, instance)
        self.model = self.clear_model = field.model
        self.prefetch_cache_name = field.accessor_name
        self.other_names = (field.links.source.attname,)
        self.target = field.target_of(instance, to_write=False)

    def __call__(self, *, manager: str) -> Any:
        superclass: Any = type(getattr(self.model, manager))
        return reverse_manager_class(superclass)(self.field, self.instance)

    def __iter__(self) -> Any:
        return iter(self.all())

    # Reading.

    def _sources(self) -> QuerySet[Any]:
        """Return all that the source's default manager shows."""
        return super().get_queryset()  # type: ignore[misc, no-any-return]

    def _apply_rel_filters(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset._add_hints(instance=self.instance)  # type: ignore[attr-defined]
        if self._db:
            queryset = queryset.using(self._db)
        fetch_like(queryset, self.instance)
        sticky = queryset._next_is_sticky()  # type: ignore[attr-defined]
        return sticky.filter(**{self.field.name: self.instance})  # type: ignore[no-any-return]

    def get_queryset(self) -> Any:
        cached = self.cached()
        if cached is not None:
            return cached
        return self._apply_rel_filters(self._sources())

    def _plain_rows(self) -> QuerySet[Any] | None:
        """
        Return the link rows where they can be counted without their sources: if the
        manager shows all sources and the database sees to it that they exist.
        """
        source = self.field.links.source
        sources = self._sources()
        if self.cached() is not None or sources._has_filters() or source.null:  # type: ignore[attr-defined]
            return None
        if not source.db_constraint or type(sources) is not QuerySet:
            return None
        using = self._db or router.db_for_read(self.through, instance=self.instance)
        if not connections[using].features.supports_foreign_keys:
            return None
        return self._rows(using)

    def count(self) -> int:
        rows = self._plain_rows()
        return super().count() if rows is None else rows.count()  # type: ignore[misc]

    def exists(self) -> bool:
        rows = self._plain_rows()
        return super().exists() if rows is None else rows.exists()  # type: ignore[misc]

    def get_prefetch_querysets(
        self, instances: list[Model], querysets: Any = None
    ) -> tuple[Any, ...]:
        """Return the sources of all `instances`, for ``prefetch_related()``."""
        if querysets and len(querysets) != 1:
            raise ValueError(
                "querysets argument of get_prefetch_querysets() should have a length "
                "of 1."
            )
        name, links = self.field.name, self.field.links
        queryset: Any = querysets[0] if querysets else self._sources()
        queryset._add_hints(instance=instances[0])
        queryset = queryset.using(queryset._db or self._db)
        key = f"{name}__{links.key_field.name}"
        queryset = within_limits(queryset, {f"{name}__in": instances}, key)
        queryset = queryset.annotate(**{TARGET_KEY: F(key)})
        target_of = self.field.target_of
        keys = {id(obj): target_of(obj, to_write=False).key for obj in instances}
        return (
            queryset,
            lambda source: getattr(source, TARGET_KEY),
            lambda instance: keys[id(instance)],
            False,
            self.prefetch_cache_name,
            False,
        )

    # Creating sources.

    def create(
        self, *, through_defaults: dict[str, Any] | None = None, **attrs: Any
    ) -> Any:
        """Create a source with these attributes, link it and return it."""
        return self._make("create", through_defaults, attrs)

    def get_or_create(
        self, *, through_defaults: dict[str, Any] | None = None, **attrs: Any
    ) -> tuple[Any, bool]:
        """
        Return a linked source with these attributes, or create and link one; and
        whether it was created.
        """
        made: tuple[Any, bool] = self._make("get_or_create", through_defaults, attrs)
        return made

    def update_or_create(
        self, *, through_defaults: dict[str, Any] | None = None, **attrs: Any
    ) -> tuple[Any, bool]:
        """
        Update a linked source with these attributes, or create and link one; return
        it and whether it was created.
        """
        made: tuple[Any, bool] = self._make("update_or_create", through_defaults, attrs)
        return made

    def _make(
        self,
        method: str,
        through_defaults: dict[str, Any] | None,
        attrs: dict[str, Any],
    ) -> Any:
        using = self._db or router.db_for_write(self.model, instance=self.instance)
        sources = self.db_manager(using).get_queryset()  # type: ignore[attr-defined]
        return self.make(method, sources, through_defaults, attrs)

    create.alters_data = True  # type: ignore[attr-defined]
    get_or_create.alters_data = True  # type: ignore[attr-defined]
    update_or_create.alters_data = True  # type: ignore[attr-defined]
    acreate = async_twin(create)
    aget_or_create = async_twin(get_or_create)
    aupdate_or_create = async_twin(update_or_create)

    # The other end: sources.

    def check_own(self, using: str) -> None:
        self.check_saved(self.instance)
        self.field.target_of(self.instance)
        links, model = self.field.links, self.target.model
        check_collation(model, links.key, connections[using], self.field)

    def own_values(self, using: str) -> dict[str, Any]:
        links = self.field.links
        found = self.field.content_type_of(self.target.model, using)
        return {
            links.content_type.attname: found.pk,
            links.key_field.attname: self.target.key,
        }

    def others(self, objs: Iterable[Any], using: str) -> list[Other]:
        source = self.field.links.source
        others = []
        for obj in objs:
            if isinstance(obj, self.model):
                self.check_saved(obj)
                self.check_allowed(obj)
                (value,) = source.get_foreign_related_value(obj)
                if value is None:
                    raise ValueError(
                        f"{self.field} cannot link {obj!r}: it has no value for "
                        f"{source.target_field.name!r}."
                    )
            elif isinstance(obj, Model):
                raise TypeError(
                    f"'{self.model._meta.object_name}' instance expected, got {obj!r}"
                )
            elif obj is None:
                raise TypeError(f"{self.field} cannot link None.")
            else:
                value = source.get_prep_value(obj)
            others.append(Other(self.model, value, (value,)))
        return others

    def others_of(self, rows: Iterable[tuple[Any, ...]], using: str) -> Iterable[Other]:
        return [Other(self.model, row[0], row) for row in rows]

    def conditions(self, others: Sequence[Other]) -> Iterable[Q]:
        (name,) = self.other_names
        values = [other.values[0] for other in others]
        for start in range(0, len(values), BATCH_SIZE):
            yield Q(KeyAmong(F(name), values[start : start + BATCH_SIZE]))

    def _rows(self, using: str) -> QuerySet[Any]:
        # Sources that the manager does not show keep their links, as in Django.
        rows, sources = super()._rows(using), self._sources()
        if sources._has_filters():  # type: ignore[attr-defined]
            name = self.field.links.source.name
            rows = rows.filter(**{f"{name}__in": sources.using(using)})
        return rows


@cache
def reverse_manager_class(superclass: Any) -> type[Any]:
    """Return the class of reverse managers for sources managed by `superclass`."""
    return type(f"Related{superclass.__name__}", (ReverseManager, superclass), {})


def within_limits(queryset: Any, condition: dict[str, Any], partition: str) -> Any:
    """
    Return `queryset` restricted by `condition`. If it is sliced, the slice is taken
    of each `partition`, as Django does for a ``Prefetch``.
    """
    query = queryset.query
    if not query.is_sliced:
        return queryset._next_is_sticky().filter(**condition)
    low, high = query.low_mark, query.high_mark
    using = queryset._db or queryset.db
    ordering = [
        expression for expression, _ in query.get_compiler(using).get_order_by()
    ]
    number = Window(RowNumber(), partition_by=partition, order_by=ordering)
    within = Q(**condition) & Q(GreaterThan(number, low))
    if high is not None:
        within &= Q(LessThanOrEqual(number, high))
    query.clear_limits()
    return queryset._next_is_sticky().filter(within)
