"""
The conditions on through rows that compare targets.

``LinkExact``, ``LinkIn``
    lookups on a ``GM2MField``: ``filter(preferred_videos=movie)``;
``KeyExact``, ``KeyIn``, ``KeyIsNull``
    lookups on one target model: ``filter(preferred_videos__movie=movie)``;
``OfModel``
    rows of some models: ``user.preferred_videos.filter(Model=Movie)``;
``KeyAmong``
    the targets that rows lead to.

Values are compared with the text that the through table keeps, without a cast and
without a join to the targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet, FieldError
from django.db.models import Field, Func, Model, QuerySet, Subquery, TextField
from django.db.models.expressions import Col
from django.db.models.lookups import Exact, In, IsNull, Lookup
from django.db.models.sql import Query

from .keys import Key, pk_as
from .kinds import TEXT, Kind

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

    from .fields import GM2MField
    from .relations import TargetKey

SQL = tuple[str, Any]


def qualified(compiler: SQLCompiler, alias: str | None, field: Field[Any, Any]) -> str:
    """Return the quoted name of the column of `field`."""
    column: Any = Col(alias, field)  # type: ignore[arg-type]
    sql: str = column.as_sql(compiler, compiler.connection)[0]
    return sql


def unindexed(
    gm2m: GM2MField, type_column: str, connection: BaseDatabaseWrapper
) -> str:
    """
    Return SQL for the column of types that starts from no index on it, where another
    condition has a better one: SQLite without statistics would take any.
    """
    if connection.vendor == "sqlite" and not gm2m.type_leads_indexes:
        return f"+{type_column}"
    return type_column


def is_type_of(target_key: TargetKey, compiler: SQLCompiler) -> str:
    """Return SQL that follows the column of types, to compare it."""
    types = target_key.types(compiler.connection.alias)
    # Numbers, or names without anything that needs to be escaped.
    literals = [f"'{one}'" if isinstance(one, str) else str(one) for one in types]
    if len(literals) == 1:
        return f"= {literals[0]}"
    return f"IN ({', '.join(literals)})"


def native_key_sql(
    target_key: TargetKey,
    alias: str | None,
    compiler: SQLCompiler,
    *,
    exact: bool = False,
) -> str:
    """
    Return SQL for the key in the through row `alias`, NULL if of another model. With
    `exact`, text that is not quite a key gives NULL too, not the key next to it.
    """
    links = target_key.gm2m.links
    type_column = qualified(compiler, alias, links.content_type)
    guard: Any = f"{type_column} {is_type_of(target_key, compiler)}"
    value = qualified(compiler, alias, links.key_field)
    if links.key.is_text:
        own_guard, value = from_text_sql(
            target_key.key.kind, value, compiler.connection, exact=exact
        )
        guard = f"{guard} AND {own_guard}" if own_guard else guard
    return f"CASE WHEN {guard} THEN {value} END"


def from_text_sql(
    kind: Kind, text: str, connection: BaseDatabaseWrapper, *, exact: bool
) -> tuple[str | None, str]:
    """Return a condition, and SQL for the key in `text` that works where it holds."""
    guard, value = kind.native_sql(text, connection)
    if exact and kind is not TEXT:
        same = f"{kind.text_sql(value, connection)} = {text}"
        value = f"CASE WHEN {same} THEN {value} END"
    return guard, value


def same_key_sql(
    target_key: TargetKey,
    alias: str | None,
    target: str,
    compiler: SQLCompiler,
) -> str:
    """
    Return SQL that compares the key in the through row `alias` with `target`, SQL
    for a key of the target model.

    It does so twice, as text and in the key's own type: the first can use the
    index of the through table, the second that of the target's primary key.
    """
    connection = compiler.connection
    links, kind = target_key.gm2m.links, target_key.key.kind
    type_column = qualified(compiler, alias, links.content_type)
    type_column = unindexed(target_key.gm2m, type_column, connection)
    column = qualified(compiler, alias, links.key_field)
    same_type = f"{type_column} {is_type_of(target_key, compiler)}"
    if links.key.kind is kind:
        return f"{same_type} AND {column} = {target}"
    return (
        f"{same_type} AND {column} = {kind.text_sql(target, connection)} "
        f"AND {target} = {native_key_sql(target_key, alias, compiler)}"
    )


def among(column: str, values: Sequence[Any], connection: BaseDatabaseWrapper) -> SQL:
    """Return SQL that compares `column` with values as the database has them."""
    if len(values) == 1:
        return f"{column} = %s", values
    if connection.vendor == "postgresql":
        # As one parameter: drivers and the planner take long over one for each.
        if isinstance(values[0], int):
            return f"{column} = ANY(%s::bigint[])", [
                f"{{{','.join(map(str, values))}}}"
            ]
        return f"{column} = ANY(%s)", [list(values)]
    return f"{column} IN ({', '.join(['%s'] * len(values))})", values


def in_sql(
    gm2m: GM2MField,
    alias: str | None,
    model: type[Model],
    keys: Sequence[Any],
    compiler: SQLCompiler,
) -> SQL:
    """Return SQL for the through rows `alias` that link these keys of `model`."""
    connection = compiler.connection
    links = gm2m.links
    type_column = qualified(compiler, alias, links.content_type)
    column = qualified(compiler, alias, links.key_field)
    if connection.vendor == "mysql" and not gm2m.type_leads_indexes:
        # Whatever its statistics say at the moment, the index to use is that on keys.
        type_column = f"({type_column} + 0)"
    type_id = gm2m.type_of(model, connection.alias)
    prepare = links.key_field.get_db_prep_value
    condition, params = among(
        column, [prepare(k, connection) for k in keys], connection
    )
    return f"({type_column} = %s AND {condition})", [type_id, *params]


def in_query_sql(
    gm2m: GM2MField,
    alias: str | None,
    query: Any,
    compiler: Any,
) -> SQL:
    """Return SQL for the through rows `alias` that link what `query` selects."""
    if getattr(query, "_db", None) not in (None, compiler.connection.alias):
        raise ValueError(
            "Subqueries aren't allowed across different databases. Force the inner "
            "query to be evaluated using `list(inner_query)`."
        )
    links = gm2m.links
    type_column = qualified(compiler, alias, links.content_type)
    column = qualified(compiler, alias, links.key_field)
    sql, params = compiler.compile(query)
    if gm2m_of(query) is not None:
        return f"({type_column}, {column}) IN {sql}", params
    type_id = gm2m.type_of(query.model, compiler.connection.alias)
    type_column = unindexed(gm2m, type_column, compiler.connection)
    return f"({type_column} = %s AND {column} IN {sql})", [type_id, *params]


def gm2m_of(query: Query) -> GM2MField | None:
    """Return the field whose mixed queryset `query` comes from, if it does."""
    return getattr(query, "gm2m", None)


def select_keys(gm2m: GM2MField, query: Any) -> Any:
    """Make `query`, the value of a lookup, select what the through table keeps."""
    links = gm2m.links
    query.clear_ordering(clear_default=True)
    if gm2m_of(query) is not None:
        query.set_values([links.content_type.attname, links.key_field.attname])
        return query
    gm2m.check_target_model(query.model)
    if query.combinator:
        # What its parts select are keys; theirs are compared as such.
        combined: Any = QuerySet(query.model, query=query)
        query = query.model._base_manager.filter(pk__in=combined).query
        query.subquery = True
    select_pk_by_default(query)
    if len(query.select) != 1 or query.annotation_select:
        raise ValueError(
            f"{gm2m}: the queryset in an 'in' lookup must select one field, the "
            "primary key."
        )
    (selected,) = query.select
    kind = Key(selected.target).kind
    if kind is not None and kind is not links.key.kind:
        query.select = (KeyText(selected, kind=kind),)
    return query


class KeyText(Func):
    """The text form of a key."""

    def __init__(self, key: Any, kind: Kind) -> None:
        super().__init__(key, output_field=TextField())
        self.kind = kind

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> SQL:  # type: ignore[override]
        (key,) = self.get_source_expressions()
        sql, params = compiler.compile(key)
        text = self.kind.text_sql(sql, connection)
        return text, [*params] * text.count(sql)


class NativeKey(Func):
    """The key that a text stands for, NULL for what is no key."""

    def __init__(self, text: Any, key: Key) -> None:
        super().__init__(text, output_field=key.field)
        self.key = key

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> SQL:  # type: ignore[override]
        (text,) = self.get_source_expressions()
        column, _params = compiler.compile(text)
        guard, value = from_text_sql(self.key.kind, column, connection, exact=True)
        return (f"CASE WHEN {guard} THEN {value} END" if guard else value), ()


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
        ids = [self.gm2m.type_of(model, connection.alias) for model in self.rhs]
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

    def get_prep_lookup(self) -> Any:
        if self.rhs is None:
            return None
        self.refuse_expression()
        return self.grouped([self.rhs])

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

    def get_prep_lookup(self) -> Any:
        gm2m, value = self.gm2m, self.rhs
        if isinstance(value, Query):
            if gm2m_of(value) not in (None, gm2m):
                raise TypeError(
                    f"{gm2m}: targets of another field, {gm2m_of(value)}, cannot be "
                    "looked up here. Use instances_of() for each of their models."
                )
            return select_keys(gm2m, value)
        self.refuse_expression()
        if isinstance(value, (str, bytes, Model)) or not isinstance(value, Iterable):
            raise TypeError(
                f"{gm2m}: the value of an 'in' lookup must be an iterable of targets "
                f"or a queryset, not {value!r}."
            )
        return self.grouped(value)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        if isinstance(self.rhs, Query):
            return in_query_sql(self.gm2m, self.lhs.alias, self.rhs, compiler)
        return super().as_sql(compiler, connection)


def one_key(query: Any) -> Any:
    """Make `query`, the value of an ``exact`` lookup, select one primary key."""
    if not query.has_limit_one():
        raise ValueError(
            "The QuerySet value for an exact lookup must be limited to one result "
            "using slicing."
        )
    select_pk_by_default(query)
    return query


def select_pk_by_default(query: Any) -> None:
    """Make `query` select the primary key, unless it says what to select."""
    if not query.has_select_fields:
        query.clear_select_clause()
        query.add_fields(["pk"])


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

    def native_of(self, value: Any) -> Any:
        """Return the primary key that `value` is or, as a target, has."""
        target_key = self.target_key or self.lhs.output_field
        if not isinstance(value, Model):
            return target_key.key.field.get_prep_value(value)
        if value.pk is None:
            raise ValueError("Model instances passed to related filters must be saved.")
        return target_key.key.field.get_prep_value(pk_as(value, target_key.target))

    def key_of(self, target_key: TargetKey, value: Any) -> Any:
        """Return what the through table keeps for `value`, a target or its key."""
        native = self.native_of(value)
        links = target_key.gm2m.links
        return target_key.key.text(native) if links.key.is_text else native


class KeyExact(KeyLookupMixin, Exact):
    """``filter(preferred_videos__movie=movie)``."""

    def get_prep_lookup(self) -> Any:
        target_key = self.target_key
        if isinstance(self.rhs, Query):
            return one_key(self.rhs)
        if self.rhs is None or hasattr(self.rhs, "resolve_expression"):
            return self.rhs
        if target_key is None:
            return self.native_of(self.rhs)
        return self.key_of(target_key, self.rhs)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        target_key = self.target_key
        if target_key is None:
            return super().as_sql(compiler, connection)
        gm2m, alias = target_key.gm2m, self.lhs.alias
        if self.rhs_is_direct_value():
            return in_sql(gm2m, alias, target_key.target, [self.rhs], compiler)
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
        if isinstance(self.rhs, Query):
            if target_key is None:
                return super().get_prep_lookup()
            return select_keys(target_key.gm2m, self.rhs)
        values = [value for value in self.rhs if value is not None]
        if target_key is None:
            return tuple(self.native_of(value) for value in values)
        return tuple(self.key_of(target_key, value) for value in values)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        target_key = self.target_key
        if target_key is None:
            return super().as_sql(compiler, connection)
        gm2m, alias = target_key.gm2m, self.lhs.alias
        if isinstance(self.rhs, Query):
            return in_query_sql(gm2m, alias, self.rhs, compiler)
        if not self.rhs:
            raise EmptyResultSet
        return in_sql(gm2m, alias, target_key.target, self.rhs, compiler)


class KeyIsNull(KeyLookupMixin, IsNull):
    """``filter(preferred_videos__movie__isnull=…)``: is the link to another model?"""

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        target_key = self.target_key
        if target_key is None or not isinstance(self.rhs, bool):
            return super().as_sql(compiler, connection)
        links = target_key.gm2m.links
        column = qualified(compiler, self.lhs.alias, links.content_type)
        column = unindexed(target_key.gm2m, column, connection)
        same_type = f"{column} {is_type_of(target_key, compiler)}"
        return f"({same_type}) IS NOT TRUE" if self.rhs else same_type, []
