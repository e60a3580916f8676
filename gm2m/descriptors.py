"""
The attributes through which a relation is reached.

``GM2MDescriptor``
    on the source: ``user.preferred_videos``, and ``User.preferred_videos`` for the
    through model and for adding reverse relations;
``ReverseDescriptor``
    on a target: ``movie.user_set``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db.models import Model

from .managers import ForwardManager
from .prefetch import prefetch_targets
from .target_lists import PrefetchedTargets

if TYPE_CHECKING:
    from .deletion import OnDelete
    from .fields import GM2MField
    from .reverse_related import GM2MRel


class RelationDescriptor:
    """What the accessors of both ends tell of the field."""

    def __init__(self, field: GM2MField) -> None:
        self.field = field

    @property
    def rel(self) -> GM2MRel:
        """The field's ``remote_field``."""
        return self.field.remote_field

    @property
    def through(self) -> type[Model]:
        """The through model."""
        through: type[Model] = self.rel.through
        return through


class GM2MDescriptor(RelationDescriptor):
    """
    The accessor on the source.

    In the example::

        class User(models.Model):
            preferred_videos = GM2MField()

    ``User.preferred_videos`` is this descriptor, ``user.preferred_videos`` a
    ``ForwardManager``.
    """

    def add_relation(
        self, model: type[Model] | str, on_delete: OnDelete | None = None
    ) -> None:
        """
        Add the reverse relation of `model`, a class or a name such as ``"app.Movie"``.

        `on_delete` is the policy for the links of its objects that are deleted, by
        default the field's. On a model that is related already it replaces the
        policy, and the model counts as declared. No queries. Raises ``TypeError``
        for what is no model or has keys that cannot be linked, ``LookupError`` for
        a name that is not installed.
        """
        self.field.add_relation(model, on_delete=on_delete)

    def get_related_models(self, include_auto: bool = False) -> list[type[Model]]:
        """
        Return the models that were declared or added, and with `include_auto` also
        those that were found in links. No queries.
        """
        return self.field.get_related_models(include_auto=include_auto)

    def __get__(self, instance: Model | None, owner: type[Model]) -> Any:
        if instance is None:
            return self
        return ForwardManager(self.field, instance)

    def __set__(self, instance: Model, value: Iterable[Model]) -> None:
        if instance._state.adding:
            raise TypeError(
                f"{self.field} cannot be assigned before the object is saved, nor in a "
                f"constructor or create(). Save it first, then call "
                f"{self.field.name}.set()."
            )
        self.__get__(instance, type(instance)).set(value)

    # What Django's prefetch_related_objects() asks of a descriptor.

    def is_cached(self, instance: Model) -> bool:
        # get_prefetch_querysets() keeps to what is there.
        return False

    def get_prefetch_querysets(
        self, instances: list[Model], querysets: Any = None
    ) -> tuple[Any, ...]:
        return prefetch_targets(
            self.field, instances, querysets, prefetch_slot(self.field.name)
        )


def prefetch_slot(name: str) -> str:
    """Return the name of the ``PrefetchSlot`` beside the field called `name`."""
    return f"_prefetched_{name}"


class PrefetchSlot:
    """
    Where Django puts the prefetched targets of a source: into the cache that the
    manager, the serializers and ``refresh_from_db()`` look into.
    """

    def __init__(self, field: GM2MField) -> None:
        self.field = field

    def __set__(self, instance: Model, value: PrefetchedTargets) -> None:
        ForwardManager(self.field, instance).fill_cache(value)


class ReverseDescriptor(RelationDescriptor):
    """
    The accessor on a target.

    In the example: ``movie.user_set`` is the related manager of an ordinary
    many-to-many, of the class of the source's default manager.
    """

    def __get__(self, instance: Model | None, owner: type[Model]) -> Any:
        if instance is None:
            return self
        superclass: Any = type(self.field.model._default_manager)
        return self.field.reverse_manager_classes[superclass](self.field, instance)

    def __set__(self, instance: Model, value: Any) -> None:
        raise TypeError(
            "Direct assignment to the reverse side of a many-to-many set is "
            f"prohibited. Use {self.field.accessor_name}.set() instead."
        )
