"""
The objects at the other end of links: fetched as a queryset of one model, or matched
with the rows that they belong to.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import django
from django.db import connections, router
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet
from django.db.models.fields.files import FieldFile
from django.db.models.sql import Query

from .batches import batches
from .comparisons import NativeKey
from .keys import Key
from .link_order import in_order_of_links
from .lookups import KeyAmong

if TYPE_CHECKING:
    from .fields import GM2MField

HAS_FETCH_MODES = django.VERSION >= (6, 1)
#: What every class of querysets has.
COMMON = {"__doc__", "__module__", "__firstlineno__", "__static_attributes__"}
#: Types whose values need no copy.
ATOMIC = frozenset({str, int, float, bool, bytes, type(None)})


def instances_of(
    field: GM2MField,
    model: Any,
    condition: dict[str, Any],
    using: str | None,
    hints: dict[str, Any],
    links_using: str | None = None,
    *,
    links_once: bool,
) -> QuerySet[Any]:
    """
    Return the objects of `model` whose rows in the through table fulfil `condition`,
    in the order of the model or else in that of the rows. `links_using` is the alias
    for the rows, if it is not to be the same, and `links_once` tells whether no two
    of these have the same target.
    """
    manager = model._default_manager.db_manager(using, hints=hints)
    queryset: Any = manager.get_queryset()
    through = field.remote_field.through
    links_db = links_using or using or router.db_for_read(through, **hints)
    if field.is_historical or queryset.db != links_db:
        return instances_by_key(field, queryset, condition, links_db)
    rows = field.relations[field.linked_as(model)].key.remote_field.name
    condition = {f"{rows}__{name}": value for name, value in condition.items()}
    queryset = queryset._next_is_sticky().filter(**condition)
    if not queryset.ordered:
        queryset = in_order_of_links(queryset, rows, through, links_once=links_once)
    return queryset  # type: ignore[no-any-return]


def shown_condition(
    field: GM2MField, shown: QuerySet[Any], condition: dict[str, Any], links_using: str
) -> Any:
    """
    Return the condition on rows in `links_using` that `shown`, what the default manager
    of a model shows, does not filter out their target, for rows that fulfil
    `condition`; ``None`` if it filters out nothing. Costs three queries if the targets
    are in another database, else none.
    """
    if not shown._has_filters():  # type: ignore[attr-defined]
        return None
    model = shown.model
    name = field.lookup_of(model)
    own = field.content_type_of(model, links_using)
    is_other = ~Q(**{field.links.content_type.attname: own.pk})
    if shown.db == links_using:
        return is_other | is_not_hidden(shown, row_key(field, model))
    linked = linked_keys(field, model, condition, links_using, shown.db)
    return is_other | Q(**{f"{name}__in": not_hidden(shown, linked)})


def reads_as_django(queryset: QuerySet[Any]) -> bool:
    """
    Return whether `queryset` gives what its conditions say: its classes change nothing
    of Django's own. Others may hide objects when they are read.
    """
    own = type(queryset).__mro__
    names = {name for cls in own[: own.index(QuerySet)] for name in vars(cls)}
    changed = names & vars(QuerySet).keys() - COMMON
    return not changed and type(queryset.query) is Query


def hidden_among(shown: QuerySet[Any], keys: Sequence[Any], name: str) -> set[Any]:
    """
    Return those of `keys`, values of the field `name`, whose objects are there and are
    not among those that `shown` gives when it is read. One query if all are, else two.
    """
    found = keys_read(shown, keys, name)
    missing = [key for key in keys if key not in found]
    return keys_read(everything(shown), missing, name) if missing else set()


def keys_read(queryset: QuerySet[Any], keys: Sequence[Any], name: str) -> set[Any]:
    """
    Return those of `keys`, values of the field `name`, that the objects have which
    `queryset` gives. It is asked even if there are no keys, without a query.
    """
    found: set[Any] = set()
    is_plain = reads_as_django(queryset)
    for batch in list(batches(keys)) or [[]]:
        objs = queryset.filter(KeyAmong(F(name), batch))
        if is_plain:
            found.update(objs.values_list(name, flat=True))
        else:
            # Its methods may look at the objects.
            found.update(getattr(obj, name) for obj in objs.prefetch_related(None))
    return found


def is_not_hidden(shown: QuerySet[Any], pk: Any) -> Q:
    """
    Return the condition that `shown` does not hide the object with the key `pk`, an
    expression on the outer query. What is gone is not hidden.
    """
    is_gone = ~Q(Exists(everything(shown).filter(pk=pk)))
    return Q(Exists(shown.filter(pk=pk))) | is_gone


def not_hidden(shown: QuerySet[Any], keys: Sequence[Any]) -> list[Any]:
    """Return the same of primary `keys`: those that `shown` does not hide."""
    hidden = keys_among(everything(shown), keys) - keys_among(shown, keys)
    return [key for key in keys if key not in hidden]


def everything(shown: QuerySet[Any]) -> QuerySet[Any]:
    """Return all objects of the model and the database of `shown`."""
    return QuerySet(shown.model, using=shown.db)


def keys_among(queryset: QuerySet[Any], keys: Sequence[Any]) -> set[Any]:
    """Return those of the primary `keys` that objects in `queryset` have."""
    return {
        pk
        for batch in batches(keys)
        for pk in queryset.filter(KeyAmong(F("pk"), batch)).values_list("pk", flat=True)
    }


def is_among(field: Any, queryset: QuerySet[Any]) -> Exists:
    """
    Return the condition that `queryset` has the target of a row of its model. In place
    of the field there may be an end of connections.
    """
    return Exists(queryset.filter(pk=row_key(field, queryset.model)))


def row_key(field: Any, model: Any) -> Any:
    """Return the key that a row of the outer query has, as one of `model`."""
    pk: Any = OuterRef(field.links.key_field.name)
    return NativeKey(pk, Key(model._meta.pk)) if field.links.key.is_text else pk


def instances_by_key(
    field: GM2MField, queryset: QuerySet[Any], condition: dict[str, Any], using: str
) -> QuerySet[Any]:
    """
    Do without a join: historical models have no relation, and the targets may be in
    another database than the links, which are in `using`.
    """
    model = queryset.model
    keys = linked_keys(field, model, condition, using, queryset.db)
    return queryset.filter(pk__in=keys)


def linked_keys(
    field: GM2MField,
    model: type[Model],
    condition: dict[str, Any],
    links_using: str,
    using: str,
) -> list[Any]:
    """
    Return the primary keys, as the database `using` has them, that rows with targets of
    `model` link. What is no key of the model links nothing. One query.
    """
    links, key = field.links, Key(model._meta.pk)
    types = field.types_of(model, links_using)
    rows = field.remote_field.through._base_manager.using(links_using).filter(
        **condition, **{f"{links.content_type.attname}__in": types}
    )
    texts = map(str, rows.values_list(links.key_field.attname, flat=True))
    return [native for native, _text in key.natives(texts, connections[using])]


def check_annotations(names: Iterable[str], found: dict[Any, dict[Any, Model]]) -> None:
    """Raise ``ValueError`` if an annotation would take the place of a field."""
    for targets in found.values():
        for model in {type(target) for target in targets.values()}:
            fields = {field.name for field in model._meta.get_fields()}
            fields.update(field.attname for field in model._meta.concrete_fields)
            for name in fields.intersection(names):
                raise ValueError(
                    f"The annotation '{name}' conflicts with a field on "
                    f"{model._meta.label}."
                )


def pairs(
    rows: Sequence[tuple[Any, ...]], found: dict[Any, dict[Any, Model]]
) -> Iterator[tuple[tuple[Any, ...], Model]]:
    """
    Yield each of `rows` with its target among those `found`, leaving out rows whose
    target is gone. No two rows share an object.
    """
    unused = {type_id: dict(targets) for type_id, targets in found.items()}
    for row in rows:
        target = unused[row[0]].pop(row[1], None)
        if target is None:
            target = found[row[0]].get(row[1])
            if target is None:
                continue
            target = copy_instance(target)
        yield row, target


def fetch_like(queryset: Any, instance: Model) -> None:
    """Have `queryset` fetch what is missing as `instance` does (Django 6.1)."""
    if HAS_FETCH_MODES:
        queryset._fetch_mode = instance._state.fetch_mode


def copy_instance(obj: Model) -> Model:
    """
    Return another object for the same row, made as Django makes instances: through
    ``from_db()``, so that its signals are sent.
    """
    values, state = obj.__dict__, obj._state
    names = [f.attname for f in obj._meta.concrete_fields if f.attname in values]
    twin = type(obj).from_db(
        state.db,
        names,
        [
            value if type(value) in ATOMIC else copy_value(value)
            for value in map(values.__getitem__, names)
        ],
        **({"fetch_mode": state.fetch_mode} if HAS_FETCH_MODES else {}),
    )
    if "fields_cache" in vars(state):
        twin._state.fields_cache.update(state.fields_cache)
    if peers := getattr(state, "peers", None):
        # Those with which it fetches what is missing.
        peers.append(weakref.ref(twin))
        twin._state.peers = peers
    if len(values) > len(names) + 1:
        # More than the state and the fields.
        for name, value in values.items():
            if name == "_prefetched_objects_cache":
                twin.__dict__[name] = dict(value)
            elif name not in twin.__dict__:
                twin.__dict__[name] = value
    return twin


def copy_value(value: Any) -> Any:
    """Return the value of a field for another object."""
    if isinstance(value, FieldFile):
        return value.name
    return copy.deepcopy(value)
