"""
Publishing relations: how a target model comes to know a ``GM2MField``.

A relation may be published while models are loaded, or at any time later, when an
object of a new model is first linked. Django keeps what it derives from relations
in caches of each model's ``_meta``, which other threads may be reading. So nothing
they read is changed or deleted: new lists take the place of the old ones, in an
order in which every moment in between is a consistent view.
"""

from __future__ import annotations

import copy
import inspect
import operator
import threading
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from .descriptors import ReverseDescriptor
from .link_rel import LINK_LOOKUPS
from .relations import Relation, TargetDescriptor, TargetKey

if TYPE_CHECKING:
    from django.apps.registry import Apps

    from .deletion import OnDelete
    from .fields import GM2MField

lock = threading.RLock()


def relate(
    field: GM2MField,
    model: type[Model],
    *,
    declared: bool,
    on_delete: OnDelete | None = None,
) -> None:
    """
    Publish the relation of `field` to `model` and to its multi-table children,
    unless it is there already. A given `on_delete` replaces the policy.
    """
    present = field.relations.get(model)
    if (
        present is not None
        and on_delete is None
        and present.declared >= declared
        and is_published(present)
    ):
        return
    with lock:
        relate_family(field, model, declared=declared, on_delete=on_delete)


def relate_family(
    field: GM2MField,
    model: type[Model],
    *,
    declared: bool,
    on_delete: OnDelete | None,
) -> None:
    """Publish the relation of `field` to `model` and those that go with it."""
    present = field.relations.get(model)
    complete = True
    if present is None or on_delete is not None:
        declared = declared or bool(present and present.declared)
        complete = publish(field, model, declared=declared, on_delete=on_delete)
    else:
        present.declared = present.declared or declared
        refresh(field, present)
    policy = field.relations[model].on_delete
    concrete: Any = model._meta.concrete_model
    if concrete not in field.relations:
        # A proxy as a target of its own: the names on both are the model's.
        publish(field, concrete, declared=False, on_delete=policy)
    for child in children(model):
        below = field.relations.get(child)
        if below is None or (on_delete is not None and not below.declared):
            publish(field, child, declared=False, on_delete=policy, warn=complete)


def publish(
    field: GM2MField,
    model: type[Model],
    *,
    declared: bool,
    on_delete: OnDelete | None,
    newcomer: type[Model] | None = None,
    warn: bool = True,
) -> bool:
    """
    Make the relation of `field` to `model` and show it to Django. Return whether it
    has all its names, and else say so if asked to `warn`.
    """
    accessor = make_accessor(field, model)
    previous = field.relations.get(model)
    visible = not previous.rel.hidden if previous else is_free(field, model)
    complete = field.reverse_hidden or (accessor and visible)
    if model._meta.proxy:
        visible, complete = False, True
    if warn and not complete:
        warn_of_clash(field, model, accessor=accessor, query_name=visible)
    relation = Relation(
        field,
        model,
        lookup_name_of(field, model, newcomer),
        on_delete or field.on_delete_tgt,
        visible=visible and not field.reverse_hidden,
        declared=declared,
    )
    through = field.remote_field.through
    if previous and previous.key.name != relation.key.name:
        delattr(through, previous.key.name)
    setattr(through, relation.key.name, TargetDescriptor(relation.key))
    field.relations = {**field.relations, model: relation}
    refresh(field, relation, instead_of=previous)
    return complete


def refresh(
    field: GM2MField, relation: Relation, instead_of: Relation | None = None
) -> None:
    """Replace what Django has derived from relations, so that it sees `relation`."""
    old = () if instead_of is None else instead_of.fields
    show_on_facade(field, relation, old)
    show(field.through, relation.model, relation.fields, instead_of=old)


def show(
    through: Any,
    target: type[Model],
    fields: Iterable[Any],
    instead_of: Iterable[Any] = (),
) -> None:
    """
    Show Django private `fields` of `through` that lead to `target`, and those no more
    whose place they take.
    """
    opts = through._meta
    opts.private_fields = replaced(opts.private_fields, instead_of, fields)
    renew(opts, ("_forward_fields_map",))
    models: Any = family(target)
    for model in models:
        tree = model._meta.__dict__.get("_relation_tree")
        if tree is not None and (
            model._meta.concrete_model is target._meta.concrete_model
        ):
            tree = replaced(tree, instead_of, fields)
            model._meta.__dict__["_relation_tree"] = tree
    # Parents first: what children have is derived from theirs.
    for model in sorted(models, key=lambda model: len(model.__mro__)):
        renew(model._meta, ("fields_map", "related_objects"))


def show_on_facade(
    field: GM2MField, relation: Relation, old: Iterable[TargetKey] = ()
) -> None:
    """
    Let the related model of `field`, if it is there, have the first step to the target:
    filters and type checkers follow a lookup from one model to the next.
    """
    facade: Any = field.remote_field.model
    if not isinstance(facade, str):
        opts = facade._meta
        opts.private_fields = replaced(opts.private_fields, old, [relation.key])
        renew(opts, ("_forward_fields_map",))


#: What Django derives from relations and keeps, beside ``get_fields()``.
DERIVED = ("_forward_fields_map", "fields_map", "related_objects")


def warm(apps: Apps) -> None:
    """
    Let Django work out what it derives from the relations of all models.

    It stores what it has worked out where it then finds the place: a thread that began
    before a relation was published, and is slow, would put back what it knew. Where all
    has been worked out, no thread begins.
    """
    for model in apps.get_models(include_auto_created=True):
        opts: Any = model._meta
        for name in DERIVED:
            getattr(opts, name)
        for include_hidden in (False, True):
            opts.get_fields(include_hidden=include_hidden)


def renew(opts: Any, names: Iterable[str]) -> None:
    """
    Replace the cached properties `names` of a model's options, and what they and
    ``get_fields()`` are made from. They are worked out aside, on a copy: were they
    dropped, another thread could put back what it had begun to work out before.
    """
    if not opts.apps.models_ready:
        opts._get_fields_cache = {}
        for name in names:
            opts.__dict__.pop(name, None)
        return
    # If it has not been worked out yet, Django does so for all models at once.
    opts._relation_tree  # noqa: B018
    aside = copy.copy(opts)
    aside._get_fields_cache = {}
    for name in names:
        aside.__dict__.pop(name, None)
        getattr(aside, name)
    for include_hidden in (False, True):
        aside.get_fields(include_hidden=include_hidden)
    opts._get_fields_cache = aside._get_fields_cache
    for name in names:
        opts.__dict__[name] = aside.__dict__[name]


def replaced(
    fields: Iterable[Any], old: Iterable[Any], new: Iterable[Any]
) -> list[Any]:
    """Return a list of `fields` without the `old` and with the `new` ones."""
    # By identity: two fields made of one another are equal to Django.
    gone = {id(field) for field in (*old, *new)}
    return [*(field for field in fields if id(field) not in gone), *new]


def is_published(relation: Relation) -> bool:
    """
    Return whether Django still sees `relation`, wherever it may look: the deletion of
    an object, of a proxy's too, goes by ``get_fields()``, a query by the map of names.

    While nothing of it has been replaced since it was looked at last, it is not looked
    through again.
    """
    if not relation.model._meta.apps.models_ready:
        return True  # Nothing has been derived yet.
    if relation.seen and all(
        all(map(operator.is_, sight(opts), derived)) for opts, derived in relation.seen
    ):
        return True
    concrete = relation.model._meta.concrete_model
    models = [model for model in family(relation.model) if is_of(model, concrete)]
    seen = [(model._meta, sight(model._meta)) for model in models]
    relation.seen = seen if all(shows(relation, *found) for found in seen) else []
    return bool(relation.seen)


def sight(opts: Any) -> tuple[Any, ...]:
    """Return what Django has derived for a model, as it keeps it."""
    every = opts.get_fields(include_hidden=True)
    return every, opts._relation_tree, opts.fields_map, opts.related_objects


def shows(relation: Relation, opts: Any, derived: tuple[Any, ...]) -> bool:
    """Return whether what was derived for a model has the whole `relation`."""
    every, tree, by_name, visible = derived
    rels = [
        rel
        for rel in (relation.rel, relation.key.remote_field)
        # What leads to one proxy is no field of it, but of its concrete model.
        if not (opts.proxy and rel.parent_link and rel.model._meta.proxy)
    ]
    return (
        has(every, rels)
        and has(tree, relation.fields)
        and all(by_name.get(rel.name) is rel for rel in rels)
        and has(visible, [rel for rel in rels if not rel.hidden])
    )


def has(fields: Iterable[Any], wanted: Iterable[Any]) -> bool:
    """Return whether all `wanted` are among `fields`."""
    # By identity, as in replaced().
    return {id(field) for field in wanted} <= {id(field) for field in fields}


def is_of(model: type[Model], concrete: Any) -> bool:
    """Return whether `model` is the `concrete` one or a proxy of it."""
    return model._meta.concrete_model is concrete


def models_of(apps: Apps) -> Iterable[type[Model]]:
    """Return every model of the registry, ready or not."""
    # Copies: another thread may be declaring a model.
    every = list(apps.all_models.values())
    return [model for models in every for model in list(models.values())]


def family(model: type[Model]) -> list[type[Model]]:
    """Return the models to which a relation to `model` shows: proxies and children."""
    concrete: Any = model._meta.concrete_model
    return [
        other
        for other in {model, *models_of(model._meta.apps)}
        if issubclass(other, concrete)
    ]


def children(model: type[Model]) -> list[type[Model]]:
    """Return the multi-table children of `model`."""
    concrete: Any = model._meta.concrete_model
    return [
        other
        for other in models_of(model._meta.apps)
        if issubclass(other, concrete)
        and other._meta.concrete_model is not concrete
        and not other._meta.proxy
    ]


def make_accessor(field: GM2MField, model: type[Model]) -> bool:
    """
    Give `model` its reverse accessor; return whether it has one now. What is there
    already is never overwritten.
    """
    if field.reverse_hidden or field.model._meta.swapped:
        return False
    present = inspect.getattr_static(model, field.accessor_name, field)
    if present is field:
        setattr(model, field.accessor_name, ReverseDescriptor(field))
        return True
    return isinstance(present, ReverseDescriptor) and present.field is field


def is_free(field: GM2MField, model: type[Model]) -> bool:
    """Return whether the query name of `field` is free on `model`."""
    if not model._meta.apps.models_ready:
        # The checks will tell.
        return True
    try:
        present = model._meta.get_field(field.related_query_name())
    except FieldDoesNotExist:
        return True
    return getattr(present, "field", None) is field and present.model is not model


def warn_of_clash(
    field: GM2MField, model: type[Model], *, accessor: bool, query_name: bool
) -> None:
    """Say what the relation of `field` to `model` has to do without."""
    if not model._meta.apps.models_ready:
        return
    missing = [
        *([] if accessor else [f"the accessor {field.accessor_name!r}"]),
        *([] if query_name else [f"the query name {field.related_query_name()!r}"]),
    ]
    warnings.warn(
        f"{field}: {model._meta.label} has something else of that name already, so "
        f"{' and '.join(missing)} cannot be made. Links are not affected. Set "
        "related_name, or related_query_name, on the field.",
        RuntimeWarning,
        stacklevel=2,
    )


def lookup_name_of(
    field: GM2MField, model: type[Model], newcomer: type[Model] | None
) -> str:
    """
    Return the name of `model` in lookups through `field`: its model name, if only
    one installed model has it and no lookup of the field, else with the app's label
    before it. The `newcomer` is about to be installed.
    """
    opts: Any = model._meta
    short, long = opts.model_name, f"{opts.app_label}_{opts.model_name}"
    others = [
        other for other in models_of(opts.apps) if other._meta.model_name == short
    ]
    if newcomer is not None and newcomer._meta.model_name == short:
        others.append(newcomer)
    ambiguous = any(
        other is not model and not other._meta.auto_created and not other._meta.swapped
        for other in others
    )
    through = field.remote_field.through
    for name in [long] if ambiguous or short in LINK_LOOKUPS else [short, long]:
        present = inspect.getattr_static(through, name, field)
        if present is field or (
            isinstance(present, TargetDescriptor)
            and present.target_key.gm2m is field
            and present.target_key.target is model
        ):
            return name
    return f"{long}_target"


def model_prepared(field: GM2MField, sender: type[Model]) -> None:
    """
    Take note of a new model: as a multi-table child of a related one, and as one
    that makes the name of a related one ambiguous.
    """
    opts = sender._meta
    if opts.abstract or opts.apps is not field.model._meta.apps:
        return
    with lock:
        for model, relation in list(field.relations.items()):
            if issubclass(sender, model) and not opts.proxy and sender is not model:
                if sender not in field.relations:
                    publish(field, sender, declared=False, on_delete=relation.on_delete)
            elif opts.model_name == model._meta.model_name and sender is not model:
                publish(
                    field,
                    model,
                    declared=relation.declared,
                    on_delete=relation.on_delete,
                    newcomer=sender,
                    warn=False,
                )
