"""Django's python format, with links by natural keys where these are asked for."""

from django.core.serializers import python
from django.core.serializers.python import Deserializer

from .natural_keys import NaturalKeysMixin

__all__ = ["Deserializer", "Serializer"]


class Serializer(NaturalKeysMixin, python.Serializer):
    """Write objects in the python format."""
