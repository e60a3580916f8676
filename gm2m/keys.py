"""
The key of a target: what model and content type it belongs to, and what becomes of it
in the key column of a through table.

The column usually holds text, into which keys of all ``kinds`` are converted. It may
also be of the targets' own kind (integer, UUID or date); then nothing is.

This module knows Django's fields and content types, nothing of relations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.contenttypes.models import ContentType
from django.db.migrations.state import StateApps
from django.db.models import CompositePrimaryKey, Field, Model
from django.db.models.expressions import Col

from .kinds import TEXT, kind_of

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.base import BaseDatabaseWrapper


class Key:
    """
    The field that holds a key: the primary key of a target or the key column of a
    through model. A relation that serves as primary key, such as the link of a
    multi-table child to its parent, counts as what it points to.

    `kind` is ``None`` for a key that cannot be linked.
    """

    def __init__(self, field: Field[Any, Any]) -> None:
        self.column_field = field
        while field.remote_field:
            field = field.target_field  # type: ignore[attr-defined]
        self.field = field
        self.kind: Any = kind_of(field)
        # Fields of other origin may keep another value than they show.
        is_plain = type(field).__module__.startswith("django.db.models.")
        self.plain_type = self.kind.type if self.kind and is_plain else None

    @property
    def is_text(self) -> bool:
        """Whether it is text, which as the key of a through model holds any kind."""
        return self.kind is TEXT

    def fits(self, column: Key) -> bool:
        """Return whether the key `column` of a through model can hold this key."""
        return self.kind is not None and column.kind in (TEXT, self.kind)

    def text(self, value: Any) -> str:
        """
        Return the text form of `value`, a key as objects have it: that of what the
        database holds, which a field may show otherwise.
        """
        if type(value) is self.plain_type:
            return str(value)
        return str(self.field.get_prep_value(value))

    def kept_in(self, column: Key, value: Any) -> Any:
        """
        Return what `column`, the key of a through model, keeps for `value`, a key as
        objects have it.
        """
        if column.is_text:
            return self.text(value)
        return self.field.get_prep_value(value)

    def native(self, text: str, connection: BaseDatabaseWrapper) -> Any:
        """
        Return the key whose text form is `text`; ``ValueError`` if no key has it.
        """
        for value, _text in self.natives([text], connection):
            return value
        raise ValueError(f"{text!r} is no key that can be linked")

    def natives(
        self, texts: Iterable[str], connection: BaseDatabaseWrapper
    ) -> Iterator[tuple[Any, str]]:
        """
        Yield the keys, as objects have them, that `texts` stand for, each with its
        text; others not.
        """
        if self.kind is None:
            return
        native, converters = self.kind.native, self.field.get_db_converters(connection)
        column: Any = Col(None, self.field)  # type: ignore[arg-type]
        for text in texts:
            try:
                value = native(text)
            except (TypeError, ValueError):
                continue  # No key of the model, or none at all.
            if str(value) != text:
                continue
            for convert in converters:
                value = convert(value, column, connection)
            yield value, text

    def natives_in(
        self, column: Key, values: Iterable[Any], connection: BaseDatabaseWrapper
    ) -> list[Any]:
        """
        Return the keys, as objects have them, that `values` of `column`, the key of a
        through model, stand for.
        """
        if self.plain_type and not column.is_text:
            return list(values)
        return [native for native, _text in self.natives(map(str, values), connection)]


def pk_as(obj: Model, model: type[Model]) -> Any:
    """
    Return the primary key of `obj` as an object of `model`: its own, a parent or, in a
    lookup, a child of it.
    """
    if obj._meta.concrete_model is model._meta.concrete_model:
        return obj.pk
    field: Any = model._meta.pk
    while not isinstance(obj, field.model) and field.remote_field:
        field = field.target_field
    # A parent does not have the key of a child that has one of its own.
    return getattr(obj, field.attname, obj.pk)


class Target(NamedTuple):
    """
    A target as a through table knows it: its `model` (that of its content type), its
    primary key, and the `key` that is kept, usually the text form of the former.
    """

    model: type[Model]
    pk: Any
    key: Any


class TargetError(TypeError):
    """Why objects of a model cannot be linked."""


def check_target_model(model: Any, column: Key, owner: object) -> None:
    """
    Raise ``TargetError`` unless objects of `model` can be linked by the field `owner`,
    whose through model keeps keys in `column`.
    """
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise TargetError(f"{owner} links objects of models; {model!r} is no model.")
    opts = model._meta
    if opts.abstract:
        raise TargetError(f"{owner} cannot link {opts.label}: it is abstract.")
    if opts.swapped:
        raise TargetError(
            f"{owner} cannot link {opts.label}: it has been swapped out for "
            f"{opts.swapped}. Use the model that get_user_model() or "
            f"apps.get_model(settings.{opts.swappable}) returns."
        )
    key = Key(opts.pk)
    if not key.fits(column):
        raise TargetError(
            f"{owner} cannot link {opts.label}: its primary key is a "
            f"{type(key.field).__name__}, which {column.column_field} cannot hold. "
            f"{remedy_for(key)}"
        )


def remedy_for(key: Key) -> str:
    """Return what to do about a target whose `key` does not fit."""
    if isinstance(key.field, CompositePrimaryKey):
        return (
            "Link models whose key is one column: give this one such a key, and a "
            "UniqueConstraint over the columns of its composite one."
        )
    return (
        "Keys may be integers, UUIDs, text or dates in a text column, integers or "
        "UUIDs in a column of their own type."
    )


def target_class(
    obj: Any, column: Key, for_concrete_model: bool, owner: object
) -> tuple[type[Model], Key]:
    """
    Return the model under which the field `owner` links `obj`, and that model's key.

    Raise ``TypeError`` for what is no model instance or has a key that `column`
    cannot hold.
    """
    if not isinstance(obj, Model):
        what = "a class" if isinstance(obj, type) else f"of type {type(obj).__name__}"
        raise TypeError(
            f"{owner} links saved model instances, but {obj!r} is {what}. Pass the "
            "object itself, not its key or its model."
        )
    model: Any = obj._meta.concrete_model if for_concrete_model else obj.__class__
    check_target_model(model, column, owner)
    return model, Key(model._meta.pk)


def check_collation(
    model: type[Model], column: Key, connection: BaseDatabaseWrapper, owner: object
) -> None:
    """
    Raise ``TypeError`` if the database would compare text keys of `model` otherwise in
    `column` than in their own table: two objects might be taken for one.
    """
    if connection.vendor != "mysql":
        return
    key = Key(model._meta.pk)
    declared = getattr(key.field, "db_collation", None)
    if key.is_text and declared != getattr(column.field, "db_collation", None):
        raise TypeError(
            f"{owner} cannot link {model._meta.label}: its keys are compared by the "
            f"collation {declared!r}, {column.column_field} by another. Use a through "
            "model whose key field has the same db_collation."
        )


def check_length(text: str, obj: Model, column: Key, owner: object) -> None:
    """Raise ``ValueError`` if `text`, the key of `obj`, is too long for `column`."""
    limit = column.field.max_length
    if limit is not None and len(text) > limit:
        automatic = column.column_field.model._meta.auto_created
        raise ValueError(
            f"{owner} cannot link {obj!r}: its key {text!r} is longer than the {limit} "
            f"characters of {column.column_field}. Raise "
            f"{'pk_maxlength' if automatic else 'its max_length'} to at least "
            f"{len(text)}, and migrate."
        )


def content_type(model: type[Model], using: str, for_concrete_model: bool) -> Any:
    """Return the content type of `model` in the database `using`."""
    manager = ContentType.objects.db_manager(using)
    if not isinstance(model._meta.apps, StateApps):
        return manager.get_for_model(model, for_concrete_model=for_concrete_model)
    # Past the cache: a migration may have renamed the model a moment ago.
    opts: Any = model._meta.concrete_model if for_concrete_model else model
    opts = opts._meta
    found, _created = manager.get_or_create(
        app_label=opts.app_label, model=opts.model_name
    )
    return found


def model_of_content_type(pk: Any, using: str, apps: Apps) -> type[Model] | None:
    """
    Return the model of the content type with the key `pk`, as `apps` knows it;
    ``None`` if it is stale or its app is no longer installed.
    """
    manager = ContentType.objects.db_manager(using)
    try:
        if isinstance(apps, StateApps):
            found = manager.get(pk=pk)
        else:
            found = manager.get_for_id(pk)
        return apps.get_model(found.app_label, found.model)
    except (ContentType.DoesNotExist, LookupError):
        return None
