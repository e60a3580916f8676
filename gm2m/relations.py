"""
One relation: a ``GM2MField`` and one target model.

It consists of two private fields of the through model. Both bear the name under
which lookups reach the target, and are alike but for their rel:

``TargetKey`` with a ``TargetRel``
    the join between the through table and the target's, and deletion;
the same with a ``ReverseRel``
    what makes the many-to-many show in the target's ``_meta``.

Django reads a target's reverse relations from the fields of other models, so this
is all it takes: nothing is put on the target.

The way from the source to the through table is the same for all (``link_rel``).
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Field, Model
from django.db.models.expressions import Col
from django.db.models.fields.related import (
    ForeignObject,
    ForeignObjectRel,
)
from django.db.models.query_utils import PathInfo

from .comparisons import native_key_sql, qualified, same_key_sql
from .deletion import DO_NOTHING, OnDelete, policy_for_target
from .exclusion import FirstKeyExact, first_field
from .keys import Key
from .lookup_names import field_names, unknown_name
from .lookups import (
    KeyExact,
    KeyIn,
    KeyIsNull,
    OfModel,
)
from .reverse_related import ReverseRel, TargetRel

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

    from .fields import GM2MField

#: The column of a stand-in for a target's primary key. No real column has this
#: name, so Django never takes the one for the other when it trims joins.
STAND_IN = "gm2m+"


class TargetKey(ForeignObject):  # type: ignore[type-arg]
    """
    The link of a through row to one target model, as a field of the through model.

    In lookups it is the target: ``preferred_videos__movie__title`` joins to it,
    while ``preferred_videos__movie`` alone is its key and needs no join. It has no
    column; instances of the through model do not have it either, apart from
    ``TargetDescriptor``.
    """

    # The flags of a GenericRelation: Options.fields leaves it out.
    many_to_many = False
    many_to_one = False
    one_to_many = True
    one_to_one = False

    def __init__(
        self,
        gm2m: GM2MField,
        model: type[Model],
        name: str,
        rel: ForeignObjectRel | None = None,
        on_delete: OnDelete = DO_NOTHING,
    ) -> None:
        if rel is None:
            policy = policy_for_target(on_delete, gm2m.links.generic_name)
            rel = TargetRel(self, model, policy)
        super().__init__(
            model,
            on_delete=rel.on_delete or DO_NOTHING,
            from_fields=[gm2m.links.key_field.name],
            to_fields=[model._meta.pk.name],
            rel=rel,
            null=True,
            editable=False,
            serialize=False,
        )
        self.gm2m = gm2m
        #: The first step from the target, whatever the rel.
        self.step = (
            rel if isinstance(rel, TargetRel) else TargetRel(self, model, DO_NOTHING)
        )
        self.set_attributes_from_name(name)
        self.model = gm2m.through
        self.opts = self.model._meta

    def contribute_to_class(self, *args: Any, **kwargs: Any) -> None:
        """
        Do nothing. Django copies private fields to children and proxies of a model; a
        relation belongs to the through model of its field alone.
        """

    @property
    def target(self) -> type[Model]:
        model: type[Model] = self.remote_field.model
        return model

    @cached_property
    def key(self) -> Key:
        return Key(self.target._meta.pk)

    @property
    def models(self) -> list[type[Model]]:
        """The models of the linked objects."""
        return [self.target]

    def types(self, using: str) -> list[Any]:
        """
        Return what is in the type column of rows in `using` that link objects of these
        models with their keys.
        """
        found = (self.gm2m.types_of(model, using) for model in self.models)
        return list(dict.fromkeys(chain.from_iterable(found)))

    def own_types(self, using: str) -> list[Any]:
        """Return the same of rows that link such objects whatever their key."""
        found = (self.gm2m.own_types_of(model, using) for model in self.models)
        return list(dict.fromkeys(chain.from_iterable(found)))

    def resolve_related_fields(self) -> list[tuple[Any, Any]]:
        key = self.target._meta.pk
        stand_in: Any = copy.copy(key)
        stand_in.column = STAND_IN
        # Where Django cannot do without the target's table, it is the real column.
        stand_in.get_col = key.get_col
        return [(KeyColumn(self), stand_in)]

    def get_joining_fields(self, reverse_join: bool = False) -> tuple[()]:
        # The ON clause is written whole by get_extra_restriction().
        return ()

    def get_extra_restriction(self, alias: str | None, related_alias: str) -> Any:
        if alias is None:
            # Query.trim_start() asks so when it has removed the target's table.
            links = self.gm2m.links
            return OfModel(
                links.content_type.get_col(related_alias), self.gm2m, self.models
            )
        return JoinCondition(self, alias, related_alias)

    def get_path_info(self, filtered_relation: Any = None) -> list[PathInfo]:
        return [
            PathInfo(
                from_opts=self.model._meta,
                to_opts=self.target._meta,
                target_fields=self.foreign_related_fields,
                join_field=self,
                m2m=False,
                direct=True,
                filtered_relation=filtered_relation,
            )
        ]

    @cached_property
    def first_step(self) -> Any:
        step = copy.copy(self.step)
        step.field = first_field(step, FirstKeyExact)
        return step

    def get_reverse_path_info(self, filtered_relation: Any = None) -> list[PathInfo]:
        rel: Any = self.first_step
        return [
            PathInfo(
                from_opts=self.target._meta,
                to_opts=self.model._meta,
                target_fields=(self.model._meta.pk,),
                join_field=rel,
                m2m=True,
                direct=False,
                filtered_relation=filtered_relation,
            )
        ]

    def get_lookup(self, lookup_name: str) -> type[Any]:
        return KEY_LOOKUPS.get(lookup_name) or self.get_transform(lookup_name)

    def get_transform(self, lookup_name: str) -> Any:
        opts = self.target._meta
        choices = (*field_names(opts), *KEY_LOOKUPS)
        raise unknown_name(opts.label, lookup_name, choices)


class FamilyKey(TargetKey):
    """
    The link to a model or any of its proxies, where these are targets of their own.

    A model and its proxies share what Django derives from relations. So the name of
    the field on them leads to the links of all.
    """

    @property
    def models(self) -> list[type[Model]]:
        concrete = self.target._meta.concrete_model
        # Copies: another thread may be declaring a model.
        every = list(self.model._meta.apps.all_models.values())
        return [
            model
            for models in every
            for model in list(models.values())
            if model._meta.concrete_model is concrete
        ]


KEY_LOOKUPS: dict[Any, type[Any]] = {
    lookup.lookup_name: lookup for lookup in (KeyExact, KeyIn, KeyIsNull)
}


class KeyColumn(Field):  # type: ignore[type-arg]
    """
    The key column of a through model, read as the key of one target model: a typed
    value in the rows of that model, NULL in all others.
    """

    def __init__(self, target_key: TargetKey) -> None:
        super().__init__(null=True)
        links = target_key.gm2m.links
        self.target_key = target_key
        self.model = target_key.model
        self.set_attributes_from_name(target_key.name)
        self.column = links.key_field.column

    def get_col(self, alias: str, output_field: Any = None) -> KeyCol:
        return KeyCol(alias, self, output_field or self.target_key.key.field)

    def get_lookup(self, lookup_name: str) -> type[Any] | None:
        return KEY_LOOKUPS.get(lookup_name)

    def __reduce__(self) -> Any:
        return KeyColumn, (self.target_key,)


class KeyCol(Col):
    """A reference to a ``KeyColumn`` in a query."""

    target: KeyColumn

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[()]]:
        target_key = self.target.target_key
        types = target_key.own_types(connection.alias)
        return native_key_sql(target_key, self.alias, compiler, types, exact=True), ()

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Any]:
        return self.target.target_key.key.field.get_db_converters(connection)


class JoinCondition:
    """The ON clause between a through table and a target's."""

    def __init__(self, target_key: TargetKey, target_alias: str, alias: str) -> None:
        self.target_key, self.target_alias, self.alias = target_key, target_alias, alias

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, Sequence[Any]]:
        key = self.target_key.key.column_field
        target = qualified(compiler, self.target_alias, key)
        return same_key_sql(self.target_key, self.alias, target, compiler), ()


class TargetDescriptor:
    """
    The attribute of through instances that bears the name of a target model.

    In the example: ``row.movie`` is the linked movie, ``None`` in the rows of other
    models. It cannot be given to the constructor, as it would be no field's value.
    """

    def __init__(self, target_key: TargetKey) -> None:
        self.target_key = target_key

    def __get__(self, instance: Model | None, owner: type[Model]) -> Any:
        if instance is None:
            return self
        links = self.target_key.gm2m.links
        using = instance._state.db or DEFAULT_DB_ALIAS
        row_type = getattr(instance, links.content_type.attname)
        if row_type not in self.target_key.own_types(using):
            return None
        return getattr(instance, links.generic_name)

    def __set__(self, instance: Model, value: Any) -> None:
        model, name = type(instance).__name__, self.target_key.name
        if sys._getframe(1).f_code is Model.__init__.__code__:
            # Django takes the names of all fields, and would say so of any other.
            raise TypeError(f"{model}() got unexpected keyword arguments: '{name}'")
        generic_name = self.target_key.gm2m.links.generic_name
        raise TypeError(
            f"{model}.{name} cannot be set: it tells whether the target is a "
            f"{self.target_key.target.__name__}. Set {generic_name!r} instead."
        )


class Relation:
    """
    What a ``GM2MField`` has published for one target model: its two private fields.

    `declared` tells a relation that somebody asked for from one that was found.
    """

    def __init__(
        self,
        gm2m: GM2MField,
        model: type[Model],
        name: str,
        on_delete: OnDelete,
        *,
        visible: bool,
        declared: bool,
    ) -> None:
        self.key = TargetKey(gm2m, model, name, on_delete=on_delete)
        self.rel = ReverseRel(gm2m, model, visible=visible)
        key_class = TargetKey if gm2m.for_concrete_model else FamilyKey
        self.carrier = key_class(gm2m, model, name, rel=self.rel)
        # The same step for both where it means the same, so that joins are shared.
        self.rel.target_key = self.key if gm2m.for_concrete_model else self.carrier
        self.on_delete = on_delete
        self.declared = declared
        #: Of each model that shows it, what Django had derived when it did.
        self.seen: list[tuple[Any, tuple[Any, ...]]] = []

    @property
    def model(self) -> type[Model]:
        return self.key.target

    @property
    def fields(self) -> tuple[TargetKey, TargetKey]:
        """The private fields; of two with one name, Django finds the last."""
        return self.carrier, self.key
