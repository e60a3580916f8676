"""
Key fields of other origin: with internal types of their own, and with values that the
database holds otherwise.
"""

import uuid

from django.db import models
from django.db.models.lookups import Exact


class SnowflakeField(models.BigAutoField):
    """An integer by its class, while its internal type is its own."""

    def get_internal_type(self):
        return "SnowflakeField"

    def db_type(self, connection):
        return models.BigIntegerField().db_type(connection)

    # Django's asks for the range of the internal type.
    validators = ()


# Django's looks up the range of the internal type.
SnowflakeField.register_lookup(Exact)


class HashidField(models.BigAutoField):
    """Shown as ``h-7``, kept as 7. It takes nothing else."""

    def from_db_value(self, value, expression, connection):
        assert expression is not None
        assert value is None or type(value) is int
        return None if value is None else f"h-{value}"

    def to_python(self, value):
        return value

    def get_prep_value(self, value):
        if value is None or hasattr(value, "resolve_expression"):
            return value
        if not isinstance(value, str) or not value.startswith("h-"):
            raise ValueError(f"{value!r} is no hashid.")
        return int(value[2:])


class RelatedHashidField(HashidField):
    """One for foreign keys to lead to: in lookups Django prepares a value twice."""

    def get_prep_value(self, value):
        return value if isinstance(value, int) else super().get_prep_value(value)


class PrefixedField(models.CharField):
    """Shown as ``p-x``, kept as ``x``."""

    def from_db_value(self, value, expression, connection):
        return None if value is None else f"p-{value}"

    def get_prep_value(self, value):
        if value is None or hasattr(value, "resolve_expression"):
            return value
        if not value.startswith("p-"):
            raise ValueError(f"{value!r} has no prefix.")
        return value[2:]


class OwnUUIDField(models.UUIDField):
    """A UUID by its class, shown as 32 digits."""

    def get_internal_type(self):
        return "OwnUUIDField"

    def db_type(self, connection):
        return models.UUIDField().db_type(connection)

    def from_db_value(self, value, expression, connection):
        return None if value is None else uuid.UUID(str(value)).hex
