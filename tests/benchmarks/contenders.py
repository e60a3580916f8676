"""How each contender does what is measured, as its users would write it."""

from __future__ import annotations

from collections import defaultdict

from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.models import prefetch_related_objects

from .models import CONTENDER, TARGETS, Movie, Source


def by_model(objs):
    """Return a list for each model, of those that somebody has at hand."""
    lists = defaultdict(list)
    for obj in objs:
        lists[type(obj)].append(obj)
    return lists


class Field:
    """A ``GM2MField``: this one, and that of django-gm2m 1.4."""

    def add(self, source, objs, lists):
        source.targets.add(*objs)

    def remove(self, source, objs, lists):
        source.targets.remove(*objs)

    def set(self, source, objs, lists):
        source.targets.set(objs)

    def clear(self, source):
        source.targets.clear()

    def read(self, source):
        return list(source.targets.all())

    def read_movies(self, source):
        return list(source.targets.all())

    def stream(self, source):
        return source.targets.iterator(chunk_size=2000)

    def count(self, source):
        return source.targets.count()

    def exists(self, source):
        return source.targets.exists()

    def prefetch(self, sources):
        prefetch_related_objects(sources, "targets")
        return [list(source.targets.all()) for source in sources]

    def read_back(self, movie):
        return list(movie.sources.all())

    def prefetch_back(self, movies):
        prefetch_related_objects(movies, "sources")
        return [list(movie.sources.all()) for movie in movies]

    def find_movies(self, name):
        return Movie.objects.filter(sources__name=name).count()

    def find_sources(self, movie):
        return Source.objects.filter(targets=movie).count()

    def tables(self):
        """Yield the table and the columns of links to each model, and their values."""
        through = Source._meta.get_field("targets").remote_field.through
        for model in TARGETS:
            type_id = ContentType.objects.get_for_model(model).pk
            text = "CHAR" if connection.vendor == "mysql" else "VARCHAR"
            columns = "gm2m_src_id, gm2m_ct_id, gm2m_pk"
            key = f"CAST(t.id AS {text})"
            yield through._meta.db_table, columns, model, f"s.id, {type_id}, {key}"


class ManyToMany:
    """Three ``ManyToManyField``s."""

    def managers(self, source):
        return zip(
            TARGETS, (source.movies, source.documentaries, source.operas), strict=True
        )

    def add(self, source, objs, lists):
        with transaction.atomic():
            for model, manager in self.managers(source):
                if model in lists:
                    manager.add(*lists[model])

    def remove(self, source, objs, lists):
        with transaction.atomic():
            for model, manager in self.managers(source):
                if model in lists:
                    manager.remove(*lists[model])

    def set(self, source, objs, lists):
        with transaction.atomic():
            for model, manager in self.managers(source):
                manager.set(lists[model])

    def clear(self, source):
        with transaction.atomic():
            for _model, manager in self.managers(source):
                manager.clear()

    def read(self, source):
        return [
            obj for _model, manager in self.managers(source) for obj in manager.all()
        ]

    def read_movies(self, source):
        return list(source.movies.all())

    def stream(self, source):
        for _model, manager in self.managers(source):
            yield from manager.iterator(chunk_size=2000)

    def count(self, source):
        return sum(manager.count() for _model, manager in self.managers(source))

    def exists(self, source):
        return any(manager.exists() for _model, manager in self.managers(source))

    def prefetch(self, sources):
        prefetch_related_objects(sources, "movies", "documentaries", "operas")
        return [self.read(source) for source in sources]

    read_back = Field.read_back
    prefetch_back = Field.prefetch_back
    find_movies = Field.find_movies

    def find_sources(self, movie):
        return Source.objects.filter(movies=movie).count()

    def tables(self):
        for model, manager in self.managers(Source(pk=0)):
            columns = f"source_id, {model._meta.model_name}_id"
            yield manager.through._meta.db_table, columns, model, "s.id, t.id"


class ByHand:
    """A through model with a ``GenericForeignKey``, and a ``GenericRelation`` back."""

    def add(self, source, objs, lists):
        from .models import Link

        types = {model: ContentType.objects.get_for_model(model) for model in TARGETS}
        Link.objects.bulk_create(
            [
                Link(source=source, content_type=types[type(obj)], object_id=obj.pk)
                for obj in objs
            ],
            ignore_conflicts=True,
        )

    def remove(self, source, objs, lists):
        with transaction.atomic():
            for model, found in lists.items():
                source.links.filter(
                    content_type=ContentType.objects.get_for_model(model),
                    object_id__in=[obj.pk for obj in found],
                ).delete()

    def set(self, source, objs, lists):
        types = {model: ContentType.objects.get_for_model(model) for model in TARGETS}
        wanted = {(types[type(obj)].pk, obj.pk): obj for obj in objs}
        with transaction.atomic():
            present = {
                (type_id, key): pk
                for pk, type_id, key in source.links.values_list(
                    "pk", "content_type_id", "object_id"
                )
            }
            gone = [pk for link, pk in present.items() if link not in wanted]
            source.links.filter(pk__in=gone).delete()
            new = [obj for link, obj in wanted.items() if link not in present]
            self.add(source, new, None)

    def clear(self, source):
        source.links.all().delete()

    def read(self, source):
        return [link.target for link in source.links.prefetch_related("target")]

    read_movies = read

    def stream(self, source):
        links = source.links.prefetch_related("target").iterator(chunk_size=2000)
        return (link.target for link in links)

    def count(self, source):
        return source.links.count()

    def exists(self, source):
        return source.links.exists()

    def prefetch(self, sources):
        prefetch_related_objects(sources, "links__target")
        return [[link.target for link in source.links.all()] for source in sources]

    def read_back(self, movie):
        return [link.source for link in movie.links.select_related("source")]

    def prefetch_back(self, movies):
        prefetch_related_objects(movies, "links__source")
        return [[link.source for link in movie.links.all()] for movie in movies]

    def find_movies(self, name):
        return Movie.objects.filter(links__source__name=name).count()

    def find_sources(self, movie):
        return Source.objects.filter(
            links__content_type=ContentType.objects.get_for_model(movie),
            links__object_id=movie.pk,
        ).count()

    def tables(self):
        from .models import Link

        for model in TARGETS:
            type_id = ContentType.objects.get_for_model(model).pk
            columns = "source_id, content_type_id, object_id"
            yield Link._meta.db_table, columns, model, f"s.id, {type_id}, t.id"


CONTENDERS = {
    "gm2m": Field,
    "many_to_many": ManyToMany,
    "by_hand": ByHand,
    "django_gm2m_1_4": Field,
}
contender = CONTENDERS[CONTENDER]()
