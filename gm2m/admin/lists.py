"""The field in lists of sources: as a column, and as a filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import (
    RelatedFieldListFilter,
    RelatedOnlyFieldListFilter,
    SimpleListFilter,
)
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import build_q_object_from_lookup_parameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, Model, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ..fields import GM2MField
from ..subclasses import with_parents
from .checks import gm2m_field
from .visibility import Visibility

EMPTY = "none"


class LinkedColumn:
    """A column of a list: the targets of a row, as far as they may be seen."""

    def __init__(self, field: GM2MField) -> None:
        self.field = field
        self.__name__ = field.name
        self.short_description = field.verbose_name
        #: Copies of the rows from which the rest is hidden, by key.
        self.shown: dict[Any, Any] = {}

    def __call__(self, obj: Any) -> str:
        return ", ".join(map(str, getattr(self.shown[obj.pk], self.field.name).all()))


class LinkedChangeList(ChangeList):
    """
    A list that shows and filters by fields, and fetches the targets of all its rows at
    once. It is given what the admin's options and methods name.
    """

    def __init__(
        self,
        request: HttpRequest,
        model: Any,
        list_display: Any,
        list_display_links: Any,
        list_filter: Any,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        columns = {
            name: LinkedColumn(field)
            for name in list_display
            if (field := gm2m_field(model, name))
        }
        super().__init__(
            request,
            model,
            [columns.get(name, name) for name in list_display],
            list_display_links
            and [columns.get(name, name) for name in list_display_links],
            [filter_of(model, item) for item in list_filter],
            *args,
            **kwargs,
        )

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        visibility = Visibility(self.model_admin.admin_site, request)
        for column in self.list_display:
            if isinstance(column, LinkedColumn):
                copies = visibility.shown(self.result_list, [column.field])
                column.shown = {source.pk: source for source in copies}


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
        models = dict.fromkeys([*declared, *related])
        for model in models:
            if any(parent in models for parent in with_parents(model)[1:]):
                continue  # The parent's entry finds its objects.
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
    """
    A filter of sources by the objects of one model that the user may see, and one entry
    for sources without a link to any.
    """

    #: Whether it offers no more than what is linked.
    only_linked = False
    # A list, and names of parameters; Django's own, for type checkers.
    lookup_val: Any
    lookup_kwarg_isnull: str
    used_parameters: dict[str, Any]

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        visibility = Visibility(model_admin.admin_site, request)
        visible = visibility.queryset(field.remote_field.model)
        if visible is None:
            return []
        if self.only_linked:
            listed = model_admin.get_queryset(request).order_by()
            visible = visible.filter(pk__in=listed.values(f"{self.field_path}__pk"))
        return [(obj.pk, str(obj)) for obj in visible]

    def has_none(self, queryset: QuerySet[Any]) -> Q:
        """Return the condition that a source has no link to an object of the model."""
        sources = queryset.model._base_manager.using(queryset.db)
        linked = sources.filter(**{f"{self.field_path}__isnull": False})
        return ~Q(pk__in=linked.values("pk"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        known = {str(pk) for pk, _label in self.lookup_choices}
        if not known.issuperset(self.lookup_val or ()):
            raise IncorrectLookupParameters(f"{self.title} has no such entry.")
        given = dict(self.used_parameters)
        # Not by isnull=True: a link to another model has no object of this one either.
        for is_null in given.pop(self.lookup_kwarg_isnull, ()):
            has_none = self.has_none(queryset)
            queryset = queryset.filter(has_none if is_null else ~has_none)
        return queryset.filter(build_q_object_from_lookup_parameters(given))

    def get_facet_counts(self, pk_attname: str, filtered_qs: QuerySet[Any]) -> Any:
        counts = super().get_facet_counts(pk_attname, filtered_qs)
        has_none = self.has_none(filtered_qs)
        counts["__c"] = Count(pk_attname, filter=has_none, distinct=True)
        return counts


def filter_of(model: Any, item: Any) -> Any:
    """
    Return what Django is to take for `item` of ``list_filter``: a filter by models for
    a ``GM2MField`` of `model`, one by objects for ``<field>__<model>``.
    """
    path, given = item if isinstance(item, (tuple, list)) else (item, None)
    name, _sep, target = (
        path.partition(LOOKUP_SEP) if isinstance(path, str) else ("",) * 3
    )
    field = gm2m_field(model, name)
    if field is None:
        return item
    if given is None:
        return (path, LinkedObjectFilter) if target else filter_class(field)
    if target and issubclass(given, RelatedFieldListFilter):
        only_linked = issubclass(given, RelatedOnlyFieldListFilter)
        own = {"only_linked": only_linked}
        return path, type(given.__name__, (LinkedObjectFilter, given), own)
    return item


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
