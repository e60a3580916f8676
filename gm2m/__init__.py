"""
A generic many-to-many field for Django: ``ManyToManyField`` and
``GenericForeignKey`` in one.

``GM2MField`` is looked up on first use, so that ``"gm2m"`` may stand anywhere in
``INSTALLED_APPS``: its module needs ``ContentType``, which Django allows to be
imported only when the app registry has begun to load models.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fields import GM2MField

__all__ = ["GM2MField"]


def __getattr__(name: str) -> Any:
    if name == "GM2MField":
        from .fields import GM2MField

        return GM2MField
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
