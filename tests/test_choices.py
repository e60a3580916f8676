"""What a field offers to those who choose, within its ``limit_choices_to``."""

import re

import pytest
from django.db import models
from django.db.models import Q

from gm2m.choices import choose, limited, offered
from gm2m.identifiers import identifier
from tests.app.models import Movie, Opera, Person, Undeclared, User, Video, VideoProxy


def field_with(limit):
    """Return a field of a model with a limit, aside from the model."""
    field = User._meta.get_field("preferred_videos").clone()
    field.model = User
    field.remote_field.limit_choices_to = limit
    return field


def titles(field, model=Movie):
    queryset = limited(field, model._default_manager.order_by("title"))
    return [obj.title for obj in queryset]


@pytest.fixture
def movies(db):
    Movie.objects.create(title="Casablanca", year=1942)
    Movie.objects.create(title="Ran", year=1985)


@pytest.mark.parametrize(
    "limit",
    [
        {"year__gt": 1950},
        Q(year__gt=1950),
        lambda: {"year__gt": 1950},
        {Movie: {"year__gt": 1950}},
        {"app.Movie": Q(year__gt=1950), Opera: {"title": "x"}},
        {Movie: lambda: Q(year__gt=1950)},
        lambda: {"app.Movie": {"year__gt": 1950}, "app.Uninstalled": {}},
        {VideoProxy: {"year__gt": 1}, Movie: {"year__gt": 1950}},
    ],
    ids=range(8),
)
def test_limits_of_every_form(movies, limit):
    assert titles(field_with(limit)) == ["Ran"]


@pytest.mark.parametrize(
    "limit", [None, {}, {Opera: {"title": "x"}}, Q()], ids=range(4)
)
def test_no_limit_for_a_model(movies, limit):
    assert titles(field_with(limit)) == ["Casablanca", "Ran"]


def test_a_limit_through_many_rows_gives_objects_once(db):
    person = Person.objects.create(name="Puccini")
    for title in ("Tosca", "Turandot"):
        Opera.objects.create(title=title, composer=person, director=person)
    field = field_with({Person: {"opera__title__startswith": "T"}})
    assert list(limited(field, Person.objects.all())) == [person]


def test_proxies_count_as_their_model(db):
    Video.objects.create(title="V", year=1)
    field = field_with({VideoProxy: {"year": 2}})
    assert titles(field, Video) == []


def test_declared_models_are_offered(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        found = offered(User._meta.get_field("preferred_videos"))
    assert {Movie, Opera} <= set(found)
    assert found[Movie].model is Movie
    assert Undeclared not in found
    assert offered(Undeclared._meta.get_field("things")) == {}


def test_code_that_knows_nothing_of_models_finds_nothing_to_limit(db, monkeypatch):
    """It would apply the limit to what the field seems to lead to."""
    field = User._meta.get_field("preferred_videos")
    monkeypatch.setattr(field.remote_field, "limit_choices_to", {Movie: {"year": 1}})
    assert field.get_limit_choices_to() == {}
    assert field.get_choices(include_blank=False) == []


@pytest.mark.parametrize(
    "value", [1, "1", "app.movie:1", "nope.nope:1", "", None, {}], ids=repr
)
def test_code_that_knows_nothing_of_models_finds_no_objects(db, value):
    model = User._meta.get_field("preferred_videos").related_model
    with pytest.raises(models.ObjectDoesNotExist):
        model._default_manager.get(pk=value)


# What was chosen.


def test_objects_by_their_identifiers(movies, django_assert_num_queries):
    field = User._meta.get_field("preferred_videos")
    opera = Opera.objects.create(title="Tosca")
    objs = [opera, *Movie.objects.order_by("-pk")]
    values = [identifier(obj) for obj in objs]
    with django_assert_num_queries(2):
        assert choose(field, [*values, values[0]]) == objs
    assert choose(field, []) == []


@pytest.mark.parametrize(
    "value",
    ["app.movie:0", "app.movie:x", "app.book:1", "app.concert:\0", "x", 7],
    ids=repr,
)
def test_what_is_none_of_the_objects_on_offer(db, value):
    with pytest.raises(ValueError, match=re.escape(repr(value))):
        choose(User._meta.get_field("preferred_videos"), [value])


def test_objects_beyond_the_limits_are_not_on_offer(movies, monkeypatch):
    field = User._meta.get_field("preferred_videos")
    monkeypatch.setattr(field.remote_field, "limit_choices_to", {"title": "Ran"})
    monkeypatch.setattr(field, "relations", {Movie: field.relations[Movie]})
    ran, casablanca = Movie.objects.order_by("-title")
    assert choose(field, [identifier(ran)]) == [ran]
    with pytest.raises(ValueError, match="on offer"):
        choose(field, [identifier(casablanca)])
