"""Conditions, columns and aggregates through the field, from both ends."""

import datetime
import pickle
import re
import uuid
from itertools import chain
from types import SimpleNamespace

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldError
from django.db import NotSupportedError, connection
from django.db.models import (
    CharField,
    Count,
    Exists,
    F,
    FilteredRelation,
    Max,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Cast, Coalesce
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .app.models import (
    Book,
    Club,
    Concert,
    Critic,
    Disc,
    Documentary,
    Friend,
    Hidden,
    Measure,
    Movie,
    Opera,
    Person,
    Playlist,
    PlaylistItem,
    Poster,
    Premiere,
    ProxyLover,
    Shelf,
    ShelfPlace,
    Sky,
    Star,
    TaggedImage,
    TaggedPage,
    Track,
    Undeclared,
    User,
    UserProxy,
    Vault,
    VaultEntry,
    Video,
    VideoProxy,
)

MODELS = [Movie, Documentary, Opera, Concert, Premiere, Poster]
TOSCA, AIDA = uuid.UUID(int=1), uuid.UUID("ffffffff-ffff-4fff-bfff-fffffffffffe")
DAY = datetime.date(2021, 2, 3)
LINKS = {
    "Jack": ["film", "gala", "tosca", "first night", "dated"],
    "Jill": ["report", "gala", "tosca poster", "dated", "second film"],
    "Joan": ["tosca", "film", "report", "tosca poster"],
    "Joe": [],
}
Link = User.preferred_videos.through


def make_targets():
    """
    Make targets whose keys coincide as text: "1" is a movie, a documentary (of the
    same video) and a concert, "2021-02-03" a concert and a premiere, and an opera has
    the key of its poster. The last of each model is not linked.
    """
    director = Person.objects.create(pk=1, name="Lang")
    film = Movie.objects.create(pk=1, title="film", year=1927, director=director)
    report = Documentary(video_ptr_id=1, subject="report")
    report.save_base(raw=True)
    report.refresh_from_db()
    tosca = Opera.objects.create(pk=TOSCA, title="tosca", composer=director)
    aida = Opera.objects.create(pk=AIDA, title="aida")
    return {
        "film": film,
        "second film": Movie.objects.create(pk=2, title="second film", year=1931),
        "third film": Movie.objects.create(pk=3, title="third film", year=1933),
        "report": report,
        "second report": Documentary.objects.create(pk=4, title="second report"),
        "tosca": tosca,
        "aida": aida,
        "gala": Concert.objects.create(pk="1", title="gala"),
        "dated": Concert.objects.create(pk="2021-02-03", title="dated"),
        "recital": Concert.objects.create(pk="2", title="recital"),
        "first night": Premiere.objects.create(pk=DAY, title="first night"),
        "last night": Premiere.objects.create(
            pk=datetime.date(1999, 12, 31), title="last night"
        ),
        "tosca poster": Poster.objects.create(opera=tosca, title="tosca poster"),
        "aida poster": Poster.objects.create(opera=aida, title="aida poster"),
    }


@pytest.fixture
def library(db):
    targets = make_targets()
    users = {}
    for name, linked in LINKS.items():
        users[name] = User.objects.create(name=name)
        users[name].preferred_videos.add(*(targets[target] for target in linked))
    return SimpleNamespace(**targets, targets=targets, users=users, **users)


def of(model):
    return model._meta.model_name


def names(queryset):
    """Return the names of users, each as often as it is in the result."""
    return sorted(queryset.values_list("name", flat=True))


def pks(queryset):
    return sorted(obj.pk for obj in queryset)


def liked(library, model, *names):
    """Return the keys of the objects of `model` that all these users prefer."""
    return sorted(
        target.pk
        for target_name, target in library.targets.items()
        if type(target) is model and all(target_name in LINKS[name] for name in names)
    )


def liked_by_any(library, model, *names):
    return sorted({pk for name in names for pk in liked(library, model, name)})


def all_pks(library, model):
    return sorted(obj.pk for obj in library.targets.values() if type(obj) is model)


def tables(queryset):
    """Return the tables that the one query of `queryset` reads."""
    with CaptureQueriesContext(
        connection,
    ) as context:
        list(queryset)
    (query,) = context.captured_queries
    return {
        table
        for table in connection.introspection.django_table_names()
        if connection.ops.quote_name(table) in query["sql"]
    }


def choices(error):
    """Return the names that an error of Django's offers."""
    return re.search(r"Choices are: (.*)$", str(error), re.S)[1].split(", ")


# From a source, by targets.


@pytest.mark.parametrize("target", [*dict.fromkeys(chain(*LINKS.values())), "aida"])
class TestByTarget:
    def fans(self, target):
        return sorted(name for name, linked in LINKS.items() if target in linked)

    def others(self, target):
        return sorted(set(LINKS) - set(self.fans(target)))

    def test_filter_by_object(self, library, target):
        obj = library.targets[target]
        fans = self.fans(target)
        assert names(User.objects.filter(preferred_videos=obj)) == fans
        assert names(User.objects.filter(preferred_videos__exact=obj)) == fans
        assert names(User.objects.filter(preferred_videos__in=[obj])) == fans
        assert names(User.objects.filter(Q(preferred_videos=obj))) == fans

    def test_exclude_object(self, library, target):
        obj = library.targets[target]
        others = self.others(target)
        assert names(User.objects.exclude(preferred_videos=obj)) == others
        assert names(User.objects.exclude(preferred_videos__in=[obj])) == others
        assert names(User.objects.filter(~Q(preferred_videos=obj))) == others

    def test_by_the_key_of_its_model(self, library, target):
        obj = library.targets[target]
        lookup = f"preferred_videos__{of(type(obj))}"
        fans = self.fans(target)
        for value in (obj, obj.pk):
            assert names(User.objects.filter(**{lookup: value})) == fans
            assert names(User.objects.filter(**{f"{lookup}__in": [value]})) == fans
            assert names(User.objects.exclude(**{lookup: value})) == self.others(target)
        assert names(User.objects.filter(**{f"{lookup}__pk": obj.pk})) == fans

    def test_by_a_column_of_its_model(self, library, target):
        obj = library.targets[target]
        column = "subject" if isinstance(obj, Documentary) else "title"
        condition = {f"preferred_videos__{of(type(obj))}__{column}": target}
        assert names(User.objects.filter(**condition)) == self.fans(target)
        assert names(User.objects.exclude(**condition)) == self.others(target)

    def test_exists_with_outer_reference(self, library, target):
        model = type(library.targets[target])
        fans = User.objects.filter(**{f"preferred_videos__{of(model)}": OuterRef("pk")})
        found = model.objects.filter(Exists(fans)).values_list("pk", flat=True)
        expected = {pk for name in LINKS for pk in liked(library, model, name)}
        assert sorted(found) == sorted(expected)
        count = fans.order_by().values("preferred_videos__gm2m_ct")
        count = count.annotate(n=Count("pk")).values("n")
        counted = model.objects.annotate(n=Subquery(count)).get(
            pk=library.targets[target].pk
        )
        assert (counted.n or 0) == len(self.fans(target))


def test_in_takes_objects_of_several_models(library):
    mixed = [library.report, library.gala, library.aida]
    assert names(User.objects.filter(preferred_videos__in=mixed)) == [
        "Jack",
        "Jill",  # two of her links fulfil the condition
        "Jill",
        "Joan",
    ]
    assert names(User.objects.exclude(preferred_videos__in=mixed)) == ["Joe"]
    assert names(User.objects.filter(preferred_videos__in=iter(mixed)).distinct()) == [
        "Jack",
        "Jill",
        "Joan",
    ]


@pytest.mark.django_db
def test_in_an_empty_list_costs_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert list(User.objects.filter(preferred_videos__in=[])) == []
        assert list(User.objects.filter(preferred_videos__movie__in=[])) == []
        assert list(Movie.objects.filter(user__in=[])) == []


def test_excluding_an_empty_list_keeps_all(library):
    assert names(User.objects.exclude(preferred_videos__in=[])) == sorted(LINKS)
    assert len(Concert.objects.exclude(user__in=[])) == 3


def test_thousands_of_objects_of_several_models(library):
    concerts = [Concert(pk=f"c{n}") for n in range(1_500)]
    operas = [Opera(pk=uuid.UUID(int=1_000 + n)) for n in range(1_500)]
    for objs in (concerts, operas):
        type(objs[0]).objects.bulk_create(objs)
    library.Joe.preferred_videos.add(concerts[-1], operas[-1])
    users = User.objects.filter(preferred_videos__in=[*concerts, *operas])
    assert names(users.distinct()) == ["Joe"]


def test_isnull(library):
    fans = ["Jack", "Jill", "Joan"]
    assert names(User.objects.filter(preferred_videos__isnull=True)) == ["Joe"]
    assert names(User.objects.filter(preferred_videos=None)) == ["Joe"]
    linked = User.objects.filter(preferred_videos__isnull=False)
    assert names(linked.distinct()) == fans
    assert names(User.objects.exclude(preferred_videos__isnull=True).distinct()) == fans
    assert names(User.objects.exclude(preferred_videos=None).distinct()) == fans
    assert names(User.objects.exclude(preferred_videos__isnull=False)) == ["Joe"]


@pytest.mark.parametrize("model", MODELS)
def test_isnull_of_one_model(library, model):
    lookup = f"preferred_videos__{of(model)}__isnull"
    with_one = [name for name in LINKS if liked(library, model, name)]
    found = User.objects.filter(**{lookup: False})
    assert names(found.distinct()) == sorted(with_one)
    with_other = [
        name for name in LINKS if len(LINKS[name]) > len(liked(library, model, name))
    ]
    # As in Django: a row that is no link to the model, or no row at all.
    found = User.objects.filter(**{lookup: True})
    assert names(found.distinct()) == sorted({*with_other, "Joe"})
    assert names(User.objects.exclude(**{lookup: False})) == sorted(
        set(LINKS) - set(with_one)
    )


def test_conditions_of_one_call_are_about_one_link(library):
    film, gala = Q(preferred_videos=library.film), Q(preferred_videos=library.gala)
    assert names(User.objects.filter(film, gala)) == []
    assert names(User.objects.filter(film & gala)) == []
    assert names(User.objects.filter(film).filter(gala)) == ["Jack"]
    both = User.objects.filter(
        preferred_videos__movie__title="film", preferred_videos__movie__year=1931
    )
    assert names(both) == []
    each = User.objects.filter(preferred_videos__movie__title="film").filter(
        preferred_videos__concert__title="gala"
    )
    assert names(each) == ["Jack"]
    same = User.objects.filter(
        preferred_videos__movie__title="film", preferred_videos__movie__year=1927
    )
    assert names(same) == ["Jack", "Joan"]
    same = User.objects.filter(
        preferred_videos=library.film, preferred_videos__movie__year=1927
    )
    assert names(same) == ["Jack", "Joan"]


def test_q_objects_mix_models(library):
    film = Q(preferred_videos__movie__title="film")
    poster = Q(preferred_videos__poster__opera__title="tosca")
    premiere = Q(preferred_videos=library.targets["first night"])

    def found(condition):
        return names(User.objects.filter(condition).distinct())

    assert found(film | poster) == ["Jack", "Jill", "Joan"]
    assert found(film | premiere) == ["Jack", "Joan"]
    assert found(~film) == ["Jill", "Joe"]
    assert found(~(film | poster)) == ["Joe"]
    assert found(~film & ~premiere) == ["Jill", "Joe"]
    assert found(Q(name="Joe") | Q(preferred_videos__opera__pk=TOSCA)) == [
        "Jack",
        "Joan",
        "Joe",
    ]
    assert found(Q(name="Joan") & (poster | premiere)) == ["Joan"]


def test_combined_querysets(library):
    first = User.objects.filter(preferred_videos=library.film)
    second = User.objects.filter(preferred_videos__poster__title="tosca poster")
    assert names((first | second).distinct()) == ["Jack", "Jill", "Joan"]
    assert names(
        (
            User.objects.filter(preferred_videos=library.film)
            & User.objects.filter(name="Joan")
        ).distinct()
    ) == ["Joan"]
    assert sorted(
        first.values_list("name", flat=True).union(
            second.values_list("name", flat=True)
        )
    ) == ["Jack", "Jill", "Joan"]


# From a source, by querysets.


def test_in_a_queryset_of_one_model(library):
    def found(queryset):
        users = User.objects.filter(preferred_videos__in=queryset)
        return names(users.distinct())

    assert found(Movie.objects.filter(title="film")) == ["Jack", "Joan"]
    assert found(Movie.objects.all()) == ["Jack", "Jill", "Joan"]
    assert found(Movie.objects.order_by("title")) == ["Jack", "Jill", "Joan"]
    assert found(Movie.objects.values("pk").filter(year__gt=1930)) == ["Jill"]
    assert found(Movie.objects.values_list("pk", flat=True).filter(pk=2)) == ["Jill"]
    assert found(Movie.objects.none()) == []
    assert found(Concert.objects.filter(code__startswith="2021")) == ["Jack", "Jill"]
    assert found(Concert.objects.values("code").filter(title="gala")) == [
        "Jack",
        "Jill",
    ]
    assert found(Opera.objects.filter(title="tosca")) == ["Jack", "Joan"]
    assert found(Opera.objects.values("id").filter(title="aida")) == []
    assert found(Premiere.objects.filter(day__year=2021)) == ["Jack"]
    assert found(Poster.objects.filter(opera__title="tosca")) == ["Jill", "Joan"]
    assert found(Poster.objects.values("opera")) == ["Jill", "Joan"]
    assert found(Documentary.objects.filter(subject="report")) == ["Jill", "Joan"]
    # Linked to nothing, and without a relation.
    assert found(Person.objects.all()) == []


@pytest.mark.parametrize("model", MODELS)
def test_a_model_in_a_queryset(library, model):
    expected = sorted(name for name in LINKS if liked(library, model, name))
    lookup = f"preferred_videos__{of(model)}__in"
    users = User.objects.filter(**{lookup: model.objects.all()})
    assert names(users.distinct()) == expected
    users = User.objects.filter(**{lookup: model.objects.values("pk")})
    assert names(users.distinct()) == expected
    excluded = User.objects.exclude(**{lookup: model.objects.all()})
    assert names(excluded) == sorted(set(LINKS) - set(expected))


@pytest.mark.skipif(
    connection.vendor == "mysql",
    reason="MariaDB has no LIMIT in the subquery of an IN, and Django says so.",
)
def test_in_a_sliced_queryset(library):
    def found(**condition):
        return names(User.objects.filter(**condition).distinct())

    films = Movie.objects.order_by("-year")
    assert found(preferred_videos__in=films[2:]) == ["Jack", "Joan"]
    assert found(preferred_videos__in=films[1:2]) == ["Jill"]
    assert found(preferred_videos__movie__in=films[1:2]) == ["Jill"]
    links = library.Jill.preferred_videos
    assert found(preferred_videos__in=links.all()[:1]) == ["Jill", "Joan"]
    assert found(preferred_videos__in=links.reverse()[:1]) == ["Jill"]
    assert found(preferred_videos__in=Opera.objects.order_by("title")[:1]) == []


@pytest.mark.skipif(
    connection.vendor != "mysql", reason="Only MariaDB and MySQL refuse it."
)
def test_in_a_sliced_queryset_is_refused_where_the_database_cannot(library):
    for queryset in (Movie.objects.all()[:1], library.Jill.preferred_videos.all()[:1]):
        with pytest.raises(NotSupportedError):
            list(User.objects.filter(preferred_videos__in=queryset))


def test_in_the_targets_of_the_same_field(library):
    def found(queryset):
        return names(User.objects.filter(preferred_videos__in=queryset).distinct())

    jill = library.Jill.preferred_videos
    assert found(jill.all()) == ["Jack", "Jill", "Joan"]
    assert found(jill.filter(Model=Documentary)) == ["Jill", "Joan"]
    assert found(jill.filter(movie__title="second film")) == ["Jill"]
    assert found(jill.exclude(Model__in=[Concert, Documentary, Poster])) == ["Jill"]
    assert found(library.Joe.preferred_videos.all()) == []
    assert found(library.Jack.preferred_videos.none()) == []
    excluded = User.objects.exclude(preferred_videos__in=jill.filter(Model=Poster))
    assert names(excluded) == ["Jack", "Joe"]
    # The manager itself is one, as in Django.
    evaluated = jill.all()
    assert len(evaluated) == 5
    assert found(evaluated) == ["Jack", "Jill", "Joan"]


def test_in_the_targets_of_another_field_is_refused(library):
    holder = Undeclared.objects.create()
    for others in (holder.things.all(), holder.others.filter(Model=Movie)):
        with pytest.raises(TypeError, match=r"preferred_videos.*instances_of"):
            User.objects.filter(preferred_videos__in=others)
    with pytest.raises(TypeError, match="others"):
        Undeclared.objects.filter(others__in=holder.things.all())


def test_targets_of_another_field_by_instances_of(library):
    holder = Undeclared.objects.create()
    holder.things.add(library.film, library.gala)
    users = User.objects.filter(preferred_videos__in=holder.things.instances_of(Movie))
    assert names(users) == ["Jack", "Joan"]


def test_mixed_targets_are_no_keys(library):
    mixed = library.Jack.preferred_videos.all()
    for condition in (
        {"pk__in": mixed},
        {"id__in": mixed},
        {"user__in": mixed},
        {"director__in": mixed},
    ):
        with pytest.raises(TypeError, match="instances_of"):
            str(Movie.objects.filter(**condition).query)
    films = library.Jack.preferred_videos.instances_of(Movie)
    assert pks(Movie.objects.filter(pk__in=films)) == [1]


# From a target.


@pytest.mark.parametrize("model", MODELS)
class TestByUser:
    def test_filter_by_user(self, library, model):
        jack = library.Jack
        expected = liked(library, model, "Jack")
        for condition in (
            {"user": jack},
            {"user": jack.pk},
            {"user__pk": jack.pk},
            {"user__in": [jack]},
            {"user__in": [jack.pk]},
            {"user__in": User.objects.filter(name="Jack")},
            {"user__in": User.objects.filter(name="Jack").values("pk")},
            {"user__name": "Jack"},
            {"user__name__iexact": "JACK"},
            {"user__pk__in": [jack.pk]},
        ):
            assert pks(model.objects.filter(**condition)) == expected, condition

    def test_exclude_user(self, library, model):
        jack = library.Jack
        expected = sorted(
            set(all_pks(library, model)) - set(liked(library, model, "Jack"))
        )
        for condition in (
            {"user": jack},
            {"user": jack.pk},
            {"user__in": [jack]},
            {"user__in": User.objects.filter(name="Jack")},
            {"user__name": "Jack"},
        ):
            assert pks(model.objects.exclude(**condition)) == expected, condition

    def test_isnull(self, library, model):
        linked = {pk for name in LINKS for pk in liked(library, model, name)}
        unlinked = sorted(set(all_pks(library, model)) - linked)
        assert pks(model.objects.filter(user__isnull=True)) == unlinked
        assert pks(model.objects.filter(user=None)) == unlinked
        assert pks(model.objects.exclude(user__isnull=False)) == unlinked
        found = model.objects.filter(user__isnull=False).distinct()
        assert pks(found) == sorted(linked)

    def test_chained_conditions_may_be_about_two_users(self, library, model):
        chained = model.objects.filter(user__name="Jack").filter(user__name="Joan")
        assert pks(chained) == liked(library, model, "Jack", "Joan")
        assert (
            pks(model.objects.filter(Q(user__name="Jack"), Q(user__name="Joan"))) == []
        )

    def test_q_objects(self, library, model):
        jack, jill = Q(user__name="Jack"), Q(user=library.Jill)
        either = model.objects.filter(jack | jill).distinct()
        assert pks(either) == liked_by_any(library, model, "Jack", "Jill")
        neither = model.objects.filter(~(jack | jill))
        assert pks(neither) == sorted(
            set(all_pks(library, model)) - {obj.pk for obj in either}
        )
        only_jack = model.objects.filter(jack).exclude(jill)
        assert pks(only_jack) == sorted(
            set(liked(library, model, "Jack")) - set(liked(library, model, "Jill"))
        )

    def test_count(self, library, model):
        counted = model.objects.annotate(n=Count("user")).values_list("pk", "n")
        expected = {
            obj.pk: sum(name in linked for linked in LINKS.values())
            for name, obj in library.targets.items()
            if type(obj) is model
        }
        assert dict(counted) == expected
        many = model.objects.annotate(n=Count("user", distinct=True)).filter(n__gt=1)
        assert pks(many) == sorted(pk for pk, n in expected.items() if n > 1)
        total = model.objects.aggregate(
            n=Count("user"), users=Count("user", distinct=True)
        )
        assert total["n"] == sum(expected.values())
        assert total["users"] == sum(
            bool(liked(library, model, name)) for name in LINKS
        )

    def test_values_and_order(self, library, model):
        pairs = model.objects.filter(user__isnull=False).values_list("pk", "user__name")
        expected = sorted(
            (pk, name) for name in LINKS for pk in liked(library, model, name)
        )
        assert list(pairs.order_by("pk", "user__name")) == expected
        by_key = model.objects.filter(user__isnull=False).values_list("pk", "user")
        ids = {user.pk: name for name, user in library.users.items()}
        assert sorted((pk, ids[user]) for pk, user in by_key) == expected
        unlinked = model.objects.filter(user=None).values("user", "user__name")
        assert {tuple(row.values()) for row in unlinked} <= {(None, None)}

    def test_filtered_relation(self, library, model):
        jacks = FilteredRelation("user", condition=Q(user__name="Jack"))
        annotated = model.objects.annotate(jack=jacks)
        assert pks(annotated.filter(jack__isnull=False)) == liked(
            library, model, "Jack"
        )
        counted = annotated.annotate(n=Count("jack")).values_list("pk", "n")
        assert dict(counted) == {
            pk: int(pk in liked(library, model, "Jack"))
            for pk in all_pks(library, model)
        }

    def test_subqueries(self, library, model):
        titles = {target.pk: target.title for target in model.objects.all()}
        of_user = model.objects.filter(user=OuterRef("pk"))
        expected = sorted(name for name in LINKS if liked(library, model, name))
        assert names(User.objects.filter(Exists(of_user))) == expected
        assert names(User.objects.filter(~Exists(of_user))) == sorted(
            set(LINKS) - set(expected)
        )
        first = of_user.order_by("title").values("title")[:1]
        for user in User.objects.annotate(first=Subquery(first)):
            found = sorted(titles[pk] for pk in liked(library, model, user.name))
            assert user.first == (found[0] if found else None)


def test_lookups_of_the_users_key(library):
    first, last = library.Jack.pk, library.Joe.pk
    assert pks(Concert.objects.filter(user__gt=first).distinct()) == ["1", "2021-02-03"]
    assert pks(Concert.objects.filter(user__lt=first)) == []
    assert pks(Opera.objects.filter(user__lte=last).distinct()) == [TOSCA]


def test_group_by(library):
    by_user = Concert.objects.values("user__name").annotate(n=Count("pk"))
    assert dict(by_user.order_by().values_list("user__name", "n")) == {
        "Jack": 2,
        "Jill": 2,
        None: 1,
    }
    fans = User.objects.filter(preferred_videos__movie__isnull=False)
    by_title = fans.values("preferred_videos__movie__title").annotate(n=Count("pk"))
    found = by_title.values_list("preferred_videos__movie__title", "n")
    assert dict(found) == {"film": 2, "second film": 1}
    by_type = User.objects.values("preferred_videos__gm2m_ct").annotate(
        n=Count("preferred_videos")
    )
    types = {
        ContentType.objects.get_for_model(model).pk: sum(
            len(liked(library, model, name)) for name in LINKS
        )
        for model in MODELS
    }
    assert {
        row["preferred_videos__gm2m_ct"]: row["n"] for row in by_type.order_by()
    } == {**types, None: 0}
    operatic = User.objects.filter(preferred_videos__opera__isnull=False)
    found = operatic.values("preferred_videos__opera").annotate(n=Count("pk"))
    assert list(found.values_list("preferred_videos__opera", "n")) == [(TOSCA, 2)]


# What is read.


def test_the_field_stands_for_the_link(library):
    links = list(Link.objects.order_by("pk").values_list("pk", flat=True))
    found = User.objects.order_by("preferred_videos")
    found = found.filter(preferred_videos__isnull=False)
    assert list(found.values_list("preferred_videos", flat=True)) == links
    assert list(found.values_list("preferred_videos__id", flat=True)) == links
    assert [user.name for user in found] == [
        name for name, linked in LINKS.items() for _ in linked
    ]
    assert User.objects.values("preferred_videos").get(name="Joe") == {
        "preferred_videos": None
    }


def test_count_and_aggregate_count_links(library):
    counted = User.objects.annotate(n=Count("preferred_videos"))
    assert {user.name: user.n for user in counted} == {
        name: len(linked) for name, linked in LINKS.items()
    }
    # Targets whose keys coincide as text are not one.
    counted = User.objects.annotate(n=Count("preferred_videos", distinct=True))
    assert {user.name: user.n for user in counted} == {
        name: len(linked) for name, linked in LINKS.items()
    }
    total = sum(map(len, LINKS.values()))
    assert User.objects.aggregate(n=Count("preferred_videos")) == {"n": total}
    assert User.objects.aggregate(n=Count("preferred_videos", distinct=True)) == {
        "n": total
    }
    many = User.objects.annotate(n=Count("preferred_videos")).filter(n__gte=5)
    assert names(many) == ["Jack", "Jill"]


def test_aggregates_over_targets(library):
    totals = User.objects.aggregate(
        latest=Max("preferred_videos__movie__year"),
        films=Count("preferred_videos__movie"),
        different=Count("preferred_videos__movie", distinct=True),
        operas=Count("preferred_videos__opera", distinct=True),
        premiere=Max("preferred_videos__premiere"),
        code=Max("preferred_videos__concert"),
    )
    assert totals == {
        "latest": 1931,
        "films": 3,
        "different": 2,
        "operas": 1,
        "premiere": DAY,
        "code": "2021-02-03",
    }
    years = User.objects.annotate(total=Sum("preferred_videos__movie__year"))
    assert {user.name: user.total for user in years} == {
        "Jack": 1927,
        "Jill": 1931,
        "Joan": 1927,
        "Joe": None,
    }


def test_two_counts_beside_each_other(library):
    found = User.objects.annotate(
        films=Count("preferred_videos", Q(preferred_videos__movie__isnull=False)),
        links=Count("preferred_videos"),
    ).get(name="Jill")
    assert (found.films, found.links) == (1, 5)


@pytest.mark.parametrize("model", MODELS)
def test_keys_are_those_of_their_model(library, model):
    name = f"preferred_videos__{of(model)}"
    rows = User.objects.filter(preferred_videos__isnull=False).values_list("name", name)
    expected = sorted(
        (user, pk) for user in LINKS for pk in liked(library, model, user)
    )
    assert sorted(row for row in rows if row[1] is not None) == expected
    # All other links are there, without a key.
    assert len(rows) == sum(map(len, LINKS.values()))
    ordered = User.objects.filter(**{f"{name}__isnull": False}).order_by(f"-{name}")
    assert list(ordered.values_list(name, flat=True)) == sorted(
        (pk for _, pk in expected), reverse=True
    )
    keys = {type(pk) for pk in ordered.values_list(f"{name}__pk", flat=True)}
    assert keys == {type(expected[0][1])}


def test_columns_of_the_through_and_of_targets(library):
    rows = User.objects.filter(name="Jack").order_by("preferred_videos")
    assert list(rows.values_list("preferred_videos__gm2m_pk", flat=True)) == [
        "1",
        "1",
        str(TOSCA),
        "2021-02-03",
        "2021-02-03",
    ]
    assert list(
        rows.values_list(
            "preferred_videos__movie__title", "preferred_videos__concert__title"
        )
    ) == [("film", None), (None, "gala"), (None, None), (None, None), (None, "dated")]
    annotated = rows.annotate(title=F("preferred_videos__opera__title"))
    assert [user.title for user in annotated] == [None, None, "tosca", None, None]


def test_order_by_columns_of_targets(library):
    found = User.objects.filter(preferred_videos__movie__isnull=False)
    assert list(
        found.order_by("-preferred_videos__movie__year", "-name").values_list(
            "name", flat=True
        )
    ) == ["Jill", "Joan", "Jack"]


def test_filtered_relation_from_a_source(library):
    galas = FilteredRelation(
        "preferred_videos__concert",
        condition=Q(preferred_videos__concert__title="gala"),
    )
    annotated = User.objects.annotate(gala=galas)
    fans = annotated.filter(gala__isnull=False)
    assert names(fans) == ["Jack", "Jill"]
    assert names(annotated.filter(gala__title="gala")) == ["Jack", "Jill"]
    assert names(annotated.filter(gala__title="dated")) == []
    assert set(fans.values_list("gala__title", flat=True)) == {"gala"}
    # A column of the child: those of its parent need a join that Django refuses.
    films = FilteredRelation(
        "preferred_videos__movie",
        condition=Q(preferred_videos__movie__director__isnull=False),
    )
    annotated = User.objects.annotate(film=films)
    assert names(annotated.filter(film__isnull=False)) == ["Jack", "Joan"]
    assert names(annotated.filter(film__year=1927)) == ["Jack", "Joan"]
    links = FilteredRelation(
        "preferred_videos", condition=Q(preferred_videos__gm2m_pk="1")
    )
    counted = User.objects.annotate(one=links).annotate(n=Count("one"))
    assert {user.name: user.n for user in counted} == {
        "Jack": 2,
        "Jill": 2,
        "Joan": 2,
        "Joe": 0,
    }


# SQL.


def test_a_source_is_found_without_the_tables_of_targets(library):
    expected = {User._meta.db_table, Link._meta.db_table}
    # The content types are known.
    User.objects.filter(preferred_videos__in=library.targets.values()).exists()
    for condition in (
        {"preferred_videos": library.film},
        {"preferred_videos__in": list(library.targets.values())},
        {"preferred_videos__isnull": False},
        {"preferred_videos__isnull": True},
        {"preferred_videos__movie": library.film},
        {"preferred_videos__movie": 1},
        {"preferred_videos__opera__in": [TOSCA, AIDA]},
        {"preferred_videos__premiere__isnull": False},
    ):
        assert tables(User.objects.filter(**condition)) == expected, condition
        assert tables(User.objects.exclude(**condition)) == expected, condition


@pytest.mark.parametrize("model", [Opera, Concert, Premiere, Poster])
def test_a_target_is_found_by_a_users_key_without_the_table_of_users(library, model):
    expected = {model._meta.db_table, Link._meta.db_table}
    jack = library.Jack
    for condition in (
        {"user": jack},
        {"user": jack.pk},
        {"user__pk": jack.pk},
        {"user__in": [jack, library.Jill]},
        {"user__in": [jack.pk]},
        {"user__isnull": False},
        {"user__isnull": True},
        {"user": None},
        {"user__gt": jack.pk},
    ):
        assert tables(model.objects.filter(**condition)) == expected, condition
        assert tables(model.objects.exclude(**condition)) == expected, condition
    assert tables(model.objects.values("pk", "user")) == expected
    assert tables(model.objects.annotate(n=Count("user"))) == expected
    assert User._meta.db_table in tables(model.objects.filter(user__name="Jack"))


def test_each_condition_is_one_query(library, django_assert_num_queries):
    User.objects.filter(preferred_videos__in=library.targets.values()).exists()
    with django_assert_num_queries(1):
        list(User.objects.filter(preferred_videos__in=library.targets.values()))
    with django_assert_num_queries(1):
        list(User.objects.filter(preferred_videos__in=Opera.objects.all()))
    with django_assert_num_queries(1):
        list(
            User.objects.filter(
                preferred_videos__in=library.Joan.preferred_videos.all()
            )
        )
    with django_assert_num_queries(1):
        list(Poster.objects.filter(user__in=User.objects.filter(name="Jill")))


def test_conditions_on_one_link_share_a_join(library):
    queryset = User.objects.filter(
        preferred_videos__movie__title="film",
        preferred_videos__movie__year=1927,
        preferred_videos__gm2m_pk="1",
        preferred_videos=library.film,
    )
    sql = str(queryset.query)
    assert sql.count(connection.ops.quote_name(Link._meta.db_table) + " ON ") == 1
    assert sql.count("JOIN") == 3  # the through, the movie and its video


# Junk: keys that are none of their model, under its content type.


NUMBERS = [
    "",
    " ",
    "-",
    "abc",
    "1abc",
    "1.0",
    "1e0",
    "01",
    "+1",
    " 1",
    "1\n",
    "0x1",
    "-0",
    "\u0661",  # an Arabic-Indic one, which Python takes for a number
    "9" * 19,
    "-" + "9" * 19,
    "9" * 30,
    "9223372036854775808",
    "2021-02-03",
    "1' OR '1'='1",
    "%s",
    "%",
    "\\",
    "\U0001f600",
]
UUIDS = [
    "",
    "1",
    "abc",
    "z" * 36,
    "-" * 36,
    "00000000-0000-0000-0000-00000000000",
    "00000000-0000-0000-0000-00000000000z",
    "0000000000000000000000000000-0000-01",
    "{00000000-0000-0000-0000-0000000000}",
    "4108e480-28a9-cd85-4c3b-64c7a91066ae",  # of a variant that MariaDB refuses
    "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF",
    "00000000000000000000000000000001",
    "9" * 30,
    "2021-02-03",
    "'",
    "%",
    "\\",
]
DATES = [
    "",
    "1",
    "2021",
    "2021-2-3",
    "2021-02-30",
    "2021-13-01",
    "2021-00-00",
    "2021-99-99",
    "0000-00-00",
    "0000-01-01",
    "9999-12-32",
    "9999-99-99",
    "10000-01-01",
    "2021-02-03\n",
    "2021-02-03 00:00:00",
    "20210203",
    "tomorrow",
    "infinity",
    "9" * 30,
    "'",
    "%",
    "\\",
]
JUNK = {
    Movie: NUMBERS,
    Documentary: NUMBERS,
    Opera: UUIDS,
    Poster: UUIDS,
    Premiere: DATES,
}
GENUINE = {
    Movie: "film",
    Documentary: "report",
    Opera: "tosca",
    Poster: "tosca poster",
    Premiere: "first night",
}


def make_bystanders():
    """Make so many targets that a database would rather look them up one by one."""
    numbers = range(1_000, 1_200)
    days = (datetime.date(2001, 1, 1) + datetime.timedelta(n) for n in numbers)
    operas = [Opera(pk=uuid.UUID(int=n)) for n in numbers]
    Opera.objects.bulk_create(operas)
    Poster.objects.bulk_create(Poster(opera=opera) for opera in operas)
    Premiere.objects.bulk_create(Premiere(day=day) for day in days)
    Video.objects.bulk_create(Video(pk=n, title="bystander") for n in numbers)
    # Django has no bulk_create() for multi-table children.
    with connection.cursor() as cursor:
        for table, columns in (
            (Movie._meta.db_table, "(video_ptr_id) VALUES (%s)"),
            (Documentary._meta.db_table, "(video_ptr_id, subject) VALUES (%s, '')"),
        ):
            rows = [(number,) for number in numbers]
            cursor.executemany(f"INSERT INTO {table} {columns}", rows)


@pytest.fixture(params=JUNK, ids=of)
def junk(request, db):
    """
    One user whose links to one model are junk, one with a genuine link, and an object
    that junk would lead to if it were moved to a key that exists.
    """
    targets, model = make_targets(), request.param
    genuine = targets[GENUINE[model]]
    for target in targets.values():
        if type(target) is model and target != genuine:
            target.delete()
    for day in ("2021-03-02", "2022-01-01", "9999-12-31"):
        Premiere.objects.create(day=day, title="moved to")
    make_bystanders()
    good, bad = (User.objects.create(name=name) for name in ("good", "bad"))
    good.preferred_videos.add(genuine)
    found = ContentType.objects.get_for_model(model)
    Link.objects.bulk_create(
        [Link(gm2m_src=bad, gm2m_ct=found, gm2m_pk=key) for key in JUNK[model]],
        # MariaDB takes some of them for the same.
        ignore_conflicts=True,
    )
    return SimpleNamespace(
        model=model,
        genuine=genuine,
        good=good,
        bad=bad,
        column=f"preferred_videos__{of(model)}__title__isnull",
        key=f"preferred_videos__{of(model)}",
    )


class TestJunk:
    def test_never_raises_in_a_select(self, junk):
        model, key = junk.model, junk.key
        assert names(User.objects.filter(**{junk.column: False})) == ["good"]
        assert pks(model.objects.filter(user__isnull=False)) == [junk.genuine.pk]
        assert pks(model.objects.filter(user__name__in=["good", "bad"])) == [
            junk.genuine.pk
        ]
        assert pks(model.objects.filter(user=junk.bad)) == []
        assert names(User.objects.filter(**{key: junk.genuine})) == ["good"]
        assert names(User.objects.filter(**{f"{key}__in": model.objects.all()})) == [
            "good"
        ]
        exists = User.objects.filter(**{key: OuterRef("pk")})
        assert pks(model.objects.filter(Exists(exists))) == [junk.genuine.pk]
        # Any join order: the database may go either way.
        both = User.objects.order_by("name").values_list(
            "name", f"{key}__title", f"{key}__pk"
        )
        assert {row for row in both if row[1] or row[2]} == {
            ("good", junk.genuine.title, junk.genuine.pk)
        }

    def test_never_raises_in_aggregates_and_order(self, junk):
        counted = junk.model.objects.aggregate(n=Count("user"))
        assert counted == {"n": 1}
        users = User.objects.annotate(n=Count(f"{junk.key}__title"))
        assert {user.name: user.n for user in users} == {"good": 1, "bad": 0}
        assert len(User.objects.order_by(junk.key, "name")) == Link.objects.count()

    def test_is_no_key_of_another_object(self, junk):
        """
        Text that is no key of the model is none in ``values()`` either: it must not be
        moved or cut to one that exists.
        """
        keys = User.objects.filter(name="bad").values_list(junk.key, flat=True)
        existing = {obj.pk for obj in junk.model.objects.all()}
        assert set(keys) & existing == set()
        assert names(User.objects.filter(name="good", **{f"{junk.key}__isnull": False}))

    def test_is_no_target(self, junk):
        assert list(junk.bad.preferred_videos.all()) == []
        assert list(junk.bad.preferred_videos.instances_of(junk.model)) == []
        assert (
            list(
                junk.bad.preferred_videos.filter(
                    **{f"{of(junk.model)}__title__isnull": False}
                )
            )
            == []
        )
        assert junk.bad.preferred_videos.count() == Link.objects.count() - 1

    def outer_joins(self, junk):
        """
        Return querysets that find nothing, and that every database has to evaluate
        from the side of the links, or of the targets.
        """
        title = {f"{junk.key}__title": "none"}
        of_bad = User.objects.filter(name="bad")
        return [
            of_bad.filter(Q(**title) | Q(name="none")),
            of_bad.filter(Q(**{f"{junk.key}__pk": junk.genuine.pk}) | Q(name="none")),
            of_bad.exclude(**{f"{junk.key}__title": None}),
            junk.model.objects.filter(Q(user__name="none") | Q(title="none")),
            junk.model.objects.filter(Q(user=junk.bad) | Q(title="none")),
        ]

    def test_never_raises_in_outer_joins(self, junk):
        Club.objects.create(name="club")
        for queryset in self.outer_joins(junk):
            assert list(queryset) == []
            condition = Exists(queryset)
            assert Club.objects.filter(condition).update(name="x") == 0
            assert Club.objects.filter(condition)._raw_delete("default") == 0
            assert Person.objects.exclude(condition).update(name="x") > 0
        for queryset in self.outer_joins(junk):
            assert (
                queryset.update(**{"name" if queryset.model is User else "title": "x"})
                == 0
            )
            queryset.delete()
        assert User.objects.filter(name="bad").exists()

    def test_never_raises_as_a_value(self, junk):
        keys = User.objects.filter(name="bad", **{f"{junk.key}__isnull": False})
        keys = keys.values(junk.key)
        assert junk.model.objects.filter(pk__in=keys).update(title="x") == 0
        for key in JUNK[junk.model]:
            one = keys.filter(preferred_videos__gm2m_pk=key)[:1]
            Person.objects.update(name=Coalesce(Cast(one, CharField()), Value("none")))
            Person.objects.annotate(key=Subquery(one)).filter(key=None).delete()

    def test_never_raises_in_an_update(self, junk):
        model = junk.model
        # Of a table that the subquery reads, and of one that it does not.
        assert model.objects.filter(user__isnull=False).update(title="new") == 1
        users = User.objects.filter(**{f"{junk.key}__title": "new"})
        assert users.update(name="fan") == 1
        club = Club.objects.create(name="club")
        users = User.objects.filter(**{junk.column: False})
        assert Club.objects.filter(Exists(users)).update(name="found") == 1
        titles = model.objects.filter(user__name__in=["fan", "bad"]).values("title")
        Club.objects.update(name=Subquery(titles[:1]))
        club.refresh_from_db()
        assert club.name == "new"
        keys = User.objects.filter(**{f"{junk.key}__isnull": False}).values(junk.key)
        model.objects.filter(pk__in=keys).update(title="newer")

    def test_never_raises_in_a_delete(self, junk):
        Club.objects.create(name="club")
        users = User.objects.filter(name="bad", **{junk.column: False})
        assert Club.objects.filter(Exists(users))._raw_delete("default") == 0
        targets = junk.model.objects.filter(user__name__in=["good", "bad"])
        assert Club.objects.filter(Exists(targets))._raw_delete("default") == 1
        PlaylistItem.objects.filter(
            object_id__in=User.objects.values("preferred_videos__gm2m_pk")
        ).delete()
        junk.model.objects.filter(user__name="bad").delete()
        assert junk.model.objects.filter(pk=junk.genuine.pk).exists()
        User.objects.filter(**{junk.column: False}).delete()
        assert names(User.objects.all()) == ["bad"]


@pytest.mark.parametrize(
    "day", [datetime.date.min, datetime.date(99, 12, 31), datetime.date.max]
)
def test_the_first_and_last_days_of_the_calendar(db, day):
    premiere = Premiere.objects.create(day=day, title="far")
    user = User.objects.create(name="Jack")
    user.preferred_videos.add(premiere)
    assert list(user.preferred_videos.all()) == [premiere]
    assert list(Premiere.objects.filter(user__name="Jack")) == [premiere]
    assert list(User.objects.filter(preferred_videos__premiere__title="far")) == [user]
    rows = User.objects.values_list("preferred_videos__premiere", flat=True)
    assert list(rows) == [day]


@pytest.mark.parametrize("pk", [-(2**63), -1, 0, 2**63 - 1])
def test_the_first_and_last_numbers(db, pk):
    star = Star.objects.create(pk=pk, title="far")
    sky, other = Sky.objects.create(), Sky.objects.create()
    sky.stars.add(star)
    found = ContentType.objects.get_for_model(Star)
    Sky.stars.through.objects.bulk_create(
        Sky.stars.through(gm2m_src=other, gm2m_ct=found, gm2m_pk=key)
        for key in (str(2**63), str(-(2**63) - 1), "9" * 19, "-" + "9" * 19, "9" * 30)
    )
    assert list(sky.stars.all()) == [star]
    assert list(other.stars.all()) == []
    assert list(Star.objects.filter(skies__isnull=False)) == [star]
    assert list(Sky.objects.filter(stars__star__title="far")) == [sky]
    assert list(Sky.objects.filter(stars__star=pk)) == [sky]
    assert list(Sky.objects.filter(stars__in=Star.objects.all())) == [sky]
    rows = Sky.objects.filter(stars__star__isnull=False)
    assert list(rows.filter(pk=sky.pk).values_list("stars__star", flat=True)) == [pk]
    moved = rows.filter(pk=other.pk).values_list("stars__star", flat=True)
    assert pk not in set(moved)


def test_text_keys_of_a_collation_of_their_own(db):
    tracks = [Track.objects.create(code=code, title=code) for code in ("abc", "é", "1")]
    first, second = Disc.objects.create(name="first"), Disc.objects.create(name="2nd")
    if connection.vendor == "mysql":
        # The column of links would compare them by the collation of the database.
        with pytest.raises(TypeError, match="db_collation"):
            first.tracks.add(*tracks)
        return
    first.tracks.add(*tracks)
    second.tracks.add(tracks[0])
    assert list(first.tracks.all()) == tracks
    assert set(first.tracks.instances_of(Track)) == set(tracks)
    assert names(Disc.objects.filter(tracks=tracks[0])) == ["2nd", "first"]
    assert names(Disc.objects.filter(tracks__track="é")) == ["first"]
    assert names(Disc.objects.filter(tracks__track__title="abc")) == ["2nd", "first"]
    assert names(Disc.objects.exclude(tracks__track__title="1")) == ["2nd"]
    assert names(Disc.objects.filter(tracks__in=Track.objects.filter(title="é"))) == [
        "first"
    ]
    assert names(Disc.objects.filter(tracks__in=second.tracks.all())) == [
        "2nd",
        "first",
    ]
    assert set(Track.objects.filter(discs__name="first")) == set(tracks)
    assert set(Track.objects.exclude(discs=second)) == set(tracks[1:])
    discs = Disc.objects.filter(tracks__track=OuterRef("pk"))
    assert Track.objects.filter(Exists(discs)).count() == 3
    rows = second.tracks.values_list("track", "track__title")
    assert list(rows) == [("abc", "abc")]
    assert Track.objects.filter(discs__name="2nd").update(title="x") == 1
    assert Disc.objects.filter(tracks__track__title="x").update(name="x") == 2
    (found, *_) = Track.objects.prefetch_related("discs").filter(code="abc")
    assert len(found.discs.all()) == 2
    tracks[0].delete()
    assert second.tracks.count() == 0


def test_text_keys_that_differ_only_in_case(db):
    """Where they are different keys of a model, their links are different, too."""
    lower, upper = (Track.objects.create(code=code) for code in ("abc", "ABC"))
    both, one = Disc.objects.create(name="both"), Disc.objects.create(name="one")
    if connection.vendor == "mysql":
        Disc.tracks.add_relation(Track)
        # Its collation says so, and that of the column of links says otherwise.
        with pytest.raises(TypeError, match="db_collation"):
            both.tracks.set([lower])
        with pytest.raises(TypeError, match="db_collation"):
            lower.discs.add(both)
        return
    both.tracks.add(lower, upper)
    one.tracks.add(upper)
    assert list(both.tracks.all()) == [lower, upper]
    assert names(Disc.objects.filter(tracks=lower)) == ["both"]
    assert list(lower.discs.all()) == [both]
    lower.delete()
    assert list(both.tracks.all()) == list(one.tracks.all()) == [upper]


# Refusals.


@pytest.mark.parametrize(
    "value",
    [1, "1", "film", b"1", 1.5, uuid.UUID(int=1), Movie, Ellipsis, [1], {"pk": 1}],
    ids=repr,
)
def test_what_is_no_object_is_refused(db, value):
    with pytest.raises(TypeError, match="preferred_videos"):
        User.objects.filter(preferred_videos=value)
    with pytest.raises(TypeError, match="preferred_videos"):
        User.objects.exclude(preferred_videos__in=[value])
    with pytest.raises(TypeError, match="preferred_videos"):
        User.objects.filter(Q(name="x") | Q(preferred_videos=value))


@pytest.mark.parametrize("value", [1, "film", None, Movie, Ellipsis], ids=repr)
def test_in_wants_many(db, value):
    with pytest.raises(TypeError):
        User.objects.filter(preferred_videos__in=value)


def test_an_object_instead_of_many_is_refused(library):
    with pytest.raises(TypeError):
        User.objects.filter(preferred_videos__in=library.film)


def test_unsaved_objects_are_refused(library):
    for unsaved in (Movie(title="film"), Premiere(title="no day")):
        for condition in (
            {"preferred_videos": unsaved},
            {"preferred_videos__in": [library.film, unsaved]},
        ):
            with pytest.raises(ValueError, match="saved"):
                User.objects.filter(**condition)
    with pytest.raises(ValueError, match="saved"):
        User.objects.filter(preferred_videos__movie=Movie())
    with pytest.raises(ValueError, match="saved"):
        Movie.objects.filter(user=User())


def test_keys_that_cannot_be_linked_are_refused(db):
    measure = Measure.objects.create(value=1.5)
    with pytest.raises(TypeError, match="FloatField"):
        User.objects.filter(preferred_videos=measure)
    with pytest.raises(TypeError, match="FloatField"):
        User.objects.filter(preferred_videos__in=Measure.objects.all())


def test_expressions_are_refused_on_the_field_itself(db):
    for expression in (F("pk"), F("name")):
        for lookup in ("preferred_videos", "preferred_videos__in"):
            with pytest.raises(FieldError, match="preferred_videos"):
                User.objects.filter(**{lookup: expression})
    with pytest.raises(FieldError, match="preferred_videos"):
        Exists(User.objects.filter(preferred_videos=OuterRef("pk")))
    with pytest.raises(FieldError, match="preferred_videos__<model>=OuterRef"):
        User.objects.filter(preferred_videos=F("pk"))


@pytest.mark.parametrize(
    "lookup",
    ["gt", "lt", "contains", "startswith", "range", "regex", "month", "iexact"],
)
def test_unknown_lookups_are_refused(library, lookup):
    with pytest.raises(FieldError, match="preferred_videos"):
        User.objects.filter(**{f"preferred_videos__{lookup}": library.film})
    with pytest.raises(FieldError):
        User.objects.filter(**{f"preferred_videos__movie__{lookup}": library.film})


def test_isnull_wants_a_boolean(db):
    for lookup in ("preferred_videos__isnull", "preferred_videos__movie__isnull"):
        for value in (None, "no", 3):
            with pytest.raises(ValueError, match=r"isnull|None"):
                str(User.objects.filter(**{lookup: value}).query)
    with pytest.raises(ValueError, match="isnull"):
        str(Movie.objects.filter(user__isnull="no").query)


def test_objects_of_another_model_are_refused(library):
    for wrong in (library.report, library.gala, library.Jack):
        with pytest.raises(ValueError, match="Movie"):
            User.objects.filter(preferred_videos__movie=wrong)
        with pytest.raises(ValueError, match="Movie"):
            User.objects.filter(preferred_videos__movie__in=[library.film, wrong])
        if wrong is not library.Jack:
            with pytest.raises(ValueError, match="User"):
                Movie.objects.filter(user=wrong)
            with pytest.raises(ValueError, match="User"):
                Movie.objects.filter(user__in=[wrong])
    with pytest.raises(ValueError, match="Movie"):
        User.objects.filter(preferred_videos__movie__in=Concert.objects.all())
    with pytest.raises(ValueError, match="User"):
        Movie.objects.filter(user__in=Concert.objects.all())


@pytest.mark.parametrize("value", ["abc", "1x", Ellipsis, uuid.UUID(int=1)], ids=repr)
def test_values_of_the_wrong_type_are_refused(db, value):
    if not isinstance(value, uuid.UUID):
        with pytest.raises((TypeError, ValueError)):
            User.objects.filter(preferred_videos__movie=value)
    with pytest.raises((TypeError, ValueError)):
        Movie.objects.filter(user=object())
    with pytest.raises((TypeError, ValueError)):
        Movie.objects.filter(user="abc")


def test_malformed_keys_are_refused_as_by_their_fields(db):
    from django.core.exceptions import ValidationError

    for lookup, value in (
        ("opera", "no uuid"),
        ("premiere", "2021-02-30"),
        ("poster", "no uuid"),
    ):
        with pytest.raises((ValidationError, ValueError)):
            User.objects.filter(**{f"preferred_videos__{lookup}": value})
        with pytest.raises((ValidationError, ValueError)):
            User.objects.filter(**{f"preferred_videos__{lookup}__in": [value]})


# Names.


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (User, ""),
        (Movie, ""),
        (Video, ""),
        (Opera, ""),
        (User, "preferred_videos__movie__"),
        (Movie, "user__"),
    ],
)
def test_choices_are_names_that_a_user_can_use(library, model, path):
    with pytest.raises(FieldError, match="Choices are") as caught:
        model.objects.values(f"{path}nonsense")
    found = choices(caught.value)
    assert len(found) == len(set(found))
    for name in found:
        assert name.isidentifier()
        # Each of them is one.
        list(model.objects.filter(**{f"{path}{name}__isnull": True}))
    if not path:
        assert ("preferred_videos" if model is User else "user") in found or (
            model is Video
        )


def test_choices_below_the_field(library):
    for call in (
        lambda: User.objects.filter(preferred_videos__nonsense=1),
        lambda: User.objects.filter(preferred_videos__nonsense__title=1),
        lambda: User.objects.values("preferred_videos__nonsense"),
        lambda: User.objects.order_by("preferred_videos__nonsense"),
        lambda: User.objects.annotate(n=Count("preferred_videos__nonsense")),
    ):
        with pytest.raises(FieldError) as caught:
            str(call().query)
        assert "+" not in str(caught.value)
    with pytest.raises(FieldError, match="Choices are") as caught:
        Link.objects.filter(nonsense=1)
    assert {of(model) for model in MODELS} <= set(choices(caught.value))
    assert len(choices(caught.value)) == len(set(choices(caught.value)))
    assert all(name.isidentifier() for name in choices(caught.value))


def test_errors_name_no_helper(library):
    for path in ("preferred_videos__nonsense", "preferred_videos__movie__nonsense"):
        with pytest.raises(FieldError) as caught:
            User.objects.filter(**{path: 1})
        for helper in ("+", "TargetKey", "KeyColumn", "LinkRel", "TargetRel"):
            assert helper not in str(caught.value)


def test_hidden_fields_have_no_name(db):
    with pytest.raises(FieldError):
        Video.objects.filter(hidden=1)
    with pytest.raises(FieldError, match="Choices are") as caught:
        Video.objects.filter(nonsense=1)
    assert "hidden" not in choices(caught.value)


@pytest.mark.parametrize("model", [User, *MODELS, Video, VideoProxy, Playlist])
def test_no_helper_shows_in_representations(model):
    shown = [
        text
        for field in model._meta.get_fields()
        for text in (repr(field), str(field), field.name)
    ]
    assert not [text for text in shown if "+" in text]
    listed = [field.name for field in model._meta.get_fields()]
    assert len(listed) == len(set(listed))


def test_representations_of_the_field():
    field = User._meta.get_field("preferred_videos")
    assert repr(field) == "<gm2m.fields.GM2MField: preferred_videos>"
    assert str(field) == "app.User.preferred_videos"
    rel = Movie._meta.get_field("user")
    assert rel.name == "user"
    assert "app.user" in repr(rel)


def test_an_undeclared_model_has_a_name_once_it_is_linked(db):
    holder = Undeclared.objects.create(name="holder")
    Undeclared.objects.create(name="other")
    book = Book.objects.create(pk=1, title="book")
    person = Person.objects.create(pk=1, name="person")
    concert = Concert.objects.create(pk="1")
    holder.things.add(book, person, concert)
    holder.others.add(person)
    assert names(Undeclared.objects.filter(things__book__title="book")) == ["holder"]
    assert names(Undeclared.objects.filter(things=person)) == ["holder"]
    assert names(Undeclared.objects.filter(others=book)) == []
    assert names(Undeclared.objects.filter(others__person=1)) == ["holder"]
    assert list(Book.objects.filter(thing_holders=holder)) == [book]
    assert list(Person.objects.filter(other_holder__name="holder")) == [person]
    assert list(Person.objects.filter(other_holder=holder, thing_holders=holder)) == [
        person
    ]
    counted = Undeclared.objects.annotate(n=Count("things", distinct=True))
    assert {obj.name: obj.n for obj in counted} == {"holder": 3, "other": 0}
    both = Undeclared.objects.annotate(
        n=Count("things", distinct=True), m=Count("others", distinct=True)
    ).get(name="holder")
    assert (both.n, both.m) == (3, 1)


def test_related_query_name(db):
    video, opera = Video.objects.create(title="v"), Opera.objects.create(title="o")
    club = Club.objects.create(name="club")
    club.library.add(video)
    assert list(Video.objects.filter(club__name="club")) == [video]
    with pytest.raises(FieldError):
        Video.objects.filter(clubs__name="club")
    holder = Undeclared.objects.create()
    holder.others.add(video)
    assert list(Video.objects.filter(other_holder=holder)) == [video]
    with pytest.raises(FieldError):
        Video.objects.filter(other_holders=holder)
    vault = Vault.objects.create()
    vault.works.add(opera)
    assert list(Opera.objects.filter(vaults=vault)) == [opera]


def test_names_of_children_of_an_abstract_source(db):
    video = Video.objects.create()
    page, image = TaggedPage.objects.create(), TaggedImage.objects.create()
    page.things.add(video)
    assert list(Video.objects.filter(app_taggedpage_things=page)) == [video]
    assert list(Video.objects.filter(app_taggedimage_things=image)) == []
    assert list(TaggedPage.objects.filter(things=video)) == [page]
    assert list(TaggedImage.objects.filter(things=video)) == []


def test_a_hidden_field_serves_lookups_from_its_source(db):
    video = Video.objects.create(title="v")
    source, other = Hidden.objects.create(), Hidden.objects.create()
    source.things.add(video)
    assert list(Hidden.objects.filter(things=video)) == [source]
    assert list(Hidden.objects.filter(things__video__title="v")) == [source]
    assert list(Hidden.objects.filter(things__isnull=True)) == [other]


# Inheritance.


def test_children_and_parents_are_different_targets(db):
    movie = Movie.objects.create(title="one")
    video = Video.objects.get(pk=movie.pk)
    by_movie, by_video = (Club.objects.create(name=n) for n in ("movie", "video"))
    by_movie.library.add(movie)
    by_video.library.add(video)
    assert names(Club.objects.filter(library=movie)) == ["movie"]
    assert names(Club.objects.filter(library=video)) == ["video"]
    assert names(Club.objects.filter(library__movie=movie)) == ["movie"]
    assert names(Club.objects.filter(library__video=video)) == ["video"]
    assert names(Club.objects.filter(library__movie__title="one")) == ["movie"]
    assert names(Club.objects.filter(library__video__title="one")) == ["video"]
    assert names(Club.objects.filter(library__in=Movie.objects.all())) == ["movie"]
    assert names(Club.objects.filter(library__in=Video.objects.all())) == ["video"]
    assert names(Club.objects.filter(library__in=[movie, video])) == ["movie", "video"]
    # The accessor and the query name mean links of the model that is asked.
    assert list(Movie.objects.filter(club__name="movie")) == [movie]
    assert list(Movie.objects.filter(club__name="video")) == []
    assert list(Video.objects.filter(club=by_video)) == [video]
    assert list(Video.objects.filter(club=by_movie)) == []
    # A parent is accepted for its child, as Django does.
    assert names(Club.objects.filter(library__movie=video)) == ["movie"]
    assert names(Club.objects.filter(library__movie__in=[video])) == ["movie"]
    assert names(Club.objects.exclude(library__movie=video)) == ["video"]
    # Down from a parent, as with any relation of a child.
    assert list(Video.objects.filter(movie__club=by_movie)) == [video]
    assert list(Video.objects.filter(movie__user__name="x")) == []


def test_proxies_are_their_concrete_model(db):
    proxy = VideoProxy.objects.create(title="v")
    video = Video.objects.get(pk=proxy.pk)
    club = Club.objects.create(name="club")
    club.library.add(proxy)
    for obj in (proxy, video):
        assert names(Club.objects.filter(library=obj)) == ["club"]
        assert names(Club.objects.filter(library__in=[obj])) == ["club"]
        assert names(Club.objects.filter(library__video=obj)) == ["club"]
    assert list(VideoProxy.objects.filter(club__name="club")) == [proxy]
    assert list(VideoProxy.objects.filter(club=club)) == [proxy]
    assert list(Video.objects.filter(club=club)) == [video]
    assert names(Club.objects.filter(library__in=VideoProxy.objects.all())) == ["club"]
    assert [v.n for v in VideoProxy.objects.annotate(n=Count("club"))] == [1]


def test_proxies_are_targets_of_their_own_without_for_concrete_model(db):
    proxy = VideoProxy.objects.create(title="v")
    video = Video.objects.get(pk=proxy.pk)
    of_proxy, of_video = ProxyLover.objects.create(), ProxyLover.objects.create()
    of_proxy.things.add(proxy)
    of_video.things.add(video)
    objects = ProxyLover.objects
    assert list(objects.filter(things=proxy)) == [of_proxy]
    assert list(objects.filter(things=video)) == [of_video]
    assert list(objects.filter(things__in=VideoProxy.objects.all())) == [of_proxy]
    assert list(objects.filter(things__in=Video.objects.all())) == [of_video]
    assert list(objects.filter(things__videoproxy__title="v")) == [of_proxy]
    assert list(objects.filter(things__video__title="v")) == [of_video]
    # A model and its proxies share their ``_meta`` of reverse relations: there the
    # name leads to the links of both, while the managers keep to their own.
    for lover in (of_proxy, of_video):
        assert list(VideoProxy.objects.filter(proxy_lovers=lover)) == [proxy]
        assert list(Video.objects.filter(proxy_lovers=lover)) == [video]
    assert list(proxy.proxy_lovers.all()) == [of_proxy]
    assert list(video.proxy_lovers.all()) == [of_video]


def test_children_and_proxies_of_a_source(library):
    critic = Critic.objects.create(name="Jane", paper="Post")
    critic.preferred_videos.add(library.film, library.tosca)
    assert list(Critic.objects.filter(preferred_videos=library.film)) == [critic]
    assert list(Critic.objects.filter(preferred_videos__movie__title="film")) == [
        critic
    ]
    assert list(Critic.objects.exclude(preferred_videos=library.gala)) == [critic]
    assert names(UserProxy.objects.filter(preferred_videos=library.film)) == [
        "Jack",
        "Jane",
        "Joan",
    ]
    assert list(Movie.objects.filter(user=critic)) == [library.film]
    assert list(Opera.objects.filter(user__critic__paper="Post")) == [library.tosca]
    counted = Critic.objects.annotate(n=Count("preferred_videos"))
    assert [found.n for found in counted] == [2]
    jack = UserProxy.objects.get(name="Jack")
    assert list(Premiere.objects.filter(user=jack)) == [library.targets["first night"]]


def test_a_relation_to_itself(db):
    ann, bob, cat = (Friend.objects.create(name=name) for name in ("ann", "bob", "cat"))
    ann.friends.add(bob, cat)
    bob.friends.add(ann)
    assert names(Friend.objects.filter(friends=ann)) == ["bob"]
    assert names(Friend.objects.filter(befriended_by=ann)) == ["bob", "cat"]
    assert names(Friend.objects.filter(friends__friend__name="cat")) == ["ann"]
    assert names(Friend.objects.filter(befriended_by__befriended_by=bob)) == [
        "bob",
        "cat",
    ]
    assert names(Friend.objects.filter(friends__isnull=True)) == ["cat"]
    friends = Friend.objects.filter(friends__friend=OuterRef("pk"))
    assert names(Friend.objects.filter(Exists(friends))) == ["ann", "bob", "cat"]


# Longer paths.


def test_paths_that_lead_to_a_target(library):
    lang = Person.objects.get()
    assert list(Person.objects.filter(movie__user__name="Jack")) == [lang]
    assert list(Person.objects.filter(movie__user=library.Jill)) == []
    assert list(Person.objects.filter(opera__user=library.Joan)) == [lang]
    assert list(Person.objects.exclude(movie__user=library.Jack)) == []
    assert list(Opera.objects.filter(poster__user__name="Jill")) == [library.tosca]
    assert list(Poster.objects.filter(opera__user=library.Jack)) == [
        library.targets["tosca poster"]
    ]
    fans = Person.objects.annotate(n=Count("movie__user", distinct=True))
    assert [person.n for person in fans] == [2]


def test_paths_that_go_on_from_a_target(library):
    def found(**condition):
        return names(User.objects.filter(**condition).distinct())

    assert found(preferred_videos__movie__director__name="Lang") == ["Jack", "Joan"]
    assert found(preferred_videos__opera__poster__title="tosca poster") == [
        "Jack",
        "Joan",
    ]
    assert found(preferred_videos__poster__opera__composer__name="Lang") == [
        "Jill",
        "Joan",
    ]
    assert found(preferred_videos__movie__user__name="Jill") == ["Jill"]
    assert found(preferred_videos__movie__user=library.Joan) == ["Jack", "Joan"]
    assert found(preferred_videos__concert__user__preferred_videos=library.film) == [
        "Jack",
        "Jill",
    ]
    assert found(preferred_videos__movie__video_ptr__title="film") == ["Jack", "Joan"]


def test_paths_that_lead_to_a_source(library):
    first, second = Playlist.objects.create(), Playlist.objects.create()
    video = Video.objects.get(pk=1)
    first.items.add(video, library.tosca)
    second.items.add(library.aida)
    items = PlaylistItem.objects
    assert items.filter(playlist__items=video).count() == 2
    assert items.filter(playlist__items__opera__title="aida").count() == 1
    assert items.filter(playlist__items__in=[video, library.aida]).count() == 3
    assert items.exclude(playlist__items=video).count() == 1
    assert items.filter(playlist__items__isnull=True).count() == 0
    assert set(
        items.filter(playlist=first).values_list(
            "playlist__items__video__title", flat=True
        )
    ) == {"film", None}


def test_the_through_itself(library):
    links = Link.objects
    assert links.filter(movie__title="film").count() == 2
    assert links.filter(opera=library.tosca).count() == 2
    assert links.filter(gm2m_src__name="Jack", movie__isnull=False).count() == 1
    assert links.filter(poster__opera__title="tosca").count() == 2
    assert links.filter(concert__in=Concert.objects.all()).count() == 4
    assert links.exclude(movie__title="film").count() == 12
    titles = links.filter(movie__isnull=False).values_list("movie__title", flat=True)
    assert set(titles) == {"film", "second film"}


# Custom through models.


@pytest.fixture
def playlists(db):
    video, opera = Video.objects.create(title="v"), Opera.objects.create(title="o")
    first, second = (Playlist.objects.create(name=name) for name in ("first", "second"))
    first.items.add(opera, through_defaults={"position": 1, "note": "loud"})
    first.items.add(video, through_defaults={"position": 2})
    second.items.add(video, through_defaults={"position": 1})
    return SimpleNamespace(first=first, second=second, video=video, opera=opera)


def test_custom_through_with_a_text_key(playlists):
    video, opera = playlists.video, playlists.opera
    assert names(Playlist.objects.filter(items=video)) == ["first", "second"]
    assert names(Playlist.objects.filter(items=opera)) == ["first"]
    assert names(Playlist.objects.filter(items__opera__title="o")) == ["first"]
    assert names(Playlist.objects.filter(items__note="loud")) == ["first"]
    assert names(Playlist.objects.filter(items=video, items__position=1)) == ["second"]
    assert names(Playlist.objects.exclude(items=opera)) == ["second"]
    assert list(Video.objects.filter(playlists=playlists.second)) == [video]
    assert list(Opera.objects.filter(playlists__name="first")) == [opera]
    assert list(Opera.objects.exclude(playlists__name="first")) == []
    assert Video.objects.aggregate(n=Count("playlists"))["n"] == 2
    rows = Playlist.objects.filter(items__opera__isnull=False)
    assert list(rows.values_list("items__opera", "items__position")) == [(opera.pk, 1)]
    # The through's own relations are those of the model.
    assert names(Playlist.objects.filter(playlistitem__position=2)) == ["first"]


def test_custom_through_with_an_integer_key(db):
    first, second = Shelf.objects.create(name="first"), Shelf.objects.create(name="2nd")
    one, two = Video.objects.create(title="one"), Video.objects.create(title="two")
    first.videos.add(one)
    second.videos.add(one, two)
    # Another model, and the other keys of the through.
    movie = Movie.objects.create(title="movie")
    first.videos.add(movie)
    ShelfPlace.objects.filter(shelf=first).update(former_shelf=second)
    assert names(Shelf.objects.filter(videos=one)) == ["2nd", "first"]
    assert names(Shelf.objects.filter(videos__in=[two, movie])) == ["2nd", "first"]
    # The through model has a field "video" of its own.
    assert names(Shelf.objects.filter(videos__app_video__title="two")) == ["2nd"]
    assert names(Shelf.objects.filter(videos__movie__title="movie")) == ["first"]
    assert names(Shelf.objects.filter(videos__in=Movie.objects.all())) == ["first"]
    assert list(Video.objects.filter(shelf=first)) == [one]
    assert list(Video.objects.filter(shelf__name="2nd").order_by("pk")) == [one, two]
    assert list(Movie.objects.filter(shelf=first)) == [movie]
    keys = Shelf.objects.filter(videos__app_video__isnull=False).order_by("videos__id")
    assert list(keys.values_list("videos__app_video", flat=True)) == [
        one.pk,
        one.pk,
        two.pk,
    ]
    shelves = Shelf.objects.filter(videos__app_video=OuterRef("pk"))
    assert Video.objects.filter(Exists(shelves)).count() == 2
    assert names(
        Shelf.objects.filter(videos__in=second.videos.filter(app_video__title="two"))
    ) == ["2nd"]


def test_custom_through_with_a_uuid_key(db):
    first, second = Vault.objects.create(), Vault.objects.create()
    tosca, aida = (
        Opera.objects.create(title="tosca"),
        Opera.objects.create(title="aida"),
    )
    first.works.add(tosca)
    second.works.add(tosca, aida)
    assert list(Vault.objects.filter(works=aida)) == [second]
    assert pks(Vault.objects.filter(works=tosca)) == [first.pk, second.pk]
    assert list(Vault.objects.filter(works__opera__title="aida")) == [second]
    assert list(Vault.objects.filter(works__opera=aida.pk)) == [second]
    assert list(Vault.objects.filter(works__in=Opera.objects.filter(title="aida"))) == [
        second
    ]
    assert list(Vault.objects.exclude(works=aida)) == [first]
    assert list(Opera.objects.filter(vaults=first)) == [tosca]
    assert pks(Opera.objects.filter(vaults=second)) == sorted([tosca.pk, aida.pk])
    assert list(Opera.objects.exclude(vaults=first)) == [aida]
    keys = Vault.objects.filter(pk=first.pk).values_list("works__opera", flat=True)
    assert list(keys) == [tosca.pk]
    vaults = Vault.objects.filter(works__opera=OuterRef("pk")).values("pk")
    assert Opera.objects.filter(Exists(vaults)).count() == 2
    assert VaultEntry.objects.filter(opera__title="tosca").count() == 2


# Statements that change something.


def test_update_through_the_field(library):
    film_fans = User.objects.filter(preferred_videos__movie__title="film")
    assert film_fans.update(name="fan") == 2
    assert (
        User.objects.filter(preferred_videos=library.gala)
        .exclude(preferred_videos=library.film)
        .update(name="listener")
        == 1
    )
    assert names(User.objects.all()) == ["Joe", "fan", "fan", "listener"]
    assert User.objects.filter(preferred_videos__isnull=True).update(name="x") == 1
    assert (
        User.objects.filter(preferred_videos__in=Opera.objects.all()).update(
            name="operatic"
        )
        == 2
    )


@pytest.mark.parametrize("model", MODELS)
def test_update_of_targets(library, model):
    column = "subject" if model is Documentary else "title"
    expected = len(liked(library, model, "Jack"))
    assert model.objects.filter(user__name="Jack").update(**{column: "new"}) == expected
    assert model.objects.filter(**{column: "new"}).count() == expected
    expected = len(all_pks(library, model)) - expected
    assert model.objects.exclude(user=library.Jack).update(**{column: "b"}) == expected


def test_delete_of_sources(library):
    User.objects.filter(preferred_videos__movie__title="film").delete()
    assert names(User.objects.all()) == ["Jill", "Joe"]
    User.objects.exclude(preferred_videos=library.gala).delete()
    assert names(User.objects.all()) == ["Jill"]
    assert Link.objects.count() == len(LINKS["Jill"])


@pytest.mark.parametrize("model", MODELS)
def test_delete_of_targets(library, model):
    if model is Movie:
        # The report is the same video, which goes with the film.
        library.report.delete(keep_parents=True)
    before = Link.objects.count()
    gone = liked(library, model, "Jack")
    links = sum(len(set(gone) & set(liked(library, model, name))) for name in LINKS)
    model.objects.filter(user__name="Jack").delete()
    assert set(pks(model.objects.all())) == set(all_pks(library, model)) - set(gone)
    if model is not Opera:
        # It takes its poster along.
        assert Link.objects.count() == before - links


def test_delete_of_links(library):
    Link.objects.filter(movie__title="film").delete()
    assert names(User.objects.filter(preferred_videos=library.film)) == []
    assert Link.objects.count() == 12


# Pickling.


def test_queries_can_be_pickled(library):
    jill = library.Jill.preferred_videos
    for queryset in (
        User.objects.filter(preferred_videos=library.film),
        User.objects.filter(preferred_videos__in=[library.film, library.tosca]),
        User.objects.filter(preferred_videos__in=Movie.objects.filter(title="film")),
        User.objects.filter(preferred_videos__in=jill.all()),
        User.objects.filter(preferred_videos__isnull=True),
        User.objects.filter(preferred_videos__movie=1),
        User.objects.filter(preferred_videos__movie__title="film"),
        User.objects.exclude(preferred_videos=library.gala),
        User.objects.exclude(preferred_videos__poster__title="tosca poster"),
        User.objects.order_by("preferred_videos__opera"),
        User.objects.annotate(n=Count("preferred_videos")),
        Movie.objects.filter(user=library.Jack),
        Movie.objects.filter(user__name="Jack"),
        Movie.objects.exclude(user__name="Jack"),
        Opera.objects.filter(
            Exists(User.objects.filter(preferred_videos__opera=OuterRef("pk")))
        ),
        Opera.objects.annotate(
            jack=FilteredRelation("user", condition=Q(user__name="Jack"))
        ).filter(jack__isnull=False),
        jill.filter(Model=Concert),
        jill.instances_of(Movie),
    ):
        copy = queryset.model._default_manager.all()
        copy.query = pickle.loads(pickle.dumps(queryset.query))
        assert str(copy.query) == str(queryset.query)
        again = pickle.loads(pickle.dumps(queryset))
        assert list(again) == list(queryset)
        assert sorted(obj.pk for obj in again.all()) == sorted(
            obj.pk for obj in queryset.all()
        )


def test_querysets_with_conditions_can_be_cloned_and_used_again(library):
    queryset = User.objects.filter(preferred_videos=library.film)
    assert names(queryset) == names(queryset.all()) == ["Jack", "Joan"]
    assert queryset.count() == 2
    assert queryset.exists()
    assert queryset.filter(name="Jack").get() == library.Jack
    assert names(queryset.exclude(name="Jack")) == ["Joan"]


# Random keys against plain sets.

# No letters, no spaces at the end: MariaDB's text keys do not tell upper from lower
# case, nor trailing spaces.
ODD_TEXT = st.text("'\"%_\\;-{}$0189😀é ?:/&<+`", min_size=1, max_size=16).filter(
    lambda text: not text.endswith(" ")
) | st.sampled_from(["1", "2021-02-03", "0123456789abcdef", "%s", "%(x)s", "\\'" * 8])
KEYS = {
    Star: st.integers(1, 3) | st.integers(-(2**63), 2**63 - 1),
    # Of versions that there are: MariaDB refuses others.
    Opera: st.uuids(version=4) | st.uuids(version=1),
    Concert: ODD_TEXT,
    Premiere: st.dates(datetime.date(1000, 1, 1)),
}
RANDOM_LINKS = st.fixed_dictionaries(
    {
        model: st.dictionaries(keys, st.sets(st.sampled_from("abc")), max_size=4)
        for model, keys in KEYS.items()
    }
)


@pytest.mark.django_db
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(links=RANDOM_LINKS)
def test_any_keys_give_what_sets_give(links):
    for model in (User, *KEYS):
        model.objects.all().delete()
    # From now on stars know the field, which does not declare them.
    User.objects.create().preferred_videos.add(Star.objects.create(pk=0))
    Star.objects.all().delete()
    User.objects.all().delete()
    users = {name: User.objects.create(name=name) for name in "abc"}
    objs = {
        (model, key): model.objects.create(pk=key, title="x")
        for model, fans in links.items()
        for key in fans
    }
    for (model, key), obj in objs.items():
        for name in links[model][key]:
            users[name].preferred_videos.add(obj)

    for (model, key), obj in objs.items():
        fans = sorted(links[model][key])
        lookup = f"preferred_videos__{of(model)}"
        assert names(User.objects.filter(preferred_videos=obj)) == fans
        assert names(User.objects.filter(**{lookup: key})) == fans
        assert names(User.objects.filter(**{f"{lookup}__pk": key})) == fans
        assert names(User.objects.exclude(preferred_videos=obj)) == sorted(
            set("abc") - set(fans)
        )
        assert model.objects.annotate(n=Count("user")).get(pk=key).n == len(fans)
    for name, user in users.items():
        expected = {(m, k) for m, k in objs if name in links[m][k]}
        assert {(type(obj), obj.pk) for obj in user.preferred_videos.all()} == expected
        for model in KEYS:
            keys = sorted(key for m, key in expected if m is model)
            assert pks(model.objects.filter(user=user)) == keys
            assert pks(model.objects.filter(user__name=name)) == keys
            assert pks(user.preferred_videos.instances_of(model)) == keys
            typed = User.objects.filter(
                pk=user.pk, **{f"preferred_videos__{of(model)}__isnull": False}
            )
            found = typed.values_list(f"preferred_videos__{of(model)}", flat=True)
            assert sorted(found) == keys
    everything = User.objects.filter(preferred_videos__in=objs.values()).distinct()
    assert names(everything) == sorted(
        {name for fans in links.values() for linked in fans.values() for name in linked}
    )
