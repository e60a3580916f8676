"""
The connections themselves, from the objects at their ends: ``page.style_slots``.

To Django the accessor is the reverse side of a foreign key. Its rel is carried by one
more private field of the connection model, as those in ``attached`` are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import DO_NOTHING, Model
from django.db.models.fields.related import ForeignObject
from django.db.models.query_utils import PathInfo

from ..related_managers import ManagerClasses
from ..relations import TargetKey
from ..reverse_related import TargetRel, hidden_name
from .connection_managers import ConnectionsManager
from .ends import EitherKey

if TYPE_CHECKING:
    from .ends import End
    from .relationship import Relationship


class ConnectionsRel(TargetRel):
    """
    From an object to its connections, without a name if `name` is ``None``.

    In the example: ``Page._meta.get_field("style_slots")``.
    """

    field: Any

    def __init__(self, to: Any, relationship: Relationship, side: str, name: Any):
        self.relationship = relationship
        self.hidden = name is None
        self.given_name = name or hidden_name(relationship.name, side, "connections")
        # The field that carries it comes later.
        super().__init__(None, to, DO_NOTHING)  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        return str(self.given_name)

    def get_path_info(self, filtered_relation: Any = None) -> list[PathInfo]:
        path = self.field.get_reverse_path_info(filtered_relation)
        if not self.relationship.symmetric:
            return path  # type: ignore[no-any-return]
        itself = self.relationship.steps.itself.get_reverse_path_info()
        return [*itself, path[0]._replace(m2m=False)]

    def get_lookup(self, lookup_name: str) -> Any:
        # Values are connections, not keys of the objects that they belong to.
        return ForeignObject.get_lookup(self.field, lookup_name)


class AttachedConnections:
    """
    The accessor called `name` on the model at the end `side`, with the relation of that
    name; or the relation alone, hidden, if there is none.
    """

    def __init__(self, end: End, name: str | None) -> None:
        self.end, self.name, self.side = end, name, end.side
        self.relationship = end.relationship
        self.rel = ConnectionsRel(end.target, end.relationship, end.side, name)
        key_class = EitherKey if end.relationship.symmetric else TargetKey
        owner: Any = end
        self.carrier = key_class(owner, end.target, end.name, rel=self.rel)
        self.rel.field = self.carrier
        self.manager_classes = ManagerClasses(ConnectionsManager, "Attached")

    def publish(self) -> None:
        self.end.carriers.append(self.carrier)
        self.end.refresh()
        if self.name is not None:
            setattr(self.end.target, self.name, ConnectionsDescriptor(self))

    def withdraw(self) -> None:
        if self.name is not None:
            delattr(self.end.target, self.name)
        self.end.carriers.remove(self.carrier)
        self.end.refresh(instead_of=[self.carrier])

    publish.alters_data = True  # type: ignore[attr-defined]
    withdraw.alters_data = True  # type: ignore[attr-defined]


class ConnectionsDescriptor:
    """
    The accessor of connections on a model of a relationship.

    In the example: ``page.style_slots`` is a related manager of slots.
    """

    def __init__(self, attachment: AttachedConnections) -> None:
        self.attachment = attachment

    @property
    def rel(self) -> ConnectionsRel:
        """The relation, as ``_meta.get_field()`` has it."""
        return self.attachment.rel

    def __get__(self, instance: Model | None, owner: type[Model]) -> Any:
        if instance is None:
            return self
        model: Any = self.attachment.relationship.connection_model
        superclass: Any = type(model._default_manager)
        return self.attachment.manager_classes[superclass](self.attachment, instance)

    def __set__(self, instance: Model, value: Any) -> None:
        raise TypeError(
            "Direct assignment to the reverse side of a related set is prohibited. Use "
            f"{self.attachment.name}.set() instead."
        )
