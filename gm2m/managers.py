"""
The related manager of a source: ``user.preferred_videos``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.db import connections, router
from django.db.models import F, Manager, Model, Q, QuerySet

from .batches import batches
from .keys import Key, check_collation, model_of_content_type
from .linking import LinkManager, Other
from .lookups import KeyAmong
from .query import GM2MQuerySet
from .references import CachedTargets, Reference
from .target_lists import PrefetchedTargets
from .targets import fetch_like, instances_of, shown_condition

if TYPE_CHECKING:
    from .fields import GM2MField


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

    # Reading.

    def _base_queryset(self) -> GM2MQuerySet:
        queryset = GM2MQuerySet.for_field(
            self.field,
            using=self._db,
            hints={**self._hints, "instance": self.instance},
        )
        fetch_like(queryset, self.instance)
        return self._of_source(queryset)

    def _of_source(self, queryset: GM2MQuerySet) -> GM2MQuerySet:
        """Return the links in `queryset` that are of the source."""
        own = queryset.filter(**{self.field.links.source.name: self.related_val})
        own._links_once = self.field.links.is_automatic
        return own

    def get_queryset(self) -> Any:
        cached = self.cached()
        return self._base_queryset() if cached is None else cached

    def instances_of(self, model: type[Model] | str) -> QuerySet[Any]:
        # As the queryset's, without a subquery.
        target = self.field.target_model(model)
        source = {self.field.links.source.name: self.related_val}
        hints = {**self._hints, "instance": self.instance}
        once = self.field.links.is_automatic
        return instances_of(
            self.field, target, source, self._db, hints, links_once=once
        )

    instances_of.__doc__ = GM2MQuerySet.instances_of.__doc__

    def select_related(self, *fields: Any) -> GM2MQuerySet:
        queryset: GM2MQuerySet = self.get_queryset().select_related(*fields)
        # Django's serializers ask so, and then for only("pk").
        queryset._for_serializer = True
        return queryset

    def fill_cache(self, targets: PrefetchedTargets) -> None:
        """Keep prefetched targets, unless they come from there."""
        if not targets.is_new:
            return
        queryset = self._of_source(targets.queryset)
        queryset._result_cache = list(targets)
        queryset._prefetch_done = True  # type: ignore[attr-defined]
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
            links_once=self.field.links.is_automatic,
        )
        return self.make(method, targets, through_defaults, {**options, **attrs})

    create.alters_data = True  # type: ignore[attr-defined]
    get_or_create.alters_data = True  # type: ignore[attr-defined]
    update_or_create.alters_data = True  # type: ignore[attr-defined]

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
            model: field.types_of(model, using)
            for model in {target.model for target in targets}
        }
        for model in types:
            check_collation(model, field.links.key, connections[using], field)
            field.relate(model)
        others = []
        for model, pk, key in targets:
            own, *also = ((one, key) for one in types[model])
            others.append(Other(model, pk, own, tuple(also)))
        return others

    def has_kin(self, others: Sequence[Other], using: str) -> bool:
        return any(other.also for other in others)

    def others_of(self, rows: Iterable[tuple[Any, ...]], using: str) -> Iterable[Other]:
        apps, connection = self.field.model._meta.apps, connections[using]
        models: dict[Any, tuple[Any, Any]] = {}
        for row in rows:
            type_id, text = row
            if type_id not in models:
                model = model_of_content_type(type_id, using, apps)
                models[type_id] = model, model and Key(model._meta.pk)
                # One that cannot be linked any more has no manager to ask.
                with suppress(TypeError):
                    self.field.check_target_model(model)
                    self.field.relate(model)
            (model, key), pk = models[type_id], text
            # What is no key of the model is told as it stands in the row.
            with suppress(ValueError):
                pk = key.native(str(text), connection) if key else text
            yield Other(model, pk, row)

    def _shown_rows(self, using: str) -> QuerySet[Any]:
        rows, own = self._rows(using), self.own_values(using)
        hints = {**self._hints, "instance": self.instance}
        for model in self.field.relations:
            shown = shown_condition(self.field, model, own, using, self._db, hints)
            if shown is not None:
                rows = rows.filter(shown)
        return rows

    def conditions(self, others: Sequence[Other]) -> Iterable[Q]:
        by_type: dict[Any, list[Any]] = {}
        for other in others:
            for type_id, key in other.all_values:
                by_type.setdefault(type_id, []).append(key)
        type_name, key_name = self.other_names
        # In one order, so that two calls do not wait for each other.
        for type_id in sorted(by_type.keys() - {None}):
            for batch in batches(by_type[type_id]):
                yield Q(KeyAmong(F(key_name), batch), **{type_name: type_id})
