"""The view that a searching widget asks."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied
from django.core.paginator import EmptyPage
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, JsonResponse

from .choices import AdminChoiceField

#: As many objects of one model are on a page at least.
FEWEST = 5


class GM2MAutocompleteJsonView(AutocompleteJsonView):
    """
    Search the models that a field of `owner`, or of one of its inlines, offers.

    Each model is searched by its own ``ModelAdmin``. A page has a group of results for
    each; two queries for each, one to count and one to fetch.
    """

    #: The ModelAdmin that has the URL.
    owner: Any = None
    # Django's own, for type checkers.
    admin_site: Any
    paginate_by: int

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        self.term = request.GET.get("term", "")
        field = self.form_field(request)
        searched = [model for model in field.querysets if self.searches(request, model)]
        if field.querysets and not searched:
            raise Http404("None of the models has an admin with search_fields.")
        number = self.page_number(request)
        results, more = [], False
        for model in searched:
            self.model_admin = self.admin_site.get_model_admin(model)
            offered: Any = field.field_of(model).queryset
            objects = self.search(request, offered)
            size = max(FEWEST, self.paginate_by // len(searched))
            paginator = self.get_paginator(objects, size)
            try:
                page = paginator.page(number)
            except EmptyPage:
                continue
            found = [self.serialize_result(obj, field) for obj in page]
            if found:
                label = field.label_from_model(model)
                results.append({"text": label, "children": found})
            more = more or page.has_next()
        return JsonResponse({"results": results, "pagination": {"more": more}})

    def form_field(self, request: HttpRequest) -> AdminChoiceField:
        """Return the form field that is asked for; ``PermissionDenied`` if none is."""
        label = tuple(request.GET.get(key) for key in ("app_label", "model_name"))
        name = request.GET.get("field_name")
        for admin in (self.owner, *self.owner.get_inline_instances(request)):
            opts = admin.model._meta
            if label == (opts.app_label, opts.model_name):
                field = getattr(admin, "gm2m_search_field", lambda *args: None)(
                    request, name
                )
                if field is not None:
                    return field  # type: ignore[no-any-return]
        raise PermissionDenied

    def searches(self, request: HttpRequest, model: type[Model]) -> bool:
        """Return whether objects of `model` can be searched."""
        try:
            model_admin = self.admin_site.get_model_admin(model)
        except NotRegistered:
            return False
        return bool(model_admin.get_search_fields(request))

    def page_number(self, request: HttpRequest) -> int:
        """Return the number of the page; ``Http404`` if it is none."""
        number = request.GET.get("page", "1")
        if not (number.isascii() and number.isdigit() and 0 < len(number) < 10):
            raise Http404("Invalid page.")
        return max(int(number), 1)

    def search(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return what the model's admin finds in `queryset`."""
        if "\0" in self.term:
            return queryset.none()  # No text has it, and some databases refuse it.
        found, may_have_doubles = self.model_admin.get_search_results(
            request, queryset, self.term
        )
        if may_have_doubles:
            found = found.distinct()
        return found if found.ordered else found.order_by("pk")

    def serialize_result(self, obj: Any, field: Any) -> dict[str, str]:
        return {"id": field.identifier(obj), "text": field.full_label(obj)}
