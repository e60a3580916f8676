"""What a user of an admin site may see of the objects that are linked, or might be."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from django.contrib.admin.sites import AdminSite
from django.contrib.auth import get_permission_codename
from django.db.models import Model, QuerySet, prefetch_related_objects
from django.http import HttpRequest

from ..fields import GM2MField
from ..references import CachedTargets
from ..subclasses import with_parents
from ..targets import keys_among


class Visibility:
    """
    What the user of `request` may see on `site`: the objects that a model's own
    ``ModelAdmin`` shows, if it lets the user view the model. Of a model without one,
    those of the default manager, if the user has the permission to view or change it.
    """

    def __init__(self, site: AdminSite, request: HttpRequest) -> None:
        self.site = site
        self.request = request

    def queryset(self, model: type[Model]) -> QuerySet[Any] | None:
        """
        Return the objects of `model` that may be seen, ``None`` if it may not be. Where
        a parent's manager yields them, they may be seen on the parent's admin.
        """
        model_admin = self.admin_of(model)
        if model_admin is None:
            allowed = self.has_permission(model)
            return model._default_manager.all() if allowed else None
        if not model_admin.has_view_permission(self.request):
            return None
        visible: QuerySet[Any] = model_admin.get_queryset(self.request)
        return visible

    def admin_of(self, model: type[Model]) -> Any:
        """Return the ``ModelAdmin`` of `model`, or of a parent that has its objects."""
        for one in with_parents(model):
            if self.site.is_registered(one):
                return self.site.get_model_admin(one)
        return None

    def has_permission(self, model: type[Model]) -> bool:
        """Return whether the user has a permission by which `model` may be seen."""
        opts = model._meta
        return any(
            self.request.user.has_perm(
                f"{opts.app_label}.{get_permission_codename(action, opts)}"
            )
            for action in ("view", "change")
        )

    def offers(self, models: Iterable[Any]) -> list[QuerySet[Any]]:
        """Return what may be seen of `models`, which may be querysets as well."""
        offers = []
        for given in models:
            model = given.model if isinstance(given, QuerySet) else given
            visible = self.queryset(model)
            if visible is None:
                continue
            if isinstance(given, QuerySet):
                visible = visible.filter(pk__in=given.values("pk"))
            offers.append(visible)
        return offers

    def shown(self, sources: Iterable[Any], fields: Iterable[GM2MField]) -> list[Any]:
        """
        Return copies of `sources` that have no targets in `fields` but those that may
        be seen: to be shown, and nothing else. One query for the links of a field and
        two for each model among them.
        """
        copies = list(map(copy.copy, sources))
        for source in copies:
            cache = getattr(source, "_prefetched_objects_cache", {})
            source._prefetched_objects_cache = dict(cache)
        for field in fields:
            self.hide(field, copies)
        return copies

    def hide(self, field: GM2MField, copies: Sequence[Any]) -> None:
        """Keep of the targets of `copies` what may be seen."""
        prefetch_related_objects(copies, field.name)
        managers = [getattr(source, field.name) for source in copies]
        by_model: dict[type[Model], set[Any]] = {}
        for target in chain.from_iterable(manager.all() for manager in managers):
            by_model.setdefault(type(target), set()).add(target.pk)
        seen: dict[type[Model], set[Any]] = {}
        for model, pks in by_model.items():
            visible = self.queryset(model)
            seen[model] = set() if visible is None else keys_among(visible, [*pks])
        for source, manager in zip(copies, managers, strict=True):
            linked = manager.all()
            # Not the queryset itself, which may be that of the source.
            shown = linked._chain()
            shown._result_cache = [
                target for target in linked if target.pk in seen[type(target)]
            ]
            shown._prefetch_done = True
            source._prefetched_objects_cache[field.name] = CachedTargets(shown, [])
