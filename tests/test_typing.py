"""What type checkers are told is the same as what runs."""

from gm2m import GM2MField, managers, reverse_managers
from gm2m import typing as gm2m_typing
from gm2m.query import GM2MQuerySet
from tests.app.models import Movie, User


def test_subscripts_are_the_classes_themselves():
    assert GM2MField["Movie | Opera"] is GM2MField
    assert GM2MQuerySet[Movie] is GM2MQuerySet
    assert gm2m_typing.ForwardManager["Movie"] is managers.ForwardManager
    assert gm2m_typing.ReverseManager["User"] is reverse_managers.ReverseManager


def test_a_field_with_models_in_brackets_is_like_one_without():
    field = GM2MField["Movie"]("app.Movie")
    assert type(field) is GM2MField
    assert field.deconstruct() == GM2MField("app.Movie").deconstruct()


def test_annotations_are_about_the_managers_that_there_are():
    assert isinstance(User(pk=1).preferred_videos, gm2m_typing.ForwardManager)
    assert isinstance(Movie(pk=1).user_set, gm2m_typing.ReverseManager)
