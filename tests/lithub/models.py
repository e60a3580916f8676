"""
The models of the tests of connections: a site for code, as in the documentation.

Neither ``Member`` nor any other model knows of a relationship. Keys of more kinds are
those of ``tests.app``.
"""

import uuid

from django.db import models

from gm2m.connections import AbstractConnection


class Account(models.Model):
    """An integer key, a multi-table child and a proxy."""

    name = models.CharField(max_length=100, default="")

    def __str__(self):
        return self.name


class Company(Account):
    """A multi-table child."""

    tax_number = models.CharField(max_length=20, default="")


class AccountProxy(Account):
    class Meta:
        proxy = True


class ReadingQuerySet(models.QuerySet):
    """Hides objects only when they are read."""

    def _fetch_all(self):
        super()._fetch_all()
        self._result_cache = [obj for obj in self._result_cache if not obj.gone]


class KeptManager(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(gone=False)

    def named(self, name):
        return self.filter(name=name)


class Repo(models.Model):
    """A default manager that hides objects."""

    name = models.CharField(max_length=100, default="")
    gone = models.BooleanField(default=False)

    objects = KeptManager()
    everything = models.Manager()
    as_read = ReadingQuerySet.as_manager()

    def __str__(self):
        return self.name


class Page(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=100, default="")


class Style(models.Model):
    code = models.CharField(max_length=300, primary_key=True)
    title = models.CharField(max_length=100, default="")


class Slot(AbstractConnection):
    """A style on a page for some time: the same one at several times."""

    start_time = models.DateTimeField()
    end_time = models.DateTimeField()

    class Meta(AbstractConnection.Meta):
        pass


class Rating(AbstractConnection):
    """Characteristics, and yet one for each pair."""

    rank = models.IntegerField(default=0)
    note = models.CharField(max_length=20, default="")

    class Meta(AbstractConnection.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["relationship_name", "from_pk", "to_pk"], name="one_rating"
            )
        ]


class Edge(AbstractConnection):
    """Key columns of the objects' own type."""

    from_pk = models.BigIntegerField()
    to_pk = models.BigIntegerField()

    class Meta(AbstractConnection.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["relationship_name", "from_pk", "to_pk"], name="one_edge"
            )
        ]


class Reply(AbstractConnection):
    """Connections that go together with others of theirs."""

    to = models.ForeignKey("self", models.CASCADE, null=True, related_name="+")

    class Meta(AbstractConnection.Meta):
        pass


class Road(AbstractConnection):
    """Weights of several types; the same pair several times."""

    minutes = models.IntegerField(null=True, default=1)
    steps = models.PositiveIntegerField(default=1)
    length = models.FloatField(default=1.0)
    toll = models.DecimalField(max_digits=6, decimal_places=2, default=0)
    kind = models.CharField(max_length=20, default="")

    class Meta(AbstractConnection.Meta):
        pass
