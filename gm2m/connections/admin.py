"""The admin of connections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from django import forms
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.auth import get_permission_codename
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .integrity import sound_relationships
from .models import AbstractConnection, Connection

if TYPE_CHECKING:
    Base = admin.ModelAdmin[AbstractConnection]
else:
    Base = admin.ModelAdmin


#: The objects of the list, and their columns.
COLUMNS = {"from_object": "from_pk", "to_object": "to_pk"}
#: What the user may view of the objects of the list that is shown.
visible_objects: WeakKeyDictionary[HttpRequest, set[Any]] = WeakKeyDictionary()


class RelationshipFilter(admin.SimpleListFilter):
    """The relationships whose connections are in the table, by their verbose names."""

    title = _("relationship")
    parameter_name = "relationship_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return choices(model_admin.model)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(relationship_name=self.value())


class ConnectionAdmin(Base):
    """
    The admin of a connection model: of ``Connection``, and to be registered for one's
    own. The list takes one query for each model at the ends, however long it is, and
    one more for each that has an admin. It shows objects that the user may view, of
    others their keys.
    """

    list_display = ["relationship_name", "from_object", "to_object", "date"]
    list_filter = [RelationshipFilter]
    search_fields = ["=from_pk", "=to_pk"]
    ordering = ["-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request)
        ends: Any = ("from_object", "to_object")
        return queryset.prefetch_related(*ends)

    def get_list_display(self, request: HttpRequest) -> Any:
        return [
            shown_object(name, request) if name in COLUMNS else name
            for name in super().get_list_display(request)
        ]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        names = COLUMNS.keys() & {*super().get_list_display(request)}
        objs = [getattr(row, name) for name in names for row in changelist.result_list]
        visible_objects[request] = visible(self.admin_site, request, objs)
        return changelist

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "relationship_name":
            return forms.ChoiceField(
                label=db_field.verbose_name,
                choices=[("", "---------"), *choices(self.model)],
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)


def shown_object(name: str, request: HttpRequest) -> Any:
    """Return the column of the objects called `name`, for the user of `request`."""

    @admin.display(description=name.replace("_", " "), ordering=COLUMNS[name])
    def show(connection: AbstractConnection) -> str | None:
        obj = getattr(connection, name)
        if obj is None:
            return None
        seen = visible_objects.get(request, ())
        return str(obj if obj in seen else getattr(connection, COLUMNS[name]))

    show.__name__ = name
    return show


def visible(site: Any, request: Any, objs: Iterable[Any]) -> set[Any]:
    """
    Return those of `objs` that the user may view: by the admin of their model, or by
    the user's permissions if it has none.
    """
    by_model: dict[Any, set[Any]] = {}
    for obj in objs:
        if obj is not None:
            by_model.setdefault(type(obj), set()).add(obj)
    seen: set[Any] = set()
    for model, some in by_model.items():
        try:
            model_admin = site.get_model_admin(model)
        except NotRegistered:
            label = model._meta.app_label
            if any(
                request.user.has_perm(
                    f"{label}.{get_permission_codename(action, model._meta)}"
                )
                for action in ("view", "change")
            ):
                seen |= some
            continue
        if model_admin.has_view_permission(request):
            shown = model_admin.get_queryset(request)
            seen.update(shown.filter(pk__in=[obj.pk for obj in some]))
    return seen


def choices(model: type[AbstractConnection]) -> list[tuple[str, Any]]:
    """Return the relationships on a connection model, for a form."""
    return [
        (relationship.name, relationship.verbose_name)
        for relationship in sound_relationships()
        if relationship.connection_model is model
    ]


admin.site.register(Connection, ConnectionAdmin)
