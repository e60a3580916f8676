"""
The SQL that compares the keys in through rows with those of targets.

Values are compared with the text that the through table keeps, without a cast and
without a join to the targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Field, Func, Model, QuerySet, TextField
from django.db.models.expressions import Col
from django.db.models.sql import Query

from .keys import Key
from .kinds import TEXT, Kind

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

    from .fields import GM2MField
    from .relations import TargetKey

SQL = tuple[str, Any]

#: The name of the text form of a key that a subquery selects.
KEY_ALIAS = "gm2m_key"


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


def is_one_of(types: Sequence[Any]) -> str:
    """Return SQL that follows the column of types, to compare it."""
    # Numbers, or names without anything that needs to be escaped.
    literals = [f"'{one}'" if isinstance(one, str) else str(one) for one in types]
    if len(literals) == 1:
        return f"= {literals[0]}"
    return f"IN ({', '.join(literals)})"


def native_key_sql(
    target_key: TargetKey,
    alias: str | None,
    compiler: SQLCompiler,
    types: Sequence[Any],
    *,
    exact: bool = False,
) -> str:
    """
    Return SQL for the key in the through row `alias`, NULL if it is of none of `types`.
    With `exact`, text that is not quite a key gives NULL too, not the key next to it.
    """
    links = target_key.gm2m.links
    type_column = qualified(compiler, alias, links.content_type)
    guard: Any = f"{type_column} {is_one_of(types)}"
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
    types = target_key.types(connection.alias)
    same_type = f"{type_column} {is_one_of(types)}"
    if links.key.kind is kind:
        return f"{same_type} AND {column} = {target}"
    return (
        f"{same_type} AND {column} = {kind.text_sql(target, connection)} "
        f"AND {target} = {native_key_sql(target_key, alias, compiler, types)}"
    )


def among(column: str, values: Sequence[Any], connection: BaseDatabaseWrapper) -> SQL:
    """Return SQL that compares `column` with values as the database has them."""
    if len(values) > 1 and connection.vendor == "postgresql":
        # As one parameter: drivers and the planner take long over one for each.
        if isinstance(values[0], int):
            return f"{column} = ANY(%s::bigint[])", [
                f"{{{','.join(map(str, values))}}}"
            ]
        return f"{column} = ANY(%s)", [list(values)]
    return equals_one(column, values)


def equals_one(column: str, values: Sequence[Any]) -> SQL:
    """Return SQL that compares `column` with a few values."""
    if len(values) == 1:
        return f"{column} = %s", values
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
    types = gm2m.types_of(model, connection.alias)
    prepare = links.key_field.get_db_prep_value
    condition, params = among(
        column, [prepare(k, connection) for k in keys], connection
    )
    same_type, type_params = equals_one(type_column, types)
    return f"({same_type} AND {condition})", [*type_params, *params]


def in_query_sql(
    gm2m: GM2MField,
    alias: str | None,
    types: Sequence[Any],
    query: Any,
    compiler: Any,
) -> SQL:
    """
    Return SQL for the through rows `alias` of these `types` that link what `query`
    selects, by ``select_keys()``.
    """
    check_database(query, compiler)
    links = gm2m.links
    type_column = qualified(compiler, alias, links.content_type)
    column = qualified(compiler, alias, links.key_field)
    sql, params = compiler.compile(query)
    if gm2m_of(query) is not None:
        return f"({type_column}, {column}) IN {sql}", params
    type_column = unindexed(gm2m, type_column, compiler.connection)
    same_type, type_params = equals_one(type_column, types)
    return f"({same_type} AND {column} IN {sql})", [*type_params, *params]


def check_database(query: Any, compiler: Any) -> None:
    """Raise ``ValueError`` if the subquery `query` is for another database."""
    if getattr(query, "_db", None) not in (None, compiler.connection.alias):
        raise ValueError(
            "Subqueries aren't allowed across different databases. Force the inner "
            "query to be evaluated using `list(inner_query)`."
        )


def gm2m_of(query: Query) -> GM2MField | None:
    """Return the field whose mixed queryset `query` comes from, if it does."""
    return getattr(query, "gm2m", None)


def select_links(gm2m: GM2MField, query: Any) -> Any:
    """Make `query`, that of a mixed queryset, select what tells its targets apart."""
    query.clear_ordering(clear_default=True)
    links = gm2m.links
    query.set_values([links.content_type.attname, links.key_field.attname])
    return query


def select_keys(target: Any, column: Key, query: Any) -> Any:
    """
    Make `query`, the value of a lookup, select keys of the model `target` as they are
    in the key `column` of the through model. Whose keys they are is not asked: they may
    be in a column of any model, or worked out.
    """
    query.clear_ordering(clear_default=True)
    select_pk_by_default(query, target)
    if query.combinator or query.extra_select or (query.distinct and query.is_sliced):
        # What it selects is to stay as it is. The keys found by it are compared.
        found: Any = QuerySet(query.model, query, getattr(query, "_db", None))
        query = target._base_manager.filter(pk__in=found).query
        query.subquery = True
        select_pk_by_default(query, target)
    selected = (*query.select, *query.annotation_select.values())
    if len(selected) != 1:
        raise ValueError(
            "The QuerySet value for an 'in' lookup of links must select one field, the "
            f"primary key of {target._meta.label}; it selects {len(selected)}."
        )
    kind = kind_of(selected[0]) or Key(target._meta.pk).kind
    if not column.is_text or kind is TEXT:
        return query
    text = KeyText(selected[0], kind=kind)
    if query.select:
        query.select = (text,)
    else:
        # Beside the annotation, by which rows may be ordered.
        query.annotations = {**query.annotations, KEY_ALIAS: text}
        query.set_annotation_mask([KEY_ALIAS])
    return query


def kind_of(expression: Any) -> Kind | None:
    """Return the kind of the keys that are the values of `expression`, if known."""
    field = expression._output_field_or_none
    kind: Kind | None = Key(field).kind if field is not None else None
    return kind


def select_pk_by_default(query: Any, target: Any) -> None:
    """
    Make `query` select keys of the model `target`, unless it says what to select: of a
    multi-table child of it, those of the parent.
    """
    if query.has_select_fields:
        return
    is_child = target in query.model._meta.all_parents
    name = target._meta.pk.name if is_child else "pk"
    if query.combinator:
        # Its parts select what are values of the whole.
        query.set_values([name])
    else:
        query.clear_select_clause()
        query.add_fields([name])


def selects_own_keys(query: Any) -> bool:
    """Return whether `query` selects the primary keys of its model's objects."""
    if query.combinator or not query.has_select_fields:
        return True
    if len(query.select) != 1 or query.annotation_select or query.extra_select:
        return False
    (column,) = query.select
    pk = query.model._meta.pk
    keys = [pk]
    while is_parent_link(pk):
        pk = pk.target_field
        keys.append(pk)
    join = query.alias_map[column.alias]
    while join.parent_alias is not None and is_parent_link(join.join_field):
        join = query.alias_map[join.parent_alias]
    return join.parent_alias is None and column.target in keys


def is_parent_link(field: Any) -> bool:
    """Return whether `field` leads from a multi-table child to its parent."""
    return bool(getattr(field.remote_field, "parent_link", False))


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
