"""Reading connections, and what they connect: a part of ``Relationship``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Case, F, FilteredRelation, Model, Q, QuerySet, When
from django.db.models.constants import LOOKUP_SEP

from ..comparisons import NativeKey
from ..keys import pk_as
from ..related_managers import async_twin
from .ends import OTHER

if TYPE_CHECKING:
    from .models import AbstractConnection


#: The name of the very connections in lookups and orders of connected objects.
CONNECTION = "connection"


class Reading:
    """The methods of a relationship that read, but for those of graphs."""

    # A Relationship.
    name: str
    symmetric: bool
    ends: Any
    connection_model: Any
    _of_either: Any
    _using: str | None

    # Connections.

    def _rows(self, obj: Model | None = None) -> QuerySet[AbstractConnection]:
        """Return all connections, in the database to read them from for `obj`."""
        hints = {} if obj is None else {"instance": obj}
        manager: Any = self.connection_model._default_manager
        rows: QuerySet[AbstractConnection] = manager.db_manager(
            self._using, hints=hints
        ).filter(relationship_name=self.name)
        return rows

    @property
    def connections(self) -> QuerySet[AbstractConnection]:
        """All connections, a queryset of the connection model."""
        return self._rows()

    def _between(
        self, from_obj: Any, to_obj: Any, characteristics: dict[str, Any]
    ) -> QuerySet[AbstractConnection]:
        """Return the connections between two objects."""
        one = self.ends["from"].value_of(from_obj)
        two = self.ends["to"].value_of(to_obj)
        condition = Q(from_pk=one, to_pk=two)
        if self.symmetric and one != two:
            condition |= Q(from_pk=two, to_pk=one)
        return self._rows(from_obj).filter(condition, **characteristics)

    def get_connection(self, from_obj: Any, to_obj: Any, **characteristics: Any) -> Any:
        """
        Return the connection between two objects, ``None`` if there is none. Of
        several it is the oldest. One query.
        """
        found = self._between(from_obj, to_obj, characteristics)
        return found.order_by("pk").first()

    def connection_exists(
        self, from_obj: Any, to_obj: Any, **characteristics: Any
    ) -> bool:
        """Return whether two objects are connected. One query."""
        return self._between(from_obj, to_obj, characteristics).exists()

    def connections_from_object(
        self, from_obj: Any, **characteristics: Any
    ) -> QuerySet[AbstractConnection]:
        """Return the connections that lead from `from_obj`: a queryset, one query."""
        return self._connections_of(from_obj, "from", characteristics)

    def connections_to_object(
        self, to_obj: Any, **characteristics: Any
    ) -> QuerySet[AbstractConnection]:
        """Return the connections that lead to `to_obj`: a queryset, one query."""
        return self._connections_of(to_obj, "to", characteristics)

    def _connections_of(
        self, obj: Any, side: str, characteristics: dict[str, Any]
    ) -> QuerySet[AbstractConnection]:
        """Return the connections that have `obj` at the end `side`, or at either."""
        value = self.ends[side].value_of(obj)
        condition = Q(**{f"{side}_pk": value})
        if self.symmetric:
            # With the name in both, SQLite goes by both indexes.
            name = {"relationship_name": self.name}
            condition = Q(**name, from_pk=value) | Q(**name, to_pk=value)
        return self._rows(obj).filter(condition, **characteristics)

    # Objects.

    def connected_objects(self, from_obj: Any, **characteristics: Any) -> QuerySet[Any]:
        """
        Return the objects to which connections lead from `from_obj`, each once: a
        queryset of their model's default manager, one query.
        """
        return self._others_of(from_obj, "from", characteristics)

    def connected_to_objects(
        self, to_obj: Any, **characteristics: Any
    ) -> QuerySet[Any]:
        """
        Return the objects from which connections lead to `to_obj`, each once: a
        queryset of their model's default manager, one query.
        """
        return self._others_of(to_obj, "to", characteristics)

    def connected_object_ids(
        self, from_obj: Any, **characteristics: Any
    ) -> QuerySet[Any, Any]:
        """Return the primary keys of ``connected_objects()``: a queryset, one query."""
        return self.connected_objects(from_obj, **characteristics).values_list(
            "pk", flat=True
        )

    def connected_to_object_ids(
        self, to_obj: Any, **characteristics: Any
    ) -> QuerySet[Any, Any]:
        """Return the primary keys of ``connected_to_objects()``: the same."""
        return self.connected_to_objects(to_obj, **characteristics).values_list(
            "pk", flat=True
        )

    def _others_of(
        self,
        obj: Any,
        side: str,
        characteristics: dict[str, Any],
        queryset: Any = None,
    ) -> QuerySet[Any]:
        """
        Return the objects at the other end of the connections that have `obj` at the
        end `side`: those in `queryset`, or all that the default manager shows.
        """
        other = self.ends[OTHER[side]]
        if queryset is None:
            manager = other.given._default_manager
            queryset = manager.db_manager(
                self._using, hints={"instance": obj}
            ).get_queryset()
        rows = self._connections_of(obj, side, characteristics)
        keys: Any = rows.order_by().values_list(self._other_key(obj, side), flat=True)
        if queryset.db != rows.db:
            # No subquery reaches into another database, and no join.
            return queryset.filter(pk__in=list(keys))  # type: ignore[no-any-return]
        found: Any = queryset.filter(pk__in=keys)
        taken = CONNECTION in found.query._filtered_relations
        if not taken and self._are_own(characteristics):
            found.query.add_filtered_relation(
                self._filtered_relation(obj, side, characteristics), CONNECTION
            )
        return found  # type: ignore[no-any-return]

    def _filtered_relation(
        self, obj: Any, side: str, characteristics: dict[str, Any]
    ) -> FilteredRelation:
        """
        Return the relation from objects at the other end to their connections with
        `obj`. Nothing is joined before a lookup or an order asks.
        """
        other = self.ends["from" if self.symmetric else OTHER[side]]
        name = (self._of_either or other.target_key.remote_field).name
        value = self.ends[side].value_of(obj)
        condition = Q(**{f"{name}__{side}_pk": value})
        if self.symmetric:
            one, two = (Q(**{f"{name}__{end}_pk": value}) for end in ("from", "to"))
            # Of the object itself, only what connects it with itself.
            condition = ((one | two) & ~Q(pk=pk_as(obj, other.target))) | (one & two)
        for key, wanted in characteristics.items():
            condition &= Q(**{f"{name}__{key}": wanted})
        return FilteredRelation(name, condition=condition)

    def _are_own(self, characteristics: dict[str, Any]) -> bool:
        """
        Return whether conditions are on the columns of connections themselves, and on
        values: Django takes nothing further in the condition of a join.
        """
        fields = self.connection_model._meta.concrete_fields
        columns = {field.name for field in fields if not field.is_relation}
        return all(
            key.partition(LOOKUP_SEP)[0] in columns
            and not hasattr(value, "resolve_expression")
            and not isinstance(value, QuerySet)
            for key, value in characteristics.items()
        )

    def _other_key(self, obj: Any, side: str) -> Any:
        """Return an expression for the key at the other end, in its own type."""
        other_side = OTHER[side]
        other = self._native_key(other_side)
        if not self.symmetric:
            return other
        here = When(
            from_pk=self.ends["from"].value_of(obj), then=self._native_key("to")
        )
        return Case(here, default=self._native_key("from"))

    def _native_key(self, side: str) -> Any:
        """Return an expression for the key at the end `side`, in its own type."""
        end = self.ends[side]
        name = f"{side}_pk"
        if not end.is_text or end.key.is_text:
            return F(name)
        return NativeKey(F(name), end.key)

    def mutual(self, *from_objs: Any, **characteristics: Any) -> QuerySet[Any]:
        """
        Return the objects to which connections lead from all of `from_objs`: a queryset
        of their model's default manager, one query.
        """
        return self._shared(from_objs, "from", characteristics)

    def mutual_to(self, *to_objs: Any, **characteristics: Any) -> QuerySet[Any]:
        """
        Return the objects from which connections lead to all of `to_objs`: a queryset
        of their model's default manager, one query.
        """
        return self._shared(to_objs, "to", characteristics)

    def _shared(
        self, objs: tuple[Any, ...], side: str, characteristics: dict[str, Any]
    ) -> QuerySet[Any]:
        """Return what is connected with all of `objs`, which are at the end `side`."""
        if not objs:
            raise TypeError(
                f"The relationship {self.name!r}: pass the objects whose connected "
                "objects are to be the same, as positional arguments."
            )
        found: Any = None
        for obj in objs:
            found = self._others_of(obj, side, characteristics, queryset=found)
        return found  # type: ignore[no-any-return]

    aget_connection = async_twin("get_connection")
    aconnection_exists = async_twin("connection_exists")
