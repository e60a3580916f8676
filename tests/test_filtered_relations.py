"""``FilteredRelation`` through the field: its condition is one on what it joins."""

import pytest
from django.db.models import Count, F, FilteredRelation, Q

from .app.models import Concert, Movie, Opera, Person, User
from .lithub.models import Account, Repo

LINKED = {"Ann": ["film", "tosca", "gala"], "Ben": ["film", "aida"], "Cid": []}


@pytest.fixture
def library(db):
    targets = {
        "film": Movie.objects.create(pk=1, title="film"),
        "tosca": Opera.objects.create(title="tosca"),
        "aida": Opera.objects.create(title="aida"),
        "gala": Concert.objects.create(pk="1", title="gala"),
    }
    for name, titles in LINKED.items():
        user = User.objects.create(name=name)
        user.preferred_videos.add(*(targets[title] for title in titles))
    return targets


def counts(model, relation, condition, **filters):
    """Return, by name, how many a relation with a condition joins."""
    found = model.objects.annotate(
        joined=FilteredRelation(relation, condition=condition)
    ).filter(**filters)
    return {obj.name: obj.n for obj in found.annotate(n=Count("joined"))}


def joined(model, relation, condition):
    """Return the names of objects for which it joins anything."""
    annotated = model.objects.annotate(
        joined=FilteredRelation(relation, condition=condition)
    )
    some = annotated.filter(joined__isnull=False).values_list("name", flat=True)
    none = annotated.exclude(joined__isnull=False).values_list("name", flat=True)
    assert sorted({*some, *none}) == sorted(
        model.objects.values_list("name", flat=True)
    )
    assert not {*some} & {*none}
    return sorted({*some})


def test_the_field_by_targets(library):
    film, gala = library["film"], library["gala"]
    for condition, expected in (
        (Q(preferred_videos=film), {"Ann": 1, "Ben": 1, "Cid": 0}),
        (Q(preferred_videos=gala), {"Ann": 1, "Ben": 0, "Cid": 0}),
        (Q(preferred_videos__in=[film, gala]), {"Ann": 2, "Ben": 1, "Cid": 0}),
        (
            Q(preferred_videos=film) | Q(preferred_videos=gala),
            {"Ann": 2, "Ben": 1, "Cid": 0},
        ),
        (~Q(preferred_videos=film), {"Ann": 2, "Ben": 1, "Cid": 0}),
        (Q(preferred_videos__isnull=False), {"Ann": 3, "Ben": 2, "Cid": 0}),
        (Q(preferred_videos__movie=film), {"Ann": 1, "Ben": 1, "Cid": 0}),
        (Q(preferred_videos__movie=1), {"Ann": 1, "Ben": 1, "Cid": 0}),
        (Q(preferred_videos__opera__isnull=False), {"Ann": 1, "Ben": 1, "Cid": 0}),
        (~Q(preferred_videos__movie=film), {"Ann": 2, "Ben": 1, "Cid": 0}),
        (Q(preferred_videos__gm2m_pk="1"), {"Ann": 2, "Ben": 1, "Cid": 0}),
        (
            Q(preferred_videos=film, preferred_videos__gm2m_pk="1"),
            {"Ann": 1, "Ben": 1, "Cid": 0},
        ),
        (Q(preferred_videos=gala, name="Ben"), {"Ann": 0, "Ben": 0, "Cid": 0}),
    ):
        assert counts(User, "preferred_videos", condition) == expected, condition
        assert joined(User, "preferred_videos", condition) == [
            name for name, number in expected.items() if number
        ], condition


def test_one_model(library):
    tosca = library["tosca"]
    relation = "preferred_videos__opera"
    for condition, expected in (
        (Q(preferred_videos__opera=tosca), {"Ann": 1, "Ben": 0, "Cid": 0}),
        (Q(preferred_videos__opera__in=[tosca]), {"Ann": 1, "Ben": 0, "Cid": 0}),
        (Q(preferred_videos__opera__pk=tosca.pk), {"Ann": 1, "Ben": 0, "Cid": 0}),
        (Q(preferred_videos__opera__title="aida"), {"Ann": 0, "Ben": 1, "Cid": 0}),
        (~Q(preferred_videos__opera__title="aida"), {"Ann": 1, "Ben": 0, "Cid": 0}),
        (~Q(preferred_videos__opera=tosca), {"Ann": 0, "Ben": 1, "Cid": 0}),
        (Q(preferred_videos__opera__isnull=False), {"Ann": 1, "Ben": 1, "Cid": 0}),
    ):
        assert counts(User, relation, condition) == expected, condition
    annotated = User.objects.annotate(
        joined=FilteredRelation(relation, condition=Q(preferred_videos__opera=tosca))
    )
    values = annotated.filter(joined__isnull=False).values_list(
        "joined", "joined__title"
    )
    assert list(values) == [(tosca.pk, "tosca")]
    assert [user.name for user in annotated.filter(joined=tosca)] == ["Ann"]
    assert not annotated.filter(joined__title="aida").exists()


def test_from_a_target(library):
    tosca, users = library["tosca"], {user.name: user for user in User.objects.all()}
    users["Ben"].preferred_videos.add(tosca)

    def titles(condition):
        found = Opera.objects.annotate(
            joined=FilteredRelation("user", condition=condition)
        )
        counted = found.annotate(n=Count("joined"))
        return {opera.title: opera.n for opera in counted}

    assert titles(Q(user=users["Ann"])) == {"tosca": 1, "aida": 0}
    assert titles(Q(user__in=[*users.values()])) == {"tosca": 2, "aida": 1}
    assert titles(Q(user__name="Ben")) == {"tosca": 1, "aida": 1}
    assert titles(~Q(user__name="Ben")) == {"tosca": 1, "aida": 0}
    assert titles(Q(user__pk=users["Ann"].pk)) == {"tosca": 1, "aida": 0}
    assert titles(Q(user__name=F("title"))) == {"tosca": 0, "aida": 0}


def test_at_the_end_of_a_path(library):
    lang = Person.objects.create(name="Lang")
    Opera.objects.update(composer=lang)
    relation = "opera__user__preferred_videos"
    condition = Q(opera__user__preferred_videos=library["gala"])
    assert counts(Person, relation, condition) == {"Lang": 1}
    condition = Q(opera__user__name="Ben")
    assert counts(Person, "opera__user", condition) == {"Lang": 1}


def test_with_other_conditions_and_joins(library):
    film, gala = library["film"], library["gala"]
    films = FilteredRelation("preferred_videos", condition=Q(preferred_videos=film))
    galas = FilteredRelation("preferred_videos", condition=Q(preferred_videos=gala))
    annotated = User.objects.annotate(films=films, galas=galas)
    both = annotated.filter(films__isnull=False, galas__isnull=True)
    assert [user.name for user in both] == ["Ben"]
    beside = annotated.filter(
        films__isnull=False, preferred_videos__opera__title="aida"
    )
    assert [user.name for user in beside] == ["Ben"]
    counted = annotated.annotate(
        f=Count("films", distinct=True), n=Count("preferred_videos", distinct=True)
    )
    assert {user.name: (user.f, user.n) for user in counted} == {
        "Ann": (1, 3),
        "Ben": (1, 2),
        "Cid": (0, 0),
    }
    of_links = User.preferred_videos.through.objects.annotate(
        composed=FilteredRelation("opera", condition=Q(opera__title="aida"))
    )
    assert of_links.filter(composed__isnull=False).count() == 1


def test_connections(db, define):
    define("filtered_star", Account, Repo).attach("stars", "fans")
    define("filtered_friend", Account, Account, symmetric=True).attach("friends")
    ann, ben, cid = (
        Account.objects.create(name=name) for name in ("Ann", "Ben", "Cid")
    )
    a, b = (Repo.objects.create(name=name) for name in "ab")
    ann.stars.add(a, b)
    ben.stars.add(b)
    ann.friends.add(cid)
    for condition, expected in (
        (Q(stars=a), {"Ann": 1, "Ben": 0, "Cid": 0}),
        (Q(stars__in=[a, b]), {"Ann": 2, "Ben": 1, "Cid": 0}),
        (Q(stars__name="b"), {"Ann": 1, "Ben": 1, "Cid": 0}),
        (~Q(stars=b), {"Ann": 1, "Ben": 0, "Cid": 0}),
    ):
        assert counts(Account, "stars", condition) == expected, condition
    for condition in (Q(friends=cid), Q(friends__name="Cid"), ~Q(friends__name="Ann")):
        expected = {"Ann": 1, "Ben": 0, "Cid": 0}
        assert counts(Account, "friends", condition) == expected, condition
