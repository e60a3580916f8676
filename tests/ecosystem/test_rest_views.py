"""Views: requests, the browsable API, OPTIONS and the OpenAPI schema."""

import html
import re

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from gm2m.identifiers import identifier

from .models import Anything, Critic, Movie, Viewer
from .rest import ViewerSerializer, ViewerViews

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.ecosystem.rest")]


@pytest.fixture
def client():
    return APIClient()


def page(client, path):
    response = client.get(path, headers={"accept": "text/html"})
    assert response.status_code == 200
    return response.content.decode()


def options(text):
    """Return the options of the last form: groups, and what is selected in them."""
    (select,) = re.findall(
        r'<select multiple class="form-control" name="\w+">(.*?)</select>',
        text,
        re.DOTALL,
    )
    groups, name = {}, None
    pattern = r'<optgroup label="(.*?)">|<option value="(.*?)"(.*?)>(.*?)</option>'
    for group, value, state, label in re.findall(pattern, select, re.DOTALL):
        if group:
            name = html.unescape(group)
            groups[name] = {}
        else:
            selected = "selected" in state
            groups.setdefault(name, {})[html.unescape(value)] = (label, selected)
    return groups


# Requests.


def test_a_round_of_requests(library, client):
    values = [identifier(library.ran), identifier(library.waltz)]
    data = {"name": "Eve", "preferred_videos": values}
    response = client.post("/viewers/", data, format="json")
    assert response.status_code == 201
    assert response.json()["preferred_videos"] == values
    path = f"/viewers/{response.json()['id']}/"
    assert client.get(path).json()["preferred_videos"] == values
    response = client.patch(path, {"name": "Evi"}, format="json")
    assert response.json()["preferred_videos"] == values
    data = {"name": "Evi", "preferred_videos": [identifier(library.tosca)]}
    response = client.put(path, data, format="json")
    assert response.json()["preferred_videos"] == [identifier(library.tosca)]
    # It need not be sent.
    response = client.put(path, {"name": "Evi"}, format="json")
    assert response.json()["preferred_videos"] == [identifier(library.tosca)]
    assert client.delete(path).status_code == 204
    assert Viewer.preferred_videos.through.objects.count() == 3


def test_links_that_a_put_does_not_name(library, client):
    """Those to models that are offered go, others stay, and the answer shows it."""
    library.ada.preferred_videos.add(library.novel)
    data = {"name": "Ada", "preferred_videos": [identifier(library.ran)]}
    path = f"/viewers/{library.ada.pk}/"
    response = client.put(path, data, format="json")
    shown = response.json()["preferred_videos"]
    assert sorted(shown) == sorted([identifier(library.ran), identifier(library.novel)])
    assert client.get(path).json()["preferred_videos"] == shown


def test_pages_of_a_list(library, client, django_assert_num_queries):
    for number in range(20):
        viewer = Viewer.objects.create(name=str(number))
        viewer.preferred_videos.add(library.casablanca, library.tosca)
    with django_assert_num_queries(5):
        assert len(client.get("/viewers/").json()) == 22
    with django_assert_num_queries(5):
        assert len(client.get("/nested/").json()) == 22
    # One more for the directors.
    with django_assert_num_queries(6):
        assert len(client.get("/deep/").json()) == 22


def test_multipart_forms(library, client):
    values = [identifier(library.ran), identifier(library.tosca)]
    path = f"/viewers/{library.ada.pk}/"
    data = {"name": "Ada", "preferred_videos": values}
    response = client.put(path, data, format="multipart")
    assert sorted(response.json()["preferred_videos"]) == sorted(values)
    response = client.patch(path, {"name": "Eve"}, format="multipart")
    assert sorted(response.json()["preferred_videos"]) == sorted(values)
    # In forms, nothing selected is nothing sent.
    response = client.put(path, {"name": "Eve"}, format="multipart")
    assert response.json()["preferred_videos"] == []


# The browsable API.


def test_choices_in_groups(library, client):
    groups = options(page(client, "/viewers/"))
    assert groups == {
        "Movies": {
            identifier(library.casablanca): ("Casablanca", False),
            identifier(library.ran): ("Ran", False),
        },
        "Operas": {
            identifier(library.tosca): ("Tosca", False),
            identifier(library.aida): ("Aida", False),
        },
        "Concerts": {"ecosystem.concert:last:waltz": ("The Last Waltz", False)},
    }


@pytest.mark.parametrize("name", ["viewers", "nested"])
def test_what_is_linked_is_selected(library, client, name):
    library.ada.preferred_videos.add(library.novel)
    groups = options(page(client, f"/{name}/{library.ada.pk}/"))
    selected = {
        value
        for choices in groups.values()
        for value, (_label, is_selected) in choices.items()
        if is_selected
    }
    assert selected == {
        identifier(obj)
        for obj in (library.casablanca, library.tosca, library.waltz, library.novel)
    }
    # As the form sends it.
    data = {"name": "Ada", "preferred_videos": sorted(selected)}
    client.put(f"/{name}/{library.ada.pk}/", data, format="multipart")
    assert library.ada.preferred_videos.count() == 4


def test_titles_with_markup_are_text(library, client):
    Movie.objects.create(title="<script>alert(1)</script>")
    text = page(client, "/viewers/")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_limits(library, client):
    groups = options(page(client, "/critics/"))
    assert [label for label, _ in groups["Operas"].values()] == ["Tosca"]
    assert list(groups) == ["Movies", "Operas"]


def test_read_only_fields_have_no_choices(library, client):
    Anything.objects.create(name="all").things.add(library.novel)
    text = page(client, "/anythings/")
    assert 'name="name"' in text
    assert 'name="things"' not in text


@pytest.fixture
def cutoff(monkeypatch):
    """Let forms show six choices."""

    class ShortSerializer(ViewerSerializer):
        class Meta(ViewerSerializer.Meta):
            extra_kwargs = {
                "preferred_videos": {
                    "html_cutoff": 6,
                    "html_cutoff_text": "Only {count}.",
                }
            }

    monkeypatch.setattr(ViewerViews, "serializer_class", ShortSerializer)


def test_choices_are_cut_off(library, client, cutoff):
    Movie.objects.bulk_create(Movie(title=f"Movie {n}") for n in range(3000))
    groups = options(page(client, "/viewers/"))
    assert groups["Concerts"].pop("n/a") == ("Only 5.", False)
    # A share for each model.
    assert [len(choices) for choices in groups.values()] == [2, 2, 1]


def test_what_is_linked_is_never_cut_off(library, client, cutoff):
    Movie.objects.bulk_create(Movie(title=f"Movie {n}") for n in range(50))
    last = Movie.objects.latest("pk")
    library.ada.preferred_videos.set([last])
    groups = options(page(client, f"/viewers/{library.ada.pk}/"))
    assert groups["Movies"][identifier(last)] == (last.title, True)


def test_nothing_is_cut_off_below_the_limit(library, client):
    assert "More than" not in page(client, "/viewers/")


# OPTIONS.


def test_options(library, client):
    response = client.options("/viewers/")
    assert response.status_code == 200
    assert response.json()["actions"]["POST"]["preferred_videos"] == {
        "type": "field",
        "required": False,
        "read_only": False,
        "label": "Preferred videos",
        "help_text": "Any of them.",
    }
    for name in ("critics", "nested", "deep", "anythings"):
        assert client.options(f"/{name}/").status_code == 200
    critic = Critic.objects.create(name="C")
    response = client.options(f"/critics/{critic.pk}/")
    assert response.json()["actions"]["PUT"]["reviewed"]["required"] is True


# The schema.

STRING = {
    "type": "string",
    "pattern": "^[^.:]+\\.[^.:]+:",
    "example": "library.movie:1",
}


def schema_of(client):
    response = client.get("/schema?format=json")
    assert response.status_code == 200
    validate_schema(response.json())
    return response.json()["components"]["schemas"]


def test_schema(client):
    schemas = schema_of(client)
    assert schemas["Viewer"]["properties"]["preferred_videos"] == {
        "type": "array",
        "items": STRING,
        "description": "Any of them.",
    }
    anything = schemas["Anything"]["properties"]["things"]
    assert anything["readOnly"] is True
    assert anything["items"] == {**STRING, "title": "Anything at all"}


def test_schema_of_nested_data(client):
    schemas = schema_of(client)
    properties = schemas["NestedViewer"]["properties"]
    assert properties["preferred_videos"]["items"] == {
        "oneOf": [
            {"$ref": "#/components/schemas/Movie"},
            {"$ref": "#/components/schemas/Opera"},
            STRING,
        ]
    }
    properties = schemas["TitledViewer"]["properties"]
    assert properties["preferred_videos"]["items"] == {
        "oneOf": [{"type": "string", "readOnly": True}, STRING]
    }
    properties = schemas["DeepViewer"]["properties"]
    movie, opera, concert, string = properties["preferred_videos"]["items"]["oneOf"]
    assert list(movie["properties"]) == [
        "id",
        "identifier",
        "title",
        "year",
        "director",
    ]
    assert movie["properties"]["identifier"] == {**STRING, "readOnly": True}
    assert opera["properties"]["id"]["format"] == "uuid"
    assert concert["properties"]["code"] == {"type": "string", "maxLength": 100}
    assert string == STRING


def test_the_schema_command_has_no_warnings(tmp_path, capfd):
    path = tmp_path / "schema.yaml"
    call_command(
        "spectacular",
        "--urlconf=tests.ecosystem.rest",
        "--validate",
        "--fail-on-warn",
        f"--file={path}",
    )
    assert "library.movie:1" in path.read_text()
    assert "Warning" not in capfd.readouterr().err


def test_schema_of_requests():
    spectacular_settings.apply_patches({"COMPONENT_SPLIT_REQUEST": True})
    try:
        schema = SchemaGenerator(urlconf="tests.ecosystem.rest").get_schema(public=True)
    finally:
        spectacular_settings.clear_patches()
    request = schema["components"]["schemas"]["NestedViewerRequest"]
    assert request["properties"]["preferred_videos"]["items"] == STRING
