"""Making and removing connections: a part of ``Relationship``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist
from django.db import connections as databases
from django.db import router, transaction
from django.db.models import F, Model, Q

from ..batches import batches
from ..inserts import can_skip, insert_missing
from ..keys import check_collation
from ..lookups import KeyAmong
from ..related_managers import async_twin
from ..transactions import write_again, write_at_once
from .ends import OTHER
from .signals import connection_created

if TYPE_CHECKING:
    from .models import AbstractConnection

#: As many keys are compared, and rows inserted, in one statement.
BATCH_SIZE = 5_000

Pair = tuple[Any, Any]
#: A pair, and the characteristics of its connection.
Wanted = tuple[Pair, dict[str, Any]]
#: What makes a connection, and is no characteristic of it.
IDENTITY = (
    "relationship",
    "relationship_name",
    "from_object",
    "from_pk",
    "to_object",
    "to_pk",
)


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
            # It reads outside its transaction: on SQLite, one that has read cannot wait
            # for another that writes.
            return write_again(
                using,
                lambda: rows.get_or_create(**identity, defaults=characteristics)[0],
            )
        return write_at_once(using, lambda: rows.create(**identity, **characteristics))

    def create_connections(self, pairs: Iterable[Any], **characteristics: Any) -> None:
        """
        Connect the two objects of each of `pairs`, all or none. Where the connection
        model has one connection for each pair, those that are there are left alone.
        `characteristics` are for all; those of one pair may follow its objects, as in
        ``(page, style, {"rank": 1})``.

        One query for each 5,000 pairs with ``Connection``, and for other models where
        pairs are unique one more that reads what is there; three if somebody listens
        to ``connection_created``.
        """
        self._check_characteristics(characteristics)
        found, using = [], None
        for one, two, own in map(self._checked, pairs):
            self._check_characteristics(own)
            found.append((self._pair(one, two), {**characteristics, **own}))
            using = using or self._write_db(one)
        if using is not None:
            self._insert(found, using)

    def update_connection(
        self, from_obj: Any, to_obj: Any, **characteristics: Any
    ) -> int:
        """
        Set `characteristics`, values or expressions, of the connections between two
        objects, and return how many there are. One query.
        """
        self._check_characteristics(characteristics)
        opts = self.connection_model._meta
        if not characteristics:
            raise TypeError(
                f"The relationship {self.name!r}: update_connection() needs a "
                "characteristic to set."
            )
        for name in characteristics:
            if name in opts._property_names:
                raise TypeError(
                    f"The relationship {self.name!r}: {name!r} is no field of "
                    f"{opts.label} that can be updated."
                )
        found = self._between(from_obj, to_obj, {}).using(self._write_db(from_obj))
        count: int = found.update(**characteristics)
        return count

    def remove_connection(
        self, from_obj: Any, to_obj: Any, **characteristics: Any
    ) -> int:
        """
        Remove the connections between two objects, and return how many there were. One
        query, two if somebody listens to ``connection_removed``.
        """
        found = self._between(from_obj, to_obj, characteristics)
        using = self._write_db(from_obj)
        return write_at_once(using, lambda: self._delete(found.using(using)))

    def set_connected(
        self, from_obj: Any, others: Iterable[Any], **characteristics: Any
    ) -> None:
        """
        Make `others` the objects to which connections lead from `from_obj`. Connections
        to those that stay are left alone; `characteristics` are for new ones.

        Where two objects may be connected several times, only connections that have
        these characteristics are looked at: what is on a page at one time does not
        concern another.

        One query to read, one to delete if some go, and those of
        ``create_connections()`` if some are new.
        """
        scope = {} if self.is_unique else characteristics
        self._set_others(from_obj, "from", others, characteristics, scope=scope)

    create_connection.alters_data = True  # type: ignore[attr-defined]
    create_connections.alters_data = True  # type: ignore[attr-defined]
    remove_connection.alters_data = True  # type: ignore[attr-defined]
    set_connected.alters_data = True  # type: ignore[attr-defined]
    update_connection.alters_data = True  # type: ignore[attr-defined]
    acreate_connection = async_twin("create_connection")
    acreate_connections = async_twin("create_connections")
    aremove_connection = async_twin("remove_connection")
    aset_connected = async_twin("set_connected")
    aupdate_connection = async_twin("update_connection")

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

    def _checked(self, pair: Any) -> tuple[Any, Any, dict[str, Any]]:
        """Return two objects and the characteristics of their connection."""
        if isinstance(pair, (tuple, list)):
            if len(pair) == 2:
                return pair[0], pair[1], {}
            if len(pair) == 3 and isinstance(pair[2], dict):
                return pair[0], pair[1], pair[2]
        raise TypeError(
            f"The relationship {self.name!r} connects pairs of objects; {pair!r} is "
            "none. Pass an iterable of (from_obj, to_obj), or of (from_obj, to_obj, "
            "{characteristic: value})."
        )

    def _check_characteristics(self, characteristics: dict[str, Any]) -> None:
        """Raise ``TypeError`` for values that no field of the model takes."""
        opts: Any = self.connection_model._meta
        for name in characteristics:
            if name in (*IDENTITY, opts.pk.name, "pk"):
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

    def _insert(self, wanted: Sequence[Wanted], using: str) -> None:
        """Insert connections for pairs that are not there, or where they may be."""
        self._check_collations(using)
        model = self.connection_model
        rows = model._base_manager.using(using)
        is_heard = connection_created.has_listeners()
        # Errors of other models surface.
        skip = not any(characteristics for _pair, characteristics in wanted) and (
            model._meta.label_lower == "gm2m_connections.connection" and can_skip(using)
        )
        _key, *fields = model._meta.concrete_fields
        unique = [model._meta.get_field(name) for name in self._identity((None, None))]
        if self.is_unique:
            first: dict[Pair, dict[str, Any]] = {}
            for pair, characteristics in wanted:
                first.setdefault(pair, characteristics)
            wanted = list(first.items())

        def write() -> None:
            for some in batches(wanted, BATCH_SIZE):
                new = some
                if self.is_unique and (is_heard or not skip):
                    present = self._present([pair for pair, _values in some], using)
                    new = [one for one in some if one[0] not in present]
                made = [self._made(*one) for one in new]
                if skip:
                    insert_missing(model, using, fields, made, unique)
                else:
                    made = rows.bulk_create(made)
                if is_heard:
                    pairs = [pair for pair, _values in new]
                    self._announce(
                        self._present(pairs, using).values() if skip else made
                    )

        write_at_once(using, write)

    def _made(self, pair: Pair, characteristics: dict[str, Any]) -> Any:
        """Return a connection that is not saved. Its keys need no second look."""
        identity = self._identity(pair)
        made = self.connection_model(**identity, **characteristics)
        made._arranged = tuple(identity.values())
        return made

    def _present(
        self, pairs: Sequence[Pair], using: str, scope: dict[str, Any] | None = None
    ) -> dict[Pair, Any]:
        """Return the connections of `pairs` that are there. One query, if any are."""
        if not pairs:
            return {}
        wanted = set(pairs)
        rows = self.connection_model._base_manager.using(using).filter(
            Q(KeyAmong(F("from_pk"), list({pair[0] for pair in pairs}))),
            Q(KeyAmong(F("to_pk"), list({pair[1] for pair in pairs}))),
            relationship_name=self.name,
            **(scope or {}),
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
        model: Any = self.connection_model
        rows = rows.order_by()
        refer = (
            relation.related_model
            for relation in model._meta.get_fields(include_hidden=True)
            if relation.one_to_many and relation.auto_created
        )
        if not any(issubclass(model, other) for other in refer):
            count: int = rows.delete()[1].get(model._meta.label, 0)
            return count
        # Others of the model may go with them, and be counted as well.
        with transaction.atomic(using=rows.db):
            count = rows.count()
            rows.delete()
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
        scope: dict[str, Any] | None = None,
        clear: bool = False,
    ) -> None:
        """
        Make `others` what is connected with `obj`, which is at the end `side`, by
        connections that fulfil the conditions `scope`. Of these, only connections that
        are `shown` are removed: those that do not stay, or all of them before, to
        `clear` it.
        """
        if isinstance(others, Model) or not isinstance(others, Iterable):
            raise TypeError(
                f"The relationship {self.name!r} sets an iterable of objects, not "
                f"{others!r}."
            )
        self._check_characteristics(characteristics)
        wanted = dict.fromkeys(self._pairs_of(obj, side, others))
        using = self._write_db(obj)
        scope = scope or {}
        rows = shown(self._connections_of(obj, side, scope).using(using))

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
            self._insert_missing(new, characteristics, using, scope)

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
        self._insert_missing(pairs, characteristics, self._write_db(obj), {})

    def _insert_missing(
        self,
        pairs: Sequence[Pair],
        characteristics: dict[str, Any],
        using: str,
        scope: dict[str, Any],
    ) -> None:
        """Insert connections for those `pairs` that have none in `scope`."""
        if not self.is_unique and pairs:
            present = self._present(pairs, using, scope)
            pairs = [pair for pair in pairs if pair not in present]
        if pairs:
            self._insert([(pair, characteristics) for pair in pairs], using)

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
