"""
What a project writes that has its types checked with django-stubs. It is not run;
mypy is, on it: lines that it finds wrong say so.
"""

from typing import TYPE_CHECKING

from django.db.models import Q

from .models import Movie, Opera, Person, Viewer

if TYPE_CHECKING:
    from typing_extensions import reveal_type


def write(ada: Viewer, casablanca: Movie, tosca: Opera) -> None:
    ada.preferred_videos.add(casablanca, tosca)
    ada.preferred_videos.set([casablanca])
    ada.preferred_videos.remove(tosca)
    ada.preferred_videos.clear()
    ada.preferred_videos.create(Movie, title="x")


def read(ada: Viewer, casablanca: Movie) -> None:
    reveal_type(list(ada.preferred_videos.all()))  # note: list[Any]
    reveal_type(ada.preferred_videos.count())  # note: int
    movies = ada.preferred_videos.instances_of(Movie)
    reveal_type(movies)  # note: QuerySet[Movie, Movie]
    reveal_type(casablanca.viewer_set.get())  # note: Viewer


def look_up(ada: Viewer, casablanca: Movie, curtiz: Person) -> None:
    Viewer.objects.filter(preferred_videos=casablanca)
    Viewer.objects.filter(preferred_videos__ecosystem_movie=casablanca)
    Viewer.objects.filter(preferred_videos__ecosystem_movie__title="Casablanca")
    Viewer.objects.filter(preferred_videos__ecosystem_movie__director=curtiz)
    Viewer.objects.filter(preferred_videos__ecosystem_movie__year__gt=1950)
    Viewer.objects.filter(preferred_videos__ecosystem_opera__isnull=True)
    Viewer.objects.filter(Q(preferred_videos__ecosystem_movie=casablanca))
    Viewer.objects.filter(Q(preferred_videos__gm2m_pk="1"))
    Movie.objects.filter(viewer=ada)
    Movie.objects.filter(viewer__name="Ada")


def prefetch() -> None:
    Viewer.objects.prefetch_related("preferred_videos")  # error: misc
    Movie.objects.prefetch_related("viewer_set")  # error: misc
