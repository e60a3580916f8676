"""
The migration operation that alters a ``GM2MField``.

Django alters the through table of a many-to-many as far as it knows it: its name and
its two foreign keys. The key column is left to ``AlterGM2MField``. The autodetector
writes plain ``AlterField`` operations; before they are carried out, `inject()` puts
this operation in their place, as ``django.contrib.contenttypes`` adds its own to
renamed models.
"""

from __future__ import annotations

from typing import Any

from django.db import DataError
from django.db.migrations import AlterField
from django.db.migrations.operations.base import Operation
from django.db.models.functions import Length

from .fields import GM2MField


class AlterGM2MField(AlterField):
    """
    Alter a ``GM2MField`` and the key column of its automatic through model.

    The arguments are those of ``AlterField``. Raises ``ValueError`` if only one of the
    two states of the field is a ``GM2MField``. Raises ``DataError`` before anything is
    changed if `pk_maxlength` is to be lowered and a key in the table would not fit:
    one query.
    """

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        old, new = (
            state.apps.get_model(app_label, self.model_name)._meta.get_field(self.name)
            for state in (from_state, to_state)
        )
        if isinstance(old, GM2MField) is not isinstance(new, GM2MField):
            # Django would see two many-to-manys, and rename columns.
            raise ValueError(
                f"Cannot alter field {old} into {new} - they are not compatible types "
                "(you cannot alter to or from M2M fields, or add or remove through= on "
                "M2M fields)"
            )
        alters_key = (
            self.allow_migrate_model(schema_editor.connection.alias, new.model)
            and is_automatic(old)
            and is_automatic(new)
            and old.pk_maxlength != new.pk_maxlength
        )
        if alters_key and not schema_editor.collect_sql:
            check_keys(old, new.pk_maxlength, schema_editor.connection.alias)
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        if alters_key:
            schema_editor.alter_field(
                new.remote_field.through, old.links.key_field, new.links.key_field
            )

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        self.database_forwards(app_label, schema_editor, from_state, to_state)


def is_automatic(field: Any) -> bool:
    """Return whether `field` is a ``GM2MField`` with an automatic through model."""
    if not isinstance(field, GM2MField):
        return False
    through: Any = field.remote_field.through
    return bool(through._meta.auto_created)


def check_keys(field: GM2MField, limit: int | None, using: str) -> None:
    """Raise ``DataError`` if a key in the table of `field` is longer than `limit`."""
    if limit is None:
        return
    name = field.links.key_field.name
    rows = field.remote_field.through._base_manager.using(using)
    keys = rows.annotate(gm2m_length=Length(name)).filter(gm2m_length__gt=limit)
    longest = keys.order_by("-gm2m_length").values_list(name, flat=True).first()
    if longest is not None:
        raise DataError(
            f"{field}: pk_maxlength cannot be lowered to {limit}, as the table has "
            f"longer keys, such as {longest!r}. Remove their links first, or keep "
            f"pk_maxlength at {len(longest)} or more."
        )


def inject(plan: Any = None, **kwargs: Any) -> None:
    """Put ``AlterGM2MField`` in the place of ``AlterField`` where a plan has one."""
    for migration, _backwards in plan or ():
        replace(migration.operations)


def replace(operations: list[Operation]) -> None:
    """Do so in a list of operations, and in those inside."""
    for index, operation in enumerate(operations):
        if type(operation) is AlterField and operation.field.many_to_many:
            # Of other many-to-manys, too: it refuses to make the one of the other.
            operations[index] = AlterGM2MField(
                operation.model_name,
                operation.name,
                operation.field,
                operation.preserve_default,
            )
        elif hasattr(operation, "database_operations"):
            replace(operation.database_operations)
