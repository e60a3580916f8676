"""``AbstractConnection``, for characteristics of one's own, and ``Connection``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .defined import RelationshipDoesNotExist, get_relationship
from .definition import NAME_MAX_LENGTH
from .objects import EndObject
from .relationship import Relationship, define_relationship

if TYPE_CHECKING:
    from django.db.models.manager import Manager

__all__ = [
    "AbstractConnection",
    "Connection",
    "Relationship",
    "RelationshipDoesNotExist",
    "define_relationship",
    "get_relationship",
]

#: A key as text: on MySQL, an index over a name and two keys has room for so many.
KEY_MAX_LENGTH = 255


class AbstractConnection(models.Model):
    """
    What every connection has: the name of its relationship, the keys of the two objects
    as text, and a date.

    In the example, with characteristics of one's own::

        class Slot(AbstractConnection):
            start_time = models.DateTimeField()
            end_time = models.DateTimeField()

            class Meta(AbstractConnection.Meta):
                pass

    Pairs are unique if ``Meta.constraints`` says so. `from_pk` and `to_pk` may be
    declared again, as integer or UUID fields that hold the keys of one model.
    """

    relationship_name = models.CharField(_("relationship"), max_length=NAME_MAX_LENGTH)
    from_pk = models.CharField(_("key of the first object"), max_length=KEY_MAX_LENGTH)
    to_pk = models.CharField(_("key of the second object"), max_length=KEY_MAX_LENGTH)
    date = models.DateTimeField(_("date"), default=timezone.now)

    from_object: Any = EndObject("from")
    to_object: Any = EndObject("to")

    class Meta:
        abstract = True
        get_latest_by = "date"
        # Both hold all that leads from an object to its neighbours.
        indexes = [
            models.Index(fields=["relationship_name", "from_pk", "to_pk"]),
            models.Index(fields=["relationship_name", "to_pk", "from_pk"]),
        ]

    def __str__(self) -> str:
        relationship = self.defined_relationship
        if relationship is None:
            return f"{self.relationship_name} ({self.from_pk} -> {self.to_pk})"
        one, two = (
            f"{model if isinstance(model, str) else model._meta.label}:{pk}"
            for model, pk in zip(
                relationship.declared, (self.from_pk, self.to_pk), strict=False
            )
        )
        return f"{self.relationship_name} ({one} -> {two})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the connection, one of a symmetric relationship in its one order."""
        relationship = self.defined_relationship
        if relationship is not None:
            self.arrange(relationship)
        super().save(*args, **kwargs)

    @property
    def relationship(self) -> Relationship:
        """The relationship. ``RelationshipDoesNotExist`` if it is not defined."""
        return get_relationship(self.relationship_name)

    @property
    def defined_relationship(self) -> Relationship | None:
        """The relationship, ``None`` if it is not defined."""
        try:
            return self.relationship
        except RelationshipDoesNotExist:
            return None

    def clean(self) -> None:
        """Check that connections of the relationship are here, and both ends exist."""
        super().clean()
        relationship = self.defined_relationship
        if relationship is None or relationship.connection_model is not type(self):
            raise ValidationError(
                {"relationship_name": _("No such relationship has connections here.")}
            )
        for side in ("from", "to"):
            if getattr(self, f"{side}_object") is None:
                raise ValidationError({f"{side}_pk": _("There is no such object.")})
        self.arrange(relationship)

    def arrange(self, relationship: Relationship) -> None:
        """Put the keys into the order in which the relationship keeps them."""
        pair = self.from_pk, self.to_pk
        self.from_pk, self.to_pk = relationship._canonical(pair)


class Connection(AbstractConnection):
    """A connection without characteristics: one for each pair of a relationship."""

    if TYPE_CHECKING:
        objects: Manager[Connection]

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        get_latest_by = "date"
        constraints = [
            models.UniqueConstraint(
                fields=["relationship_name", "from_pk", "to_pk"],
                name="gm2m_connection_is_unique",
            )
        ]
        indexes = [
            models.Index(
                fields=["relationship_name", "to_pk", "from_pk"],
                name="gm2m_connection_back",
            )
        ]
