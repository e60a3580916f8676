"""
What a mixed queryset refuses, because it would act on links while it seems to act on
targets; each method with what to call instead.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import NotSupportedError
from django.db.models import QuerySet

from .generics import Target_co


class LinksQuerySet(QuerySet[Any, Target_co]):
    """A queryset of links that lets nobody take it for one of targets."""

    #: The field whose links these are.
    _gm2m: Any

    def _refuse(self, method: str, instead: str) -> NoReturn:
        raise NotSupportedError(
            f"{method}() is not supported by {self._gm2m}, whose targets are of "
            f"several models. Use {instead}."
        )

    def update(self, **kwargs: Any) -> int:
        self._refuse("update", "instances_of(Model).update()")

    def delete(self) -> tuple[int, dict[str, int]]:
        self._refuse("delete", "clear() for the links, instances_of(Model).delete()")

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
