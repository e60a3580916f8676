"""What the page on many links says, tried."""

import re
from pathlib import Path

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection, models, transaction

from gm2m import GM2MField

PAGE = Path(__file__).parent.parent / "docs/howto/scaling.md"


@pytest.fixture
def library(registry, db):
    """The models of the page, and their tables."""

    class Movie(models.Model):
        title = models.CharField(max_length=100)

        class Meta:
            db_table = "library_movie"

    class Preference(models.Model):
        viewer = models.ForeignKey("Viewer", models.CASCADE, db_index=False)
        content_type = models.ForeignKey(ContentType, models.CASCADE)
        object_id = models.CharField(max_length=36)
        target = GenericForeignKey()

        class Meta:
            managed = False
            db_table = "library_preference"
            ordering = ["id"]

    class Viewer(models.Model):
        name = models.CharField(max_length=100)
        preferred_videos = GM2MField(Movie, through=Preference)

        class Meta:
            db_table = "library_viewer"

    with connection.schema_editor() as editor:
        editor.create_model(Movie)
        editor.create_model(Viewer)
        (sql,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
        editor.execute(sql, params=None)
    yield Viewer, Movie
    with connection.cursor() as cursor:
        # What waits for the end of the transaction would be in the way.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.schema_editor() as editor:
        editor.execute("DROP TABLE library_preference")
        editor.delete_model(Viewer)
        editor.delete_model(Movie)


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="the partitions are those of PostgreSQL"
)
def test_a_partitioned_table_serves_as_through(library):
    Viewer, Movie = library
    viewers = [Viewer.objects.create(name=str(number)) for number in range(8)]
    movies = [Movie.objects.create(title=str(number)) for number in range(5)]
    for viewer in viewers:
        viewer.preferred_videos.add(*movies[:4])
        viewer.preferred_videos.set(movies[1:])
        viewer.preferred_videos.remove(movies[4])
    ada = viewers[0]
    assert list(ada.preferred_videos.all()) == movies[1:4]
    assert list(movies[1].viewer_set.order_by("pk")) == viewers
    found = Viewer.objects.prefetch_related("preferred_videos").order_by("pk")
    assert [list(viewer.preferred_videos.all()) for viewer in found] == [
        movies[1:4]
    ] * 8
    assert Viewer.objects.filter(preferred_videos__movie__title="2").count() == 8

    plan = ada.preferred_videos.all().explain()
    assert len(set(re.findall(r"library_preference_\d", plan))) == 1

    through = Viewer.preferred_videos.through
    row = through.objects.filter(viewer=ada).first()
    row.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()
    movies[1].delete()
    assert list(ada.preferred_videos.all()) == movies[2:4]
    assert through.objects.count() == 16
