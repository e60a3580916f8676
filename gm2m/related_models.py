"""
The models of targets: which are related to a ``GM2MField``, and what an object of them
is in its through table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.db.migrations.state import StateApps
from django.db.models import Model, QuerySet
from django.db.models.fields.related import (
    RECURSIVE_RELATIONSHIP_CONSTANT,
    resolve_relation,
)

from . import registry
from .declaration import check_model, check_on_delete
from .deletion import OnDelete
from .keys import (
    Key,
    Target,
    TargetError,
    check_length,
    check_target_model,
    content_type,
    target_class,
)
from .references import Reference
from .relations import Relation
from .subclasses import kin, with_subclasses
from .through import (
    SourceError,
    ThroughError,
    is_resolved,
    source_keys_are_resolved,
)


class Awaited(NamedTuple):
    """
    A related model that is not there yet. `by_checks`: whether the checks of the field
    tell what is wrong with it.
    """

    model: Any
    on_delete: OnDelete | None
    by_checks: bool


class RelatedModelsMixin:
    """The part of ``GM2MField`` that knows its targets."""

    # The field's own, for type checkers.
    model: Any
    name: str
    remote_field: Any
    links: Any
    for_concrete_model: bool
    #: The relations to the models that are related so far.
    relations: dict[type[Model], Relation]
    #: The related models that are not there yet.
    awaited: list[Awaited]
    #: What ``target_of()`` has found out about classes.
    target_classes: dict[type[Any], tuple[type[Model], Key]]

    @property
    def is_historical(self) -> bool:
        """Whether the field is one of a migration's state, which knows no targets."""
        return isinstance(self.model._meta.apps, StateApps)

    def linked_as(self, model: Any) -> Any:
        """Return the model under whose content type objects of `model` are linked."""
        return model._meta.concrete_model if self.for_concrete_model else model

    def content_type_of(self, model: type[Model], using: str) -> ContentType:
        """Return the content type of `model` in the database `using`."""
        found: ContentType = content_type(model, using, self.for_concrete_model)
        return found

    def type_of(self, model: type[Model], using: str) -> Any:
        """Return what new links to `model` have in their type column in `using`."""
        return self.content_type_of(model, using).pk

    def kin_of(self, model: type[Model]) -> list[type[Model]]:
        """Return the models under which objects of `model` may be linked."""
        return [model] if self.is_historical else kin(model)

    def types_of(self, model: type[Model], using: str) -> list[Any]:
        """
        Return what is in the type column of rows in `using` that link the objects of
        `model` with their keys.
        """
        return [self.content_type_of(one, using).pk for one in self.kin_of(model)]

    def own_types_of(self, model: type[Model], using: str) -> list[Any]:
        """
        Return what is in the type column of rows in `using` that, whatever their key,
        link objects of `model`.
        """
        models = [model] if self.is_historical else with_subclasses(model)
        return [self.content_type_of(one, using).pk for one in models]

    def target_of(self, obj: Any, *, to_write: bool = True) -> Target:
        """
        Return `obj` as the through table knows it. Raise ``TypeError`` for what cannot
        be a target, ``ValueError`` for an object without a key or, if it is there
        `to_write` a link, with too long a one.
        """
        column = self.links.key
        # Not type(): it may be a SimpleLazyObject.
        known = self.target_classes.get(obj.__class__)
        if known is None:
            known = target_class(obj, column, self.for_concrete_model, self)
            self.target_classes[obj.__class__] = known
        (model, key), pk = known, obj.pk
        if pk is None:
            raise ValueError(
                f"{self} cannot link {obj!r}: it is not saved. Save it first."
            )
        kept = key.kept_in(column, pk)
        if to_write and column.is_text:
            check_length(kept, obj, column, self)
        return Target(model, pk, kept)

    def target_of_reference(self, reference: Reference, using: str) -> Target:
        """Return the target of a reference that was read from a fixture."""
        apps = self.model._meta.apps
        model = apps.get_model(reference.app_label, reference.model_name)
        key = Key(model._meta.pk)
        pk = key.native(reference.key, connections[using])
        return Target(model, pk, key.kept_in(self.links.key, pk))

    def check_target_model(self, model: Any) -> None:
        """Raise ``TypeError`` unless objects of `model` can be linked."""
        check_target_model(model, self.links.key, self)

    def target_model(self, model: Any) -> Any:
        """Return the target model that a user has given as a class or by its name."""
        if model == RECURSIVE_RELATIONSHIP_CONSTANT:
            model = self.model
        if isinstance(model, str):
            app_label, _dot, name = model.rpartition(".")
            apps = self.model._meta.apps
            model = apps.get_model(app_label or self.model._meta.app_label, name)
        self.check_target_model(model)
        self.relate(model)
        return self.linked_as(model)

    def querysets_by_model(
        self, querysets: Iterable[QuerySet[Any]]
    ) -> dict[type[Model], QuerySet[Any]]:
        """Return the querysets of a prefetch by target model."""
        by_model: dict[type[Model], QuerySet[Any]] = {}
        for queryset in querysets:
            self._check_prefetched(queryset)
            model = self.linked_as(queryset.model)
            if model in by_model:
                raise ValueError(
                    f"{self}: only one queryset is allowed for each model, and there "
                    f"are two for {model._meta.label}."
                )
            by_model[model] = queryset
        return by_model

    def _check_prefetched(self, queryset: Any) -> None:
        """Raise an error unless targets can be fetched from `queryset`."""
        model = queryset.model
        if (
            model is self.remote_field.through
            or model._meta.apps is not self.model._meta.apps
        ):
            raise TypeError(
                f"{self} cannot be prefetched from a queryset of {model.__name__}: it "
                "has none of its targets. Use querysets of their models."
            )
        self.check_target_model(model)
        queryset._not_support_combined_queries("filter")

    # Relations.

    def relate(
        self,
        model: type[Model],
        *,
        declared: bool = False,
        on_delete: OnDelete | None = None,
    ) -> None:
        """
        See to it that `model`, which is `declared` or of which a link was made or read,
        knows the field. A given `on_delete` replaces the policy.
        """
        if not self.is_historical:
            field: Any = self
            target = self.linked_as(model)
            registry.relate(field, target, declared=declared, on_delete=on_delete)

    def add_relation(
        self, model: type[Model] | str, on_delete: OnDelete | None = None
    ) -> None:
        """Declare a related model; see ``GM2MDescriptor.add_relation()``."""
        check_model(model, "related model")
        if on_delete is not None:
            check_on_delete(on_delete, "on_delete")
        if self.model._meta.apps.models_ready:
            target = self.target_model(model)
            self.relate(target, declared=True, on_delete=on_delete)
        else:
            self.awaited.append(Awaited(model, on_delete, by_checks=False))
            self.relate_awaited()

    def await_models(self, registered: Any) -> None:
        """
        Look again for the related models as soon as the model `registered`, which has
        been prepared, is known and Django has resolved the keys that name it.
        """
        apps, opts = self.model._meta.apps, registered._meta
        if self.awaited and opts.apps is apps:
            # In this order: the keys that wait for it have come first.
            key = opts.app_label, opts.model_name
            apps.lazy_model_operation(self.relate_awaited, key)

    def relate_awaited(self, registered: Any = None) -> None:
        """Relate those of the awaited models that can be linked by now."""
        field: Any = self
        is_there = self.declared_model(self.model) is not None
        if not (is_there and source_keys_are_resolved(field)):
            return
        for awaited in [*self.awaited]:
            model = self.declared_model(awaited.model)
            if model is not None and is_resolved(model._meta.pk):
                self.awaited.remove(awaited)
                self.relate_declared(model, awaited)

    def relate_declared(self, model: type[Model], awaited: Awaited) -> None:
        """Relate `model`, unless a check tells why it cannot be."""
        try:
            self.check_target_model(model)
        except (SourceError, TargetError, ThroughError):
            if not awaited.by_checks:
                raise
        else:
            self.relate(model, declared=True, on_delete=awaited.on_delete)

    def get_related_models(self, include_auto: bool = False) -> list[type[Model]]:
        """Return the related models; see ``GM2MDescriptor.get_related_models()``."""
        return [
            model
            for model, relation in self.relations.items()
            if relation.declared or include_auto
        ]

    def declared_model(self, name: Any) -> Any:
        """Return the installed model that was declared, ``None`` if there is none."""
        model = resolve_relation(self.model, name)
        label = model if isinstance(model, str) else model._meta.label
        app_label, _dot, model_name = label.partition(".")
        # Not by get_model(): the models may not all be loaded.
        models = self.model._meta.apps.all_models.get(app_label, {})
        found = models.get(model_name.lower())
        return found if isinstance(model, str) or found is model else None

    def lookup_of(self, model: type[Model]) -> str:
        """Return the name of a target model in lookups on the through model."""
        self.relate(model)
        return self.relations[self.linked_as(model)].key.name
