"""What a user of an admin site may see of the objects that are linked, or might be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.sites import AdminSite
from django.contrib.auth import get_permission_codename
from django.db.models import Model, QuerySet, prefetch_related_objects
from django.http import HttpRequest

from ..fields import GM2MField


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
        """Return the objects of `model` that may be seen, ``None`` if it may not be."""
        try:
            model_admin = self.site.get_model_admin(model)
        except NotRegistered:
            allowed = self.has_permission(model)
            return model._default_manager.all() if allowed else None
        if not model_admin.has_view_permission(self.request):
            return None
        return model_admin.get_queryset(self.request)

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

    def hide(self, field: GM2MField, sources: Sequence[Model]) -> None:
        """
        Fetch the targets of `sources` and keep what may be seen, so that whoever reads
        them finds nothing else. One query for the links and two for each model.
        """
        prefetch_related_objects(sources, field.name)
        linked = {source: list(getattr(source, field.name).all()) for source in sources}
        by_model: dict[type[Model], set[Any]] = {}
        for targets in linked.values():
            for target in targets:
                by_model.setdefault(type(target), set()).add(target.pk)
        seen: dict[type[Model], set[Any]] = {}
        for model, pks in by_model.items():
            visible = self.queryset(model)
            seen[model] = (
                set()
                if visible is None
                else set(visible.filter(pk__in=pks).values_list("pk", flat=True))
            )
        for source, targets in linked.items():
            queryset = getattr(source, field.name).all()
            queryset._result_cache = [
                target for target in targets if target.pk in seen[type(target)]
            ]
