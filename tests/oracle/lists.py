"""What Django has beside a mixed list."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

from django.db.models import Model, Q, QuerySet

from .models import Box
from .schema import KEYS

NOTHING = Q(pk__in=[])


class Lists:
    """
    The list of one box by one field: a queryset for each model, of its many-to-many.

    Sets of two such lists are sets for each model.
    """

    def __init__(self, number: int, field: str) -> None:
        box = Box.objects.get(pk=number)
        self.querysets: dict[str, QuerySet[Any]] = {
            name.lower(): getattr(box, f"{field}_{name.lower()}").all() for name in KEYS
        }

    def copy(self, querysets: dict[str, QuerySet[Any]]) -> Lists:
        lists = object.__new__(Lists)
        lists.querysets = querysets
        return lists

    def filter(self, condition: Q) -> Lists:
        return self.copy(
            {
                name: queryset.filter(of_model(condition, name))
                for name, queryset in self.querysets.items()
            }
        )

    def exclude(self, condition: Q) -> Lists:
        return self.filter(~condition)

    def combined(self, other: Lists, how: Any) -> Lists:
        return self.copy(
            {
                name: queryset.model.objects.filter(
                    how(
                        Q(pk__in=queryset.values("pk")),
                        Q(pk__in=other.querysets[name].values("pk")),
                    )
                )
                for name, queryset in self.querysets.items()
            }
        )

    def __and__(self, other: Lists) -> Lists:
        return self.combined(other, operator.and_)

    def __or__(self, other: Lists) -> Lists:
        return self.combined(other, operator.or_)

    def __xor__(self, other: Lists) -> Lists:
        return self.combined(other, operator.xor)

    def difference(self, other: Lists) -> Lists:
        return self.combined(other, lambda one, two: one & ~two)

    union, intersection = __or__, __and__

    def instances_of(self, model: type[Model]) -> QuerySet[Any]:
        return self.querysets[model._meta.model_name or ""]

    def holders(self, field: str) -> set[Any]:
        """Return the boxes that have one of the objects."""
        return {
            box
            for name, queryset in self.querysets.items()
            for box in Box.objects.filter(
                **{f"{field}_{name}__in": queryset.values("pk")}
            )
        }

    def __iter__(self) -> Iterator[Any]:
        for queryset in self.querysets.values():
            yield from queryset

    def count(self) -> int:
        return len([*self])

    def exists(self) -> bool:
        return bool([*self])


def of_model(condition: Any, name: str) -> Q:
    """Return what `condition`, on a mixed queryset, is to objects of one model."""
    if isinstance(condition, tuple):
        path, value = condition
        if path == "Model":
            return ~NOTHING if value._meta.model_name == name else NOTHING
        model, _, rest = path.partition("__")
        if model != name:
            return NOTHING
        return Q(**{f"pk__{rest}" if rest in ("", "in") else rest: value})
    parts = [of_model(child, name) for child in condition.children]
    result = Q(*parts, _connector=condition.connector)
    return ~result if condition.negated else result
