"""factory_boy."""

import pytest
from factory import Faker, SubFactory, post_generation
from factory.django import DjangoModelFactory

from .models import Critic, Movie, Opera, Person, Viewer

pytestmark = pytest.mark.django_db


class PersonFactory(DjangoModelFactory):
    name = Faker("name")

    class Meta:
        model = Person


class MovieFactory(DjangoModelFactory):
    title = Faker("sentence")
    director = SubFactory(PersonFactory)

    class Meta:
        model = Movie


class OperaFactory(DjangoModelFactory):
    title = Faker("sentence")

    class Meta:
        model = Opera


class ViewerFactory(DjangoModelFactory):
    name = Faker("name")

    class Meta:
        model = Viewer
        skip_postgeneration_save = True

    @post_generation
    def preferred_videos(self, create, extracted, **kwargs):
        if create and extracted:
            self.preferred_videos.add(*extracted)


class CriticFactory(DjangoModelFactory):
    name = Faker("name")

    class Meta:
        model = Critic


def test_a_plain_factory():
    assert list(CriticFactory().reviewed.all()) == []
    assert CriticFactory.build().pk is None
    assert len(CriticFactory.create_batch(3)) == 3


def test_links_as_for_any_many_to_many_field():
    objs = [MovieFactory(), OperaFactory()]
    viewer = ViewerFactory(preferred_videos=objs)
    assert list(viewer.preferred_videos.all()) == objs
    assert list(ViewerFactory().preferred_videos.all()) == []
    assert ViewerFactory.build(preferred_videos=objs).pk is None
    viewers = ViewerFactory.create_batch(2, preferred_videos=objs)
    assert list(objs[0].viewer_set.all()) == [viewer, *viewers]


def test_links_as_arguments_of_the_model_say_what_to_do():
    with pytest.raises(TypeError, match="Save it first"):
        CriticFactory(reviewed=[MovieFactory()])
