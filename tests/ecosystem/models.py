"""The models of the documentation, as far as other packages put something on them."""

import uuid
from typing import TYPE_CHECKING

from django.db import models
from model_utils.managers import InheritanceManager
from polymorphic.models import PolymorphicModel
from simple_history.models import HistoricalRecords
from taggit.managers import TaggableManager

from gm2m import GM2MField

if TYPE_CHECKING:
    from gm2m.typing import ReverseManager


class Person(models.Model):
    name = models.CharField(max_length=100)

    def __str__(self):
        return self.name


class Movie(models.Model):
    if TYPE_CHECKING:
        viewer_set: ReverseManager["Viewer"]

    title = models.CharField(max_length=100)
    year = models.IntegerField(default=1942)
    director = models.ForeignKey(Person, models.SET_NULL, null=True, blank=True)

    def __str__(self):
        return self.title


class Opera(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=100)

    def __str__(self):
        return self.title


class Concert(models.Model):
    code = models.CharField(max_length=100, primary_key=True)
    title = models.CharField(max_length=100)

    def __str__(self):
        return self.title


class Book(models.Model):
    """A model that no field declares."""

    title = models.CharField(max_length=100)

    def __str__(self):
        return self.title


class Viewer(models.Model):
    name = models.CharField(max_length=100)
    preferred_videos = GM2MField(
        Movie, Opera, Concert, pk_maxlength=36, blank=True, help_text="Any of them."
    )

    def __str__(self):
        return self.name


class Critic(models.Model):
    """A field that may not be empty, with limits for each model."""

    name = models.CharField(max_length=100)
    reviewed = GM2MField(
        Movie,
        Opera,
        pk_maxlength=36,
        limit_choices_to={
            Movie: {"year__lt": 2000},
            "ecosystem.Opera": lambda: {"title__startswith": "T"},
        },
    )


class Anything(models.Model):
    """A field that declares no models."""

    name = models.CharField(max_length=100)
    things = GM2MField(
        related_name="anythings", blank=True, verbose_name="anything at all"
    )


class Edition(models.Model):
    """A model that has an identifier."""

    identifier = models.CharField(max_length=100)


class Bookcase(models.Model):
    editions = GM2MField(Edition)


class Animal(PolymorphicModel):
    """Its manager yields objects of its subclasses."""

    name = models.CharField(max_length=100)

    def __str__(self):
        return self.name


class Dog(Animal):
    pass


class Cat(Animal):
    lives = models.IntegerField(default=9)


class SelectingManager(InheritanceManager):
    def get_queryset(self):
        return super().get_queryset().select_subclasses()


class Vehicle(models.Model):
    """So does this one, by other means."""

    name = models.CharField(max_length=100)

    objects = SelectingManager()


class Car(Vehicle):
    pass


class Truck(Vehicle):
    pass


class Place(models.Model):
    """Its manager could, and does not."""

    name = models.CharField(max_length=100)

    objects = InheritanceManager()


class Cinema(Place):
    pass


class Opened(models.Model):
    name = models.CharField(max_length=100)
    animals = GM2MField(Animal, blank=True)
    vehicles = GM2MField(Vehicle, blank=True)
    places = GM2MField(Place, blank=True)


class Recorded(models.Model):
    """Its history, and that of its links, is kept."""

    name = models.CharField(max_length=100)
    videos = GM2MField(Movie, Opera, pk_maxlength=36, blank=True)

    history = HistoricalRecords(m2m_fields=[videos])

    def __str__(self):
        return self.name


class Tagged(models.Model):
    """Tags, another relation to anything, beside the field."""

    name = models.CharField(max_length=100)
    videos = GM2MField(Movie, Opera, pk_maxlength=36, blank=True)

    tags = TaggableManager(blank=True)

    def __str__(self):
        return self.name
