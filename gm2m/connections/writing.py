"""Making and removing connections: a part of ``Relationship``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist
from django.db import connections as databases
from django.db import router
from django.db.models import F, Model, Q

from ..batches import batches
from ..keys import check_collation
from ..lookups import KeyAmong
from ..related_managers import async_twin
from ..transactions import write_at_once
from .ends import OTHER
from .signals import connection_created

if TYPE_CHECKING:
    from .models import AbstractConnection

#: As many keys are compared, and rows inserted, in one statement.
BATCH_SIZE = 5_000

Pair = tuple[Any, Any]


class Writing:
    """The methods of a relationship that write."""

    # A Relationship.
    name: str
    symmetric: bool
    ends: Any
    connection_model: Any
    is_unique: Any
    _rows: Any
    _between: Any
    _connections_of: Any
    _using: str | None

    def create_connection(
        self, from_obj: Any, to_obj: Any, **characteristics: Any
    ) -> Any:
        """
        Connect two objects and return the connection. Where the connection model has
        one for each pair, the one that is there is returned as it is, also if another
        thread has made it at the same time.

        One query for a connection that is there, else two and a savepoint; one where
        pairs are not unique.
        """
        pair = self._pair(from_obj, to_obj)
        self._check_characteristics(characteristics)
        using = self._write_db(from_obj)
        self._check_collations(using)
        rows: Any = self.connection_model._base_manager.using(using)
        identity = self._identity(pair)
        if self.is_unique:
            return rows.get_or_create(**identity, defaults=characteristics)[0]
        return rows.create(**identity, **characteristics)

    def create_connections(self, pairs: Iterable[Pair], **characteristics: Any) -> None:
        """
        Connect the two objects of each of `pairs`, all or none. Where the connection
        model has one connection for each pair, those that are there are left alone.

        One query for each 5,000 pairs with ``Connection``, and for other models where
        pairs are unique one more that reads what is there; three if somebody listens
        to ``connection_created``.
        """
        self._check_characteristics(characteristics)
        objs = [self._checked(pair) for pair in pairs]
        if objs:
            found = [self._pair(*two) for two in objs]
            self._insert(found, characteristics, self._write_db(objs[0][0]))

    def remove_connection(
        self, from_obj: Any, to_obj: Any, **characteristics: Any
    ) -> int:
        """
        Remove the connections between two objects, and return how many there were. One
        query, two if somebody listens to ``connection_removed``.
        """
        found = self._between(from_obj, to_obj, characteristics)
        return self._delete(found.using(self._write_db(from_obj)))

    def set_connected(
        self, from_obj: Any, others: Iterable[Any], **characteristics: Any
    ) -> None:
        """
        Make `others` the objects to which connections lead from `from_obj`. Connections
        to those that stay are left alone; `characteristics` are for new ones.

        One query to read, one to delete if some go, and those of
        ``create_connections()`` if some are new.
        """
        self._set_others(from_obj, "from", others, characteristics)

    create_connection.alters_data = True  # type: ignore[attr-defined]
    create_connections.alters_data = True  # type: ignore[attr-defined]
    remove_connection.alters_data = True  # type: ignore[attr-defined]
    set_connected.alters_data = True  # type: ignore[attr-defined]
    acreate_connection = async_twin("create_connection")
    acreate_connections = async_twin("create_connections")
    aremove_connection = async_twin("remove_connection")
    aset_connected = async_twin("set_connected")

    def _write_db(self, obj: Model) -> str:
        """Return the alias of the database to which connections of `obj` go."""
        return self._using or router.db_for_write(self.connection_model, instance=obj)

    # Pairs: the values of the two key columns.

    def _pair(self, from_obj: Any, to_obj: Any) -> Pair:
        """
        Return the keys of two objects as a connection has them, a symmetric one in one
        order. Raise an error for objects that cannot be connected.
        """
        ends = self.ends
        one = ends["from"].value_of(from_obj, to_write=True)
        two = ends["to"].value_of(to_obj, to_write=True)
        self._check_allowed(from_obj, to_obj)
        return self._canonical((one, two))

    def _check_allowed(self, one: Model, two: Model) -> None:
        """Raise ``ValueError`` if the routers forbid a connection between objects."""
        if not router.allow_relation(one, two):
            raise ValueError(
                f"The relationship {self.name!r} cannot connect {one!r} with {two!r}: "
                f'they are on the databases "{one._state.db}" and "{two._state.db}", '
                "and the routers do not allow relations between them."
            )

    def _check_collations(self, using: str) -> None:
        """Raise ``TypeError`` if `using` compares keys otherwise than the models do."""
        for end in self.ends.values():
            check_collation(end.target, end.links.key, databases[using], end)

    def _canonical(self, pair: Pair) -> Pair:
        """Return `pair` in the order in which it is kept: by the text of the keys."""
        one, two = pair
        if self.symmetric and str(two) < str(one):
            return two, one
        return pair

    def _identity(self, pair: Pair) -> dict[str, Any]:
        """Return the columns that tell a connection from others."""
        return {
            "relationship_name": self.name,
            "from_pk": pair[0],
            "to_pk": pair[1],
        }

    def _checked(self, pair: Any) -> Pair:
        """Return `pair` if it is two things."""
        if isinstance(pair, (tuple, list)) and len(pair) == 2:
            return pair[0], pair[1]
        raise TypeError(
            f"The relationship {self.name!r} connects pairs of objects; {pair!r} is "
            "none. Pass an iterable of (from_obj, to_obj)."
        )

    def _check_characteristics(self, characteristics: dict[str, Any]) -> None:
        """Raise ``TypeError`` for values that no field of the model takes."""
        opts: Any = self.connection_model._meta
        for name in characteristics:
            if name in ("relationship_name", "from_pk", "to_pk", opts.pk.name, "pk"):
                raise TypeError(
                    f"The relationship {self.name!r}: {name!r} makes the connection "
                    "itself and is no characteristic of it."
                )
            try:
                field = opts.get_field(name)
            except FieldDoesNotExist:
                field = None
            if name not in opts._property_names and not (field and field.concrete):
                raise TypeError(
                    f"The relationship {self.name!r}: {name!r} is no field of "
                    f"{opts.label}."
                )

    # Rows.

    def _insert(
        self, pairs: Sequence[Pair], characteristics: dict[str, Any], using: str
    ) -> None:
        """Insert connections for `pairs` that are not there, or where they may be."""
        self._check_collations(using)
        model = self.connection_model
        rows = model._base_manager.using(using)
        is_heard = connection_created.has_listeners()
        # What would be ignored of more than the keys may be another error.
        ignore = not characteristics and (
            model._meta.label_lower == "gm2m_connections.connection"
            and databases[using].features.supports_ignore_conflicts
        )

        def write() -> None:
            for some in batches(
                dict.fromkeys(pairs) if self.is_unique else pairs, BATCH_SIZE
            ):
                new = some
                if self.is_unique and (is_heard or not ignore):
                    present = self._present(some, using)
                    new = [pair for pair in some if pair not in present]
                made = rows.bulk_create(
                    [model(**self._identity(pair), **characteristics) for pair in new],
                    ignore_conflicts=ignore,
                )
                if is_heard:
                    self._announce(
                        self._present(new, using).values() if ignore else made
                    )

        write_at_once(using, write)

    def _present(self, pairs: Sequence[Pair], using: str) -> dict[Pair, Any]:
        """Return the connections of `pairs` that are there. One query, if any are."""
        if not pairs:
            return {}
        wanted = set(pairs)
        rows = self.connection_model._base_manager.using(using).filter(
            Q(KeyAmong(F("from_pk"), list({pair[0] for pair in pairs}))),
            Q(KeyAmong(F("to_pk"), list({pair[1] for pair in pairs}))),
            relationship_name=self.name,
        )
        found = {(row.from_pk, row.to_pk): row for row in rows}
        return {pair: row for pair, row in found.items() if pair in wanted}

    def _announce(self, made: Iterable[AbstractConnection]) -> None:
        """Tell of connections that were made without ``save()``."""
        for connection in made:
            connection_created.send(
                sender=connection.relationship,
                connection=connection,
                using=connection._state.db,
            )

    def _delete(self, rows: Any) -> int:
        """Delete connections and return how many they were."""
        _total, by_model = rows.order_by().delete()
        count: int = by_model.get(self.connection_model._meta.label, 0)
        return count

    # The objects at one end.

    def _set_others(
        self,
        obj: Any,
        side: str,
        others: Iterable[Any],
        characteristics: dict[str, Any],
        shown: Callable[[Any], Any] = lambda rows: rows,
        *,
        clear: bool = False,
    ) -> None:
        """
        Make `others` what is connected with `obj`, which is at the end `side`. Of what
        is connected, only connections that are `shown` are removed: those that do not
        stay, or all of them before, to `clear` it.
        """
        if isinstance(others, Model) or not isinstance(others, Iterable):
            raise TypeError(
                f"The relationship {self.name!r} sets an iterable of objects, not "
                f"{others!r}."
            )
        self._check_characteristics(characteristics)
        wanted = dict.fromkeys(self._pairs_of(obj, side, others))
        using = self._write_db(obj)
        rows = shown(self._connections_of(obj, side, {}).using(using))

        def write() -> None:
            if clear:
                self._delete(rows)
            present: dict[Pair, list[Any]] = {}
            for pk, one, two in rows.values_list("pk", "from_pk", "to_pk"):
                present.setdefault(self._canonical((one, two)), []).append(pk)
            gone = [pks for pair, pks in present.items() if pair not in wanted]
            for some in batches((pk for pks in gone for pk in pks), BATCH_SIZE):
                self._delete(rows.filter(pk__in=some))
            new = [pair for pair in wanted if pair not in present]
            self._insert_missing(new, characteristics, using)

        write_at_once(using, write)

    def _add_others(
        self,
        obj: Any,
        side: str,
        others: Iterable[Any],
        characteristics: dict[str, Any],
    ) -> None:
        """Connect `others`, as far as they are not connected, with `obj`."""
        self._check_characteristics(characteristics)
        pairs = list(dict.fromkeys(self._pairs_of(obj, side, others)))
        self._insert_missing(pairs, characteristics, self._write_db(obj))

    def _insert_missing(
        self, pairs: Sequence[Pair], characteristics: dict[str, Any], using: str
    ) -> None:
        """Insert connections for those `pairs` that have none."""
        if not self.is_unique and pairs:
            present = self._present(pairs, using)
            pairs = [pair for pair in pairs if pair not in present]
        if pairs:
            self._insert(pairs, characteristics, using)

    def _remove_others(
        self,
        obj: Any,
        side: str,
        others: Iterable[Any],
        shown: Callable[[Any], Any],
    ) -> None:
        """
        Remove the connections between `obj`, at the end `side`, and `others`, as far as
        they are `shown`.
        """
        other = OTHER[side]
        values = [self.ends[other].value_of(one) for one in others]
        rows = shown(self._connections_of(obj, side, {}).using(self._write_db(obj)))
        mine = self.ends[side].value_of(obj)

        def write() -> None:
            for some in batches(values, BATCH_SIZE):
                condition = Q(**{f"{other}_pk__in": some})
                if self.symmetric:
                    condition = Q(from_pk=mine, to_pk__in=some)
                    condition |= Q(to_pk=mine, from_pk__in=some)
                self._delete(rows.filter(condition))

        write_at_once(rows.db, write)

    def _pairs_of(self, obj: Any, side: str, others: Iterable[Any]) -> list[Pair]:
        """Return the pairs of `obj`, at the end `side`, with each of `others`."""
        if side == "from":
            return [self._pair(obj, other) for other in others]
        return [self._pair(other, obj) for other in others]
