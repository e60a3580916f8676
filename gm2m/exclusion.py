"""
Negated conditions beside others: ``filter(Q(f__movie__year=1), ~Q(f__opera=aida))``.

Django makes a subquery of a negated condition that leads to many rows. If the outer
query has joined the same rows for a condition beside it, the subquery is about these
alone, and Django knows them by the alias that the table has in both. But several
relations share a through table, or a table of connections, and so the alias.

So the subquery begins with a ``FirstColumn``, which has none. Django then compares it
with the object of the outer query, by ``FirstKeyExact`` or ``FirstSourceExact``. These
look at the joins of the outer query, and add what Django would have: that a row is the
one that was joined, if that was by the same relation and for the same model.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import ExpressionWrapper, Model
from django.db.models.fields.related_lookups import RelatedExact

from .comparisons import SQL, qualified
from .lookups import KeyExact, LinkExact, OfModel

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler


def first_field(rel: Any, lookup_class: type[Any]) -> Any:
    """
    Return the field of `rel`, the first step of a path, as its subqueries need it: by
    `lookup_class` they are compared with an object outside.
    """
    ((column, remote),) = rel.field.related_fields
    field = copy.copy(rel.field)
    # Joins are as before: Query.trim_start() alone goes by these.
    field.reverse_related_fields = rel.field.reverse_related_fields
    field.related_fields = [(FirstField(column, rel, lookup_class), remote)]
    return field


class FirstField:
    """The field of a ``FirstColumn``: what ``Query.split_exclude()`` asks of it."""

    def __init__(self, column: Any, step: Any, lookup_class: type[Any]) -> None:
        self.column, self.step, self.lookup_class = column, step, lookup_class

    def get_col(self, alias: str) -> FirstColumn:
        return FirstColumn(self.column.get_col(alias), self)

    def get_lookup(self, lookup_name: str) -> type[Any]:
        return self.lookup_class


class FirstColumn(ExpressionWrapper):  # type: ignore[type-arg]
    """The column by which the rows of a subquery belong to an object outside."""

    alias = None

    def __init__(self, column: Any, field: FirstField) -> None:
        super().__init__(column, output_field=column.output_field)
        self.target = field


class JoinedRows(NamedTuple):
    """
    Rows that the outer query has joined by the same step, for some models (for any, if
    there are none); whether a condition in the same call did so.
    """

    alias: str
    models: frozenset[type[Model]]
    in_same_call: bool

    def serve(self, models: frozenset[type[Model]]) -> bool:
        return not (models and self.models) or bool(models & self.models)


class OuterObject(ExpressionWrapper):  # type: ignore[type-arg]
    """The object outside to which the rows of a subquery belong, by its key."""

    joined: tuple[JoinedRows, ...] = ()
    is_resolved = False

    def __init__(self, key: Any, first: FirstColumn) -> None:
        super().__init__(key, output_field=first.output_field)
        self.step = first.target.step

    def resolve_expression(self, query: Any = None, *args: Any, **kwargs: Any) -> Any:
        if self.is_resolved:
            return self  # Django resolves it again when it compiles the query.
        resolved: Any = super().resolve_expression(query, *args, **kwargs)
        resolved.is_resolved = True
        resolved.joined = tuple(
            JoinedRows(alias, linked_models(query, alias), alias in query.used_aliases)
            for alias, join in query.alias_map.items()
            if join.parent_alias is not None
            and join.join_field == self.step
            and is_key_of(resolved.expression, query, join)
        )
        return resolved

    def relabeled_clone(self, change_map: Mapping[str, str]) -> Any:
        clone: Any = super().relabeled_clone(change_map)
        clone.joined = tuple(
            rows._replace(alias=change_map.get(rows.alias, rows.alias))
            for rows in self.joined
        )
        return clone


class ExclusionMixin:
    """The comparison of rows in a subquery with the object outside."""

    lhs: Any
    rhs: Any

    def __init__(self, first: FirstColumn, key: Any) -> None:
        super().__init__(first.get_source_expressions()[0], OuterObject(key, first))  # type: ignore[call-arg]

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        sql, params = super().as_sql(compiler, connection)  # type: ignore[misc]
        alias, outer = self.lhs.alias, self.rhs
        models = linked_models(compiler.query, alias)
        rows = next((rows for rows in outer.joined if rows.serve(models)), None)
        if rows is None or not rows.in_same_call:
            return sql, params
        is_joined = same_row_sql(outer.step.related_model, alias, rows, compiler)
        gm2m = getattr(outer.step, "gm2m", None)
        if gm2m is not None and models:
            # Where one of several conditions is enough, the joined row may be a link to
            # another model: then it is as if there were none.
            joined_type = gm2m.links.content_type.get_col(rows.alias)
            of_model, types = compiler.compile(OfModel(joined_type, gm2m, models))
            is_joined = f"({is_joined} OR NOT ({of_model}))"
            params = [*params, *types]
        return f"({sql} AND {is_joined})", params


def same_row_sql(
    model: Any, alias: str, joined: JoinedRows, compiler: SQLCompiler
) -> str:
    """Return SQL for: the row `alias` of `model` is the one that was joined."""
    return " AND ".join(
        f"{qualified(compiler, alias, key)} = {qualified(compiler, joined.alias, key)}"
        for key in model._meta.pk_fields
    )


class FirstKeyExact(ExclusionMixin, KeyExact):
    """The rows of a target, as ``ExclusionMixin`` compares them."""


class FirstSourceExact(ExclusionMixin, RelatedExact):
    """The rows of a source, as ``ExclusionMixin`` compares them."""


def linked_models(query: Any, alias: str) -> frozenset[type[Model]]:
    """Return the models that conditions of `query` on the rows `alias` are about."""
    joins = (join for join in query.alias_map.values() if join.parent_alias == alias)
    lookups = (
        lookup
        for lookup in query.where.leaves()
        if isinstance(lookup, LinkExact) and lookup.lhs.alias == alias
    )
    return frozenset(
        model
        for models in (
            *(getattr(join.join_field, "models", ()) for join in joins),
            *(lookup.models for lookup in lookups),
        )
        for model in models
    )


def is_key_of(column: Any, query: Any, join: Any) -> bool:
    """Return whether `column` of `query` is the key of what `join` starts from."""
    ((_column, remote),) = join.join_field.field.related_fields
    alias, name = join.parent_alias, remote.get_col(None).target.column
    while (alias, name) != (column.alias, column.target.column):
        # The key may have been taken from the column that points to it.
        join = query.alias_map[alias]
        source = {theirs: ours for ours, theirs in getattr(join, "join_cols", ())}
        if name not in source:
            return False
        alias, name = join.parent_alias, source[name]
    return True
