"""model_bakery."""

import pytest
from model_bakery import baker
from model_bakery.recipe import Recipe

from .models import Anything, Critic, Movie, Viewer

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", [Viewer, Critic, Anything, Movie])
def test_the_field_is_left_empty(model):
    for made in (
        baker.make(model),
        baker.make(model, _fill_optional=True),
        *baker.make(model, _quantity=2),
        *baker.make(model, _quantity=2, _bulk_create=True),
    ):
        assert made.pk
        for field in model._meta.many_to_many:
            assert list(getattr(made, field.name).all()) == []
    assert baker.prepare(model).pk is None


def test_objects_that_are_given_are_linked(library):
    objs = [library.casablanca, library.tosca]
    viewer = baker.make(Viewer, preferred_videos=objs)
    assert list(viewer.preferred_videos.all()) == objs
    viewer = Recipe(Viewer, preferred_videos=objs).make()
    assert list(viewer.preferred_videos.all()) == objs


def test_of_several_models_none_is_made_up():
    with pytest.raises(TypeError, match=r"reviewed .*not supported"):
        baker.make(Critic, make_m2m=True)


@pytest.fixture
def generator():
    """As a project says it, once."""
    baker.generators.add("gm2m.fields.GM2MField", lambda: [baker.make(Movie)])
    yield
    baker.generators.user_mapping.clear()


def test_a_generator_makes_some(generator):
    critic = baker.make(Critic, make_m2m=True)
    assert [type(obj) for obj in critic.reviewed.all()] == [Movie]
    assert list(baker.make(Critic).reviewed.all()) == []


def test_objects_cannot_be_given_in_bulk(library):
    """It builds links of its own, for a table that has one column less."""
    with pytest.raises(ValueError, match="ContentType"):
        baker.make(
            Viewer,
            preferred_videos=[library.ran],
            _quantity=2,
            _bulk_create=True,
        )
