"""
``define_relationship()`` and ``Relationship``.

A relationship is defined once, by its name. Its models may still be names at that time:
what belongs to it is published when they are there, without a query.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.apps import apps as installed
from django.core.exceptions import ImproperlyConfigured
from django.db import connections as databases
from django.db.models import CASCADE, Model
from django.db.models.utils import AltersData

from ..deletion import OnDelete
from .attached import Attachments, attach, detach
from .defined import (
    Defined,
    RelationshipDoesNotExist,
    get_relationship,
    relationships,
)
from .definition import (
    check_connection_model,
    check_model,
    check_name,
    check_on_delete,
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
    from_model: type[Model] | str,
    to_model: type[Model] | str,
    *,
    connection_model: type[Model] | str | None = None,
    symmetric: bool = False,
    on_delete: OnDelete = CASCADE,
    verbose_name: Any = None,
) -> Relationship:
    """
    Define the relationship `name` from objects of `from_model` to those of `to_model`,
    classes or names such as ``"auth.User"``, and return it. No queries.

    `connection_model` is a subclass of ``AbstractConnection``, by default
    ``Connection``. With `symmetric`, which needs one model at both ends, a connection
    leads both ways. `on_delete` is what becomes of connections when an object at one of
    their ends is deleted: Django's ``CASCADE``, ``PROTECT``, ``RESTRICT`` or
    ``DO_NOTHING``.

    Raises ``TypeError`` or ``ValueError`` for wrong arguments and for a name that is
    taken, ``ImproperlyConfigured`` if the app is not installed. What only shows when
    models that were named are loaded is said by the system checks, and by any use.
    """
    relationship = Relationship(
        name,
        from_model,
        to_model,
        connection_model=connection_model,
        symmetric=symmetric,
        on_delete=on_delete,
        verbose_name=verbose_name,
    )
    if name.lower() in relationships:
        taken = relationships[name.lower()]
        raise ValueError(
            f"The relationship {name!r} cannot be defined: there is {taken} already. "
            "Names are unique in a project, also without regard to case."
        )
    relationships[name.lower()] = relationship
    try:
        relationship.prepare()
    except Exception:
        del relationships[name.lower()]
        raise
    return relationship


def undefine_relationship(name: str | Relationship) -> None:
    """
    Forget a relationship and what it has published: for tests that define their own.
    Its connections stay. No queries.
    """
    relationship = relationships.pop(get_relationship(name).name.lower())
    relationship.withdraw()


class Relationship(Defined, Reading, Writing, Graph, AltersData):
    """
    A named relation between two models, and what can be done with its connections.

    In the example::

        star_repo = define_relationship("star_repo", "auth.User", "lithub.Repo")

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
        from_model: Any,
        to_model: Any,
        *,
        connection_model: Any = None,
        symmetric: bool = False,
        on_delete: OnDelete = CASCADE,
        verbose_name: Any = None,
    ) -> None:
        check_name(name)
        for end, model in (("from_model", from_model), ("to_model", to_model)):
            check_model(name, end, model)
        if not isinstance(symmetric, bool):
            raise TypeError(
                f"The relationship {name!r}: symmetric must be True or False, not "
                f"{symmetric!r}."
            )
        check_on_delete(name, on_delete)
        check_connection_model(name, connection_model)
        if connection_model is None:
            if not installed.is_installed("gm2m.connections"):
                raise ImproperlyConfigured(
                    f"The relationship {name!r} cannot be defined: add "
                    "'gm2m.connections' to INSTALLED_APPS."
                )
            connection_model = DEFAULT_MODEL
        self.name, self.symmetric, self.on_delete = name, symmetric, on_delete
        self.verbose_name = verbose_name or name.replace("_", " ")
        #: The two models and that of connections, as they were given.
        self.declared = (from_model, to_model, connection_model)
        self._using: str | None = None
        self._ends: dict[str, End] = {}
        #: What was found to be wrong when the models were loaded.
        self.error: Exception | None = None
        self.attachments: Attachments = {}

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

    def prepare(self) -> None:
        """Publish the relationship as soon as its models are there."""
        waits = any(isinstance(model, str) for model in self.declared)

        def publish(*models: Any) -> None:
            try:
                self.publish(*models)
            except (TypeError, ValueError) as error:
                if not waits or installed.models_ready:
                    raise
                self.error = error

        when_ready(self.declared, publish)

    def publish(self, from_model: Any, to_model: Any, connection_model: Any) -> None:
        """Show Django the relations that the connection model has with both ends."""
        if relationships.get(self.name.lower()) is not self:
            return  # Forgotten before its models were loaded.
        check_connection_model(self.name, connection_model)
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
        for signal in (connection_created, connection_removed):
            signal.watch(connection_model)
        self._ends = ends

    def withdraw(self) -> None:
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

    def attach(self, from_name: str | None = None, to_name: str | None = None) -> None:
        """
        Give objects of both models a related manager, called `from_name` on those of
        the model from which connections lead, and `to_name` on the others. With them
        come lookups and prefetching of the same names. A symmetric relationship takes
        `from_name` alone. No queries.

        Raises ``TypeError`` or ``ValueError`` for names that are none, and those that
        something else on the model has.
        """
        attach(self, from_name, to_name)
