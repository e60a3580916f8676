"""strawberry-graphql-django."""

import pytest
import strawberry
import strawberry_django
from strawberry_django import mutations

from gm2m.identifiers import identifier

from .graphql import PlainViewerType, Query, ViewerType, schema
from .models import Viewer

pytestmark = pytest.mark.django_db

VIDEOS = """{ viewers { name preferredVideos { __typename
    ... on MovieType { title viewerSet { name } }
    ... on OperaType { title }
    ... on ConcertType { title }
} } }"""


def ask(query, **variables):
    result = schema.execute_sync(query, variable_values=variables)
    assert result.errors is None
    return result.data


def test_a_union_of_the_models(library):
    ada, bruno = ask(VIDEOS)["viewers"]
    assert bruno["preferredVideos"] == []
    assert ada["preferredVideos"] == [
        {
            "__typename": "MovieType",
            "title": "Casablanca",
            "viewerSet": [{"name": "Ada"}],
        },
        {"__typename": "OperaType", "title": "Tosca"},
        {"__typename": "ConcertType", "title": "The Last Waltz"},
    ]


def test_the_optimizer_prefetches(library, django_assert_num_queries):
    query = "{ viewers { preferredVideos { ... on OperaType { title } } } }"
    for number in range(10):
        viewer = Viewer.objects.create(name=str(number))
        viewer.preferred_videos.add(library.casablanca, library.tosca)
    with django_assert_num_queries(5):
        assert len(ask(query)["viewers"]) == 12
    with django_assert_num_queries(2):
        casablanca, _ran = ask("{ movies { viewerSet { name } } }")["movies"]
    assert len(casablanca["viewerSet"]) == 11


def test_all_fields_leave_it_out(library):
    assert "preferredVideos" not in str(strawberry.Schema(Plain))
    assert ask("{ plain { name } }")["plain"][0] == {"name": "Ada"}


@strawberry.type
class Plain:
    plain: list[PlainViewerType] = strawberry_django.field()


MUTATION = """mutation($viewer: ID!, $videos: [String!]!) {
    prefer(viewer: $viewer, videos: $videos) { name }
}"""


def test_writing_identifiers(library):
    videos = [identifier(library.ran), identifier(library.aida)]
    ask(MUTATION, viewer=library.ada.pk, videos=videos)
    assert set(library.ada.preferred_videos.all()) == {library.ran, library.aida}


def test_wrong_values_are_errors(library):
    variables = {"viewer": library.ada.pk, "videos": ["ecosystem.movie:0"]}
    result = schema.execute_sync(MUTATION, variable_values=variables)
    (error,) = result.errors
    assert "'ecosystem.movie:0' is none of the objects on offer" in error.message
    assert library.ada.preferred_videos.count() == 3


def test_an_input_type_of_its_own_is_refused():
    @strawberry_django.input(Viewer)
    class ViewerInput:
        preferred_videos: strawberry.auto

    @strawberry.type
    class Generated:
        create: ViewerType = mutations.create(ViewerInput)

    with pytest.raises(TypeError, match="preferred_videos' has not been implemented"):
        strawberry.Schema(Query, mutation=Generated)


def test_a_filter_of_its_own_asks_for_the_link(library):
    """A wrong answer, which the documentation warns of: the key is that of a link."""

    @strawberry_django.filter_type(Viewer)
    class ViewerFilter:
        preferred_videos: strawberry.auto

    @strawberry_django.type(Viewer, filters=ViewerFilter)
    class FilteredType:
        name: strawberry.auto

    @strawberry.type
    class Filtered:
        viewers: list[FilteredType] = strawberry_django.field()

    link = Viewer.preferred_videos.through.objects.latest("pk").pk
    query = (
        "query($pk: ID!) { viewers(filters: {preferredVideos: {pk: $pk}}) { name } }"
    )
    asked = strawberry.Schema(Filtered).execute_sync
    result = asked(query, variable_values={"pk": link})
    assert result.data == {"viewers": [{"name": "Ada"}]}
