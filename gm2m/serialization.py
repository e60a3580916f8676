"""
The model that Django takes a ``GM2MField`` to lead to.

Django's serializers, filters and forms ask a many-to-many field for its related
model. The real answer would be content types, whose objects are not what the field
is about; so it is a facade without objects, which reads references from fixtures.
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.apps.registry import Apps
from django.db import DEFAULT_DB_ALIAS, connections, models

from .keys import Key, check_collation
from .references import Reference

if TYPE_CHECKING:
    from .fields import GM2MField


class FacadeKey(models.CharField):  # type: ignore[type-arg]
    """The primary key of the facade: a reference as text."""

    def to_python(self, value: Any) -> Any:
        label, colon, key = str(value).partition(":")
        app_label, dot, model_name = label.partition(".")
        if not (colon and dot):
            raise ValueError(
                f"{value!r} is no link: it must be [['app', 'model'], key], or "
                "'app.model:key' in XML."
            )
        facade: Any = self.model
        return facade.gm2m_reference(app_label, model_name, key, DEFAULT_DB_ALIAS)

    def get_prep_value(self, value: Any) -> Any:
        # Of lookups, which find nothing: any value will do, whatever it is.
        return str(value)


class FacadeManager(models.Manager[Any]):
    """A manager that shows no objects, and reads references."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().none()

    def get_by_natural_key(self, *parts: Any) -> Any:
        """
        Return an object whose primary key is the reference that `parts` make up: the
        label of a model, and a key or a natural key. In XML, which knows no lists in
        lists, it is one piece of text, or the label and the natural key in a row.

        Raise ``ValueError`` or ``LookupError`` for what is no link, and the model's
        ``DoesNotExist`` for a natural key that is not there (yet).
        """
        if all(isinstance(part, str) for part in parts[:2]):
            if len(parts) == 1:
                token = unquoted(*parts)
                return self.model(pk=self.model._meta.pk.to_python(token))
            parts = (parts[:2], parts[2:])
        label, key = parts if len(parts) == 2 else (None, None)
        if not (
            isinstance(label, (list, tuple))
            and len(label) == 2
            and all(isinstance(part, str) for part in label)
            and isinstance(key, (str, int, UUID, date, list, tuple))
            and not isinstance(key, bool)
        ):
            raise ValueError(
                f"{list(parts)!r} is no link: it must be [['app', 'model'], key]."
            )
        reference = self.model.gm2m_reference(*label, key, self.db)
        return self.model(pk=reference)


def unquoted(token: str) -> str:
    """Return a reference as one piece of text whose key may be quoted, as in JSON."""
    label, equals, key = token.partition("=")
    if not equals or ":" in label:
        return token
    return f"{label}:{json.loads(key)}"


def read_reference(
    field: GM2MField, app_label: str, model_name: str, key: Any, using: str
) -> Reference:
    """Return the reference to the target of `field` with this label and key."""
    model = field.model._meta.apps.get_model(app_label, model_name)
    field.check_target_model(model)
    if isinstance(key, (list, tuple)):
        manager = model._default_manager.db_manager(using)
        if not hasattr(manager, "get_by_natural_key"):
            raise ValueError(f"{model._meta.label} has no natural keys.")
        key = manager.get_by_natural_key(*key).pk
        text = Key(model._meta.pk).text(key)
    else:
        text = str(key)
        try:
            Key(model._meta.pk).native(text, connections[using])
        except ValueError:
            raise ValueError(f"{text!r} is no key of {model._meta.label}.") from None
    # A lone surrogate cannot be encoded, which is a ValueError of its own.
    features = connections[using].features
    if b"\0" in text.encode() and (
        features.prohibits_null_characters_in_text_exception
    ):
        raise ValueError(f"{text!r} has a NUL character.")
    check_collation(model, field.links.key, connections[using], field)
    limit = field.links.key.field.max_length
    if limit is not None and len(text) > limit:
        raise ValueError(f"the key {text!r} is longer than {limit} characters.")
    return Reference(model._meta.app_label, model._meta.model_name, text)


def create_facade(field: GM2MField) -> type[models.Model]:
    """
    Return the related model of `field`.

    It bears the name of the content type model, so that Django sees the dependency,
    and lives in a registry of its own, so that nobody else sees it.
    """

    def gm2m_reference(app_label: str, name: str, key: Any, using: str) -> Reference:
        return read_reference(field, app_label, name, key, using)

    meta = type(
        "Meta",
        (),
        {
            "app_label": "contenttypes",
            "apps": Apps(),
            # Receivers of signals, for one, may ask the other manager.
            "base_manager_name": "objects",
        },
    )
    return type(
        "ContentType",
        (models.Model,),
        {
            "Meta": meta,
            "__module__": __name__,
            "id": FacadeKey(max_length=255, primary_key=True),
            "objects": FacadeManager(),
            "gm2m_reference": staticmethod(gm2m_reference),
        },
    )
