"""
The related manager of a source: ``user.preferred_videos``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
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
from .targets import (
    fetch_like,
    hidden_among,
    instances_of,
    reads_as_django,
    shown_condition,
)

if TYPE_CHECKING:
    from .fields import GM2MField


class ForwardManager(LinkManager, Manager.from_queryset(GM2MQuerySet)):  # type: ignore[misc]
    """
    The targets of one source.

    In the example: ``user.preferred_videos``. Reading gives a ``GM2MQuerySet``.
    """

    is_reverse = False

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

    def holders(self) -> Iterator[Model]:
        # As of Django 6.1: a multi-table parent that the object has been read with has
        # the same links.
        obj: Any = self.instance
        while obj is not None and issubclass(obj.__class__, self.field.model):
            yield obj
            link = obj._meta.get_ancestor_link(self.field.model)
            obj = link and link.get_cached_value(obj, None)

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
        connection = connections[using]
        models: dict[Any, tuple[Any, Any]] = {}
        for row in rows:
            type_id, text = row
            if type_id not in models:
                model = self._model_of(type_id, using)
                models[type_id] = model, model and Key(model._meta.pk)
            (model, key), pk = models[type_id], text
            # What is no key of the model is told as it stands in the row.
            with suppress(ValueError):
                pk = key.native(str(text), connection) if key else text
            yield Other(model, pk, row)

    def _model_of(self, type_id: Any, using: str) -> type[Model] | None:
        """Return the model of a content type, which has its relation from now on."""
        model: type[Model] | None
        model = model_of_content_type(type_id, using, self.field.model._meta.apps)
        # One that cannot be linked any more has no manager to ask.
        with suppress(TypeError):
            self.field.check_target_model(model)
            self.field.relate(model)
        return model

    def models_of(self, rows: QuerySet[Any], using: str) -> Iterable[type[Model]]:
        name = self.field.links.content_type.attname
        type_ids = rows.order_by(name).values_list(name, flat=True).distinct()
        found = [self._model_of(type_id, using) for type_id in type_ids]
        return [model for model in found if model is not None]

    def own_row(self, using: str) -> QuerySet[Any] | None:
        source: Any = self.field.links.source
        # Without a foreign key, it may be in another database.
        if not (source.db_constraint or self.is_row_in(using)):
            return None
        sources: QuerySet[Any] = QuerySet(source.remote_field.model, using=using)
        name = source.target_field.attname
        return sources.filter(**{name: self.related_val}).order_by().values_list(name)

    def shown_rows(
        self, using: str, models: Collection[Any] | None = None
    ) -> QuerySet[Any]:
        rows, own = self._rows(using), self.own_values(using)
        for model in list(self.field.relations):
            if models is None or model in models:
                shown = self._shown(model)
                condition = shown_condition(self.field, shown, own, using)
                if condition is not None:
                    rows = rows.filter(condition)
        return rows

    def hidden(self, rows: Collection[tuple[Any, ...]], using: str) -> set[Any]:
        known, hidden = set(self.field.relations), set[Any]()
        models = {
            type_id: self._model_of(type_id, using)
            for type_id in {type_id for type_id, _key in rows}
        }
        for model in list(self.field.relations):
            shown, key = self._shown(model), Key(model._meta.pk)
            is_told = model in known or not shown._has_filters()  # type: ignore[attr-defined]
            if is_told and reads_as_django(shown):
                continue  # shown_rows() leaves out what it filters out.
            by_text = {str(row[1]): row for row in rows if models[row[0]] is model}
            texts = dict(key.natives(by_text, connections[shown.db]))
            pks = hidden_among(shown, list(texts), model._meta.pk.attname)
            hidden.update(by_text[texts[pk]] for pk in pks)
        return hidden

    def _shown(self, model: type[Model]) -> QuerySet[Any]:
        """Return what the default manager of `model` shows."""
        hints = {**self._hints, "instance": self.instance}
        shown = model._default_manager.db_manager(self._db, hints=hints).get_queryset()
        return shown.using(shown._db or router.db_for_write(model, **hints))  # type: ignore[attr-defined]

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
