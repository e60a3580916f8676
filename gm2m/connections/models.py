"""``AbstractConnection``, for characteristics of one's own, and ``Connection``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .defined import RelationshipDoesNotExist, get_relationship
from .definition import NAME_MAX_LENGTH
from .ends import OTHER
from .fields import ObjectField, RelationshipField
from .querysets import ConnectionManager
from .relationship import Relationship, define_relationship

if TYPE_CHECKING:
    from .ends import End

__all__ = [
    "AbstractConnection",
    "Connection",
    "Relationship",
    "RelationshipDoesNotExist",
    "define_relationship",
    "get_relationship",
]

SIDES = ("from", "to")
#: What may be assigned to, and its column.
COLUMNS = {
    "relationship": "relationship_name",
    "from_object": "from_pk",
    "to_object": "to_pk",
}
#: The columns that make the connection.
IDENTITY = frozenset(COLUMNS.values())
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

    relationship: Any = RelationshipField("relationship_name")
    from_object: Any = ObjectField("from")
    to_object: Any = ObjectField("to")

    objects: ClassVar[Any] = ConnectionManager()

    #: The columns as they were last checked.
    _arranged: Any = None

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
        """
        Save the connection. Its keys are checked and written as the relationship has
        them, a symmetric pair in its one order. Raises ``TypeError`` or ``ValueError``
        for what the relationship cannot connect. `update_fields` takes `from_object`,
        `to_object` and `relationship`, too.
        """
        update_fields = kwargs.get("update_fields")
        if update_fields is not None:
            names = {COLUMNS.get(name, name) for name in update_fields}
            if not IDENTITY.isdisjoint(names):
                # One of them may change the others: their order, their spelling.
                names |= IDENTITY
                self._arrange()
            kwargs["update_fields"] = names
        elif IDENTITY - self.get_deferred_fields():
            self._arrange()
        super().save(*args, **kwargs)

    def _prepare_related_fields_for_save(
        self, operation_name: str, fields: Any = None
    ) -> None:
        # Django asks for this before save(), bulk_create() and bulk_update().
        super()._prepare_related_fields_for_save(  # type: ignore[misc]
            operation_name, fields
        )
        if operation_name == "bulk_create":
            self._arrange()
        elif fields is not None:
            self._arrange_for_update({field.name for field in fields})

    def _arrange_for_update(self, names: set[str]) -> None:
        """Arrange what is to be written of the columns `names`, and of no others."""
        if IDENTITY.isdisjoint(names):
            return
        before = {name: getattr(self, name) for name in IDENTITY - names}
        self._arrange()
        for name, value in before.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"bulk_update() of {self!r}: {name!r} has to be updated as well, "
                    f"as it becomes {getattr(self, name)!r}."
                )

    def _arrange(self) -> None:
        """
        Check the keys, and put them into the form and the order in which the
        relationship keeps them.
        """
        name = self.relationship_name
        if self._arranged == (name, self.from_pk, self.to_pk):
            return
        relationship = self.defined_relationship
        if relationship is None:
            check_present(self, "relationship_name", name)
            for side in SIDES:
                check_present(self, f"{side}_object", getattr(self, f"{side}_pk"))
            return
        if not isinstance(self, relationship.connection_model):
            raise ValueError(
                f"{self._meta.label} cannot hold a connection of {relationship}, whose "
                f"connections are in {relationship.connection_model._meta.label}."
            )
        found = {side: self._object_and_key(relationship.ends[side]) for side in SIDES}
        objs = {side: obj for side, (obj, _key) in found.items() if obj is not None}
        if len(objs) == 2:
            relationship._check_allowed(*objs.values())
        given = tuple(key for _obj, key in found.values())
        self.from_pk, self.to_pk = relationship._canonical(given)
        if (self.from_pk, self.to_pk) != given:
            self._keep({OTHER[side]: obj for side, obj in objs.items()})
        self._arranged = (name, self.from_pk, self.to_pk)

    def _object_and_key(self, end: End) -> tuple[Any, Any]:
        """Return the object at one end, if it is known, and the key to write."""
        name, key = f"{end.side}_object", getattr(self, f"{end.side}_pk")
        obj = getattr(type(self), name).assigned(self)
        if obj is not None:
            return obj, end.value_of(obj, to_write=True)
        check_present(self, name, key)
        return None, end.spelled(key)

    def _keep(self, objs: dict[str, Any]) -> None:
        """Keep `objs` as the objects at the ends, in the place of those before."""
        for side in SIDES:
            self._state.fields_cache.pop(f"{side}_object", None)
            if side in objs:
                self._state.fields_cache[f"{side}_object"] = objs[side]

    @property
    def defined_relationship(self) -> Relationship | None:
        """The relationship, ``None`` if it is not defined."""
        try:
            return get_relationship(self.relationship_name)
        except RelationshipDoesNotExist:
            return None

    def other(self, obj: Any) -> Any:
        """
        Return the object at the other end than `obj`. Raise ``ValueError`` if `obj` is
        at neither. No query if the other one has been fetched.
        """
        relationship = get_relationship(self.relationship_name)
        for side, other in OTHER.items():
            end = relationship.ends[side]
            if not isinstance(obj, end.target) or isinstance(obj, type):
                continue
            if str(end.value_of(obj)) == str(getattr(self, f"{side}_pk")):
                return getattr(self, f"{other}_object")
        raise ValueError(f"{obj!r} is at neither end of {self}.")

    def clean_fields(self, exclude: Any = None) -> None:
        super().clean_fields(exclude={*(exclude or ()), *COLUMNS})

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
        try:
            self._arrange()
        except (TypeError, ValueError) as error:
            # An object that is assigned, but cannot be connected.
            raise ValidationError(str(error)) from error


def check_present(connection: AbstractConnection, name: str, value: Any) -> None:
    """Raise ``ValueError`` if a connection has no `value` for what is called `name`."""
    if value is None or value == "":
        raise ValueError(
            f"{connection._meta.label} cannot be saved without {name}: assign it, and "
            "save objects before their connection."
        )


class Connection(AbstractConnection):
    """A connection without characteristics: one for each pair of a relationship."""

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
