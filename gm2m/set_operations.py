"""
Set operations of mixed querysets. Their elements are targets: what two sources have in
common is what both have a link to.

The results are mixed querysets with conditions, and so can be filtered, ordered and
sliced as any other.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.lookups import Lookup

from .fetching import FetchingQuerySet
from .generics import Target_co

if TYPE_CHECKING:
    from typing_extensions import Self


class RowIn(Lookup):
    """
    Whether a row is among those of another query over its model.

    Limits are put into a table of their own: MariaDB takes none in what IN compares.
    """

    lookup_name = "row_in"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        lhs, lhs_params = self.process_lhs(compiler, connection)
        rhs, rhs_params = compiler.compile(self.rhs)
        if self.rhs.is_sliced:
            keys = self.rhs.model._meta.pk_fields
            columns = ", ".join(connection.ops.quote_name(key.column) for key in keys)
            alias = connection.ops.quote_name("gm2m_slice")
            rhs = f"(SELECT {columns} FROM {rhs} {alias})"
        return f"({lhs}) IN {rhs}", [*lhs_params, *rhs_params]


class CombinableQuerySet(FetchingQuerySet[Target_co]):
    """A queryset of links that is a set of targets to other ones of its field."""

    #: What ``|`` has made of its two sides, before each target had but one link.
    _united: Self | None = None

    # The operators.

    def __and__(self, other: Any) -> Any:
        if self._has_values(other):
            return super().__and__(other)
        return self._only(Exists(self._same_target(other)))

    def __or__(self, other: Any) -> Any:
        if self._has_values(other):
            return super().__or__(other)
        sides = [side._united or side._as_rows() for side in (self, other)]
        united = QuerySet.__or__(*sides)
        result = united._each_once()
        result._united = united
        return result

    def __xor__(self, other: Any) -> Any:
        if self._has_values(other):
            return super().__xor__(other)
        return self.difference(other) | other.difference(self)

    # The methods.

    def union(self, *other_qs: Any, all: bool = False) -> Any:
        if all or self._has_values(*other_qs):
            return super().union(*other_qs, all=all)
        return reduce(type(self).__or__, other_qs, self)

    def intersection(self, *other_qs: Any) -> Any:
        if self._has_values(*other_qs):
            return super().intersection(*other_qs)
        return reduce(type(self).__and__, other_qs, self)

    def difference(self, *other_qs: Any) -> Any:
        if self._has_values(*other_qs):
            return super().difference(*other_qs)
        others = [~Exists(self._same_target(other)) for other in other_qs]
        return self._only(*others)

    def _combinator_query(
        self, combinator: str, *other_qs: QuerySet[Any], **kwargs: Any
    ) -> Any:
        # The order of a through model is dropped: SQLite refuses it in the parts.
        parts = []
        for part in (self, *other_qs):
            if not part.query.order_by and not part.query.is_sliced:
                part = part.order_by()
            parts.append(part)
        return super(
            CombinableQuerySet, parts[0]
        )._combinator_query(  # type: ignore[misc]
            combinator, *parts[1:], **kwargs
        )

    # What they are made of.

    def _has_values(self, *others: Any) -> bool:
        """
        Return whether rows are to be combined, not targets: those of ``values()``.

        Raise ``TypeError`` for what has no targets of the same field.
        """
        sides = [self, *others]
        if any(getattr(side, "_fields", None) is not None for side in sides):
            return True
        for other in sides:
            if not isinstance(other, CombinableQuerySet) or other._gm2m != self._gm2m:
                owner = getattr(other, "_gm2m", None) or type(other).__name__
                raise TypeError(
                    f"Targets of {self._gm2m} and of {owner} cannot be combined. "
                    "Combine instances_of() for each of their models."
                )
            other._not_support_combined_queries("combine")  # type: ignore[attr-defined]
        return False

    def _with_condition(self, *conditions: Any) -> Self:
        """Return the links that fulfil `conditions`, in which ``pk`` is the link's."""
        clone: Self = self._chain()  # type: ignore[attr-defined]
        clone.query.add_q(Q(*conditions))
        return clone

    def _only(self, *conditions: Any) -> Self:
        """Return the links that fulfil `conditions`, limits taken before."""
        links = self
        if self.query.is_sliced:
            links = self._chain()  # type: ignore[attr-defined]
            links.query.clear_limits()
            links = links._with_condition(self._is_among())
        return links._with_condition(*conditions)

    def _same_target(self, links: Self) -> Self:
        """Return those of `links` that have the target of a row of the outer query."""
        own = self._gm2m.links
        names = (own.content_type.attname, own.key_field.attname)
        return links._only(*((name, OuterRef(name)) for name in names))

    def _is_among(self) -> RowIn:
        """Return the condition on a row to be one of these links."""
        keys = self._chain()  # type: ignore[attr-defined]
        order = keys.query.order_by
        keys.query.set_values([key.attname for key in self.model._meta.pk_fields])
        if keys.query.is_sliced:
            # That of whole links, which their keys would not have.
            keys.query.order_by = order
        else:
            keys.query.clear_ordering(force=True)
        return RowIn(F("pk"), keys.query)

    def _as_rows(self) -> Self:
        """
        Return the same links by a condition on rows alone, which can be combined with
        others: without limits, joins and annotations.
        """
        query = self.query
        used = [alias for alias, count in query.alias_refcount.items() if count]
        if not (
            query.is_sliced
            or query.distinct
            or query.annotations
            or query.extra
            or len(used) > 1
        ):
            return self
        rows: Self = self._chain()  # type: ignore[attr-defined]
        rows._query = self._plain_query(self.model)
        return rows._with_condition(self._is_among())

    def _each_once(self) -> Self:
        """Return the first link, by its key, to each target."""
        names = [key.attname for key in self.model._meta.pk_fields]
        lower = Q()
        # As a database compares rows of several columns: by the first that differs.
        for number, name in enumerate(names):
            same = Q(*((other, OuterRef(other)) for other in names[:number]))
            lower |= same & Q(**{f"{name}__lt": OuterRef(name)})
        earlier = self._same_target(self)._with_condition(lower)
        result = self._with_condition(~Exists(earlier))
        result._links_once = True
        return result
