"""
The model of the table between a source and its targets.

`create_through_model()` makes the automatic one. `ThroughFields` is what the rest
of the package knows of any through model, automatic or custom.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.contenttypes.fields import GenericForeignKey
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models
from django.db.models import CompositePrimaryKey, Field, ForeignKey, Model
from django.db.models.fields.related import lazy_related_operation
from django.utils.translation import gettext_lazy as _

from .keys import Key

if TYPE_CHECKING:
    from .fields import GM2MField

SOURCE, TARGET, CONTENT_TYPE, KEY = "gm2m_src", "gm2m_tgt", "gm2m_ct", "gm2m_pk"
#: The order in which ``through_fields`` names the fields of a through model.
AUTOMATIC_FIELDS = (SOURCE, TARGET, CONTENT_TYPE, KEY)


class AutomaticRow(NamedTuple):
    """The columns of an automatic through model after the first, its own key."""

    gm2m_src_id: Any
    gm2m_ct_id: Any
    gm2m_pk: Any


def create_through_model(field: GM2MField, source: type[Model]) -> type[Model]:
    """
    Return the automatic through model of `field` on the model `source`.

    It has one covering index for each direction; the content type's own small one
    tells which models have rows. Follows
    ``django.db.models.fields.related.create_many_to_many_intermediary_model()``.
    """
    opts: Any = source._meta
    name = f"{opts.object_name}_{field.name}"
    key: Field[Any, Any]
    if field.pk_maxlength is None:
        key = models.TextField()
    else:
        key = models.CharField(max_length=field.pk_maxlength)

    def set_managed(source: type[Model], through: type[Model]) -> None:
        through._meta.managed = source._meta.managed

    meta = type(
        "Meta",
        (),
        {
            "db_table": field._get_m2m_db_table(opts),
            "auto_created": source,
            "app_label": opts.app_label,
            "db_tablespace": opts.db_tablespace,
            "unique_together": (SOURCE, CONTENT_TYPE, KEY),
            "indexes": [models.Index(fields=[KEY, CONTENT_TYPE, SOURCE])],
            "verbose_name": _("%(source)s-%(field)s relationship")
            % {"source": opts.model_name, "field": field.name},
            "verbose_name_plural": _("%(source)s-%(field)s relationships")
            % {"source": opts.model_name, "field": field.name},
            "apps": opts.apps,
        },
    )
    through = type(
        name,
        (models.Model,),
        {
            "Meta": meta,
            "__module__": source.__module__,
            "__qualname__": f"{source.__qualname__}.{field.name}.through",
            SOURCE: ForeignKey(
                source,
                verbose_name=opts.verbose_name,
                # Hidden, and not the same for both: RenameModel would try to alter
                # a reverse side that shows.
                related_name=f"{name}_{SOURCE}+",
                db_tablespace=field.db_tablespace,
                db_constraint=field.remote_field.db_constraint,
                on_delete=field.on_delete_src,
                db_index=False,
            ),
            CONTENT_TYPE: ForeignKey(
                "contenttypes.ContentType",
                related_name=f"{name}_{CONTENT_TYPE}+",
                db_tablespace=field.db_tablespace,
                db_constraint=field.remote_field.db_constraint,
                on_delete=models.CASCADE,
            ),
            KEY: key,
            TARGET: GenericForeignKey(
                CONTENT_TYPE, KEY, for_concrete_model=field.for_concrete_model
            ),
        },
    )
    lazy_related_operation(set_managed, source, through)
    return through


@dataclass(frozen=True)
class ThroughFields:
    """
    The fields of a through model that make a link.

    `generic_name` is the name of the ``GenericForeignKey``; the attribute itself is
    missing from historical custom through models.
    """

    source: ForeignKey[Any, Any]
    generic_name: str
    content_type: ForeignKey[Any, Any]
    key_field: Field[Any, Any]

    @cached_property
    def key(self) -> Key:
        return Key(self.key_field)

    @property
    def fields(self) -> list[Any]:
        """Those with a column, in the order source, content type and key."""
        return [self.source, self.content_type, self.key_field]

    @property
    def is_automatic(self) -> bool:
        """Whether Django made the through model for the field."""
        return bool(self.source.model._meta.auto_created)

    @property
    def names(self) -> tuple[str, str, str, str]:
        """The four names, in the order of the ``through_fields`` option."""
        return (
            self.source.name,
            self.generic_name,
            self.content_type.name,
            self.key_field.name,
        )

    @classmethod
    def resolve(cls, field: GM2MField) -> ThroughFields:
        """
        Find the fields in the through model of `field`, helped by the two to four
        names of its ``through_fields`` option.

        Raise ``ThroughError`` where they are missing or ambiguous, ``SourceError`` if
        the source cannot have links.
        """
        through: Any = field.remote_field.through
        label = getattr(getattr(through, "_meta", None), "label", through)
        if not hasattr(through, "_meta") or (
            through._meta.apps is not field.model._meta.apps
        ):
            raise ThroughError(
                "E101",
                f"{field} has the through model '{label}', which is not installed.",
                "Add its app to INSTALLED_APPS, or mend the name.",
            )
        check_source(field)
        given: Any = field.remote_field.through_fields
        if through._meta.auto_created:
            given = AUTOMATIC_FIELDS
        if given is not None and (len(given) < 2 or not all(given)):
            raise ThroughError(
                "E106",
                f"{field} has a through_fields option that names less than two fields.",
                "Name the source key and the generic key: through_fields=['<source>', "
                "'<target>'].",
            )
        names: list[Any] = [*(given or ()), None, None, None, None]
        source = find_source(field, through, names[0])
        generic_name, content_type_name, key_name = names[1:4]
        if not field.is_historical:
            generic = find_generic(field, through, generic_name)
            generic_name = generic.name
            for name, own in (
                (content_type_name, generic.ct_field),
                (key_name, generic.fk_field),
            ):
                if name not in (None, own) and find_field(field, through, name):
                    raise ThroughError(
                        "E110",
                        f"{field} names '{name}' in through_fields, where its generic "
                        f"foreign key '{generic_name}' uses '{own}'.",
                        "Leave out the last two names, or name the fields it uses.",
                    )
            content_type_name, key_name = generic.ct_field, generic.fk_field
        return cls(
            source,
            generic_name,
            find_field(field, through, content_type_name),
            find_field(field, through, key_name),
        )


class SourceError(ImproperlyConfigured):
    """Why no foreign key can point to a source."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}")
        self.message, self.hint = message, hint


class ThroughError(ImproperlyConfigured):
    """What is wrong with a through model, as the system check `id` says it."""

    def __init__(self, id: str, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}")
        self.id, self.message, self.hint = id, message, hint


def check_source(field: GM2MField) -> None:
    """Raise ``SourceError`` if no foreign key can point to the source of `field`."""
    source: Any = field.model._meta
    if isinstance(source.pk, CompositePrimaryKey):
        raise SourceError(
            f"{field} defines a relation involving model '{source.object_name}' which "
            "has a CompositePrimaryKey and such relations are not supported.",
            f"Give '{source.label}' a primary key of one column, and a "
            "UniqueConstraint over the columns of this one.",
        )


def is_resolved(field: Any) -> bool:
    """
    Return whether Django has resolved the names of the models to which `field` leads,
    as a foreign key, by way of others if need be. Until then it is of no known type.
    """
    while field.remote_field:
        if isinstance(field.remote_field.model, str):
            return False
        field = field.target_field
    return True


def source_keys_are_resolved(field: GM2MField) -> bool:
    """
    Return whether the through model of `field` is there, and it is known to which
    models the foreign keys lead of which one may be the source key.
    """
    through: Any = field.remote_field.through
    if not hasattr(through, "_meta"):
        return False
    names = field.remote_field.through_fields
    return through._meta.auto_created or all(
        is_resolved(key)
        for key in through._meta.fields
        if isinstance(key, ForeignKey) and (not names or key.name == names[0])
    )


def find_field(field: GM2MField, through: type[Model], name: str) -> Any:
    """Return the field `name` of the model `through`."""
    try:
        return through._meta.get_field(name)
    except FieldDoesNotExist:
        raise ThroughError(
            "E107",
            f"{field} needs the field '{name}', which its through model "
            f"'{through._meta.label}' does not have.",
            "Mend through_fields, or the generic foreign key.",
        ) from None


def find_source(
    field: GM2MField, through: type[Model], name: str | None
) -> ForeignKey[Any, Any]:
    """Return the foreign key `name`, or the only one, from `through` to the source."""
    label, source = through._meta.label, field.model._meta
    keys = [
        key
        for key in through._meta.fields
        if isinstance(key, ForeignKey)
        and getattr(key.remote_field.model, "_meta", None)
        and key.remote_field.model._meta.concrete_model is source.concrete_model
    ]
    if name is not None:
        found: ForeignKey[Any, Any] = find_field(field, through, name)
        if found not in keys:
            raise ThroughError(
                "E108",
                f"{field} names '{name}' in through_fields, which is no foreign key "
                f"from '{label}' to '{source.label}'.",
                "Name the source key first in through_fields.",
            )
        return found
    if not keys:
        raise ThroughError(
            "E102",
            f"{field} has the through model '{label}', which has no foreign key to "
            f"'{source.label}'.",
            "Add one.",
        )
    if len(keys) > 1:
        raise ThroughError(
            "E103",
            f"{field} has the through model '{label}', which has more than one foreign "
            f"key to '{source.label}'.",
            "Name the one to use first in through_fields.",
        )
    return keys[0]


def find_generic(
    field: GM2MField, through: type[Model], name: str | None
) -> GenericForeignKey:
    """Return the generic foreign key `name` of `through`, or the only one."""
    opts: Any = through._meta
    label = opts.label
    fields = {found.name: found for found in (*opts.fields, *opts.private_fields)}
    keys = {
        key_name: key
        for key_name, key in fields.items()
        if isinstance(key, GenericForeignKey)
    }
    if name is not None:
        if name not in fields:
            raise ThroughError(
                "E109",
                f"{field} names '{name}' in through_fields, which its through model "
                f"'{label}' does not have.",
                "Name a generic foreign key second in through_fields.",
            )
        if name not in keys:
            raise ThroughError(
                "E110",
                f"{field} names '{name}' in through_fields, which is no generic "
                f"foreign key of '{label}'.",
                "Name a generic foreign key second in through_fields.",
            )
        return keys[name]
    if not keys:
        raise ThroughError(
            "E104",
            f"{field} has the through model '{label}', which has no generic foreign "
            "key.",
            "Add one.",
        )
    if len(keys) > 1:
        raise ThroughError(
            "E105",
            f"{field} has the through model '{label}', which has more than one generic "
            "foreign key.",
            "Name the one to use second in through_fields.",
        )
    (found,) = keys.values()
    return found
