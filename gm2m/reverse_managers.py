"""
The related manager of a target: ``movie.user_set``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connections, router
from django.db.models import F, Model, Q, QuerySet

from .batches import batches
from .keys import check_collation
from .linking import LinkManager, Other
from .lookups import KeyAmong
from .related_managers import within_limits
from .targets import hidden_among, reads_as_django

if TYPE_CHECKING:
    from .fields import GM2MField

#: The name under which prefetched sources carry the key of their target.
TARGET_KEY = "_prefetch_related_val_target"


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
        self.model = field.model
        self.prefetch_cache_name = field.accessor_name
        self.other_names = (field.links.source.attname,)
        self.target = field.target_of(instance, to_write=False)

    def __call__(self, *, manager: str) -> Any:
        superclass: Any = type(getattr(self.model, manager))
        manager_class = self.field.reverse_manager_classes[superclass]
        return manager_class(self.field, self.instance)

    # Reading.

    def _sources(self) -> QuerySet[Any]:
        """Return all that the source's default manager shows."""
        return super().get_queryset()  # type: ignore[misc, no-any-return]

    def _apply_rel_filters(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        sticky = self.as_of_instance(queryset)._next_is_sticky()
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
        name, links = self.field.name, self.field.links
        queryset = self.to_prefetch(querysets, self._sources, instances[0])
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
        # Not get_queryset(), which may be what was prefetched.
        manager = self.db_manager(using)  # type: ignore[attr-defined]
        sources = manager._apply_rel_filters(manager._sources())
        return self.make(method, sources, through_defaults, attrs)

    create.alters_data = True  # type: ignore[attr-defined]
    get_or_create.alters_data = True  # type: ignore[attr-defined]
    update_or_create.alters_data = True  # type: ignore[attr-defined]

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

    def own_condition(self, using: str) -> dict[str, Any]:
        links = self.field.links
        types = self.field.types_of(self.target.model, using)
        if len(types) == 1:
            return self.own_values(using)
        return {
            f"{links.content_type.attname}__in": types,
            links.key_field.attname: self.target.key,
        }

    def has_kin(self, others: Sequence[Other], using: str) -> bool:
        return len(self.field.types_of(self.target.model, using)) > 1

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
        for batch in batches(other.values[0] for other in others):
            yield Q(KeyAmong(F(name), batch))

    def models_of(self, rows: QuerySet[Any], using: str) -> Iterable[type[Model]]:
        return [self.model]

    def own_row(self, using: str) -> QuerySet[Any] | None:
        # No foreign key says that it is there.
        if not self.is_row_in(using):
            return None
        targets: QuerySet[Any] = QuerySet(
            self.instance._meta.concrete_model, using=using
        )
        name = targets.model._meta.pk.attname
        return targets.filter(pk=self.instance.pk).order_by().values_list(name)

    def shown_rows(
        self, using: str, models: Collection[Any] | None = None
    ) -> QuerySet[Any]:
        rows, sources = self._rows(using), self._sources().using(using)
        if sources._has_filters():  # type: ignore[attr-defined]
            name = self.field.links.source.name
            rows = rows.filter(**{f"{name}__in": sources})
        return rows

    def hidden(self, rows: Collection[tuple[Any, ...]], using: str) -> set[Any]:
        sources = self._sources().using(using)
        if reads_as_django(sources):
            return set()  # shown_rows() leaves out what it filters out.
        name = self.field.links.source.target_field.attname
        keys = [key for (key,) in rows]
        return {(key,) for key in hidden_among(sources, keys, name)}
