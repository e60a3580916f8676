"""The mixin for admins of models that have the field."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.widgets import FilteredSelectMultiple
from django.forms import CheckboxSelectMultiple, SelectMultiple
from django.http import HttpRequest, HttpResponseBase
from django.urls import path
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from ..fields import GM2MField
from .checks import GM2MChecks, gm2m_field
from .choices import AdminChoiceField, SearchSelectMultiple
from .lists import LinkedChangeList, LinkedColumn, filter_of
from .views import GM2MAutocompleteJsonView
from .visibility import Visibility

#: Django's own, for every field that is chosen in this way.
HOLD_DOWN = "Hold down “Control”, or “Command” on a Mac, to select more than one."


class GM2MAdminMixin:
    """
    Edit, show and filter by a ``GM2MField`` in the admin.

    In the example::

        @admin.register(User)
        class UserAdmin(GM2MAdminMixin, admin.ModelAdmin):
            autocomplete_fields = ["preferred_videos"]
            list_display = ["name", "preferred_videos"]
            list_filter = ["preferred_videos"]

    Goes before ``ModelAdmin``, ``TabularInline`` or ``StackedInline``. A user chooses
    among what the ``ModelAdmin`` of each target shows to him or her; what it does not
    show stays linked, and its label is never shown.
    """

    # A ModelAdmin's own, for type checkers.
    admin_site: Any
    model: Any
    filter_horizontal: Any
    filter_vertical: Any
    formfield_overrides: Any
    checks_class: Any

    def check(self, **kwargs: Any) -> Any:
        bases = (GM2MChecks, self.checks_class)
        return type("GM2MChecks", bases, {})().check(self, **kwargs)

    # Forms.

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if isinstance(db_field, GM2MField) and not db_field.choices:
            # Without the buttons to add others: they would not know of which model.
            return self.formfield_for_gm2m(db_field, request, **kwargs)
        return super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]

    def formfield_for_gm2m(
        self, db_field: GM2MField, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """
        Return the form field for a ``GM2MField``, to be overridden; ``None`` if it has
        a through model of its own, which is edited in an inline.

        `kwargs` are those of ``GM2MField.formfield()``, so that ``models=`` names the
        models on offer.
        """
        if not db_field.remote_field.through._meta.auto_created:
            return None
        for klass in type(db_field).__mro__:
            if klass in self.formfield_overrides:
                kwargs = {**self.formfield_overrides[klass], **kwargs}
                break
        models = kwargs.pop("models", None) or db_field.models_on_offer()
        if not models:
            return db_field.formfield()
        kwargs["form_class"] = admin_class(kwargs.get("form_class", AdminChoiceField))
        if "widget" not in kwargs and (widget := self.gm2m_widget(db_field, request)):
            kwargs["widget"] = widget
        visibility = Visibility(self.admin_site, request)
        field = db_field.formfield(models=visibility.offers(models), **kwargs)
        if isinstance(field.widget, SelectMultiple) and not isinstance(
            field.widget, (CheckboxSelectMultiple, SearchSelectMultiple)
        ):
            hint = gettext_lazy(HOLD_DOWN)
            text = field.help_text
            field.help_text = format_lazy("{} {}", text, hint) if text else hint
        return field

    def gm2m_widget(self, db_field: GM2MField, request: HttpRequest) -> Any:
        """Return the widget that the options ask for, ``None`` for the usual one."""
        name = db_field.name
        if name in self.get_autocomplete_fields(request):  # type: ignore[attr-defined]
            return SearchSelectMultiple(db_field, self.admin_site, self.gm2m_url_name())
        if name in (*self.filter_vertical, *self.filter_horizontal):
            return FilteredSelectMultiple(
                db_field.verbose_name, name in self.filter_vertical
            )
        return None

    # Searching.

    def gm2m_url_name(self) -> str:
        """Return the name of the view that searches; for an inline, its parent's."""
        opts = getattr(self, "parent_model", self.model)._meta
        return (
            f"{self.admin_site.name}:"
            f"{opts.app_label}_{opts.model_name}_gm2m_autocomplete"
        )

    def get_urls(self) -> Any:
        name = self.gm2m_url_name().partition(":")[2]
        view = self.admin_site.admin_view(self.gm2m_autocomplete_view)
        # Before the others, one of which takes any path for a key.
        return [
            path("gm2m-autocomplete/", view, name=name),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def gm2m_autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a searching widget of this admin, or of one of its inlines."""
        view = GM2MAutocompleteJsonView.as_view(admin_site=self.admin_site, owner=self)
        return view(request)

    def gm2m_search_field(
        self, request: HttpRequest, name: str | None
    ) -> AdminChoiceField | None:
        """Return the form field `name` if its widget searches, else ``None``."""
        field = gm2m_field(self.model, name)
        if field is None or name not in self.get_autocomplete_fields(request):  # type: ignore[attr-defined]
            return None
        form_field = self.formfield_for_dbfield(field, request)
        return form_field if isinstance(form_field, AdminChoiceField) else None

    # Showing.

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        obj = super().get_object(request, object_id, from_field)  # type: ignore[misc]
        if obj is not None:
            self.gm2m_hide(request, obj, [obj])
        return obj

    def gm2m_hide(self, request: HttpRequest, obj: Any, sources: Any) -> None:
        """
        Hide from `sources` what the user may not see, unless a form that was posted
        is about to change the field: Django shows all that is linked.
        """
        readonly = self.get_readonly_fields(request, obj)  # type: ignore[attr-defined]
        may_change = self.has_change_permission(request, obj)  # type: ignore[attr-defined]
        visibility = Visibility(self.admin_site, request)
        for field in self.model._meta.many_to_many:
            is_edited = may_change and field.name not in readonly
            if isinstance(field, GM2MField) and not (
                is_edited and request.method == "POST"
            ):
                visibility.hide(field, sources)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        # Of an inline.
        formset: Any = super().get_formset(request, obj, **kwargs)  # type: ignore[misc]

        def hide(sources: Any) -> None:
            self.gm2m_hide(request, obj, sources)

        return type(
            formset.__name__, (HidingFormSet, formset), {"hide": staticmethod(hide)}
        )

    # Lists.

    def get_list_display(self, request: HttpRequest) -> Any:
        return [
            LinkedColumn(field) if (field := gm2m_field(self.model, item)) else item
            for item in super().get_list_display(request)  # type: ignore[misc]
        ]

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [
            filter_of(self.model, item)
            for item in super().get_list_filter(request)  # type: ignore[misc]
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        changelist = super().get_changelist(request, **kwargs)  # type: ignore[misc]
        return type(changelist.__name__, (LinkedChangeList, changelist), {})


def admin_class(form_class: type[Any]) -> type[Any]:
    """Return `form_class`, which may override labels, for use in the admin."""
    if issubclass(form_class, AdminChoiceField):
        return form_class
    return type(form_class.__name__, (form_class, AdminChoiceField), {})


class HidingFormSet:
    """The formset of an inline, whose objects show what the user may see."""

    hide: Any

    def get_queryset(self) -> Any:
        queryset = super().get_queryset()  # type: ignore[misc]
        if not hasattr(self, "_hidden"):
            self._hidden = True
            self.hide(list(queryset))
        return queryset
