"""An inline of a through model: a row for each link, with one field for its target."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.exceptions import NotRegistered
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db.models import Model, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext as _

from ..fields import GM2MField
from ..through import ThroughFields
from .choices import AdminChoiceField, AdminTargetField, SearchSelect
from .options import GM2MAdminMixin
from .visibility import Visibility

#: The name of the field for the target in the forms of an inline.
TARGET = "gm2m_target"


class LinkForm(ModelForm):  # type: ignore[type-arg]
    """The form of a link, whose target is one field in place of type and key."""

    gm2m: GM2MField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            target = getattr(self.instance, self.gm2m.links.generic_name)
            self.initial.setdefault(TARGET, target)

    @property
    def links(self) -> ThroughFields:
        return self.gm2m.links

    def _post_clean(self) -> None:
        target = self.cleaned_data.get(TARGET)
        if target is not None:
            try:
                known = self.gm2m.target_of(target)
            except ValueError as error:
                self.add_error(TARGET, str(error))
            else:
                setattr(self.instance, self.links.generic_name, target)
                # The formset compares its forms by what makes links unique.
                content_type = getattr(self.instance, self.links.content_type.name)
                self.cleaned_data[self.links.content_type.name] = content_type
                self.cleaned_data[self.links.key_field.name] = known.key
        super()._post_clean()  # type: ignore[misc]
        if not (self.errors or hasattr(self, "_validate_constraints")):
            # Django 5.2 leaves out constraints that the parent is part of.
            try:
                exclude = self._get_validation_exclusions()
                self.instance.validate_constraints(exclude=exclude)
            except ValidationError as error:
                self._update_errors(error)

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        if self.cleaned_data.get(TARGET) is None:
            return excluded
        return excluded - {self.links.content_type.name, self.links.key_field.name}

    def _update_errors(self, errors: ValidationError) -> None:
        for found in errors.error_dict.values():
            for error in found:
                params: Any = error.params or {}
                if "unique_check" in params:
                    names = labels(self, params["unique_check"])
                    params["field_labels"] = get_text_list(names, _("and"))
        super()._update_errors(errors)  # type: ignore[misc]


class LinkFormSet:
    """Goes before the formset of an inline: it tells doubles by what the user sees."""

    fk: Any
    forms: list[LinkForm]

    def get_unique_error_message(self, unique_check: Iterable[str]) -> str:
        names = [name for name in unique_check if name != self.fk.name]
        message: str = super().get_unique_error_message(labels(self.forms[0], names))  # type: ignore[misc]
        return message


def labels(form: LinkForm, names: Iterable[str]) -> list[str]:
    """Return the labels of these fields of a link: of type and key, the target's."""
    links, opts = form.links, form.instance._meta
    own = {links.content_type.name, links.key_field.name}
    found = (
        form.fields[TARGET].label
        if name in own
        else capfirst(opts.get_field(name).verbose_name)
        for name in names
    )
    return list(dict.fromkeys(map(str, found)))


class LinkedTarget:
    """The target of a link where it is only shown: under the name of its field."""

    __name__ = TARGET

    def __init__(self, field: GM2MField) -> None:
        self.field = field
        self.short_description = capfirst(field.verbose_name)

    def __call__(self, obj: Model) -> str:
        target = getattr(obj, self.field.links.generic_name)
        return "" if target is None else str(target)


class GM2MThroughInlineMixin(GM2MAdminMixin):
    """
    Edit links one by one, with the columns of their through model.

    In the example::

        class PreferredVideoInline(GM2MThroughInlineMixin, admin.TabularInline):
            model = PreferredVideo

    Goes before ``TabularInline`` or ``StackedInline``; `model` is the through model of
    a ``GM2MField`` of the parent. The target is one field, ``gm2m_target``, which
    searches if all models on offer can be searched. `gm2m_models` names these, where
    the field declares none.

    A link whose target the user may not see is not shown, and stays. The permissions
    are those of the through model; of an automatic one, which has none, the parent's.
    """

    # An InlineModelAdmin's own, for type checkers.
    opts: Any
    parent_model: Any
    fields: Any
    form: Any
    formset: Any

    #: Models or querysets on offer; by default the declared models.
    gm2m_models: Iterable[Any] | None = None

    @property
    def gm2m(self) -> GM2MField:
        """The field whose through model this is."""
        through = self.opts.concrete_model
        for field in self.parent_model._meta.many_to_many:
            if field.remote_field.through is through and isinstance(field, GM2MField):
                return field
        raise ImproperlyConfigured(
            f"{type(self).__name__} is a GM2MThroughInlineMixin, and "
            f"{self.opts.label} is not the through model of a GM2MField of "
            f"{self.parent_model._meta.label}."
        )

    # The form.

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        attributes = {"gm2m": self.gm2m, TARGET: self.target_field(request)}
        classes = {
            "form": type("LinkForm", (LinkForm, self.form), attributes),
            "formset": type("LinkFormSet", (LinkFormSet, self.formset), {}),
        }
        return super().get_formset(request, obj, **{**classes, **kwargs})

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = super().get_fields(request, obj)  # type: ignore[misc]
        if self.fields:
            return names
        return [TARGET, *(name for name in names if name != TARGET)]

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        links = self.gm2m.links
        excluded = super().get_exclude(request, obj) or ()  # type: ignore[misc]
        return [*excluded, links.content_type.name, links.key_field.name]

    @property
    def gm2m_target(self) -> LinkedTarget:
        """What shows the target to users who may view links, and not change them."""
        return LinkedTarget(self.gm2m)

    def target_field(self, request: HttpRequest) -> AdminTargetField:
        """Return the form field for the target, to be overridden."""
        field = self.gm2m
        models = list(self.gm2m_models or field.models_on_offer())
        offers = Visibility(self.admin_site, request).offers(models)
        options: dict[str, Any] = {
            "label": capfirst(field.verbose_name),
            "required": True,
        }
        if all(self.can_search(request, queryset.model) for queryset in offers):
            generic = self.model._meta.get_field(field.links.generic_name)
            options["widget"] = SearchSelect(
                generic, self.admin_site, self.gm2m_url_name()
            )
        return AdminTargetField(
            offers,
            limit_choices_to=field.remote_field.limit_choices_to,
            for_concrete_model=field.for_concrete_model,
            **options,
        )

    def can_search(self, request: HttpRequest, model: type[Model]) -> bool:
        """Return whether objects of `model` can be searched, by this page's admin."""
        try:
            model_admin = self.admin_site.get_model_admin(model)
            parent = self.admin_site.get_model_admin(self.parent_model)
        except NotRegistered:
            return False
        return isinstance(parent, GM2MAdminMixin) and bool(
            model_admin.get_search_fields(request)
        )

    def gm2m_search_field(
        self, request: HttpRequest, name: str | None
    ) -> AdminChoiceField | None:
        field = self.target_field(request)
        is_searched = isinstance(field.widget, SearchSelect)
        return field if is_searched and name == self.gm2m.links.generic_name else None

    # Rows and permissions.

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the links whose targets the user may see."""
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        field, visibility = self.gm2m, Visibility(self.admin_site, request)
        related = field.get_related_models(include_auto=True)
        condition = Q(pk__in=())
        for model in related:
            visible = visibility.queryset(model)
            if visible is not None:
                lookup = f"{field.lookup_of(model)}__in"
                seen = self.model._base_manager.using(rows.db).filter(
                    **{lookup: visible.order_by().values("pk")}
                )
                condition |= Q(pk__in=seen.values("pk"))
        return rows.filter(condition).prefetch_related(field.links.generic_name)

    def _has_any_perms_for_target_model(self, request: Any, perms: Any) -> bool:
        # Django would ask for permissions on content types.
        opts = self.parent_model._meta
        return any(
            request.user.has_perm(f"{opts.app_label}.{perm}_{opts.model_name}")
            for perm in perms
        )
