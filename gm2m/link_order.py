"""
The order of links, where nobody has asked for another.

An explicit ``order_by()`` takes part in GROUP BY, in DISTINCT, in set operations and
in subqueries, and so changes what they answer. These queries have their order only
where rows are read in it.
"""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q
from django.db.models.constants import LOOKUP_SEP
from django.db.models.sql import Query


class LinkOrderQuery(Query):
    """
    A query that is in `link_order` unless it is given another order, or none.

    There is no such order where it would change the answer: in set operations, in
    subqueries without limits, and in what is grouped or distinct by less than links.
    """

    #: What ``order_by()`` might have been given.
    link_order: tuple[Any, ...] = ()
    #: Whether rows of the query's model that differ have links that differ.
    links_once = True

    @property  # type: ignore[override]
    def order_by(self) -> tuple[Any, ...]:
        given = given_order(self)
        if given is not None:
            return given
        return self.link_order if self._is_read_in_order() else ()

    @order_by.setter
    def order_by(self, ordering: tuple[Any, ...]) -> None:
        vars(self)["order_by"] = ordering

    @order_by.deleter
    def order_by(self) -> None:
        vars(self).pop("order_by", None)

    def _is_read_in_order(self) -> bool:
        if self.combinator or (self.subquery and not self.is_sliced):
            return False
        if self.distinct and (self.distinct_fields or not self.default_cols):
            return False
        if self.distinct or self.group_by:
            return self.links_once and self.group_by in (None, True)
        return True

    def get_compiler(
        self, using: Any = None, connection: Any = None, elide_empty: bool = True
    ) -> Any:
        query: Query = self
        if using and connection and not self.is_sliced and given_order(self) is None:
            # Django gives both for the parts of a set operation alone. SQLite refuses
            # those that have an order.
            query = self.clone()
            query.order_by = ()
        return Query.get_compiler(query, using, connection, elide_empty)

    def combine(self, rhs: Query, connector: str) -> None:
        given = given_order(rhs) or given_order(self)
        super().combine(rhs, connector)
        # Django has taken the order of one of the two for one that was given.
        del self.order_by
        if given is not None:
            self.order_by = given


def given_order(query: Query) -> tuple[Any, ...] | None:
    """Return the order that `query` was given, ``None`` if it was given none."""
    return vars(query).get("order_by")


class TiedQuery(Query):
    """
    A query to which the name of one relation, `tied_name`, always means the rows joined
    under one alias, `tied_alias`, and not those that were joined last or are new.
    """

    tied_name: str | None = None
    tied_alias: str | None = None

    def setup_joins(
        self,
        names: Any,
        opts: Any,
        alias: Any,
        can_reuse: Any = None,
        allow_many: bool = True,
    ) -> Any:
        if self.tied_alias and names[0] == self.tied_name:
            can_reuse = {self.tied_alias}
        return super().setup_joins(names, opts, alias, can_reuse, allow_many)

    def change_aliases(self, change_map: dict[Any, Any]) -> None:
        super().change_aliases(change_map)
        self.tied_alias = change_map.get(self.tied_alias, self.tied_alias)


class TargetOrderQuery(TiedQuery, LinkOrderQuery):
    """A query of targets in the order of the rows that it is tied to."""

    def bump_prefix(self, other_query: Any, exclude: Any = None) -> None:
        super().bump_prefix(other_query, exclude)
        if exclude and given_order(self) is None:
            # To be combined with another query, which has no such alias.
            self.order_by = ()

    def combine(self, rhs: Query, connector: str) -> None:
        # Objects of which only some have rows there.
        if given_order(self) is None:
            self.order_by = ()
        super().combine(rhs, connector)


def tied_to_first(queryset: Any, name: str) -> Any:
    """
    Return `queryset` tied to the rows of the relation `name` that it has joined first,
    or else is going to join.
    """
    query = queryset.query
    if type(query) is not Query:
        return queryset  # One of another library.
    aliases = [
        alias for alias in query.alias_map if alias in joins_of(query, name, {alias})
    ]
    queryset = queryset._chain()
    queryset.query = query.chain(klass=TiedQuery)
    queryset.query.tied_name = name
    # The first is that of the model itself, from which all others are joined.
    queryset.query.tied_alias = aliases[1] if len(aliases) > 1 else None
    return queryset


def joins_of(query: Query, name: str, can_reuse: Any = None) -> list[str]:
    """Return the aliases that `query` would join for the relation `name`."""
    query = query.clone()
    opts: Any = query.get_meta()
    joins: list[str] = query.setup_joins(
        [name], opts, query.get_initial_alias(), can_reuse
    ).joins
    return joins


def in_order_of_links(
    queryset: Any, name: str, through: Any, *, links_once: bool
) -> Any:
    """
    Return `queryset`, of targets, in the order of the rows of `through` that it has
    joined by the relation `name`.

    `links_once` tells that no two of the rows link the same target.
    """
    ordering = through._meta.ordering or by_key(through)
    order = tuple(below(name, item) for item in ordering)
    query = queryset.query
    if not isinstance(query, TiedQuery) and type(query) is not Query:
        # One of another library, which has its own idea of what an order is.
        return queryset.order_by(*order)
    alias = joins_of(query, name)[1]
    ordered: Any = query.chain(klass=TargetOrderQuery)
    # As of a many-to-many, the next condition is about the same rows.
    ordered.filter_is_sticky = query.filter_is_sticky
    ordered.used_aliases = query.used_aliases
    ordered.tied_name, ordered.tied_alias = name, alias
    ordered.link_order, ordered.links_once = order, links_once
    queryset.query = ordered
    return queryset


def by_key(through: Any) -> tuple[str, ...]:
    """Return what orders rows of `through` by their key."""
    keys = through._meta.pk_fields
    # Django 5.2 cannot order by a composite key while its columns are selected.
    return ("pk",) if len(keys) == 1 else tuple(key.attname for key in keys)


def below(prefix: str, ordering: Any) -> Any:
    """Return `ordering`, an item of ``Meta.ordering``, for the relation `prefix`."""
    if isinstance(ordering, str):
        sign, name = ("-", ordering[1:]) if ordering[0] == "-" else ("", ordering)
        return f"{sign}{prefix}{LOOKUP_SEP}{name}"
    if isinstance(ordering, F):
        return F(f"{prefix}{LOOKUP_SEP}{ordering.name}")  # type: ignore[attr-defined]
    if isinstance(ordering, Q):
        children: Any = [
            (f"{prefix}{LOOKUP_SEP}{child[0]}", child[1])
            if isinstance(child, tuple)
            else below(prefix, child)
            for child in ordering.children
        ]
        return Q(*children, _connector=ordering.connector, _negated=ordering.negated)
    if ordering is None:
        return None
    ordering = ordering.copy()
    ordering.set_source_expressions(
        [below(prefix, source) for source in ordering.get_source_expressions()]
    )
    return ordering
