"""Characteristics that are summed up: ``path_between(a, b, weight="minutes")``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import Field, Q, QuerySet
from django.db.models.fields import PositiveIntegerRelDbTypeMixin

NUMERIC = (models.IntegerField, models.FloatField, models.DecimalField)
#: Numbers, perhaps, but keys.
KEYS = ("from_pk", "to_pk")


class Weight:
    """
    The numeric field `name` of the connection model of a relationship. Raises
    ``TypeError`` if there is none.
    """

    def __init__(self, relationship: Any, name: Any) -> None:
        self.relationship, self.name = str(relationship), name
        opts = relationship.connection_model._meta
        if not isinstance(name, str):
            raise TypeError(
                f"The relationship {self.relationship}: weight must be the name of a "
                f"field, not {name!r}. As a condition on a field of that name, pass "
                "weight__exact."
            )
        try:
            field = opts.get_field(name)
        except FieldDoesNotExist:
            field = None
        # That of a GeneratedField is the one of its values.
        self.field: Field[Any, Any] | None = getattr(field, "output_field", field)
        is_key = name in KEYS or getattr(field, "primary_key", False)
        if is_key or not isinstance(self.field, NUMERIC):
            raise TypeError(
                f"The relationship {self.relationship}: weight must be the name of a "
                f"numeric characteristic; {name!r} is no such field of {opts.label}."
            )
        self.is_never_wrong = not field.null and isinstance(
            field, PositiveIntegerRelDbTypeMixin
        )

    def check(self, rows: QuerySet[Any]) -> None:
        """
        Raise ``ValueError`` if one of the connections `rows` has a wrong weight. One
        query, none for a field of which the database takes no wrong ones.
        """
        if self.is_never_wrong:
            return
        negative = Q(**{f"{self.name}__lt": 0})
        missing = Q(**{f"{self.name}__isnull": True})
        wrong = rows.filter(negative | missing).order_by()
        list(self.checked(wrong.values_list("pk", self.name)[:1]))

    def checked(self, edges: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """
        Yield `edges`, of which the last two are the key of a connection and its weight.
        Raise ``ValueError`` for a wrong one: no number also is none.
        """
        for edge in edges:
            *_keys, pk, weight = edge
            if weight is None:
                raise ValueError(
                    f"The relationship {self.relationship}: its connection {pk} has no "
                    f"{self.name!r}. Set it, or leave out such connections with "
                    f"{self.name}__isnull=False."
                )
            if weight != weight or weight < 0:
                raise ValueError(
                    f"The relationship {self.relationship}: its connection {pk} has "
                    f"{self.name} {weight}. No weight may be negative; leave out such "
                    f"connections with {self.name}__gte=0."
                )
            yield edge
