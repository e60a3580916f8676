"""
What a relationship publishes: for each of its ends, a private field of the connection
model that leads to the objects there.

It is the ``TargetKey`` of the field's own relations, with an ``End`` in the place of
the ``GM2MField``: joins, lookups and deletion are the same. Where those tell models
apart by their content type, connections tell relationships apart by their name.

``EitherKey`` and ``OtherKey`` are the two steps of a symmetric relationship: from an
object to the connections of which it is either end, and on to the other one.
"""

from __future__ import annotations

import datetime
import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db.models import DO_NOTHING, Field, ForeignObject, Model
from django.db.models.fields.related import ForeignObjectRel
from django.db.models.query_utils import PathInfo

from ..comparisons import qualified, same_key_sql
from ..keys import Key, check_length, check_target_model, pk_as
from ..registry import lock, show
from ..relations import TargetDescriptor, TargetKey
from .defined import get_relationship

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

    from .relationship import Relationship

SQL = tuple[str, tuple[()]]

#: The types of keys, and of what stands for them.
KEY_TYPES = (str, int, uuid.UUID, datetime.date)

#: The other end.
OTHER = {"from": "to", "to": "from"}


class EndFields(NamedTuple):
    """The fields of a connection that make one end of it."""

    generic_name: str
    content_type: Field[Any, Any]
    key_field: Field[Any, Any]
    key: Key


class End:
    """
    One end of the connections of a relationship; `side` is ``"from"`` or ``"to"``.

    In the example: the user who stars, or the repository that is starred.
    """

    type_leads_indexes = True

    def __init__(
        self, relationship: Relationship, side: str, target: Any, through: Any
    ) -> None:
        self.relationship, self.side = relationship, side
        #: The model as it was given, perhaps a proxy, and the one that has the keys.
        self.given, self.target = target, target._meta.concrete_model
        self.model = self.through = through
        # Lookups are taken apart at two underscores.
        name = "_".join(part for part in relationship.name.split("_") if part)
        self.name = f"{name}_{side}"
        key_field = through._meta.get_field(f"{side}_pk")
        self.links = EndFields(
            f"{side}_object",
            through._meta.get_field("relationship_name"),
            key_field,
            Key(key_field),
        )
        self.key = Key(self.target._meta.pk)
        self.check_target()
        self.target_key = TargetKey(
            self,  # type: ignore[arg-type]  # It stands in the place of a field.
            self.target,
            self.name,
            on_delete=getattr(relationship, f"on_delete_{side}"),
        )
        #: What else is published for this end: the carrier of an accessor's rel.
        self.carriers: list[Any] = []

    def __str__(self) -> str:
        return f"The relationship {self.relationship.name!r}"

    def check_target(self) -> None:
        """Raise an error if the model cannot be an end, or has no name for it."""
        check_target_model(self.given, self.links.key, self)
        if hasattr(self.model, self.name):
            raise ValueError(
                f"{self} needs the name {self.name!r} on {self.model._meta.label}, "
                "which has something of that name. Choose another name."
            )

    def publish(self) -> None:
        """Show Django the relation. No queries."""
        with lock:
            setattr(self.model, self.name, TargetDescriptor(self.target_key))
            self.refresh()

    def refresh(self, instead_of: Any = ()) -> None:
        """Show Django what belongs to the end now."""
        # Of two fields with one name, Django finds the last.
        fields = [*self.carriers, self.target_key]
        show(self.through, self.target, fields, instead_of)

    def withdraw(self) -> None:
        """Undo ``publish()``."""
        with lock:
            show(self.through, self.target, (), [*self.carriers, self.target_key])
            delattr(self.model, self.name)

    # A template may come to an end, but is not to take it away.
    publish.alters_data = True  # type: ignore[attr-defined]
    refresh.alters_data = True  # type: ignore[attr-defined]
    withdraw.alters_data = True  # type: ignore[attr-defined]

    # What lookups ask of a field.

    def types_of(self, model: type[Model], using: str) -> list[str]:
        return [self.relationship.name]

    own_types_of = types_of

    def check_target_model(self, model: type[Model]) -> None:
        if not issubclass(model, self.target):
            raise TypeError(
                f"{self} has objects of {self.target._meta.label} at this end, not of "
                f"{model._meta.label}."
            )

    # Keys.

    @property
    def is_text(self) -> bool:
        """Whether connections keep keys as text, rather than in their own type."""
        return self.links.key.is_text

    def value_of(self, obj: Any, *, to_write: bool = False) -> Any:
        """
        Return what connections keep for `obj`. Raise ``TypeError`` for what is no
        object of the model, ``ValueError`` for one that is not saved or, if it is there
        `to_write` a connection, has too long a key.
        """
        expected = self.target._meta.label
        if not isinstance(obj, self.target):
            what = "the class " if isinstance(obj, type) else ""
            raise TypeError(
                f"{self} has objects of {expected} at its {self.side!r} end; got "
                f"{what}{obj!r}."
            )
        pk = pk_as(obj, self.target)
        if pk is None or obj._state.adding:
            raise ValueError(f"{self} needs saved objects: {obj!r} is not saved.")
        value = self.key.kept_in(self.links.key, pk)
        if to_write and self.is_text:
            check_length(value, obj, self.links.key, self)
        return value

    def spelled(self, value: Any) -> Any:
        """
        Return what connections keep for the key `value`, in whatever form it is given.
        Raise ``ValueError`` for what is no key of the model.
        """
        key = self.key
        try:
            if isinstance(value, bool) or not isinstance(value, KEY_TYPES):
                raise ValueError(value)
            pk = key.field.to_python(value)
            # Numbers may be beyond the range of a key.
            text = key.text(key.kind.native(key.text(pk)))
        except (TypeError, ValueError, ValidationError) as error:
            raise ValueError(
                f"{self}: {value!r} is no key of {self.target._meta.label}, whose "
                f"objects are at the {self.side!r} end."
            ) from error
        if not self.is_text:
            return self.key.field.get_prep_value(pk)
        check_length(text, value, self.links.key, self)  # type: ignore[arg-type]
        return text


class EitherKey(TargetKey):
    """The connections of which an object is either end, in a join from the object."""

    gm2m: Any

    def get_extra_restriction(self, alias: str | None, related_alias: str) -> Any:
        return EitherEnd(self.gm2m.relationship, alias, related_alias)

    def __reduce__(self) -> Any:
        return symmetric_key, (self.gm2m.relationship.name, "either")


class OtherKey(TargetKey):
    """The other end of a connection at which ``EitherKey`` has arrived."""

    gm2m: Any

    def get_extra_restriction(self, alias: str | None, related_alias: str) -> Any:
        return OtherEnd(self.gm2m.relationship, alias, related_alias)

    def get_path_info(self, filtered_relation: Any = None) -> list[PathInfo]:
        (path,) = super().get_path_info(filtered_relation)
        # The key is not in one column: the join is not to be left out.
        pk = self.target._meta.pk
        return [path._replace(direct=False, target_fields=(pk,))]

    def __reduce__(self) -> Any:
        return symmetric_key, (self.gm2m.relationship.name, "other")


class SelfKey(ForeignObject):  # type: ignore[type-arg]
    """
    From an object to itself: the first step of a symmetric relationship.

    Django leaves out the table at the start of an ``exclude()``; the next steps need
    it.
    """

    def __init__(self, relationship: Relationship, model: Any) -> None:
        pk = model._meta.pk.name
        super().__init__(
            model,
            DO_NOTHING,
            from_fields=[pk],
            to_fields=[pk],
            rel=ForeignObjectRel(self, model),
            null=True,
        )
        self.relationship = relationship
        self.set_attributes_from_name(f"{relationship.name}_self")
        self.model, self.opts = model, model._meta

    def get_reverse_path_info(self, filtered_relation: Any = None) -> list[PathInfo]:
        opts = self.opts
        rel: Any = self.remote_field
        return [PathInfo(opts, opts, (opts.pk,), rel, True, False, None)]

    def __reduce__(self) -> Any:
        return symmetric_key, (self.relationship.name, "itself")


class SymmetricSteps:
    """The three steps from an object to those that are connected with it."""

    def __init__(self, relationship: Relationship, end: End) -> None:
        self.itself = SelfKey(relationship, end.target)
        owner: Any = end
        self.either = EitherKey(owner, end.target, f"{end.name}_either")
        self.other = OtherKey(owner, end.target, f"{end.name}_other")

    def path(self, filtered_relation: Any = None) -> list[PathInfo]:
        """Return the joins, as Django wants them."""
        (to_connection,) = self.either.get_reverse_path_info()
        return [
            *self.itself.get_reverse_path_info(),
            to_connection._replace(m2m=False),
            *self.other.get_path_info(filtered_relation),
        ]


def symmetric_key(name: str, step: str) -> Any:
    """Return a step of the relationship `name`: pickled queries have it by name."""
    return getattr(get_relationship(name).steps, step)


class EitherEnd:
    """The ON clause between an object and a connection."""

    def __init__(self, relationship: Relationship, alias: Any, connection: str) -> None:
        self.relationship, self.alias, self.connection = relationship, alias, connection

    @cached_property
    def keys(self) -> tuple[TargetKey, TargetKey]:
        ends = self.relationship.ends
        return ends["from"].target_key, ends["to"].target_key

    def same(self, key: TargetKey, alias: Any, compiler: SQLCompiler) -> str:
        """Return SQL for: one end of the connection is the object `alias`."""
        column = qualified(compiler, alias, key.key.column_field)
        return same_key_sql(key, self.connection, column, compiler)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        one, two = (self.same(key, self.alias, compiler) for key in self.keys)
        return f"(({one}) OR ({two}))", ()


class OtherEnd(EitherEnd):
    """The ON clause between a connection and its other end."""

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        join: Any = compiler.query.alias_map[self.connection]
        first, second = self.keys
        ways = [
            f"({self.same(mine, join.parent_alias, compiler)} AND "
            f"{self.same(yours, self.alias, compiler)})"
            for mine, yours in ((first, second), (second, first))
        ]
        # That it is an end at all goes without saying, but not to the database: so it
        # can start from the other object, and find connections by their indexes.
        is_end, _params = super().as_sql(compiler, connection)
        return f"({is_end} AND ({' OR '.join(ways)}))", ()
