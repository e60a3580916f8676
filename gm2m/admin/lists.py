"""The field in lists of sources: as a column, and as a filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import RelatedFieldListFilter, SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ..fields import GM2MField
from .checks import gm2m_field
from .visibility import Visibility

EMPTY = "none"


class LinkedColumn:
    """A column of a list: the targets of a row, as far as they may be seen."""

    def __init__(self, field: GM2MField) -> None:
        self.field = field
        self.__name__ = field.name
        self.short_description = field.verbose_name

    def __call__(self, obj: Any) -> str:
        # The list has fetched them.
        return ", ".join(map(str, getattr(obj, self.field.name).all()))


class LinkedChangeList(ChangeList):
    """A list that fetches the targets of all its rows at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        visibility = Visibility(self.model_admin.admin_site, request)
        for column in self.list_display:
            if isinstance(column, LinkedColumn):
                visibility.hide(column.field, list(self.result_list))


class LinkedModelFilter(SimpleListFilter):
    """
    A filter of sources by the models of their targets: one entry for each model that
    the user may see, and one for sources without links.
    """

    field: GM2MField

    def __init__(
        self, request: HttpRequest, params: Any, model: Any, model_admin: Any
    ) -> None:
        self.visibility = Visibility(model_admin.admin_site, request)
        super().__init__(request, params, model, model_admin)

    def models(self) -> Iterator[tuple[str, type[Model], QuerySet[Any]]]:
        """Yield the models on offer, each with its label and what may be seen."""
        declared = self.field.models_on_offer()
        related = self.field.get_related_models(include_auto=True)
        for model in dict.fromkeys([*declared, *related]):
            visible = self.visibility.queryset(model)
            if visible is not None:
                yield model._meta.label_lower, model, visible

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        entries = [
            (label, str(capfirst(model._meta.verbose_name_plural)))
            for label, model, _visible in self.models()
        ]
        return [*entries, (EMPTY, _("Empty"))] if entries else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value, name = self.value(), self.field.name
        if value is None:
            return queryset
        if value == EMPTY:
            return queryset.filter(**{f"{name}__isnull": True})
        for label, model, visible in self.models():
            if label == value:
                lookup = f"{name}__{self.field.lookup_of(model)}__in"
                sources = queryset.model._base_manager.using(queryset.db)
                linked = sources.filter(**{lookup: visible.order_by().values("pk")})
                return queryset.filter(pk__in=linked.values("pk"))
        raise IncorrectLookupParameters(f"{self.field} has no filter for {value!r}.")


class LinkedObjectFilter(RelatedFieldListFilter):
    """A filter of sources by the objects of one model that the user may see."""

    lookup_val: Any  # A list; Django's own, for type checkers.

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        visibility = Visibility(model_admin.admin_site, request)
        visible = visibility.queryset(field.remote_field.model)
        return [] if visible is None else [(obj.pk, str(obj)) for obj in visible]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        known = {str(pk) for pk, _label in self.lookup_choices}
        if not known.issuperset(self.lookup_val or ()):
            raise IncorrectLookupParameters(f"{self.title} has no such entry.")
        return super().queryset(request, queryset)


def filter_of(model: Any, item: Any) -> Any:
    """
    Return what Django is to take for `item` of ``list_filter``: a filter by models for
    a ``GM2MField`` of `model`, one by objects for ``<field>__<model>``.
    """
    if not isinstance(item, str):
        return item
    name, _sep, target = item.partition(LOOKUP_SEP)
    field = gm2m_field(model, name)
    if field is None:
        return item
    return (item, LinkedObjectFilter) if target else filter_class(field)


def filter_class(field: GM2MField) -> type[LinkedModelFilter]:
    """Return the filter of `field`."""
    return type(
        "LinkedModelFilter",
        (LinkedModelFilter,),
        {
            "field": field,
            "title": field.verbose_name,
            "parameter_name": f"{field.name}__model",
        },
    )
