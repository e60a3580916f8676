"""The arguments of a ``GM2MRelatedField``, judged as soon as they are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import apps
from django.db.models import Manager, Model, QuerySet
from rest_framework.fields import Field


def given_serializers(given: Mapping[type[Model], Any]) -> dict[type[Model], Any]:
    """Return the serializers that a user has given for models, as instances."""
    found = {}
    for model, serializer in given.items():
        made = serializer() if isinstance(serializer, type) else serializer
        if not (is_model(model) and isinstance(made, Field)):
            raise TypeError(
                "GM2MRelatedField(): serializers must map models to serializers, not "
                f"{model!r} to {serializer!r}."
            )
        found[model] = made
    return found


def given_models(given: Iterable[Any]) -> dict[type[Model], Any]:
    """Return querysets or managers for what a user has given for models."""
    found: dict[type[Model], Any] = {}
    for item in given:
        model = apps.get_model(item) if isinstance(item, str) else item
        queryset = model._default_manager if is_model(model) else model
        if not isinstance(queryset, (Manager, QuerySet)):
            raise TypeError(
                "GM2MRelatedField(): models must be models, their names, querysets or "
                f"managers, not {item!r}."
            )
        if queryset.model in found:
            raise TypeError(
                f"GM2MRelatedField(): {queryset.model._meta.label} is named twice."
            )
        found[queryset.model] = queryset
    return found


def is_model(value: Any) -> bool:
    """Return whether `value` is a model class."""
    return isinstance(value, type) and issubclass(value, Model)
