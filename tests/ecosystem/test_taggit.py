"""django-taggit, beside the field in one model."""

import pytest

from .models import Tagged

pytestmark = pytest.mark.django_db


@pytest.fixture
def tagged(library):
    tagged = Tagged.objects.create(name="T")
    tagged.tags.add("old", "italian")
    tagged.videos.add(library.casablanca, library.tosca)
    return tagged


def test_both_are_read_and_written(library, tagged):
    assert set(tagged.tags.names()) == {"old", "italian"}
    assert list(tagged.videos.all()) == [library.casablanca, library.tosca]
    tagged.tags.clear()
    assert tagged.videos.count() == 2
    tagged.videos.set([])
    assert Tagged.objects.get().tags.count() == 0


# taggit's own, on Django 6.1.
@pytest.mark.filterwarnings("ignore:SQLCompiler.quote_name_unless_alias")
def test_lookups_through_both(library, tagged):
    Tagged.objects.create(name="other").tags.add("old")
    found = Tagged.objects.filter(tags__name="old", videos=library.tosca)
    assert list(found) == [tagged]
    found = Tagged.objects.filter(
        tags__name="old", videos__ecosystem_movie__title="Casablanca"
    )
    assert list(found) == [tagged]
    assert list(library.tosca.tagged_set.filter(tags__name="italian")) == [tagged]


def test_prefetching_both(library, tagged, django_assert_num_queries):
    # The object, its tags, its links, and the two models.
    with django_assert_num_queries(5):
        (found,) = Tagged.objects.prefetch_related("tags", "videos")
        assert len(found.videos.all()) == len(found.tags.all()) == 2


def test_a_tagged_object_as_a_target(library, tagged):
    library.ada.preferred_videos.add(tagged)
    assert library.ada.preferred_videos.last() == tagged
    assert list(tagged.viewer_set.all()) == [library.ada]


def test_deletion(library, tagged):
    tagged.delete()
    assert list(library.casablanca.tagged_set.all()) == []
