"""System checks of admins that have the field."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.exceptions import NotRegistered
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db.models.constants import LOOKUP_SEP

from ..fields import GM2MField


class GM2MChecks:
    """
    What is put before the ``checks_class`` of an admin: where an option names a
    ``GM2MField``, other things are right and wrong than Django thinks.
    """

    def _check_autocomplete_fields_item(self, obj: Any, name: Any, label: str) -> Any:
        field = gm2m_field(obj.model, name)
        if field is None:
            return super()._check_autocomplete_fields_item(obj, name, label)  # type: ignore[misc]
        return [
            *check_searching(field, obj, label),
            *check_targets(field, obj, label),
        ]

    def _check_raw_id_fields_item(self, obj: Any, name: Any, label: str) -> Any:
        field = gm2m_field(obj.model, name)
        if field is None:
            return super()._check_raw_id_fields_item(obj, name, label)  # type: ignore[misc]
        return [
            checks.Error(
                f"The value of '{label}' cannot be {field}: a key alone does not tell "
                "the model.",
                hint="Name the field in autocomplete_fields instead.",
                obj=obj.__class__,
                id="gm2m.E401",
            )
        ]

    def _check_list_display_item(self, obj: Any, item: Any, label: str) -> Any:
        if gm2m_field(obj.model, item) is not None:
            return []  # It has a column of its own.
        return super()._check_list_display_item(obj, item, label)  # type: ignore[misc]

    def _check_list_filter_item(self, obj: Any, item: Any, label: str) -> Any:
        name, *path = item.split(LOOKUP_SEP) if isinstance(item, str) else [None]
        field = gm2m_field(obj.model, name)
        if field is None or len(path) < 2:
            return super()._check_list_filter_item(obj, item, label)  # type: ignore[misc]
        return [
            checks.Error(
                f"The value of '{label}' goes beyond the targets of {field}.",
                hint=f"Name '{name}' or '{name}__{path[0]}', or write a "
                "SimpleListFilter.",
                obj=obj.__class__,
                id="gm2m.E406",
            )
        ]

    def _check_search_fields(self, obj: Any) -> Any:
        errors = super()._check_search_fields(obj)  # type: ignore[misc]
        return errors or [
            checks.Error(
                f"The value of 'search_fields[{index}]' is {field}, which has no text "
                "of its own to search.",
                hint="Name a field of one model, as in "
                f"'{field.name}__<model>__<field>'.",
                obj=obj.__class__,
                id="gm2m.E407",
            )
            for index, item in enumerate(obj.search_fields)
            if (field := searched_field(obj.model, item))
        ]

    def _check_list_editable_item(self, obj: Any, name: Any, label: str) -> Any:
        field = gm2m_field(obj.model, name)
        if field is None:
            return super()._check_list_editable_item(obj, name, label)  # type: ignore[misc]
        return [
            checks.Error(
                f"The value of '{label}' cannot be {field}: lists only show it.",
                hint="Take it out of list_editable.",
                obj=obj.__class__,
                id="gm2m.E404",
            )
        ]


def gm2m_field(model: Any, name: Any) -> GM2MField | None:
    """Return the ``GM2MField`` of `model` called `name`, ``None`` if it is none."""
    if not isinstance(name, str):
        return None
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, GM2MField) else None


def searched_field(model: Any, item: Any) -> GM2MField | None:
    """
    Return the ``GM2MField`` that `item` of ``search_fields`` leads to, alone or with
    the name of a related model; ``None`` if it leads on, or elsewhere.
    """
    name, *path = str(item).lstrip("^=@").split(LOOKUP_SEP)
    field = gm2m_field(model, name)
    if field is None or len(path) > 1:
        return None
    names = {field.lookup_of(target) for target in field.get_related_models()}
    return field if not path or path[0] in names else None


def check_searching(field: GM2MField, obj: Any, label: str) -> Any:
    """Check that there is a view to ask, which an inline has from its parent."""
    from .options import GM2MAdminMixin

    parent = getattr(obj, "parent_model", None)
    if parent is None or not obj.admin_site.is_registered(parent):
        return
    if not isinstance(obj.admin_site.get_model_admin(parent), GM2MAdminMixin):
        yield checks.Error(
            f"The value of '{label}' cannot be {field}: the admin of "
            f"'{parent._meta.label}', whose page it is on, cannot search for it.",
            hint=f"Derive {type(obj.admin_site.get_model_admin(parent)).__name__} from "
            "gm2m.admin.GM2MAdminMixin.",
            obj=obj.__class__,
            id="gm2m.E405",
        )


def check_targets(field: GM2MField, obj: Any, label: str) -> Any:
    """Check that the declared targets of `field` can be searched."""
    for model in field.models_on_offer():
        try:
            model_admin = obj.admin_site.get_model_admin(model)
        except NotRegistered:
            yield checks.Error(
                f"The value of '{label}' is {field}, and the admin site "
                f"'{obj.admin_site.name}' has no admin for '{model._meta.label}', "
                "which it declares.",
                hint="Register the model, or choose by filter_horizontal.",
                obj=obj.__class__,
                id="gm2m.E402",
            )
            continue
        if not model_admin.search_fields and not overrides_search(model_admin):
            yield checks.Error(
                f"The value of '{label}' is {field}, and "
                f"{type(model_admin).__name__}, the admin of '{model._meta.label}', "
                "has no search_fields.",
                hint="Set its search_fields.",
                obj=obj.__class__,
                id="gm2m.E403",
            )


def overrides_search(model_admin: Any) -> bool:
    """Return whether what is searched depends on the request."""
    from django.contrib.admin.options import ModelAdmin

    return type(model_admin).get_search_fields is not ModelAdmin.get_search_fields
