"""What the tests with other packages share: some objects, and clients."""

from types import SimpleNamespace

import pytest
from django.contrib.contenttypes.models import ContentType

from .models import Book, Concert, Movie, Opera, Person, Viewer


@pytest.fixture
def library(db):
    """Two viewers, and something of each model."""
    ContentType.objects.get_for_models(Movie, Opera, Concert, Book)
    curtiz = Person.objects.create(name="Curtiz")
    things = SimpleNamespace(
        curtiz=curtiz,
        casablanca=Movie.objects.create(title="Casablanca", director=curtiz),
        ran=Movie.objects.create(title="Ran", year=1985),
        tosca=Opera.objects.create(title="Tosca"),
        aida=Opera.objects.create(title="Aida"),
        waltz=Concert.objects.create(code="last:waltz", title="The Last Waltz"),
        novel=Book.objects.create(title="Emma"),
        ada=Viewer.objects.create(name="Ada"),
        bruno=Viewer.objects.create(name="Bruno"),
    )
    things.ada.preferred_videos.add(things.casablanca, things.tosca, things.waltz)
    return things
