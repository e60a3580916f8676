"""
The migration operations: one that alters a ``GM2MField``, one that upgrades the table
of an older library, and two that make a ``GM2MField`` of what was something else.

Django alters the through table of a many-to-many as far as it knows it: its name and
its two foreign keys. The key column is left to ``AlterGM2MField``. The autodetector
writes plain ``AlterField`` operations; before they are carried out, `inject()` puts
this operation in their place, as ``django.contrib.contenttypes`` adds its own to
renamed models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import DataError
from django.db.migrations import AlterField
from django.db.migrations.operations.base import Operation, OperationCategory
from django.db.models import TextField
from django.db.models.functions import Cast, Length

from .conversions import FromManyToMany, ToManyToMany
from .fields import GM2MField
from .generic_throughs import FromGenericThrough, ToGenericThrough
from .indexes import IndexUpgrade
from .key_columns import is_fit, key_column


class AlterGM2MField(AlterField):
    """
    Alter a ``GM2MField`` and the key column of its automatic through model. It looks at
    the column in the database, too: one that somebody has altered becomes what the
    field says, even if the field is what it was.

    The arguments are those of ``AlterField``. Raises ``ValueError`` if only one of the
    two states of the field is a ``GM2MField``. Raises ``DataError`` before anything is
    changed if a key in the table would not fit: one query.
    """

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        old, new = (
            field_of(state, app_label, self.model_name, self.name)
            for state in (from_state, to_state)
        )
        if isinstance(old, GM2MField) is not isinstance(new, GM2MField):
            # Django would see two many-to-manys, and rename columns.
            raise ValueError(
                f"Cannot alter field {old} into {new} - they are not compatible types "
                "(you cannot alter to or from M2M fields, or add or remove through= on "
                "M2M fields). To keep the links, write "
                "gm2m.operations.ConvertManyToMany in the place of AlterField."
            )
        column = self.column_to_alter(old, new, schema_editor)
        if column is not None and not schema_editor.collect_sql:
            check_keys(old, new.pk_maxlength, schema_editor.connection.alias)
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        if column is not None:
            schema_editor.alter_field(
                new.remote_field.through, column, new.links.key_field
            )

    def column_to_alter(self, old: Any, new: Any, schema_editor: Any) -> Any:
        """Return the key column as it is, ``None`` if it is as it should be."""
        connection = schema_editor.connection
        if not (
            self.allow_migrate_model(connection.alias, new.model)
            and is_automatic(old)
            and is_automatic(new)
        ):
            return None
        differs = old.pk_maxlength != new.pk_maxlength
        if not (differs and schema_editor.collect_sql):
            column = key_column(old, connection)
            if column is not None and not is_fit(column, new.pk_maxlength, connection):
                return column
        return old.links.key_field if differs else None

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        self.database_forwards(app_label, schema_editor, from_state, to_state)


class UpgradeGM2MIndexes(Operation):
    """
    Bring the table of a ``GM2MField`` that another library has made, django-gm2m 1.x
    for one, to the indexes that it has when it is made anew. What is there already is
    left alone, and the state of the models is not changed.

    On PostgreSQL, in a migration that says ``atomic = False``, the indexes are made
    concurrently. With `remove_duplicates`, all rows but the first of each link are
    removed where the unique constraint is missing.

    Undone, it gives the table the indexes of django-gm2m 1.x; the constraint stays.

    Raises ``IntegrityError`` before anything is changed if links are there twice, and
    ``ValueError`` for a field that has no automatic through model.
    """

    category = OperationCategory.ALTERATION
    # Concurrently means outside a transaction.
    atomic = False

    def __init__(
        self, model_name: str, name: str, remove_duplicates: bool = False
    ) -> None:
        self.model_name, self.name = model_name, name
        self.remove_duplicates = remove_duplicates

    def deconstruct(self) -> Any:
        kwargs: dict[str, Any] = {"model_name": self.model_name, "name": self.name}
        if self.remove_duplicates:
            kwargs["remove_duplicates"] = True
        return type(self).__name__, [], kwargs

    def state_forwards(self, app_label: str, state: Any) -> None:
        pass

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if upgrade := self.upgrade(app_label, schema_editor, to_state):
            upgrade.forwards(self.remove_duplicates)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if upgrade := self.upgrade(app_label, schema_editor, to_state):
            upgrade.backwards()

    def upgrade(
        self, app_label: str, schema_editor: Any, state: Any
    ) -> IndexUpgrade | None:
        """Return what upgrades the table, ``None`` if it is not to be there."""
        field = field_of(state, app_label, self.model_name, self.name)
        if not is_automatic(field):
            raise ValueError(
                f"{field} has no automatic through model. The indexes of a model of "
                "your own are those of its Meta."
            )
        if not self.allow_migrate_model(schema_editor.connection.alias, field.model):
            return None
        return IndexUpgrade(field, schema_editor)

    def describe(self) -> str:
        return f"Upgrade the indexes of field {self.name} on {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"upgrade_{self.model_name}_{self.name}_indexes".lower()


class ConvertManyToMany(AlterField):
    """
    Turn a ``ManyToManyField`` into the ``GM2MField`` `field`, or a ``GM2MField`` into
    the ``ManyToManyField`` `field`, and keep the links. Undone, it does the opposite.

    The arguments are those of ``AlterField``. Both through models have to be automatic,
    else it raises ``ValueError``. It raises ``IntegrityError`` or ``DataError``, before
    anything is changed, for rows that the new table could not hold: links to objects of
    other models than that of the ``ManyToManyField`` or to objects that are gone, keys
    longer than `pk_maxlength`. A few queries and one ``INSERT … SELECT``.
    """

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        old, new = (
            field_of(state, app_label, self.model_name, self.name)
            for state in (from_state, to_state)
        )
        kinds = {isinstance(field, GM2MField) for field in (old, new)}
        if kinds != {True, False} or not all(map(has_automatic_through, (old, new))):
            raise ValueError(
                f"{type(self).__name__} turns a ManyToManyField into a GM2MField, or "
                f"the other way round, both without through=; {old!r} and {new!r} are "
                "no such pair."
            )
        if not self.allow_migrate_model(schema_editor.connection.alias, new.model):
            return
        convert = FromManyToMany if isinstance(new, GM2MField) else ToManyToMany
        convert(old, new, schema_editor).run()

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        self.database_forwards(app_label, schema_editor, from_state, to_state)

    def reduce(self, operation: Operation, app_label: str) -> Any:
        # Not AlterField's: an alteration in its place would not move the rows.
        return super(AlterField, self).reduce(operation, app_label)

    def describe(self) -> str:
        kind = type(self.field).__name__
        return f"Turn field {self.name} on {self.model_name} into a {kind}"


class ConvertGenericThrough(Operation):
    """
    Turn the model `through` of the same app, which somebody has written to link objects
    of any model, into the ``GM2MField`` `field`, called `name`, and keep the links.

    `through_fields` names three fields of the model: the foreign key to the source, the
    one to content types, and the key. It has to have no others, as they would be lost;
    else, or if something refers to it, ``ValueError`` is raised. ``IntegrityError`` and
    ``DataError`` are raised, before anything is changed, for rows that the new table
    could not hold. With `remove_duplicates`, one row of each link is kept.

    Undone, it makes the model and its rows again. A few queries and one
    ``INSERT … SELECT``.
    """

    category = OperationCategory.ALTERATION

    def __init__(
        self,
        model_name: str,
        name: str,
        field: GM2MField,
        through: str,
        through_fields: Sequence[str],
        remove_duplicates: bool = False,
    ) -> None:
        if not has_automatic_name(field):
            raise ValueError(
                "ConvertGenericThrough takes a GM2MField without through=."
            )
        if len(through_fields) != 3:
            raise ValueError(
                "ConvertGenericThrough takes three through_fields: the foreign key to "
                "the source, the one to content types, and the key."
            )
        self.model_name, self.name, self.field = model_name, name, field
        self.through, self.through_fields = through, through_fields
        self.remove_duplicates = remove_duplicates

    def deconstruct(self) -> Any:
        kwargs: dict[str, Any] = {
            "model_name": self.model_name,
            "name": self.name,
            "field": self.field,
            "through": self.through,
            "through_fields": list(self.through_fields),
        }
        if self.remove_duplicates:
            kwargs["remove_duplicates"] = True
        return type(self).__name__, [], kwargs

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.remove_model(app_label, self.through.lower())
        state.add_field(app_label, self.model_name.lower(), self.name, self.field, True)

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        field = field_of(to_state, app_label, self.model_name, self.name)
        if self.allow_migrate_model(schema_editor.connection.alias, field.model):
            through = from_state.apps.get_model(app_label, self.through)
            FromGenericThrough(through, self.through_fields, field, schema_editor).run(
                self.remove_duplicates
            )

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        field = field_of(from_state, app_label, self.model_name, self.name)
        if self.allow_migrate_model(schema_editor.connection.alias, field.model):
            through = to_state.apps.get_model(app_label, self.through)
            ToGenericThrough(field, through, self.through_fields, schema_editor).run()

    def describe(self) -> str:
        return f"Turn model {self.through} into field {self.name} on {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.through}_to_{self.model_name}_{self.name}".lower()


def field_of(state: Any, app_label: str, model_name: str, name: str) -> Any:
    """Return a field as it is in `state`."""
    return state.apps.get_model(app_label, model_name)._meta.get_field(name)


def has_automatic_through(field: Any) -> bool:
    """Return whether `field` is a many-to-many with an automatic through model."""
    return bool(field.many_to_many and field.remote_field.through._meta.auto_created)


def has_automatic_name(field: Any) -> bool:
    """Return whether `field`, of no model yet, is to get an automatic through."""
    return isinstance(field, GM2MField) and field.remote_field.through is None


def is_automatic(field: Any) -> bool:
    """Return whether `field` is a ``GM2MField`` with an automatic through model."""
    return isinstance(field, GM2MField) and has_automatic_through(field)


def check_keys(field: GM2MField, limit: int | None, using: str) -> None:
    """Raise ``DataError`` if a key in the table of `field` is longer than `limit`."""
    if limit is None:
        return
    # The column may not be one of text.
    text = Cast(field.links.key_field.name, TextField())
    rows = field.remote_field.through._base_manager.using(using)
    keys = rows.annotate(gm2m_text=text, gm2m_length=Length("gm2m_text"))
    longest = (
        keys.filter(gm2m_length__gt=limit)
        .order_by("-gm2m_length")
        .values_list("gm2m_text", flat=True)
        .first()
    )
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
