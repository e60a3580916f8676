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
from .lists import LinkedChangeList
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
            return self.formfield_for_manytomany(db_field, request, **kwargs)
        return super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if isinstance(db_field, GM2MField):
            return self.formfield_for_gm2m(db_field, request, **kwargs)
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]

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
        queryset = kwargs.pop("queryset", None)
        models = kwargs.pop("models", None) or db_field.models_on_offer()
        if queryset is not None:
            models = [db_field.only_queryset(queryset)]
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

    # Showing. What a user may not see is hidden where it is shown, from copies: the
    # objects themselves, which are saved and which other code sees, have all.

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        admin_form = context["adminform"]
        self.gm2m_show(request, [admin_form.form], admin_form.readonly_fields)
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc]

    def gm2m_show(self, request: HttpRequest, forms: Any, readonly: Any) -> None:
        """Let `forms` show of what is `readonly` what the user may see."""
        fields = [
            field
            for field in self.model._meta.many_to_many
            if isinstance(field, GM2MField) and field.name in readonly
        ]
        forms = [form for form in forms if form.instance.pk is not None]
        if fields and forms:
            visibility = Visibility(self.admin_site, request)
            copies = visibility.shown([form.instance for form in forms], fields)
            for form, instance in zip(forms, copies, strict=True):
                form.instance = instance

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        # Of an inline.
        formset: Any = super().get_formset(request, obj, **kwargs)  # type: ignore[misc]

        def show(formset: Any) -> None:
            readonly = self.get_readonly_fields(request, obj)  # type: ignore[attr-defined]
            if not self.has_change_permission(request, obj):  # type: ignore[attr-defined]
                readonly = [field.name for field in self.model._meta.many_to_many]
            self.gm2m_show(request, formset.initial_forms, readonly)

        return type(
            formset.__name__, (ShowingFormSet, formset), {"show": staticmethod(show)}
        )

    # Lists.

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        changelist = super().get_changelist(request, **kwargs)  # type: ignore[misc]
        return type(changelist.__name__, (LinkedChangeList, changelist), {})


def admin_class(form_class: type[Any]) -> type[Any]:
    """Return `form_class`, which may override labels, for use in the admin."""
    if issubclass(form_class, AdminChoiceField):
        return form_class
    return type(form_class.__name__, (form_class, AdminChoiceField), {})


class ShowingFormSet:
    """The formset of an inline, which shows what the user may see."""

    show: Any
    is_shown = False

    @property
    def media(self) -> Any:
        # Django asks for it when the page is about to be shown: nothing is saved then.
        if not self.is_shown:
            self.is_shown = True
            self.show(self)
        return super().media  # type: ignore[misc]
