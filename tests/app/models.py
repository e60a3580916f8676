"""
The models of the tests: a media library, as in the documentation.

Targets with keys of every kind, sources with fields of every form. A behaviour that
needs a model of its own declares it in its test, with ``isolate_apps``.
"""

import uuid

from django import VERSION
from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.db.models import QuerySet
from django.db.models.functions import Length
from django.db.models.query import ModelIterable

from gm2m import GM2MField
from gm2m.deletion import CASCADE_SIGNAL

from . import key_fields


class Person(models.Model):
    name = models.CharField(max_length=100)

    def __str__(self):
        return self.name


# Targets.


class Video(models.Model):
    """An integer key, and multi-table children."""

    title = models.CharField(max_length=255)
    year = models.IntegerField(null=True)

    def __str__(self):
        return self.title


class Movie(Video):
    director = models.ForeignKey(Person, models.SET_NULL, null=True)


class Documentary(Video):
    subject = models.CharField(max_length=100, default="")


class Opera(models.Model):
    """A UUID key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=255)
    composer = models.ForeignKey(Person, models.SET_NULL, null=True)
    director = models.ForeignKey(
        Person, models.SET_NULL, null=True, related_name="directed_operas"
    )

    def __str__(self):
        return self.title


class Concert(models.Model):
    """A text key."""

    code = models.CharField(max_length=16, primary_key=True)
    title = models.CharField(max_length=255, default="")

    def __str__(self):
        return self.title


class Premiere(models.Model):
    """A date for a key."""

    day = models.DateField(primary_key=True)
    title = models.CharField(max_length=255, default="")


class Poster(models.Model):
    """The key of another model for a key."""

    opera = models.OneToOneField(Opera, models.CASCADE, primary_key=True)
    title = models.CharField(max_length=255, default="")


class Book(models.Model):
    """A model that no field declares, with an order of its own."""

    title = models.CharField(max_length=255)

    class Meta:
        ordering = ["title"]


class LivingManager(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(dead=False)


class Plant(models.Model):
    """A model whose default manager hides objects."""

    name = models.CharField(max_length=100)
    dead = models.BooleanField(default=False)

    objects = LivingManager()
    everything = models.Manager()


class VideoProxy(Video):
    class Meta:
        proxy = True


class SubclassIterable(ModelIterable):
    """Yield each animal as an object of its own class."""

    def __iter__(self):
        animals = list(super().__iter__())
        for model in (Puppy, Dog, Cat):
            keys = [animal.pk for animal in animals if type(animal) is Animal]
            own = QuerySet(model, using=self.queryset.db).in_bulk(keys)
            for name in self.queryset.query.annotation_select:
                for animal in animals:
                    if animal.pk in own:
                        setattr(own[animal.pk], name, getattr(animal, name))
            animals = [own.get(animal.pk, animal) for animal in animals]
        yield from animals


class AnimalManager(models.Manager):
    def get_queryset(self):
        queryset = super().get_queryset()
        queryset._iterable_class = SubclassIterable
        return queryset


class Animal(models.Model):
    """A model whose manager yields objects of its subclasses."""

    name = models.CharField(max_length=100)

    objects = AnimalManager()

    def __str__(self):
        return self.name


class Dog(Animal):
    objects = models.Manager()


class Puppy(Dog):
    pass


class Cat(Animal):
    objects = models.Manager()


class Measure(models.Model):
    """A key that cannot be linked."""

    value = models.FloatField(primary_key=True)


# Targets with key fields of other origin, and their source.


class Snow(models.Model):
    id = key_fields.SnowflakeField(primary_key=True)


class Hashed(models.Model):
    id = key_fields.HashidField(primary_key=True)
    name = models.CharField(max_length=20, default="")


class Prefixed(models.Model):
    id = key_fields.PrefixedField(max_length=20, primary_key=True)


class OwnUUID(models.Model):
    id = key_fields.OwnUUIDField(primary_key=True)


class HashedParent(models.Model):
    id = key_fields.RelatedHashidField(primary_key=True)


class HashedChild(models.Model):
    parent = models.OneToOneField(HashedParent, models.CASCADE, primary_key=True)


class HashedGrandchild(models.Model):
    parent = models.OneToOneField(HashedChild, models.CASCADE, primary_key=True)


class Keyring(models.Model):
    things = GM2MField(
        Snow,
        Hashed,
        Prefixed,
        OwnUUID,
        HashedChild,
        HashedGrandchild,
        pk_maxlength=36,
    )
    numbered = GM2MField(
        Snow, Hashed, HashedChild, through="KeyringNumber", related_name="numbered_set"
    )


class KeyringNumber(models.Model):
    """A through model with a key column of the targets' kind."""

    keyring = models.ForeignKey(Keyring, models.CASCADE)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.BigIntegerField()
    thing = GenericForeignKey()

    class Meta:
        unique_together = ["keyring", "content_type", "object_id"]


# Sources.


class User(models.Model):
    name = models.CharField(max_length=100)

    preferred_videos = GM2MField(
        Movie, "app.Documentary", "Opera", Concert, Premiere, Poster, pk_maxlength=36
    )

    def __str__(self):
        return self.name


class UserProxy(User):
    class Meta:
        proxy = True


class Critic(User):
    """A multi-table child of a source."""

    paper = models.CharField(max_length=100, default="")


class Undeclared(models.Model):
    """A field without declared models, and one on the same targets beside it."""

    name = models.CharField(max_length=100, default="")
    things = GM2MField(related_name="thing_holders")
    others = GM2MField(related_name="other_holders", related_query_name="other_holder")


class Hidden(models.Model):
    things = GM2MField(Video, related_name="+")


class Tagged(models.Model):
    """An abstract parent."""

    things = GM2MField(Video, related_name="%(app_label)s_%(class)s_things")

    class Meta:
        abstract = True


class TaggedPage(Tagged):
    name = models.CharField(max_length=100, default="")


class TaggedImage(Tagged):
    name = models.CharField(max_length=100, default="")


class Friend(models.Model):
    """A relation to itself and to the user model of the settings."""

    name = models.CharField(max_length=100, default="")
    friends = GM2MField("self", settings.AUTH_USER_MODEL, related_name="befriended_by")


class ProxyLover(models.Model):
    """A field to which proxies are models of their own."""

    things = GM2MField(for_concrete_model=False, related_name="proxy_lovers")


class VisibleManager(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(secret=False)

    def named(self, name):
        return self.filter(name=name)


class Club(models.Model):
    """A source with managers of its own."""

    name = models.CharField(max_length=100)
    secret = models.BooleanField(default=False)
    library = GM2MField(Video, related_name="clubs", related_query_name="club")

    objects = VisibleManager()
    everything = models.Manager()


# Custom through models.


class Playlist(models.Model):
    name = models.CharField(max_length=100, default="")
    items = GM2MField(Video, Opera, through="PlaylistItem", related_name="playlists")


class PlaylistItem(models.Model):
    playlist = models.ForeignKey(Playlist, models.CASCADE)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=40)
    item = GenericForeignKey("content_type", "object_id")
    position = models.IntegerField(default=0)
    note = models.CharField(max_length=100, default="")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["playlist", "content_type", "object_id"], name="one_item"
            )
        ]


class Shelf(models.Model):
    """A through model with more of everything than needed, and an integer key."""

    name = models.CharField(max_length=100, default="")
    videos = GM2MField(
        Video,
        through="ShelfPlace",
        through_fields=("shelf", "video"),
        related_name="shelves",
        related_query_name="shelf",
    )


class ShelfPlace(models.Model):
    shelf = models.ForeignKey(Shelf, models.CASCADE, related_name="places")
    former_shelf = models.ForeignKey(
        Shelf, models.SET_NULL, null=True, related_name="former_places"
    )
    video_type = models.ForeignKey(ContentType, models.CASCADE, related_name="+")
    video_id = models.IntegerField()
    video = GenericForeignKey("video_type", "video_id")
    sleeve_type = models.ForeignKey(
        ContentType, models.CASCADE, related_name="+", null=True
    )
    sleeve_id = models.IntegerField(null=True)
    sleeve = GenericForeignKey("sleeve_type", "sleeve_id")


class Zoo(models.Model):
    name = models.CharField(max_length=100)
    animals = GM2MField(Animal, blank=True, related_name="zoos")

    def __str__(self):
        return self.name


class Vault(models.Model):
    """A through model with a UUID key column, all four names given."""

    works = GM2MField(
        Opera,
        through="VaultEntry",
        through_fields=["vault", "work", "work_type", "work_id"],
        related_name="vaults",
    )


class VaultEntry(models.Model):
    vault = models.ForeignKey(Vault, models.CASCADE)
    work_type = models.ForeignKey(ContentType, models.CASCADE)
    work_id = models.UUIDField()
    work = GenericForeignKey("work_type", "work_id")


# Prefetching: what cannot be shared between objects, and names that lists have too.


class Term(models.Model):
    name = models.CharField(max_length=100)


class ShotManager(models.Manager):
    """A default manager that annotates and prefetches."""

    def get_queryset(self):
        queryset = super().get_queryset().prefetch_related("index")
        return queryset.annotate(name_length=Length("name"))


class Shot(models.Model):
    name = models.CharField(max_length=100)
    file = models.FileField(null=True)
    data = models.JSONField(default=dict)
    copy = models.ForeignKey("self", models.SET_NULL, null=True, related_name="copies")
    index = models.ManyToManyField(Term, related_name="shots")

    objects = ShotManager()


class Album(models.Model):
    name = models.CharField(max_length=100, default="")
    shots = GM2MField(Shot, related_name="albums")


# Deletion: targets and sources that nothing else is related to.


class Estate(models.Model):
    """What sources and targets go with."""


class Exhibit(models.Model):
    name = models.CharField(max_length=100, default="")
    estate = models.ForeignKey(Estate, models.CASCADE, null=True)

    def __str__(self):
        return self.name


class Statue(Exhibit):
    """A multi-table child of a target."""


class ExhibitProxy(Exhibit):
    class Meta:
        proxy = True


class Gallery(models.Model):
    name = models.CharField(max_length=100, default="")
    works = GM2MField(Exhibit, related_name="galleries")
    others = GM2MField(Exhibit, related_name="other_galleries")
    unseen = GM2MField(Exhibit, related_name="+")

    def __str__(self):
        return self.name


class Museum(Gallery):
    """A multi-table child of a source."""


class Relic(models.Model):
    """A target that is protected by some of its links."""

    name = models.CharField(max_length=100, default="")
    estate = models.ForeignKey(Estate, models.CASCADE, null=True)

    def __str__(self):
        return self.name


class Reliquary(models.Model):
    estate = models.ForeignKey(Estate, models.CASCADE, null=True)
    protected = GM2MField(
        Relic, on_delete_tgt=models.PROTECT, related_name="protectors"
    )
    restricted = GM2MField(
        Relic, on_delete_tgt=models.RESTRICT, related_name="restrictors"
    )
    kept = GM2MField(Relic, on_delete_tgt=models.DO_NOTHING, related_name="indifferent")


class ProtectedSource(models.Model):
    works = GM2MField(Exhibit, on_delete_src=models.PROTECT, related_name="+")


class RestrictedSource(models.Model):
    estate = models.ForeignKey(Estate, models.CASCADE, null=True)
    works = GM2MField(Exhibit, on_delete_src=models.RESTRICT, related_name="+")


class KeptSource(models.Model):
    """Its links stay when it goes, which a constraint would not allow."""

    works = GM2MField(
        Exhibit,
        on_delete_src=models.DO_NOTHING,
        db_constraint=False,
        related_name="keepers",
    )


if VERSION >= (6, 1):

    class DatabaseCascade(models.Model):
        """A source whose links the database deletes."""

        works = GM2MField(
            Exhibit, on_delete_src=models.DB_CASCADE, related_name="db_cascades"
        )


# Managers: keys and managers that the models above do not have.


class Counter(models.Model):
    """An integer key of any size, which no sequence fills."""

    number = models.BigIntegerField(primary_key=True)


class Rack(models.Model):
    """A source that its through model knows by another field than its key."""

    # Unique, and yet missing from several.
    code = models.CharField(max_length=20, unique=True, null=True)  # noqa: DJ001
    discs = GM2MField(Video, Opera, through="RackPlace", related_name="racks")


class RackPlace(models.Model):
    rack = models.ForeignKey(Rack, models.CASCADE, to_field="code", null=True)
    disc_type = models.ForeignKey(ContentType, models.CASCADE)
    disc_id = models.CharField(max_length=36)
    disc = GenericForeignKey("disc_type", "disc_id")
    note = models.CharField(max_length=100, default="")


class MemberQuerySet(models.QuerySet):
    def named(self, name):
        return self.filter(name=name)


class PresentManager(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(left=False)

    def initials(self):
        return [member.name[0] for member in self.all()]


class Member(models.Model):
    """A source whose default manager hides nothing and has methods of its own."""

    name = models.CharField(max_length=100)
    left = models.BooleanField(default=False)
    favourites = GM2MField(Video, Opera, related_name="admirers", pk_maxlength=36)
    dislikes = GM2MField(Video, Opera, related_name="critics", pk_maxlength=36)

    objects = MemberQuerySet.as_manager()
    present = PresentManager()

    class Meta:
        ordering = ["name"]


# A through model with a form for everything that Django knows of models: a key to a
# column that is no primary key, required columns, proxies and multi-table children.


class Film(models.Model):
    title = models.CharField(max_length=255)

    def __str__(self):
        return self.title


class Festival(models.Model):
    name = models.CharField(max_length=100, unique=True)
    screenings = GM2MField(
        Film,
        through="Screening",
        through_fields=("festival", "work", "work_type"),
        related_name="festivals",
        related_query_name="festival",
    )


class Screening(models.Model):
    festival = models.ForeignKey(Festival, models.CASCADE, to_field="name")
    work_type = models.ForeignKey(ContentType, models.CASCADE, related_name="+")
    work_key = models.CharField(max_length=40)
    work = GenericForeignKey("work_type", "work_key")
    host = models.ForeignKey(Person, models.SET_NULL, null=True, blank=True)
    seats = models.PositiveIntegerField()

    class Meta:
        ordering = ["-seats", "pk"]


class ScreeningProxy(Screening):
    class Meta:
        proxy = True


class GalaScreening(Screening):
    dress_code = models.CharField(max_length=100, default="black tie")


# Numbers of any size, which no sequence counts.


class Star(models.Model):
    number = models.BigIntegerField(primary_key=True)
    title = models.CharField(max_length=100, default="")


class Sky(models.Model):
    name = models.CharField(max_length=100, default="")
    stars = GM2MField(Star, related_name="skies", pk_maxlength=36)


# Text keys of a collation of their own.


class Track(models.Model):
    code = models.CharField(
        max_length=16,
        primary_key=True,
        db_collation={
            "mysql": "utf8mb4_bin",
            "postgresql": "C",
            "sqlite": "RTRIM",
        }[connection.vendor],
    )
    title = models.CharField(max_length=100, default="")


class Disc(models.Model):
    name = models.CharField(max_length=100, default="")
    # Not declared: on MariaDB it cannot be, for the collation.
    tracks = GM2MField(related_name="discs")


class Announcer(models.Model):
    """A field whose deletions are announced."""

    things = GM2MField(Video, on_delete=CASCADE_SIGNAL, related_name="announcers")


class AnnouncedList(models.Model):
    things = GM2MField(through="AnnouncedItem", related_name="announced_lists")


class AnnouncedItem(models.Model):
    source = models.ForeignKey(AnnouncedList, CASCADE_SIGNAL)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=36)
    thing = GenericForeignKey()


# Natural keys.


class SingerManager(models.Manager):
    def get_by_natural_key(self, name):
        return self.get(name=name)


class Singer(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=100, unique=True)

    objects = SingerManager()

    def natural_key(self):
        return (self.name,)


class SoloistManager(models.Manager):
    def get_by_natural_key(self, name, voice):
        return self.get(singer__name=name, voice=voice)


class Soloist(models.Model):
    """A natural key of several parts, and the key of another model for a key."""

    singer = models.OneToOneField(Singer, models.CASCADE, primary_key=True)
    voice = models.CharField(max_length=100)

    objects = SoloistManager()

    def natural_key(self):
        return (*self.singer.natural_key(), self.voice)


class Choir(models.Model):
    name = models.CharField(max_length=100, default="")
    members = GM2MField(Singer, Soloist, related_name="choirs", pk_maxlength=36)


# A through model with an order, in which one link may be there several times.


class Anthology(models.Model):
    title = models.CharField(max_length=100, default="")
    pieces = GM2MField(
        Video, Opera, Concert, through="AnthologyEntry", related_name="anthologies"
    )


class AnthologyEntry(models.Model):
    anthology = models.ForeignKey(Anthology, models.CASCADE)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=36)
    piece = GenericForeignKey()
    position = models.IntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]
