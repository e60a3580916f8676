"""Django's xml format, with links by natural keys where these are asked for."""

import copy
from types import SimpleNamespace
from typing import Any

from django.core.serializers import xml_serializer
from django.core.serializers.xml_serializer import Deserializer

from ..fields import GM2MField
from .natural_keys import NaturalReference, is_written, with_natural_keys

__all__ = ["Deserializer", "Serializer"]


class Serializer(xml_serializer.Serializer):
    """
    Write objects in the xml format. A link is a list of ``natural`` elements: the
    label of the model in two, then the natural key; or one, the reference by key.
    """

    def handle_m2m_field(self, obj: Any, field: Any) -> None:
        if self.use_natural_foreign_keys and is_written(field):
            obj, field = with_natural_keys(obj, field), naturalized(field)
        super().handle_m2m_field(obj, field)


def naturalized(field: GM2MField) -> Any:
    """Return a copy of `field` whose related model, to Django, has natural keys."""
    twin, rel = copy.copy(field), copy.copy(field.remote_field)
    rel.model = SimpleNamespace(
        _meta=rel.model._meta, natural_key=NaturalReference.natural_key
    )
    twin.remote_field = rel
    return twin
