"""
Accessors on the models of a relationship, and the relations of the same names.

To Django an accessor is the reverse side of a many-to-many whose field is at the other
model. Neither model has such a field: ``AttachedField`` belongs to none, and its rel is
carried by a private field of the connection model, as the field's own relations are.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.apps import apps as installed
from django.core.exceptions import FieldDoesNotExist
from django.db.models import ManyToManyField, Model
from django.db.models.constants import LOOKUP_SEP
from django.db.models.fields.related import ManyToManyRel
from django.db.models.query_utils import PathInfo

from ..registry import lock
from ..related_managers import ManagerClasses
from ..relations import TargetKey
from ..reverse_related import hidden_name
from .attached_connections import AttachedConnections
from .definition import when_ready
from .ends import OTHER
from .managers import ConnectedManager

if TYPE_CHECKING:
    from .ends import End
    from .relationship import Relationship


class AttachedRel(ManyToManyRel):
    """
    From one model of a relationship to the other.

    In the example: ``User._meta.get_field("starred_repos")``.
    """

    field: Any

    def __init__(self, field: AttachedField, to: Any, name: str, through: Any) -> None:
        super().__init__(
            field, to, related_name=name, through=through, symmetrical=False
        )
        self.relationship, self.side = field.relationship, field.side

    def get_related_field(self) -> Any:
        return self.model._meta.pk

    def get_path_info(self, filtered_relation: Any = None) -> list[PathInfo]:
        if self.relationship.symmetric:
            return self.relationship.steps.path(filtered_relation)
        ends = self.relationship.ends
        here = ends[self.side].target_key
        there = ends[OTHER[self.side]].target_key
        return [*here.reverse_path_infos, *there.get_path_info(filtered_relation)]


class AttachedField(ManyToManyField):  # type: ignore[type-arg]
    """
    What the accessor called `name`, on the model at the end `side`, is the reverse side
    of. Its own model is the other one, which knows nothing of it.
    """

    def __init__(self, relationship: Relationship, side: str, name: str, back: str):
        here = relationship.ends[side]
        there = relationship.ends[OTHER[side]]
        super().__init__(here.target, through=here.through, editable=False)
        self.relationship, self.side = relationship, side
        self.remote_field = AttachedRel(self, here.target, name, here.through)
        self.model, self.opts = there.target, there.target._meta
        self.set_attributes_from_name(back)


class Attachment:
    """
    The accessor on the model at one end, with the relation that has its name; or the
    relation alone, hidden, if there is none.
    """

    def __init__(
        self, relationship: Relationship, side: str, name: str | None, back: str | None
    ) -> None:
        self.relationship, self.side, self.name = relationship, side, name
        hidden = hidden_name(relationship.name, side, "objects")
        hidden_back = hidden_name(relationship.name, OTHER[side], "objects")
        self.field = AttachedField(
            relationship, side, name or hidden, back or hidden_back
        )
        self.rel: Any = self.field.remote_field
        end = self.end
        owner: Any = end
        self.carrier = TargetKey(owner, end.target, end.name, rel=self.rel)
        self.manager_classes = ManagerClasses(ConnectedManager, "Connected")

    @property
    def end(self) -> End:
        return self.relationship.ends[self.side]

    @property
    def other_model(self) -> Any:
        """The model of the objects that the manager gives."""
        return self.relationship.ends[OTHER[self.side]].given

    @property
    def back_name(self) -> str:
        """The name in lookups from those objects to these."""
        if self.relationship.symmetric:
            return str(self.rel.name)
        other = OTHER[self.side]
        return str(self.relationship.attachments[other].rel.name)

    def publish(self) -> None:
        end = self.end
        end.carriers.append(self.carrier)
        end.refresh()
        if self.name is not None:
            setattr(end.target, self.name, ConnectedDescriptor(self))

    def withdraw(self) -> None:
        end = self.end
        if self.name is not None:
            delattr(end.target, self.name)
        end.carriers.remove(self.carrier)
        end.refresh(instead_of=[self.carrier])

    publish.alters_data = True  # type: ignore[attr-defined]
    withdraw.alters_data = True  # type: ignore[attr-defined]


Attachments = dict[str, Attachment | AttachedConnections]


class ConnectedDescriptor:
    """
    The accessor on a model of a relationship.

    In the example: ``user.starred_repos`` is a related manager of repositories.
    """

    def __init__(self, attachment: Attachment) -> None:
        self.attachment = attachment

    @property
    def relationship(self) -> Relationship:
        """The relationship."""
        return self.attachment.relationship

    @property
    def rel(self) -> AttachedRel:
        """The relation, as ``_meta.get_field()`` has it."""
        rel: AttachedRel = self.attachment.rel
        return rel

    @property
    def through(self) -> type[Model]:
        """The connection model."""
        return self.relationship.connection_model

    def __get__(self, instance: Model | None, owner: type[Model]) -> Any:
        if instance is None:
            return self
        superclass: Any = type(self.attachment.other_model._default_manager)
        manager_class = self.attachment.manager_classes[superclass]
        return manager_class(self.attachment, instance)

    def __set__(self, instance: Model, value: Any) -> None:
        raise TypeError(
            "Direct assignment to the side of a many-to-many set is prohibited. Use "
            f"{self.attachment.name}.set() instead."
        )


def attach(
    relationship: Relationship,
    from_name: str | None,
    to_name: str | None,
    connections_from: str | None,
    connections_to: str | None,
) -> None:
    """Give the models of `relationship` their accessors once they are there."""
    given = (from_name, to_name, connections_from, connections_to)
    if all(name is None for name in given):
        raise TypeError(f"attach() of {relationship.name!r} needs a name.")
    names = check_names(relationship, from_name, to_name)
    connections = check_names(relationship, connections_from, connections_to)

    def publish(*models: Any) -> None:
        if relationship.error is not None and not installed.models_ready:
            return  # The checks say what is wrong.
        with lock:
            if relationship.attachments:
                raise ValueError(
                    f"The relationship {relationship.name!r} has been attached already."
                )
            check_apart(relationship, names, connections)
            attachments: Attachments = {}
            for side, name in names.items():
                back = names.get(OTHER[side])
                attachments[side] = Attachment(relationship, side, name, back)
            for side, name in connections.items():
                if name is not None:
                    end = relationship.ends[side]
                    attachments[f"connections_{side}"] = AttachedConnections(end, name)
            relationship.attachments.update(attachments)
            for attachment in attachments.values():
                attachment.publish()

    when_ready(relationship.declared, publish)


def check_apart(relationship: Relationship, *by_side: dict[str, str | None]) -> None:
    """Raise ``ValueError`` if a name is taken on its model, or given twice for one."""
    seen = set()
    for side, name in (item for names in by_side for item in names.items()):
        model = relationship.ends[side].target
        if name is not None and (model, name) in seen:
            raise ValueError(
                f"attach() of {relationship.name!r} needs two names: {name!r} is given "
                f"twice for {model._meta.label}."
            )
        seen.add((model, name))
        check_free(relationship, model, name)


def detach(relationship: Relationship) -> None:
    """Undo ``attach()``."""
    with lock:
        for attachment in relationship.attachments.values():
            attachment.withdraw()
        relationship.attachments.clear()


def check_names(
    relationship: Relationship, from_name: Any, to_name: Any
) -> dict[str, str | None]:
    """Return the names by side, or raise an error for those that cannot be."""
    given = [name for name in (from_name, to_name) if name is not None]
    if not given:
        return {}
    for name in given:
        if not isinstance(name, str):
            raise TypeError(
                f"attach() of {relationship.name!r}: a name must be a string, not "
                f"{name!r}."
            )
        if not name.isidentifier() or LOOKUP_SEP in name or name.endswith("_"):
            raise ValueError(
                f"attach() of {relationship.name!r}: {name!r} cannot be the name of an "
                "accessor and of lookups. Use an identifier that does not contain "
                f"{LOOKUP_SEP!r} nor end with an underscore."
            )
    if relationship.symmetric:
        if len(set(given)) > 1:
            raise ValueError(
                f"attach() of {relationship.name!r} takes one name: it is symmetric."
            )
        return {"from": given[0]}
    return {"from": from_name, "to": to_name}


def check_free(relationship: Relationship, model: Any, name: str | None) -> None:
    """Raise ``ValueError`` if `model` has something called `name`."""
    if name is None:
        return
    taken = has_attribute(model, name)
    with suppress(FieldDoesNotExist):
        # Relations without an accessor have names as well.
        model._meta.get_field(name)
        taken = True
    if taken:
        raise ValueError(
            f"attach() of {relationship.name!r}: {model._meta.label} has something "
            f"called {name!r} already. Choose another name."
        )


def has_attribute(model: Any, name: str) -> bool:
    """Return whether the class `model` has an attribute, without asking for it."""
    nothing = object()
    return inspect.getattr_static(model, name, nothing) is not nothing
