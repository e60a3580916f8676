"""
``define_relationship()`` and ``Relationship``.

A relationship is defined once, by its name. Its models may still be names at that time:
what belongs to it is published when they are there, without a query.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.apps import apps as installed
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.db import connections as databases
from django.db.models import CASCADE, Model
from django.db.models.utils import AltersData

from ..deletion import OnDelete
from .attached import Attachments, attach, detach
from .attached_connections import AttachedConnections, ConnectionsRel
from .defined import (
    Defined,
    RelationshipDoesNotExist,
    get_relationship,
    relationships,
)
from .definition import (
    check_name,
    checked_connection_model,
    checked_model,
    checked_policies,
    when_ready,
)
from .ends import End, SymmetricSteps
from .graph import Graph
from .reading import Reading
from .signals import connection_created, connection_removed
from .writing import Writing

if TYPE_CHECKING:
    from .models import AbstractConnection

DEFAULT_MODEL = "gm2m_connections.Connection"


def define_relationship(
    name: str,
    from_model: Any,
    to_model: Any,
    *,
    connection_model: type[Model] | str | None = None,
    symmetric: bool = False,
    on_delete: OnDelete = CASCADE,
    on_delete_from: OnDelete | None = None,
    on_delete_to: OnDelete | None = None,
    verbose_name: Any = None,
) -> Relationship:
    """
    Define the relationship `name` from objects of `from_model` to those of `to_model`
    and return it. Models are classes, names such as ``"auth.User"`` or content types.
    No queries.

    `connection_model` is a subclass of ``AbstractConnection``, by default
    ``Connection``. With `symmetric`, which needs one model at both ends, a connection
    leads both ways. `on_delete` is what becomes of connections when an object at one of
    their ends is deleted: Django's ``CASCADE``, ``PROTECT``, ``RESTRICT`` or
    ``DO_NOTHING``; `on_delete_from` and `on_delete_to` take its place for one end.

    Raises ``TypeError`` or ``ValueError`` for wrong arguments and for a name that is
    taken, ``ImproperlyConfigured`` if the app is not installed. What only shows when
    models that were named are loaded is said by the system checks, and by any use.
    """
    return Relationship(
        name,
        from_model,
        to_model,
        connection_model=connection_model,
        symmetric=symmetric,
        on_delete=on_delete,
        on_delete_from=on_delete_from,
        on_delete_to=on_delete_to,
        verbose_name=verbose_name,
    )


def undefine_relationship(name: str | Relationship) -> None:
    """
    Forget a relationship and what it has published: for tests that define their own.
    Its connections stay. No queries.
    """
    relationship = relationships.pop(get_relationship(name).name.lower())
    relationship._withdraw()


class Relationship(Defined, Reading, Writing, Graph, AltersData):
    """
    A named relation between two models, and what can be done with its connections.

    In the example::

        star_repo = define_relationship("star_repo", "auth.User", "lithub.Repo")

    To make one is to define it, with the arguments of ``define_relationship()``. The
    models may also be given as `from_content_type` and `to_content_type`.

    Methods take saved objects of the two models, or of multi-table children and
    proxies of them. They raise ``TypeError`` for what is no such object and
    ``ValueError`` for one that is not saved. `characteristics` are values of, or
    conditions on, the fields of the connection model. Those that make queries have an
    asynchronous twin, ``acreate_connection()`` and so on.
    """

    DoesNotExist = RelationshipDoesNotExist

    def __init__(
        self,
        name: str,
        from_model: Any = None,
        to_model: Any = None,
        *,
        from_content_type: ContentType | None = None,
        to_content_type: ContentType | None = None,
        connection_model: Any = None,
        symmetric: bool = False,
        on_delete: OnDelete = CASCADE,
        on_delete_from: OnDelete | None = None,
        on_delete_to: OnDelete | None = None,
        verbose_name: Any = None,
    ) -> None:
        check_name(name)
        from_model = checked_model(name, "from_model", from_model or from_content_type)
        to_model = checked_model(name, "to_model", to_model or to_content_type)
        if not isinstance(symmetric, bool):
            raise TypeError(
                f"The relationship {name!r}: symmetric must be True or False, not "
                f"{symmetric!r}."
            )
        connection_model = checked_connection_model(name, connection_model)
        if connection_model is None:
            if not installed.is_installed("gm2m.connections"):
                raise ImproperlyConfigured(
                    f"The relationship {name!r} cannot be defined: add "
                    "'gm2m.connections' to INSTALLED_APPS."
                )
            connection_model = DEFAULT_MODEL
        self.name, self.symmetric, self.on_delete = name, symmetric, on_delete
        self.on_delete_from, self.on_delete_to = checked_policies(
            name, symmetric, on_delete, on_delete_from, on_delete_to
        )
        self.verbose_name = verbose_name or name.replace("_", " ")
        #: The two models and that of connections, as they were given.
        self.declared = (from_model, to_model, connection_model)
        self._using: str | None = None
        self._ends: dict[str, End] = {}
        self._of_either: ConnectionsRel | None = None
        #: What was found to be wrong when the models were loaded.
        self.error: Exception | None = None
        self.attachments: Attachments = {}
        self._define()

    def __str__(self) -> str:
        labels = [
            model if isinstance(model, str) else model._meta.label
            for model in self.declared[:2]
        ]
        return f"{self.name} ({labels[0]} -> {labels[1]})"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    def __reduce__(self) -> Any:
        return get_relationship, (self.name,)

    # Preparation.

    def _define(self) -> None:
        """Take the name, and publish the relationship once its models are there."""
        name = self.name.lower()
        if name in relationships:
            raise ValueError(
                f"The relationship {self.name!r} cannot be defined: there is "
                f"{relationships[name]} already. Names are unique in a project, also "
                "without regard to case."
            )
        relationships[name] = self
        try:
            self._prepare()
        except Exception:
            del relationships[name]
            raise

    def _prepare(self) -> None:
        """Publish the relationship as soon as its models are there."""
        waits = any(isinstance(model, str) for model in self.declared)

        def publish(*models: Any) -> None:
            try:
                self._publish(*models)
            except (TypeError, ValueError) as error:
                if not waits or installed.models_ready:
                    raise
                self.error = error

        when_ready(self.declared, publish)

    def _publish(self, from_model: Any, to_model: Any, connection_model: Any) -> None:
        """Show Django the relations that the connection model has with both ends."""
        if relationships.get(self.name.lower()) is not self:
            return  # Forgotten before its models were loaded.
        checked_connection_model(self.name, connection_model)
        ends = {
            "from": End(self, "from", from_model, connection_model),
            "to": End(self, "to", to_model, connection_model),
        }
        if self.symmetric and ends["from"].target is not ends["to"].target:
            raise ValueError(
                f"The relationship {self.name!r} is symmetric, so both models must be "
                f"the same; they are {from_model._meta.label} and "
                f"{to_model._meta.label}."
            )
        for end in ends.values():
            end.publish()
        self._ends = ends
        if self.symmetric:
            # What leads to connections as either end, beside what leads as one.
            attachment = AttachedConnections(ends["from"], None)
            attachment.publish()
            self._of_either = attachment.rel
        for signal in (connection_created, connection_removed):
            signal.watch(connection_model)

    def _withdraw(self) -> None:
        """Undo what was published."""
        if self._ends:
            detach(self)
            for end in self._ends.values():
                end.withdraw()
            self._ends = {}

    @property
    def is_ready(self) -> bool:
        """Whether its models are loaded, and fit."""
        return bool(self._ends)

    @property
    def ends(self) -> dict[str, End]:
        """What there is for ``"from"`` and ``"to"``, once the models are loaded."""
        if not self._ends:
            if self.error is not None:
                raise ImproperlyConfigured(str(self.error)) from self.error
            missing = ", ".join(str(model) for model in self.declared)
            raise ImproperlyConfigured(
                f"The relationship {self.name!r} cannot be used: its models "
                f"({missing}) are not all installed, or not loaded yet; or it has been "
                "undefined."
            )
        return self._ends

    @cached_property
    def steps(self) -> SymmetricSteps:
        """The joins of a symmetric relationship."""
        return SymmetricSteps(self, self.ends["from"])

    @property
    def from_model(self) -> type[Model]:
        """The model from which connections lead."""
        model: type[Model] = self.ends["from"].given
        return model

    @property
    def to_model(self) -> type[Model]:
        """The model to which connections lead."""
        model: type[Model] = self.ends["to"].given
        return model

    @property
    def from_content_type(self) -> ContentType:
        """The content type of `from_model`. One query, then Django has it cached."""
        return self._content_type(self.from_model)

    @property
    def to_content_type(self) -> ContentType:
        """The content type of `to_model`: the same."""
        return self._content_type(self.to_model)

    def _content_type(self, model: type[Model]) -> ContentType:
        manager = ContentType.objects.db_manager(self._using)
        return manager.get_for_model(model, for_concrete_model=False)

    @property
    def connection_model(self) -> type[AbstractConnection]:
        """The model of the connections."""
        model: type[AbstractConnection] = self.ends["from"].through
        return model

    @property
    def is_unique(self) -> bool:
        """Whether the database keeps to one connection for each pair of objects."""
        columns = {"relationship_name", "from_pk", "to_pk"}
        opts = self.connection_model._meta
        constraints = [set(some.fields) for some in opts.total_unique_constraints]
        together = [set(fields) for fields in opts.unique_together]
        return columns in [*constraints, *together]

    def using(self, alias: str) -> Relationship:
        """Return the relationship with all its queries in the database `alias`."""
        databases[alias]  # Raises ConnectionDoesNotExist.
        # Not copy(), which like pickle finds the one that is defined.
        other = object.__new__(type(self))
        vars(other).update(vars(self), _using=alias)
        return other

    def attach(
        self,
        from_name: str | None = None,
        to_name: str | None = None,
        *,
        connections_from: str | None = None,
        connections_to: str | None = None,
    ) -> None:
        """
        Give objects of both models a related manager, called `from_name` on those of
        the model from which connections lead, and `to_name` on the others. With them
        come lookups and prefetching of the same names. `connections_from` and
        `connections_to` give the connections themselves, as the reverse side of a
        foreign key does. A symmetric relationship takes one name of each. No queries.

        Raises ``TypeError`` or ``ValueError`` for names that are none, and those that
        something else on the model has.
        """
        attach(self, from_name, to_name, connections_from, connections_to)

    attach.alters_data = True  # type: ignore[attr-defined]
