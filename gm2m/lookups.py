"""
The conditions on through rows that compare targets.

``LinkExact``, ``LinkIn``, ``LinkIsNull``
    lookups on a ``GM2MField``: ``filter(preferred_videos=movie)``;
``KeyExact``, ``KeyIn``, ``KeyIsNull``
    lookups on one target model: ``filter(preferred_videos__movie=movie)``;
``OfModel``
    rows of some models: ``user.preferred_videos.filter(Model=Movie)``;
``KeyAmong``
    rows of some keys: those of targets, or those in a column of the rows.

Their SQL is in ``comparisons``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet, FieldError
from django.db.models import Model, Subquery, Value
from django.db.models.expressions import ColPairs, ExpressionList, Ref
from django.db.models.lookups import Exact, In, IsNull, Lookup
from django.db.models.sql import Query

from .comparisons import (
    SQL,
    KeyText,
    among,
    gm2m_of,
    in_query_sql,
    in_sql,
    is_one_of,
    qualified,
    same_key_sql,
    select_keys,
    select_links,
    select_pk_by_default,
    selects_own_keys,
    unindexed,
)
from .keys import Key, pk_as

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

    from .fields import GM2MField
    from .relations import TargetKey


class OfModel(Lookup):
    """Whether a row links a target of one of `models`."""

    lookup_name = "of_model"
    prepare_rhs = False

    def __init__(self, lhs: Any, gm2m: GM2MField, models: Iterable[type[Model]]):
        self.gm2m = gm2m
        super().__init__(lhs, tuple(models))

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        if not self.rhs:
            raise EmptyResultSet
        lhs, params = self.process_lhs(compiler, connection)
        lhs = unindexed(self.gm2m, lhs, connection)
        using = connection.alias
        types = (self.gm2m.own_types_of(model, using) for model in self.rhs)
        ids = list(dict.fromkeys(chain.from_iterable(types)))
        return f"{lhs} IN ({', '.join(['%s'] * len(ids))})", [*params, *ids]


class KeyAmong(Lookup):
    """
    Whether a column is one of `keys`, which are values that its field has: Django's
    own ``in`` looks at each of them four times.
    """

    lookup_name = "among"
    prepare_rhs = False

    def __init__(self, lhs: Any, keys: Sequence[Any]) -> None:
        super().__init__(lhs, keys)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        if not self.rhs:
            raise EmptyResultSet
        lhs, params = self.process_lhs(compiler, connection)
        key = Key(self.lhs.output_field)
        values = self.rhs
        if key.plain_type not in (int, str):
            prepare = key.field.get_db_prep_value
            values = [prepare(value, connection) for value in values]
        condition, value_params = among(lhs, values, connection)
        return condition, [*params, *value_params]


class LinkExact(Exact):
    """``filter(preferred_videos=movie)``. The value is kept as keys by model."""

    @property
    def gm2m(self) -> GM2MField:
        field: GM2MField = self.lhs.output_field.gm2m
        return field

    @property
    def models(self) -> tuple[type[Model], ...]:
        """The models that it compares with, none if it may be any."""
        return tuple(model for model, _keys in self.rhs or ())

    def get_prep_lookup(self) -> Any:
        if self.rhs is None:
            return None
        self.refuse_expression()
        return self.grouped([self.rhs])

    def set_source_expressions(self, expressions: Any) -> None:
        super().set_source_expressions(expressions)
        if isinstance(self.lhs, Ref):
            raise FieldError(
                f"{self.gm2m} cannot be compared with objects where the rows are those "
                "of a subquery: in an aggregate after annotate(), distinct() or a "
                "slice, or beside a condition on a window. Compare its models one by "
                f"one, as in {self.gm2m.name}__<model>=…."
            )

    def refuse_expression(self) -> None:
        """Raise an error for what can only be compared with one model."""
        if hasattr(self.rhs, "resolve_expression"):
            gm2m = self.gm2m
            raise FieldError(
                f"{gm2m} links targets of several models and cannot be compared with "
                f"{type(self.rhs).__name__}. Compare one of its models, as in "
                f'{gm2m.name}__<model>=OuterRef("pk"); a queryset of one model goes '
                f"with {gm2m.name}__in."
            )

    def grouped(self, objs: Iterable[Any]) -> Any:
        keys: dict[type[Model], list[Any]] = {}
        for obj in objs:
            target = self.gm2m.target_of(obj, to_write=False)
            keys.setdefault(target.model, []).append(target.key)
        return tuple((model, tuple(found)) for model, found in keys.items())

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        if not self.rhs:
            raise EmptyResultSet
        conditions, params = zip(
            *(
                in_sql(self.gm2m, self.lhs.alias, model, keys, compiler)
                for model, keys in self.rhs
            ),
            strict=True,
        )
        sql = " OR ".join(conditions)
        if len(conditions) > 1:
            sql = f"({sql})"
        return sql, [param for group in params for param in group]


class LinkIn(LinkExact):
    """
    ``filter(preferred_videos__in=…)``: an iterable of targets, a queryset of one
    model, or targets of other sources by the same field.
    """

    lookup_name = "in"

    @property
    def models(self) -> tuple[type[Model], ...]:
        if not isinstance(self.rhs, Query):
            return super().models
        return () if gm2m_of(self.rhs) else (self.gm2m.linked_as(self.rhs.model),)

    def get_prep_lookup(self) -> Any:
        gm2m, value = self.gm2m, self.rhs
        if isinstance(value, Query):
            return self.keys_in(value)
        self.refuse_expression()
        if isinstance(value, (str, bytes, Model)) or not isinstance(value, Iterable):
            raise TypeError(
                f"{gm2m}: the value of an 'in' lookup must be an iterable of targets "
                f"or a queryset, not {value!r}."
            )
        return self.grouped(value)

    def keys_in(self, query: Any) -> Any:
        """Make `query`, of targets, select their keys."""
        gm2m = self.gm2m
        if gm2m_of(query) is not None:
            if gm2m_of(query) != gm2m:
                raise TypeError(
                    f"{gm2m}: targets of another field, {gm2m_of(query)}, cannot be "
                    "looked up here. Use instances_of() for each of their models."
                )
            return select_links(gm2m, query)
        gm2m.check_target_model(query.model)
        if not selects_own_keys(query):
            raise ValueError(
                f"{gm2m}: the queryset of {query.model._meta.label} in an 'in' lookup "
                "selects something else than the primary keys of its own objects. For "
                f"keys of one model, wherever they are, use {gm2m.name}__<model>__in."
            )
        return select_keys(query.model, gm2m.links.key, query)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        if not isinstance(self.rhs, Query):
            return super().as_sql(compiler, connection)
        gm2m = self.gm2m
        found = (gm2m.types_of(model, connection.alias) for model in self.models)
        types = list(dict.fromkeys(chain.from_iterable(found)))
        return in_query_sql(gm2m, self.lhs.alias, types, self.rhs, compiler)


class LinkIsNull(IsNull):
    """``filter(preferred_videos__isnull=…)``: is there no link?"""

    def process_lhs(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, lhs: Any = None
    ) -> SQL:
        if lhs is None and isinstance(self.lhs, ColPairs):
            # Rows with a composite key have all of its columns.
            lhs = self.lhs.get_cols()[0]
        return super().process_lhs(compiler, connection, lhs)


def one_key(query: Any, target: type[Model]) -> Any:
    """Make `query`, the value of an ``exact`` lookup, select one key of `target`."""
    if not query.has_limit_one():
        raise ValueError(
            "The QuerySet value for an exact lookup must be limited to one result "
            "using slicing."
        )
    select_pk_by_default(query, target)
    return query


class KeyLookupMixin:
    """
    A lookup on the key of one target model. Django also uses it with other columns:
    that of the target itself, where it has to join, and those of the through model
    in the subquery of an ``exclude()``. These are compared as Django does.
    """

    lhs: Any
    rhs: Any

    @property
    def target_key(self) -> TargetKey | None:
        target = getattr(self.lhs, "target", None)
        return getattr(target, "target_key", None)

    def set_source_expressions(self, expressions: Any) -> None:
        column = self.target_key
        super().set_source_expressions(expressions)  # type: ignore[misc]
        if column is None or self.target_key is not None or not self.has_texts():
            return
        # Django has replaced the column: a subquery selects it, and yields native keys.
        if column.gm2m.links.key.is_text:
            self.lhs = KeyText(self.lhs, column.key.kind)

    def has_texts(self) -> bool:
        """Whether it compares with keys as the through table keeps them."""
        return self.rhs_is_direct_value()  # type: ignore[attr-defined, no-any-return]

    def native_of(self, value: Any) -> Any:
        """Return the primary key that `value` is or, as a target, has, prepared."""
        target_key = self.target_key or self.lhs.output_field
        if not isinstance(value, Model):
            return target_key.key.field.get_prep_value(value)
        if value.pk is None:
            raise ValueError("Model instances passed to related filters must be saved.")
        return target_key.key.field.get_prep_value(pk_as(value, target_key.target))

    def key_of(self, target_key: TargetKey, value: Any) -> Any:
        """Return what the through table keeps for `value`, a target or its key."""
        prepared = self.native_of(value)
        return str(prepared) if target_key.gm2m.links.key.is_text else prepared


class KeyExact(KeyLookupMixin, Exact):
    """``filter(preferred_videos__movie=movie)``."""

    def get_prep_lookup(self) -> Any:
        target_key = self.target_key
        if isinstance(self.rhs, Query):
            return one_key(self.rhs, (target_key or self.lhs.output_field).target)
        if self.rhs is None or hasattr(self.rhs, "resolve_expression"):
            return self.rhs
        if target_key is None:
            return self.native_of(self.rhs)
        return self.key_of(target_key, self.rhs)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        target_key = self.target_key
        if target_key is None:
            return super().as_sql(compiler, connection)
        alias = self.lhs.alias
        if self.rhs_is_direct_value():
            gm2m, model = target_key.gm2m, target_key.target
            return in_sql(gm2m, alias, model, [self.rhs], compiler)
        rhs, params = self.process_rhs(compiler, connection)
        # The comparison needs the value several times.
        mark = "{gm2m}"
        sql = same_key_sql(target_key, alias, mark, compiler)
        return f"({sql.replace(mark, rhs)})", [*params] * sql.count(mark)


class KeyIn(KeyLookupMixin, In):
    """``filter(preferred_videos__movie__in=…)``, and the deletion of targets."""

    def get_prep_lookup(self) -> Any:
        target_key = self.target_key
        if isinstance(self.rhs, Subquery):
            # Django 5.2 hands it over as it is.
            self.rhs = self.rhs.query
        if isinstance(self.rhs, Query) and target_key is not None:
            column = target_key.gm2m.links.key
            return select_keys(target_key.target, column, self.rhs)
        if hasattr(self.rhs, "resolve_expression"):
            return super().get_prep_lookup()
        values = [value for value in self.rhs if value is not None]
        if any(hasattr(value, "resolve_expression") for value in values):
            return ExpressionList(*map(self.as_expression, values))
        if target_key is None:
            return tuple(self.native_of(value) for value in values)
        return tuple(self.key_of(target_key, value) for value in values)

    def has_texts(self) -> bool:
        return isinstance(self.rhs, Query) or super().has_texts()

    def as_expression(self, value: Any) -> Any:
        if hasattr(value, "resolve_expression"):
            return value
        key = (self.target_key or self.lhs.output_field).key
        return Value(self.native_of(value), key.field)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        target_key = self.target_key
        if target_key is None:
            return super().as_sql(compiler, connection)
        gm2m, alias = target_key.gm2m, self.lhs.alias
        if isinstance(self.rhs, Query):
            types = target_key.types(connection.alias)
            return in_query_sql(gm2m, alias, types, self.rhs, compiler)
        if not self.rhs_is_direct_value():
            # Values that the database works out are compared as keys are in their own
            # type.
            return super().as_sql(compiler, connection)
        if not self.rhs:
            raise EmptyResultSet
        return in_sql(gm2m, alias, target_key.target, self.rhs, compiler)


class KeyIsNull(KeyLookupMixin, IsNull):
    """``filter(preferred_videos__movie__isnull=…)``: is the link to another model?"""

    def has_texts(self) -> bool:
        return False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        target_key = self.target_key
        if target_key is None or not isinstance(self.rhs, bool):
            return super().as_sql(compiler, connection)
        links = target_key.gm2m.links
        column = qualified(compiler, self.lhs.alias, links.content_type)
        column = unindexed(target_key.gm2m, column, connection)
        same_type = f"{column} {is_one_of(target_key.own_types(connection.alias))}"
        if self.rhs:
            return f"({same_type}) IS NOT TRUE", []
        # False, not NULL, where there is no row: it may be negated.
        return f"({same_type} AND {column} IS NOT NULL)", []
