"""
A ``Prefetch`` whose queryset is itself about the relation, and what is refused.

Beside the field there is a many-to-many of Django's, which must answer the same.
"""

import pytest
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.core import serializers
from django.db import NotSupportedError
from django.db.models import Count, F, FilteredRelation, Prefetch, Q

from tests.app.models import (
    Book,
    Measure,
    Playlist,
    Shot,
    Term,
    Undeclared,
    User,
    Video,
)

LINKS = {"x": "bca", "y": "abd", "z": ""}


@pytest.fixture
def terms(db):
    """Sources with the same terms by the field and by a many-to-many."""
    terms = {name: Term.objects.create(name=name) for name in "abcd"}
    for name, letters in LINKS.items():
        linked = [terms[letter] for letter in letters]
        Undeclared.objects.create(name=name).things.add(*linked)
        Shot._base_manager.create(name=name).index.add(*linked)
    for name in "pq":
        User.objects.create(name=name).preferred_videos.add(terms["a"], terms["b"])
    # Keys that are those of other models, too.
    Undeclared.objects.get(name="z").things.add(
        *(Book.objects.create(title=name) for name in "abcd")
    )
    ContentType.objects.get_for_model(Term)
    return terms


def forwards(queryset):
    """Return what ``Prefetch`` finds from sources: by the field and by Django."""
    found = []
    for model, name in ((Undeclared, "things"), (Shot, "index")):
        terms = queryset(model._meta.model_name)
        lookup = Prefetch(name, terms)
        sources = model._base_manager.order_by("name").prefetch_related(lookup)
        lists = [[shape(obj) for obj in getattr(one, name).all()] for one in sources]
        found.append(lists if terms.ordered else list(map(sorted, lists)))
    return found


def backwards(queryset):
    """Return what it finds from targets."""
    found = []
    for model, name, field in (
        (Undeclared, "thing_holders", "things"),
        (Shot, "shots", "index"),
    ):
        sources = queryset(model._base_manager.order_by("name"), field)
        terms = Term.objects.order_by("name").prefetch_related(
            Prefetch(name, sources, to_attr="found")
        )
        found.append([[shape(obj) for obj in term.found] for term in terms])
    return found


def shape(obj):
    return (obj.name, getattr(obj, "n", None))


#: Lookups on the sources of terms have other names at the field.
NAMES = {"undeclared": "thing_holders", "shot": "shots"}

FORWARDS = {
    "by a source": lambda s: Term.objects.filter(**{f"{s}__name": "x"}),
    "by a source, ordered": lambda s: Term.objects.filter(
        **{f"{s}__name": "x"}
    ).order_by("-name"),
    "by two sources": lambda s: (
        Term.objects.filter(**{f"{s}__name": "x"})
        .filter(**{f"{s}__name": "y"})
        .order_by("name")
    ),
    "excluded": lambda s: Term.objects.exclude(**{f"{s}__name": "x"}).order_by("name"),
    "annotated": lambda s: Term.objects.annotate(n=F(f"{s}__name")).order_by("name"),
    "counted": lambda s: Term.objects.annotate(n=Count(s)).order_by("name"),
    "conditionally": lambda s: Term.objects.annotate(
        n=Count(s, filter=Q(**{f"{s}__name": "x"}))
    ).order_by("name"),
    "by their number": lambda s: Term.objects.annotate(n=Count(s)).filter(n__gt=1),
    "distinct": lambda s: (
        Term.objects.filter(**{f"{s}__name__in": "xy"}).distinct().order_by("name")
    ),
    "ordered by a source": lambda s: Term.objects.order_by(f"-{s}__name", "name"),
    "by others, twice": lambda s: Term.objects.filter(user__name__in="pq"),
    "ordered by others": lambda s: Term.objects.order_by("user__name", "name"),
    "ordered by others, distinct": lambda s: Term.objects.filter(
        user__name__in="pq"
    ).distinct(),
    "filtered relation": lambda s: (
        Term.objects.annotate(
            own=FilteredRelation(s, condition=Q(**{f"{s}__name": "x"}))
        )
        .filter(own__isnull=False)
        .order_by("name")
    ),
    "nothing": lambda s: Term.objects.filter(**{f"{s}__name": "x"}).none(),
}


@pytest.mark.parametrize("queryset", FORWARDS.values(), ids=FORWARDS)
def test_conditions_on_the_sources_of_targets(terms, queryset):
    own, djangos = forwards(lambda model: queryset(NAMES[model]))
    assert own == djangos


@pytest.mark.parametrize("name", list("xyz"))
def test_they_are_those_of_the_manager(terms, name):
    """In the order of the links, too."""
    named = Term.objects.filter(thing_holders__name="x")
    x = Undeclared.objects.prefetch_related(Prefetch("things", named)).get(name=name)
    held = x.things.instances_of(Term).filter(thing_holders__name="x")
    assert list(x.things.all()) == list(held)
    counted = Term.objects.annotate(n=Count("thing_holders"))
    x = Undeclared.objects.prefetch_related(Prefetch("things", counted)).get(name=name)
    held = x.things.instances_of(Term).annotate(n=Count("thing_holders"))
    assert list(map(shape, x.things.all())) == list(map(shape, held))


def test_they_cost_one_query(terms, django_assert_num_queries):
    named = Term.objects.filter(thing_holders__name="x")
    with django_assert_num_queries(2):
        sources = list(
            Undeclared.objects.order_by("name").prefetch_related(
                Prefetch("things", named)
            )
        )
    with django_assert_num_queries(0):
        assert [t.name for t in sources[0].things.all()] == ["b", "c", "a"]
        assert sources[0].things.count() == 3
        (json, *_) = serializers.serialize("python", sources, fields=["things"])
    assert json["fields"]["things"] == [
        [["app", "term"], str(terms[letter].pk)] for letter in "bca"
    ]


def test_slices_are_those_of_each_source(terms):
    for queryset in (
        Term.objects.filter(thing_holders__name__in="xy").order_by("-name")[:2],
        Term.objects.annotate(n=Count("thing_holders")).order_by("-name")[:2],
    ):
        sources = Undeclared.objects.order_by("name").prefetch_related(
            Prefetch("things", queryset, to_attr="found")
        )
        assert [[t.name for t in source.found] for source in sources] == [
            ["c", "b"],
            ["d", "b"],
            [],
        ]


def test_shared_targets_are_objects_of_their_own(terms):
    named = Term.objects.annotate(n=Count("thing_holders"))
    x, y, _ = Undeclared.objects.order_by("name").prefetch_related(
        Prefetch("things", named)
    )
    (one,) = (t for t in x.things.all() if t.name == "a")
    (other,) = (t for t in y.things.all() if t.name == "a")
    assert one == other
    assert one is not other


BACKWARDS = {
    "by a target": lambda q, f: q.filter(**{f: Term.objects.get(name="a")}),
    "by targets": lambda q, f: q.filter(
        **{f"{f}__in": list(Term.objects.filter(name__in="ab"))}
    ),
    "linked": lambda q, f: q.filter(**{f"{f}__isnull": False}),
    "counted": lambda q, f: q.annotate(n=Count(f)),
    "by one after another": lambda q, f: q.filter(**{f"{f}__isnull": False}).filter(
        **{f: Term.objects.get(name="a")}
    ),
    "slice": lambda q, f: q.annotate(n=Count(f))[:1],
    "another slice": lambda q, f: q.filter(**{f"{f}__isnull": False})[1:2],
}


@pytest.mark.parametrize("queryset", BACKWARDS.values(), ids=BACKWARDS)
def test_conditions_on_the_targets_of_sources(terms, queryset):
    own, djangos = backwards(queryset)
    assert own == djangos


def test_targets_by_a_custom_through(db):
    one, two = (Playlist.objects.create(name=name) for name in "xy")
    videos = [Video.objects.create(title=title) for title in "ab"]
    for position, video in zip((2, 1), videos, strict=True):
        one.items.add(video, through_defaults={"position": position})
    two.items.add(videos[0])
    queryset = Video.objects.filter(playlists__name="x")
    found = Playlist.objects.order_by("name").prefetch_related(
        Prefetch("items", queryset)
    )
    assert [[v.title for v in p.items.all()] for p in found] == [["b", "a"], []]


# What is refused.


@pytest.mark.parametrize(
    "queryset",
    [
        lambda: Undeclared.things.through.objects.all(),
        lambda: Undeclared(pk=1).things.all(),
        lambda: Undeclared._meta.get_field("things").related_model.objects.all(),
        lambda: Measure.objects.all(),
    ],
    ids=["through", "mixed", "related model", "key of another type"],
)
def test_querysets_of_what_is_no_target_are_refused(terms, queryset):
    for lookup in (
        Prefetch("things", queryset()),
        GenericPrefetch("things", [queryset(), Term.objects.all()]),
        GenericPrefetch("things", [queryset()]),
    ):
        with pytest.raises(TypeError, match=r"app\.Undeclared\.things"):
            list(Undeclared.objects.prefetch_related(lookup))
    with pytest.raises(TypeError, match=r"app\.Undeclared\.things"):
        list(
            Undeclared.objects.first().things.prefetch_related(
                GenericPrefetch("things", [queryset()])
            )
        )


def test_unions_are_refused_as_django_does(terms):
    terms = Term.objects.filter(name="a").union(Term.objects.filter(name="b"))
    with pytest.raises(NotSupportedError, match=r"filter\(\) after union"):
        list(Undeclared.objects.prefetch_related(Prefetch("things", terms)))
    sources = Undeclared.objects.filter(name="x").union(Undeclared.objects.all())
    for queryset in (sources, sources[:1]):
        with pytest.raises(NotSupportedError, match=r"filter\(\) after union"):
            list(Term.objects.prefetch_related(Prefetch("thing_holders", queryset)))
