"""django-simple-history."""

import pytest
from django.contrib.contenttypes.models import ContentType

from .models import Movie, Opera, Recorded

pytestmark = pytest.mark.django_db


@pytest.fixture
def recorded(library):
    return Recorded.objects.create(name="Ada")


def links(record):
    """Return what was linked at the time of a record, as far as it still exists."""
    return [
        row.gm2m_ct.get_object_for_this_type(pk=row.gm2m_pk)
        for row in record.videos.order_by("pk")
    ]


def test_each_change_of_links_is_recorded(library, recorded):
    recorded.videos.add(library.casablanca, library.tosca)
    recorded.videos.remove(library.tosca)
    recorded.videos.set([library.ran])
    recorded.videos.clear()
    states = []
    for record in recorded.history.order_by("history_id"):
        if not states or states[-1] != links(record):
            states.append(links(record))
    assert states == [
        [],
        [library.casablanca, library.tosca],
        [library.casablanca],
        [],
        [library.ran],
        [],
    ]


def test_saving_keeps_the_links_in_the_record(library, recorded):
    recorded.videos.add(library.tosca)
    recorded.name = "Eve"
    recorded.save()
    record = recorded.history.latest()
    assert (record.name, links(record)) == ("Eve", [library.tosca])


def test_differences(library, recorded):
    recorded.videos.add(library.casablanca)
    recorded.videos.add(library.tosca)
    new, old = recorded.history.order_by("-history_id")[:2]
    (change,) = new.diff_against(old).changes
    assert change.field == "videos"
    types = ContentType.objects.get_for_models(Movie, Opera)
    movie = (types[Movie].pk, str(library.casablanca.pk))
    opera = (types[Opera].pk, str(library.tosca.pk))
    told = [
        [(row["gm2m_ct"], row["gm2m_pk"]) for row in rows]
        for rows in (change.old, change.new)
    ]
    assert told[0] == [movie]
    assert sorted(told[1]) == sorted([movie, opera])


def test_restoring(library, recorded):
    recorded.videos.add(library.casablanca, library.tosca)
    record = recorded.history.latest()
    recorded.videos.set([])
    recorded.videos.set(links(record))
    assert set(recorded.videos.all()) == {library.casablanca, library.tosca}


def test_deletion(library, recorded):
    recorded.videos.add(library.casablanca)
    pk = recorded.pk
    recorded.delete()
    record = Recorded.history.filter(id=pk).latest()
    assert record.history_type == "-"
    assert list(library.casablanca.recorded_set.all()) == []
