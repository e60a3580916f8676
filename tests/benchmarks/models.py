"""The models of a worker: three targets, and a source as the contender has it."""

import os

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models

CONTENDER = os.environ["GM2M_BENCHMARK_CONTENDER"]
IS_BY_HAND = CONTENDER == "by_hand"


class Target(models.Model):
    title = models.CharField(max_length=100, db_index=True)

    class Meta:
        abstract = True


class Movie(Target):
    if IS_BY_HAND:
        links = GenericRelation("Link")


class Documentary(Target):
    if IS_BY_HAND:
        links = GenericRelation("Link")


class Opera(Target):
    if IS_BY_HAND:
        links = GenericRelation("Link")


TARGETS = (Movie, Documentary, Opera)


class Source(models.Model):
    name = models.CharField(max_length=100, db_index=True)

    if CONTENDER == "many_to_many":
        movies = models.ManyToManyField(Movie, related_name="sources")
        documentaries = models.ManyToManyField(Documentary, related_name="sources")
        operas = models.ManyToManyField(Opera, related_name="sources")
    elif not IS_BY_HAND:
        from gm2m import GM2MField

        targets = GM2MField(*TARGETS, related_name="sources")


if IS_BY_HAND:

    class Link(models.Model):
        source = models.ForeignKey(
            Source, models.CASCADE, related_name="links", db_index=False
        )
        content_type = models.ForeignKey(ContentType, models.CASCADE)
        object_id = models.PositiveBigIntegerField()
        target = GenericForeignKey()

        class Meta:
            ordering = ["pk"]
            constraints = [
                models.UniqueConstraint(
                    fields=["source", "content_type", "object_id"],
                    name="each_link_once",
                )
            ]
            indexes = [
                models.Index(
                    fields=["object_id", "content_type", "source"], name="other_way"
                )
            ]
