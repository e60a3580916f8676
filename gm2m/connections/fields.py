"""
What a connection has beside its columns: its relationship and the two objects.

To Django they are fields of the shape of a ``GenericForeignKey``, without a column. So
constructors, ``create()``, ``get_or_create()`` and ``filter()`` take them. In queries
each stands for the column that it is about, ``from_object`` for ``from_pk``; only
lookups look at it with other eyes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet, FieldError
from django.db.models import Field, Model
from django.db.models.fields.mixins import FieldCacheMixin
from django.db.models.lookups import Exact, In
from django.db.models.query_utils import PathInfo

from ..comparisons import among
from .defined import get_relationship, relationships
from .objects import EndObject

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

SQL = tuple[str, Any]


class NoRel:
    """The remote field of what leads to objects of any model, as Django knows it."""

    model = ""


class VirtualField(FieldCacheMixin, Field):  # type: ignore[type-arg]
    """
    A field that is about the column called `column_name`, and has none of its own.

    Its flags are those of a ``GenericForeignKey``: ``Options.fields`` leaves it out.
    """

    many_to_many = False
    many_to_one = True
    one_to_many = False
    one_to_one = False
    lookups: dict[str, Any]

    def __init__(self, column_name: str) -> None:
        super().__init__(editable=False, serialize=False, rel=NoRel())  # type: ignore[arg-type]
        self.column_name = column_name

    def contribute_to_class(
        self, cls: Any, name: str, private_only: bool = False
    ) -> None:
        if hasattr(self, "model") and not self.model._meta.abstract:
            # A multi-table child or a proxy: the column is that of its parent.
            cls._meta.add_field(self, private=True)
            return
        super().contribute_to_class(cls, name, private_only=True)
        setattr(cls, name, self.descriptor())

    def descriptor(self) -> Any:
        """Return what reads and sets it on connections."""
        raise NotImplementedError

    def get_attname_column(self) -> tuple[str, None]:
        return self.get_attname(), None

    @property
    def cache_name(self) -> str:
        return self.name

    @property
    def related_model(self) -> Any:  # type: ignore[override]
        # Lookups refuse a field that leads to no model; this one leads nowhere else.
        return self.model

    @cached_property
    def path_infos(self) -> list[PathInfo]:
        return self.get_path_info()

    def get_path_info(self, filtered_relation: Any = None) -> list[PathInfo]:
        opts: Any = self.model._meta
        step: Any = Step(self)
        return [
            PathInfo(opts, opts, (step.column,), step, False, True, filtered_relation)
        ]


class Step:
    """
    From a connection to itself, in a lookup on the `field`: a join that Django always
    leaves out, as all that is asked for is the column. To Django it is no relation, so
    that values are judged by the field's own lookups alone.
    """

    is_relation = False
    many_to_many = False
    null = empty_strings_allowed = False
    unique = False

    def __init__(self, field: VirtualField) -> None:
        self.field = field
        self.name = self.attname = field.name
        self.model = field.model
        self.column: Any = field.model._meta.get_field(field.column_name)
        self.related_fields = [(self.column, self.column)]
        self.foreign_related_fields = (self.column,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and self.field == other.field

    def __hash__(self) -> int:
        return hash(self.field)

    def __reduce__(self) -> Any:
        return Step, (self.field,)

    def get_joining_fields(self, reverse_join: bool = False) -> tuple[Any, ...]:
        return ((self.column, self.column),)

    def get_extra_restriction(self, alias: str | None, related_alias: str) -> None:
        return None

    # What Django's own lookups ask of the field that a column is read as.

    def get_internal_type(self) -> Any:
        return self.column.get_internal_type()

    def db_type(self, connection: BaseDatabaseWrapper) -> Any:
        return self.column.db_type(connection)

    def get_db_prep_value(self, *args: Any, **kwargs: Any) -> Any:
        return self.column.get_db_prep_value(*args, **kwargs)

    def get_lookup(self, lookup_name: str) -> type[Any]:
        try:
            return self.field.lookups[lookup_name]  # type: ignore[no-any-return]
        except KeyError:
            raise FieldError(
                f"{self.field} does not support the lookup {lookup_name!r}: use "
                f"{', '.join(self.field.lookups)}, or {self.column.name!r}."
            ) from None


class RelationshipExact(Exact):
    """``filter(relationship=page_styles)``: the relationship or its name."""

    def get_prep_lookup(self) -> Any:
        return name_of(self.rhs)


class RelationshipIn(In):
    """``filter(relationship__in=[page_styles, "follow"])``."""

    def get_prep_lookup(self) -> Any:
        return tuple(name_of(one) for one in values_of(self))


class ObjectExact(Exact):
    """
    ``filter(from_object=page)``: the connections that have the object at this end, of
    all relationships of the model that lead from such objects.
    """

    #: The column of the relationship's name, beside that of the key.
    name_column: Any

    def __init__(self, lhs: Any, rhs: Any) -> None:
        super().__init__(lhs, rhs)
        self.column = lhs.output_field.column
        name_field = self.column.model._meta.get_field("relationship_name")
        self.name_column = name_field.get_col(lhs.alias)

    # An aggregate over a subquery puts others in the place of both.

    def get_source_expressions(self) -> list[Any]:
        return [self.lhs, self.name_column]

    def set_source_expressions(self, new_exprs: Any) -> None:
        self.lhs, self.name_column = new_exprs

    def get_prep_lookup(self) -> Any:
        return grouped(self.lhs.output_field, [self.rhs])

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        if not self.rhs:
            raise EmptyResultSet
        name_sql, name_params = compiler.compile(self.name_column)
        key_sql, key_params = compiler.compile(self.lhs)
        conditions, params = [], []
        prepare = self.column.get_db_prep_value
        for names, keys in self.rhs:
            keys = [prepare(key, connection) for key in keys]
            same_name, name_values = among(name_sql, names, connection)
            same_key, key_values = among(key_sql, keys, connection)
            conditions.append(f"({same_name} AND {same_key})")
            params += [*name_params, *name_values, *key_params, *key_values]
        return f"({' OR '.join(conditions)})", params


class ObjectIn(ObjectExact):
    """``filter(from_object__in=[page, other])``: objects of one model or of several."""

    lookup_name = "in"

    def get_prep_lookup(self) -> Any:
        return grouped(self.lhs.output_field, values_of(self))


class RelationshipField(VirtualField):
    """``connection.relationship``."""

    lookups = {"exact": RelationshipExact, "in": RelationshipIn}

    def descriptor(self) -> Any:
        return RelationshipDescriptor()


class ObjectField(VirtualField):
    """``connection.from_object`` and ``connection.to_object``."""

    lookups = {"exact": ObjectExact, "in": ObjectIn}

    def __init__(self, side: str) -> None:
        super().__init__(f"{side}_pk")
        self.side = side
        #: Where Django keeps the objects of a manager for the rows that it reads.
        self.from_fields = [self.column_name]

    def descriptor(self) -> Any:
        return EndObject(self.side)


class RelationshipDescriptor:
    """
    The relationship of a connection; ``RelationshipDoesNotExist`` if it is not defined.
    A relationship or the name of one can be assigned.
    """

    def __get__(self, connection: Any, owner: type[Model]) -> Any:
        if connection is None:
            return self
        return get_relationship(connection.relationship_name)

    def __set__(self, connection: Any, value: Any) -> None:
        connection.relationship_name = get_relationship(value).name


def name_of(value: Any) -> str:
    """Return the name of a relationship, or a name as it is."""
    return value if isinstance(value, str) else get_relationship(value).name


def values_of(lookup: Any) -> Iterable[Any]:
    """Return the values of an ``in`` lookup, or raise ``TypeError`` if it has none."""
    values, field = lookup.rhs, lookup.lhs.output_field.field
    if isinstance(values, (str, bytes, Model)) or not isinstance(values, Iterable):
        raise TypeError(
            f"{field}: the value of an 'in' lookup must be a list or another iterable, "
            f"not {values!r}. A queryset goes with the name of a relationship's end, "
            f"as in filter(follow_from__in=queryset)."
        )
    return values


def grouped(step: Step, objs: Iterable[Any]) -> tuple[Any, ...]:
    """
    Return the keys of `objs` as connections have them, with the names of the
    relationships that have them so.
    """
    field: Any = step.field
    names: dict[Any, list[str]] = {}
    for obj in objs:
        found = False
        for relationship in relationships.values():
            if not relationship.is_ready or not issubclass(
                field.model, relationship.connection_model
            ):
                continue
            end = relationship.ends[field.side]
            if isinstance(obj, end.target) and not isinstance(obj, type):
                found = True
                names.setdefault(end.value_of(obj), []).append(relationship.name)
        if not found:
            raise TypeError(
                f"{field}: no relationship of {field.model._meta.label} has objects "
                f"such as {obj!r} at this end."
            )
    keys: dict[Any, list[Any]] = {}
    for key, of_key in names.items():
        keys.setdefault(tuple(dict.fromkeys(of_key)), []).append(key)
    return tuple((of_keys, tuple(found)) for of_keys, found in keys.items())
