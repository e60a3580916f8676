"""
A media library, and the people who watch and listen.

``Movie``, ``Documentary``, ``Opera`` and ``Concert`` have nothing in common but that a
viewer may like them: two are children of ``Video`` (integer keys), one has a UUID as
its key and one a short text. ``Viewer`` and ``Playlist`` link to all of them.
"""

import uuid

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

from gm2m import GM2MField
from gm2m.connections import AbstractConnection


class Person(models.Model):
    """Someone who directs movies or composes operas."""

    name = models.CharField(max_length=100, unique=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "people"

    def __str__(self):
        return self.name


class Video(models.Model):
    title = models.CharField(max_length=200)
    year = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["title"]

    def __str__(self):
        return f"{self.title} ({self.year})"


class Movie(Video):
    director = models.ForeignKey(Person, on_delete=models.PROTECT)


class Documentary(Video):
    subject = models.CharField(max_length=200)

    class Meta:
        verbose_name_plural = "documentaries"


class Opera(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(max_length=200)
    composer = models.ForeignKey(Person, on_delete=models.PROTECT)
    year = models.PositiveSmallIntegerField("year of the première")

    class Meta:
        ordering = ["title"]

    def __str__(self):
        return f"{self.title} ({self.year})"


class Concert(models.Model):
    slug = models.SlugField(primary_key=True, max_length=16)
    title = models.CharField(max_length=200)
    venue = models.CharField(max_length=200)
    date = models.DateField()

    class Meta:
        ordering = ["date"]

    def __str__(self):
        return f"{self.title} ({self.date.year})"


class Viewer(models.Model):
    """
    Prefers movies, documentaries, operas and concerts: declared, so that each of these
    models has its ``viewer_set`` from the start.
    """

    name = models.CharField(max_length=100, unique=True)
    # 36 characters hold the text of a UUID, the longest of the four kinds of key.
    preferred_videos = GM2MField(
        "library.Movie",
        "library.Documentary",
        "library.Opera",
        "library.Concert",
        pk_maxlength=36,
    )

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name


class Playlist(models.Model):
    """
    Holds anything in a chosen order. It declares no models: each gets its
    ``playlist_set`` when the first of its objects is added.
    """

    name = models.CharField(max_length=100)
    owner = models.ForeignKey(Viewer, on_delete=models.CASCADE)
    items = GM2MField(
        "library.Movie",
        "library.Documentary",
        "library.Opera",
        "library.Concert",
        through="PlaylistItem",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name


class PlaylistItem(models.Model):
    """One link of a playlist. ``Meta.ordering`` is the order of the playlist."""

    playlist = models.ForeignKey(Playlist, on_delete=models.CASCADE)
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.CharField(max_length=36)
    content_object = GenericForeignKey("content_type", "object_id")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["playlist", "content_type", "object_id"],
                name="an_item_is_once_in_a_playlist",
            ),
        ]
        indexes = [models.Index(fields=["content_type", "object_id"])]

    def __str__(self):
        return f"{self.playlist}, {self.position}"


class Page(models.Model):
    """A page of the library's site."""

    slug = models.SlugField(primary_key=True)

    def __str__(self):
        return self.slug


class Style(models.Model):
    """How a page may look."""

    name = models.CharField(max_length=50, unique=True)

    def __str__(self):
        return self.name


class Slot(AbstractConnection):
    """
    The time for which a page has a style: a connection of ``page_styles``, with
    characteristics. One style may be on one page at several times.
    """

    start_time = models.DateTimeField()
    end_time = models.DateTimeField()

    class Meta(AbstractConnection.Meta):
        ordering = ["start_time"]
