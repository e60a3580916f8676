"""Django's jsonl format, with links by natural keys where these are asked for."""

from django.core.serializers import jsonl
from django.core.serializers.jsonl import Deserializer

from .natural_keys import NaturalKeysMixin

__all__ = ["Deserializer", "Serializer"]


class Serializer(NaturalKeysMixin, jsonl.Serializer):
    """Write objects in the jsonl format."""
