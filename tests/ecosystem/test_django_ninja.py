"""django-ninja."""

import pytest
from django.test import Client
from django.urls import path
from ninja import ModelSchema, NinjaAPI
from ninja.errors import HttpError
from ninja.orm import create_schema
from pydantic import ValidationError

from gm2m.choices import choose
from gm2m.identifiers import identifier

from .models import Movie, Viewer

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

api = NinjaAPI(urls_namespace="gm2m-tests")


class ViewerOut(ModelSchema):
    preferred_videos: list[str]

    class Meta:
        model = Viewer
        fields = ["id", "name"]

    @staticmethod
    def resolve_preferred_videos(viewer):
        return [identifier(video) for video in viewer.preferred_videos.all()]


class ViewerIn(ModelSchema):
    preferred_videos: list[str]

    class Meta:
        model = Viewer
        fields = ["name"]


class PlainOut(ModelSchema):
    class Meta:
        model = Viewer
        fields = "__all__"


class MovieOut(ModelSchema):
    viewer_set: list[PlainOut]

    class Meta:
        model = Movie
        fields = ["title"]


@api.get("viewers", response=list[ViewerOut])
def viewers(request):
    return Viewer.objects.prefetch_related("preferred_videos")


@api.post("viewers", response=ViewerOut)
def create_viewer(request, data: ViewerIn):
    values = data.dict()
    field = Viewer._meta.get_field("preferred_videos")
    try:
        videos = choose(field, values.pop("preferred_videos"))
    except ValueError as error:
        raise HttpError(422, str(error)) from error
    viewer = Viewer.objects.create(**values)
    viewer.preferred_videos.set(videos)
    return viewer


@api.get("plain", response=list[PlainOut])
def plain(request):
    return Viewer.objects.prefetch_related("preferred_videos")


@api.get("movies", response=list[MovieOut])
def movies(request):
    return Movie.objects.prefetch_related("viewer_set")


urlpatterns = [path("", api.urls)]


def test_a_schema_of_all_fields_gives_bare_keys(library):
    """They do not tell of which model they are."""
    ada, bruno = Client().get("/plain").json()
    assert sorted(map(str, ada["preferred_videos"])) == sorted(
        [str(library.casablanca.pk), str(library.tosca.pk), "last:waltz"]
    )
    assert bruno["preferred_videos"] == []


def test_a_schema_with_a_depth_cannot_show_links(library):
    deep = create_schema(Viewer, name="DeepViewer", depth=1)
    assert deep.from_orm(library.bruno).dict()["preferred_videos"] == []
    with pytest.raises(ValidationError):
        deep.from_orm(library.ada)


def test_reading_identifiers(library, django_assert_num_queries):
    with django_assert_num_queries(5):
        ada, _bruno = Client().get("/viewers").json()
    assert ada["preferred_videos"] == [
        identifier(obj) for obj in (library.casablanca, library.tosca, library.waltz)
    ]


def send(name, *values):
    data = {"name": name, "preferred_videos": values}
    return Client().post("/viewers", data, content_type="application/json")


def test_writing_identifiers(library):
    values = [identifier(library.tosca), identifier(library.ran)]
    response = send("Eve", *values)
    assert response.status_code == 200
    assert response.json()["preferred_videos"] == values


@pytest.mark.parametrize("value", ["x", "ecosystem.movie:0", "ecosystem.book:1", "\0"])
def test_wrong_values(library, value):
    response = send("Eve", value)
    assert response.status_code == 422
    assert repr(value) in response.json()["detail"]
    assert not Viewer.objects.filter(name="Eve").exists()


def test_the_reverse_side(library):
    casablanca, ran = Client().get("/movies").json()
    assert [viewer["name"] for viewer in casablanca["viewer_set"]] == ["Ada"]
    assert ran["viewer_set"] == []


def test_the_schema_of_the_api():
    schemas = api.get_openapi_schema()["components"]["schemas"]
    assert schemas["ViewerOut"]["properties"]["preferred_videos"] == {
        "items": {"type": "string"},
        "title": "Preferred Videos",
        "type": "array",
    }
