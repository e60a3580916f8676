"""Models with both kinds of relations: the library's, and Django's own."""

import uuid

from django.db import models

from gm2m import GM2MField


class Maker(models.Model):
    """What a target leads to by a foreign key."""

    name = models.CharField(max_length=20)
    year = models.IntegerField()


class Thing(models.Model):
    """A target."""

    title = models.CharField(max_length=20)
    year = models.IntegerField(null=True)
    maker = models.ForeignKey(Maker, models.CASCADE, null=True)

    class Meta:
        abstract = True


class Apple(Thing):
    """An integer key."""


class Brick(Thing):
    """A UUID key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)


class Coin(Thing):
    """A text key, which may be the text of another model's key."""

    code = models.CharField(max_length=36, primary_key=True)


class Drum(Thing):
    """An integer key, and an order of its own."""

    class Meta:
        ordering = ["-year", "pk"]


class Box(models.Model):
    """
    Two generic fields, each with a many-to-many for each of its models. Every model has
    one name for the sources of a generic field, and one for those of each many-to-many.
    """

    title = models.CharField(max_length=20)
    year = models.IntegerField()
    favourite = models.ForeignKey(Apple, models.CASCADE, null=True)

    things = GM2MField(
        *("self", Apple, Brick, Coin, Drum),
        related_name="holders",
        related_query_name="holder",
        pk_maxlength=36,
    )
    others = GM2MField(
        *("self", Apple, Brick, Coin, Drum),
        related_name="keepers",
        related_query_name="keeper",
        pk_maxlength=36,
    )


def add_many_to_many(field: str, target: str) -> None:
    """Put a many-to-many beside a generic field, for one of its models."""
    models.ManyToManyField(
        target,
        symmetrical=False,
        related_name=f"{field}_of_{target.lower()}",
        related_query_name=f"{field}_of_{target.lower()}",
    ).contribute_to_class(Box, f"{field}_{target.lower()}")


for field in ("things", "others"):
    for target in ("Box", "Apple", "Brick", "Coin", "Drum"):
        add_many_to_many(field, target)


class Depot(models.Model):
    """A UUID key, at one end of connections."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=20)
    year = models.IntegerField(null=True)


class Coder(models.Model):
    """At one end of some connections, at both of others."""

    title = models.CharField(max_length=20)
    year = models.IntegerField(null=True)
    depot = models.ForeignKey(Depot, models.CASCADE, null=True)

    m2m_stars = models.ManyToManyField(
        Depot, related_name="m2m_fans", related_query_name="m2m_fans"
    )
    m2m_follows = models.ManyToManyField(
        "self",
        symmetrical=False,
        related_name="m2m_followers",
        related_query_name="m2m_followers",
    )
    m2m_friends = models.ManyToManyField("self")
