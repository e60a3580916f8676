"""The related managers that ``attach()`` gives: ``user.starred_repos``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import router
from django.db.models import F, Model, OuterRef, QuerySet
from django.db.models.utils import resolve_callables

from ..related_managers import RelatedManager, within_limits
from ..targets import (
    copy_instance,
    hidden_among,
    is_not_hidden,
    not_hidden,
    reads_as_django,
)
from ..transactions import write_at_once
from .neighbours import FORWARDS, neighbours

if TYPE_CHECKING:
    from .attached import Attachment
    from .relationship import Relationship

#: The name under which prefetched objects carry the key of the one that they belong to.
OTHER_KEY = "_prefetch_related_val_connected"


class ConnectedManager(RelatedManager):
    """
    The objects that are connected with one object: what is put before the class of
    their model's default manager.

    In the example: ``user.starred_repos``. Reading gives a ``QuerySet`` of
    repositories, each of them once.
    """

    model: Any
    _hints: dict[str, Any]

    def __init__(self, attachment: Attachment, instance: Model) -> None:
        super().__init__()
        self.attachment, self.instance = attachment, instance
        self.side = attachment.side
        self.model = attachment.other_model
        self.prefetch_cache_name = str(attachment.name)
        # Raises an error for an object that is not saved.
        attachment.end.value_of(instance)

    def __call__(self, *, manager: str) -> Any:
        superclass: Any = type(getattr(self.model, manager))
        manager_class = self.attachment.manager_classes[superclass]
        return manager_class(self.attachment, self.instance)

    @property
    def relationship(self) -> Relationship:
        """The relationship, in the database that the manager is for."""
        found = self.attachment.relationship
        return found if self._db is None else found.using(self._db)

    @property
    def write_db(self) -> str:
        """The alias of the database that connections are written to."""
        return self.relationship._write_db(self.instance)

    # Reading.

    def get_queryset(self) -> Any:
        cached = self.cached()
        if cached is not None:
            return cached
        return self._apply_rel_filters(self._objects())

    def _objects(self) -> QuerySet[Any]:
        """Return all that the model's default manager shows."""
        return super().get_queryset()  # type: ignore[misc, no-any-return]

    def _apply_rel_filters(self, queryset: Any) -> QuerySet[Any]:
        return self.relationship._others_of(
            self.instance, self.side, {}, queryset=self.as_of_instance(queryset)
        )

    def get_prefetch_querysets(
        self, instances: list[Model], querysets: Any = None
    ) -> tuple[Any, ...]:
        """Return the objects of all `instances`, for ``prefetch_related()``."""
        queryset = self.to_prefetch(querysets, self._objects, instances[0])
        name, end = self.attachment.back_name, self.attachment.end
        is_whole = not queryset.query.is_sliced
        keys = {id(obj): end.value_of(obj) for obj in instances}
        if is_whole and self.relationship.symmetric:
            return (
                self._pairs(queryset, instances[0], list(dict.fromkeys(keys.values()))),
                lambda obj: getattr(obj, OTHER_KEY),
                lambda instance: keys[id(instance)],
                False,
                self.prefetch_cache_name,
                False,
            )
        queryset = within_limits(queryset, {f"{name}__in": instances}, name)
        queryset = queryset.annotate(**{OTHER_KEY: F(name)})
        if is_whole and not self.relationship.is_unique:
            queryset = queryset.distinct()
        text = end.key.text if end.is_text else end.key.field.get_prep_value
        return (
            queryset,
            lambda obj: text(getattr(obj, OTHER_KEY)),
            lambda instance: keys[id(instance)],
            False,
            self.prefetch_cache_name,
            False,
        )

    def _pairs(self, queryset: Any, instance: Model, keys: list[Any]) -> list[Any]:
        """
        Return the objects in `queryset` that are connected with those of `keys`, one
        for each of them that an object is connected with. Three queries: not every
        database finds either end of many connections by an index in one.
        """
        relationship, end = self.relationship, self.attachment.end
        others: dict[Any, dict[Any, None]] = {}
        step = neighbours(relationship, relationship._rows(instance), FORWARDS)
        for key, other in step(keys):
            others.setdefault(other, {})[key] = None
        natives = list(relationship._natives_of(others, instance).values())
        found = []
        for obj in queryset.filter(pk__in=natives):
            first = True
            # To the database, its key may be equal to one of these.
            for key in others.get(end.value_of(obj), ()):
                one = obj if first else copy_instance(obj)
                setattr(one, OTHER_KEY, key)
                found.append(one)
                first = False
        return found

    # Writing.

    def _shown(self, rows: Any) -> Any:
        """
        Return those of the connections `rows` whose other object the manager does not
        hide: what it hides is kept, as in Django.
        """
        shown: Any = self._objects()
        if not shown._has_filters():
            return rows
        rows, shown = self._with_keys(rows), self._to_write(shown)
        if shown.db == rows.db:
            return rows.filter(is_not_hidden(shown, OuterRef(OTHER_KEY)))
        return rows.filter(**{f"{OTHER_KEY}__in": not_hidden(shown, keys_of(rows))})

    def _read(self, rows: Any) -> Any:
        """
        Return those of the connections `rows` whose other object is not hidden when
        the manager is read, which is what ``set()`` goes by.
        """
        shown: Any = self._objects()
        if reads_as_django(shown):
            return self._shown(rows)
        rows = self._with_keys(rows)
        keys = keys_of(rows)
        hidden = hidden_among(self._to_write(shown), keys, "pk")
        left = [key for key in keys if key not in hidden]
        return rows.filter(**{f"{OTHER_KEY}__in": left})

    def _with_keys(self, rows: Any) -> Any:
        other = self.relationship._other_key(self.instance, self.side)
        return rows.annotate(**{OTHER_KEY: other})

    def _to_write(self, shown: Any) -> Any:
        model = shown.model
        return shown.using(
            self._db or router.db_for_write(model, instance=self.instance)
        )

    def add(self, *objs: Any, through_defaults: dict[str, Any] | None = None) -> None:
        """
        Connect `objs`; what is connected already is left alone. `through_defaults` are
        characteristics of new connections, values or callables.
        """
        self.drop_cache()
        defaults = dict(resolve_callables(through_defaults or {}))
        self.relationship._add_others(self.instance, self.side, objs, defaults)

    def remove(self, *objs: Any) -> None:
        """Remove the connections with `objs`."""
        self.drop_cache()
        self.relationship._remove_others(self.instance, self.side, objs, self._shown)

    def clear(self) -> None:
        """Remove all connections. One query if nobody listens to their removal."""
        self.drop_cache()
        relationship, using = self.relationship, self.write_db
        rows = relationship._connections_of(self.instance, self.side, {}).using(using)
        write_at_once(using, lambda: relationship._delete(self._shown(rows)))

    def set(
        self,
        objs: Iterable[Any],
        *,
        clear: bool = False,
        through_defaults: dict[str, Any] | None = None,
    ) -> None:
        """
        Make `objs` the connected objects. Connections with those that stay are left
        alone, unless `clear` asks for all to be removed first.
        """
        self.drop_cache()
        defaults = dict(resolve_callables(through_defaults or {}))
        shown = self._shown if clear else self._read
        self.relationship._set_others(
            self.instance, self.side, objs, defaults, shown, clear=clear
        )

    def create(
        self, *, through_defaults: dict[str, Any] | None = None, **attrs: Any
    ) -> Any:
        """Create an object with these attributes, connect it and return it."""
        return self._make("create", through_defaults, attrs)

    def get_or_create(
        self, *, through_defaults: dict[str, Any] | None = None, **attrs: Any
    ) -> Any:
        """
        Return a connected object with these attributes, or create and connect one; and
        whether it was created.
        """
        return self._make("get_or_create", through_defaults, attrs)

    def update_or_create(
        self, *, through_defaults: dict[str, Any] | None = None, **attrs: Any
    ) -> Any:
        """
        Update a connected object with these attributes, or create and connect one;
        return it and whether it was created.
        """
        return self._make("update_or_create", through_defaults, attrs)

    def _make(
        self,
        method: str,
        through_defaults: dict[str, Any] | None,
        attrs: dict[str, Any],
    ) -> Any:
        using = self._db or router.db_for_write(self.model, instance=self.instance)
        objs = self.db_manager(using)._objects()  # type: ignore[attr-defined]
        if method != "create":
            objs = self._apply_rel_filters(objs)
        return self.make(method, objs, through_defaults, attrs)

    add.alters_data = True  # type: ignore[attr-defined]
    remove.alters_data = True  # type: ignore[attr-defined]
    clear.alters_data = True  # type: ignore[attr-defined]
    set.alters_data = True  # type: ignore[attr-defined]
    create.alters_data = True  # type: ignore[attr-defined]
    get_or_create.alters_data = True  # type: ignore[attr-defined]
    update_or_create.alters_data = True  # type: ignore[attr-defined]


def keys_of(rows: Any) -> list[Any]:
    """Return the keys of the other objects of connections, where they are keys."""
    keys = rows.values_list(OTHER_KEY, flat=True)
    return [key for key in keys if key is not None]
