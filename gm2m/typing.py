"""
The related managers for annotations, with django-stubs.

``viewer_set: ReverseManager["Viewer"]`` on a target, and where a function is given
``ada.preferred_videos``, ``ForwardManager["Movie | Opera"]``. When the code runs, they
are the classes themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from typing import Protocol

    from django.db.models import Model, QuerySet
    from typing_extensions import TypeVar

    from .generics import Instance, Target_co
    from .linking import LinkManager
    from .query import GM2MQuerySet

    Source = TypeVar("Source", bound=Model, default=Any)
    Queryset_co = TypeVar("Queryset_co", covariant=True)
    Attrs = dict[str, Any] | None

    class Querysets(Protocol[Queryset_co]):
        """The methods of a manager that give a queryset, which is no manager."""

        def all(self) -> Queryset_co: ...
        def annotate(self, *args: Any, **kwargs: Any) -> Queryset_co: ...
        def distinct(self, *args: Any) -> Queryset_co: ...
        def exclude(self, *args: Any, **kwargs: Any) -> Queryset_co: ...
        def filter(self, *args: Any, **kwargs: Any) -> Queryset_co: ...
        def none(self) -> Queryset_co: ...
        def order_by(self, *args: Any) -> Queryset_co: ...
        def prefetch_related(self, *args: Any) -> Queryset_co: ...
        def reverse(self) -> Queryset_co: ...
        def select_for_update(self, *args: Any, **kwargs: Any) -> Queryset_co: ...
        def using(self, alias: str | None) -> Queryset_co: ...

    class ForwardManager(  # type: ignore[misc]
        Querysets["GM2MQuerySet[Target_co]"], GM2MQuerySet[Target_co], LinkManager
    ):
        """The targets of one source, ``user.preferred_videos``."""

        @overload  # type: ignore[override, no-overload-impl]
        def create(
            self,
            model: type[Instance],
            /,
            *,
            through_defaults: Attrs = None,
            **attrs: Any,
        ) -> Instance: ...

        @overload
        def create(
            self, model: str, /, *, through_defaults: Attrs = None, **attrs: Any
        ) -> Any: ...

        @overload  # type: ignore[override, no-overload-impl]
        def get_or_create(
            self,
            model: type[Instance],
            /,
            defaults: Attrs = None,
            *,
            through_defaults: Attrs = None,
            **attrs: Any,
        ) -> tuple[Instance, bool]: ...

        @overload
        def get_or_create(
            self,
            model: str,
            /,
            defaults: Attrs = None,
            *,
            through_defaults: Attrs = None,
            **attrs: Any,
        ) -> tuple[Any, bool]: ...

        @overload  # type: ignore[override, no-overload-impl]
        def update_or_create(
            self,
            model: type[Instance],
            /,
            defaults: Attrs = None,
            create_defaults: Attrs = None,
            *,
            through_defaults: Attrs = None,
            **attrs: Any,
        ) -> tuple[Instance, bool]: ...

        @overload
        def update_or_create(
            self,
            model: str,
            /,
            defaults: Attrs = None,
            create_defaults: Attrs = None,
            *,
            through_defaults: Attrs = None,
            **attrs: Any,
        ) -> tuple[Any, bool]: ...

    class ReverseManager(  # type: ignore[misc]
        Querysets["QuerySet[Source]"], QuerySet[Source, Source], LinkManager
    ):
        """The sources of one target, ``movie.user_set``."""

        def __call__(self, *, manager: str) -> Any: ...

else:
    from .managers import ForwardManager
    from .reverse_managers import ReverseManager

__all__ = ["ForwardManager", "ReverseManager"]
