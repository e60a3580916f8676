"""
The type variables of the public classes, and what the accessor of the field gives.

``GM2MField["Movie | Documentary"]`` tells type checkers of what models the targets are,
and so of what its managers and querysets are made. When the code runs it is the class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from django.db.models import ManyToManyField, Model

Instance = TypeVar("Instance", bound=Model)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Generic

    from typing_extensions import Self
    from typing_extensions import TypeVar as TypeVarWithDefault

    from .descriptors import GM2MDescriptor
    from .typing import ForwardManager

    Target_co = TypeVarWithDefault("Target_co", covariant=True, default=Any)

    class TypedField(ManyToManyField[Any, Any], Generic[Target_co]):
        """What the accessor of a ``GM2MField`` gives."""

        @overload  # type: ignore[override, no-overload-impl]
        def __get__(self, instance: None, owner: Any) -> GM2MDescriptor: ...

        @overload
        def __get__(self, instance: Model, owner: Any) -> ForwardManager[Target_co]: ...

        @overload
        def __get__(self, instance: Any, owner: Any) -> Self: ...

        def __set__(self, instance: Any, value: Iterable[Model]) -> None: ...

else:
    Target_co = TypeVar("Target_co")

    class TypedField(ManyToManyField):
        def __class_getitem__(cls, targets):
            return cls
