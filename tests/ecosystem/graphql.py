"""The GraphQL schema that the tests ask."""

from typing import Annotated

import strawberry
import strawberry_django
from strawberry_django.optimizer import DjangoOptimizerExtension

from gm2m.choices import choose

from .models import Concert, Movie, Opera, Viewer


@strawberry_django.type(Viewer, fields="__all__")
class PlainViewerType:
    """All fields that it knows, which leaves this one out."""


@strawberry_django.type(Movie)
class MovieType:
    title: strawberry.auto

    @strawberry_django.field(prefetch_related=["viewer_set"])
    def viewer_set(self, root: Movie) -> list[PlainViewerType]:
        return root.viewer_set.all()


@strawberry_django.type(Opera)
class OperaType:
    title: strawberry.auto


@strawberry_django.type(Concert)
class ConcertType:
    title: strawberry.auto


Video = Annotated[MovieType | OperaType | ConcertType, strawberry.union("Video")]


@strawberry_django.type(Viewer)
class ViewerType:
    name: strawberry.auto
    preferred_videos: list[Video]


@strawberry.type
class Query:
    viewers: list[ViewerType] = strawberry_django.field()
    plain: list[PlainViewerType] = strawberry_django.field()
    movies: list[MovieType] = strawberry_django.field()


@strawberry.type
class Mutation:
    @strawberry_django.mutation(handle_django_errors=False)
    def prefer(self, viewer: strawberry.ID, videos: list[str]) -> ViewerType:
        found = Viewer.objects.get(pk=viewer)
        field = Viewer._meta.get_field("preferred_videos")
        found.preferred_videos.set(choose(field, videos))
        return found


schema = strawberry.Schema(
    Query, mutation=Mutation, extensions=[DjangoOptimizerExtension]
)
