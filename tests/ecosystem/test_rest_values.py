"""What a stranger may send: each is an error of the field, whatever the database."""

import json
import uuid

import pytest
from rest_framework.serializers import ModelSerializer
from rest_framework.test import APIClient

from gm2m.identifiers import identifier
from gm2m.rest_framework import GM2MModelSerializerMixin, GM2MRelatedField
from tests.app.models import (
    Concert,
    Hashed,
    Keyring,
    Opera,
    Prefixed,
    Premiere,
    Star,
    User,
    Video,
)

from .models import Movie, Viewer

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.ecosystem.rest")]

#: Without a key that could exist, and models with keys of every kind.
TEXTS = [
    "",
    ":",
    "a:b",
    "x",
    "1",
    "app.concert",
    "app.concert:",
    ".concert:1",
    "app.:1",
    "app..concert:1",
    "a.b.c:1",
    "nope.nope:1",
    "app.nope:1",
    "nope.concert:1",
    "app.Concert:1",
    "APP.concert:1",
    " app.concert:1",
    "app.user:1",
    "auth.user:1",
    "contenttypes.contenttype:1",
    "app.user_preferred_videos:1",
    "<script>alert(1)</script>",
    "app.concert:<b>x</b>",
    "app.concert:{value}",
    "app.concert:%s",
    "app.concert:' OR 1=1 --",
    "app.concert:\0",
    "app.concert:x\0y",
    "app\0.concert:1",
    "app.concert:\ud800",
    "\udfff",
    "app.concert:\U0001f3ac",
    "app.concert:" + "9" * 400,
    "app.concert:" + "x" * 100_000,
    "app.concert: abc",
    "app.concert:abc ",
    "app.concert:ABC",
    "app.concert:äbc",
    *(
        f"app.{model}:{key}"
        for model in ("star", "video")
        for key in (
            "x",
            "1.0",
            "1e3",
            "+1",
            "01",
            " 1",
            "1 ",
            "0x1",
            "1_0",
            "True",
            "None",
            "\0",
            "1\0",
            "٣",
            "²",
            "-1",
            "0",
            str(2**31),
            str(2**63 - 1),
            str(-(2**63)),
            str(2**63),
            "9" * 400,
            "9" * 5000,
        )
    ),
    *(
        f"app.opera:{key}"
        for key in (
            "1",
            "\0",
            "00000000-0000-0000-0000-000000000000",
            "00000000-0000-8000-0000-000000000000",
            "00000000-0000-f000-7000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "ffffffffffffffffffffffffffffffff",
            "{ffffffff-ffff-ffff-ffff-ffffffffffff}",
            "9" * 400,
        )
    ),
    *(
        f"app.premiere:{key}"
        for key in (
            "1",
            "0000-00-00",
            "0001-01-01",
            "9999-12-31",
            "2024-02-30",
            "2024-W01-1",
            "20240101",
            "10000-01-01",
            "\0",
        )
    ),
]
VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.5,
    2**70,
    [],
    {},
    ["app.concert:abc"],
    {"pk": 1},
    {"app.concert:abc": 1},
    [[[[]]]],
]
NOT_LISTS = [
    None,
    True,
    0,
    1.5,
    "",
    "app.concert:abc",
    "abc",
    {},
    {"0": "app.concert:abc"},
    {"app.concert:abc": 1},
]


class UserSerializer(GM2MModelSerializerMixin, ModelSerializer):
    preferred_videos = GM2MRelatedField(
        models=[Concert, Star, Video, Opera, Premiere], many=True
    )

    class Meta:
        model = User
        fields = ["name", "preferred_videos"]


@pytest.fixture
def user(db):
    Concert.objects.create(code="abc", title="C")
    Video.objects.create(title="V")
    Star.objects.create(number=5)
    user = User.objects.create(name="Ada")
    user.preferred_videos.add(Concert.objects.get())
    return user


def name_of(value):
    return ascii(value)[:40]


def unique_ids(values):
    return [f"{number}-{name_of(value)}" for number, value in enumerate(values)]


def refused(user, value):
    """Return the errors for `value`, sent to create and to update."""
    data = {"name": "Eve", "preferred_videos": value}
    found = []
    for serializer in (
        UserSerializer(data=data),
        UserSerializer(user, data=data),
        UserSerializer(user, data=data, partial=True),
    ):
        assert not serializer.is_valid()
        assert list(serializer.errors) == ["preferred_videos"]
        found.append(list(serializer.errors["preferred_videos"]))
    assert found[0] == found[1] == found[2]
    assert list(User.objects.all()) == [user]
    assert [obj.pk for obj in user.preferred_videos.all()] == ["abc"]
    return found[0]


@pytest.mark.parametrize("value", TEXTS, ids=unique_ids(TEXTS))
def test_texts(user, value):
    (error,) = refused(user, [value])
    # The whole value, so that it can be found.
    assert repr(value) in error
    (same,) = refused(user, ["app.concert:abc", value])
    assert same == error
    # What goes out is JSON.
    assert json.dumps([error], ensure_ascii=False).encode()


@pytest.mark.parametrize("value", VALUES, ids=unique_ids(VALUES))
def test_values_of_other_types(user, value):
    (error,) = refused(user, [value])
    assert error.code == "incorrect_type"
    shown = type(value).__name__ if isinstance(value, (list, dict)) else repr(value)
    assert error == (
        "Incorrect type: expected a string such as 'library.movie:1', received "
        f"{shown}."
    )


@pytest.mark.parametrize("value", NOT_LISTS, ids=unique_ids(NOT_LISTS))
def test_what_is_no_list(user, value):
    (error,) = refused(user, value)
    assert error.code == ("null" if value is None else "not_a_list")


def test_errors_name_the_remedy(user):
    assert refused(user, ["x"]) == [
        "'x' does not identify an object: send 'app_label.model_name:pk', such as "
        "'library.movie:1'."
    ]
    assert refused(user, ["app.star:9"]) == [
        "'app.star:9' cannot be chosen: it does not exist, or is not offered here. "
        "Choose another object."
    ]


def test_an_empty_key_is_read_and_written(user):
    user.preferred_videos.set([Concert.objects.create(code="", title="Untitled")])
    data = UserSerializer(user).data
    assert data["preferred_videos"] == ["app.concert:"]
    serializer = UserSerializer(user, data=data)
    assert serializer.is_valid(), serializer.errors


def test_an_object_that_was_deleted_a_moment_ago(user):
    star = Star.objects.get()
    value = identifier(star)
    star.delete()
    (error,) = refused(user, [value])
    assert error.code == "does_not_exist"


def test_huge_lists(user, django_assert_num_queries):
    """Neither a query for each, nor more than the database takes."""
    values = [f"app.star:{number}" for number in range(6, 25_000)]
    serializer = UserSerializer(data={"name": "Eve", "preferred_videos": values})
    with django_assert_num_queries(3):
        assert not serializer.is_valid()
    (error,) = serializer.errors["preferred_videos"]
    assert error.startswith("'app.star:6' ")
    (error,) = refused(user, [None] * 100_000)
    assert "None" in error
    serializer = UserSerializer(
        data={"name": "Eve", "preferred_videos": ["app.star:5"] * 100_000}
    )
    assert serializer.is_valid()
    assert len(serializer.validated_data["preferred_videos"]) == 1


def test_deep_values_are_not_shown(user):
    value = []
    for _ in range(5_000):
        value = [value]
    (error,) = refused(user, value)
    assert "received list" in error


def test_keys_that_are_right(user):
    opera = Opera.objects.create(id=uuid.uuid4(), title="T")
    premiere = Premiere.objects.create(day="2024-02-29")
    premiere.refresh_from_db()
    Concert.objects.create(code="a:b.c é🎬")
    values = [
        identifier(opera),
        "app.premiere:2024-02-29",
        "app.concert:a:b.c é🎬",
        "app.star:5",
    ]
    serializer = UserSerializer(user, data={"name": "A", "preferred_videos": values})
    assert serializer.is_valid(), serializer.errors
    serializer.save()
    assert UserSerializer(User.objects.get()).data["preferred_videos"] == values


# Over the wire.

BODIES = [
    "",
    "[]",
    "1",
    "null",
    "{",
    '{"name": "Eve", "preferred_videos": ["ecosystem.movie:\\ud800"]}',
    '{"name": "Eve", "preferred_videos": ["ecosystem.movie:\\u0000"]}',
    '{"name": "Eve", "preferred_videos": [1' + "0" * 4000 + "]}",
    '{"name": "Eve", "preferred_videos": [1' + "0" * 5000 + "]}",
    '{"name": "Eve", "preferred_videos": [NaN, Infinity]}',
    '{"name": "Eve", "preferred_videos": ' + "[" * 500 + "]" * 500 + "}",
    '{"name": "Eve", "preferred_videos": [{"a": {"b": ["ecosystem.movie:1"]}}]}',
    '{"name": "Eve", "preferred_videos": {"ecosystem.movie:1": 1}}',
    '{"name": "Eve", "preferred_videos": null}',
]


@pytest.mark.parametrize("body", BODIES, ids=unique_ids(BODIES))
@pytest.mark.parametrize("method", ["post", "put"])
def test_bodies(db, method, body):
    viewer = Viewer.objects.create(name="Ada")
    path = "/viewers/" if method == "post" else f"/viewers/{viewer.pk}/"
    send = getattr(APIClient(), method)
    response = send(path, body, content_type="application/json")
    assert response.status_code == 400
    assert response.content
    assert list(Viewer.objects.all()) == [viewer]


@pytest.mark.parametrize(
    "values",
    [["x"], [""], ["ecosystem.movie:\0"], ["ecosystem.movie:0", "x"], ["n/a"]],
    ids=ascii,
)
def test_forms(db, values):
    Movie.objects.create(title="M")
    data = {"name": "Eve", "preferred_videos": values}
    response = APIClient().post("/viewers/", data, format="multipart")
    assert response.status_code == 400
    assert list(response.json()) == ["preferred_videos"]


WRONG = [1, True, None, "x", {"a": 1}, [1], [{}], [None], ["x\0"], [["a.b:1"]]]


@pytest.mark.parametrize("value", WRONG, ids=unique_ids(WRONG))
@pytest.mark.parametrize("name", ["viewers", "nested"])
def test_errors_in_the_browsable_api(db, name, value):
    body = json.dumps({"name": "Eve", "preferred_videos": value})
    response = APIClient().post(
        f"/{name}/",
        body,
        content_type="application/json",
        headers={"accept": "text/html"},
    )
    assert response.status_code == 400
    assert "preferred_videos" in response.content.decode()


@pytest.mark.parametrize("model", [Hashed, Prefixed])
def test_keys_that_the_database_keeps_otherwise(model):
    class KeyringSerializer(GM2MModelSerializerMixin, ModelSerializer):
        class Meta:
            model = Keyring
            fields = ["things"]

    keys = ["h-70", "h-71"] if model is Hashed else ["p-a", "p-b"]
    one, two = (model.objects.create(pk=key) for key in keys)
    keyring = Keyring.objects.create()
    keyring.things.add(one)
    label = model._meta.label_lower
    assert KeyringSerializer(keyring).data == {"things": [f"{label}:{keys[0][2:]}"]}
    for linked in ([two], [one, two]):
        values = [f"{label}:{obj.pk[2:]}" for obj in linked]
        serializer = KeyringSerializer(keyring, data={"things": values})
        assert serializer.is_valid(), serializer.errors
        serializer.save()
        assert set(keyring.things.all()) == set(linked)
    serializer = KeyringSerializer(keyring, data={"things": [f"{label}:{keys[0]}"]})
    assert not serializer.is_valid()
