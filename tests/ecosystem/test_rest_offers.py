"""
What a serializer may remove: what it has offered, whatever the project makes of the
validated value.
"""

import copy

import pytest
from rest_framework.serializers import ModelSerializer

from gm2m.identifiers import identifier
from gm2m.rest_framework import GM2MModelSerializerMixin, GM2MRelatedField

from .models import Book, Movie, Opera, Viewer

pytestmark = pytest.mark.django_db

DERIVED = {
    "as it is": lambda objs: objs,
    "sorted": lambda objs: sorted(objs, key=str),
    "a comprehension": lambda objs: [obj for obj in objs if obj.title != "Ran"],
    "an empty comprehension": lambda objs: [obj for obj in objs if obj.title == "Ran"],
    "a slice": lambda objs: objs[:1],
    "a set": set,
    "a tuple": tuple,
    "a copy": copy.copy,
    "fetched again": lambda objs: [type(obj).objects.get(pk=obj.pk) for obj in objs],
}
MIXIN, STOCK = "with the mixin", "a stock serializer"


@pytest.fixture
def alien():
    return Movie.objects.create(title="Alien")


@pytest.fixture
def ada(alien):
    viewer = Viewer.objects.create(name="Ada")
    viewer.preferred_videos.add(
        alien,
        Movie.objects.create(title="Hidden"),
        Movie.objects.create(title="Jaws"),
        Opera.objects.create(title="Aida"),
        Book.objects.create(title="Emma"),
    )
    return viewer


@pytest.fixture(params=[MIXIN, STOCK])
def bases(request):
    if request.param == STOCK:
        return (ModelSerializer,)
    return GM2MModelSerializerMixin, ModelSerializer


def serializer_of(bases, **attributes):
    """Return a serializer that offers some movies."""

    class Meta:
        model = Viewer
        fields = ["name", "preferred_videos"]

    field = GM2MRelatedField(models=[Movie.objects.exclude(title="Hidden")], many=True)
    return type(
        "Serializer", bases, {"Meta": Meta, "preferred_videos": field, **attributes}
    )


def saved(serializer_class, ada, *objs):
    data = {"name": "Ada", "preferred_videos": [identifier(obj) for obj in objs]}
    serializer = serializer_class(ada, data=data)
    assert serializer.is_valid(), serializer.errors
    serializer.save()
    return titles(ada)


def titles(ada):
    return {target.title for target in ada.preferred_videos.all()}


STAY = {"Hidden", "Aida", "Emma"}


@pytest.mark.parametrize("change", DERIVED.values(), ids=DERIVED)
@pytest.mark.parametrize("chosen", [True, False])
def test_validation_of_the_field(bases, change, chosen, ada, alien):
    def validate(self, value):
        return change(value)

    serializer = serializer_of(bases, validate_preferred_videos=validate)
    objs = [alien] if chosen else []
    movies = {obj.title for obj in objs}
    if change is DERIVED["an empty comprehension"]:
        assert saved(serializer, ada, *objs) <= {*STAY, *movies}
    else:
        assert movies <= saved(serializer, ada, *objs) <= {*STAY, *movies}
    if change in (DERIVED["as it is"], DERIVED["sorted"], set, tuple, copy.copy):
        assert titles(ada) == {*STAY, *movies}


@pytest.mark.parametrize("chosen", [True, False])
def test_nothing_that_was_not_offered_goes(bases, chosen, ada, alien):
    def validate(self, value):
        return [obj for obj in value if isinstance(obj, Movie)]

    serializer = serializer_of(bases, validate_preferred_videos=validate)
    movies = {"Alien"} if chosen else set()
    assert saved(serializer, ada, *([alien] if chosen else [])) == {*STAY, *movies}


@pytest.mark.parametrize("change", DERIVED.values(), ids=DERIVED)
def test_validation_of_all(bases, change, ada):
    def validate(self, attrs):
        return {**attrs, "preferred_videos": change(attrs["preferred_videos"])}

    assert "Hidden" in saved(serializer_of(bases, validate=validate), ada)


@pytest.mark.parametrize("change", DERIVED.values(), ids=DERIVED)
def test_update_that_calls_super(change, ada, alien):
    class Base(GM2MModelSerializerMixin, ModelSerializer):
        def update(self, instance, validated_data):
            videos = change(validated_data.pop("preferred_videos"))
            return super().update(
                instance, {**validated_data, "preferred_videos": videos}
            )

    found = saved(serializer_of((Base,)), ada, alien)
    assert STAY - found <= {"Aida", "Emma"}
    assert "Hidden" in found


@pytest.mark.parametrize("change", DERIVED.values(), ids=DERIVED)
def test_stock_update_with_the_objects_that_were_chosen(change, ada, alien):
    class Base(ModelSerializer):
        def update(self, instance, validated_data):
            videos = change(validated_data.pop("preferred_videos"))
            instance.preferred_videos.set(videos)
            return super().update(instance, validated_data)

    found = saved(serializer_of((Base,)), ada, alien)
    # Objects of its own, or none, are a list of its own.
    is_own = change in (DERIVED["fetched again"], DERIVED["an empty comprehension"])
    assert is_own or "Hidden" in found


def test_what_is_gone_goes(bases, ada):
    Movie.objects.filter(title="Jaws")._raw_delete("default")
    saved(serializer_of(bases), ada)
    assert ada.preferred_videos.count() == len(STAY)


def test_a_list_of_its_own_replaces_all(bases, ada, alien):
    serializer = serializer_of(bases)
    saved(serializer, ada, alien)
    ada.preferred_videos.set([Movie.objects.get(title="Jaws")])
    assert titles(ada) == {"Jaws"}


def test_update_without_validation(bases, ada, alien):
    serializer = serializer_of(bases)(ada)
    serializer.update(ada, {"preferred_videos": [alien]})
    assert titles(ada) == {"Alien"}
