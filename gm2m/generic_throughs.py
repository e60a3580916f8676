"""
Links that change tables: from that of a generic through model that somebody has
written to that of an automatic one, and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType
from django.db.migrations.exceptions import IrreversibleError
from django.db.models import AutoField, F, ForeignKey, Func, Q, TextField

from .comparisons import KeyText, NativeKey
from .conversions import Conversion
from .indexes import check_duplicates, numbered
from .keys import Key
from .kinds import UUIDKind, dashed

if TYPE_CHECKING:
    from .fields import GM2MField


class FromGenericThrough(Conversion):
    """
    From the rows of `through`, with fields of these `names` for source, content type
    and key, to the automatic through model of `field`.
    """

    def __init__(
        self, through: Any, names: Sequence[str], field: GM2MField, schema_editor: Any
    ) -> None:
        super().__init__(field, field.remote_field.through, schema_editor)
        self.field, self.through = field, through
        self.fields = [through._meta.get_field(name) for name in names]

    def run(self, remove_duplicates: bool) -> None:
        self.check_model()
        new_fields = self.field.links.fields
        attnames = [field.attname for field in self.fields]
        rows = self.rows(self.through)
        empty = Q(*((f"{name}__isnull", True) for name in attnames), _connector=Q.OR)
        self.refuse(
            rows.filter(empty),
            "have no source, no content type or no key",
            "Remove these rows first.",
        )
        for name, new_field in zip(attnames[:2], new_fields[:2], strict=True):
            self.check_reference(rows, name, new_field)
        key = self.key_text()
        self.check_length(rows, key, new_fields[2])
        rows = rows.annotate(gm2m_key=key)
        names = [*attnames[:2], "gm2m_key"]
        by_link = numbered(rows, names)
        if remove_duplicates:
            rows = by_link.filter(gm2m_nth=1)
        elif self.looks_at_rows:
            check_duplicates(self.field, by_link.filter(gm2m_nth__gt=1), names)
        columns = [field.column for field in new_fields]
        self.move(rows, columns, [*map(F, attnames[:2]), F("gm2m_key")])

    def check_model(self) -> None:
        """Raise ``ValueError`` if the through model has not just what makes a link."""
        opts = self.through._meta
        source, content_type, _key = self.fields
        for key, label in (
            (source, self.field.model._meta.label),
            (content_type, ContentType._meta.label),
        ):
            if not (
                isinstance(key, ForeignKey)
                and key.target_field.primary_key
                and key.target_field.model._meta.label == label
            ):
                raise ValueError(
                    f"{self.field}: '{key.name}' is no foreign key from {opts.label} "
                    f"to the primary key of {label}."
                )
        known = {opts.pk, *self.fields}
        more = [found.name for found in opts.get_fields() if found not in known]
        if more:
            raise ValueError(
                f"{self.field} cannot keep all that {opts.label} has: "
                f"{', '.join(more)}. Remove these fields first, or keep the model: "
                f"GM2MField(through='{opts.object_name}')."
            )

    def key_text(self) -> Any:
        """Return an expression for the key as text."""
        field = self.fields[2]
        key = Key(field)
        if not key.fits(self.field.links.key):
            raise ValueError(
                f"{self.field} cannot take its keys from {field}, which is a "
                f"{type(field).__name__}. Keys may be integers, UUIDs, text or dates."
            )
        if not key.is_text:
            return KeyText(F(field.attname), key.kind)
        found = UUIDText(F(field.attname), F(self.fields[1].attname))
        found.models = self.models_with_uuids()
        return found

    def models_with_uuids(self) -> list[int]:
        """Return the content types of models whose keys are UUIDs."""
        if not self.looks_at_rows:
            return []
        types = ContentType.objects.using(self.using)
        used = self.rows(self.through).values(self.fields[1].attname)
        state = self.through._meta.apps.all_models
        models = {
            # A model of the state, or of an app that is not in it yet.
            found.pk: state[found.app_label].get(found.model) or found.model_class()
            for found in types.filter(pk__in=used)
        }
        return [
            pk
            for pk, model in models.items()
            if model and isinstance(Key(model._meta.pk).kind, UUIDKind)
        ]


class ToGenericThrough(Conversion):
    """From the automatic through model of `field` back to the model `through`."""

    def __init__(
        self, field: GM2MField, through: Any, names: Sequence[str], schema_editor: Any
    ) -> None:
        super().__init__(field, through, schema_editor)
        self.field = field
        self.fields = [through._meta.get_field(name) for name in names]

    def run(self) -> None:
        pk = self.new._meta.pk
        if not isinstance(pk, AutoField):
            raise IrreversibleError(
                f"{self.new._meta.label} cannot be made again: no database numbers its "
                f"rows, as its primary key is a {type(pk).__name__}."
            )
        names = [found.attname for found in self.field.links.fields]
        rows = self.rows(self.field.remote_field.through)
        for name, new_field in zip(names[:2], self.fields[:2], strict=True):
            self.check_reference(rows, name, new_field)
        key_field, key = self.fields[2], Key(self.fields[2])
        value: Any = F(names[2])
        if key.is_text:
            self.check_length(rows, value, key_field)
        else:
            value = NativeKey(value, key)
            self.refuse(
                rows.annotate(gm2m_key=value).filter(gm2m_key__isnull=True),
                f"have keys that {key_field} cannot hold",
                "Remove these rows first.",
            )
        columns = [field.column for field in self.fields]
        self.move(rows, columns, [*map(F, names[:2]), value])


class UUIDText(Func):
    """
    The text of a key, in the one form in which links keep UUIDs where the content type
    is that of one of `models`: other libraries may have written it without dashes.
    """

    models: list[int]

    def __init__(self, text: Any, content_type: Any) -> None:
        super().__init__(text, content_type, output_field=TextField())

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> Any:  # type: ignore[override]
        text, type_id = (
            compiler.compile(source)[0] for source in self.get_source_expressions()
        )
        if not self.models:
            return text, ()
        digits = f"REPLACE(LOWER({text}), '-', '')"
        types = ", ".join(map(str, self.models))
        return (
            f"CASE WHEN {type_id} IN ({types}) AND LENGTH({digits}) = 32 "
            f"THEN {dashed(digits, connection)} ELSE {text} END"
        ), ()
