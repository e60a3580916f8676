"""The admin of connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .integrity import sound_relationships
from .models import AbstractConnection, Connection

if TYPE_CHECKING:
    Base = admin.ModelAdmin[AbstractConnection]
else:
    Base = admin.ModelAdmin


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
    own. The list takes one query for each model at the ends, however long it is.
    """

    list_display = ["relationship_name", "from_object", "to_object", "date"]
    list_filter = [RelationshipFilter]
    search_fields = ["=from_pk", "=to_pk"]
    ordering = ["-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request)
        ends: Any = ("from_object", "to_object")
        return queryset.prefetch_related(*ends)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "relationship_name":
            return forms.ChoiceField(
                label=db_field.verbose_name,
                choices=[("", "---------"), *choices(self.model)],
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)


def choices(model: type[AbstractConnection]) -> list[tuple[str, Any]]:
    """Return the relationships on a connection model, for a form."""
    return [
        (relationship.name, relationship.verbose_name)
        for relationship in sound_relationships()
        if relationship.connection_model is model
    ]


admin.site.register(Connection, ConnectionAdmin)
