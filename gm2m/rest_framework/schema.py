"""
What drf-spectacular writes about ``GM2MRelatedField`` into an OpenAPI schema. The app
imports it where ``"drf_spectacular"`` is installed.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework.serializers import BaseSerializer


class GM2MRelatedFieldExtension(OpenApiSerializerFieldExtension):
    """A string, or in responses what the serializers of some models show."""

    target_class = "gm2m.rest_framework.fields.GM2MRelatedField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Any:
        """Return the schema of one object."""
        string = {
            "type": "string",
            "pattern": "^[^.:]+\\.[^.:]+:",
            "example": "library.movie:1",
        }
        serializers = self.target.serializers.values()
        if direction == "request" or not serializers:
            return string
        schemas = [nested_schema(item, auto_schema, direction) for item in serializers]
        return {"oneOf": [*schemas, string]}


def nested_schema(serializer: Any, auto_schema: Any, direction: str) -> Any:
    """Return the schema of what shows the objects of one model."""
    if type(serializer).__name__ == "NestedSerializer":
        # Those that ``Meta.depth`` makes are all called so, and components are told
        # apart by name.
        return auto_schema._map_serializer(serializer, direction)
    if isinstance(serializer, BaseSerializer):
        return auto_schema.resolve_serializer(serializer, direction).ref
    return auto_schema._map_serializer_field(serializer, direction)
