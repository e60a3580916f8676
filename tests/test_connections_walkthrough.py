"""
Relationships as projects know them that have used an app of this kind before: a site
where users star repositories. Every name, argument and keyword is as there.
"""

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType

from gm2m.connections import get_relationship, undefine_relationship
from gm2m.connections.models import (
    Connection,
    Relationship,
    RelationshipDoesNotExist,
    define_relationship,
)
from tests.lithub.models import Repo

pytestmark = pytest.mark.django_db


@pytest.fixture
def milo():
    return User.objects.create(pk=104, username="milo")


@pytest.fixture
def foopy():
    return Repo.objects.create(pk=47, name="foopy")


@pytest.fixture
def repo_stars(define):
    return define("stars", from_model=User, to_model=Repo)


def test_defining(define, repo_stars):
    assert isinstance(repo_stars, Relationship)
    assert get_relationship("stars") is get_relationship(name=repo_stars) is repo_stars
    named = define(name="named", from_model="auth.User", to_model="lithub.Repo")
    assert (named.from_model, named.to_model) == (User, Repo)
    for content_type, model in (
        (named.from_content_type, User),
        (named.to_content_type, Repo),
    ):
        assert content_type == ContentType.objects.get_for_model(model)
    with pytest.raises(Relationship.DoesNotExist):
        get_relationship("nothing")
    assert Relationship.DoesNotExist is RelationshipDoesNotExist


def test_content_types():
    from_content_type = ContentType.objects.get_for_model(User)
    to_content_type = ContentType.objects.get_for_model(Repo)
    for define in (Relationship, define_relationship):
        made = define("made", from_content_type, to_content_type)
        assert str(made) == "made (auth.User -> lithub.Repo)"
        undefine_relationship("made")


def test_managing_connections(repo_stars, milo, foopy):
    made = repo_stars.create_connection(from_obj=milo, to_obj=foopy)
    assert str(made) == "stars (auth.User:104 -> lithub.Repo:47)"
    assert isinstance(made, Connection)
    assert repo_stars.create_connection(milo, foopy) == made
    assert repo_stars.get_connection(from_obj=milo, to_obj=foopy) == made
    assert repo_stars.connection_exists(from_obj=milo, to_obj=foopy)
    assert list(repo_stars.connections) == [made]
    assert list(repo_stars.connections_from_object(from_obj=milo)) == [made]
    assert list(repo_stars.connections_to_object(to_obj=foopy)) == [made]
    assert list(repo_stars.connected_objects(from_obj=milo)) == [foopy]
    assert list(repo_stars.connected_object_ids(from_obj=milo)) == [47]
    assert list(repo_stars.connected_to_objects(to_obj=foopy)) == [milo]
    assert list(repo_stars.connected_to_object_ids(to_obj=foopy)) == [104]
    assert repo_stars.distance_between(from_obj=milo, to_obj=foopy, limit=2) == 1


def test_a_connection(repo_stars, milo, foopy):
    made = repo_stars.create_connection(milo, foopy)
    assert made.relationship_name == "stars"
    assert (made.from_pk, made.to_pk) == ("104", "47")
    assert made.date
    assert made.relationship is repo_stars
    assert (made.from_object, made.to_object) == (milo, foopy)


def test_both_directions_are_two_connections(define):
    marry = define("marry", User, User)
    one, two, three = (User.objects.create(username=name) for name in "abc")
    marry.create_connection(one, two)
    assert not marry.connection_exists(from_obj=two, to_obj=one)
    marry.create_connection(two, three)
    assert marry.distance_between(one, one) == 0
    assert marry.distance_between(one, three) == 2
    assert marry.distance_between(one, three, limit=1) is None
    assert marry.distance_between(three, one) is None
    assert marry.create_connection(two, one) != marry.get_connection(one, two)
