"""Code as users write it, with the types that checkers are to find in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import QuerySet
from typing_extensions import assert_type

from gm2m import GM2MField
from gm2m.descriptors import GM2MDescriptor
from gm2m.query import GM2MQuerySet

if TYPE_CHECKING:
    from gm2m.typing import ForwardManager, ReverseManager


class Movie(models.Model):
    title: models.CharField[str, str] = models.CharField(max_length=100)

    viewer_set: ReverseManager[Viewer]


class Opera(models.Model):
    title: models.CharField[str, str] = models.CharField(max_length=100)


class Viewer(models.Model):
    name: models.CharField[str, str] = models.CharField(max_length=100)
    videos = GM2MField["Movie | Opera"]("Movie", "Opera", related_name="viewer_set")
    anything = GM2MField(related_name="+")


def descriptors() -> None:
    assert_type(Viewer.videos, GM2MDescriptor)
    assert_type(Viewer.videos.through, type[models.Model])
    assert_type(Viewer.videos.get_related_models(), list[type[models.Model]])
    Viewer.videos.add_relation(Group)
    Viewer.videos.add_relation("auth.Group")


def reading(viewer: Viewer) -> None:
    videos = viewer.videos
    assert_type(videos.all(), GM2MQuerySet[Movie | Opera])
    assert_type(videos.filter(Model=Movie), GM2MQuerySet[Movie | Opera])
    assert_type(videos.first(), Movie | Opera | None)
    assert_type(videos.get(Model=Movie), Movie | Opera)
    assert_type(videos.all()[0], Movie | Opera)
    assert_type(list(videos), list[Movie | Opera])
    assert_type(videos.count(), int)
    assert_type(videos.instances_of(Movie), QuerySet[Movie])
    for video in videos.all():
        assert_type(video, Movie | Opera)
        assert_type(video.title, str)
    assert_type(viewer.anything.get(), Any)


def writing(viewer: Viewer, movie: Movie, opera: Opera, group: Group) -> None:
    viewer.videos.add(movie, opera)
    # The models in the brackets are those that are read, not all that may be linked.
    viewer.videos.add(group, through_defaults={})
    viewer.videos.remove(movie)
    viewer.videos.set([movie, opera], clear=True)
    viewer.videos = [movie]
    assert_type(viewer.videos.create(Movie, title="Stalker"), Movie)
    assert_type(viewer.videos.get_or_create(Opera, title="Tosca"), tuple[Opera, bool])
    assert_type(
        viewer.videos.update_or_create(Movie, defaults={"title": "Solaris"}),
        tuple[Movie, bool],
    )


async def asynchronously(viewer: Viewer, movie: Movie) -> None:
    await viewer.videos.aadd(movie)
    assert_type(await viewer.videos.afirst(), Movie | Opera | None)
    async for video in viewer.videos.all():
        assert_type(video, Movie | Opera)


def from_a_target(movie: Movie, viewer: Viewer) -> None:
    assert_type(movie.viewer_set.all(), QuerySet[Viewer])
    assert_type(movie.viewer_set.first(), Viewer | None)
    assert_type(movie.viewer_set.create(name="Ada"), Viewer)
    assert_type(list(movie.viewer_set), list[Viewer])
    movie.viewer_set.add(viewer)
    movie.viewer_set.set([viewer])


def passed_on(videos: ForwardManager[Movie | Opera]) -> None:
    assert_type(videos.last(), Movie | Opera | None)


def handing_over(viewer: Viewer) -> None:
    passed_on(viewer.videos)
    movies: QuerySet[Movie] = viewer.videos.instances_of(Movie)
    assert movies.exists()
