"""
Writing the rows of a through model for one object.

Both related managers do it in the same way; ``LinkManager`` is that way. What they
differ in is which end of a link is theirs, and so what the objects at the other end
are: targets of several models, or sources.

Follows ``create_forward_many_to_many_manager()`` in Django's
``db.models.fields.related_descriptors``.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import django
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, router
from django.db.models import Model, Q, QuerySet
from django.db.models.signals import m2m_changed
from django.db.models.utils import resolve_callables

from .batches import batches
from .inserts import can_skip, insert_missing
from .offers import removable_for
from .related_managers import RelatedManager
from .through import AutomaticRow
from .transactions import begins_transaction, wait_turn, write_at_once

if TYPE_CHECKING:
    from .fields import GM2MField

SENDS_RAW = django.VERSION >= (6, 1)


class Other(NamedTuple):
    """
    The object at the other end of a link: its model and primary key, as signals tell
    them, and the values of the through row that stand for it; `also` are those of rows
    that link the same object under another model.
    """

    model: type[Model] | None
    pk: Any
    values: tuple[Any, ...]
    also: tuple[tuple[Any, ...], ...] = ()

    @property
    def all_values(self) -> tuple[tuple[Any, ...], ...]:
        return self.values, *self.also

    def is_among(self, present: Collection[tuple[Any, ...]]) -> bool:
        """Return whether it is linked by one of the rows with these values."""
        return any(values in present for values in self.all_values)


Keys = dict[type[Model] | None, set[Any]]


def left_in(by_model: Keys, others: Sequence[Other]) -> Sequence[Other]:
    """
    Return those of `others` whose keys are in what signals tell: as in Django, a
    receiver may have taken some out before anything was written.
    """
    if not by_model:
        return others
    return [other for other in others if other.pk in by_model[other.model]]


class LinkManager(RelatedManager):
    """
    Writes the links of one object.

    `own_values` are the through columns that stand for the object, `other_names` the
    names of those that stand for what it is linked to.
    """

    # A GM2MField; as an attribute it would look like a descriptor to type checkers.
    field: Any
    through: type[Model]
    is_reverse: bool
    other_names: tuple[str, ...]

    def bind(self, field: GM2MField, instance: Model) -> None:
        self.field, self.instance = field, instance
        self.through = field.remote_field.through

    # What the two ends answer differently.

    def own_values(self, using: str) -> dict[str, Any]:
        """Return the columns of the object's own end, by name."""
        raise NotImplementedError

    def own_condition(self, using: str) -> dict[str, Any]:
        """Return the condition of rows that link the object."""
        return self.own_values(using)

    def others(self, objs: Iterable[Any], using: str) -> list[Other]:
        """Return the other ends that `objs` stand for; raise if they are unfit."""
        raise NotImplementedError

    def others_of(self, rows: Iterable[tuple[Any, ...]], using: str) -> Iterable[Other]:
        """Return the other ends that are in the columns of `rows`."""
        raise NotImplementedError

    def conditions(self, others: Sequence[Other]) -> Iterable[Q]:
        """Yield conditions for the rows of `others`, each good for one statement."""
        raise NotImplementedError

    def has_kin(self, others: Sequence[Other], using: str) -> bool:
        """
        Return whether rows of other models may link the object and `others` already, of
        which the database does not know that they are the same links.
        """
        raise NotImplementedError

    def check_own(self, using: str) -> None:
        """Raise an error if links to the object itself would lead nowhere."""

    def own_row(self, using: str) -> QuerySet[Any] | None:
        """Return the key of the object's row, ``None`` if `using` may not have it."""
        raise NotImplementedError

    def shown_rows(
        self, using: str, models: Collection[Any] | None = None
    ) -> QuerySet[Any]:
        """
        Return the rows that may be removed, as far as a condition can tell: as in
        Django, what the manager at the other end filters out keeps its links. `models`
        are those of the other ends that matter, by default all.
        """
        raise NotImplementedError

    def hidden(
        self, rows: Collection[tuple[Any, ...]], using: str
    ) -> builtins.set[tuple[Any, ...]]:
        """
        Return those of `rows`, of ``shown_rows()``, whose other ends are hidden when
        the manager is read. One or two queries for each model where this may be.
        """
        raise NotImplementedError

    def models_of(self, rows: QuerySet[Any], using: str) -> Iterable[type[Model]]:
        """Return the models of the other ends of `rows`."""
        raise NotImplementedError

    # Writing.

    def add(self, *objs: Any, through_defaults: dict[str, Any] | None = None) -> None:
        """
        Link `objs`, in their order; what is linked already is left alone.

        `through_defaults` are values, or callables, for other columns of the through
        model. One statement per batch if nobody listens to ``m2m_changed`` and the
        through model is the automatic one, else one query before; and, for more than
        one object, the lock of ``set()``.
        """
        db = self.write_db
        self.check_own(db)
        others = self.others(objs, db)
        self.check_defaults(through_defaults)
        self._write(
            db,
            lambda: self._insert(others, through_defaults, db),
            lock=self._are_several(others, db),
        )

    def remove(self, *objs: Any) -> None:
        """
        Remove the links to `objs`: one query for each content type, and the lock of
        ``set()`` for more than one object.
        """
        db = self.write_db
        others = self.others(objs, db)

        has_kin = self.has_kin(others, db)
        models = {other.model for other in others}

        def remove() -> None:
            rows = self.shown_rows(db, None if has_kin else models)
            self._delete(others, rows, db)

        self._write(db, remove, lock=self._are_several(others, db))

    def clear(self) -> None:
        """
        Remove all links of the object: one query, another one if somebody listens to
        ``m2m_changed``, and the lock of ``set()``.
        """
        db = self.write_db
        self._write(db, lambda: self._clear(db))

    def set(
        self,
        objs: Iterable[Any],
        *,
        clear: bool = False,
        through_defaults: dict[str, Any] | None = None,
    ) -> None:
        """
        Make `objs` the linked objects. Rows of those that stay are left alone, unless
        `clear` asks for all to be removed first.

        One query to lock the object's row, so that others which write its links come
        before or after (none on SQLite), one to read, one per content type of which
        links go, one to insert; and one or two for a model whose manager may hide
        objects when it is read, as one with a class of querysets of its own.
        """
        self.set_base(objs, clear=clear, through_defaults=through_defaults)

    def set_base(
        self,
        objs: Iterable[Any],
        *,
        clear: bool = False,
        through_defaults: dict[str, Any] | None = None,
        raw: bool = False,
    ) -> None:
        """
        Do what ``set()`` does. Django's deserializer calls it with `raw`. Of what a
        form or a serializer did not offer, nothing goes (``offers``).
        """
        given = tuple(objs)
        removable = removable_for(self.instance, objs, given)
        db = self.write_db
        self.check_own(db)
        others = self.others(given, db)
        self.check_defaults(through_defaults)

        def replace() -> None:
            if clear and removable is None:
                self._clear(db, raw)
                self._insert(others, through_defaults, db, raw)
                return
            rows = self.shown_rows(db)
            present = dict.fromkeys(rows.values_list(*self.other_names))
            for row in self.hidden(present.keys(), db):
                del present[row]
            wanted = {values for other in others for values in other.all_values}
            gone = [row for row in present if row not in wanted]
            new = [other for other in others if not other.is_among(present)]
            others_gone = list(self.others_of(gone, db))
            if removable is not None:
                others_gone = removable(others_gone)
            if clear:
                again = [row for row in present if row in wanted]
                others_gone, new = [*others_gone, *self.others_of(again, db)], others
            self._delete(others_gone, rows, db, raw)
            self._insert(new, through_defaults, db, raw)

        self._write(db, replace)

    def make(
        self,
        method: str,
        related: QuerySet[Any],
        through_defaults: dict[str, Any] | None,
        attrs: dict[str, Any],
    ) -> Any:
        self.check_own(self.write_db)
        self.check_defaults(through_defaults)
        return super().make(method, related, through_defaults, attrs)

    add.alters_data = True  # type: ignore[attr-defined]
    remove.alters_data = True  # type: ignore[attr-defined]
    clear.alters_data = True  # type: ignore[attr-defined]
    set.alters_data = True  # type: ignore[attr-defined]

    @property
    def write_db(self) -> str:
        """The alias of the database that links are written to."""
        return self._db or router.db_for_write(self.through, instance=self.instance)

    def check_defaults(self, through_defaults: dict[str, Any] | None) -> None:
        """Raise ``TypeError`` for defaults that are no columns, or the link's own."""
        opts: Any = self.through._meta
        links = self.field.links
        for name in through_defaults or ():
            try:
                field = opts.get_field(name)
            except FieldDoesNotExist:
                field = None
            if name in opts._property_names:
                continue
            if field is None or field.one_to_many or field.auto_created:
                raise TypeError(
                    f"{self.field}: {name!r} in through_defaults is no field of "
                    f"{opts.label}."
                )
            if field in links.fields or name == links.generic_name:
                raise TypeError(
                    f"{self.field}: {name!r} in through_defaults makes the link itself "
                    "and cannot have a default."
                )

    def _write(
        self, using: str, write: Callable[[], None], *, lock: bool = True
    ) -> None:
        """
        Call `write` in a transaction, alone with the links of the object if `lock`, and
        forget what was prefetched.
        """
        self.drop_cache()
        is_own = begins_transaction(using)

        def write_in_turn() -> None:
            if lock:
                self._wait_turn(using, is_own)
            write()

        write_at_once(using, write_in_turn)

    def _are_several(self, others: Sequence[Other], using: str) -> bool:
        """
        Return whether `others` may be linked by more than one row. One row is there or
        not, whoever else writes.
        """
        return len(others) > 1 or self.has_kin(others, using)

    def _wait_turn(self, using: str, is_own: bool) -> None:
        """
        Wait for others that write links of the object, in a transaction that is its own
        or the caller's.
        """
        row = self.own_row(using)
        if is_own and connections[using].features.has_select_for_no_key_update:
            row = None
        own = tuple(self.own_values(using).values())
        wait_turn(using, (self.through._meta.db_table, *own), row)

    def _rows(self, using: str) -> QuerySet[Any]:
        """Return the rows of the object's links."""
        rows = self.through._default_manager.using(using)
        return rows.filter(**self.own_condition(using)).order_by()

    def _insert(
        self,
        others: Sequence[Other],
        through_defaults: dict[str, Any] | None,
        using: str,
        raw: bool = False,
    ) -> None:
        others = list({other.values: other for other in others}.values())
        if not others:
            return
        # Errors of a custom through surface, as in Django. In a migration, a new table
        # may not have its unique constraint yet.
        is_automatic = self.field.links.is_automatic
        skip = is_automatic and not self.field.is_historical and can_skip(using)
        given = others
        if (
            m2m_changed.has_listeners(self.through)
            or not skip
            or self.has_kin(others, using)
        ):
            present = self._present(others, using)
            others = [other for other in others if not other.is_among(present)]
        defaults = dict(resolve_callables(through_defaults or {}))
        # As Django does, signals tell the models of what is linked already, too.
        by_model = self._keys_by_model(others, given)
        self._send("pre_add", by_model, using, raw)
        others = left_in(by_model, others)
        self._insert_rows(others, defaults, using, skip)
        self._send("post_add", by_model, using, raw)

    def _insert_rows(
        self,
        others: Sequence[Other],
        defaults: dict[str, Any],
        using: str,
        skip: bool,
    ) -> None:
        """
        Insert rows that link `others`, in their order; to `skip` those that are there
        by then.
        """
        own = self.own_values(using)
        names, values = (*own, *self.other_names), tuple(own.values())
        links = [(*values, *other.values) for other in others]
        _key, *fields = self.through._meta.concrete_fields
        columns = {field.attname for field in fields}
        rows: list[Any]
        if skip and not defaults and columns == {*AutomaticRow._fields}:
            # Instances of the through model, which nobody would see, take longer.
            in_order = itemgetter(*map(names.index, AutomaticRow._fields))
            rows = [AutomaticRow(*in_order(link)) for link in links]
        else:
            rows = [
                self.through(**defaults, **dict(zip(names, link, strict=True)))
                for link in links
            ]
        if skip:
            unique = self.field.links.fields
            insert_missing(self.through, using, fields, rows, unique)
        else:
            self.through._default_manager.using(using).bulk_create(rows)

    def _present(
        self, others: Sequence[Other], using: str
    ) -> builtins.set[tuple[Any, ...]]:
        """Return the values of those `others` that are linked already."""
        present: builtins.set[tuple[Any, ...]] = set()
        for batch in batches(others):
            conditions = Q()
            for condition in self.conditions(batch):
                conditions |= condition
            rows = self._rows(using).filter(conditions)
            present.update(rows.values_list(*self.other_names))
        return present

    def _delete(
        self,
        others: Sequence[Other],
        rows: QuerySet[Any],
        using: str,
        raw: bool = False,
    ) -> None:
        """Delete those of `rows` that link `others`."""
        by_model = self._keys_by_model(others, others)
        self._send("pre_remove", by_model, using, raw)
        for condition in self.conditions(left_in(by_model, others)):
            rows.filter(condition).delete()
        self._send("post_remove", by_model, using, raw)

    def _clear(self, using: str, raw: bool = False) -> None:
        rows = self.shown_rows(using)
        models: list[type[Model]] = []
        if m2m_changed.has_listeners(self.through):
            # The field's related model, which has no objects, where there are no links.
            models = [*self.models_of(rows, using)] or [self.field.remote_field.model]
        for model in models:
            self._send_one("pre_clear", model, None, using, raw)
        rows.delete()
        for model in models:
            self._send_one("post_clear", model, None, using, raw)

    def _keys_by_model(self, others: Sequence[Other], given: Sequence[Other]) -> Keys:
        """
        Return what signals tell: the primary keys of `others` for each model among
        those that were `given`. Nothing, if nobody listens.
        """
        if not m2m_changed.has_listeners(self.through):
            return {}
        keys: Keys = {other.model: set() for other in given}
        for other in others:
            keys[other.model].add(other.pk)
        return keys

    def _send(self, action: str, by_model: Keys, using: str, raw: bool) -> None:
        """Send ``m2m_changed``, once for each model."""
        for model, pks in by_model.items():
            self._send_one(action, model, pks, using, raw)

    def _send_one(
        self,
        action: str,
        model: type[Model] | None,
        pk_set: builtins.set[Any] | None,
        using: str,
        raw: bool,
    ) -> None:
        m2m_changed.send(
            sender=self.through,
            action=action,
            instance=self.instance,
            reverse=self.is_reverse,
            model=model,
            pk_set=pk_set,
            using=using,
            **({"raw": raw} if SENDS_RAW else {}),
        )

    def is_row_in(self, using: str) -> bool:
        """Return whether the object is a row of a table, not of a view, in `using`."""
        opts: Any = self.instance._meta
        return self.instance._state.db == using and bool(opts.managed)

    def check_saved(self, obj: Model) -> None:
        """Raise ``ValueError`` for an object that is not in the database yet."""
        if obj.pk is None or obj._state.adding:
            raise ValueError(
                f"{self.field} cannot link {obj!r}: it is not saved. Save it first."
            )

    def check_allowed(self, obj: Model) -> None:
        """Raise ``ValueError`` if the routers do not allow a link to `obj`."""
        if not router.allow_relation(obj, self.instance):
            raise ValueError(
                f"{self.field} cannot link {obj!r}: it is on database "
                f'"{obj._state.db}", {self.instance!r} on database '
                f'"{self.instance._state.db}", and the routers do not allow relations '
                "between them."
            )
