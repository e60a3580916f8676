"""Django's yaml format, with links by natural keys where these are asked for."""

from django.core.serializers import pyyaml
from django.core.serializers.pyyaml import Deserializer

from .natural_keys import NaturalKeysMixin

__all__ = ["Deserializer", "Serializer"]


class Serializer(NaturalKeysMixin, pyyaml.Serializer):
    """Write objects in the yaml format."""
