"""
What a mixed queryset refuses, because it would act on links while it seems to act on
targets; each method with what to call instead.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import NotSupportedError
from django.db.models import AutoField, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.db.models.manager import BaseManager

from .generics import Target_co
from .lookup_names import field_names, unknown_name


def several_models(field: Any) -> str:
    """Return why keys cannot be compared with those of the targets of `field`."""
    return (
        f"The targets of {field} are of several models, so their keys cannot be "
        "compared here. Use instances_of() for one model, as in "
        f"pk__in=….{field.name}.instances_of(Model)."
    )


def is_automatic(key: Any) -> bool:
    """Return whether the value of the primary `key` says nothing to people."""
    return (
        key.auto_created
        or isinstance(key, AutoField)
        or key.has_default()
        or key.has_db_default()
    )


class LinksQuerySet(QuerySet[Any, Target_co]):
    """A queryset of links that lets nobody take it for one of targets."""

    #: The field whose links these are.
    _gm2m: Any

    def _refuse(self, method: str, instead: str) -> NoReturn:
        raise NotSupportedError(
            f"{method}() is not supported by {self._gm2m}, whose targets are of "
            f"several models. Use {instead}."
        )

    @property
    def _rows_of_links(self) -> str:
        """The way to the links themselves, for messages."""
        return f"{self._gm2m.model.__name__}.{self._gm2m.name}.through.objects"

    def _refuse_own_key(self, name: Any, value: Any = None) -> None:
        """
        Raise an error if `name`, of a condition on `value` or of a column, begins with
        that of the links' own key, which one would take for that of targets.
        """
        if not isinstance(name, str) or not self._is_own_key(name):
            return
        if isinstance(value, BaseManager):
            value = value.all()
        if isinstance(value, LinksQuerySet):
            raise TypeError(several_models(value._gm2m))
        model = next((key.key.name for key in self._gm2m.relations.values()), "model")
        raise FieldError(
            f"{self._gm2m}: {name!r} would be the key of a link, not that of a target. "
            f"Use the name of one model, as in {model}=…, or {self._rows_of_links} for "
            "links."
        )

    def _refuse_unknown(self, name: Any) -> None:
        """Raise ``FieldError`` if a condition or column called `name` cannot be."""
        query: Any = self.query
        if not isinstance(name, str) or query.combinator:
            return
        name, _separator, _rest = name.partition(LOOKUP_SEP)
        others = (*query.annotations, *query._filtered_relations, *query.extra)
        if name == "pk" or name in others:
            return
        opts = query.get_meta()
        try:
            opts.get_field(name)
        except FieldDoesNotExist:
            names = (name for name in field_names(opts) if not self._is_own_key(name))
            raise unknown_name(self._gm2m, name, (*names, *others)) from None

    def _is_own_key(self, name: str) -> bool:
        name, _separator, _rest = name.partition(LOOKUP_SEP)
        return name == "pk" or any(
            name in (field.name, field.attname) and is_automatic(field)
            for field in self.model._meta.concrete_fields
            if field.primary_key
        )

    def update(self, **kwargs: Any) -> int:
        self._refuse(
            "update",
            "instances_of(Model).update() for the targets of a model, "
            f"{self._rows_of_links} for links",
        )

    def delete(self) -> tuple[int, dict[str, int]]:
        self._refuse(
            "delete",
            "remove() or clear() to remove links, or "
            f"{self._rows_of_links}.filter(…).delete(); the targets stay",
        )

    def in_bulk(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        self._refuse("in_bulk", "instances_of(Model).in_bulk()")

    def create(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse("create", f"{self._gm2m.name}.create(Model, …)")

    def get_or_create(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse("get_or_create", f"{self._gm2m.name}.get_or_create(Model, …)")

    def update_or_create(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse(
            "update_or_create", f"{self._gm2m.name}.update_or_create(Model, …)"
        )

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[Any]:
        self._refuse("bulk_create", "Model.objects.bulk_create() and add()")

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        self._refuse("bulk_update", "Model.objects.bulk_update()")

    def raw(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse("raw", "Model.objects.raw()")

    def dates(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse("dates", "instances_of(Model).dates()")

    def datetimes(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse("datetimes", "instances_of(Model).datetimes()")

    _method: Any
    for _method in (
        update,
        delete,
        create,
        get_or_create,
        update_or_create,
        bulk_create,
        bulk_update,
    ):
        _method.alters_data = True
    delete.queryset_only = True  # type: ignore[attr-defined]
    del _method
