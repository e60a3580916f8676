"""
Prefetching the targets of many sources at once.

What goes on from there to their own relations is in ``target_lists``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import router
from django.db.models import F, Model, Q

from .batches import BATCH_SIZE
from .keys import Key
from .link_order import in_order_of_links, tied_to_first
from .managers import ForwardManager
from .query import GM2MQuerySet
from .target_lists import PrefetchedTargets
from .targets import fetch_like, pairs

if TYPE_CHECKING:
    from .fields import GM2MField

#: The name under which prefetched targets carry the key of their source.
SOURCE_KEY = "_prefetch_related_val_source"


def prefetch_targets(
    field: GM2MField, instances: list[Model], querysets: Any, slot: str
) -> tuple[Any, ...]:
    """
    Return what ``prefetch_related_objects()`` asks for, with the targets of
    `instances`, to be put in their attribute `slot`.

    One queryset, as ``Prefetch`` gives it, restricts the targets to its model and
    orders them if it is ordered; several, as ``GenericPrefetch`` gives them, say how
    the targets of their models are fetched. One query for the rows and one per
    content type. What an instance has prefetched before is taken as it is, unless
    there are `querysets`.
    """
    source = field.links.source
    targets = GM2MQuerySet.for_field(field, hints={"instance": instances[0]})
    fetch_like(targets, instances[0])
    only: Any = None
    limits, by_rows = slice(None), False
    if querysets:
        by_model = field.querysets_by_model(querysets)
        if len(by_model) == 1:
            ((model, only),) = by_model.items()
            only, limits = unsliced(only)
            by_model = {model: only}
            by_rows = spans_rows(targets, only)
            if not by_rows:
                targets = restricted(targets, only)
        targets._target_querysets = by_model

    # By the key of the source, and what is there already by the very object.
    keys: dict[int, Any] = {}
    cached: dict[Any, PrefetchedTargets] = {}
    lists: dict[Any, PrefetchedTargets] = {}
    for instance in instances:
        (value,) = source.get_foreign_related_value(instance)
        present = None if querysets else ForwardManager(field, instance).cached()
        if present is None:
            keys[id(instance)] = value
            lists.setdefault(value, PrefetchedTargets(value, targets, None))
        else:
            key = keys[id(instance)] = ("cached", id(instance))
            cached[key] = PrefetchedTargets(key, targets, present)
    if lists:
        if by_rows:
            fill_by_rows(lists, targets, only.model)
        else:
            rows = targets.filter(**{f"{source.name}__in": list(lists)})
            fill(lists, rows, source.attname, ordered=only is not None and only.ordered)
        for found in lists.values():
            found[:] = found[limits]
    return (
        [*lists.values(), *cached.values()],
        lambda found: found.source,
        lambda instance: keys[id(instance)],
        True,
        slot,
        True,
    )


def spans_rows(links: GM2MQuerySet, queryset: Any) -> bool:
    """
    Return whether `queryset`, of targets, joins other tables of which several rows may
    belong to one target: it may have the target several times then, and if these are
    the rows that link it, for some of the sources alone.
    """
    using = queryset._db or router.db_for_read(queryset.model, **links._hints)
    if using != links.db or links._gm2m.is_historical:
        return False
    query = queryset.query.clone()
    # Orders are joined only now.
    query.get_compiler(using).pre_sql_setup()
    steps = [getattr(join, "join_field", None) for join in query.alias_map.values()]
    return any(step and not (step.many_to_one or step.one_to_one) for step in steps)


def restricted(links: GM2MQuerySet, queryset: Any) -> GM2MQuerySet:
    """Return `links` to the targets in `queryset` alone."""
    field = links._gm2m
    if field.is_historical:
        return links.filter(Model=queryset.model)
    name = field.lookup_of(queryset.model)
    using = queryset._db or router.db_for_read(queryset.model, **links._hints)
    is_part = queryset._has_filters() or len(field.kin_of(queryset.model)) > 1
    # Else they are restricted by what is found: no subquery reaches another database.
    if is_part and using == links.db:
        return links.filter(**{f"{name}__in": queryset})
    return links.filter(**{f"{name}__isnull": False})


def unsliced(queryset: Any) -> tuple[Any, slice]:
    """Return `queryset` without its limits, and these: they are per source."""
    query = queryset.query
    limits = slice(query.low_mark, query.high_mark)
    if query.is_sliced:
        queryset = queryset._chain()
        queryset.query.clear_limits()
    return queryset, limits


def fill_by_rows(
    lists: dict[Any, PrefetchedTargets], links: GM2MQuerySet, model: type[Model]
) -> None:
    """
    Fetch the targets of `model` into `lists`, together with their rows and as often as
    the queryset for `model` has them. One query.
    """
    field, target = links._gm2m, links._gm2m.linked_as(model)
    source, through = field.links.source, links.model
    rows = field.relations[target].key.remote_field.name
    queryset = tied_to_first(links._target_queryset(target), rows)
    # As Django does: what it says first of the relation is about the same rows.
    is_linked = Q(**{f"{rows}__{source.name}__in": list(lists)})
    queryset.query.add_q(is_linked, reuse_all=True)
    queryset = queryset.annotate(**{SOURCE_KEY: F(f"{rows}__{source.attname}")})
    if not queryset.ordered:
        queryset = in_order_of_links(queryset, rows, through, links_once=True)
    key = Key(model._meta.pk)
    types: dict[Any, Any] = {}
    # To the database, the key of another source may be equal to that of one of these.
    for obj in [obj for obj in queryset if getattr(obj, SOURCE_KEY) in lists]:
        # Objects of subclasses, if the model's manager yields them.
        if (own := type(obj)) not in types:
            types[own] = field.type_of(field.linked_as(own), links.db)
        stored = key.text(obj.pk) if field.links.key.is_text else obj.pk
        found = lists[getattr(obj, SOURCE_KEY)]
        found.rows.append((types[own], stored))
        found.append(obj)


def fill(
    lists: dict[Any, PrefetchedTargets],
    queryset: GM2MQuerySet,
    source: str,
    *,
    ordered: bool,
) -> None:
    """
    Fetch the targets in `queryset` into `lists`, by the column `source`: in the order
    of the links, or else in that in which they are fetched.
    """
    # To the database, the key of another source may be equal to that of one of these.
    rows = [r for r in queryset._rows(False, BATCH_SIZE, source) if r[2] in lists]
    for row in rows:
        lists[row[2]].rows.append(row[:2])
    found = queryset._found(rows)
    if ordered:
        position = {
            (type_id, key): number
            for type_id, targets in found.items()
            for number, key in enumerate(targets)
        }
        rows = [row for row in rows if row[:2] in position]
        rows.sort(key=lambda row: position[row[:2]])
    for row, target in pairs(rows, found):
        lists[row[2]].append(target)
