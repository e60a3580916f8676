"""
System checks of a ``GM2MField``, by their ids.

What is wrong with a through model is said by ``through.ThroughFields.resolve()``,
here and wherever the field is used.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core import checks
from django.db import connections, router
from django.db.models import DO_NOTHING, Model
from django.db.models.constants import LOOKUP_SEP

from .deletion import deletes_in_database
from .descriptors import ReverseDescriptor
from .keys import Key, check_collation, remedy_for
from .reverse_related import GM2MRel, ReverseRel
from .through import SourceError, ThroughError

if TYPE_CHECKING:
    from .fields import GM2MField


def check_field(
    field: GM2MField, databases: Iterable[str] | None
) -> Iterator[checks.CheckMessage]:
    """Yield what is wrong with `field`; the databases only if they are given."""
    yield from check_options(field)
    yield from check_query_name(field)
    yield from check_sisters(field)
    try:
        field.links  # noqa: B018
    except ThroughError as error:
        yield checks.Error(
            error.message, hint=error.hint, obj=field, id=f"gm2m.{error.id}"
        )
        return
    except SourceError as error:
        # As Django says it of its own relations.
        yield checks.Error(error.message, hint=error.hint, obj=field, id="fields.E347")
        return
    for name in field.related_models:
        model = field.declared_model(name)
        if model is None:
            yield missing_model(field, name)
        else:
            yield from check_target(field, model)
    yield from check_source_policies(field, databases)
    yield from check_databases(field, list(databases or ()))


def check_options(field: GM2MField) -> Iterator[checks.CheckMessage]:
    """Check what needs nothing but the field, its source and the settings."""
    if field.unique:
        yield checks.Error("GM2MFields cannot be unique.", obj=field, id="gm2m.E001")
    if not apps.is_installed("django.contrib.contenttypes"):
        yield checks.Error(
            "GM2MFields need Django's content types.",
            hint="Add 'django.contrib.contenttypes' to INSTALLED_APPS.",
            obj=field,
            id="gm2m.E002",
        )
    if not apps.is_installed("gm2m"):
        yield checks.Warning(
            "The app of GM2MField is not installed: relations are not found again "
            "after a restart, and migrations cannot change the key column.",
            hint="Add 'gm2m' to INSTALLED_APPS.",
            obj=field,
            id="gm2m.W001",
        )


def check_query_name(field: GM2MField) -> Iterator[checks.CheckMessage]:
    """Check what Django checks of the query name of any relation."""
    name = field.related_query_name()
    if field.reverse_hidden:
        return
    hint = "Add or change a related_name or related_query_name argument for this field."
    if name.endswith("_"):
        yield checks.Error(
            f"Reverse query name '{name}' must not end with an underscore.",
            hint=hint,
            obj=field,
            id="fields.E308",
        )
    if LOOKUP_SEP in name:
        yield checks.Error(
            f"Reverse query name '{name}' must not contain '{LOOKUP_SEP}'.",
            hint=hint,
            obj=field,
            id="fields.E309",
        )


def check_sisters(field: GM2MField) -> Iterator[checks.CheckMessage]:
    """Check the names against other fields of the source: any target will have both."""
    if field.reverse_hidden:
        return
    for other in field.model._meta.many_to_many:
        if (
            other.name == field.name
            or not isinstance(other.remote_field, GM2MRel)
            or other.reverse_hidden
        ):
            continue
        if other.accessor_name == field.accessor_name:
            yield accessor_clash(field, "targets", str(other))
        if other.related_query_name() == field.related_query_name():
            yield query_name_clash(field, str(other))


def check_source_policies(
    field: Any, databases: Iterable[str] | None
) -> Iterator[checks.CheckMessage]:
    """
    Check that Django and the database do not both delete along one chain, as Django 6.1
    does: along that of the source, since targets may be of any model.
    """
    if not (hasattr(field, "_check_on_delete") and field.links.is_automatic):
        return
    if hasattr(field.on_delete_src, "on_delete_sql"):
        yield from field.links.source._check_on_delete(databases or [])
    elif field.on_delete_src is not DO_NOTHING:
        # One for each way that leads to the source, and those of targets.
        errors = {error.obj: error for error in field._check_on_delete()}
        yield from (
            error for key, error in errors.items() if issubclass(field.model, key.model)
        )


def check_target(field: GM2MField, model: type[Model]) -> Iterator[checks.CheckMessage]:
    """Check one declared target."""
    opts = model._meta
    if opts.swapped:
        yield checks.Error(
            f"{field} is declared for '{opts.label}', which has been swapped out.",
            hint=f"Declare it for 'settings.{opts.swappable}'.",
            obj=field,
            id="gm2m.E201",
        )
        return
    yield from check_key(field, model)
    yield from check_target_keys(field, model)
    if not field.reverse_hidden:
        yield from check_names(field, model)


def check_key(field: GM2MField, model: type[Model]) -> Iterator[checks.CheckMessage]:
    """Check whether the key column can hold the keys of a declared target."""
    key, column, label = Key(model._meta.pk), field.links.key, model._meta.label
    if not key.fits(column):
        yield checks.Error(
            f"{field} cannot link '{label}': its primary key is a "
            f"{type(key.field).__name__}, which {column.column_field} cannot hold.",
            hint=remedy_for(key),
            obj=field,
            id="gm2m.E206",
        )
        return
    limit = column.field.max_length
    if not column.is_text or limit is None:
        return
    automatic = column.column_field.model._meta.auto_created
    option = "pk_maxlength" if automatic else f"max_length of {column.column_field}"
    if key.kind.length > limit:
        yield checks.Error(
            f"{field} cannot link '{label}': its keys are {key.kind.plural}, of "
            f"{key.kind.length} characters, and the key column holds {limit}.",
            hint=f"Set {option} to {key.kind.length} or more.",
            obj=field,
            id="gm2m.E206",
        )
    elif key.is_text and (key.field.max_length is None or key.field.max_length > limit):
        widest = key.field.max_length or "any number of"
        yield checks.Warning(
            f"{field} links '{label}', whose keys may have {widest} characters, while "
            f"the key column holds {limit}.",
            hint=f"Raise {option}; longer keys are refused.",
            obj=field,
            id="gm2m.W301",
        )


def check_target_keys(
    field: GM2MField, model: type[Model]
) -> Iterator[checks.CheckMessage]:
    """Check whether the database deletes objects of a declared target by itself."""
    keys = {
        key: related.label
        for related in related_options(model)
        for key in related.concrete_fields
        if key.remote_field and deletes_in_database(key.remote_field.on_delete)
    }
    for key, label in keys.items():
        yield checks.Warning(
            f"{field} links '{label}', whose objects the database itself deletes, by "
            f"the on_delete=DB_CASCADE of {key}: their links stay, whatever on_delete "
            "of the field says.",
            hint=f"Use CASCADE in {key}, or remove links whose target is gone with "
            f"'manage.py gm2m_doctor {field} --fix'.",
            obj=field,
            id="gm2m.W305",
        )


def related_options(model: type[Model]) -> list[Any]:
    """Return the options of `model` and its children, which are related as well."""
    concrete: Any = model._meta.concrete_model
    models = model._meta.apps.get_models()
    return [related._meta for related in models if issubclass(related, concrete)]


def check_names(field: GM2MField, model: type[Model]) -> Iterator[checks.CheckMessage]:
    """Check the names that a declared target gets against what it has."""
    accessor, query_name = field.accessor_name, field.related_query_name()
    opts: Any = model._meta
    fields = (*opts.fields, *opts.many_to_many, *opts.private_fields)
    names = {clash.name: str(clash) for clash in fields}
    if accessor in names:
        yield accessor_field_clash(field, opts.label, names[accessor])
    elif accessor in {manager.name for manager in opts.managers}:
        yield checks.Error(
            f"Related name '{accessor}' for '{field}' clashes with the name of a model "
            "manager.",
            hint="Rename the model manager or change the related_name argument in the "
            f"definition for field '{field}'.",
            obj=field,
            id="fields.E348",
        )
    elif has_own_attribute(model, accessor):
        yield checks.Error(
            f"Reverse accessor '{opts.label}.{accessor}' for '{field}' clashes with "
            "the attribute of that name, which stays: there is no accessor.",
            hint="Rename the attribute, or add/change a related_name argument to the "
            f"definition for field '{field}'.",
            obj=field,
            id="gm2m.E202",
        )
    if query_name in names:
        yield checks.Error(
            f"Reverse query name '{query_name}' for '{field}' clashes with field name "
            f"'{names[query_name]}'.",
            hint=f"Rename field '{names[query_name]}', or add/change a related_name or "
            f"related_query_name argument to the definition for field '{field}'.",
            obj=field,
            id="gm2m.E203",
        )
    for rel in opts.related_objects:
        is_sister = (
            isinstance(rel.field.remote_field, GM2MRel)
            and rel.field.model is field.model
        )
        if rel.hidden or is_sister:
            continue
        if rel.get_accessor_name() == accessor:
            yield accessor_clash(field, opts.label, str(rel.field))
        if rel.name == query_name:
            yield query_name_clash(field, str(rel.field))


def has_own_attribute(model: type[Model], name: str) -> bool:
    """Return whether `model` has something called `name` that is no accessor."""
    rels: Any = model._meta.related_objects
    nothing = object()
    present = inspect.getattr_static(model, name, nothing)
    accessors = {
        rel.get_accessor_name() for rel in rels if not isinstance(rel, ReverseRel)
    }
    return not isinstance(present, ReverseDescriptor) and (
        present is not nothing and name not in accessors
    )


def check_databases(
    field: GM2MField, databases: Iterable[str]
) -> Iterator[checks.CheckMessage]:
    """Check what depends on the kinds of the databases. They are not asked."""
    for alias in databases:
        if router.allow_migrate_model(alias, field.remote_field.through):
            yield from check_backend(field, connections[alias])


def check_backend(field: GM2MField, connection: Any) -> Iterator[checks.CheckMessage]:
    """Check whether keys can be kept in this kind of database."""
    for name in field.related_models:
        model = field.declared_model(name)
        if model is None:
            continue
        try:
            check_collation(model, field.links.key, connection, field)
        except TypeError as error:
            yield checks.Error(str(error), obj=field, id="gm2m.E206")
    if (
        field.pk_maxlength is None
        and field.links.is_automatic
        and connection.vendor == "mysql"
    ):
        yield checks.Error(
            f"{field} has pk_maxlength=None, and the database '{connection.alias}' "
            "cannot index a text column without a length.",
            hint="Set pk_maxlength to the length of the longest key.",
            obj=field,
            id="gm2m.E207",
        )


def missing_model(field: GM2MField, name: Any) -> checks.Error:
    label = name if isinstance(name, str) else name._meta.object_name
    return checks.Error(
        f"Field defines a relation with model '{label}', which is either not "
        "installed, or is abstract.",
        obj=field,
        id="fields.E300",
    )


def accessor_field_clash(field: GM2MField, label: str, clash: str) -> checks.Error:
    return checks.Error(
        f"Reverse accessor '{label}.{field.accessor_name}' for '{field}' clashes with "
        f"field name '{clash}'.",
        hint=f"Rename field '{clash}', or add/change a related_name argument to the "
        f"definition for field '{field}'.",
        obj=field,
        id="gm2m.E202",
    )


def accessor_clash(field: GM2MField, label: str, clash: str) -> checks.Error:
    return checks.Error(
        f"Reverse accessor '{field.accessor_name}' of {label} for '{field}' clashes "
        f"with reverse accessor for '{clash}'.",
        hint="Add or change a related_name argument to the definition for "
        f"'{field}' or '{clash}'.",
        obj=field,
        id="gm2m.E204",
    )


def query_name_clash(field: GM2MField, clash: str) -> checks.Error:
    return checks.Error(
        f"Reverse query name '{field.related_query_name()}' for '{field}' clashes with "
        f"reverse query name for '{clash}'.",
        hint="Add or change a related_name or related_query_name argument to the "
        f"definition for '{field}' or '{clash}'.",
        obj=field,
        id="gm2m.E205",
    )
