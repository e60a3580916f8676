"""Django's json format, with links by natural keys where these are asked for."""

from django.core.serializers import json
from django.core.serializers.json import Deserializer

from .natural_keys import NaturalKeysMixin

__all__ = ["Deserializer", "Serializer"]


class Serializer(NaturalKeysMixin, json.Serializer):
    """Write objects in the json format."""
