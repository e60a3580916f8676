"""django-import-export."""

import json

import pytest
from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.widgets import ManyToManyWidget
from tablib import Dataset

from gm2m.choices import choose
from gm2m.identifiers import identifier

from .models import Movie, Viewer

pytestmark = pytest.mark.django_db


class PlainResource(ModelResource):
    class Meta:
        model = Viewer


class LinksWidget(ManyToManyWidget):
    """Links as a list of identifiers, in JSON."""

    def __init__(self):
        super().__init__(model=Viewer)

    def render(self, value, obj=None, **kwargs):
        return json.dumps([identifier(target) for target in value.all()])

    def clean(self, value, row=None, **kwargs):
        field = Viewer._meta.get_field("preferred_videos")
        return choose(field, json.loads(value or "[]"))


class ViewerResource(ModelResource):
    preferred_videos = Field(
        "preferred_videos", "preferred_videos", widget=LinksWidget()
    )

    class Meta:
        model = Viewer
        fields = ["id", "name", "preferred_videos"]


def table(*rows):
    return Dataset(*rows, headers=["id", "name", "preferred_videos"])


def links(viewer):
    return set(Viewer.objects.get(pk=viewer.pk).preferred_videos.all())


def test_a_plain_resource_writes_bare_keys(library):
    """They do not tell of which model they are."""
    row = PlainResource().export().dict[0]
    assert row["preferred_videos"] == (
        f"{library.casablanca.pk},{library.tosca.pk},last:waltz"
    )


@pytest.mark.parametrize("value", ["1", "", "ecosystem.movie:1", "1,2"])
def test_a_plain_resource_cannot_read_them_and_says_so(library, value):
    """It would otherwise remove all links."""
    before = links(library.ada)
    assert len(before) == 3
    result = PlainResource().import_data(table((library.ada.pk, "Eve", value)))
    ((error,),) = [row.errors for row in result.rows]
    assert "Pass the targets themselves" in str(error.error)
    assert links(library.ada) == before
    assert not Viewer.objects.filter(name="Eve").exists()


def test_a_plain_resource_reads_the_other_columns(library):
    rows = Dataset((library.ada.pk, "Eve"), headers=["id", "name"])
    assert not PlainResource().import_data(rows).has_errors()
    library.ada.refresh_from_db()
    assert library.ada.name == "Eve"
    assert len(links(library.ada)) == 3


def test_there_and_back(library):
    dataset = ViewerResource().export()
    before = links(library.ada)
    library.ada.preferred_videos.set([library.ran])
    result = ViewerResource().import_data(dataset)
    assert not result.has_errors()
    assert links(library.ada) == before
    assert links(library.bruno) == set()


def test_as_csv(library):
    dataset = Dataset().load(ViewerResource().export().csv, format="csv")
    library.ada.preferred_videos.clear()
    assert not ViewerResource().import_data(dataset).has_errors()
    assert len(links(library.ada)) == 3


@pytest.mark.parametrize("value", ['["x"]', '["ecosystem.movie:0"]', "x", "[7]"])
def test_wrong_values_are_errors_of_the_row(library, value):
    result = ViewerResource().import_data(table((library.ada.pk, "Eve", value)))
    assert result.has_errors()
    assert len(links(library.ada)) == 3


def test_a_target(library):
    class MovieResource(ModelResource):
        class Meta:
            model = Movie

    resource = MovieResource()
    assert list(resource.fields) == ["id", "title", "year", "director"]
    assert not resource.import_data(resource.export()).has_errors()
    assert list(library.casablanca.viewer_set.all()) == [library.ada]
